"""SuiteQL, run: a tree over tables to rows of text.

Every value comes back as a string, keys are lower case and nulls are left out. A date or date-time that is not put
through TO_CHAR comes back as a date in the account's format.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import cmp_to_key
from typing import Any, TypeIs

from dealbridge_local.simulators.netsuite.suiteql_syntax import (
    Binary,
    Call,
    Column,
    Literal,
    Node,
    Output,
    Parameter,
    Query,
    Source,
    Star,
    Unary,
    Within,
    wrong,
)
from dealbridge_local.simulators.netsuite.suiteql_values import (
    ARITHMETIC,
    FUNCTIONS,
    Value,
    arithmetic,
    compared,
    join_key,
    like,
    nulls_last,
    number_of,
    text_of,
)

type Truth = bool | None


@dataclass(frozen=True)
class Table:
    """Rows of any kind, and how to get each column out of one."""

    columns: Mapping[str, Callable[[Any], Value]]
    rows: Callable[[], Iterable[Any]]
    labels: Mapping[str, Callable[[Any], Value]]
    """What BUILTIN.DF shows for a column: the name behind an id."""


type Tables = Mapping[str, Callable[[], Table]]
type Row = dict[str, Any]

_AGGREGATES = frozenset({"count", "sum", "min", "max", "avg"})
_MAX_ROWS = 100_000


def run(query: Query, tables: Tables, parameters: Sequence[Value], now: datetime) -> list[dict[str, str]]:
    """All rows of the result; raises Refusal INVALID_PARAMETER."""
    if query.parameters != len(parameters):
        raise wrong(f"{query.parameters} parameters are expected, {len(parameters)} were given")
    return _Run(query, tables, parameters, now).rows()


class _Run:
    def __init__(self, query: Query, tables: Tables, parameters: Sequence[Value], now: datetime) -> None:
        self._query = query
        self._parameters = parameters
        self._now = now
        self._sources: dict[str, Table] = {}
        for source in query.sources:
            if source.table not in tables:
                raise wrong(f"Record '{source.table}' was not found")
            self._sources[source.alias] = tables[source.table]()
        self._outputs = [output for given in query.outputs for output in self._spread(given)]

    def rows(self) -> list[dict[str, str]]:
        query = self._query
        found: Iterable[Row] = self._joined()
        if query.where is not None:
            self._check(query.where)
            found = (row for row in found if self._holds(query.where, row, None))
        aggregated = bool(query.groups) or any(_aggregates(output.expression) for output in self._outputs)
        groups: list[tuple[Row, list[Row] | None]]
        groups = self._grouped(list(found)) if aggregated else [(row, None) for row in found]
        if query.having is not None:
            groups = [(row, members) for row, members in groups if self._holds(query.having, row, members)]
        groups = self._ordered(groups)
        shown = [self._shown(row, members) for row, members in groups]
        if query.distinct:
            shown = [dict(each) for each in dict.fromkeys(tuple(row.items()) for row in shown)]
        if len(shown) > _MAX_ROWS:
            raise wrong(f"More than {_MAX_ROWS} results")
        return shown

    # Rows

    def _spread(self, output: Output) -> Iterator[Output]:
        if not isinstance(output.expression, Star):
            self._check(output.expression)
            yield output
            return
        for alias, table in self._sources.items():
            if output.expression.table in (None, alias):
                for name in table.columns:
                    yield Output(Column(alias, name), name)

    def _joined(self) -> Iterator[Row]:
        first, *others = self._query.sources
        rows: Iterable[Row] = ({first.alias: row} for row in self._sources[first.alias].rows())
        for source in others:
            rows = self._join(rows, source)
        return iter(rows)

    def _join(self, rows: Iterable[Row], source: Source) -> Iterator[Row]:
        """By hash on the first equality of the condition; the whole condition is then tried on what it finds."""
        table = self._sources[source.alias]
        if source.condition is not None:
            self._check(source.condition)
        key = self._join_key(source)
        held = list(table.rows())
        index: dict[Value, list[Any]] = {}
        if key is not None:
            for row in held:
                index.setdefault(join_key(table.columns[key[0]](row)), []).append(row)
        for left in rows:
            candidates = held if key is None else index.get(join_key(self._value(key[1], left, None)), [])
            matched = False
            for row in candidates:
                joined = {**left, source.alias: row}
                if source.condition is None or self._holds(source.condition, joined, None):
                    matched = True
                    yield joined
            if source.optional and not matched:
                yield {**left, source.alias: None}

    def _join_key(self, source: Source) -> tuple[str, Node] | None:
        for part in _conjuncts(source.condition):
            if isinstance(part, Binary) and part.operator == "=":
                for mine, other in ((part.left, part.right), (part.right, part.left)):
                    if _is_qualified(mine) and _is_qualified(other) and mine.table == source.alias != other.table:
                        return mine.name, other
        return None

    def _grouped(self, rows: list[Row]) -> list[tuple[Row, list[Row] | None]]:
        if not self._query.groups:
            return [(rows[0] if rows else {}, rows)]
        groups: dict[tuple[Value, ...], list[Row]] = {}
        for row in rows:
            key = tuple(self._value(part, row, None) for part in self._query.groups)
            groups.setdefault(key, []).append(row)
        return [(members[0], members) for members in groups.values()]

    def _ordered(self, groups: list[tuple[Row, list[Row] | None]]) -> list[tuple[Row, list[Row] | None]]:
        aliases = {output.alias: output.expression for output in self._outputs if output.alias}
        for ordering in reversed(self._query.order):
            node: Node = ordering.expression
            if isinstance(node, Column) and node.table is None and node.name in aliases:
                node = aliases[node.name]
            elif isinstance(node, Literal) and isinstance(node.value, Decimal):
                node = self._numbered(int(node.value))
            self._check(node)
            rank = cmp_to_key(nulls_last)
            keys = [rank(self._value(node, row, members)) for row, members in groups]
            places = sorted(range(len(groups)), key=keys.__getitem__, reverse=ordering.descending)
            groups = [groups[place] for place in places]
        return groups

    def _numbered(self, number: int) -> Node:
        if not 1 <= number <= len(self._outputs):
            raise wrong(f"ORDER BY {number}: there is no such column")
        return self._outputs[number - 1].expression

    def _shown(self, row: Row, members: list[Row] | None) -> dict[str, str]:
        shown = {}
        for place, output in enumerate(self._outputs, 1):
            value = self._value(output.expression, row, members)
            if value is not None:
                shown[output.alias or _heading(output.expression, place)] = text_of(value)
        return shown

    # Names, checked before the first row

    def _check(self, node: Node) -> None:
        match node:
            case Column():
                self._column(node)
            case Call(name, arguments, _):
                if name not in _AGGREGATES and name not in FUNCTIONS and name not in {"nvl", "coalesce", "builtin.df"}:
                    raise wrong(f"Invalid or unsupported function '{name}'")
                for argument in arguments:
                    if not isinstance(argument, Star):
                        self._check(argument)
            case Unary(_, operand):
                self._check(operand)
            case Binary(_, left, right):
                self._check(left)
                self._check(right)
            case Within(operand, choices):
                for part in (operand, *choices):
                    self._check(part)
            case _:
                return

    def _column(self, column: Column) -> tuple[str, str]:
        """The alias of the table and the name of the column; SYSDATE and its kin are no columns."""
        if column.table is None and column.name in _MOMENTS:
            return "", column.name
        aliases = [column.table] if column.table is not None else list(self._sources)
        found = [alias for alias in aliases if alias in self._sources and column.name in self._sources[alias].columns]
        if not found:
            name = f"{column.table}.{column.name}" if column.table else column.name
            raise wrong(f"Field '{name}' was not found")
        if len(found) > 1:
            raise wrong(f"Field '{column.name}' is ambiguous")
        return found[0], column.name

    # Values

    def _value(self, node: Node, row: Row, members: list[Row] | None) -> Value:
        match node:
            case Literal(value):
                return value
            case Parameter(index):
                return self._parameters[index]
            case Column():
                alias, name = self._column(node)
                if not alias:
                    return self._now if name in {"sysdate", "current_timestamp"} else self._now.date()
                held = row.get(alias)
                return None if held is None else self._sources[alias].columns[name](held)
            case Call():
                return self._call(node, row, members)
            case Unary("-", operand):
                number = self._value(operand, row, members)
                return None if number is None else -number_of(number)
            case Binary(operator, left, right) if operator in ARITHMETIC:
                return arithmetic(operator, self._value(left, row, members), self._value(right, row, members))
            case _:
                raise wrong("A condition stands where a value is expected")

    def _call(self, call: Call, row: Row, members: list[Row] | None) -> Value:
        if call.name in _AGGREGATES:
            if members is None:
                raise wrong(f"{call.name} is not allowed here")
            return self._aggregate(call, members)
        if call.name == "builtin.df":
            return self._label(call, row)
        if call.name in {"nvl", "coalesce"}:
            values = (self._value(argument, row, members) for argument in call.arguments)
            return next((value for value in values if value is not None), None)
        function = FUNCTIONS[call.name]
        try:
            return function(*(self._value(argument, row, members) for argument in call.arguments))
        except (TypeError, ValueError, InvalidOperation):
            raise wrong(f"Invalid arguments for function '{call.name}'") from None

    def _aggregate(self, call: Call, members: list[Row]) -> Value:
        if len(call.arguments) == 1 and isinstance(call.arguments[0], Star):
            return Decimal(len(members))
        values = [value for row in members if (value := self._value(call.arguments[0], row, None)) is not None]
        if call.distinct:
            values = list(dict.fromkeys(values))
        if call.name == "count":
            return Decimal(len(values))
        if not values:
            return None
        if call.name == "sum":
            return sum((number_of(value) for value in values), Decimal(0))
        if call.name == "avg":
            return sum((number_of(value) for value in values), Decimal(0)) / len(values)
        values.sort(key=cmp_to_key(nulls_last))
        return values[0] if call.name == "min" else values[-1]

    def _label(self, call: Call, row: Row) -> Value:
        if len(call.arguments) != 1 or not isinstance(call.arguments[0], Column):
            raise wrong("BUILTIN.DF takes one field")
        alias, name = self._column(call.arguments[0])
        held = row.get(alias)
        if held is None:
            return None
        table = self._sources[alias]
        return (table.labels.get(name) or table.columns[name])(held)

    # Conditions, in SQL's three-valued logic

    def _holds(self, node: Node | None, row: Row, members: list[Row] | None) -> bool:
        return node is None or self._truth(node, row, members) is True

    def _truth(self, node: Node, row: Row, members: list[Row] | None) -> Truth:
        match node:
            case Binary("and", left, right):
                first = self._truth(left, row, members)
                if first is False:
                    return False
                second = self._truth(right, row, members)
                return False if second is False else None if None in (first, second) else True
            case Binary("or", left, right):
                first = self._truth(left, row, members)
                if first is True:
                    return True
                second = self._truth(right, row, members)
                return True if second is True else None if None in (first, second) else False
            case Unary("not", operand):
                truth = self._truth(operand, row, members)
                return None if truth is None else not truth
            case Unary("is null", operand):
                return self._value(operand, row, members) is None
            case Within(operand, choices):
                value = self._value(operand, row, members)
                order = [compared(value, self._value(each, row, members)) for each in choices]
                return True if 0 in order else None if None in order else False
            case Binary("like", left, right):
                text, pattern = self._value(left, row, members), self._value(right, row, members)
                return None if text is None or pattern is None else bool(like(str(pattern)).match(text_of(text)))
            case Binary(operator, left, right) if operator in _COMPARISONS:
                comes = compared(self._value(left, row, members), self._value(right, row, members))
                return None if comes is None else _COMPARISONS[operator](comes)
            case _:
                raise wrong("A value stands where a condition is expected")


_MOMENTS = frozenset({"sysdate", "current_date", "current_timestamp"})
_COMPARISONS: dict[str, Callable[[int], bool]] = {
    "=": lambda comes: comes == 0,
    "<>": lambda comes: comes != 0,
    "<": lambda comes: comes < 0,
    "<=": lambda comes: comes <= 0,
    ">": lambda comes: comes > 0,
    ">=": lambda comes: comes >= 0,
}


def _is_qualified(node: Node) -> TypeIs[Column]:
    return isinstance(node, Column) and node.table is not None


def _conjuncts(node: Node | None) -> Iterator[Node]:
    if isinstance(node, Binary) and node.operator == "and":
        yield from _conjuncts(node.left)
        yield from _conjuncts(node.right)
    elif node is not None:
        yield node


def _aggregates(node: Node) -> bool:
    match node:
        case Call(name, arguments, _):
            return name in _AGGREGATES or any(_aggregates(argument) for argument in arguments)
        case Unary(_, operand):
            return _aggregates(operand)
        case Binary(_, left, right):
            return _aggregates(left) or _aggregates(right)
        case _:
            return False


def _heading(node: Node, place: int) -> str:
    return node.name if isinstance(node, Column) else f"expr{place}"
