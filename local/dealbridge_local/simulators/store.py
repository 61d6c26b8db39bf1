"""The records a simulator holds, with the view that a stale read shows: the state before the last writing call."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

type Record = dict[str, Any]


@dataclass
class StoreCall:
    """What an API call turned out to be, once it is over."""

    wrote: bool = False


class Store:
    """Records by type and id, in the order they were made.

    Not thread-safe: the simulator holds its lock around every call. Values handed out are the held ones; use `put` to
    change a record, so that a stale read can show what stood there before.
    """

    def __init__(self) -> None:
        self._tables: dict[str, dict[str, Record]] = {}
        self._before: dict[tuple[str, str], Record | None] = {}
        self._open: dict[tuple[str, str], Record | None] | None = None
        self._stale = False

    @contextmanager
    def call(self, *, stale: bool = False) -> Iterator["StoreCall"]:
        """One API call. Its writes, if any, become the newest; a stale call reads the state before them."""
        self._open, self._stale = {}, stale
        call = StoreCall()
        try:
            yield call
        finally:
            if self._open:
                self._before, call.wrote = self._open, True
            self._open, self._stale = None, False

    @contextmanager
    def undone_on_error(self) -> Iterator[None]:
        """All writes inside, or none: for vendors' all-or-none calls."""
        outer, self._open = self._open, {}
        try:
            yield
        except BaseException:
            for (kind, key), value in reversed(self._open.items()):
                if value is None:
                    self._tables.get(kind, {}).pop(key, None)
                else:
                    self._tables.setdefault(kind, {})[key] = value
            self._open = outer
            raise
        else:
            if outer is not None:
                self._open = {**self._open, **outer}
            else:
                self._open = None

    def put(self, kind: str, key: str, record: Record) -> Record:
        self._remember(kind, key)
        self._tables.setdefault(kind, {})[key] = record
        return record

    def change(self, kind: str, key: str, **values: Any) -> Record:
        """A record with these fields replaced; raises KeyError where there is none."""
        return self.put(kind, key, {**self._tables[kind][key], **values})

    def delete(self, kind: str, key: str) -> None:
        self._remember(kind, key)
        self._tables.get(kind, {}).pop(key, None)

    def get(self, kind: str, key: str) -> Record | None:
        if self._stale and (kind, key) in self._before:
            return self._before[kind, key]
        return self._tables.get(kind, {}).get(key)

    def newest(self, kind: str, key: str) -> Record | None:
        """The record as it stands, also in a stale call: what a write starts from."""
        return self._tables.get(kind, {}).get(key)

    def all(self, kind: str) -> list[Record]:
        held = self._tables.get(kind, {})
        if not self._stale:
            return list(held.values())
        # What the last call deleted stood there before it.
        gone = [key for table, key in self._before if table == kind and key not in held]
        return [value for key in [*held, *gone] if (value := self.get(kind, key)) is not None]

    def kinds(self) -> list[str]:
        return list(self._tables)

    def _remember(self, kind: str, key: str) -> None:
        if self._open is not None and (kind, key) not in self._open:
            self._open[kind, key] = copy.deepcopy(self._tables.get(kind, {}).get(key))
