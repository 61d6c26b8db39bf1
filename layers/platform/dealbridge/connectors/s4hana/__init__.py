"""SAP S/4HANA Cloud, Public Edition: OData V2 services, communication user, CSRF."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from dealbridge.domain.connection import Connection
from dealbridge.domain.keys import Kind
from dealbridge.ports import Capabilities

if TYPE_CHECKING:
    from dealbridge.ports import RecordTarget
    from dealbridge.transport.client import Wire

CAPABILITIES = Capabilities(
    role="erp",
    kinds=frozenset({Kind.CUSTOMER, Kind.CONTACT, Kind.PROJECT, Kind.CONTRACT}),
    embeds=frozenset({Kind.TASK, Kind.SCHEDULE}),
    inbound_events=True,
    concurrency_token=True,
    skips={
        "repeated_create.customer": "a partner's external key is not unique: steps read back before they write",
        "repeated_create.contact": "a partner's external key is not unique: steps read back before they write",
        "repeated_create.contract": "an order's customer reference is not unique: steps read back before they write",
        "concurrency_token.project": "an enterprise project takes If-Match: * and no entity tag (KBA 2962502)",
        "event_integrity": "Event Mesh sends an agreed Authorization header, which covers no body",
        "event_age": "Event Mesh signs no time; a replay is known by the event's source and id",
    },
)


def connect(connection: Connection, secret: Mapping[str, str], wire: "Wire") -> "RecordTarget":
    from dealbridge.connectors.s4hana.system import S4Hana

    return S4Hana(connection, secret, wire)
