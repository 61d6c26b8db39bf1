"""The head of a deal: who holds it, what is pending, how it stands.

One run holds a deal at a time. A hint for a held deal is kept in `pending`; the run that ends hands the deal over to a
next run with those hints, in the same write that ends it, so that no hint can fall between.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from dealbridge.domain.findings import Finding
from dealbridge.domain.hints import DealHint, HintSource, has_read
from dealbridge.domain.keys import DealKey
from dealbridge.errors import LeaseLostError, TransientError
from dealbridge.ledger import audit
from dealbridge.ledger.table import Change, ConditionError, Item, Table


class DealState(StrEnum):
    """How a deal stands."""

    RUNNING = "running"
    ACTIVE = "active"
    """Everything that the deal wants stands outside."""
    OPEN = "open"
    """Not won, or nothing to do for it yet."""
    PARKED = "parked"
    """Waits for a person: see its exception."""


@dataclass(frozen=True)
class RunTicket:
    """A run that holds a deal. `name` is the execution's name, `number` counts the deal's runs."""

    deal: DealKey
    number: int
    name: str
    correlation_id: str
    hints: tuple[Mapping[str, Any], ...]

    @property
    def sk(self) -> str:
        return run_sk(self.number)

    @property
    def bulk(self) -> bool:
        """It can wait: nothing but polls asked for it, which find hundreds of deals at a time."""
        return bool(self.hints) and all(hint["source"] == HintSource.POLL for hint in self.hints)


@dataclass(frozen=True)
class Held:
    """Another run holds the deal; the hint waits with it. `began` says whether this very hint had begun that run."""

    ticket: RunTicket
    since: datetime
    began: bool


@dataclass(frozen=True)
class Outcome:
    """How a run ends. `cause` and `findings` for a parked one; `head` what to note in the head besides."""

    state: DealState
    what: str
    cause: str | None = None
    step: str | None = None
    message: str | None = None
    findings: tuple[Finding, ...] = ()
    head: Mapping[str, Any] | None = None
    detail: Mapping[str, Any] | None = None
    again: bool = False
    """Begin a next run at once, hints or not."""


@dataclass(frozen=True)
class Ended:
    """How a run has ended, as recorded: by this attempt of ending it or by an earlier one."""

    state: DealState
    following: RunTicket | None
    """The run that holds the deal from here on."""


class Deals:
    """Heads of deals in the ledger."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def head(self, deal: DealKey) -> Item | None:
        return self._table.get(deal_pk(deal), "HEAD")

    def heads(self, deals: Iterable[DealKey]) -> dict[DealKey, Item]:
        """The heads of those that the ledger knows, in a call for each hundred."""
        found = self._table.get_many((deal_pk(deal), "HEAD") for deal in deals)
        return {DealKey.parse(head["deal"]): head for head in found.values()}

    def listed(self, state: DealState, limit: int | None = None) -> Iterator[Item]:
        """Heads in this state, the last changed first; eventually consistent."""
        return self._table.by_state(f"DEALS#{state}", limit=limit)

    def claim(self, hint: DealHint, now: datetime) -> RunTicket | Held | None:
        """Hold the deal for a new run, or leave the hint with the run that holds it.

        None where the last run has read the very revision that the hint speaks of: it is noted with that run.
        """
        for _ in range(_TRIES):
            head = self.head(hint.deal) or {}
            if "lease_run" not in head and hint.revision is not None and has_read(head.get("revision"), hint.revision):
                last = Change(deal_pk(hint.deal), run_sk(int(head["run_number"])))
                self._table.update(last.append(hints=[_noted(hint)]))
                return None
            if "lease_run" in head:
                held = self._leave(head, hint, now)
                if held is not None:
                    return held
            else:
                ticket = self._next(hint.deal, head, [_noted(hint)], hint.correlation_id)
                if self._begin(head, ticket, now, "run_started", condition="attribute_not_exists(#lease_run)"):
                    return ticket
        raise TransientError(f"ledger: {hint.deal} is claimed by too many at once")

    def take_over(self, held: Held, now: datetime) -> RunTicket | None:
        """A new run in place of one whose execution is no longer running; None where somebody was faster."""
        deal = held.ticket.deal
        head = self.head(deal) or {}
        if head.get("lease_run") != held.ticket.name:
            return None
        ticket = self._next(deal, head, head.get("pending", []), held.ticket.correlation_id)
        # Exactly the hints that were read: one that comes in between must not be dropped with them.
        taken = self._begin(
            head,
            ticket,
            now,
            "run_taken_over",
            condition="#lease_run = :dead AND " + _PENDING_AS_READ,
            dead=held.ticket.name,
            count=len(head.get("pending", [])),
        )
        return ticket if taken else None

    def holds(self, deal: DealKey, run: str) -> bool:
        head = self.head(deal)
        return head is not None and head.get("lease_run") == run

    def owe(self, deal: DealKey, run: str) -> None:
        """Note, before anything is written outside, that the world is owed word of it.

        The run that ends well pays, be it this one or another after it. Raises LeaseLostError.
        """
        try:
            self._table.update(Change(deal_pk(deal), "HEAD").set(untold=True).where("#lease_run = :run", run=run))
        except ConditionError:
            raise LeaseLostError(f"{deal}: run {run} no longer holds the deal") from None

    def finish(self, deal: DealKey, run: str, outcome: Outcome, now: datetime) -> Ended:
        """End a run. The next run, where hints came in meanwhile or `again` says so, holds the deal from here on.

        Done twice it is done once. Raises LeaseLostError where another run holds the deal.
        """
        for _ in range(_TRIES):
            head = self.head(deal) or {}
            ended = self._already_ended(deal, head, run)
            if ended is not None:
                return ended
            if head.get("lease_run") != run:
                raise LeaseLostError(f"{deal}: run {run} no longer holds the deal")
            pending = head.get("pending", [])
            following = None
            if pending or outcome.again:
                following = self._next(deal, head, pending, str(head.get("correlation_id", run)))
            if self._end(deal, head, run, outcome, following, now):
                return Ended(outcome.state, following)
        raise TransientError(f"ledger: {deal}: too many hints at once to end run {run}")

    # Inner steps

    def _leave(self, head: Item, hint: DealHint, now: datetime) -> Held | None:
        run = str(head["lease_run"])
        ticket = self._ticket(hint.deal, head)
        began, waits = (
            any(noted["event_id"] == hint.event_id for noted in head.get(where, []))
            for where in ("lease_hints", "pending")
        )
        if not (began or waits):
            change = (
                Change(deal_pk(hint.deal), "HEAD").append(pending=[_noted(hint)]).where("#lease_run = :run", run=run)
            )
            try:
                self._table.update(change)
            except ConditionError:
                return None
        return Held(ticket, datetime.fromisoformat(head["lease_at"]), began)

    def _begin(self, head: Item, ticket: RunTicket, now: datetime, what: str, *, condition: str, **values: Any) -> bool:
        moment = now.isoformat()
        detail = {"run": ticket.name, "hints": [hint["event_id"] for hint in ticket.hints]}
        noted = audit.entry(str(ticket.deal), head, what, moment, detail)
        change = (
            Change(deal_pk(ticket.deal), "HEAD")
            .set(
                deal=str(ticket.deal),
                state=DealState.RUNNING.value,
                lease_run=ticket.name,
                lease_at=moment,
                lease_hints=[dict(hint) for hint in ticket.hints],
                run_number=ticket.number,
                correlation_id=ticket.correlation_id,
                updated_at=moment,
                gsi_pk=f"DEALS#{DealState.RUNNING}",
                gsi_sk=moment,
                audit_number=noted["number"],
                audit_hash=noted["hash"],
                **({} if "noticed_at" in head else {"noticed_at": moment}),
            )
            .remove("pending")
            .where(f"({condition}) AND {_SAME_AUDIT}", **values, audit=head.get("audit_number", 0))
        )
        try:
            self._table.together([change], [noted, _run_item(ticket, moment)])
        except ConditionError:
            return False
        return True

    def _end(
        self, deal: DealKey, head: Item, run: str, outcome: Outcome, following: RunTicket | None, now: datetime
    ) -> bool:
        moment, pk = now.isoformat(), deal_pk(deal)
        noted = audit.entry(str(deal), head, outcome.what, moment, {"run": run, **(outcome.detail or {})})
        state = DealState.RUNNING if following else outcome.state
        change = Change(pk, "HEAD").set(
            state=state.value,
            outcome=outcome.state.value,
            updated_at=moment,
            gsi_pk=f"DEALS#{state}",
            gsi_sk=moment,
            audit_number=noted["number"],
            audit_hash=noted["hash"],
            **(outcome.head or {}),
        )
        puts: list[Item] = [noted]
        run_change = (
            Change(pk, run_sk(int(head["run_number"])))
            .set(ended_at=moment, outcome=outcome.state.value, what=outcome.what)
            .where("attribute_not_exists(#ended_at)")
        )
        if outcome.cause:
            change.set(cause=outcome.cause)
            run_change.set(cause=outcome.cause)
        else:
            change.remove("cause")
        changes = [change, run_change]
        self._exceptions(deal, head, run, outcome, moment, changes, puts)
        if following:
            change.set(
                lease_run=following.name,
                lease_at=moment,
                lease_hints=[dict(hint) for hint in following.hints],
                run_number=following.number,
            ).remove("pending")
            run_change.set(following=following.number)
            puts.append(_run_item(following, moment))
        else:
            change.remove("lease_run", "lease_at", "lease_hints")
        change.where(
            f"#lease_run = :run AND {_PENDING_AS_READ} AND {_SAME_AUDIT}",
            run=run,
            count=len(head.get("pending", [])),
            audit=head.get("audit_number", 0),
        )
        try:
            self._table.together(changes, puts)
        except ConditionError:
            return False
        return True

    def _exceptions(
        self,
        deal: DealKey,
        head: Item,
        run: str,
        outcome: Outcome,
        moment: str,
        changes: list[Change],
        puts: list[Item],
    ) -> None:
        """A parked run opens an exception; any run that ends closes the one that stood open before."""
        if "exception" in head:
            changes.append(
                Change(deal_pk(deal), str(head["exception"]))
                .set(state="closed", closed_at=moment, closed_by=run, gsi_pk="EXCEPTIONS#closed", gsi_sk=moment)
                .where("attribute_exists(pk)")
            )
        if outcome.state is not DealState.PARKED:
            changes[0].remove("exception")
            return
        sk = f"EXCEPTION#{run_sk(int(head['run_number'])).removeprefix('RUN#')}"
        changes[0].set(exception=sk)
        puts.append(
            {
                "pk": deal_pk(deal),
                "sk": sk,
                "deal": str(deal),
                "run": run,
                "state": "open",
                "cause": outcome.cause,
                "step": outcome.step,
                "message": outcome.message,
                "findings": [finding.content() for finding in outcome.findings],
                "opened_at": moment,
                "gsi_pk": "EXCEPTIONS#open",
                "gsi_sk": f"{outcome.cause}#{moment}",
            }
        )

    def _already_ended(self, deal: DealKey, head: Item, run: str) -> Ended | None:
        """What an earlier attempt of ending this run decided."""
        number = int(head.get("run_number", 0))
        for candidate in range(number, max(0, number - 2), -1):
            item = self._table.get(deal_pk(deal), run_sk(candidate))
            if item is not None and item["run"] == run and "ended_at" in item:
                # The head may have been read before that attempt came to its end: what follows shows in a fresh one.
                now = self.head(deal) or {}
                held = "lease_run" in now and item.get("following") == now["run_number"]
                return Ended(DealState(item["outcome"]), self._ticket(deal, now) if held else None)
        return None

    def _next(self, deal: DealKey, head: Item, hints: Sequence[Mapping[str, Any]], correlation_id: str) -> RunTicket:
        number = int(head.get("run_number", 0)) + 1
        return RunTicket(deal, number, run_name(deal, number), correlation_id, tuple(hints))

    def _ticket(self, deal: DealKey, head: Item) -> RunTicket:
        return RunTicket(
            deal,
            int(head["run_number"]),
            str(head["lease_run"]),
            str(head.get("correlation_id", "")),
            tuple(head.get("lease_hints", [])),
        )


_TRIES = 8
_PENDING_AS_READ = "(attribute_not_exists(#pending) OR size(#pending) = :count)"
_SAME_AUDIT = "(attribute_not_exists(#audit_number) OR #audit_number = :audit)"


def deal_pk(deal: DealKey) -> str:
    return f"DEAL#{deal}"


def run_sk(number: int) -> str:
    return f"RUN#{number:06}"


def run_name(deal: DealKey, number: int) -> str:
    """The execution's name: unique per deal and number; at most 80 characters of letters, digits, `-` and `_`."""
    stem = f"{deal.crm}-{deal.opportunity}"
    if len(stem) > 72:
        stem = f"{stem[:60]}-{hashlib.sha256(stem.encode()).hexdigest()[:11]}"
    return f"{stem}-{number}"


def _noted(hint: DealHint) -> dict[str, Any]:
    return {
        "event_id": hint.event_id,
        "source": hint.source.value,
        "occurred_at": hint.occurred_at.isoformat() if hint.occurred_at else None,
        "received_at": hint.received_at.isoformat(),
    }


def _run_item(ticket: RunTicket, moment: str) -> Item:
    return {
        "pk": deal_pk(ticket.deal),
        "sk": ticket.sk,
        "deal": str(ticket.deal),
        "run": ticket.name,
        "number": ticket.number,
        "correlation_id": ticket.correlation_id,
        "hints": [dict(hint) for hint in ticket.hints],
        "started_at": moment,
    }
