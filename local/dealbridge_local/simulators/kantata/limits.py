"""Rate limits (developer.kantata.com, section Rate Limits).

There are general limits and further ones for some endpoints; none of the numbers is public, and a 429 says nothing of
how long to wait. The body of a 429 is UNVERIFIED; that of the usual Rack middleware is assumed, which is no JSON.
"""

from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from dealbridge_local.simulators.wire import Response

OWN_LIMITS = (
    ("POST", "workspaces"),
    ("GET", "workspaces"),
    ("POST", "custom_field_values"),
    ("GET", "custom_field_values"),
)
"""The endpoints of this simulator that the vendor names as having limits of their own."""


def too_many() -> Response:
    return Response.text(429, "Retry later\n")


@dataclass(frozen=True)
class Limits:
    """So many requests in any `window_s` seconds, in all and per (method, collection); None for no limit."""

    requests: int | None = None
    window_s: float = 60.0
    endpoints: Mapping[tuple[str, str], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        unknown = set(self.endpoints) - set(OWN_LIMITS)
        if unknown:
            raise ValueError(f"endpoints: {sorted(unknown)} have no limits of their own; those that have: {OWN_LIMITS}")


class Meter:
    """Counts requests against the limits; a refused request does not count."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._served: defaultdict[tuple[str, str] | None, deque[datetime]] = defaultdict(deque)

    def refusal(self, method: str, collection: str, now: datetime) -> Response | None:
        keys: dict[tuple[str, str] | None, int | None] = {
            None: self._limits.requests,
            (method, collection): self._limits.endpoints.get((method, collection)),
        }
        limited = {key: most for key, most in keys.items() if most is not None}
        since = now - timedelta(seconds=self._limits.window_s)
        for key, most in limited.items():
            served = self._served[key]
            while served and served[0] <= since:
                served.popleft()
            if len(served) >= most:
                return too_many()
        for key in limited:
            self._served[key].append(now)
        return None
