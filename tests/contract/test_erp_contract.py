"""Every ERP runs the contract of its role, each against its simulator."""

from collections.abc import Callable, Iterator

import pytest

from dealbridge.domain.keys import Kind
from dealbridge.ports import InboundRequest

from .netsuite.harness import NetSuiteVendor
from .s4hana.harness import S4HanaVendor
from .suites.erp import KINDS, ErpContract
from .suites.events import EventContract
from .suites.sale import ENTITIES, Sale, a_deal
from .suites.same import as_read, not_kept, without
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
        vendor = new()
        vendor.require("inbound_events")
        vendor.write()
        return vendor, vendor.events()

    return tell


class TestErp(ErpContract):
    pass


@pytest.mark.parametrize("currency", sorted(ENTITIES))
def test_the_same_engagement_reads_back_equal_from_every_erp(currency: str) -> None:
    """But for what one of them has no place for, which its harness names and the suite proves."""
    clock = Clock()
    with time_of(clock):
        sales = [Sale(erp(clock), a_deal(currency)).activate() for erp in ERPS]
        read = [as_read(sale) for sale in sales]
    unkept: dict[Kind, set[str]] = {}
    for sale in sales:
        for kind, names in not_kept(sale.vendor).items():
            unkept.setdefault(kind, set()).update(names)
    first, *others = [
        {(kind, key): without(content, unkept.get(kind, set())) for (kind, key), content in each.items()}
        for each in read
    ]
    assert {kind for kind, _ in first} == set(KINDS)
    for other in others:
        assert other == first


class TestEvents(EventContract):
    pass
