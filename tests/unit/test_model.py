"""What every business object shares: frozen, strict, hashable content that stays the same through storage."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from dealbridge.domain.deal import Deal, DealLine
from dealbridge.domain.model import content_hash, plain
from tests.builders import a_line, a_milestone, a_won_deal, an_account


def test_objects_are_frozen_and_refuse_what_they_do_not_know() -> None:
    deal = a_won_deal()
    with pytest.raises(ValidationError, match="frozen"):
        deal.name = "other"  # type: ignore[misc]
    with pytest.raises(ValidationError, match="ammount"):
        Deal.model_validate({**deal.model_dump(), "ammount": 1})


@pytest.mark.parametrize("field", ["name", "stage"])
@pytest.mark.parametrize("blank", ["", "  "])
def test_a_deal_without_a_name_is_none(field: str, blank: str) -> None:
    given: dict[str, Any] = {field: blank}
    with pytest.raises(ValidationError, match=field):
        a_won_deal(**given)


def test_a_line_without_a_description_is_none() -> None:
    with pytest.raises(ValidationError, match="description"):
        a_line(description=" ")


def test_empty_values_are_no_content() -> None:
    """So that a field that is added to a model later changes no hash of what was applied before."""
    line = a_line()
    assert "cap" not in line.content()
    assert content_hash(line.content()) == content_hash(DealLine.model_validate(line.content()).content())


def test_content_does_not_depend_on_how_numbers_were_written() -> None:
    one, other = a_line("10 EUR", quantity=Decimal("2.50")), a_line("10.00 EUR", quantity=Decimal("2.5"))
    assert content_hash(one.content()) == content_hash(other.content())


@given(st.decimals(min_value=-(10**9), max_value=10**9, places=4))
def test_plain_numbers_are_equal_and_have_no_exponent(number: Decimal) -> None:
    assert plain(number) == number
    assert "E" not in str(plain(number))
    assert plain(number * Decimal("1.00")).as_tuple() == plain(number).as_tuple()


def test_bookkeeping_of_the_crm_is_not_commercial() -> None:
    deal = a_won_deal()
    assert deal.commercial() == a_won_deal(revision="2").commercial()
    assert deal.commercial() != a_won_deal(end=date(2028, 1, 1)).commercial()


def test_a_stored_deal_reads_back_the_same() -> None:
    deal = a_won_deal(
        lines=[a_line("9.99 EUR", milestones=(a_milestone("9.99 EUR"),), hours=Decimal("7.5"))],
        account=an_account(parent=an_account("001P")),
    )
    assert Deal.model_validate_json(deal.model_dump_json()) == deal
    assert Deal.model_validate(deal.content()).commercial() == deal.commercial()
