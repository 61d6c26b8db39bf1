"""Records by entity set, with look-ups by key, by link and by the properties that a set declares `indexed`.

The indexes only ever grow: what they name is checked against the record itself, so that an undone change set or a
stale read needs no care here.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from dealbridge_local.simulators.s4hana.model import EntitySet, Navigation, Service
from dealbridge_local.simulators.store import Record, Store

type Key = tuple[Any, ...]


def _text(key: Key) -> str:
    return ",".join(str(part) for part in key)


class Tables:
    """Typed access to the store. A record is a dict of all properties of its set, values as `edm` holds them."""

    def __init__(self, store: Store, services: Iterable[Service]) -> None:
        self._store = store
        self._indexed: dict[str, list[tuple[str, ...]]] = {}
        self._index: dict[tuple[str, tuple[str, ...]], dict[Key, dict[str, None]]] = {}
        for service in services:
            for entity in service.sets.values():
                self._declare(entity.name, *((name,) for name in entity.indexed))
                for navigation in entity.navigations.values():
                    self._declare(navigation.target, tuple(navigation.link.values()))

    def _declare(self, name: str, *properties: tuple[str, ...]) -> None:
        known = self._indexed.setdefault(name, [])
        known.extend(each for each in properties if each not in known)

    def put(self, entity: EntitySet, record: Record) -> Record:
        key = _text(entity.key_of(record))
        for properties in self._indexed[entity.name]:
            values = tuple(record[name] for name in properties)
            self._index.setdefault((entity.name, properties), {}).setdefault(values, {})[key] = None
        return self._store.put(entity.name, key, record)

    def change(self, entity: EntitySet, record: Record, **values: Any) -> Record:
        """The record with these values; what it was stays as it was, for whoever holds it."""
        return self.put(entity, {**record, **values})

    def delete(self, entity: EntitySet, record: Record) -> None:
        self._store.delete(entity.name, _text(entity.key_of(record)))

    def get(self, entity: EntitySet, *key: Any) -> Record | None:
        return self._store.get(entity.name, _text(key))

    def all(self, entity: EntitySet) -> list[Record]:
        return self._store.all(entity.name)

    def where(self, entity: EntitySet, wanted: Mapping[str, Any]) -> Iterator[Record]:
        """The records whose properties equal `wanted`, by the best index there is, in the order they were made."""
        for record in self._candidates(entity, wanted):
            if all(record[name] == value for name, value in wanted.items()):
                yield record

    def first(self, entity: EntitySet, **wanted: Any) -> Record | None:
        return next(self.where(entity, wanted), None)

    def below(self, record: Record, navigation: Navigation, target: EntitySet) -> Iterator[Record]:
        return self.where(target, {there: record[here] for here, there in navigation.link.items()})

    def _candidates(self, entity: EntitySet, wanted: Mapping[str, Any]) -> Iterable[Record]:
        if set(entity.keys) <= set(wanted):
            record = self.get(entity, *(wanted[name] for name in entity.keys))
            return [] if record is None else [record]
        usable = [each for each in self._indexed[entity.name] if set(each) <= set(wanted)]
        if not usable:
            return self.all(entity)
        properties = max(usable, key=len)
        keys = self._index.get((entity.name, properties), {}).get(tuple(wanted[name] for name in properties), {})
        return [record for key in list(keys) if (record := self._store.get(entity.name, key)) is not None]
