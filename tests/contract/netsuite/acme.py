"""Acme's engagement as the platform wants it in NetSuite, and a connector to a simulated account to write it to."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from dealbridge.connectors import netsuite
from dealbridge.connectors.netsuite.system import NetSuite
from dealbridge.domain.connection import Connection
from dealbridge.domain.engagement import BillingItem, BillingSchedule, Contract, ContractLine, Project, Task
from dealbridge.domain.keys import Kind
from dealbridge.domain.money import Money
from dealbridge.domain.parties import Address, Contact, Customer, TaxRegistration
from dealbridge.domain.refs import ExternalRef
from dealbridge.ports import Found, Write
from dealbridge.rules.planning import field_changes
from dealbridge.rules.reference import Codes
from dealbridge.transport.client import Call, Wire
from dealbridge_local.simulators.netsuite import NetSuiteSimulator
from dealbridge_local.simulators.transport import SimulatorTransport

ORIGIN = "https://1234567.suitetalk.api.netsuite.com"
CODES = Codes.model_validate(yaml.safe_load((Path(__file__).parents[3] / "mappings/codes/netsuite.yaml").read_text()))


def codes(entity: str = "NA-US", currency: str = "USD", *service_lines: str, **more: str) -> dict[str, Any]:
    """As planning resolves them (rules/planning.py)."""
    return {
        "legal_entity": entity,
        "entity": CODES.entities[entity],
        "currency": CODES.currencies[currency],
        "service_lines": {code: CODES.service_lines[code] for code in service_lines},
        "defaults": CODES.defaults,
        **more,
    }


def usd(amount: str, currency: str = "USD") -> Money:
    return Money(amount=Decimal(amount), currency=currency)


@dataclass
class World:
    """One account, the connector to it, and the calls it made."""

    simulator: NetSuiteSimulator
    options: dict[str, Any] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    refs: dict[str, ExternalRef] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.simulator.base_url = ORIGIN
        self.erp = self.connect()

    def connect(self, transport: SimulatorTransport | None = None, **secret: str) -> NetSuite:
        connection = Connection(
            id="netsuite", system="netsuite", base_url=ORIGIN, secret="s/netsuite", options=self.options
        )
        wire = Wire(transport=transport or SimulatorTransport({ORIGIN: self.simulator}), watch=self.calls.append)
        return netsuite.connect(connection, {**self.simulator.credentials(), **secret}, wire)

    def write(self, kind: Kind, record: Any, **given: Any) -> Write:
        return Write(kind=kind, key=record.key, record=record, codes=given or codes(), refs=self.refs)

    def create(self, kind: Kind, record: Any, **given: Any) -> ExternalRef:
        ref = self.erp.create(self.write(kind, record, **given))
        self.refs[record.key] = ref
        return ref

    def found(self, kind: Kind, record: Any, **given: Any) -> Found:
        found = self.erp.find(self.write(kind, record, **given))
        assert found is not None
        return found

    def update(self, kind: Kind, before: Any, after: Any, **given: Any) -> ExternalRef:
        changes = field_changes(before.content(), after.content())
        assert changes
        return self.erp.update(self.write(kind, after, **given), self.refs[after.key], changes)

    def shown(self, kind: str) -> dict[str, Any]:
        [record] = self.simulator.records()[kind]
        shown: dict[str, Any] = record
        return shown

    def counted(self, act: Callable[[], Any]) -> list[str]:
        """The calls that an act makes, token calls left out."""
        self.calls.clear()
        act()
        return [f"{call.method} {call.path.removeprefix('/services/rest/record/v1/')}" for call in self.calls]


ACME = Customer(
    key="CUST-001A",
    name="Acme Corp",
    legal_name="Acme Corporation, Inc.",
    email="ap@acme.example",
    phone="+1 617 555 0100",
    website="https://acme.example",
    billing_address=Address(street="1 Main St\nSuite 5", city="Boston", state="MA", postal_code="02110", country="US"),
    tax_registrations=(TaxRegistration(country="US", number="12-3456789"),),
    currency="USD",
    payment_terms="Net 30",
    source_id="001A",
)
JANE = Contact(
    key="CONT-003A",
    customer_key=ACME.key,
    first_name="Jane",
    last_name="Doe",
    email="jane@acme.example",
    source_id="003A",
)
ROLLOUT = Project(
    key="PROJ-006A",
    customer_key=ACME.key,
    legal_entity="NA-US",
    name="Acme rollout",
    manager_email="mara.lind@example.com",
    currency="USD",
    start=date(2026, 1, 5),
    end=date(2026, 6, 30),
    budget=usd("100000.10"),
)
BUILD = Task(
    key="TASK-006A-IMPL",
    project_key=ROLLOUT.key,
    number=1,
    name="Implementation",
    service_line="IMPL",
    start=date(2026, 1, 5),
    end=date(2026, 6, 30),
    hours=Decimal("320.5"),
    budget=usd("60000.05"),
)
TRAIN = BUILD.model_copy(
    update={"key": "TASK-006A-TRNG", "number": 2, "name": "Training", "service_line": "TRNG", "hours": None}
)


def line(key: str, service_line: str, amount: str, quantity: str = "1", **more: Any) -> ContractLine:
    return ContractLine.model_validate(
        {
            "key": key,
            "service_line": service_line,
            "description": f"{service_line} work",
            "quantity": Decimal(quantity),
            "amount": usd(amount),
            "billing_type": "milestone",
            "start": date(2026, 1, 5),
            "end": date(2026, 6, 30),
            "task_key": f"TASK-006A-{service_line}",
            **more,
        }
    )


def contract(*lines: ContractLine, **more: Any) -> Contract:
    return Contract.model_validate(
        {
            "key": "SO-006A",
            "customer_key": ACME.key,
            "project_key": ROLLOUT.key,
            "legal_entity": "NA-US",
            "name": "Acme rollout",
            "po_number": "PO-11037",
            "currency": "USD",
            "value": Money.total((each.amount for each in lines), "USD"),
            "payment_terms": "Net 45",
            "order_date": date(2026, 1, 2),
            "start": date(2026, 1, 5),
            "end": date(2026, 6, 30),
            "lines": lines,
            **more,
        }
    )


ORDER = contract(
    line("00k1", "IMPL", "60000.05", "3"), line("00k2", "TRNG", "40000.05"), line("00k3", "TRNG", "0", "8")
)


def schedule(*amounts: str, currency: str = "USD") -> BillingSchedule:
    items = [
        BillingItem.model_validate(
            {
                "key": f"00k1-M{number}",
                "kind": "milestone",
                "line_key": "00k1",
                "task_key": BUILD.key,
                "description": f"Milestone {number}: accepted",
                "due": date(2026, 1 + number % 12, 15),
                "amount": usd(amount, currency),
            }
        )
        for number, amount in enumerate(amounts, 1)
    ]
    return BillingSchedule(
        key="BILL-006A",
        contract_key="SO-006A",
        project_key=ROLLOUT.key,
        name="Acme rollout",
        currency=currency,
        items=tuple(items),
    )


BILLING = schedule("33333.33", "33333.33", "33333.44")

CUSTOMER_CODES = codes(payment_terms="2")
PROJECT_CODES = codes("NA-US", "USD", "IMPL", "TRNG", manager="21")
TASK_CODES = codes("NA-US", "USD", "IMPL")
CONTRACT_CODES = codes("NA-US", "USD", "IMPL", "TRNG", payment_terms="3")

ENGAGEMENT: Sequence[tuple[Kind, Any, dict[str, Any]]] = (
    (Kind.CUSTOMER, ACME, CUSTOMER_CODES),
    (Kind.CONTACT, JANE, codes()),
    (Kind.PROJECT, ROLLOUT, PROJECT_CODES),
    (Kind.TASK, BUILD, TASK_CODES),
    (Kind.TASK, TRAIN, codes("NA-US", "USD", "TRNG")),
    (Kind.CONTRACT, ORDER, CONTRACT_CODES),
    (Kind.SCHEDULE, BILLING, CONTRACT_CODES),
)


def activate(world: World) -> None:
    for kind, record, given in ENGAGEMENT:
        world.create(kind, record, **given)
