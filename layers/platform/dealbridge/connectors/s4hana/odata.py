"""OData V2 as far as we need it: literals, dates, amounts, and change sets (vendor notes, A2 and A2.6)."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

import httpx

type Body = dict[str, Any]

_TICKS = re.compile(r"/Date\((-?\d+)(?:[+-]\d{4})?\)/")
_ISO = re.compile(r"(\d{4}-\d\d-\d\d)(?:T.*)?")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BOUNDARY = "dealbridge"
_BOUNDARY_GIVEN = re.compile(r'boundary=(?:"([^"]+)"|([^";\s]+))', re.IGNORECASE)
_CRLF = "\r\n"


def text(value: str) -> str:
    """A string literal of a URL."""
    return "'" + value.replace("'", "''") + "'"


def guid(value: str) -> str:
    return f"guid'{value}'"


def day(value: date) -> str:
    """A date as requests carry it; SAP answers in the other form."""
    return f"{value.isoformat()}T00:00:00"


def day_of(body: Mapping[str, Any], name: str) -> date | None:
    """The day of a DateTime property, in either form; None where it is empty."""
    value = str(body.get(name) or "")
    if found := _TICKS.fullmatch(value):
        return (_EPOCH + timedelta(milliseconds=int(found[1]))).date()
    return date.fromisoformat(found[1]) if (found := _ISO.fullmatch(value)) else None


def number_of(body: Mapping[str, Any], name: str) -> Decimal:
    """A Decimal property, which comes as a string; an empty one is zero."""
    try:
        return Decimal(str(body.get(name) or 0))
    except InvalidOperation:
        return Decimal(0)


class Entity(dict[str, Any]):
    """What SAP answers: a field that is null or left out reads as the empty text, which SAP itself sends for nothing.

    `get` tells what the answer says.
    """

    def __getitem__(self, name: str) -> Any:
        value = self.get(name)
        return "" if value is None else value


def entities(value: Any) -> Any:
    """JSON objects as entities, all the way down."""
    if isinstance(value, dict):
        return Entity({name: entities(each) for name, each in value.items()})
    return [entities(each) for each in value] if isinstance(value, list) else value


def rows(body: Mapping[str, Any] | None, name: str) -> list[Body]:
    """The entities behind an expanded to-many navigation; none where it was not expanded."""
    return results((body or {}).get(name))


def results(value: Any) -> list[Body]:
    """The entities of a collection, with or without its envelope."""
    found = value.get("results") if isinstance(value, dict) else value
    return found if isinstance(found, list) else []


def one(body: Mapping[str, Any] | None, name: str) -> Body | None:
    """The entity behind an expanded to-one navigation; None where there is none or it was not expanded."""
    value = (body or {}).get(name)
    return value if isinstance(value, dict) and "__deferred" not in value else None


def tag_of(body: Mapping[str, Any]) -> str | None:
    metadata = body.get("__metadata")
    return metadata.get("etag") if isinstance(metadata, dict) else None


# Change sets


@dataclass(frozen=True)
class Change:
    """One change of a change set; `path` is relative to the service. `tag` goes into If-Match."""

    method: str
    path: str
    body: Body | None = None
    tag: str | None = None

    @classmethod
    def post(cls, path: str, body: Body | None = None) -> "Change":
        return cls("POST", path, body)

    @classmethod
    def patch(cls, path: str, body: Body, tag: str | None = None) -> "Change":
        return cls("PATCH", path, body, tag or "*")

    @classmethod
    def delete(cls, path: str, tag: str | None = None) -> "Change":
        return cls("DELETE", path, None, tag or "*")


BATCH_TYPE = f"multipart/mixed; boundary={_BOUNDARY}"


def write_batch(changes: Sequence[Change]) -> bytes:
    """One change set: all or nothing. Lines end in CRLF."""
    inner = f"{_BOUNDARY}_changes"
    parts = [f"--{_BOUNDARY}", f"Content-Type: multipart/mixed; boundary={inner}", ""]
    for number, change in enumerate(changes, 1):
        parts += [
            f"--{inner}",
            "Content-Type: application/http",
            "Content-Transfer-Encoding: binary",
            f"Content-ID: {number}",
            "",
            f"{change.method} {_escaped(change.path)} HTTP/1.1",
            "Accept: application/json",
            *(["Content-Type: application/json"] if change.body is not None else []),
            *([f"If-Match: {change.tag}"] if change.tag else []),
            "",
            "" if change.body is None else json.dumps(change.body, ensure_ascii=True),
        ]
    return _CRLF.join([*parts, f"--{inner}--", "", f"--{_BOUNDARY}--", ""]).encode()


def _escaped(path: str) -> str:
    """A request line has no blanks."""
    return path.replace(" ", "%20")


class MalformedBatchError(ValueError):
    """An answer to a batch that cannot be read."""


def read_batch(response: httpx.Response) -> list[httpx.Response]:
    """The answers inside, in order. A failed change set is a single one. Raises MalformedBatchError."""
    return list(_parts(response.headers.get("content-type", ""), response.text, response.request))


def _parts(content_type: str, content: str, request: httpx.Request) -> Iterable[httpx.Response]:
    boundary = _BOUNDARY_GIVEN.search(content_type)
    if not boundary:
        raise MalformedBatchError("no boundary")
    # A delimiter is a line of its own: another boundary, or a body, may begin with the same letters.
    delimiter = re.escape((boundary[1] or boundary[2]).strip())
    pieces = re.split(rf"(?m)(?:^|\r?\n)--{delimiter}(?=(?:--)?[ \t]*\r?$|--\Z)", content)
    if len(pieces) < 3 or not pieces[-1].startswith("--"):
        raise MalformedBatchError("no parts")
    for piece in pieces[1:-1]:
        headers, inside = _split(piece.partition("\n")[2])
        kind = headers.get("content-type", "")
        if kind.lower().startswith("multipart/mixed"):
            yield from _parts(kind, inside, request)
        else:
            yield _answer(inside, request)


def _answer(content: str, request: httpx.Request) -> httpx.Response:
    inside = content.lstrip()
    status = re.match(r"HTTP/[\d.]+ (\d{3})", inside)
    if not status:
        raise MalformedBatchError("no status line")
    headers, body = _split(inside)
    headers.pop("content-length", None)
    return httpx.Response(int(status[1]), headers=headers, content=body.rstrip(_CRLF).encode(), request=request)


def _split(content: str) -> tuple[dict[str, str], str]:
    """Headers and body. Line ends are CRLF, and what sends bare line feeds is understood as well (RFC 9112, 2.2)."""
    head, *rest = re.split(r"\r?\n\r?\n", content, maxsplit=1)
    body = rest[0] if rest else ""
    pairs = (line.partition(":") for line in head.splitlines() if ":" in line)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}, body
