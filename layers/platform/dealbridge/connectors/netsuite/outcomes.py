"""From SuiteTalk's `o:errorDetails` to our errors (section_156570709583)."""

import httpx

from dealbridge import errors
from dealbridge.domain.findings import Finding, Owner
from dealbridge.transport.outcomes import OutcomeTable, Row, Signal, error_body, objects

_WAIT_SECONDS = 2.0
"""No Retry-After is documented; two seconds between attempts was reliable in practice (netsuite-php, PR 133)."""

_RECORDS = "/record/v1/"


def read(response: httpx.Response) -> Signal:
    """Codes, message and the fields named in a refusal. A body of another shape gives an empty signal."""
    body = error_body(response)
    known = objects(body.get("o:errorDetails")) if isinstance(body, dict) else []
    return Signal(
        codes=tuple(str(each["o:errorCode"]) for each in known if each.get("o:errorCode")),
        message=" ".join(str(each["detail"]) for each in known if each.get("detail")),
        findings=tuple(_finding(each, _type_of(response)) for each in known if response.status_code == 400),
    )


def _type_of(response: httpx.Response) -> str:
    return response.request.url.path.partition(_RECORDS)[2].split("/")[0]


def _finding(detail: dict[str, object], record_type: str) -> Finding:
    """`USER_ERROR` also carries the messages of a customer's own scripts and workflows."""
    path = str(detail.get("o:errorPath") or "")
    return Finding(
        field=".".join(filter(None, (record_type, path))),
        rule=str(detail.get("o:errorCode") or "refused"),
        message=str(detail.get("detail") or "NetSuite refuses the record."),
        remedy="Correct the value in the CRM, the code in mappings/codes, or the set-up in NetSuite; then try again.",
        owner=Owner.FINANCE,
    )


OUTCOMES = OutcomeTable(
    rows=(
        Row(None, "CONCURRENCY_LIMIT_EXCEEDED", errors.ThrottledError, retry_after=_WAIT_SECONDS),
        Row(429, None, errors.ThrottledError, retry_after=_WAIT_SECONDS),
        # A workflow or script was saving the same record; which status REST gives this is UNVERIFIED, so none is asked.
        Row(None, "RCRD_HAS_BEEN_CHANGED", errors.TransientError),
        Row(None, "DUPLICATE_KEYS", errors.ConflictError),
        Row(None, "INVALID_LOGIN", errors.AccessError),
        Row(None, "INSUFFICIENT_PERMISSION", errors.AccessError),
        Row(None, "NONEXISTENT_ID", errors.RecordMissingError),
    ),
    read=read,
)
