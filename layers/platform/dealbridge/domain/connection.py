"""A configured vendor connection."""

from typing import Any

from pydantic import Field

from dealbridge.domain.model import Model


class Connection(Model):
    """A configured vendor connection: reference data, `mappings/connections.yaml`.

    `options` are the connector's own (API version, account id, defaults that are set-up data of this tenant); its
    settings model validates them. `secret` names the secret; it never holds one.
    """

    id: str
    system: str
    base_url: str
    secret: str
    limits: dict[str, int] = Field(default_factory=dict)
    options: dict[str, Any] = Field(default_factory=dict)
    public_url: str | None = None
    """The address that this system's webhooks call (scheme, host, and what comes before `/events/...`), where it is
    not the one that API Gateway reports: signatures cover it."""
