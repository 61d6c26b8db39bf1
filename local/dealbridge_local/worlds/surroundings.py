"""What a process is given for the length of a world: environment, clock, chance, and AWS in memory."""

import copy
import datetime as datetimes
import json
import os
import random
import types
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime
from typing import Any
from unittest.mock import patch

from aws_lambda_powertools.utilities.idempotency import base as idempotency
from aws_lambda_powertools.utilities.idempotency.persistence import base as persistence
from aws_lambda_powertools.utilities.idempotency.persistence import datarecord, dynamodb
from jsonata import Jsonata

from dealbridge import clock, settings, steps, wiring
from dealbridge.ledger.ledger import ledger
from dealbridge.mappings import published
from dealbridge.mappings.expressions import evaluate
from dealbridge.runs import reading
from dealbridge_local.worlds.cloud import seam

LEDGER_TABLE, IDEMPOTENCY_TABLE, BUCKET = "ledger", "idempotency", "documents"
QUEUE_URL = "https://sqs.invalid/deal-queue"
MACHINE_ARN = "arn:aws:states:us-east-1:000000000000:stateMachine:deal-to-project"

_ENVIRONMENT = {
    "LEDGER_TABLE": LEDGER_TABLE,
    "IDEMPOTENCY_TABLE": IDEMPOTENCY_TABLE,
    "DOCUMENTS_BUCKET": BUCKET,
    "BUS_NAME": "bus",
    "DEAL_QUEUE_URL": QUEUE_URL,
    "DEAL_RUN_ARN": MACHINE_ARN,
    "REFERENCE_APPLICATION": "application",
    "REFERENCE_ENVIRONMENT": "environment",
    "REFERENCE_PROFILE": "profile",
    "POWERTOOLS_METRICS_DISABLED": "true",
    "POWERTOOLS_IDEMPOTENCY_DISABLED": "false",
}
_SETTINGS = (
    settings.LedgerSettings,
    settings.ReferenceSettings,
    settings.BusSettings,
    settings.RunSettings,
    settings.EntranceSettings,
    settings.QueueSettings,
)


@contextmanager
def surrounded(clients: Mapping[str, Any], now: Callable[[], datetime], chance: random.Random) -> Iterator[None]:
    """The world's own clients, clock and chance for this process; afterwards all is as before."""
    level = steps.logger.log_level
    wired = wiring.wiring()
    with ExitStack() as stack:
        stack.enter_context(patch.dict(os.environ, _ENVIRONMENT))
        stack.callback(_forget)
        _forget()
        stack.enter_context(seam.in_place(dict(clients)))
        clock.use(now)
        stack.callback(clock.use, None)
        stack.callback(wiring.use, wired)
        steps.logger.setLevel("CRITICAL")
        stack.callback(steps.logger.setLevel, level)
        stack.enter_context(patch.object(reading, "evaluate", _evaluated))
        stack.enter_context(patch.object(Jsonata.Frame, "lookup", _looked_up))
        # httpx tells by it how long an answer took.
        stack.enter_context(patch("time.perf_counter", lambda: now().timestamp()))
        # uuid4 takes its bytes from here.
        stack.enter_context(patch("os.urandom", chance.randbytes))
        module = _module_of_time(now)
        for reader in (idempotency, persistence, datarecord, dynamodb):
            # Powertools reads the machine's clock itself.
            stack.enter_context(patch.object(reader, "dt", module))
        yield


def _looked_up(frame: Any, name: str) -> Any:
    """JSONata's own, without asking every frame at every node for a hook that nobody sets: a tenth of the time."""
    if name in _HOOKS:
        return None
    while frame is not None:
        value = frame.bindings.get(name, _ABSENT)
        if value is not _ABSENT:
            return value
        frame = frame.parent
    return None


_ABSENT = object()
_HOOKS = frozenset({"__evaluate_entry", "__evaluate_exit"})


def _evaluated(expression: str, document: Any, *, named: str) -> Any:
    """A field mapping's value, kept: it is a quarter of a world's time, and most reads find what the last one found."""
    given = (expression, json.dumps(document, default=str))
    if given not in _KEPT:
        if len(_KEPT) >= _MOST_KEPT:
            _KEPT.clear()
        _KEPT[given] = evaluate(expression, document, named=named)
    return copy.deepcopy(_KEPT[given])


_KEPT: dict[tuple[str, str], Any] = {}
_MOST_KEPT = 500


def _forget() -> None:
    for each in _SETTINGS:
        each.read.cache_clear()
    ledger.cache_clear()
    published.forget()


def _module_of_time(now: Callable[[], datetime]) -> types.ModuleType:
    """The module `datetime` with a clock of the world's."""

    class WorldTime(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> "WorldTime":
            return cls.fromtimestamp(now().timestamp(), tz)

    module = types.ModuleType("datetime")
    module.__dict__.update(datetimes.__dict__)
    module.__dict__["datetime"] = WorldTime
    return module
