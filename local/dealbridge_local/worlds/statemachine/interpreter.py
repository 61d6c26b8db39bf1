"""States, retries, catches, maps and branches, as generators that ask for what takes time.

`execution` yields Pause, Invoke and Fork; whoever drives it sends back what came of each, or throws StatesError. So the
interpreter knows neither threads nor clocks.
"""

import json
import random
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dealbridge_local.worlds.statemachine.expressions import StatesError, filled

PAYLOAD_BYTES = 256 * 1024
"""What a state may take or give ("Step Functions service quotas")."""
_UNCATCHABLE = frozenset({"States.DataLimitExceeded", "States.Runtime"})
"""Neither States.ALL nor States.TaskFailed matches these (Developer Guide, "Handling errors")."""


@dataclass(frozen=True)
class Pause:
    """Go on after so many seconds."""

    seconds: float


@dataclass(frozen=True)
class Invoke:
    """Call a function; the answer is its result. Throws StatesError for its error, or States.Timeout."""

    function: str
    payload: Any
    timeout_seconds: float | None


@dataclass(frozen=True)
class Fork:
    """Run these, at most so many at once; the answer is the list of their outputs. The first error ends them all."""

    branches: "Sequence[Steps]"
    at_once: int | None = None


type Steps = Generator[Pause | Invoke | Fork, Any, Any]


@dataclass
class Scope:
    """What a state sees: variables of its own and outer scopes, and the context object."""

    context: dict[str, Any]
    chance: random.Random
    now: Callable[[], str]
    variables: dict[str, Any] = field(default_factory=dict)

    def inner(self, **context: Any) -> "Scope":
        """A branch reads what is around it; what it assigns is gone when it ends."""
        return Scope({**self.context, **context}, self.chance, self.now, dict(self.variables))


def execution(definition: Mapping[str, Any], given: Any, scope: Scope) -> Steps:
    """One run of a machine from its first state; returns the output. Raises StatesError where it fails."""
    name: str | None = definition["StartAt"]
    while name is not None:
        state = definition["States"][name]
        scope.context["State"] = {"Name": name, "EnteredTime": scope.now(), "RetryCount": 0}
        given, name = yield from _state(state, given, scope)
        if len(json.dumps(given, ensure_ascii=False)) > PAYLOAD_BYTES:
            raise StatesError("States.DataLimitExceeded", f"the output of a state exceeds {PAYLOAD_BYTES} bytes")
    return given


def _state(state: Mapping[str, Any], given: Any, scope: Scope) -> Generator[Any, Any, tuple[Any, str | None]]:
    """Output and next state."""
    match state["Type"]:
        case "Task" | "Map" | "Parallel":
            return (yield from _with_retries(state, given, scope))
        case "Choice":
            for rule in state["Choices"]:
                if filled(rule["Condition"], _bindings(scope, given)) is True:
                    return _left(rule, given, given, scope), rule["Next"]
            if "Default" not in state:
                raise StatesError("States.NoChoiceMatched")
            return _left(state, given, given, scope), state["Default"]
        case "Wait":
            seconds = filled(state["Seconds"], _bindings(scope, given))
            if isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds < 0:
                raise StatesError("States.QueryEvaluationError", f"Seconds: {seconds!r}")
            yield Pause(seconds)
        case "Fail":
            bindings = _bindings(scope, given)
            raise StatesError(filled(state.get("Error", ""), bindings), filled(state.get("Cause", ""), bindings))
    return _left(state, given, given, scope), state.get("Next")


def _with_retries(state: Mapping[str, Any], given: Any, scope: Scope) -> Generator[Any, Any, tuple[Any, str | None]]:
    tried: dict[int, int] = {}
    while True:
        try:
            result = yield from _work(state, given, scope)
            return _left(state, result, given, scope, result=result), state.get("Next")
        except StatesError as error:
            pause = _pause_before_retry(state.get("Retry", ()), error.error, tried, scope.chance)
            if pause is not None:
                scope.context["State"]["RetryCount"] += 1
                yield Pause(pause)
                continue
            catcher = next((each for each in state.get("Catch", ()) if matches(each["ErrorEquals"], error.error)), None)
            if catcher is None:
                raise
            told = {"Error": error.error, "Cause": error.cause}
            return _left(catcher, told, given, scope, errorOutput=told), catcher["Next"]


def _work(state: Mapping[str, Any], given: Any, scope: Scope) -> Steps:
    bindings = _bindings(scope, given)
    match state["Type"]:
        case "Task":
            arguments = filled(state["Arguments"], bindings)
            payload = arguments.get("Payload", {})
            if len(json.dumps(payload, ensure_ascii=False)) > PAYLOAD_BYTES:
                raise StatesError("States.DataLimitExceeded", "the input of a task")
            answer = yield Invoke(arguments["FunctionName"], payload, state.get("TimeoutSeconds"))
            return {"Payload": answer, "StatusCode": 200}
        case "Parallel":
            start = filled(state["Arguments"], bindings) if "Arguments" in state else given
            branches = [execution(branch, start, scope.inner()) for branch in state["Branches"]]
            return (yield Fork(branches))
        case _:
            return (yield from _map(state, given, scope))


def _map(state: Mapping[str, Any], given: Any, scope: Scope) -> Steps:
    items = filled(state["Items"], _bindings(scope, given)) if "Items" in state else given
    if not isinstance(items, list):
        raise StatesError("States.QueryEvaluationError", f"Items: {type(items).__name__} is no list")
    branches = []
    for number, item in enumerate(items):
        inner = scope.inner(Map={"Item": {"Index": number, "Value": item}})
        start = filled(state["ItemSelector"], _bindings(inner, given)) if "ItemSelector" in state else item
        branches.append(execution(state["ItemProcessor"], start, inner))
    return (yield Fork(branches, state.get("MaxConcurrency") or None))


def _left(part: Mapping[str, Any], otherwise: Any, given: Any, scope: Scope, **more: Any) -> Any:
    """The output of a state (or of the rule or catcher that leaves it), after its Assign: all of them see the variables
    as they were on entering the state (Developer Guide, "Passing data between states with variables")."""
    bindings = _bindings(scope, given, **more)
    output = filled(part["Output"], bindings) if "Output" in part else otherwise
    if "Assign" in part:
        scope.variables |= filled(part["Assign"], bindings)
    return output


def _bindings(scope: Scope, given: Any, **more: Any) -> dict[str, Any]:
    return {**scope.variables, "states": {"input": given, "context": scope.context, **more}}


# Errors


def matches(names: Sequence[str], error: str) -> bool:
    """Whether an `ErrorEquals` names an error (Developer Guide, "Handling errors in Step Functions workflows")."""
    if error in names:
        return True
    if error in _UNCATCHABLE:
        return False
    return "States.ALL" in names or ("States.TaskFailed" in names and error != "States.Timeout")


def _pause_before_retry(
    retriers: Sequence[Mapping[str, Any]], error: str, tried: dict[int, int], chance: random.Random
) -> float | None:
    """Seconds until the next attempt by the first retrier that names the error; None where there is no further one."""
    for number, retrier in enumerate(retriers):
        if not matches(retrier["ErrorEquals"], error):
            continue
        attempts = tried.get(number, 0)
        if attempts >= retrier.get("MaxAttempts", 3):
            return None
        tried[number] = attempts + 1
        delay: float = retrier.get("IntervalSeconds", 1) * retrier.get("BackoffRate", 2.0) ** attempts
        delay = min(delay, retrier.get("MaxDelaySeconds", delay))
        return chance.uniform(0, delay) if retrier.get("JitterStrategy") == "FULL" else delay
    return None
