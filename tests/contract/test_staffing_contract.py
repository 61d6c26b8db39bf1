"""Every staffing system runs the contract of its role, each against its simulator."""

from collections.abc import Callable, Iterator

import pytest

from dealbridge.ports import InboundRequest

from .kantata.harness import KantataVendor
from .suites.events import EventContract
from .suites.staffing import StaffingContract
from .suites.vendor import Clock, TargetVendor, time_of

STAFFING_SYSTEMS = (KantataVendor,)


@pytest.fixture(params=STAFFING_SYSTEMS, ids=lambda system: system.system)
def new(request: pytest.FixtureRequest) -> Iterator[Callable[..., TargetVendor]]:
    clock = Clock()
    with time_of(clock):
        yield lambda **switches: request.param(clock, **switches)


@pytest.fixture
def telling(new: Callable[..., TargetVendor]) -> Callable[[], tuple[TargetVendor, list[InboundRequest]]]:
    def tell() -> tuple[TargetVendor, list[InboundRequest]]:
        vendor = new()
        vendor.require("inbound_events")
        vendor.write()
        return vendor, vendor.events()

    return tell


class TestStaffing(StaffingContract):
    pass


class TestEvents(EventContract):
    pass
