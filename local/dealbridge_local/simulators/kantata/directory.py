"""Users and roles: who works here, and as what (developer.kantata.com, Users and Roles)."""

from typing import Any

from dealbridge_local.simulators.kantata import participations, readers, references
from dealbridge_local.simulators.kantata.refusals import forbidden
from dealbridge_local.simulators.kantata.resource import Association, Filter, Params, Resource, Test, by, containing
from dealbridge_local.simulators.kantata.tenant import Tenant
from dealbridge_local.simulators.store import Record


def _participant_in(tenant: Tenant, value: str) -> Test:
    return lambda user: participations.of_user(tenant, value, user["id"]) is not None


def _visible(tenant: Tenant, params: Params, actor: Record) -> Test:
    """Members who take part in no project are not listed: "To see all users on the account, use on_my_account"."""
    if params.get("on_my_account", "").lower() == "true":
        return lambda _user: True
    return lambda user: user["id"] == actor["id"] or bool(tenant.find("participations", "user_id", [user["id"]]))


def _change_user(tenant: Tenant, actor: Record, record: Record, given: dict[str, Any]) -> None:
    if actor["id"] != record["id"] and not actor["_administrator"]:
        raise forbidden("You do not have permission to edit this user")
    tenant.change("users", record["id"], actor, given)


def _create_role(tenant: Tenant, actor: Record, given: dict[str, Any]) -> Record:
    if not actor["_administrator"]:
        raise forbidden("You must be an account administrator to create roles")
    return tenant.add("roles", actor, given)


def _change_role(tenant: Tenant, actor: Record, record: Record, given: dict[str, Any]) -> None:
    if not actor["_administrator"]:
        raise forbidden("You must be an account administrator to change roles")
    tenant.change("roles", record["id"], actor, given)


RESOURCES = (
    Resource(
        name="users",
        singular="user",
        subject="User",
        event="user",
        shown=("full_name", "photo_path", "email_address", "headline"),
        associations={
            "role": Association("role_id", "roles"),
            "external_references": references.INCLUDED,
        },
        accepts={"full_name": readers.text, "headline": readers.text, "email_address": readers.text},
        changes=("full_name", "headline", "email_address"),
        filters={
            "by_email_address": by("email_address"),
            "by_full_name": containing("full_name"),
            "search": containing("full_name", "email_address"),
            "matching": containing("full_name", "email_address"),
            "account_role_ids": by("role_id"),
            "participant_in": Filter(_participant_in),
        },
        hides=_visible,
        orders=("full_name",),
        default_order="full_name:asc",
        indexed=("email_address",),
        referenced=True,
        custom_fields="User",
        change=_change_user,
    ),
    Resource(
        name="roles",
        singular="role",
        subject="Role",
        event="role",
        shown=("name", "created_at", "updated_at", "deleted_at"),
        associations={"external_references": references.INCLUDED},
        accepts={"name": readers.text},
        required=("name",),
        changes=("name",),
        filters={"matching": containing("name")},
        orders=("name", "created_at", "updated_at"),
        default_order="name:asc",
        referenced=True,
        create=_create_role,
        change=_change_role,
    ),
)
