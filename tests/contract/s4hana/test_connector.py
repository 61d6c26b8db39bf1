"""The S/4HANA connector against the simulated tenant: promises of the port, calls counted, faults survived."""

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from dealbridge.connectors import s4hana
from dealbridge.domain.connection import Connection
from dealbridge.domain.engagement import BillingItem, BillingSchedule, Contract, ContractLine, Project, Task
from dealbridge.domain.keys import Kind
from dealbridge.domain.money import Money, allocate
from dealbridge.domain.parties import Address, Contact, Customer, TaxRegistration
from dealbridge.domain.refs import ExternalRef
from dealbridge.errors import (
    AccessError,
    ConfigurationError,
    ConflictError,
    DealbridgeError,
    RecordMissingError,
    RejectedError,
    ThrottledError,
    TransientError,
)
from dealbridge.ports import Found, InboundEventError, InboundRequest, RecordHint, Write
from dealbridge.rules.planning import field_changes
from dealbridge.rules.reference import Codes
from dealbridge.transport.client import Call, Wire
from dealbridge_local.simulators.s4hana import S4HanaSimulator
from dealbridge_local.simulators.transport import SimulatorTransport
from tests.contract.s4hana.conftest import NOW, Tenant
from tests.contract.suites.vendor import Clock

ORIGIN = "https://my300123-api.s4hana.cloud.sap"
CODES = Codes.model_validate(yaml.safe_load(Path("mappings/codes/s4hana.yaml").read_text()))


def codes(entity: str = "EMEA-DE", currency: str = "EUR", *service_lines: str, **more: Any) -> dict[str, Any]:
    """As planning resolves them (rules/planning.py)."""
    return {
        "legal_entity": entity,
        "entity": CODES.entities[entity],
        "currency": CODES.currencies[currency],
        "service_lines": {code: CODES.service_lines[code] for code in service_lines},
        "tax": {"treatment": "domestic", **CODES.tax["domestic"]},
        "defaults": CODES.defaults,
        **more,
    }


def eur(amount: str, currency: str = "EUR") -> Money:
    return Money(amount=Decimal(amount), currency=currency)


@dataclass
class World:
    """One tenant, the connector to it, and the calls it made."""

    simulator: S4HanaSimulator
    options: dict[str, Any] = field(default_factory=dict)
    secret: dict[str, str] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    refs: dict[str, ExternalRef] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.simulator.base_url = ORIGIN
        self.erp: Any = self.connect()

    def connect(self, **secret: str) -> Any:
        connection = Connection(id="s4hana", system="s4hana", base_url=ORIGIN, secret="s/s4hana", options=self.options)
        wire = Wire(transport=SimulatorTransport({ORIGIN: self.simulator}), watch=self.calls.append)
        return s4hana.connect(connection, {**self.simulator.credentials(), **self.secret, **secret}, wire)

    def write(self, kind: Kind, record: Any, **given: Any) -> Write:
        return Write(kind=kind, key=record.key, record=record, codes=given or codes(), refs=self.refs)

    def create(self, kind: Kind, record: Any, **given: Any) -> ExternalRef:
        ref: ExternalRef = self.erp.create(self.write(kind, record, **given))
        self.refs[record.key] = ref
        return ref

    def found(self, kind: Kind, record: Any, **given: Any) -> Found:
        found = self.erp.find(self.write(kind, record, **given))
        assert isinstance(found, Found)
        return found

    def update(self, kind: Kind, before: Any, after: Any, **given: Any) -> ExternalRef:
        changes = field_changes(before.content(), after.content())
        assert changes
        ref: ExternalRef = self.erp.update(self.write(kind, after, **given), self.refs[after.key], changes)
        self.refs[after.key] = ref
        return ref

    def records(self, name: str) -> list[dict[str, Any]]:
        held: list[dict[str, Any]] = self.simulator.records().get(name, [])
        return held

    def counted(self, act: Callable[[], Any]) -> list[str]:
        """The calls that an act makes: method and what stands below the OData root."""
        self.calls.clear()
        act()
        return [f"{call.method} {call.path.removeprefix('/sap/opu/odata/sap/API_')}" for call in self.calls]


@pytest.fixture
def world() -> World:
    return World(S4HanaSimulator(clock=lambda: NOW))


HOLDING = Customer(key="CUST-001H", name="Acme Holding SE", currency="EUR", source_id="001H")
ACME = Customer(
    key="CUST-001Xx0000AbCdEfAA1",
    name="Acme",
    legal_name="Acme Gesellschaft für angewandte Ingenieurdienstleistungen mbH",
    parent_key=HOLDING.key,
    email="ap@acme.example",
    phone="+49 6227 7 47474",
    website="https://acme.example",
    billing_address=Address(
        street="Dietmar-Hopp-Allee 16\nGebäude 3", city="Walldorf", state="BW", postal_code="69190", country="DE"
    ),
    tax_registrations=(TaxRegistration(country="DE", number="DE811907980"),),
    currency="EUR",
    payment_terms="Net 30",
    source_id="001Xx0000AbCdEfAA1",
)
EMPLOYEE = "9980000010"
"""A partner of the tenant that no CRM knows."""
JANE = Contact(
    key="CONT-003A",
    customer_key=ACME.key,
    first_name="Jane",
    last_name="Doe",
    email="jane@acme.example",
    phone="+49 6227 7 1",
    source_id="003A",
)


def task(number: int, service_line: str, name: str, **more: Any) -> Task:
    return Task.model_validate(
        {
            "key": f"TASK-006Hp00001ABCDEFAA-{service_line}",
            "project_key": "PROJ-006Hp00001ABCDEFAA",
            "number": number,
            "name": name,
            "service_line": service_line,
            "start": date(2026, 1, 5),
            "end": date(2026, 6, 30),
            "hours": Decimal("320.5"),
            "budget": eur("60000.05"),
            **more,
        }
    )


BUILD, TRAIN = task(1, "IMPL", "Implementation"), task(2, "TRNG", "Training", hours=None)
ROLLOUT = Project(
    key="PROJ-006Hp00001ABCDEFAA",
    customer_key=ACME.key,
    legal_entity="EMEA-DE",
    name="Acme rollout",
    manager_email="mara.lind@example.com",
    currency="EUR",
    start=date(2026, 1, 5),
    end=date(2026, 6, 30),
    budget=eur("100000.10"),
    tasks=(BUILD, TRAIN),
)


def line(key: str, service_line: str, amount: str | Money, quantity: str = "1", **more: Any) -> ContractLine:
    return ContractLine.model_validate(
        {
            "key": key,
            "service_line": service_line,
            "description": f"{service_line} work",
            "quantity": Decimal(quantity),
            "amount": amount if isinstance(amount, Money) else eur(amount),
            "billing_type": "milestone",
            "start": date(2026, 1, 5),
            "end": date(2026, 6, 30),
            "task_key": f"TASK-006Hp00001ABCDEFAA-{service_line}",
            **more,
        }
    )


def item(line_key: str, part: str, amount: str | Money, due: date = date(2026, 3, 31), **more: Any) -> BillingItem:
    return BillingItem.model_validate(
        {
            "key": f"{line_key}-{part}",
            "kind": "milestone",
            "line_key": line_key,
            "description": f"Milestone {part}",
            "due": due,
            "amount": amount if isinstance(amount, Money) else eur(amount),
            **more,
        }
    )


def contract(*lines: ContractLine, items: Sequence[BillingItem], currency: str = "EUR", **more: Any) -> Contract:
    schedule = BillingSchedule(
        key="BILL-006Hp00001ABCDEFAA",
        contract_key="SO-006Hp00001ABCDEFAA",
        project_key=ROLLOUT.key,
        name="Acme rollout",
        currency=currency,
        items=tuple(items),
    )
    return Contract.model_validate(
        {
            "key": "SO-006Hp00001ABCDEFAA",
            "customer_key": ACME.key,
            "project_key": ROLLOUT.key,
            "legal_entity": "EMEA-DE",
            "name": "Acme rollout",
            "po_number": "PO-11037",
            "currency": currency,
            "value": Money.total((each.amount for each in lines), currency),
            "payment_terms": "Net 45",
            "order_date": date(2026, 1, 2),
            "start": date(2026, 1, 5),
            "end": date(2026, 6, 30),
            "lines": lines,
            "schedule": schedule,
            **more,
        }
    )


IMPL = line("00k1", "IMPL", "60000.05", "3")
TRNG = line("00k2", "TRNG", "39000.04", "12.5", billing_type="retainer")
HOURS = line("00k3", "TRNG", "1000.01", "8", billing_type="time_and_materials", cap=eur("2000"))
ITEMS = (
    item("00k1", "M1", "20000.02"),
    item("00k1", "M2", "40000.03", date(2026, 6, 30)),
    item("00k2", "1", "19500.02", kind="recurring"),
    item("00k2", "2", "19500.02", date(2026, 4, 30), kind="recurring"),
    item("00k3", "TM", "1000.01", date(2026, 6, 30), kind="cap"),
)
ORDER = contract(IMPL, TRNG, HOURS, items=ITEMS)

CUSTOMER_CODES = codes(payment_terms="NT30")
PROJECT_CODES = codes("EMEA-DE", "EUR", "IMPL", "TRNG", manager=CODES.managers["mara.lind@example.com"])
CONTRACT_CODES = codes("EMEA-DE", "EUR", "IMPL", "TRNG", payment_terms="NT45")

ENGAGEMENT: Sequence[tuple[Kind, Any, dict[str, Any]]] = (
    (Kind.CUSTOMER, HOLDING, codes()),
    (Kind.CUSTOMER, ACME, CUSTOMER_CODES),
    (Kind.CONTACT, JANE, codes()),
    (Kind.PROJECT, ROLLOUT, PROJECT_CODES),
    (Kind.CONTRACT, ORDER, CONTRACT_CODES),
)


def activate(world: World, upto: int = len(ENGAGEMENT)) -> None:
    for kind, record, given in ENGAGEMENT[:upto]:
        world.create(kind, record, **given)


def people(world: World) -> Tenant:
    """Somebody who works in the tenant beside us."""
    return Tenant(world.simulator, Clock(NOW))


# Writing and reading back


def test_every_record_reads_back_as_it_was_written(world: World) -> None:
    activate(world)
    for kind, record, given in ENGAGEMENT:
        found = world.found(kind, record, **given)
        assert found.record.content() == record.content(), kind
        assert found.complete, kind
        ref = world.refs[record.key]
        assert (found.ref.id, found.ref.number, found.ref.parts) == (ref.id, ref.number, ref.parts)


def test_what_is_not_there_is_not_found(world: World) -> None:
    activate(world, 2)
    world.refs[ROLLOUT.key] = ExternalRef(connection="s4hana", type="A_EnterpriseProject", id="0", number="0")
    for kind, record, given in ENGAGEMENT[2:]:
        assert world.erp.find(world.write(kind, record, **given)) is None


def test_an_engagement_is_made_in_as_few_calls_as_the_api_has(world: World) -> None:
    made = [world.counted(lambda each=each: world.create(each[0], each[1], **each[2])) for each in ENGAGEMENT]  # type: ignore[misc]
    assert made == [
        ["POST BUSINESS_PARTNER/A_BusinessPartner"],
        ["POST BUSINESS_PARTNER/A_BusinessPartner", "POST BUSINESS_PARTNER/A_BPRelationship"],
        ["POST BUSINESS_PARTNER/A_BusinessPartner", "POST BUSINESS_PARTNER/A_BusinessPartnerContact"],
        [
            "POST ENTERPRISE_PROJECT_SRV;v=0002/A_EnterpriseProject",
            "POST ENTERPRISE_PROJECT_SRV;v=0002/$batch",
        ],
        ["POST SALES_ORDER_SRV/A_SalesOrder"],
    ]
    # One CSRF token for all of it.
    assert [call["method"] for call in world.simulator.calls()].count("GET") == 1


def test_reading_back_is_one_or_two_calls(world: World) -> None:
    activate(world)
    counts = [
        len(world.counted(lambda each=each: world.found(each[0], each[1], **each[2])))  # type: ignore[misc]
        for each in ENGAGEMENT
    ]
    assert counts == [2, 2, 2, 1, 1]


def test_our_keys_stand_in_the_records(world: World) -> None:
    activate(world)
    keys = [each["BusinessPartnerIDByExtSystem"] for each in world.records("A_BusinessPartner")][-3:]
    assert keys == ["A-001H", "A-001XX0000ABCDEFAA1", "C-003A"]
    [project] = world.records("A_EnterpriseProject")
    assert project["Project"] == "006HP00001ABCDEFAA"
    elements = [each["ProjectElement"] for each in world.records("A_EnterpriseProjectElement")]
    assert elements == ["006HP00001ABCDEFAA", "006HP00001ABCDEFAA-IMPL", "006HP00001ABCDEFAA-TRNG"]
    [order] = world.records("A_SalesOrder")
    assert order["PurchaseOrderByShipToParty"] == ORDER.key
    assert order["PurchaseOrderByCustomer"] == "PO-11037"
    assert [each["PurchaseOrderByShipToParty"] for each in world.records("A_SalesOrderItem")] == [
        "00k1",
        "00k2",
        "00k3",
    ]


def test_the_two_references_of_an_order_can_change_places() -> None:
    world = World(S4HanaSimulator(clock=lambda: NOW), {"order_key_field": "PurchaseOrderByCustomer"})
    activate(world)
    [order] = world.records("A_SalesOrder")
    assert (order["PurchaseOrderByCustomer"], order["PurchaseOrderByShipToParty"]) == (ORDER.key, "PO-11037")
    assert world.found(Kind.CONTRACT, ORDER, **CONTRACT_CODES).record == ORDER


def test_the_order_is_what_the_vendor_bills(world: World) -> None:
    activate(world)
    [order] = world.records("A_SalesOrder")
    assert (order["TotalNetAmount"], order["CustomerPaymentTerms"]) == ("100000.10", "NT45")
    items = world.records("A_SalesOrderItem")
    assert [(each["RequestedQuantity"], each["NetAmount"], each["SalesOrderItemCategory"]) for each in items] == [
        ("3", "60000.05", "CTAD"),
        ("12.5", "39000.04", "CTAD"),
        ("8", "1000.01", "CTAO"),
    ]
    assert [each["WBSElement"][-4:] for each in items] == ["IMPL", "TRNG", "TRNG"]
    assert world.simulator.run_billing() == ["90000000"]
    [invoice] = world.records("A_BillingDocument")
    assert (invoice["TotalNetAmount"], invoice["PurchaseOrderByCustomer"]) == ("39500.04", "PO-11037")


def test_a_reference_leads_people_to_the_record(world: World) -> None:
    activate(world)
    ref = world.refs[ORDER.key]
    assert ref.url == "https://my300123.s4hana.cloud.sap/ui#SalesOrder-manageV2?SalesOrder=1"
    assert (ref.type, ref.id, ref.number) == ("A_SalesOrder", "1", "1")
    assert ref.version is not None


def test_a_new_project_is_released_and_knows_customer_and_manager(world: World) -> None:
    activate(world)
    [project] = world.records("A_EnterpriseProject")
    assert (project["ProcessingStatus"], project["CompanyCode"]) == ("10", "1010")
    assert project["CustomerUUID"] == world.refs[ACME.key].parts["uuid"]
    [entitlement] = world.records("A_EntTeamMemberEntitlement")
    assert entitlement["ProjectRoleType"] == "YP_RL_0001"


def test_a_project_may_stay_unreleased() -> None:
    world = World(S4HanaSimulator(clock=lambda: NOW), {"release_projects": False})
    activate(world, 3)
    assert len(world.counted(lambda: world.create(Kind.PROJECT, ROLLOUT, **PROJECT_CODES))) == 1
    assert world.found(Kind.PROJECT, ROLLOUT, **PROJECT_CODES).complete


def test_a_sparse_customer_and_contact_are_fine(world: World) -> None:
    bare = Customer(key="CUST-9", name="Bare", currency="EUR", source_id="9")
    world.create(Kind.CUSTOMER, bare)
    assert world.found(Kind.CUSTOMER, bare).record == bare
    contact = Contact(key="CONT-9", customer_key=bare.key, last_name="X", source_id="9")
    world.create(Kind.CONTACT, contact)
    assert world.found(Kind.CONTACT, contact).record == contact


def test_long_texts_and_keys_are_cut_to_the_fields_and_read_back_whole(world: World) -> None:
    customer = ACME.model_copy(update={"key": "CUST-" + "9" * 50, "source_id": "9" * 50, "parent_key": None})
    world.create(Kind.CUSTOMER, customer, **CUSTOMER_CODES)
    assert world.found(Kind.CUSTOMER, customer, **CUSTOMER_CODES).record == customer
    project = ROLLOUT.model_copy(update={"key": "PROJ-" + "8" * 50, "customer_key": customer.key, "name": "N" * 100})
    world.create(Kind.PROJECT, project, **PROJECT_CODES)
    assert world.found(Kind.PROJECT, project, **PROJECT_CODES).record == project
    order = contract(
        line("00k1", "IMPL", "10", description="D" * 90),
        items=[item("00k1", "M1", "10")],
        key="SO-" + "8" * 50,
        customer_key=customer.key,
        project_key=project.key,
    )
    world.create(Kind.CONTRACT, order, **CONTRACT_CODES)
    assert world.found(Kind.CONTRACT, order, **CONTRACT_CODES).record == order


def test_a_long_legal_name_runs_over_four_lines(world: World) -> None:
    name = " ".join(f"{number:03}" for number in range(35))
    customer = ACME.model_copy(update={"legal_name": name, "parent_key": None})
    world.create(Kind.CUSTOMER, customer, **CUSTOMER_CODES)
    partner = world.records("A_BusinessPartner")[-1]
    assert [len(partner[f"OrganizationBPName{place}"]) for place in range(1, 5)] == [39, 39, 39, 19]
    assert world.found(Kind.CUSTOMER, customer, **CUSTOMER_CODES).record == customer


def test_of_several_e_mail_addresses_the_one_that_sap_uses_counts(world: World) -> None:
    activate(world, 2)
    key = world.refs[ACME.key].id
    [address] = [each for each in world.records("A_BusinessPartnerAddress") if each["BusinessPartner"] == key]
    path = f"API_BUSINESS_PARTNER/A_BusinessPartnerAddress(BusinessPartner='{key}',AddressID='{address['AddressID']}')"
    other = {"EmailAddress": "cfo@acme.example", "IsDefaultEmailAddress": True}
    people(world).make(f"{path}/to_EmailAddress", **other)
    found = world.found(Kind.CUSTOMER, ACME, **CUSTOMER_CODES).record
    assert isinstance(found, Customer)
    assert found.email == "cfo@acme.example"


# Changes


def test_a_changed_field_writes_that_field_only(world: World) -> None:
    activate(world)
    world.simulator.tenant.events.clear()
    after = ACME.model_copy(update={"phone": "+49 6227 7 0"})
    calls = world.counted(lambda: world.update(Kind.CUSTOMER, ACME, after, **CUSTOMER_CODES))
    assert calls == ["GET BUSINESS_PARTNER/A_BusinessPartner('1000141')", "POST BUSINESS_PARTNER/$batch"]
    [phone] = world.records("A_AddressPhoneNumber")
    assert phone["PhoneNumber"] == "+49 6227 7 0"
    assert world.found(Kind.CUSTOMER, after, **CUSTOMER_CODES).record == after


@pytest.mark.parametrize(
    "update",
    [
        {"name": "Acme Europe", "legal_name": "Acme Europe SE"},
        {"billing_address": Address(street="Main St 1", city="Berlin", postal_code="10115", country="DE")},
        {"tax_registrations": (TaxRegistration(country="DE", number="DE811907981"),)},
        {"tax_registrations": (*ACME.tax_registrations, TaxRegistration(country="FR", number="FR40303265045"))},
        {"email": "invoices@acme.example", "website": "https://acme.example/de"},
    ],
)
def test_a_customer_changes_in_one_change_set(world: World, update: dict[str, Any]) -> None:
    activate(world, 2)
    after = ACME.model_copy(update=update)
    assert len(world.counted(lambda: world.update(Kind.CUSTOMER, ACME, after, **CUSTOMER_CODES))) == 2
    assert world.found(Kind.CUSTOMER, after, **CUSTOMER_CODES).record == after


def test_new_payment_terms_reach_company_code_and_sales_area(world: World) -> None:
    activate(world, 2)
    after = ACME.model_copy(update={"payment_terms": "Net 60"})
    world.update(Kind.CUSTOMER, ACME, after, **codes(payment_terms="NT60"))
    assert world.records("A_CustomerCompany")[-1]["PaymentTerms"] == "NT60"
    assert world.records("A_CustomerSalesArea")[-1]["CustomerPaymentTerms"] == "NT60"


def test_an_email_that_the_crm_cleared_goes(world: World) -> None:
    activate(world, 2)
    after = ACME.model_copy(update={"email": None})
    world.update(Kind.CUSTOMER, ACME, after, **CUSTOMER_CODES)
    assert world.records("A_AddressEmailAddress")[3:] == []


def test_what_the_erp_owns_is_left_alone(world: World) -> None:
    activate(world, 2)
    silent = ACME.model_copy(update={"website": None, "phone": None})
    world.erp.update(world.write(Kind.CUSTOMER, silent, **CUSTOMER_CODES), world.refs[ACME.key], ())
    assert len(world.records("A_AddressHomePageURL")) == 1
    assert world.found(Kind.CUSTOMER, silent, **CUSTOMER_CODES).record == silent


def test_another_parent_replaces_the_first(world: World) -> None:
    activate(world, 2)
    other = HOLDING.model_copy(update={"key": "CUST-001O", "source_id": "001O"})
    world.create(Kind.CUSTOMER, other)
    after = ACME.model_copy(update={"parent_key": other.key})
    world.update(Kind.CUSTOMER, ACME, after, **CUSTOMER_CODES)
    [relationship] = world.records("A_BPRelationship")
    assert relationship["BusinessPartner1"] == world.refs[other.key].id
    assert world.found(Kind.CUSTOMER, after, **CUSTOMER_CODES).record == after


@pytest.mark.parametrize("moved_to", ["another parent", "none"])
def test_a_customer_moves_though_the_change_is_not_known(world: World, moved_to: str) -> None:
    """After a lost reply the record is written whole. SAP takes two parents; a parent that finance gave stays."""
    activate(world, 2)
    other = HOLDING.model_copy(update={"key": "CUST-001O", "source_id": "001O"})
    world.create(Kind.CUSTOMER, other)
    clerk = Tenant(world.simulator, Clock(NOW))
    finances = {"BusinessPartner1": EMPLOYEE, "BusinessPartner2": world.refs[ACME.key].id}
    clerk.make("API_BUSINESS_PARTNER/A_BPRelationship", **finances, RelationshipCategory="BUR020")
    after = ACME.model_copy(update={"parent_key": other.key if moved_to == "another parent" else None})
    assert world.found(Kind.CUSTOMER, after, **CUSTOMER_CODES).record != after
    world.erp.update(world.write(Kind.CUSTOMER, after, **CUSTOMER_CODES), world.refs[ACME.key], ())
    above = {each["BusinessPartner1"] for each in world.records("A_BPRelationship")}
    assert above == {EMPLOYEE, *([world.refs[other.key].id] if moved_to == "another parent" else [])}
    assert world.found(Kind.CUSTOMER, after, **CUSTOMER_CODES).record == after


def test_a_contact_changes(world: World) -> None:
    activate(world, 3)
    after = JANE.model_copy(update={"last_name": "Roe", "email": "roe@acme.example", "phone": None})
    world.update(Kind.CONTACT, JANE, after)
    assert world.found(Kind.CONTACT, after).record == after
    assert world.records("A_BPContactToFuncAndDept")[0]["PhoneNumber"] == ""


def test_a_project_header_changes_in_one_call(world: World) -> None:
    activate(world, 4)
    after = ROLLOUT.model_copy(update={"name": "Acme rollout II", "end": date(2026, 12, 31)})
    calls = world.counted(lambda: world.update(Kind.PROJECT, ROLLOUT, after, **PROJECT_CODES))
    assert calls == ["POST ENTERPRISE_PROJECT_SRV;v=0002/$batch"]
    assert world.found(Kind.PROJECT, after, **PROJECT_CODES).record == after
    assert world.refs[ROLLOUT.key].parts.keys() == {BUILD.key, TRAIN.key}


def test_a_task_of_a_lost_creation_that_nobody_wants_any_more_is_found_and_closed(world: World) -> None:
    """The ledger knows no part of a project whose creation had no answer, only what was tried."""
    activate(world, 4)
    after = ROLLOUT.model_copy(update={"tasks": (BUILD,)})
    write = replace(world.write(Kind.PROJECT, after, **PROJECT_CODES), tried=ROLLOUT)
    found = world.erp.find(write)
    assert {task.key for task in found.record.tasks} == {BUILD.key, TRAIN.key}
    world.erp.update(write, found.ref, ())
    assert world.erp.find(write).record == after


def test_tasks_come_change_and_go(world: World) -> None:
    activate(world, 4)
    longer = BUILD.model_copy(update={"name": "Implementation and test", "end": date(2026, 9, 30)})
    advice = task(3, "ADVS", "Advisory")
    after = ROLLOUT.model_copy(update={"tasks": (longer, advice)})
    given = codes("EMEA-DE", "EUR", "IMPL", "ADVS", manager=PROJECT_CODES["manager"])
    ref = world.update(Kind.PROJECT, ROLLOUT, after, **given)
    assert ref.parts.keys() == {BUILD.key, TRAIN.key, advice.key}
    assert world.found(Kind.PROJECT, after, **given).record == after
    closed = [
        each["ProjectElementUUID"] for each in world.records("A_EntProjElmntBlockFunc") if each["EntProjTimeRecgIsBlkd"]
    ]
    assert closed == [ref.parts[TRAIN.key]]

    # Wanted again: the same element, open again.
    world.update(Kind.PROJECT, after, ROLLOUT, **PROJECT_CODES)
    assert world.found(Kind.PROJECT, ROLLOUT, **PROJECT_CODES).record == ROLLOUT
    assert len(world.records("A_EnterpriseProjectElement")) == 4


def test_a_closed_task_is_blocked_from_the_start(world: World) -> None:
    activate(world, 3)
    project = ROLLOUT.model_copy(update={"tasks": (BUILD, TRAIN.model_copy(update={"closed": True}))})
    assert len(world.counted(lambda: world.create(Kind.PROJECT, project, **PROJECT_CODES))) == 2
    assert world.found(Kind.PROJECT, project, **PROJECT_CODES).record == project


def test_another_manager_takes_over(world: World) -> None:
    activate(world, 4)
    given = {**PROJECT_CODES, "manager": CODES.managers["jon.abe@example.com"]}
    after = ROLLOUT.model_copy(update={"manager_email": "jon.abe@example.com"})
    world.update(Kind.PROJECT, ROLLOUT, after, **given)
    assert world.found(Kind.PROJECT, after, **given).record == after
    assert len(world.records("A_EntTeamMemberEntitlement")) == 1
    world.update(Kind.PROJECT, after, ROLLOUT, **PROJECT_CODES)
    assert world.found(Kind.PROJECT, ROLLOUT, **PROJECT_CODES).record == ROLLOUT


def test_new_terms_of_a_contract_are_one_field(world: World) -> None:
    activate(world)
    after = ORDER.model_copy(update={"payment_terms": "Net 60", "po_number": "PO-2"})
    given = {**CONTRACT_CODES, "payment_terms": "NT60"}
    calls = world.counted(lambda: world.update(Kind.CONTRACT, ORDER, after, **given))
    assert calls == ["GET SALES_ORDER_SRV/A_SalesOrder('1')", "POST SALES_ORDER_SRV/$batch"]
    assert world.found(Kind.CONTRACT, after, **given).record == after


AMENDED = contract(
    line("00k1", "IMPL", "70000.05", "4", description="IMPL work, extended"),
    HOURS,
    line("00k4", "IMPL", "500"),
    items=(
        item("00k1", "M1", "20000.02"),
        item("00k1", "M2", "40000.03", date(2026, 9, 30)),
        item("00k1", "M3", "10000.00", date(2026, 10, 31)),
        item("00k3", "TM", "1000.01", date(2026, 6, 30), kind="cap"),
        item("00k4", "M1", "500"),
    ),
)


def test_an_amendment_is_one_change_set(world: World) -> None:
    activate(world)
    calls = world.counted(lambda: world.update(Kind.CONTRACT, ORDER, AMENDED, **CONTRACT_CODES))
    assert calls == [
        "GET SALES_ORDER_SRV/A_SalesOrder('1')",
        "POST SALES_ORDER_SRV/$batch",
        "GET SALES_ORDER_SRV/A_SalesOrder('1')",
    ]
    assert world.found(Kind.CONTRACT, AMENDED, **CONTRACT_CODES).record == AMENDED
    items = {each["PurchaseOrderByShipToParty"]: each for each in world.records("A_SalesOrderItem")}
    assert (items["00k2"]["SalesDocumentRjcnReason"], items["00k4"]["SalesOrderItem"]) == ("50", "40")
    parts = world.refs[ORDER.key].parts
    assert (parts["00k1-M2"], parts["00k1-M3"], parts["00k4"]) == ("10/1/2", "10/1/3", "40")


def test_a_line_that_is_wanted_again_stands_again(world: World) -> None:
    activate(world)
    world.update(Kind.CONTRACT, ORDER, AMENDED, **CONTRACT_CODES)
    world.update(Kind.CONTRACT, AMENDED, ORDER, **CONTRACT_CODES)
    assert world.found(Kind.CONTRACT, ORDER, **CONTRACT_CODES).record == ORDER
    assert len(world.records("A_SalesOrderItem")) == 4


def test_milestones_move_without_losing_what_people_did(world: World) -> None:
    activate(world)
    date_key = "SalesOrder='1',SalesOrderItem='10',BillingPlan='1',BillingPlanItem='2'"
    path = f"API_SALES_ORDER_SRV/A_SlsOrderItemBillingPlanItem({date_key})"
    assert people(world).change(path, BillingBlockReason="01").status_code == 204
    items = (item("00k1", "M1", "30000.02"), item("00k1", "M2", "30000.03", date(2026, 7, 31)), *ITEMS[2:])
    after = contract(IMPL, TRNG, HOURS, items=items)
    world.update(Kind.CONTRACT, ORDER, after, **CONTRACT_CODES)
    assert world.found(Kind.CONTRACT, after, **CONTRACT_CODES).record == after
    held = {each["BillingPlanItem"]: each for each in world.records("A_SlsOrderItemBillingPlanItem")[:2]}
    assert (held["2"]["BillingBlockReason"], held["2"]["BillingPlanAmount"]) == ("01", "30000.03")


def test_a_milestone_may_wait_for_people(world: World) -> None:
    given = {**CONTRACT_CODES, "defaults": {**CODES.defaults, "milestone_block": "Y4"}}
    activate(world, 4)
    world.create(Kind.CONTRACT, ORDER, **given)
    blocks = [each["BillingBlockReason"] for each in world.records("A_SlsOrderItemBillingPlanItem")]
    assert blocks == ["Y4", "Y4", "", ""]


def test_what_is_billed_stands_and_the_refusal_says_so(world: World) -> None:
    activate(world)
    world.simulator.run_billing()
    items = (item("00k1", "M1", "1.00"), item("00k1", "M2", "59999.05", date(2026, 6, 30)), *ITEMS[2:])
    after = contract(IMPL, TRNG, HOURS, items=items)
    with pytest.raises(RejectedError) as refused:
        world.update(Kind.CONTRACT, ORDER, after, **CONTRACT_CODES)
    assert "has been billed" in refused.value.findings[0].message
    assert world.found(Kind.CONTRACT, ORDER, **CONTRACT_CODES).record == ORDER


def test_an_item_of_other_people_is_seen_and_left_alone(world: World) -> None:
    activate(world)
    travel = {"Material": "P008", "RequestedQuantity": "1", "SalesOrderItemText": "Travel"}
    price = [{"ConditionType": "PMP0", "ConditionRateValue": "99.00"}]
    people(world).make("API_SALES_ORDER_SRV/A_SalesOrder('1')/to_Item", **travel, to_PricingElement=price)
    found = world.found(Kind.CONTRACT, ORDER, **CONTRACT_CODES).record
    assert isinstance(found, Contract)
    assert (found.value, found.lines[-1].key) == (eur("100099.10"), "s4hana-item-40")
    assert (found.lines[-1].service_line, found.lines[-1].amount) == ("P008", eur("99.00"))
    world.update(Kind.CONTRACT, ORDER, AMENDED, **CONTRACT_CODES)
    travel_item = next(each for each in world.records("A_SalesOrderItem") if each["SalesOrderItemText"] == "Travel")
    assert travel_item["SalesDocumentRjcnReason"] == ""


def test_a_copy_of_an_item_is_not_ours(world: World) -> None:
    activate(world)
    copy = {"Material": "P001", "RequestedQuantity": "1", "PurchaseOrderByShipToParty": IMPL.key}
    people(world).make("API_SALES_ORDER_SRV/A_SalesOrder('1')/to_Item", **copy)
    found = world.found(Kind.CONTRACT, ORDER, **CONTRACT_CODES).record
    assert isinstance(found, Contract)
    assert [each.key for each in found.lines] == [IMPL.key, TRNG.key, HOURS.key, "s4hana-item-40"]
    world.update(Kind.CONTRACT, ORDER, AMENDED, **CONTRACT_CODES)
    assert world.records("A_SalesOrderItem")[3]["SalesDocumentRjcnReason"] == ""


def test_a_down_payment_that_finance_plans_is_its_own_affair(world: World) -> None:
    activate(world)
    date_key = {"SalesOrder": "1", "SalesOrderItem": "10", "BillingPlan": "1"}
    down = {"BillingPlanDateCategory": "04", "ProposedBillingDocumentType": "FAZ", "BillingPlanAmount": "5000.00"}
    people(world).make("API_SALES_ORDER_SRV/A_SlsOrderItemBillingPlanItem", **date_key, **down)
    assert world.found(Kind.CONTRACT, ORDER, **CONTRACT_CODES).record == ORDER
    world.erp.update(world.write(Kind.CONTRACT, ORDER, **CONTRACT_CODES), world.refs[ORDER.key], ())
    assert len(world.records("A_SlsOrderItemBillingPlanItem")) == 5


def test_a_date_that_somebody_added_shows_and_goes(world: World) -> None:
    activate(world)
    date_key = {"SalesOrder": "1", "SalesOrderItem": "10", "BillingPlan": "1"}
    extra = {"BillingPlanBillingDate": "2026-05-05T00:00:00", "BillingPlanAmount": "1.00"}
    people(world).make("API_SALES_ORDER_SRV/A_SlsOrderItemBillingPlanItem", **date_key, **extra)
    found = world.found(Kind.CONTRACT, ORDER, **CONTRACT_CODES).record
    assert isinstance(found, Contract)
    assert found.schedule is not None
    assert (found.schedule.items[-1].key, found.schedule.items[-1].amount) == ("s4hana-date-10/1/3", eur("1.00"))
    world.erp.update(world.write(Kind.CONTRACT, ORDER, **CONTRACT_CODES), world.refs[ORDER.key], ())
    assert world.found(Kind.CONTRACT, ORDER, **CONTRACT_CODES).record == ORDER


def test_nothing_to_change_is_no_write(world: World) -> None:
    activate(world)
    for kind, record, given in ENGAGEMENT:
        write, ref = world.write(kind, record, **given), world.refs[record.key]
        calls = world.counted(lambda write=write, ref=ref: world.erp.update(write, ref, ()))  # type: ignore[misc]
        assert not [call for call in calls if call.startswith("POST")], kind


# Several entities and currencies in one tenant


def test_a_second_entity_gets_its_customer_let_in(world: World) -> None:
    activate(world, 2)
    given = codes(
        "NA-US", "USD", "IMPL", manager=PROJECT_CODES["manager"], payment_terms="NT45", tax={"classification": "1"}
    )
    project = ROLLOUT.model_copy(
        update={
            "key": "PROJ-006Hp00001ABCDEFAA-NA-US",
            "legal_entity": "NA-US",
            "currency": "USD",
            "budget": eur("5", "USD"),
            "tasks": (BUILD.model_copy(update={"budget": eur("5", "USD")}),),
        }
    )
    world.create(Kind.PROJECT, project, **given)
    dollars = contract(
        line("00k9", "IMPL", eur("5", "USD")),
        items=(),
        key="SO-006Hp00001ABCDEFAA-NA-US",
        project_key=project.key,
        legal_entity="NA-US",
        currency="USD",
        schedule=None,
    )
    calls = world.counted(lambda: world.create(Kind.CONTRACT, dollars, **given))
    assert [call.split("_SRV")[0].split("/")[0] for call in calls] == [
        "POST SALES_ORDER",
        "GET BUSINESS_PARTNER",
        "POST BUSINESS_PARTNER",
        "POST SALES_ORDER",
    ]
    found = world.found(Kind.CONTRACT, dollars, **given).record
    assert found == dollars
    assert [each["CompanyCode"] for each in world.records("A_CustomerCompany")][-1] == "1710"


def test_a_customer_of_another_entity_is_incomplete_until_let_in(world: World) -> None:
    activate(world, 1)
    given = codes("NA-US", "USD")
    assert not world.found(Kind.CUSTOMER, HOLDING, **given).complete
    world.erp.update(world.write(Kind.CUSTOMER, HOLDING, **given), world.refs[HOLDING.key], ())
    assert world.found(Kind.CUSTOMER, HOLDING, **given).complete
    assert world.found(Kind.CUSTOMER, HOLDING).complete


def test_yen_stay_whole(world: World) -> None:
    given = codes("APAC-JP", "JPY", "IMPL", manager=PROJECT_CODES["manager"], payment_terms="NT30")
    customer = ACME.model_copy(update={"currency": "JPY", "parent_key": None})
    world.create(Kind.CUSTOMER, customer, **given)
    project = ROLLOUT.model_copy(
        update={"legal_entity": "APAC-JP", "currency": "JPY", "budget": eur("1000001", "JPY"), "tasks": (BUILD,)}
    )
    world.create(Kind.PROJECT, project, **given)
    parts = allocate(eur("1000001", "JPY"), [Decimal(1)] * 7)
    items = [item("00k1", f"M{number}", part) for number, part in enumerate(parts)]
    order = contract(
        line("00k1", "IMPL", eur("1000001", "JPY"), "7"),
        items=items,
        currency="JPY",
        legal_entity="APAC-JP",
    )
    world.create(Kind.CONTRACT, order, **{**given, "payment_terms": "NT45"})
    assert world.found(Kind.CONTRACT, order, **{**given, "payment_terms": "NT45"}).record == order


# Unknown outcomes


@pytest.mark.parametrize("index", range(len(ENGAGEMENT)))
@pytest.mark.parametrize("fault", ["drop_after_commit", "timeout_after_commit", "malformed_body"])
def test_a_lost_reply_is_found_by_reading_back(world: World, fault: str, index: int) -> None:
    activate(world, index)
    kind, record, given = ENGAGEMENT[index]
    world.simulator.add_fault(kind=fault, method="POST", times=1)
    with pytest.raises(TransientError) as lost:
        world.erp.create(world.write(kind, record, **given))
    assert lost.value.outcome_unknown
    found = world.found(kind, record, **given)
    write = world.write(kind, record, **given)
    ref = found.ref if found.complete and found.record == record else world.erp.update(write, found.ref, ())
    assert ref.id == found.ref.id
    settled = world.found(kind, record, **given)
    assert (settled.complete, settled.record) == (True, record)
    same = [each for each in world.records(ref.type) if record.key.split("-")[1].upper() in str(each).upper()]
    assert len(same) <= 2


@pytest.mark.parametrize(("index", "left_out"), [(1, "parent"), (2, "company"), (3, "release")])
def test_a_crash_between_two_calls_is_mended(world: World, index: int, left_out: str) -> None:
    activate(world, index)
    kind, record, given = ENGAGEMENT[index]
    world.simulator.add_fault(kind="drop_before_commit", method="POST", after=1, times=1)
    with pytest.raises(TransientError) as lost:
        world.erp.create(world.write(kind, record, **given))
    assert lost.value.outcome_unknown, left_out
    found = world.found(kind, record, **given)
    assert not found.complete or found.record != record
    world.erp.update(world.write(kind, record, **given), found.ref, ())
    settled = world.found(kind, record, **given)
    assert (settled.complete, settled.record) == (True, record)


def test_a_change_whose_reply_is_lost_converges(world: World) -> None:
    activate(world)
    world.simulator.add_fault(kind="drop_after_commit", method="POST", path=r"\$batch", times=1)
    with pytest.raises(TransientError):
        world.update(Kind.CONTRACT, ORDER, AMENDED, **CONTRACT_CODES)
    found = world.found(Kind.CONTRACT, AMENDED, **CONTRACT_CODES)
    assert found.record == AMENDED
    assert len(world.records("A_SalesOrderItem")) == 4


def test_a_repeated_project_is_a_conflict(world: World) -> None:
    activate(world, 4)
    with pytest.raises(ConflictError):
        world.erp.create(world.write(Kind.PROJECT, ROLLOUT, **PROJECT_CODES))


def test_two_records_with_our_key_are_for_people_to_sort_out(world: World) -> None:
    activate(world)
    world.erp.create(world.write(Kind.CONTRACT, ORDER, **CONTRACT_CODES))
    with pytest.raises(RejectedError) as refused:
        world.erp.find(world.write(Kind.CONTRACT, ORDER, **CONTRACT_CODES))
    assert "1, 2 all carry the key" in refused.value.findings[0].message


def test_what_was_archived_or_rejected_is_passed_over(world: World) -> None:
    activate(world)
    somebody = people(world)
    path = f"API_BUSINESS_PARTNER/A_BusinessPartner('{world.refs[ACME.key].id}')"
    assert somebody.change(path, IsMarkedForArchiving=True).status_code == 204
    for number in ("10", "20", "30"):
        path = f"API_SALES_ORDER_SRV/A_SalesOrderItem(SalesOrder='1',SalesOrderItem='{number}')"
        assert somebody.change(path, SalesDocumentRjcnReason="50").status_code == 204
    assert world.erp.find(world.write(Kind.CUSTOMER, ACME, **CUSTOMER_CODES)) is None
    for kind, record, given in (ENGAGEMENT[1], ENGAGEMENT[4]):
        ref = world.create(kind, record, **given)
        assert world.found(kind, record, **given).ref.id == ref.id
    assert world.refs[ORDER.key].id == "2"


def test_a_change_on_a_stale_read_is_a_conflict(world: World) -> None:
    activate(world)
    world.update(Kind.CONTRACT, ORDER, ORDER.model_copy(update={"po_number": "PO-2"}), **CONTRACT_CODES)
    world.simulator.add_fault(kind="stale_read", method="GET", times=1)
    after = ORDER.model_copy(update={"po_number": "PO-3"})
    with pytest.raises(ConflictError) as conflict:
        world.update(Kind.CONTRACT, ORDER, after, **CONTRACT_CODES)
    assert conflict.value.status == 412


@pytest.mark.parametrize(
    ("index", "second"), [(1, "A_BPRelationship"), (2, "A_BusinessPartnerContact"), (3, r"\$batch")]
)
def test_a_failure_after_the_first_write_leaves_the_outcome_open(world: World, index: int, second: str) -> None:
    activate(world, index)
    kind, record, given = ENGAGEMENT[index]
    world.simulator.add_fault(kind="status", status=403, method="POST", path=second, times=1)
    with pytest.raises(AccessError) as failed:
        world.create(kind, record, **given)
    assert failed.value.outcome_unknown
    found = world.found(kind, record, **given)
    whole = found.complete and found.record.content() == record.content()
    assert not whole
    world.refs[record.key] = found.ref
    world.erp.update(world.write(kind, record, **given), found.ref, ())
    assert world.found(kind, record, **given).record.content() == record.content()
    assert world.found(kind, record, **given).complete


# Refusals


def test_data_that_sap_drops_without_a_word_is_missed(world: World) -> None:
    """Company code and sales area data of a partner without the role for them (vendor notes, A10)."""
    given = {**codes(), "defaults": {**CODES.defaults, "customer_roles": ["FLCU00"]}}
    with pytest.raises(RejectedError) as refused:
        world.create(Kind.CUSTOMER, HOLDING, **given)
    assert "no role FLCU01" in refused.value.findings[0].message
    assert refused.value.outcome_unknown


def test_a_refusal_names_the_field(world: World) -> None:
    with pytest.raises(RejectedError) as refused:
        world.create(Kind.CUSTOMER, HOLDING, **{**CUSTOMER_CODES, "currency": "XXX"})
    [finding] = refused.value.findings
    assert (finding.field, finding.message) == ("Currency", "Currency XXX is not defined")
    assert not refused.value.outcome_unknown


def test_every_finding_is_told(world: World) -> None:
    customer = ACME.model_copy(
        update={"parent_key": None, "billing_address": Address(city="X", postal_code="1", country="DE")}
    )
    with pytest.raises(RejectedError) as refused:
        world.create(Kind.CUSTOMER, customer, **{**CUSTOMER_CODES, "payment_terms": "N999"})
    assert [finding.field for finding in refused.value.findings] == [
        "PostalCode",
        "PaymentTerms",
        "CustomerPaymentTerms",
    ]


def test_a_missing_code_names_the_file_and_the_field(world: World) -> None:
    australian = ACME.model_copy(update={"tax_registrations": (TaxRegistration(country="AU", number="1"),)})
    with pytest.raises(ConfigurationError, match=r"mappings/codes/s4hana\.yaml: defaults\.tax_number_types\.AU"):
        world.create(Kind.CUSTOMER, australian, **CUSTOMER_CODES)
    with pytest.raises(ConfigurationError, match=r"entities\.\*\.company_code"):
        world.create(Kind.CUSTOMER, HOLDING, **{**codes(), "entity": {}})


def test_a_needed_record_that_is_unknown_is_missing(world: World) -> None:
    with pytest.raises(RecordMissingError, match=HOLDING.key):
        world.create(Kind.CUSTOMER, ACME, **CUSTOMER_CODES)


def test_a_record_that_is_gone_is_missing(world: World) -> None:
    activate(world)
    with pytest.raises(RecordMissingError):
        world.erp.update(
            world.write(Kind.CONTRACT, ORDER, **CONTRACT_CODES),
            world.refs[ORDER.key].model_copy(update={"id": "404"}),
            (),
        )


def test_a_locked_object_passes(world: World) -> None:
    activate(world)
    world.simulator.lock_object("A_SalesOrder", "1", calls=1)
    after = ORDER.model_copy(update={"po_number": "PO-2"})
    with pytest.raises(TransientError) as locked:
        world.update(Kind.CONTRACT, ORDER, after, **CONTRACT_CODES)
    assert not locked.value.outcome_unknown
    assert locked.value.retry_after is not None
    world.update(Kind.CONTRACT, ORDER, after, **CONTRACT_CODES)


def test_throttling_carries_the_wait(world: World) -> None:
    world.simulator.add_fault(kind="status", status=429, headers={"Retry-After": "60"}, method="POST")
    with pytest.raises(ThrottledError) as throttled:
        world.create(Kind.CUSTOMER, HOLDING)
    assert throttled.value.retry_after == 60


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_an_error_page_is_transient_and_the_outcome_unknown(world: World, status: int) -> None:
    world.simulator.add_fault(kind="status", status=status, method="POST")
    with pytest.raises(TransientError) as error:
        world.create(Kind.CUSTOMER, HOLDING)
    assert error.value.outcome_unknown


@pytest.mark.parametrize("cut", ["--x--", "garbage"])
def test_a_batch_answer_that_cannot_be_read_leaves_the_outcome_unknown(world: World, cut: str) -> None:
    activate(world)
    headers = {"Content-Type": "multipart/mixed; boundary=x"}
    world.simulator.add_fault(kind="status", status=202, method="POST", body=cut, headers=headers)
    with pytest.raises(TransientError) as error:
        world.update(Kind.CONTRACT, ORDER, AMENDED, **CONTRACT_CODES)
    assert error.value.outcome_unknown


# Sign-in


def test_an_expired_session_is_renewed_once(world: World) -> None:
    activate(world, 1)
    world.simulator.expire_tokens()
    world.simulator.calls()
    activate(world, 0)
    before = len(world.simulator.calls())
    world.create(Kind.CUSTOMER, ACME.model_copy(update={"parent_key": None}), **CUSTOMER_CODES)
    seen = [(call["method"], call["status"]) for call in world.simulator.calls()[before:]]
    assert seen == [("POST", 403), ("GET", 200), ("POST", 201)]


def test_a_session_that_is_never_accepted_is_no_loop(world: World) -> None:
    refusal = {"status": 403, "headers": {"x-csrf-token": "Required"}, "body": "CSRF token validation failed"}
    world.simulator.add_fault(kind="status", method="POST", **refusal)
    activate_error: list[DealbridgeError] = []
    for _ in range(2):
        with pytest.raises(AccessError) as refused:
            world.create(Kind.CUSTOMER, HOLDING)
        activate_error.append(refused.value)
    assert len(world.simulator.calls()) == 2 + 3
    assert not activate_error[0].outcome_unknown


def test_a_wrong_password_is_an_access_error_that_tells_no_secret(world: World) -> None:
    world.erp = world.connect(password="not-it")
    with pytest.raises(AccessError) as refused:
        world.create(Kind.CUSTOMER, HOLDING)
    assert "not-it" not in str(refused.value)
    assert "communication user" in str(refused.value)


def test_a_token_signs_in_where_the_tenant_has_client_credentials() -> None:
    world = World(S4HanaSimulator(clock=lambda: NOW), {"sign_in": "client_credentials", "scope": "X"})
    activate(world, 2)
    paths = [call["path"] for call in world.simulator.calls()]
    assert paths.count("/sap/bc/sec/oauth2/token") == 1
    world.simulator.expire_tokens()
    world.create(Kind.CONTACT, JANE)
    paths = [call["path"] for call in world.simulator.calls()]
    assert paths.count("/sap/bc/sec/oauth2/token") == 2


def test_where_the_tenant_has_none_it_says_so() -> None:
    world = World(S4HanaSimulator(client_credentials=False), {"sign_in": "client_credentials"})
    with pytest.raises(AccessError, match="unsupported_grant_type"):
        world.create(Kind.CUSTOMER, HOLDING)


def test_no_secret_and_no_customer_data_in_any_log(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    activate(world)
    assert world.simulator.credentials()["password"] not in caplog.text
    assert "acme.example" not in caplog.text
    assert "SAP_SESSIONID" not in caplog.text


@pytest.mark.parametrize(
    ("options", "secret", "named"),
    [
        ({"sign_in": "saml"}, {}, "sign_in"),
        ({}, {"password": None}, "password"),
    ],
)
def test_a_wrong_setting_is_named(options: dict[str, Any], secret: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        World(S4HanaSimulator(), options, {"client_secret": None, **secret})  # type: ignore[dict-item]


# Size


def test_a_large_deal_goes_through(world: World) -> None:
    activate(world, 4)
    lines = [line(f"00k{number}", "IMPL", "10.01", "3") for number in range(500)]
    parts = allocate(eur("1234567.89"), [Decimal(number) for number in range(1, 201)])
    lines[0] = line("00k0", "IMPL", "1234567.89")
    items = [item("00k0", f"M{number}", str(part.amount)) for number, part in enumerate(parts)]
    items += [item(each.key, "M1", "10.01") for each in lines[1:]]
    large = contract(*lines, items=items)
    assert len(world.counted(lambda: world.create(Kind.CONTRACT, large, **CONTRACT_CODES))) == 1
    assert world.found(Kind.CONTRACT, large, **CONTRACT_CODES).record == large
    later = [each.model_copy(update={"due": date(2026, 8, 1)}) for each in items]
    after = contract(*lines, items=later)
    world.update(Kind.CONTRACT, large, after, **CONTRACT_CODES)
    assert world.found(Kind.CONTRACT, after, **CONTRACT_CODES).record == after


def test_a_paged_answer_is_read_to_its_end() -> None:
    world = World(S4HanaSimulator(clock=lambda: NOW, page_size=1))
    activate(world)
    world.erp.create(world.write(Kind.CONTRACT, ORDER, **CONTRACT_CODES))
    with pytest.raises(RejectedError, match="1, 2 all carry"):
        world.erp.find(world.write(Kind.CONTRACT, ORDER, **CONTRACT_CODES))


# Events


def event_request(world: World, **given: Any) -> InboundRequest:
    sent = world.simulator.events.sent[-1] if world.simulator.events.sent else {}
    return InboundRequest(
        method=given.get("method", "POST"),
        url="https://dealbridge.example/events/s4hana",
        headers={"authorization": given.get("authorization", "Basic ZXZlbnQ6bWVzaA=="), **given.get("headers", {})},
        body=given.get("body", str(sent).replace("'", '"').encode()),
        received_at=NOW,
    )


@pytest.fixture
def listening() -> World:
    world = World(S4HanaSimulator(clock=lambda: NOW), secret={"webhook_authorization": "Basic ZXZlbnQ6bWVzaA=="})
    activate(world, 1)
    return world


def test_an_event_names_the_record(listening: World) -> None:
    [hint] = listening.erp.read_event(event_request(listening))
    assert (hint.type, hint.id) == ("A_BusinessPartner", "1000140")
    assert hint.event == "sap.s4.beh.businesspartner.v1.BusinessPartner.Created.v1"
    assert hint.event_id.startswith("/default/sap.s4.beh/244572008#")
    assert hint.occurred_at == NOW


def test_the_record_of_an_event_is_named_as_in_our_links(listening: World) -> None:
    """By its key alone a later event finds what the ledger knows of the record."""
    listening.simulator.events.sent.clear()
    activate(listening, 4)
    named = {(hint.type, hint.id) for event in listening.simulator.events.sent for hint in _read(listening, event)}
    links = {(ref.type, ref.id) for ref in listening.refs.values()}
    assert links <= named
    element = {"ProjectElementUUID": "u2", "ProjectUUID": "u1"}
    stem = "sap.s4.beh.enterpriseproject.v1.EnterpriseProject"
    (hint,) = _read(listening, _cloud_event(f"{stem}.EntProjElmntChgd.v1", element))
    assert (hint.type, hint.id) == ("A_EnterpriseProjectElement", "u2")
    (custom,) = _read(listening, _cloud_event("acme.changed", element))
    assert custom.type == custom.event == "acme.changed"


def _cloud_event(kind: str, data: dict[str, str], **fields: str) -> dict[str, Any]:
    return {"type": kind, "specversion": "1.0", "source": "/s", "id": "1", "data": data, **fields}


def _read(world: World, event: Any) -> list[RecordHint]:
    found: list[RecordHint] = world.erp.read_event(event_request(world, body=json.dumps(event).encode()))
    return found


def test_an_event_comes_in_any_of_the_three_modes(listening: World) -> None:
    """CloudEvents, HTTP Protocol Binding, section 3."""
    sent = listening.simulator.events.sent[-1]
    (structured,) = _read(listening, sent)
    attributes = {f"ce-{name}": str(sent[name]) for name in ("type", "specversion", "id", "time")}
    binary = event_request(
        listening,
        headers={**attributes, "ce-source": sent["source"].replace("/", "%2F"), "content-type": "application/json"},
        body=json.dumps(sent["data"]).encode(),
    )
    assert listening.erp.read_event(binary) == [structured]
    assert [hint.event_id for hint in _read(listening, [sent, {**sent, "id": "2"}])] == [
        structured.event_id,
        f"{sent['source']}#2",
    ]


def test_an_event_without_a_time_or_zone_is_taken(listening: World) -> None:
    (undated,) = _read(listening, _cloud_event("x", {"A": "1"}))
    (naive,) = _read(listening, _cloud_event("x", {"A": "1"}, time="2026-03-02T09:00:00"))
    assert undated.occurred_at is None
    assert naive.occurred_at == datetime(2026, 3, 2, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"authorization": "Basic d3Jvbmc="}, 401),
        ({"authorization": ""}, 401),
        ({"body": b"not json"}, 400),
        ({"body": b"[]"}, 400),
        ({"body": b'{"type": "x", "source": "s", "id": "1", "data": {"A": {"B": 1}}}'}, 400),
        ({"body": b'{"type": "x", "source": "s", "id": "1", "data": {"A": "1"}, "time": "soon"}'}, 400),
        ({"body": b'{"type": "x", "source": "s", "id": null, "data": {"A": "1"}}'}, 400),
        ({"body": b'{"A": "1"}', "headers": {"ce-id": "1", "ce-source": "s"}}, 400),
        ({"body": b'{"type": "x", "source": "s", "id": "1", "data": {}}'}, 400),
    ],
)
def test_an_event_that_is_not_as_agreed_is_refused(listening: World, given: dict[str, Any], status: int) -> None:
    with pytest.raises(InboundEventError) as refused:
        listening.erp.read_event(event_request(listening, **given))
    assert refused.value.status == status


def test_without_an_agreement_no_event_is_taken(world: World) -> None:
    with pytest.raises(InboundEventError) as refused:
        world.erp.read_event(event_request(world, body=b"{}"))
    assert refused.value.status == 401
