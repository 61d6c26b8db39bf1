"""What a URL of an OData V2 service asks for: the resource path with its keys, and the system query options."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote

from dealbridge_local.simulators.s4hana import edm, errors
from dealbridge_local.simulators.s4hana.model import EntitySet, Property

_SERVICE = re.compile(r"/sap/opu/odata/sap/([A-Z0-9_]+)(?:;v=0*(\d+))?(/.*)?", re.IGNORECASE)
_SEGMENT = re.compile(r"([^()]+)(?:\((.*)\))?", re.DOTALL)
_KEY_PAIR = re.compile(r"\s*(\w+)\s*=\s*((?:\w*'(?:[^']|'')*')|[^,']+)\s*(?:,|$)")
_KNOWN_OPTIONS = frozenset(
    "$filter $select $expand $top $skip $orderby $inlinecount $format $skiptoken".split()  # noqa: SIM905
)


@dataclass(frozen=True)
class Segment:
    """One segment of a resource path; `key` is the text between the parentheses, None where there are none."""

    name: str
    key: str | None = None


def split_service(raw_path: str) -> tuple[str, str, str] | None:
    """`(service, four-digit version, rest of the raw path)`; None where the path is no OData V2 service."""
    found = _SERVICE.fullmatch(raw_path.replace("%3B", ";").replace("%3b", ";").replace("%3D", "=").replace("%3d", "="))
    if not found:
        return None
    return found[1].upper(), (found[2] or "1").zfill(4), found[3] or ""


def split_path(rest: str) -> list[Segment]:
    """The segments below the service root, decoded one by one, so that a key may hold a slash."""
    segments = []
    for raw in rest.strip("/").split("/"):
        if not raw:
            continue
        found = _SEGMENT.fullmatch(unquote(raw))
        if not found:
            raise errors.unknown_segment(unquote(raw))
        segments.append(Segment(found[1], found[2]))
    return segments


def read_key(text: str, entity: EntitySet) -> tuple[Any, ...]:
    """The key values of `('1')` or `(A='1',B='2')`, as held. Raises SapError 400."""
    given = {entity.keys[0]: text} if len(entity.keys) == 1 and not _KEY_PAIR.fullmatch(text) else _pairs(text)
    if set(given) != set(entity.keys):
        raise errors.invalid_uri(f"Invalid key predicate type for '{entity.type}'")
    return tuple(_key_value(entity.properties[name], given[name]) for name in entity.keys)


def _pairs(text: str) -> dict[str, str]:
    pairs, position = {}, 0
    while position < len(text):
        found = _KEY_PAIR.match(text, position)
        if not found:
            raise errors.invalid_uri("Malformed URI literal syntax in key '" + text + "'")
        pairs[found[1]] = found[2].strip()
        position = found.end()
    return pairs


def _key_value(each: Property, literal: str) -> Any:
    try:
        return canonical(each, edm.coerce_literal(each.kind, edm.read_literal(literal)))
    except edm.EdmValueError:
        raise errors.invalid_uri(f"Malformed URI literal syntax in key '{each.name}'") from None


def canonical(each: Property, value: Any) -> Any:
    """A value as SAP holds it: upper case where the field is, no leading zeros where they do not count."""
    if isinstance(value, str):
        if each.upper:
            value = value.upper()
        if each.alpha and value.isdigit():
            value = value.lstrip("0")
    return value


def comparable(each: Property, value: Any) -> Any:
    """A value as SAP orders it: numbers that are texts compare with their leading zeros."""
    if each.alpha and isinstance(value, str) and value.isdigit():
        return value.zfill(each.length or 0)
    return value


@dataclass(frozen=True)
class Options:
    """The system query options. `select` and `expand` are paths, split at the slash."""

    given: Mapping[str, str] = field(default_factory=dict)
    filter: str | None = None
    select: tuple[tuple[str, ...], ...] = ()
    expand: tuple[tuple[str, ...], ...] = ()
    orderby: tuple[tuple[str, bool], ...] = ()
    """(property, descending)"""
    top: int | None = None
    skip: int = 0
    skiptoken: int = 0
    inline_count: bool = False
    format: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    """All that does not start with $: parameters of a function import, `sap-client` and the like."""


def read_options(query: str) -> Options:
    """Raises SapError 400 for an unknown or malformed option."""
    pairs = dict(parse_qsl(query, keep_blank_values=True))
    system = {name: value for name, value in pairs.items() if name.startswith("$")}
    if unknown := set(system) - _KNOWN_OPTIONS:
        raise errors.invalid_uri(f"The option '{sorted(unknown)[0]}' is not supported")
    count = system.get("$inlinecount", "none")
    if count not in ("allpages", "none"):
        raise errors.invalid_uri(f"Invalid value '{count}' for option '$inlinecount'")
    return Options(
        given=system,
        filter=system.get("$filter") or None,
        select=_paths(system.get("$select", "")),
        expand=_paths(system.get("$expand", "")),
        orderby=tuple(_order(part) for part in system.get("$orderby", "").split(",") if part.strip()),
        top=_whole(system, "$top"),
        skip=_whole(system, "$skip") or 0,
        skiptoken=_whole(system, "$skiptoken") or 0,
        inline_count=count == "allpages",
        format=system.get("$format"),
        parameters={name: value for name, value in pairs.items() if not name.startswith("$")},
    )


def _paths(text: str) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(part.strip().split("/")) for part in text.split(",") if part.strip())


def _order(text: str) -> tuple[str, bool]:
    name, _, direction = text.strip().partition(" ")
    if direction.strip() not in ("", "asc", "desc"):
        raise errors.invalid_uri(f"Invalid value '{text}' for option '$orderby'")
    return name, direction.strip() == "desc"


def _whole(system: Mapping[str, str], name: str) -> int | None:
    text = system.get(name)
    if text is None:
        return None
    if not text.isdigit():
        raise errors.invalid_uri(f"Invalid value '{text}' for option '{name}'")
    return int(text)
