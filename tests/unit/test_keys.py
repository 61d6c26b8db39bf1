"""Identities and keys."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from dealbridge.domain.keys import DealKey, Kind, record_key
from dealbridge.ledger.deals import run_name


def test_a_deal_key_prints_and_parses() -> None:
    key = DealKey(crm="salesforce", opportunity="006A")
    assert str(key) == "salesforce:006A"
    assert DealKey.parse("salesforce:006A") == key


@pytest.mark.parametrize(
    "text", ["006A", "", ":006A", "salesforce:", "Sales Force:1", "salesforce:006/A", "a:" + "x" * 51]
)
def test_what_is_no_deal_key_is_refused(text: str) -> None:
    with pytest.raises((ValueError, ValidationError)):
        DealKey.parse(text)


@given(st.sampled_from(Kind), st.text(min_size=1), st.text())
def test_record_keys_hold_only_what_every_system_takes(kind: Kind, source: str, part: str) -> None:
    assert re.fullmatch(r"[A-Z]+(-[A-Za-z0-9_-]*)+", record_key(kind, source, part))


def test_each_kind_has_a_prefix_of_its_own() -> None:
    assert len({record_key(kind, "1") for kind in Kind}) == len(Kind)


@given(st.from_regex(r"[a-z][a-z0-9-]{0,39}", fullmatch=True), st.from_regex(r"[A-Za-z0-9_-]{1,50}", fullmatch=True))
def test_a_runs_name_is_one_that_step_functions_takes(crm: str, opportunity: str) -> None:
    deal = DealKey(crm=crm, opportunity=opportunity)
    names = [run_name(deal, number) for number in (1, 2, 9_999_999)]
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,80}", name) for name in names)
    assert len(set(names)) == 3


def test_long_deals_that_begin_alike_have_names_of_their_own() -> None:
    one, other = (DealKey(crm="c" * 40, opportunity="o" * 45 + end) for end in ("1", "2"))
    assert run_name(one, 1) != run_name(other, 1)
