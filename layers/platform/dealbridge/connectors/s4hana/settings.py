"""An S/4HANA connection's options and its secret."""

from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from dealbridge.domain.connection import Connection
from dealbridge.transport.settings import ConnectionOptions, ConnectionSecret

_HOSTS = (".s4hana.cloud.sap", ".s4hana.ondemand.com")

OrderKeyField = Literal["PurchaseOrderByShipToParty", "PurchaseOrderByCustomer"]


class Options(ConnectionOptions):
    """`options` of the connection. The defaults fit a tenant as the vendor's documents describe it."""

    sign_in: Literal["basic", "client_credentials"] = "basic"
    """Client credentials are tenant dependent (UNVERIFIED); Basic is what every arrangement offers."""
    scope: str | None = None
    """Of a client-credentials token, where the tenant wants one."""
    order_key_field: OrderKeyField = "PurchaseOrderByShipToParty"
    """Which of an order's two customer references carries our key; the other carries the customer's PO number."""
    release_projects: bool = True
    """Release a new project: time cannot be recorded before."""
    released_status: str = "10"
    read_back_seconds: float = Field(default=5, ge=0)
    """So long a partner or an order that was just made may be missing from a look-up (UNVERIFIED): before that, not
    found does not mean that it does not stand."""
    ui_url: str | None = None
    """Where people open records; the API's host without `-api` unless given."""

    @property
    def po_number_field(self) -> OrderKeyField:
        by_customer = self.order_key_field == "PurchaseOrderByCustomer"
        return "PurchaseOrderByShipToParty" if by_customer else "PurchaseOrderByCustomer"


class Secret(ConnectionSecret):
    """What signing in takes: see README.md, Sign-in."""

    username: str
    password: str = Field(repr=False)
    client_id: str | None = None
    client_secret: str | None = Field(default=None, repr=False)
    token_url: str | None = None
    webhook_authorization: str | None = Field(default=None, repr=False)
    """The Authorization header that Event Mesh sends with every event; without it no event is taken."""

    @model_validator(mode="before")
    @classmethod
    def _client_is_the_user(cls, values: Any) -> Any:
        """The OAuth client's id and secret are the communication user's name and password (vendor notes, A1)."""
        if isinstance(values, dict):
            values.setdefault("username", values.get("client_id"))
            values.setdefault("password", values.get("client_secret"))
        return values


def ui_url(connection: Connection, options: Options) -> str | None:
    """Where people open records: as configured, or the tenant's own address, told from that of its API."""
    if options.ui_url:
        return options.ui_url.rstrip("/")
    host = urlsplit(connection.base_url).hostname or ""
    domain = next((domain for domain in _HOSTS if host.endswith(domain)), None)
    return f"https://{host.removesuffix(domain).removesuffix('-api')}{domain}" if domain else None
