"""The entity model of an OData V2 service: what `$metadata` says and what requests are checked against.

A service's model is data, written with the small constructors at the end; the rules of business stand beside it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any, Literal

from dealbridge_local.simulators.s4hana import edm


@dataclass(frozen=True)
class Property:
    """One property. `length` caps a String; `alpha` fields lose leading zeros, as SAP's ALPHA conversion does.

    `unit` names the property that holds the currency of an amount, or the unit of a quantity.
    """

    name: str
    kind: str
    length: int | None = None
    precision: int | None = None
    scale: int | None = None
    required: bool = False
    creatable: bool = True
    updatable: bool = True
    filterable: bool = True
    upper: bool = False
    alpha: bool = False
    concurrency: bool = False
    unit: str | None = None
    is_amount: bool = False
    complex_type: "ComplexType | None" = None

    @property
    def initial(self) -> Any:
        """The ABAP initial value, which SAP shows where nothing was given."""
        return _INITIAL.get(self.kind)


_INITIAL: dict[str, Any] = {
    edm.STRING: "",
    edm.BOOLEAN: False,
    edm.INT16: 0,
    edm.INT32: 0,
    edm.INT64: 0,
    edm.DECIMAL: Decimal(0),
    edm.TIME: timedelta(0),
}


@dataclass(frozen=True)
class Navigation:
    """A navigation property. `link` maps properties here to the properties of the target that equal them."""

    name: str
    target: str
    many: bool
    link: Mapping[str, str]
    insertable: bool = True


Concurrency = Literal["none", "etag", "asterisk"]
"""What a change must state: nothing; the entity tag; or `If-Match: *` and nothing else (KBA 2962502)."""


@dataclass(frozen=True, eq=False)
class EntitySet:
    """An entity set with its type. `indexed` lists the properties that look-ups go by, beside the links."""

    name: str
    keys: tuple[str, ...]
    properties: Mapping[str, Property]
    navigations: Mapping[str, Navigation] = field(default_factory=dict)
    creatable: bool = True
    updatable: bool = True
    deletable: bool = False
    concurrency: Concurrency = "none"
    indexed: tuple[str, ...] = ()
    type_name: str = ""

    @property
    def type(self) -> str:
        return self.type_name or f"{self.name}Type"

    @cached_property
    def blank(self) -> dict[str, Any]:
        """Every property at its initial value."""
        return {name: each.initial for name, each in self.properties.items()}

    def key_of(self, record: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple(record[name] for name in self.keys)


@dataclass(frozen=True)
class ComplexType:
    name: str
    properties: Mapping[str, Property]


@dataclass(frozen=True)
class FunctionImport:
    """A function import. It returns an entity of `entity_set`, or a collection of `complex_type`."""

    name: str
    method: str
    parameters: tuple[Property, ...]
    entity_set: str | None = None
    complex_type: str | None = None


@dataclass(frozen=True)
class Service:
    """One OData V2 service: `/sap/opu/odata/sap/<name>[;v=<version>]`."""

    name: str
    sets: Mapping[str, EntitySet]
    version: str = "0001"
    functions: Mapping[str, FunctionImport] = field(default_factory=dict)
    complex_types: Mapping[str, ComplexType] = field(default_factory=dict)
    component: str = ""
    """The application component that error bodies name."""

    @property
    def path(self) -> str:
        suffix = "" if self.version == "0001" else f";v={self.version}"
        return f"/sap/opu/odata/sap/{self.name}{suffix}"


@dataclass
class Draft:
    """An entity of a request body: its values as held, and the entities nested below its navigation properties."""

    entity: EntitySet
    values: dict[str, Any]
    children: dict[str, list["Draft"]] = field(default_factory=dict)

    def get(self, name: str) -> Any:
        """The value given, or the initial one."""
        value = self.values.get(name)
        return self.entity.properties[name].initial if value is None else value


# Constructors: a model reads as a list of fields.


def text(name: str, length: int, *, upper: bool = True, alpha: bool = False, required: bool = False) -> Property:
    return Property(name, edm.STRING, length=length, upper=upper, alpha=alpha, required=required)


def label(name: str, length: int, *, required: bool = False) -> Property:
    """Text that keeps its case."""
    return text(name, length, upper=False, required=required)


def number(name: str, length: int, *, required: bool = False) -> Property:
    """A document or item number: leading zeros are not significant."""
    return text(name, length, alpha=True, required=required)


def flag(name: str) -> Property:
    return Property(name, edm.BOOLEAN)


def day(name: str) -> Property:
    return Property(name, edm.DATE_TIME, precision=0)


def stamp(name: str, *, precision: int = 7, concurrency: bool = False) -> Property:
    return Property(name, edm.DATE_TIME_OFFSET, precision=precision, concurrency=concurrency)


def clock_time(name: str) -> Property:
    return Property(name, edm.TIME, precision=0)


def guid(name: str) -> Property:
    return Property(name, edm.GUID)


def amount(name: str, currency: str, precision: int = 16, scale: int = 3) -> Property:
    """Money: printed with the currency's own decimals."""
    return Property(name, edm.DECIMAL, precision=precision, scale=scale, unit=currency, is_amount=True)


def quantity(name: str, unit: str, precision: int = 15, scale: int = 3) -> Property:
    return Property(name, edm.DECIMAL, precision=precision, scale=scale, unit=unit)


def plain_decimal(name: str, precision: int, scale: int) -> Property:
    return Property(name, edm.DECIMAL, precision=precision, scale=scale)


def plain_integer(name: str) -> Property:
    return Property(name, edm.INT32)


def shown(*properties: Property) -> list[Property]:
    """Properties that SAP sets: neither creatable nor updatable."""
    return [replace(each, creatable=False, updatable=False) for each in properties]


def fixed(*properties: Property) -> list[Property]:
    """Properties that are given once and never change."""
    return [replace(each, updatable=False) for each in properties]


def entity(
    name: str,
    keys: str,
    properties: list[Property],
    navigations: list[Navigation] | None = None,
    **traits: Any,
) -> EntitySet:
    """An entity set; `keys` is a space-separated list of properties, which become required and fixed."""
    key_names = tuple(keys.split())
    by_name = {
        each.name: replace(each, required=True, updatable=False) if each.name in key_names else each
        for each in properties
    }
    return EntitySet(name, key_names, by_name, {each.name: each for each in navigations or []}, **traits)


def children(name: str, target: str, *link: str, insertable: bool = True) -> Navigation:
    """A to-many navigation over properties of the same name on both sides."""
    return Navigation(name, target, True, {each: each for each in link}, insertable)


def single(name: str, target: str, *link: str, insertable: bool = False) -> Navigation:
    """A to-one navigation over properties of the same name on both sides."""
    return Navigation(name, target, False, {each: each for each in link}, insertable)


def service(name: str, *sets: EntitySet, **traits: Any) -> Service:
    return Service(name, {each.name: each for each in sets}, **traits)
