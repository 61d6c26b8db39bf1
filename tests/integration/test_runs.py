"""Whole runs in-process: read, check, plan, apply, close; and what people and vendors do in between."""

from dataclasses import replace
from datetime import date
from typing import Any, Literal

import pytest

from dealbridge.domain.deal import Deal
from dealbridge.domain.findings import Finding
from dealbridge.domain.keys import Kind
from dealbridge.errors import (
    AccessError,
    ConfigurationError,
    ConflictError,
    RecordBusyError,
    RejectedError,
    TransientError,
)
from dealbridge.rules.reference import ReferenceData
from dealbridge.runs.closing import CONFLICT_RESTARTS
from dealbridge.runs.planning import preview
from dealbridge.runs.proving import prove
from dealbridge.runs.starting import start_run
from dealbridge.runs.tracing import trace
from dealbridge.steps import telling
from dealbridge.wiring import use
from tests.builders import a_hint, a_line, a_won_deal, an_account, codes_for, reference
from tests.fakes import FakeVendor, FakeWiring
from tests.integration.conftest import World
from tests.integration.execution import handler

ACTIVE = {"state": "active", "following": None}
PARKED = {"state": "parked", "following": None}


def run(world: World, deal: Deal, event_id: str = "e") -> list[dict[str, Any]]:
    """A person saves the deal, and a hint of it is worked off."""
    world.crm.save(deal)
    start_run(a_hint(f"{event_id}-{world.clock().isoformat()}", deal=deal.key), world.clock())
    return world.executions.play()


def counted(vendor: FakeVendor) -> dict[str, int]:
    return {kind.value: len(vendor.of(kind)) for kind in Kind if vendor.of(kind)}


ONE_OF_EACH = {"customer": 1, "contact": 1, "project": 1, "task": 1, "contract": 1, "schedule": 1}


def exceptions(world: World, deal: Deal, state: str = "open") -> list[dict[str, Any]]:
    return [each for each in world.ledger.runs.exceptions_of(deal.key) if each["state"] == state]


# First activation


def test_a_won_deal_becomes_an_engagement(world: World) -> None:
    deal = a_won_deal()
    assert run(world, deal) == [ACTIVE]
    assert counted(world.erp) == ONE_OF_EACH
    assert counted(world.psa) == {"staffing_project": 1, "staffing_request": 1}
    assert {call.split()[0] for call in world.erp.calls} == {"create"}
    status = world.crm.statuses[deal.key.opportunity]
    numbers = [f"N{world.erp.of(kind)[0].id}" for kind in (Kind.CUSTOMER, Kind.CONTRACT, Kind.PROJECT)]
    assert [status.customer_number, status.contract_number, status.project_number] == numbers
    assert status.status == "Active"
    assert world.head(deal.key)["state"] == "active"
    assert "lease_run" not in world.head(deal.key)


def test_the_world_is_told_once_with_what_stands(world: World) -> None:
    deal = a_won_deal()
    run(world, deal)
    (kind, detail), *more = [each for each in world.told if each[0] != "DealChanged"]
    assert (kind, more) == ("EngagementActivated", [])
    assert detail["deal"] == {"crm": "salesforce", "opportunity": deal.key.opportunity}
    assert len(detail["records"]) == 2
    assert all(each["id"] for each in detail["records"].values())


def test_an_open_deal_leaves_no_trace_outside(world: World) -> None:
    deal = a_won_deal(won=False, stage="Proposal", terms_approved=False)
    assert run(world, deal) == [{"state": "open", "following": None}]
    assert (world.erp.calls, world.psa.calls, world.crm.status_writes) == ([], [], 0)
    assert world.facts() == []


def test_two_entities_are_two_engagements_of_one_customer(world: World) -> None:
    lines = [a_line("100 EUR"), a_line("50 EUR", id="00k2", legal_entity="EMEA-UK")]
    deal = a_won_deal(lines=lines)
    assert run(world, deal) == [ACTIVE]
    assert counted(world.erp) == {"customer": 1, "contact": 1, "project": 2, "task": 2, "contract": 2, "schedule": 2}
    contracts = [f"N{record.id}" for record in world.erp.of(Kind.CONTRACT)]
    assert world.crm.statuses[deal.key.opportunity].contract_number == ", ".join(contracts)


def test_parents_come_first(world: World) -> None:
    account = an_account(parent=an_account("001P", parent=an_account("001Q")))
    run(world, a_won_deal(account=account))
    assert [record.key for record in world.erp.of(Kind.CUSTOMER)] == ["CUST-001Q", "CUST-001P", "CUST-001A"]


def test_a_deal_of_five_hundred_lines(world: World) -> None:
    lines = [a_line("33.33 EUR", id=f"00k{number:03}") for number in range(500)]
    assert run(world, a_won_deal(lines=lines)) == [ACTIVE]
    assert counted(world.erp) == ONE_OF_EACH
    contract: Any = world.erp.of(Kind.CONTRACT)[0].record
    assert len(contract.lines) == 500


# Reference data


def test_a_run_works_by_the_version_that_its_first_step_has_read(world: World) -> None:
    deal, first = a_won_deal(), world.wiring.data
    world.crm.save(deal)
    start_run(a_hint(deal=deal.key), world.clock())
    ((_, given),) = world.executions.waiting()
    read = handler("read_deal")(given["command"], None)
    assert read["reference"] == first.version
    # Another environment, after another version was published.
    published = FakeWiring(world.crm, world.erp, world.psa, reference=reference(fields={}))
    use(published)
    assert published.data.version != first.version
    command = {**given["command"], "reference": read["reference"], "snapshot": read["snapshot"]}
    handler("check_deal")(command, None)
    handler("plan_deal")(command, None)
    assert world.ledger.runs.plan(deal.key, command["run"]).mapping_version == first.version
    assert published.reference() == published.data


def test_the_first_step_alone_asks_for_what_is_published(world: World) -> None:
    asked: list[str] = []

    def published() -> ReferenceData:
        asked.append(telling().notes.get("revision", "the beginning"))
        return world.wiring.data

    world.wiring.published = published
    run(world, a_won_deal())
    assert asked == ["the beginning"]


def test_a_version_that_the_ledger_does_not_have_stops_the_run_with_what_to_do(world: World) -> None:
    deal = a_won_deal()
    command = {"deal": deal.key.model_dump(), "run": "r", "number": 1, "correlation_id": "c"}
    world.ledger.runs.keep_snapshot(deal, "s")
    with pytest.raises(ConfigurationError, match=r"version 0f0f is not in the ledger.*redrive"):
        handler("check_deal")({**command, "reference": "0f0f", "snapshot": "s"}, None)


# Numbers that no creation was answered with


def with_parent() -> Deal:
    return a_won_deal(account=an_account(parent=an_account("001P")))


def test_numbers_are_asked_for_once_and_not_of_what_nobody_is_shown(world: World) -> None:
    world.erp.numbers_later = True
    deal = with_parent()
    run(world, deal)
    assert [call for call in world.erp.calls if call.startswith("number")] == ["number 3"]
    status = world.crm.statuses[deal.key.opportunity]
    customer = world.erp.of(Kind.CUSTOMER)[-1]
    assert status.customer_number == f"N{customer.id}"
    known = {proof.identity.split("/", 1)[1]: proof.number for proof in prove(deal.key)}
    assert known[f"customer/{customer.key}"] == f"N{customer.id}"
    assert known["customer/CUST-001P"] is None
    (detail,) = [detail for kind, detail in world.told if kind == "EngagementActivated"]
    assert all(each["number"] for each in detail["records"].values())


def test_a_customer_whose_number_is_known_is_not_asked_for_again(world: World) -> None:
    world.erp.numbers_later = True
    run(world, a_won_deal())
    run(world, a_won_deal(opportunity="006B"))
    assert [call for call in world.erp.calls if call.startswith("number")] == ["number 3", "number 2"]


def test_numbers_that_are_not_told_are_asked_for_again_and_nothing_is_written_before(world: World) -> None:
    world.erp.numbers_later = True
    world.erp.trouble.plan("before", "number", Kind.CUSTOMER, TransientError("no answer", outcome_unknown=True))
    deal = a_won_deal()
    assert run(world, deal) == [ACTIVE]
    assert [call for call in world.erp.calls if call.startswith("number")] == ["number 3", "number 3"]
    assert world.crm.status_writes == 1


# Stopped


@pytest.mark.parametrize("error", [RejectedError("No."), TransientError("Not now.")])
def test_what_stopped_a_chain_is_what_a_person_sees_and_the_crm_is_told_nothing(
    world: World, error: RejectedError | TransientError
) -> None:
    world.erp.trouble.plan("before", "create", Kind.CONTRACT, error, times=100)
    deal = a_won_deal()
    assert run(world, deal) == [PARKED]
    (parked,) = exceptions(world, deal)
    assert (parked["cause"], parked["step"]) == (type(error).__name__, "SyncContract")
    assert world.crm.status_writes == 0


# Again


def test_an_unchanged_deal_costs_one_read_and_no_call(world: World) -> None:
    deal = a_won_deal()
    run(world, deal)
    calls, reads = list(world.erp.calls), world.crm.reads
    assert run(world, deal) == [ACTIVE]
    assert (world.erp.calls, world.crm.reads, world.crm.status_writes) == (calls, reads + 1, 1)
    assert world.facts() == ["EngagementActivated"]


def test_a_changed_amount_is_an_amendment_and_no_second_record(world: World) -> None:
    deal = a_won_deal("100 EUR")
    run(world, deal)
    assert run(world, a_won_deal("120 EUR")) == [ACTIVE]
    assert counted(world.erp) == ONE_OF_EACH
    changed = {kind: paths for kind, _, paths in world.erp.updates}
    assert changed[Kind.CONTRACT] == ("value.amount", "lines[00k1].amount.amount")
    assert world.facts() == ["EngagementActivated", "EngagementAmended"]


def test_a_task_and_a_request_that_nobody_wants_are_withdrawn_and_come_back(world: World) -> None:
    both = a_won_deal(lines=[a_line("1 EUR"), a_line("2 EUR", id="00k2", service_line="TRNG")])
    one = a_won_deal(lines=[a_line("1 EUR")])
    run(world, both)
    assert run(world, one) == [ACTIVE]
    assert [record.withdrawn for record in world.erp.of(Kind.TASK)] == [False, True]
    assert [record.withdrawn for record in world.psa.of(Kind.STAFFING_REQUEST)] == [False, True]
    run(world, one)
    assert run(world, both) == [ACTIVE]
    assert [record.withdrawn for record in world.erp.of(Kind.TASK)] == [False, False]
    assert counted(world.psa) == {"staffing_project": 1, "staffing_request": 2}


def test_what_was_withdrawn_comes_back_though_it_is_wanted_otherwise(world: World) -> None:
    both = a_won_deal(lines=[a_line("1 EUR"), a_line("2 EUR", id="00k2", service_line="TRNG")])
    run(world, both)
    run(world, a_won_deal(lines=[a_line("1 EUR")]))
    run(world, a_won_deal(lines=[a_line("1 EUR"), a_line("3 EUR", id="00k2", service_line="TRNG")]))
    assert [record.withdrawn for record in world.erp.of(Kind.TASK)] == [False, False]


def test_two_deals_of_one_customer_share_it(world: World) -> None:
    one, other = a_won_deal(), a_won_deal(opportunity="006Hp00001OTHERIA5", legal_entity="EMEA-UK")
    run(world, one)
    run(world, other)
    assert counted(world.erp) == {"customer": 1, "contact": 1, "project": 2, "task": 2, "contract": 2, "schedule": 2}
    assert not [each for each in world.erp.updates if each[0] in (Kind.CUSTOMER, Kind.CONTACT)]


# Parked


def test_a_deal_with_findings_is_parked_and_goes_through_once_they_are_mended(world: World) -> None:
    wrong = a_won_deal(terms_approved=False, delivery_owner_email=None)
    assert run(world, wrong) == [PARKED]
    assert world.erp.calls == []
    (exception,) = exceptions(world, wrong)
    assert (exception["cause"], exception["step"]) == ("RejectedError", "CheckDeal")
    assert [finding["rule"] for finding in exception["findings"]] == ["terms_approved", "delivery_owner_named"]
    assert [each["deal"] for each in world.ledger.runs.open_exceptions()] == [str(wrong.key)]
    (told,) = [detail for kind, detail in world.told if kind == "DealParked"]
    assert [finding["field"] for finding in told["findings"]] == [
        "Commercial_Terms_Approved__c",
        "Delivery_Owner_Email__c",
    ]
    assert run(world, a_won_deal()) == [ACTIVE]
    assert exceptions(world, wrong) == []
    assert list(world.ledger.runs.open_exceptions()) == []
    assert "cause" not in world.head(wrong.key)


def test_what_a_vendor_refuses_is_parked_with_what_it_said(world: World) -> None:
    finding = Finding(field="taxNumber", rule="vendor", message="not known", remedy="")
    world.erp.trouble.plan("before", "create", Kind.CONTRACT, RejectedError("HTTP 400", findings=[finding]))
    deal = a_won_deal()
    assert run(world, deal) == [PARKED]
    (exception,) = exceptions(world, deal)
    assert (exception["step"], exception["findings"]) == ("SyncContract", [finding.content()])
    assert counted(world.psa) == {"staffing_project": 1, "staffing_request": 1}
    assert world.crm.status_writes == 0
    assert run(world, deal) == [ACTIVE]
    assert counted(world.erp) == ONE_OF_EACH
    assert [call for call in world.erp.calls if call.startswith(("find", "update"))] == []


def test_one_entity_that_fails_does_not_keep_the_other_back(world: World) -> None:
    lines = [a_line("100 EUR"), a_line("50 EUR", id="00k2", legal_entity="EMEA-UK")]
    deal = a_won_deal(lines=lines)
    world.erp.trouble.plan("before", "create", Kind.PROJECT, RejectedError("no"))
    assert run(world, deal) == [PARKED]
    assert [record.key.removesuffix("-EMEA-UK") for record in world.erp.of(Kind.CONTRACT)] == [
        f"SO-{deal.key.opportunity}"
    ]
    assert run(world, deal) == [ACTIVE]
    assert counted(world.erp)["contract"] == 2


@pytest.mark.parametrize("error", [AccessError("signed out"), ConfigurationError("no code"), ValueError("a bug")])
def test_what_a_retry_cannot_mend_is_parked_at_once(world: World, error: Exception) -> None:
    world.erp.trouble.plan("before", "create", Kind.CUSTOMER, error, times=9)
    deal = a_won_deal()
    assert run(world, deal) == [PARKED]
    assert world.erp.calls == ["create customer"]
    assert world.head(deal.key)["cause"] == type(error).__name__


def test_a_missing_code_stops_the_plan_and_names_the_file(world: World) -> None:
    reference = world.wiring.data
    codes = codes_for(reference, service_lines={})
    world.wiring.data = reference.model_copy(update={"codes": {**reference.codes, "netsuite": codes}})
    deal = a_won_deal()
    assert run(world, deal) == [PARKED]
    (exception,) = exceptions(world, deal)
    assert (exception["cause"], exception["step"]) == ("ConfigurationError", "PlanDeal")
    assert exception["message"].startswith("mappings/codes/netsuite.yaml: service_lines")


def test_a_contract_that_lost_its_lines_parks_the_deal_before_anything_is_written(world: World) -> None:
    lines = [a_line("100 EUR"), a_line("50 EUR", id="00k2", legal_entity="EMEA-UK")]
    run(world, a_won_deal(lines=lines))
    calls = list(world.erp.calls)
    moved = a_won_deal(lines=lines[:1])
    assert run(world, moved) == [PARKED]
    assert world.erp.calls == calls
    assert [finding["rule"] for finding in exceptions(world, moved)[0]["findings"]] == ["contract_still_wanted"]


def test_a_won_deal_that_is_reopened_waits_for_a_person(world: World) -> None:
    deal = a_won_deal()
    run(world, deal)
    reopened = deal.model_copy(update={"won": False, "stage": "Negotiation"})
    assert run(world, reopened) == [PARKED]
    assert [finding["rule"] for finding in exceptions(world, deal)[0]["findings"]] == ["won_stays_won"]
    assert run(world, deal) == [ACTIVE]


def test_a_deal_that_is_gone_is_parked(world: World) -> None:
    deal = a_won_deal()
    start_run(a_hint(), world.clock())
    assert world.executions.play() == [PARKED]
    assert world.head(deal.key)["cause"] == "RecordMissingError"


# Conflicts


def _conflicts(world: World, times: int) -> None:
    world.erp.trouble.plan("before", "create", Kind.PROJECT, ConflictError("changed meanwhile"), times=times)


def test_a_conflict_starts_the_run_over(world: World) -> None:
    deal = a_won_deal()
    _conflicts(world, CONFLICT_RESTARTS)
    first, *others, last = run(world, deal)
    assert first["state"] == "parked"
    assert first["following"].endswith("-2")
    assert (len(others), last) == (CONFLICT_RESTARTS - 1, ACTIVE)
    assert counted(world.erp) == ONE_OF_EACH
    assert "DealParked" not in world.facts()


def test_a_conflict_that_stays_is_for_a_person(world: World) -> None:
    deal = a_won_deal()
    _conflicts(world, 99)
    said = run(world, deal)
    assert (len(said), said[-1]) == (CONFLICT_RESTARTS + 1, PARKED)
    assert world.head(deal.key)["cause"] == "ConflictError"
    assert len(exceptions(world, deal)) == 1


def test_conflicts_are_counted_in_a_row(world: World) -> None:
    """Restarts of months ago do not spend those of today."""
    deal = a_won_deal("1 EUR")
    _conflicts(world, CONFLICT_RESTARTS)
    run(world, deal)
    world.erp.trouble.plan("before", "update", Kind.CONTRACT, ConflictError("changed"), times=CONFLICT_RESTARTS)
    assert run(world, a_won_deal("2 EUR"))[-1] == ACTIVE


# Lost replies


@pytest.mark.parametrize("kind", [Kind.CUSTOMER, Kind.PROJECT, Kind.CONTRACT, Kind.SCHEDULE])
def test_a_lost_reply_is_read_back_and_not_written_again(world: World, kind: Kind) -> None:
    world.erp.trouble.plan("after", "create", kind, TransientError("no answer", outcome_unknown=True))
    deal = a_won_deal()
    assert run(world, deal) == [ACTIVE]
    assert counted(world.erp) == ONE_OF_EACH
    calls = [call for call in world.erp.calls if call.endswith(f" {kind}")]
    assert calls == [f"create {kind}", f"find {kind}"]
    effects = [effect for proof in prove(deal.key) if f"/{kind}/" in proof.identity for effect in proof.effects]
    assert [effect["how"] for effect in effects] == ["found"]


def test_a_call_that_never_arrived_is_made_again_after_reading_back(world: World) -> None:
    world.erp.trouble.plan("before", "create", Kind.CONTRACT, TransientError("no answer", outcome_unknown=True))
    assert run(world, a_won_deal()) == [ACTIVE]
    calls = [call for call in world.erp.calls if call.endswith(" contract")]
    assert calls == ["create contract", "find contract", "create contract"]


def test_what_a_look_up_may_still_miss_is_not_made_again_before_it_must_show(world: World) -> None:
    """A vendor that would take the same record twice, and whose look-up lags: twice not found, some time apart."""
    world.erp.lags_s = 5
    world.erp.trouble.plan("after", "create", Kind.CONTRACT, TransientError("no answer", outcome_unknown=True))
    world.erp.blind = True
    deal = a_won_deal()
    run(world, deal)
    assert world.head(deal.key)["cause"] == "RecordBusyError"
    assert len(world.erp.of(Kind.CONTRACT)) == 1
    # Looked up once: until the time is over there is no use in asking again.
    assert [call for call in world.erp.calls if call.startswith("find")] == ["find contract"]
    world.erp.blind = False
    world.clock.pass_by(seconds=6)
    assert run(world, deal) == [ACTIVE]
    assert counted(world.erp) == ONE_OF_EACH


def test_what_is_not_found_after_that_time_is_made(world: World) -> None:
    world.erp.lags_s = 5
    world.erp.trouble.plan("before", "create", Kind.CONTRACT, TransientError("no answer", outcome_unknown=True))
    deal = a_won_deal()
    run(world, deal)
    assert world.erp.of(Kind.CONTRACT) == []
    world.clock.pass_by(seconds=6)
    assert run(world, deal) == [ACTIVE]
    assert counted(world.erp) == ONE_OF_EACH


def test_a_refusal_that_is_certain_is_not_read_back(world: World) -> None:
    world.erp.trouble.plan("before", "create", Kind.CONTRACT, TransientError("try again"))
    assert run(world, a_won_deal()) == [ACTIVE]
    calls = [call for call in world.erp.calls if call.endswith(" contract")]
    assert calls == ["create contract", "create contract"]


def test_a_lost_reply_to_an_update_is_read_back(world: World) -> None:
    run(world, a_won_deal("1 EUR"))
    world.erp.trouble.plan("after", "update", Kind.CONTRACT, TransientError("no answer", outcome_unknown=True))
    assert run(world, a_won_deal("2 EUR")) == [ACTIVE]
    assert [call for call in world.erp.calls if call.endswith(" contract")] == [
        "create contract",
        "update contract",
        "find contract",
    ]


def test_an_update_of_unknown_outcome_is_looked_up_though_the_deal_is_as_before(world: World) -> None:
    """The other amount may stand outside: that nothing differs from what was applied says little."""
    run(world, a_won_deal("100 EUR"))
    world.erp.trouble.plan("after", "update", Kind.CONTRACT, TransientError("no answer", outcome_unknown=True))
    world.erp.trouble.plan("before", "find", Kind.CONTRACT, TransientError("down"), times=20)
    run(world, a_won_deal("120 EUR"))
    world.erp.trouble.clear()
    assert run(world, a_won_deal("100 EUR")) == [ACTIVE]
    contract: Any = world.erp.of(Kind.CONTRACT)[0].record
    assert contract.value.amount == 100


def _an_attempt_of_unknown_outcome(world: World, kind: Kind, when: Literal["before", "after"]) -> Deal:
    """Lines in two entities; of one the last answer got lost, and its lines go before anybody has looked."""
    lines = [a_line("100 EUR"), a_line("50 EUR", id="00k2", legal_entity="EMEA-UK")]
    world.erp.trouble.plan(when, "create", kind, TransientError("no answer", outcome_unknown=True), times=2)
    world.erp.trouble.plan("before", "find", kind, TransientError("down"), times=40)
    deal = a_won_deal(lines=lines)
    run(world, deal)
    assert world.head(deal.key)["cause"] == "TransientError"
    world.erp.trouble.clear()
    return deal


@pytest.mark.parametrize("kind", [Kind.PROJECT, Kind.TASK])
def test_what_was_tried_and_is_not_wanted_any_more_is_looked_for(world: World, kind: Kind) -> None:
    _an_attempt_of_unknown_outcome(world, kind, "before")
    assert run(world, a_won_deal(lines=[a_line("100 EUR")]))[-1] == ACTIVE
    assert len(world.erp.of(kind)) == 1


def test_a_task_that_turns_out_to_stand_is_withdrawn(world: World) -> None:
    _an_attempt_of_unknown_outcome(world, Kind.TASK, "after")
    assert run(world, a_won_deal(lines=[a_line("100 EUR")]))[-1] == ACTIVE
    assert sorted(record.withdrawn for record in world.erp.of(Kind.TASK)) == [False, True]


def test_what_is_refused_because_it_stands_is_still_looked_for(world: World) -> None:
    """The look-up after a lost answer was behind, and the vendor refuses to make it twice."""
    world.erp.refuses_duplicates = world.erp.blind = True
    world.erp.trouble.plan("after", "create", Kind.TASK, TransientError("no answer", outcome_unknown=True), times=2)
    deal = a_won_deal(lines=[a_line("100 EUR"), a_line("50 EUR", id="00k2", legal_entity="EMEA-UK")])
    run(world, deal)
    assert world.head(deal.key)["cause"] == "ConflictError"
    world.erp.blind = False
    assert run(world, a_won_deal(lines=[a_line("100 EUR")]))[-1] == ACTIVE
    assert sorted(record.withdrawn for record in world.erp.of(Kind.TASK)) == [False, True]


def test_a_contract_that_turns_out_to_stand_is_for_finance(world: World) -> None:
    deal = _an_attempt_of_unknown_outcome(world, Kind.CONTRACT, "after")
    run(world, a_won_deal(lines=[a_line("100 EUR")]))
    (exception,) = [item for item in world.ledger.runs.open_exceptions() if item["deal"] == str(deal.key)]
    assert [finding["rule"] for finding in exception["findings"]] == ["contract_still_wanted"]


def test_a_half_made_record_is_completed(world: World) -> None:
    """A record of several calls, of which the last was lost: found, but a part of it does not stand."""
    world.erp.trouble.plan("after", "create", Kind.SCHEDULE, TransientError("no answer", outcome_unknown=True))

    def halve() -> None:
        world.erp.of(Kind.SCHEDULE)[0].complete = False

    world.erp.trouble.once_seen("after", "create", Kind.SCHEDULE, halve)
    assert run(world, a_won_deal()) == [ACTIVE]
    assert [call for call in world.erp.calls if call.endswith(" schedule")] == [
        "create schedule",
        "find schedule",
        "update schedule",
    ]
    assert world.erp.of(Kind.SCHEDULE)[0].complete


def test_a_record_that_stands_already_is_adopted(world: World) -> None:
    """Its first write is not in our ledger (an import, a restored backup): the vendor's refusal leads to it."""
    deal = a_won_deal()
    run(world, deal)
    other_ledger = a_won_deal(opportunity="006Hp00001OTHERIA5")
    moved = [
        replace(record, key=record.key.replace(deal.key.opportunity, "006Hp00001OTHERIA5"))
        for record in world.erp.records
    ]
    world.erp.records = [record for record in moved if record.kind is Kind.PROJECT] + [
        record for record in world.erp.records if record.kind in (Kind.CUSTOMER, Kind.CONTACT)
    ]
    world.erp.refuses_duplicates = True
    assert run(world, other_ledger) == [ACTIVE]
    assert counted(world.erp)["project"] == 1
    assert world.erp.calls.count("find project") == 1


def test_the_retried_step_leaves_alone_what_it_has_written(world: World) -> None:
    """Customer and parents are written, the contact fails for now: the step's next attempt begins where it stopped."""
    world.erp.trouble.plan("before", "create", Kind.CONTACT, TransientError("try again"))
    assert run(world, a_won_deal()) == [ACTIVE]
    assert [call for call in world.erp.calls if call.endswith((" customer", " contact"))] == [
        "create customer",
        "create contact",
        "create contact",
    ]


def test_a_vendor_that_is_down_parks_the_run_and_a_later_one_makes_one_record(world: World) -> None:
    world.erp.trouble.plan("after", "create", Kind.PROJECT, TransientError("no answer", outcome_unknown=True))
    world.erp.trouble.plan("before", "find", Kind.PROJECT, TransientError("down"), times=20)
    deal = a_won_deal()
    assert run(world, deal) == [PARKED]
    assert world.head(deal.key)["cause"] == "TransientError"
    world.erp.trouble.clear()
    assert run(world, deal) == [ACTIVE]
    assert counted(world.erp) == ONE_OF_EACH


def test_a_customer_that_a_parked_run_left_unsettled_holds_nobody_up(world: World) -> None:
    world.erp.trouble.plan("after", "create", Kind.CUSTOMER, TransientError("no answer", outcome_unknown=True))
    world.erp.trouble.plan("before", "find", Kind.CUSTOMER, TransientError("down"), times=5)
    assert run(world, a_won_deal()) == [PARKED]
    assert run(world, a_won_deal(opportunity="006Hp00001OTHERIA5")) == [ACTIVE]
    assert len(world.erp.of(Kind.CUSTOMER)) == 1


def test_a_record_that_another_run_is_writing_is_waited_for(world: World) -> None:
    world.erp.trouble.plan("before", "create", Kind.CUSTOMER, RecordBusyError("wait", retry_after=2), times=2)
    assert run(world, a_won_deal()) == [ACTIVE]


# Hints for a held deal


def test_a_hint_that_comes_during_a_run_gets_a_run_of_its_own(world: World) -> None:
    """A person changes the amount while the run writes the old one."""
    world.crm.save(a_won_deal("100 EUR"))
    start_run(a_hint("e1"), world.clock())

    def change() -> None:
        world.crm.save(a_won_deal("150 EUR"))
        start_run(a_hint("e2"), world.clock())
        start_run(a_hint("e3"), world.clock())

    world.erp.trouble.once_seen("after", "create", Kind.PROJECT, change)
    first, second = world.executions.play()
    assert (first["state"], second) == ("active", ACTIVE)
    assert first["following"].endswith("-2")
    contract: Any = world.erp.of(Kind.CONTRACT)[0].record
    assert str(contract.value) == "150.00 EUR"
    assert counted(world.erp) == ONE_OF_EACH
    hints = [[hint["event_id"] for hint in each["hints"]] for each in world.ledger.runs.of(a_won_deal().key)]
    assert hints == [["e1"], ["e2", "e3"]]


def test_a_parked_deal_goes_on_at_once_where_a_hint_came_meanwhile(world: World) -> None:
    world.crm.save(a_won_deal(terms_approved=False))
    start_run(a_hint("e1"), world.clock())
    start_run(a_hint("e2"), world.clock())
    world.crm.save(a_won_deal(terms_approved=False))
    first, second = world.executions.play()
    assert (first["state"], second) == ("parked", PARKED)
    assert world.facts() == ["DealParked"]
    assert len(exceptions(world, a_won_deal())) == 1
    assert len(exceptions(world, a_won_deal(), "closed")) == 1


# What is asked of it afterwards


def test_a_deal_can_be_traced_and_proved(world: World) -> None:
    deal = a_won_deal()
    run(world, a_won_deal(won=False, stage="Proposal"))
    run(world, deal)
    run(world, deal)
    found = trace(deal.key)
    assert found.audit_broken_at is None
    assert [moment.what for moment in found.moments if moment.what.startswith("run ended")] == [
        "run ended: nothing_to_do",
        "run ended: run_done",
        "run ended: nothing_to_do",
    ]
    proofs = list(prove(deal.key))
    assert {proof.verdict for proof in proofs} == {"stands"}
    assert len(proofs) == 9


def test_a_preview_writes_nothing(world: World) -> None:
    world.crm.save(a_won_deal())
    _, draft = preview(a_won_deal().key)
    assert len(draft.plan.writes) == 9
    assert (world.erp.calls, world.head(a_won_deal().key)) == ([], {})
    world.crm.save(a_won_deal(end=date(2026, 1, 1)))
    _, refused = preview(a_won_deal().key)
    assert [finding.rule for finding in refused.findings] == ["dates_in_order"]
    assert refused.plan.is_empty
