"""Timesheets and expense reports: the submissions by which time and expenses are approved (developer.kantata.com)."""

from typing import Any

from dealbridge_local.simulators.kantata import readers
from dealbridge_local.simulators.kantata.currencies import MONEY_ATTRIBUTES
from dealbridge_local.simulators.kantata.refusals import forbidden, invalid
from dealbridge_local.simulators.kantata.resource import (
    Association,
    Create,
    Derive,
    Filter,
    Params,
    Resource,
    Test,
    by,
    where,
)
from dealbridge_local.simulators.kantata.tenant import Tenant
from dealbridge_local.simulators.store import Record

OPEN = ("pending", "approved")
RESOLUTIONS = {"approve": "approved", "reject": "rejected", "cancel": "cancelled"}


def _submit(collection: str, items: str, event: str) -> Create:
    """A submission of line items of one project and one person."""

    def create(tenant: Tenant, actor: Record, given: dict[str, Any]) -> Record:
        lines = [tenant.get(items, id_) or {} for id_ in given["line_item_ids"]]
        for line in lines:
            if line["workspace_id"] != given["workspace_id"]:
                raise invalid("line_item_ids", "Line items must belong to the project of the submission")
            if line["active_submission_id"]:
                raise invalid("line_item_ids", "Line items have already been submitted")
        dates = sorted(line["date_performed"] if items == "time_entries" else line["date"] for line in lines)
        submission = tenant.add(
            collection,
            actor,
            {
                "title": given["title"],
                "comment": given.get("comment"),
                "workspace_id": given["workspace_id"],
                "user_id": lines[0]["user_id"],
                "status": "pending",
                "currency": lines[0]["currency"],
                "start_date": dates[0],
                "end_date": dates[-1],
                "current_resolution_description": None,
                "current_resolution_creator_id": None,
                "current_resolution_created_at_date": None,
                _LINES[collection]: [line["id"] for line in lines],
            },
        )
        for line in lines:
            tied = {"active_submission_id": submission["id"], "recent_submission_id": submission["id"]}
            tenant.change(items, line["id"], actor, tied)
            changes = {"current_payload": {"line_item_id": line["id"]}}
            tenant.tell(event, actor, tenant.resources[collection].subject, submission["id"], changes)
        return submission

    return create


def resolve(tenant: Tenant, actor: Record, record: Record, resolution: str, description: str | None) -> None:
    """PUT /..._submissions/{id}/approve, /reject or /cancel."""
    workspace = tenant.get("workspaces", record["workspace_id"]) or {}
    may = actor["_administrator"] or actor["id"] in workspace["approver_ids"]
    if not may and not (resolution == "cancel" and actor["id"] == record["user_id"]):
        raise forbidden("You do not have time approval permissions in this project")
    if record["status"] != "pending":
        raise invalid("base", f"A submission that is {record['status']} cannot be {RESOLUTIONS[resolution]}")
    status = RESOLUTIONS[resolution]
    tenant.change(
        record["_collection"],
        record["id"],
        actor,
        {
            "status": status,
            "current_resolution_description": description,
            "current_resolution_creator_id": int(actor["id"]),
            "current_resolution_created_at_date": tenant.now(),
        },
    )
    items = "time_entries" if record["_collection"] == "timesheet_submissions" else "expenses"
    for id_ in record[_LINES[record["_collection"]]]:
        done = {"approved": True} if status == "approved" else {"active_submission_id": None}
        tenant.change(items, id_, actor, done)


def _statuses(_tenant: Tenant, value: str) -> Test:
    # The parameter's values are new, cancelled, rejected and approved; the attribute says "pending" for new.
    wanted = {"pending" if each == "new" else each for each in value.split(",")}
    return lambda submission: submission["status"] in wanted


def _own_unless_all(_tenant: Tenant, params: Params, actor: Record) -> Test:
    """Expense reports: "for the logged in user by default", with `all_on_account` all of them."""
    if params.get("all_on_account", "").lower() == "true" and actor["_administrator"]:
        return lambda _submission: True
    return lambda submission: submission["user_id"] == actor["id"]


def _total(tenant: Tenant, submission: Record) -> int:
    if submission["_collection"] == "expense_report_submissions":
        lines = [tenant.get("expenses", id_) or {} for id_ in submission["expense_ids"]]
        return sum(line.get("amount_in_cents", 0) for line in lines)
    entries = [tenant.get("time_entries", id_) or {} for id_ in submission["time_entry_ids"]]
    return sum((entry.get("rate_in_cents") or 0) * entry.get("time_in_minutes", 0) // 60 for entry in entries)


_LINES = {"timesheet_submissions": "time_entry_ids", "expense_report_submissions": "expense_ids"}
_KINDS = {"timesheet_submissions": "TimesheetSubmission", "expense_report_submissions": "ExpenseReportSubmission"}
_SUBMISSION_SHOWN = (
    "title",
    "comment",
    "type",
    "status",
    "currency",
    "currency_symbol",
    "currency_base_unit",
    "line_item_total_in_cents",
    "current_resolution_description",
    "current_resolution_creator_id",
    "current_resolution_created_at_date",
    "created_at",
    "updated_at",
)
_SUBMISSION_DERIVED: dict[str, Derive] = {
    **MONEY_ATTRIBUTES,
    "type": lambda _tenant, submission: _KINDS[submission["_collection"]],
    "line_item_total_in_cents": _total,
}
_SUBMISSION_FILTERS = {
    "statuses": Filter(_statuses),
    "workspace_id": by("workspace_id"),
    "workspace_ids": by("workspace_id"),
    "user_ids": by("user_id"),
    "active": where(lambda _tenant, submission: submission["status"] in OPEN),
    "not_cancelled": where(lambda _tenant, submission: submission["status"] != "cancelled"),
}


def _submission_accepts(items: str) -> dict[str, Any]:
    return {
        "title": readers.text,
        "comment": readers.text,
        "workspace_id": readers.id_of("workspaces"),
        "user_id": readers.id_of("users"),
        "line_item_ids": readers.ids_of(items),
    }


RESOURCES = (
    Resource(
        name="timesheet_submissions",
        singular="timesheet_submission",
        subject="TimesheetSubmission",
        event="timesheet",
        shown=(*_SUBMISSION_SHOWN, "start_date", "end_date"),
        derived=_SUBMISSION_DERIVED,
        associations={
            "workspace": Association("workspace_id", "workspaces"),
            "user": Association("user_id", "users"),
            "time_entries": Association("time_entry_ids", "time_entries"),
        },
        accepts=_submission_accepts("time_entries"),
        required=("line_item_ids", "title", "workspace_id"),
        filters=_SUBMISSION_FILTERS,
        default_order="start_date:desc",
        orders=("start_date",),
        indexed=("workspace_id",),
        create=_submit("timesheet_submissions", "time_entries", "timesheet:time_entry_added"),
    ),
    Resource(
        name="expense_report_submissions",
        singular="expense_report_submission",
        subject="ExpenseReportSubmission",
        event="expense_report",
        shown=_SUBMISSION_SHOWN,
        derived=_SUBMISSION_DERIVED,
        associations={
            "workspace": Association("workspace_id", "workspaces"),
            "user": Association("user_id", "users"),
            "expenses": Association("expense_ids", "expenses"),
        },
        accepts=_submission_accepts("expenses"),
        required=("line_item_ids", "title", "workspace_id"),
        filters=_SUBMISSION_FILTERS,
        hides=_own_unless_all,
        orders=("created_at", "status", "title"),
        default_order="created_at:desc",
        create=_submit("expense_report_submissions", "expenses", "expense_report:expense_added"),
    ),
)
