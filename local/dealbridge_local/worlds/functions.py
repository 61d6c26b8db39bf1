"""Lambda: functions in environments that live on, die, and run out of time; their calls are touches (boundaries.py)."""

import json
import os
import re
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from email.utils import format_datetime
from functools import partial
from typing import Any

import httpx
from botocore.exceptions import EndpointConnectionError, ReadTimeoutError

from dealbridge import aws, wiring
from dealbridge.errors import DealbridgeError
from dealbridge.wiring import Wiring
from dealbridge_local.simulators.simulator import Simulator
from dealbridge_local.simulators.transport import SimulatorTransport
from dealbridge_local.worlds.boundaries import Fate, History, Killed, Strike, TimedOut, Touch
from dealbridge_local.worlds.cloud.dynamodb import refusal
from dealbridge_local.worlds.cloud.seam import CloudCall
from dealbridge_local.worlds.deployment import Deployment
from dealbridge_local.worlds.processes import Process, Way
from dealbridge_local.worlds.scheduler import Scheduler

READ_SECONDS = 25.0
"""So long a client waits for an answer that does not come: `transport.client.Wire.read_seconds`."""


@dataclass(frozen=True)
class Answer:
    """What came of an invocation: a result, or the error as Lambda reports it."""

    result: Any = None
    error: str | None = None
    cause: str = ""


@dataclass
class Environment:
    """One execution environment of a function: it runs one invocation at a time and keeps its connectors.

    It is a thread of the scheduler's, or has a process of its own.
    """

    wiring: Wiring
    process: Process | None = None


@dataclass
class Invocation:
    """One invocation under way."""

    function: str
    number: int
    deadline: int
    environment: Environment


@dataclass(frozen=True)
class VendorCall:
    """One call that a function made to a vendor, begun and answered (or not) at moments of the scheduler."""

    connection: str
    method: str
    path: str
    body: bytes
    status: int | None
    began: int
    at: int
    function: str
    invocation: int
    signs_in: bool
    """It asks for a token, or for SAP's session."""
    writes: bool
    """It changes something outside."""


@dataclass
class LambdaContext:
    """What a handler is told of its invocation."""

    function_name: str
    aws_request_id: str
    remaining: Callable[[], int]
    invoked_function_arn: str = ""
    memory_limit_in_mb: int = 512

    def get_remaining_time_in_millis(self) -> int:
        return self.remaining()


_current: ContextVar[Invocation | None] = ContextVar("invocation", default=None)


@dataclass
class Functions:
    """All functions of a deployment, on one scheduler."""

    scheduler: Scheduler
    deployment: Deployment
    make_wiring: Callable[[], Wiring]
    simulators: Mapping[str, Simulator]
    """By connection."""
    fate: Fate
    tell: History
    processes: bool = False
    """Each environment is a process, and what kills it a SIGKILL."""
    idle: dict[str, list[Environment]] = field(default_factory=dict)
    invocations: int = 0
    touches: int = 0
    vendor_calls: list[VendorCall] = field(default_factory=list)
    forked: list[Process] = field(default_factory=list)
    lasting: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """Connection → faults that are still to meet its next calls."""
    way: Way | None = None
    """In an environment's process: to the world."""

    # Invocations

    def invoke(self, name: str, event: Any, reply: Callable[[Answer], None]) -> None:
        """Begin an invocation; `reply` hears what came of it."""
        given = json.dumps(event)
        self.scheduler.start_thread(lambda: self._run(name, given, reply))

    def _run(self, name: str, given: str, reply: Callable[[Answer], None]) -> None:
        function = self.deployment.functions[name]
        environments = self.idle.setdefault(name, [])
        environment = environments.pop() if environments else self._environment()
        self.invocations += 1
        deadline = self.scheduler.moment + round(function.timeout * 1_000_000)
        invocation = Invocation(name, self.invocations, deadline, environment)
        _current.set(invocation)
        self.tell(f"{name} #{invocation.number} begins")
        try:
            if environment.process is None:
                answer = self._work(name, invocation.number, deadline, given, environment)
            else:
                told = (name, invocation.number, deadline, given)
                answer = environment.process.invoke(told, lambda: self.scheduler.moment, self._carry_out)
            environments.append(environment)
        except Killed:
            answer = Answer(error="Runtime.ExitError", cause=_cause("Runtime.ExitError", "signal: killed"))
        except TimedOut:
            message = f"Task timed out after {function.timeout:.2f} seconds"
            answer = Answer(error="Sandbox.Timedout", cause=_cause("Sandbox.Timedout", message))
        self.tell(f"{name} #{invocation.number} ends {answer.error or ''}")
        self.scheduler.at(self.scheduler.moment, lambda: reply(answer))

    def _work(self, name: str, number: int, deadline: int, given: str, environment: Environment) -> Answer:
        """Run the handler, here."""
        wiring.use(environment.wiring)
        context = LambdaContext(name, f"request-{number}", lambda: self._remaining(deadline))
        try:
            return Answer(json.loads(json.dumps(self.deployment.functions[name].handler(json.loads(given), context))))
        except Exception as error:
            name_of_class = type(error).__name__
            trace = [] if isinstance(error, DealbridgeError) else traceback.format_tb(error.__traceback__)
            return Answer(error=name_of_class, cause=_cause(name_of_class, str(error), trace))

    def _remaining(self, deadline: int) -> int:
        return max(0, (deadline - self.scheduler.moment) // 1000)

    # Environments that are processes

    def _environment(self) -> Environment:
        environment = Environment(self.make_wiring())
        if self.processes:

            def work(way: Way, told: tuple[str, int, int, str]) -> Answer:
                if self.way is None:
                    self.way = way
                    # Two processes that went on with the same numbers would give the same ids.
                    os.urandom = lambda size: bytes(way.ask(size))
                return self._work(*told, environment)

            environment.process = Process(work, partial(setattr, self.scheduler, "moment"))
            self.forked.append(environment.process)
        return environment

    def _carry_out(self, call: Any) -> Any:
        """What a process asks for, done as if its function ran here."""
        match call:
            case CloudCall(service, operation, request):
                return getattr(aws.any_client(service), operation)(**request)
            case (str(connection), httpx.Request() as request):
                response = VendorTransport(connection, self).handle_request(request)
                return response.status_code, response.headers.raw, response.content
            case int(size):
                return os.urandom(size)
        raise AssertionError(call)

    @property
    def killed(self) -> int:
        """So many processes have died so far."""
        return sum(not process.lives for process in self.forked)

    def end(self) -> None:
        """Kill what has been forked."""
        for process in self.forked:
            process.kill()

    # Touches

    def cloud(self, call: CloudCall, perform: Callable[[], Any]) -> Any:
        """A call of AWS (`cloud.seam.Watch`). Outside an invocation it is just carried out."""
        if self.way is not None:
            return self.way.ask(call)
        invocation = _current.get()
        if invocation is None:
            return perform()
        touch, strike = self._reached(invocation, call.service, described(call), writes=call.writes)
        kind = strike.kind if strike else ""
        if kind == "throttled":
            raise refusal(call.operation, "ThrottlingException", "Rate exceeded")
        if kind == "down_before":
            raise EndpointConnectionError(endpoint_url=f"https://{call.service}.invalid")
        try:
            answer = perform()
            if kind == "repeated" and call.operation != "transact_write_items":
                # botocore sends a transaction again with the same client token: it is done once.
                answer = perform()
        finally:
            self._done(touch, kind)
        if kind == "down_after":
            raise ReadTimeoutError(endpoint_url=f"https://{call.service}.invalid")
        return answer

    def vendor(self, connection: str, request: httpx.Request, inner: SimulatorTransport) -> httpx.Response:
        """A call of a vendor, by the function that runs."""
        if self.way is not None:
            status_code, headers, content = self.way.ask((connection, request))
            return httpx.Response(status_code, headers=headers, content=content)
        invocation = _current.get()
        assert invocation is not None, "only functions call vendors through the world's transport"
        simulator, path = self.simulators[connection], request.url.path
        reads = only_reads(connection, request.method, path, request.content)
        began = self.scheduler.moment
        touch, strike = self._reached(
            invocation, connection, f"{request.method} {path}", writes=not reads, vendor=True, reads=reads
        )
        kind = strike.kind if strike else ""
        if kind == "refused":
            self._note(invocation, connection, request, None, began, reads)
            raise httpx.ConnectError("refused by the world", request=request)
        fault = self._fault_of(connection, strike)
        if fault:
            simulator.add_fault(**fault, times=1)
        status: int | None = None
        try:
            response = inner.handle_request(request)
            # Every server dates its answers (RFC 9110, 6.6.1).
            response.headers.setdefault("Date", format_datetime(self.scheduler.now(), usegmt=True))
            if kind == "lost_behind_gateway":
                response = httpx.Response(502, content=b"<html>Bad Gateway</html>")
            status = response.status_code
        except httpx.ReadTimeout:
            self.pause(READ_SECONDS)
            raise
        finally:
            # Others call this vendor too, people among them: a fault is for this call alone.
            simulator.clear_faults()
            self._note(invocation, connection, request, status, began, reads)
            self._done(touch, f"{kind} {status}")
        return response

    def _fault_of(self, connection: str, strike: Strike | None) -> dict[str, Any]:
        """The kernel's fault for this call: the strike's own, or one that an earlier strike left for this call too."""
        if strike is not None and strike.fault:
            self.lasting[connection] = [strike.fault] * strike.times
        waiting = self.lasting.get(connection)
        return waiting.pop() if waiting else {}

    def pause(self, seconds: float) -> None:
        """Let time pass for the invocation that runs. Raises TimedOut when its time is over."""
        invocation = _current.get()
        if invocation is None:
            return
        self.scheduler.pause(seconds, invocation.deadline)
        # Another environment may have run meanwhile.
        wiring.use(invocation.environment.wiring)
        if self.scheduler.moment >= invocation.deadline:
            raise TimedOut

    def _reached(
        self, invocation: Invocation, system: str, what: str, *, writes: bool, vendor: bool = False, reads: bool = False
    ) -> tuple[Touch, Strike | None]:
        touch = Touch(self.touches, invocation.function, system, what, writes, vendor, reads)
        self.touches += 1
        strike = self.fate.strike(touch)
        self.pause(self.fate.seconds(touch))
        if strike is not None and strike.kind == "kill_before":
            self.tell(f"{invocation.function} #{invocation.number} killed before {system} {what}")
            raise Killed
        return touch, strike

    def _done(self, touch: Touch, kind: str) -> None:
        invocation = _current.get()
        assert invocation is not None
        self.tell(f"{invocation.function} #{invocation.number} {touch.system} {touch.what} {kind}")
        if kind.startswith("kill_after"):
            raise Killed

    def _note(
        self,
        invocation: Invocation,
        connection: str,
        request: httpx.Request,
        status: int | None,
        began: int,
        reads: bool,
    ) -> None:
        signs_in = bool(_SIGN_IN.search(request.url.path)) or ("x-csrf-token" in request.headers and reads)
        self.vendor_calls.append(
            VendorCall(
                connection,
                request.method,
                request.url.path,
                request.content,
                status,
                began,
                self.scheduler.moment,
                invocation.function,
                invocation.number,
                signs_in,
                not reads and not signs_in,
            )
        )


class VendorTransport(httpx.BaseTransport):
    """Takes a connector's requests to its simulator, as touches of the function that makes them."""

    def __init__(self, connection: str, functions: Functions) -> None:
        self._connection = connection
        self._functions = functions
        simulator = functions.simulators[connection]
        self._inner = SimulatorTransport({simulator.base_url: simulator}, functions.pause)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        return self._functions.vendor(self._connection, request, self._inner)


_SIGN_IN = re.compile(r"/(oauth2?|auth)/")


def only_reads(connection: str, method: str, path: str, body: bytes) -> bool:
    """Whether a call only asks: some vendors take questions in a POST."""
    if method in ("GET", "HEAD"):
        return True
    match connection:
        case "salesforce":
            return path.endswith("/composite") and b'"method": "PATCH"' not in body
        case "hubspot":
            return path.endswith(("/batch/read", "/search"))
        case "s4hana":
            return path.endswith("/$batch") and b"multipart/mixed" not in body
        case "netsuite":
            return path.endswith("/suiteql")
    return False


def described(call: CloudCall) -> str:
    """A call of AWS in a few words that name what it is about."""
    request = call.request
    match call.operation:
        case "get_item" | "update_item" | "delete_item":
            key = request["Key"]
            about = "/".join(value["S"] for value in key.values())
        case "put_item":
            item = request["Item"]
            about = "/".join(item[name]["S"] for name in ("pk", "sk", "id") if name in item)
        case "transact_write_items":
            about = "+".join(_target(action) for action in request["TransactItems"])
        case "query":
            about = request["ExpressionAttributeValues"][":pk"]["S"]
        case "put_events":
            about = "+".join(entry["DetailType"] for entry in request["Entries"])
        case "start_execution":
            about = request["name"]
        case _:
            about = ""
    return f"{call.operation} {about}".rstrip()


def _target(action: dict[str, Any]) -> str:
    ((kind, request),) = action.items()
    key = request["Item"] if kind == "Put" else request["Key"]
    return f"{key['pk']['S']}/{key['sk']['S']}"


def _cause(error: str, message: str, trace: Sequence[str] = ()) -> str:
    """The Cause of a failed Lambda task: Lambda's own JSON of the error."""
    return json.dumps({"errorMessage": message, "errorType": error, "stackTrace": list(trace)})
