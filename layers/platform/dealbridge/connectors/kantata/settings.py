"""The connection's options, its secret and the codes it needs, as typed models."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from dealbridge.domain.connection import Connection
from dealbridge.errors import ConfigurationError

Id = Annotated[str, StringConstraints(pattern=r"^\d+$")]


class Options(BaseModel):
    """`mappings/connections.yaml`: `<connection>.options`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    project_key_field: Id
    """The custom field of projects (text, unique) that holds our key."""
    request_key_field: Id
    """The custom field of resources (text, unique) that holds our key of a staffing request."""
    app_url: str = "https://app.mavenlink.com"
    """Where people open records in a browser."""
    throttle_seconds: Annotated[float, Field(gt=0)] = 5.0
    """How long to wait after a 429, which does not say."""


class Secret(BaseModel):
    """The connection's secret: the application's server-side token."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

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


def read_options(connection: Connection) -> Options:
    try:
        return Options.model_validate(connection.options)
    except ValidationError as error:
        raise _unusable(error, f"mappings/connections.yaml: {connection.id}.options") from None


def read_secret(connection: Connection, given: Mapping[str, Any]) -> Secret:
    """The secret. Raises ConfigurationError that names a field, never its value."""
    try:
        return Secret.model_validate(given)
    except ValidationError as error:
        raise _unusable(error, f"secret {connection.secret!r}") from None


def read_defaults(connection: str, codes: Mapping[str, Any]) -> Defaults:
    try:
        return Defaults.model_validate(codes.get("defaults") or {})
    except ValidationError as error:
        raise _unusable(error, f"mappings/codes/{connection}.yaml: defaults") from None


def _unusable(error: ValidationError, where: str) -> ConfigurationError:
    first = error.errors(include_input=False, include_url=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    return ConfigurationError(f"{where}.{field}: {first['msg']}")
