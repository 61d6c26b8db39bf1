"""A NetSuite connection's options and its secret."""

from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field

from dealbridge.domain.connection import Connection
from dealbridge.transport.settings import ConnectionOptions, ConnectionSecret

_API_HOST = ".suitetalk.api.netsuite.com"


class Options(ConnectionOptions):
    """`options` of the connection. The defaults fit an account as the vendor's documents describe it."""

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


class Secret(ConnectionSecret):
    """What signing in takes: see README.md, Auth."""

    client_id: str
    certificate_id: str
    private_key: str = Field(repr=False)
    token_url: str | None = None


def ui_url(connection: Connection, options: Options) -> str | None:
    """Where people open records: as configured, or the account's own address, told from that of its API."""
    if options.ui_url:
        return options.ui_url.rstrip("/")
    host = urlsplit(connection.base_url).hostname or ""
    return f"https://{host.removesuffix(_API_HOST)}.app.netsuite.com" if host.endswith(_API_HOST) else None
