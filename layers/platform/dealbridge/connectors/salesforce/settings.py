"""The connection's options and its secret, as typed models."""

from datetime import timedelta
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from dealbridge.transport.settings import ConnectionOptions, ConnectionSecret

FieldPath = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]\w*(\.[A-Za-z]\w*)*$")]
"""A field as SOQL selects it, dotted where it is a parent's: `Owner.Email`."""


class Options(ConnectionOptions):
    """`mappings/connections.yaml`: `<connection>.options`, with `read` and `status_fields` of the field mapping."""

    api_version: Annotated[str, StringConstraints(pattern=r"^v\d+\.0$")] = "v67.0"
    audience: str = "https://login.salesforce.com"
    """Whom a JWT is for: login, test (a sandbox) or an Experience Cloud site; never the My Domain."""
    client: Annotated[str, StringConstraints(pattern=r"^[\w.-]{1,40}$")] = "dealbridge"
    """What we call ourselves on every write; change events name it, and so we know our own echoes."""
    event_source: str = ""
    """The partner event source of the org's Event Relay."""
    platform_events: dict[str, str] = Field(default={"Deal_Won__e": "Opportunity_Id__c"})
    """Platform events that speak of a deal → their field with the opportunity's id."""
    read: dict[str, tuple[FieldPath, ...]] = Field(default_factory=dict)
    """The fields to select per object; an object that is not named is not read."""
    status_fields: dict[str, FieldPath] = Field(default_factory=dict)
    """Fields of EngagementStatus → the opportunity's fields that we own."""
    status_message_length: Annotated[int, Field(ge=1)] = 32_768
    """What the message's field holds; a longer message is cut."""
    look_back: timedelta = timedelta(days=7)
    """How far the first poll looks back."""
    overlap: timedelta = timedelta(minutes=5)
    """How far each poll looks back behind the last: a long transaction shows its changes after later ones."""
    watched_accounts: Annotated[int, Field(ge=0, le=5)] = 5
    """How many accounts of a deal's tree, from its own upwards, a poll watches for changes; each is one join more."""
    page: Annotated[int, Field(ge=1, le=2000)] = 2000
    """Changed deals a call."""


class Secret(ConnectionSecret):
    """The connection's secret: an External Client App, with a private key (JWT bearer) or a secret."""

    consumer_key: str
    consumer_secret: str | None = Field(default=None, repr=False)
    username: str | None = None
    private_key: str | None = Field(default=None, repr=False)
    login_url: str | None = None
    """Where tokens are asked for; the connection's base URL where not given."""
    webhook_secret: str | None = Field(default=None, repr=False)
    """Signs requests to POST /events/<connection>; without it none is taken."""

    @model_validator(mode="after")
    def _signs_in(self) -> Self:
        if not (self.private_key and self.username) and not self.consumer_secret:
            raise ValueError("needs private_key and username (JWT bearer), or consumer_secret")
        return self
