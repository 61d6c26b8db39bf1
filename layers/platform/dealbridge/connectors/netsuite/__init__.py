"""Oracle NetSuite: SuiteTalk REST record service, OAuth 2.0 with a certificate."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from dealbridge.domain.connection import Connection
from dealbridge.domain.keys import Kind
from dealbridge.ports import Capabilities

if TYPE_CHECKING:
    from dealbridge.connectors.netsuite.system import NetSuite
    from dealbridge.transport.client import Wire

CAPABILITIES = Capabilities(
    role="erp",
    kinds=frozenset({Kind.CUSTOMER, Kind.CONTACT, Kind.PROJECT, Kind.TASK, Kind.CONTRACT, Kind.SCHEDULE}),
    withdraws=frozenset({Kind.TASK}),
    numbers_later=frozenset({Kind.CUSTOMER, Kind.PROJECT, Kind.CONTRACT}),
    skips={
        "inbound_events": "SuiteTalk has no way to register a webhook; a customer's own SuiteScript may push",
        "concurrency_token": "no ETag or If-Match is documented; the last write wins",
    },
)


def connect(connection: Connection, secret: Mapping[str, str], wire: "Wire") -> "NetSuite":
    from dealbridge.connectors.netsuite.system import NetSuite

    return NetSuite(connection, secret, wire)
