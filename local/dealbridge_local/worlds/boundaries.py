"""Every place where a function touches the outside, and what may happen to it there.

A touch is one call of AWS or of a vendor. Before it time passes and others go on; then a strike may fall: the process
dies before or after the call, or the call meets a fault.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol


class Killed(BaseException):
    """The process that ran a function has died. Nothing that is shipped catches it, as nothing survives a SIGKILL."""


class TimedOut(BaseException):
    """The function's time was over; Lambda has killed the process."""


@dataclass(frozen=True)
class Touch:
    """One call of a function. `system`: an AWS service or a connection; `what`: the operation and its target."""

    number: int
    function: str
    system: str
    what: str
    writes: bool
    vendor: bool
    reads: bool = False
    """A vendor's call that only asks."""


@dataclass(frozen=True)
class Strike:
    """What falls on a touch.

    `kind`: kill_before, kill_after; for a vendor's call refused, lost_behind_gateway (done, and a gateway answers 502),
    or a fault of the simulators' kernel (`fault`); for a call of AWS throttled, down_before, down_after (done, the
    answer lost), repeated (done, the answer lost, and the client has tried again).
    """

    kind: str
    fault: dict[str, Any] = field(default_factory=dict)
    times: int = 1
    """So many calls of the same connection in a row."""


class Fate(Protocol):
    """Decides what falls on a touch, and how long each takes."""

    def strike(self, touch: Touch) -> Strike | None: ...

    def seconds(self, touch: Touch) -> float: ...


class Calm:
    """Nothing falls; every call takes the same time."""

    def __init__(self, seconds: float = 0.004) -> None:
        self._seconds = seconds

    def strike(self, touch: Touch) -> Strike | None:
        return None

    def seconds(self, touch: Touch) -> float:
        return self._seconds


type History = Callable[[str], None]
"""Takes one line for each thing that happens."""
