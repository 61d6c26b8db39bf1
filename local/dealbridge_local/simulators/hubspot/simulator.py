"""The HubSpot simulator: one portal, one service key, one installed app."""

import secrets
import uuid
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from dealbridge_local.simulators.faults import FaultError
from dealbridge_local.simulators.hubspot.account_api import AccountApi
from dealbridge_local.simulators.hubspot.association_types import AssociationTypes
from dealbridge_local.simulators.hubspot.associations import KIND as ASSOCIATION_RECORDS
from dealbridge_local.simulators.hubspot.associations import Associations, shown_pair
from dealbridge_local.simulators.hubspot.associations_api import AssociationsApi
from dealbridge_local.simulators.hubspot.authentication import (
    CRM_SCOPES,
    Authentication,
    Credentials,
    Principal,
)
from dealbridge_local.simulators.hubspot.batches_api import BatchesApi
from dealbridge_local.simulators.hubspot.calls import Call, Route
from dealbridge_local.simulators.hubspot.changes import CRM_USER, Action, RecordChange
from dealbridge_local.simulators.hubspot.errors import ApiError
from dealbridge_local.simulators.hubspot.journal import FILES, FileForm, Journal
from dealbridge_local.simulators.hubspot.object_types import DEALS, OBJECT_TYPES, ObjectType, object_type
from dealbridge_local.simulators.hubspot.objects_api import ObjectsApi
from dealbridge_local.simulators.hubspot.portal import ConditionalRule, Portal
from dealbridge_local.simulators.hubspot.portal_seed import PROPERTIES
from dealbridge_local.simulators.hubspot.properties import PropertyCatalog
from dealbridge_local.simulators.hubspot.rate_limits import RateLimits
from dealbridge_local.simulators.hubspot.records import Records
from dealbridge_local.simulators.hubspot.search import SearchApi
from dealbridge_local.simulators.hubspot.webhook_events import WATCHED_DEAL_PROPERTIES, WebhookEvents
from dealbridge_local.simulators.hubspot.webhooks import Delivery, Webhooks
from dealbridge_local.simulators.hubspot.webhooks_api import WebhooksApi
from dealbridge_local.simulators.simulator import Clock, Simulator, utc_now
from dealbridge_local.simulators.store import Record
from dealbridge_local.simulators.wire import Request, Response

VERSIONS = ("v1", "v3", "v4", "2025-09", "2026-03", "2026-09")
EXCHANGE_RATES = {
    "EUR": "1.10",
    "GBP": "1.25",
    "CHF": "1.15",
    "SGD": "0.75",
    "JPY": "0.0067",
    "AUD": "0.65",
    "CAD": "0.72",
}
_RECORD_EVENTS = {"creation": Action.CREATE, "deletion": Action.DELETE, "restore": Action.RESTORE}
_NAMESPACE = uuid.UUID("c033cdaa-7b1c-4a15-8f6e-2f3f64a1c7d2")


class HubSpotSimulator(Simulator):
    """HubSpot's CRM API, OAuth, webhooks and Webhooks Journal, dated (2026-09) and numbered (v3, v4).

    Switches, all with the behaviour of a Professional account as their default: `versions` served; `home_currency`
    with `exchange_rates` into it; `rules` and `required_on_create`, the admin rules that 2026-09 enforces;
    `search_lag_s`; the limits; `scopes` of the service key and the app; the shapes that are not settled by HubSpot's
    documents (`association_page`, `spaced_association_keys`, `association_ids_as_text`, `journal_file`); and how
    webhooks behave (`generic_webhooks`, `shared_event_ids`, `delivery`, `webhook_target`). README.md tells where each
    comes from.
    """

    name = "hubspot"
    api_version = "2026-09"

    def __init__(
        self,
        clock: Clock = utc_now,
        *,
        portal_id: int = 247_279_312,
        app_id: int = 51_879_189,
        access_token: str | None = None,
        client_id: str | None = None,
        client_secret: str | None = None,
        refresh_token: str | None = None,
        scopes: Iterable[str] = CRM_SCOPES,
        versions: Iterable[str] = VERSIONS,
        home_currency: str = "USD",
        exchange_rates: Mapping[str, str] = EXCHANGE_RATES,
        time_zone: str = "America/New_York",
        rules: Iterable[ConditionalRule] = (),
        required_on_create: Mapping[str, tuple[str, ...]] | None = None,
        search_lag_s: float = 5.0,
        ten_second_limit: int = 190,
        daily_limit: int = 625_000,
        search_second_limit: int = 5,
        association_page: int = 100,
        spaced_association_keys: bool = True,
        association_ids_as_text: bool = False,
        first_company_is_primary: bool = True,
        merge_keeps_primary_id: bool = False,
        journal_file: FileForm = "json",
        generic_webhooks: bool = True,
        watched_deal_properties: Iterable[str] = WATCHED_DEAL_PROPERTIES,
        shared_event_ids: bool = False,
        delivery: Delivery | None = None,
        webhook_target: str | None = None,
    ) -> None:
        self._portal_id, self._time_zone = portal_id, time_zone
        self._home_currency, self._exchange_rates = home_currency, dict(exchange_rates)
        self._rules, self._required_on_create = tuple(rules), dict(required_on_create or {})
        self._versions, self._search_lag_s = frozenset(versions), search_lag_s
        self._limits = (ten_second_limit, daily_limit, search_second_limit)
        self._association_page, self._spaced_keys = association_page, spaced_association_keys
        self._ids_as_text, self._first_is_primary = association_ids_as_text, first_company_is_primary
        self._keeps_primary_id, self._journal_file = merge_keeps_primary_id, journal_file
        self._generic_webhooks, self._watched = generic_webhooks, tuple(watched_deal_properties)
        self._shared_event_ids = shared_event_ids
        self.secrets = Credentials(
            service_key=access_token or f"pat-na1-{uuid.uuid4()}",
            client_id=client_id or str(uuid.uuid4()),
            client_secret=client_secret or str(uuid.uuid4()),
            refresh_token=refresh_token or f"na1-{secrets.token_urlsafe(24)}",
            developer_api_key=str(uuid.uuid4()),
            app_id=app_id,
        )
        self.authentication = Authentication(self.secrets, clock, portal_id, scopes)
        self.webhooks = Webhooks(self.secrets.client_secret, clock, delivery or Delivery())
        super().__init__(clock)
        if webhook_target:
            self.webhooks.post_to(webhook_target)

    # The kernel's side

    def seed(self) -> None:
        self.portal = Portal(
            self._portal_id,
            home_currency=self._home_currency,
            exchange_rates=self._exchange_rates,
            time_zone=self._time_zone,
            rules=self._rules,
            required_on_create=self._required_on_create,
        )
        for order, pipeline in enumerate(self.portal.pipelines.values()):
            self.store.put("pipelines", pipeline.id, pipeline.describe(order))
        for owner in self.portal.owners.values():
            self.store.put("owners", owner["id"], owner)
        self._correlations = 0
        self.records_held = Records(
            self.store, self.clock, PropertyCatalog(PROPERTIES), self.portal, self._search_lag_s
        )
        self.associations = Associations(
            self.records_held, AssociationTypes(), first_company_is_primary=self._first_is_primary
        )
        ten_seconds, daily, search_second = self._limits
        self._rate_limits = RateLimits(
            self.clock, ten_seconds=ten_seconds, daily=daily, search_second=search_second, time_zone=self._time_zone
        )
        self._objects = ObjectsApi(
            self.records_held,
            self.associations,
            association_page=self._association_page,
            spaced_association_keys=self._spaced_keys,
            keeps_primary_id=self._keeps_primary_id,
        )
        self._batches = BatchesApi(self.records_held, self.associations, self._objects)
        self._search = SearchApi(self.records_held, self._objects)
        self._associations_api = AssociationsApi(self.associations, ids_as_text=self._ids_as_text)
        self._account = AccountApi(self.records_held)
        self._events = WebhookEvents(self._portal_id, self.secrets.app_id, shared_ids=self._shared_event_ids)
        for name in self._watched:
            self._events.subscribe(DEALS, "propertyChange", name, generic=self._generic_webhooks)
        for event in ("creation", "deletion", "merge", "associationChange"):
            self._events.subscribe(DEALS, event, generic=self._generic_webhooks)
        self._webhooks_api = WebhooksApi(self.webhooks, self._events, self.secrets.app_id)
        self.webhooks.clear()
        self.journal = Journal(
            self._portal_id, self.secrets.app_id, self.secrets.client_secret, self.clock, self._journal_file
        )

    def act(self, action: str, given: dict[str, Any]) -> dict[str, Any]:
        """`subscribe`: what the developer of the app sets once, where its webhooks go."""
        if action != "subscribe":
            return super().act(action, given)
        self.webhooks.post_to(str(given["url"]))
        return {"targetUrl": self.webhooks.target_url}

    def credentials(self) -> dict[str, str]:
        return {
            "base_url": self.base_url,
            "access_token": self.secrets.service_key,
            "client_id": self.secrets.client_id,
            "client_secret": self.secrets.client_secret,
            "refresh_token": self.secrets.refresh_token,
            "app_id": str(self.secrets.app_id),
            "portal_id": str(self._portal_id),
            "developer_api_key": self.secrets.developer_api_key,
        }

    def expire_tokens(self) -> None:
        self.authentication.expire_tokens()

    def show(self, kind: str, record: Record) -> Any:
        if kind in OBJECT_TYPES:
            return self._objects.show(OBJECT_TYPES[kind], record)
        return shown_pair(record) if kind == ASSOCIATION_RECORDS else record

    def emit(self, event: dict[str, Any]) -> dict[str, Any]:
        """`type` is a subscription type ("object.propertyChange", "deal.creation") or an object type ("deals").

        A propertyChange tells the record's present value of `property`, dealstage unless given.
        """
        kind, change = self._asked_change(event)
        events = self._events.told(change)
        copies = int(event.get("duplicate") or 0)
        self.webhooks.enqueue(events, copies=copies, delay_s=float(event.get("delay_s") or 0))
        return {"objectTypeId": kind.type_id, "events": events, "copies": 1 + copies}

    def set_exchange_rate(self, currency: str, rate: str) -> None:
        """A new rate into the home currency: open deals float with it, closed ones keep theirs."""
        with self.lock:
            self.portal.exchange_rates[currency] = Decimal(rate)
            self.records_held.recompute_open_deals(CRM_USER)
            self._tell_changes()

    def _asked_change(self, event: dict[str, Any]) -> tuple[ObjectType, RecordChange]:
        scope, _, name = str(event.get("type") or "").partition(".")
        try:
            kind = object_type(str(event.get("object_type") or "deals") if scope == "object" else scope)
        except ApiError as error:
            raise FaultError(f"type: {error.message}") from error
        record_id, now = str(event.get("id")), self.clock()
        record = self.store.get(kind.name, record_id)
        if record is None:
            raise FaultError(f"id: there is no {kind.singular} {record_id}")
        if name in _RECORD_EVENTS:
            return kind, RecordChange(_RECORD_EVENTS[name], kind, record_id, now, CRM_USER)
        if name not in ("", "propertyChange"):
            raise FaultError(f"type: {name!r} is none of propertyChange, {', '.join(_RECORD_EVENTS)}")
        changed = str(event.get("property") or "dealstage")
        values = {changed: record["properties"].get(changed)}
        return kind, RecordChange(Action.UPDATE, kind, record_id, now, CRM_USER, values)

    # The API

    def answer(self, request: Request) -> Response:
        self._correlations += 1
        correlation_id = str(uuid.uuid5(_NAMESPACE, str(self._correlations)))
        self.records_held.changes.clear()
        try:
            response = self._answer(request, correlation_id)
        except ApiError as error:
            response = error.response(correlation_id)
        self._tell_changes()
        return response.with_headers(("X-HubSpot-Correlation-Id", correlation_id))

    def _tell_changes(self) -> None:
        changes = list(self.records_held.changes)
        self.records_held.changes.clear()
        if changes:
            self.webhooks.enqueue(self._events.of(changes))
            self.journal.record(changes)

    def _answer(self, request: Request, correlation_id: str) -> Response:
        if request.path.startswith(f"/{FILES}/"):
            return self.journal.file(request)
        route = Route.of(request)
        if route is None or route.version not in self._versions:
            raise ApiError(404, "resource not found")
        if route.family == "oauth":
            return self.authentication.answer(request, route.path)
        if route.family == "webhooks" and self.authentication.developer(request):
            return self._webhooks_api.answer(Call(request, route, CRM_USER))
        principal = self.authentication.principal(request)
        call = Call(request, route, principal.source)
        if route.family.startswith("webhooks-journal/"):
            # Exempt from the daily and the ten-second limits (x-hubspot-rate-limit-exemptions).
            return self.journal.answer(call, principal, self.base_url)
        search = route.family == "crm/objects" and call.path[1:] == ("search",)
        refusal = self._rate_limits.refuse(principal, search=search, correlation_id=correlation_id)
        if refusal is not None:
            return refusal
        try:
            response = self._route(call, principal)
        except ApiError as error:
            response = error.response(correlation_id)
        return response if search else response.with_headers(*self._rate_limits.headers(principal))

    def _route(self, call: Call, principal: Principal) -> Response:
        match call.route.family:
            case "crm/objects" if call.path:
                return self._route_object(call, principal, object_type(call.path[0]))
            case "crm/associations" if len(call.path) > 1:
                way = "read" if call.method == "GET" or call.path[-1] == "read" else "write"
                kinds = (object_type(call.path[0]), object_type(call.path[1]))
                principal.must_have(*(f"crm.objects.{kind.name}.{way}" for kind in kinds))
                return self._associations_api.answer_batch(call)
            case "crm/properties" if call.path:
                kind = object_type(call.path[0])
                if call.method == "GET" or call.path[-1] == "read":
                    principal.must_have(f"crm.schemas.{kind.name}.read", f"crm.objects.{kind.name}.read")
                else:
                    principal.must_have(f"crm.schemas.{kind.name}.write")
                return self._account.answer_properties(call)
            case "crm/pipelines":
                principal.must_have("crm.schemas.deals.read", "crm.objects.deals.read")
                return self._account.answer_pipelines(call)
            case "crm/owners":
                principal.must_have("crm.objects.owners.read")
                return self._account.answer_owners(call)
            case "account-info":
                principal.must_have("oauth")
                return self._account.answer_details(call)
        raise ApiError(404, "resource not found")

    def _route_object(self, call: Call, principal: Principal, kind: ObjectType) -> Response:
        reads = call.method == "GET" or call.path[1:] in (("search",), ("batch", "read"))
        principal.must_have(f"crm.objects.{kind.name}.{'read' if reads else 'write'}")
        if len(call.path) > 2 and call.path[2] == "associations":
            return self._associations_api.answer_single(call, kind, call.path[1], call.path[3:])
        if call.route.version == "v4":
            # Only the associations of a record are served under v4.
            raise ApiError(404, "resource not found")
        match call.path[1:]:
            case ("search",) if call.method == "POST":
                return self._search.answer(call, kind)
            case ("batch", operation):
                return self._batches.answer(call, kind, operation)
        return self._objects.answer(call, kind)
