"""Seeded worlds: deals, amendments, deliveries, vendor weather, kills and operators' acts, judged from the outcome."""

import os
import subprocess
import sys

import pytest

from dealbridge_local.worlds.play import play
from dealbridge_local.worlds.soak import soak

SEEDS = 500


@pytest.mark.parametrize("seed", [7, 8, 11])
def test_a_seed_replays_to_the_same_history(seed: int) -> None:
    """Also in another process, whose sets have another order."""
    command = f"from dealbridge_local.worlds.play import play; print(play({seed}).history_hash)"
    environment = {**os.environ, "PYTHONHASHSEED": "12345"}
    elsewhere = subprocess.run(
        [sys.executable, "-c", command], env=environment, capture_output=True, text=True, check=True
    )
    assert play(seed).history_hash == play(seed).history_hash == elsewhere.stdout.strip()


def test_what_a_seed_brings_ends_with_nothing_lost_and_nothing_doubled() -> None:
    result = soak(range(SEEDS))
    assert result.seeds == SEEDS
    assert [f"seed {each.seed}: {broken}" for each in result.broken for broken in each.broken] == []
