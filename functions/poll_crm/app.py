"""On a schedule: hints for the deals that changed since the last poll."""

from typing import Any

from dealbridge.runs.polling import poll_all


def handler(event: dict[str, Any], context: Any) -> dict[str, int]:
    return poll_all()
