"""From the deal queue: a hint begins a run, or waits with the run that holds the deal."""

from typing import Any

from dealbridge.domain.hints import DealHint
from dealbridge.runs.starting import start_run
from dealbridge.steps import now, queued


@queued
def handler(message: dict[str, Any]) -> None:
    start_run(DealHint.model_validate(message["detail"]), now())
