"""How a run ends: done, parked for a person, or found dead. Each hands the deal over to a next run where one is due."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from dealbridge import errors, events
from dealbridge.domain.findings import Finding
from dealbridge.domain.keys import Kind
from dealbridge.domain.model import Model
from dealbridge.domain.plan import Plan
from dealbridge.errors import LeaseLostError
from dealbridge.ledger.deals import DealState, Ended, Outcome
from dealbridge.ledger.ledger import ledger
from dealbridge.rules.planning import ACTIVE
from dealbridge.runs.starting import execute
from dealbridge.steps import RunStep, count, logger, now, telling

CONFLICT_RESTARTS = 3
"""So many runs in a row may start over because a record changed outside; then a person looks."""


class CloseRun(RunStep):
    """End a run that has done all it had to do."""

    revision: str
    won: bool
    writes: int = 0
    plan_hash: str = ""
    snapshot: str = ""


class ParkRun(RunStep):
    """End a run that needs a person, or whose step has failed for good.

    `failures` are Step Functions' error outputs, {Error, Cause}, each with the `step` that failed.
    """

    failures: tuple[dict[str, Any], ...]


class RunEnded(Model):
    """How it ended, and the run that follows at once, if any."""

    state: DealState
    following: str | None = None


def close_run(command: CloseRun) -> RunEnded:
    """Record the deal as active (or open, where it is not won), and tell the world."""
    deals = ledger().deals
    head = deals.head(command.deal) or {}
    # What a run before has written, and died before it told, is told by this one though it writes nothing itself.
    due = command.writes or head.get("untold")
    plan = ledger().runs.plan(command.deal, command.run) if due else None
    if command.won and plan is not None:
        activates = head.get("activated_by", command.run) == command.run
        event = events.ENGAGEMENT_ACTIVATED if activates else events.ENGAGEMENT_AMENDED
        # Before the ledger's word, so that a crash between tells it twice and never not at all.
        events.publish([(event, _fact(command, head, plan))])
    moment = now().isoformat()
    noted: dict[str, Any] = {
        "revision": _revision(command, plan),
        "snapshot": command.snapshot,
        "conflicts": 0,
        "untold": False,
    }
    if command.won:
        noted |= {"plan_hash": command.plan_hash} if command.writes else {}
        noted |= {} if "active_at" in head else {"active_at": moment, "activated_by": command.run}
    outcome = Outcome(
        state=DealState.ACTIVE if command.won else DealState.OPEN,
        what="run_done" if command.writes else "nothing_to_do",
        head=noted,
        detail={"plan": command.plan_hash, "writes": command.writes},
    )
    return _handed_over(deals.finish(command.deal, command.run, outcome, now()))


def park_run(command: ParkRun) -> RunEnded:
    """Record what stopped the run as an exception, or start over where a fresh read may mend it."""
    failure = _worst(command.failures)
    conflicts = int((ledger().deals.head(command.deal) or {}).get("conflicts", 0))
    again = failure.name == errors.ConflictError.__name__ and conflicts < CONFLICT_RESTARTS
    return _park(command, failure, again=again, conflicts=conflicts + 1 if again else 0)


def park_dead_run(event: Mapping[str, Any]) -> None:
    """Park a run whose execution ended without ending its run (event: Step Functions Execution Status Change)."""
    detail = event["detail"]
    try:
        command = RunStep.model_validate(json.loads(detail["input"])["command"])
    except (ValidationError, ValueError, KeyError, TypeError):
        logger.exception("not the execution of a deal's run", extra={"execution": detail.get("executionArn")})
        return
    status = str(detail["status"])
    failure = _Failure(
        name=f"Execution{status.title().replace('_', '')}",
        message=f"The execution ended {status} ({detail.get('error') or 'no error given'}) without parking its run.",
        step="execution",
    )
    try:
        ended = _park(command, failure)
    except LeaseLostError:
        return  # another run holds the deal already
    logger.warning("parked a dead run", extra={"deal": str(command.deal), "run": command.run, "state": ended.state})


class _Failure(Model):
    """What a step failed of."""

    name: str
    message: str
    step: str = ""
    findings: tuple[Finding, ...] = ()


def _park(command: RunStep, failure: _Failure, *, again: bool = False, conflicts: int = 0) -> RunEnded:
    outcome = Outcome(
        state=DealState.PARKED,
        what="run_restarted" if again else "run_parked",
        cause=failure.name,
        step=failure.step,
        message=failure.message,
        findings=failure.findings,
        head={"conflicts": conflicts, **_revision_read(command)},
        detail={"cause": failure.name, "step": failure.step},
        again=again,
    )
    ended = ledger().deals.finish(command.deal, command.run, outcome, now())
    if ended.state is not DealState.PARKED:
        return _handed_over(ended)  # an earlier step had ended the run well, and its answer was lost
    telling().notes.update(cause=failure.name)
    count("RunsParked", cause=failure.name)
    if ended.following is None:
        detail = {
            "deal": command.deal.model_dump(),
            "run": command.run,
            "correlation_id": command.correlation_id,
            "cause": failure.name,
            "step": failure.step,
            "message": failure.message,
            "findings": [finding.content() for finding in failure.findings],
        }
        events.publish([(events.DEAL_PARKED, detail)])
    return _handed_over(ended)


def _revision_read(command: RunStep) -> dict[str, str]:
    """The revision that the run has read, so that the poll does not begin the same run again and again."""
    for entry in reversed(ledger().runs.story_of(command.deal, command.number)):
        if "revision" in entry:
            return {"revision": str(entry["revision"])}
    return {}


def _handed_over(ended: Ended) -> RunEnded:
    if ended.following is not None:
        execute(ended.following)
    return RunEnded(state=ended.state, following=ended.following.name if ended.following else None)


def _worst(failures: tuple[dict[str, Any], ...]) -> _Failure:
    """The failure that a person should see first: what needs hands, what may pass by itself, what follows from both."""
    read = [_failure(each) for each in failures]
    passing = {errors.TransientError.__name__, errors.ThrottledError.__name__, errors.RecordBusyError.__name__}
    read.sort(key=lambda failure: (failure.name == errors.EngagementStoppedError.__name__, failure.name in passing))
    first = read[0]
    findings = tuple(finding for each in read for finding in each.findings)
    return first.model_copy(update={"findings": findings})


def _failure(output: Mapping[str, Any]) -> _Failure:
    """Step Functions' error output {Error, Cause, step}: Cause is Lambda's JSON, whose message is our error's JSON."""
    name, message, details = str(output.get("Error", "")), str(output.get("Cause", "")), {}
    try:
        cause = json.loads(message)
        message = str(cause.get("errorMessage", message))
        details = json.loads(message)
    except (ValueError, AttributeError):
        details = {}
    if not isinstance(details, dict):
        details = {}
    return _Failure(
        name=name or "UnknownError",
        message=str(details.get("message", message))[:2000],
        step=str(output.get("step", "")),
        findings=_findings(details.get("findings")),
    )


def _findings(given: Any) -> tuple[Finding, ...]:
    """The findings of an error's JSON; none where it is not ours, so that a run can always be parked."""
    try:
        return _FINDINGS.validate_python(given or ())
    except ValidationError:
        return ()


_FINDINGS: TypeAdapter[tuple[Finding, ...]] = TypeAdapter(tuple[Finding, ...])


def _fact(command: CloseRun, head: Mapping[str, Any], plan: Plan) -> dict[str, Any]:
    """What subscribers are told of an engagement."""
    stand = [operation.identity for operation in plan.operations if operation.kind in (Kind.CONTRACT, Kind.PROJECT)]
    refs = ledger().records.refs(command.deal, stand)
    return {
        "deal": command.deal.model_dump(),
        "run": command.run,
        "correlation_id": command.correlation_id,
        "plan": command.plan_hash,
        "first_noticed_at": head.get("noticed_at"),
        "records": {place: {"id": ref.id, "number": ref.number, "url": ref.url} for place, ref in sorted(refs.items())},
        "status": ACTIVE,
    }


def _revision(command: CloseRun, plan: Plan | None) -> str:
    """The opportunity's revision after our own status write, so that a poll does not take it for news."""
    for operation in plan.writes if plan else ():
        if operation.kind is Kind.ENGAGEMENT_STATUS:
            ref = ledger().records.refs(command.deal, [operation.identity]).get(operation.identity)
            if ref is not None and ref.version:
                return ref.version
    return command.revision
