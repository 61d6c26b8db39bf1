"""Per connection, what all function instances share: slots, what is spent, a pause the vendor asked for, the circuit.

One item per connection, well under a kilobyte, so that a step takes its slot, learns the rest and is refused in one
conditional write. Times are epoch milliseconds. The rules of use are in `transport/gate.py`.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from dealbridge.ledger.table import Change, ConditionError, Item, Table
from dealbridge.ledger.windows import Window

_SLOT = "slot_"
_TRIES = 10
_LONGEST_REASON = 160


@dataclass(frozen=True)
class Lease:
    """One slot until a moment at the latest; `holder` tells two leases that end together apart."""

    slot: int
    until: int
    holder: str

    @property
    def text(self) -> str:
        """Orders as `until` does."""
        return f"{self.until:013d}-{self.holder}"


@dataclass(frozen=True)
class Block:
    """Requests that may be sent before `until`; none: more are free at `until`."""

    count: int
    until: int


@dataclass(frozen=True)
class Standing:
    """How a connection stands."""

    slots: Mapping[int, str] = field(default_factory=dict)
    """Slot → `Lease.text` of whoever took it last; it may be over."""
    window: Window | None = None
    paused_until: int = 0
    paused_by: str = ""
    failures: int = 0
    """In a row."""
    open_until: int | None = None
    """Set: the circuit is not closed; past: it waits for a probe."""
    probe_until: int = 0
    openings: int = 0
    """How often in a row it opened."""
    reason: str = ""
    turn: int = 0
    """The last turn that was given to somebody who found no slot, or the allowance spent."""
    bulk_turn: int = 0
    """The same, of work that can wait."""
    held_ms: int = 1000
    """How long a slot is held, about."""

    def taken(self, now: int) -> dict[int, int]:
        """Slot → until when it is held."""
        held = {slot: int(text.split("-")[0]) for slot, text in self.slots.items()}
        return {slot: until for slot, until in sorted(held.items()) if until >= now}


class Etiquette:
    """The items of all connections, in the ledger's table."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def of(self, connection: str) -> Standing:
        return _standing(self._table.get(*_key(connection)))

    def take(self, connection: str, now: int, lease: Lease | None = None, probe_until: int | None = None) -> Standing:
        """Take a slot, or the one probe of a circuit whose time has come, or both.

        Raises ConditionError where the slot is held, the connection paused, or the circuit not as expected.
        """
        change = Change(*_key(connection))
        conditions, values = ["(attribute_not_exists(#paused_until) OR #paused_until <= :now)"], {"now": now}
        more: dict[str, Any] = {}
        if lease is not None:
            name = f"{_SLOT}{lease.slot}"
            change.set(**{name: lease.text})
            conditions.append(f"(attribute_not_exists(#{name}) OR #{name} < :over)")
            more["over"] = f"{now:013d}"
        if probe_until is None:
            conditions.append("attribute_not_exists(#open_until)")
        else:
            change.set(probe_until=probe_until)
            conditions.append("#open_until <= :now AND (attribute_not_exists(#probe_until) OR #probe_until <= :now)")
        return _standing(self._table.update_and_read(change.where(" AND ".join(conditions), **values, **more)))

    def leave(self, connection: str, lease: Lease | None, held_ms: int, *, well: bool) -> None:
        """Give a slot back; `well` ends a row of failures. A lease that somebody else has by now is left to them."""
        change = Change(*_key(connection))
        if well:
            change.remove("failures")
        if lease is not None:
            name = f"{_SLOT}{lease.slot}"
            change.set(held_ms=held_ms).remove(name).where(f"#{name} = :mine", mine=lease.text)
        with suppress(ConditionError):
            self._table.update(change)

    def next_turn(self, connection: str, standing: Standing, apart_ms: int, now: int, *, bulk: bool) -> int:
        """A moment for who found no room to come again: turns are `apart_ms` apart, whoever asks.

        Work that can wait stands in a line of its own: nobody else waits behind it.
        """
        line, last = ("bulk_turn", standing.bulk_turn) if bulk else ("turn", standing.turn)
        if last < now:
            first = Change(*_key(connection)).set(**{line: now + apart_ms})
            try:
                self._table.update(first.where(f"attribute_not_exists(#{line}) OR #{line} < :now", now=now))
                return now + apart_ms
            except ConditionError:
                pass
        return int(self._table.update_and_read(Change(*_key(connection)).add_to(**{line: apart_ms}))[line])

    def spend(
        self, connection: str, window_seconds: int, allowed: int, wanted: int, now: int, known: Standing
    ) -> Block:
        """Some of a window's requests: as many as wanted, or as are left."""
        for _ in range(_TRIES):
            stored, fresh = known.window, Window.at(window_seconds, now)
            # A window of another length was configured meanwhile: it begins anew.
            window = stored.rolled(now) if stored and stored.slice_ms == fresh.slice_ms else fresh
            count = min(wanted, allowed - window.spent)
            if count <= 0:
                return Block(0, window.free_at(allowed))
            try:
                self._table.update(_spending(connection, stored, window, count, allowed))
                return Block(count, (window.running + 1) * window.slice_ms)
            except ConditionError:
                known = self.of(connection)
        return Block(0, now + 1000)

    def fail(self, connection: str, reason: str) -> Standing:
        """Note one more failure in a row."""
        change = Change(*_key(connection)).add_to(failures=1).set(reason=reason[:_LONGEST_REASON])
        return _standing(self._table.update_and_read(change))

    def open(self, connection: str, until: int, now: int, openings: int) -> bool:
        """Open the circuit; False where somebody else has."""
        change = Change(*_key(connection)).set(open_until=until, openings=openings).remove("probe_until")
        try:
            self._table.update(change.where("attribute_not_exists(#open_until) OR #open_until <= :now", now=now))
        except ConditionError:
            return False
        return True

    def close(self, connection: str, probe_until: int) -> None:
        """Close the circuit after this probe; nothing where the probe is somebody else's by now."""
        change = Change(*_key(connection)).remove("open_until", "probe_until", "failures", "openings", "reason")
        with suppress(ConditionError):
            self._table.update(change.where("#probe_until = :mine", mine=probe_until))

    def pause(self, connection: str, until: int, reason: str) -> bool:
        """Let nobody call until then; False where somebody else has asked for as much."""
        change = Change(*_key(connection)).set(paused_until=until, paused_by=reason[:_LONGEST_REASON])
        try:
            self._table.update(
                change.where("attribute_not_exists(#paused_until) OR #paused_until < :until", until=until)
            )
        except ConditionError:
            return False
        return True


def _key(connection: str) -> tuple[str, str]:
    return f"ETIQUETTE#{connection}", "ETIQUETTE"


def _spending(connection: str, stored: Window | None, window: Window, count: int, allowed: int) -> Change:
    change = Change(*_key(connection))
    if stored and (stored.slice_ms, stored.running) == (window.slice_ms, window.running):
        return change.add_to(current=count, spent=count).where(
            "#slice_ms = :ms AND #running = :running AND #spent <= :room",
            ms=window.slice_ms,
            running=window.running,
            room=allowed - count,
        )
    change.set(
        slice_ms=window.slice_ms,
        running=window.running,
        current=count,
        earlier=[list(each) for each in window.earlier],
        spent=window.spent + count,
    )
    if stored is None:
        return change.where("attribute_not_exists(#running)")
    return change.where("#running = :seen AND #spent = :before", seen=stored.running, before=stored.spent)


def _standing(item: Item | None) -> Standing:
    if item is None:
        return Standing()
    window = None
    if "running" in item:
        earlier = tuple((int(number), int(count)) for number, count in item["earlier"])
        window = Window(item["slice_ms"], item["running"], item["current"], earlier)
    plain = ("paused_until", "paused_by", "failures", "open_until", "probe_until", "openings", "reason")
    return Standing(
        slots={int(name.removeprefix(_SLOT)): text for name, text in item.items() if name.startswith(_SLOT)},
        window=window,
        **{name: item[name] for name in (*plain, "turn", "bulk_turn", "held_ms") if name in item},
    )
