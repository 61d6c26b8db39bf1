"""HubSpot's signals and what they mean (error handling guide H9, limits H5, admin rules H10).

| Signal | Means |
| --- | --- |
| 400 VALIDATION_ERROR and others | RejectedError; findings name the properties of `errors[]` |
| 400 MISSING_CONDITIONAL_REQUIRED_PROPERTY, MISSING_REQUIRED_PROPERTY | RejectedError: an admin's rule, never retried |
| 401, 403 MISSING_SCOPES | AccessError |
| 404 | RecordMissingError |
| 409 CONFLICT | ConflictError |
| 423 | ThrottledError, two seconds: too many writes to one kind of record in a short time |
| 429 TEN_SECONDLY_ROLLING, SECONDLY | ThrottledError, the window's length: Retry-After is not reliable there |
| 429 DAILY | ThrottledError until midnight in the account's time zone |
| 477 | ThrottledError for Retry-After, up to a day: the account is being moved |
| 500, 502, 503, 504, 524 | TransientError, outcome unknown (524: HubSpot's own limit of 100 seconds) |
| an entry of `errors` in a 207 | what its category would be as an answer of its own; TransientError for one unknown |
"""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx

from dealbridge import clock, errors
from dealbridge.domain.findings import Finding, Owner
from dealbridge.transport.client import dump_json
from dealbridge.transport.outcomes import OutcomeTable, Row, Signal, error_body, objects

LOCKED_SECONDS = 2.0
TEN_SECONDS = 10.0
DAILY_SECONDS = 3600.0
"""How long to wait for a new daily allowance where the account's time zone is not configured."""

ROWS = (
    Row(423, None, errors.ThrottledError, retry_after=LOCKED_SECONDS),
    Row(477, None, errors.ThrottledError, retry_after=DAILY_SECONDS),
    Row(524, None, errors.TransientError, outcome_unknown=True),
)

_STATUS_OF = {
    "VALIDATION_ERROR": 400,
    "INVALID_AUTHENTICATION": 401,
    "MISSING_SCOPES": 403,
    "OBJECT_NOT_FOUND": 404,
    "CONFLICT": 409,
    "RATE_LIMITS": 429,
}
"""An entry of a multi-status answer has a category and no status of its own."""

_LISTED = "Property values were not valid: "
"""What a message begins with that repeats its findings as JSON, where `errors` may be missing."""

_REMEDIES = {
    "MISSING_CONDITIONAL_REQUIRED_PROPERTY": "Fill in the property, or have a HubSpot admin relax the rule.",
    "MISSING_REQUIRED_PROPERTY": "Fill in the property, or have a HubSpot admin relax the record creation form.",
    "PROPERTY_DOESNT_EXIST": "Create the property in HubSpot, or correct status_fields in mappings/fields.",
    "READ_ONLY_VALUE": "Name a property that integrations may write in status_fields in mappings/fields.",
    "INVALID_OPTION": "Add the option to the property in HubSpot, or make it a text property.",
}


def outcomes(time_zone: str | None) -> OutcomeTable:
    """The table for an account in this time zone."""

    def read(response: httpx.Response) -> Signal:
        told = error_body(response)
        body = told if isinstance(told, dict) else {}
        found = objects(body.get("errors")) or _listed(body.get("message"))
        said = [body.get("policyName"), *(each.get("code") for each in found), body.get("subCategory")]
        said += [body.get("category"), body.get("errorType")]
        findings = tuple(_finding(each) for each in found if _property(each))
        message = "; ".join(finding.message for finding in findings) or str(body.get("message") or "")
        return Signal(
            codes=tuple(str(code) for code in said if code),
            message=message[:500],
            findings=findings if response.status_code == 400 else (),
            retry_after=_pause(response, body.get("policyName"), time_zone),
        )

    return OutcomeTable(ROWS, read)


def error_of_entry(table: OutcomeTable, connection: str, entry: Any) -> errors.DealbridgeError:
    """The error that one entry of `errors` in a multi-status answer stands for."""
    entry = entry if isinstance(entry, dict) else {"message": str(entry)}
    status = _STATUS_OF.get(str(entry.get("category")), 500)
    return table.error(connection, httpx.Response(status, content=dump_json(entry)))


def _listed(message: Any) -> list[dict[str, Any]]:
    """The findings in a message that lists them, in the form of `errors`."""
    if not isinstance(message, str) or not message.startswith(_LISTED):
        return []
    try:
        found = json.loads(message.removeprefix(_LISTED))
    except ValueError:
        return []
    return [
        {"message": each.get("message"), "code": each.get("error"), "context": {"propertyName": [each["name"]]}}
        for each in objects(found)
        if each.get("name")
    ]


def _property(error: dict[str, Any]) -> str:
    context = error.get("context")
    names = context.get("propertyName") if isinstance(context, dict) else None
    return str(names[0] if isinstance(names, list) else names) if names else ""


def _finding(error: dict[str, Any]) -> Finding:
    code = str(error.get("code") or "VALIDATION_ERROR")
    return Finding(
        field=_property(error),
        rule=code,
        message=str(error.get("message") or code),
        remedy=_REMEDIES.get(code, "Correct the property's value or definition in HubSpot."),
        owner=Owner.OPERATIONS,
    )


def _pause(response: httpx.Response, policy: Any, time_zone: str | None) -> float | None:
    if response.status_code != 429:
        return None
    if policy == "DAILY":
        return _until_midnight(time_zone) if time_zone else DAILY_SECONDS
    if policy == "SECONDLY":
        return 1.0
    interval = response.headers.get("x-hubspot-ratelimit-interval-milliseconds", "")
    return int(interval) / 1000 if interval.isdigit() else TEN_SECONDS


def _until_midnight(time_zone: str) -> float:
    now = clock.now().astimezone(ZoneInfo(time_zone))
    midnight = datetime.combine(now.date() + timedelta(days=1), datetime.min.time(), now.tzinfo)
    return (midnight.astimezone(UTC) - now.astimezone(UTC)).total_seconds()
