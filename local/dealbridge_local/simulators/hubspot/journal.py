"""The Webhooks Journal: subscriptions by account, and a pull feed of files in chronological order (H8).

A read answers with a pointer, `{url, expiresAt, currentOffset}`, 204 where there is nothing newer, and 404 where the
offset is unknown or past the three days. The file at `url` needs no bearer token; its address is signed and expires.

The form of the file is not in the reference pages. Two public readers of the live journal agree on
`{"offset", "journalEvents": [{type, portalId, occurredAt, objectTypeId, objectId, action, propertyChanges}],
"publishedAt"}`, which is the form "json" here; "json lines", one event a line, is the alternative to test against.
"""

import hashlib
import hmac
import json
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from dealbridge_local.simulators.hubspot.authentication import Principal
from dealbridge_local.simulators.hubspot.calls import Call, limited
from dealbridge_local.simulators.hubspot.changes import Action, AssociationChange, Change, RecordChange
from dealbridge_local.simulators.hubspot.errors import ApiError, invalid_request, not_found
from dealbridge_local.simulators.hubspot.instants import iso
from dealbridge_local.simulators.hubspot.object_types import object_type
from dealbridge_local.simulators.simulator import Clock
from dealbridge_local.simulators.wire import Request, Response, to_json

type FileForm = Literal["json", "json lines"]

RETENTION = timedelta(days=3)
FILE_LIFE = timedelta(minutes=10)
EVENTS_PER_FILE = 10_000
ENTRIES_PER_CALL = 100
FILES = "webhooks-journal-files"
_NAMESPACE = uuid.UUID("7f0a3c1e-52d4-4f0c-9a36-6b8f1f2a9d10")

READ = "developer.webhooks_journal.read"
SUBSCRIPTIONS_READ = "developer.webhooks_journal.subscriptions.read"
SUBSCRIPTIONS_WRITE = "developer.webhooks_journal.subscriptions.write"
_ACTIONS = {"CREATE", "UPDATE", "DELETE", "MERGE", "RESTORE", "ASSOCIATION_ADDED", "ASSOCIATION_REMOVED"}


@dataclass(frozen=True)
class Entry:
    """One file of the journal."""

    offset: str
    published_at: datetime
    events: tuple[dict[str, Any], ...]


class Journal:
    """The journal of one app, and its subscriptions."""

    def __init__(self, portal_id: int, app_id: int, secret: str, clock: Clock, form: FileForm) -> None:
        self._portal_id, self._app_id, self._clock, self._form = portal_id, app_id, clock, form
        self._key = hashlib.sha256(f"journal files {secret}".encode()).digest()
        self._subscriptions: dict[int, dict[str, Any]] = {}
        self._entries: list[Entry] = []
        self._place: dict[str, int] = {}
        self._count = 0
        self._next_subscription = 4_100_221

    # Writing

    def record(self, changes: list[Change]) -> None:
        """Appends a file with what one call changed, as far as it is subscribed."""
        events = [event for change in changes for event in [self._event(change)] if event is not None]
        for start in range(0, len(events), EVENTS_PER_FILE):
            self._count += 1
            offset = str(uuid.uuid5(_NAMESPACE, str(self._count)))
            self._place[offset] = len(self._entries)
            self._entries.append(Entry(offset, self._clock(), tuple(events[start : start + EVENTS_PER_FILE])))

    def _event(self, change: Change) -> dict[str, Any] | None:
        if isinstance(change, AssociationChange):
            return self._association_event(change)
        asked = [
            each
            for each in self._subscriptions.values()
            if each["subscriptionType"] == "OBJECT"
            and each["objectTypeId"] == change.kind.type_id
            and change.action in each["actions"]
            and (not each["objectIds"] or int(change.id) in each["objectIds"])
        ]
        if not asked:
            return None
        watched = {name for each in asked for name in each["properties"] or ()}
        changed = {name: value for name, value in change.properties.items() if name in watched}
        if change.action is Action.UPDATE and not changed:
            return None
        return self._head("OBJECT", change) | {
            "objectTypeId": change.kind.type_id,
            "objectId": int(change.id),
            "action": change.action.value,
            "propertyChanges": changed,
            **({"mergedObjectIds": [int(each) for each in change.merged_ids]} if change.merged_ids else {}),
        }

    def _association_event(self, change: AssociationChange) -> dict[str, Any] | None:
        action = "ASSOCIATION_REMOVED" if change.removed else "ASSOCIATION_ADDED"
        asked = any(
            each["subscriptionType"] == "ASSOCIATION"
            and each["objectTypeId"] == change.from_kind.type_id
            and action in each["actions"]
            and (not each["associatedObjectTypeIds"] or change.to_kind.type_id in each["associatedObjectTypeIds"])
            for each in self._subscriptions.values()
        )
        if not asked:
            return None
        return self._head("ASSOCIATION", change) | {
            "objectTypeId": change.from_kind.type_id,
            "objectId": int(change.from_id),
            "action": action,
            "associatedObjectTypeId": change.to_kind.type_id,
            "associatedObjectId": int(change.to_id),
            "associationType": change.type_name,
        }

    def _head(self, kind: str, change: RecordChange | AssociationChange) -> dict[str, Any]:
        return {"type": kind, "portalId": self._portal_id, "occurredAt": iso(change.at)}

    # The calls

    def answer(self, call: Call, principal: Principal, base_url: str) -> Response:
        """`/webhooks-journal/journal|journal-local|subscriptions/{version}/...`."""
        if call.route.family == "webhooks-journal/subscriptions":
            return self._answer_subscriptions(call, principal)
        principal.must_have(READ)
        if call.param("installPortalId") not in (None, str(self._portal_id)):
            raise not_found("The app is not installed in this account")
        held = self._held()
        match call.method, call.path:
            case "GET", ("earliest",):
                return self._pointer(held[:1], base_url)
            case "GET", ("latest",):
                return self._pointer(held[-1:], base_url)
            case "GET", ("offset", offset, "next"):
                return self._pointer(self._after(offset)[:1], base_url)
            case "GET", ("batch", "earliest", count):
                return self._pointers(held[: _count(count)], base_url)
            case "GET", ("batch", offset, "next", count):
                return self._pointers(self._after(offset)[: _count(count)], base_url)
            case "POST", ("batch", "read"):
                return self._read(call, base_url)
        raise ApiError(404, "resource not found")

    def file(self, request: Request) -> Response:
        """A file by its signed address; refused as object storage refuses."""
        offset = request.path.rsplit("/", 1)[-1]
        expires, signature = request.params.get("expires", ""), request.params.get("signature", "")
        expired = not expires.isdigit() or int(expires) < self._clock().timestamp()
        if expired or not hmac.compare_digest(signature, self._sign(offset, expires)):
            return Response.text(403, "<Error><Code>AccessDenied</Code></Error>", media="application/xml")
        place = self._place.get(offset)
        if place is None:
            return Response.text(404, "<Error><Code>NoSuchKey</Code></Error>", media="application/xml")
        entry = self._entries[place]
        if self._form == "json lines":
            lines = "".join(f"{json.dumps(event, ensure_ascii=False)}\n" for event in entry.events)
            return Response(200, lines.encode(), (("Content-Type", "application/x-ndjson"),))
        body = {
            "offset": entry.offset,
            "journalEvents": list(entry.events),
            "publishedAt": iso(entry.published_at),
        }
        return Response(200, to_json(body), (("Content-Type", "application/json"),))

    def _held(self) -> list[Entry]:
        """The entries of the last three days, the oldest first."""
        since = self._clock() - RETENTION
        kept = next((place for place, each in enumerate(self._entries) if each.published_at >= since), None)
        return [] if kept is None else self._entries[kept:]

    def _after(self, offset: str) -> list[Entry]:
        place = self._place.get(offset)
        if place is None or self._entries[place].published_at < self._clock() - RETENTION:
            raise not_found(f"The offset {offset} has expired or does not exist")
        return self._entries[place + 1 :]

    def _show(self, entry: Entry, base_url: str) -> dict[str, Any]:
        expires_at = self._clock() + FILE_LIFE
        expires = str(int(expires_at.timestamp()))
        signed = f"expires={expires}&signature={self._sign(entry.offset, expires)}"
        return {
            "url": f"{base_url}/{FILES}/{entry.offset}?{signed}",
            "expiresAt": iso(expires_at),
            "currentOffset": entry.offset,
        }

    def _sign(self, offset: str, expires: str) -> str:
        return hmac.new(self._key, f"{offset}?{expires}".encode(), hashlib.sha256).hexdigest()

    def _pointer(self, entries: list[Entry], base_url: str) -> Response:
        return Response.of(200, self._show(entries[0], base_url)) if entries else Response(204)

    def _pointers(self, entries: list[Entry], base_url: str) -> Response:
        now = iso(self._clock())
        shown = [self._show(each, base_url) for each in entries]
        return Response.of(200, {"status": "COMPLETE", "results": shown, "startedAt": now, "completedAt": now})

    def _read(self, call: Call, base_url: str) -> Response:
        offsets = call.body.get("inputs")
        if not isinstance(offsets, list):
            raise invalid_request("Invalid input JSON: inputs must be a list of offsets")
        places = [self._place.get(str(each)) for each in limited(offsets, ENTRIES_PER_CALL)]
        return self._pointers([self._entries[place] for place in places if place is not None], base_url)

    def _answer_subscriptions(self, call: Call, principal: Principal) -> Response:
        principal.must_have(SUBSCRIPTIONS_READ if call.method == "GET" else SUBSCRIPTIONS_WRITE)
        match call.method, call.path:
            case "GET", ():
                return Response.of(200, {"results": list(self._subscriptions.values())})
            case "POST", ():
                return Response.of(200, self._subscribe(call.body))
            case "GET", (subscription_id,) if subscription_id.isdigit() and int(subscription_id) in self._subscriptions:
                return Response.of(200, self._subscriptions[int(subscription_id)])
            case "DELETE", ("portals", portal_id):
                for key in [key for key, each in self._subscriptions.items() if str(each["portalId"]) == portal_id]:
                    del self._subscriptions[key]
                return Response(204)
            case "DELETE", (subscription_id,) if subscription_id.isdigit():
                self._subscriptions.pop(int(subscription_id), None)
                return Response(204)
        raise ApiError(404, "resource not found")

    def _subscribe(self, given: dict[str, Any]) -> dict[str, Any]:
        kind, actions = given.get("subscriptionType"), given.get("actions")
        if kind not in ("OBJECT", "ASSOCIATION"):
            raise invalid_request(f"{kind} is not a subscriptionType of this account")
        if not isinstance(actions, list) or not actions or not _ACTIONS.issuperset(actions):
            raise invalid_request(f"actions must be some of {', '.join(sorted(_ACTIONS))}")
        if given.get("portalId") != self._portal_id:
            raise invalid_request("The app is not installed in this account")
        now = iso(self._clock())
        made = {
            "id": self._next_subscription,
            "appId": self._app_id,
            "subscriptionType": kind,
            "objectTypeId": object_type(str(given.get("objectTypeId"))).type_id,
            "portalId": self._portal_id,
            "actions": actions,
            "properties": given.get("properties"),
            "objectIds": given.get("objectIds"),
            "associatedObjectTypeIds": given.get("associatedObjectTypeIds"),
            "createdBy": 96879917,
            "createdAt": now,
            "updatedAt": now,
            "deletedAt": None,
        }
        self._subscriptions[self._next_subscription] = made
        self._next_subscription += 1
        return made


def _count(given: str) -> int:
    if not given.isdigit() or not 1 <= int(given) <= ENTRIES_PER_CALL:
        raise invalid_request(f"count must be a number from 1 to {ENTRIES_PER_CALL}")
    return int(given)
