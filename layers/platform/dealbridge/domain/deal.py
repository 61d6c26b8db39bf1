"""What was sold: one snapshot of a won opportunity with everything the plan needs."""

from datetime import date
from enum import StrEnum

from dealbridge.domain.keys import DealKey
from dealbridge.domain.model import Instant, Model, Number, Text
from dealbridge.domain.money import CurrencyCode, Money
from dealbridge.domain.parties import Account, Person


class BillingType(StrEnum):
    """How a line is billed."""

    FIXED = "fixed"
    MILESTONE = "milestone"
    TIME_AND_MATERIALS = "time_and_materials"
    RETAINER = "retainer"


class BillingFrequency(StrEnum):
    """How often a fixed or retainer line is billed."""

    ONCE = "once"
    MONTHLY = "monthly"
    QUARTERLY = "quarterly"
    ANNUALLY = "annually"


class DealKind(StrEnum):
    """What the opportunity is to the engagement."""

    NEW = "new"
    AMENDMENT = "amendment"
    CHANGE_ORDER = "change_order"
    RENEWAL = "renewal"
    CANCELLATION = "cancellation"


class Milestone(Model):
    """A dated part of a milestone-billed line."""

    id: Text
    name: Text
    due: date
    amount: Money


class DealLine(Model):
    """One sold line. `amount` is the line's total after discount; `rate` is the price of one `quantity`."""

    id: Text
    service_line: str | None = None
    description: Text
    quantity: Number
    rate: Number | None = None
    amount: Money
    billing_type: BillingType | None = None
    billing_frequency: BillingFrequency | None = None
    start: date | None = None
    end: date | None = None
    cap: Money | None = None
    """For time and materials: no more than this is billed; None caps at the line's amount."""
    legal_entity: str | None = None
    """Where it differs from the deal's: a deal may be billed by several entities."""
    role: str | None = None
    hours: Number | None = None
    milestones: tuple[Milestone, ...] = ()


class Deal(Model):
    """A snapshot of one opportunity. `revision` is the CRM's version of it; equal content has equal hash."""

    key: DealKey
    revision: str
    name: Text
    won: bool
    stage: Text
    close_date: date | None = None
    currency: CurrencyCode
    amount: Money
    kind: DealKind = DealKind.NEW
    predecessor: str | None = None
    terms_approved: bool = False
    legal_entity: str | None = None
    business_unit: str | None = None
    owner_email: str | None = None
    delivery_owner_email: str | None = None
    po_number: str | None = None
    payment_terms: str | None = None
    start: date | None = None
    end: date | None = None
    account: Account | None = None
    contacts: tuple[Person, ...] = ()
    lines: tuple[DealLine, ...] = ()
    modified_at: Instant | None = None
    won_at: Instant | None = None

    def commercial(self) -> dict[str, object]:
        """What counts as the deal's content: all but the CRM's own bookkeeping."""
        content = self.content()
        for bookkeeping in ("revision", "modified_at", "won_at"):
            content.pop(bookkeeping, None)
        return content
