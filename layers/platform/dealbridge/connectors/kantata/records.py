"""Kantata's shapes, as far as we read them. Ids are strings; times carry the account's offset.

A foreign key is there only where the read included its association ("will only be included in the response if ...").
"""

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

API = "/api/v1"


class _Shape(BaseModel):
    # Ids are texts; an account that answers with numbers means the same.
    model_config = ConfigDict(frozen=True, extra="ignore", coerce_numbers_to_str=True)

    id: str


class Workspace(_Shape):
    """A project. `price` is text for people; `price_in_cents` counts in units of 1/`currency_base_unit`."""

    title: str
    client_role_name: str | None = None
    currency: str
    currency_base_unit: int = 100
    price_in_cents: int | None = None
    start_date: date | None = None
    due_date: date | None = None
    primary_maven_id: str | None = None


class WorkspaceResource(_Shape):
    """Somebody's place in a project, named or not."""

    label: str | None = None
    workspace_id: int
    role_id: str | None = None
    role_name: str | None = None
    created_at: datetime


class WorkspaceAllocation(_Shape):
    """What a resource is allocated for; `minutes` in all."""

    start_date: date
    end_date: date
    minutes: int
    notes: str | None = None


class ResourceRequest(_Shape):
    """A request to staff a resource: new, approved, rejected or cancelled."""

    status: str
    resource_id: str | None = None
    created_at: datetime

    @property
    def stands(self) -> bool:
        """Waiting for an answer, or answered by its approver."""
        return self.status != "cancelled"


def results(body: Any) -> Iterator[Mapping[str, Any]]:
    """The objects that a read is about, in order; what was included beside them is left out ("Response Format")."""
    for result in body["results"]:
        yield body[result["key"]][str(result["id"])]


def page_count(body: Any) -> int:
    """Of how many pages this is one."""
    return int((body.get("meta") or {}).get("page_count") or 1)


def keyed(body: Any, key: str) -> Iterator[Mapping[str, Any]]:
    """Those of the results that hold exactly our key in a custom field; the read included `custom_field_values`.

    A filter that the account ignores or reads as "contains" brings others too.
    """
    values = body.get("custom_field_values") or {}
    for each in results(body):
        held = (values.get(str(id_)) for id_ in each.get("custom_field_value_ids") or ())
        if any(value and value.get("value") == key for value in held):
            yield each


def included(body: Any, collection: str, id_: str | None) -> Mapping[str, Any] | None:
    """One object that came beside the results."""
    found: Mapping[str, Any] | None = (body.get(collection) or {}).get(str(id_))
    return found
