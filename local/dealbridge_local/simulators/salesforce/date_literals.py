"""SOQL's date literals: each names a range of days (SOQL reference, "Date Formats and Date Literals")."""

from calendar import monthrange
from datetime import date, timedelta

_COUNTED = {"DAYS", "WEEKS", "MONTHS", "QUARTERS", "YEARS"}
_UNITS = {"WEEK": 0, "MONTH": 1, "QUARTER": 3, "YEAR": 12}


def days(literal: str, count: int | None, today: date) -> tuple[date, date] | None:
    """First day and the day after the last; None where this is no date literal. Weeks begin on Sunday, as in en_US."""
    if count is None:
        return _plain(literal, today)
    words = literal.split("_")
    if len(words) == 3 and words[0] in ("LAST", "NEXT") and words[1] == "N" and words[2] in _COUNTED:
        return _counted(words[0], words[2], count, today)
    if literal == "N_DAYS_AGO":
        return _day(today - timedelta(days=count))
    return None


def _plain(literal: str, today: date) -> tuple[date, date] | None:
    nearby = {"YESTERDAY": -1, "TODAY": 0, "TOMORROW": 1}
    if literal in nearby:
        return _day(today + timedelta(days=nearby[literal]))
    if literal == "LAST_90_DAYS":
        return today - timedelta(days=90), today + timedelta(days=1)
    if literal == "NEXT_90_DAYS":
        return today + timedelta(days=1), today + timedelta(days=91)
    which, _, unit = literal.partition("_")
    steps = {"LAST": -1, "THIS": 0, "NEXT": 1}
    if which not in steps or unit not in _UNITS:
        return None
    begin = _begin(unit, today)
    return _moved(begin, unit, steps[which]), _moved(begin, unit, steps[which] + 1)


def _counted(which: str, unit: str, count: int, today: date) -> tuple[date, date]:
    if unit == "DAYS":
        # LAST_N_DAYS:n reaches n days back and includes today; NEXT_N_DAYS:n begins tomorrow.
        if which == "LAST":
            return today - timedelta(days=count), today + timedelta(days=1)
        return today + timedelta(days=1), today + timedelta(days=count + 1)
    singular = unit.removesuffix("S")
    begin = _begin(singular, today)
    if which == "LAST":
        return _moved(begin, singular, -count), begin
    return _moved(begin, singular, 1), _moved(begin, singular, count + 1)


def _day(day: date) -> tuple[date, date]:
    return day, day + timedelta(days=1)


def _begin(unit: str, today: date) -> date:
    if unit == "WEEK":
        return today - timedelta(days=(today.weekday() + 1) % 7)
    if unit == "MONTH":
        return today.replace(day=1)
    if unit == "QUARTER":
        return date(today.year, (today.month - 1) // 3 * 3 + 1, 1)
    return date(today.year, 1, 1)


def _moved(day: date, unit: str, steps: int) -> date:
    if unit == "WEEK":
        return day + timedelta(weeks=steps)
    year, month = divmod(day.year * 12 + day.month - 1 + steps * _UNITS[unit], 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))
