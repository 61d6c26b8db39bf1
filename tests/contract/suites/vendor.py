"""What a vendor's harness says: all that a contract suite needs and no port tells.

A harness is `tests/contract/<system>/harness.py`: a subclass of one of the three classes here. A suite makes as many
as it needs, so each is a fresh tenant.
"""

import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property
from typing import Any, ClassVar, cast

import httpx
import pytest

import dealbridge.clock
from dealbridge import wiring
from dealbridge.domain.connection import Connection
from dealbridge.domain.engagement import EngagementStatus
from dealbridge.domain.keys import Kind
from dealbridge.domain.refs import ExternalRef
from dealbridge.mappings.folder import read_folder
from dealbridge.ports import Capabilities, Crm, InboundRequest, RecordTarget
from dealbridge.rules.reference import ReferenceData
from dealbridge.transport.client import Wire
from dealbridge_local.simulators.simulator import Simulator
from dealbridge_local.simulators.transport import SimulatorTransport
from tests.builders import REPOSITORY

PROMISES = {
    "inbound_events": "the vendor tells of changes, and what it tells is verified",
    "event_integrity": "an event whose body was changed on its way is refused",
    "event_age": "an event of another time is refused",
    "concurrency_token": "a record that somebody changed since it was read is a conflict",
    "repeated_create": "a creation that is simply repeated makes no second record",
    "session_renewal": "a session that ended is renewed, once",
}
"""What a vendor may not allow: the names in `Capabilities.skips`, also as `<promise>.<kind>`. All keep the rest."""

HOOK = "https://dealbridge.example/events/vendor"


@cache
def mappings() -> ReferenceData:
    """The repository's reference data, as it is published."""
    return read_folder(REPOSITORY / "mappings")


class Clock:
    """The time of simulator and connector alike; it stands still until it is moved."""

    def __init__(self, now: datetime = datetime(2026, 11, 23, 18, 0, tzinfo=UTC)) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **span: float) -> None:
        self.now += timedelta(**span)


@dataclass(frozen=True)
class Throttling:
    """One way in which the vendor asks for patience: its answer, and the wait that the connector makes of it."""

    fault: Mapping[str, Any]
    wait: float | None


@dataclass
class Line(httpx.BaseTransport):
    """The way to a simulator, and what went over it."""

    inner: httpx.BaseTransport
    sent: list[tuple[httpx.Request, int | None]] = field(default_factory=list)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.sent.append((request, None))
        response = self.inner.handle_request(request)
        self.sent[-1] = (request, response.status_code)
        return response

    def statuses(self) -> list[int | None]:
        return [status for _, status in self.sent]


class Vendor[Port](ABC):
    """One tenant of a vendor, the connector to it, and the vendor's own words for what every suite does."""

    system: ClassVar[str]
    """The connector's folder; also the id of its connection in mappings/."""
    throttlings: ClassVar[Sequence[Throttling]]
    refused_session: ClassVar[Mapping[str, Any]] = {"kind": "status", "status": 401}
    """What the vendor answers, every time, where a session is no longer good."""
    forbidden: ClassVar[Mapping[str, Any]]
    """What it answers where the user may not do it."""
    small_pages: ClassVar[Mapping[str, Any]] = {}
    """Switches of the simulator that make its pages short, where it has any."""
    journals: ClassVar[frozenset[str]] = frozenset()
    """Record types in which the vendor notes what happened, rather than what stands."""
    volatile: ClassVar[frozenset[str]] = frozenset()
    """Fields that tell how often a record was written, rather than what it says."""
    token_path: ClassVar[str] = "never"
    """Part of the path at which a session begins."""

    def __init__(self, clock: Clock, options: Mapping[str, Any] | None = None, **switches: Any) -> None:
        self.clock = clock
        self.simulator = self.simulate(**switches)
        self.line = Line(SimulatorTransport({self.simulator.base_url: self.simulator}))
        given = mappings().connection(self.system)
        self.connection: Connection = given.model_copy(
            update={
                "base_url": self.simulator.base_url,
                "options": {**given.options, **self.options, **(options or {})},
            }
        )

    @abstractmethod
    def simulate(self, **switches: Any) -> Simulator:
        """A fresh tenant on `self.clock`, with its base URL."""

    options: ClassVar[Mapping[str, Any]] = {}
    """Options of the connection beside those in mappings/."""

    @abstractmethod
    def secret(self) -> dict[str, str]: ...

    @abstractmethod
    def wrong_secret(self) -> dict[str, str]:
        """A secret that the vendor refuses."""

    @abstractmethod
    def read(self) -> None:
        """Any read through the port that the vendor answers."""

    @abstractmethod
    def write(self) -> None:
        """Any write through the port that the vendor accepts; a new one every time."""

    @property
    def capabilities(self) -> Capabilities:
        package = importlib.import_module(wiring.CONNECTORS[self.system])
        return cast("Capabilities", package.CAPABILITIES)

    @cached_property
    def port(self) -> Port:
        return self.connect()

    def connect(
        self, secret: Mapping[str, str] | None = None, transport: httpx.BaseTransport | None = None, **options: Any
    ) -> Port:
        package = importlib.import_module(wiring.CONNECTORS[self.system])
        connection = self.connection.model_copy(update={"options": {**self.connection.options, **options}})
        wire = Wire(transport=transport or self.line)
        return cast("Port", package.connect(connection, secret or self.secret(), wire))

    def calls(self, act: Callable[[], object]) -> int:
        """How many calls an act makes, sign-in included."""
        before = len(self.simulator.calls())
        act()
        return len(self.simulator.calls()) - before

    def counts(self) -> dict[str, int]:
        """How many records of each type the tenant holds."""
        held = self.simulator.records()
        return {kind: len(records) for kind, records in held.items() if records and kind not in self.journals}

    def contents(self) -> dict[str, list[Any]]:
        """Everything that the tenant holds. With a clock that stands still, equal means: nothing was done twice."""
        return {
            kind: [_without(record, self.volatile) for record in records]
            for kind, records in self.simulator.records().items()
            if records and kind not in self.journals
        }

    def skipped(self, promise: str, kind: Kind | None = None) -> str | None:
        """The name of what the vendor does not allow: `<promise>`, or `<promise>.<kind>` for one kind of record."""
        assert promise in PROMISES
        return next((name for name in (promise, f"{promise}.{kind}") if name in self.capabilities.skips), None)

    def require(self, promise: str, kind: Kind | None = None) -> None:
        """Skips by name what the vendor does not allow."""
        name = self.skipped(promise, kind)
        if name is not None:
            pytest.skip(f"{self.system}: {name}: {self.capabilities.skips[name]}")

    def events(self) -> list[InboundRequest]:
        """What the vendor has to tell since the last time, as our entrance receives it now (`inbound_events`)."""
        raise NotImplementedError(f"{self.system} tells nothing: CAPABILITIES.skips says so")


class TargetVendor(Vendor[RecordTarget]):
    """An ERP or a staffing system."""

    not_kept: ClassVar[Mapping[Kind, frozenset[str]]]
    """Our fields that the vendor has no place for: what a reading gives there is what was asked for."""
    refused_currency: ClassVar[Mapping[Kind, str]]
    """Kinds that carry a currency → the field that a finding about it names."""

    @abstractmethod
    def edit(self, kind: Kind, ref: ExternalRef) -> tuple[str, Any]:
        """Change one field of a record as people do in the vendor's own screens: our field, and its value as read."""


class CrmVendor(Vendor[Crm]):
    """A CRM."""

    paged: ClassVar[tuple[int, Mapping[str, Any]]]
    """So many deals are more than a page of changes, with these options."""
    refused_status_fields: ClassVar[tuple[Mapping[str, str], str]]
    """`status_fields` of which the vendor refuses a value, and the field that the finding names."""
    stamps: ClassVar[frozenset[str]]
    """The opportunity's fields that every write moves."""

    @abstractmethod
    def won_deal(self, lines: int = 1, milestones: int = 0, **fields: Any) -> str:
        """A won deal with an account, a contact and lines of 10.01 each; the first has the milestones, of 1.01 each."""

    @abstractmethod
    def won_deals(self, count: int) -> list[str]:
        """So many bare won deals."""

    @abstractmethod
    def change(self, opportunity: str) -> None:
        """Somebody works on a deal."""

    @abstractmethod
    def drop(self, opportunity: str) -> None:
        """Somebody deletes a deal."""

    @abstractmethod
    def held(self, opportunity: str) -> Mapping[str, Any]:
        """The opportunity's fields as the CRM holds them."""

    @abstractmethod
    def an_open_deal(self) -> str:
        """A deal that is not won."""

    def read(self) -> None:
        self.port.changed_deals(None, self.clock())

    @cached_property
    def _written_to(self) -> str:
        return self.an_open_deal()

    def write(self) -> None:
        message = f"After {len(self.simulator.calls())} calls."
        self.port.write_status(self._written_to, EngagementStatus(key="STAT", status="Active", message=message))


def _without(value: Any, names: frozenset[str]) -> Any:
    if isinstance(value, Mapping):
        return {name: _without(each, names) for name, each in value.items() if name not in names}
    return [_without(each, names) for each in value] if isinstance(value, list) else value


@contextmanager
def time_of(clock: Clock) -> Iterator[None]:
    """The connectors read the time from this clock."""
    dealbridge.clock.use(clock)
    try:
        yield
    finally:
        dealbridge.clock.use(None)
