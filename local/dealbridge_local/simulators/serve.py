"""The simulators' own process: each on its port, with credentials made at start, until it is told to end.

python -m dealbridge_local.simulators.serve --home .local --first-port 9101 --engine http://127.0.0.1:4566
"""

import argparse
import json
import signal
import threading
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from dealbridge_local.simulators.server import SimulatorServer
from dealbridge_local.simulators.simulator import Simulator

SIMULATORS = {
    "salesforce": "SalesforceSimulator",
    "netsuite": "NetSuiteSimulator",
    "kantata": "KantataSimulator",
    "hubspot": "HubSpotSimulator",
    "s4hana": "S4HanaSimulator",
}
"""Connector folder → the simulator's class, in the order of their ports. A further simulator is a further line."""


def _made(name: str, engine_url: str) -> Simulator:
    """Only what is served is imported."""
    package = import_module(f"dealbridge_local.simulators.{name}")
    simulator: type[Simulator] = getattr(package, SIMULATORS[name])
    return simulator.on_laptop(engine_url)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Serve the vendor simulators on 127.0.0.1.")
    parser.add_argument("--home", type=Path, required=True, help="folder for simulators.json")
    parser.add_argument("--first-port", type=int, required=True)
    parser.add_argument("--engine", required=True, help="the local AWS engine's URL")
    options = parser.parse_args(arguments)
    servers = {
        name: SimulatorServer(_made(name, options.engine), options.first_port + offset)
        for offset, name in enumerate(SIMULATORS)
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
