"""What an org's metadata says: sObjects, their fields, and how they are related."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

TEXT = frozenset({"string", "textarea", "email", "phone", "url", "picklist", "combobox"})
NUMBER = frozenset({"currency", "double", "percent"})


@dataclass(frozen=True)
class Field:
    """One field, in the words of the describe call.

    `relationship` names the parent in a dotted path (`Account` for `AccountId`), `children` names the same
    relationship seen from the parent (`Opportunities`).
    """

    name: str
    type: str = "string"
    label: str = ""
    length: int = 0
    scale: int = 0
    nillable: bool = True
    createable: bool = True
    updateable: bool = True
    default: Any = None
    reference_to: str | None = None
    relationship: str | None = None
    children: str | None = None
    on_parent_delete: str = "clear"
    """`clear` the reference, `cascade` the deletion, or `restrict` it."""
    picklist: tuple[str, ...] = ()
    restricted: bool = False
    external_id: bool = False
    unique: bool = False
    calculated: bool = False

    @property
    def custom(self) -> bool:
        return self.name.endswith("__c")

    @property
    def filterable(self) -> bool:
        """Long text areas and compound addresses cannot stand in a WHERE (SOQL reference, "Field types")."""
        return self.type != "address" and not (self.type == "textarea" and self.length > 255)

    def read_only(self) -> "Field":
        return replace(self, createable=False, updateable=False, calculated=True)


@dataclass(frozen=True)
class SObject:
    """One sObject. `money` says that its records carry a currency of their own where the org has several."""

    name: str
    key_prefix: str
    fields: tuple[Field, ...]
    label: str = ""
    plural: str = ""
    money: bool = False
    owned: bool = False
    createable: bool = True
    updateable: bool = True
    deletable: bool = True

    @cached_property
    def by_name(self) -> Mapping[str, Field]:
        """Fields by lower-case name: the API does not look at the case of a name."""
        return {field.name.lower(): field for field in self.fields}

    @cached_property
    def by_relationship(self) -> Mapping[str, Field]:
        """Reference fields by lower-case name of the parent in a dotted path."""
        return {field.relationship.lower(): field for field in self.fields if field.relationship}

    def field(self, name: str) -> Field | None:
        return self.by_name.get(name.lower())

    @cached_property
    def indexed(self) -> tuple[Field, ...]:
        """References and external ids: what the org finds records by without reading all."""
        return tuple(field for field in self.fields if field.type == "reference" or field.external_id)

    @cached_property
    def addresses(self) -> tuple[Field, ...]:
        return tuple(field for field in self.fields if field.type == "address")

    @cached_property
    def blank(self) -> Mapping[str, Any]:
        """A record with nothing set: null in each field, and false in a checkbox."""
        stored = (field for field in self.fields if field.type != "address")
        return {field.name: False if field.type == "boolean" else None for field in stored}


class Schema:
    """All sObjects of an org; finds them by name, by key prefix and by relationship."""

    def __init__(self, sobjects: Iterable[SObject]) -> None:
        self.sobjects = tuple(sobjects)
        self._by_name = {sobject.name.lower(): sobject for sobject in self.sobjects}
        self._by_prefix = {sobject.key_prefix: sobject for sobject in self.sobjects}
        self._children: dict[str, list[tuple[SObject, Field]]] = {}
        for sobject in self.sobjects:
            for field in sobject.fields:
                if field.reference_to:
                    self._children.setdefault(field.reference_to, []).append((sobject, field))

    def find(self, name: str) -> SObject | None:
        return self._by_name.get(name.lower())

    def of(self, name: str) -> SObject:
        """The sObject of this name; raises KeyError where the org has none."""
        return self._by_name[name.lower()]

    def of_id(self, record_id: str) -> SObject | None:
        return self._by_prefix.get(record_id[:3])

    def children(self, parent: SObject) -> list[tuple[SObject, Field]]:
        """Every (child sObject, its reference field) that points at this parent."""
        return self._children.get(parent.name, [])

    def child(self, parent: SObject, relationship: str) -> tuple[SObject, Field] | None:
        wanted = relationship.lower()
        named = (pair for pair in self.children(parent) if (pair[1].children or "").lower() == wanted)
        return next(named, None)
