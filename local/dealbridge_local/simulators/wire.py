"""A request and a response as plain values, so that a simulator is a function from one to the other."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote


class _Encoder(json.JSONEncoder):
    def default(self, o: Any) -> Any:
        if isinstance(o, Decimal):
            return int(o) if o == o.to_integral_value() else float(o)
        return super().default(o)


def to_json(value: Any) -> bytes:
    """JSON as a vendor would print it: Decimals become JSON numbers."""
    return json.dumps(value, cls=_Encoder, ensure_ascii=False).encode()


@dataclass(frozen=True)
class Request:
    """One HTTP request. Header names are lower case; `raw_path` is as it came, `path` is decoded and has no query."""

    method: str
    raw_path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @cached_property
    def path(self) -> str:
        return unquote(self.raw_path)

    @cached_property
    def params(self) -> dict[str, str]:
        """Query parameters; the first value where one repeats."""
        return {name: values[0] for name, values in parse_qs(self.query, keep_blank_values=True).items()}

    def json(self) -> Any:
        """The body as JSON, numbers with a fraction as Decimal. Raises ValueError where it is none."""
        return json.loads(self.body, parse_float=Decimal)

    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))


@dataclass(frozen=True)
class Response:
    """One HTTP response. Headers are pairs because Set-Cookie repeats."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, status: int, value: Any, *headers: tuple[str, str], media: str = "application/json") -> "Response":
        return cls(status, to_json(value), (("Content-Type", f"{media}; charset=UTF-8"), *headers))

    @classmethod
    def text(cls, status: int, value: str, *headers: tuple[str, str], media: str = "text/plain") -> "Response":
        return cls(status, value.encode(), (("Content-Type", f"{media}; charset=UTF-8"), *headers))

    def with_headers(self, *headers: tuple[str, str]) -> "Response":
        return Response(self.status, self.body, (*self.headers, *headers))

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


@dataclass(frozen=True)
class Reply:
    """What the network delivers: a response."""

    response: Response


@dataclass(frozen=True)
class Dropped:
    """What the network delivers: nothing, the connection is closed."""


@dataclass(frozen=True)
class Held:
    """What the network delivers: nothing, for so many seconds; then the connection is closed."""

    seconds: float


Delivery = Reply | Dropped | Held
