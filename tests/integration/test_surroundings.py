"""What functions read of their surroundings: the published reference data, secrets, the environment."""

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.response import StreamingBody
from botocore.stub import Stubber

from dealbridge import aws, clock, events
from dealbridge.domain.plan import Step
from dealbridge.errors import ConfigurationError, TransientError
from dealbridge.mappings import published
from dealbridge.mappings.published import reference_data
from dealbridge.settings import LedgerSettings, Settings
from dealbridge.steps import RunStep, step
from dealbridge.wiring import Wiring
from tests.builders import a_won_deal, reference
from tests.integration.conftest import BUS, World
from tests.integration.surroundings import Clock

SESSION = {"InitialConfigurationToken": "t0"}


def a_document(content: bytes, following: str = "t1") -> dict[str, Any]:
    body = StreamingBody(io.BytesIO(content), len(content))
    return {"Configuration": body, "NextPollConfigurationToken": following, "ContentType": "application/json"}


DOCUMENT = json.dumps(reference().model_dump(mode="json")).encode()


@pytest.fixture
def passing() -> Clock:
    made = Clock()
    clock.use(made)
    return made


@pytest.fixture
def appconfig(clients: None, passing: Clock) -> Iterator[Stubber]:
    published.forget()
    with Stubber(aws.appconfig()) as stubbed:
        yield stubbed
        stubbed.assert_no_pending_responses()
    published.forget()


def _begins(appconfig: Stubber, content: bytes = DOCUMENT) -> None:
    appconfig.add_response("start_configuration_session", SESSION)
    appconfig.add_response("get_latest_configuration", a_document(content), {"ConfigurationToken": "t0"})


# The published reference data


def test_it_is_read_once_and_kept_for_a_while(appconfig: Stubber, passing: Clock) -> None:
    _begins(appconfig)
    assert reference_data() == reference()
    passing.pass_by(seconds=59)
    assert reference_data().version == reference().version


def test_it_is_asked_for_again_and_kept_where_nothing_changed(appconfig: Stubber, passing: Clock) -> None:
    _begins(appconfig)
    first = reference_data()
    appconfig.add_response("get_latest_configuration", a_document(b"", "t2"), {"ConfigurationToken": "t1"})
    passing.pass_by(seconds=61)
    assert reference_data() is first


def test_a_new_version_is_used(appconfig: Stubber, passing: Clock) -> None:
    _begins(appconfig)
    reference_data()
    newer = json.dumps(reference(currencies=("USD",)).model_dump(mode="json")).encode()
    appconfig.add_response("get_latest_configuration", a_document(newer, "t2"), {"ConfigurationToken": "t1"})
    passing.pass_by(seconds=61)
    assert reference_data().currencies == ("USD",)


def test_a_token_that_grew_old_begins_a_new_session(appconfig: Stubber, passing: Clock) -> None:
    _begins(appconfig)
    reference_data()
    appconfig.add_client_error("get_latest_configuration", "BadRequestException")
    _begins(appconfig)
    passing.pass_by(seconds=86_500)
    assert reference_data() == reference()


def test_what_was_read_last_holds_while_appconfig_does_not_answer(appconfig: Stubber, passing: Clock) -> None:
    _begins(appconfig)
    first = reference_data()
    appconfig.add_client_error("get_latest_configuration", "InternalServerException")
    passing.pass_by(seconds=61)
    assert reference_data() is first


def test_a_first_read_that_fails_is_transient(appconfig: Stubber) -> None:
    appconfig.add_client_error("start_configuration_session", "ThrottlingException")
    with pytest.raises(TransientError, match="ThrottlingException"):
        reference_data()


@pytest.mark.parametrize("content", [b"{", b'{"connections": {}}'])
def test_a_document_that_is_not_valid_is_refused_every_time(appconfig: Stubber, content: bytes) -> None:
    for _ in range(2):
        _begins(appconfig, content)
        with pytest.raises(ConfigurationError, match="not valid"):
            reference_data()


def test_that_none_is_published_is_said(appconfig: Stubber) -> None:
    appconfig.add_client_error("start_configuration_session", "ResourceNotFoundException")
    with pytest.raises(ConfigurationError, match="reference data: "):
        reference_data()
    _begins(appconfig, b"")
    with pytest.raises(ConfigurationError, match="dealbridge mappings publish"):
        reference_data()


# Secrets and connectors


def test_a_secret_is_read_by_its_name_and_never_told(world: World) -> None:
    connection = reference().connection("netsuite")
    wiring = Wiring(published=reference)
    with pytest.raises(ConfigurationError, match=r"secret 'dealbridge/netsuite': ResourceNotFoundException"):
        wiring.secret(connection)
    aws.secrets().create_secret(Name="dealbridge/netsuite", SecretString="q8J3 not JSON")
    with pytest.raises(ConfigurationError) as caught:
        wiring.secret(connection)
    assert "q8J3" not in str(caught.value)
    aws.secrets().put_secret_value(SecretId="dealbridge/netsuite", SecretString='{"key": "q8J3"}')
    assert wiring.secret(connection)["key"] == "q8J3"


def test_a_system_that_nobody_knows_is_named(world: World) -> None:
    connections = dict(reference().connections)
    connections["netsuite"] = connections["netsuite"].model_copy(update={"system": "ledgerly"})
    data = reference().model_copy(update={"connections": connections})
    with pytest.raises(ConfigurationError, match="'ledgerly' is none of"):
        Wiring(published=lambda: data).capabilities("netsuite")


def test_every_connectors_capabilities_are_told_without_connecting() -> None:
    wiring = Wiring(published=reference)
    for name, connection in reference().connections.items():
        assert wiring.capabilities(name).role in ("crm", "erp", "staffing"), connection.system


# The bus


def test_events_go_to_the_bus_ten_at_a_time(world: World) -> None:
    entries: list[events.Entry] = [("DealChanged", {"number": number}) for number in range(23)]
    events.publish(entries)
    assert [detail["number"] for _, detail in world.told] == list(range(23))
    events.publish([])
    assert BUS == "platform"


def test_an_event_that_is_not_taken_is_an_error(world: World) -> None:
    with Stubber(aws.events()) as stubbed:
        stubbed.add_response(
            "put_events",
            {"FailedEntryCount": 1, "Entries": [{"EventId": "1"}, {"ErrorCode": "ThrottlingException"}]},
        )
        with pytest.raises(TransientError, match=r"1 events refused \(ThrottlingException\)"):
            events.publish([("A", {}), ("B", {})])


# Settings and steps


def test_a_setting_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LEDGER_TABLE", raising=False)
    Settings.read.cache_clear()
    with pytest.raises(ConfigurationError, match="LEDGER_TABLE"):
        LedgerSettings.read()
    Settings.read.cache_clear()


def test_an_event_that_is_no_command_is_the_machines_fault(world: World) -> None:
    @step
    def handler(command: RunStep) -> RunStep:
        return command

    with pytest.raises(ConfigurationError, match="RunStep: deal: Field required"):
        handler({"run": "r", "number": 1, "correlation_id": "c"}, None)
    command = {"deal": a_won_deal().key.model_dump(), "run": "r", "number": 1, "correlation_id": "c"}
    assert handler(command, None) == {**command, "reference": "", "bulk": False}


def test_each_step_is_told_in_the_runs_story(world: World) -> None:
    @step
    def fails(command: RunStep) -> RunStep:
        raise TransientError("Bearer q8J3 was refused", retry_after=2.5)

    deal = a_won_deal().key
    with pytest.raises(TransientError):
        fails({"deal": deal.model_dump(), "run": "r", "number": 1, "correlation_id": "c"}, None)
    (entry,) = world.ledger.runs.story_of(deal, 1)
    assert (entry["step"], entry["outcome"], entry["retry_after_ms"]) == ("RunStep", "TransientError", 2500)
    assert "q8J3" not in entry["message"]
    assert entry["began_at"] <= entry["ended_at"]


def test_steps_are_named_as_their_functions() -> None:
    assert {each.value for each in Step} <= {
        *("sync_customer", "sync_project", "sync_contract", "sync_billing", "request_staffing", "update_crm")
    }
