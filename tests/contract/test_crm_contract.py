"""Every CRM runs the contract of its role, each against its simulator."""

from collections.abc import Callable, Iterator

import pytest

from dealbridge.ports import InboundRequest

from .hubspot.harness import HubSpotVendor
from .salesforce.harness import SalesforceVendor
from .suites.crm import CrmContract
from .suites.events import EventContract
from .suites.vendor import Clock, CrmVendor, time_of

CRMS = (SalesforceVendor, HubSpotVendor)


@pytest.fixture(params=CRMS, ids=lambda crm: crm.system)
def new(request: pytest.FixtureRequest) -> Iterator[Callable[..., CrmVendor]]:
    clock = Clock()
    with time_of(clock):
        yield lambda **switches: request.param(clock, **switches)


@pytest.fixture
def telling(new: Callable[..., CrmVendor]) -> Callable[[], tuple[CrmVendor, list[InboundRequest]]]:
    def tell() -> tuple[CrmVendor, list[InboundRequest]]:
        vendor = new()
        vendor.require("inbound_events")
        vendor.won_deals(1)
        return vendor, vendor.events()

    return tell


class TestCrm(CrmContract):
    pass


class TestEvents(EventContract):
    pass
