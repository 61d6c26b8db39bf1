"""The one wrapper of every step: typed input and output, logs, metrics, the run's story, the error vocabulary.

A step of a deal's run takes one JSON event and gives one; `@step` reads its models from the function's annotations.
What it raises reaches the state machine by its class name, so anything outside `errors.NAMES` is a programming error
and is never retried.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime, timedelta
from inspect import signature
from typing import TYPE_CHECKING, Any, get_type_hints

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit
from pydantic import ValidationError

from dealbridge import clock
from dealbridge.domain.keys import DealKey
from dealbridge.domain.model import Model
from dealbridge.errors import ConfigurationError, DealbridgeError
from dealbridge.transport.redaction import redacted

if TYPE_CHECKING:
    from dealbridge.transport.client import Call

logger = Logger(service="dealbridge", log_uncaught_exceptions=False)


LONGEST_STEP = timedelta(seconds=61)
"""No invocation of a step lasts longer (template.yaml, Globals: Timeout)."""


def now() -> datetime:
    return clock.now()


class RunStep(Model):
    """What every step of a deal's run is told.

    `reference` is the version of the reference data that the run works by, from its first step on. `bulk`: the run can
    wait, see `bulk_work`.
    """

    deal: DealKey
    run: str
    number: int
    correlation_id: str
    reference: str = ""
    bulk: bool = False


class Telling:
    """What one invocation has done so far: for its story entry, its metrics and its log line."""

    def __init__(self, until: datetime | None = None, *, bulk: bool = False, reference: str = "") -> None:
        self.until = until or now() + LONGEST_STEP
        """When Lambda ends the invocation at the latest."""
        self.bulk = bulk
        """Work that can wait; see `bulk_work`."""
        self.reference = reference
        """The version of the reference data to work by; empty: the one that is published."""
        self.at_end: list[Callable[[], None]] = []
        """What gives back what the invocation holds. A process that dies gives nothing back: that is leased."""
        self.calls: list[Call] = []
        self.effects: list[str] = []
        self.notes: dict[str, Any] = {}

    def end(self) -> None:
        """Give back what is held."""
        while self.at_end:
            self.at_end.pop()()

    def story(self) -> dict[str, Any]:
        story: dict[str, Any] = dict(self.notes)
        if self.calls:
            story["calls"] = dict(Counter(call.connection for call in self.calls))
            story["vendor_ms"] = round(sum(call.seconds for call in self.calls) * 1000)
        if self.effects:
            story["effects"] = list(self.effects)
        return story


_telling: ContextVar[Telling] = ContextVar("telling")


def telling() -> Telling:
    """What the running invocation has done so far."""
    running = _telling.get(None)
    if running is None:
        _telling.set(running := Telling())
    return running


@contextmanager
def bulk_work() -> Iterator[None]:
    """Work that can wait, of a minute at most: it leaves alone what is reserved of a vendor's limits.

    Example:
        @bulk_work()
        def poll(connection: str) -> int: ...
    """
    work = Telling(bulk=True)
    token = _telling.set(work)
    try:
        yield
    except Exception:
        work.end()
        raise
    else:
        work.end()
    finally:
        _telling.reset(token)


def watch_call(call: "Call") -> None:
    """Note a vendor call: `transport.client.Wire.watch`."""
    telling().calls.append(call)
    logger.info(
        "vendor call",
        extra={
            "connection": call.connection,
            "method": call.method,
            "path": call.path,
            "status": call.status,
            "ms": round(call.seconds * 1000),
        },
    )


WARM_UP: dict[str, Any] = {"warm_up": True}
"""Answered by a step without doing anything: whoever invokes it so only wants its environment to be there."""

type Handler = Callable[[dict[str, Any], Any], dict[str, Any]]


def step[I: RunStep, O: Model](function: Callable[[I], O]) -> Handler:
    """Make a Lambda handler of a step: one model in, one out.

    Example:
        @step
        def handler(command: ReadDeal) -> DealRead: ...
    """
    hints = get_type_hints(function)
    (parameter,) = signature(function).parameters
    accepts: type[I] = hints[parameter]
    name = function.__module__.removesuffix(".app").rsplit(".", 1)[-1]

    def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
        if event == WARM_UP:
            return {}
        title = getattr(context, "function_name", name).split("-")[-1]
        command = _parsed(accepts, event)
        told = Telling(_deadline(context), bulk=command.bulk, reference=command.reference)
        token = _telling.set(told)
        logger.append_keys(
            correlation_id=command.correlation_id, deal=str(command.deal), run=command.run, step=accepts.__name__
        )
        try:
            return _told_of(function, command, told, title).model_dump(mode="json")
        finally:
            _telling.reset(token)

    return handler


def _told_of[I: RunStep, O: Model](function: Callable[[I], O], command: I, told: Telling, title: str) -> O:
    """What the step gives, with all that is told of it."""
    name, began = type(command).__name__, now()
    try:
        done = function(command)
    except Exception as error:
        told.end()
        _tell(command, name, began, error)
        _report_failure(error)
        _measure(name, began, type(error).__name__, title)
        raise
    told.end()
    _tell(command, name, began, None)
    logger.info("step done", extra={"ms": _milliseconds(began), **told.story()})
    _measure(name, began, "done", title)
    return done


def queued(function: Callable[[dict[str, Any]], None]) -> Handler:
    """Make a Lambda handler of an SQS consumer with partial batch responses: one failed message fails alone."""

    def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
        failures = []
        for record in event["Records"]:
            try:
                function(json.loads(record["body"]))
            except Exception as error:
                _report_failure(error, message_id=record["messageId"])
                failures.append({"itemIdentifier": record["messageId"]})
        return {"batchItemFailures": failures}

    return handler


def count(name: str, amount: int = 1, **dimensions: str) -> None:
    """One metric of the namespace `dealbridge` (embedded metric format)."""
    metrics = EphemeralMetrics(namespace="dealbridge", service="dealbridge")
    for dimension, value in dimensions.items():
        metrics.add_dimension(dimension, value)
    metrics.add_metric(name, MetricUnit.Count, amount)
    metrics.flush_metrics()


def _deadline(context: Any) -> datetime | None:
    """When this invocation is over, whatever happens, with a second for its answer to be on the way."""
    remaining = getattr(context, "get_remaining_time_in_millis", None)
    return now() + timedelta(milliseconds=remaining() + 1000) if remaining else None


def _parsed[I: RunStep](accepts: type[I], event: dict[str, Any]) -> I:
    try:
        return accepts.model_validate(event)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigurationError(f"{accepts.__name__}: {where}: {first['msg']}; see the state machine") from error


def _tell(command: RunStep, name: str, began: datetime, error: Exception | None) -> None:
    """One entry of the run's story; that it cannot be told never hides what happened."""
    from dealbridge.ledger.ledger import ledger

    entry: dict[str, Any] = {
        "step": name,
        "began_at": began.isoformat(),
        "ended_at": now().isoformat(),
        "outcome": "done" if error is None else type(error).__name__,
        **telling().story(),
    }
    entity = getattr(command, "entity", "")
    if entity:
        entry["entity"] = entity
    if isinstance(error, DealbridgeError):
        entry["message"] = redacted(error.message)
        if error.retry_after is not None:
            entry["retry_after_ms"] = round(error.retry_after * 1000)
    try:
        ledger().runs.tell(command.deal, command.number, entry)
    except Exception:
        logger.exception("the run's story could not be told")


def _report_failure(error: Exception, **extra: Any) -> None:
    if isinstance(error, DealbridgeError):
        logger.warning(redacted(error.message), extra={"error": type(error).__name__, "code": error.code, **extra})
    else:
        logger.exception("programming error", extra={"error": type(error).__name__, **extra})


def _measure(step_name: str, began: datetime, outcome: str, title: str) -> None:
    metrics = EphemeralMetrics(namespace="dealbridge", service="dealbridge")
    metrics.add_dimension("step", step_name)
    metrics.add_dimension("outcome", outcome)
    metrics.add_metric("StepDuration", MetricUnit.Milliseconds, _milliseconds(began))
    metrics.add_metric("VendorCalls", MetricUnit.Count, len(telling().calls))
    metrics.add_metric("Effects", MetricUnit.Count, len(telling().effects))
    metrics.add_metadata("function", title)
    metrics.flush_metrics()


def _milliseconds(began: datetime) -> int:
    return round((now() - began).total_seconds() * 1000)
