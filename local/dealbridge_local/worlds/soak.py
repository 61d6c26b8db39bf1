"""Thousands of seeded worlds, with progress. Any seed can be played again alone, with its whole history:

python -m dealbridge_local.worlds.soak --replay 117
"""

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from dealbridge_local.worlds.play import Outcome, play
from dealbridge_local.worlds.workers import spread

SAID_EVERY_S = 5.0


@dataclass
class Soak:
    """What came of many seeds."""

    seeds: int = 0
    broken: list[Outcome] = field(default_factory=list)
    totals: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    busy_seconds: float = 0.0

    def add(self, outcome: Outcome) -> None:
        self.seeds += 1
        self.totals.update(outcome.counts)
        self.busy_seconds += outcome.seconds
        if outcome.broken:
            self.broken.append(outcome)

    def content(self) -> dict[str, Any]:
        return {
            "seeds": self.seeds,
            "breaks": len(self.broken),
            "seconds": round(self.seconds, 1),
            "seconds_per_seed": round(self.busy_seconds / max(1, self.seeds), 3),
            "totals": dict(self.totals),
            "broken": [outcome.content() for outcome in sorted(self.broken, key=lambda outcome: outcome.seed)],
        }


def soak(
    seeds: Iterable[int], workers: int | None = None, told: Callable[[Soak, Outcome], None] = lambda soak, outcome: None
) -> Soak:
    """Play every seed."""
    result, began = Soak(), perf_counter()
    for outcome in spread(play, seeds, workers):
        result.add(outcome)
        result.seconds = perf_counter() - began
        told(result, outcome)
    return result


class Progress:
    """A line every few seconds, and one at once for whatever breaks. `kept` is given the state of things then."""

    def __init__(self, whole: int, kept: Callable[[Soak], object] = lambda soak: None) -> None:
        self._whole = whole
        self._said = 0.0
        self._kept = kept

    def __call__(self, soak: Soak, outcome: Outcome) -> None:
        for broken in outcome.broken[:3]:
            print(f"seed {outcome.seed}: {broken}", flush=True)
        if soak.seconds - self._said < SAID_EVERY_S and soak.seeds < self._whole:
            return
        self._said = soak.seconds
        self._kept(soak)
        pace = soak.seeds / soak.seconds
        left = (self._whole - soak.seeds) / pace / 60
        print(
            f"{soak.seeds} of {self._whole} seeds, {len(soak.broken)} breaks, {pace:.1f} a second, {left:.0f} min left",
            flush=True,
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """0: no rule was ever broken. 1: some was, and seed and rule are printed."""
    parser = argparse.ArgumentParser(description="Play seeded worlds and judge them.")
    parser.add_argument("--seeds", type=int, default=500, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--workers", type=int, default=None, help="processes; one per processor unless given")
    parser.add_argument("--replay", type=int, default=None, metavar="SEED", help="play one seed and print its history")
    options = parser.parse_args(arguments)
    if options.replay is not None:
        return _replay(options.replay)
    seeds = range(options.first, options.first + options.seeds)
    return 1 if soak(seeds, options.workers, Progress(options.seeds)).broken else 0


def _replay(seed: int) -> int:
    outcome = play(seed, keeps_history=True)
    for line in (*outcome.history, *outcome.broken):
        print(line)
    print(f"seed {seed}: history {outcome.history_hash}, {outcome.counts}")
    return 1 if outcome.broken else 0


if __name__ == "__main__":
    sys.exit(main())
