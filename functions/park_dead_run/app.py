"""A run whose execution was aborted, timed out or failed before it could park itself is parked for it."""

from typing import Any

from dealbridge.runs.closing import park_dead_run


def handler(event: dict[str, Any], context: Any) -> None:
    park_dead_run(event)
