"""The CRM records: checked on the way in, indexed by unique property, with history, changes and the search index."""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from dealbridge_local.simulators.hubspot.changes import Action, Change, RecordChange, Source
from dealbridge_local.simulators.hubspot.computed import computed_properties
from dealbridge_local.simulators.hubspot.errors import (
    ApiError,
    InvalidValueError,
    invalid_request,
    not_found,
    values_not_valid,
)
from dealbridge_local.simulators.hubspot.instants import iso
from dealbridge_local.simulators.hubspot.object_types import CONTACTS, DEALS, LINE_ITEMS, ObjectType
from dealbridge_local.simulators.hubspot.portal import Portal
from dealbridge_local.simulators.hubspot.properties import Property, PropertyCatalog, normalize
from dealbridge_local.simulators.simulator import Clock
from dealbridge_local.simulators.store import Record, Store

FIRST_ID = 171_591_000_199
_COPIED_FROM_PRODUCT = ("name", "description", "price", "hs_sku", "recurringbillingfrequency", "service_line")


@dataclass(frozen=True)
class WriteRules:
    """What the called API version does on a write: both began with 2026-09."""

    admin_rules: bool
    normalizes_dates: bool


@dataclass
class Draft:
    """A write that has passed every check and is not yet made. `record` is None for a new record."""

    kind: ObjectType
    record: Record | None
    values: dict[str, str]
    warnings: list[dict[str, Any]] = field(default_factory=list)


class Records:
    """All records of a portal. Values held are non-empty texts; `changes` collects what the current call did."""

    def __init__(self, store: Store, clock: Clock, catalog: PropertyCatalog, portal: Portal, search_lag_s: float):
        self.store, self.catalog, self.portal, self.clock = store, catalog, portal, clock
        self.changes: list[Change] = []
        self._search_lag = timedelta(seconds=search_lag_s)
        self._last_id = FIRST_ID - 1
        self._ids_by_unique: dict[tuple[str, str], dict[str, str]] = {}
        self._history: dict[tuple[str, str], dict[str, list[dict[str, str]]]] = {}
        self._indexed: dict[str, dict[str, Record]] = {}
        self._to_index: deque[tuple[datetime, str, Record]] = deque()

    # Reading

    def find(self, kind: ObjectType, record_id: str, *, archived: bool = False) -> Record | None:
        record = self.store.get(kind.name, record_id)
        return record if record is not None and record["archived"] == archived else None

    def find_by(self, kind: ObjectType, value: str, unique_property: str | None) -> Record | None:
        """A record by its id, or by a unique property where one is named."""
        if unique_property in (None, "hs_object_id"):
            return self.find(kind, value)
        definition = self.unique_property(kind, unique_property or "")
        record_id = self._ids_by_unique.get((kind.name, definition.name), {}).get(_key(definition, value))
        record = self.find(kind, record_id) if record_id else None
        # A stale read shows a record as it was, perhaps before it had this value.
        if record is None or _key(definition, record["properties"].get(definition.name, "")) != _key(definition, value):
            return None
        return record

    def get_by(self, kind: ObjectType, value: str, unique_property: str | None = None) -> Record:
        record = self.find_by(kind, value, unique_property)
        if record is None:
            # HubSpot's answer for one missing record carries no category.
            raise ApiError(404, "resource not found")
        return record

    def unique_property(self, kind: ObjectType, name: str) -> Property:
        definition = self.catalog.find(kind, name)
        if definition is None or not definition.unique:
            raise self._not_unique(kind, name)
        return definition

    def refuse_own_id(self, kind: ObjectType, name: str | None) -> None:
        """A write by `hs_object_id`: to HubSpot that is the id, and no unique property (segmentio PR 3957)."""
        if name == "hs_object_id":
            raise self._not_unique(kind, name)

    def _not_unique(self, kind: ObjectType, name: str) -> ApiError:
        return invalid_request(
            f"Unable to perform update/upsert by non-unique {kind.type_id} property {name} "
            f"in portal ID {self.portal.id}"
        )

    def all(self, kind: ObjectType, *, archived: bool = False) -> list[Record]:
        return [record for record in self.store.all(kind.name) if record["archived"] == archived]

    def indexed(self, kind: ObjectType) -> Iterable[Record]:
        """What search sees: records as they stood `search_lag_s` ago, the archived ones left out."""
        now = self.clock()
        while self._to_index and self._to_index[0][0] <= now:
            _, name, record = self._to_index.popleft()
            self._indexed.setdefault(name, {})[record["id"]] = record
        return [record for record in self._indexed.get(kind.name, {}).values() if not record["archived"]]

    def history(self, kind: ObjectType, record_id: str, name: str) -> list[dict[str, str]]:
        """Former values of a property, the newest first."""
        return self._history.get((kind.name, record_id), {}).get(name, [])

    # Checking

    def draft_new(self, kind: ObjectType, given: Mapping[str, Any], rules: WriteRules) -> Draft:
        draft = self._draft(kind, None, self._with_defaults(kind, given), rules)
        if kind is DEALS and not draft.values.get("dealstage"):
            raise values_not_valid(
                [InvalidValueError("dealstage", "MISSING_REQUIRED_PROPERTY", "A value for dealstage must be provided")],
                self.portal.id,
            )
        return draft

    def draft_update(self, kind: ObjectType, record: Record, given: Mapping[str, Any], rules: WriteRules) -> Draft:
        return self._draft(kind, record, given, rules)

    def _with_defaults(self, kind: ObjectType, given: Mapping[str, Any]) -> Mapping[str, Any]:
        if kind is DEALS:
            return {"pipeline": "default", "deal_currency_code": self.portal.home_currency, **given}
        if kind is LINE_ITEMS and given.get("hs_product_id"):
            product = self.store.get("products", str(given["hs_product_id"]))
            if product is None or product["archived"]:
                raise values_not_valid(
                    [
                        InvalidValueError(
                            "hs_product_id", "INVALID_OPTION", f"Product {given['hs_product_id']} not found"
                        )
                    ],
                    self.portal.id,
                )
            return {**{n: v for n, v in product["properties"].items() if n in _COPIED_FROM_PRODUCT}, **given}
        return given

    def _draft(self, kind: ObjectType, record: Record | None, given: Mapping[str, Any], rules: WriteRules) -> Draft:
        values: dict[str, str] = {}
        warnings: list[dict[str, Any]] = []
        invalid: list[InvalidValueError] = []
        for name, value in given.items():
            try:
                normalized = normalize(self._writable(kind, name), value, normalizes_dates=rules.normalizes_dates)
            except InvalidValueError as finding:
                invalid.append(finding)
                continue
            values[name] = normalized.value
            warnings += [normalized.warning] if normalized.warning else []
        held = record["properties"] if record else {}
        after = {**held, **values}
        invalid += [each for each in self.portal.check(after) if each.name in values or record is None]
        if kind is LINE_ITEMS and values.get("price", "").startswith("-"):
            invalid.append(InvalidValueError("price", "INVALID_PRICE", "The price of a line item cannot be negative."))
        if not invalid and rules.admin_rules:
            invalid += self.portal.missing(kind.name, after, creating=record is None)
        if invalid:
            raise values_not_valid(invalid, self.portal.id)
        self._check_unique(kind, record, values)
        return Draft(kind, record, values, warnings)

    def _writable(self, kind: ObjectType, name: str) -> Property:
        definition = self.catalog.find(kind, name)
        if definition is None:
            raise InvalidValueError(name, "PROPERTY_DOESNT_EXIST", f'Property "{name}" does not exist')
        if definition.read_only:
            message = f'"{name}" is a read only property; its value cannot be set.'
            raise InvalidValueError(name, "READ_ONLY_VALUE", message)
        return definition

    def _check_unique(self, kind: ObjectType, record: Record | None, values: Mapping[str, str]) -> None:
        for definition in self.catalog.unique(kind):
            value = values.get(definition.name)
            if not value:
                continue
            holder = self._ids_by_unique.get((kind.name, definition.name), {}).get(_key(definition, value))
            if holder is not None and (record is None or holder != record["id"]):
                raise self._conflict(kind, definition, value, record, holder)

    def _conflict(
        self, kind: ObjectType, definition: Property, value: str, record: Record | None, holder: str
    ) -> ApiError:
        if kind is CONTACTS and definition.name == "email":
            return ApiError(409, f"Contact already exists. Existing ID: {holder}", "CONFLICT")
        # Recorded answers for custom unique properties are a 400, not a 409.
        return ApiError(
            400,
            f"Cannot set PropertyValueCoordinates{{portalId={self.portal.id}, "
            f"objectTypeId=ObjectTypeId{{legacyObjectType={kind.singular.upper()}}}, propertyName={definition.name}, "
            f"value={value}}} on {record['id'] if record else self._last_id + 1}. {holder} already has that value.",
            "VALIDATION_ERROR",
        )

    def refuse_double_claims(self, drafts: Iterable[Draft]) -> None:
        """Two inputs of one batch must not ask for the same unique value."""
        claimed: set[tuple[str, str]] = set()
        for draft in drafts:
            for definition in self.catalog.unique(draft.kind):
                value = draft.values.get(definition.name)
                if not value:
                    continue
                claim = (definition.name, _key(definition, value))
                if claim in claimed:
                    raise self._conflict(draft.kind, definition, value, draft.record, "Another input")
                claimed.add(claim)

    # Writing

    def write(self, draft: Draft, source: Source) -> tuple[Record, bool]:
        """Makes a checked write; says whether the record is new. Writing what stands there changes nothing."""
        now = self.clock()
        if draft.record is None:
            self._last_id += 1
            record_id = str(self._last_id)
            system = {
                "hs_object_id": record_id,
                "createdate": iso(now),
                draft.kind.modified: iso(now),
                "hs_object_source": source.change_source,
                "hs_object_source_id": source.source_id,
            }
            made: Record = {"id": record_id, "properties": {}, "createdAt": iso(now), "archived": False}
            return self._put(Action.CREATE, draft.kind, made, {**system, **draft.values}, now, source), True
        # Another input of the same batch may have written this record since it was drafted.
        record = self.find(draft.kind, draft.record["id"]) or draft.record
        return self._put(Action.UPDATE, draft.kind, record, draft.values, now, source), False

    def set_computed(self, kind: ObjectType, record_id: str, values: Mapping[str, str], source: Source) -> None:
        """Properties that follow from associations."""
        record = self.find(kind, record_id)
        if record is not None:
            self._put(Action.UPDATE, kind, record, values, self.clock(), source)

    def archive(self, kind: ObjectType, record_id: str, source: Source) -> None:
        """Moves a record to the recycling bin; a missing one is no error, as with HubSpot."""
        record = self.find(kind, record_id)
        if record is None:
            return
        now = self.clock()
        self._reindex_unique(kind, record["properties"], {}, record_id)
        archived = {**record, "archived": True, "archivedAt": iso(now), "updatedAt": iso(now)}
        self._hold(kind, archived, now)
        self.changes.append(RecordChange(Action.DELETE, kind, record_id, now, source))

    def merge(self, kind: ObjectType, primary_id: str, other_id: str, source: Source, *, keep_id: bool) -> Record:
        """Two records as one. Unless `keep_id`, the merged record gets a new id and the primary's is gone."""
        primary, other = self.find(kind, primary_id), self.find(kind, other_id)
        if primary is None or other is None or primary_id == other_id:
            raise not_found("Could not merge: both records must exist.", ids=[primary_id, other_id])
        now = self.clock()
        kept = {**other["properties"], **primary["properties"]}
        writable = {each.name for each in self.catalog.all(kind) if not each.read_only}
        moved = len(writable & (kept.keys() - primary["properties"].keys()))
        for gone in (other,) if keep_id else (primary, other):
            self._reindex_unique(kind, gone["properties"], {}, gone["id"])
            self._hold(kind, {**gone, "archived": True, "archivedAt": iso(now), "updatedAt": iso(now)}, now)
        if keep_id:
            base = primary
        else:
            self._last_id += 1
            base = {**primary, "id": str(self._last_id), "properties": {}, "createdAt": iso(now)}
        merged_ids = (other_id,) if keep_id else (primary_id, other_id)
        values = {**kept, "hs_object_id": base["id"], "hs_merged_object_ids": ";".join(merged_ids)}
        record = self._put(None, kind, base, values, now, source)
        self.changes.append(
            RecordChange(
                Action.MERGE,
                kind,
                record["id"],
                now,
                source,
                primary_id=primary_id,
                merged_ids=(other_id,),
                properties_moved=moved,
            )
        )
        return record

    def recompute_open_deals(self, source: Source) -> None:
        """After a change of exchange rates: the home amounts of open deals float with them."""
        for record in self.all(DEALS):
            if record["properties"].get("hs_is_closed") != "true":
                self._put(Action.UPDATE, DEALS, record, {}, self.clock(), source)

    def _put(
        self,
        action: Action | None,
        kind: ObjectType,
        record: Record,
        values: Mapping[str, str],
        now: datetime,
        source: Source,
    ) -> Record:
        before = record["properties"]
        after = {**before, **values}
        after |= computed_properties(kind.name, after, before, self.portal, now)
        changed = {name: value for name, value in after.items() if value != before.get(name, "")}
        if not changed:
            return record
        if iso(now) <= record.get("updatedAt", ""):
            # Readers tell versions of a record apart by its time: no two changes of one have the same.
            now = datetime.fromisoformat(record["updatedAt"]) + timedelta(milliseconds=1)
        if kind.modified not in changed:
            changed[kind.modified] = after[kind.modified] = iso(now)
        after = {name: value for name, value in after.items() if value != ""}
        self._reindex_unique(kind, before, after, record["id"])
        self._remember(kind, record["id"], changed, now, source)
        held = self._hold(kind, {**record, "properties": after, "updatedAt": iso(now)}, now)
        if action is not None:
            seen = {name: value or None for name, value in changed.items()}
            self.changes.append(RecordChange(action, kind, record["id"], now, source, seen))
        return held

    def _hold(self, kind: ObjectType, record: Record, now: datetime) -> Record:
        self._to_index.append((now + self._search_lag, kind.name, record))
        return self.store.put(kind.name, record["id"], record)

    def _remember(
        self, kind: ObjectType, record_id: str, changed: Mapping[str, str], now: datetime, source: Source
    ) -> None:
        histories = self._history.setdefault((kind.name, record_id), {})
        for name, value in changed.items():
            entry = {
                "value": value,
                "timestamp": iso(now),
                "sourceType": source.change_source,
                "sourceId": source.source_id,
            }
            histories.setdefault(name, []).insert(0, entry)

    def _reindex_unique(
        self, kind: ObjectType, before: Mapping[str, str], after: Mapping[str, str], record_id: str
    ) -> None:
        for definition in self.catalog.unique(kind):
            index = self._ids_by_unique.setdefault((kind.name, definition.name), {})
            old, new = before.get(definition.name, ""), after.get(definition.name, "")
            if old and old != new:
                index.pop(_key(definition, old), None)
            if new:
                index[_key(definition, new)] = record_id


def _key(definition: Property, value: str) -> str:
    return value.lower() if definition.name == "email" else value
