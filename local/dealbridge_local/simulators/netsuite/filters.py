"""The `q` parameter of a collection: conditions on fields, joined by AND and OR (section_1545222128).

Dates are written in the account's format, "1/31/2026", unlike anywhere else in the record service.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from dealbridge_local.simulators.netsuite.errors import invalid_parameter
from dealbridge_local.simulators.netsuite.fields import Field, Kind, RecordType
from dealbridge_local.simulators.store import Record

type Predicate = Callable[[Record], bool]

_TOKEN = re.compile(r"""\s*(?:("(?:[^"\\]|\\.)*")|([()\[\],])|([^\s()\[\],"]+))""")

_NUMBER = {
    "EQUAL": lambda held, given: held == given[0],
    "GREATER": lambda held, given: held > given[0],
    "GREATER_OR_EQUAL": lambda held, given: held >= given[0],
    "LESS": lambda held, given: held < given[0],
    "LESS_OR_EQUAL": lambda held, given: held <= given[0],
    "BETWEEN": lambda held, given: given[0] <= held <= given[1],
    "WITHIN": lambda held, given: given[0] <= held <= given[1],
    "ANY_OF": lambda held, given: held in given,
}
_STRING = {
    "IS": lambda held, given: held.lower() == given[0].lower(),
    "CONTAIN": lambda held, given: given[0].lower() in held.lower(),
    "START_WITH": lambda held, given: held.lower().startswith(given[0].lower()),
    "END_WITH": lambda held, given: held.lower().endswith(given[0].lower()),
}
_DATE = {
    "ON": lambda held, given: held == given[0],
    "AFTER": lambda held, given: held > given[0],
    "BEFORE": lambda held, given: held < given[0],
    "ON_OR_AFTER": lambda held, given: held >= given[0],
    "ON_OR_BEFORE": lambda held, given: held <= given[0],
}
_BOOLEAN = {"IS": lambda held, given: held == given[0]}

_BY_KIND: dict[Kind, dict[str, Any]] = {
    Kind.STRING: _STRING,
    Kind.CHOICE: _STRING | {"ANY_OF": _NUMBER["ANY_OF"]},
    Kind.INTEGER: _NUMBER,
    Kind.NUMBER: _NUMBER,
    Kind.REFERENCE: _NUMBER,
    Kind.DATE: _DATE,
    Kind.DATETIME: _DATE,
    Kind.BOOLEAN: _BOOLEAN,
}
_SEVERAL = {"BETWEEN", "WITHIN", "ANY_OF"}


def parsed(kind: RecordType, query: str) -> Predicate:
    """What a `q` selects among the records of a type; raises Refusal INVALID_PARAMETER."""
    return _Parser(kind, query).parse()


@dataclass
class _Parser:
    kind: RecordType
    query: str

    def __post_init__(self) -> None:
        self._tokens: list[str] = []
        place = 0
        text = self.query.strip()
        while place < len(text):
            match = _TOKEN.match(text, place)
            if match is None:
                raise self._wrong(f"unexpected text at '{text[place:]}'")
            self._tokens.append(match[0].strip())
            place = match.end()
        self._place = 0

    def parse(self) -> Predicate:
        predicate = self._any()
        if self._place < len(self._tokens):
            raise self._wrong(f"unexpected '{self._tokens[self._place]}'")
        return predicate

    def _wrong(self, why: str) -> Exception:
        return invalid_parameter(f"Invalid search query: {why}.", "q")

    def _peek(self) -> str:
        return self._tokens[self._place] if self._place < len(self._tokens) else ""

    def _next(self) -> str:
        token = self._peek()
        if not token:
            raise self._wrong("it ends too early")
        self._place += 1
        return token

    def _any(self) -> Predicate:
        parts = [self._all()]
        while self._peek().upper() == "OR":
            self._next()
            parts.append(self._all())
        return lambda record: any(part(record) for part in parts)

    def _all(self) -> Predicate:
        parts = [self._one()]
        while self._peek().upper() == "AND":
            self._next()
            parts.append(self._one())
        return lambda record: all(part(record) for part in parts)

    def _one(self) -> Predicate:
        if self._peek() == "(":
            self._next()
            inner = self._any()
            if self._next() != ")":
                raise self._wrong("a closing parenthesis is missing")
            return inner
        given = self._next()
        name = self.kind.names.get(given.lower())
        if name is None or name in self.kind.sublists:
            raise self._wrong(f"'{given}' is not a field to filter by")
        return self._condition(name, self.kind.fields[name])

    def _condition(self, name: str, field: Field) -> Predicate:
        # The list of operators writes ENDWITH, its negation END_WITH_NOT; both spellings are taken.
        operator = self._next().upper().replace("ENDWITH", "END_WITH")
        negated = operator.endswith("_NOT")
        operator = operator.removesuffix("_NOT")
        if operator == "EMPTY":
            return lambda record: (record.get(name) in (None, "")) != negated
        # An id is a string in the record service, and a number to N/query, which does the filtering.
        operators = _NUMBER if name == "id" else _BY_KIND.get(field.kind, {})
        if operator not in operators:
            raise self._wrong(f"operator '{operator}' does not fit field '{name}'")
        read = _number if name == "id" else _READ[field.kind]
        try:
            given = [read(value) for value in self._values(operator)]
        except (ValueError, InvalidOperation):
            raise self._wrong(f"a value of '{name}' is not of its type") from None
        if operator in {"BETWEEN", "WITHIN"} and len(given) != 2:
            raise self._wrong(f"operator '{operator}' takes two values")
        holds = operators[operator]

        def matches(record: Record) -> bool:
            held = record.get(name)
            if held is None:
                return False
            held = _held(field, held, numeric=name == "id")
            return bool(holds(held, given)) != negated

        return matches

    def _values(self, operator: str) -> list[str]:
        if operator not in _SEVERAL:
            return [_unquoted(self._next())]
        if self._next() != "[":
            raise self._wrong(f"operator '{operator}' takes a list in brackets")
        values = [_unquoted(self._next())]
        while self._peek() == ",":
            self._next()
            values.append(_unquoted(self._next()))
        if self._next() != "]":
            raise self._wrong("a closing bracket is missing")
        return values


def _unquoted(token: str) -> str:
    return token[1:-1].replace('\\"', '"') if token.startswith('"') else token


def _number(text: str) -> Decimal:
    return Decimal(text)


def _boolean(text: str) -> bool:
    if text.lower() not in {"true", "false"}:
        raise ValueError(text)
    return text.lower() == "true"


def _day(text: str) -> str:
    return datetime.strptime(text, "%m/%d/%Y").date().isoformat()  # noqa: DTZ007 (a date, it has no zone)


_READ: dict[Kind, Callable[[str], Any]] = {
    Kind.STRING: str,
    Kind.CHOICE: str,
    Kind.INTEGER: _number,
    Kind.NUMBER: _number,
    Kind.REFERENCE: _number,
    Kind.DATE: _day,
    Kind.DATETIME: _day,
    Kind.BOOLEAN: _boolean,
}


def _held(field: Field, value: Any, *, numeric: bool) -> Any:
    if numeric or field.kind in {Kind.REFERENCE, Kind.INTEGER, Kind.NUMBER}:
        return Decimal(value)
    if field.kind is Kind.DATETIME:
        return value[:10]
    return value
