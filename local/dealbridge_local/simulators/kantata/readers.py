"""Readers: from what a client sent in a body to what is stored, or a validation error's text."""

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from dealbridge_local.simulators.kantata.refusals import invalid
from dealbridge_local.simulators.kantata.resource import Reader
from dealbridge_local.simulators.kantata.tenant import Tenant


def anything(_tenant: Tenant, value: Any) -> Any:
    return value


def text(_tenant: Tenant, value: Any) -> str | None:
    return None if value in (None, "") else str(value)


def flag(_tenant: Tenant, value: Any) -> bool | None:
    match value:
        case None | "":
            return None
        case bool():
            return value
        case "true" | "1" | 1:
            return True
        case "false" | "0" | 0:
            return False
    raise ValueError("is not a boolean")


def whole(_tenant: Tenant, value: Any) -> int | None:
    if value in (None, ""):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise ValueError("is not a number") from None
    if number != number.to_integral_value():
        raise ValueError("must be an integer")
    return int(number)


def amount(_tenant: Tenant, value: Any) -> Decimal | None:
    """An amount in major units, as a number or a numeric string."""
    if value in (None, ""):
        return None
    try:
        return Decimal(str(value))
    except InvalidOperation:
        raise ValueError("is not a number") from None


def day(_tenant: Tenant, value: Any) -> str | None:
    """An ISO 8601 date; the time of day, where one is given, is cut off."""
    if value in (None, ""):
        return None
    try:
        return date.fromisoformat(str(value)[:10]).isoformat()
    except ValueError:
        raise ValueError("is not a valid date") from None


def one_of(*values: str) -> Reader:
    def read(_tenant: Tenant, value: Any) -> str | None:
        if value in (None, ""):
            return None
        if value not in values:
            raise ValueError("is not included in the list")
        return str(value)

    return read


def id_of(collection: str) -> Reader:
    """The id of an existing record, sent as a number or a string of digits."""

    def read(tenant: Tenant, value: Any) -> str | None:
        if value in (None, ""):
            return None
        if not re.fullmatch(r"\d+", str(value)) or tenant.get(collection, str(value)) is None:
            raise ValueError("must exist")
        return str(value)

    return read


def ids_of(collection: str) -> Reader:
    single = id_of(collection)

    def read(tenant: Tenant, value: Any) -> list[Any]:
        given = value if isinstance(value, list) else [] if value in (None, "") else [value]
        return [single(tenant, each) for each in given]

    return read


def check_dates(given: Mapping[str, Any], held: Mapping[str, Any], end: str = "due_date") -> None:
    """Refuses an end before the start; either may be in the body or stand already."""
    start_date, end_date = given.get("start_date", held.get("start_date")), given.get(end, held.get(end))
    if start_date and end_date and end_date < start_date:
        raise invalid(end, f"{end.replace('_', ' ').capitalize()} must be after the start date")
