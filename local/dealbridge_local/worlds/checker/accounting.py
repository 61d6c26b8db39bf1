"""What the ledger says of itself: events, runs, leases, intents, effects and the audit chain."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from dealbridge_local.worlds.checker.evidence import Item, StreamRecord, VendorWrite

MOST_ATTEMPTS = 150
"""Of one step of one run. The machine allows five retries of what passes and twenty of what is busy after each of up to
forty waits for a slot; a run that uses them up in earnest is one that hangs."""
CIRCUIT_KNOWN_AFTER = timedelta(seconds=2)
"""So long an invocation may go on with what it knew of a circuit."""


@dataclass(frozen=True)
class Book:
    """The ledger's items by what they are."""

    items: Sequence[Item]

    @cached_property
    def heads(self) -> dict[str, Item]:
        return {str(item["deal"]): item for item in self.items if item["sk"] == "HEAD"}

    @cached_property
    def runs(self) -> dict[str, list[Item]]:
        return self._of("RUN#")

    @cached_property
    def stories(self) -> dict[str, list[Item]]:
        return self._of("STORY#")

    @cached_property
    def audits(self) -> dict[str, list[Item]]:
        return self._of("AUDIT#")

    @cached_property
    def exceptions(self) -> dict[str, list[Item]]:
        return self._of("EXCEPTION#")

    @cached_property
    def records(self) -> dict[str, Item]:
        """Identity (`<connection>/<kind>/<key>`) → item."""
        return {str(item["identity"]): item for item in self.items if "identity" in item}

    def _of(self, prefix: str) -> dict[str, list[Item]]:
        found: dict[str, list[Item]] = {}
        for item in self.items:
            if str(item["sk"]).startswith(prefix):
                found.setdefault(str(item["pk"]).removeprefix("DEAL#"), []).append(item)
        return found


def unaccounted(book: Book, hints: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Every accepted event began a run, or waited with one, and that run ended or was taken over by a later one."""
    taken: dict[str, dict[str, Item]] = {}
    for deal, runs in book.runs.items():
        taken[deal] = {hint["event_id"]: run for run in runs for hint in run["hints"]}
    for deal, event_id in dict.fromkeys(hints):
        run = taken.get(deal, {}).get(event_id)
        if run is None:
            yield f"{deal}: event {event_id} was accepted and is in no run"
        elif "ended_at" not in run and run["number"] == max(each["number"] for each in book.runs[deal]):
            yield f"{deal}: event {event_id} is in run {run['number']}, which never ended"


def unsettled(book: Book, unfinished: Sequence[str], wanted: Mapping[str, set[str]]) -> Iterator[str]:
    """Nothing is under way any more. `wanted`: deal → the shared records that it wants.

    A customer that nobody wants any more may have been tried in vain: who wants it next looks it up first.
    """
    yield from unfinished
    for deal, head in book.heads.items():
        for name in ("lease_run", "pending"):
            if name in head:
                yield f"{deal}: {name} {head[name]}"
        if head["state"] == "running":
            yield f"{deal}: still running"
        if head["state"] == "active":
            for identity, item in book.records.items():
                shared = str(item["pk"]).startswith("SHARED#")
                if "intent" not in item or item["intent"]["deal"] != deal:
                    continue
                if not shared or identity in wanted.get(deal, ()):
                    yield f"{deal}: active, and the intent to write {identity} has no outcome"


def runs_misnumbered(book: Book) -> Iterator[str]:
    """The runs of a deal are numbered without a gap."""
    for deal, runs in book.runs.items():
        if [run["number"] for run in runs] != list(range(1, len(runs) + 1)):
            yield f"{deal}: runs {[run['number'] for run in runs]}"


def intents_of_others(stream: Sequence[StreamRecord]) -> Iterator[str]:
    """An intent comes only from the run that holds the deal."""
    holder: dict[str, str | None] = {}
    intents: dict[str, str] = {}
    for record in stream:
        item = record.item
        if item.get("sk") == "HEAD":
            holder[str(item["deal"])] = item.get("lease_run")
        if "identity" not in item:
            continue
        intent = item.get("intent")
        if intent is not None and intents.get(item["identity"]) != intent["id"]:
            intents[item["identity"]] = intent["id"]
            if holder.get(intent["deal"]) != intent["run"]:
                yield (
                    f"{item['identity']}: intent by run {intent['run']} at {record.at}, while "
                    f"{holder.get(intent['deal'])} held {intent['deal']}"
                )


def writes_without_intent(stream: Sequence[StreamRecord], writes: Sequence[VendorWrite]) -> Iterator[str]:
    """While a call changes something outside, an intent for that very record is open in the ledger."""
    opened: dict[str, list[tuple[datetime, datetime | None, str]]] = {}
    current: dict[str, tuple[datetime, str]] = {}
    for record in stream:
        if "identity" not in record.item:
            continue
        identity, intent = str(record.item["identity"]), record.item.get("intent")
        known = current.get(identity)
        if known is not None and (intent is None or intent["id"] != known[1]):
            opened.setdefault(identity, []).append((known[0], record.at, known[1]))
            del current[identity]
        if intent is not None and identity not in current:
            current[identity] = (record.at, intent["id"])
    for identity, (since, intent_id) in current.items():
        opened.setdefault(identity, []).append((since, None, intent_id))
    for write in writes:
        # SAP keeps our keys in upper case.
        spans_of = {
            identity.rsplit("/", 1)[1].upper(): found
            for identity, found in opened.items()
            if identity.startswith(f"{write.connection}/")
        }
        named = {key.upper() for key in write.keys} & set(spans_of)
        spans = [span for key in named or spans_of for span in spans_of[key]]
        if not any(since <= write.at and (end is None or write.began <= end) for since, end, _ in spans):
            yield f"{write.connection}: {write.method} {write.path} at {write.at} without an intent"


def unknown_outside(book: Book, ids: Mapping[str, set[str]], connection: str) -> Iterator[str]:
    """Whatever bears our key outside is in the ledger, under the same id. `ids`: our key → what bears it there."""
    by_key = {
        identity.rsplit("/", 1)[1]: item
        for identity, item in book.records.items()
        if identity.startswith(f"{connection}/")
    }
    for key, held in ids.items():
        item = by_key.get(key)
        if item is None:
            yield f"{key} stands in {connection}, and the ledger does not know it"
        elif "ref" in item and str(item["ref"]["id"]) not in held:
            yield f"{key}: the ledger says {item['ref']['id']}, {connection} has {sorted(held)}"
        elif "ref" not in item and "intent" not in item:
            yield f"{key} stands in {connection}, and the ledger has neither its place nor an intent"


def effects_unproven(book: Book) -> Iterator[str]:
    """What the ledger says is applied came about by effects that it can name, the last of them with this content."""
    for identity, item in book.records.items():
        if "ref" not in item:
            continue
        effects = item.get("effects", ())
        if not effects:
            yield f"{identity}: applied without an effect"
        elif effects[-1]["hash"] != item["payload_hash"] or effects[-1]["id"] != item["ref"]["id"]:
            yield f"{identity}: the last effect is not what is applied"


def unbounded(book: Book) -> Iterator[str]:
    """Attempts of a step within a run stay within what the machine allows; runs do not beget runs for ever."""
    for deal, runs in book.runs.items():
        for run in runs:
            told = [item["entry"] for item in book.stories.get(deal, ()) if item["run"] == run["number"]]
            attempts = Counter((entry["step"], entry.get("entity", "")) for entry in told)
            for (step, entity), count in attempts.items():
                if count > MOST_ATTEMPTS:
                    yield f"{deal}: run {run['number']} tried {step} {entity} {count} times"
        unasked = sum(1 for run in runs if not run["hints"])
        restarts = sum(1 for run in runs if run.get("what") == "run_restarted" or "ended_at" not in run)
        if unasked > restarts:
            yield f"{deal}: {unasked} runs that no event asked for, and {restarts} restarts"


def audit_broken(book: Book) -> Iterator[str]:
    """The chain holds, the head knows its end, and every run's beginning and end are in it."""
    for deal, head in book.heads.items():
        before, told = "0" * 64, Counter[tuple[str, str]]()
        entries = book.audits.get(deal, [])
        for number, entry in enumerate(entries, 1):
            body = {name: entry[name] for name in ("number", "at", "what", "detail", "before")}
            text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
            if entry["number"] != number or entry["before"] != before:
                yield f"{deal}: audit entry {entry['number']} does not follow entry {number - 1}"
                break
            if hashlib.sha256(text.encode()).hexdigest() != entry["hash"]:
                yield f"{deal}: audit entry {number} was altered"
                break
            before = entry["hash"]
            began = entry["what"] in ("run_started", "run_taken_over")
            told[entry["detail"]["run"], "began" if began else "ended"] += 1
        if (head.get("audit_number"), head.get("audit_hash")) != (len(entries), before):
            yield f"{deal}: the head knows {head.get('audit_number')} audit entries, there are {len(entries)}"
        yield from _runs_not_audited(deal, book.runs.get(deal, ()), told)


def _runs_not_audited(deal: str, runs: Sequence[Item], told: Mapping[tuple[str, str], int]) -> Iterator[str]:
    followed = {run["following"] for run in runs if "following" in run}
    for run in runs:
        # A run that another one handed the deal to begins with that one's end.
        if told.get((run["run"], "began"), 0) != (0 if run["number"] in followed else 1):
            yield f"{deal}: the audit tells {told.get((run['run'], 'began'), 0)} times that run {run['number']} began"
        if told.get((run["run"], "ended"), 0) != (1 if "ended_at" in run else 0):
            yield f"{deal}: the audit tells {told.get((run['run'], 'ended'), 0)} times that run {run['number']} ended"


def called_through_open_circuit(stream: Sequence[StreamRecord], calls: Sequence[tuple[str, datetime]]) -> Iterator[str]:
    """While a connection's circuit is open nobody calls, but for the one probe once its time has come."""
    spans: dict[str, list[tuple[datetime, datetime]]] = {}
    open_since: dict[str, tuple[datetime, int]] = {}
    for record in stream:
        if not str(record.item["pk"]).startswith("ETIQUETTE#"):
            continue
        connection, until = str(record.item["pk"]).removeprefix("ETIQUETTE#"), record.item.get("open_until")
        known = open_since.get(connection)
        if known is not None and until != known[1]:
            spans.setdefault(connection, []).append((known[0], min(record.at, _moment(record.at, known[1]))))
            del open_since[connection]
        if until is not None and connection not in open_since:
            open_since[connection] = (record.at, until)
    for connection, began in calls:
        for since, end in spans.get(connection, ()):
            if since + CIRCUIT_KNOWN_AFTER < began < end:
                yield f"{connection}: called at {began}, while its circuit was open from {since} to {end}"


def _moment(like: datetime, epoch_ms: int) -> datetime:
    return datetime.fromtimestamp(epoch_ms / 1000, like.tzinfo)
