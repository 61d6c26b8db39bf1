"""An inbound ERP or PSA event, and the greeting before it, from the HTTP API; it becomes a fact on the bus."""

from typing import Any

from dealbridge.runs.noticing import receive_request


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    return receive_request(event, context)
