"""Reading: filters, order, pages, includes and the side-loaded envelope (developer.kantata.com, Response Format)."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from dealbridge_local.simulators.kantata import custom_fields, references
from dealbridge_local.simulators.kantata.refusals import invalid, malformed, missing
from dealbridge_local.simulators.kantata.resource import Association, Params, Resource, Test
from dealbridge_local.simulators.kantata.tenant import Tenant
from dealbridge_local.simulators.store import Record
from dealbridge_local.simulators.wire import Response

_PER_PAGE, _MOST_PER_PAGE = 20, 200
_ACCOUNT_TIME = timezone(timedelta(hours=-7))
"""Times come back in the account's zone, with its offset, as in the vendor's examples ("2013-04-15T16:48:48-07:00")."""


def read_list(tenant: Tenant, resource: Resource, params: Params, actor: Record) -> Response:
    for name in resource.needs:
        if not params.get(name):
            raise invalid(name, f"{name} is required")
    records, tests = _candidates(tenant, resource, params)
    tests += _tests(tenant, resource, params, actor)
    chosen: Sequence[Record] = [record for record in records if all(test(record) for test in tests)]
    if resource.select:
        chosen = resource.select(chosen, params)
    ordered = _ordered(resource, chosen, params)
    first, size, number = _page(params)
    return envelope(tenant, resource, ordered[first : first + size], params, (len(ordered), number, size))


def read_one(tenant: Tenant, resource: Resource, id_: str, params: Params, actor: Record) -> Response:
    """A single record; the default filters of its list apply, so that one which stands there may answer 404."""
    record = tenant.get(resource.name, id_)
    if record is None or (resource.hides and not resource.hides(tenant, params, actor)(record)):
        raise missing()
    return envelope(tenant, resource, [record], params)


def envelope(
    tenant: Tenant,
    resource: Resource,
    records: Sequence[Record],
    params: Params,
    paging: tuple[int, int, int] | None = None,
) -> Response:
    """`{"count", "meta", "results": [{"key", "id"}], "<collection>": {id: object}}`, with what `include` names beside.

    `paging` is (records in all, page number, page size).
    """
    count, number, size = paging or (len(records), 1, _PER_PAGE)
    includes = [name for name in _listed(params, "include") if name in resource.associations]
    optional = _listed(params, "optional_fields")
    collections: dict[str, dict[str, Record]] = {resource.name: {}}
    for record in records:
        collections[resource.name][record["id"]] = present(tenant, resource, record, includes, optional)
        for name in includes:
            _load(tenant, resource.associations[name], record, collections)
    return Response.of(
        200,
        {
            "count": count,
            "meta": {"count": count, "page_count": -(-count // size), "page_number": number, "page_size": size},
            "results": [{"key": resource.name, "id": record["id"]} for record in records],
            **collections,
        },
    )


def present(
    tenant: Tenant, resource: Resource, record: Record, includes: Iterable[str] = (), optional: Iterable[str] = ()
) -> Record:
    """One object as the API shows it. Foreign keys appear only where their association is included."""
    names = [*resource.shown, *(name for name in resource.optional if name in optional)]
    shown: Record = {"id": record["id"]}
    for name in names:
        derive = resource.derived.get(name)
        shown[name] = _plain(derive(tenant, record) if derive else record.get(name))
    for name, association in resource.associations.items():
        held = association.ids is None and not association.many and tenant.switches.foreign_keys_always
        if (name in includes or held) and association.key not in shown:
            shown[association.key] = _foreign_key(tenant, association, record)
    return shown


def _foreign_key(tenant: Tenant, association: Association, record: Record) -> Any:
    ids = _ids(tenant, association, record)
    if association.key == "subject_ref":
        subject = _subject(tenant, record)
        return {"key": subject.name, "id": ids[0]} if subject and tenant.get(subject.name, ids[0]) else None
    return ids if association.many else next(iter(ids), None)


def _load(tenant: Tenant, association: Association, record: Record, into: dict[str, dict[str, Record]]) -> None:
    subject = _subject(tenant, record) if association.key == "subject_ref" else None
    target = subject or tenant.resources.get(association.collection)
    if target is None:
        return
    loaded = into.setdefault(target.name, {})
    for id_ in _ids(tenant, association, record):
        found = tenant.get(target.name, id_)
        if found is not None and id_ not in loaded:
            loaded[id_] = present(tenant, target, found)


def _ids(tenant: Tenant, association: Association, record: Record) -> list[str]:
    if association.ids is not None:
        return association.ids(tenant, record)
    held = record.get(association.key)
    return list(held) if isinstance(held, list) else [] if held is None else [held]


def _subject(tenant: Tenant, record: Record) -> Resource | None:
    return next((each for each in tenant.resources.values() if each.subject == record["subject_type"]), None)


def _candidates(tenant: Tenant, resource: Resource, params: Params) -> tuple[list[Record], list[Test]]:
    """The smallest set of records that an index offers for these parameters, and the tests that go with it."""
    tests: list[Test] = []
    ids: list[str] | None = _listed(params, "only") if "only" in params else None
    for found in (
        references.matching(tenant, resource, params),
        _by_custom_text(tenant, resource, params),
    ):
        if found is not None:
            tests.append(found[1])
            ids = found[0] if ids is None else ids
    if ids is not None:
        return [record for id_ in dict.fromkeys(ids) if (record := tenant.get(resource.name, id_)) is not None], tests
    for name, filter_ in resource.filters.items():
        if name in params and filter_.field in resource.indexed:
            return tenant.find(resource.name, filter_.field, params[name].split(",")), tests
    return tenant.all(resource.name), tests


def _by_custom_text(tenant: Tenant, resource: Resource, params: Params) -> tuple[list[str], Test] | None:
    if not resource.custom_fields or "by_custom_text_value" not in params:
        return None
    return custom_fields.by_text_value(tenant, resource, params["by_custom_text_value"])


def _tests(tenant: Tenant, resource: Resource, params: Params, actor: Record) -> list[Test]:
    filters = {**resource.filters, **(references.presence_filters() if resource.referenced else {})}
    tests = [filter_.test(tenant, params[name]) for name, filter_ in filters.items() if name in params]
    if resource.hides:
        tests.append(resource.hides(tenant, params, actor))
    if resource.dated:
        for name in ("created", "updated"):
            if f"{name}_after" in params:
                tests.append(_after(f"{name}_at", _moment(params, f"{name}_after")))
            if f"{name}_before" in params:
                tests.append(_before(f"{name}_at", _moment(params, f"{name}_before")))
    return tests


def _after(field: str, moment: datetime) -> Test:
    return lambda record: record[field] > moment


def _before(field: str, moment: datetime) -> Test:
    return lambda record: record[field] < moment


def _moment(params: Params, name: str) -> datetime:
    """An ISO 8601 time. A `+` that was not escaped arrives as a space."""
    try:
        given = datetime.fromisoformat(params[name].replace(" ", "+"))
    except ValueError:
        raise malformed(f"{name} is not a valid datetime") from None
    return given if given.tzinfo else given.replace(tzinfo=UTC)


def _ordered(resource: Resource, records: Sequence[Record], params: Params) -> list[Record]:
    """`order=field:direction`; an order that the endpoint does not know falls back to its default."""
    name, _, direction = params.get("order", "").partition(":")
    if name not in resource.orders:
        name, _, direction = resource.default_order.partition(":")

    def key(record: Record) -> tuple[bool, Any, int]:
        value = int(record["id"]) if name == "id" else record.get(name)
        return value is not None, value if value is not None else 0, int(record["id"])

    return sorted(records, key=key, reverse=direction.lower() == "desc")


def _page(params: Params) -> tuple[int, int, int]:
    """(first, size, page number). `limit` and `offset` together win over `page` and `per_page`."""
    try:
        if "limit" in params and "offset" in params:
            size, first = max(1, int(params["limit"])), max(0, int(params["offset"]))
            return first, min(size, _MOST_PER_PAGE), first // size + 1
        size = min(_MOST_PER_PAGE, max(1, int(params.get("per_page") or _PER_PAGE)))
        number = max(1, int(params.get("page") or 1))
    except ValueError:
        raise malformed("page and per_page must be integers") from None
    return (number - 1) * size, size, number


def _listed(params: Params, name: str) -> list[str]:
    return [each.strip() for each in params.get(name, "").split(",") if each.strip()]


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(_ACCOUNT_TIME).isoformat()
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value
