"""The kinds of association between two object types: HubSpot's own with their fixed type ids, and a portal's labels."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from dealbridge_local.simulators.hubspot.errors import invalid_request
from dealbridge_local.simulators.hubspot.object_types import OBJECT_TYPES, ObjectType


@dataclass(frozen=True)
class AssociationType:
    """One direction of a kind of association. `name` is what v3 prints, `inverse_id` the other direction's type id."""

    from_kind: str
    to_kind: str
    type_id: int
    inverse_id: int
    name: str
    label: str | None = None
    category: str = "HUBSPOT_DEFINED"

    @property
    def primary(self) -> bool:
        return self.label == "Primary"

    def describe(self) -> dict[str, object]:
        return {"category": self.category, "typeId": self.type_id, "label": self.label}


def _both(
    a: str, b: str, forth: tuple[int, str], back: tuple[int, str], label: str | None = None
) -> tuple[AssociationType, AssociationType]:
    return (
        AssociationType(a, b, forth[0], back[0], forth[1], label),
        AssociationType(b, a, back[0], forth[0], back[1], label),
    )


# Type ids: HubSpot's list of default association types; the ones of deals are confirmed in the vendor document (C2).
# The first type of a pair is its unlabelled default.
_DEFINED: tuple[AssociationType, ...] = (
    *_both("deals", "companies", (341, "deal_to_company_unlabeled"), (342, "company_to_deal_unlabeled")),
    *_both("deals", "companies", (5, "deal_to_company"), (6, "company_to_deal"), "Primary"),
    *_both("deals", "contacts", (3, "deal_to_contact"), (4, "contact_to_deal")),
    *_both("deals", "line_items", (19, "deal_to_line_item"), (20, "line_item_to_deal")),
    *_both("deals", "quotes", (63, "deal_to_quote"), (64, "quote_to_deal")),
    *_both("quotes", "line_items", (67, "quote_to_line_item"), (68, "line_item_to_quote")),
    *_both("quotes", "contacts", (69, "quote_to_contact"), (70, "contact_to_quote")),
    *_both("quotes", "companies", (71, "quote_to_company"), (72, "company_to_quote")),
    *_both("contacts", "companies", (279, "contact_to_company_unlabeled"), (280, "company_to_contact_unlabeled")),
    *_both("contacts", "companies", (1, "contact_to_company"), (2, "company_to_contact"), "Primary"),
    AssociationType("companies", "companies", 450, 450, "company_to_company"),
    AssociationType("companies", "companies", 13, 14, "parent_to_child_company", "Child Company"),
    AssociationType("companies", "companies", 14, 13, "child_to_parent_company", "Parent Company"),
    AssociationType("deals", "deals", 451, 451, "deal_to_deal"),
)

PARENT_TO_CHILD, CHILD_TO_PARENT = 13, 14
_FIRST_USER_DEFINED = 101


class AssociationTypes:
    """All association types of a portal."""

    def __init__(self) -> None:
        self._between: dict[tuple[str, str], list[AssociationType]] = {}
        self._next = _FIRST_USER_DEFINED
        for each in _DEFINED:
            self._between.setdefault((each.from_kind, each.to_kind), []).append(each)

    def between(self, from_kind: ObjectType, to_kind: ObjectType) -> list[AssociationType]:
        found = self._between.get((from_kind.name, to_kind.name))
        if not found:
            raise invalid_request(f"There are no association types from {from_kind.type_id} to {to_kind.type_id}")
        return found

    def reaching(self, from_kind: ObjectType, type_ids: Sequence[int]) -> tuple[ObjectType, list[AssociationType]]:
        """The other side's object type, which follows from the type ids alone."""
        for to_kind in OBJECT_TYPES.values():
            known = {each.type_id: each for each in self._between.get((from_kind.name, to_kind.name), ())}
            if type_ids and all(type_id in known for type_id in type_ids):
                return to_kind, [known[type_id] for type_id in type_ids]
        raise invalid_request(
            f"One or more association types are not valid for {from_kind.type_id}",
            associationTypeId=[str(type_id) for type_id in type_ids],
        )

    def default(self, from_kind: ObjectType, to_kind: ObjectType) -> AssociationType:
        return self.between(from_kind, to_kind)[0]

    def get(self, from_kind: ObjectType, to_kind: ObjectType, type_id: int) -> AssociationType:
        for each in self.between(from_kind, to_kind):
            if each.type_id == type_id:
                return each
        raise invalid_request(
            f"The association type id {type_id} is not valid from {from_kind.type_id} to {to_kind.type_id}",
            associationTypeId=[str(type_id)],
        )

    def named(self, from_kind: ObjectType, to_kind: ObjectType, name: str) -> AssociationType:
        """By the name v3 uses, or by the type id as text."""
        if name.isdigit():
            return self.get(from_kind, to_kind, int(name))
        for each in self.between(from_kind, to_kind):
            if each.name == name:
                return each
        raise invalid_request(f"{name} is not a valid association type", type=[name])

    def add_label(
        self, from_kind: ObjectType, to_kind: ObjectType, name: str, label: str, inverse_label: str | None
    ) -> list[AssociationType]:
        """A portal's own label; with another inverse label the two directions are two types."""
        self.between(from_kind, to_kind)
        forth, back = self._next, self._next + 1
        self._next += 2
        made = [
            AssociationType(from_kind.name, to_kind.name, forth, back, name, label, "USER_DEFINED"),
            AssociationType(to_kind.name, from_kind.name, back, forth, name, inverse_label or label, "USER_DEFINED"),
        ]
        for each in made:
            self._between[each.from_kind, each.to_kind].append(each)
        return made

    def relabel(
        self, from_kind: ObjectType, to_kind: ObjectType, type_id: int, label: str, inverse_label: str | None
    ) -> None:
        forth, back = self._own(from_kind, to_kind, type_id)
        for each, wanted in ((forth, label), (back, inverse_label or back.label)):
            between = self._between[each.from_kind, each.to_kind]
            between[between.index(each)] = replace(each, label=wanted)

    def remove_label(self, from_kind: ObjectType, to_kind: ObjectType, type_id: int) -> None:
        for each in self._own(from_kind, to_kind, type_id):
            self._between[each.from_kind, each.to_kind].remove(each)

    def _own(self, from_kind: ObjectType, to_kind: ObjectType, type_id: int) -> tuple[AssociationType, AssociationType]:
        """A label that the portal made, in both directions."""
        forth = self.get(from_kind, to_kind, type_id)
        if forth.category != "USER_DEFINED":
            raise invalid_request(f"The association type {type_id} is HubSpot's own", associationTypeId=[str(type_id)])
        return forth, self.get(to_kind, from_kind, forth.inverse_id)
