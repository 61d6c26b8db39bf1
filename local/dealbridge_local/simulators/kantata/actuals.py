"""Time entries and expenses (developer.kantata.com, Time Entries and Expenses).

Time is approved by approving the timesheet it was submitted on; a project that requires no approvals has only approved
entries. The same goes for expenses and expense reports.
"""

from typing import Any

from dealbridge_local.simulators.kantata import readers, references
from dealbridge_local.simulators.kantata.currencies import MONEY_ATTRIBUTES
from dealbridge_local.simulators.kantata.refusals import invalid
from dealbridge_local.simulators.kantata.resource import (
    Association,
    Params,
    Resource,
    Test,
    always,
    between,
    by,
    where,
)
from dealbridge_local.simulators.kantata.tenant import Tenant
from dealbridge_local.simulators.store import Record


def _workspace(tenant: Tenant, record: Record) -> Record:
    workspace = tenant.get("workspaces", record["workspace_id"])
    if workspace is None:
        raise invalid("workspace_id", "Workspace must exist")
    return workspace


def _approved(requirement: str) -> Any:
    def decide(tenant: Tenant, record: Record) -> bool:
        workspace = tenant.get("workspaces", record["workspace_id"])
        return bool(record["approved"]) or bool(workspace and not workspace[requirement])

    return decide


_TIME_APPROVED = _approved("require_time_approvals")
_EXPENSE_APPROVED = _approved("require_expense_approvals")


def _owner(actor: Record, given: dict[str, Any]) -> str:
    """Whose it is: `user_id` is ignored unless the signed-in user is an administrator."""
    wanted = given.get("user_id")
    return str(wanted) if wanted and actor["_administrator"] else str(actor["id"])


def _in_live_project(tenant: Tenant, params: Params, _actor: Record) -> Test:
    """What lies in archived projects is left out unless `from_archived_workspaces`."""
    if params.get("from_archived_workspaces", "").lower() == "true":
        return lambda _record: True

    def live(record: Record) -> bool:
        workspace = tenant.get("workspaces", record["workspace_id"])
        return workspace is not None and not workspace["archived"]

    return live


def _create_time_entry(tenant: Tenant, actor: Record, given: dict[str, Any]) -> Record:
    workspace = _workspace(tenant, given)
    if given["time_in_minutes"] <= 0:
        raise invalid("time_in_minutes", "Time in minutes must be greater than 0")
    if workspace["require_notes_on_time_entries"] and not given.get("notes"):
        raise invalid("notes", "Notes can't be blank")
    story = tenant.get("stories", given["story_id"]) if given.get("story_id") else None
    billable = given.get("billable")
    owner = _owner(actor, given)
    role = given.get("role_id") or (tenant.get("users", owner) or {}).get("role_id")
    return tenant.add(
        "time_entries",
        actor,
        {
            "notes": None,
            "rate_in_cents": None,
            "cost_rate_in_cents": None,
            "story_id": None,
            **given,
            "billable": billable if billable is not None else bool(story["billable"]) if story else True,
            "user_id": owner,
            "role_id": role,
            "currency": workspace["currency"],
            "approved": False,
            "is_invoiced": False,
            "taxable": False,
            "invoice_id": None,
            "active_submission_id": None,
            "recent_submission_id": None,
        },
    )


def _create_expense(tenant: Tenant, actor: Record, given: dict[str, Any]) -> Record:
    workspace = _workspace(tenant, given)
    billable = given.pop("billable", None)
    return tenant.add(
        "expenses",
        actor,
        {
            "notes": None,
            "story_id": None,
            **given,
            "reimbursable": bool(given.get("reimbursable")),
            "is_billable": True if billable is None else billable,
            "user_id": _owner(actor, given),
            "currency": workspace["currency"],
            "approved": False,
            "is_invoiced": False,
            "taxable": False,
            "active_submission_id": None,
            "recent_submission_id": None,
        },
    )


def _change_entry(tenant: Tenant, actor: Record, record: Record, given: dict[str, Any]) -> None:
    _still_open(record)
    if record["_collection"] == "expenses" and "billable" in given:
        given["is_billable"] = given.pop("billable")
    tenant.change(record["_collection"], record["id"], actor, given)


def _delete_entry(tenant: Tenant, actor: Record, record: Record) -> None:
    _still_open(record)
    tenant.remove(record["_collection"], record["id"], actor)


def _still_open(record: Record) -> None:
    if record["approved"] or record["is_invoiced"]:
        raise invalid("base", "Approved or invoiced line items cannot be changed")


_ENTRY_FILTERS = {
    "workspace_id": by("workspace_id"),
    "workspace_ids": by("workspace_id"),
    "created_by": by("user_id"),
    "invoiced": always(lambda _tenant, record: bool(record["is_invoiced"])),
    "uninvoiced": always(lambda _tenant, record: not record["is_invoiced"]),
}
RESOURCES = (
    Resource(
        name="time_entries",
        singular="time_entry",
        subject="TimeEntry",
        event="time_entry",
        shown=(
            "date_performed",
            "time_in_minutes",
            "billable",
            "notes",
            "rate_in_cents",
            "cost_rate_in_cents",
            "currency",
            "currency_symbol",
            "currency_base_unit",
            "approved",
            "is_invoiced",
            "taxable",
            "created_at",
            "updated_at",
        ),
        derived={**MONEY_ATTRIBUTES, "approved": _TIME_APPROVED},
        associations={
            "workspace": Association("workspace_id", "workspaces"),
            "user": Association("user_id", "users"),
            "story": Association("story_id", "stories"),
            "role": Association("role_id", "roles"),
            "active_submission": Association("active_submission_id", "timesheet_submissions"),
            "recent_submission": Association("recent_submission_id", "timesheet_submissions"),
            "invoice": Association("invoice_id", "invoices"),
            "external_references": references.INCLUDED,
        },
        accepts={
            "workspace_id": readers.id_of("workspaces"),
            "date_performed": readers.day,
            "time_in_minutes": readers.whole,
            "billable": readers.flag,
            "notes": readers.text,
            "rate_in_cents": readers.whole,
            "cost_rate_in_cents": readers.whole,
            "role_id": readers.id_of("roles"),
            "story_id": readers.id_of("stories"),
            "user_id": readers.id_of("users"),
        },
        required=("workspace_id", "date_performed", "time_in_minutes"),
        changes=("date_performed", "time_in_minutes", "billable", "notes", "rate_in_cents", "role_id", "story_id"),
        filters={
            **_ENTRY_FILTERS,
            "approved": always(_TIME_APPROVED),
            "billable": where(lambda _tenant, entry: bool(entry["billable"])),
            "date_performed_between": between("date_performed"),
            "with_user_ids": by("user_id"),
            "with_timesheet_id": by("active_submission_id"),
            "with_recent_timesheet_ids": by("recent_submission_id"),
        },
        hides=_in_live_project,
        orders=("created_at", "date_performed", "updated_at"),
        default_order="date_performed:desc",
        indexed=("workspace_id", "story_id"),
        referenced=True,
        bulk=100,
        create=_create_time_entry,
        change=_change_entry,
        remove=_delete_entry,
    ),
    Resource(
        name="expense_categories",
        singular="expense_category",
        shown=("name", "deleted_at"),
        dated=False,
    ),
    Resource(
        name="expenses",
        singular="expense",
        subject="Expense",
        event="expense",
        shown=(
            "date",
            "category",
            "amount_in_cents",
            "notes",
            "currency",
            "currency_symbol",
            "currency_base_unit",
            "is_billable",
            "is_invoiced",
            "reimbursable",
            "taxable",
            "created_at",
            "updated_at",
        ),
        derived=MONEY_ATTRIBUTES,
        associations={
            "workspace": Association("workspace_id", "workspaces"),
            "user": Association("user_id", "users"),
            "story": Association("story_id", "stories"),
            "expense_category": Association("expense_category_id", "expense_categories"),
            "active_submission": Association("active_submission_id", "expense_report_submissions"),
            "recent_submission": Association("recent_submission_id", "expense_report_submissions"),
            "external_references": references.INCLUDED,
        },
        accepts={
            "workspace_id": readers.id_of("workspaces"),
            "date": readers.day,
            "category": readers.text,
            "expense_category_id": readers.id_of("expense_categories"),
            "amount_in_cents": readers.whole,
            "notes": readers.text,
            "user_id": readers.id_of("users"),
            "billable": readers.flag,
            "reimbursable": readers.flag,
            "story_id": readers.id_of("stories"),
        },
        required=("workspace_id", "date", "expense_category_id", "category", "amount_in_cents"),
        changes=("date", "category", "expense_category_id", "amount_in_cents", "notes", "billable", "story_id"),
        filters={
            **_ENTRY_FILTERS,
            "approved": where(_EXPENSE_APPROVED),
            "date_expensed_between": between("date"),
            "reimbursable": where(lambda _tenant, expense: bool(expense["reimbursable"])),
            "submitted": where(lambda _tenant, expense: bool(expense["active_submission_id"])),
            "unsubmitted": where(lambda _tenant, expense: not expense["active_submission_id"]),
            "with_expense_report_id": by("active_submission_id"),
            "with_recent_expense_report_ids": by("recent_submission_id"),
        },
        hides=_in_live_project,
        orders=("amount_in_cents", "category", "created_at", "date", "notes"),
        default_order="date:desc",
        indexed=("workspace_id",),
        referenced=True,
        bulk=100,
        create=_create_expense,
        change=_change_entry,
        remove=_delete_entry,
    ),
)
