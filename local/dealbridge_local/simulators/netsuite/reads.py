"""Records as the record service shows them: references with names and links, sublists as links unless expanded."""

from collections.abc import Collection, Mapping
from typing import Any

from dealbridge_local.simulators.netsuite.account import Account
from dealbridge_local.simulators.netsuite.errors import nonexistent
from dealbridge_local.simulators.netsuite.fields import Field, Kind, RecordType, Sublist
from dealbridge_local.simulators.store import Record


def shown(
    account: Account,
    kind: RecordType,
    record: Record,
    *,
    expand: bool = False,
    only: Collection[str] | None = None,
    simple: bool = False,
    href: str | None = None,
) -> dict[str, Any]:
    """One record; `only` names the body fields wanted, `simple` shows choices as bare ids (simpleEnumFormat).

    A field without a value is left out, as in Oracle's samples.
    """
    wanted = None if only is None else {name.lower() for name in only}
    self_link = [{"rel": "self", "href": href}] if href else account.self_link(kind.name, record["id"])
    body: dict[str, Any] = {"links": self_link}
    for name, field in kind.fields.items():
        if name in record and (wanted is None or name.lower() in wanted):
            body[name] = _value(account, field, record[name], simple)
    for name in kind.sublists:
        if wanted is None or name.lower() in wanted:
            links = account.self_link(kind.name, record["id"], name)
            lines = lines_shown(account, kind, record, name, simple=simple) if expand else None
            body[name] = {"links": links} if lines is None else _listed(links, lines)
    return body


def lines_shown(
    account: Account, kind: RecordType, record: Record, name: str, *, simple: bool = False
) -> list[dict[str, Any]]:
    sublist = kind.sublists[name]
    base = account.link(kind.name, record["id"], name)
    return [
        {
            "links": [{"rel": "self", "href": f"{base}/{_line_id(sublist, line, place)}"}],
            **_fields(account, sublist.fields, line, simple),
        }
        for place, line in enumerate(record.get(name, []), 1)
    ]


def sublist_shown(account: Account, kind: RecordType, record: Record, name: str, *, expand: bool) -> dict[str, Any]:
    """A sublist under its own URL: its lines as links, unless expanded."""
    lines = lines_shown(account, kind, record, name)
    links = account.self_link(kind.name, record["id"], name)
    return _listed(links, lines if expand else [{"links": line["links"]} for line in lines])


def line_shown(account: Account, kind: RecordType, record: Record, name: str, line_id: str) -> dict[str, Any]:
    end = f"/{line_id}"
    for line in lines_shown(account, kind, record, name):
        if line["links"][0]["href"].endswith(end):
            return line
    raise nonexistent()


def _listed(links: list[dict[str, str]], lines: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "links": links,
        "items": lines,
        "count": len(lines),
        "hasMore": False,
        "offset": 0,
        "totalResults": len(lines),
    }


def _line_id(sublist: Sublist, line: Record, place: int) -> object:
    return line.get(sublist.key, place) if sublist.key else place


def _fields(account: Account, fields: Mapping[str, Field], values: Record, simple: bool) -> dict[str, Any]:
    return {
        name: _value(account, field, values[name], simple)
        for name, field in fields.items()
        if values.get(name) is not None
    }


def _value(account: Account, field: Field, value: Any, simple: bool) -> Any:
    match field.kind:
        case Kind.REFERENCE:
            return _reference(account, field, value)
        case Kind.CHOICE:
            label = field.choices[value]
            shown_id = label if field.by_label else value
            return shown_id if simple else {"id": shown_id, "refName": label}
        case Kind.SUBRECORD:
            return {"links": [], **_fields(account, field.fields, value, simple)}
        case _:
            return value


def _reference(account: Account, field: Field, value: str) -> dict[str, Any]:
    for target in field.targets:
        if account.get(target, value) is not None:
            return {
                "links": account.self_link(target, value),
                "id": value,
                "refName": account.label(target, value),
            }
    return {"links": [], "id": value, "refName": value}
