"""Time, expenses and invoices, and the events that all writes leave."""

from collections.abc import Callable
from datetime import timedelta

import httpx

from dealbridge_local.simulators.kantata import APPROVER, CONSULTANTS
from dealbridge_local.simulators.transport import SimulatorTransport
from tests.contract.suites.vendor import Clock

from .conftest import NOW, Api

# Time, expenses, invoices


def test_time_is_approved_on_its_timesheet(api: Api, clock: Clock) -> None:
    project, people = api.project(), api.simulator.people
    entry = people.log_time(project, CONSULTANTS[0], "2026-01-05", 480, rate_in_cents=15000)
    people.log_time(project, CONSULTANTS[1], "2026-01-05", 60)
    assert api.ids("/time_entries", approved="false") == [], "the value of `approved` is ignored"
    clock.advance(hours=1)
    sheet = people.approve_time([entry])
    answer = api.get("/time_entries", approved="true", include="user,workspace,role,active_submission")
    assert [each["id"] for each in answer["results"]] == [entry]
    shown = answer["time_entries"][entry]
    assert (shown["user_id"], shown["workspace_id"], shown["role_id"]) == ("12", project, "3")
    assert (shown["approved"], shown["time_in_minutes"], shown["active_submission_id"]) == (True, 480, sheet)
    assert api.ids("/time_entries", updated_after=(NOW + timedelta(minutes=1)).isoformat()) == [entry]
    assert answer["timesheet_submissions"][sheet]["line_item_total_in_cents"] == 8 * 15000
    late = {"time_entry": {"time_in_minutes": 1}}
    assert api.errors(api.http.put(f"/time_entries/{entry}", json=late), 422)[0]["field"] == "base"


def test_a_project_without_approvals_has_only_approved_time(api: Api) -> None:
    project = api.project(require_time_approvals=False)
    entry = api.simulator.people.log_time(project, CONSULTANTS[0], "2026-01-05", 30)
    assert api.ids("/time_entries", approved="true") == [entry]


def test_time_in_archived_projects_is_hidden_unless_asked_for(api: Api) -> None:
    project = api.project()
    entry = api.simulator.people.log_time(project, CONSULTANTS[0], "2026-01-05", 30)
    api.simulator.people.archive_project(project)
    assert api.ids("/time_entries") == []
    assert api.ids("/time_entries", from_archived_workspaces="true") == [entry]


def test_a_rejected_timesheet_frees_its_time(api: Api) -> None:
    project = api.project()
    entry = api.simulator.people.log_time(project, CONSULTANTS[0], "2026-01-05", 30)
    sheet = {"title": "Week 2", "workspace_id": project, "line_item_ids": [int(entry)]}
    first = api.made("timesheet_submissions", "timesheet_submission", **sheet)
    assert api.errors(api.http.post("/timesheet_submissions", json={"timesheet_submission": sheet}), 422)
    assert api.http.put(f"/timesheet_submissions/{first}/reject", json={}).is_success
    assert api.made("timesheet_submissions", "timesheet_submission", **sheet)
    assert api.ids("/timesheet_submissions", statuses="rejected") == [first]


def test_only_time_approvers_approve(api: Api) -> None:
    project = api.project(approver_ids=[11])
    entry = api.simulator.people.log_time(project, CONSULTANTS[0], "2026-01-05", 30)
    sheet = {"title": "Week 2", "workspace_id": project, "line_item_ids": [int(entry)]}
    id_ = api.made("timesheet_submissions", "timesheet_submission", **sheet)
    for user, status in ((CONSULTANTS[1], 403), (APPROVER, 200)):
        token = api.simulator.oauth.grant(user)
        headers = {"Authorization": f"Bearer {token}"}
        assert api.http.put(f"/timesheet_submissions/{id_}/approve", json={}, headers=headers).status_code == status


def test_expenses_are_in_subunits_and_approved_on_a_report(api: Api) -> None:
    project, people = api.project(currency="EUR"), api.simulator.people
    expense = people.log_expense(project, CONSULTANTS[0], "2026-01-06", 12345, notes="Train")
    assert api.ids("/expenses", approved="true") == []
    report = people.approve_expenses([expense])
    shown = api.get("/expenses", approved="true", include="user,active_submission")["expenses"][expense]
    assert (shown["amount_in_cents"], shown["currency"], shown["category"]) == (12345, "EUR", "Travel")
    assert (shown["user_id"], shown["active_submission_id"]) == ("12", report)
    bare = {"workspace_id": project, "date": "2026-01-06", "category": "Travel", "amount_in_cents": 1}
    errors = api.errors(api.http.post("/expenses", json={"expense": bare}), 422)
    assert [error["field"] for error in errors] == ["expense_category_id"]


def test_an_invoice_takes_approved_items_once(api: Api) -> None:
    project, people = api.project(), api.simulator.people
    entry = people.log_time(project, CONSULTANTS[0], "2026-01-05", 90, rate_in_cents=10000)
    milestone = api.made(
        "billing_milestones", "billing_milestone", title="M", amount_in_cents=500, workspace_id=project
    )
    items = {"time_entry_ids": [entry], "expense_ids": [], "billing_milestone_ids": [milestone]}
    body = {"invoice": {"workspace_id": project, "payment_schedule": 30, **items}}
    assert "not been approved" in api.errors(api.http.post("/invoices", json=body), 422)[0]["message"]
    people.approve_time([entry])
    (invoice,) = api.http.post("/invoices", json=body).json()["invoices"].values()
    assert (invoice["balance_in_cents"], invoice["status"], invoice["title"]) == (15500, "new", "Invoice #1")
    assert api.ids("/time_entries", invoiced="true") == [entry]
    errors = api.errors(api.http.post("/invoices", json=body), 422)
    assert {error["field"] for error in errors} == {"time_entry_ids", "billing_milestone_ids"}
    assert all("already been invoiced" in error["message"] for error in errors)
    change = {"billing_milestone": {"amount_in_cents": 1}}
    assert api.errors(api.http.put(f"/billing_milestones/{milestone}", json=change), 422)


# Events


def test_writes_leave_events_that_include_their_subject(api: Api, clock: Clock) -> None:
    project = api.project()
    clock.advance(minutes=1)
    assert api.http.put(f"/workspaces/{project}", json={"workspace": {"title": "Renamed"}}).is_success
    answer = api.get(
        "/subscribed_events",
        created_after=NOW.isoformat(),
        event_types="workspace:updated,invoice:updated",
        include="subject",
        optional_fields="payload_changes",
    )
    (event,) = answer["subscribed_events"].values()
    assert (event["event_type"], event["subject_type"], event["subject_id"]) == (
        "workspace:updated",
        "Workspace",
        project,
    )
    assert event["subject_ref"] == {"key": "workspaces", "id": project}
    assert event["payload_changes"]["title"] == ["Acme rollout", "Renamed"]
    assert answer["workspaces"][project]["title"] == "Renamed"


def test_resource_requests_have_no_events(api: Api) -> None:
    api.simulator.people.approve_request(api.staffing_request(api.project()), CONSULTANTS[0])
    kinds = {event["event_type"] for event in api.get("/subscribed_events", per_page=200)["subscribed_events"].values()}
    assert "workspace_resource:updated" in kinds
    assert not any(kind.startswith("resource_request") for kind in kinds)


def test_events_are_kept_for_nine_days(api: Api, clock: Clock) -> None:
    api.project()
    clock.advance(days=9)
    assert api.ids("/subscribed_events")
    clock.advance(seconds=1)
    assert api.ids("/subscribed_events") == []


def test_events_are_for_administrators_of_accounts_with_the_add_on(api: Api, account: Callable[..., Api]) -> None:
    assert api.errors(account(events_add_on=False).http.get("/subscribed_events"), 403)
    token = api.simulator.oauth.grant(CONSULTANTS[0])
    assert api.errors(api.http.get("/subscribed_events", headers={"Authorization": f"Bearer {token}"}), 403)


def test_events_can_come_late_out_of_order_and_twice(account: Callable[..., Api], clock: Clock) -> None:
    api = account(event_lags_s=(30, 30, 0, 0, 0, 0, 0, 0), duplicate_events=True)
    first, second = api.project("First"), api.project("Second")
    created = {"event_types": "workspace:created", "order": "created_at:asc"}
    assert {
        event["subject_id"] for event in api.get("/subscribed_events", **created)["subscribed_events"].values()
    } == {second}
    clock.advance(seconds=30)
    events = api.get("/subscribed_events", **created)
    assert [events["subscribed_events"][each["id"]]["subject_id"] for each in events["results"]] == [
        second,
        second,
        first,
        first,
    ]
    assert len(api.ids("/subscribed_events", most_recent="true", subject_type="Workspace")) == 2


def test_an_event_can_be_emitted_by_hand(api: Api, clock: Clock) -> None:
    project = api.project()
    root = httpx.Client(
        base_url=api.simulator.base_url, transport=SimulatorTransport({api.simulator.base_url: api.simulator})
    )
    made = root.post("/__sim/events", json={"type": "workspace:updated", "id": project, "duplicate": True})
    assert made.status_code == 201
    assert set(api.ids("/subscribed_events", event_types="workspace:updated")) == set(made.json()["ids"])
    for wrong in ({"type": "resource_request:created", "id": "1"}, {"type": "workspace:updated", "id": "1"}):
        assert root.post("/__sim/events", json=wrong).status_code == 400
