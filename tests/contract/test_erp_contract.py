"""Every ERP runs the contract of the port `Erp`, each against its simulator."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dealbridge.domain.keys import Kind
from dealbridge.ports import InboundRequest

from .netsuite.harness import NetSuiteVendor
from .s4hana.harness import S4HanaVendor
from .suites.erp import ErpContract
from .suites.events import EventContract
from .suites.vendor import Clock, TargetVendor, time_of

ERPS = (NetSuiteVendor, S4HanaVendor)


@pytest.fixture(params=ERPS, ids=lambda erp: erp.system)
def new(request: pytest.FixtureRequest) -> Iterator[Callable[..., TargetVendor]]:
    clock = Clock()
    with time_of(clock):
        yield lambda **switches: request.param(clock, **switches)


@pytest.fixture
def telling(new: Callable[..., TargetVendor]) -> Callable[[], tuple[TargetVendor, list[InboundRequest]]]:
    def tell() -> tuple[TargetVendor, list[InboundRequest]]:
        vendor: Any = new()
        vendor.require("inbound_events")
        vendor.write()
        return vendor, vendor.events()

    return tell


class TestErp(ErpContract):
    pass


class TestEvents(EventContract):
    pass
