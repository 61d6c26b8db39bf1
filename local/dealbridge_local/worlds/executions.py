"""Step Functions: executions of the machine on the scheduler, with their time, their end and who hears of it."""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from dealbridge_local.worlds.boundaries import History
from dealbridge_local.worlds.cloud.services import Execution
from dealbridge_local.worlds.deployment import Deployment
from dealbridge_local.worlds.functions import Answer, Functions
from dealbridge_local.worlds.scheduler import Due, Scheduler
from dealbridge_local.worlds.statemachine.expressions import StatesError
from dealbridge_local.worlds.statemachine.interpreter import Fork, Invoke, Pause, Scope, Steps, execution

TRANSITION_SECONDS = 0.02
"""What a transition to a function takes, about."""


@dataclass
class _Process:
    """A generator of the interpreter, driven; its branches are processes too."""

    owner: "Executions"
    steps: Steps
    done: Callable[[Any], None]
    failed: Callable[[StatesError], None]
    over: bool = False
    branches: "list[_Process]" = field(default_factory=list)
    due: Due | None = None

    def go_on(self, value: Any = None, error: StatesError | None = None) -> None:
        if self.over:
            return
        try:
            effect = self.steps.throw(error) if error is not None else self.steps.send(value)
        except StopIteration as end:
            self.over = True
            self.done(end.value)
            return
        except StatesError as failure:
            self.over = True
            self.failed(failure)
            return
        match effect:
            case Pause(seconds):
                self.due = self.owner.scheduler.after(seconds, self.go_on)
            case Invoke(function, payload, timeout):
                self._invoke(function, payload, timeout)
            case Fork(branches, at_once):
                _Join(self, list(branches), at_once or len(branches)).begin()

    def end(self) -> None:
        self.over = True
        if self.due is not None:
            self.due.cancelled = True
        for branch in self.branches:
            branch.end()

    def _invoke(self, function: str, payload: Any, timeout: float | None) -> None:
        scheduler = self.owner.scheduler
        answered = False

        def reply(answer: Answer) -> None:
            nonlocal answered
            if answered:
                return
            answered = True
            if limit is not None:
                limit.cancelled = True
            self.go_on(answer.result, StatesError(answer.error, answer.cause) if answer.error else None)

        limit: Due | None = None
        if timeout is not None:
            late = Answer(error="States.Timeout", cause=json.dumps({"errorMessage": "States.Timeout"}))
            limit = scheduler.after(timeout + TRANSITION_SECONDS, lambda: reply(late))
        self.due = scheduler.after(TRANSITION_SECONDS, lambda: self.owner.functions.invoke(function, payload, reply))


class _Join:
    """Branches that run side by side; the first failure ends the others."""

    def __init__(self, process: _Process, branches: list[Steps], at_once: int) -> None:
        self._process = process
        self._waiting = list(enumerate(branches))[::-1]
        self._outputs: list[Any] = [None] * len(branches)
        self._left = len(branches)
        self._at_once = at_once

    def begin(self) -> None:
        if not self._left:
            self._later([])
            return
        for _ in range(min(self._at_once, self._left)):
            self._next()

    def _next(self) -> None:
        if self._waiting:
            number, steps = self._waiting.pop()
            branch = _Process(self._process.owner, steps, lambda output: self._ended(number, output), self._failed)
            self._process.branches.append(branch)
            branch.go_on()

    def _ended(self, number: int, output: Any) -> None:
        self._outputs[number] = output
        self._left -= 1
        if self._left:
            self._next()
        else:
            self._process.branches.clear()
            self._later(self._outputs)

    def _failed(self, error: StatesError) -> None:
        for branch in self._process.branches:
            branch.end()
        self._process.branches.clear()
        self._waiting.clear()
        scheduler = self._process.owner.scheduler
        self._process.due = scheduler.after(0, lambda: self._process.go_on(error=error))

    def _later(self, outputs: list[Any]) -> None:
        # Not from within a branch's own step: a generator cannot be sent to while it runs.
        self._process.due = self._process.owner.scheduler.after(0, lambda: self._process.go_on(outputs))


@dataclass
class Executions:
    """Executions that are under way. `ended` hears of each that did not succeed, as EventBridge would."""

    scheduler: Scheduler
    functions: Functions
    deployment: Deployment
    chance: random.Random
    ended_badly: Callable[[Execution], None]
    tell: History
    under_way: int = 0
    _running: dict[str, _Process] = field(default_factory=dict)
    _limits: dict[str, Due] = field(default_factory=dict)

    def begin(self, started: Execution) -> None:
        self.under_way += 1
        self.scheduler.after(TRANSITION_SECONDS, lambda: self._begin(started))

    def abort(self, name: str) -> bool:
        """An operator stops an execution; False where it does not run. A function that it called runs on."""
        for started in self._started.values():
            if started.name == name and started.status == "RUNNING":
                self._end(started, "ABORTED")
                return True
        return False

    _started: dict[str, Execution] = field(default_factory=dict)

    def _begin(self, started: Execution) -> None:
        if started.status != "RUNNING":
            return
        self._started[started.arn] = started
        context = {
            "Execution": {"Id": started.arn, "Name": started.name, "StartTime": self._time()},
            "StateMachine": {"Id": started.arn.rsplit(":", 1)[0].replace(":execution:", ":stateMachine:")},
        }
        scope = Scope(context, self.chance, self._time)
        process = _Process(
            self,
            execution(self.deployment.machine, json.loads(started.input), scope),
            lambda output: self._end(started, "SUCCEEDED", output=output),
            lambda error: self._end(started, "FAILED", error=error),
        )
        self._running[started.name] = process
        limit = self.deployment.machine.get("TimeoutSeconds")
        if limit is not None:
            self._limits[started.name] = self.scheduler.after(limit, lambda: self._end(started, "TIMED_OUT"))
        process.go_on()

    def _end(self, started: Execution, status: str, *, output: Any = None, error: StatesError | None = None) -> None:
        if started.status != "RUNNING":
            return
        started.status, started.output = status, output
        self.under_way -= 1
        if started.name in self._limits:
            self._limits.pop(started.name).cancelled = True
        if error is not None:
            started.error, started.cause = error.error, error.cause
        process = self._running.pop(started.name, None)
        if process is not None:
            process.end()
        self.tell(f"execution {started.name} {status} {started.error or ''}")
        if status != "SUCCEEDED":
            self.ended_badly(started)

    def _time(self) -> str:
        return self.scheduler.now().isoformat()
