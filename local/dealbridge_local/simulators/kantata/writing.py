"""Writing: bodies in both forms, what a resource accepts of them, and create, update and delete.

There is no idempotency key: a POST sent twice creates twice.
"""

import re
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qsl

from dealbridge_local.simulators.kantata import custom_fields, references
from dealbridge_local.simulators.kantata.listing import envelope
from dealbridge_local.simulators.kantata.refusals import all_invalid, malformed, missing
from dealbridge_local.simulators.kantata.resource import Reader, Resource
from dealbridge_local.simulators.kantata.tenant import Tenant
from dealbridge_local.simulators.store import Record
from dealbridge_local.simulators.wire import Request, Response


def create(tenant: Tenant, resource: Resource, request: Request, actor: Record) -> Response:
    """POST /<collection> with one object under its singular name, or up to `bulk` in an array under the plural."""
    if resource.create is None:
        raise missing()
    given = _objects(resource, read_body(request))
    if len(given) > resource.bulk:
        raise malformed(f"You can create up to {resource.bulk} {resource.name} at once")
    with tenant.store.undone_on_error():
        records = [_create_one(tenant, resource, resource.create, each, actor) for each in given]
    return envelope(tenant, resource, records, request.params)


def change(tenant: Tenant, resource: Resource, id_: str, request: Request, actor: Record) -> Response:
    """PUT /<collection>/<id>."""
    record = tenant.get(resource.name, id_)
    if resource.change is None or record is None:
        raise missing()
    body = read_body(request)
    given = _objects(resource, body)[0]
    fields = _read(tenant, resource, given, resource.changes)
    with tenant.store.undone_on_error():
        resource.change(tenant, actor, record, fields)
        if resource.referenced and given.get("external_reference"):
            references.attach(tenant, actor, resource.subject, id_, given["external_reference"])
    after = tenant.get(resource.name, id_)
    return envelope(tenant, resource, [after] if after else [], request.params)


def remove(tenant: Tenant, resource: Resource, ids: Iterable[str], actor: Record) -> Response:
    """DELETE /<collection>/<id> or /<collection>?ids=1,2: all or none."""
    with tenant.store.undone_on_error():
        for id_ in ids:
            record = tenant.get(resource.name, id_)
            if resource.remove is None or record is None:
                raise missing()
            resource.remove(tenant, actor, record)
    return Response(204)


def read_body(request: Request) -> dict[str, Any]:
    """The body as JSON, or as a form in Rails' notation (`workspace[title]=...&workspace[approver_ids][]=11`)."""
    if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return _nested(request)
    if not request.body:
        return {}
    try:
        body = request.json()
    except ValueError:
        raise malformed("There was a problem parsing the JSON you submitted") from None
    if not isinstance(body, dict):
        raise malformed("The JSON you submitted must be an object")
    return body


def _nested(request: Request) -> dict[str, Any]:
    body: dict[str, Any] = {}
    for name, value in parse_qsl(request.body.decode(), keep_blank_values=True):
        place: Any = body
        keys = [name.partition("[")[0], *re.findall(r"\[([^\]]*)\]", name)]
        for key, following in pairwise([*keys, None]):
            if isinstance(place, list) and key:
                # An object in an array: a new one begins where a key comes a second time.
                if not place or key in place[-1]:
                    place.append({})
                place = place[-1]
            if following is not None:
                place = place.setdefault(key, [] if following == "" else {}) if key else place
            elif key:
                place[key] = value
            else:
                place.append(value)
    return body


def _objects(resource: Resource, body: dict[str, Any]) -> list[dict[str, Any]]:
    given = body.get(resource.name, body.get(resource.singular))
    objects = [each for each in (given if isinstance(given, list) else [given]) if isinstance(each, dict)]
    if not objects or (isinstance(given, list) and len(objects) < len(given)):
        raise malformed(f"param is missing or the value is empty: {resource.singular}")
    return objects


def _create_one(
    tenant: Tenant,
    resource: Resource,
    make: Callable[[Tenant, Record, dict[str, Any]], Record],
    given: dict[str, Any],
    actor: Record,
) -> Record:
    fields = _read(tenant, resource, given, tuple(resource.accepts), resource.required)
    custom = fields.pop("custom_fields", None) if resource.custom_fields else None
    record = make(tenant, actor, fields)
    custom_fields.set_all(tenant, actor, resource.custom_fields, record["id"], custom)
    if resource.referenced and given.get("external_reference"):
        references.attach(tenant, actor, resource.subject, record["id"], given["external_reference"])
    return record


def _read(
    tenant: Tenant, resource: Resource, given: dict[str, Any], names: Iterable[str], required: Iterable[str] = ()
) -> dict[str, Any]:
    """The accepted attributes of what was sent, as stored. Attributes that are not known are left out, silently."""
    readers: dict[str, Reader] = {**resource.accepts, **resource.only_on_change}
    fields: dict[str, Any] = {}
    problems: list[tuple[str, str]] = []
    for name in names:
        if name not in given:
            continue
        try:
            fields[name] = readers[name](tenant, given[name])
        except ValueError as error:
            problems.append((name, f"{_human(name)} {error}"))
    refused = {name for name, _ in problems}
    problems += [
        (name, f"{_human(name)} can't be blank")
        for name in required
        if fields.get(name) in (None, []) and name not in refused
    ]
    if problems:
        raise all_invalid(problems)
    return fields


def _human(name: str) -> str:
    """As Rails says it: workspace_id → Workspace, amount_in_cents → Amount in cents."""
    return name.removesuffix("_id").removesuffix("_ids").replace("_", " ").capitalize()
