"""DynamoDB's expressions: conditions, key conditions and updates, read once and kept.

Values are in DynamoDB's own JSON ({"S": "text"}). Grammar: Developer Guide, "Condition and filter expressions,
operators, and functions" and "Using update expressions".
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from itertools import pairwise
from typing import Any

type Value = dict[str, Any]
"""One attribute value, typed: {"N": "1"}."""
type Item = Mapping[str, Value]


class NotEmulatedError(NotImplementedError):
    """Something that this fake does not do; it must be added rather than guessed."""


class ExpressionError(ValueError):
    """What DynamoDB refuses as ValidationException."""


@dataclass(frozen=True)
class Given:
    """The substitutions of one request."""

    names: Mapping[str, str]
    values: Mapping[str, Value]


type Operand = Callable[[Item, Given], Value | None]
type Test = Callable[[Item, Given], bool]
type Path = tuple[str, ...]


@dataclass(frozen=True)
class Condition:
    """A condition, and the names and values that it uses."""

    test: Test
    used: frozenset[str]


@dataclass(frozen=True)
class Update:
    """An update: what is set, each from the item as it stood before, and what is removed."""

    sets: "tuple[tuple[Path, Operand], ...]"
    removes: "tuple[Path, ...]"
    used: frozenset[str]

    def apply(self, item: Item, given: Given) -> dict[str, Value]:
        """The changed attributes. Raises ExpressionError for two changes of one attribute or an operand not there."""
        paths = [tuple(resolved(name, given) for name in path) for path, _ in self.sets]
        gone = [tuple(resolved(name, given) for name in path) for path in self.removes]
        _refuse_overlap([*paths, *gone])
        after = dict(item)
        for path, (_, operand) in zip(paths, self.sets, strict=True):
            value = operand(item, given)
            if value is None:
                raise ExpressionError("The provided expression refers to an attribute that does not exist in the item")
            _put(after, path, value)
        for path in gone:
            after.pop(path[0], None)
        return after


@lru_cache(maxsize=1024)
def condition(text: str) -> Condition:
    reader = _Reader(text)
    test = _either(reader)
    reader.end()
    return Condition(test, frozenset(reader.used))


@lru_cache(maxsize=1024)
def update(text: str) -> Update:
    reader = _Reader(text)
    sets: list[tuple[Path, Operand]] = []
    removes: list[Path] = []
    while reader.next is not None:
        match reader.take().upper():
            case "SET":
                sets.append(_assignment(reader))
                while reader.taken(","):
                    sets.append(_assignment(reader))
            case "REMOVE":
                removes.append(_top(_path(reader)))
                while reader.taken(","):
                    removes.append(_top(_path(reader)))
            case clause:
                raise NotEmulatedError(f"update clause {clause}: {text}")
    return Update(tuple(sets), tuple(removes), frozenset(reader.used))


def resolved(name: str, given: Given) -> str:
    """An attribute's name behind its `#placeholder`."""
    if not name.startswith("#"):
        return name
    if name not in given.names:
        raise ExpressionError(f"An expression attribute name used in the document path is not defined: {name}")
    return given.names[name]


_TOKEN = re.compile(r"\s*(<>|<=|>=|[#:]?[A-Za-z_][A-Za-z0-9_]*|[(),.+=<>-])")


@dataclass
class _Reader:
    text: str
    used: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._tokens: list[str] = []
        place, end = 0, len(self.text.rstrip())
        while place < end:
            match = _TOKEN.match(self.text, place)
            if match is None:
                raise NotEmulatedError(f"expression {self.text!r} at {self.text[place:]!r}")
            self._tokens.append(match[1])
            place = match.end()
        self.used |= {token for token in self._tokens if token[0] in "#:"}
        self._place = 0

    @property
    def next(self) -> str | None:
        return self._tokens[self._place] if self._place < len(self._tokens) else None

    def take(self) -> str:
        token = self.next
        if token is None:
            raise ExpressionError(f"Syntax error: {self.text!r} ends too early")
        self._place += 1
        return token

    def taken(self, *tokens: str) -> str | None:
        token = self.next
        if token is None or token.upper() not in tokens:
            return None
        self._place += 1
        return token.upper()

    def expect(self, token: str) -> None:
        if self.take() != token:
            raise ExpressionError(f"Syntax error: {token!r} expected in {self.text!r}")

    def end(self) -> None:
        if self.next is not None:
            raise ExpressionError(f"Syntax error: {self.next!r} in {self.text!r}")


# Conditions


def _either(reader: _Reader) -> Test:
    test = _both(reader)
    while reader.taken("OR"):
        left, right = test, _both(reader)
        test = _any(left, right)
    return test


def _both(reader: _Reader) -> Test:
    test = _not(reader)
    while reader.taken("AND"):
        left, right = test, _not(reader)
        test = _all(left, right)
    return test


def _any(left: Test, right: Test) -> Test:
    return lambda item, given: left(item, given) or right(item, given)


def _all(left: Test, right: Test) -> Test:
    return lambda item, given: left(item, given) and right(item, given)


def _not(reader: _Reader) -> Test:
    if reader.taken("NOT"):
        inner = _not(reader)
        return lambda item, given: not inner(item, given)
    if reader.taken("("):
        inner = _either(reader)
        reader.expect(")")
        return inner
    return _comparison(reader)


def _comparison(reader: _Reader) -> Test:
    match (reader.next or "").lower():
        case "attribute_exists" | "attribute_not_exists" as function:
            reader.take()
            reader.expect("(")
            path = _path(reader)
            reader.expect(")")
            wanted = function == "attribute_exists"
            return lambda item, given: (_at(item, path, given) is not None) is wanted
        case "begins_with":
            reader.take()
            reader.expect("(")
            value = _operand(reader)
            reader.expect(",")
            start = _operand(reader)
            reader.expect(")")
            return lambda item, given: _begins(value(item, given), start(item, given))
    left = _operand(reader)
    operator = reader.take()
    if operator not in _COMPARE:
        raise NotEmulatedError(f"operator {operator!r} in {reader.text!r}")
    right, compare = _operand(reader), _COMPARE[operator]
    return lambda item, given: compare(left(item, given), right(item, given))


def _begins(value: Value | None, start: Value | None) -> bool:
    return value is not None and start is not None and "S" in value and value["S"].startswith(start["S"])


def _ordered(order: Callable[[Any, Any], bool]) -> Callable[[Value | None, Value | None], bool]:
    def compare(left: Value | None, right: Value | None) -> bool:
        if left is None or right is None or left.keys() != right.keys():
            return False
        ((kind, one), (_, other)) = (*left.items(), *right.items())
        if kind == "N":
            return order(Decimal(one), Decimal(other))
        if kind == "S":
            return order(one.encode(), other.encode())
        return kind == "B" and order(one, other)

    return compare


def _equal(left: Value | None, right: Value | None) -> bool:
    if left is None or right is None or left.keys() != right.keys():
        return False
    ((kind, one), (_, other)) = (*left.items(), *right.items())
    if kind == "N":
        return Decimal(one) == Decimal(other)
    if kind == "L":
        return len(one) == len(other) and all(map(_equal, one, other))
    if kind == "M":
        return bool(one.keys() == other.keys()) and all(_equal(one[name], other[name]) for name in one)
    return bool(one == other)


def _different(left: Value | None, right: Value | None) -> bool:
    # An attribute that is not there differs from every value.
    return not _equal(left, right)


_COMPARE: dict[str, Callable[[Value | None, Value | None], bool]] = {
    "=": _equal,
    "<>": _different,
    "<": _ordered(lambda one, other: one < other),
    "<=": _ordered(lambda one, other: one <= other),
    ">": _ordered(lambda one, other: one > other),
    ">=": _ordered(lambda one, other: one >= other),
}


# Operands and paths


def _operand(reader: _Reader) -> Operand:
    token = reader.next or ""
    if token.startswith(":"):
        reader.take()
        return lambda item, given: _value(token, given)
    if token.lower() == "size":
        reader.take()
        reader.expect("(")
        path = _path(reader)
        reader.expect(")")
        return lambda item, given: _size(_at(item, path, given))
    path = _path(reader)
    return lambda item, given: _at(item, path, given)


def _path(reader: _Reader) -> Path:
    parts = [_name(reader)]
    while reader.taken("."):
        parts.append(_name(reader))
    return tuple(parts)


def _name(reader: _Reader) -> str:
    token = reader.take()
    if token[0] != "#" and token not in _PLAIN:
        # Hundreds of words are reserved (Developer Guide, "Reserved words in DynamoDB").
        raise NotEmulatedError(f"{token!r} in {reader.text!r}: write attribute names with #")
    return token


_PLAIN = frozenset({"pk", "sk", "gsi_pk", "gsi_sk"})


def _top(path: Path) -> Path:
    if len(path) > 1:
        raise NotEmulatedError(f"a removal inside a document: {'.'.join(path)}")
    return path


def _at(item: Item, path: Path, given: Given) -> Value | None:
    value = item.get(resolved(path[0], given))
    for part in path[1:]:
        if value is None or "M" not in value:
            return None
        value = value["M"].get(resolved(part, given))
    return value


def _value(token: str, given: Given) -> Value:
    if token not in given.values:
        raise ExpressionError(f"An expression attribute value used in expression is not defined: {token}")
    return given.values[token]


def _size(value: Value | None) -> Value | None:
    if value is None:
        return None
    ((kind, inner),) = value.items()
    if kind in ("N", "BOOL", "NULL"):
        raise ExpressionError("Invalid operand type for operator or function; operator or function: size")
    return {"N": str(len(inner.encode() if kind == "S" else inner))}


# Updates


def _refuse_overlap(paths: list[Path]) -> None:
    ordered = sorted(paths)
    for path, following in pairwise(ordered):
        if following[: len(path)] == path:
            raise ExpressionError(
                "Invalid UpdateExpression: Two document paths overlap with each other; must remove or rewrite one of "
                "these paths"
            )


def _put(item: dict[str, Value], path: Path, value: Value) -> None:
    """Set an attribute, or a field of a map that is there; the maps on the way are copied."""
    if len(path) == 1:
        item[path[0]] = value
        return
    held = item.get(path[0])
    if held is None or "M" not in held:
        raise ExpressionError("The document path provided in the update expression is invalid for update")
    inner = dict(held["M"])
    _put(inner, path[1:], value)
    item[path[0]] = {"M": inner}


def _assignment(reader: _Reader) -> tuple[Path, Operand]:
    name = _path(reader)
    reader.expect("=")
    left = _addend(reader)
    sign = reader.taken("+", "-")
    if sign is None:
        return name, left
    right = _addend(reader)
    return name, _sum(left, right, 1 if sign == "+" else -1)


def _addend(reader: _Reader) -> Operand:
    match (reader.next or "").lower():
        case "if_not_exists":
            reader.take()
            reader.expect("(")
            path = _path(reader)
            reader.expect(",")
            otherwise = _addend(reader)
            reader.expect(")")
            return lambda item, given: _first(_at(item, path, given), otherwise(item, given))
        case "list_append":
            reader.take()
            reader.expect("(")
            left = _addend(reader)
            reader.expect(",")
            right = _addend(reader)
            reader.expect(")")
            return lambda item, given: _appended(left(item, given), right(item, given))
    return _operand(reader)


def _first(value: Value | None, otherwise: Value | None) -> Value | None:
    return otherwise if value is None else value


def _appended(left: Value | None, right: Value | None) -> Value | None:
    if left is None or right is None:
        return None
    if "L" not in left or "L" not in right:
        raise ExpressionError("An operand in the update expression has an incorrect data type")
    return {"L": [*left["L"], *right["L"]]}


def _sum(left: Operand, right: Operand, sign: int) -> Operand:
    def total(item: Item, given: Given) -> Value | None:
        one, other = left(item, given), right(item, given)
        if one is None or other is None:
            return None
        if "N" not in one or "N" not in other:
            raise ExpressionError("An operand in the update expression has an incorrect data type")
        return {"N": str(Decimal(one["N"]) + sign * Decimal(other["N"]))}

    return total
