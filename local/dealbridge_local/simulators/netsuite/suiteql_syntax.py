"""SuiteQL, read: text to a tree. A subset of Oracle's SQL, as much as reading statuses and margins takes.

SELECT [DISTINCT] ... FROM t [, or JOIN ... ON ...] WHERE ... GROUP BY ... HAVING ... ORDER BY ... with `?` parameters.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from dealbridge_local.simulators.netsuite.errors import Refusal

_TOKEN = re.compile(
    r"""\s+|--[^\n]*|(?P<string>'(?:[^']|'')*')|(?P<number>\d+(?:\.\d+)?|\.\d+)"""
    r"""|(?P<name>[A-Za-z_][A-Za-z0-9_$]*|"[^"]+")|(?P<sign><>|!=|<=|>=|\|\||[=<>(),.*/+\-?])"""
)

_RESERVED = frozenset(
    {
        *("select", "distinct", "from", "where", "group", "by", "having", "order", "asc", "desc", "as", "on", "with"),
        *("join", "inner", "left", "right", "outer", "full", "cross", "union", "all", "fetch", "offset"),
        *("and", "or", "not", "in", "like", "between", "is", "null", "exists", "case", "when", "then", "else", "end"),
    }
)


@dataclass(frozen=True)
class Literal:
    value: str | Decimal | None


@dataclass(frozen=True)
class Parameter:
    index: int


@dataclass(frozen=True)
class Column:
    table: str | None
    name: str


@dataclass(frozen=True)
class Star:
    table: str | None = None


@dataclass(frozen=True)
class Call:
    name: str
    arguments: tuple["Node", ...]
    distinct: bool = False


@dataclass(frozen=True)
class Unary:
    operator: str
    operand: "Node"


@dataclass(frozen=True)
class Binary:
    operator: str
    left: "Node"
    right: "Node"


@dataclass(frozen=True)
class Within:
    operand: "Node"
    choices: tuple["Node", ...]


Node = Literal | Parameter | Column | Star | Call | Unary | Binary | Within


@dataclass(frozen=True)
class Output:
    expression: Node
    alias: str | None


@dataclass(frozen=True)
class Source:
    table: str
    alias: str
    condition: Node | None = None
    optional: bool = False
    """LEFT JOIN: a row without a partner stays."""


@dataclass(frozen=True)
class Ordering:
    expression: Node
    descending: bool


@dataclass(frozen=True)
class Query:
    outputs: tuple[Output, ...]
    distinct: bool
    sources: tuple[Source, ...]
    where: Node | None
    groups: tuple[Node, ...]
    having: Node | None
    order: tuple[Ordering, ...]
    parameters: int


def wrong(why: str) -> Refusal:
    detail = f"Invalid search query. Detailed unprocessed description follows. Search error occurred: {why}."
    return Refusal(400, "INVALID_PARAMETER", detail)


def parsed(text: str) -> Query:
    """The query, or Refusal INVALID_PARAMETER."""
    return _Parser(text).query()


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        place = 0
        while place < len(text):
            match = _TOKEN.match(text, place)
            if match is None:
                raise wrong(f"Invalid or unsupported search at '{text[place : place + 20]}'")
            if match.lastgroup:
                self._tokens.append((match.lastgroup, match[0]))
            place = match.end()
        self._place = 0
        self._parameters = 0

    def query(self) -> Query:
        self._expect("select")
        distinct = self._take("distinct")
        outputs = self._several(self._output)
        self._expect("from")
        sources = self._sources()
        where = self._any() if self._take("where") else None
        groups: tuple[Node, ...] = ()
        if self._take("group"):
            self._expect("by")
            groups = self._several(self._sum)
        having = self._any() if self._take("having") else None
        order: tuple[Ordering, ...] = ()
        if self._take("order"):
            self._expect("by")
            order = self._several(self._ordering)
        if self._place < len(self._tokens):
            raise wrong(f"Unexpected '{self._tokens[self._place][1]}'")
        return Query(outputs, distinct, sources, where, groups, having, order, self._parameters)

    # Tokens

    def _peek(self) -> str:
        return self._tokens[self._place][1].lower() if self._place < len(self._tokens) else ""

    def _take(self, *words: str) -> bool:
        if self._peek() in words:
            self._place += 1
            return True
        return False

    def _expect(self, word: str) -> None:
        if not self._take(word):
            raise wrong(f"Expected '{word}' before '{self._peek()}'")

    def _name(self) -> str:
        if self._place < len(self._tokens):
            group, text = self._tokens[self._place]
            if group == "name" and text.lower() not in _RESERVED:
                self._place += 1
                return text.strip('"').lower()
        raise wrong(f"Expected a name before '{self._peek()}'")

    def _is_name(self) -> bool:
        return (
            self._place < len(self._tokens) and self._tokens[self._place][0] == "name" and self._peek() not in _RESERVED
        )

    def _several[T](self, one: Callable[[], T]) -> tuple[T, ...]:
        parts = [one()]
        while self._take(","):
            parts.append(one())
        return tuple(parts)

    # Clauses

    def _output(self) -> Output:
        if self._take("*"):
            return Output(Star(), None)
        expression = self._sum()
        alias = self._name() if self._take("as") or self._is_name() else None
        return Output(expression, alias)

    def _sources(self) -> tuple[Source, ...]:
        sources = [self._source()]
        while True:
            if self._take(","):
                sources.append(self._source())
                continue
            optional = False
            if self._take("left"):
                optional = True
                self._take("outer")
            elif not self._take("inner") and self._peek() != "join":
                return tuple(sources)
            self._expect("join")
            source = self._source()
            self._expect("on")
            sources.append(Source(source.table, source.alias, self._any(), optional))

    def _source(self) -> Source:
        table = self._name()
        self._take("as")
        alias = self._name() if self._is_name() else table
        return Source(table, alias)

    def _ordering(self) -> Ordering:
        expression = self._sum()
        descending = self._take("desc")
        if not descending:
            self._take("asc")
        return Ordering(expression, descending)

    # Conditions and expressions

    def _any(self) -> Node:
        node = self._all()
        while self._take("or"):
            node = Binary("or", node, self._all())
        return node

    def _all(self) -> Node:
        node = self._negation()
        while self._take("and"):
            node = Binary("and", node, self._negation())
        return node

    def _negation(self) -> Node:
        return Unary("not", self._negation()) if self._take("not") else self._comparison()

    def _comparison(self) -> Node:
        left = self._sum()
        if self._take("is"):
            negated = self._take("not")
            self._expect("null")
            node: Node = Unary("is null", left)
            return Unary("not", node) if negated else node
        negated = self._take("not")
        if self._take("in"):
            self._expect("(")
            node = Within(left, self._several(self._sum))
            self._expect(")")
        elif self._take("like"):
            node = Binary("like", left, self._sum())
        elif self._take("between"):
            low = self._sum()
            self._expect("and")
            node = Binary("and", Binary(">=", left, low), Binary("<=", left, self._sum()))
        elif negated:
            raise wrong(f"Unexpected '{self._peek()}' after NOT")
        else:
            for operator in ("=", "<>", "!=", "<=", ">=", "<", ">"):
                if self._take(operator):
                    return Binary("<>" if operator == "!=" else operator, left, self._sum())
            return left
        return Unary("not", node) if negated else node

    def _sum(self) -> Node:
        node = self._product()
        while self._peek() in {"+", "-", "||"}:
            operator = self._peek()
            self._place += 1
            node = Binary(operator, node, self._product())
        return node

    def _product(self) -> Node:
        node = self._atom()
        while self._peek() in {"*", "/"}:
            operator = self._peek()
            self._place += 1
            node = Binary(operator, node, self._atom())
        return node

    def _atom(self) -> Node:
        if self._take("("):
            node = self._any()
            self._expect(")")
            return node
        if self._take("-"):
            return Unary("-", self._atom())
        if self._take("?"):
            self._parameters += 1
            return Parameter(self._parameters - 1)
        if self._take("null"):
            return Literal(None)
        if self._place < len(self._tokens):
            group, text = self._tokens[self._place]
            if group == "string":
                self._place += 1
                return Literal(text[1:-1].replace("''", "'"))
            if group == "number":
                self._place += 1
                return Literal(Decimal(text))
        return self._named()

    def _named(self) -> Node:
        name = self._name()
        if self._take("."):
            if self._take("*"):
                return Star(name)
            rest = self._name()
            return self._call(f"{name}.{rest}") if self._peek() == "(" else Column(name, rest)
        return self._call(name) if self._peek() == "(" else Column(None, name)

    def _call(self, name: str) -> Node:
        self._expect("(")
        if self._take("*"):
            self._expect(")")
            return Call(name, (Star(),))
        if self._take(")"):
            return Call(name, ())
        distinct = self._take("distinct")
        arguments = self._several(self._sum)
        self._expect(")")
        return Call(name, arguments, distinct)
