"""Change Data Capture and platform events, in the envelope that Event Relay hands to EventBridge.

An event is a notification: it names records and changed fields, in the order of commits. One event carries several
record ids where one transaction made the same change to all of them (Change Data Capture guide, "Change Event
Header"). `detail` holds `payload` alone: what else the relay puts beside it is not documented.
"""

import uuid
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from dealbridge_local.simulators.salesforce.database import Change
from dealbridge_local.simulators.salesforce.field_values import parse_time
from dealbridge_local.simulators.salesforce.ids import with_checksum
from dealbridge_local.simulators.salesforce.schema import Field, Schema, SObject
from dealbridge_local.simulators.store import Record

type Envelope = dict[str, Any]

CHANNEL_ID = with_checksum("0YLKd0000000001")
DEAL_WON = "Deal_Won__e"
GAPS = frozenset({"GAP_CREATE", "GAP_UPDATE", "GAP_DELETE", "GAP_UNDELETE"})
GAP_OVERFLOW = "GAP_OVERFLOW"
_OVERFLOW_ID = "000000000000000AAA"
_NEVER_TOLD = frozenset({"Id", "IsDeleted", "SystemModstamp"})
"""Fields that never appear in a change event (Change Data Capture guide, "Change Event Fields")."""
_FIRST_COMMIT_NUMBER = 1_778_192_987_716_501_000
_RELAY_ACCOUNT = "123456789012"


@dataclass(frozen=True)
class Origin:
    """Who changed the records, and through what."""

    user_id: str
    change_origin: str


@dataclass(frozen=True)
class _Told:
    """What one change amounts to; equal ones of a transaction become one event."""

    sobject: str
    change_type: str
    changed_fields: tuple[str, ...]
    content: tuple[tuple[str, Any], ...]


class EventFeed:
    """Makes the envelopes of one org's relay."""

    def __init__(
        self,
        org_id: str,
        schema: Schema,
        clock: Callable[[], datetime],
        *,
        relayed: Collection[str],
        deal_won_events: bool,
    ) -> None:
        self.source = f"aws.partner/salesforce.com/{org_id}/{CHANNEL_ID}"
        self._schema = schema
        self._clock = clock
        self._relayed = frozenset(relayed)
        self._deal_won_events = deal_won_events
        self._commits = 0
        self._made = 0

    def of_commit(self, changes: list[Change], origin: Origin) -> list[Envelope]:
        """The events of one committed transaction."""
        self._commits += 1
        merged: dict[_Told, list[str]] = {}
        for change in changes:
            if change.sobject in self._relayed:
                merged.setdefault(self._told(change), []).append(change.after["Id"])
        envelopes = [
            self._change_event(told, record_ids, number, origin)
            for number, (told, record_ids) in enumerate(merged.items(), start=1)
        ]
        if self._deal_won_events:
            envelopes += [self.deal_won(change.after["Id"], origin) for change in changes if _became_won(change)]
        return envelopes

    def of_record(self, sobject: SObject, record: Record, origin: Origin) -> Envelope:
        """A change event for a record that did not change: what a touch without effect would send."""
        self._commits += 1
        field = sobject.by_name["lastmodifieddate"]
        content = ((field.name, _printed(field, record)),)
        told = _Told(sobject.name, "UPDATE", (field.name,), content)
        return self._change_event(told, [record["Id"]], 1, origin)

    def gap(self, sobject: str, change_type: str, record_id: str, origin: Origin) -> Envelope:
        """A gap event carries no field data; an overflow not even the record's id."""
        self._commits += 1
        record_ids = [_OVERFLOW_ID if change_type == GAP_OVERFLOW else record_id]
        return self._change_event(_Told(sobject, change_type, (), ()), record_ids, 1, origin)

    def deal_won(self, record_id: str, origin: Origin) -> Envelope:
        """The platform event that this org's flow publishes on Closed Won."""
        payload = {
            "CreatedDate": _iso(self._clock()),
            "CreatedById": origin.user_id,
            "EventUuid": str(self._unique("event")),
            "Opportunity_Id__c": record_id,
        }
        return self._envelope(DEAL_WON, {"payload": payload})

    def flat(self, envelope: Envelope) -> Envelope:
        """The same event as Amazon AppFlow sends it: another source, and the fields flat in `detail`."""
        source = f"aws.partner/appflow/salesforce.com/{_RELAY_ACCOUNT}/dealbridge"
        return {**envelope, "source": source, "detail": envelope["detail"]["payload"]}

    def copy(self, envelope: Envelope) -> Envelope:
        """The same event delivered once more: EventBridge gives it an id of its own."""
        return {**envelope, "id": str(self._unique("delivery"))}

    def _told(self, change: Change) -> _Told:
        before, after = change.before, change.after
        sobject = self._schema.of(change.sobject)
        fields = [field for field in sobject.fields if field.name not in _NEVER_TOLD and field.type != "address"]
        if before is None:
            valued = [field for field in fields if after[field.name] is not None]
            return _Told(
                sobject.name, "CREATE", (), tuple((_told_as(field), _printed(field, after)) for field in valued)
            )
        if after["IsDeleted"] != before["IsDeleted"]:
            return _Told(sobject.name, "DELETE" if after["IsDeleted"] else "UNDELETE", (), ())
        changed = [field for field in fields if after[field.name] != before[field.name]]
        if not changed:
            # Saved again within the same second with the same values: LastModifiedDate was written all the same.
            changed = [sobject.by_name["lastmodifieddate"]]
        names = tuple(_told_as(field) for field in changed)
        content = tuple((_told_as(field), _printed(field, after)) for field in changed if after[field.name] is not None)
        return _Told(sobject.name, "UPDATE", names, content)

    def _change_event(self, told: _Told, record_ids: list[str], number: int, origin: Origin) -> Envelope:
        payload: dict[str, Any] = {}
        for name, value in told.content:
            compound, dot, part = name.partition(".")
            if dot:
                payload.setdefault(compound, {})[part] = value
            else:
                payload[name] = value
        payload["ChangeEventHeader"] = {
            "commitNumber": _FIRST_COMMIT_NUMBER + self._commits,
            "commitUser": origin.user_id,
            "sequenceNumber": number,
            "entityName": told.sobject,
            "changeType": told.change_type,
            "changedFields": list(told.changed_fields),
            "changeOrigin": origin.change_origin,
            "transactionKey": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{self.source}/transaction/{self._commits}")),
            "commitTimestamp": int(self._clock().timestamp()) * 1000,
            "recordIds": record_ids,
        }
        return self._envelope(f"{told.sobject}ChangeEvent", {"payload": payload})

    def _envelope(self, detail_type: str, detail: dict[str, Any]) -> Envelope:
        return {
            "version": "0",
            "id": str(self._unique("delivery")),
            "detail-type": detail_type,
            "source": self.source,
            "account": _RELAY_ACCOUNT,
            "time": self._clock().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "region": "us-east-1",
            "resources": [],
            "detail": detail,
        }

    def _unique(self, kind: str) -> uuid.UUID:
        self._made += 1
        return uuid.uuid5(uuid.NAMESPACE_OID, f"{self.source}/{kind}/{self._made}")


def change_origin(version: str, call_options: str) -> str:
    """`changeOrigin` as a subscriber sees it; `client=` of Sforce-Call-Options comes back in it."""
    options = dict(part.strip().partition("=")[::2] for part in call_options.split(","))
    client = options.get("client")
    return f"com/salesforce/api/rest/{version}" + (f";client={client}" if client else "")


def _became_won(change: Change) -> bool:
    if change.sobject != "Opportunity" or not change.after["IsWon"]:
        return False
    return change.before is None or not change.before["IsWon"]


def _told_as(field: Field) -> str:
    """A part of an address is told as `BillingAddress.Street`."""
    for prefix in ("Billing", "Shipping", "Mailing"):
        part = field.name.removeprefix(prefix)
        if part != field.name and part in ("Street", "City", "State", "PostalCode", "Country"):
            return f"{prefix}Address.{part}"
    return field.name


def _printed(field: Field, record: Record) -> Any:
    value = record[field.name]
    if field.type == "datetime" and value is not None:
        moment = parse_time(value)
        return _iso(moment) if moment else value
    return float(value) if isinstance(value, Decimal) else value


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
