"""Sample events: every step has one that its input model takes, every source one that its connector reads."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast, get_type_hints

import pytest

from dealbridge.connectors import s4hana
from dealbridge.connectors.salesforce import connect
from dealbridge.domain.connection import Connection
from dealbridge.domain.hints import DealHint
from dealbridge.ports import Crm, EventSource, InboundEventError, InboundRequest
from dealbridge.runs import applying, closing, planning, reading
from dealbridge.steps import RunStep
from dealbridge.transport import signatures
from dealbridge.transport.client import Wire
from tests.builders import OPPORTUNITY, REPOSITORY
from tests.deployed import function_folders, state_machines, state_name

EVENTS = REPOSITORY / "events"
SAMPLES = sorted(path.relative_to(EVENTS) for path in EVENTS.rglob("*.json"))
OF_STEPS = [path for path in SAMPLES if path.parts[0] != "sources"]
NO_STEPS = {"poll_crm", "receive_crm_event", "receive_erp_event", "start_deal_run", "park_dead_run"}
"""Functions that are fed by something else than a state machine."""
SECRET = "for tests only"


def sample(path: str | Path) -> dict[str, Any]:
    return dict(json.loads((EVENTS / path).read_text()))


def input_model(step: str) -> type[RunStep]:
    """What `@step` reads a step's event with: the model named like the step."""
    models: dict[str, Any] = {}
    for module in (applying, closing, planning, reading):
        models |= vars(module)
    return models[state_name(step)]  # type: ignore[no-any-return]


def test_every_step_has_a_sample_event_and_every_sample_a_step() -> None:
    assert {path.parts[0] for path in OF_STEPS} == set(function_folders())


@pytest.mark.parametrize("path", SAMPLES, ids=str)
def test_a_sample_is_named_by_its_case(path: Path) -> None:
    assert path.stem == path.stem.lower().replace("-", "_").replace(" ", "_")
    assert len(path.parts) == 2


@pytest.mark.parametrize("path", [path for path in OF_STEPS if path.parts[0] not in NO_STEPS], ids=str)
def test_a_steps_model_takes_its_samples(path: Path) -> None:
    command = input_model(path.parts[0]).model_validate(sample(path))
    assert command.deal.opportunity == OPPORTUNITY


@pytest.mark.parametrize("step", sorted(set(function_folders()) - NO_STEPS))
def test_a_step_is_given_the_model_that_is_named_like_it(step: str) -> None:
    """By its annotation: `def handler(command: ReadDeal) -> ...` in functions/read_deal/app.py."""
    from importlib import import_module

    app = import_module(f"functions.{step}.app")
    source = (function_folders()[step] / "app.py").read_text()
    assert f"def handler(command: {state_name(step)})" in source
    assert callable(app.handler)
    assert input_model(step) is getattr(app, state_name(step))
    assert get_type_hints(input_model(step))["deal"]


@pytest.mark.parametrize("path", [path for path in OF_STEPS if path.parts[0] == "start_deal_run"], ids=str)
def test_messages_of_the_deal_queue_carry_hints(path: Path) -> None:
    for record in sample(path)["Records"]:
        assert DealHint.model_validate(json.loads(record["body"])["detail"]).deal.opportunity == OPPORTUNITY


@pytest.mark.parametrize("path", [path for path in OF_STEPS if path.parts[0] == "park_dead_run"], ids=str)
def test_a_dead_execution_carries_its_runs_command(path: Path) -> None:
    detail = sample(path)["detail"]
    assert RunStep.model_validate(json.loads(detail["input"])["command"]).run == detail["name"]
    assert "deal_to_project.asl.yaml" in state_machines()


# Sources


@pytest.fixture
def salesforce() -> Crm:
    connection = Connection(id="salesforce", system="salesforce", base_url="https://x.my.salesforce.com", secret="s")
    secret = {"consumer_key": "k", "consumer_secret": "s", "webhook_secret": SECRET}
    return connect(connection, secret, Wire())


def read(crm: Crm, event: Mapping[str, Any]) -> list[str | None]:
    body = json.dumps(event).encode()
    request = InboundRequest("EVENT", f"eventbridge:{event['source']}", {}, body, datetime.now(UTC))
    return [hint.opportunity for hint in crm.read_event(request)]


@pytest.mark.parametrize(
    ("name", "opportunities"),
    [
        ("salesforce_relay", [OPPORTUNITY]),
        ("salesforce_relay_many_records", [OPPORTUNITY, "006Hp00001ABCDFIA5", "006Hp00001ABCDGIA5"]),
        ("salesforce_appflow_flat", [OPPORTUNITY]),
        ("salesforce_platform_event", [OPPORTUNITY]),
        ("salesforce_gap", [OPPORTUNITY]),
        ("salesforce_gap_overflow", [None]),
        ("salesforce_own_echo", []),
    ],
)
def test_a_source_says_which_deals_it_means(salesforce: Crm, name: str, opportunities: list[str | None]) -> None:
    assert read(salesforce, sample(f"sources/{name}.json")) == opportunities


def test_an_event_that_is_none_is_refused(salesforce: Crm) -> None:
    with pytest.raises(InboundEventError) as caught:
        read(salesforce, sample("sources/salesforce_malformed.json"))
    assert caught.value.status == 400


def test_a_webhook_is_taken_once_it_is_signed(salesforce: Crm) -> None:
    now = datetime.now(UTC)
    body = (EVENTS / "sources/webhook.json").read_bytes()
    headers = signatures.sign(SECRET, int(now.timestamp()), body)
    request = InboundRequest("POST", "https://dealbridge.example/events/salesforce", headers, body, now)
    assert [hint.opportunity for hint in salesforce.read_event(request)] == [OPPORTUNITY]
    with pytest.raises(InboundEventError) as caught:
        salesforce.read_event(InboundRequest("POST", request.url, headers, body + b" ", now))
    assert caught.value.status == 401


def test_an_erps_event_names_its_record() -> None:
    connection = Connection(id="s4hana", system="s4hana", base_url="https://my1-api.s4hana.cloud.sap", secret="s")
    erp = s4hana.connect(connection, {"username": "u", "password": "p", "webhook_authorization": SECRET}, Wire())
    body = (EVENTS / "sources/s4hana_business_partner_changed.json").read_bytes()
    url = "https://dealbridge.example/erp-events/s4hana"
    request = InboundRequest("POST", url, {"authorization": SECRET}, body, datetime.now(UTC))
    (hint,) = cast("EventSource", erp).read_event(request)
    assert (hint.type, hint.id) == ("A_BusinessPartner", "1000667")


def test_every_sample_of_a_source_is_read_here() -> None:
    text = Path(__file__).read_text()
    assert [path.stem for path in SAMPLES if path.parts[0] == "sources" and path.stem not in text] == []
