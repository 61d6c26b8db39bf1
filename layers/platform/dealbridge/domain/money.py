"""Decimal amounts with a currency. Amounts in two currencies are never added.

Rounding rule, everywhere: half up to the currency's minor unit, away from zero, as invoices are rounded. A total that
is split (`allocate`) loses and gains nothing: parts are rounded down and the remaining minor units go to the largest
remainders, earlier parts first.
"""

from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from math import floor
from typing import Annotated, Self

from pydantic import StringConstraints, field_validator

from dealbridge.domain.model import Model, plain

CurrencyCode = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]

# ISO 4217 minor units that are not 2.
_MINOR_UNITS = {
    **dict.fromkeys(
        "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split(),  # noqa: SIM905
        0,
    ),
    **dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), 3),  # noqa: SIM905
}


class CurrencyMismatchError(ValueError):
    """Two currencies met in one sum."""


def minor_unit(currency: str) -> Decimal:
    """The smallest amount of a currency: 0.01 for USD, 1 for JPY."""
    return Decimal(1).scaleb(-_MINOR_UNITS.get(currency, 2))


class Money(Model):
    """An amount in one currency, in major units (10.50 USD)."""

    amount: Decimal
    currency: CurrencyCode

    @field_validator("amount", mode="before")
    @classmethod
    def _never_a_float(cls, value: object) -> object:
        if isinstance(value, float):
            raise ValueError("must be a decimal or a string, never a float")  # noqa: TRY004 (pydantic wants ValueError)
        return value

    def model_post_init(self, _context: object) -> None:
        unit, value = minor_unit(self.currency), plain(self.amount)
        # Equal amounts print alike: 10.5 and 10.50 USD are one amount and one hash.
        if value == value.quantize(unit):
            value = value.quantize(unit)
        object.__setattr__(self, "amount", value)

    @classmethod
    def zero(cls, currency: str) -> Self:
        return cls(amount=Decimal(0), currency=currency)

    @classmethod
    def total(cls, amounts: Iterable["Money"], currency: str) -> "Money":
        return sum(amounts, cls.zero(currency))

    def __add__(self, other: "Money") -> "Money":
        return Money(amount=self.amount + self._same(other).amount, currency=self.currency)

    def __sub__(self, other: "Money") -> "Money":
        return Money(amount=self.amount - self._same(other).amount, currency=self.currency)

    def times(self, factor: Decimal) -> "Money":
        return Money(amount=self.amount * factor, currency=self.currency)

    def rounded(self) -> "Money":
        return Money(amount=self.amount.quantize(minor_unit(self.currency), ROUND_HALF_UP), currency=self.currency)

    @property
    def is_whole(self) -> bool:
        """Whether the amount is a whole number of minor units."""
        return self.amount == self.amount.quantize(minor_unit(self.currency))

    def __str__(self) -> str:
        return f"{self.amount:f} {self.currency}"

    def _same(self, other: "Money") -> "Money":
        if other.currency != self.currency:
            raise CurrencyMismatchError(f"{self} and {other} cannot be added")
        return other


def allocate(total: Money, weights: Sequence[Decimal]) -> list[Money]:
    """A total of whole minor units in parts proportional to the weights; the parts add up to the total exactly.

    Raises ValueError where there are no weights, a negative one, they sum to zero, or the total is not whole.
    """
    whole = sum(map(Fraction, weights), Fraction(0))
    if whole <= 0 or min(weights) < 0:
        raise ValueError("weights: at least one, none negative, not all zero")
    if not total.is_whole:
        raise ValueError(f"{total}: not a whole number of minor units")
    unit = minor_unit(total.currency)
    sign = -1 if total.amount < 0 else 1
    units = int(abs(total.amount) / unit)
    # Fractions, since Decimal rounds a division: shares that are rounded up could add up to more than the total.
    exact = [units * Fraction(weight) / whole for weight in weights]
    parts = [floor(share) for share in exact]
    order = sorted(range(len(parts)), key=lambda index: (parts[index] - exact[index], index))
    for index in order[: units - sum(parts)]:
        parts[index] += 1
    return [Money(amount=sign * part * unit, currency=total.currency) for part in parts]
