"""The billing arithmetic: periods tile a span, and what falls due adds up to the line to the cent."""

from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dealbridge.domain.deal import BillingFrequency, BillingType, DealLine
from dealbridge.domain.engagement import BillingItemKind
from dealbridge.domain.money import Money, minor_unit
from dealbridge.rules.billing import Due, count_of_dues, due_amounts, frequency_of, periods
from dealbridge.rules.reference import BillingPolicy
from tests.builders import a_line, a_milestone, money

PERIODIC = [BillingFrequency.MONTHLY, BillingFrequency.QUARTERLY, BillingFrequency.ANNUALLY]
DAYS = st.dates(min_value=date(2020, 1, 1), max_value=date(2036, 12, 31))
FREQUENCIES = st.sampled_from(PERIODIC)
POLICIES = st.builds(
    BillingPolicy,
    fixed_due=st.sampled_from(["start", "end"]),
    recurring_due=st.sampled_from(["start", "end"]),
    partial_period=st.sampled_from(["by_day", "full"]),
    default_retainer_frequency=st.sampled_from(["monthly", "quarterly", "annually"]),
)


@st.composite
def spans(draw: st.DrawFn) -> tuple[date, date]:
    first = draw(DAYS)
    return first, first + timedelta(days=draw(st.integers(min_value=0, max_value=4000)))


@st.composite
def lines(draw: st.DrawFn) -> DealLine:
    """A line of any billing type, amount, currency and frequency; milestones that add up to it."""
    currency = draw(st.sampled_from(["USD", "EUR", "JPY", "KWD"]))
    amount = Money(amount=draw(st.integers(min_value=1, max_value=10**11)) * minor_unit(currency), currency=currency)
    kind = draw(st.sampled_from(BillingType))
    frequency = draw(st.sampled_from([None, *BillingFrequency]))
    milestones: tuple[Any, ...] = ()
    if kind is BillingType.MILESTONE:
        milestones = (a_milestone(str(amount), due="2026-06-30"),)
    return a_line(str(amount), billing_type=kind, billing_frequency=frequency, milestones=milestones)


# Periods


@given(spans(), FREQUENCIES)
def test_periods_tile_the_span_without_gap_or_overlap(span: tuple[date, date], frequency: BillingFrequency) -> None:
    first, last = span
    found = list(periods(first, last, frequency))
    assert found[0].first == first
    assert found[-1].last == last
    for one, following in pairwise(found):
        assert following.first == one.last + timedelta(days=1)
    assert [period.number for period in found] == list(range(1, len(found) + 1))


@given(spans(), FREQUENCIES)
def test_all_periods_but_the_last_are_whole(span: tuple[date, date], frequency: BillingFrequency) -> None:
    *whole, last = periods(*span, frequency)
    assert all(period.share == 1 for period in whole)
    assert 0 < last.share <= 1


@pytest.mark.parametrize(
    ("first", "begins"),
    [
        ("2026-01-31", ["2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30"]),
        ("2028-01-30", ["2028-01-30", "2028-02-29", "2028-03-30", "2028-04-30"]),
        ("2026-11-30", ["2026-11-30", "2026-12-30", "2027-01-30", "2027-02-28"]),
    ],
)
def test_a_month_that_is_too_short_begins_its_period_on_its_last_day(first: str, begins: list[str]) -> None:
    begin = date.fromisoformat(first)
    found = periods(begin, begin + timedelta(days=100), BillingFrequency.MONTHLY)
    assert [period.first.isoformat() for period in found] == begins


def test_a_year_has_as_many_periods_as_one_would_say() -> None:
    year = date(2026, 4, 1), date(2027, 3, 31)
    assert [len(list(periods(*year, frequency))) for frequency in PERIODIC] == [12, 4, 1]
    assert all(period.share == 1 for frequency in PERIODIC for period in periods(*year, frequency))


def test_a_leap_day_begins_its_years_on_the_28th() -> None:
    found = periods(date(2024, 2, 29), date(2028, 12, 31), BillingFrequency.ANNUALLY)
    assert [period.first.isoformat() for period in found][:3] == ["2024-02-29", "2025-02-28", "2026-02-28"]


def test_a_single_day_is_a_period() -> None:
    day = date(2026, 5, 17)
    (only,) = periods(day, day, BillingFrequency.MONTHLY)
    assert (only.first, only.last, only.share) == (day, day, Decimal(1) / Decimal(31))


# What falls due


@given(lines(), spans(), POLICIES)
def test_what_falls_due_adds_up_to_the_line_exactly(
    line: DealLine, span: tuple[date, date], policy: BillingPolicy
) -> None:
    dues = due_amounts(line, *span, policy)
    assert Money.total((due.amount for due in dues), line.amount.currency) == line.amount
    assert all(due.amount.is_whole for due in dues)
    assert len({due.part for due in dues}) == len(dues)
    assert len(dues) == count_of_dues(line, *span, policy)


@given(lines(), spans(), POLICIES)
def test_periodic_amounts_fall_due_in_order_and_within_the_span(
    line: DealLine, span: tuple[date, date], policy: BillingPolicy
) -> None:
    dues = due_amounts(line, *span, policy)
    if line.billing_type is not BillingType.MILESTONE:
        assert [due.due for due in dues] == sorted(due.due for due in dues)
        assert all(span[0] <= due.due <= span[1] for due in dues)


def _of(line: DealLine, *, first: str = "2026-04-01", last: str = "2027-03-31", **policy: Any) -> list[Due]:
    return due_amounts(line, date.fromisoformat(first), date.fromisoformat(last), BillingPolicy(**policy))


@pytest.mark.parametrize(("fixed_due", "due"), [("start", date(2026, 4, 1)), ("end", date(2027, 3, 31))])
def test_a_fixed_price_falls_due_once_at_the_start_or_the_end(fixed_due: str, due: date) -> None:
    (only,) = _of(a_line("10000 EUR"), fixed_due=fixed_due)
    assert (only.kind, only.due, only.amount) == (BillingItemKind.DATED, due, money("10000 EUR"))


def test_a_fixed_price_by_period_is_split_equally_even_where_the_last_period_is_short() -> None:
    line = a_line("100 EUR", billing_frequency=BillingFrequency.MONTHLY)
    dues = _of(line, first="2026-01-01", last="2026-03-10")
    assert [str(due.amount) for due in dues] == ["33.34 EUR", "33.33 EUR", "33.33 EUR"]
    assert [due.due.isoformat() for due in dues] == ["2026-01-31", "2026-02-28", "2026-03-10"]


def test_a_retainer_charges_a_period_that_it_covers_in_part_by_the_day() -> None:
    line = a_line("2500 EUR", billing_type=BillingType.RETAINER)
    by_day = _of(line, first="2026-01-01", last="2026-03-15", partial_period="by_day")
    assert [str(due.amount) for due in by_day] == ["1006.50 EUR", "1006.49 EUR", "487.01 EUR"]
    full = _of(line, first="2026-01-01", last="2026-03-15", partial_period="full")
    assert [str(due.amount) for due in full] == ["833.34 EUR", "833.33 EUR", "833.33 EUR"]


def test_a_retainer_without_a_frequency_has_that_of_the_policy() -> None:
    line = a_line("1200 EUR", billing_type=BillingType.RETAINER, billing_frequency=BillingFrequency.ONCE)
    assert len(_of(line)) == 12
    assert len(_of(line, default_retainer_frequency="quarterly")) == 4


def test_time_and_materials_plans_the_amount_at_the_end_and_names_its_cap() -> None:
    line = a_line("9000 EUR", billing_type=BillingType.TIME_AND_MATERIALS, cap=money("10000 EUR"))
    (only,) = _of(line)
    assert (only.kind, only.due, only.amount) == (BillingItemKind.CAP, date(2027, 3, 31), money("9000 EUR"))
    assert "10000.00 EUR" in only.description


def test_milestones_are_taken_as_agreed() -> None:
    parts = (a_milestone("4000 EUR", id="m1"), a_milestone("6000 EUR", id="m2", due="2026-09-30", name="Live"))
    dues = _of(a_line("10000 EUR", billing_type=BillingType.MILESTONE, milestones=parts))
    assert [(due.part, due.due.isoformat(), str(due.amount)) for due in dues] == [
        ("m1", "2026-06-30", "4000.00 EUR"),
        ("m2", "2026-09-30", "6000.00 EUR"),
    ]


def test_parts_keep_their_names_when_a_line_is_extended() -> None:
    line = a_line("1200 EUR", billing_frequency=BillingFrequency.MONTHLY)
    before, after = _of(line), _of(line, last="2027-09-30")
    assert [due.part for due in after][: len(before)] == [due.part for due in before]
    assert [due.due for due in after][: len(before)] == [due.due for due in before]


@pytest.mark.parametrize("kind", [BillingType.TIME_AND_MATERIALS, BillingType.MILESTONE])
def test_only_fixed_prices_and_retainers_are_billed_by_periods(kind: BillingType) -> None:
    line = a_line(billing_type=kind, billing_frequency=BillingFrequency.MONTHLY)
    assert frequency_of(line, BillingPolicy()) is None


def test_a_line_that_ends_in_the_year_9999_is_counted_at_once() -> None:
    line = a_line(billing_type=BillingType.RETAINER)
    assert count_of_dues(line, date(2026, 1, 1), date.max, BillingPolicy()) == 95688
