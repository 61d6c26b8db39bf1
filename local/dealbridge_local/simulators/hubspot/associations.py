"""Associations between records, held in both directions, each pair with its types."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from dealbridge_local.simulators.hubspot.association_types import (
    CHILD_TO_PARENT,
    PARENT_TO_CHILD,
    AssociationType,
    AssociationTypes,
)
from dealbridge_local.simulators.hubspot.changes import AssociationChange, Source
from dealbridge_local.simulators.hubspot.errors import invalid_request, not_found
from dealbridge_local.simulators.hubspot.object_types import (
    COMPANIES,
    CONTACTS,
    DEALS,
    LINE_ITEMS,
    OBJECT_TYPES,
    ObjectType,
    object_type,
)
from dealbridge_local.simulators.hubspot.records import Records
from dealbridge_local.simulators.store import Record

KIND = "associations"


class End(NamedTuple):
    """One side of an association."""

    kind: ObjectType
    id: str


class Associated(NamedTuple):
    """An associated record, and the types that associate it."""

    id: str
    types: list[AssociationType]


@dataclass(frozen=True)
class Link:
    """Two records and the types to set or remove between them, seen from the first."""

    start: End
    end: End
    types: tuple[AssociationType, ...] = ()


class Associations:
    """All associations of a portal."""

    def __init__(self, records: Records, types: AssociationTypes, *, first_company_is_primary: bool) -> None:
        self.records, self.types = records, types
        self._first_company_is_primary = first_company_is_primary
        self._linked: dict[tuple[End, str], dict[str, None]] = {}

    # Reading

    def of(self, start: End, to_kind: ObjectType) -> list[Associated]:
        """The associated records of one type, in the order they were associated."""
        found = []
        for to_id in self._linked.get((start, to_kind.name), ()):
            pair = self.records.store.get(KIND, _key(start, End(to_kind, to_id)))
            if pair is not None:
                known = {each.type_id: each for each in self.types.between(start.kind, to_kind)}
                types = [known[type_id] for type_id in pair["associationTypeIds"] if type_id in known]
                found.append(Associated(to_id, types))
        return found

    # Checking

    def parse_targets(self, from_kind: ObjectType, given: Any) -> list[tuple[End, tuple[AssociationType, ...]]]:
        """`associations` of a create: `[{"to": {"id"}, "types": [{associationCategory, associationTypeId}]}]`."""
        targets = []
        for each in given or ():
            try:
                to_id = str(each["to"]["id"])
                type_ids = [int(one["associationTypeId"]) for one in each["types"]]
            except (KeyError, TypeError, ValueError) as error:
                raise invalid_request("Invalid input JSON: associations need to.id and types") from error
            to_kind, types = self.types.reaching(from_kind, type_ids)
            target = End(to_kind, to_id)
            self._must_exist(target)
            if LINE_ITEMS in (from_kind, to_kind):
                self._must_be_free(target, None)
            targets.append((target, tuple(types)))
        return targets

    def _must_exist(self, end: End) -> None:
        if self.records.find(end.kind, end.id) is None:
            raise not_found(f"No {end.kind.singular} with ID {end.id} exists", objectId=[end.id])

    def _must_be_free(self, line: End, parent: End | None) -> None:
        """A line item belongs to exactly one deal or quote (pitfalls, C9)."""
        if line.kind is not LINE_ITEMS:
            return
        for other in self._links_of(line):
            if other.end != parent:
                taken = f"Line item {line.id} is already associated with {other.end.kind.singular} {other.end.id}"
                raise invalid_request(taken, id=[line.id])

    # Writing

    def link(self, link: Link, source: Source) -> list[AssociationType]:
        """Sets the types, and always the unlabelled one with them, as HubSpot does; returns all that were set."""
        self._must_exist(link.start)
        self._must_exist(link.end)
        self._must_be_free(link.start, link.end)
        self._must_be_free(link.end, link.start)
        types = list(link.types)
        default = self.types.default(link.start.kind, link.end.kind)
        if default not in types:
            types.insert(0, default)
        if self._becomes_primary(link):
            types += [each for each in self.types.between(link.start.kind, link.end.kind) if each.primary]
        for each in types:
            if each.primary:
                self._take_primary(link, each, source)
            self._set(link.start, link.end, each, source)
        self._follow(link, source)
        return types

    def unlink(self, link: Link, source: Source) -> None:
        """Removes the given types of a pair, or the pair where none is given."""
        for associated in self.of(link.start, link.end.kind):
            if associated.id == link.end.id:
                for each in associated.types:
                    if not link.types or each in link.types:
                        self._remove(link.start, link.end, each, source)
        self._follow(link, source)

    def unlink_all(self, end: End, source: Source) -> None:
        """A deleted record loses its associations."""
        for link in list(self._links_of(end)):
            self.unlink(Link(link.start, link.end), source)

    def move_all(self, old: End, new: End, source: Source) -> None:
        """A merged record takes over the associations of the records it came from."""
        for link in list(self._links_of(old)):
            self.unlink(Link(link.start, link.end), source)
            if self.records.find(*link.end) is not None and link.end != new:
                self.link(Link(new, link.end, link.types), source)

    def _links_of(self, start: End) -> Iterator[Link]:
        for to_kind in OBJECT_TYPES.values():
            for associated in self.of(start, to_kind):
                yield Link(start, End(to_kind, associated.id), tuple(associated.types))

    def _becomes_primary(self, link: Link) -> bool:
        if not self._first_company_is_primary or link.end.kind is not COMPANIES or link.start.kind is COMPANIES:
            return False
        return not any(each.primary for each in link.types) and not self.of(link.start, COMPANIES)

    def _take_primary(self, link: Link, primary: AssociationType, source: Source) -> None:
        """One company of a record is the primary one: a new one takes the mark from the old one."""
        for associated in self.of(link.start, link.end.kind):
            if primary in associated.types and associated.id != link.end.id:
                self._remove(link.start, End(link.end.kind, associated.id), primary, source)

    def _set(self, start: End, end: End, kind: AssociationType, source: Source) -> None:
        inverse = self.types.get(end.kind, start.kind, kind.inverse_id)
        for one, other, each in ((start, end, kind), (end, start, inverse)):
            key = _key(one, other)
            held = self.records.store.get(KIND, key)
            type_ids = held["associationTypeIds"] if held else []
            if each.type_id not in type_ids:
                self.records.store.put(KIND, key, _pair(one, other, [*type_ids, each.type_id]))
                self._linked.setdefault((one, other.kind.name), {})[other.id] = None
                self._tell(one, other, each, source, removed=False)

    def _remove(self, start: End, end: End, kind: AssociationType, source: Source) -> None:
        inverse = self.types.get(end.kind, start.kind, kind.inverse_id)
        for one, other, each in ((start, end, kind), (end, start, inverse)):
            key = _key(one, other)
            held = self.records.store.get(KIND, key)
            if held is None or each.type_id not in held["associationTypeIds"]:
                continue
            left = [type_id for type_id in held["associationTypeIds"] if type_id != each.type_id]
            if left:
                self.records.store.put(KIND, key, _pair(one, other, left))
            else:
                self.records.store.delete(KIND, key)
            self._tell(one, other, each, source, removed=True)

    def _tell(self, start: End, end: End, kind: AssociationType, source: Source, *, removed: bool) -> None:
        now = self.records.clock()
        self.records.changes.append(
            AssociationChange(
                start.kind,
                start.id,
                end.kind,
                end.id,
                kind.type_id,
                kind.name,
                kind.primary,
                removed,
                now,
                source,
            )
        )

    def _follow(self, link: Link, source: Source) -> None:
        """Sets the properties that follow from associations, on both sides."""
        for end, other in ((link.start, link.end.kind), (link.end, link.start.kind)):
            if end.kind is DEALS and other is CONTACTS:
                values = {"num_associated_contacts": str(len(self.of(end, CONTACTS)))}
            elif end.kind is DEALS and other is LINE_ITEMS:
                values = {"hs_num_of_associated_line_items": str(len(self.of(end, LINE_ITEMS)))}
            elif end.kind is DEALS and other is COMPANIES:
                values = {"hs_primary_associated_company": self._first(end, lambda each: each.primary)}
            elif end.kind is COMPANIES and other is COMPANIES:
                children = [
                    each for each in self.of(end, COMPANIES) if PARENT_TO_CHILD in [one.type_id for one in each.types]
                ]
                values = {
                    "hs_parent_company_id": self._first(end, lambda each: each.type_id == CHILD_TO_PARENT),
                    "hs_num_child_companies": str(len(children)),
                }
            else:
                continue
            self.records.set_computed(end.kind, end.id, values, source)

    def _first(self, end: End, wanted: Callable[[AssociationType], bool]) -> str:
        """The id of the first company that one of the wanted types associates; an empty text where there is none."""
        companies = self.of(end, COMPANIES)
        return next((each.id for each in companies if any(wanted(one) for one in each.types)), "")


def shown_pair(pair: Record) -> dict[str, Any]:
    """A held pair in the words of the association API."""
    return {
        "fromObjectTypeId": object_type(pair["fromObjectType"]).type_id,
        "fromObjectId": pair["fromObjectId"],
        "toObjectTypeId": object_type(pair["toObjectType"]).type_id,
        "toObjectId": pair["toObjectId"],
        "associationTypeIds": pair["associationTypeIds"],
    }


def _key(start: End, end: End) -> str:
    return f"{start.kind.name}/{start.id}/{end.kind.name}/{end.id}"


def _pair(start: End, end: End, type_ids: list[int]) -> Record:
    return {
        "fromObjectType": start.kind.name,
        "fromObjectId": start.id,
        "toObjectType": end.kind.name,
        "toObjectId": end.id,
        "associationTypeIds": type_ids,
    }
