"""The options of a HubSpot connection and the keys of its secret."""

from typing import Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator, model_validator

from dealbridge.domain.connection import Connection
from dealbridge.errors import ConfigurationError
from dealbridge.transport.settings import ConnectionOptions, ConnectionSecret

_APP = {"client_id", "client_secret"}


class Options(ConnectionOptions):
    """`options` of `mappings/connections.yaml`, with `read` and `status_fields` of `mappings/fields/<connection>.yaml`.

    A dated API version lives for 18 months, so the version segments are configuration (vendor document C9).
    """

    api_version: str = Field(default="2026-09", pattern=r"^\d{4}-\d{2}(-beta)?$")
    journal_version: str = Field(default="2026-03", pattern=r"^\d{4}-\d{2}(-beta)?$")
    sign_in: Literal["service_key", "refresh_token"] = "service_key"
    portal_id: int | None = None
    """Events of other accounts that installed the same app are left out."""
    portal_time_zone: str | None = None
    """On which day a deal closed, and when the account's day ends, for a spent daily allowance (H5). Without it days
    are UTC's, and a spent allowance is asked for again every hour."""
    changes: Literal["search", "journal"] = "search"
    """Where changed deals are looked up: the search index, or the Webhooks Journal (needs an app)."""
    journal_scopes: tuple[str, ...] = ()
    """What the journal's token asks for beside the journal's own scopes: an app must be authorised for the records that
    it subscribes to (H8), and whether the token has to name that is UNVERIFIED."""
    overlap_minutes: int = Field(default=60, ge=1)
    """Search looks back so far behind its cursor: its index lags and its order is loose (C9)."""
    look_back_days: int = Field(default=7, ge=1)
    """What a first poll sees."""
    webhook_signature: Literal["v3", "v2", "v1"] = "v3"
    """v1 and v2 have no timestamp and cannot tell a replay; whether every app type signs with v3 is UNVERIFIED."""
    watch_companies: bool = True
    """Whether a poll looks for changes of a deal's company and of those above it; else they wait for the deal's own."""
    milestones_property: str = "milestones"
    """The line item property that holds milestones as a JSON list of {name, date, amount}."""
    event_source: str | None = None
    read: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    status_fields: dict[str, str] = Field(default_factory=dict)

    @field_validator("portal_time_zone")
    @classmethod
    def _known_time_zone(cls, name: str | None) -> str | None:
        if name is not None:
            try:
                ZoneInfo(name)
            except (ZoneInfoNotFoundError, ValueError):
                raise ValueError(f"{name!r} is no time zone, e.g. Europe/Berlin") from None
        return name

    @model_validator(mode="after")
    def _journal_knows_its_account(self) -> Self:
        if self.changes == "journal" and self.portal_id is None:
            raise ValueError("changes: journal needs portal_id")
        return self


class Secret(ConnectionSecret):
    """The secret's keys; which are needed follows from the options."""

    access_token: str = Field(default="", repr=False)
    client_id: str = Field(default="", repr=False)
    client_secret: str = Field(default="", repr=False)
    refresh_token: str = Field(default="", repr=False)

    def require_for(self, options: Options, connection: Connection) -> None:
        """Raises ConfigurationError where a key is missing that the options make necessary."""
        needed = {"access_token"} if options.sign_in == "service_key" else {*_APP, "refresh_token"}
        missing = [
            name
            for name in sorted(needed | (_APP if options.changes == "journal" else set()))
            if not getattr(self, name)
        ]
        if missing:
            raise ConfigurationError(
                f"secret {connection.secret!r}: {', '.join(missing)}: missing; see the connector's README.md",
                connection=connection.id,
            )
