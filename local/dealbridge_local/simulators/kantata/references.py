"""External references: what ties a Kantata object to an object elsewhere (developer.kantata.com, External References).

They are the nearest thing to an idempotency key that the API has, and no more than a tag: nothing keeps two objects
from carrying the same one.
"""

from typing import Any

from dealbridge_local.simulators.kantata import readers
from dealbridge_local.simulators.kantata.refusals import all_invalid, invalid
from dealbridge_local.simulators.kantata.resource import Association, Filter, Params, Resource, Test, by
from dealbridge_local.simulators.kantata.tenant import Tenant
from dealbridge_local.simulators.store import Record

NAME = "external_references"
REQUIRED = ("service_name", "service_model", "service_model_ref")
OPTIONAL = ("status", "external_link", "external_message", "external_status", "locked")

INCLUDED = Association("external_reference_ids", NAME, lambda tenant, record: ids_of_subject(tenant, record))
"""The `external_references` include of every object that can carry them; the records know their own type."""


def subject_key(subject: str, id_: str) -> str:
    return f"{subject}:{id_}"


def of_subject(tenant: Tenant, subject: str, id_: str) -> list[Record]:
    return tenant.find(NAME, "_subject", [subject_key(subject, id_)])


def ids_of_subject(tenant: Tenant, record: Record) -> list[str]:
    return [reference["id"] for reference in of_subject(tenant, record["_type"], record["id"])]


def attach(tenant: Tenant, actor: Record, subject: str, id_: str, given: Any) -> Record:
    """Tie an object to one elsewhere. One object has one reference per `service_name`: another replaces it."""
    fields = given if isinstance(given, dict) else {}
    absent = [name for name in REQUIRED if fields.get(name) in (None, "")]
    if absent:
        raise all_invalid((f"external_reference.{name}", f"{_human(name)} can't be blank") for name in absent)
    values = {name: str(fields[name]) for name in REQUIRED} | {
        name: fields[name] for name in OPTIONAL if fields.get(name) is not None
    }
    values["last_synced_at"] = tenant.now()
    held = [each for each in of_subject(tenant, subject, id_) if each["service_name"] == values["service_name"]]
    if held:
        return tenant.change(NAME, held[0]["id"], actor, values)
    empty = dict.fromkeys(OPTIONAL)
    own = {"subject_type": subject, "_subject_id": id_, "_subject": subject_key(subject, id_)}
    return tenant.add(NAME, actor, {**empty, **values, **own})


def create_or_update(tenant: Tenant, actor: Record, given: dict[str, Any]) -> Record:
    """POST /external_references/create_or_update."""
    subject, id_ = str(given.get("subject_type") or ""), str(given.get("subject_id") or "")
    collection = _collection(tenant, subject)
    if collection is None:
        raise invalid("subject_type", "Subject type is not included in the list")
    if tenant.get(collection, id_) is None:
        raise invalid("subject_id", "Subject must exist")
    return attach(tenant, actor, subject, id_, given)


def matching(tenant: Tenant, resource: Resource, params: Params) -> tuple[list[str], Test] | None:
    """What the external_reference_... parameters of a list ask for: the ids they can be, and the test.

    All of them must hold for one and the same reference. None where none of them is given.

    `external_reference_service_model_ref` is an integer in the vendor's documents. Whether it also matches other
    strings is UNVERIFIED: without the switch a value that is no integer matches nothing, which looks just like "not
    there". The plural `..._refs` is documented as a comma-separated string.
    """
    if not resource.referenced:
        return None
    wanted = {name: params[f"external_reference_{name}"] for name in _EXACT if f"external_reference_{name}" in params}
    refs: list[str] | None = None
    if "external_reference_service_model_refs" in params:
        refs = params["external_reference_service_model_refs"].split(",")
    if "external_reference_service_model_ref" in params:
        single = params["external_reference_service_model_ref"]
        refs = [single] if single.isdigit() or tenant.switches.string_model_ref_filter else []
    if refs is None and not wanted:
        return None
    candidates = tenant.all(NAME) if refs is None else tenant.find(NAME, "service_model_ref", refs)
    ids = {
        reference["_subject_id"]: None
        for reference in candidates
        if reference["subject_type"] == resource.subject
        and all(str(reference.get(name) or "") == value for name, value in wanted.items())
    }
    return list(ids), lambda record: record["id"] in ids


def presence_filters() -> dict[str, Filter]:
    """has_external_references and without_external_reference_service_name, which every such list has."""

    def has(tenant: Tenant, value: str) -> Test:
        return lambda record: bool(ids_of_subject(tenant, record)) is (value.lower() == "true")

    def without(tenant: Tenant, value: str) -> Test:
        return lambda record: all(
            reference["service_name"] != value for reference in of_subject(tenant, record["_type"], record["id"])
        )

    return {"has_external_references": Filter(has), "without_external_reference_service_name": Filter(without)}


def _delete(tenant: Tenant, actor: Record, record: Record) -> None:
    tenant.remove(NAME, record["id"], actor)


def _collection(tenant: Tenant, subject: str) -> str | None:
    found = (name for name, resource in tenant.resources.items() if resource.subject == subject and resource.referenced)
    return next(found, None)


def _subject_ids(_tenant: Tenant, record: Record) -> list[str]:
    return [record["_subject_id"]]


def _human(name: str) -> str:
    return name.replace("_", " ").capitalize()


_EXACT = ("service_name", "service_model", "status", "external_status", "external_message")

RESOURCES = (
    Resource(
        name=NAME,
        singular="external_reference",
        shown=(
            "service_name",
            "service_model",
            "service_model_ref",
            "subject_type",
            "subject_id",
            "status",
            "external_link",
            "external_message",
            "external_status",
            "locked",
            "created_at",
            "updated_at",
            "last_synced_at",
        ),
        derived={"subject_id": lambda _tenant, record: int(record["_subject_id"])},
        associations={"subject": Association("subject_ref", ids=_subject_ids)},
        accepts=dict.fromkeys((*REQUIRED, *OPTIONAL, "subject_type", "subject_id"), readers.anything),
        filters={
            "subject_type": by("subject_type"),
            "subject_id": by("_subject_id"),
            "service_name": by("service_name"),
            "service_model": by("service_model"),
            "service_model_ref": by("service_model_ref"),
            "status": by("status"),
        },
        needs=("subject_type",),
        orders=("created_at", "last_synced_at"),
        default_order="last_synced_at:desc",
        indexed=("_subject", "_subject_id", "service_model_ref"),
        remove=_delete,
    ),
)
