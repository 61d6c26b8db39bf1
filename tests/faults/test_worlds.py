"""Seeded worlds: deals, amendments, deliveries, vendor weather, kills and operators' acts, judged from the outcome."""

import pytest

from dealbridge_local.worlds.play import play

SEEDS = 60


def test_a_seed_replays_to_the_same_history() -> None:
    assert play(7).history_hash == play(7).history_hash


@pytest.mark.parametrize("seed", range(SEEDS))
def test_what_a_seed_brings_ends_with_nothing_lost_and_nothing_doubled(seed: int) -> None:
    assert [str(broken) for broken in play(seed).broken] == []
