"""The org's records: typed tables over the kernel's store, found by index, changed in transactions."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from dealbridge_local.simulators.salesforce.ids import IdSequence
from dealbridge_local.simulators.salesforce.schema import Schema
from dealbridge_local.simulators.store import Record, Store


@dataclass(frozen=True)
class Change:
    """What one transaction did to one record; `before` is None for a new one."""

    sobject: str
    before: Record | None
    after: Record


class Database:
    """Records by sObject and 18-character id.

    Nothing is ever removed: a deleted record is one with IsDeleted, as in the recycle bin. An index narrows only:
    it keeps every id that ever held a value, so it needs no undoing, and each candidate is read and compared again.
    """

    def __init__(self, store: Store, schema: Schema, on_commit: Callable[[list[Change]], None]) -> None:
        self.schema = schema
        self.ids = IdSequence()
        self.shapes: dict[tuple[str, tuple[tuple[str, ...], ...], str], Callable[[Record], Any]] = {}
        """How rows of queries are shown, by sObject, paths and version: made once (query.py)."""
        self._store = store
        self._on_commit = on_commit
        self._index: dict[tuple[str, str, Any], dict[str, None]] = {}
        self._changing: dict[tuple[str, str], Record | None] | None = None

    # Reading

    def get(self, sobject: str, record_id: str) -> Record | None:
        """A record, deleted or not, as this call sees it (a stale call: as it was before the last write)."""
        return self._store.get(sobject, record_id)

    def current(self, sobject: str, record_id: str) -> Record | None:
        """The newest state, deleted or not: what every write starts from."""
        return self._store.newest(sobject, record_id)

    def all(self, sobject: str) -> list[Record]:
        return self._store.all(sobject)

    def candidates(self, sobject: str, field: str, value: Any) -> Iterable[str]:
        """Ids of records that may hold this value in an indexed field, oldest first."""
        return self._index.get((sobject, field, key_of(value)), {})

    def find(self, sobject: str, field: str, value: Any) -> list[Record]:
        """Records, not deleted, that hold this value in an indexed field now."""
        wanted = key_of(value)
        found = (self.current(sobject, record_id) for record_id in self.candidates(sobject, field, value))
        return [record for record in found if record and key_of(record[field]) == wanted and not record["IsDeleted"]]

    # Writing

    def put(self, sobject: str, record: Record) -> Record:
        """Keep a new or changed record, whole."""
        record_id = record["Id"]
        if self._changing is not None and (sobject, record_id) not in self._changing:
            self._changing[sobject, record_id] = self.current(sobject, record_id)
        for field in self.schema.of(sobject).indexed:
            if record[field.name] is not None:
                self._index.setdefault((sobject, field.name, key_of(record[field.name])), {})[record_id] = None
        return self._store.put(sobject, record_id, record)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All writes inside or none. The outermost one tells `on_commit` what changed; an inner one is a savepoint."""
        outer, self._changing = self._changing, {}
        try:
            with self._store.undone_on_error():
                yield
        except BaseException:
            self._changing = outer
            raise
        mine, self._changing = self._changing, outer
        if outer is not None:
            self._changing = {**outer, **{key: before for key, before in mine.items() if key not in outer}}
            return
        changes = []
        for (sobject, record_id), before in mine.items():
            after = self.current(sobject, record_id)
            if after is not None:
                changes.append(Change(sobject, before, after))
        if changes:
            self._on_commit(changes)


def key_of(value: Any) -> Any:
    """As an index compares: text without regard to case (external ids are not case-sensitive unless set so)."""
    return value.casefold() if isinstance(value, str) else value
