"""`$filter` of OData V2: parsed once, checked against the model, run as a plain function over records.

Known: and, or, not, eq, ne, gt, ge, lt, le, parentheses, startswith, endswith, substringof, tolower, toupper and the
typed literals. A filter over the properties of an expanded collection does not exist in V2 (vendors/erp-sap…, A2).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dealbridge_local.simulators.s4hana import edm, errors
from dealbridge_local.simulators.s4hana.addresses import comparable
from dealbridge_local.simulators.s4hana.model import EntitySet, Property

type Record = Mapping[str, Any]
type Predicate = Callable[[Record], bool]
type Reader = Callable[[Record], Any]

_TOKEN = re.compile(
    r"\s*(?:(?P<literal>(?:datetimeoffset|datetime|time|guid)?'(?:[^']|'')*'|-?\d+(?:\.\d+)?[mMlLdDfF]?(?![\w.-]))"
    r"|(?P<name>[A-Za-z_]\w*(?:/\w+)*)|(?P<mark>[(),]))"
)
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda left, right: left == right,
    "ne": lambda left, right: left != right,
    "gt": lambda left, right: left is not None and right is not None and left > right,
    "ge": lambda left, right: left is not None and right is not None and left >= right,
    "lt": lambda left, right: left is not None and right is not None and left < right,
    "le": lambda left, right: left is not None and right is not None and left <= right,
}
_TEXT_TESTS: dict[str, Callable[[str, str], bool]] = {
    "startswith": lambda whole, part: whole.startswith(part),
    "endswith": lambda whole, part: whole.endswith(part),
    "substringof": lambda part, whole: part in whole,
}
_UNSET = object()
_TEXT_CHANGES: dict[str, Callable[[str], str]] = {"tolower": str.lower, "toupper": str.upper}


@dataclass(frozen=True)
class Filter:
    """A parsed filter. `equalities` must hold for every record that passes: an index may be asked for them first."""

    passes: Predicate
    equalities: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _Operand:
    """One side of a comparison: a property (perhaps changed), or a literal."""

    read: Reader
    kind: str | None
    literal: tuple[str, Any] | None = None
    property: Property | None = None


def parse_filter(text: str, entity: EntitySet) -> Filter:
    """Raises SapError 400 for what SAP would not understand."""
    parser = _Parser(text, entity)
    parsed = parser.disjunction()
    parser.expect_end()
    return parsed


class _Parser:
    def __init__(self, text: str, entity: EntitySet) -> None:
        self._entity = entity
        self._tokens: list[tuple[str, str, int]] = []
        position = 0
        stripped = text.rstrip()
        while position < len(stripped):
            found = _TOKEN.match(stripped, position)
            if not found or found.lastgroup is None:
                raise _syntax(position)
            self._tokens.append((found.lastgroup, found[found.lastgroup], found.start(found.lastgroup)))
            position = found.end()
        self._at = 0

    def disjunction(self) -> Filter:
        found = self._conjunction()
        while self._take_name("or"):
            left, right = found.passes, self._conjunction().passes
            found = Filter(lambda record, left=left, right=right: left(record) or right(record))  # type: ignore[misc]
        return found

    def expect_end(self) -> None:
        if self._at < len(self._tokens):
            raise _syntax(self._tokens[self._at][2])

    def _conjunction(self) -> Filter:
        found = self._negation()
        while self._take_name("and"):
            left, other = found.passes, self._negation()
            right = other.passes
            found = Filter(
                lambda record, left=left, right=right: left(record) and right(record),  # type: ignore[misc]
                {**found.equalities, **other.equalities},
            )
        return found

    def _negation(self) -> Filter:
        if self._take_name("not"):
            inner = self._negation().passes
            return Filter(lambda record: not inner(record))
        if self._take_mark("("):
            found = self.disjunction()
            self._need_mark(")")
            return found
        return self._comparison()

    def _comparison(self) -> Filter:
        name = self._peek_name()
        if name in _TEXT_TESTS and self._tokens[self._at + 1 : self._at + 2] and self._mark_follows("("):
            return self._text_test(name)
        left = self._operand()
        kind, operator, position = self._next()
        compare = _COMPARISONS.get(operator) if kind == "name" else None
        if compare is None:
            raise _syntax(position)
        return self._compared(left, operator, compare, self._operand(), position)

    def _compared(
        self, left: _Operand, operator: str, compare: Callable[[Any, Any], bool], right: _Operand, position: int
    ) -> Filter:
        value_right = self._coerced(left, right, operator, position)
        value_left = self._coerced(right, left, operator, position)
        read_left = left.read if value_left is _UNSET else lambda record: value_left
        read_right = right.read if value_right is _UNSET else lambda record: value_right
        equalities = {}
        if operator == "eq":
            equalities = {
                side.property.name: value
                for side, value in ((left, value_right), (right, value_left))
                if side.property and value is not _UNSET
            }
        each = left.property or right.property
        if each is not None and each.alpha and operator not in ("eq", "ne"):
            return Filter(
                lambda record: compare(comparable(each, read_left(record)), comparable(each, read_right(record)))
            )
        return Filter(lambda record: compare(read_left(record), read_right(record)), equalities)

    def _coerced(self, side: _Operand, other: _Operand, operator: str, position: int) -> Any:
        """The literal `other` as the type of `side` reads it; _UNSET where there is nothing to read."""
        if side.kind is None or other.literal is None:
            return _UNSET
        if other.literal[0] == "null":
            return None
        try:
            value = edm.coerce_literal(side.kind, other.literal)
            # Leading zeros do not count; case does: a literal is not upper-cased for an upper-case field.
            return value.lstrip("0") if side.property and side.property.alpha and value.isdigit() else value
        except edm.EdmValueError:
            text = f"Invalid parametertype used at function '{operator}' (Position: {position})"
            raise errors.invalid_uri(text) from None

    def _text_test(self, name: str) -> Filter:
        position = self._next()[2]
        self._need_mark("(")
        first = self._operand()
        self._need_mark(",")
        second = self._operand()
        self._need_mark(")")
        if any((side.literal[0] if side.literal else side.kind) != edm.STRING for side in (first, second)):
            raise errors.invalid_uri(f"Invalid parametertype used at function '{name}' (Position: {position})")
        test, read_first, read_second = _TEXT_TESTS[name], first.read, second.read
        wanted = True
        if self._take_name("eq"):
            literal = self._next()[1]
            if literal not in ("true", "false"):
                raise _syntax(position)
            wanted = literal == "true"
        return Filter(lambda record: test(read_first(record), read_second(record)) is wanted)

    def _operand(self) -> _Operand:
        kind, token, position = self._next()
        if kind == "literal" or (kind == "name" and token in ("true", "false", "null")):
            try:
                literal = ("null", None) if token == "null" else edm.read_literal(token)
            except edm.EdmValueError:
                raise _syntax(position) from None
            return _Operand(lambda record: literal[1], None, literal)
        if kind != "name":
            raise _syntax(position)
        if token in _TEXT_CHANGES and self._take_mark("("):
            inner, change = self._operand(), _TEXT_CHANGES[token]
            self._need_mark(")")
            return _Operand(lambda record: change(inner.read(record)), edm.STRING)
        each = self._entity.properties.get(token)
        if each is None:
            raise errors.invalid_uri(f"Property {token} not found in type {self._entity.type}")
        if not each.filterable or each.complex_type:
            raise errors.invalid_uri(f"Property {token} of type {self._entity.type} is not filterable")
        return _Operand(lambda record: record[token], each.kind, property=each)

    def _next(self) -> tuple[str, str, int]:
        if self._at >= len(self._tokens):
            raise _syntax(self._tokens[-1][2] if self._tokens else 0)
        token = self._tokens[self._at]
        self._at += 1
        return token

    def _peek_name(self) -> str | None:
        if self._at < len(self._tokens) and self._tokens[self._at][0] == "name":
            return self._tokens[self._at][1]
        return None

    def _mark_follows(self, mark: str) -> bool:
        return self._tokens[self._at + 1][:2] == ("mark", mark)

    def _take_name(self, name: str) -> bool:
        if self._peek_name() == name:
            self._at += 1
            return True
        return False

    def _take_mark(self, mark: str) -> bool:
        if self._at < len(self._tokens) and self._tokens[self._at][:2] == ("mark", mark):
            self._at += 1
            return True
        return False

    def _need_mark(self, mark: str) -> None:
        if not self._take_mark(mark):
            raise _syntax(self._tokens[min(self._at, len(self._tokens) - 1)][2])


def _syntax(position: int) -> errors.SapError:
    return errors.invalid_uri(f"Invalid token detected at position {position}")
