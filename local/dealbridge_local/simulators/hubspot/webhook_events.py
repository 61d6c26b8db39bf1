"""Changes as the events that HubSpot posts, and the subscriptions that choose them (docs: webhooks guide, copy H6).

Two formats: the generic one (`object.propertyChange` with `objectTypeId`) and the older one (`deal.propertyChange`).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dealbridge_local.simulators.hubspot.changes import Action, AssociationChange, Change, RecordChange, Source
from dealbridge_local.simulators.hubspot.instants import epoch_ms
from dealbridge_local.simulators.hubspot.object_types import ObjectType

FIRST_SUBSCRIPTION = 7_662_269
FIRST_EVENT = 1_765_889_350

WATCHED_DEAL_PROPERTIES = (
    "amount",
    "business_unit",
    "closedate",
    "commercial_terms_approved",
    "contract_end",
    "contract_start",
    "deal_currency_code",
    "deal_kind",
    "dealstage",
    "delivery_owner_email",
    "legal_entity",
    "payment_terms",
    "pipeline",
    "po_number",
    "predecessor_deal_id",
)
_EVENT_OF = {
    Action.CREATE: "creation",
    Action.DELETE: "deletion",
    Action.MERGE: "merge",
    Action.RESTORE: "restore",
}
_FLAG_OF = {Action.CREATE: "CREATED", Action.DELETE: "DELETED", Action.RESTORE: "RESTORED"}


@dataclass(frozen=True)
class Subscription:
    """One subscription of the app: an object type, an event, and for propertyChange a property."""

    id: int
    kind: ObjectType
    event: str
    property_name: str | None = None
    active: bool = True
    generic: bool = True

    @property
    def type(self) -> str:
        return f"{'object' if self.generic else self.kind.singular}.{self.event}"


class WebhookEvents:
    """Turns changes into events for the subscriptions that match.

    `shared_ids`: `eventId` "is not guaranteed to be unique"; with this switch the events of one call share one.
    """

    def __init__(self, portal_id: int, app_id: int, *, shared_ids: bool) -> None:
        self._portal_id, self._app_id, self._shared_ids = portal_id, app_id, shared_ids
        self._next_id = FIRST_EVENT
        self._next_subscription = FIRST_SUBSCRIPTION
        self.subscriptions: dict[int, Subscription] = {}

    def subscribe(
        self, kind: ObjectType, event: str, property_name: str | None = None, *, active: bool = True, generic: bool
    ) -> Subscription:
        made = Subscription(self._next_subscription, kind, event, property_name, active, generic)
        self._next_subscription += 1
        self.subscriptions[made.id] = made
        return made

    def of(self, changes: Iterable[Change]) -> list[dict[str, Any]]:
        """The events of one call's changes."""
        return self._numbered([event for change in changes for event in self._of_change(change)])

    def told(self, change: RecordChange) -> list[dict[str, Any]]:
        """The events of a change that is told on request, subscribed or not."""
        event = _EVENT_OF.get(change.action, "propertyChange")
        stand_in = Subscription(FIRST_SUBSCRIPTION - 1, change.kind, event, next(iter(change.properties), None))
        return self.of([change]) or self._numbered(list(self._record(stand_in, change)))

    def _numbered(self, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        for event in events:
            event["eventId"] = self._next_id
            self._next_id += 0 if self._shared_ids else 1
        if self._shared_ids and events:
            self._next_id += 1
        return events

    def _of_change(self, change: Change) -> Iterator[dict[str, Any]]:
        kind = change.from_kind if isinstance(change, AssociationChange) else change.kind
        for subscription in self.subscriptions.values():
            if not subscription.active or subscription.kind is not kind:
                continue
            if isinstance(change, AssociationChange):
                if subscription.event == "associationChange":
                    yield self._association(subscription, change)
            else:
                yield from self._record(subscription, change)

    def _record(self, subscription: Subscription, change: RecordChange) -> Iterator[dict[str, Any]]:
        at_ms = epoch_ms(change.at)
        head = self._head(subscription, at_ms, change.source)
        if subscription.event == "propertyChange":
            name = subscription.property_name or ""
            if change.action in (Action.CREATE, Action.UPDATE) and name in change.properties:
                value = change.properties[name] or ""
                yield {
                    **head,
                    **self._object(subscription, change.id),
                    "propertyName": name,
                    "propertyValue": value,
                    "isSensitive": False,
                }
        elif subscription.event == _EVENT_OF.get(change.action):
            event = {**head, **self._object(subscription, change.id)}
            if change.action is Action.MERGE:
                event |= {
                    "primaryObjectId": int(change.primary_id),
                    "mergedObjectIds": [int(each) for each in change.merged_ids],
                    "newObjectId": int(change.id),
                    "numberOfPropertiesMoved": change.properties_moved,
                }
            else:
                event["changeFlag"] = _FLAG_OF[change.action]
            yield event

    def _association(self, subscription: Subscription, change: AssociationChange) -> dict[str, Any]:
        from_name, to_name = change.from_kind.singular, change.to_kind.singular
        event = {
            **self._head(subscription, epoch_ms(change.at), change.source),
            "associationType": f"{from_name}_to_{to_name}".upper(),
            "fromObjectId": int(change.from_id),
            "toObjectId": int(change.to_id),
            "associationRemoved": change.removed,
            "isPrimaryAssociation": change.primary,
        }
        if subscription.generic:
            event |= {
                "fromObjectTypeId": change.from_kind.type_id,
                "toObjectTypeId": change.to_kind.type_id,
                "associationTypeId": change.type_id,
            }
        return event

    def _head(self, subscription: Subscription, at_ms: int, source: Source) -> dict[str, Any]:
        return {
            "subscriptionId": subscription.id,
            "portalId": self._portal_id,
            "appId": self._app_id,
            "occurredAt": at_ms,
            "subscriptionType": subscription.type,
            "attemptNumber": 0,
            "changeSource": source.change_source,
            "sourceId": source.source_id,
        }

    def _object(self, subscription: Subscription, record_id: str) -> Mapping[str, Any]:
        named = {"objectId": int(record_id)}
        return {**named, "objectTypeId": subscription.kind.type_id} if subscription.generic else named
