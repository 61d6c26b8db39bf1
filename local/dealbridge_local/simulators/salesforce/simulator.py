"""The Salesforce org: sign-in, the daily allowance, the REST resources and the events, on the simulators' kernel."""

import re
from collections import deque
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from dealbridge_local.simulators.salesforce.composite import CompositeApi
from dealbridge_local.simulators.salesforce.database import Change, Database
from dealbridge_local.simulators.salesforce.deal_rules import Settings
from dealbridge_local.simulators.salesforce.errors import ApiError, not_found, session_expired
from dealbridge_local.simulators.salesforce.field_values import time_text
from dealbridge_local.simulators.salesforce.ids import with_checksum
from dealbridge_local.simulators.salesforce.oauth import OAuth, new_private_key, public_key_of
from dealbridge_local.simulators.salesforce.records import Records
from dealbridge_local.simulators.salesforce.rest import Answer, Call, RestApi, parse_body
from dealbridge_local.simulators.salesforce.seed import INTEGRATION_USER, plant
from dealbridge_local.simulators.salesforce.sobjects import build_schema
from dealbridge_local.simulators.simulator import Clock, Simulator, utc_now
from dealbridge_local.simulators.store import Record
from dealbridge_local.simulators.wire import Request, Response

ORG_ID = with_checksum("00DKd0000000001")
OLDEST_VERSION, NEWEST_VERSION = 41, 68
_DATA = re.compile(r"/services/data/v(\d+)\.0(?:/(.*))?")
_DAY = timedelta(hours=24)


class SalesforceSimulator(Simulator):
    """One org."""

    name = "salesforce"
    api_version = "v67.0"

    def __init__(
        self,
        clock: Clock = utc_now,
        *,
        private_key: str | None = None,
        multi_currency: bool = True,
        products_and_schedules: bool = True,
        corporate_currency: str = "USD",
        daily_api_requests: int = 100_000,
        session_timeout: timedelta = timedelta(hours=2),
        child_page_size: int = 499,
    ) -> None:
        self.daily_api_requests = daily_api_requests
        self.settings = Settings(multi_currency, products_and_schedules, corporate_currency)
        self.schema = build_schema(multi_currency=multi_currency, products_and_schedules=products_and_schedules)
        self._child_page_size = child_page_size
        self._private_key = private_key or new_private_key()
        self._served: deque[datetime] = deque()
        self.oauth = OAuth(
            org_id=ORG_ID,
            consumer_key="3MVG9dealbridge.local.consumer",
            consumer_secret="dealbridge-local-consumer-secret",
            public_key=public_key_of(self._private_key),
            session_timeout=session_timeout,
            clock=lambda: self.clock(),
        )
        super().__init__(clock)

    def seed(self) -> None:
        self._served.clear()
        self.database = Database(self.store, self.schema, self._committed)
        self.records_api = Records(self.database, lambda: time_text(self.clock()), self.settings)
        plant(self.database, self.records_api, ORG_ID, self.settings, time_text(self.clock()))
        self.rest = RestApi(self.database, self.records_api, lambda: self.clock(), self._limits, self._child_page_size)
        self.composite = CompositeApi(self.rest)
        self.oauth.run_as = self._user_named(INTEGRATION_USER)

    def _committed(self, changes: list[Change]) -> None:
        pass

    def credentials(self) -> dict[str, str]:
        return {
            "login_url": self.base_url,
            "instance_url": self.base_url,
            "consumer_key": "3MVG9dealbridge.local.consumer",
            "consumer_secret": "dealbridge-local-consumer-secret",
            "username": INTEGRATION_USER,
            "private_key": self._private_key,
            "org_id": ORG_ID,
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
        call = Call(
            request.method,
            f"{match[1]}.0",
            (match[2] or "").strip("/"),
            user_id,
            request.query,
            request.headers,
            parse_body(request.body, Decimal),
        )
        if call.path.split("/")[0] == "composite":
            return self.composite.answer(call)
        return self.rest.answer(call)

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
