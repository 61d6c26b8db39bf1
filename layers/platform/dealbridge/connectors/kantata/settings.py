"""The connection's options, its secret and the codes it needs, as typed models."""

from decimal import Decimal
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from dealbridge.transport.mapping import Codes
from dealbridge.transport.settings import ConnectionOptions, ConnectionSecret, unusable

Id = Annotated[str, StringConstraints(pattern=r"^\d+$")]


class Options(ConnectionOptions):
    """`mappings/connections.yaml`: `<connection>.options`."""

    project_key_field: Id
    """The custom field of projects (text, unique) that holds our key."""
    request_key_field: Id
    """The custom field of resources (text, unique) that holds our key of a staffing request."""
    app_url: str = "https://app.mavenlink.com"
    """Where people open records in a browser."""
    throttle_seconds: Annotated[float, Field(gt=0)] = 5.0
    """How long to wait after a 429, which does not say."""


class Secret(ConnectionSecret):
    """The connection's secret: the application's server-side token."""

    token: Annotated[str, StringConstraints(min_length=1)] = Field(repr=False)


class Defaults(BaseModel):
    """`mappings/codes/<connection>.yaml`: `defaults`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    approvers: Annotated[tuple[Id, ...], Field(min_length=1)]
    """User ids of those who decide on staffing requests."""
    manager: Id | None = None
    """Who leads a project whose delivery owner is no user of the account; without it such a project is refused."""
    project_template: Id | None = None
    creator_role: str = "maven"
    hours_per_day: Annotated[Decimal, Field(gt=0)] = Decimal(8)
    """A full day, Monday to Friday: what is asked for where the sale names no hours."""

    @classmethod
    def of(cls, codes: Codes) -> Self:
        """Raises ConfigurationError."""
        try:
            return cls.model_validate(codes.defaults)
        except ValidationError as error:
            raise unusable(error, f"mappings/codes/{codes.connection}.yaml", "defaults", codes.connection) from None
