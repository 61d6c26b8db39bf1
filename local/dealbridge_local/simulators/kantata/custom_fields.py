"""Custom fields and their values (developer.kantata.com, Custom Fields and Custom Field Values).

A field with `unique_constraint` is the one thing in this API that refuses a second object for the same key: a
duplicate value answers "... has already been entered" (seen live by ryane2l/sf-kantata-integration).
"""

import re
from typing import Any

from dealbridge_local.simulators.kantata import readers, references
from dealbridge_local.simulators.kantata.refusals import forbidden, invalid, missing
from dealbridge_local.simulators.kantata.resource import Association, Filter, Resource, Test, by
from dealbridge_local.simulators.kantata.tenant import ACCOUNT_ID, Tenant
from dealbridge_local.simulators.store import Record

FIELDS = "custom_fields"
VALUES = "custom_field_values"
SUBJECTS = {name.lower(): name for name in ("Estimate", "Story", "User", "Workspace", "WorkspaceGroup", "Resource")}
_COLLECTIONS = {
    "Story": "stories",
    "User": "users",
    "Workspace": "workspaces",
    "WorkspaceGroup": "workspace_groups",
    "Resource": "workspace_resources",
}
_EVENT_SUBJECTS = {"Resource": "WorkspaceResource"}


def _ids_of_subject(tenant: Tenant, record: Record) -> list[str]:
    subject = tenant.resources[record["_collection"]].custom_fields
    return [value["id"] for value in tenant.find(VALUES, "_subject", [f"{subject}:{record['id']}"])]


INCLUDED = Association("custom_field_value_ids", VALUES, _ids_of_subject)


def set_all(tenant: Tenant, actor: Record, subject: str, id_: str, given: Any, field: str = "custom_fields") -> None:
    """The `custom_fields: [{"custom_field_id", "value"}]` of a create."""
    for each in given if isinstance(given, list) else []:
        set_value(tenant, actor, subject, id_, str(each.get("custom_field_id")), each.get("value"), field)


def set_value(
    tenant: Tenant, actor: Record, subject: str, id_: str, field_id: str, value: Any, error_field: str
) -> Record:
    """The value of one field of one object; a value that stands there is replaced, under a new id."""
    field = tenant.get(FIELDS, field_id)
    if field is None or field["_subject_type"] != subject:
        raise invalid(error_field, "Custom field must exist")
    held = _typed(field, value, error_field)
    match = f"{field_id}:{held}"
    same_subject = f"{subject}:{id_}"
    if field["unique_constraint"] and any(
        other["_subject"] != same_subject for other in tenant.find(VALUES, "_match", [match])
    ):
        raise invalid(error_field, f"{field['name']} has already been entered")
    for old in tenant.find(VALUES, "_subject", [same_subject]):
        if old["custom_field_id"] == field_id:
            tenant.store.delete(VALUES, old["id"])
    record = tenant.add(
        VALUES,
        actor,
        {
            "subject_type": subject,
            "_subject_id": id_,
            "_subject": same_subject,
            "custom_field_id": field_id,
            "value": held,
            "_match": match,
            "type": field["value_type"],
            "setter_id": actor["id"],
            "custom_field_name": field["name"],
            "account_id": ACCOUNT_ID,
            "can_edit": True,
        },
    )
    prefix = tenant.resources[_COLLECTIONS[subject]].event
    if prefix:
        changes = {"current_payload": {"custom_field_id": field_id, "value": held}}
        event = f"{prefix}:custom_field_value_created"
        tenant.tell(event, actor, _EVENT_SUBJECTS.get(subject, subject), id_, changes)
    return record


def by_text_value(tenant: Tenant, resource: Resource, value: str) -> tuple[list[str], Test]:
    """`by_custom_text_value`: the ids it can be, and the test. `1:text`, `(1:text):(2:other)`, `1:a;2:b` or `1`.

    Values of one field are alternatives; several fields must all match.
    """
    parts = re.findall(r"\(([^)]*)\)", value) or value.split(";")
    wanted: dict[str, set[str] | None] = {}
    for part in parts:
        field_id, separator, text = part.partition(":")
        if not separator:
            wanted[field_id] = None
        elif field_id not in wanted:
            wanted[field_id] = {text}
        elif (texts := wanted[field_id]) is not None:
            texts.add(text)
    found: set[str] | None = None
    for field_id, texts in wanted.items():
        if texts is None:
            values = tenant.find(VALUES, "custom_field_id", [field_id])
        else:
            values = tenant.find(VALUES, "_match", [f"{field_id}:{text}" for text in texts])
        ids = {each["_subject_id"] for each in values if each["subject_type"] == resource.custom_fields}
        found = ids if found is None else found & ids
    ids = found or set()
    return sorted(ids, key=int), lambda record: record["id"] in ids


def _typed(field: Record, value: Any, error_field: str) -> Any:
    if value in (None, ""):
        raise invalid(error_field, "Value can't be blank")
    try:
        match field["value_type"]:
            case "number":
                return readers.whole(_NOBODY, value)
            case "date":
                return readers.day(_NOBODY, value)
            case "string":
                return str(value)
            case _:
                return value
    except ValueError as error:
        raise invalid(error_field, f"Value {error}") from error


_NOBODY: Any = None  # readers of numbers and dates ask the tenant nothing


def _subject_of(given: dict[str, Any]) -> str:
    subject = SUBJECTS.get(str(given.get("subject_type") or "").lower())
    if subject is None:
        raise invalid("subject_type", "Subject type is not included in the list")
    return subject


def _create_value(tenant: Tenant, actor: Record, given: dict[str, Any]) -> Record:
    subject = _subject_of(given)
    id_ = str(given["subject_id"])
    if subject not in _COLLECTIONS or tenant.get(_COLLECTIONS[subject], id_) is None:
        raise invalid("subject_id", "Subject must exist")
    return set_value(tenant, actor, subject, id_, str(given["custom_field_id"]), given["value"], "value")


def _change_value(tenant: Tenant, actor: Record, record: Record, given: dict[str, Any]) -> None:
    subject, id_ = record["subject_type"], record["_subject_id"]
    field = tenant.get(FIELDS, record["custom_field_id"])
    if field is None:
        raise missing()
    held = _typed(field, given["value"], "value")
    match = f"{field['id']}:{held}"
    others = tenant.find(VALUES, "_match", [match])
    if field["unique_constraint"] and any(other["_subject"] != f"{subject}:{id_}" for other in others):
        raise invalid("value", f"{field['name']} has already been entered")
    tenant.change(VALUES, record["id"], actor, {"value": held, "_match": match, "setter_id": actor["id"]})


def _delete_value(tenant: Tenant, actor: Record, record: Record) -> None:
    tenant.remove(VALUES, record["id"], actor)


def _create_field(tenant: Tenant, actor: Record, given: dict[str, Any]) -> Record:
    if not actor["_administrator"]:
        raise forbidden("You must be an account administrator to create custom fields")
    set_id = given.get("custom_field_set_id") or "1"
    in_set = tenant.get("custom_field_sets", set_id)
    if in_set is None:
        raise invalid("custom_field_set_id", "Custom field set must exist")
    return tenant.add(
        FIELDS,
        actor,
        {
            "default_text": None,
            "read_access": None,
            "write_access": None,
            **given,
            "value_type": given.get("value_type") or "string",
            "unique_constraint": bool(given.get("unique_constraint")),
            "custom_field_set_id": set_id,
            "creator_id": actor["id"],
            "_subject_type": in_set["subject_type"],
        },
    )


def _change_field(tenant: Tenant, actor: Record, record: Record, given: dict[str, Any]) -> None:
    if not actor["_administrator"]:
        raise forbidden("You must be an account administrator to change custom fields")
    tenant.change(FIELDS, record["id"], actor, given)


def _of_subject(_tenant: Tenant, value: str) -> Test:
    # In any case: integrators send "workspace" (ryane2l/sf-kantata-integration).
    subject = SUBJECTS.get(value.lower())
    if subject is None:
        raise invalid("subject_type", "Subject type is not included in the list")
    return lambda record: record["subject_type"] == subject


def _shown_text(_tenant: Tenant, record: Record) -> str:
    return str(record["value"])


RESOURCES = (
    Resource(
        name="custom_field_sets",
        singular="custom_field_set",
        subject="CustomFieldSet",
        shown=("name", "subject_type", "created_at", "updated_at"),
        filters={"subject_type": by("subject_type")},
    ),
    Resource(
        name=FIELDS,
        singular="custom_field",
        subject="CustomField",
        event="custom_field",
        shown=(
            "name",
            "value_type",
            "default_text",
            "unique_constraint",
            "read_access",
            "write_access",
            "created_at",
            "updated_at",
        ),
        associations={
            "creator": Association("creator_id", "users"),
            "custom_field_set": Association("custom_field_set_id", "custom_field_sets"),
            "external_references": references.INCLUDED,
        },
        accepts={
            "name": readers.text,
            "value_type": readers.one_of("string", "date", "number", "currency", "single", "multi"),
            "default_text": readers.text,
            "unique_constraint": readers.flag,
            "custom_field_set_id": readers.id_of("custom_field_sets"),
            "read_access": readers.text,
            "write_access": readers.text,
        },
        required=("name",),
        changes=("name", "default_text", "unique_constraint", "read_access", "write_access"),
        filters={"subject_type": by("_subject_type")},
        orders=("name", "updated_at"),
        default_order="name:asc",
        referenced=True,
        create=_create_field,
        change=_change_field,
    ),
    Resource(
        name=VALUES,
        singular="custom_field_value",
        subject="CustomFieldValue",
        shown=(
            "subject_type",
            "subject_id",
            "value",
            "display_value",
            "can_edit",
            "type",
            "account_id",
            "custom_field_name",
            "created_at",
            "updated_at",
        ),
        derived={
            "subject_id": lambda _tenant, record: int(record["_subject_id"]),
            "display_value": _shown_text,
        },
        associations={
            "custom_field": Association("custom_field_id", FIELDS),
            "setter": Association("setter_id", "users"),
            "external_references": references.INCLUDED,
        },
        accepts={
            "subject_type": readers.text,
            "subject_id": readers.whole,
            "custom_field_id": readers.id_of(FIELDS),
            "value": readers.anything,
        },
        required=("subject_type", "subject_id", "custom_field_id", "value"),
        changes=("value",),
        needs=("subject_type",),
        filters={
            "subject_type": Filter(_of_subject),
            "with_custom_field_id": by("custom_field_id"),
            "with_subject_id": by("_subject_id"),
            "with_setter_id": by("setter_id"),
        },
        orders=("created_at", "subject_id", "updated_at"),
        default_order="created_at:asc",
        indexed=("_subject", "_subject_id", "_match", "custom_field_id"),
        referenced=True,
        bulk=100,
        create=_create_value,
        change=_change_value,
        remove=_delete_value,
    ),
)
