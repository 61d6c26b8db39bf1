"""What shall stand outside, in ERP, PSA and CRM, once a deal is won: the desired records of an engagement.

Each carries our key. Records point at one another by our keys; a connector finds the vendor's ids in `Write.refs`.
"""

from datetime import date
from enum import StrEnum

from dealbridge.domain.deal import BillingFrequency, BillingType
from dealbridge.domain.keys import Kind
from dealbridge.domain.model import Instant, Model, Number
from dealbridge.domain.money import CurrencyCode, Money
from dealbridge.domain.parties import Contact, Customer


class BillingItemKind(StrEnum):
    """Why an amount falls due."""

    MILESTONE = "milestone"
    DATED = "dated"
    RECURRING = "recurring"
    CAP = "cap"
    """Time and materials: billed as worked, up to this amount in all."""


class BillingItem(Model):
    """One amount of a billing schedule. `key` is unique within the schedule and stays the same through amendments."""

    key: str
    kind: BillingItemKind
    line_key: str
    task_key: str | None = None
    description: str
    due: date
    amount: Money


class BillingSchedule(Model):
    """When what is billed. The items' amounts sum to the contract's value exactly."""

    key: str
    contract_key: str
    project_key: str
    name: str
    currency: CurrencyCode
    items: tuple[BillingItem, ...]

    @property
    def total(self) -> Money:
        return Money.total((item.amount for item in self.items), self.currency)


class ContractLine(Model):
    """One line of a contract. `amount` is quantity × rate rounded, or the line's agreed amount where they differ."""

    key: str
    service_line: str
    description: str
    quantity: Number
    amount: Money
    billing_type: BillingType
    billing_frequency: BillingFrequency | None = None
    cap: Money | None = None
    start: date
    end: date
    task_key: str | None = None


class Contract(Model):
    """What the customer ordered from one legal entity."""

    key: str
    customer_key: str
    project_key: str
    legal_entity: str
    name: str
    po_number: str | None = None
    currency: CurrencyCode
    value: Money
    payment_terms: str | None = None
    order_date: date
    start: date
    end: date
    lines: tuple[ContractLine, ...]
    schedule: BillingSchedule | None = None
    """Carried inside the contract where the ERP keeps it there (`Capabilities.embeds`), else a record of its own."""


class Task(Model):
    """A task of a project; one per service line."""

    key: str
    project_key: str
    number: int
    name: str
    service_line: str
    start: date
    end: date
    hours: Number | None = None
    budget: Money
    closed: bool = False


class Project(Model):
    """The delivery of a contract by one legal entity."""

    key: str
    customer_key: str
    legal_entity: str
    name: str
    manager_email: str
    currency: CurrencyCode
    start: date
    end: date
    budget: Money
    tasks: tuple[Task, ...] = ()
    """Carried inside the project where the system keeps them there, else records of their own."""


class StaffingProject(Model):
    """The project as the staffing system needs it."""

    key: str
    name: str
    customer_name: str
    manager_email: str
    currency: CurrencyCode
    budget: Money
    start: date
    end: date


class StaffingRequest(Model):
    """A wish for people: a role for a time. `hours` in all; None where the sale did not say."""

    key: str
    project_key: str
    title: str
    role: str
    service_line: str
    hours: Number | None = None
    start: date
    end: date


class EngagementStatus(Model):
    """What the CRM shows of the engagement. `None` numbers are not yet assigned."""

    key: str
    status: str
    message: str
    customer_number: str | None = None
    contract_number: str | None = None
    project_number: str | None = None
    at: Instant | None = None
    """When; not compared, so that time passing is no change."""


type Record = (
    Customer
    | Contact
    | Project
    | Task
    | Contract
    | BillingSchedule
    | StaffingProject
    | StaffingRequest
    | EngagementStatus
)

RECORD_TYPES: dict[Kind, type[Model]] = {
    Kind.CUSTOMER: Customer,
    Kind.CONTACT: Contact,
    Kind.PROJECT: Project,
    Kind.TASK: Task,
    Kind.CONTRACT: Contract,
    Kind.SCHEDULE: BillingSchedule,
    Kind.STAFFING_PROJECT: StaffingProject,
    Kind.STAFFING_REQUEST: StaffingRequest,
    Kind.ENGAGEMENT_STATUS: EngagementStatus,
}
