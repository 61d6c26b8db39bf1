"""The deployed whole on a local engine of its own, with simulators of their own, beside whatever `make up` runs."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from dealbridge import aws, clock, wiring
from dealbridge.ledger.ledger import ledger
from dealbridge.mappings import published
from dealbridge.settings import Settings
from dealbridge_local import platform as local_platform
from dealbridge_local.engine import Settings as EngineSettings
from dealbridge_local.platform import Platform
from dealbridge_local.salesforce_user import SalesforceUser
from dealbridge_local.vendors import FIRST_PORT_SETTING


def _free_ports(count: int) -> int:
    """The first of so many free ports in a row."""
    for first in range(20_000, 30_000, count):
        probes = []
        try:
            for port in range(first, first + count):
                probe = socket.socket()
                probes.append(probe)
                probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        else:
            return first
        finally:
            for probe in probes:
                probe.close()
    raise RuntimeError("no free ports")


def _forget_what_other_tests_used() -> None:
    """These tests ask the ledger and the vendors in this process too: with this platform's names and clients."""
    aws.forget()
    published.forget()
    Settings.read.cache_clear()
    ledger.cache_clear()
    clock.use(None)
    wiring.forget()


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """The platform, with waits shortened to a tenth and a poll that only runs when a test asks for it."""
    home: Path = tmp_path_factory.mktemp("platform")
    first = _free_ports(9)
    settings = EngineSettings(port=first, home=home, wait_scale=0.1)
    before = dict(os.environ)
    os.environ[FIRST_PORT_SETTING] = str(first + 1)
    try:
        # The engine's waits are a tenth, a circuit's are not: it would outlast the retries of these tests. The breaker
        # has tests of its own (tests/integration/test_gate.py).
        running = local_platform.up(settings, poll_rate="rate(1 day)", limits={"failures_to_open": 10_000})
        local_platform.point_process_at(running)
        _forget_what_other_tests_used()
        os.environ["DEALBRIDGE_ENDPOINTS"] = str(home / "endpoints.json")
        yield running
    finally:
        local_platform.down(settings)
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture
def seller(platform: Platform) -> Iterator[SalesforceUser]:
    described = platform.endpoints["simulators"]["salesforce"]
    user = SalesforceUser(described["url"], described["credentials"])
    yield user
    user.close()
