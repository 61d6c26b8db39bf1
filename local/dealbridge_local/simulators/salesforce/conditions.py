"""WHERE: from a condition's tree to a test of a record, and to the index that spares reading all of them."""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, time
from typing import Any

from dealbridge_local.simulators.salesforce import date_literals
from dealbridge_local.simulators.salesforce.database import Database
from dealbridge_local.simulators.salesforce.errors import ApiError, no_such_column
from dealbridge_local.simulators.salesforce.field_values import parse_time, time_text
from dealbridge_local.simulators.salesforce.ids import canonical
from dealbridge_local.simulators.salesforce.schema import NUMBER, TEXT, Field, SObject
from dealbridge_local.simulators.salesforce.soql import (
    Both,
    Comparison,
    Condition,
    Either,
    Literal,
    Membership,
    Not,
    Number,
    Path,
    Query,
    Text,
    Word,
)
from dealbridge_local.simulators.store import Record

type Test = Callable[[Record], bool]
type Read = Callable[[Record], Any]


class Span:
    """The range of values that a date literal stands for: from `begin` up to, not including, `end`."""

    def __init__(self, begin: str, end: str) -> None:
        self.begin = begin
        self.end = end


class Conditions:
    """Compiles conditions on one database. `inner` answers a subquery with the values of its one field."""

    def __init__(self, database: Database, today: date, inner: Callable[[Query], set[Any]]) -> None:
        self._database = database
        self._today = today
        self._inner = inner

    # Paths

    def resolve(self, sobject: SObject, path: Path) -> tuple[list[Field], Field]:
        """The reference fields that a dotted path goes through, and the field at its end."""
        through: list[Field] = []
        at = sobject
        for name in path[:-1]:
            reference = at.by_relationship.get(name.lower())
            if reference is None or reference.reference_to is None:
                raise ApiError(
                    400,
                    "INVALID_FIELD",
                    f"Didn't understand relationship '{name}' in field path. If you are attempting to use a custom "
                    "relationship, be sure to append the '__r' after the custom relationship name. Please reference "
                    "your WSDL or the describe call for the appropriate names.",
                )
            through.append(reference)
            at = self._database.schema.of(reference.reference_to)
        field = at.field(path[-1])
        if field is None:
            raise no_such_column(path[-1], at.name)
        return through, field

    def reader(self, through: list[Field], field: Field) -> Read:
        name = field.name
        if not through:
            return lambda record: record[name]
        database = self._database

        def read(record: Record) -> Any:
            at: Record | None = record
            for reference in through:
                parent_id = at[reference.name] if at else None
                at = database.get(reference.reference_to or "", parent_id) if parent_id else None
            return at[name] if at else None

        return read

    # Conditions

    def test(self, sobject: SObject, condition: Condition | None) -> Test:
        match condition:
            case None:
                return lambda record: True
            case Both(conditions):
                tests = [self.test(sobject, each) for each in conditions]
                return lambda record: all(test(record) for test in tests)
            case Either(conditions):
                tests = [self.test(sobject, each) for each in conditions]
                return lambda record: any(test(record) for test in tests)
            case Not(inner):
                negated = self.test(sobject, inner)
                return lambda record: not negated(record)
            case Comparison():
                return self._comparison(sobject, condition)
            case Membership():
                return self._membership(sobject, condition)

    def _filtered(self, sobject: SObject, path: Path) -> tuple[Field, Read]:
        through, field = self.resolve(sobject, path)
        if not field.filterable:
            raise ApiError(400, "INVALID_FIELD", f"field '{field.name}' can not be filtered in a query call")
        return field, self.reader(through, field)

    def _comparison(self, sobject: SObject, comparison: Comparison) -> Test:
        field, read = self._filtered(sobject, comparison.path)
        if comparison.operator == "LIKE":
            return _like(field, read, comparison.value)
        wanted = self.value(field, comparison.value)
        if isinstance(wanted, Span):
            return _in_span(read, comparison.operator, wanted)
        key = _keyed(field, read)
        wanted = fold(field, wanted)
        match comparison.operator:
            case "=":
                return lambda record: key(record) == wanted
            case "!=":
                # SOQL's != also finds records where the field is null.
                return lambda record: key(record) != wanted
            case "<":
                return lambda record: (value := key(record)) is not None and wanted is not None and value < wanted
            case "<=":
                return lambda record: (value := key(record)) is not None and wanted is not None and value <= wanted
            case ">":
                return lambda record: (value := key(record)) is not None and wanted is not None and value > wanted
            case _:
                return lambda record: (value := key(record)) is not None and wanted is not None and value >= wanted

    def _membership(self, sobject: SObject, membership: Membership) -> Test:
        field, read = self._filtered(sobject, membership.path)
        wanted = self.members(field, membership)
        key = _keyed(field, read)
        if membership.negated:
            return lambda record: key(record) not in wanted
        return lambda record: key(record) in wanted

    def members(self, field: Field, membership: Membership) -> set[Any]:
        if isinstance(membership.values, Query):
            return {fold(field, value) for value in self._inner(membership.values) if value is not None}
        found = [self.value(field, each) for each in membership.values]
        if any(isinstance(value, Span) for value in found):
            raise ApiError(400, "MALFORMED_QUERY", f"{field.name}: a date literal cannot stand in a list")
        return {fold(field, value) for value in found}

    # Literals

    def value(self, field: Field, literal: Literal) -> Any:
        """What a literal means for this field. Raises INVALID_FIELD where it is of the wrong kind."""
        if isinstance(literal, Word) and literal.value == "NULL" and literal.count is None:
            return None
        match field.type, literal:
            case "boolean", Word(value="TRUE" | "FALSE" as word, count=None):
                return word == "TRUE"
            case (("id" | "reference"), Text(text)):
                return self._id(field, text)
            case (("date" | "datetime"), Word()):
                return self._moment(field, literal)
            case _, Number(number) if field.type in NUMBER or field.type == "int":
                return number
            case _, Text(text) if field.type in TEXT:
                return text
        quoted = isinstance(literal, Text)
        raise ApiError(
            400,
            "INVALID_FIELD",
            f"value of filter criterion for field '{field.name}' must be of type {field.type} and should "
            f"{'not ' if quoted else ''}be enclosed in quotes",
        )

    def _id(self, field: Field, text: str) -> str:
        record_id = canonical(text)
        if record_id is None:
            raise ApiError(400, "INVALID_QUERY_FILTER_OPERATOR", f"invalid ID field: {text}")
        return record_id

    def _moment(self, field: Field, word: Word) -> str | Span:
        span = date_literals.days(word.value, word.count, self._today)
        if span:
            begin, end = span
            if field.type == "date":
                return Span(begin.isoformat(), end.isoformat())
            return Span(_midnight(begin), _midnight(end))
        is_day = len(word.value) == len("2026-01-31")
        moment = parse_time(f"{word.value}T00:00:00Z" if is_day else word.value)
        if moment is None or is_day != (field.type == "date"):
            raise ApiError(
                400,
                "INVALID_FIELD",
                f"value of filter criterion for field '{field.name}' must be of type "
                f"{'dateTime' if field.type == 'datetime' else 'date'} and should not be enclosed in quotes",
            )
        if is_day:
            return word.value
        utc = moment.astimezone(UTC)
        return utc.strftime("%Y-%m-%dT%H:%M:%S.") + f"{utc.microsecond // 1000:03d}+0000"

    # Indexes

    def candidates(self, sobject: SObject, condition: Condition | None) -> Iterable[str] | None:
        """Ids among which all matches are, found by index; None where all records must be read."""
        if isinstance(condition, Both):
            found = (self.candidates(sobject, each) for each in condition.conditions)
            return next((ids for ids in found if ids is not None), None)
        if isinstance(condition, Comparison) and condition.operator == "=":
            through, field = self.resolve(sobject, condition.path)
            wanted = self.value(field, condition.value)
            return None if wanted is None else self._by_index(sobject, through, field, [wanted])
        if isinstance(condition, Membership) and not condition.negated:
            through, field = self.resolve(sobject, condition.path)
            values = self.members(field, condition)
            return None if None in values else self._by_index(sobject, through, field, values)
        return None

    def _by_index(
        self, sobject: SObject, through: list[Field], field: Field, values: Iterable[Any]
    ) -> Iterable[str] | None:
        if not (field.type in ("id", "reference") or field.external_id):
            return None
        at = self._database.schema.of(through[-1].reference_to or "") if through else sobject
        ids: Iterable[str] = values if field.type == "id" else self._holding(at, field, values)
        for step in range(len(through) - 1, -1, -1):
            owner = self._database.schema.of(through[step - 1].reference_to or "") if step else sobject
            ids = self._holding(owner, through[step], ids)
        return list(dict.fromkeys(ids))

    def _holding(self, sobject: SObject, field: Field, values: Iterable[Any]) -> list[str]:
        return [
            record_id for value in values for record_id in self._database.candidates(sobject.name, field.name, value)
        ]


def fold(field: Field, value: Any) -> Any:
    """As SOQL compares: text without regard to case."""
    return value.casefold() if isinstance(value, str) and field.type in TEXT else value


def _keyed(field: Field, read: Read) -> Read:
    if field.type in TEXT:
        return lambda record: value.casefold() if isinstance(value := read(record), str) else value
    return read


def _like(field: Field, read: Read, literal: Literal) -> Test:
    if field.type not in TEXT or not isinstance(literal, Text):
        raise ApiError(
            400, "INVALID_QUERY_FILTER_OPERATOR", f"invalid operator on {field.type} field: {field.name} LIKE"
        )
    parts = (".*" if char == "%" else "." if char == "_" else re.escape(char) for char in literal.value)
    pattern = re.compile("".join(parts), re.IGNORECASE | re.DOTALL)
    return lambda record: isinstance(value := read(record), str) and pattern.fullmatch(value) is not None


def _in_span(read: Read, operator: str, span: Span) -> Test:
    begin, end = span.begin, span.end
    match operator:
        case "=":
            return lambda record: (value := read(record)) is not None and begin <= value < end
        case "!=":
            return lambda record: (value := read(record)) is None or not begin <= value < end
        case "<":
            return lambda record: (value := read(record)) is not None and value < begin
        case "<=":
            return lambda record: (value := read(record)) is not None and value < end
        case ">":
            return lambda record: (value := read(record)) is not None and value >= end
        case _:
            return lambda record: (value := read(record)) is not None and value >= begin


def _midnight(day: date) -> str:
    return time_text(datetime.combine(day, time(), UTC))
