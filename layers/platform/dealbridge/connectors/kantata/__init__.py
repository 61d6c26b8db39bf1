"""Kantata OX: projects and staffing requests, in calls of the API v1."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from dealbridge.domain.connection import Connection
from dealbridge.domain.keys import Kind
from dealbridge.ports import Capabilities, RecordTarget

if TYPE_CHECKING:
    from dealbridge.transport.client import Wire

CAPABILITIES = Capabilities(
    role="staffing",
    kinds=frozenset({Kind.STAFFING_PROJECT, Kind.STAFFING_REQUEST}),
    withdraws=frozenset({Kind.STAFFING_REQUEST}),
    skips={
        "inbound_events": "Kantata has no webhooks; its events are polled, and there are none of resource requests",
        "concurrency_token": "no ETag or If-Match is documented; the last write wins",
        "session_renewal": "a server-side token never expires: there is nothing to renew",
    },
)


def connect(connection: Connection, secret: Mapping[str, str], wire: "Wire") -> RecordTarget:
    """The connection's port. Raises ConfigurationError where its options or its secret are not what the README says."""
    from dealbridge.connectors.kantata.system import Kantata

    return Kantata(connection, secret, wire)
