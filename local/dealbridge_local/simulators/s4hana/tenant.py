"""What all applications of the tenant share: records, the clock, number ranges, locks, messages, business events."""

import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from dealbridge_local.simulators.s4hana import edm, errors
from dealbridge_local.simulators.s4hana.errors import Message
from dealbridge_local.simulators.s4hana.model import Service
from dealbridge_local.simulators.s4hana.tables import Tables
from dealbridge_local.simulators.store import Store

COMMUNICATION_USER = "CC0000000001"
"""The technical user that changes carry: not the communication user's name, but the user behind it."""

_NAMESPACE = uuid.UUID("194780e0-b5db-1ede-b58a-4550178dff9e")

# First numbers of the internal ranges (A2.1: 1000140; the others as in SAP's samples).
_FIRST_NUMBERS = {
    "business_partner": 1000140,
    "address": 30001,
    "relationship": 1,
    "sales_order": 1,
    "billing_plan": 1,
    "billing_document": 90000000,
    "accounting_document": 9400000000,
    "clearing_document": 1400000000,
    "project": 1,
    "wbs_element": 1,
    "time_sheet": 1,
}


@dataclass(frozen=True)
class BusinessEvent:
    """A released business event: its type without version suffix, and the key it carries (A4: key only)."""

    type: str
    key: tuple[tuple[str, str], ...]


@dataclass
class Lock:
    """An object that another user edits. `calls` None means: until it is taken away."""

    user: str
    calls: int | None


@dataclass
class Tenant:
    """State beside the records. Number ranges do not roll back: a failed call leaves a gap, as SAP does."""

    tables: Tables
    clock: Callable[[], datetime]
    numbers: dict[str, int] = field(default_factory=lambda: dict(_FIRST_NUMBERS))
    locks: dict[tuple[str, str], Lock] = field(default_factory=dict)
    events: list[BusinessEvent] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    _at_commit: dict[tuple[str, str], Callable[[], None]] | None = None
    _last: datetime = edm.EPOCH
    _uuids: int = 0

    @classmethod
    def open(cls, store: Store, clock: Callable[[], datetime], services: Iterable[Service]) -> "Tenant":
        return cls(Tables(store, services), clock)

    def number(self, name: str) -> str:
        """The next number of a range."""
        value = self.numbers[name]
        self.numbers[name] = value + 1
        return str(value)

    def uuid(self) -> str:
        self._uuids += 1
        return str(uuid.uuid5(_NAMESPACE, str(self._uuids)))

    def now(self) -> datetime:
        """The time of a change, never twice the same: entity tags and deltas go by it."""
        self._last = max(self.clock(), self._last + timedelta(microseconds=1))
        return self._last

    def today(self) -> datetime:
        return edm.start_of_day(self.clock())

    @contextmanager
    def change_set(self) -> Iterator[None]:
        """One change set: what `finally_once` is given runs at its end; until then the entity tags stay."""
        self._at_commit = {}
        try:
            yield
            for act in self._at_commit.values():
                act()
        finally:
            self._at_commit = None

    def finally_once(self, kind: str, key: str, act: Callable[[], None]) -> None:
        """Run at the end of the change set, once per object; at once where there is no change set."""
        if self._at_commit is None:
            act()
        else:
            self._at_commit[kind, key] = act

    def emit(self, event_type: str, **key: str) -> None:
        """Note an event for when the call has committed; one call raises the same event once."""
        event = BusinessEvent(event_type, tuple(key.items()))
        if event not in self.events:
            self.events.append(event)

    def warn(self, code: str, text: str, target: str = "") -> None:
        """A message for the `sap-message` header of a successful answer."""
        self.messages.append(Message(code, text, target, severity="warning"))

    def check_lock(self, kind: str, name: str, key: str) -> None:
        """Raises SapError 400 where another user holds the object."""
        lock = self.locks.get((kind, key))
        if lock is None:
            return
        if lock.calls is not None:
            lock.calls -= 1
            if lock.calls <= 0:
                del self.locks[kind, key]
        raise errors.locked(f"{name} {key}", lock.user)

    def changed(self) -> dict[str, Any]:
        """The administrative fields of a changed SADL entity."""
        return {"LastChangeDateTime": self.now(), "LastChangedByUser": COMMUNICATION_USER}
