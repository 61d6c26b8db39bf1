"""Amounts: one currency each, rounded half up, split without loss."""

from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from dealbridge.domain.money import CurrencyMismatchError, Money, allocate, minor_unit
from tests.builders import money

CURRENCIES = st.sampled_from(["USD", "EUR", "JPY", "KWD"])
AMOUNTS = st.decimals(min_value=-(10**12), max_value=10**12, places=6, allow_nan=False, allow_infinity=False)


@st.composite
def whole_amounts(draw: st.DrawFn) -> Money:
    """Whole minor units of some currency, debts included."""
    currency = draw(CURRENCIES)
    units = draw(st.integers(min_value=-(10**15), max_value=10**15))
    return Money(amount=units * minor_unit(currency), currency=currency)


WEIGHTS = st.lists(
    st.one_of(
        st.decimals(min_value=0, max_value=1000, places=3),
        # What a part of a month weighs: 28 digits that were rounded.
        st.integers(min_value=1, max_value=30).map(lambda days: Decimal(days) / Decimal(31)),
    ),
    min_size=1,
    max_size=120,
).filter(lambda weights: sum(weights) > 0)


@pytest.mark.parametrize(("currency", "unit"), [("USD", "0.01"), ("JPY", "1"), ("KWD", "0.001"), ("CLP", "1")])
def test_each_currency_has_its_minor_unit(currency: str, unit: str) -> None:
    assert minor_unit(currency) == Decimal(unit)


@pytest.mark.parametrize(
    ("exact", "rounded"),
    [
        ("2.345 EUR", "2.35 EUR"),
        ("2.355 EUR", "2.36 EUR"),
        ("-2.345 EUR", "-2.35 EUR"),
        ("0.5 JPY", "1 JPY"),
        ("1.5 JPY", "2 JPY"),
        ("2.5 JPY", "3 JPY"),
        ("1.2345 KWD", "1.235 KWD"),
    ],
)
def test_amounts_are_rounded_half_up_away_from_zero(exact: str, rounded: str) -> None:
    assert money(exact).rounded() == money(rounded)


@given(AMOUNTS, CURRENCIES)
def test_rounding_gives_whole_minor_units_at_most_half_a_unit_away(amount: Decimal, currency: str) -> None:
    exact = Money(amount=amount, currency=currency)
    rounded = exact.rounded()
    assert rounded.is_whole
    assert abs(rounded.amount - amount) <= minor_unit(currency) / 2
    assert rounded.amount == amount.quantize(minor_unit(currency), ROUND_HALF_UP)


@given(whole_amounts(), WEIGHTS)
def test_a_split_loses_and_gains_nothing(total: Money, weights: list[Decimal]) -> None:
    parts = allocate(total, weights)
    assert Money.total(parts, total.currency) == total
    assert all(part.is_whole for part in parts)
    assert len(parts) == len(weights)


@given(whole_amounts(), WEIGHTS)
def test_no_part_is_a_unit_or_more_away_from_its_share(total: Money, weights: list[Decimal]) -> None:
    whole, unit = sum(weights, Decimal(0)), minor_unit(total.currency)
    for part, weight in zip(allocate(total, weights), weights, strict=True):
        assert abs(part.amount - total.amount * weight / whole) < unit * Decimal("1.000001")


def test_what_remains_goes_to_the_largest_remainder_and_to_the_earlier_of_equal_ones() -> None:
    assert allocate(money("100 EUR"), [Decimal(1)] * 3) == [money("33.34 EUR"), money("33.33 EUR"), money("33.33 EUR")]
    assert allocate(money("10 JPY"), [Decimal(1), Decimal(3)]) == [money("3 JPY"), money("7 JPY")]
    assert allocate(money("1 KWD"), [Decimal(1)] * 3) == [money("0.334 KWD"), money("0.333 KWD"), money("0.333 KWD")]
    assert allocate(money("-0.05 EUR"), [Decimal(1)] * 2) == [money("-0.03 EUR"), money("-0.02 EUR")]


@pytest.mark.parametrize("weights", [[], [Decimal(0)], [Decimal(2), Decimal(-1)]])
def test_a_split_needs_weights(weights: list[Decimal]) -> None:
    with pytest.raises(ValueError, match="weights"):
        allocate(money("1 EUR"), weights)


def test_an_amount_with_a_part_of_a_cent_is_not_split() -> None:
    with pytest.raises(ValueError, match="whole number of minor units"):
        allocate(money("1.005 EUR"), [Decimal(1)])


@given(CURRENCIES, CURRENCIES)
def test_currencies_never_mix(one: str, other: str) -> None:
    left, right = Money(amount=Decimal(1), currency=one), Money(amount=Decimal(1), currency=other)
    if one == other:
        assert (left + right).amount == 2
        assert (left - right).amount == 0
        return
    with pytest.raises(CurrencyMismatchError):
        left + right
    with pytest.raises(CurrencyMismatchError):
        left - right
    with pytest.raises(CurrencyMismatchError):
        Money.total([left], other)


def test_equal_amounts_are_equal_print_alike_and_keep_what_is_finer_than_the_unit() -> None:
    assert money("10.5 USD") == money("10.50 USD")
    assert money("10.5 USD").content() == {"amount": "10.50", "currency": "USD"}
    assert str(money("1E+3 JPY")) == "1000 JPY"
    assert str(money("0.125 USD")) == "0.125 USD"
    assert not money("0.125 USD").is_whole


@pytest.mark.parametrize("amount", [1.5, "NaN", "Infinity", "1E+40", "ten"])
def test_floats_and_what_is_no_amount_are_refused(amount: object) -> None:
    with pytest.raises(ValidationError):
        Money.model_validate({"amount": amount, "currency": "USD"})


@pytest.mark.parametrize("currency", ["usd", "US", "EURO", ""])
def test_a_currency_is_three_capital_letters(currency: str) -> None:
    with pytest.raises(ValidationError):
        Money(amount=Decimal(1), currency=currency)
