"""Records outside: an intent before each write, its outcome after; documents of any size; cursors; refused requests."""

import hashlib
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from botocore.stub import Stubber

from dealbridge import aws
from dealbridge.domain.keys import DealKey, Kind
from dealbridge.domain.plan import Action, Operation, Plan, Step
from dealbridge.domain.refs import ExternalRef
from dealbridge.errors import ConfigurationError, ConflictError, LeaseLostError, RecordBusyError, TransientError
from dealbridge.ledger.deals import DealState, Outcome, RunTicket
from dealbridge.ledger.documents import INLINE_BYTES, Documents
from dealbridge.ledger.records import How, Intent
from tests.builders import a_hint, a_line, a_won_deal
from tests.integration.conftest import BUCKET, World

ONE = DealKey(crm="salesforce", opportunity="006-1")
OTHER = DealKey(crm="salesforce", opportunity="006-2")
LASTS = timedelta(seconds=60)
REF = ExternalRef(connection="netsuite", type="job", id="1001", number="P1", parts={"TASK-1": "7"})


def an_operation(
    kind: Kind = Kind.PROJECT, key: str = "PROJ-1", *, action: Action = Action.CREATE, **record: Any
) -> Operation:
    return Operation(
        step=Step.SYNC_PROJECT,
        action=action,
        entity="EMEA-DE",
        connection="netsuite",
        kind=kind,
        key=key,
        record={"key": key, "name": "N", **record},
        codes={"currency": "2"},
    )


CUSTOMER = an_operation(Kind.CUSTOMER, "CUST-1")


def begin(world: World, deal: DealKey = ONE) -> str:
    """A run that holds the deal; its name."""
    ticket = world.ledger.deals.claim(a_hint(world.clock().isoformat(), deal=deal), world.clock())
    assert isinstance(ticket, RunTicket)
    return ticket.name


def end(world: World, run: str, deal: DealKey = ONE) -> None:
    world.ledger.deals.finish(deal, run, Outcome(state=DealState.PARKED, what="run_parked", cause="x"), world.clock())


def intend(world: World, run: str, operation: Operation, deal: DealKey = ONE) -> Intent:
    now = world.clock()
    return world.ledger.records.intend(deal, run, operation, now, now + LASTS)


def settle(world: World, run: str, intent: Intent, deal: DealKey = ONE, ref: ExternalRef = REF) -> None:
    world.ledger.records.settle(deal, run, intent, ref, How.WRITTEN, "m1", world.clock(), world.clock())


def applied(world: World, operation: Operation, deal: DealKey = ONE) -> Mapping[str, Any]:
    return world.ledger.records.applied(deal, [operation.identity])


# Intent and outcome


def test_a_first_write_is_intended_and_settled(world: World) -> None:
    run, operation = begin(world), an_operation()
    intent = intend(world, run, operation)
    assert (intent.known, intent.unsettled, intent.done) == (None, False, False)
    assert world.ledger.records.refs(ONE, [operation.identity]) == {}
    settle(world, run, intent)
    known = applied(world, operation)[operation.identity]
    assert (known.record, known.codes, known.ref, known.withdrawn) == (operation.record, operation.codes, REF, False)
    assert world.ledger.records.refs(ONE, [operation.identity, "netsuite/task/none"]) == {operation.identity: REF}
    (item,) = world.ledger.records.effects_of(ONE, [])
    (effect,) = item["effects"]
    assert (effect["run"], effect["action"], effect["how"], effect["id"]) == (run, "create", "written", "1001")
    assert (effect["mapping_version"], effect["hash"]) == ("m1", operation.payload_hash)
    assert "intent" not in item


def test_an_intent_without_an_outcome_makes_the_next_attempt_read_back(world: World) -> None:
    run, operation = begin(world), an_operation()
    first = intend(world, run, operation)
    second = intend(world, run, operation)
    assert second.unsettled
    with pytest.raises(LeaseLostError):
        settle(world, run, first)
    settle(world, run, second)
    assert len(world.ledger.records.effects_of(ONE, [])[0]["effects"]) == 1


def test_a_write_that_certainly_did_not_happen_is_dropped(world: World) -> None:
    run, operation = begin(world), an_operation()
    first = intend(world, run, operation)
    world.ledger.records.drop(ONE, first)
    assert not intend(world, run, operation).unsettled
    with pytest.raises(LeaseLostError):
        world.ledger.records.drop(ONE, first)


def test_what_is_applied_already_is_not_written_again(world: World) -> None:
    run, operation = begin(world), an_operation()
    settle(world, run, intend(world, run, operation))
    again = intend(world, run, operation)
    assert again.done
    assert again.known is not None
    assert again.known.ref == REF
    assert not intend(world, run, an_operation(name="another")).done


def test_a_withdrawal_is_no_write_of_the_same_content(world: World) -> None:
    run, operation = begin(world), an_operation()
    settle(world, run, intend(world, run, operation))
    gone = operation.model_copy(update={"action": Action.WITHDRAW})
    withdrawal = intend(world, run, gone)
    assert not withdrawal.done
    settle(world, run, withdrawal)
    assert applied(world, operation)[operation.identity].withdrawn
    assert intend(world, run, gone).done
    back = intend(world, run, operation.model_copy(update={"action": Action.UPDATE}))
    assert not back.done
    settle(world, run, back)
    assert not applied(world, operation)[operation.identity].withdrawn


# Other runs


def test_a_run_that_does_not_hold_the_deal_intends_nothing(world: World) -> None:
    run = begin(world)
    end(world, run)
    with pytest.raises(LeaseLostError):
        intend(world, run, an_operation())
    assert list(world.ledger.records.effects_of(ONE, [])) == []


def test_a_shared_record_that_another_run_is_writing_is_busy(world: World) -> None:
    one, other = begin(world, ONE), begin(world, OTHER)
    intent = intend(world, one, CUSTOMER, ONE)
    with pytest.raises(RecordBusyError) as caught:
        intend(world, other, CUSTOMER, OTHER)
    assert caught.value.retry_after == 2
    settle(world, one, intent, ONE)
    assert intend(world, other, CUSTOMER, OTHER).done


def test_a_shared_record_is_one_whatever_the_deal(world: World) -> None:
    one, other = begin(world, ONE), begin(world, OTHER)
    settle(world, one, intend(world, one, CUSTOMER, ONE), ONE)
    changed = an_operation(Kind.CUSTOMER, "CUST-1", name="Renamed").model_copy(update={"basis": CUSTOMER.payload_hash})
    settle(world, other, intend(world, other, changed, OTHER), OTHER)
    assert applied(world, CUSTOMER, ONE)[CUSTOMER.identity].record["name"] == "Renamed"
    (item,) = world.ledger.records.effects_of(ONE, [CUSTOMER.identity])
    assert [effect["run"] for effect in item["effects"]] == [one, other]


def test_a_shared_record_that_another_deal_changed_since_the_plan_is_not_overwritten(world: World) -> None:
    one, other = begin(world, ONE), begin(world, OTHER)
    settle(world, one, intend(world, one, CUSTOMER, ONE), ONE)
    with pytest.raises(ConflictError):
        intend(world, other, an_operation(Kind.CUSTOMER, "CUST-1", name="Planned before"), OTHER)
    assert applied(world, CUSTOMER, ONE)[CUSTOMER.identity].record == CUSTOMER.record


def test_an_attempt_that_outlived_its_time_is_abandoned(world: World) -> None:
    one, other = begin(world, ONE), begin(world, OTHER)
    intend(world, one, CUSTOMER, ONE)
    world.clock.pass_by(seconds=59)
    with pytest.raises(RecordBusyError):
        intend(world, other, CUSTOMER, OTHER)
    world.clock.pass_by(seconds=2)
    assert intend(world, other, CUSTOMER, OTHER).unsettled


def test_an_attempt_that_said_it_was_over_is_not_waited_for(world: World) -> None:
    one, other = begin(world, ONE), begin(world, OTHER)
    world.ledger.records.leave(ONE, intend(world, one, CUSTOMER, ONE))
    assert intend(world, other, CUSTOMER, OTHER).unsettled


def test_the_attempt_of_a_run_before_is_waited_for_and_then_read_back(world: World) -> None:
    first, operation = begin(world), an_operation()
    intend(world, first, operation)
    end(world, first)
    second = begin(world)
    with pytest.raises(RecordBusyError):
        intend(world, second, operation)
    world.clock.pass_by(minutes=2)
    assert intend(world, second, operation).unsettled


# Runs and their story


def test_a_story_is_read_with_its_run_in_the_order_of_its_telling(world: World) -> None:
    begin(world)
    for number, step in enumerate(("SyncProject", "SyncContract", "SyncContract", "SyncContract")):
        moment = f"2026-11-29T08:00:0{number}+00:00"
        world.ledger.runs.tell(ONE, 1, {"step": step, "entity": "EMEA-DE", "ended_at": moment, "outcome": "done"})
    world.ledger.runs.tell(ONE, 1, {"step": "ReadDeal", "ended_at": "2026-11-29T07:59:00+00:00", "outcome": "done"})
    (run,) = world.ledger.runs.of(ONE)
    told = [entry["step"] for entry in run["story"]]
    assert told == ["ReadDeal", "SyncProject", "SyncContract", "SyncContract", "SyncContract"]
    assert world.ledger.runs.story_of(ONE, 1) == run["story"]
    assert world.ledger.runs.story_of(ONE, 2) == []


def test_an_entry_that_is_sent_twice_is_told_once(world: World) -> None:
    begin(world)
    entry = {"step": "ReadDeal", "ended_at": "2026-11-29T08:00:00+00:00", "outcome": "done"}
    for _ in range(2):
        world.ledger.runs.tell(ONE, 1, entry)
    assert world.ledger.runs.story_of(ONE, 1) == [entry]


# Documents


def _incompressible(count: int) -> list[str]:
    return [hashlib.sha256(str(number).encode()).hexdigest() for number in range(count)]


def test_a_small_document_stays_in_the_item(world: World) -> None:
    documents = Documents(BUCKET)
    packed = documents.pack({"a": [1, None, "ü"]})
    assert isinstance(packed, bytes)
    assert documents.unpack(packed) == {"a": [1, None, "ü"]}
    assert aws.s3().list_objects_v2(Bucket=BUCKET)["KeyCount"] == 0


def test_a_large_document_goes_to_the_bucket_once(world: World) -> None:
    documents = Documents(BUCKET)
    large = {"lines": _incompressible(8000)}
    packed = documents.pack(large)
    assert isinstance(packed, str)
    assert packed.startswith("s3:documents/")
    assert documents.pack(large) == packed
    assert documents.unpack(packed) == large
    (stored,) = aws.s3().list_objects_v2(Bucket=BUCKET)["Contents"]
    assert stored["Size"] > INLINE_BYTES


def test_a_document_that_is_gone_is_transient(world: World) -> None:
    with pytest.raises(TransientError, match="S3 does not give"):
        Documents(BUCKET).unpack("s3:documents/none.json.gz")


def test_snapshots_and_plans_of_any_size_come_back_the_same(world: World) -> None:
    texts = _incompressible(8000)
    lines = [
        a_line("1.01 EUR", id=f"00k{number:03}", description=" ".join(texts[number * 16 : number * 16 + 16]))
        for number in range(500)
    ]
    deal = a_won_deal(lines=lines)
    world.ledger.runs.keep_snapshot(deal, "hash")
    assert world.ledger.runs.snapshot(deal.key, "hash") == deal
    plan = Plan(
        deal=deal.key,
        snapshot_hash="hash",
        mapping_version="m",
        operations=(an_operation(lines=texts), an_operation(Kind.TASK, "TASK-1", nothing=None)),
    )
    world.ledger.runs.keep_plan("run-1", plan)
    assert world.ledger.runs.plan(deal.key, "run-1") == plan
    assert world.ledger.runs.plan(deal.key, "run-1").hash == plan.hash
    assert aws.s3().list_objects_v2(Bucket=BUCKET)["KeyCount"] == 2


def test_a_snapshot_that_is_kept_is_left_as_it_is(world: World) -> None:
    first = a_won_deal(revision="r1")
    world.ledger.runs.keep_snapshot(first, "hash")
    world.ledger.runs.keep_snapshot(a_won_deal(revision="r2"), "hash")
    assert world.ledger.runs.snapshot(first.key, "hash").revision == "r1"


def test_what_was_never_kept_is_named(world: World) -> None:
    with pytest.raises(ConfigurationError, match="PLAN#run-9"):
        world.ledger.runs.plan(ONE, "run-9")
    assert world.ledger.runs.plan_of(ONE, "run-9") is None


# Cursors and refused requests


def test_a_cursor_is_kept_per_connection(world: World) -> None:
    cursors = world.ledger.cursors
    assert cursors.read("salesforce") is None
    cursors.move("salesforce", "7", world.clock())
    cursors.move("hubspot", "9", world.clock())
    assert (cursors.read("salesforce"), cursors.read("hubspot")) == ("7", "9")


def test_refused_requests_are_kept_by_day(world: World) -> None:
    now = world.clock()
    world.ledger.refused.keep("r1", "salesforce", "signature: wrong", 401, {"body": "{}"}, now)
    world.ledger.refused.keep("r2", "salesforce", "body: not JSON", 400, {"body": "<"}, now + timedelta(days=1))
    (kept,) = world.ledger.refused.on(now)
    assert (kept["reason"], kept["status"], kept["content"]) == ("signature: wrong", 401, {"body": "{}"})


# The table itself


def test_a_conflicting_transaction_is_looked_at_afresh(world: World) -> None:
    """TransactionConflict: somebody else is writing the same items just now. Nothing was written."""
    with Stubber(aws.dynamodb()) as stubbed:
        stubbed.add_response("get_item", {})
        stubbed.add_client_error(
            "transact_write_items",
            "TransactionCanceledException",
            modeled_fields={"CancellationReasons": [{"Code": "None"}, {"Code": "TransactionConflict"}]},
        )
        stubbed.add_response("get_item", {})
        stubbed.add_response("transact_write_items", {})
        assert isinstance(world.ledger.deals.claim(a_hint(deal=ONE), world.clock()), RunTicket)
        stubbed.assert_no_pending_responses()


@pytest.mark.parametrize("code", ["ProvisionedThroughputExceededException", "InternalServerError"])
def test_failures_of_dynamodb_are_transient(world: World, code: str) -> None:
    with Stubber(aws.dynamodb()) as stubbed:
        stubbed.add_client_error("get_item", code)
        with pytest.raises(TransientError, match=code):
            world.ledger.deals.head(ONE)
