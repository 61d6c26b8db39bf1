"""The gate of a connection: its budget and its circuit breaker, shared by all function instances.

An invocation takes one slot of a connection at its first call and gives it back at its end: its calls are made one
after the other, sign-in included, so one slot is what it needs. A process that is killed leaves a lease that ends with
its invocation. What it has been told of the connection is good for a second.

DynamoDB calls of an invocation per connection (docs/decisions/0006-vendor-etiquette.md): with a limit of concurrent
requests two writes, without one a read; one write more for each block of a window's requests; and one read for each
second that it goes on calling.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol
from uuid import uuid4

from dealbridge import clock
from dealbridge.domain.connection import Limits
from dealbridge.errors import ConfigurationError, DealbridgeError, ThrottledError, TransientError
from dealbridge.ledger.etiquette import Block, Etiquette, Lease, Standing
from dealbridge.ledger.table import ConditionError
from dealbridge.transport.redaction import redacted

PAUSED, CIRCUIT_OPEN, NO_SLOT, SPENT = "paused", "circuit_open", "no_slot", "allowance_spent"
"""Codes of the ThrottledErrors that are ours, not the vendor's."""

_GOOD_MS = 1000
_FURTHER_MS = 60_000
_TRIES = 6
_LONGEST_TURN_MS = 300_000
_LONGEST_OPEN_SECONDS = 300
_LARGEST_BLOCK = 8
_REQUESTS_OF_A_STEP = 5
"""About as many as a step makes of a vendor that counts requests: a reading of HubSpot's."""


class Invocation(Protocol):
    """What runs: `steps.Telling`."""

    until: datetime
    """When it is over, whatever happens."""
    bulk: bool
    """Work that can wait: it leaves the reserve alone."""
    at_end: list[Callable[[], None]]


@dataclass
class _Stay:
    """An invocation's time at the connection."""

    invocation: Invocation
    began: int
    until: int
    looked: int
    standing: Standing
    lease: Lease | None
    probe_until: int | None
    answered: bool = False
    """The vendor answered the last call."""
    silent: bool = False
    """A call was sent and not answered: the vendor may be at work on it still."""
    refusal: DealbridgeError | None = None
    """What the gate itself has raised while a call was being made."""


class SharedGate:
    """Admits one environment's calls to a connection: `client.Gate`.

    Raises ThrottledError with the time to come again where no slot is free, the allowance is spent, the vendor has
    asked for a pause, or the circuit is open. A circuit that is open is a wait, and not a TransientError: the machine
    retries those within seconds and would have used up all attempts before the circuit lets a probe through.
    """

    def __init__(
        self,
        connection: str,
        limits: Limits,
        etiquette: Callable[[], Etiquette],
        invocation: Callable[[], Invocation],
        note: Callable[[str], None] = lambda event: None,
    ) -> None:
        self._connection = connection
        self._limits = limits
        self._etiquette = etiquette
        self._invocation = invocation
        self._note = note
        self._stay: _Stay | None = None
        self._blocks: dict[bool, Block] = {}
        self._last_slot: int | None = None

    @contextmanager
    def admit(self) -> Iterator[None]:
        """One call, from before it is sent until its answer is judged."""
        stay = self._enter()
        stay.refusal, stay.answered = None, False
        try:
            yield
        except ConfigurationError:
            raise
        except TransientError as error:
            if error is not stay.refusal:
                self._failed(stay, error)
            raise
        except ThrottledError as error:
            if error is not stay.refusal:
                self._answered(stay)
                self._pause(error)
            raise
        except DealbridgeError:
            self._answered(stay)
            raise
        else:
            self._answered(stay)

    def spend(self) -> None:
        """Count one request of the admitted call, sign-in and renewals included."""
        stay = self._stay
        if stay is None or self._limits.requests_per_window is None:
            return
        now, bulk = _now(), stay.invocation.bulk
        block = self._blocks.get(bulk)
        if block is None or block.count <= 0 or block.until <= now:
            try:
                block = self._reserve(stay, now)
            except DealbridgeError as error:
                stay.refusal = error
                raise
        self._blocks[bulk] = Block(block.count - 1, block.until)

    # Coming and going

    def _enter(self) -> _Stay:
        invocation, now, stay = self._invocation(), _now(), self._stay
        if stay is None or stay.invocation is not invocation or stay.until <= now:
            with _of_ours(self._connection):
                stay = self._stay = self._begin(invocation, now)
            invocation.at_end.append(lambda: self._leave(stay))
        elif now - stay.looked >= _GOOD_MS:
            with _of_ours(self._connection):
                stay.standing, stay.looked = self._etiquette().of(self._connection), now
            self._refuse_where_closed(stay.standing, now, stay.probe_until)
        return stay

    def _begin(self, invocation: Invocation, now: int) -> _Stay:
        slots, until = self._limits.slots_for(bulk=invocation.bulk), _ms(invocation.until)
        if until <= now:
            until = now + _FURTHER_MS  # an operator's command, which no Lambda ends
        # A slot is taken on the chance that all is well; where it is not, a look tells why.
        standing = None if slots else self._etiquette().of(self._connection)
        for _ in range(_TRIES):
            probe_until, lease = None, None
            if standing is not None:
                self._refuse_where_closed(standing, now, None)
                probe_until = until if standing.open_until is not None else None
            if slots:
                lease = Lease(self._choose(standing, slots, invocation.bulk, now), until, uuid4().hex[:8])
            if lease or probe_until:
                try:
                    standing = self._etiquette().take(self._connection, now, lease, probe_until)
                except ConditionError:
                    standing = self._etiquette().of(self._connection)
                    # botocore may have sent the write twice.
                    if lease is None or standing.slots.get(lease.slot) != lease.text:
                        continue
            assert standing is not None
            self._last_slot = lease.slot if lease else None
            return _Stay(invocation, now, until, now, standing, lease, probe_until)
        raise self._no_slot(standing or Standing(), slots, invocation.bulk, now)

    def _leave(self, stay: _Stay) -> None:
        """What is not given back here is over when the invocation would have been."""
        if self._stay is stay:
            self._stay = None
        well = stay.answered and stay.standing.failures > 0
        # The vendor counts a request that it has not answered yet; so do we, until the lease is over.
        lease = None if stay.silent else stay.lease
        if well or lease:
            # One measure in four counts, so that one slow call does not send everyone away for long.
            held = (3 * stay.standing.held_ms + (_now() - stay.began)) // 4
            with suppress(TransientError):
                self._etiquette().leave(self._connection, lease, held, well=well)

    def _choose(self, standing: Standing | None, slots: int, bulk: bool, now: int) -> int:
        if standing is None:
            last = self._last_slot
            return last if last is not None and last <= slots else 1 + int(_chance() * slots)
        taken = standing.taken(now)
        free = [slot for slot in range(1, slots + 1) if slot not in taken]
        if not free:
            raise self._no_slot(standing, slots, bulk, now)
        return free[int(_chance() * len(free))]

    # Refusals

    def _no_slot(self, standing: Standing, slots: int, bulk: bool, now: int) -> ThrottledError:
        # Turns are as far apart as slots come free, so that few come too early and no slot stands empty.
        apart = max(50, standing.held_ms // slots)
        turn = self._etiquette().next_turn(self._connection, standing, apart, now, bulk=bulk)
        wait = max(0.2, min(turn - now, _LONGEST_TURN_MS) / 1000)
        return self._throttled(NO_SLOT, f"all {slots} concurrent requests are taken", wait)

    def _refuse_where_closed(self, standing: Standing, now: int, probe_until: int | None) -> None:
        if standing.paused_until > now:
            wait = (standing.paused_until - now) / 1000 + _chance()
            raise self._throttled(
                PAUSED, f"paused until {_clock(standing.paused_until)} as asked: {standing.paused_by}", wait
            )
        if standing.open_until is None or (probe_until is not None and standing.probe_until == probe_until):
            return
        if standing.open_until > now:
            wait = (standing.open_until - now) / 1000 + 2 * _chance()
            told = f"circuit open until {_clock(standing.open_until)} after {standing.failures} failures"
            raise self._throttled(CIRCUIT_OPEN, f"{told}, the last: {standing.reason}", wait)
        if standing.probe_until > now:
            raise self._throttled(CIRCUIT_OPEN, "circuit half-open, one call is trying", 2 + 4 * _chance())

    def _throttled(self, code: str, said: str, wait: float) -> ThrottledError:
        return ThrottledError(
            f"{self._connection}: {said}", connection=self._connection, code=code, retry_after=round(wait, 3)
        )

    def _reserve(self, stay: _Stay, now: int) -> Block:
        """A small block, so that not every request costs a write; near the end of the allowance one by one."""
        window_seconds, allowed = self._limits.window_seconds or 0, self._limits.requests_for(bulk=stay.invocation.bulk)
        wanted = max(1, min(_LARGEST_BLOCK, allowed // 50))
        with _of_ours(self._connection):
            block = self._etiquette().spend(self._connection, window_seconds, allowed, wanted, now, stay.standing)
        if block.count == 0:
            kept = " but for the reserve" if stay.invocation.bulk else ""
            said = f"the allowance of {self._limits.requests_per_window} requests in {window_seconds} s is spent{kept}"
            # Who finds nothing left comes again one after the other, as fast as requests become free.
            apart = round(window_seconds * 1000 * _REQUESTS_OF_A_STEP / allowed)
            turn = self._etiquette().next_turn(
                self._connection, stay.standing, apart, max(now, block.until), bulk=stay.invocation.bulk
            )
            wait = max(0, block.until - now) / 1000 + _chance()
            wait = max(wait, min(turn - now, _LONGEST_TURN_MS) / 1000)
            raise self._throttled(SPENT, said, wait)
        return block

    # Outcomes: what goes wrong in noting one never hides it

    def _answered(self, stay: _Stay) -> None:
        stay.answered = True
        if stay.probe_until is not None:
            with suppress(TransientError):
                self._etiquette().close(self._connection, stay.probe_until)
                self._note("CircuitsClosed")
            stay.probe_until = None

    def _failed(self, stay: _Stay, error: TransientError) -> None:
        stay.silent = stay.silent or (error.status is None and error.outcome_unknown)
        if error.status is not None and error.status < 500 and error.status != 408:
            self._answered(stay)  # a lock, for instance: the vendor is well
            return
        with suppress(TransientError):
            standing = self._etiquette().fail(self._connection, redacted(error.message))
            if stay.probe_until is not None or standing.failures >= self._limits.failures_to_open:
                now = _now()
                seconds = min(self._limits.open_seconds * 2**standing.openings, _LONGEST_OPEN_SECONDS)
                if self._etiquette().open(self._connection, now + seconds * 1000, now, standing.openings + 1):
                    self._note("CircuitsOpened")
                stay.probe_until = None

    def _pause(self, error: ThrottledError) -> None:
        if error.retry_after:
            until = _now() + round(error.retry_after * 1000)
            with suppress(TransientError):
                if self._etiquette().pause(self._connection, until, redacted(error.message)):
                    self._note("ConnectionsPaused")


@contextmanager
def _of_ours(connection: str) -> Iterator[None]:
    """The ledger's failure before a call: nothing was sent, so there is nothing whose outcome is unknown."""
    try:
        yield
    except TransientError as error:
        raise TransientError(error.message, connection=connection) from error


def _now() -> int:
    return _ms(clock.now())


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def _clock(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="seconds")


def _chance() -> float:
    """From 0 to 1, so that instances do not move in step."""
    return int.from_bytes(os.urandom(4)) / 2**32
