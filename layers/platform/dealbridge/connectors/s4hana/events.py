"""Events of Event Mesh on their way in (vendor notes, A4)."""

from datetime import datetime
from hmac import compare_digest
from json import loads
from typing import Any

from dealbridge.ports import InboundEventError, InboundRequest, RecordHint

_MOST_BYTES = 64 * 1024


def read_event(request: InboundRequest, authorization: str | None) -> list[RecordHint]:
    """A CloudEvent names a record, and no more. A greeting (OPTIONS) names none. Raises InboundEventError.

    `authorization` is the header's value that was agreed with Event Mesh; without one no event is taken.
    """
    given = request.headers.get("authorization", "")
    if authorization is None or not compare_digest(given.encode(), authorization.encode()):
        raise InboundEventError(401, "Authorization: not the one agreed with Event Mesh")
    if request.method == "OPTIONS":
        return []
    if len(request.body) > _MOST_BYTES:
        raise InboundEventError(413, f"body: more than {_MOST_BYTES} bytes")
    try:
        return [_hint(loads(request.body))]
    except (ValueError, KeyError, TypeError, AttributeError, StopIteration):
        raise InboundEventError(400, "body: no CloudEvent in structured JSON with type, source, id, data") from None


def _hint(event: Any) -> RecordHint:
    """`source` and `id` together are unique (CloudEvents 1.0); `data` holds the key fields, the record's own first."""
    key = next(iter(event["data"].values()))
    at = event.get("time")
    return RecordHint(
        type=str(event["type"]),
        id=str(key),
        event_id=f"{event['source']}#{event['id']}",
        occurred_at=datetime.fromisoformat(at) if at else None,
    )
