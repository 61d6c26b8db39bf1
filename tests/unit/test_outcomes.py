"""The table from a vendor's signals to error classes: read top down, first match wins, HTTP's own rows last."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from dealbridge import errors
from dealbridge.domain.findings import Finding
from dealbridge.transport.outcomes import OutcomeTable, Row, Signal, retry_after

FINDING = Finding(field="Name", rule="vendor", message="too long", remedy="Shorten it.")


def _read(response: httpx.Response) -> Signal:
    body = response.json() if response.content else {}
    findings = (FINDING,) if body.get("field") else ()
    return Signal(tuple(body.get("codes", ())), body.get("message", ""), findings, body.get("wait"))


TABLE = OutcomeTable(
    rows=(
        Row(400, "DUPLICATE", errors.ConflictError),
        Row(None, "LOCKED", errors.TransientError, retry_after=3),
        Row(403, "LIMIT", errors.ThrottledError),
        Row(400, None, errors.RejectedError),
    ),
    read=_read,
)


def _error(status: int, headers: dict[str, str] | None = None, **body: object) -> errors.DealbridgeError:
    return TABLE.error("erp", httpx.Response(status, json=body or None, headers=headers))


@pytest.mark.parametrize(
    ("status", "codes", "expected"),
    [
        (400, ["DUPLICATE"], errors.ConflictError),
        (400, ["OTHER", "DUPLICATE"], errors.ConflictError),
        (400, ["OTHER"], errors.RejectedError),
        (400, [], errors.RejectedError),
        (500, ["LOCKED"], errors.TransientError),
        (403, ["LIMIT"], errors.ThrottledError),
        (403, [], errors.AccessError),
        (401, [], errors.AccessError),
        (404, [], errors.RecordMissingError),
        (409, [], errors.ConflictError),
        (412, [], errors.ConflictError),
        (423, [], errors.TransientError),
        (429, [], errors.ThrottledError),
        (418, [], errors.RejectedError),
        (502, [], errors.TransientError),
    ],
)
def test_first_matching_row_wins(status: int, codes: list[str], expected: type[errors.DealbridgeError]) -> None:
    assert type(_error(status, codes=codes)) is expected


@pytest.mark.parametrize(
    ("status", "unknown"),
    [(500, True), (503, True), (408, True), (429, False), (404, False), (400, False), (418, False)],
)
def test_a_write_answered_by_a_failing_server_may_have_happened(status: int, unknown: bool) -> None:
    assert _error(status).outcome_unknown is unknown


def test_an_error_says_who_what_and_how_long() -> None:
    error = _error(403, codes=["LIMIT"], message="slow down", wait=12.5)
    assert error.message == "erp: HTTP 403 LIMIT: slow down"
    assert (error.connection, error.code, error.status, error.retry_after) == ("erp", "LIMIT", 403, 12.5)
    assert _error(400, field="Name").findings == (FINDING,)
    assert _error(404).message == "erp: HTTP 404: Not Found"


def test_the_wait_is_the_vendors_then_the_headers_then_the_rows() -> None:
    assert _error(500, {"Retry-After": "9"}, codes=["LOCKED"], wait=1).retry_after == 1
    assert _error(500, {"Retry-After": "9"}, codes=["LOCKED"]).retry_after == 9
    assert _error(500, codes=["LOCKED"]).retry_after == 3
    assert _error(429).retry_after is None


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7), ("0.5", 0.5), ("-3", 0), ("", None), ("soon", None), ("inf", None), ("nan", None)],
)
def test_retry_after_in_seconds(header: str, seconds: float | None) -> None:
    assert retry_after(httpx.Response(429, headers={"Retry-After": header})) == seconds


def test_retry_after_as_a_date() -> None:
    later = datetime.now(UTC) + timedelta(seconds=60)
    for text in (format_datetime(later, usegmt=True), format_datetime(later).replace("+0000", "-0000")):
        seconds = retry_after(httpx.Response(429, headers={"Retry-After": text}))
        assert seconds is not None
        assert 55 < seconds <= 61
    past = format_datetime(datetime(2020, 1, 1, tzinfo=UTC), usegmt=True)
    assert retry_after(httpx.Response(429, headers={"Retry-After": past})) == 0
