"""`/webhooks/{version}/{appId}`: the app's target URL and subscriptions (docs: webhooks API, v3 and dated).

Called with the developer account's API key (`hapikey`), as the official client does.
"""

from dataclasses import replace
from typing import Any

from dealbridge_local.simulators.hubspot.calls import Call
from dealbridge_local.simulators.hubspot.errors import ApiError, invalid_request, not_found
from dealbridge_local.simulators.hubspot.object_types import DEALS, ObjectType, object_type
from dealbridge_local.simulators.hubspot.portal import SEEDED_AT
from dealbridge_local.simulators.hubspot.webhook_events import Subscription, WebhookEvents
from dealbridge_local.simulators.hubspot.webhooks import Webhooks
from dealbridge_local.simulators.wire import Response

CONCURRENT_REQUESTS = 10
EVENTS = {"propertyChange", "creation", "deletion", "merge", "restore", "associationChange"}


class WebhooksApi:
    """Settings and subscriptions of the one app."""

    def __init__(self, webhooks: Webhooks, events: WebhookEvents, app_id: int) -> None:
        self._webhooks, self._events, self._app_id = webhooks, events, app_id

    def answer(self, call: Call) -> Response:
        if not call.path or call.path[0] != str(self._app_id):
            raise not_found("No app with this id")
        match call.method, call.path[1:]:
            case "GET", ("settings",):
                return self._settings()
            case "PUT", ("settings",):
                url = str(call.body.get("targetUrl") or "")
                if not url.startswith(("http://", "https://")):
                    raise invalid_request("targetUrl must be a URL")
                self._webhooks.post_to(url)
                return self._settings()
            case "DELETE", ("settings",):
                self._webhooks.post_to(None)
                return Response(204)
            case "GET", ("subscriptions",):
                return Response.of(200, {"results": [_show(each) for each in self._events.subscriptions.values()]})
            case "POST", ("subscriptions",):
                return Response.of(201, _show(self._subscribe(call.body)))
            case "POST", ("subscriptions", "batch", "update"):
                switched = [self._switch(str(each.get("id")), bool(each.get("active"))) for each in call.inputs]
                shown = {"status": "COMPLETE", "results": [_show(each) for each in switched]}
                return Response.of(200, {**shown, "startedAt": SEEDED_AT, "completedAt": SEEDED_AT})
            case "GET", ("subscriptions", subscription_id):
                return Response.of(200, _show(self._find(subscription_id)))
            case "PATCH", ("subscriptions", subscription_id):
                return Response.of(200, _show(self._switch(subscription_id, bool(call.body.get("active")))))
            case "DELETE", ("subscriptions", subscription_id):
                del self._events.subscriptions[self._find(subscription_id).id]
                return Response(204)
        raise ApiError(405, "Method Not Allowed")

    def _settings(self) -> Response:
        if self._webhooks.target_url is None:
            raise not_found("No webhook settings for this app")
        return Response.of(
            200,
            {
                "targetUrl": self._webhooks.target_url,
                "throttling": {"maxConcurrentRequests": CONCURRENT_REQUESTS, "period": "SECONDLY"},
                "createdAt": SEEDED_AT,
                "updatedAt": SEEDED_AT,
            },
        )

    def _subscribe(self, given: dict[str, Any]) -> Subscription:
        scope, _, event = str(given.get("eventType")).partition(".")
        if event not in EVENTS:
            raise invalid_request(f"{given.get('eventType')} is not a valid eventType")
        generic = scope == "object"
        kind: ObjectType = (
            object_type(str(given.get("objectTypeId") or DEALS.type_id)) if generic else (object_type(scope))
        )
        name = given.get("propertyName")
        if (event == "propertyChange") is (name is None):
            raise invalid_request("propertyName belongs to propertyChange, and to nothing else")
        return self._events.subscribe(kind, event, name, active=bool(given.get("active", False)), generic=generic)

    def _find(self, subscription_id: str) -> Subscription:
        held = self._events.subscriptions
        found = held.get(int(subscription_id)) if subscription_id.isdigit() else None
        if found is None:
            raise not_found(f"No subscription with id {subscription_id}")
        return found

    def _switch(self, subscription_id: str, active: bool) -> Subscription:
        found = self._find(subscription_id)
        switched = replace(found, active=active)
        self._events.subscriptions[found.id] = switched
        return switched


def _show(subscription: Subscription) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": str(subscription.id),
        "eventType": subscription.type,
        "active": subscription.active,
        "createdAt": SEEDED_AT,
        "updatedAt": SEEDED_AT,
    }
    if subscription.property_name:
        shown["propertyName"] = subscription.property_name
    if subscription.generic:
        shown["objectTypeId"] = subscription.kind.type_id
    return shown
