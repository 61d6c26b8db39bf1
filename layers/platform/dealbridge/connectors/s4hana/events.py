"""Events of Event Mesh on their way in (vendor notes, A4): CloudEvents 1.0 over HTTP, in any of its three modes."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from hmac import compare_digest
from json import loads
from typing import Any
from urllib.parse import unquote

from dealbridge.ports import InboundEventError, InboundRequest, RecordHint

_STRUCTURED = "application/cloudevents"
_TYPE = re.compile(r"(?:.*\.)?(?P<object>\w+)\.(?P<event>\w+)\.v\d+")
"""`sap.s4.beh.businesspartner.v1.BusinessPartner.Changed.v1`"""
_OF_ELEMENT = "EntProjElmnt"
"""Events of a project that speak of one of its elements begin so."""


def read_event(request: InboundRequest, authorization: str | None) -> list[RecordHint]:
    """A CloudEvent names a record, and no more. Raises InboundEventError.

    `authorization` is the header's value that was agreed with Event Mesh; without one no event is taken.
    """
    given = request.headers.get("authorization", "")
    if authorization is None or not compare_digest(given.encode(), authorization.encode()):
        raise InboundEventError(401, "Authorization: not the one agreed with Event Mesh")
    try:
        content = loads(request.body)
        if _is_binary(request.headers):
            return [_hint({**_attributes(request.headers), "data": content})]
        # A batch is a list of events (CloudEvents, JSON Event Format, section 4).
        return [_hint(each) for each in (content if isinstance(content, list) and content else [content])]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InboundEventError(400, "no CloudEvent in JSON with type, source, id and data that names a key") from None


def _is_binary(headers: Mapping[str, str]) -> bool:
    """The media type tells the modes apart (CloudEvents, HTTP Protocol Binding, section 3)."""
    return "ce-id" in headers and not headers.get("content-type", "").lower().startswith(_STRUCTURED)


def _attributes(headers: Mapping[str, str]) -> dict[str, str]:
    """Of binary mode: headers, percent-encoded (section 3.1.3.2)."""
    return {name.removeprefix("ce-"): unquote(value) for name, value in headers.items() if name.startswith("ce-")}


def _hint(event: Mapping[str, Any]) -> RecordHint:
    """`source` and `id` together are unique (CloudEvents 1.0); `data` holds the key fields, the record's own first."""
    kind, source, number = (_said(event[name]) for name in ("type", "source", "id"))
    key = _said(next(iter(event["data"].values()), ""))
    at = event.get("time")
    moment = datetime.fromisoformat(at) if at else None
    return RecordHint(
        type=_set_of(kind),
        id=key,
        event=kind,
        event_id=f"{source}#{number}",
        occurred_at=moment.replace(tzinfo=moment.tzinfo or UTC) if moment else None,
    )


def _said(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError(value)
    return value


def _set_of(kind: str) -> str:
    """The entity set that the key belongs to, as in the ledger's links; the type itself where it is of another form."""
    found = _TYPE.fullmatch(kind)
    if not found:
        return kind
    return "A_EnterpriseProjectElement" if found["event"].startswith(_OF_ELEMENT) else f"A_{found['object']}"
