"""Our objects to Kantata's and back: pure functions."""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from dealbridge.connectors.kantata.records import Workspace, WorkspaceAllocation, WorkspaceResource
from dealbridge.connectors.kantata.settings import Defaults
from dealbridge.domain.engagement import StaffingProject, StaffingRequest
from dealbridge.domain.money import Money
from dealbridge.domain.plan import FieldChange, touched
from dealbridge.transport.mapping import Codes

ROLE, ALLOCATION = "role", "allocation"
_ASPECTS = {"role": ROLE, "title": ALLOCATION, "hours": ALLOCATION, "start": ALLOCATION, "end": ALLOCATION}
_FULL_DAY = "codes.defaults.hours_per_day"
"""The path of a change that changes the hours of a request which names none."""
_PROJECT_FIELDS = {
    "name": "title",
    "customer_name": "client_role_name",
    "currency": "currency",
    "budget": "price",
    "start": "start_date",
    "end": "due_date",
}


def key_value(field_id: str, key: str) -> list[dict[str, Any]]:
    """`custom_fields` of a create: our key in the unique field."""
    return [{"custom_field_id": int(field_id), "value": key}]


# Projects


def project_fields(project: StaffingProject, codes: Codes) -> dict[str, Any]:
    """All that a create and an update write alike."""
    return {
        "title": project.name,
        "client_role_name": project.customer_name,
        "currency": codes.currency,
        "price": project.budget.amount,
        "start_date": project.start.isoformat(),
        "due_date": project.end.isoformat(),
    }


def new_project(
    project: StaffingProject, codes: Codes, defaults: Defaults, field_id: str, lead_id: str | None
) -> dict[str, Any]:
    fields = project_fields(project, codes)
    fields |= {"creator_role": defaults.creator_role, "custom_fields": key_value(field_id, project.key)}
    if lead_id:
        fields["primary_maven_id"] = int(lead_id)
    if defaults.project_template:
        template = {"project_tracker_template_id": int(defaults.project_template)}
        fields |= {**template, "project_template_start_date": project.start.isoformat()}
    return fields


def changed_project(project: StaffingProject, codes: Codes, changes: Sequence[FieldChange]) -> dict[str, Any]:
    """The attributes that the changes touch; all of them where none is given."""
    fields, names = project_fields(project, codes), touched(changes)
    wanted = {_PROJECT_FIELDS[name] for name in names if name in _PROJECT_FIELDS}
    return {name: value for name, value in fields.items() if not changes or name in wanted}


def hands_over(changes: Sequence[FieldChange]) -> bool:
    """Whether the changes touch the project's lead."""
    return not changes or "manager_email" in touched(changes)


def project_of(workspace: Workspace, lead_email: str | None, wanted: StaffingProject, codes: Codes) -> StaffingProject:
    """A project as Kantata holds it. What it cannot tell (no lead was asked for) is as wanted."""
    currency = wanted.currency if workspace.currency == codes.currency else workspace.currency
    lead = (lead_email or "") if wanted.manager_email else ""
    by_code = {codes.manager, codes.default("manager")} - {None}
    if workspace.primary_maven_id in by_code or lead.lower() == wanted.manager_email.lower():
        lead = wanted.manager_email
    return StaffingProject(
        key=wanted.key,
        name=workspace.title,
        customer_name=workspace.client_role_name or "",
        manager_email=lead,
        currency=currency,
        budget=Money(amount=Decimal(workspace.price_in_cents or 0) / workspace.currency_base_unit, currency=currency),
        start=workspace.start_date or wanted.start,
        end=workspace.due_date or wanted.end,
    )


# Staffing requests


def aspects(changes: Sequence[FieldChange]) -> set[str]:
    """Which of the vendor's records the changes touch: the resource's role, its allocation. All where none is given."""
    if not changes:
        return {ROLE, ALLOCATION}
    days = {ALLOCATION for change in changes if change.path == _FULL_DAY}
    return {_ASPECTS[name] for name in touched(changes) if name in _ASPECTS} | days


def new_request(workspace_id: str, role_id: str, defaults: Defaults, field_id: str, key: str) -> dict[str, Any]:
    """A request that makes, in the same call, the unnamed resource which carries our key."""
    return {
        "approver_ids": [int(each) for each in defaults.approvers],
        "resource_workspace_id": int(workspace_id),
        "resource_role_id": int(role_id),
        "custom_fields": key_value(field_id, key),
    }


def allocation_fields(request: StaffingRequest, defaults: Defaults) -> dict[str, Any]:
    """What is asked for: exact minutes, and the title as its notes."""
    return {
        "start_date": request.start.isoformat(),
        "end_date": request.end.isoformat(),
        "minutes": minutes_of(request, defaults),
        "notes": request.title,
    }


def minutes_of(request: StaffingRequest, defaults: Defaults) -> int:
    """The hours asked for; full days from Monday to Friday where the sale names none."""
    hours = request.hours
    if hours is None:
        hours = working_days(request.start, request.end) * defaults.hours_per_day
    return int((hours * 60).to_integral_value(ROUND_HALF_UP))


def covers(held: Sequence[WorkspaceAllocation], request: StaffingRequest, defaults: Defaults) -> bool:
    """Whether the parts of a split allocation add up to what is asked for."""
    span = (min(each.start_date for each in held), max(each.end_date for each in held))
    whole = sum(each.minutes for each in held)
    return (span, whole) == ((request.start, request.end), minutes_of(request, defaults))


def working_days(start: date, end: date) -> int:
    """The days from Monday to Friday, both ends included."""
    weeks, rest = divmod((end - start).days + 1, 7)
    return weeks * 5 + sum((start + timedelta(days=day)).weekday() < 5 for day in range(rest))


def request_of(
    resource: WorkspaceResource,
    allocations: Sequence[WorkspaceAllocation],
    wanted: StaffingRequest,
    role_id: str,
    defaults: Defaults,
) -> StaffingRequest:
    """A request as Kantata holds it. What it does not keep (project key, service line) is as wanted.

    Several allocations of the resource, as people make them while they staff it, count together.
    """
    minutes = sum(each.minutes for each in allocations)
    same = minutes == minutes_of(wanted, defaults)
    return StaffingRequest(
        key=wanted.key,
        project_key=wanted.project_key,
        title=allocations[0].notes or wanted.title if allocations else wanted.title,
        role=wanted.role if resource.role_id == role_id else resource.role_name or "",
        service_line=wanted.service_line,
        hours=wanted.hours if same else Decimal(minutes) / 60,
        start=min((each.start_date for each in allocations), default=wanted.start),
        end=max((each.end_date for each in allocations), default=wanted.end),
    )
