"""Waiting for a condition with a deadline, saying how long it has taken so far."""

import time
from collections.abc import Callable

Say = Callable[[str], None]

_SAY_EVERY_S = 2.0


class TooLateError(TimeoutError):
    """The condition did not come true in time."""


def wait_until[Found](
    found: Callable[[], Found | None],
    what: str,
    *,
    within_s: float,
    every_s: float = 0.05,
    say: Say | None = None,
    check: Callable[[], object] | None = None,
) -> Found:
    """Call ``found`` until it returns something true, and return that.

    ``check`` is called before each attempt and raises when waiting has become pointless (see
    ``Engine.check_alive``). ``say`` hears ``what`` with the seconds passed, every two seconds. Raises
    ``TooLateError`` after ``within_s`` seconds.
    """
    started = time.monotonic()
    said = started
    while True:
        if check is not None:
            check()
        if result := found():
            return result
        now = time.monotonic()
        if now - started > within_s:
            raise TooLateError(f"{what}: not after {within_s:g} s")
        if say is not None and now - said >= _SAY_EVERY_S:
            say(f"{what}: {now - started:.0f} s …")
            said = now
        time.sleep(every_s)
