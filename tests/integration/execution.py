"""Executions played in-process: the path of deal_to_project, step by step, through the functions' own handlers.

The machine itself is tried on the local engine (tests/workflows). Here it is as small as the rules that steps rely
upon: what dies is invoked again, what is transient is retried, whatever else fails ends in park_run.
"""

import json
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from dealbridge import aws, errors
from dealbridge.domain.keys import DealKey
from dealbridge.settings import RunSettings
from tests.deployed import state_name
from tests.fakes import Crash

RETRIED = (errors.TransientError, errors.RecordBusyError)
ATTEMPTS = 6


class DiedError(Exception):
    """The execution ended without ending its run."""


class Executions:
    """Starts what Step Functions was asked to start, and plays it to its end."""

    def __init__(self) -> None:
        self._played: set[str] = set()
        self.stories: list[list[str]] = []
        """What was invoked, per execution, with what came of it where that was an error."""

    def waiting(self) -> list[tuple[str, dict[str, Any]]]:
        """Executions that were started and not played yet: (arn, input)."""
        machine = RunSettings.read().deal_run_arn
        listed = aws.states().list_executions(stateMachineArn=machine, statusFilter="RUNNING")["executions"]
        arns = [each["executionArn"] for each in listed if each["executionArn"] not in self._played]
        found = [(arn, json.loads(aws.states().describe_execution(executionArn=arn)["input"])) for arn in arns]
        return sorted(found, key=lambda each: each[1]["command"]["number"])

    def play(self, *, crashes: bool = True) -> list[dict[str, Any]]:
        """Play all that wait, and what they start, to the end; what each said last.

        `crashes` False: a step that dies takes its execution with it, as when somebody aborts it.
        """
        said = []
        while waiting := self.waiting():
            for arn, given in waiting:
                self._played.add(arn)
                try:
                    said.append(_Execution(self.stories, crashes).play(given["command"]))
                finally:
                    aws.states().stop_execution(executionArn=arn)
        return said


class _Execution:
    def __init__(self, stories: list[list[str]], crashes: bool) -> None:
        self._story: list[str] = []
        self._crashes = crashes
        stories.append(self._story)

    def play(self, command: dict[str, Any]) -> dict[str, Any]:
        try:
            return self._play(command)
        except _FailedError as failed:
            return self._invoke("park_run", {**command, "failures": failed.failures})

    def _play(self, command: dict[str, Any]) -> dict[str, Any]:
        read = self._step("read_deal", command)
        command = {**command, "reference": read["reference"]}
        snapshot = {"snapshot": read["snapshot"]}
        self._step("check_deal", {**command, **snapshot})
        planned = self._step("plan_deal", {**command, **snapshot})
        if planned["decision"] == "apply":
            failures = [failure for entity in planned["entities"] for failure in self._engagement(command, entity)]
            try:
                self._step("update_crm", {**command, "revision": read["revision"], "stopped": len(failures)})
            except _FailedError as failed:
                raise _FailedError([*failures, *failed.failures]) from failed
        closing = {"revision": read["revision"], "won": read["won"], **snapshot}
        return self._step(
            "close_run", {**command, **closing, "writes": planned["writes"], "plan_hash": planned["plan_hash"]}
        )

    def _engagement(self, command: dict[str, Any], entity: str) -> list[dict[str, Any]]:
        """A failure in one entity neither repeats nor blocks another, nor billing the staffing."""
        given = {**command, "entity": entity}
        try:
            self._step("sync_customer", given)
            self._step("sync_project", given)
        except _FailedError as failed:
            return failed.failures
        failures: list[dict[str, Any]] = []
        for branch in (("sync_contract", "sync_billing"), ("request_staffing",)):
            try:
                for name in branch:
                    self._step(name, given)
            except _FailedError as failed:
                failures += failed.failures
        return failures

    def _step(self, name: str, given: dict[str, Any]) -> dict[str, Any]:
        try:
            return self._invoke(name, given)
        except DiedError:
            raise
        except Exception as error:
            cause = json.dumps({"errorMessage": str(error), "errorType": type(error).__name__})
            failure = {"step": state_name(name), "Error": type(error).__name__, "Cause": cause}
            raise _FailedError([failure]) from error

    def _invoke(self, name: str, given: dict[str, Any]) -> dict[str, Any]:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                answer = handler(name)(json.loads(json.dumps(given)), None)
            except Crash as crash:
                self._story.append(f"{name}: died")
                if not self._crashes:
                    raise DiedError(name) from crash
            except RETRIED as error:
                self._story.append(f"{name}: {type(error).__name__}")
                if attempt == ATTEMPTS:
                    raise
            except Exception as error:
                self._story.append(f"{name}: {type(error).__name__}")
                raise
            else:
                self._story.append(name)
                return dict(json.loads(json.dumps(answer)))
        raise DiedError(name)


class _FailedError(Exception):
    def __init__(self, failures: list[dict[str, Any]]) -> None:
        super().__init__(str(failures))
        self.failures = failures


def handler(step: str) -> Callable[[Mapping[str, Any], Any], Any]:
    """The handler of a function's app.py."""
    found: Callable[[Mapping[str, Any], Any], Any] = import_module(f"functions.{step}.app").handler
    return found


def dead(deal: DealKey, run: str, number: int, status: str = "ABORTED") -> dict[str, Any]:
    """What EventBridge tells of an execution that ended without success."""
    command = {"deal": deal.model_dump(), "run": run, "number": number, "correlation_id": "c"}
    return {
        "source": "aws.states",
        "detail-type": "Step Functions Execution Status Change",
        "detail": {
            "executionArn": f"{RunSettings.read().deal_run_arn.replace(':stateMachine:', ':execution:')}:{run}",
            "status": status,
            "input": json.dumps({"command": command, "waits": 0}),
            "error": None,
        },
    }
