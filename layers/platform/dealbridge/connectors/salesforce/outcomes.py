"""From Salesforce's signals to our errors. A body is `[{"message", "errorCode", "fields"?}]`, whatever the status."""

from typing import Any

import httpx

from dealbridge import errors
from dealbridge.domain.findings import Finding, Owner
from dealbridge.transport.outcomes import OutcomeTable, Row, Signal, error_body, objects

# REQUEST_LIMIT_EXCEEDED comes without a Retry-After (REST API guide, "API Usage"). The daily allowance is a rolling
# one and frees itself bit by bit; the limit of concurrent long requests is over within seconds.
_DAILY_LIMIT_SECONDS = 900.0
_CONCURRENT_LIMIT_SECONDS = 20.0

_REMEDIES = {
    "FIELD_CUSTOM_VALIDATION_EXCEPTION": "Meet the validation rule of the org, or exempt the integration user from it.",
    "REQUIRED_FIELD_MISSING": "Fill in the field, or make it optional for the integration user.",
    "STRING_TOO_LONG": "Lengthen the field in Salesforce.",
    "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST": "Add the value to the picklist, or map another one.",
    "DUPLICATE_VALUE": "Merge the two records, or correct the external id.",
    "DUPLICATES_DETECTED": "Merge the duplicates, or exempt the integration user from the duplicate rule.",
    "ENTITY_IS_LOCKED": "Finish the approval that locks the record.",
}


def _rows(error: type[errors.DealbridgeError], *codes: str, outcome_unknown: bool = False) -> list[Row]:
    return [Row(None, code, error, outcome_unknown=outcome_unknown) for code in codes]


def read_signal(response: httpx.Response) -> Signal:
    """Codes, message and named fields of an error body; empty for a body of another shape (a proxy's page)."""
    body = error_body(response)
    told = objects(body if isinstance(body, list) else [body])
    codes = tuple(str(each[name]) for each in told for name in ("errorCode", "error", "statusCode") if name in each)
    message = "; ".join(str(each.get("message") or each.get("error_description") or "") for each in told)
    wait = None
    if "REQUEST_LIMIT_EXCEEDED" in codes:
        wait = _CONCURRENT_LIMIT_SECONDS if "Concurrent" in message else _DAILY_LIMIT_SECONDS
    return Signal(codes, message, tuple(_finding(each, field) for each in told for field in _fields(each)), wait)


OUTCOMES = OutcomeTable(
    rows=(
        *_rows(errors.ThrottledError, "REQUEST_LIMIT_EXCEEDED"),
        *_rows(errors.TransientError, "UNABLE_TO_LOCK_ROW", "QUERY_TIMEOUT", "SERVER_UNAVAILABLE"),
        *_rows(errors.TransientError, "UNKNOWN_EXCEPTION", outcome_unknown=True),
        *_rows(
            errors.AccessError,
            "INVALID_SESSION_ID",
            "API_DISABLED_FOR_ORG",
            "API_CURRENTLY_DISABLED",
            "INSUFFICIENT_ACCESS",
            "INSUFFICIENT_ACCESS_OR_READONLY",
            "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY",
            # The integration user lacks field-level security on a field that it writes.
            "INVALID_FIELD_FOR_INSERT_UPDATE",
        ),
        *_rows(errors.ConfigurationError, "INVALID_FIELD", "INVALID_TYPE", "MALFORMED_QUERY"),
        *_rows(
            errors.RecordMissingError,
            "NOT_FOUND",
            "ENTITY_IS_DELETED",
            "INVALID_CROSS_REFERENCE_KEY",
            "MALFORMED_ID",
            "INVALID_QUERY_FILTER_OPERATOR",
        ),
        *_rows(errors.RejectedError, *_REMEDIES),
        Row(410, None, errors.ConfigurationError),  # a retired API version
    ),
    read=read_signal,
)


def _fields(told: dict[str, Any]) -> list[str]:
    """The fields that an error names; the record as a whole where a rule of the org names none."""
    fields = told.get("fields")
    if isinstance(fields, list) and fields:
        return [str(field) for field in fields]
    return ["Opportunity"] if told.get("errorCode") in _REMEDIES else []


def _finding(told: dict[str, Any], field: str) -> Finding:
    code = str(told.get("errorCode", ""))
    return Finding(
        field=field,
        rule=code,
        message=str(told.get("message", "")),
        remedy=_REMEDIES.get(code, "Correct the field in Salesforce."),
        owner=Owner.OPERATIONS,
    )
