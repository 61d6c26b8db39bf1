"""Our objects to Kantata's and back, without a call."""

import subprocess
import sys
from datetime import date
from decimal import Decimal

import httpx
import pytest

from dealbridge.connectors.kantata import mapping
from dealbridge.connectors.kantata.outcomes import DUPLICATE, outcomes, read_signal
from dealbridge.connectors.kantata.records import WorkspaceAllocation, keyed, results
from dealbridge.connectors.kantata.settings import Defaults
from dealbridge.domain.engagement import StaffingRequest
from dealbridge.domain.plan import FieldChange
from dealbridge.errors import AccessError, ConflictError, RecordMissingError, RejectedError, ThrottledError

DEFAULTS = Defaults(approvers=("11",))


def a_request(hours: str | None, start: date = date(2026, 1, 5), end: date = date(2026, 1, 18)) -> StaffingRequest:
    return StaffingRequest(
        key="STAF-1",
        project_key="PSA-1",
        title="Consultant: Implementation",
        role="Consultant",
        service_line="IMPL",
        hours=None if hours is None else Decimal(hours),
        start=start,
        end=end,
    )


@pytest.mark.parametrize(
    ("start", "end", "days"),
    [
        (date(2026, 1, 5), date(2026, 1, 5), 1),
        (date(2026, 1, 5), date(2026, 1, 11), 5),
        (date(2026, 1, 3), date(2026, 1, 4), 0),
        (date(2026, 1, 2), date(2026, 1, 12), 7),
        (date(2026, 1, 1), date(2026, 12, 31), 261),
    ],
)
def test_working_days_are_monday_to_friday(start: date, end: date, days: int) -> None:
    assert mapping.working_days(start, end) == days


@pytest.mark.parametrize(
    ("hours", "minutes"), [("1", 60), ("0.25", 15), ("0.01", 1), ("0.008", 0), ("1000.5", 60030), (None, 4800)]
)
def test_hours_become_whole_minutes(hours: str | None, minutes: int) -> None:
    assert mapping.minutes_of(a_request(hours), DEFAULTS) == minutes


def test_a_split_allocation_covers_what_is_asked_for_when_its_parts_add_up() -> None:
    def part(start: str, end: str, minutes: int) -> WorkspaceAllocation:
        fields = {"id": "1", "start_date": start, "end_date": end, "minutes": minutes}
        return WorkspaceAllocation.model_validate(fields)

    halves = [part("2026-01-05", "2026-01-11", 600), part("2026-01-12", "2026-01-18", 600)]
    assert mapping.covers(halves, a_request("20"), DEFAULTS)
    assert not mapping.covers(halves, a_request("21"), DEFAULTS)
    assert not mapping.covers(halves[:1], a_request("10"), DEFAULTS)


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        ((), {mapping.ROLE, mapping.ALLOCATION}),
        (("role", "codes.role"), {mapping.ROLE}),
        (("start", "title"), {mapping.ALLOCATION}),
        (("service_line",), set()),
        (("codes.defaults.approvers",), set()),
        (("codes.defaults.hours_per_day",), {mapping.ALLOCATION}),
    ],
)
def test_changes_touch_only_the_records_they_concern(paths: tuple[str, ...], expected: set[str]) -> None:
    assert mapping.aspects([FieldChange(path=path) for path in paths]) == expected


def test_results_leave_out_what_was_included_beside_them() -> None:
    body = {
        "results": [{"key": "users", "id": "2"}],
        "users": {"1": {"id": "1"}, "2": {"id": "2"}},
    }
    assert [each["id"] for each in results(body)] == ["2"]


def test_only_records_with_exactly_our_key_count() -> None:
    body = {
        "results": [{"key": "workspaces", "id": id_} for id_ in ("1", "2", "3")],
        "workspaces": {
            "1": {"id": "1", "custom_field_value_ids": ["11"]},
            "2": {"id": "2", "custom_field_value_ids": ["12"]},
            "3": {"id": "3"},
        },
        "custom_field_values": {"11": {"value": "PSA-1-DE"}, "12": {"value": "PSA-1"}},
    }
    assert [each["id"] for each in keyed(body, "PSA-1")] == ["2"]


def answer(status: int, *errors: dict[str, str]) -> httpx.Response:
    return httpx.Response(status, json={"errors": list(errors)})


@pytest.mark.parametrize(
    ("response", "error"),
    [
        (answer(422, {"type": "validation", "message": "CRM Key has already been entered"}), ConflictError),
        (answer(422, {"type": "validation", "message": "Title can't be blank", "field": "title"}), RejectedError),
        (answer(400, {"type": "system", "message": "param is missing"}), RejectedError),
        (answer(401, {"type": "oauth", "message": "Invalid OAuth 2 Request"}), AccessError),
        (answer(403, {"type": "system", "message": "no"}), AccessError),
        (answer(404, {"type": "system", "message": "Page Not Found"}), RecordMissingError),
        (httpx.Response(429, text="Retry later\n"), ThrottledError),
    ],
)
def test_signals_become_errors(response: httpx.Response, error: type[Exception]) -> None:
    raised = outcomes(5).error("kantata", response)
    assert type(raised) is error
    assert raised.retry_after == (5 if error is ThrottledError else None)


@pytest.mark.parametrize("content", [b"", b"<html>", b"[]", b'{"errors": "none"}', b'{"errors": ["text"]}'])
def test_a_body_of_another_shape_is_no_signal(content: bytes) -> None:
    signal = read_signal(httpx.Response(500, content=content))
    assert (signal.codes, signal.findings) == ((), ())


def test_a_refused_field_is_told_in_our_words() -> None:
    told = {"type": "validation", "message": "Due date must be after the start date", "field": "due_date"}
    (finding,) = read_signal(answer(422, told)).findings
    assert finding.field == "end"
    assert "Due date must be after the start date" in finding.message
    assert DUPLICATE not in read_signal(answer(422, told)).codes


def test_the_package_costs_no_http_client_to_import() -> None:
    code = (
        "import sys, dealbridge.connectors.kantata; print([n for n in ('httpx', 'jwt', 'boto3') if n in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
