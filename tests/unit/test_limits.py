"""What a vendor allows: what bulk work leaves alone, and counting in a rolling window."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from dealbridge.domain.connection import Connection, Limits
from dealbridge.ledger.windows import SLICES, Window


@pytest.mark.parametrize(("slots", "for_bulk"), [(1, 1), (2, 1), (4, 3), (5, 4), (8, 6), (20, 16)])
def test_bulk_work_leaves_a_share_of_the_slots_alone(slots: int, for_bulk: int) -> None:
    limits = Limits(concurrent_requests=slots)
    assert (limits.slots_for(bulk=False), limits.slots_for(bulk=True)) == (slots, for_bulk)


def test_the_reserve_is_a_share_of_the_window_too() -> None:
    limits = Limits(requests_per_window=1000, window_seconds=60, reserve=0.05)
    assert (limits.requests_for(bulk=False), limits.requests_for(bulk=True)) == (1000, 950)
    assert Limits(concurrent_requests=5, reserve=0).slots_for(bulk=True) == 5


@pytest.mark.parametrize(
    "wrong",
    [
        {"requests_per_window": 100},
        {"window_seconds": 10},
        {"concurrent_requests": 0},
        {"reserve": 1},
        {"daily_requests": 100_000},
    ],
)
def test_limits_that_say_nothing_sensible_are_refused(wrong: dict[str, int]) -> None:
    given_connection = {"id": "erp", "system": "netsuite", "base_url": "https://erp.example", "secret": "s"}
    with pytest.raises(ValidationError):
        Connection.model_validate({**given_connection, "limits": wrong})


@given(
    seconds=st.integers(1, 86_400),
    allowed=st.integers(1, 20),
    steps=st.lists(st.integers(0, 40_000), min_size=1, max_size=80),
)
def test_no_window_ever_holds_more_than_is_allowed(seconds: int, allowed: int, steps: list[int]) -> None:
    """Whatever moments are asked at (steps are thousandths of the window), and wherever a window begins."""
    length = seconds * 1000
    now, sent = 1_700_000_000_123, list[int]()
    window = Window.at(seconds, now)
    for step in steps:
        now += step * length // 20_000
        window = window.rolled(now)
        if window.spent < allowed:
            window = window.with_spent(1)
            sent.append(now)
        else:
            free = window.free_at(allowed)
            assert now < free <= now + length * (SLICES + 1) // SLICES
            assert window.rolled(free).spent < allowed
            assert window.rolled(free - 1).spent >= allowed
    for first in sent:
        assert sum(first <= moment < first + window.slice_ms * SLICES for moment in sent) <= allowed


def test_a_clock_that_is_behind_counts_in_the_slice_that_runs() -> None:
    window = Window.at(10, 50_000).with_spent(3)
    assert window.rolled(48_000) == window


def test_what_falls_out_of_the_window_frees_just_as_much() -> None:
    window = Window.at(10, 0).with_spent(3).rolled(4_000).with_spent(7)
    assert (window.spent, window.free_at(10), window.free_at(7)) == (10, 11_000, 15_000)
    assert window.rolled(10_999).spent == 10
    assert window.rolled(11_000).spent == 7
    assert window.rolled(15_000).spent == 0
