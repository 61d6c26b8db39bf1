"""An inbound ERP or PSA event to facts on the bus: verified, once per event. Nothing of it is believed but its key.

The webhook's greeting is that of CloudEvents (HTTP 1.1 Web Hooks for Event Delivery, version 1.0.2, section 4): it asks
whether events are wanted here at all. It is no sign-in, so it is answered without one.
"""

from collections.abc import Mapping
from typing import Any

from dealbridge import events
from dealbridge.domain.hints import ErpRecordChanged
from dealbridge.ports import InboundEventError, InboundRequest, RecordHint
from dealbridge.runs.entrance import Answer, Once, answer, check_size, receive_http
from dealbridge.steps import count, now
from dealbridge.wiring import wiring

EVENTS_PER_MINUTE = 6000
"""What the greeting allows where it is asked for a rate: what the HTTP API lets through (template.yaml, HttpApi)."""


def receive_request(event: Mapping[str, Any], lambda_context: Any) -> Answer:
    """POST /erp-events/{connection}: 202 accepted. OPTIONS: 200. Else see `entrance.receive_http`."""

    def receive(connection: str, request: InboundRequest, request_id: str) -> Answer:
        check_size(request)
        _need_events_from(connection)
        if request.method == "OPTIONS":
            return answer(200, _welcome(request), request_id=request_id)
        hints = wiring().event_source(connection).read_event(request)
        _tell(connection, hints, request_id, lambda_context)
        return answer(202, accepted=len(hints), request_id=request_id)

    return receive_http(event, receive)


def _need_events_from(connection: str) -> None:
    known = connection in wiring().reference().connections
    can = wiring().capabilities(connection) if known else None
    if can is None or can.role == "crm" or not can.inbound_events:
        raise InboundEventError(
            404, f"connection: no ERP or PSA {connection!r} that sends events; see mappings/connections.yaml"
        )


def _welcome(request: InboundRequest) -> dict[str, str]:
    """What the greeting is answered with; one that names no sender is told how events are sent, and no more."""
    welcome = {"Allow": "OPTIONS, POST"}
    if origin := request.headers.get("webhook-request-origin"):
        welcome["WebHook-Allowed-Origin"] = origin
        if "webhook-request-rate" in request.headers:
            welcome["WebHook-Allowed-Rate"] = str(EVENTS_PER_MINUTE)
    return welcome


def _tell(connection: str, hints: list[RecordHint], correlation_id: str, lambda_context: Any) -> None:
    once = Once(lambda_context)
    for hint in hints:
        fact = ErpRecordChanged(
            connection=connection,
            record_type=hint.type,
            id=hint.id,
            event=hint.event,
            event_id=hint.event_id,
            at=hint.occurred_at,
            received_at=now(),
            correlation_id=correlation_id,
        )
        entry = events.fact_entry(fact)
        once(f"fact {connection}#{hint.event_id}", lambda entry=entry: events.publish([entry]))  # type: ignore[misc]
    count("EventsAccepted", len(hints), connection=connection)
