"""A configured vendor connection, and what its vendor allows."""

from math import ceil
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from dealbridge.domain.model import Model

Count = Annotated[int, Field(ge=1)]


class Limits(Model):
    """What we take of a vendor, all function instances together, and how much of it work that can wait leaves alone."""

    requests_per_window: Count | None = None
    """In any `window_seconds`, wherever they begin: vendors count in rolling windows (Salesforce's 24 hours, HubSpot's
    ten seconds)."""
    window_seconds: Count | None = None
    concurrent_requests: Count | None = None
    reserve: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """The share of both that bulk work (polls and the runs that they ask for, previews, proofs) may not use."""
    failures_to_open: Count = 5
    """So many calls in a row without an answer, or answered 5xx, open the circuit."""
    open_seconds: Count = 30
    """How long it stays open at first; each probe that fails doubles it, up to five minutes."""

    @model_validator(mode="after")
    def _window_is_whole(self) -> Self:
        if (self.requests_per_window is None) != (self.window_seconds is None):
            raise ValueError("requests_per_window and window_seconds are given together")
        return self

    def requests_for(self, *, bulk: bool) -> int:
        """Requests in a window that this kind of work may bring the count up to."""
        allowed = self.requests_per_window or 0
        return allowed - self._kept(allowed) if bulk else allowed

    def slots_for(self, *, bulk: bool) -> int:
        """Slots, counted from the first, that this kind of work may take."""
        slots = self.concurrent_requests or 0
        return slots - self._kept(slots) if bulk else slots

    def _kept(self, of: int) -> int:
        """At least one is left for bulk work: what never comes through is not in reserve but switched off."""
        return min(ceil(of * self.reserve), max(of - 1, 0))


class Connection(Model):
    """A configured vendor connection: reference data, `mappings/connections.yaml`.

    `options` are the connector's own (API version, account id, defaults that are set-up data of this tenant); its
    settings model validates them. `secret` names the secret; it never holds one. A connection without `limits` is
    called as often as there is reason to: no budget, no circuit breaker.
    """

    id: str
    system: str
    base_url: str
    secret: str
    limits: Limits | None = None
    options: dict[str, Any] = Field(default_factory=dict)
    public_url: str | None = None
    """The address that this system's webhooks call (scheme, host, and what comes before `/events/...`), where it is
    not the one that API Gateway reports: signatures cover it."""
