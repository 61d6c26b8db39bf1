"""The time, read in one place, so that a world of tests can be played on a clock of its own."""

from collections.abc import Callable
from datetime import UTC, datetime

type Source = Callable[[], datetime]


def _system() -> datetime:
    return datetime.now(UTC)


_source: Source = _system


def now() -> datetime:
    """The time in UTC."""
    return _source()


def use(source: Source | None) -> None:
    """Read the time from elsewhere, for this process; None: from the system again."""
    global _source
    _source = source or _system
