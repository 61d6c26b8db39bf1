"""SOQL: from text to a tree. What the tree means is query.py's matter.

Taken: SELECT of fields, dotted paths, child subqueries, aggregates and FIELDS(); one sObject with an optional alias;
WHERE with AND, OR, NOT, comparisons, LIKE, IN and NOT IN with lists or a subquery; GROUP BY; ORDER BY; LIMIT; OFFSET;
ALL ROWS. Anything else is refused as MALFORMED_QUERY, as the API refuses what it cannot read.
"""

import re
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from typing import NoReturn

from dealbridge_local.simulators.salesforce.errors import ApiError

AGGREGATES = frozenset({"COUNT", "COUNT_DISTINCT", "SUM", "MIN", "MAX", "AVG"})
_COMPARISONS = frozenset({"=", "!=", "<>", "<", "<=", ">", ">="})
_DEEPEST_PATH = 5
"""Child-to-parent levels in one path (SOQL reference, "Relationship queries")."""

type Path = tuple[str, ...]


@dataclass(frozen=True)
class Text:
    value: str


@dataclass(frozen=True)
class Number:
    value: Decimal


@dataclass(frozen=True)
class Word:
    """A bare literal: true, false, null, a date, a time, or a date literal such as TODAY."""

    value: str
    count: int | None = None
    """The n of LAST_N_DAYS:n."""


type Literal = Text | Number | Word


@dataclass(frozen=True)
class Comparison:
    path: Path
    operator: str
    value: Literal


@dataclass(frozen=True)
class Membership:
    path: Path
    values: "tuple[Literal, ...] | Query"
    negated: bool


@dataclass(frozen=True)
class Not:
    condition: "Condition"


@dataclass(frozen=True)
class Both:
    conditions: "tuple[Condition, ...]"


@dataclass(frozen=True)
class Either:
    conditions: "tuple[Condition, ...]"


type Condition = Comparison | Membership | Not | Both | Either


@dataclass(frozen=True)
class Aggregate:
    function: str
    path: Path | None
    alias: str | None


@dataclass(frozen=True)
class AllFields:
    """FIELDS(ALL), FIELDS(STANDARD) or FIELDS(CUSTOM)."""

    kind: str


@dataclass(frozen=True)
class Order:
    path: Path
    descending: bool
    nulls_last: bool


type Selected = "Path | Aggregate | AllFields | Query"


@dataclass(frozen=True)
class Query:
    selected: "tuple[Selected, ...]"
    sobject: str
    """In a subquery the name of the child relationship."""
    where: Condition | None = None
    group_by: tuple[Path, ...] = ()
    order_by: tuple[Order, ...] = ()
    limit: int | None = None
    offset: int = 0
    text: str = field(default="", compare=False)


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    at: int


_PATTERN = re.compile(
    r"""\s*(?:
    (?P<time>\d{4}-\d\d-\d\d(?:T\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d))?)(?![\w.])
  | (?P<number>[+-]?(?:\d+\.\d*|\.\d+|\d+)(?:[eE][+-]?\d+)?)(?!\w)
  | (?P<text>'(?:[^'\\]|\\.)*')
  | (?P<name>[A-Za-z_][\w.]*)
  | (?P<mark><=|>=|!=|<>|[=<>(),:])
  )""",
    re.VERBOSE,
)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}


@lru_cache(maxsize=512)
def parse(text: str) -> Query:
    """The query as a tree. Kept, since integrations ask the same again and again, and nobody changes a tree.

    Raises MALFORMED_QUERY with the place of the first token that does not fit.
    """
    parser = _Parser(text)
    query = parser.query()
    parser.end()
    return query


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _tokens(text)
        self._next = 0
        self._alias: str | None = None

    def query(self, *, nested: bool = False) -> Query:
        begin = self._here().at
        self._keyword("SELECT")
        selected = [self._selected()]
        while self._mark(","):
            selected.append(self._selected())
        self._keyword("FROM")
        sobject = self._name()
        outer, self._alias = self._alias, None
        if self._here().kind == "name" and not self._at_clause():
            self._alias = self._name()
        if self._is_mark(","):
            self._refuse()
        prefix, self._alias = self._alias, outer
        selected = [_without_prefix(each, prefix, sobject) for each in selected]
        self._alias = prefix or sobject
        where = self._either() if self._word("WHERE") else None
        group_by = self._paths() if self._words("GROUP", "BY") else ()
        order_by = self._orders() if self._words("ORDER", "BY") else ()
        limit = self._count() if self._word("LIMIT") else None
        offset = self._count() if self._word("OFFSET") else 0
        if not nested:
            self._words("ALL", "ROWS")
        self._alias = outer
        return Query(tuple(selected), sobject, where, group_by, order_by, limit, offset, self._text[begin:])

    def end(self) -> None:
        if self._here().kind != "end":
            self._refuse()

    def _selected(self) -> Selected:
        if self._mark("("):
            query = self.query(nested=True)
            self._close()
            return query
        name = self._name()
        if not self._mark("("):
            return self._path(name)
        function = name.upper()
        if function == "FIELDS":
            kind = self._name().upper()
            self._close()
            if kind not in ("ALL", "STANDARD", "CUSTOM"):
                self._refuse()
            return AllFields(kind)
        if function not in AGGREGATES:
            self._refuse(back=2)
        path = None if self._is_mark(")") else self._path(self._name())
        if path is None and function != "COUNT":
            self._refuse()
        self._close()
        alias = self._name() if self._here().kind == "name" and not self._at_clause() else None
        return Aggregate(function, path, alias)

    def _either(self) -> Condition:
        first = self._both()
        conditions = [first]
        while self._word("OR"):
            conditions.append(self._both())
        return first if len(conditions) == 1 else Either(tuple(conditions))

    def _both(self) -> Condition:
        first = self._negation()
        conditions = [first]
        while self._word("AND"):
            conditions.append(self._negation())
        return first if len(conditions) == 1 else Both(tuple(conditions))

    def _negation(self) -> Condition:
        if self._word("NOT"):
            return Not(self._negation())
        if self._mark("("):
            condition = self._either()
            self._close()
            return condition
        return self._test()

    def _test(self) -> Condition:
        path = self._path(self._name())
        token = self._here()
        if token.kind == "mark" and token.text in _COMPARISONS:
            self._next += 1
            return Comparison(path, "!=" if token.text == "<>" else token.text, self._literal())
        if self._word("LIKE"):
            return Comparison(path, "LIKE", self._literal())
        if self._word("IN"):
            return Membership(path, self._members(), negated=False)
        if self._words("NOT", "IN"):
            return Membership(path, self._members(), negated=True)
        return self._refuse()

    def _members(self) -> tuple[Literal, ...] | Query:
        if not self._mark("("):
            self._refuse()
        if self._is_word("SELECT"):
            query = self.query(nested=True)
            self._close()
            return query
        values = [self._literal()]
        while self._mark(","):
            values.append(self._literal())
        self._close()
        return tuple(values)

    def _literal(self) -> Literal:
        token = self._here()
        self._next += 1
        if token.kind == "text":
            return Text(_unescaped(token.text[1:-1]))
        if token.kind == "number":
            return Number(Decimal(token.text))
        if token.kind == "time":
            return Word(token.text)
        if token.kind == "name":
            count = self._count() if self._mark(":") else None
            return Word(token.text.upper(), count)
        return self._refuse(back=1)

    def _orders(self) -> tuple[Order, ...]:
        orders = [self._order()]
        while self._mark(","):
            orders.append(self._order())
        return tuple(orders)

    def _order(self) -> Order:
        path = self._path(self._name())
        descending = self._word("DESC")
        if not descending:
            self._word("ASC")
        nulls_last = False
        if self._word("NULLS"):
            nulls_last = self._word("LAST")
            if not nulls_last:
                self._keyword("FIRST")
        return Order(path, descending, nulls_last)

    def _paths(self) -> tuple[Path, ...]:
        paths = [self._path(self._name())]
        while self._mark(","):
            paths.append(self._path(self._name()))
        return tuple(paths)

    def _path(self, name: str) -> Path:
        path = tuple(name.split("."))
        if not all(path):
            self._refuse(back=1)
        if self._alias and len(path) > 1 and path[0].lower() == self._alias.lower():
            path = path[1:]
        if len(path) > _DEEPEST_PATH + 1:
            raise _malformed(f"\n{name}\nrelationship path has more than {_DEEPEST_PATH} levels")
        return path

    # Tokens

    def _here(self) -> _Token:
        return self._tokens[self._next]

    def _is_word(self, word: str) -> bool:
        token = self._here()
        return token.kind == "name" and token.text.upper() == word

    def _word(self, word: str) -> bool:
        found = self._is_word(word)
        self._next += found
        return found

    def _words(self, first: str, second: str) -> bool:
        if not self._word(first):
            return False
        self._keyword(second)
        return True

    def _keyword(self, word: str) -> None:
        if not self._word(word):
            self._refuse()

    def _at_clause(self) -> bool:
        return any(self._is_word(word) for word in ("FROM", "WHERE", "GROUP", "ORDER", "LIMIT", "OFFSET", "ALL"))

    def _is_mark(self, mark: str) -> bool:
        token = self._here()
        return token.kind == "mark" and token.text == mark

    def _mark(self, mark: str) -> bool:
        found = self._is_mark(mark)
        self._next += found
        return found

    def _close(self) -> None:
        if not self._mark(")"):
            self._refuse()

    def _name(self) -> str:
        token = self._here()
        if token.kind != "name":
            self._refuse()
        self._next += 1
        return token.text

    def _count(self) -> int:
        token = self._here()
        if token.kind != "number" or not token.text.isdigit():
            self._refuse()
        self._next += 1
        return int(token.text)

    def _refuse(self, back: int = 0) -> NoReturn:
        token = self._tokens[max(self._next - back, 0)]
        if token.kind == "end":
            raise _malformed("unexpected token: '<EOF>'")
        raise _malformed(f"\n{self._text}\n{place(self._text, token.at)}\nunexpected token: '{token.text}'")


def _without_prefix(selected: Selected, alias: str | None, sobject: str) -> Selected:
    """`o.Name` and `Opportunity.Name` are `Name` in `FROM Opportunity o`."""
    prefixes = {sobject.lower(), (alias or sobject).lower()}
    if isinstance(selected, tuple) and len(selected) > 1 and selected[0].lower() in prefixes:
        return selected[1:]
    if isinstance(selected, Aggregate) and selected.path and len(selected.path) > 1:
        path = selected.path[1:] if selected.path[0].lower() in prefixes else selected.path
        return Aggregate(selected.function, path, selected.alias)
    return selected


def _tokens(text: str) -> list[_Token]:
    tokens, at = [], 0
    end = len(text.rstrip())
    while at < end:
        match = _PATTERN.match(text, at)
        if match is None or match.lastgroup is None:
            at += len(text[at:]) - len(text[at:].lstrip())
            raise _malformed(f"\n{text}\n{place(text, at)}\nunexpected token: '{text[at : at + 1]}'")
        tokens.append(_Token(match.lastgroup, match[match.lastgroup], match.start(match.lastgroup)))
        at = match.end()
    return [*tokens, _Token("end", "", end)]


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[1]), text)


def place(text: str, at: int) -> str:
    """The line with a caret and the place in words, as the API prints them under a query."""
    return f"{' ' * at}^\nERROR at Row:1:Column:{at + 1}"


def _malformed(message: str) -> ApiError:
    return ApiError(400, "MALFORMED_QUERY", message)
