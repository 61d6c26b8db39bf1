"""How each connection stands with its vendor's limits: slots, the window's requests, a pause, the circuit breaker."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from dealbridge.domain.connection import Connection, Limits
from dealbridge.ledger.etiquette import Standing
from dealbridge.ledger.ledger import ledger
from dealbridge.ledger.windows import Window
from dealbridge.steps import now
from dealbridge.wiring import wiring


@dataclass(frozen=True)
class Use:
    """What is used of what is allowed; bulk work may bring it up to `for_bulk`."""

    used: int
    limit: int
    for_bulk: int

    def __str__(self) -> str:
        return f"{self.used} of {self.limit}"


@dataclass(frozen=True)
class ConnectionStanding:
    """One connection, now. `slots` and `requests` are None where nothing is limited."""

    connection: str
    system: str
    slots: Use | None = None
    held_until: tuple[datetime, ...] = ()
    """When the slots that are held come free at the latest."""
    requests: Use | None = None
    window_seconds: int | None = None
    free_at: datetime | None = None
    """Where the window is spent: when a request is allowed again."""
    paused_until: datetime | None = None
    paused_by: str | None = None
    circuit: Literal["none", "closed", "open", "half-open"] = "none"
    """"half-open": the next call, or the one that is under way, decides."""
    open_until: datetime | None = None
    failures: int = 0
    """In a row."""
    last_failure: str | None = None

    def as_json(self) -> dict[str, Any]:
        told = {
            name: value.isoformat() if isinstance(value, datetime) else value for name, value in asdict(self).items()
        }
        return told | {"held_until": [until.isoformat() for until in self.held_until]}

    def as_row(self) -> dict[str, str]:
        circuit: str = self.circuit
        if self.open_until is not None:
            circuit += f" until {self.open_until:%H:%M:%S}: {self.last_failure}"
        elif self.failures:
            circuit += f", {self.failures} failure(s) in a row: {self.last_failure}"
        spent = f", free at {self.free_at:%Y-%m-%d %H:%M:%S}" if self.free_at else ""
        return {
            "connection": self.connection,
            "slots": str(self.slots or "-"),
            "requests": f"{self.requests} in {self.window_seconds} s{spent}" if self.requests else "-",
            "circuit": circuit,
            "paused": f"until {self.paused_until:%Y-%m-%d %H:%M:%S}: {self.paused_by}" if self.paused_until else "-",
        }


def standings() -> Iterator[ConnectionStanding]:
    """Every connection of the reference data, with one read each that has limits."""
    moment = round(now().timestamp() * 1000)
    for connection in wiring().reference().connections.values():
        if connection.limits is None:
            yield ConnectionStanding(connection.id, connection.system)
        else:
            yield _standing(connection, connection.limits, ledger().etiquette.of(connection.id), moment)


def _standing(connection: Connection, limits: Limits, standing: Standing, moment: int) -> ConnectionStanding:
    slots, requests, free_at = None, None, None
    held = standing.taken(moment)
    if limits.concurrent_requests:
        slots = Use(len(held), limits.concurrent_requests, limits.slots_for(bulk=True))
    if limits.requests_per_window and limits.window_seconds:
        empty = Window.at(limits.window_seconds, moment)
        stored = standing.window
        window = stored.rolled(moment) if stored and stored.slice_ms == empty.slice_ms else empty
        requests = Use(window.spent, limits.requests_per_window, limits.requests_for(bulk=True))
        if window.spent >= limits.requests_per_window:
            free_at = _moment(window.free_at(limits.requests_per_window))
    circuit: Literal["closed", "open", "half-open"] = "closed"
    if standing.open_until is not None:
        circuit = "open" if standing.open_until > moment else "half-open"
    paused = standing.paused_until > moment
    return ConnectionStanding(
        connection=connection.id,
        system=connection.system,
        slots=slots,
        held_until=tuple(_moment(until) for until in held.values()),
        requests=requests,
        window_seconds=limits.window_seconds,
        free_at=free_at,
        paused_until=_moment(standing.paused_until) if paused else None,
        paused_by=standing.paused_by if paused else None,
        circuit=circuit,
        open_until=_moment(standing.open_until) if standing.open_until and circuit == "open" else None,
        failures=standing.failures,
        last_failure=standing.reason or None,
    )


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
