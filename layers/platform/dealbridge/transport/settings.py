"""A connection's options and its secret as typed models: what the settings of every connector begin with.

Errors name the place and the field, never a value of a secret.
"""

from collections.abc import Mapping
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from dealbridge.domain.connection import Connection
from dealbridge.errors import ConfigurationError


class ConnectionOptions(BaseModel):
    """`options` of the connection; for a CRM also `read` and `status_fields` of its field mapping."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def of(cls, connection: Connection) -> Self:
        """Raises ConfigurationError."""
        try:
            return cls.model_validate(connection.options)
        except ValidationError as error:
            place = ("mappings/connections.yaml", f"{connection.id}.options")
            raise unusable(error, *place, connection.id) from None


class ConnectionSecret(BaseModel):
    """The keys of the connection's secret. A field that signs somebody in has `repr=False`: tracebacks show it else."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    @classmethod
    def of(cls, connection: Connection, given: Mapping[str, str]) -> Self:
        """Raises ConfigurationError."""
        try:
            return cls.model_validate(dict(given))
        except ValidationError as error:
            raise unusable(error, f"secret {connection.secret!r}", "", connection.id) from None


def unusable(error: ValidationError, file: str, section: str, connection: str) -> ConfigurationError:
    """What is wrong in a section of a file, field by field."""
    told = []
    for each in error.errors(include_input=False, include_url=False, include_context=False):
        field = ".".join(str(part) for part in (section, *each["loc"]) if part != "")
        told.append(": ".join(filter(None, (field, each["msg"]))))
    return ConfigurationError(f"{file}: {'; '.join(told)}; see the connector's README.md", connection=connection)
