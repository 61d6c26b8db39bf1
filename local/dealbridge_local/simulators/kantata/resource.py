"""How one resource of the API is described: what it shows, accepts and can be filtered by.

The descriptions stand beside the rules of each resource (projects.py, staffing.py ...) and follow the vendor's OpenAPI
document ("Kantata OX API Documentation", downloaded from app.mavenlink.com/oas/specification, 2026-08).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dealbridge_local.simulators.kantata.tenant import Tenant
from dealbridge_local.simulators.store import Record

type Params = Mapping[str, str]
type Reader = Callable[[Tenant, Any], Any]
"""Makes the stored value of what a client sent; raises ValueError with the text of the validation error."""
type Derive = Callable[[Tenant, Record], Any]
type Ids = Callable[[Tenant, Record], list[str]]
type Test = Callable[[Record], bool]
type Create = Callable[[Tenant, Record, dict[str, Any]], Record]
"""(tenant, acting user, fields as read) → the new record"""
type Change = Callable[[Tenant, Record, Record, dict[str, Any]], None]
"""(tenant, acting user, record, fields as read)"""
type Remove = Callable[[Tenant, Record, Record], None]


@dataclass(frozen=True)
class Association:
    """An `include`. Its foreign key is shown only where it is included ("will only be included in the response if
    ... is in the list of included associations", on every such attribute of the OpenAPI document).

    `ids` finds the associated ids where the record itself does not hold them; `key` "subject_ref" stands for a
    polymorphic association, shown as {"key", "id"}.
    """

    key: str
    collection: str = ""
    ids: Ids | None = None

    @property
    def many(self) -> bool:
        return self.key.endswith("_ids")


@dataclass(frozen=True)
class Filter:
    """A query parameter. `field` names the indexed field whose values it lists, so that no scan is needed."""

    test: Callable[[Tenant, str], Test]
    field: str | None = None


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One collection of the API. Query parameters and body attributes that it does not name are ignored, silently."""

    name: str
    singular: str
    subject: str = ""
    """Its type, where external references, custom fields and events speak of it."""
    event: str = ""
    """The prefix of its event types; empty where the vendor has none (resource_requests)."""
    shown: tuple[str, ...]
    derived: Mapping[str, Derive] = field(default_factory=dict)
    """Shown attributes that are worked out, not held."""
    optional: tuple[str, ...] = ()
    """Shown only where `optional_fields` asks for them."""
    associations: Mapping[str, Association] = field(default_factory=dict)
    accepts: Mapping[str, Reader] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    """Attributes that an update accepts."""
    only_on_change: Mapping[str, Reader] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    """Query parameters that a list cannot do without."""
    filters: Mapping[str, Filter] = field(default_factory=dict)
    hides: Callable[[Tenant, Params, Record], Test] | None = None
    """The default filters, applied to lists and to single reads alike: (tenant, parameters, acting user) → visible?"""
    select: Callable[[Sequence[Record], Params], Sequence[Record]] | None = None
    """A last choice among the filtered records, where it depends on more than one of them."""
    dated: bool = True
    """Whether created_after/before and updated_after/before work."""
    orders: tuple[str, ...] = ()
    default_order: str = "id:asc"
    indexed: tuple[str, ...] = ()
    referenced: bool = False
    """Whether it can carry external references, nested on create and as filters."""
    custom_fields: str = ""
    """The subject type of its custom fields; empty where it has none."""
    bulk: int = 1
    """How many objects the plural form of a create may hold."""
    create: Create | None = None
    change: Change | None = None
    remove: Remove | None = None


def by(name: str) -> Filter:
    """Records whose field is one of a comma-separated list."""

    def test(_tenant: Tenant, value: str) -> Test:
        wanted = set(value.split(","))
        return lambda record: str(record.get(name)) in wanted

    return Filter(test, name)


def where(decide: Callable[[Tenant, Record], bool]) -> Filter:
    """A yes/no parameter: `true` keeps the records the decision holds for, `false` the others."""

    def test(tenant: Tenant, value: str) -> Test:
        wanted = value.lower() == "true"
        return lambda record: decide(tenant, record) is wanted

    return Filter(test)


def always(decide: Callable[[Tenant, Record], bool]) -> Filter:
    """A parameter that is "always processed as `true`; the actual value you provide is ignored" (time entries)."""
    return Filter(lambda tenant, _value: lambda record: decide(tenant, record))


def between(name: str) -> Filter:
    """Records whose date lies in `from:to`, both included."""

    def test(_tenant: Tenant, value: str) -> Test:
        first, _, last = value.partition(":")
        return lambda record: (record.get(name) or "") >= first and (not last or (record.get(name) or "") <= last)

    return Filter(test)


def containing(*names: str) -> Filter:
    """Records with the text in one of the fields, in any case."""

    def test(_tenant: Tenant, value: str) -> Test:
        wanted = value.lower()
        return lambda record: any(wanted in str(record.get(name) or "").lower() for name in names)

    return Filter(test)


def plain_change(collection: str) -> Change:
    """An update with no rules of its own."""

    def change(tenant: Tenant, actor: Record, record: Record, given: dict[str, Any]) -> None:
        tenant.change(collection, record["id"], actor, given)

    return change


def plain_remove(collection: str) -> Remove:
    """A delete with no rules of its own."""

    def remove(tenant: Tenant, actor: Record, record: Record) -> None:
        tenant.remove(collection, record["id"], actor)

    return remove
