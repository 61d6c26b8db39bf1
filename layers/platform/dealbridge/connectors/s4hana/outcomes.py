"""From SAP's OData V2 errors to ours (vendor notes, A5).

Neither the codes of duplicates nor those of locks are documented, so nothing is told apart by them but by what the
message says; what stands already is looked for (system.py).
"""

import re
from typing import Any

import httpx

from dealbridge import errors
from dealbridge.domain.findings import Finding, Owner
from dealbridge.transport.outcomes import OutcomeTable, Row, Signal, error_body, objects

LOCKED = "locked"
"""Our own code: another user edits the object. SAP answers 400 all the same, and it passes."""

_LOCKED = re.compile(
    r"\b(?:is|currently|being)\b.*\b(?:locked|processed|edited)\b.*\bby\b.*\buser\b"
    r"|\blocked by \w*\d{4,}\b"
    r"|\buser\b.*\bis (?:currently|already) (?:processing|editing)\b",
    re.IGNORECASE,
)
"""Somebody's name stands in it: a period that finance has locked does not open by waiting."""
_SAYS_NOTHING = "/IWBEP/CX_MGW_BUSI_EXCEPTION"
_WAIT_SECONDS = 5.0
"""How long people and jobs hold an object is not documented."""


def read(response: httpx.Response) -> Signal:
    """Codes, message and findings. A page of HTML, text, or another shape gives an empty signal."""
    try:
        error = error_body(response)["error"]
        lead = _text_of(error["message"])
    except (KeyError, TypeError):
        return Signal()
    details = [each for each in _details(error) if each.get("code") != _SAYS_NOTHING] or [
        {"code": error.get("code"), "message": lead}
    ]
    messages = list(dict.fromkeys(str(each.get("message") or "") for each in details)) or [lead]
    codes = [str(each["code"]) for each in [error, *details] if each.get("code")]
    if response.status_code == 400 and any(_LOCKED.search(message) for message in messages):
        codes.insert(0, LOCKED)
    return Signal(
        codes=tuple(dict.fromkeys(codes)),
        message=" ".join(messages),
        findings=tuple(_finding(each) for each in details) if response.status_code == 400 else (),
    )


def _text_of(message: Any) -> str:
    """An object in V2, a string in V4 (A5)."""
    return str((message["value"] if isinstance(message, dict) else message) or "")


def _details(error: dict[str, Any]) -> list[dict[str, Any]]:
    inner = error.get("innererror")
    details = inner.get("errordetails") if isinstance(inner, dict) else None
    return [each for each in objects(details) if each.get("severity", "error") == "error"]


def _finding(detail: dict[str, Any]) -> Finding:
    return Finding(
        field=str(detail.get("propertyref") or detail.get("target") or "record"),
        rule=str(detail.get("code") or "refused"),
        message=str(detail.get("message") or "SAP refuses the record."),
        remedy="Correct the value in the CRM, the code in mappings/codes, or the customizing in SAP; then try again.",
        owner=Owner.FINANCE,
    )


OUTCOMES = OutcomeTable(
    rows=(
        Row(400, LOCKED, errors.TransientError, retry_after=_WAIT_SECONDS),
        # A repeatable request whose answer is no longer kept: it was carried out (A3).
        Row(None, "/IWBEP/CM_COS/005", errors.ConflictError),
    ),
    read=read,
)
