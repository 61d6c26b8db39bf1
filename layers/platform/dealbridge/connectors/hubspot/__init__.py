"""HubSpot: deals read whole, status written back, webhooks verified, changes from search or the Webhooks Journal."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from dealbridge.domain.connection import Connection
from dealbridge.domain.keys import Kind
from dealbridge.ports import Capabilities, Crm

if TYPE_CHECKING:
    from dealbridge.transport.client import Wire

CAPABILITIES = Capabilities(
    role="crm",
    kinds=frozenset({Kind.ENGAGEMENT_STATUS}),
    inbound_events=True,
    skips={"concurrency_token": "HubSpot has no ETag and no If-Match: the last write wins"},
)


def connect(connection: Connection, secret: Mapping[str, str], wire: "Wire") -> Crm:
    """The connection's port. Raises ConfigurationError where its options or its secret are not what the README says."""
    from dealbridge.connectors.hubspot.system import HubSpot

    return HubSpot(connection, secret, wire)
