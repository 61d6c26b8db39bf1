"""SOQL's date literals, seen from Monday 23 November 2026."""

from datetime import date

import pytest

from dealbridge_local.simulators.salesforce.date_literals import days

TODAY = date(2026, 11, 23)


@pytest.mark.parametrize(
    ("literal", "count", "first", "last"),
    [
        ("TODAY", None, "2026-11-23", "2026-11-23"),
        ("YESTERDAY", None, "2026-11-22", "2026-11-22"),
        ("TOMORROW", None, "2026-11-24", "2026-11-24"),
        ("THIS_WEEK", None, "2026-11-22", "2026-11-28"),
        ("LAST_WEEK", None, "2026-11-15", "2026-11-21"),
        ("LAST_MONTH", None, "2026-10-01", "2026-10-31"),
        ("NEXT_MONTH", None, "2026-12-01", "2026-12-31"),
        ("THIS_QUARTER", None, "2026-10-01", "2026-12-31"),
        ("LAST_QUARTER", None, "2026-07-01", "2026-09-30"),
        ("NEXT_YEAR", None, "2027-01-01", "2027-12-31"),
        ("LAST_90_DAYS", None, "2026-08-25", "2026-11-23"),
        ("NEXT_90_DAYS", None, "2026-11-24", "2027-02-21"),
        ("LAST_N_DAYS", 7, "2026-11-16", "2026-11-23"),
        ("NEXT_N_DAYS", 7, "2026-11-24", "2026-11-30"),
        ("LAST_N_MONTHS", 2, "2026-09-01", "2026-10-31"),
        ("NEXT_N_WEEKS", 1, "2026-11-29", "2026-12-05"),
        ("NEXT_N_QUARTERS", 1, "2027-01-01", "2027-03-31"),
        ("LAST_N_YEARS", 2, "2024-01-01", "2025-12-31"),
        ("N_DAYS_AGO", 3, "2026-11-20", "2026-11-20"),
    ],
)
def test_a_literal_names_its_days(literal: str, count: int | None, first: str, last: str) -> None:
    span = days(literal, count, TODAY)

    assert span is not None
    assert (span[0].isoformat(), date.fromordinal(span[1].toordinal() - 1).isoformat()) == (first, last)


@pytest.mark.parametrize(("literal", "count"), [("SOMEDAY", None), ("LAST_N_FORTNIGHTS", 2), ("THIS_DAY", None)])
def test_other_words_name_no_days(literal: str, count: int | None) -> None:
    assert days(literal, count, TODAY) is None
