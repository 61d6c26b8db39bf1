"""The corrections against MiniStack's own functions, called in this process.

What a worker process does (error names, imports, layers) needs one, and is in tests/workflows/test_engine.py.
"""

import json
import sys
import tempfile
import types
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from ministack.services import apigateway, eventbridge, lambda_svc, sqs
from ministack.services import stepfunctions as sfn
from ministack.services.cloudformation import provisioners

from dealbridge_local.engine import corrections
from dealbridge_local.engine.corrections import MinistackChangedError
from dealbridge_local.engine.corrections.functions import lambda_import_path
from dealbridge_local.engine.corrections.wrapping import replace_once, wrap
from dealbridge_local.engine.waiting import wait_until

_names = (f"machine-{number}" for number in count())


@pytest.fixture(scope="module", autouse=True)
def corrected(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    usual, tempfile.tempdir = tempfile.tempdir, str(tmp_path_factory.mktemp("engine"))
    corrections.apply()
    yield
    tempfile.tempdir = usual


def body(response: Any) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(response[2])
    return answer


class Machine:
    """A state machine in MiniStack's own store, in JSONata unless it says otherwise."""

    def __init__(self, states: dict[str, Any], **fields: Any) -> None:
        definition = {"QueryLanguage": "JSONata", "StartAt": next(iter(states)), "States": states, **fields}
        created = body(sfn._create_state_machine({"name": next(_names), "definition": json.dumps(definition)}))
        self.arn = created["stateMachineArn"]

    def start(self, given: Any = None, name: str | None = None) -> Any:
        request = {"stateMachineArn": self.arn, "input": json.dumps(given if given is not None else {})}
        return sfn._start_execution(request | ({"name": name} if name else {}))

    def run(self, given: Any = None) -> dict[str, Any]:
        return ended(body(self.start(given))["executionArn"])

    def output(self, given: Any = None) -> Any:
        execution = self.run(given)
        assert execution["status"] == "SUCCEEDED", execution
        return json.loads(execution["output"])


def ended(arn: str) -> dict[str, Any]:
    def found() -> dict[str, Any] | None:
        execution = body(sfn._describe_execution({"executionArn": arn}))
        return execution if execution["status"] != "RUNNING" else None

    return wait_until(found, arn, within_s=5, every_s=0.01)


# How a correction takes hold -----------------------------------------------------------------------------------------


def a_module(**functions: Callable[..., Any]) -> Any:
    module = types.ModuleType("ministack.services.example")
    for name, function in functions.items():
        setattr(module, name, function)
    return module


def test_a_correction_gets_the_original_and_its_arguments() -> None:
    module = a_module(double=lambda number: 2 * number)
    wrap(module, "double", ("number",), lambda original, number: original(number) + 1)
    assert module.double(4) == 9


def test_a_correction_is_made_once() -> None:
    module = a_module(double=lambda number: 2 * number)
    for _ in range(2):
        wrap(module, "double", ("number",), lambda original, number: original(number) + 1)
    assert module.double(4) == 9


def test_a_function_that_is_gone_is_named() -> None:
    with pytest.raises(MinistackChangedError, match=r"ministack \d.* changed ministack.services.example.triple"):
        wrap(a_module(), "triple", ("number",), lambda original, number: original(number))


def test_a_function_with_other_parameters_is_named() -> None:
    module = a_module(double=lambda number, factor: factor * number)
    with pytest.raises(MinistackChangedError, match=r"changed ministack\.services\.example\.double"):
        wrap(module, "double", ("number",), lambda original, number: original(number))


@pytest.mark.parametrize("text", ["no such line", "x = 1; x = 1"])
def test_a_script_without_the_expected_line_is_named(text: str) -> None:
    with pytest.raises(MinistackChangedError, match="the worker"):
        replace_once(text, "x = 1", "x = 2", "the worker")


def test_everything_that_is_corrected_is_there_in_the_installed_ministack() -> None:
    corrections.apply()


# Starting and ending an execution ------------------------------------------------------------------------------------

A_SHORT_WAIT = {"Wait": {"Type": "Wait", "Seconds": 1, "End": True}}


def test_the_same_name_and_input_get_the_execution_that_runs() -> None:
    machine = Machine(A_SHORT_WAIT)
    first = body(machine.start({"deal": 1}, "run-1"))
    assert body(machine.start({"deal": 1}, "run-1")) == first


def test_the_same_name_with_another_input_is_refused() -> None:
    machine = Machine(A_SHORT_WAIT)
    machine.start({"deal": 1}, "run-1")
    assert body(machine.start({"deal": 2}, "run-1"))["__type"] == "ExecutionAlreadyExists"


def test_the_name_of_an_ended_execution_is_refused() -> None:
    machine = Machine({"Done": {"Type": "Succeed"}})
    ended(body(machine.start({}, "run-1"))["executionArn"])
    assert body(machine.start({}, "run-1"))["__type"] == "ExecutionAlreadyExists"


def test_a_machine_times_out_and_tells_the_default_bus() -> None:
    execution = Machine(A_SHORT_WAIT, TimeoutSeconds=0.3).run()
    assert execution["status"] == "TIMED_OUT"
    details = [json.loads(event["Detail"]) for event in eventbridge._events_log_list()]
    assert "TIMED_OUT" in [detail["status"] for detail in details if detail["name"] == execution["name"]]


def test_an_aborted_execution_stays_aborted_when_it_fails_afterwards() -> None:
    arn = body(Machine({"Wait": {"Type": "Wait", "Seconds": 1, "End": True}}).start())["executionArn"]
    sfn._stop_execution({"executionArn": arn})
    sfn._fail_execution(sfn._executions[arn], "Late", "a task that was still under way")
    assert body(sfn._describe_execution({"executionArn": arn}))["status"] == "ABORTED"


# Retry and Catch -----------------------------------------------------------------------------------------------------

A_RETRIER = {"ErrorEquals": ["Throttled"], "IntervalSeconds": 2, "BackoffRate": 3, "MaxAttempts": 9}


def delay(retrier: dict[str, Any], attempt: int) -> float:
    """What MiniStack computes from the retrier it was handed."""
    found, _ = sfn._find_matching_retrier([retrier], "Throttled", {0: attempt})
    return float(found["IntervalSeconds"] * found["BackoffRate"] ** attempt)


def test_the_delay_grows_up_to_its_ceiling() -> None:
    assert [delay({**A_RETRIER, "MaxDelaySeconds": 10}, attempt) for attempt in range(4)] == [2, 6, 10, 10]


def test_the_delay_without_a_ceiling_grows_as_before() -> None:
    assert [delay(A_RETRIER, attempt) for attempt in range(3)] == [2, 6, 18]


def test_full_jitter_spreads_the_delay_from_zero() -> None:
    delays = [delay({**A_RETRIER, "JitterStrategy": "FULL"}, 1) for _ in range(200)]
    assert min(delays) < 1 < 5 < max(delays) <= 6


@pytest.mark.parametrize("error", ["States.DataLimitExceeded", "States.Runtime"])
def test_some_errors_are_not_caught_by_a_wildcard(error: str) -> None:
    assert not sfn._error_matches(["States.ALL", "States.TaskFailed"], error)
    assert sfn._error_matches([error], error)
    assert sfn._error_matches(["States.ALL"], "ThrottledError")


@pytest.mark.parametrize(("size", "ends"), [(250 * 1024, "SUCCEEDED"), (260 * 1024, "FAILED")])
def test_a_task_carries_at_most_256_kib(size: int, ends: str) -> None:
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::unknown",
        "Arguments": {"text": "x" * size},
        "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Caught"}],
        "End": True,
    }
    # A resource that MiniStack does not know is handed its own input back.
    task["Resource"] = "arn:aws:unknown"
    execution = Machine({"Task": task, "Caught": {"Type": "Succeed"}}).run()
    assert execution["status"] == ends
    assert ends == "SUCCEEDED" or execution["error"] == "States.DataLimitExceeded"


def test_a_throttled_lambda_task_has_the_name_it_has_on_aws() -> None:
    name = "throttled"
    arn = f"arn:aws:lambda:us-east-1:000000000000:function:{name}"
    config = {"FunctionName": name, "FunctionArn": arn, "Runtime": "python3.13", "Version": "$LATEST"}
    lambda_svc._functions[name] = {"config": config, "code_zip": b"", "concurrency": 0}
    catch = {"ErrorEquals": ["Lambda.TooManyRequestsException"], "Output": "caught", "Next": "Done"}
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Arguments": {"FunctionName": arn, "Payload": {}},
        "Catch": [catch],
        "Next": "Done",
    }
    assert Machine({"Task": task, "Done": {"Type": "Succeed"}}).output() == "caught"


# JSONata states ------------------------------------------------------------------------------------------------------


def test_an_assign_sees_the_variables_as_they_were() -> None:
    machine = Machine(
        {
            "First": {"Type": "Pass", "Assign": {"attempt": 1}, "Next": "Again"},
            "Again": {
                "Type": "Pass",
                "Assign": {"attempt": "{% $attempt + 1 %}", "before": "{% $attempt %}"},
                "Next": "Done",
            },
            "Done": {"Type": "Succeed", "Output": {"attempt": "{% $attempt %}", "before": "{% $before %}"}},
        }
    )
    assert machine.output() == {"attempt": 2, "before": 1}


def a_branch(output: Any, **fields: Any) -> dict[str, Any]:
    return {"StartAt": "Only", "States": {"Only": {"Type": "Pass", "Output": output, "End": True, **fields}}}


def test_parallel_has_arguments_output_and_assign() -> None:
    machine = Machine(
        {
            "Both": {
                "Type": "Parallel",
                "Arguments": {"deal": "{% $states.input.id %}"},
                "Branches": [a_branch("{% $states.input.deal %}"), a_branch("{% $states.context.State.Name %}")],
                "Output": {"first": "{% $states.result[0] %}"},
                "Assign": {"second": "{% $states.result[1] %}"},
                "Next": "Done",
            },
            "Done": {"Type": "Succeed", "Output": ["{% $states.input %}", "{% $second %}"]},
        }
    )
    assert machine.output({"id": "006A"}) == [{"first": "006A"}, "Only"]


def test_parallel_without_output_gives_the_results() -> None:
    parallel = {"Type": "Parallel", "Branches": [a_branch(1), a_branch(2)], "End": True}
    assert Machine({"Both": parallel}).output() == [1, 2]


def test_a_branch_reads_the_variables_around_it_and_keeps_its_own() -> None:
    machine = Machine(
        {
            "First": {"Type": "Pass", "Assign": {"deal": "006A"}, "Next": "Both"},
            "Both": {
                "Type": "Parallel",
                "Branches": [a_branch("{% $deal %}", Assign={"inner": 1})],
                "Next": "Done",
            },
            "Done": {
                "Type": "Succeed",
                "Output": {"branch": "{% $states.input[0] %}", "leaked": "{% $exists($inner) %}"},
            },
        }
    )
    assert machine.output() == {"branch": "006A", "leaked": False}


def test_succeed_has_an_output() -> None:
    succeed = {"Type": "Succeed", "Output": {"id": "{% $states.input.id %}"}}
    assert Machine({"Done": succeed}).output({"id": 7, "rest": 8}) == {"id": 7}


@pytest.mark.parametrize(("given", "expected"), [(1, 1), (2, "default")])
def test_the_default_of_a_choice_has_an_output(given: int, expected: Any) -> None:
    choice = {
        "Type": "Choice",
        "Choices": [{"Condition": "{% $states.input = 1 %}", "Next": "Done"}],
        "Output": "default",
        "Default": "Done",
    }
    assert Machine({"Choice": choice, "Done": {"Type": "Succeed"}}).output(given) == expected


# Events --------------------------------------------------------------------------------------------------------------

PARTNER = "aws.partner/salesforce.com/00D000000000001/0YLsv0"


@pytest.fixture
def partner_queue() -> Iterator[list[dict[str, Any]]]:
    """What arrives in the queue of a rule on the partner bus."""
    sqs._act_create_queue({"QueueName": "partner"}, "")
    [queue] = [queue for queue in sqs._queues.values() if queue["attributes"]["QueueArn"].endswith(":partner")]
    eventbridge._create_event_bus({"Name": PARTNER})
    pattern = json.dumps({"source": [{"prefix": "aws.partner/salesforce.com"}]})
    eventbridge._put_rule({"Name": "partner", "EventBusName": PARTNER, "EventPattern": pattern})
    target = {"Id": "queue", "Arn": queue["attributes"]["QueueArn"]}
    eventbridge._put_targets({"Rule": "partner", "EventBusName": PARTNER, "Targets": [target]})
    yield queue["messages"]
    queue["messages"].clear()
    eventbridge._delete_event_bus({"Name": PARTNER})


def test_a_partner_event_reaches_the_bus_of_its_source(partner_queue: list[dict[str, Any]]) -> None:
    entry = {"Source": PARTNER, "DetailType": "OpportunityChangeEvent", "Detail": '{"id": "006A"}'}
    assert body(eventbridge._put_partner_events({"Entries": [entry]}))["FailedEntryCount"] == 0
    [message] = partner_queue
    assert json.loads(message["body"])["detail"] == {"id": "006A"}


def test_a_partner_event_of_an_unknown_source_is_accepted_and_lost(partner_queue: list[dict[str, Any]]) -> None:
    entry = {"Source": "aws.partner/example.com/other", "DetailType": "Change", "Detail": "{}"}
    answer = body(eventbridge._put_partner_events({"Entries": [entry]}))
    assert answer["FailedEntryCount"] == 0
    assert answer["Entries"][0]["EventId"]
    assert not partner_queue


# Templates -----------------------------------------------------------------------------------------------------------


def definition(text: str, **substitutions: Any) -> Any:
    read = provisioners._sfn_definition({"DefinitionString": text, "DefinitionSubstitutions": substitutions})
    return json.loads(read)


def test_a_definition_may_be_yaml_with_substitutions() -> None:
    text = """
    StartAt: Call
    States:
      Call: {Type: Task, Resource: "${Function}", TimeoutSeconds: ${Limit}, End: true}
    """
    call = definition(text, Function="arn:aws:lambda:us-east-1:0:function:read_deal", Limit=30)["States"]["Call"]
    assert call["Resource"] == "arn:aws:lambda:us-east-1:0:function:read_deal"
    assert call["TimeoutSeconds"] == 30


def test_a_definition_in_json_is_left_as_it_is() -> None:
    text = '{"StartAt": "Done",  "States": {"Done": {"Type": "Succeed"}}}'
    assert provisioners._sfn_definition({"DefinitionString": text}) == text


def test_a_date_in_a_yaml_definition_is_text() -> None:
    assert definition("{StartAt: Done, Comment: 2026-11-23, States: {}}")["Comment"] == "2026-11-23"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("States: [", "neither JSON nor YAML"),
        ("just text", "not a mapping"),
        ('{StartAt: A, States: {A: {Type: Pass, Output: "{% $states. %}"}}}', "INVALID_JSONATA_EXPRESSION"),
    ],
)
def test_a_definition_that_cannot_run_fails_the_deployment(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        definition(text)


def an_api(**paths: Any) -> dict[str, Any]:
    """What SAM makes of HttpApi events: paths by name, the slash left out."""
    integration = {"type": "aws_proxy", "httpMethod": "POST", "payloadFormatVersion": "2.0", "uri": "arn:function"}
    return {
        "openapi": "3.0.1",
        "paths": {
            f"/{path}" if path != "default" else "$default": {
                method: {"x-amazon-apigateway-integration": integration, **operation}
                for method, operation in methods.items()
            }
            for path, methods in paths.items()
        },
        "components": {
            "securitySchemes": {
                "Staff": {
                    "type": "oauth2",
                    "x-amazon-apigateway-authorizer": {
                        "type": "jwt",
                        "identitySource": "$request.header.Authorization",
                        "jwtConfiguration": {"issuer": "https://issuer.example", "audience": ["console"]},
                    },
                }
            }
        },
        "x-amazon-apigateway-cors": {"allowOrigins": ["*"]},
    }


def created_api(body: dict[str, Any]) -> str:
    handler = provisioners._RESOURCE_HANDLERS["AWS::ApiGatewayV2::Api"]
    api_id, _ = handler["create"]("Api", {"ProtocolType": "HTTP", "Body": body}, "stack")
    return str(api_id)


def test_an_http_api_has_the_routes_of_its_body() -> None:
    api_id = created_api(
        an_api(
            deals={"get": {"security": [{"Staff": ["deals.read"]}]}, "post": {}},
            default={"x-amazon-apigateway-any-method": {}},
        )
    )
    routes = {route["routeKey"]: route for route in apigateway._routes[api_id].values()}
    assert routes.keys() == {"GET /deals", "POST /deals", "$default"}
    assert routes["GET /deals"]["authorizationType"] == "JWT"
    assert routes["GET /deals"]["authorizationScopes"] == ["deals.read"]
    assert routes["POST /deals"]["authorizationType"] == "NONE"
    assert apigateway._authorizers[api_id][routes["GET /deals"]["authorizerId"]]["jwtConfiguration"]["audience"]
    assert apigateway._apis[api_id]["corsConfiguration"] == {"allowOrigins": ["*"]}
    integration = apigateway._integrations[api_id][routes["POST /deals"]["target"].removeprefix("integrations/")]
    assert (integration["integrationType"], integration["integrationUri"]) == ("AWS_PROXY", "arn:function")


def test_options_is_routed_unless_cors_is_configured() -> None:
    """A webhook's greeting is OPTIONS, and is answered by a function."""
    with_cors = an_api(hook={"options": {}})
    without = {name: value for name, value in with_cors.items() if name != "x-amazon-apigateway-cors"}

    def asked(body: dict[str, Any], path: str) -> tuple[int, bytes]:
        api_id = created_api(body)
        apigateway._integrations[api_id].clear()
        headers, origin = {"origin": "https://a.example"}, ("000000000000", "eu-central-1")
        answer = apigateway._handle_execute_in_scope(api_id, "$default", path, "OPTIONS", headers, b"", {}, *origin)
        with pytest.raises(StopIteration) as done:  # nothing in it waits
            answer.send(None)
        status, _, content = done.value.value
        return status, content

    assert asked(with_cors, "/hook")[0] == 204
    assert asked(without, "/nowhere") == (404, b'{"message":"Not Found"}')
    # It comes as far as the integration, which is none here.
    assert asked(without, "/hook") == (500, b'{"message": "No integration configured"}')


def test_an_updated_body_replaces_the_routes() -> None:
    before, after = an_api(deals={"get": {}}), an_api(projects={"get": {}})
    api_id = created_api(before)
    update = provisioners._RESOURCE_HANDLERS["AWS::ApiGatewayV2::Api"]["update"]
    update(api_id, {"Body": before}, {"Body": after}, "stack", "Api")
    assert [route["routeKey"] for route in apigateway._routes[api_id].values()] == ["GET /projects"]


def test_an_unknown_security_scheme_fails_the_deployment() -> None:
    with pytest.raises(ValueError, match="Nobody"):
        created_api(an_api(deals={"get": {"security": [{"Nobody": []}]}}))


# The worker's script -------------------------------------------------------------------------------------------------


def test_a_worker_can_import_what_lambda_brings_and_nothing_else() -> None:
    *_, brought = lambda_import_path()
    names = {path.name for path in Path(brought).iterdir()}
    assert {"boto3", "botocore", "urllib3"} <= names
    assert not names & {"pydantic", "httpx", "dealbridge", "ministack"}


def test_what_lambda_brings_is_found_again_after_the_environment_it_was_linked_from_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    *_, brought = lambda_import_path()
    for link in Path(brought).iterdir():
        link.unlink()
        link.symlink_to(tmp_path / "removed" / link.name)
    *_, again = lambda_import_path()
    assert again == brought
    assert all(link.exists() for link in Path(brought).iterdir())
    monkeypatch.setattr(sys, "prefix", "/elsewhere/.venv")
    *_, other = lambda_import_path()
    assert other != brought
