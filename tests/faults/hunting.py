"""Looks for the first world that a planted bug turns red: python -m tests.faults.hunting."""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from dealbridge_local.worlds import reports
from dealbridge_local.worlds.play import play
from dealbridge_local.worlds.workers import spread
from tests.faults.planted_bugs import BUGS

MOST_SEEDS = 400


@dataclass(frozen=True)
class Caught:
    """The seed whose world shows a bug, and the first rule that is broken there; None where none of them does."""

    bug: str
    seed: int | None
    rule: str | None

    def content(self) -> dict[str, Any]:
        told = (BUGS[self.bug].__doc__ or "").strip()
        return {"bug": self.bug, "what": told, "seed": self.seed, "rule": self.rule}


def hunt(bug: str, seeds: Iterable[int]) -> Caught:
    """The first of these seeds that turns the checker red with this bug planted."""
    for seed in seeds:
        with BUGS[bug]():
            broken = play(seed).broken
        if broken:
            return Caught(bug, seed, str(broken[0]))
    return Caught(bug, None, None)


def main(arguments: Sequence[str] | None = None) -> int:
    """0: every planted bug was caught."""
    found = list(spread(partial(hunt, seeds=range(MOST_SEEDS)), list(BUGS)))
    found.sort(key=lambda caught: list(BUGS).index(caught.bug))
    for caught in found:
        print(f"{caught.bug}: seed {caught.seed}: {caught.rule}")
    path = reports.write("planted", {"most_seeds": MOST_SEEDS, "bugs": [caught.content() for caught in found]})
    missed = sum(caught.seed is None for caught in found)
    print(f"{len(found) - missed} of {len(found)} planted bugs caught; {path}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
