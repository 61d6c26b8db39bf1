"""The simulators' own process: each on its port, with credentials made at start, until it is told to end.

python -m dealbridge_local.simulators.serve --home .local --first-port 9101 --engine http://127.0.0.1:4566
"""

import argparse
import json
import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dealbridge_local.engine.settings import ACCESS_KEY, REGION, SECRET_KEY
from dealbridge_local.simulators.server import SimulatorServer
from dealbridge_local.simulators.simulator import Simulator


@dataclass(frozen=True)
class Surroundings:
    """What a simulator may send its events to."""

    engine_url: str


def _salesforce(around: Surroundings) -> Simulator:
    from dealbridge_local.simulators.salesforce import SalesforceSimulator
    from dealbridge_local.simulators.salesforce.event_relay import EventBridgeRelay

    return SalesforceSimulator(
        relay=EventBridgeRelay.to(around.engine_url, REGION, ACCESS_KEY, SECRET_KEY),
        relayed=("Opportunity", "Account"),
    )


def _netsuite(around: Surroundings) -> Simulator:
    from dealbridge_local.simulators.netsuite import NetSuiteSimulator

    return NetSuiteSimulator()


def _kantata(around: Surroundings) -> Simulator:
    from dealbridge_local.simulators.kantata import KantataSimulator

    return KantataSimulator()


def _hubspot(around: Surroundings) -> Simulator:
    from dealbridge_local.simulators.hubspot import HubSpotSimulator

    return HubSpotSimulator()


def _s4hana(around: Surroundings) -> Simulator:
    from dealbridge_local.simulators.s4hana import S4HanaSimulator

    return S4HanaSimulator()


SIMULATORS: dict[str, Callable[[Surroundings], Simulator]] = {
    "salesforce": _salesforce,
    "netsuite": _netsuite,
    "kantata": _kantata,
    "hubspot": _hubspot,
    "s4hana": _s4hana,
}
"""By connector folder, in the order of their ports. A further simulator is a further line."""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Serve the vendor simulators on 127.0.0.1.")
    parser.add_argument("--home", type=Path, required=True, help="folder for simulators.json")
    parser.add_argument("--first-port", type=int, required=True)
    parser.add_argument("--engine", required=True, help="the local AWS engine's URL")
    options = parser.parse_args(arguments)
    around = Surroundings(options.engine)
    servers = {
        name: SimulatorServer(make(around), options.first_port + offset)
        for offset, (name, make) in enumerate(SIMULATORS.items())
    }
    for name, server in servers.items():
        threading.Thread(target=server.serve_forever, name=name, daemon=True).start()
    described = {
        name: {
            "url": server.url,
            "api_version": server.simulator.api_version,
            "credentials": server.simulator.credentials(),
        }
        for name, server in servers.items()
    }
    target = options.home / "simulators.json"
    partial = target.with_suffix(".partial")
    partial.touch(mode=0o600)
    partial.write_text(json.dumps(described, indent=2))
    partial.rename(target)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    ended.wait()
    for server in servers.values():
        server.shutdown()


if __name__ == "__main__":
    main()
