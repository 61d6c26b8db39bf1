"""A company is moved below another in HubSpot: the next poll moves its customer, and then all comes to rest."""

from collections.abc import Iterator
from decimal import Decimal

import pytest

from dealbridge.connectors.hubspot import connect
from dealbridge.domain.hints import DealHint
from dealbridge.domain.keys import DealKey, Kind
from dealbridge.ports import Crm
from dealbridge.runs.polling import poll
from dealbridge.runs.starting import start_run
from dealbridge.transport.client import Wire
from dealbridge.wiring import use
from dealbridge_local.hubspot_user import HubSpotUser
from dealbridge_local.salesforce_user import Sold
from dealbridge_local.simulators.hubspot import HubSpotSimulator
from dealbridge_local.simulators.transport import SimulatorTransport
from tests.builders import reference
from tests.fakes import FakeWiring
from tests.integration.conftest import World

ORIGIN = "https://api.hubapi.com"
WHERE = {"country": "Germany", "tax_registrations": "DE: DE811907980"}


class Sales:
    """A portal, somebody who sells in it, and our connector to it in a world."""

    def __init__(self, world: World) -> None:
        self.world = world
        simulator = HubSpotSimulator(world.clock)
        simulator.base_url = ORIGIN
        transport = SimulatorTransport({ORIGIN: simulator})
        self.seller = HubSpotUser(ORIGIN, simulator.credentials(), transport)
        connector = connect(reference().connection("hubspot"), simulator.credentials(), Wire(transport=transport))

        class Wired(FakeWiring):
            def crm(self, connection_id: str) -> Crm:
                return connector

        use(Wired(world.crm, world.erp, world.psa, reference=reference()))

    def win(self, company: str) -> DealKey:
        line = Sold("IMPL", "Rollout", Decimal(1), Decimal("10000.00"))
        deal = self.seller.open_deal("Rollout", company, [line], currency="EUR", legal_entity="EMEA-DE")
        self.seller.win(deal)
        return DealKey(crm="hubspot", opportunity=deal)

    def poll(self) -> list[DealKey]:
        """The deals that a poll names, when the index has caught up; each is taken up by a run."""
        self.world.clock.pass_by(minutes=5)
        self.world.told.clear()
        poll("hubspot")
        hints = [DealHint.model_validate(detail) for kind, detail in self.world.told if kind == "DealChanged"]
        for hint in hints:
            start_run(hint, self.world.clock())
        self.world.executions.play()
        return [hint.deal for hint in hints]

    def parents(self) -> dict[str, str | None]:
        """Customer → parent, by name, as the ERP holds them."""
        customers = [record.record.model_dump() for record in self.world.erp.of(Kind.CUSTOMER)]
        names = {each["key"]: each["name"] for each in customers}
        return {each["name"]: names.get(each["parent_key"]) for each in customers}


@pytest.fixture
def sales(world: World) -> Iterator[Sales]:
    sales = Sales(world)
    yield sales
    sales.seller.close()


def test_a_company_bought_by_another_moves_its_customer_below_the_buyers(world: World, sales: Sales) -> None:
    group = sales.seller.create_company("Group", **WHERE)
    holding = sales.seller.create_company("Holding", parent=group, **WHERE)
    acme = sales.seller.create_company("Acme", parent=holding, **WHERE)
    deal = sales.win(acme)
    assert sales.poll() == [deal]
    assert world.head(deal)["state"] == "active"
    assert sales.parents() == {"Group": None, "Holding": "Group", "Acme": "Holding"}
    assert sales.poll() == []

    buyer = sales.seller.create_company("Buyer", **WHERE)
    sales.seller.take_from(holding, group)
    sales.seller.put_below(holding, buyer)
    assert sales.poll() == [deal]
    assert sales.parents() == {"Group": None, "Holding": "Buyer", "Acme": "Holding", "Buyer": None}

    sales.seller.take_from(acme, holding)
    assert sales.poll() == [deal]
    assert sales.parents()["Acme"] is None
    assert [sales.poll() for _ in range(3)] == [[], [], []]


def test_a_company_that_is_touched_in_what_we_do_not_read_starts_no_run(world: World, sales: Sales) -> None:
    acme = sales.seller.create_company("Acme", **WHERE)
    deal = sales.win(acme)
    assert sales.poll() == [deal]
    runs = world.head(deal)["run_number"]

    sales.seller.change("companies", acme, description="called again")

    assert sales.poll() == []
    assert world.head(deal)["run_number"] == runs
