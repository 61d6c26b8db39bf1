"""The Salesforce connector against the simulated org: what the port promises, and what a bad day does."""

import json
import logging
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from typing import Any

import pytest

from dealbridge import errors
from dealbridge.connectors.salesforce import CAPABILITIES
from dealbridge.connectors.salesforce.system import Salesforce
from dealbridge.domain.deal import BillingType, Deal
from dealbridge.mappings.expressions import evaluate
from dealbridge.ports import InboundEventError, InboundRequest
from dealbridge.transport import signatures
from dealbridge_local.simulators.salesforce import SalesforceSimulator

from .conftest import MAPPING, ORIGIN, STATUS, WEBHOOK_SECRET, Org, World


def as_deal(opportunity: str, read: Any) -> Deal:
    document = evaluate(MAPPING["deal"], dict(read.document), named="salesforce")
    key = {"crm": "salesforce", "opportunity": opportunity}
    return Deal.model_validate({**document, "key": key, "revision": read.revision})


# Reading a deal


def test_a_deal_is_read_whole_in_one_call(world: World, salesforce: Salesforce) -> None:
    org = world.org
    account_id = org.account(
        Name="Acme GmbH",
        ParentId=org.account(Name="Acme Group", BillingCountry="USA"),
        BillingCountry="Germany",
        Tax_Registrations__c="DE: DE811907980\nFR: FR40303265045",
    )
    deal_id = world.deal(AccountId=account_id, Payment_Terms__c="Net 30", Deal_Kind__c="Change Order")
    line_id = org.line(deal_id, Service_Line__c="IMPL", Billing_Type__c="Milestone", Quantity=2, UnitPrice=750.25)
    for day, revenue in ((1, 1000), (20, 500.5)):
        org.create(
            "OpportunityLineItemSchedule",
            OpportunityLineItemId=line_id,
            Type="Revenue",
            ScheduleDate=f"2026-12-{day:02d}",
            Revenue=revenue,
            Description=f"Day {day}",
        )
    contact_id = org.create("Contact", LastName="Lind", FirstName="Mara", AccountId=account_id)
    org.create("OpportunityContactRole", OpportunityId=deal_id, ContactId=contact_id, Role="Decision Maker")

    read = salesforce.read_deal(deal_id[:15])

    assert world.api_calls() == [("POST", "composite")]
    assert read.opportunity == deal_id
    assert read.revision.split()[0] == org.read("Opportunity", deal_id)["SystemModstamp"]
    assert set(read.document) == {"opportunity", "account", "lines", "schedules", "contacts"}
    assert read.document["opportunity"]["Amount"] == Decimal("1500.5")
    assert read.document["account"]["parent"]["Name"] == "Acme Group"
    assert "attributes" not in json.dumps(read.document, default=str)
    deal = as_deal(deal_id, read)
    assert (str(deal.amount), deal.won, deal.kind, deal.payment_terms) == (
        "1500.50 EUR",
        True,
        "change_order",
        "Net 30",
    )
    assert deal.account is not None
    assert [each.name for each in deal.account.lineage()] == ["Acme GmbH", "Acme Group"]
    assert deal.account.billing_address is not None
    assert deal.account.billing_address.country == "DE"
    assert [(each.country, each.number) for each in deal.account.tax_registrations][1] == ("FR", "FR40303265045")
    (line,) = deal.lines
    assert (line.billing_type, str(line.quantity), str(line.rate)) == (BillingType.MILESTONE, "2", "750.25")
    assert [(each.name, str(each.amount)) for each in line.milestones] == [
        ("Day 1", "1000.00 EUR"),
        ("Day 20", "500.50 EUR"),
    ]
    assert [(person.last_name, person.role) for person in deal.contacts] == [("Lind", "Decision Maker")]


def test_a_deal_with_nothing_around_it(world: World, salesforce: Salesforce) -> None:
    read = salesforce.read_deal(world.deal(Name="Bare"))

    assert (read.document["account"], read.document["lines"], read.document["contacts"]) == (None, [], [])
    deal = as_deal(read.opportunity, read)
    assert (deal.name, deal.account, deal.lines, str(deal.amount)) == ("Bare", None, (), "0.00 EUR")


def test_an_account_tree_of_any_depth_costs_a_call_per_five_parents(world: World, salesforce: Salesforce) -> None:
    parent: dict[str, str] = {}
    for level in range(13):
        parent = {"ParentId": world.org.account(Name=f"{level}", **parent)}
    deal_id = world.deal(AccountId=parent["ParentId"])

    deal = as_deal(deal_id, salesforce.read_deal(deal_id))

    assert deal.account is not None
    assert [each.name for each in deal.account.lineage()] == [str(level) for level in reversed(range(13))]
    assert world.api_calls() == [("POST", "composite"), ("GET", "query"), ("GET", "query")]


def test_five_accounts_come_with_the_deal(world: World, salesforce: Salesforce) -> None:
    parent: dict[str, str] = {}
    for level in range(5):
        parent = {"ParentId": world.org.account(Name=f"{level}", **parent)}
    deal = salesforce.read_deal(world.deal(AccountId=parent["ParentId"]))

    assert deal.document["account"]["parent"]["parent"]["parent"]["parent"]["Name"] == "0"
    assert world.api_calls() == [("POST", "composite")]


def _add_lines(org: Org, deal_id: str, count: int) -> None:
    line = {"OpportunityId": deal_id, "PricebookEntryId": org.entry(), "Quantity": 1, "UnitPrice": 10}
    for start in range(0, count, 200):
        records = [{"attributes": {"type": "OpportunityLineItem"}, **line} for _ in range(min(200, count - start))]
        made = org.send("POST", "composite/sobjects", {"records": records}).json()
        assert all(each["success"] for each in made)


def test_five_hundred_lines_are_one_call(world: World, salesforce: Salesforce) -> None:
    deal_id = world.deal()
    _add_lines(world.org, deal_id, 500)

    lines = salesforce.read_deal(deal_id).document["lines"]

    assert len({line["Id"] for line in lines}) == 500
    assert [line["Id"] for line in lines] == sorted(line["Id"] for line in lines)
    assert world.api_calls() == [("POST", "composite")]


def test_pages_are_followed(world: World, private_key: str) -> None:
    world.org = Org(SalesforceSimulator(world.org.clock, private_key=private_key, page_size=100), world.org.clock)
    deal_id = world.deal()
    _add_lines(world.org, deal_id, 250)

    lines = world.connect().read_deal(deal_id).document["lines"]

    assert len({line["Id"] for line in lines}) == 250
    assert [path.split("/")[0] for _, path in world.api_calls()] == ["composite", "query", "query"]


@pytest.mark.parametrize("opportunity", ["006Kd0000000999IAA", "006", "' OR Id != '", "006Kd0000000001AAA"])
def test_an_opportunity_that_is_not_there(world: World, salesforce: Salesforce, opportunity: str) -> None:
    world.deal()
    status = STATUS

    with pytest.raises(errors.RecordMissingError):
        salesforce.read_deal(opportunity)
    with pytest.raises(errors.RecordMissingError):
        salesforce.find_status(opportunity)
    with pytest.raises(errors.RecordMissingError):
        salesforce.write_status(opportunity, status)


def test_a_deleted_opportunity_is_missing(world: World, salesforce: Salesforce) -> None:
    deal_id = world.deal()
    world.org.send("DELETE", f"sobjects/Opportunity/{deal_id}")

    with pytest.raises(errors.RecordMissingError, match="deleted, or not visible"):
        salesforce.read_deal(deal_id)
    with pytest.raises(errors.RecordMissingError):
        salesforce.write_status(deal_id, STATUS)


def test_a_field_that_the_org_has_not_is_a_matter_of_configuration(world: World, private_key: str) -> None:
    plain = SalesforceSimulator(
        world.org.clock, private_key=private_key, multi_currency=False, products_and_schedules=False
    )
    world.org = Org(plain, world.org.clock)
    deal_id = world.org.create("Opportunity", Name="x", StageName="Prospecting", CloseDate="2026-11-30")
    no_schedules = {**MAPPING["read"], "Opportunity": ["Name"]}

    with pytest.raises(errors.ConfigurationError, match=r"mappings/fields/salesforce\.yaml.*CurrencyIsoCode"):
        world.connect().read_deal(deal_id)
    with pytest.raises(errors.ConfigurationError, match=r"mappings/fields/salesforce\.yaml.*OpportunityLineItemSchedu"):
        world.connect(read=no_schedules).read_deal(deal_id)
    del no_schedules["OpportunityLineItemSchedule"]
    assert world.connect(read=no_schedules).read_deal(deal_id).document["schedules"] == []


def test_a_status_field_that_the_org_has_not(world: World) -> None:
    salesforce = world.connect(status_fields={"status": "Missing__c"})

    with pytest.raises(errors.ConfigurationError, match=r"mappings/fields/salesforce\.yaml.*Missing__c"):
        salesforce.find_status(world.deal())
    with pytest.raises(errors.ConfigurationError, match=r"mappings/fields/salesforce\.yaml.*Missing__c"):
        salesforce.write_status(world.deal(), STATUS)
    with pytest.raises(errors.ConfigurationError, match=r"mappings/fields/salesforce\.yaml.*Missing__c"):
        salesforce.changed_deals(None, world.org.clock())


def test_a_revision_is_settled_once_its_second_is_over(world: World, salesforce: Salesforce) -> None:
    deal_id = world.deal()
    stamp = world.org.read("Opportunity", deal_id)["SystemModstamp"]

    world.date = format_datetime(world.org.clock(), usegmt=True)
    during = salesforce.read_deal(deal_id).revision
    world.date = format_datetime(world.org.clock() + timedelta(seconds=2), usegmt=True)
    later = salesforce.read_deal(deal_id).revision

    assert (during, later) == (f"{stamp} unsettled", stamp)
    assert salesforce.changed_deals(None, world.org.clock()).deals == ((deal_id, later),)


# Changed deals


def test_changed_deals_are_the_won_ones_and_those_that_were(world: World, salesforce: Salesforce) -> None:
    org = world.org
    won, lost, reopened = world.deal(), org.deal(StageName="Closed Lost"), world.deal()
    salesforce.write_status(reopened, STATUS)
    org.update("Opportunity", reopened, StageName="Negotiation/Review")

    changed = salesforce.changed_deals(None, org.clock())

    assert {deal for deal, _ in changed.deals} == {won, reopened}
    assert lost not in {deal for deal, _ in changed.deals}
    assert dict(changed.deals)[won] == salesforce.read_deal(won).revision
    assert changed.more is False


def test_a_poll_goes_on_where_the_last_began_with_some_overlap(world: World, salesforce: Salesforce) -> None:
    clock = world.org.clock
    world.deal()
    clock.advance(minutes=10)
    second = world.deal()
    clock.advance(minutes=2)
    cursor = salesforce.changed_deals(None, clock()).cursor
    clock.advance(minutes=1)
    third = world.deal()

    changed = salesforce.changed_deals(cursor, clock())

    assert [deal for deal, _ in changed.deals] == [second, third]
    clock.advance(minutes=10)
    world.api_calls()
    quiet = salesforce.changed_deals(salesforce.changed_deals(changed.cursor, clock()).cursor, clock())
    assert quiet.deals == ()
    assert world.api_calls() == [("POST", "composite"), ("POST", "composite")]


def test_the_first_poll_looks_back_so_far(world: World) -> None:
    clock = world.org.clock
    world.deal()
    clock.advance(hours=3)
    world.org.sign_in()
    recent = world.deal()

    changed = world.connect(look_back="PT2H").changed_deals(None, clock())

    assert [deal for deal, _ in changed.deals] == [recent]


def test_many_changes_in_one_second_come_in_pages_without_loss(world: World) -> None:
    deals = [world.deal() for _ in range(7)]
    salesforce = world.connect(page=3)
    found: list[str] = []
    cursor, more = None, True
    while more:
        assert len(found) < len(deals)
        changed = salesforce.changed_deals(cursor, world.org.clock())
        found += [deal for deal, _ in changed.deals]
        cursor, more = changed.cursor, changed.more

    assert found == deals
    assert world.api_calls() == [("POST", "composite")] * 3
    world.org.clock.advance(minutes=1)
    late = world.deal()
    assert late in {deal for deal, _ in world.connect().changed_deals(cursor, world.org.clock()).deals}


# Our status


def test_status_is_written_to_our_fields_only_and_read_back(world: World, salesforce: Salesforce) -> None:
    deal_id = world.deal(Amount=500)
    before = world.org.read("Opportunity", deal_id)
    assert salesforce.find_status(deal_id) is None
    world.org.clock.advance(minutes=1)
    world.api_calls()

    ref = salesforce.write_status(deal_id, STATUS)

    assert world.api_calls() == [("POST", "composite")]
    after = world.org.read("Opportunity", deal_id)
    moved = {name for name in after if after[name] != before[name]}
    assert moved == {
        "ERP_Status__c",
        "ERP_Status_Message__c",
        "ERP_Project_Number__c",
        "ERP_Status_At__c",
        "LastModifiedDate",
        "SystemModstamp",
    }
    assert (ref.connection, ref.type, ref.id, ref.version) == (
        "salesforce",
        "Opportunity",
        deal_id,
        after["SystemModstamp"],
    )
    assert ref.url == f"{ORIGIN}/lightning/r/Opportunity/{deal_id}/view"
    assert salesforce.find_status(deal_id) == STATUS.model_copy(update={"key": f"STAT-{deal_id}"})
    assert salesforce.changed_deals(None, world.org.clock()).deals == ((deal_id, ref.version),)


def test_a_number_that_is_gone_is_cleared(world: World, salesforce: Salesforce) -> None:
    deal_id = world.deal()
    salesforce.write_status(deal_id, STATUS)
    salesforce.write_status(deal_id, STATUS.model_copy(update={"project_number": None}))

    found = salesforce.find_status(deal_id)
    assert found is not None
    assert found.project_number is None


def test_a_message_longer_than_its_field_is_cut(world: World) -> None:
    deal_id = world.deal()
    salesforce = world.connect(status_message_length=20)
    salesforce.write_status(deal_id, STATUS.model_copy(update={"message": "x" * 50}))

    assert world.org.read("Opportunity", deal_id)["ERP_Status_Message__c"] == "x" * 19 + "…"


def test_a_change_of_someone_else_is_not_hidden_behind_our_own_write(world: World, salesforce: Salesforce) -> None:
    deal_id = world.deal()
    read = salesforce.read_deal(deal_id).revision
    world.org.clock.advance(seconds=5)

    alone = salesforce.write_status(deal_id, STATUS, read)
    assert alone.version == world.org.read("Opportunity", deal_id)["SystemModstamp"]
    assert alone.version is not None
    world.org.clock.advance(seconds=5)
    world.org.update("Opportunity", deal_id, NextStep="Call the customer")
    world.org.clock.advance(seconds=5)
    after_another = salesforce.write_status(deal_id, STATUS, alone.version)

    assert after_another.version == alone.version
    assert dict(salesforce.changed_deals(None, world.org.clock()).deals)[deal_id] != after_another.version


def test_status_without_a_field_for_it_is_a_matter_of_configuration(world: World) -> None:
    with pytest.raises(errors.ConfigurationError, match="status_fields"):
        world.connect(status_fields={}).write_status(world.deal(), STATUS)


def test_a_status_that_the_org_refuses_names_field_rule_and_remedy(world: World) -> None:
    deal_id = world.deal()
    salesforce = world.connect(status_fields={"status": "Payment_Terms__c"})

    with pytest.raises(errors.RejectedError) as refused:
        salesforce.write_status(deal_id, STATUS)

    (finding,) = refused.value.findings
    assert (finding.field, finding.rule) == ("Payment_Terms__c", "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST")
    assert finding.remedy == "Add the value to the picklist, or map another one."


def test_a_rule_of_the_org_is_told_in_its_own_words(world: World, salesforce: Salesforce) -> None:
    deal_id = world.deal()
    world.org.simulator.add_validation_rule(
        "Opportunity", lambda deal: ("Ask finance first.", "ERP_Status__c") if deal["ERP_Status__c"] else None
    )

    with pytest.raises(errors.RejectedError, match="Ask finance first") as refused:
        salesforce.write_status(deal_id, STATUS)

    assert [finding.field for finding in refused.value.findings] == ["ERP_Status__c"]


# Bad days


def test_a_lost_reply_leaves_the_outcome_to_be_read_back(world: World, salesforce: Salesforce) -> None:
    deal_id = world.deal()
    world.org.simulator.add_fault(kind="drop_after_commit", path="composite", times=1)

    with pytest.raises(errors.TransientError) as lost:
        salesforce.write_status(deal_id, STATUS)

    assert lost.value.outcome_unknown is True
    found = salesforce.find_status(deal_id)
    assert found is not None
    assert found.project_number == "P-1"


def test_a_body_that_cannot_be_read(world: World, salesforce: Salesforce) -> None:
    deal_id = world.deal()
    world.org.simulator.add_fault(kind="malformed_body", path="composite", times=1)

    with pytest.raises(errors.TransientError) as unreadable:
        salesforce.write_status(deal_id, STATUS)

    assert unreadable.value.outcome_unknown is True


@pytest.mark.parametrize("body", ["[]", '{"compositeResponse": [{"referenceId": "opportunity"}]}', '{"records": []}'])
def test_an_answer_of_another_shape(world: World, salesforce: Salesforce, body: str) -> None:
    deal_id = world.deal()
    world.org.simulator.add_fault(kind="status", status=200, path="composite|query", body=body)

    with pytest.raises(errors.TransientError):
        salesforce.read_deal(deal_id)
    with pytest.raises(errors.TransientError):
        salesforce.changed_deals(None, world.org.clock())


def _limited(world: World, message: str) -> None:
    body = [{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": message}]
    world.org.simulator.add_fault(kind="status", status=403, body=body, path="composite", times=1)


@pytest.mark.parametrize(
    ("message", "wait"),
    [("TotalRequests Limit exceeded.", 900), ("ConcurrentPerOrgLongTxn Limit exceeded.", 20)],
)
def test_a_spent_allowance_asks_for_patience(world: World, salesforce: Salesforce, message: str, wait: float) -> None:
    deal_id = world.deal()
    _limited(world, message)

    with pytest.raises(errors.ThrottledError) as throttled:
        salesforce.read_deal(deal_id)

    assert throttled.value.retry_after == wait


def test_the_daily_allowance_really_spent(world: World, salesforce: Salesforce) -> None:
    deal_id = world.deal()
    world.org.simulator.daily_api_requests = 0

    with pytest.raises(errors.ThrottledError):
        salesforce.read_deal(deal_id)


@pytest.mark.parametrize(
    ("status", "code", "error", "unknown"),
    [
        (400, "UNABLE_TO_LOCK_ROW", errors.TransientError, False),
        (400, "QUERY_TIMEOUT", errors.TransientError, False),
        (500, "UNKNOWN_EXCEPTION", errors.TransientError, True),
        (502, "", errors.TransientError, True),
        (503, "SERVER_UNAVAILABLE", errors.TransientError, False),
        (400, "INVALID_FIELD_FOR_INSERT_UPDATE", errors.AccessError, False),
        (403, "INSUFFICIENT_ACCESS_OR_READONLY", errors.AccessError, False),
        (403, "API_DISABLED_FOR_ORG", errors.AccessError, False),
        (400, "ENTITY_IS_LOCKED", errors.RejectedError, False),
        (404, "ENTITY_IS_DELETED", errors.RecordMissingError, False),
        (410, "", errors.ConfigurationError, False),
        (400, "SOMETHING_NEW", errors.RejectedError, False),
    ],
)
def test_signals_become_the_closed_set_of_errors(
    world: World, salesforce: Salesforce, status: int, code: str, error: type[errors.DealbridgeError], unknown: bool
) -> None:
    deal_id = world.deal()
    body: Any = [{"errorCode": code, "message": "told"}] if code else "<html>Bad gateway</html>"
    world.org.simulator.add_fault(kind="status", status=status, body=body, path="composite")

    with pytest.raises(errors.DealbridgeError) as raised:
        salesforce.write_status(deal_id, STATUS)

    assert type(raised.value) is error
    assert raised.value.outcome_unknown is unknown


def test_a_row_that_is_locked_inside_a_composite_is_transient(world: World, salesforce: Salesforce) -> None:
    deal_id = world.deal(AccountId=world.org.account())
    world.org.simulator.lock_row(deal_id)

    with pytest.raises(errors.TransientError, match="UNABLE_TO_LOCK_ROW"):
        salesforce.write_status(deal_id, STATUS)
    salesforce.write_status(deal_id, STATUS)


def _sign_ins(world: World) -> int:
    return sum(call["path"] == "/services/oauth2/token" for call in world.org.simulator.calls())


def test_a_session_is_used_until_it_ends_and_then_renewed_once(world: World, salesforce: Salesforce) -> None:
    deal_id = world.deal()
    before = _sign_ins(world)
    salesforce.read_deal(deal_id)
    salesforce.read_deal(deal_id)
    assert _sign_ins(world) == before + 1
    world.org.clock.advance(hours=3)

    before = _sign_ins(world)
    assert salesforce.read_deal(deal_id).opportunity == deal_id
    assert _sign_ins(world) == before + 1


def test_a_session_that_ends_at_once_again_is_given_up(world: World, salesforce: Salesforce) -> None:
    deal_id = world.deal()
    salesforce.read_deal(deal_id)
    world.org.simulator.add_fault(kind="expire_tokens", path="composite", times=2)

    with pytest.raises(errors.AccessError, match="INVALID_SESSION_ID"):
        salesforce.read_deal(deal_id)


def test_either_kind_of_app_signs_in(world: World) -> None:
    credentials = world.org.simulator.credentials()
    deal_id = world.deal()
    app = {"consumer_key": credentials["consumer_key"]}

    for secret in (
        {**app, "consumer_secret": credentials["consumer_secret"]},
        {**app, "private_key": credentials["private_key"], "username": credentials["username"]},
    ):
        assert world.connect(secret).read_deal(deal_id).opportunity == deal_id


def test_a_refused_sign_in_is_a_matter_of_access(world: World) -> None:
    credentials = {**world.org.simulator.credentials(), "username": "nobody@example.com"}

    with pytest.raises(errors.AccessError, match="user hasn't approved this consumer"):
        world.connect(credentials).read_deal(world.deal())


@pytest.mark.parametrize("missing", ["consumer_key", "private_key"])
def test_an_incomplete_secret_is_named_without_its_values(world: World, missing: str) -> None:
    credentials = world.org.simulator.credentials()
    given = {name: value for name, value in credentials.items() if name not in (missing, "consumer_secret")}

    with pytest.raises(errors.ConfigurationError, match=missing) as refused:
        world.connect(given)
    assert not any(value in str(refused.value) for value in given.values() if len(value) > 10)


def test_a_wrong_option_is_named(world: World) -> None:
    with pytest.raises(errors.ConfigurationError, match=r"connections\.yaml: salesforce\.options\.api_version"):
        world.connect(api_version="67")
    with pytest.raises(errors.ConfigurationError, match=r"options\.read\.Opportunity"):
        world.connect(read={"Opportunity": ["Name FROM User"]})


def test_no_secret_is_told_in_a_log_or_an_error(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    credentials = world.org.simulator.credentials()
    salesforce = world.connect()
    deal_id = world.deal()
    salesforce.read_deal(deal_id)
    told = []
    for fault in (
        {"kind": "status", "status": 500, "body": "down"},
        {"kind": "drop_before_commit"},
        {"kind": "status", "status": 400, "body": {"error": "invalid_grant", "error_description": "no"}},
    ):
        world.org.simulator.add_fault(**fault, path="oauth2|composite", times=1)
        with pytest.raises(errors.DealbridgeError) as raised:
            world.connect().read_deal(deal_id)
        told.append(str(raised.value))
    token = world.org.http.headers["Authorization"].removeprefix("Bearer ")

    text = "\n".join([caplog.text, *told, repr(world.calls)])
    secrets = [credentials["consumer_secret"], credentials["private_key"][100:140], token[:15], "eyJ", "assertion="]
    assert [secret for secret in secrets if secret in text] == []


# Events


def _event(envelope: dict[str, Any], at: datetime) -> InboundRequest:
    return InboundRequest(
        "EVENT", f"eventbridge:{envelope.get('source')}", {}, json.dumps(envelope).encode(), received_at=at
    )


def _sent(world: World) -> list[InboundRequest]:
    sent = [_event(envelope, world.org.clock()) for envelope in world.org.simulator.outbox.sent]
    world.org.simulator.outbox.sent.clear()
    return sent


def test_events_name_their_deals_and_our_own_echo_none(world: World, salesforce: Salesforce) -> None:
    deal_id = world.deal()
    salesforce.write_status(deal_id, STATUS)
    created, echo = _sent(world)

    (hint,) = salesforce.read_event(created)
    assert (hint.opportunity, hint.occurred_at) == (deal_id, world.org.clock())
    assert salesforce.read_event(echo) == []
    (again,) = salesforce.read_event(created)
    assert again.event_id == hint.event_id


def test_one_event_may_name_many_deals(world: World, salesforce: Salesforce) -> None:
    deals = [world.deal(), world.deal()]
    world.org.simulator.outbox.sent.clear()
    records = [{"attributes": {"type": "Opportunity"}, "id": deal_id, "NextStep": "Call"} for deal_id in deals]
    world.org.send("PATCH", "composite/sobjects", {"records": records})

    (request,) = _sent(world)
    assert [hint.opportunity for hint in salesforce.read_event(request)] == deals


def _emitted(world: World, **event: Any) -> InboundRequest:
    world.org.simulator.outbox.sent.clear()
    assert world.org.http.post("/__sim/events", json=event).status_code == 201
    return _sent(world)[0]


def test_every_shape_of_event_is_understood(world: World, salesforce: Salesforce) -> None:
    deal_id, account_id = world.deal(), world.org.account()

    def named(**event: Any) -> list[str | None]:
        return [hint.opportunity for hint in salesforce.read_event(_emitted(world, **event))]

    assert named(type="OpportunityChangeEvent", id=deal_id) == [deal_id]
    assert named(type="flat", id=deal_id) == [deal_id]
    assert named(type="GAP_UPDATE", id=deal_id) == [deal_id]
    assert named(type="GAP_OVERFLOW", id="") == [None]
    assert named(type="Deal_Won__e", id=deal_id) == [deal_id]
    assert named(type="AccountChangeEvent", id=account_id) == [None]


def test_copies_of_a_platform_event_are_one_event(world: World, salesforce: Salesforce) -> None:
    first = _emitted(world, type="Deal_Won__e", id=world.deal(), duplicate=1)
    envelope = json.loads(first.body)
    second = _event({**envelope, "id": "another delivery"}, world.org.clock())

    assert salesforce.read_event(first) == salesforce.read_event(second)


def test_a_new_product_names_its_deal(world: World, private_key: str, salesforce: Salesforce) -> None:
    simulator = SalesforceSimulator(world.org.clock, private_key=private_key, relayed=("OpportunityLineItem",))
    world.org = Org(simulator, world.org.clock)
    deal_id = world.deal()
    world.org.line(deal_id)

    (request,) = _sent(world)
    assert [hint.opportunity for hint in salesforce.read_event(request)] == [deal_id]


@pytest.mark.parametrize(
    "envelope",
    [
        [],
        {"detail-type": "OpportunityChangeEvent"},
        {"detail-type": "OpportunityChangeEvent", "detail": {"payload": []}},
        {"detail-type": "OpportunityChangeEvent", "detail": {"payload": {"Name": "x"}}},
        {"detail-type": "OpportunityChangeEvent", "detail": {"payload": {"ChangeEventHeader": {}}}},
        {"detail-type": "Deal_Won__e", "detail": {"payload": {"Opportunity_Id__c": "x", "EventUuid": "1"}}},
        {"detail-type": "Deal_Won__e", "detail": {"payload": {"Opportunity_Id__c": "006Kd0000000001IAA"}}},
    ],
)
def test_an_event_that_is_none_is_refused(world: World, salesforce: Salesforce, envelope: Any) -> None:
    request = InboundRequest("EVENT", "eventbridge:x", {}, json.dumps(envelope).encode(), world.org.clock())

    with pytest.raises(InboundEventError) as refused:
        salesforce.read_event(request)
    assert refused.value.status == 400


def _webhook(world: World, body: bytes, *, key: str = WEBHOOK_SECRET, sent: bytes | None = None) -> InboundRequest:
    """A request signed over `body`; another body arrives where `sent` says so."""
    at = world.org.clock()
    headers = signatures.sign(key, int(at.timestamp()), body)
    return InboundRequest("POST", "https://x.example.com/events/salesforce", headers, sent or body, received_at=at)


def test_a_signed_request_of_the_orgs_automation(world: World, salesforce: Salesforce) -> None:
    deal_id = world.deal()
    body = json.dumps({"event_id": "e-1", "opportunity_ids": [deal_id[:15]], "occurred_at": "2026-11-23T18:00:00Z"})

    (hint,) = salesforce.read_event(_webhook(world, body.encode()))

    assert (hint.opportunity, hint.event_id) == (deal_id, "e-1")
    assert hint.occurred_at == datetime(2026, 11, 23, 18, tzinfo=UTC)


def test_a_forged_request_is_refused(world: World, salesforce: Salesforce) -> None:
    body = json.dumps({"event_id": "e-1", "opportunity_ids": [world.deal()]}).encode()
    event = json.dumps(list(world.org.simulator.outbox.sent)[-1]).encode()
    forged = [
        _webhook(world, body, key="guessed"),
        _webhook(world, body, sent=body.replace(b"e-1", b"e-2")),
        InboundRequest("POST", "https://x.example.com/events/salesforce", {}, event, world.org.clock()),
    ]

    for request in forged:
        with pytest.raises(InboundEventError) as refused:
            salesforce.read_event(request)
        assert refused.value.status == 401
    without = world.connect({**world.secret(), "webhook_secret": ""})
    with pytest.raises(InboundEventError, match="no webhook_secret"):
        without.read_event(_webhook(world, body))


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b'{"event_id": "e", "opportunity_ids": []}',
        b'{"event_id": "", "opportunity_ids": ["006Kd0000000001IAA"]}',
        b'{"event_id": "e", "opportunity_ids": ["006"]}',
        b'{"event_id": "e", "opportunity_ids": [6]}',
        b'{"event_id": "e", "opportunity_ids": ["006Kd0000000001IAA"], "occurred_at": "2026-11-23T18:00:00"}',
    ],
)
def test_a_signed_request_that_makes_no_sense_is_refused(world: World, salesforce: Salesforce, body: bytes) -> None:
    with pytest.raises(InboundEventError) as refused:
        salesforce.read_event(_webhook(world, body))
    assert refused.value.status == 400


def test_what_the_connector_can_do() -> None:
    assert (CAPABILITIES.role, CAPABILITIES.inbound_events, CAPABILITIES.concurrency_token) == ("crm", True, False)
