"""What people do in Kantata while a test runs: staff a request, log time and expenses, approve them.

All of it goes through the vendor's own API, as the person who does it.
"""

from collections.abc import Callable, Sequence
from typing import Any

type Act = Callable[[str, str, str, dict[str, Any]], dict[str, Any]]
"""(user id, method, path below /api/v1, body) → the answer; raises where it is refused."""

ADMINISTRATOR, APPROVER = "10", "11"
CONSULTANTS = ("12", "13", "14")
MANAGERS = ("21", "22", "23")

ACTIONS = (
    "approve_request",
    "reject_request",
    "log_time",
    "approve_time",
    "log_expense",
    "approve_expenses",
    "archive_project",
)
"""What `POST /__sim/actions/{action}` can ask for."""


class People:
    """The account's people; records are named by their ids, amounts are in subunits of the project's currency."""

    def __init__(self, act: Act) -> None:
        self._act = act

    def approve_request(self, request_id: str, user_id: str | None = None, *, by: str = APPROVER) -> None:
        """The approver says yes; with `user_id` the unnamed resource becomes that person."""
        staffed = {"user_id": user_id} if user_id else {}
        self._resolve(request_id, by, {"request_resolution_status": "approve", **staffed})

    def reject_request(self, request_id: str, *, by: str = APPROVER) -> None:
        self._resolve(request_id, by, {"request_resolution_status": "reject"})

    def log_time(self, workspace_id: str, user_id: str, date_performed: str, minutes: int, **more: Any) -> str:
        """A consultant's time entry; its id."""
        entry = {"workspace_id": workspace_id, "date_performed": date_performed, "time_in_minutes": minutes, **more}
        return self._made(user_id, "time_entries", "time_entry", entry)

    def approve_time(self, entry_ids: Sequence[str], *, by: str = ADMINISTRATOR) -> str:
        """The consultant submits these entries of one project as a timesheet, which is approved; its id."""
        entry = self._read(by, "time_entries", entry_ids[0])
        sheet = {"title": "Timesheet", "workspace_id": entry["workspace_id"], "line_item_ids": list(entry_ids)}
        id_ = self._made(entry["user_id"], "timesheet_submissions", "timesheet_submission", sheet)
        self._act(by, "PUT", f"timesheet_submissions/{id_}/approve", {"resolution": {}})
        return id_

    def log_expense(self, workspace_id: str, user_id: str, date: str, amount_in_cents: int, **more: Any) -> str:
        """A consultant's expense in category Travel unless told otherwise; its id."""
        expense = {
            "workspace_id": workspace_id,
            "date": date,
            "amount_in_cents": amount_in_cents,
            "category": "Travel",
            "expense_category_id": "1",
            **more,
        }
        return self._made(user_id, "expenses", "expense", expense)

    def approve_expenses(self, expense_ids: Sequence[str], *, by: str = ADMINISTRATOR) -> str:
        """The consultant submits these expenses of one project as a report, which is approved; its id."""
        expense = self._read(by, "expenses", expense_ids[0])
        report = {"title": "Expenses", "workspace_id": expense["workspace_id"], "line_item_ids": list(expense_ids)}
        id_ = self._made(expense["user_id"], "expense_report_submissions", "expense_report_submission", report)
        self._act(by, "PUT", f"expense_report_submissions/{id_}/approve", {"resolution": {}})
        return id_

    def archive_project(self, workspace_id: str) -> None:
        self._act(ADMINISTRATOR, "PUT", f"workspaces/{workspace_id}", {"workspace": {"archived": True}})

    def _resolve(self, request_id: str, by: str, given: dict[str, Any]) -> None:
        self._act(by, "PUT", f"resource_requests/{request_id}", {"resource_request": given})

    def _read(self, user_id: str, collection: str, id_: str) -> dict[str, Any]:
        found: dict[str, Any] = self._act(user_id, "GET", f"{collection}/{id_}?include=workspace,user", {})
        shown: dict[str, Any] = found[collection][id_]
        return shown

    def _made(self, user_id: str, collection: str, singular: str, given: dict[str, Any]) -> str:
        return str(self._act(user_id, "POST", collection, {singular: given})["results"][0]["id"])
