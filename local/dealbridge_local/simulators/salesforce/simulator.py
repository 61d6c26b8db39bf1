"""The Salesforce org: sign-in, the daily allowance, the REST resources and the events, on the simulators' kernel."""

import re
import secrets
from collections import deque
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Self

from dealbridge_local.simulators.faults import FaultError
from dealbridge_local.simulators.salesforce.composite import CompositeApi
from dealbridge_local.simulators.salesforce.database import Change, Database
from dealbridge_local.simulators.salesforce.deal_rules import Settings
from dealbridge_local.simulators.salesforce.errors import ApiError, not_found, session_expired
from dealbridge_local.simulators.salesforce.events import (
    DEAL_WON,
    GAP_OVERFLOW,
    GAPS,
    Envelope,
    EventFeed,
    Origin,
    change_origin,
)
from dealbridge_local.simulators.salesforce.field_values import time_text
from dealbridge_local.simulators.salesforce.ids import canonical, with_checksum
from dealbridge_local.simulators.salesforce.oauth import OAuth, new_private_key, public_key_of
from dealbridge_local.simulators.salesforce.outbox import Outbox, Relay
from dealbridge_local.simulators.salesforce.records import Records, ValidationRule
from dealbridge_local.simulators.salesforce.rest import Answer, Call, PageSizes, RestApi, parse_body
from dealbridge_local.simulators.salesforce.seed import INTEGRATION_USER, plant
from dealbridge_local.simulators.salesforce.sobjects import build_schema
from dealbridge_local.simulators.simulator import Clock, Simulator, utc_now
from dealbridge_local.simulators.store import Record
from dealbridge_local.simulators.wire import Delivery, Request, Response

CONSUMER_KEY = "3MVG9dealbridge.local.consumer"
ORG_ID = with_checksum("00DKd0000000001")
OLDEST_VERSION, NEWEST_VERSION = 41, 68
_DATA = re.compile(r"/services/data/v(\d+)\.0(?:/(.*))?")
_DAY = timedelta(hours=24)


class SalesforceSimulator(Simulator):
    """One org.

    The switches are those of an org's set-up: its features, its daily allowance of API requests, how long an unused
    session lives, how many rows a page shows, and what Event Relay carries. Events go to `relay` after the call that
    caused them: in a background thread, or at once where `relay_in_background` is off. Without a relay they are
    collected in `outbox.sent`.
    """

    name = "salesforce"
    api_version = "v67.0"

    def __init__(
        self,
        clock: Clock = utc_now,
        *,
        private_key: str | None = None,
        consumer_secret: str | None = None,
        multi_currency: bool = True,
        products_and_schedules: bool = True,
        corporate_currency: str = "USD",
        daily_api_requests: int = 100_000,
        session_timeout: timedelta = timedelta(hours=2),
        page_size: int = 2000,
        child_page_size: int = 499,
        relay: Relay | None = None,
        relay_in_background: bool = True,
        relayed: Collection[str] = ("Opportunity",),
        deal_won_events: bool = False,
    ) -> None:
        self.daily_api_requests = daily_api_requests
        self.settings = Settings(multi_currency, products_and_schedules, corporate_currency)
        self.schema = build_schema(multi_currency=multi_currency, products_and_schedules=products_and_schedules)
        self._pages = PageSizes(page_size, child_page_size)
        self._private_key = private_key or new_private_key()
        self._consumer_secret = consumer_secret or secrets.token_urlsafe(32)
        self._webhook_secret = secrets.token_urlsafe(32)
        self._served: deque[datetime] = deque()
        self.oauth = OAuth(
            org_id=ORG_ID,
            consumer_key=CONSUMER_KEY,
            consumer_secret=self._consumer_secret,
            public_key=public_key_of(self._private_key),
            session_timeout=session_timeout,
            clock=lambda: self.clock(),
        )
        self._origin: Origin | None = None
        self.feed = EventFeed(
            ORG_ID, self.schema, lambda: self.clock(), relayed=relayed, deal_won_events=deal_won_events
        )
        self.outbox = Outbox(
            relay, lambda: self.clock().timestamp(), in_background=relay is not None and relay_in_background
        )
        super().__init__(clock)

    @classmethod
    def on_laptop(cls, engine_url: str) -> Self:
        """With Event Relay to the engine's EventBridge."""
        from dealbridge_local.engine.settings import ACCESS_KEY, REGION, SECRET_KEY
        from dealbridge_local.simulators.salesforce.event_relay import EventBridgeRelay

        relay = EventBridgeRelay.to(engine_url, REGION, ACCESS_KEY, SECRET_KEY)
        return cls(relay=relay, relayed=("Opportunity", "Account"))

    def seed(self) -> None:
        self._served.clear()
        self.database = Database(self.store, self.schema, self._committed)
        self.writes = Records(self.database, lambda: time_text(self.clock()), self.settings)
        plant(self.database, self.writes, ORG_ID, self.settings, time_text(self.clock()))
        self.rest = RestApi(self.database, self.writes, lambda: self.clock(), self._limits, self._pages)
        self.composite = CompositeApi(self.rest)
        self.oauth.run_as = self._user_named(INTEGRATION_USER)

    def reset(self) -> None:
        self.outbox.clear()
        super().reset()

    def deliver(self, request: Request, sleep: Callable[[float], None]) -> Delivery:
        delivery = super().deliver(request, sleep)
        self.outbox.flush()
        return delivery

    def _committed(self, changes: list[Change]) -> None:
        if self._origin is not None:
            self.outbox.put(self.feed.of_commit(changes, self._origin))

    def emit(self, event: dict[str, Any]) -> dict[str, Any]:
        """Send an event for a record: `OpportunityChangeEvent` or that of another sObject, `Deal_Won__e`, a gap of an
        opportunity (`GAP_UPDATE` and its like, `GAP_OVERFLOW`), or `flat`, an opportunity's as AppFlow sends it."""
        kind, record_id = str(event.get("type")), str(event.get("id", ""))
        origin = Origin(self.oauth.run_as or "", change_origin(self.api_version[1:], ""))
        envelope = self._emitted(kind, record_id, origin)
        copies = [self.feed.copy(envelope) for _ in range(int(event.get("duplicate", 0)))]
        self.outbox.put([envelope, *copies], float(event.get("delay_s", 0)))
        return {"sent": [envelope, *copies]}

    def lock_row(self, record_id: str, times: int = 1) -> None:
        """Refuse the next writes that need this row with UNABLE_TO_LOCK_ROW: those of the record and its children."""
        self.writes.locked[canonical(record_id) or record_id] = times

    def add_validation_rule(self, sobject: str, rule: ValidationRule) -> None:
        """A rule of the customer's own, which answers FIELD_CUSTOM_VALIDATION_EXCEPTION."""
        self.writes.validation_rules.setdefault(self.schema.of(sobject).name, []).append(rule)

    def _emitted(self, kind: str, given_id: str, origin: Origin) -> Envelope:
        if kind == GAP_OVERFLOW:
            return self.feed.gap("Opportunity", kind, "", origin)
        named = "Opportunity" if kind in (DEAL_WON, "flat", *GAPS) else kind.removesuffix("ChangeEvent")
        sobject = self.schema.find(named)
        if sobject is None or named == kind:
            raise FaultError(f"type: {kind!r} is no change event, {DEAL_WON}, flat, GAP_UPDATE or {GAP_OVERFLOW}")
        record = self.database.current(sobject.name, canonical(given_id) or "")
        if record is None:
            raise FaultError(f"id: no {sobject.name} has the id {given_id!r}")
        if kind == DEAL_WON:
            return self.feed.deal_won(record["Id"], origin)
        if kind in GAPS:
            return self.feed.gap(sobject.name, kind, record["Id"], origin)
        envelope = self.feed.of_record(sobject, record, origin)
        return self.feed.flat(envelope) if kind == "flat" else envelope

    def credentials(self) -> dict[str, str]:
        return {
            "login_url": self.base_url,
            "instance_url": self.base_url,
            "consumer_key": CONSUMER_KEY,
            "consumer_secret": self._consumer_secret,
            "username": INTEGRATION_USER,
            "private_key": self._private_key,
            "org_id": ORG_ID,
            "relay_source": self.feed.source,
            # What the org's own automation signs its requests with.
            "webhook_secret": self._webhook_secret,
        }

    def expire_tokens(self) -> None:
        self.oauth.expire_all()

    def show(self, kind: str, record: Record) -> Any:
        return self.rest.shown(self.schema.of(kind), record, self.api_version[1:])

    def answer(self, request: Request) -> Response:
        path = request.path.rstrip("/")
        if path == "/services/oauth2/token":
            if request.method != "POST":
                return Response.of(405, {"error": "invalid_request", "error_description": "use POST"})
            return self.oauth.token(request, self.base_url, self._user_named)
        if path == "/services/oauth2/userinfo":
            return self._userinfo(request)
        if path == "/services/data":
            return Response.of(200, [_version(number) for number in range(OLDEST_VERSION, NEWEST_VERSION + 1)])
        return self._data(request)

    def _data(self, request: Request) -> Response:
        try:
            answer = self._answer(request)
        except ApiError as error:
            answer = Answer(error.status, error.body())
        limit = ("Sforce-Limit-Info", f"api-usage={len(self._served)}/{self.daily_api_requests}")
        if answer.body is None:
            return Response(answer.status, b"", (*answer.headers, limit))
        return Response.of(answer.status, answer.body, *answer.headers, limit)

    def _answer(self, request: Request) -> Answer:
        match = _DATA.fullmatch(request.raw_path.rstrip("/"))
        if match is None or int(match[1]) > NEWEST_VERSION:
            raise not_found()
        if int(match[1]) < OLDEST_VERSION:
            # The end-of-life page names the status; the wording of the body is ours.
            raise ApiError(410, "UNSUPPORTED_API_VERSION", f"API version v{match[1]}.0 is retired")
        user_id = self.oauth.user_of(request.headers.get("authorization", ""))
        if user_id is None:
            raise session_expired()
        self._count()
        version = f"{match[1]}.0"
        call = Call(
            request.method,
            version,
            (match[2] or "").strip("/"),
            user_id,
            request.query,
            request.headers,
            parse_body(request.body, Decimal),
        )
        self._origin = Origin(user_id, change_origin(version, request.headers.get("sforce-call-options", "")))
        try:
            return self.composite.answer(call) if call.path.split("/")[0] == "composite" else self.rest.answer(call)
        finally:
            self._origin = None

    def _count(self) -> None:
        """One more call in the rolling 24 hours. Raises REQUEST_LIMIT_EXCEEDED, without a Retry-After."""
        now = self.clock()
        while self._served and now - self._served[0] >= _DAY:
            self._served.popleft()
        if len(self._served) >= self.daily_api_requests:
            raise ApiError(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
        self._served.append(now)

    def _limits(self) -> dict[str, Any]:
        remaining = max(self.daily_api_requests - len(self._served), 0)
        return {
            "DailyApiRequests": {"Max": self.daily_api_requests, "Remaining": remaining},
            "DailyDeliveredPlatformEvents": {"Max": 25_000, "Remaining": 25_000},
        }

    def _user_named(self, username: str) -> str | None:
        for user in self.database.all("User"):
            if user["Username"] == username and user["IsActive"]:
                return str(user["Id"])
        return None

    def _userinfo(self, request: Request) -> Response:
        user_id = self.oauth.user_of(request.headers.get("authorization", ""))
        user = self.database.get("User", user_id) if user_id else None
        if user is None:
            return Response.text(403, "Bad_OAuth_Token")
        return Response.of(
            200,
            {
                "sub": f"{self.base_url}/id/{ORG_ID}/{user_id}",
                "user_id": user_id,
                "organization_id": ORG_ID,
                "preferred_username": user["Username"],
                "name": user["Name"],
                "email": user["Email"],
                "email_verified": True,
                "active": user["IsActive"],
                "user_type": "STANDARD",
                "urls": {"rest": f"{self.base_url}/services/data/v{{version}}/"},
            },
        )


def _version(number: int) -> dict[str, str]:
    """Three releases a year: v41 was Winter '18."""
    year, season = divmod(number - 41, 3)
    label = f"{('Winter', 'Spring', 'Summer')[season]} '{18 + year}"
    return {"label": label, "url": f"/services/data/v{number}.0", "version": f"{number}.0"}
