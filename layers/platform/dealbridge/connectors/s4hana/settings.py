"""An S/4HANA connection's options and its secret."""

from collections.abc import Mapping
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from dealbridge.domain.connection import Connection
from dealbridge.errors import ConfigurationError

_README = "layers/platform/dealbridge/connectors/s4hana/README.md"
_HOSTS = (".s4hana.cloud.sap", ".s4hana.ondemand.com")

OrderKeyField = Literal["PurchaseOrderByShipToParty", "PurchaseOrderByCustomer"]


class Options(BaseModel):
    """`options` of the connection. The defaults fit a tenant as the vendor's documents describe it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

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

    @classmethod
    def of(cls, connection: Connection) -> Self:
        try:
            return cls.model_validate(connection.options)
        except ValidationError as error:
            names = ", ".join(".".join(map(str, each["loc"])) for each in error.errors())
            raise ConfigurationError(
                f"mappings/connections.yaml: {connection.id}.options: {names}: unknown or wrong; see {_README}",
                connection=connection.id,
            ) from None


class Secret(BaseModel):
    """What signing in takes: see README.md, Sign-in."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

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

    @classmethod
    def of(cls, connection: Connection, values: Mapping[str, Any]) -> Self:
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            names = ", ".join(str(each["loc"][0]) for each in error.errors())
            raise ConfigurationError(
                f"secret {connection.secret!r}: {names}: missing or wrong; see {_README}", connection=connection.id
            ) from None


def ui_url(connection: Connection, options: Options) -> str | None:
    """Where people open records: as configured, or the tenant's own address, told from that of its API."""
    if options.ui_url:
        return options.ui_url.rstrip("/")
    host = urlsplit(connection.base_url).hostname or ""
    domain = next((domain for domain in _HOSTS if host.endswith(domain)), None)
    return f"https://{host.removesuffix(domain).removesuffix('-api')}{domain}" if domain else None
