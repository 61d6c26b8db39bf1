"""Participations: who takes part in which project, and who leads (developer.kantata.com, Participations)."""

from typing import Any

from dealbridge_local.simulators.kantata import readers
from dealbridge_local.simulators.kantata.refusals import invalid
from dealbridge_local.simulators.kantata.resource import Association, Resource, by, plain_remove
from dealbridge_local.simulators.kantata.tenant import Tenant
from dealbridge_local.simulators.store import Record

NAME = "participations"


def join(tenant: Tenant, actor: Record, workspace_id: str, user_id: str, *, team_lead: bool = False) -> Record:
    """The user's participation in the project, made where there is none."""
    held = of_user(tenant, workspace_id, user_id)
    if held is not None:
        return held
    fields = {"workspace_id": workspace_id, "user_id": user_id, "role": "maven", "access_level": None}
    return tenant.add(NAME, actor, {**fields, "is_team_lead": team_lead, "can_invite": False})


def of_user(tenant: Tenant, workspace_id: str, user_id: str) -> Record | None:
    found = tenant.find(NAME, "user_id", [user_id])
    return next((each for each in found if each["workspace_id"] == workspace_id), None)


def _create(tenant: Tenant, actor: Record, given: dict[str, Any]) -> Record:
    if of_user(tenant, given["workspace_id"], given["user_id"]) is not None:
        raise invalid("user_id", "User is already participating in this project")
    return join(tenant, actor, given["workspace_id"], given["user_id"])


def _change(tenant: Tenant, actor: Record, record: Record, given: dict[str, Any]) -> None:
    """A new team lead takes the place of the old one, on the project as well."""
    if given.pop("team_lead", False):
        for other in tenant.find(NAME, "workspace_id", [record["workspace_id"]]):
            tenant.change(NAME, other["id"], actor, {"is_team_lead": other["id"] == record["id"]})
        tenant.change("workspaces", record["workspace_id"], actor, {"primary_maven_id": record["user_id"]})
    tenant.change(NAME, record["id"], actor, given)


RESOURCES = (
    Resource(
        name=NAME,
        singular="participation",
        subject="Participation",
        event="participation",
        shown=("role", "is_team_lead", "access_level", "can_invite"),
        associations={
            "user": Association("user_id", "users"),
            "workspace": Association("workspace_id", "workspaces"),
        },
        accepts={
            "workspace_id": readers.id_of("workspaces"),
            "user_id": readers.id_of("users"),
            "role": readers.one_of("maven", "buyer", "consultant", "client"),
            "access_level": readers.text,
            "can_invite": readers.flag,
        },
        required=("workspace_id", "user_id", "role"),
        changes=("team_lead", "access_level", "can_invite"),
        only_on_change={"team_lead": readers.flag},
        needs=("workspace_id",),
        filters={"workspace_id": by("workspace_id")},
        indexed=("workspace_id", "user_id"),
        create=_create,
        change=_change,
        remove=plain_remove(NAME),
    ),
)
