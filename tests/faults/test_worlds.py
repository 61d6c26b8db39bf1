"""Seeded worlds: deals, amendments, deliveries, vendor weather, kills and operators' acts, judged from the outcome."""

from dealbridge_local.worlds.play import play
from dealbridge_local.worlds.soak import soak

SEEDS = 500


def test_a_seed_replays_to_the_same_history() -> None:
    assert play(7).history_hash == play(7).history_hash


def test_what_a_seed_brings_ends_with_nothing_lost_and_nothing_doubled() -> None:
    result = soak(range(SEEDS))
    assert result.seeds == SEEDS
    assert [f"seed {each.seed}: {broken}" for each in result.broken for broken in each.broken] == []
