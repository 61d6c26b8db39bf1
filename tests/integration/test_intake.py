"""The entrances: what comes in is verified, taken once, kept where it is refused, and asked for again where we fail."""

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.stub import Stubber

from dealbridge import aws, events
from dealbridge.domain.deal import Deal
from dealbridge.domain.hints import DealHint
from dealbridge.domain.keys import Kind
from dealbridge.errors import AccessError, ConfigurationError, TransientError
from dealbridge.runs.polling import LONG_HELD, PAGES, poll, poll_all
from dealbridge.runs.starting import start_run
from tests.builders import OPPORTUNITY, REPOSITORY, a_hint, a_won_deal
from tests.integration.conftest import World
from tests.integration.execution import handler
from tests.integration.surroundings import listening

OTHER = "006Hp00001OTHERIA5"


class Context:
    """What Lambda tells a function of its invocation."""

    function_name = "receive_crm_event"
    invoked_function_arn = "arn:aws:lambda:eu-central-1:123456789012:function:receive_crm_event"
    memory_limit_in_mb = 512
    aws_request_id = "1"

    def get_remaining_time_in_millis(self) -> int:
        return 15_000


def sample(path: str) -> dict[str, Any]:
    return dict(json.loads((REPOSITORY / "events" / path).read_text()))


def a_request(
    *opportunities: str | None, event_id: str = "e1", connection: str = "salesforce", **fields: Any
) -> dict[str, Any]:
    """A signed request of the HTTP API, as `events/receive_crm_event/webhook.json` has it."""
    given = sample("receive_crm_event/webhook.json")
    given["pathParameters"]["connection"] = connection
    given["headers"]["X-Signature"] = "good"
    given["body"] = json.dumps({"event_id": event_id, "opportunity_ids": list(opportunities)})
    return given | fields


def answered(event: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
    answer = handler("receive_crm_event")(event, Context())
    assert answer["headers"]["Content-Type"] == "application/json"
    return answer["statusCode"], json.loads(answer["body"])


def hints(world: World) -> list[DealHint]:
    return [DealHint.model_validate(detail) for kind, detail in world.told if kind == events.DEAL_CHANGED]


def hinted(world: World) -> list[str]:
    return [hint.deal.opportunity for hint in hints(world)]


def refused(world: World) -> list[dict[str, Any]]:
    return list(world.ledger.refused.on(world.clock()))


@contextmanager
def the_bus_fails(times: int = 1) -> Iterator[None]:
    left = [times]

    def answer(**_: Any) -> Any:
        if left[0] == 0:
            return None
        left[0] -= 1
        return _Response(200), {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "InternalFailure"}]}

    with listening("before-call.eventbridge.PutEvents", answer):
        yield


class _Response:
    def __init__(self, status_code: int) -> None:
        self.status_code = status_code


# Taken


def test_a_request_becomes_hints(world: World) -> None:
    assert answered(a_request(OPPORTUNITY, OTHER)) == (202, {"accepted": 2, "request_id": "ZkJ0bgK3liAEJ4A="})
    first, second = hints(world)
    assert (first.deal.crm, first.deal.opportunity, second.deal.opportunity) == ("salesforce", OPPORTUNITY, OTHER)
    assert (first.event_id, first.correlation_id, first.source) == (
        f"e1-{OPPORTUNITY}",
        "ZkJ0bgK3liAEJ4A=",
        "crm_event",
    )
    assert refused(world) == []


def test_an_event_is_taken_once(world: World) -> None:
    for _ in range(3):
        assert answered(a_request(OPPORTUNITY))[0] == 202
    assert hinted(world) == [OPPORTUNITY]
    assert answered(a_request(OPPORTUNITY, event_id="e2"))[0] == 202
    assert hinted(world) == [OPPORTUNITY, OPPORTUNITY]


def test_a_body_may_come_in_base64(world: World) -> None:
    given = a_request(OPPORTUNITY)
    encoded = given | {"body": base64.b64encode(given["body"].encode()).decode(), "isBase64Encoded": True}
    assert answered(encoded)[0] == 202
    assert hinted(world) == [OPPORTUNITY]


def test_an_event_without_deals_is_fine(world: World) -> None:
    assert answered(a_request()) == (202, {"accepted": 0, "request_id": "ZkJ0bgK3liAEJ4A="})


def test_an_event_that_cannot_say_which_deals_has_them_looked_for(world: World) -> None:
    world.crm.save(a_won_deal())
    world.crm.save(a_won_deal(opportunity=OTHER))
    assert answered(a_request(None))[0] == 202
    assert hinted(world) == [OPPORTUNITY, OTHER]


def test_a_partner_event_becomes_hints(world: World) -> None:
    given = sample("receive_crm_event/relay.json")
    given["detail"] = {"event_id": "e7", "opportunity_ids": [OPPORTUNITY]}
    _from_source(world, given["source"])
    assert handler("receive_crm_event")(given, Context()) is None
    (hint,) = hints(world)
    assert (hint.deal.crm, hint.event_id, hint.correlation_id) == ("salesforce", f"e7-{OPPORTUNITY}", given["id"])


def _from_source(world: World, source: str) -> None:
    connections = dict(world.wiring.data.connections)
    connections["salesforce"] = connections["salesforce"].model_copy(update={"options": {"event_source": source}})
    world.wiring.data = world.wiring.data.model_copy(update={"connections": connections})


# Refused


@pytest.mark.parametrize(
    ("change", "status", "reason"),
    [
        ({"body": "<html>"}, 400, "body: not an event"),
        ({"body": "[]"}, 400, "body: not an event"),
        ({"body": None}, 400, "body: not an event"),
        ({"body": json.dumps({"event_id": "e", "opportunity_ids": ["006/../1"]})}, 400, "no record id"),
        ({"headers": {"x-signature": "forged"}}, 401, "signature"),
        ({"headers": {}}, 401, "signature"),
        ({"pathParameters": {"connection": "elsewhere"}}, 404, "no CRM connection 'elsewhere'"),
        ({"pathParameters": None}, 404, "no CRM connection ''"),
        ({"body": "x" * 300_000}, 413, "more than the 262144 allowed"),
    ],
)
def test_what_is_refused_is_kept_for_inspection(world: World, change: dict[str, Any], status: int, reason: str) -> None:
    code, body = answered(a_request(OPPORTUNITY) | change)
    assert code == status
    assert reason in body["error"]
    (kept,) = refused(world)
    assert (kept["status"], kept["reason"]) == (status, body["error"])
    assert hinted(world) == []


def test_what_is_kept_of_a_request_holds_no_credential(world: World) -> None:
    headers = {"X-Signature": "forged", "Authorization": "Bearer q8J3secretZ", "User-Agent": "flow"}
    answered(a_request(OPPORTUNITY, headers=headers, body='{"client_secret": "q8J3secretZ", "kept": 1}'))
    (kept,) = refused(world)
    assert "q8J3secretZ" not in str(kept)
    assert kept["content"]["headers"]["user-agent"] == "flow"
    assert '"kept": 1' in kept["content"]["body"]


def test_the_samples_of_the_repository_are_answered(world: World) -> None:
    """The fake CRM signs otherwise, so the samples' own signatures are wrong here: refused, kept, never a crash."""
    for name, status in (("webhook", 401), ("webhook_unsigned", 401), ("unknown_connection", 404)):
        assert answered(sample(f"receive_crm_event/{name}.json"))[0] == status
    assert [kept["status"] for kept in refused(world)] == [401, 401, 404]


def test_a_malformed_partner_event_is_kept_and_not_tried_again(world: World) -> None:
    given = sample("receive_crm_event/relay.json")
    _from_source(world, given["source"])
    assert handler("receive_crm_event")(given, Context()) is None
    (kept,) = refused(world)
    assert (kept["status"], kept["connection"]) == (400, "salesforce")


def test_a_partner_event_from_nowhere_is_kept(world: World) -> None:
    handler("receive_crm_event")(sample("receive_crm_event/relay.json"), Context())
    (kept,) = refused(world)
    assert kept["status"] == 404
    assert kept["connection"].startswith("aws.partner/salesforce.com/")


# Not now


def test_a_bus_that_fails_has_the_sender_try_again(world: World) -> None:
    with the_bus_fails():
        assert answered(a_request(OPPORTUNITY)) == (503, {"error": "try again", "request_id": "ZkJ0bgK3liAEJ4A="})
    world.told.clear()
    assert answered(a_request(OPPORTUNITY))[0] == 202
    assert hinted(world) == [OPPORTUNITY]
    assert refused(world) == []


def test_of_several_events_those_that_were_taken_are_not_taken_again(world: World) -> None:
    with the_bus_fails(times=0):
        answered(a_request(OPPORTUNITY))
    with the_bus_fails():
        assert answered(a_request(OPPORTUNITY, OTHER))[0] == 503
    world.told.clear()
    assert answered(a_request(OPPORTUNITY, OTHER)) == (202, {"accepted": 2, "request_id": "ZkJ0bgK3liAEJ4A="})
    assert hinted(world) == [OTHER]


@pytest.mark.parametrize("error", [TransientError("down"), ConfigurationError("no secret"), AccessError("expired")])
def test_a_connection_that_cannot_be_used_has_the_sender_try_again(
    world: World, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(_: Any) -> Any:
        raise error

    monkeypatch.setattr(world.crm, "read_event", fail)
    assert answered(a_request(OPPORTUNITY))[0] == 503
    assert refused(world) == []


def test_a_table_that_fails_has_the_sender_try_again(world: World) -> None:
    with Stubber(aws.dynamodb()) as stubbed:
        stubbed.add_client_error("put_item", "InternalServerError")
        assert answered(a_request(OPPORTUNITY))[0] == 503
    assert hinted(world) == []


def test_a_partner_event_that_cannot_be_taken_now_is_tried_again_by_lambda(world: World) -> None:
    given = sample("receive_crm_event/relay.json")
    given["detail"] = {"event_id": "e7", "opportunity_ids": [OPPORTUNITY]}
    _from_source(world, given["source"])
    with the_bus_fails(), pytest.raises(TransientError):
        handler("receive_crm_event")(given, Context())


# The poll


def saved(world: World, count: int) -> list[Deal]:
    deals = [a_won_deal(opportunity=f"006-{number:03}") for number in range(count)]
    for deal in deals:
        world.crm.save(deal)
    return deals


def test_a_poll_finds_what_events_did_not_tell(world: World) -> None:
    saved(world, 2)
    assert poll("salesforce") == 2
    assert hinted(world) == ["006-000", "006-001"]
    assert {hint.source for hint in hints(world)} == {"poll"}
    assert poll("salesforce") == 0


def test_a_poll_reads_on_over_pages_and_goes_on_where_it_stopped(world: World) -> None:
    world.crm.page = 2
    saved(world, 2 * PAGES + 3)
    assert poll("salesforce") == 2 * PAGES
    assert poll("salesforce") == 3
    assert hinted(world) == [f"006-{number:03}" for number in range(2 * PAGES + 3)]


def test_a_poll_that_dies_before_it_notes_how_far_it_came_is_repeated(world: World) -> None:
    saved(world, 2)
    with the_bus_fails(), pytest.raises(TransientError):
        poll("salesforce")
    world.told.clear()
    assert poll("salesforce") == 2
    assert hinted(world) == ["006-000", "006-001"]


def _run(world: World, deal: Deal) -> None:
    start_run(a_hint("e1", deal=deal.key), world.clock())
    world.executions.play()


def test_our_own_status_write_is_no_news(world: World) -> None:
    (deal,) = saved(world, 1)
    _run(world, deal)
    assert world.crm.status_writes == 1
    assert poll("salesforce") == 0


def test_a_change_that_came_between_our_reading_and_our_writing_is_news(world: World) -> None:
    """Its event is lost, and our own write comes after it: the poll must still find it."""
    (deal,) = saved(world, 1)
    changed = a_won_deal("20000 EUR", opportunity=deal.key.opportunity)
    world.erp.trouble.once_seen("after", "create", Kind.CONTRACT, lambda: world.crm.save(changed))
    _run(world, deal)
    assert poll("salesforce") == 1


def test_a_deal_that_is_being_worked_on_is_hinted_all_the_same(world: World) -> None:
    (deal,) = saved(world, 1)
    _run(world, deal)
    world.ledger.deals.claim(a_hint("e2", deal=deal.key), world.clock())
    assert poll("salesforce") == 1


def test_a_deal_that_is_being_worked_on_is_hinted_once_for_each_revision(world: World) -> None:
    """Polls look back further than they are apart: with work piled up, each would add a run to each deal."""
    (deal,) = saved(world, 1)
    _run(world, deal)
    world.ledger.deals.claim(a_hint("e2", deal=deal.key), world.clock())

    def polled_again() -> int:
        world.ledger.cursors.move("salesforce", "0", world.clock())
        return poll("salesforce")

    assert polled_again() == 1
    start_run(hints(world)[-1], world.clock())
    assert polled_again() == 0
    world.crm.save(a_won_deal("20000 EUR", opportunity=deal.key.opportunity))
    assert polled_again() == 1
    start_run(hints(world)[-1], world.clock())
    world.clock.pass_by(seconds=LONG_HELD.total_seconds())
    assert polled_again() == 1, "its run may be dead, and nobody may have noticed"


def test_a_poll_of_what_was_read_meanwhile_begins_no_run(world: World) -> None:
    (deal,) = saved(world, 1)
    poll("salesforce")
    (hint,) = hints(world)
    _run(world, deal)
    read = str(world.head(deal.key)["revision"])
    start_run(hint.model_copy(update={"revision": read, "event_id": "late"}), world.clock())
    head = world.head(deal.key)
    assert (head["run_number"], "lease_run" in head) == (1, False)
    (run,) = world.ledger.runs.of(deal.key)
    assert [noted["event_id"] for noted in run["hints"]][-1] == "late"


def test_the_scheduled_function_polls_every_crm(world: World) -> None:
    saved(world, 1)
    assert handler("poll_crm")(sample("poll_crm/schedule.json"), Context()) == {"salesforce": 1}


def test_one_crm_that_fails_keeps_no_other_back(world: World) -> None:
    mapping = world.wiring.data.fields["salesforce"]
    world.wiring.data = world.wiring.data.model_copy(
        update={
            "connections": {
                **world.wiring.data.connections,
                "hubspot": world.wiring.data.connections["salesforce"].model_copy(update={"id": "hubspot"}),
            },
            "fields": {"hubspot": mapping, "salesforce": mapping},
        }
    )
    saved(world, 1)
    with pytest.raises(ConfigurationError, match="no CRM hubspot"):
        poll_all()
    assert hinted(world) == ["006-000"]
