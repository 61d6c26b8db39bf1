"""From Kantata's signals to our errors. A body is `{"errors": [{"type", "message", "field"?}]}` ("Errors").

There are no error codes: what a refusal means is told by its status, and for a duplicate by its text.
"""

from typing import Any

import httpx

from dealbridge import errors
from dealbridge.domain.findings import Finding, Owner
from dealbridge.transport.outcomes import OutcomeTable, Row, Signal, error_body, objects

DUPLICATE = "duplicate"
# The text of a value that a unique custom field holds already, as a live integration meets it
# (ryane2l/sf-kantata-integration, createKantataProject.ts).
_DUPLICATE_TEXT = "has already been entered"

# The fields as our people know them.
_FIELDS = {
    "title": "name",
    "client_role_name": "customer_name",
    "price": "budget",
    "start_date": "start",
    "due_date": "end",
    "end_date": "end",
    "primary_maven_id": "manager_email",
    "resource_role_id": "role",
    "role_id": "role",
    "minutes": "hours",
    "resource_workspace_id": "project_key",
}


def outcomes(throttle_seconds: float) -> OutcomeTable:
    """The table. A 429 does not say how long to wait ("simply retry your request after a small delay")."""
    return OutcomeTable(
        rows=(
            Row(None, DUPLICATE, errors.ConflictError),
            Row(429, None, errors.ThrottledError, retry_after=throttle_seconds),
        ),
        read=read_signal,
    )


def read_signal(response: httpx.Response) -> Signal:
    """Types, messages and fields of an error body; empty for a body of another shape (a proxy's page, a 429's text)."""
    body = error_body(response)
    told = objects(body.get("errors")) if isinstance(body, dict) else []
    messages = [str(each.get("message") or "") for each in told]
    codes = [DUPLICATE] if any(_DUPLICATE_TEXT in message for message in messages) else []
    codes += [str(each["type"]) for each in told if each.get("type")]
    findings = tuple(_finding(each) for each in told if each.get("type") == "validation")
    return Signal(tuple(dict.fromkeys(codes)), "; ".join(messages), findings)


def _finding(told: dict[str, Any]) -> Finding:
    field = str(told.get("field") or "")
    return Finding(
        field=_FIELDS.get(field, field),
        rule="kantata_validation",
        message=f"Kantata refuses {field or 'the record'}: {told.get('message') or 'no reason given'}.",
        remedy="Correct the field in the CRM, or the set-up in Kantata or in mappings/codes.",
        owner=Owner.OPERATIONS,
    )
