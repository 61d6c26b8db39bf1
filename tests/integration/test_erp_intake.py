"""The ERPs' entrance: greeted, verified, told once, kept where it is refused, asked for again where we fail."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from dealbridge import events
from dealbridge.domain.hints import ErpRecordChanged
from dealbridge.errors import ConfigurationError
from dealbridge.runs.entrance import KEPT_BYTES
from dealbridge.wiring import Wiring, use
from tests.builders import reference
from tests.integration.conftest import World
from tests.integration.execution import handler
from tests.integration.test_intake import Context, refused, sample, the_bus_fails

AGREED = sample("receive_erp_event/structured.json")["headers"]["authorization"]


@pytest.fixture(autouse=True)
def connectors(world: World) -> None:
    """The connectors themselves: reading an event calls nobody."""
    secret = {"username": "DEALBRIDGE", "password": "p", "webhook_authorization": AGREED}
    use(Wiring(published=reference, secret=lambda connection: secret))


def answered(event: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
    answer = handler("receive_erp_event")(event, Context())
    return answer["statusCode"], json.loads(answer["body"])


def facts(world: World) -> list[ErpRecordChanged]:
    return [ErpRecordChanged.model_validate(detail) for kind, detail in world.told if kind == events.ERP_RECORD_CHANGED]


def with_body(**changes: Any) -> dict[str, Any]:
    given = sample("receive_erp_event/structured.json")
    return given | {"body": json.dumps(json.loads(given["body"]) | changes)}


# The greeting


def test_a_webhook_is_greeted_without_a_sign_in(world: World) -> None:
    answer = handler("receive_erp_event")(sample("receive_erp_event/greeting.json"), Context())
    assert answer["statusCode"] == 200
    assert answer["headers"]["WebHook-Allowed-Origin"] == "eventmesh.s4hana.example"
    assert answer["headers"]["WebHook-Allowed-Rate"] == "6000"
    assert world.told == []


def test_a_greeting_that_names_no_sender_allows_nobody(world: World) -> None:
    given = sample("receive_erp_event/greeting.json")
    given["headers"] = {}
    answer = handler("receive_erp_event")(given, Context())
    assert {name for name in answer["headers"] if name.startswith("WebHook")} == set()
    assert answer["headers"]["Allow"] == "OPTIONS, POST"


@pytest.mark.parametrize("connection", ["elsewhere", "salesforce", "netsuite"])
def test_who_sends_no_events_is_not_welcome(world: World, connection: str) -> None:
    for name in ("greeting", "structured"):
        given = sample(f"receive_erp_event/{name}.json") | {"pathParameters": {"connection": connection}}
        assert answered(given)[0] == 404
    assert [kept["status"] for kept in refused(world)] == [404, 404]


# Taken


@pytest.mark.parametrize("mode", ["structured", "binary"])
def test_an_event_becomes_a_fact(world: World, mode: str) -> None:
    assert answered(sample(f"receive_erp_event/{mode}.json")) == (
        202,
        {"accepted": 1, "request_id": "ZkJ0bgK3liAEJ4A="},
    )
    (fact,) = facts(world)
    assert (fact.connection, fact.record_type, fact.id) == ("s4hana", "A_BusinessPartner", "1000667")
    assert fact.event == "sap.s4.beh.businesspartner.v1.BusinessPartner.Changed.v1"
    assert fact.event_id == "/default/sap.s4.beh/244572008#194780e0-b5db-1ede-b58a-4550178dff9e"
    assert str(fact.at) == "2024-02-26 02:53:06+00:00"
    assert fact.correlation_id == "ZkJ0bgK3liAEJ4A="
    assert world.facts() == ["ErpRecordChanged"]
    assert refused(world) == []


def test_an_event_is_told_once_by_its_source_and_id(world: World) -> None:
    for name in ("structured", "binary", "structured"):
        assert answered(sample(f"receive_erp_event/{name}.json"))[0] == 202
    assert len(facts(world)) == 1
    answered(with_body(id="2"))
    answered(with_body(source="/another/tenant"))
    assert len(facts(world)) == 3


# Refused


@pytest.mark.parametrize(
    ("change", "status", "reason"),
    [
        ({"headers": {"authorization": "Basic Z3Vlc3NlZA=="}}, 401, "Authorization"),
        ({"headers": {}}, 401, "Authorization"),
        ({"body": "<html>"}, 400, "no CloudEvent"),
        ({"body": None}, 400, "no CloudEvent"),
        ({"body": "{}"}, 400, "no CloudEvent"),
        ({"body": "x" * 300_000}, 413, "more than the 262144 allowed"),
        ({"pathParameters": None}, 404, "no ERP or PSA ''"),
    ],
)
def test_what_is_refused_is_kept_for_inspection(world: World, change: dict[str, Any], status: int, reason: str) -> None:
    code, body = answered(sample("receive_erp_event/structured.json") | change)
    assert code == status
    assert reason in body["error"]
    (kept,) = refused(world)
    assert (kept["status"], kept["reason"]) == (status, body["error"])
    assert len(kept["content"]["body"]) <= KEPT_BYTES
    assert AGREED not in str(kept)
    assert facts(world) == []


def test_the_samples_of_the_repository_are_answered(world: World) -> None:
    for name, status in (("unsigned", 401), ("malformed", 400), ("unknown_connection", 404)):
        assert answered(sample(f"receive_erp_event/{name}.json"))[0] == status
    assert [kept["status"] for kept in refused(world)] == [401, 400, 404]


# Not now


def test_a_bus_that_fails_has_the_sender_try_again(world: World) -> None:
    given = sample("receive_erp_event/structured.json")
    with the_bus_fails():
        assert answered(given)[0] == 503
    world.told.clear()
    assert answered(given)[0] == 202
    assert len(facts(world)) == 1
    assert refused(world) == []


def test_a_secret_that_cannot_be_read_has_the_sender_try_again(world: World) -> None:
    def fail(_: Any) -> Any:
        raise ConfigurationError("no secret")

    use(Wiring(published=reference, secret=fail))
    assert answered(sample("receive_erp_event/structured.json"))[0] == 503
    assert refused(world) == []
