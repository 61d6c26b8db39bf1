"""Stories: the tasks, deliverables, milestones and issues of a project (developer.kantata.com, Stories)."""

from typing import Any

from dealbridge_local.simulators.kantata import custom_fields, readers, references
from dealbridge_local.simulators.kantata.refusals import invalid
from dealbridge_local.simulators.kantata.resource import (
    Association,
    Derive,
    Resource,
    by,
    containing,
    plain_change,
    plain_remove,
)
from dealbridge_local.simulators.kantata.tenant import Tenant
from dealbridge_local.simulators.store import Record


def create_story(tenant: Tenant, actor: Record, given: dict[str, Any]) -> Record:
    parent = tenant.get("stories", given["parent_id"]) if given.get("parent_id") else None
    if parent is not None and parent["workspace_id"] != given["workspace_id"]:
        raise invalid("parent_id", "Parent must be in the same project")
    readers.check_dates(given, {})
    position = tenant.count(f"stories of {given['workspace_id']}")
    depth = [*parent["_ancestors"], parent["id"]] if parent else []
    fields = {**_STORY_DEFAULTS, **given, "position": position, "creator_id": actor["id"], "_ancestors": depth}
    return tenant.add("stories", actor, fields)


def _logged(*, billable: bool) -> Derive:
    def minutes(tenant: Tenant, story: Record) -> int:
        entries = tenant.find("time_entries", "story_id", [story["id"]])
        return sum(entry["time_in_minutes"] for entry in entries if entry["billable"] is billable)

    return minutes


def _sub_stories(tenant: Tenant, story: Record) -> list[str]:
    return [each["id"] for each in tenant.find("stories", "parent_id", [story["id"]])]


_STORY_DEFAULTS: Record = {
    "description": None,
    "parent_id": None,
    "start_date": None,
    "due_date": None,
    "archived": False,
    "deleted_at": None,
    "state": "not started",
    "billable": True,
    "fixed_fee": False,
    "budget_estimate_in_cents": None,
    "time_estimate_in_minutes": None,
    "percentage_complete": 0,
}


RESOURCES = (
    Resource(
        name="stories",
        singular="story",
        subject="Story",
        event="story",
        shown=(
            "title",
            "description",
            "story_type",
            "state",
            "position",
            "archived",
            "deleted_at",
            "start_date",
            "due_date",
            "created_at",
            "updated_at",
            "billable",
            "fixed_fee",
            "budget_estimate_in_cents",
            "time_estimate_in_minutes",
            "logged_billable_time_in_minutes",
            "logged_nonbillable_time_in_minutes",
            "percentage_complete",
            "sub_story_count",
            "ancestor_ids",
        ),
        derived={
            "logged_billable_time_in_minutes": _logged(billable=True),
            "logged_nonbillable_time_in_minutes": _logged(billable=False),
            "sub_story_count": lambda tenant, story: len(_sub_stories(tenant, story)),
            "ancestor_ids": lambda _tenant, story: story["_ancestors"],
        },
        associations={
            "workspace": Association("workspace_id", "workspaces"),
            "creator": Association("creator_id", "users"),
            "parent": Association("parent_id", "stories"),
            "sub_stories": Association("sub_story_ids", "stories", _sub_stories),
            "custom_field_values": custom_fields.INCLUDED,
            "external_references": references.INCLUDED,
        },
        accepts={
            "title": readers.text,
            "story_type": readers.one_of("task", "deliverable", "milestone", "issue"),
            "workspace_id": readers.id_of("workspaces"),
            "description": readers.text,
            "parent_id": readers.id_of("stories"),
            "start_date": readers.day,
            "due_date": readers.day,
            "archived": readers.flag,
            "budget_estimate_in_cents": readers.whole,
            "time_estimate_in_minutes": readers.whole,
            "billable": readers.flag,
            "fixed_fee": readers.flag,
            "percentage_complete": readers.whole,
            "state": readers.one_of("not started", "started", "needs info", "completed"),
        },
        required=("title", "story_type", "workspace_id"),
        changes=(
            "title",
            "story_type",
            "description",
            "start_date",
            "due_date",
            "archived",
            "budget_estimate_in_cents",
            "time_estimate_in_minutes",
            "billable",
            "fixed_fee",
            "percentage_complete",
            "state",
        ),
        filters={
            "workspace_id": by("workspace_id"),
            "search": containing("title"),
            "by_status": by("state"),
        },
        orders=("created_at", "due_date", "position", "title", "updated_at"),
        default_order="position:asc",
        indexed=("workspace_id", "parent_id"),
        referenced=True,
        custom_fields="Story",
        bulk=100,
        create=create_story,
        change=plain_change("stories"),
        remove=plain_remove("stories"),
    ),
)
