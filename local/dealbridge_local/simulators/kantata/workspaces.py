"""Projects: workspace groups (clients), project templates and workspaces (developer.kantata.com, Workspaces)."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from dealbridge_local.simulators.kantata import custom_fields, participations, readers, references
from dealbridge_local.simulators.kantata.currencies import MONEY_ATTRIBUTES, SUPPORTED, base_unit, symbol
from dealbridge_local.simulators.kantata.refusals import all_invalid, forbidden, invalid
from dealbridge_local.simulators.kantata.resource import (
    Association,
    Filter,
    Ids,
    Params,
    Resource,
    Test,
    by,
    containing,
    plain_change,
    plain_remove,
    where,
)
from dealbridge_local.simulators.kantata.tasks import create_story
from dealbridge_local.simulators.kantata.tenant import ACCOUNT_ID, Tenant
from dealbridge_local.simulators.store import Record


def _price(_tenant: Tenant, workspace: Record) -> str:
    """The budget as people read it: a symbol, thousands, no subunits ("$149,045" for 14904575 cents), "TBD" for none.

    Seen in recorded responses; `price_in_cents` is the one to compute with.
    """
    cents = workspace["_price_in_cents"]
    if cents is None:
        return "TBD"
    return f"{symbol(workspace['currency'])}{cents // base_unit(workspace['currency']):,}"


def _cents(given: Decimal | None, currency: str) -> int | None:
    if given is None:
        return None
    cents = given * base_unit(currency)
    if cents != cents.to_integral_value():
        raise invalid("price", "Price is not a number of whole subunits")
    return int(cents)


def _create_workspace(tenant: Tenant, actor: Record, given: dict[str, Any]) -> Record:
    if not actor["_creates_projects"]:
        raise forbidden("You do not have permission to create projects")
    problems = []
    if not given.get("title"):
        problems.append(("title", "Please give your project a title"))
    if not given.get("creator_role") and tenant.switches.creator_role_required:
        problems.append(("creator_role", "Please select a role for this project"))
    if problems:
        raise all_invalid(problems)
    readers.check_dates(given, {})
    currency = given.get("currency") or "USD"
    template = given.pop("project_tracker_template_id", None)
    template_start = given.pop("project_template_start_date", None)
    given.pop("creator_role", None)
    price = _cents(given.pop("price", None), currency)
    workspace = tenant.add(
        "workspaces",
        actor,
        {
            **_WORKSPACE_DEFAULTS,
            **given,
            "currency": currency,
            "_price_in_cents": price,
            "account_id": ACCOUNT_ID,
            "creator_id": actor["id"],
            "primary_maven_id": given.get("primary_maven_id") or actor["id"],
        },
    )
    lead = workspace["primary_maven_id"]
    for user_id in dict.fromkeys((actor["id"], lead)):
        participations.join(tenant, actor, workspace["id"], user_id, team_lead=user_id == lead)
    if template is not None:
        _apply_template(tenant, actor, workspace, template, template_start or workspace["start_date"])
    return workspace


def _change_workspace(tenant: Tenant, actor: Record, record: Record, given: dict[str, Any]) -> None:
    if "title" in given and not given["title"]:
        raise invalid("title", "Please give your project a title")
    readers.check_dates(given, record)
    if "price" in given:
        given["_price_in_cents"] = _cents(given.pop("price"), given.get("currency") or record["currency"])
    tenant.change("workspaces", record["id"], actor, given)


def _delete_workspace(tenant: Tenant, actor: Record, record: Record) -> None:
    if tenant.find("time_entries", "workspace_id", [record["id"]]):
        raise invalid("base", "Projects with time entries cannot be deleted")
    for collection in ("stories", "billing_milestones", "workspace_resources", "participations"):
        for child in tenant.find(collection, "workspace_id", [record["id"]]):
            tenant.remove(collection, child["id"], actor)
    tenant.remove("workspaces", record["id"], actor)


def _apply_template(tenant: Tenant, actor: Record, workspace: Record, template_id: str, start: str | None) -> None:
    template = tenant.get("project_templates", template_id) or {}
    first = date.fromisoformat(start) if start else None
    for item in template.get("_items", ()):
        begins = first + timedelta(days=item["after_days"]) if first else None
        ends = begins + timedelta(days=item["days"]) if begins else None
        fields = {
            "title": item["title"],
            "story_type": item["story_type"],
            "workspace_id": workspace["id"],
            "start_date": begins.isoformat() if begins else None,
            "due_date": ends.isoformat() if ends else None,
        }
        create_story(tenant, actor, fields)


def _archived(tenant: Tenant, params: Params, _actor: Record) -> Test:
    """Archived projects are left out of lists and answer 404 singly, unless asked for."""
    wanted = params.get("archived")
    if wanted == "only":
        return lambda workspace: bool(workspace["archived"])
    if wanted == "include" or params.get("include_archived", "").lower() == "true":
        return lambda _workspace: True
    return lambda workspace: not workspace["archived"]


def _children(collection: str, *, named_only: bool = False) -> Ids:
    def ids(tenant: Tenant, workspace: Record) -> list[str]:
        found = tenant.find(collection, "workspace_id", [workspace["id"]])
        return [each["id"] for each in found if not named_only or each["user_id"]]

    return ids


def _participants(tenant: Tenant, workspace: Record) -> list[str]:
    return [each["user_id"] for each in tenant.find("participations", "workspace_id", [workspace["id"]])]


def _in_groups(_tenant: Tenant, value: str) -> Test:
    wanted = set(value.split(","))
    return lambda workspace: bool(wanted & set(workspace["workspace_group_ids"]))


def _workspaces_of_group(tenant: Tenant, group: Record) -> list[str]:
    return [each["id"] for each in tenant.all("workspaces") if group["id"] in each["workspace_group_ids"]]


def _create_group(tenant: Tenant, actor: Record, given: dict[str, Any]) -> Record:
    return tenant.add("workspace_groups", actor, {**_GROUP_DEFAULTS, **given})


_GROUP_FIELDS = ("contact_name", "email", "phone_number", "address", "website", "notes")
_GROUP_DEFAULTS: Record = {"company": False, **dict.fromkeys(_GROUP_FIELDS)}
_WORKSPACE_DEFAULTS: Record = {
    "description": None,
    "start_date": None,
    "due_date": None,
    "archived": False,
    "budgeted": True,
    "change_orders_enabled": False,
    "consultant_role_name": "Consultants",
    "client_role_name": "Clients",
    "access_level": "invitation",
    "require_expense_approvals": True,
    "require_time_approvals": True,
    "stories_are_fixed_fee_by_default": False,
    "tasks_default_non_billable": False,
    "expenses_in_burn_rate": True,
    "require_notes_on_time_entries": False,
    "time_trackable": True,
    "percentage_complete": 0,
    "target_margin": None,
    "stage": "project",
    "workspace_group_ids": [],
    "primary_workspace_group_id": None,
    "approver_ids": [],
}
_WORKSPACE_ACCEPTS = {
    "title": readers.text,
    "budgeted": readers.flag,
    "description": readers.text,
    "currency": readers.one_of(*SUPPORTED),
    "price": readers.amount,
    "start_date": readers.day,
    "due_date": readers.day,
    "consultant_role_name": readers.text,
    "client_role_name": readers.text,
    "access_level": readers.one_of("invitation", "open", "admins"),
    "change_orders_enabled": readers.flag,
    "expenses_in_burn_rate": readers.flag,
    "stories_are_fixed_fee_by_default": readers.flag,
    "tasks_default_non_billable": readers.flag,
    "require_expense_approvals": readers.flag,
    "require_time_approvals": readers.flag,
    "require_notes_on_time_entries": readers.flag,
    "time_trackable": readers.flag,
    "target_margin": readers.whole,
    "stage": readers.one_of("estimate", "project"),
    "workspace_group_ids": readers.ids_of("workspace_groups"),
    "primary_workspace_group_id": readers.id_of("workspace_groups"),
    "approver_ids": readers.ids_of("users"),
}

_SET_ONCE = ("require_expense_approvals", "require_time_approvals")

RESOURCES = (
    Resource(
        name="workspace_groups",
        singular="workspace_group",
        subject="WorkspaceGroup",
        event="workspace_group",
        shown=("name", "company", *_GROUP_FIELDS, "created_at", "updated_at"),
        associations={
            "workspaces": Association("workspace_ids", "workspaces", _workspaces_of_group),
            "external_references": references.INCLUDED,
        },
        accepts={"name": readers.text, "company": readers.flag, **dict.fromkeys(_GROUP_FIELDS, readers.text)},
        required=("name",),
        changes=("name", "company", *_GROUP_FIELDS),
        filters={
            "matching": containing("name"),
            "companies_only": where(lambda _tenant, group: bool(group["company"])),
        },
        orders=("created_at", "name", "updated_at"),
        default_order="name:asc",
        referenced=True,
        custom_fields="WorkspaceGroup",
        create=_create_group,
        change=plain_change("workspace_groups"),
        remove=plain_remove("workspace_groups"),
    ),
    Resource(
        name="project_templates",
        singular="project_template",
        shown=("title", "description", "currency", "shared", "is_budgeted", "item_count", "duration"),
        filters={"search": containing("title")},
        dated=False,
    ),
    Resource(
        name="workspaces",
        singular="workspace",
        subject="Workspace",
        event="workspace",
        shown=(
            "title",
            "account_id",
            "archived",
            "description",
            "start_date",
            "due_date",
            "effective_due_date",
            "budgeted",
            "change_orders_enabled",
            "created_at",
            "updated_at",
            "consultant_role_name",
            "client_role_name",
            "access_level",
            "currency",
            "currency_symbol",
            "currency_base_unit",
            "price",
            "price_in_cents",
            "percentage_complete",
            "require_expense_approvals",
            "require_time_approvals",
            "require_notes_on_time_entries",
            "stories_are_fixed_fee_by_default",
            "tasks_default_non_billable",
            "expenses_in_burn_rate",
            "target_margin",
            "time_trackable",
        ),
        derived={
            "effective_due_date": lambda _tenant, workspace: workspace["due_date"],
            **MONEY_ATTRIBUTES,
            "price": _price,
            "price_in_cents": lambda _tenant, workspace: workspace["_price_in_cents"],
        },
        optional=("stage",),
        associations={
            "creator": Association("creator_id", "users"),
            "primary_maven": Association("primary_maven_id", "users"),
            "approvers": Association("approver_ids", "users"),
            "participants": Association("participant_ids", "users", _participants),
            "participations": Association("participation_ids", "participations", _children("participations")),
            "workspace_groups": Association("workspace_group_ids", "workspace_groups"),
            "primary_workspace_group": Association("primary_workspace_group_id", "workspace_groups"),
            "workspace_resources": Association(
                "workspace_resource_ids", "workspace_resources", _children("workspace_resources", named_only=True)
            ),
            "workspace_resources_with_unnamed": Association(
                "workspace_resources_with_unnamed_ids", "workspace_resources", _children("workspace_resources")
            ),
            "timesheet_submissions": Association(
                "timesheet_submission_ids", "timesheet_submissions", _children("timesheet_submissions")
            ),
            "custom_field_values": custom_fields.INCLUDED,
            "external_references": references.INCLUDED,
        },
        accepts={
            **_WORKSPACE_ACCEPTS,
            "creator_role": readers.one_of("maven", "buyer", "consultant", "client"),
            "primary_maven_id": readers.id_of("users"),
            "project_tracker_template_id": readers.id_of("project_templates"),
            "project_template_start_date": readers.day,
            "custom_fields": readers.anything,
        },
        changes=("archived", *(name for name in _WORKSPACE_ACCEPTS if name not in _SET_ONCE)),
        only_on_change={"archived": readers.flag},
        filters={
            "matching": containing("title"),
            "search": containing("title", "description", "id"),
            "workspace_groups": Filter(_in_groups),
            "creator": by("creator_id"),
            "budgeted": where(lambda _tenant, workspace: bool(workspace["budgeted"])),
            "require_time_approvals": where(lambda _tenant, workspace: bool(workspace["require_time_approvals"])),
        },
        hides=_archived,
        orders=("created_at", "due_date", "start_date", "title", "updated_at"),
        default_order="updated_at:desc",
        referenced=True,
        custom_fields="Workspace",
        bulk=100,
        create=_create_workspace,
        change=_change_workspace,
        remove=_delete_workspace,
    ),
)
