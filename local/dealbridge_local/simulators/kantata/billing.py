"""Billing milestones, which make a project's billing schedule, and invoices (developer.kantata.com)."""

from typing import Any

from dealbridge_local.simulators.kantata import readers, references
from dealbridge_local.simulators.kantata.currencies import MONEY_ATTRIBUTES
from dealbridge_local.simulators.kantata.refusals import all_invalid, invalid
from dealbridge_local.simulators.kantata.resource import Association, Filter, Resource, Test, between, by, where
from dealbridge_local.simulators.kantata.tenant import Tenant
from dealbridge_local.simulators.store import Record


def _create_milestone(tenant: Tenant, actor: Record, given: dict[str, Any]) -> Record:
    kind = given.get("billing_type") or "fixed_date"
    if kind == "upon_completion" and not given.get("story_id"):
        raise invalid("story_id", "Story can't be blank")
    workspace = tenant.get("workspaces", given["workspace_id"]) or {}
    fields = {"date_to_invoice": None, "story_id": None, **given, "billing_type": kind}
    return tenant.add("billing_milestones", actor, {**fields, "currency": workspace["currency"], "invoice_ids": []})


def _change_milestone(tenant: Tenant, actor: Record, record: Record, given: dict[str, Any]) -> None:
    _not_invoiced(record)
    tenant.change("billing_milestones", record["id"], actor, given)


def _delete_milestone(tenant: Tenant, actor: Record, record: Record) -> None:
    _not_invoiced(record)
    tenant.remove("billing_milestones", record["id"], actor)


def _not_invoiced(milestone: Record) -> None:
    if milestone["invoice_ids"]:
        raise invalid("base", "You can only edit billing milestones that have not been invoiced")


def _create_invoice(tenant: Tenant, actor: Record, given: dict[str, Any]) -> Record:
    """An invoice of approved, not yet invoiced time, expenses and billing milestones of one project."""
    items = {name: [tenant.get(collection, id_) or {} for id_ in given.get(name) or []] for name, collection in _ITEMS}
    if not any(items.values()):
        raise invalid("base", "An invoice must have at least one line item")
    problems = [
        (name, f"{item['id']} {text}")
        for name, records in items.items()
        for item in records
        if (text := _refused(item, given["workspace_id"], name))
    ]
    if problems:
        raise all_invalid(problems)
    workspace = tenant.get("workspaces", given["workspace_id"]) or {}
    balance = sum(entry["time_in_minutes"] * (entry["rate_in_cents"] or 0) // 60 for entry in items["time_entry_ids"])
    balance += sum(each["amount_in_cents"] for name in ("expense_ids", "billing_milestone_ids") for each in items[name])
    number = given.get("user_invoice_number") or len(tenant.all("invoices")) + 1
    invoice = tenant.add(
        "invoices",
        actor,
        {
            **dict.fromkeys(_TEXTS),
            "due_date": None,
            "tax_rate": None,
            **given,
            "invoice_date": given.get("invoice_date") or tenant.now().date().isoformat(),
            "draft": bool(given.get("draft")),
            "status": "new",
            "balance_in_cents": balance,
            "currency": workspace["currency"],
            "user_invoice_number": number,
            "user_id": actor["id"],
            "workspace_ids": [workspace["id"]],
            **{name: [item["id"] for item in records] for name, records in items.items()},
        },
    )
    for entry in items["time_entry_ids"]:
        tenant.change("time_entries", entry["id"], actor, {"is_invoiced": True, "invoice_id": invoice["id"]})
    for expense in items["expense_ids"]:
        tenant.change("expenses", expense["id"], actor, {"is_invoiced": True})
    for milestone in items["billing_milestone_ids"]:
        tenant.change("billing_milestones", milestone["id"], actor, {"invoice_ids": [invoice["id"]]})
    return invoice


def _refused(item: Record, workspace_id: str, name: str) -> str | None:
    if item["workspace_id"] != workspace_id:
        return "is not in this project"
    if item.get("is_invoiced") or item.get("invoice_ids"):
        return "has already been invoiced"
    if name != "billing_milestone_ids" and not item["approved"]:
        return "has not been approved"
    return None


def _in_workspaces(_tenant: Tenant, value: str) -> Test:
    wanted = set(value.split(","))
    return lambda invoice: bool(wanted & set(invoice["workspace_ids"]))


def _title(_tenant: Tenant, invoice: Record) -> str:
    return f"{'Draft ' if invoice['draft'] else ''}Invoice #{invoice['user_invoice_number']}"


_ITEMS = (
    ("time_entry_ids", "time_entries"),
    ("expense_ids", "expenses"),
    ("billing_milestone_ids", "billing_milestones"),
)
_TEXTS = ("message", "user_invoice_title", "purchase_order", "project_code")

RESOURCES = (
    Resource(
        name="billing_milestones",
        singular="billing_milestone",
        subject="BillingMilestone",
        event="billing_milestone",
        shown=(
            "title",
            "date_to_invoice",
            "amount_in_cents",
            "billing_type",
            "currency",
            "created_at",
            "updated_at",
        ),
        associations={
            "workspace": Association("workspace_id", "workspaces"),
            "story": Association("story_id", "stories"),
            "invoices": Association("invoice_ids", "invoices"),
            "external_references": references.INCLUDED,
        },
        accepts={
            "title": readers.text,
            "date_to_invoice": readers.day,
            "amount_in_cents": readers.whole,
            "workspace_id": readers.id_of("workspaces"),
            "story_id": readers.id_of("stories"),
            "billing_type": readers.one_of("fixed_date", "upon_completion"),
        },
        required=("title", "amount_in_cents", "workspace_id"),
        changes=("title", "date_to_invoice", "amount_in_cents"),
        filters={
            "workspace_ids": by("workspace_id"),
            "story_ids": by("story_id"),
            "date_between": between("date_to_invoice"),
        },
        dated=False,
        orders=("created_at",),
        default_order="created_at:desc",
        indexed=("workspace_id", "story_id"),
        referenced=True,
        bulk=100,
        create=_create_milestone,
        change=_change_milestone,
        remove=_delete_milestone,
    ),
    Resource(
        name="invoices",
        singular="invoice",
        subject="Invoice",
        event="invoice",
        shown=(
            "title",
            "status",
            "draft",
            "balance_in_cents",
            "currency",
            "currency_symbol",
            "currency_base_unit",
            "invoice_date",
            "due_date",
            "payment_schedule",
            "user_invoice_number",
            "tax_rate",
            *_TEXTS,
            "created_at",
            "updated_at",
        ),
        derived={
            "title": _title,
            **MONEY_ATTRIBUTES,
        },
        associations={
            "workspaces": Association("workspace_ids", "workspaces"),
            "time_entries": Association("time_entry_ids", "time_entries"),
            "expenses": Association("expense_ids", "expenses"),
            "billing_milestones": Association("billing_milestone_ids", "billing_milestones"),
            "user": Association("user_id", "users"),
            "external_references": references.INCLUDED,
        },
        accepts={
            "workspace_id": readers.id_of("workspaces"),
            "payment_schedule": readers.whole,
            "time_entry_ids": readers.ids_of("time_entries"),
            "expense_ids": readers.ids_of("expenses"),
            "billing_milestone_ids": readers.ids_of("billing_milestones"),
            "invoice_date": readers.day,
            "user_invoice_number": readers.whole,
            "draft": readers.flag,
            "tax_rate": readers.amount,
            **dict.fromkeys(_TEXTS, readers.text),
        },
        required=("workspace_id", "payment_schedule"),
        filters={
            "workspace_id": Filter(_in_workspaces),
            "paid": where(lambda _tenant, invoice: invoice["status"] == "accepted payment"),
            "without_drafts": where(lambda _tenant, invoice: not invoice["draft"]),
            "user_invoice_number": by("user_invoice_number"),
        },
        orders=("created_at", "id", "invoice_date", "updated_at"),
        default_order="created_at:desc",
        referenced=True,
        create=_create_invoice,
    ),
)
