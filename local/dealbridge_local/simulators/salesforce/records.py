"""Creating, updating, upserting and deleting records: the checks of the API, in its order, with its errors."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from dealbridge_local.simulators.salesforce import deal_rules
from dealbridge_local.simulators.salesforce.database import Database
from dealbridge_local.simulators.salesforce.errors import (
    ApiError,
    entity_is_deleted,
    not_found,
    required_missing,
    unsupported_type,
)
from dealbridge_local.simulators.salesforce.field_values import accept, malformed_id
from dealbridge_local.simulators.salesforce.ids import canonical
from dealbridge_local.simulators.salesforce.schema import Field, SObject
from dealbridge_local.simulators.store import Record

type ValidationRule = Callable[[Record], tuple[str, str] | None]
"""A customer's own rule: (message, field) where it refuses the record about to be saved, else None."""


@dataclass(frozen=True)
class Upserted:
    record_id: str
    created: bool


class AmbiguousKeyError(Exception):
    """An external id that several records hold."""

    def __init__(self, record_ids: list[str]) -> None:
        super().__init__("; ".join(record_ids))
        self.record_ids = record_ids


class Records:
    """The writes of one org. Every method is one transaction, or a savepoint of the one around it."""

    def __init__(self, database: Database, now: Callable[[], str], settings: deal_rules.Settings) -> None:
        self.database = database
        self.schema = database.schema
        self.locked: dict[str, int] = {}
        """How many more writes each record id refuses with UNABLE_TO_LOCK_ROW."""
        self.validation_rules: dict[str, list[ValidationRule]] = {}
        self._now = now
        self._rules = deal_rules.Rules(database, settings, now, self._touch)

    def type_named(self, name: str) -> SObject:
        sobject = self.schema.find(name)
        if sobject is None:
            raise unsupported_type(name)
        return sobject

    def create(self, sobject: SObject, body: Mapping[str, Any], user_id: str) -> str:
        """The new record's id."""
        if not sobject.createable:
            raise ApiError(
                400, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", f"entity type {sobject.name} does not support create", []
            )
        values = self._values(sobject, body, creating=True)
        now = self._now()
        record: Record = {
            **sobject.blank,
            **{field.name: field.default for field in sobject.fields if field.default is not None},
            "CreatedDate": now,
            "CreatedById": user_id,
            "LastModifiedDate": now,
            "LastModifiedById": user_id,
            "SystemModstamp": now,
            **values,
        }
        if sobject.owned and record["OwnerId"] is None:
            record["OwnerId"] = user_id
        with self.database.transaction():
            self._rules.before_save(sobject, None, values, record)
            self._check_required(sobject, record)
            self._check_unique(sobject, record)
            self._check_validation(sobject, record)
            self._lock(sobject, record)
            record["Id"] = self.database.ids.next(sobject.key_prefix)
            self.database.put(sobject.name, record)
            self._rules.after_save(sobject, None, record, user_id)
        return str(record["Id"])

    def update(self, sobject: SObject, record_id: str, body: Mapping[str, Any], user_id: str) -> None:
        old = existing(sobject, record_id, self.database.current)
        if not sobject.updateable:
            raise ApiError(
                400, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", f"entity type {sobject.name} does not support update", []
            )
        values = self._values(sobject, body, creating=False)
        now = self._now()
        record = {**old, **values, "LastModifiedDate": now, "LastModifiedById": user_id, "SystemModstamp": now}
        with self.database.transaction():
            self._rules.before_save(sobject, old, values, record)
            self._check_required(sobject, record)
            self._check_unique(sobject, record)
            self._check_validation(sobject, record)
            self._lock(sobject, record)
            self.database.put(sobject.name, record)
            self._rules.after_save(sobject, old, record, user_id)

    def delete(self, sobject: SObject, record_id: str, user_id: str) -> None:
        record = existing(sobject, record_id, self.database.current)
        if not sobject.deletable:
            raise ApiError(
                400, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", f"entity type {sobject.name} does not support delete", []
            )
        with self.database.transaction():
            self._lock(sobject, record)
            self._delete(sobject, record, user_id)

    def _delete(self, sobject: SObject, record: Record, user_id: str) -> None:
        self._rules.before_delete(sobject, record)
        for child, field in self.schema.children(sobject):
            for related in self.database.find(child.name, field.name, record["Id"]):
                if field.on_parent_delete == "restrict":
                    raise ApiError(
                        400,
                        "DELETE_FAILED",
                        f"Your attempt to delete {record.get('Name') or record['Id']} could not be completed because "
                        f"it is associated with the following {child.plural.lower()}.: {related['Id']}",
                        [],
                    )
                if field.on_parent_delete == "cascade":
                    self._delete(child, related, user_id)
                else:
                    self.database.put(child.name, {**related, field.name: None})
                    self._touch(child.name, related["Id"], user_id)
        self.database.put(sobject.name, {**record, "IsDeleted": True})
        self._touch(sobject.name, record["Id"], user_id)
        self._rules.after_delete(sobject, record, user_id)

    def upsert(
        self,
        sobject: SObject,
        key: str,
        value: str,
        body: Mapping[str, Any],
        user_id: str,
        *,
        update_only: bool = False,
    ) -> Upserted:
        """Create or update by external id. Raises AmbiguousKeyError where several records hold the value."""
        field = self.key_field(sobject, key)
        if any(name.lower() in (field.name.lower(), "id") for name in body):
            # "Insert or Update (Upsert) a Record Using an External ID": the key stands in the path only.
            raise ApiError(
                400,
                "INVALID_FIELD",
                f"The {field.name} field should not be specified in the sobject data.",
                [field.name],
            )
        matching = [record["Id"] for record in self._matching(sobject, field, value)]
        if len(matching) > 1:
            raise AmbiguousKeyError(matching)
        if matching:
            self.update(sobject, matching[0], body, user_id)
            return Upserted(matching[0], created=False)
        if update_only or field.name == "Id":
            raise not_found()
        return Upserted(self.create(sobject, {**body, field.name: value}, user_id), created=True)

    def by_key(self, sobject: SObject, key: str, value: str) -> Record:
        """The one record with this external id. Raises 404, or AmbiguousKeyError."""
        matching = self._matching(sobject, self.key_field(sobject, key), value)
        if len(matching) > 1:
            raise AmbiguousKeyError([record["Id"] for record in matching])
        if not matching:
            raise not_found()
        return matching[0]

    def key_field(self, sobject: SObject, name: str) -> Field:
        field = sobject.field(name)
        if field is None or not (field.external_id or field.name == "Id"):
            raise ApiError(404, "NOT_FOUND", f"Provided external ID field does not exist or is not accessible: {name}")
        return field

    def _matching(self, sobject: SObject, field: Field, value: str) -> list[Record]:
        if field.name == "Id":
            found = self.database.current(sobject.name, canonical(value) or "")
            return [found] if found and not found["IsDeleted"] else []
        return self.database.find(sobject.name, field.name, value)

    def _values(self, sobject: SObject, body: Mapping[str, Any], *, creating: bool) -> dict[str, Any]:
        """The given fields by their own names, each checked; references exist."""
        given: dict[Field, Any] = {}
        for name, value in body.items():
            if name == "attributes":
                continue
            field = sobject.field(name)
            if field is None and isinstance(value, dict) and name.lower() in sobject.by_relationship:
                field = sobject.by_relationship[name.lower()]
                value = self._id_by_foreign_key(field, value)
            if field is None:
                raise ApiError(400, "INVALID_FIELD", f"No such column '{name}' on sobject of type {sobject.name}")
            given[field] = value
        forbidden = [field.name for field in given if not (field.createable if creating else field.updateable)]
        if forbidden:
            raise ApiError(
                400,
                "INVALID_FIELD_FOR_INSERT_UPDATE",
                f"Unable to create/update fields: {', '.join(forbidden)}. Please check the security settings of this "
                "field and verify that it is read/write for your profile or permission set.",
                forbidden,
            )
        values = {field.name: accept(sobject, field, value) for field, value in given.items()}
        for field in given:
            if field.reference_to and values[field.name] is not None:
                self._check_reference(field, values[field.name])
        return values

    def _id_by_foreign_key(self, field: Field, given: dict[str, Any]) -> str:
        """The id meant by `"Account": {"ERP_Id__c": "C-100"}`."""
        parent = self.schema.of(field.reference_to or "")
        keys = {name: value for name, value in given.items() if name != "attributes"}
        if len(keys) != 1:
            raise ApiError(400, "INVALID_FIELD", f"{field.relationship}: give exactly one external id field")
        ((name, value),) = keys.items()
        key = self.key_field(parent, name)
        matching = self._matching(parent, key, str(value))
        if len(matching) != 1:
            raise ApiError(
                400,
                "INVALID_FIELD",
                f"Foreign key external ID: {value} not found for field {key.name} in entity {parent.name}",
            )
        return str(matching[0]["Id"])

    def _check_reference(self, field: Field, record_id: str) -> None:
        parent = self.schema.of(field.reference_to or "")
        if not record_id.startswith(parent.key_prefix):
            raise malformed_id(field, record_id)
        record = self.database.current(parent.name, record_id)
        if record is None:
            raise ApiError(400, "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", [field.name])
        if record["IsDeleted"]:
            raise ApiError(400, "ENTITY_IS_DELETED", "entity is deleted", [field.name])

    def _check_required(self, sobject: SObject, record: Record) -> None:
        missing = [
            field.name
            for field in sobject.fields
            if not field.nillable and not field.calculated and record[field.name] is None
        ]
        if missing:
            raise required_missing(missing)

    def _check_unique(self, sobject: SObject, record: Record) -> None:
        for field in sobject.fields:
            if not field.unique or record[field.name] is None:
                continue
            others = self.database.find(sobject.name, field.name, record[field.name])
            for other in others:
                if other["Id"] != record["Id"]:
                    raise ApiError(
                        400,
                        "DUPLICATE_VALUE",
                        f"duplicate value found: {field.name} duplicates value on record with id: {other['Id']}",
                        [],
                    )

    def _check_validation(self, sobject: SObject, record: Record) -> None:
        for rule in self.validation_rules.get(sobject.name, ()):
            refusal = rule(record)
            if refusal:
                message, field = refusal
                raise ApiError(400, "FIELD_CUSTOM_VALIDATION_EXCEPTION", message, [field])

    def _lock(self, sobject: SObject, record: Record) -> None:
        """A save locks the record and its parents (an opportunity's account, a line's opportunity)."""
        parents = (record[field.name] for field in sobject.fields if field.reference_to not in (None, "User"))
        for record_id in (record["Id"], *parents):
            if record_id and self.locked.get(record_id, 0) > 0:
                self.locked[record_id] -= 1
                raise ApiError(
                    400,
                    "UNABLE_TO_LOCK_ROW",
                    f"unable to obtain exclusive access to this record or 1 records: {record_id}",
                    [],
                )

    def _touch(self, sobject: str, record_id: str, user_id: str, **values: Any) -> None:
        """Change a record on behalf of the system: no checks, but its time stamps move."""
        record = self.database.current(sobject, record_id)
        if record is None:
            return
        now = self._now()
        stamps = {"LastModifiedDate": now, "LastModifiedById": user_id, "SystemModstamp": now}
        self.database.put(sobject, {**record, **values, **stamps})


def existing(sobject: SObject, given: str, find: Callable[[str, str], Record | None]) -> Record:
    """The record with the id that a path gives; `find` is what sees it: a read, or a write."""
    record_id = canonical(given)
    if record_id is None:
        raise ApiError(404, "NOT_FOUND", f"Provided external ID field does not exist or is not accessible: {given}")
    if not record_id.startswith(sobject.key_prefix):
        raise malformed_id(sobject.by_name["id"], given)
    record = find(sobject.name, record_id)
    if record is None:
        raise not_found()
    if record["IsDeleted"]:
        raise entity_is_deleted()
    return record
