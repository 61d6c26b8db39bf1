"""Values of fields: from a client's JSON to what is held, and from there to what the API shows.

Held: Decimal for currency, number and percent; `YYYY-MM-DD` for a date; the API's own text for a time (whole seconds,
so that text order is time order); the 18-character form of an id.
"""

import re
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

from dealbridge_local.simulators.salesforce.errors import ApiError
from dealbridge_local.simulators.salesforce.ids import canonical
from dealbridge_local.simulators.salesforce.schema import NUMBER, TEXT, Field, SObject
from dealbridge_local.simulators.store import Record

_LARGEST = Decimal(10) ** 16
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:?\d\d)?")


def time_text(moment: datetime) -> str:
    """A time as the API shows it. Record times have whole seconds: the milliseconds are always zero."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000")


def parse_time(text: str) -> datetime | None:
    """A time in the ISO forms that the API takes; UTC where it names no zone."""
    if not _TIME.fullmatch(text):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def rounded(amount: Decimal, places: int) -> Decimal:
    return amount.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)


def accept(sobject: SObject, field: Field, given: Any) -> Any:
    """The value to hold for what a client sent. Raises ApiError with the vendor's code for what does not fit."""
    value = given.strip() if isinstance(given, str) else given
    if value is None or value == "":
        if field.type == "boolean":
            raise _not_of_type(field, given)
        return None
    if field.type == "boolean":
        return _boolean(field, value)
    if field.type == "date":
        return _date(field, value)
    if field.type == "datetime":
        return _time(field, value)
    if field.type in NUMBER or field.type == "int":
        return _number(field, value)
    if field.type in ("reference", "id"):
        return _id(field, value)
    if field.type in TEXT:
        return _text(sobject, field, value)
    raise _not_of_type(field, given)


def _text(sobject: SObject, field: Field, value: Any) -> str:
    if isinstance(value, bool | dict | list):
        raise _not_of_type(field, value)
    text = str(value)
    if field.type == "email" and not _EMAIL.fullmatch(text):
        raise ApiError(400, "INVALID_EMAIL_ADDRESS", f"{field.label}: invalid email address: {text}", [field.name])
    if field.restricted and text not in field.picklist:
        raise ApiError(
            400,
            "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
            f"{field.label}: bad value for restricted picklist field: {text}",
            [field.name],
        )
    if field.length and len(text) > field.length:
        raise ApiError(
            400,
            "STRING_TOO_LONG",
            f"{sobject.label} {field.label}: data value too large: {text[:255]} (max length={field.length})",
            [field.name],
        )
    return text


def _boolean(field: Field, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise _not_of_type(field, value)


def _number(field: Field, value: Any) -> Decimal | int:
    try:
        number = Decimal(str(value)) if isinstance(value, int | Decimal | str) and not isinstance(value, bool) else None
    except InvalidOperation:
        number = None
    if number is None or not number.is_finite():
        raise _not_of_type(field, value)
    if abs(number) >= _LARGEST:
        raise ApiError(
            400,
            "NUMBER_OUTSIDE_VALID_RANGE",
            f"{field.label}: value outside of valid range on numeric field: {value}",
            [field.name],
        )
    return int(number) if field.type == "int" else rounded(number, field.scale)


def _date(field: Field, value: Any) -> str:
    moment = parse_time(value) if isinstance(value, str) else None
    if moment is not None:
        return moment.date().isoformat()
    try:
        return date.fromisoformat(value).isoformat() if len(value) == len("2026-01-31") else _refuse(field, value)
    except (TypeError, ValueError):
        raise _not_of_type(field, value) from None


def _time(field: Field, value: Any) -> str:
    if not isinstance(value, str):
        raise _not_of_type(field, value)
    try:
        moment = parse_time(value) or datetime.fromisoformat(value).replace(tzinfo=UTC)
    except ValueError:
        raise _not_of_type(field, value) from None
    return time_text(moment)


def _id(field: Field, value: Any) -> str:
    record_id = canonical(value) if isinstance(value, str) else None
    if record_id is None:
        raise malformed_id(field, value)
    return record_id


def malformed_id(field: Field, value: Any) -> ApiError:
    return ApiError(400, "MALFORMED_ID", f"{field.label} ID: id value of incorrect type: {value}", [field.name])


def _refuse(field: Field, value: Any) -> str:
    raise _not_of_type(field, value)


def _not_of_type(field: Field, value: Any) -> ApiError:
    token = {bool: "VALUE_TRUE" if value is True else "VALUE_FALSE", str: "VALUE_STRING", dict: "START_OBJECT"}
    token |= {list: "START_ARRAY", type(None): "VALUE_NULL"}
    return ApiError(
        400,
        "JSON_PARSER_ERROR",
        f"Cannot deserialize instance of {field.type} from {token.get(type(value), 'VALUE_NUMBER')} value {value} or "
        "request may be missing a required field at [line:1, column:2]",
    )


def shown(field: Field, record: Record) -> Any:
    """A field's value as the API prints it. Numbers are JSON doubles there, so the wire is the place for a float."""
    if field.type == "address":
        return _compound(field.name.removesuffix("Address"), record)
    value = record[field.name]
    return float(value) if isinstance(value, Decimal) else value


def _compound(prefix: str, record: Record) -> dict[str, Any] | None:
    parts = {
        "city": record[f"{prefix}City"],
        "country": record[f"{prefix}Country"],
        "geocodeAccuracy": None,
        "latitude": None,
        "longitude": None,
        "postalCode": record[f"{prefix}PostalCode"],
        "state": record[f"{prefix}State"],
        "street": record[f"{prefix}Street"],
    }
    return parts if any(parts.values()) else None
