"""An inbound CRM event, by HTTP or over a bus, to hints: verified, at most once per event, never lost once accepted."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from pydantic import ValidationError

from dealbridge import events
from dealbridge.domain.hints import DealHint, HintSource
from dealbridge.domain.keys import DealKey
from dealbridge.ports import InboundEventError, InboundHint, InboundRequest
from dealbridge.runs.entrance import Answer, Once, answer, check_size, receive_http, refuse
from dealbridge.steps import count, now
from dealbridge.wiring import wiring


def receive_request(event: Mapping[str, Any], lambda_context: Any) -> Answer:
    """POST /events/{connection}. 202 accepted; else see `entrance.receive_http`."""

    def receive(connection: str, request: InboundRequest, request_id: str) -> Answer:
        accepted = accept(connection, _read(connection, request), request_id, lambda_context)
        return answer(202, accepted=accepted, request_id=request_id)

    return receive_http(event, receive)


def receive_bus_event(event: Mapping[str, Any], lambda_context: Any) -> None:
    """One partner event. A malformed one is kept for inspection; a passing failure raises, and Lambda tries again."""
    connection = _connection_of(str(event.get("source", "")))
    request = InboundRequest(
        method="EVENT",
        url=f"eventbridge:{event.get('source', '')}",
        headers={},
        body=json.dumps(dict(event)).encode(),
        received_at=now(),
    )
    request_id = str(event.get("id") or uuid4())
    try:
        accept(connection, _read(connection, request), request_id, lambda_context)
    except InboundEventError as error:
        refuse(request_id, connection, error, request)


def accept(connection: str, hints: list[InboundHint], correlation_id: str, lambda_context: Any) -> int:
    """Publish the hints that are new; how many events were taken, those known already included.

    Hints without an opportunity are answered by one poll, after the others are published.
    Raises InboundEventError for an opportunity that is no record id.
    """
    once = Once(lambda_context)
    taken = 0
    for hint in hints:
        if hint.opportunity is None:
            continue
        try:
            deal = DealKey(crm=connection, opportunity=hint.opportunity)
        except ValidationError:
            raise InboundEventError(400, f"opportunity: {hint.opportunity[:80]!r} is no record id") from None
        found = DealHint(
            deal=deal,
            source=HintSource.CRM_EVENT,
            event_id=hint.event_id,
            occurred_at=hint.occurred_at,
            received_at=now(),
            correlation_id=correlation_id,
        )
        entry = events.hint_entry(found)
        once(f"hint {found.deal}#{found.event_id}", lambda entry=entry: events.publish([entry]))  # type: ignore[misc]
        taken += 1
    unnamed = [hint for hint in hints if hint.opportunity is None]
    if unnamed:
        from dealbridge.runs.polling import catch_up

        newest = max(unnamed, key=lambda hint: hint.occurred_at or now())
        once(f"catch-up {connection}#{newest.event_id}", lambda: catch_up(connection, newest.occurred_at))
        taken += len(unnamed)
    count("EventsAccepted", taken, connection=connection)
    return taken


def _read(connection: str, request: InboundRequest) -> list[InboundHint]:
    check_size(request)
    if connection not in wiring().reference().crm_connections():
        raise InboundEventError(404, f"connection: no CRM connection {connection!r}; see mappings/connections.yaml")
    return wiring().crm(connection).read_event(request)


def _connection_of(source: str) -> str:
    """The CRM connection whose events come from this partner source (`options.event_source`)."""
    reference = wiring().reference()
    for name in reference.crm_connections():
        if reference.connection(name).options.get("event_source") == source:
            return name
    return source
