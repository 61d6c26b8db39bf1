"""From a request body to a record: names, values and references checked, lines merged.

`X-NetSuite-PropertyNameValidation` says what an unknown name does: by default it is dropped, with nothing but a
warning in a response header. `X-NetSuite-PropertyValueValidation` does the same for values of the wrong syntax, and
defaults to Error; a reference to nothing is refused whatever it says (section_156570709583).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any

from dealbridge_local.simulators.netsuite.account import Account
from dealbridge_local.simulators.netsuite.errors import Refusal, invalid_content, invalid_value
from dealbridge_local.simulators.netsuite.fields import Field, Kind, RecordType, Sublist
from dealbridge_local.simulators.netsuite.record_types import TYPES
from dealbridge_local.simulators.store import Record
from dealbridge_local.simulators.wire import Request


class Validation(StrEnum):
    ERROR = "error"
    WARNING = "warning"
    IGNORE = "ignore"


NAME_HEADER = "x-netsuite-propertynamevalidation"
VALUE_HEADER = "x-netsuite-propertyvaluevalidation"


@dataclass
class Handling:
    """How this request wants its body handled, and the warnings that came up."""

    names: Validation = Validation.WARNING
    values: Validation = Validation.ERROR
    replaced: frozenset[str] = frozenset()
    """Sublists (lower case) whose lines the request replaces."""
    cleared_only_if_replaced: bool = False
    """`replaceSelectedFields`: a null clears a field only where `replace` names it (section_1545142173)."""
    warnings: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, request: Request) -> "Handling":
        return cls(
            names=_validation(request, NAME_HEADER, Validation.WARNING),
            values=_validation(request, VALUE_HEADER, Validation.ERROR),
            replaced=frozenset(name.strip().lower() for name in request.params.get("replace", "").split(",") if name),
            cleared_only_if_replaced=request.params.get("replaceSelectedFields", "").lower() == "true",
        )

    def headers(self) -> tuple[tuple[str, str], ...]:
        return tuple(("Warning", f'299 - "{text}"') for text in self.warnings)


def _validation(request: Request, header: str, default: Validation) -> Validation:
    given = request.headers.get(header)
    if given is None:
        return default
    try:
        return Validation(given.lower())
    except ValueError:
        raise Refusal(400, "INVALID_REQUEST", f"Invalid value '{given}'.", header=header) from None


def merged(account: Account, kind: RecordType, body: Any, before: Record | None, handling: Handling) -> Record:
    """The record as the body leaves it, not yet completed by the rules of its type. `before` stays as it was."""
    if not isinstance(body, dict):
        raise invalid_content("The request body must be a JSON object.")
    reader = _Reader(account, handling)
    record: Record = dict(before or {})
    for given, value in body.items():
        name = kind.names.get(given.lower())
        if name is None:
            reader.unknown(given, given)
        elif name in kind.sublists:
            sublist = kind.sublists[name]
            if not sublist.read_only:
                replacing = name.lower() in handling.replaced
                record[name] = reader.lines(sublist, record.get(name, []), value, name, replacing=replacing)
        elif not kind.fields[name].read_only:
            clears = not handling.cleared_only_if_replaced or name.lower() in handling.replaced
            reader.set(record, name, kind.fields[name], value, name, clears=clears)
    return record


class _Reader:
    """Reads the parts of one body, with the path to each for errors."""

    def __init__(self, account: Account, handling: Handling) -> None:
        self._account = account
        self._handling = handling

    def unknown(self, name: str, path: str) -> None:
        detail = f"Unknown field name or sublist name '{name}'."
        if self._handling.names is Validation.ERROR:
            raise invalid_content(detail, path)
        if self._handling.names is Validation.WARNING:
            self._handling.warnings.append(f"{detail} ({path})")

    def set(self, record: Record, name: str, field_: Field, value: Any, path: str, *, clears: bool = True) -> None:
        if value is None:
            if clears:
                record.pop(name, None)
            return
        try:
            record[name] = self._value(field_, record.get(name), value, name, path)
        except _WrongSyntax as error:
            if self._handling.values is Validation.ERROR:
                raise invalid_value(error.value, name, path) from None
            if self._handling.values is Validation.WARNING:
                self._handling.warnings.append(f"Invalid value {error.value} for field '{name}' ({path})")

    def lines(
        self, sublist: Sublist, held: list[Record], given: Any, path: str, *, replacing: bool = False
    ) -> list[Record]:
        items = given.get("items") if isinstance(given, dict) else given
        if items is None:
            return []  # a null clears the sublist (section_1545295601, Nullifying a Sublist)
        if not isinstance(given, dict) or not isinstance(items, list):
            raise invalid_content("A sublist is an object with an array of items.", path)
        places = {} if sublist.key is None else {line.get(sublist.key): place for place, line in enumerate(held)}
        lines: list[Record | None] = [None] * len(held) if replacing else list(held)
        added: list[Record] = []
        for index, item in enumerate(items):
            where = f"{path}.items[{index}]"
            if not isinstance(item, dict):
                raise invalid_content("A line is an object.", where)
            key = self._line_key(sublist, item, where)
            place = places.get(key) if key is not None else None
            line = self._line(sublist, held[place] if place is not None else {}, item, where)
            if place is None:
                added.append(line)
            else:
                lines[place] = line
        kept = [line for line in lines if line is not None]
        return kept + _numbered(sublist, held, added)

    def _line(self, sublist: Sublist, held: Record, item: dict[str, Any], where: str) -> Record:
        line = dict(held)
        for given, value in item.items():
            name = sublist.names.get(given.lower())
            path = f"{where}.{name or given}"
            if name is None:
                self.unknown(given, path)
            elif not sublist.fields[name].read_only:
                self.set(line, name, sublist.fields[name], value, path)
        return line

    def _line_key(self, sublist: Sublist, item: dict[str, Any], where: str) -> Any:
        if sublist.key is None:
            return None
        given = next((value for name, value in item.items() if name.lower() == sublist.key.lower()), None)
        if given is None:
            return None
        try:
            return self._value(sublist.fields[sublist.key], None, given, sublist.key, f"{where}.{sublist.key}")
        except _WrongSyntax as error:
            raise invalid_value(error.value, sublist.key, f"{where}.{sublist.key}") from None

    def _value(self, field_: Field, held: Any, value: Any, name: str, path: str) -> Any:
        match field_.kind:
            case Kind.REFERENCE:
                return self._reference(field_, value, name, path)
            case Kind.CHOICE:
                return self._choice(field_, value, name, path)
            case Kind.SUBRECORD:
                return self._subrecord(field_, held, value, path)
            case kind:
                return _READ[kind](value)

    def _subrecord(self, field_: Field, held: Any, value: Any, path: str) -> Record:
        if not isinstance(value, dict):
            raise _WrongSyntax(value)
        record: Record = dict(held or {})
        for given, part in value.items():
            name = field_.names.get(given.lower())
            if name is None:
                self.unknown(given, f"{path}.{given}")
            elif not field_.fields[name].read_only:
                self.set(record, name, field_.fields[name], part, f"{path}.{name}")
        return record

    def _reference(self, field_: Field, value: Any, name: str, path: str) -> str:
        if isinstance(value, dict) and value.get("id") is None and value.get("externalId") is not None:
            return self._by_external_id(field_, str(value["externalId"]), name, path)
        given = value.get("id") if isinstance(value, dict) else value
        if isinstance(given, bool) or not isinstance(given, str | int):
            raise _WrongSyntax(value)
        key = str(given)
        if field_.targets and not any(self._account.get(target, key) for target in field_.targets):
            raise invalid_value(key, name, path)
        return key

    def _by_external_id(self, field_: Field, external: str, name: str, path: str) -> str:
        for target in field_.targets:
            owner = self._account.owner_of(TYPES[target].group, external)
            if owner is not None and owner[0] == target:
                return owner[1]
        raise Refusal(
            400, "INVALID_KEY_OR_REF", f"Invalid reference key or external ID {external} for {name}.", path=path
        )

    def _choice(self, field_: Field, value: Any, name: str, path: str) -> str:
        """By id, or since 2021.1 by reference name too (section_1545142146)."""
        given = value
        if isinstance(value, dict):
            if value.get("id") is None:
                label = value.get("refName")
                key = next((key for key, text in field_.choices.items() if text == label), None)
                if key is None:
                    raise invalid_value(label, name, path)
                return key
            given = value["id"]
        if isinstance(given, bool) or not isinstance(given, str | int):
            raise _WrongSyntax(value)
        if str(given) not in field_.choices:
            raise invalid_value(given, name, path)
        return str(given)


def _numbered(sublist: Sublist, held: list[Record], added: list[Record]) -> list[Record]:
    """New lines with the account's next line numbers, where lines are known by a number."""
    key = sublist.key
    if key is None or sublist.fields[key].kind is not Kind.INTEGER:
        return added
    number = max((line[key] for line in (*held, *added) if key in line), default=0)
    for line in added:
        if key not in line:
            number += 1
            line[key] = number
    return added


class _WrongSyntax(Exception):  # noqa: N818 (a signal inside this module)
    def __init__(self, value: object) -> None:
        super().__init__(str(value))
        self.value = value


def _string(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise _WrongSyntax(value)
    return str(value)


def _integer(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or value != int(value):
        raise _WrongSyntax(value)
    return int(value)


def _number(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise _WrongSyntax(value)
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise _WrongSyntax(value) from None
    if not number.is_finite():
        raise _WrongSyntax(value)
    return number


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _WrongSyntax(value)
    return value


_DATE = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})(?:T.*)?")
_DURATION = re.compile(r"(\d+):([0-5]\d)")


def _date(value: Any) -> str:
    """Oracle's samples also write 2020-6-15, and a date-time is taken where a date is wanted (section_157305090645)."""
    match = _DATE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise _WrongSyntax(value)
    try:
        return date(int(match[1]), int(match[2]), int(match[3])).isoformat()
    except ValueError:
        raise _WrongSyntax(value) from None


def _datetime(value: Any) -> str:
    if not isinstance(value, str):
        raise _WrongSyntax(value)
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise _WrongSyntax(value) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _duration(value: Any) -> str:
    """Hours and minutes, "25:42" (section_157305090645)."""
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise _WrongSyntax(value)
    return f"{int(match[1])}:{match[2]}"


_READ: Mapping[Kind, Any] = {
    Kind.STRING: _string,
    Kind.INTEGER: _integer,
    Kind.NUMBER: _number,
    Kind.BOOLEAN: _boolean,
    Kind.DATE: _date,
    Kind.DATETIME: _datetime,
    Kind.DURATION: _duration,
}
