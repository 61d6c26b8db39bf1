"""The local engine: a small stack of its own is built, deployed and used on a free port."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from dealbridge_local.engine import (
    DeploymentError,
    Engine,
    EngineError,
    EngineStoppedError,
    Settings,
    deploy,
    running,
    start,
    stop,
    wait_until,
)

ACT = """
    import os, signal, sys, time

    from greeting import HELLO

    calls = 0


    class ThrottledError(Exception):
        pass


    class HardlyThrottledError(ThrottledError):
        pass


    def handler(event, context):
        global calls
        calls += 1
        match event.get("do"):
            case "throttle":
                raise ThrottledError('{"call": %d}' % calls)
            case "throttle hardly":
                raise HardlyThrottledError("a subclass is another name")
            case "exit":
                os._exit(3)
            case "be killed":
                os.kill(os.getpid(), signal.SIGKILL)
            case "sleep":
                time.sleep(event["seconds"])
            case "return a set":
                return {1, 2}
            case "import":
                __import__(event["module"])
        return {"said": HELLO, "call": calls}
"""

FRAIL = """
    import os, signal, tempfile, time

    FOLDER = tempfile.gettempdir()
    if os.path.exists(FOLDER + "/die-at-start"):
        os.kill(os.getpid(), signal.SIGKILL)


    def handler(event, context):
        open(FOLDER + "/at-work", "w").close()
        time.sleep(event["seconds"])
        return "done"
"""

LISTEN = """
    def handler(event, context):
        if "Records" in event:
            poison = [record["messageId"] for record in event["Records"] if "poison" in record["body"]]
            return {"batchItemFailures": [{"itemIdentifier": message} for message in poison]}
        if event.get("rawPath") == "/echo":
            return {"statusCode": 201, "body": event["body"], "isBase64Encoded": event["isBase64Encoded"]}
        raise LookupError("nobody may read this")
"""

MACHINE = """
    QueryLanguage: JSONata
    StartAt: Act
    TimeoutSeconds: 60
    States:
      Act:
        Type: Task
        Resource: arn:aws:states:::lambda:invoke
        Arguments:
          FunctionName: ${Act}
          Payload: "{% $states.input %}"
        TimeoutSeconds: 20
        Retry:
          - ErrorEquals: [ThrottledError]
            IntervalSeconds: 1
            MaxAttempts: 1
            MaxDelaySeconds: 1
            JitterStrategy: FULL
        Catch:
          - ErrorEquals: [ThrottledError]
            Assign:
              failure: "{% $parse($states.errorOutput.Cause) %}"
            Output: "{% $states.input %}"
            Next: Tell
          - ErrorEquals: [States.ALL]
            Output:
              caught: "{% $states.errorOutput.Error %}"
            Next: Done
        Output: "{% $states.result.Payload %}"
        Next: Done
      Tell:
        Type: Pass
        Output:
          error: "{% $failure.errorType %}"
          last: "{% $parse($failure.errorMessage) %}"
          given: "{% $states.input %}"
        Next: Done
      Done:
        Type: Succeed
"""

TEMPLATE = """
    Transform: AWS::Serverless-2016-10-31
    Parameters:
      Architecture: {Type: String, Default: arm64, AllowedValues: [arm64, x86_64]}
      Greeting: {Type: String, Default: none}
    Globals:
      Function:
        Runtime: python3.13
        Handler: app.handler
        Timeout: 2
        MemorySize: 256
        Architectures: [!Ref Architecture]
        Layers: [!Ref Shared]
    Resources:
      Shared:
        Type: AWS::Serverless::LayerVersion
        Metadata: {BuildMethod: python3.13, BuildArchitecture: !Ref Architecture}
        Properties: {ContentUri: layers/shared, CompatibleRuntimes: [python3.13]}
      Act:
        Type: AWS::Serverless::Function
        Properties: {CodeUri: functions/act}
      Broken:
        Type: AWS::Serverless::Function
        Properties: {CodeUri: functions/broken}
      Frail:
        Type: AWS::Serverless::Function
        Properties: {CodeUri: functions/frail}
      Changing:
        Type: AWS::Serverless::Function
        Properties: {CodeUri: functions/changing}
      Listen:
        Type: AWS::Serverless::Function
        Properties:
          CodeUri: functions/listen
          EventInvokeConfig:
            MaximumRetryAttempts: 1
            DestinationConfig: {OnFailure: {Type: SQS, Destination: !GetAtt Failures.Arn}}
          Events:
            Deals:
              Type: SQS
              Properties: {Queue: !GetAtt Deals.Arn, FunctionResponseTypes: [ReportBatchItemFailures]}
            Opened:
              Type: EventBridgeRule
              Properties: {EventBusName: !Ref Bus, Pattern: {source: [engine.test]}}
            Echo: {Type: HttpApi, Properties: {Path: /echo, Method: POST}}
            Fail: {Type: HttpApi, Properties: {Path: /fail, Method: GET}}
      Machine:
        Type: AWS::Serverless::StateMachine
        Properties:
          DefinitionUri: statemachines/act.asl.yaml
          DefinitionSubstitutions: {Act: !GetAtt Act.Arn}
          Policies: [LambdaInvokePolicy: {FunctionName: !Ref Act}]
      Bus: {Type: AWS::Events::EventBus, Properties: {Name: engine-test}}
      Failures: {Type: AWS::SQS::Queue}
      DeadDeals: {Type: AWS::SQS::Queue}
      Deals:
        Type: AWS::SQS::Queue
        Properties:
          VisibilityTimeout: 1
          RedrivePolicy: {deadLetterTargetArn: !GetAtt DeadDeals.Arn, maxReceiveCount: 2}
    Outputs:
      Greeting: {Value: !Ref Greeting}
      Architecture: {Value: !Ref Architecture}
      Act: {Value: !Ref Act}
      Broken: {Value: !Ref Broken}
      Frail: {Value: !Ref Frail}
      Changing: {Value: !Ref Changing}
      Machine: {Value: !Ref Machine}
      Deals: {Value: !Ref Deals}
      DeadDeals: {Value: !Ref DeadDeals}
      Failures: {Value: !Ref Failures}
      HttpApi: {Value: !Ref ServerlessHttpApi}
"""

FILES = {
    "template.yaml": TEMPLATE,
    "functions/act/app.py": ACT,
    "functions/broken/app.py": "import pydantic\n",
    "functions/frail/app.py": FRAIL,
    "functions/changing/app.py": "def handler(event, context):\n    return 'before'\n",
    "functions/listen/app.py": LISTEN,
    "layers/shared/greeting/__init__.py": "HELLO = 'hello from a layer'\n",
    "statemachines/act.asl.yaml": MACHINE,
}


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip("\n"))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def quiet(_: str) -> None:
    """Progress is not of interest."""


class Stack:
    """The deployed stack, with what the tests ask of it."""

    def __init__(self, folder: Path, engine: Engine) -> None:
        self.folder = folder
        self.engine = engine
        self.outputs = self.deploy()

    def deploy(self, **parameters: str) -> dict[str, str]:
        self.said: list[str] = []
        parameters = {"Greeting": "two words", **parameters}
        return deploy(self.folder, self.engine, stack="engine", parameters=parameters, say=self.said.append)

    def invoke(self, function: str = "Act", **event: Any) -> Any:
        answer = self.engine.client("lambda").invoke(
            FunctionName=self.outputs[function], Payload=json.dumps(event).encode()
        )
        return json.loads(answer["Payload"].read())

    def run(self, **given: Any) -> Any:
        client = self.engine.client("stepfunctions")
        arn = client.start_execution(stateMachineArn=self.outputs["Machine"], input=json.dumps(given))["executionArn"]

        def ended() -> Any:
            execution = client.describe_execution(executionArn=arn)
            return execution if execution["status"] != "RUNNING" else None

        execution = wait_until(ended, "the execution", within_s=20, check=self.engine.check_alive)
        assert execution["status"] == "SUCCEEDED", execution
        return json.loads(execution["output"])

    def received(self, queue: str) -> Any:
        """The body of the next message in the queue."""
        client = self.engine.client("sqs")

        def found() -> Any:
            return client.receive_message(QueueUrl=self.outputs[queue], WaitTimeSeconds=1).get("Messages")

        [message, *_] = wait_until(found, f"a message in {queue}", within_s=20, check=self.engine.check_alive)
        return message["Body"]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    home = tmp_path_factory.mktemp("engine")
    return Settings(port=free_port(), home=home, wait_scale=0.1, concurrency=2, workers=3)


@pytest.fixture(scope="module")
def engine(settings: Settings) -> Iterator[Engine]:
    yield start(settings, say=quiet)
    stop(settings)


@pytest.fixture(scope="module")
def stack(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    folder = tmp_path_factory.mktemp("stack")
    write(folder, FILES)
    return Stack(folder, engine)


# Errors, as AWS names them -------------------------------------------------------------------------------------------


def test_a_yaml_machine_retries_and_catches_by_class_name(stack: Stack) -> None:
    told = stack.run(do="throttle")
    assert told["error"] == "ThrottledError"
    assert told["given"] == {"do": "throttle"}
    # Called twice, by the same worker process: on AWS, an exception does not end the environment.
    assert told["last"]["call"] >= 2


def test_a_subclass_is_not_matched(stack: Stack) -> None:
    assert stack.run(do="throttle hardly") == {"caught": "HardlyThrottledError"}


def test_an_exception_is_described_as_the_python_runtime_does(stack: Stack) -> None:
    described = stack.invoke(do="throttle hardly")
    assert described["errorType"] == "HardlyThrottledError"
    assert described["errorMessage"] == "a subclass is another name"
    assert described["requestId"]
    assert "in handler" in described["stackTrace"][0]


@pytest.mark.parametrize(
    ("event", "error", "message"),
    [
        ({"do": "exit"}, "Runtime.ExitError", "exit status 3"),
        ({"do": "be killed"}, "Runtime.ExitError", "signal: killed"),
        ({"do": "sleep", "seconds": 30}, "Sandbox.Timedout", "Task timed out after 2.00 seconds"),
        ({"do": "return a set"}, "Runtime.MarshalError", "Unable to marshal response"),
        (
            {"function": "Broken"},
            "Runtime.ImportModuleError",
            "Unable to import module 'app': No module named 'pydantic'",
        ),
    ],
)
def test_other_failures_have_the_names_of_the_runtime(
    stack: Stack, event: dict[str, Any], error: str, message: str
) -> None:
    described = stack.invoke(**event)
    assert described["errorType"] == error
    assert message in described["errorMessage"]


def test_a_worker_that_dies_at_its_start_takes_no_other_with_it(stack: Stack) -> None:
    folder = stack.engine.settings.scratch
    with ThreadPoolExecutor(1) as callers:
        first = callers.submit(stack.invoke, "Frail", seconds=1.5)
        wait_until((folder / "at-work").exists, "the first to be at work", within_s=10)
        (folder / "die-at-start").touch()
        try:
            described = stack.invoke("Frail", seconds=0)
        finally:
            (folder / "die-at-start").unlink()
        assert described["errorType"] == "Runtime.ExitError"
        assert first.result() == "done"
    assert "signal: killed" in described["errorMessage"]
    assert stack.invoke("Frail", seconds=0) == "done"


# What a function sees ------------------------------------------------------------------------------------------------


def test_a_function_sees_its_layer_and_what_lambda_brings(stack: Stack) -> None:
    assert stack.invoke(do="import", module="boto3")["said"] == "hello from a layer"


@pytest.mark.parametrize("module", ["httpx", "dealbridge", "ministack"])
def test_a_function_does_not_see_the_virtual_environment(stack: Stack, module: str) -> None:
    assert stack.invoke(do="import", module=module)["errorType"] == "ModuleNotFoundError"


def test_a_layer_is_unpacked_once_for_all_workers(stack: Stack) -> None:
    with ThreadPoolExecutor(2) as callers:
        list(callers.map(lambda _: stack.invoke(do="sleep", seconds=0.2), range(2)))
    scratch = stack.engine.settings.scratch
    assert len(list(scratch.glob("layers/*/python/greeting"))) == 1
    assert len(list(scratch.glob("**/greeting"))) == 1


# How many at once ----------------------------------------------------------------------------------------------------


def test_invocations_beyond_the_cap_wait_for_their_turn(stack: Stack) -> None:
    # Through the state machine, for boto3 would try a throttled call again by itself.
    with ThreadPoolExecutor(5) as callers:
        outputs = list(callers.map(lambda _: stack.run(do="sleep", seconds=0.3), range(5)))
    assert [output.get("said") for output in outputs] == ["hello from a layer"] * 5


@pytest.mark.skipif(not Path("/proc").exists(), reason="reads /proc")
def test_idle_workers_beyond_the_ceiling_are_ended(stack: Stack) -> None:
    with ThreadPoolExecutor(2) as callers:
        list(callers.map(lambda _: stack.invoke(do="sleep", seconds=0.2), range(2)))
    stack.engine.client("sqs").send_message(QueueUrl=stack.outputs["Deals"], MessageBody="good")
    urllib.request.urlopen(f"{stack.engine.http_api_url(stack.outputs['HttpApi'])}/echo", data=b"x").close()
    workers = [
        pid for pid in process_group(stack.engine.pid) if "_worker.py" in Path(f"/proc/{pid}/cmdline").read_text()
    ]
    assert 0 < len(workers) <= stack.engine.settings.workers


def process_group(leader: int) -> list[int]:
    members = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(ValueError, ProcessLookupError):
            if os.getpgid(int(entry.name)) == leader:
                members.append(int(entry.name))
    return members


# Events, queues and the HTTP API -------------------------------------------------------------------------------------


def test_a_function_that_fails_a_rule_is_tried_again_and_reported(stack: Stack) -> None:
    entry = {"EventBusName": "engine-test", "Source": "engine.test", "DetailType": "Opened", "Detail": "{}"}
    stack.engine.client("events").put_events(Entries=[entry])
    failure = json.loads(stack.received("Failures"))
    assert failure["requestPayload"]["source"] == "engine.test"
    assert failure["responsePayload"]["errorType"] == "LookupError"


def test_a_poisonous_message_ends_in_the_dead_letter_queue_and_its_neighbour_does_not(stack: Stack) -> None:
    entries = [{"Id": body, "MessageBody": body} for body in ("good", "poison")]
    stack.engine.client("sqs").send_message_batch(QueueUrl=stack.outputs["Deals"], Entries=entries)
    assert stack.received("DeadDeals") == "poison"


def test_the_http_api_carries_bytes(stack: Stack) -> None:
    url = stack.engine.http_api_url(stack.outputs["HttpApi"])
    request = urllib.request.Request(f"{url}/echo", b"\x00\xff", {"Content-Type": "application/octet-stream"})
    with urllib.request.urlopen(request) as answer:
        assert (answer.status, answer.read()) == (201, b"\x00\xff")


def test_the_http_api_tells_nothing_of_a_failed_function(stack: Stack) -> None:
    url = stack.engine.http_api_url(stack.outputs["HttpApi"])
    with pytest.raises(urllib.error.HTTPError) as answer:
        urllib.request.urlopen(f"{url}/fail")
    with answer.value as failed:
        assert (failed.code, failed.read()) == (500, b'{"message":"Internal Server Error"}')


# Deploying -----------------------------------------------------------------------------------------------------------


def test_the_parameters_arrive_and_the_architecture_is_this_machines(stack: Stack) -> None:
    assert stack.outputs["Greeting"] == "two words"
    assert stack.outputs["Architecture"] in ("arm64", "x86_64")


def test_what_has_not_changed_is_not_deployed_again(stack: Stack) -> None:
    assert stack.deploy() == stack.outputs
    assert stack.said == []


def test_a_change_reaches_the_next_invocation(stack: Stack) -> None:
    assert stack.invoke("Changing") == "before"
    write(stack.folder, {"functions/changing/app.py": "def handler(event, context):\n    return 'after'\n"})
    stack.deploy()
    assert stack.invoke("Changing") == "after"


def test_a_deployment_that_fails_says_why_and_can_be_mended(stack: Stack, tmp_path: Path) -> None:
    # A stack of the same template needs a bus of its own.
    mended = FILES | {"template.yaml": TEMPLATE.replace("engine-test", "mended-test")}
    write(tmp_path, mended | {"statemachines/act.asl.yaml": "States: ["})
    with pytest.raises(DeploymentError, match=r"Machine: .*neither JSON nor YAML"):
        deploy(tmp_path, stack.engine, stack="mended", say=quiet)
    write(tmp_path, mended)
    assert deploy(tmp_path, stack.engine, stack="mended", say=quiet)["Greeting"] == "none"


# The engine's own life -----------------------------------------------------------------------------------------------


@pytest.mark.skipif(not Path("/proc").exists(), reason="reads /proc")
def test_it_listens_on_loopback_only(stack: Stack) -> None:
    listening = [address for pid in process_group(stack.engine.pid) for address in listening_addresses(pid)]
    assert listening
    assert set(listening) == {"0100007F"}, "127.0.0.1 as /proc/net/tcp writes it"


def listening_addresses(pid: int) -> list[str]:
    sockets = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            sockets.add(os.readlink(link))
    rows = [
        line.split()
        for table in ("tcp", "tcp6", "udp", "udp6")
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]
    ]
    # Columns of proc_net(5): local address, state (0A is LISTEN, 07 an unconnected datagram socket), inode.
    return [row[1].split(":")[0] for row in rows if row[3] in ("0A", "07") and f"socket:[{row[9]}]" in sockets]


def test_starting_again_finds_the_same_engine(engine: Engine) -> None:
    assert start(engine.settings, say=quiet).pid == engine.pid


def test_starting_with_other_settings_is_refused(engine: Engine) -> None:
    other = Settings(port=engine.settings.port, home=engine.settings.home, wait_scale=1)
    with pytest.raises(EngineError, match="Stop it first"):
        start(other, say=quiet)


def test_a_taken_port_is_named_with_the_remedy(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=f"Port {engine.settings.port} .*DEALBRIDGE_ENGINE_PORT"):
        start(Settings(port=engine.settings.port, home=tmp_path), say=quiet)


@pytest.fixture
def another(tmp_path: Path) -> Iterator[Engine]:
    chosen = Settings(port=free_port(), home=tmp_path)
    yield start(chosen, say=quiet)
    stop(chosen)


def test_a_crash_is_reported_with_the_end_of_the_log(another: Engine, tmp_path: Path) -> None:
    os.kill(another.pid, signal.SIGKILL)
    with pytest.raises(EngineStoppedError, match=rf"(?s)process {another.pid}.*engine\.log.*Running on"):
        wait_until(lambda: False, "something", within_s=10, check=another.check_alive)
    with pytest.raises(EngineStoppedError):
        deploy(tmp_path, another, say=quiet)
    assert running(another.settings) is None


def test_it_starts_again_after_a_crash_with_nothing_kept(another: Engine) -> None:
    another.client("sqs").create_queue(QueueName="before")
    os.kill(another.pid, signal.SIGKILL)
    wait_until(lambda: running(another.settings) is None, "the end of the process", within_s=10)
    again = start(another.settings, say=quiet)
    assert again.pid != another.pid
    assert not again.client("sqs").list_queues().get("QueueUrls")


def test_stopping_ends_it_and_leaves_only_the_log(another: Engine) -> None:
    assert stop(another.settings)
    with pytest.raises(EngineStoppedError):
        another.check_alive()
    assert [path.name for path in another.settings.home.iterdir()] == ["engine.log"]
    assert not stop(another.settings)


def test_stopping_leaves_a_process_alone_that_only_has_the_number(tmp_path: Path) -> None:
    chosen = Settings(port=free_port(), home=tmp_path)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as bystander:
        record = {"pid": bystander.pid, "started": "another time", "settings": chosen.as_json(), "code": ""}
        chosen.record.write_text(json.dumps(record))
        assert not stop(chosen)
        assert bystander.poll() is None
        bystander.communicate(b"\n")


def test_an_engine_that_cannot_run_is_reported_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho No module named ministack; exit 3\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    chosen = Settings(port=free_port(), home=tmp_path)
    with pytest.raises(EngineStoppedError, match=r"(?s)with status 3.*No module named ministack"):
        start(chosen, say=quiet)
    assert running(chosen) is None
