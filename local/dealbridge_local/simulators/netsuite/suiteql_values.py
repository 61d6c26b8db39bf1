"""Values of SuiteQL: how they compare, what functions make of them, and how they are printed.

Date-times are in account time throughout, without a zone.
"""

import re
from collections.abc import Callable
from datetime import date, datetime, time
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from functools import lru_cache

from dealbridge_local.simulators.netsuite.suiteql_syntax import wrong

type Value = str | Decimal | date | datetime | None

ARITHMETIC = frozenset({"+", "-", "*", "/", "||"})


def number_of(value: Value) -> Decimal:
    if isinstance(value, Decimal):
        return value
    try:
        return Decimal(str(value))
    except InvalidOperation:
        raise wrong(f"'{value}' is not a number") from None


def join_key(value: Value) -> Value:
    """Equal values of a join as equal keys: an id may be a number on one side and text on the other."""
    return str(value.normalize()) if isinstance(value, Decimal) else value


def compared(left: Value, right: Value) -> int | None:
    """-1, 0 or 1; None where either is null. Text is read as a number where the other side is one."""
    if left is None or right is None:
        return None
    if isinstance(left, Decimal) or isinstance(right, Decimal):
        one, other = number_of(left), number_of(right)
        return (one > other) - (one < other)
    if isinstance(left, date) or isinstance(right, date):
        first, second = _moment(left), _moment(right)
        return (first > second) - (first < second)
    return (left > right) - (left < right)


def _moment(value: Value) -> datetime:
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime.combine(value, time())
    try:
        return datetime.strptime(str(value), "%m/%d/%Y")  # noqa: DTZ007 (account time throughout)
    except ValueError:
        raise wrong(f"'{value}' is not a date in the account's format; use TO_DATE") from None


def nulls_last(left: Value, right: Value) -> int:
    if left is None or right is None:
        return (left is None) - (right is None)
    return compared(left, right) or 0


def arithmetic(operator: str, left: Value, right: Value) -> Value:
    if operator == "||":
        return "".join("" if value is None else text_of(value) for value in (left, right))
    if left is None or right is None:
        return None
    one, other = number_of(left), number_of(right)
    if operator == "/":
        if not other:
            raise wrong("divisor is equal to zero")
        return one / other
    return {"+": one + other, "-": one - other, "*": one * other}[operator]


def text_of(value: Value) -> str:
    """A value as SuiteQL prints it."""
    if isinstance(value, Decimal):
        return f"{value.normalize():f}" if value else "0"
    if isinstance(value, date):
        return f"{value.month}/{value.day}/{value.year}"
    return str(value)


@lru_cache(64)
def like(pattern: str) -> re.Pattern[str]:
    parts = (".*" if sign == "%" else "." if sign == "_" else re.escape(sign) for sign in pattern)
    return re.compile("".join(parts) + r"\Z", re.DOTALL)


_FORMATS = {"YYYY": "%Y", "MM": "%m", "DD": "%d", "HH24": "%H", "MI": "%M", "SS": "%S"}
_FORMAT_PART = re.compile("YYYY|HH24|MM|DD|MI|SS")


@lru_cache(64)
def _strftime(model: str) -> str:
    return _FORMAT_PART.sub(lambda match: _FORMATS[match[0]], model.upper().replace("%", "%%"))


def _to_char(value: Value, model: Value = None) -> Value:
    if value is None:
        return None
    if isinstance(value, date):
        return _moment(value).strftime(_strftime(str(model))) if model else text_of(value)
    return text_of(value)


def _to_date(value: Value, model: Value = "MM/DD/YYYY") -> Value:
    if value is None:
        return None
    return datetime.strptime(str(value), _strftime(str(model)))  # noqa: DTZ007 (account time throughout)


def _text(change: Callable[[str], str]) -> Callable[[Value], Value]:
    return lambda value: None if value is None else change(text_of(value))


def _trunc(value: Value) -> Value:
    if isinstance(value, datetime):
        return datetime.combine(value.date(), time())
    return value if value is None or isinstance(value, date) else Decimal(int(number_of(value)))


def _round(value: Value, digits: Value = None) -> Value:
    if value is None:
        return None
    return number_of(value).quantize(Decimal(1).scaleb(-int(number_of(digits or Decimal(0)))), ROUND_HALF_UP)


FUNCTIONS: dict[str, Callable[..., Value]] = {
    "to_char": _to_char,
    "to_date": _to_date,
    "to_timestamp": _to_date,
    "to_number": lambda value: None if value is None else number_of(value),
    "upper": _text(str.upper),
    "lower": _text(str.lower),
    "trim": _text(str.strip),
    "concat": lambda left, right: arithmetic("||", left, right),
    "trunc": _trunc,
    "round": _round,
    "abs": lambda value: None if value is None else abs(number_of(value)),
}
