"""From a hint to an execution, and what becomes of executions that die."""

import json
from typing import Any

import pytest
from botocore.stub import Stubber

from dealbridge import aws
from dealbridge.domain.deal import Deal
from dealbridge.domain.hints import HintSource
from dealbridge.domain.keys import DealKey
from dealbridge.errors import TransientError
from dealbridge.ledger.deals import DealState, Outcome
from dealbridge.runs.closing import park_dead_run
from dealbridge.runs.redriving import dead_letters, parked, put_back, redrive
from dealbridge.runs.starting import SUSPICIOUS_AFTER, start_run
from dealbridge.settings import RunSettings
from tests.builders import OPPORTUNITY, REPOSITORY, a_hint, a_won_deal
from tests.integration.conftest import World
from tests.integration.execution import dead, handler

DEAL = a_won_deal().key


def executions() -> list[str]:
    machine = RunSettings.read().deal_run_arn
    return sorted(each["name"] for each in aws.states().list_executions(stateMachineArn=machine)["executions"])


def stop(name: str) -> None:
    arn = RunSettings.read().deal_run_arn.replace(":stateMachine:", ":execution:")
    aws.states().stop_execution(executionArn=f"{arn}:{name}")


def start(world: World, event_id: str = "e1", deal: DealKey = DEAL) -> None:
    start_run(a_hint(event_id, deal=deal), world.clock())


def test_a_hint_starts_an_execution_with_the_runs_command(world: World) -> None:
    start(world)
    ((arn, given),) = world.executions.waiting()
    name = f"salesforce-{OPPORTUNITY}-1"
    assert arn.endswith(f":{name}")
    assert given == {
        "command": {"deal": DEAL.model_dump(), "run": name, "number": 1, "correlation_id": "c-e1"},
        "waits": 0,
    }


def test_a_run_that_only_polls_asked_for_can_wait(world: World) -> None:
    start_run(a_hint("poll-1", source=HintSource.POLL), world.clock())
    ((_, given),) = world.executions.waiting()
    assert given["command"]["bulk"] is True


@pytest.mark.parametrize("source", [source for source in HintSource if source is not HintSource.POLL])
def test_a_run_that_anybody_else_asked_for_cannot(world: World, source: HintSource) -> None:
    start_run(a_hint("e1", source=source), world.clock())
    ((_, given),) = world.executions.waiting()
    assert "bulk" not in given["command"]


@pytest.mark.parametrize(("others", "bulk"), [(HintSource.POLL, True), (HintSource.CRM_EVENT, False)])
def test_a_run_after_a_polls_is_as_urgent_as_what_asks_for_it(world: World, others: HintSource, bulk: bool) -> None:
    start_run(a_hint("poll-1", source=HintSource.POLL), world.clock())
    for hint in (a_hint("poll-2", source=HintSource.POLL), a_hint("e1", source=others)):
        start_run(hint, world.clock())
    ended = world.ledger.deals.finish(
        DEAL, f"salesforce-{OPPORTUNITY}-1", Outcome(DealState.OPEN, "run_closed"), world.clock()
    )
    assert ended.following is not None
    assert ended.following.bulk is bulk


def test_the_same_hint_again_starts_nothing_more(world: World) -> None:
    for _ in range(3):
        start(world)
    assert executions() == [f"salesforce-{OPPORTUNITY}-1"]
    assert "pending" not in world.head(DEAL)


def test_an_execution_that_could_not_be_started_is_started_by_the_next_delivery(world: World) -> None:
    with Stubber(aws.states()) as stubbed:
        stubbed.add_client_error("start_execution", "ServiceUnavailableException")
        with pytest.raises(TransientError, match="does not start"):
            start(world)
    assert executions() == []
    start(world)
    assert executions() == [f"salesforce-{OPPORTUNITY}-1"]


def test_a_hint_for_a_deal_at_work_waits(world: World) -> None:
    start(world, "e1")
    world.clock.pass_by(hours=1)
    start(world, "e2")
    assert executions() == [f"salesforce-{OPPORTUNITY}-1"]
    assert [hint["event_id"] for hint in world.head(DEAL)["pending"]] == ["e2"]
    start(world, "e2")
    assert [hint["event_id"] for hint in world.head(DEAL)["pending"]] == ["e2"], "delivered twice, it waits once"


def test_a_run_whose_execution_is_gone_is_taken_over_by_the_next_hint(world: World) -> None:
    start(world, "e1")
    stop(f"salesforce-{OPPORTUNITY}-1")
    start(world, "e2")
    assert len(executions()) == 1, "a young run may just be starting"
    world.clock.pass_by(seconds=SUSPICIOUS_AFTER.total_seconds() + 1)
    start(world, "e3")
    assert executions() == [f"salesforce-{OPPORTUNITY}-1", f"salesforce-{OPPORTUNITY}-2"]
    assert [hint["event_id"] for hint in world.head(DEAL)["lease_hints"]] == ["e2", "e3"]


def test_a_run_that_was_never_started_is_taken_over(world: World) -> None:
    world.ledger.deals.claim(a_hint("e1"), world.clock())
    world.clock.pass_by(seconds=SUSPICIOUS_AFTER.total_seconds() + 1)
    start(world, "e2")
    assert executions() == [f"salesforce-{OPPORTUNITY}-2"]


def test_whether_a_run_is_alive_is_asked_again_where_nobody_answers(world: World) -> None:
    start(world, "e1")
    world.clock.pass_by(minutes=1)
    with Stubber(aws.states()) as stubbed:
        stubbed.add_client_error("describe_execution", "ThrottlingException")
        with pytest.raises(TransientError, match="does not tell"):
            start(world, "e2")


# The queue


def test_of_a_batch_only_what_failed_comes_again(world: World) -> None:
    batch = json.loads((REPOSITORY / "events/start_deal_run/two_hints.json").read_text())
    batch["Records"][1]["body"] = "not JSON"
    batch["Records"][1]["messageId"] = "broken"
    assert handler("start_deal_run")(batch, None) == {"batchItemFailures": [{"itemIdentifier": "broken"}]}
    assert executions() == [f"salesforce-{OPPORTUNITY}-1"]


def test_two_hints_in_one_batch_are_one_run_and_one_that_waits(world: World) -> None:
    batch = json.loads((REPOSITORY / "events/start_deal_run/two_hints.json").read_text())
    assert handler("start_deal_run")(batch, None) == {"batchItemFailures": []}
    assert executions() == [f"salesforce-{OPPORTUNITY}-1"]
    assert len(world.head(DEAL)["pending"]) == 1


# Executions that die


def _exceptions(world: World, deal: Deal) -> list[dict[str, Any]]:
    return [each for each in world.ledger.runs.exceptions_of(deal.key) if each["state"] == "open"]


@pytest.mark.parametrize(("sample", "cause"), [("aborted", "ExecutionAborted"), ("timed_out", "ExecutionTimedOut")])
def test_a_run_whose_execution_died_is_parked_for_it(world: World, sample: str, cause: str) -> None:
    deal = a_won_deal()
    start(world)
    event = json.loads((REPOSITORY / f"events/park_dead_run/{sample}.json").read_text())
    handler("park_dead_run")(event, None)
    assert (world.head(DEAL)["state"], world.head(DEAL)["cause"]) == ("parked", cause)
    (exception,) = _exceptions(world, deal)
    assert exception["step"] == "execution"
    assert world.facts() == ["DealParked"]


def test_a_dead_run_with_hints_waiting_is_followed_by_a_run(world: World) -> None:
    start(world, "e1")
    start(world, "e2")
    park_dead_run(dead(DEAL, f"salesforce-{OPPORTUNITY}-1", 1))
    assert executions() == [f"salesforce-{OPPORTUNITY}-1", f"salesforce-{OPPORTUNITY}-2"]
    assert world.head(DEAL)["state"] == "running"
    assert world.facts() == []


def test_the_death_of_a_run_that_had_ended_well_parks_nothing(world: World) -> None:
    """CloseRun had written, and its answer was lost until Step Functions gave up."""
    deal = a_won_deal()
    world.crm.save(deal)
    start(world)
    world.executions.play()
    park_dead_run(dead(DEAL, f"salesforce-{OPPORTUNITY}-1", 1, "FAILED"))
    assert world.head(DEAL)["state"] == "active"
    assert world.facts() == ["EngagementActivated"]
    assert _exceptions(world, deal) == []


def test_news_of_a_death_that_comes_twice_parks_once(world: World) -> None:
    start(world)
    for _ in range(2):
        park_dead_run(dead(DEAL, f"salesforce-{OPPORTUNITY}-1", 1))
    assert world.head(DEAL)["run_number"] == 1
    assert len(list(world.ledger.runs.exceptions_of(DEAL))) == 1


def test_the_death_of_a_run_that_was_replaced_is_old_news(world: World) -> None:
    start(world, "e1")
    stop(f"salesforce-{OPPORTUNITY}-1")
    world.clock.pass_by(minutes=1)
    start(world, "e2")
    park_dead_run(dead(DEAL, f"salesforce-{OPPORTUNITY}-1", 1))
    assert world.head(DEAL)["lease_run"] == f"salesforce-{OPPORTUNITY}-2"
    assert world.facts() == []


@pytest.mark.parametrize("given", ["{}", "not JSON", "[]", '{"command": {"deal": 1}}'])
def test_an_execution_that_is_no_deals_run_is_left_alone(world: World, given: str) -> None:
    event = dead(DEAL, "x", 1)
    event["detail"]["input"] = given
    handler("park_dead_run")(event, None)
    assert world.told == []


# Redriving


def test_parked_deals_are_listed_by_cause_and_given_new_runs(world: World) -> None:
    for opportunity, approved in (("006-1", False), ("006-2", False), ("006-3", True)):
        deal = a_won_deal(opportunity=opportunity, terms_approved=approved)
        world.crm.save(deal)
        start(world, f"e-{opportunity}", deal.key)
        world.executions.play()
    found = list(parked())
    assert [(stuck.deal.opportunity, stuck.cause) for stuck in found] == [
        ("006-1", "RejectedError"),
        ("006-2", "RejectedError"),
    ]
    assert "1 finding(s)" in found[0].message
    assert list(parked(["AccessError"])) == []
    world.told.clear()
    assert redrive(stuck.deal for stuck in found) == 2
    assert [detail["source"] for _, detail in world.told] == ["redrive", "redrive"]


def test_dead_letters_are_seen_and_put_back(world: World) -> None:
    queue = aws.sqs().create_queue(QueueName="dead")["QueueUrl"]
    for number in range(12):
        aws.sqs().send_message(QueueUrl=queue, MessageBody=str(number))
    letters = list(dead_letters(queue))
    assert sorted(int(letter.body) for letter in letters) == list(range(12))
    for letter in letters:
        put_back(letter, queue)
    assert len(list(dead_letters(queue, most=5))) >= 5
