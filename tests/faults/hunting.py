"""Looks for the first world that a planted bug turns red."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from dealbridge_local.worlds.play import play
from tests.faults.planted_bugs import BUGS


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
