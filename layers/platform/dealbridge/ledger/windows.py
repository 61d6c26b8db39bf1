"""Counting in a rolling window: the window in slices, so that a count is one number and a roll is rare."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

SLICES = 10
"""A window is counted in so many slices. A request counts until no window that began with it is left, so at most
10/11 of the allowance is used in steady flow, and never more than all of it in any window."""


@dataclass(frozen=True)
class Window:
    """What was spent: in the slice that runs, and in the slices before that still count. Times are epoch ms."""

    slice_ms: int
    running: int
    """The number of the slice that runs, counted from the epoch."""
    current: int = 0
    earlier: tuple[tuple[int, int], ...] = ()
    """(number of the slice, requests), the oldest first."""

    @classmethod
    def at(cls, window_seconds: int, now: int) -> Self:
        """An empty window."""
        slice_ms = max(1, window_seconds * 1000 // SLICES)
        return cls(slice_ms, now // slice_ms)

    @property
    def spent(self) -> int:
        return self.current + sum(count for _, count in self.earlier)

    def rolled(self, now: int) -> Self:
        """The window as it stands now. A clock that is behind counts in the slice that others have begun."""
        running = max(self.running, now // self.slice_ms)
        if running == self.running:
            return self
        kept = [
            each for each in (*self.earlier, (self.running, self.current)) if each[1] and each[0] >= running - SLICES
        ]
        return type(self)(self.slice_ms, running, 0, tuple(kept))

    def with_spent(self, count: int) -> Self:
        return type(self)(self.slice_ms, self.running, self.current + count, self.earlier)

    def free_at(self, allowed: int) -> int:
        """When a request more is allowed at the earliest, as things stand."""
        left = self.spent
        counts: Sequence[tuple[int, int]] = (*self.earlier, (self.running, self.current))
        for number, count in counts:
            left -= count
            if left < allowed:
                return (number + SLICES + 1) * self.slice_ms
        return (self.running + SLICES + 1) * self.slice_ms
