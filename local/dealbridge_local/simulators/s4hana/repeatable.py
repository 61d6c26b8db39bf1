"""Repeatable requests of SAP Gateway: `RequestID` and `RepeatabilityCreation` (vendors/erp-sap…, A3).

They must be switched on in the system; whether the public cloud edition has them on is UNVERIFIED, so they are off
unless asked for, and a client is told `unsupported`.
"""

import re
from collections.abc import Callable
from datetime import datetime, timedelta

from dealbridge_local.simulators.s4hana import errors
from dealbridge_local.simulators.wire import Request, Response

_REQUEST_ID = re.compile(r"[0-9A-Fa-f]{32}")
_RESULT = "RepeatabilityResult"


class RepeatableRequests:
    """Remembers the answers to changes by user and request id, for `retention`."""

    def __init__(self, clock: Callable[[], datetime], *, enabled: bool, retention: timedelta) -> None:
        self._clock = clock
        self._enabled = enabled
        self._retention = retention
        self._answers: dict[tuple[str, str], tuple[datetime, Response]] = {}

    def clear(self) -> None:
        self._answers.clear()

    def run(self, user: str, request: Request, answer: Callable[[], Response]) -> Response:
        """The answer, or the one given before to the same request id. Raises SapError for an outdated one."""
        given = request.headers.get("requestid")
        if given is None:
            return answer()
        if not self._enabled:
            return answer().with_headers((_RESULT, "unsupported"))
        if not _REQUEST_ID.fullmatch(given) or "repeatabilitycreation" not in request.headers:
            raise errors.malformed("RequestID must be a GUID of 32 digits, with RepeatabilityCreation beside it")
        key = (user, given.upper())
        known = self._answers.get(key)
        if known is not None and self._clock() - known[0] > self._retention:
            text = f"Request {given} was processed successfully before; its result is no longer kept"
            raise errors.business_error("/IWBEP/CM_COS/005", text)
        if known is not None:
            return known[1].with_headers((_RESULT, "accepted"))
        response = answer()
        if 200 <= response.status < 300:
            self._answers[key] = (self._clock(), response)
        return response.with_headers((_RESULT, "accepted"))
