"""OData V2 primitive types: how SAP Gateway reads and prints them.

Held in memory as: String str · Boolean bool · Int16/Int32/Int64 int · Decimal Decimal · DateTime and DateTimeOffset
datetime in UTC · Time timedelta since midnight · Guid lower-case str. None stands for null.

On the wire, in JSON (OData V2 JSON format, section 6; vendors/erp-sap…, A2): Decimal and Int64 are strings, DateTime
leaves as `/Date(ms)/` and arrives as that or as `2026-01-31T00:00:00`, DateTimeOffset as `/Date(ms+0000)/`.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

STRING = "Edm.String"
BOOLEAN = "Edm.Boolean"
INT16 = "Edm.Int16"
INT32 = "Edm.Int32"
INT64 = "Edm.Int64"
DECIMAL = "Edm.Decimal"
DATE_TIME = "Edm.DateTime"
DATE_TIME_OFFSET = "Edm.DateTimeOffset"
TIME = "Edm.Time"
GUID = "Edm.Guid"

INTEGERS = frozenset({INT16, INT32, INT64})
MOMENTS = frozenset({DATE_TIME, DATE_TIME_OFFSET})

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
END_OF_TIME = datetime(9999, 12, 31, tzinfo=UTC)
"""What an open-ended validity carries."""
ZERO_GUID = "00000000-0000-0000-0000-000000000000"
_MILLISECOND = timedelta(milliseconds=1)

_JSON_DATE = re.compile(r"/Date\((-?\d+)([+-]\d{4})?\)/")
_ISO_DATE = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,7}))?(Z|[+-]\d\d:\d\d)?")
_DURATION = re.compile(r"P(?:0D)?T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:\.\d+)?S)?")
_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class EdmValueError(ValueError):
    """A value that its type cannot read."""


def start_of_day(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def read_json(kind: str, value: Any) -> Any:
    """A JSON value of a request body as it is held. Raises EdmValueError."""
    try:
        return _READERS[kind](value)
    except (ValueError, TypeError, ArithmeticError) as error:
        raise EdmValueError(str(value)) from error


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise EdmValueError(value)
    return value


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return bool(value == "true")
    raise EdmValueError(value)


def _integer(value: Any) -> int:
    if isinstance(value, bool):
        raise EdmValueError(value)
    return int(str(value))


def decimal(value: Any) -> Decimal:
    """A finite Decimal of a string or a JSON number."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise EdmValueError(value)
    try:
        number = Decimal(value)
    except InvalidOperation as error:
        raise EdmValueError(value) from error
    if not number.is_finite():
        raise EdmValueError(value)
    return number


def moment(value: Any) -> datetime:
    """A DateTime or DateTimeOffset of either form; without an offset it is UTC."""
    text = _text(value)
    if found := _JSON_DATE.fullmatch(text):
        # The offset says where it was written; the ticks are UTC already.
        return EPOCH + int(found[1]) * _MILLISECOND
    found = _ISO_DATE.fullmatch(text)
    if not found:
        raise EdmValueError(text)
    fraction, zone = (found[2] or "")[:6].ljust(6, "0"), (found[3] or "Z").replace("Z", "+00:00")
    seconds = found[1] if found[1].count(":") == 2 else f"{found[1]}:00"
    return datetime.fromisoformat(f"{seconds}.{fraction}{zone}").astimezone(UTC)


def duration(value: Any) -> timedelta:
    found = _DURATION.fullmatch(_text(value))
    if not found:
        raise EdmValueError(value)
    return timedelta(hours=int(found[1] or 0), minutes=int(found[2] or 0), seconds=int(found[3] or 0))


def guid(value: Any) -> str:
    text = _text(value)
    if not _GUID.fullmatch(text):
        raise EdmValueError(text)
    return text.lower()


_READERS: dict[str, Callable[[Any], Any]] = {
    STRING: _text,
    BOOLEAN: _boolean,
    INT16: _integer,
    INT32: _integer,
    INT64: _integer,
    DECIMAL: decimal,
    DATE_TIME: moment,
    DATE_TIME_OFFSET: moment,
    TIME: duration,
    GUID: guid,
}


# URL literals (OData V2 URI conventions, 2.2.2): 'text' · datetime'…' · guid'…' · 10.5M · 10L · true

_PREFIXED = re.compile(r"(datetimeoffset|datetime|time|guid)'([^']*)'", re.IGNORECASE)
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?[mMlLdDfF]?")


def read_literal(text: str) -> tuple[str, Any]:
    """A URL literal with the type it states: `(Edm type, value)`. Raises EdmValueError."""
    if len(text) >= 2 and text[0] == text[-1] == "'":
        return STRING, text[1:-1].replace("''", "'")
    if found := _PREFIXED.fullmatch(text):
        kind = {"datetimeoffset": DATE_TIME_OFFSET, "datetime": DATE_TIME, "time": TIME, "guid": GUID}[found[1].lower()]
        return kind, read_json(kind, found[2])
    if text in ("true", "false"):
        return BOOLEAN, text == "true"
    if _NUMBER.fullmatch(text):
        digits, suffix = text.rstrip("mMlLdDfF"), text[-1].lower()
        if suffix == "m" or "." in digits:
            return DECIMAL, Decimal(digits)
        return (INT64 if suffix == "l" else INT32), int(digits)
    raise EdmValueError(text)


def coerce_literal(kind: str, literal: tuple[str, Any]) -> Any:
    """A literal's value for a property of a type; raises EdmValueError where SAP would not compare the two."""
    stated, value = literal
    if kind == stated:
        return value
    if kind in MOMENTS and stated in MOMENTS:
        return value
    if kind == DECIMAL and stated in (INT32, INT64):
        return Decimal(value)
    if kind in INTEGERS and stated in (INT32, INT64):
        return value
    raise EdmValueError(f"{stated} for {kind}")


def print_literal(kind: str, value: Any) -> str:
    """A value as a URL literal, as SAP prints keys: with a colon percent-encoded."""
    if kind == STRING:
        quoted: str = value.replace("'", "''")
        return "'" + quoted.replace("%", "%25").replace(" ", "%20").replace("/", "%2F") + "'"
    if kind == GUID:
        return f"guid'{value}'"
    if kind in MOMENTS:
        name = "datetime" if kind == DATE_TIME else "datetimeoffset"
        zone = "" if kind == DATE_TIME else "Z"
        return f"{name}'{value:%Y-%m-%dT%H%%3A%M%%3A%S}{zone}'"
    if kind == BOOLEAN:
        return "true" if value else "false"
    return str(value)


def ticks(value: datetime) -> int:
    """Milliseconds since the epoch."""
    return int((value - EPOCH) // _MILLISECOND)


def print_duration(value: timedelta) -> str:
    seconds = int(value.total_seconds())
    return f"PT{seconds // 3600:02}H{seconds % 3600 // 60:02}M{seconds % 60:02}S"
