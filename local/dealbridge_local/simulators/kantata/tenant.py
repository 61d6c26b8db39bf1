"""The records of one Kantata account: ids, times, indexes and the trail of events that every write leaves."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from dealbridge_local.simulators.simulator import Clock
from dealbridge_local.simulators.store import Record, Store

if TYPE_CHECKING:
    from dealbridge_local.simulators.kantata.resource import Resource

ACCOUNT_ID = 1


@dataclass(frozen=True)
class Switches:
    """What the vendor's documents leave open, and what an account's set-up decides. See KantataSimulator."""

    string_model_ref_filter: bool = False
    references_on_requests: bool = False
    foreign_keys_always: bool = False
    creator_role_required: bool = True
    events_add_on: bool = True
    event_lags_s: tuple[float, ...] = (0.0,)
    duplicate_events: bool = False


class Tenant:
    """Records over a Store, with indexes that a stale read sees through.

    An index only ever proposes candidates: what stands in the store (or stood, for a stale read) decides. So nothing
    is ever taken out of an index, and a rolled-back write leaves nothing wrong behind.
    """

    def __init__(self, store: Store, clock: Clock, resources: "Mapping[str, Resource]", switches: Switches) -> None:
        self.store = store
        self.resources = resources
        self.switches = switches
        self.events_made = 0
        self._clock = clock
        self._counts: dict[str, int] = {}
        # Each collection counts from a range of its own, so that an id of the wrong kind finds nothing.
        self._next = {name: number * 10_000_000 + 1 for number, name in enumerate(resources, start=1)}
        self._index: dict[tuple[str, str], dict[str, dict[str, None]]] = {
            (resource.name, name): {} for resource in resources.values() for name in resource.indexed
        }

    def now(self) -> datetime:
        """To the second, as the vendor keeps and prints times."""
        return self._clock().replace(microsecond=0)

    def get(self, collection: str, id_: str) -> Record | None:
        return self.store.get(collection, id_)

    def all(self, collection: str) -> list[Record]:
        return self.store.all(collection)

    def find(self, collection: str, name: str, values: Iterable[str]) -> list[Record]:
        """The records whose indexed field is one of the values, oldest first."""
        index = self._index[collection, name]
        ids = sorted({id_ for value in values for id_ in index.get(value, ())}, key=int)
        wanted = set(values)
        found = (self.get(collection, id_) for id_ in ids)
        return [record for record in found if record is not None and str(record.get(name)) in wanted]

    def add(
        self, collection: str, actor: Record | None, fields: Mapping[str, Any], *, id_: str | None = None
    ) -> Record:
        """A new record; without an actor it is set-up data and leaves no event."""
        if id_ is None:
            id_ = str(self._next[collection])
            self._next[collection] += 1
        now = self.now()
        own = {"id": id_, "_collection": collection, "_type": self.resources[collection].subject}
        record = self._put(collection, {"created_at": now, "updated_at": now, **fields, **own})
        self._tell(collection, actor, "created", None, record)
        return record

    def count(self, what: str) -> int:
        """1, 2, 3 ... for each thing that is numbered."""
        self._counts[what] = self._counts.get(what, 0) + 1
        return self._counts[what]

    def change(self, collection: str, id_: str, actor: Record, fields: Mapping[str, Any]) -> Record:
        """The record with these fields; where nothing differs, nothing is written."""
        before = self._held(collection, id_)
        if all(before.get(name) == value for name, value in fields.items()):
            return before
        after = self._put(collection, {**before, **fields, "updated_at": self.now()})
        self._tell(collection, actor, "updated", before, after)
        return after

    def remove(self, collection: str, id_: str, actor: Record) -> None:
        before = self._held(collection, id_)
        self.store.delete(collection, id_)
        self._tell(collection, actor, "deleted", before, None)

    def tell(self, event_type: str, actor: Record, subject: str, id_: str, changes: Mapping[str, Any]) -> None:
        """One subscribed event, or two where the account duplicates them ("events may be duplicated")."""
        changed_at = self.now()
        for _ in range(2 if self.switches.duplicate_events else 1):
            lags = self.switches.event_lags_s
            self.add_event(event_type, actor, subject, id_, changed_at, lags[self.events_made % len(lags)], changes)

    def add_event(
        self,
        event_type: str,
        actor: Record | None,
        subject: str,
        id_: str,
        changed_at: datetime,
        lag_s: float,
        changes: Mapping[str, Any],
    ) -> Record:
        """An event that becomes visible `lag_s` seconds after the change."""
        self.events_made += 1
        made_at = changed_at + timedelta(seconds=lag_s)
        return self.add(
            "subscribed_events",
            None,
            {
                "event_type": event_type,
                "account_id": ACCOUNT_ID,
                "user_id": actor["id"] if actor else None,
                "subject_id": id_,
                "subject_type": subject,
                "subject_changed_at": changed_at,
                "created_at": made_at,
                "updated_at": made_at,
                **changes,
            },
        )

    def _held(self, collection: str, id_: str) -> Record:
        held = self.get(collection, id_)
        if held is None:
            raise KeyError(f"{collection} {id_}")
        return held

    def _put(self, collection: str, record: Record) -> Record:
        for name in self.resources[collection].indexed:
            if record.get(name) is not None:
                self._index[collection, name].setdefault(str(record[name]), {})[record["id"]] = None
        return self.store.put(collection, record["id"], record)

    def _tell(
        self, collection: str, actor: Record | None, happened: str, before: Record | None, after: Record | None
    ) -> None:
        resource = self.resources[collection]
        if actor is None or not resource.event:
            return
        old, new = before or {}, after or {}
        changed = {
            name: [old.get(name), new.get(name)]
            for name in {**old, **new}
            if not name.startswith("_") and old.get(name) != new.get(name)
        }
        payloads = {
            "previous_payload": _open(old),
            "current_payload": _open(new),
            "payload_changes": changed,
        }
        record = after or before or {}
        self.tell(f"{resource.event}:{happened}", actor, resource.subject, record["id"], payloads)


def _open(record: Record) -> Record:
    """A record without the fields that are nobody's business outside."""
    return {name: value for name, value in record.items() if not name.startswith("_")}
