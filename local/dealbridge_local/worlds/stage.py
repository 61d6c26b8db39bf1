"""Where people act: what they need of the world around them, be it in this process or deployed."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Protocol

import httpx


class Stage(Protocol):
    """A `World`, or a platform that is deployed (`deployed.Theatre`)."""

    @property
    def name(self) -> str:
        """Tells what its people make from what others have made in the same systems."""
        ...

    @property
    def crms(self) -> tuple[str, ...]:
        """The CRMs in which people sell."""
        ...

    def origin(self, connection: str) -> str:
        """Where a vendor answers."""
        ...

    def credentials(self, connection: str) -> Mapping[str, str]:
        """What a user of the vendor signs in with, and `webhook_secret` where automation there signs what it sends."""
        ...

    def transport(self, connection: str) -> httpx.BaseTransport | None:
        """What a vendor is reached through; None: the network."""
        ...

    def now(self) -> datetime: ...

    def after(self, seconds: float, act: Callable[[], None]) -> object:
        """Let something happen so many of the world's seconds from now."""
        ...

    def tell(self, what: str) -> None:
        """A line of the world's history."""
        ...

    def post(self, connection: str, headers: Mapping[str, str], body: bytes, reply: Callable[[int], None]) -> None:
        """A request at the entrance for a connection's events; `reply` hears the status."""
        ...

    def emit(self, connection: str, event: Mapping[str, Any]) -> None:
        """A vendor's event, as `POST /__sim/events` takes it."""
        ...

    def abort(self, execution: str) -> None:
        """Stop an execution, unless it has ended."""
        ...


class Operated(Protocol):
    """What operators look after."""

    @property
    def dead_letter_queues(self) -> tuple[str, ...]:
        """Their URLs."""
        ...

    def settle(self) -> None:
        """Let all that is under way come to its end. Raises StalledError where it does not."""
        ...

    def poll(self) -> None: ...

    def concerns(self, deal: str) -> bool:
        """Whether a deal is this world's."""
        ...
