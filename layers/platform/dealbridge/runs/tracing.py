"""The timeline of a business transaction: each step with its time, what it waited for, and why."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from dealbridge.domain.keys import DealKey
from dealbridge.errors import RecordMissingError
from dealbridge.ledger import audit
from dealbridge.ledger.ledger import ledger


@dataclass(frozen=True)
class Moment:
    """One line of the timeline. `waited` seconds passed since the line before, `cause` says for what."""

    at: str
    what: str
    waited: float
    cause: str
    seconds: float | None = None
    run: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Trace:
    """The whole of it. `audit_broken_at` None: no audit entry was altered."""

    deal: str
    state: str
    cause: str | None
    seconds_from_won_to_active: float | None
    moments: tuple[Moment, ...]
    exceptions: tuple[Mapping[str, Any], ...]
    audit_broken_at: int | None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def trace(deal: DealKey) -> Trace:
    """The timeline of a deal. Raises RecordMissingError where the ledger knows none."""
    head = ledger().deals.head(deal)
    if head is None:
        raise RecordMissingError(f"{deal}: the ledger knows no such deal; it prints deals as <connection>:<id>")
    runs = list(ledger().runs.of(deal))
    events = _marks(runs)
    active = head.get("active_at")
    won = next((mark.at for mark in events if mark.what == "won in the CRM"), None)
    return Trace(
        deal=str(deal),
        state=str(head["state"]),
        cause=head.get("cause"),
        seconds_from_won_to_active=_between(won, active) if won and active else None,
        moments=tuple(_with_waits(events)),
        exceptions=tuple(_shown(item) for item in ledger().runs.exceptions_of(deal)),
        audit_broken_at=_audit_broken_at(deal, head),
    )


def _audit_broken_at(deal: DealKey, head: Mapping[str, Any]) -> int | None:
    broken_at = audit.broken_at(ledger().runs.audit_of(deal), head)
    if broken_at is None:
        return None
    # A run may have ended between the reads of head and entries: look once more before saying so.
    return audit.broken_at(ledger().runs.audit_of(deal), ledger().deals.head(deal) or {})


@dataclass(frozen=True)
class _Mark:
    at: str
    what: str
    cause: str
    """What the time before this mark was spent on."""
    ended: str | None = None
    run: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)


def _marks(runs: Iterable[Mapping[str, Any]]) -> list[_Mark]:
    marks: list[_Mark] = []
    won_noted = False
    for run in runs:
        name, story = str(run["run"]), list(run.get("story", []))
        won_at = next((entry["won_at"] for entry in story if entry.get("won_at")), None)
        if won_at and not won_noted:
            marks.append(_Mark(won_at, "won in the CRM", ""))
            won_noted = True
        for hint in run.get("hints", []):
            detail = {"source": hint["source"], "event": hint["event_id"]}
            if hint.get("occurred_at"):
                marks.append(_Mark(hint["occurred_at"], "event sent", "the CRM to tell", run=name, detail=detail))
            marks.append(
                _Mark(hint["received_at"], "hint received", _DELIVERY[hint["source"]], run=name, detail=detail)
            )
        marks.append(_Mark(run["started_at"], "run began", "the bus, the queue and the lease", run=name))
        before = "the state machine"
        for entry in story:
            detail = {key: value for key, value in entry.items() if key not in _TIMES}
            what = entry["step"] + (f" ({entry['entity']})" if entry.get("entity") else "")
            failed = entry["outcome"] != "done"
            marks.append(
                _Mark(
                    entry["began_at"],
                    f"{what}: {entry['outcome']}" if failed else what,
                    before,
                    ended=entry["ended_at"],
                    run=name,
                    detail=detail,
                )
            )
            before = _retry_cause(entry) if failed else "the state machine"
        if "ended_at" in run:
            what = f"run ended: {run.get('what', '')}" + (f" ({run['cause']})" if run.get("cause") else "")
            marks.append(_Mark(run["ended_at"], what, "", run=name))
    return sorted(marks, key=lambda mark: mark.at)


def _with_waits(marks: Iterable[_Mark]) -> Iterable[Moment]:
    latest: str | None = None
    for mark in marks:
        waited = max(0.0, _between(latest, mark.at)) if latest else 0.0
        yield Moment(
            at=mark.at,
            what=mark.what,
            waited=round(waited, 3),
            cause=mark.cause if waited >= _WORTH_SAYING else "",
            seconds=round(_between(mark.at, mark.ended), 3) if mark.ended else None,
            run=mark.run,
            detail=mark.detail,
        )
        latest = max(filter(None, (latest, mark.ended or mark.at)))


_DELIVERY = {
    "crm_event": "the event's delivery",
    "poll": "the scheduled poll",
    "redrive": "a person to redrive it",
    "run": "the run before",
}
_TIMES = {"began_at", "ended_at", "step"}
_WORTH_SAYING = 0.005


def _retry_cause(entry: Mapping[str, Any]) -> str:
    asked = f", who asked for {entry['retry_after_ms'] / 1000:g} s" if "retry_after_ms" in entry else ""
    return f"{entry['outcome']}{asked}: {entry.get('message', '')}".strip(": ")


def _between(begin: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(begin)).total_seconds()


def _shown(item: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in item.items() if key not in ("pk", "sk", "gsi_pk", "gsi_sk")}
