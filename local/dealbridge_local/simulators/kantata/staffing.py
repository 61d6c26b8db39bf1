"""Resources of a project, what they are allocated for, and the requests to staff them (developer.kantata.com).

A resource request carries no key of ours: it has no external references, no filter for them, and shows neither dates
nor role. What it can do is to create, in the same call, an unnamed resource with custom field values and an
allocation; those can be found again.
"""

from datetime import date, timedelta
from typing import Any

from dealbridge_local.simulators.kantata import custom_fields, participations, readers, references
from dealbridge_local.simulators.kantata.refusals import all_invalid, forbidden, invalid
from dealbridge_local.simulators.kantata.resource import (
    Association,
    Filter,
    Params,
    Resource,
    Test,
    by,
    containing,
    plain_remove,
    where,
)
from dealbridge_local.simulators.kantata.tenant import Tenant
from dealbridge_local.simulators.store import Record

_MINUTES_A_DAY = 8 * 60
_RESOLVED = {"approve": "approved", "reject": "rejected", "cancel": "cancelled"}


def working_minutes(start: str, end: str) -> int:
    """Capacity between two dates, both included: a standard work week of five days of eight hours."""
    first, last = date.fromisoformat(start), date.fromisoformat(end)
    days = (first + timedelta(days=number) for number in range((last - first).days + 1))
    return sum(_MINUTES_A_DAY for day in days if day.weekday() < 5)


# Workspace resources


def _create_resource(tenant: Tenant, actor: Record, given: dict[str, Any]) -> Record:
    if not given.get("user_id") and not given.get("role_id"):
        raise invalid("role_id", "Role can't be blank")
    user = tenant.get("users", given["user_id"]) if given.get("user_id") else None
    role_id = given.get("role_id") or (user or {}).get("role_id")
    fields = {"user_id": None, **given, "role_id": role_id}
    if user is not None:
        participations.join(tenant, actor, given["workspace_id"], user["id"])
    return tenant.add("workspace_resources", actor, {**fields, "label": _label(tenant, fields)})


def _change_resource(tenant: Tenant, actor: Record, record: Record, given: dict[str, Any]) -> None:
    relabelled = given.pop("auto_update_label", False) and given.get("role_id", record["role_id"]) != record["role_id"]
    if relabelled and "label" not in given:
        given["label"] = _label(tenant, {**record, **given})
    if given.get("user_id"):
        participations.join(tenant, actor, record["workspace_id"], given["user_id"])
    tenant.change("workspace_resources", record["id"], actor, given)


def _delete_resource(tenant: Tenant, actor: Record, record: Record) -> None:
    for allocation in tenant.find("workspace_allocations", "workspace_resource_id", [record["id"]]):
        tenant.remove("workspace_allocations", allocation["id"], actor)
    for request in tenant.find("resource_requests", "resource_id", [record["id"]]):
        if request["status"] == "new":
            tenant.change("resource_requests", request["id"], actor, {"status": "cancelled"})
    tenant.remove("workspace_resources", record["id"], actor)


def _label(tenant: Tenant, fields: Record) -> str:
    """ "Based on role name and numerical order": Consultant 1, Consultant 2 ... in each project."""
    name = _role_name(tenant, fields) or "Resource"
    return f"{name} {tenant.count(f'{name} of {fields["workspace_id"]}')}"


def _role_name(tenant: Tenant, resource: Record) -> str | None:
    role = tenant.get("roles", resource["role_id"]) if resource.get("role_id") else None
    return role["name"] if role else None


def _initials(tenant: Tenant, resource: Record) -> str | None:
    name = _role_name(tenant, resource)
    return "".join(word[0] for word in name.split())[:3].upper() if name else None


def _full_name(tenant: Tenant, resource: Record) -> str | None:
    user = tenant.get("users", resource["user_id"]) if resource["user_id"] else None
    return user["full_name"] if user else None


def _workspace_title(tenant: Tenant, resource: Record) -> str | None:
    workspace = tenant.get("workspaces", resource["workspace_id"])
    return workspace["title"] if workspace else None


def _named(_tenant: Tenant, params: Params, _actor: Record) -> Test:
    """Unnamed resources are left out of lists and answer 404 singly, unless `include_unnamed` or `only_unnamed`."""
    if params.get("only_unnamed", "").lower() == "true":
        return lambda resource: not resource["user_id"]
    if params.get("include_unnamed", "").lower() == "true":
        return lambda _resource: True
    return lambda resource: bool(resource["user_id"])


# Allocations


def _create_allocation(tenant: Tenant, actor: Record, given: dict[str, Any]) -> Record:
    readers.check_dates(given, {}, "end_date")
    resource = tenant.get("workspace_resources", given["resource_id"]) or {}
    # Hard unless told otherwise, as when a resource is named; unnamed resources can only be allocated softly
    # (Workspace Resources, "This value must be set to `false` if you are including any unnamed resources").
    hard = given.get("hard") is not False
    if hard and not resource["user_id"]:
        raise invalid("hard", "Hard allocations need a named resource")
    return tenant.add(
        "workspace_allocations",
        actor,
        {
            "notes": None,
            **{name: value for name, value in given.items() if name != "resource_id"},
            "hard": hard,
            "workspace_resource_id": resource["id"],
            "workspace_id": resource["workspace_id"],
            "creator_id": actor["id"],
            "updater_id": actor["id"],
        },
    )


def _change_allocation(tenant: Tenant, actor: Record, record: Record, given: dict[str, Any]) -> None:
    readers.check_dates(given, record, "end_date")
    tenant.change("workspace_allocations", record["id"], actor, {**given, "updater_id": actor["id"]})


def _percentage(_tenant: Tenant, allocation: Record) -> float:
    capacity = working_minutes(allocation["start_date"], allocation["end_date"])
    return round(100 * allocation["minutes"] / capacity, 2) if capacity else 0.0


def _unnamed_allocation(tenant: Tenant, allocation: Record) -> bool:
    resource = tenant.get("workspace_resources", allocation["workspace_resource_id"])
    return resource is not None and not resource["user_id"]


# Resource requests


def _create_request(tenant: Tenant, actor: Record, given: dict[str, Any]) -> Record:
    start, end = given.get("workspace_allocation_start_date"), given.get("workspace_allocation_end_date")
    percentage = given.get("workspace_allocation_percentage")
    problems = []
    if not given.get("approver_ids"):
        problems.append(("approver_ids", "Approvers can't be blank"))
    if not given.get("resource_id"):
        if not given.get("resource_workspace_id"):
            problems.append(("resource_id", "Resource can't be blank"))
        if not given.get("resource_role_id"):
            problems.append(("resource_role_id", "Role can't be blank"))
    if start and end and end < start:
        problems.append(("workspace_allocation_end_date", "End date must be after the start date"))
    if percentage is not None and percentage <= 0:
        problems.append(("workspace_allocation_percentage", "Percentage must be greater than 0"))
    if problems:
        raise all_invalid(problems)
    resource_id = given.get("resource_id")
    if not resource_id:
        fields = {"workspace_id": given["resource_workspace_id"], "role_id": given["resource_role_id"]}
        resource_id = _create_resource(tenant, actor, fields)["id"]
        custom_fields.set_all(tenant, actor, "Resource", resource_id, given.get("custom_fields"))
        if start and end and percentage is not None:
            minutes = working_minutes(start, end) * percentage // 100
            span = {"start_date": start, "end_date": end}
            _create_allocation(tenant, actor, {"resource_id": resource_id, **span, "minutes": minutes, "hard": False})
    own = {"status": "new", "resource_id": resource_id, "creator_id": actor["id"]}
    return tenant.add("resource_requests", actor, {**own, "approver_ids": given["approver_ids"]})


def _resolve(tenant: Tenant, actor: Record, record: Record, given: dict[str, Any]) -> None:
    """PUT /resource_requests/{id}: approve and reject are for its approvers, cancel also for its creator."""
    resolution = given.get("request_resolution_status")
    if resolution not in _RESOLVED:
        raise invalid("request_resolution_status", "Request resolution status is not included in the list")
    allowed = {*record["approver_ids"], *([record["creator_id"]] if resolution == "cancel" else [])}
    if actor["id"] not in allowed:
        raise forbidden(f"You do not have permission to {resolution} this request")
    if record["status"] != "new":
        raise invalid("request_resolution_status", "Resource request has already been resolved")
    tenant.change("resource_requests", record["id"], actor, {"status": _RESOLVED[resolution]})
    user_id = given.get("user_id")
    if resolution == "approve" and user_id:
        resource = tenant.get("workspace_resources", record["resource_id"]) or {}
        _change_resource(tenant, actor, resource, {"user_id": user_id})
        hard = given.get("allocations_state") is not False
        for allocation in tenant.find("workspace_allocations", "workspace_resource_id", [record["resource_id"]]):
            tenant.change("workspace_allocations", allocation["id"], actor, {"hard": hard})


def change_approver(tenant: Tenant, actor: Record, record: Record, given: dict[str, Any]) -> None:
    """PUT /resource_requests/{id}/update_approver."""
    try:
        approvers = readers.ids_of("users")(tenant, given.get("new_approver_id"))
    except ValueError:
        approvers = []
    if not approvers:
        raise invalid("new_approver_id", "New approver must exist")
    tenant.change("resource_requests", record["id"], actor, {"approver_ids": approvers})


def _involved(_tenant: Tenant, _params: Params, actor: Record) -> Test:
    """ "Returns resource requests visible to the logged in user by default": administrators see all."""
    if actor["_administrator"]:
        return lambda _request: True
    return lambda request: actor["id"] in (request["creator_id"], *request["approver_ids"])


def _for_approver(_tenant: Tenant, value: str) -> Test:
    return lambda request: value in request["approver_ids"]


RESOURCES = (
    Resource(
        name="workspace_resources",
        singular="workspace_resource",
        subject="WorkspaceResource",
        event="workspace_resource",
        shown=(
            "label",
            "display_label",
            "full_name",
            "role_name",
            "role_initials",
            "photo_path",
            "workspace_id",
            "workspace_title",
            "created_at",
            "updated_at",
        ),
        derived={
            "display_label": lambda tenant, resource: _full_name(tenant, resource) or resource["label"],
            "full_name": _full_name,
            "role_name": _role_name,
            "role_initials": _initials,
            "photo_path": lambda _tenant, _resource: None,
            "workspace_id": lambda _tenant, resource: int(resource["workspace_id"]),
            "workspace_title": _workspace_title,
        },
        associations={
            "workspace": Association("workspace_id", "workspaces"),
            "user": Association("user_id", "users"),
            "role": Association("role_id", "roles"),
            "custom_field_values": custom_fields.INCLUDED,
            "external_references": references.INCLUDED,
        },
        accepts={
            "workspace_id": readers.id_of("workspaces"),
            "user_id": readers.id_of("users"),
            "role_id": readers.id_of("roles"),
        },
        required=("workspace_id",),
        changes=("label", "user_id", "role_id", "auto_update_label"),
        only_on_change={"label": readers.text, "auto_update_label": readers.flag},
        filters={
            "workspace_id": by("workspace_id"),
            "user_id": by("user_id"),
            "role_id": by("role_id"),
            "matching": containing("label"),
        },
        hides=_named,
        orders=("created_at", "updated_at"),
        default_order="updated_at:desc",
        indexed=("workspace_id", "user_id"),
        referenced=True,
        custom_fields="Resource",
        bulk=200,
        create=_create_resource,
        change=_change_resource,
        remove=_delete_resource,
    ),
    Resource(
        name="workspace_allocations",
        singular="workspace_allocation",
        subject="WorkspaceAllocation",
        event="workspace_allocation",
        shown=(
            "start_date",
            "end_date",
            "hard",
            "minutes",
            "percentage",
            "notes",
            "workspace_resource_id",
            "created_at",
            "updated_at",
        ),
        derived={"percentage": _percentage},
        associations={
            "workspace": Association("workspace_id", "workspaces"),
            "workspace_resource": Association("workspace_resource_id", "workspace_resources"),
            "creator": Association("creator_id", "users"),
            "updater": Association("updater_id", "users"),
            "external_references": references.INCLUDED,
        },
        accepts={
            "resource_id": readers.id_of("workspace_resources"),
            "start_date": readers.day,
            "end_date": readers.day,
            "minutes": readers.whole,
            "hard": readers.flag,
            "notes": readers.text,
        },
        required=("resource_id", "start_date", "end_date", "minutes"),
        changes=("start_date", "end_date", "minutes", "hard", "notes"),
        filters={
            "workspace_ids": by("workspace_id"),
            "workspace_resource_ids": by("workspace_resource_id"),
            "unnamed_resources_only": where(_unnamed_allocation),
            "type": Filter(lambda _tenant, value: lambda allocation: allocation["hard"] is (value == "hard")),
        },
        orders=("updated_at",),
        default_order="updated_at:desc",
        indexed=("workspace_id", "workspace_resource_id"),
        referenced=True,
        bulk=200,
        create=_create_allocation,
        change=_change_allocation,
        remove=plain_remove("workspace_allocations"),
    ),
    Resource(
        name="resource_requests",
        singular="resource_request",
        subject="ResourceRequest",
        shown=("status", "created_at", "updated_at"),
        associations={
            "resource": Association("resource_id", "workspace_resources"),
            "creator": Association("creator_id", "users"),
            "approvers": Association("approver_ids", "users"),
        },
        accepts={
            "approver_ids": readers.ids_of("users"),
            "resource_id": readers.id_of("workspace_resources"),
            "resource_workspace_id": readers.id_of("workspaces"),
            "resource_role_id": readers.id_of("roles"),
            "workspace_allocation_start_date": readers.day,
            "workspace_allocation_end_date": readers.day,
            "workspace_allocation_percentage": readers.whole,
            "custom_fields": readers.anything,
        },
        changes=("request_resolution_status", "user_id", "allocations_state"),
        only_on_change={
            "request_resolution_status": readers.text,
            "user_id": readers.id_of("users"),
            "allocations_state": readers.flag,
        },
        filters={
            "pending_requests_only": where(lambda _tenant, request: request["status"] == "new"),
            "requests_for_approver": Filter(_for_approver),
        },
        hides=_involved,
        default_order="id:asc",
        indexed=("resource_id",),
        create=_create_request,
        change=_resolve,
    ),
)
