"""`POST .../objects/{type}/search` (docs: "Search the CRM"). It sees records as they stood some seconds ago."""

import re
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from dealbridge_local.simulators.hubspot.associations import End
from dealbridge_local.simulators.hubspot.calls import Call
from dealbridge_local.simulators.hubspot.errors import invalid_request
from dealbridge_local.simulators.hubspot.instants import parse_instant
from dealbridge_local.simulators.hubspot.object_types import ObjectType, object_type
from dealbridge_local.simulators.hubspot.objects_api import ObjectsApi
from dealbridge_local.simulators.hubspot.properties import Property
from dealbridge_local.simulators.hubspot.records import Records
from dealbridge_local.simulators.store import Record
from dealbridge_local.simulators.wire import Response

LIMIT = 200
RESULTS = 10_000
GROUPS, FILTERS_PER_GROUP, FILTERS = 5, 6, 18

type Comparable = str | Decimal | datetime
type Test = Callable[[Record], bool]

_SEARCHED_TEXT = ("dealname", "name", "email", "firstname", "lastname", "domain", "phone", "hs_title", "hs_sku")


class SearchApi:
    """Search over the lagging index. Paging ends at 10,000 results, however many there are."""

    def __init__(self, records: Records, objects: ObjectsApi) -> None:
        self.records, self.objects = records, objects

    def answer(self, call: Call, kind: ObjectType) -> Response:
        body = call.body
        limit, after = _whole(body, "limit", 10), _whole(body, "after", 0)
        if not 0 <= limit <= LIMIT:
            raise invalid_request(f"limit must be at most {LIMIT}")
        if after + limit > RESULTS:
            raise invalid_request(f"Search cannot page past {RESULTS} results: after + limit is {after + limit}")
        matches = self._matches(kind, body.get("filterGroups") or [])
        query = str(body.get("query") or "").lower()
        found = [
            record
            for record in self.records.indexed(kind)
            if matches(record) and (not query or self._holds(record, query))
        ]
        sort = self._sort(kind, body.get("sorts") or [])
        if sort is not None:
            found.sort(key=sort.key, reverse=sort.descending)
        page = found[after : after + limit]
        names = [str(each) for each in body.get("properties") or ()] or list(kind.returned)
        answer: dict[str, Any] = {
            "total": len(found),
            "results": [self.objects.show(kind, record, names) for record in page],
        }
        if after + limit < len(found):
            answer["paging"] = {"next": {"after": str(after + limit)}}
        return Response.of(200, answer)

    def _holds(self, record: Record, query: str) -> bool:
        return any(query in record["properties"].get(name, "").lower() for name in _SEARCHED_TEXT)

    def _matches(self, kind: ObjectType, groups: Any) -> Test:
        """Filters of a group must all hold, of the groups one."""
        if not isinstance(groups, list):
            raise invalid_request("Invalid input JSON: filterGroups must be a list")
        filters = [group.get("filters") or [] for group in groups]
        if len(groups) > GROUPS or any(len(each) > FILTERS_PER_GROUP for each in filters):
            raise invalid_request(f"At most {GROUPS} filterGroups with {FILTERS_PER_GROUP} filters each")
        if sum(map(len, filters)) > FILTERS:
            raise invalid_request(f"At most {FILTERS} filters")
        tests = [[self._filter(kind, each) for each in group] for group in filters]
        if not tests:
            return lambda record: True
        return lambda record: any(all(test(record) for test in group) for group in tests)

    def _filter(self, kind: ObjectType, given: dict[str, Any]) -> Test:
        name, operator = str(given.get("propertyName")), given.get("operator")
        if name.startswith("associations."):
            return self._associated(kind, object_type(name.removeprefix("associations.")), given)
        definition = self._searchable(kind, name)

        def held(record: Record) -> str:
            return str(record["properties"].get(name, ""))

        match operator:
            case "HAS_PROPERTY":
                return lambda record: held(record) != ""
            case "NOT_HAS_PROPERTY":
                return lambda record: held(record) == ""
            case "IN" | "NOT_IN":
                values = given.get("values")
                if not isinstance(values, list):
                    raise invalid_request(f"{operator} needs values, a list")
                wanted, inside = {self._comparable(definition, str(each)) for each in values}, operator == "IN"
                return lambda record: (
                    (held(record) != "") and ((self._comparable(definition, held(record)) in wanted) is inside)
                )
            case "CONTAINS_TOKEN" | "NOT_CONTAINS_TOKEN":
                pattern = re.compile(re.escape(str(given.get("value", ""))).replace(r"\*", ".*"), re.IGNORECASE)
                contains = operator == "CONTAINS_TOKEN"
                return lambda record: bool(pattern.search(held(record))) is contains
            case "BETWEEN":
                low = self._comparable(definition, _value(given, "value"))
                high = self._comparable(definition, _value(given, "highValue"))
                return lambda record: (
                    held(record) != ""
                    and (
                        low <= self._comparable(definition, held(record)) <= high  # type: ignore[operator]
                    )
                )
            case "EQ" | "NEQ" | "LT" | "LTE" | "GT" | "GTE":
                bound, compare = self._comparable(definition, _value(given, "value")), _COMPARISONS[operator]
                return lambda record: held(record) != "" and compare(self._comparable(definition, held(record)), bound)
        raise invalid_request(f"{operator} is not an operator of search")

    def _associated(self, kind: ObjectType, other: ObjectType, given: dict[str, Any]) -> Test:
        """The pseudo-property `associations.{objectType}`: records that are associated with one of the given ids."""
        ids = given.get("values") if given.get("operator") == "IN" else [_value(given, "value")]
        if given.get("operator") not in ("EQ", "IN") or not isinstance(ids, list):
            raise invalid_request(f"{given.get('operator')} is not an operator of associations")
        wanted = {str(each) for each in ids}
        of = self.objects.associations.of
        return lambda record: any(each.id in wanted for each in of(End(kind, record["id"]), other))

    def _searchable(self, kind: ObjectType, name: str) -> Property:
        definition = self.records.catalog.find(kind, name)
        if definition is None:
            raise invalid_request(f"There was a problem with the request: property {name} does not exist")
        return definition

    def _comparable(self, definition: Property, value: str) -> Comparable:
        try:
            match definition.type:
                case "number":
                    return Decimal(value)
                case "date" | "datetime":
                    return parse_instant(value)
        except (ValueError, OverflowError, InvalidOperation) as error:
            raise invalid_request(f"{value} is no value of {definition.name}") from error
        return value.lower()

    def _sort(self, kind: ObjectType, given: Any) -> "_Sort | None":
        """At most one sort, as {"propertyName", "direction"} or as text with a leading minus for descending."""
        if not isinstance(given, list) or len(given) > 1:
            raise invalid_request("sorts must be a list of at most one sort")
        if not given:
            return None
        if isinstance(given[0], dict):
            name, descending = str(given[0].get("propertyName")), given[0].get("direction") == "DESCENDING"
        else:
            name, descending = str(given[0]).removeprefix("-"), str(given[0]).startswith("-")
        definition = self._searchable(kind, name)

        def key(record: Record) -> tuple[bool, Any]:
            value = record["properties"].get(name, "")
            return (bool(value), self._comparable(definition, value) if value else 0)

        return _Sort(key, descending)


class _Sort(NamedTuple):
    key: Callable[[Record], tuple[bool, Any]]
    descending: bool


_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "EQ": lambda held, bound: held == bound,
    "NEQ": lambda held, bound: held != bound,
    "LT": lambda held, bound: held < bound,
    "LTE": lambda held, bound: held <= bound,
    "GT": lambda held, bound: held > bound,
    "GTE": lambda held, bound: held >= bound,
}


def _value(given: dict[str, Any], name: str) -> str:
    value = given.get(name)
    if value is None or value == "":
        raise invalid_request(f"{given.get('operator')} needs {name}")
    return str(value)


def _whole(body: dict[str, Any], name: str, default: int) -> int:
    given = body.get(name)
    if given in (None, ""):
        return default
    if not str(given).isdigit():
        raise invalid_request(f"{name} must be a whole number")
    return int(str(given))
