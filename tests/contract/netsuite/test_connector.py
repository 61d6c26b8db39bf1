"""The NetSuite connector against the simulated account: what it writes, reads back and changes, in how many calls."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from dealbridge.domain.engagement import Contract, Task
from dealbridge.domain.keys import Kind
from dealbridge.domain.money import allocate
from dealbridge.domain.parties import Address, Customer, TaxRegistration
from dealbridge.domain.refs import ExternalRef
from dealbridge_local.simulators.netsuite import NetSuiteSimulator
from tests.contract.netsuite.acme import (
    ACME,
    BILLING,
    BUILD,
    CONTRACT_CODES,
    CUSTOMER_CODES,
    ENGAGEMENT,
    JANE,
    ORDER,
    PROJECT_CODES,
    ROLLOUT,
    TASK_CODES,
    World,
    activate,
    codes,
    contract,
    line,
    schedule,
    usd,
)

# Writing and reading back


def test_every_record_reads_back_as_it_was_written(world: World) -> None:
    activate(world)
    for kind, record, given in ENGAGEMENT:
        found = world.found(kind, record, **given)
        assert found.record.content() == record.content(), kind
        assert found.complete
        assert found.ref.id == world.refs[record.key].id


def test_nothing_is_found_before_it_is_written(world: World) -> None:
    for kind, record, given in ENGAGEMENT:
        assert world.erp.find(world.write(kind, record, **given)) is None


def test_refs_say_where_people_find_a_record(world: World) -> None:
    activate(world)
    customer, order = world.refs[ACME.key], world.refs[ORDER.key]
    assert (customer.type, customer.number) == ("customer", None)
    assert customer.url == f"https://1234567.app.netsuite.com/app/common/entity/custjob.nl?id={customer.id}"
    assert (order.type, order.number) == ("salesOrder", None)
    assert world.found(Kind.CONTRACT, ORDER, **CONTRACT_CODES).ref.number == "SO1001"


def test_one_query_tells_all_numbers(world: World) -> None:
    activate(world)
    shown = [world.refs[key] for key in (ORDER.key, ACME.key, ROLLOUT.key)]
    told: list[ExternalRef] = []
    assert world.counted(lambda: told.extend(world.erp.numbered(shown))) == ["POST /services/rest/query/v1/suiteql"]
    assert [ref.number for ref in told] == ["SO1001", "CUST1001", "PRJ1001"]
    assert [ref.number for ref in world.erp.numbered(shown[1:])] == ["CUST1001", "PRJ1001"]
    assert [ref.number for ref in world.erp.numbered(shown[:1])] == ["SO1001"]


def test_numbers_nobody_wants_are_not_asked_for(world: World) -> None:
    world.options = {"read_numbers": False}
    world.erp = world.connect()
    activate(world)
    assert world.counted(lambda: world.erp.numbered([world.refs[ACME.key]])) == []
    assert world.erp.numbered([world.refs[ACME.key]]) == [world.refs[ACME.key]]


def test_the_account_holds_what_finance_expects(world: World) -> None:
    activate(world)
    order, job, billing = world.shown("salesOrder"), world.shown("job"), world.shown("billingSchedule")

    assert (order["total"], order["otherRefNum"], order["terms"]["refName"]) == (
        Decimal("100000.10"),
        "PO-11037",
        "Net 45",
    )
    assert [item["amount"] for item in order["item"]["items"]] == [Decimal("60000.05"), Decimal("40000.05"), 0]
    assert order["job"]["id"] == job["id"]
    assert (job["entityStatus"]["refName"], job["projectManager"]["refName"]) == ("In Progress", "Mara Lind")
    assert job["billingSchedule"]["id"] == billing["id"]
    shares = [item["milestoneAmount"] for item in billing["milestone"]["items"]]
    assert sum(shares) == 100
    back = [(share * Decimal("100000.10") / 100).quantize(Decimal("0.01")) for share in shares]
    assert back == [item.amount.amount for item in BILLING.items]
    assert billing["milestone"]["items"][2]["comments"] == "Milestone 3: accepted: 33333.44 USD [milestone 00k1-M3]"


def test_a_first_activation_takes_one_call_a_record_and_what_the_api_forces(world: World) -> None:
    # A schedule does nothing until its project names it.
    assert world.counted(lambda: activate(world)) == [
        "PUT customer/eid:CUST-001A",
        "PUT contact/eid:CONT-003A",
        "PUT job/eid:PROJ-006A",
        "PUT projectTask/eid:TASK-006A-IMPL",
        "PUT projectTask/eid:TASK-006A-TRNG",
        "POST salesOrder",
        "POST billingSchedule",
        "PATCH job/643",
    ]


def test_an_account_that_names_no_location_is_asked_for_the_id() -> None:
    world = World(NetSuiteSimulator(location_on_upsert=False))
    calls = world.counted(lambda: activate(world))
    assert "GET customer/eid:CUST-001A" in calls
    assert "GET projectTask/eid:TASK-006A-IMPL" in calls
    assert world.found(Kind.PROJECT, ROLLOUT, **PROJECT_CODES).ref.id == world.refs[ROLLOUT.key].id


def test_parents_stand_above_their_customers(world: World) -> None:
    world.create(Kind.CUSTOMER, ACME, **CUSTOMER_CODES)
    below = ACME.model_copy(update={"key": "CUST-001B", "source_id": "001B", "parent_key": ACME.key})
    world.create(Kind.CUSTOMER, below, **CUSTOMER_CODES)
    assert world.found(Kind.CUSTOMER, below, **CUSTOMER_CODES).record == below


def test_a_bare_customer_is_enough(world: World) -> None:
    bare = Customer(key="CUST-1", name="Bare", currency="USD", source_id="1")
    world.create(Kind.CUSTOMER, bare, **codes())
    assert world.found(Kind.CUSTOMER, bare, **codes()).record == bare


def test_what_people_add_where_we_are_silent_is_no_difference(world: World) -> None:
    bare = Customer(key="CUST-1", name="Bare", currency="USD", source_id="1")
    ref = world.create(Kind.CUSTOMER, bare, **codes())
    world.simulator.edit("customer", ref.id, phone="5551234", email="x@example.com", terms={"id": "1"})
    assert world.found(Kind.CUSTOMER, bare, **codes()).record == bare


@pytest.mark.parametrize(
    ("kind", "edited", "field_name", "seen"),
    [
        (Kind.CUSTOMER, {"companyName": "Acme by hand"}, "name", "Acme by hand"),
        (Kind.CUSTOMER, {"terms": {"id": "7"}}, "payment_terms", "Net 60"),
        (Kind.CONTACT, {"email": "other@example.com"}, "email", "other@example.com"),
        (Kind.PROJECT, {"projectManager": {"id": "22"}}, "manager_email", "Jon Abe"),
        (Kind.PROJECT, {"projectedEndDate": "2026-07-31"}, "end", date(2026, 7, 31)),
        (Kind.PROJECT, {"estimatedRevenue": 5}, "budget", usd("5")),
        (Kind.TASK, {"estimatedWork": 8}, "hours", Decimal(8)),
        (Kind.CONTRACT, {"otherRefNum": "PO-X"}, "po_number", "PO-X"),
        (Kind.CONTRACT, {"item": {"items": [{"line": 1, "amount": 1}]}}, "value", usd("40001.05")),
        (Kind.SCHEDULE, {"name": "Renamed"}, "name", "Renamed"),
    ],
)
def test_what_people_changed_shows_when_it_is_read(
    world: World, kind: Kind, edited: dict[str, Any], field_name: str, seen: object
) -> None:
    activate(world)
    _, record, given = next(each for each in ENGAGEMENT if each[0] is kind)
    world.simulator.edit(world.refs[record.key].type, world.refs[record.key].id, **edited)
    found = world.found(kind, record, **given).record
    assert getattr(found, field_name) == seen


def test_a_line_that_somebody_added_shows(world: World) -> None:
    activate(world)
    extra = {"item": {"items": [{"item": {"id": "108"}, "quantity": 1, "amount": 7}]}}
    world.simulator.edit("salesOrder", world.refs[ORDER.key].id, **extra)
    found = world.found(Kind.CONTRACT, ORDER, **CONTRACT_CODES).record
    assert isinstance(found, Contract)
    assert found.lines[-1].key == "netsuite-line-4"
    assert found.lines[-1].amount == usd("7")


# Changing


def test_a_change_writes_only_what_it_touches(world: World) -> None:
    activate(world)
    world.simulator.edit("customer", world.refs[ACME.key].id, phone="5551234")
    after = ACME.model_copy(update={"email": "new@acme.example"})
    calls = world.counted(lambda: world.update(Kind.CUSTOMER, ACME, after, **CUSTOMER_CODES))
    assert calls == [f"PATCH customer/{world.refs[ACME.key].id}"]
    shown = world.shown("customer")
    assert (shown["email"], shown["phone"]) == ("new@acme.example", "5551234")


def test_a_value_taken_back_is_cleared(world: World) -> None:
    activate(world)
    after = ACME.model_copy(update={"email": None})
    world.update(Kind.CUSTOMER, ACME, after, **CUSTOMER_CODES)
    assert "email" not in world.shown("customer")


def test_an_address_is_changed_in_its_place(world: World) -> None:
    activate(world)
    shipping = {"label": "Dock", "defaultShipping": True, "addressBookAddress": {"city": "Salem"}}
    world.simulator.edit("customer", world.refs[ACME.key].id, addressBook={"items": [shipping]})
    moved = ACME.model_copy(update={"billing_address": Address(street="2 New St", city="Lynn", country="US")})
    world.update(Kind.CUSTOMER, ACME, moved, **CUSTOMER_CODES)
    book = world.shown("customer")["addressBook"]["items"]
    assert [each["addressBookAddress"]["city"] for each in book] == ["Lynn", "Salem"]
    assert world.found(Kind.CUSTOMER, moved, **CUSTOMER_CODES).record == moved


def test_a_tax_number_is_changed_in_its_place(world: World) -> None:
    activate(world)
    both = (TaxRegistration(country="US", number="98-7654321"), TaxRegistration(country="DE", number="DE811907980"))
    after = ACME.model_copy(update={"tax_registrations": both})
    world.update(Kind.CUSTOMER, ACME, after, **CUSTOMER_CODES)
    assert len(world.shown("customer")["taxRegistration"]["items"]) == 2
    assert world.found(Kind.CUSTOMER, after, **CUSTOMER_CODES).record == after


def test_a_repair_of_everything_doubles_nothing_and_clears_nothing(world: World) -> None:
    activate(world)
    world.simulator.edit("customer", world.refs[ACME.key].id, companyName="By hand", comments="keep me")
    for kind, record, given in ENGAGEMENT:
        world.erp.update(world.write(kind, record, **given), world.refs[record.key], ())
    for kind, record, given in ENGAGEMENT:
        assert world.found(kind, record, **given).record == record
    shown = world.shown("customer")
    assert shown["comments"] == "keep me"
    assert len(shown["addressBook"]["items"]) == len(shown["taxRegistration"]["items"]) == 1
    assert len(world.shown("salesOrder")["item"]["items"]) == 3
    assert len(world.shown("billingSchedule")["milestone"]["items"]) == 3


def test_a_new_header_does_not_touch_the_lines(world: World) -> None:
    activate(world)
    after = ORDER.model_copy(update={"po_number": "PO-2", "name": "Acme rollout, phase 1"})
    order = world.refs[ORDER.key].id
    assert world.counted(lambda: world.update(Kind.CONTRACT, ORDER, after, **CONTRACT_CODES)) == [
        f"PATCH salesOrder/{order}"
    ]
    assert world.found(Kind.CONTRACT, after, **CONTRACT_CODES).record == after


def test_amended_lines_keep_their_places(world: World) -> None:
    activate(world)
    first_only = [{"orderLine": number, "quantity": quantity} for number, quantity in ((1, 1), (2, 0), (3, 0))]
    world.simulator.bill(world.refs[ORDER.key].id, item={"items": first_only})
    after = contract(
        line("00k1", "IMPL", "70000.05", "4"),
        line("00k4", "ADVS", "1234.56", "7"),
        line("00k2", "TRNG", "40000.05"),
    )
    given = codes("NA-US", "USD", "IMPL", "TRNG", "ADVS", payment_terms="3")
    order = world.refs[ORDER.key].id
    calls = world.counted(lambda: world.update(Kind.CONTRACT, ORDER, after, **given))
    assert calls == [f"GET salesOrder/{order}", f"PATCH salesOrder/{order}"]

    items = world.shown("salesOrder")["item"]["items"]
    assert [(item["line"], item["amount"]) for item in items] == [
        (1, Decimal("70000.05")),
        (2, Decimal("40000.05")),
        (4, Decimal("1234.56")),
    ]
    assert items[0]["quantityBilled"] == 1
    found = world.found(Kind.CONTRACT, after, **given)
    assert found.record == after
    assert found.ref.parts == {"00k1": "1", "00k2": "2", "00k4": "4"}


def test_equal_lines_are_told_apart_by_the_numbers_the_ledger_knows(world: World) -> None:
    activate(world)
    twins = contract(*(line(f"00k{number}", "IMPL", "10") for number in range(1, 4)), key="SO-T", name="Twins")
    world.create(Kind.CONTRACT, twins, **CONTRACT_CODES)
    lines = [line("00k1", "IMPL", "10"), line("00k2", "IMPL", "99"), line("00k3", "IMPL", "10")]
    after = contract(*lines, key="SO-T", name="Twins")
    ref = world.update(Kind.CONTRACT, twins, after, **CONTRACT_CODES)
    order = next(each for each in world.simulator.records()["salesOrder"] if each["externalId"] == "SO-T")
    assert [(item["line"], item["amount"]) for item in order["item"]["items"]] == [(1, 10), (2, 99), (3, 10)]
    assert ref.parts == {"00k1": "1", "00k2": "2", "00k3": "3"}


def test_an_amended_schedule_keeps_what_people_completed(world: World) -> None:
    activate(world)
    billing = world.refs[BILLING.key].id
    first = {"milestoneId": 1, "milestoneCompleted": True}
    world.simulator.edit("billingSchedule", billing, milestone={"items": [first]})
    after = schedule("33333.33", "20000", "26666.67", "20000.10")
    calls = world.counted(lambda: world.update(Kind.SCHEDULE, BILLING, after, **CONTRACT_CODES))
    assert calls == [f"GET billingSchedule/{billing}", f"PATCH billingSchedule/{billing}"]
    items = world.shown("billingSchedule")["milestone"]["items"]
    assert [(item["milestoneId"], item["milestoneCompleted"]) for item in items] == [
        (1, True),
        (2, False),
        (3, False),
        (4, False),
    ]
    assert world.found(Kind.SCHEDULE, after, **CONTRACT_CODES).record == after


def test_what_is_no_longer_billed_leaves_the_schedule(world: World) -> None:
    activate(world)
    after = schedule("60000.05", "40000.05")
    world.update(Kind.SCHEDULE, BILLING, after, **CONTRACT_CODES)
    assert len(world.shown("billingSchedule")["milestone"]["items"]) == 2
    assert world.found(Kind.SCHEDULE, after, **CONTRACT_CODES).record == after


def test_a_withdrawn_task_is_completed_and_can_be_wanted_again(world: World) -> None:
    activate(world)
    write, ref = world.write(Kind.TASK, BUILD, **TASK_CODES), world.refs[BUILD.key]
    for _ in range(2):
        assert world.erp.withdraw(write, ref) == ref
    found = world.found(Kind.TASK, BUILD, **TASK_CODES).record
    assert isinstance(found, Task)
    assert found.closed

    longer = BUILD.model_copy(update={"hours": Decimal(400)})
    world.erp.update(world.write(Kind.TASK, longer, **TASK_CODES), ref, ())
    assert world.found(Kind.TASK, longer, **TASK_CODES).record == longer
    assert world.simulator.records()["projectTask"][0]["status"]["refName"] == "In Progress"


def test_a_task_keeps_the_status_people_gave_it(world: World) -> None:
    activate(world)
    world.simulator.edit("projectTask", world.refs[BUILD.key].id, status="PROGRESS")
    world.erp.update(world.write(Kind.TASK, BUILD, **TASK_CODES), world.refs[BUILD.key], ())
    shown = world.simulator.records()["projectTask"][0]
    assert shown["status"]["id"] == "PROGRESS"


# Several entities and currencies in one account


def test_a_second_entity_gets_its_customer_let_in(world: World) -> None:
    world.create(Kind.CUSTOMER, ACME, **CUSTOMER_CODES)
    german = ROLLOUT.model_copy(
        update={"key": "PROJ-006A-EMEA-DE", "legal_entity": "EMEA-DE", "currency": "EUR", "budget": usd("5", "EUR")}
    )
    given = codes("EMEA-DE", "EUR", manager="21")
    assert len(world.counted(lambda: world.create(Kind.PROJECT, german, **given))) == 4
    assert world.found(Kind.PROJECT, german, **given).record == german
    [relation] = world.simulator.records()["customerSubsidiaryRelationship"]
    assert (relation["entity"]["id"], relation["subsidiary"]["id"]) == (world.refs[ACME.key].id, "2")

    again = german.model_copy(update={"key": "PROJ-006B-EMEA-DE"})
    assert len(world.counted(lambda: world.create(Kind.PROJECT, again, **given))) == 1


def test_a_deal_in_another_currency_gets_its_customer_let_in(world: World) -> None:
    world.create(Kind.CUSTOMER, ACME, **CUSTOMER_CODES)
    pounds = ROLLOUT.model_copy(update={"currency": "GBP", "budget": usd("5", "GBP")})
    world.create(Kind.PROJECT, pounds, **codes("NA-US", "GBP", manager="21"))
    held = [entry["currency"]["refName"] for entry in world.shown("customer")["currencyList"]["items"]]
    assert held == ["USD", "GBP"]


def test_a_contact_goes_where_its_company_is(world: World) -> None:
    world.create(Kind.CUSTOMER, ACME, **codes("EMEA-UK", "USD", payment_terms="2"))
    world.create(Kind.CONTACT, JANE, **codes("NA-US"))
    assert world.shown("contact")["subsidiary"]["id"] == "3"


def test_yen_are_split_into_whole_yen(world: World) -> None:
    given = codes("APAC-JP", "JPY", "IMPL", manager="21")
    world.create(Kind.CUSTOMER, ACME.model_copy(update={"currency": "JPY"}), **{**given, "payment_terms": "2"})
    project = ROLLOUT.model_copy(update={"legal_entity": "APAC-JP", "currency": "JPY", "budget": usd("1000001", "JPY")})
    world.create(Kind.PROJECT, project, **given)
    world.create(Kind.TASK, BUILD, **given)
    parts = allocate(usd("1000001", "JPY"), [Decimal(1)] * 7)
    billing = schedule(*(str(part.amount) for part in parts), currency="JPY")
    world.create(Kind.SCHEDULE, billing, **given)
    assert world.found(Kind.SCHEDULE, billing, **given).record == billing


# Size


def test_a_large_deal_goes_through(world: World) -> None:
    for kind, record, given in ENGAGEMENT[:5]:
        world.create(kind, record, **given)
    lines = [line(f"00k{number}", "IMPL", "10.01", "3") for number in range(500)]
    large = contract(*lines)
    world.create(Kind.CONTRACT, large, **CONTRACT_CODES)
    assert world.found(Kind.CONTRACT, large, **CONTRACT_CODES).record == large

    parts = allocate(usd("1234567.89"), [Decimal(number) for number in range(1, 201)])
    billing = schedule(*(str(part.amount) for part in parts))
    world.create(Kind.SCHEDULE, billing, **CONTRACT_CODES)
    assert world.found(Kind.SCHEDULE, billing, **CONTRACT_CODES).record == billing
