"""An inbound CRM event, from the HTTP API or a partner event bus, becomes hints on the bus."""

from typing import Any

from dealbridge.runs.intake import receive_bus_event, receive_request


def handler(event: dict[str, Any], context: Any) -> dict[str, Any] | None:
    if "requestContext" in event:
        return receive_request(event, context)
    receive_bus_event(event, context)
    return None
