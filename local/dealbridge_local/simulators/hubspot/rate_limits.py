"""The limits of H5: calls in any ten seconds per app, calls per day per account, and search per second."""

from collections import deque
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from dealbridge_local.simulators.hubspot.authentication import Principal
from dealbridge_local.simulators.simulator import Clock
from dealbridge_local.simulators.wire import Response

_TEN_SECONDS = timedelta(seconds=10)
_SECOND = timedelta(seconds=1)


class RateLimits:
    """Counts calls; a refused call counts against nothing."""

    def __init__(self, clock: Clock, *, ten_seconds: int, daily: int, search_second: int, time_zone: str) -> None:
        self._clock = clock
        self._ten_seconds, self._daily, self._search_second = ten_seconds, daily, search_second
        self._zone = ZoneInfo(time_zone)
        self._recent: dict[str, deque[datetime]] = {}
        self._searches: deque[datetime] = deque()
        self._day, self._today = "", 0

    def refuse(self, principal: Principal, *, search: bool, correlation_id: str) -> Response | None:
        """The 429 of this call, or None where it may go on; a call that may is counted."""
        now = self._clock()
        day = now.astimezone(self._zone).date().isoformat()
        if day != self._day:
            # The daily count starts anew at midnight in the portal's time zone.
            self._day, self._today = day, 0
        calls = self._searches if search else self._recent.setdefault(principal.app, deque())
        window, highest = (_SECOND, self._search_second) if search else (_TEN_SECONDS, self._ten_seconds)
        while calls and calls[0] <= now - window:
            calls.popleft()
        if self._today >= self._daily:
            return self._refusal("DAILY", "You have reached your daily limit.", principal, correlation_id)
        if len(calls) >= highest:
            policy = "SECONDLY" if search else "TEN_SECONDLY_ROLLING"
            message = f"You have reached your {policy.lower()} limit."
            return self._refusal(policy, message, principal, correlation_id)
        calls.append(now)
        self._today += 1
        return None

    def headers(self, principal: Principal) -> tuple[tuple[str, str], ...]:
        """What every answer except search's tells; the daily ones are absent with OAuth."""
        left = self._ten_seconds - len(self._recent.get(principal.app, ()))
        window = (
            ("X-HubSpot-RateLimit-Max", str(self._ten_seconds)),
            ("X-HubSpot-RateLimit-Remaining", str(max(left, 0))),
            ("X-HubSpot-RateLimit-Interval-Milliseconds", "10000"),
        )
        if principal.oauth:
            return window
        daily = (
            ("X-HubSpot-RateLimit-Daily", str(self._daily)),
            ("X-HubSpot-RateLimit-Daily-Remaining", str(max(self._daily - self._today, 0))),
        )
        return (*window, *daily)

    def _refusal(self, policy: str, message: str, principal: Principal, correlation_id: str) -> Response:
        body: dict[str, Any] = {
            "status": "error",
            "message": message,
            "errorType": "RATE_LIMIT",
            "correlationId": correlation_id,
            "policyName": policy,
            "requestId": correlation_id,
        }
        headers = () if policy == "SECONDLY" else self.headers(principal)
        return Response.of(429, body).with_headers(*headers)
