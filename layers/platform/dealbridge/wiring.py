"""The composition root: a connection's id to a connector, loading only the connector that a call needs."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import Any, cast

from botocore.exceptions import ClientError

from dealbridge import aws
from dealbridge.domain.connection import Connection
from dealbridge.errors import ConfigurationError
from dealbridge.mappings.published import reference_data
from dealbridge.ports import Capabilities, Crm, EventSource, Numbering, RecordTarget
from dealbridge.rules.reference import ReferenceData

CONNECTORS = {
    "salesforce": "dealbridge.connectors.salesforce",
    "netsuite": "dealbridge.connectors.netsuite",
    "kantata": "dealbridge.connectors.kantata",
    "hubspot": "dealbridge.connectors.hubspot",
    "s4hana": "dealbridge.connectors.s4hana",
}
"""System → connector package. A further system is a further line."""


def _package(connection: Connection) -> Any:
    name = CONNECTORS.get(connection.system)
    if name is None:
        raise ConfigurationError(
            f"mappings/connections.yaml: {connection.id}.system: {connection.system!r} is none of "
            f"{', '.join(CONNECTORS)}"
        )
    return import_module(name)


def _wire(connection: Connection) -> Any:
    from dealbridge.steps import watch_call
    from dealbridge.transport.client import Wire

    return Wire(watch=watch_call, gate=_gate(connection))


def _gate(connection: Connection) -> Any:
    from dealbridge.transport.client import OPEN_GATE

    if connection.limits is None:
        return OPEN_GATE
    from dealbridge.ledger.ledger import ledger
    from dealbridge.steps import count, telling
    from dealbridge.transport.gate import SharedGate

    def note(event: str) -> None:
        count(event, connection=connection.id)

    return SharedGate(connection.id, connection.limits, lambda: ledger().etiquette, telling, note)


@cache
def _secret(name: str) -> Mapping[str, str]:
    try:
        answer = aws.secrets().get_secret_value(SecretId=name)
    except ClientError as error:
        raise ConfigurationError(
            f"secret {name!r}: {error.response['Error']['Code']}; create it as the connector's README says"
        ) from None
    try:
        return dict(json.loads(answer["SecretString"]))
    except ValueError:
        raise ConfigurationError(f"secret {name!r}: not a JSON object; see the connector's README") from None


@dataclass
class Wiring:
    """What the outside is reached through. Tests and local worlds put their own in place with `use`."""

    published: Callable[[], ReferenceData] = reference_data
    secret: Callable[[Connection], Mapping[str, str]] = lambda connection: _secret(connection.secret)
    wire: Callable[[Connection], Any] = lambda connection: _wire(connection)
    _connectors: dict[str, tuple[Connection, Any]] = field(default_factory=dict)
    _references: dict[str, ReferenceData] = field(default_factory=dict)

    def reference(self) -> ReferenceData:
        """The reference data to work by: within a run the run's, so that all of its steps work by one version."""
        from dealbridge.steps import telling

        version = telling().reference
        if not version:
            return self.published()
        if version not in self._references:
            from dealbridge.ledger.ledger import ledger

            self._references[version] = ledger().references.read(version)
        return self._references[version]

    def settle_reference(self) -> str:
        """Have the run work by what is published now; its version.

        It is kept in the ledger for the run's later steps, which ask no more than that: AppConfig charges for each
        configuration that an environment receives.
        """
        from dealbridge.ledger.ledger import ledger
        from dealbridge.steps import telling

        reference = self.published()
        if reference.version not in self._references:
            ledger().references.keep(reference)
            self._references[reference.version] = reference
        telling().reference = reference.version
        return reference.version

    def capabilities(self, connection_id: str) -> Capabilities:
        """What a connection's system can do, without connecting."""
        package = _package(self.reference().connection(connection_id))
        return cast("Capabilities", package.CAPABILITIES)

    def crm(self, connection_id: str) -> Crm:
        return cast("Crm", self._connect(connection_id))

    def target(self, connection_id: str) -> RecordTarget:
        return cast("RecordTarget", self._connect(connection_id))

    def event_source(self, connection_id: str) -> EventSource:
        return cast("EventSource", self._connect(connection_id))

    def numbering(self, connection_id: str) -> Numbering:
        return cast("Numbering", self._connect(connection_id))

    def _connect(self, connection_id: str) -> Any:
        """The connector, kept for as long as its connection's configuration stays the same."""
        connection = self.reference().connection(connection_id)
        kept = self._connectors.get(connection_id)
        if kept is None or kept[0] != connection:
            connector = _package(connection).connect(connection, self.secret(connection), self.wire(connection))
            kept = self._connectors[connection_id] = (connection, connector)
        return kept[1]


_wiring = Wiring()


def wiring() -> Wiring:
    return _wiring


def use(replacement: Wiring) -> None:
    """Put another wiring in place, for this process."""
    global _wiring
    _wiring = replacement


def forget() -> None:
    """Connect and read secrets anew, with the wiring that is shipped: for tests."""
    _secret.cache_clear()
    use(Wiring())
