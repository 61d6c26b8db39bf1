"""A NetSuite connection's options and its secret."""

from collections.abc import Mapping
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dealbridge.domain.connection import Connection
from dealbridge.errors import ConfigurationError

_API_HOST = ".suitetalk.api.netsuite.com"


class Options(BaseModel):
    """`options` of the connection. The defaults fit an account as the vendor's documents describe it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ui_url: str | None = None
    """Where people open records; https://<account>.app.netsuite.com unless given."""
    read_numbers: bool = True
    """Ask for the numbers people know new customers, projects and orders by; off, the CRM shows their ids."""
    milestone_decimals: int = Field(default=10, ge=2, le=12)
    """How many decimals a milestone's percentage may have (UNVERIFIED how many an account keeps)."""
    revenue_dates: bool = True
    """Send each order line's dates as its revenue recognition dates; switch off where that feature is."""
    task_start_field: Literal["startDate", "startDateTime"] = "startDate"
    """Oracle's sample writes startDate, the API browser lists startDateTime (article_68093010260; UNVERIFIED)."""

    @classmethod
    def of(cls, connection: Connection) -> Self:
        try:
            return cls.model_validate(connection.options)
        except ValidationError as error:
            names = ", ".join(".".join(map(str, each["loc"])) for each in error.errors())
            raise ConfigurationError(
                f"mappings/connections.yaml: {connection.id}.options: {names}: unknown or wrong; "
                "see layers/platform/dealbridge/connectors/netsuite/README.md",
                connection=connection.id,
            ) from None


class Secret(BaseModel):
    """What signing in takes: see README.md, Auth."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    client_id: str
    certificate_id: str
    private_key: str = Field(repr=False)
    token_url: str | None = None

    @classmethod
    def of(cls, connection: Connection, values: Mapping[str, Any]) -> Self:
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            names = ", ".join(str(each["loc"][0]) for each in error.errors())
            raise ConfigurationError(
                f"secret {connection.secret!r}: {names}: missing or wrong; "
                "see layers/platform/dealbridge/connectors/netsuite/README.md",
                connection=connection.id,
            ) from None


def ui_url(connection: Connection, options: Options) -> str | None:
    """Where people open records: as configured, or the account's own address, told from that of its API."""
    if options.ui_url:
        return options.ui_url.rstrip("/")
    host = urlsplit(connection.base_url).hostname or ""
    return f"https://{host.removesuffix(_API_HOST)}.app.netsuite.com" if host.endswith(_API_HOST) else None
