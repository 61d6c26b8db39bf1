"""A deal is parked for its account's sake; the account is corrected in Salesforce, and the deal goes on by itself."""

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from dealbridge.connectors.salesforce import connect
from dealbridge.domain.hints import DealHint
from dealbridge.domain.keys import DealKey, Kind
from dealbridge.errors import TransientError
from dealbridge.ports import Crm
from dealbridge.runs.polling import poll
from dealbridge.runs.starting import start_run
from dealbridge.transport.client import Call, Wire
from dealbridge.wiring import use
from dealbridge_local.salesforce_user import SalesforceUser, Sold
from dealbridge_local.simulators.salesforce import SalesforceSimulator
from dealbridge_local.simulators.transport import SimulatorTransport
from tests.builders import reference
from tests.fakes import FakeWiring
from tests.integration.conftest import World
from tests.integration.execution import handler

ORIGIN = "https://dealbridge.my.salesforce.com"
TAX = "FR: FR40303265045"


class Context:
    function_name = "receive_crm_event"
    aws_request_id = "r"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:eu-central-1:123456789012:function:receive_crm_event"

    def get_remaining_time_in_millis(self) -> int:
        return 15_000


class Sales:
    """An org whose relay carries accounts, somebody who sells in it, and our connector to it in a world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.relayed: list[dict[str, Any]] = []
        simulator = SalesforceSimulator(
            world.clock,
            relay=self.relayed.extend,
            relay_in_background=False,
            relayed=("Opportunity", "Account"),
        )
        simulator.base_url = ORIGIN
        self.simulator = simulator
        self.transport = SimulatorTransport({ORIGIN: simulator})
        self.seller = SalesforceUser(ORIGIN, simulator.credentials(), self.transport)
        self.calls: list[Call] = []
        self._plug_in()

    def _plug_in(self) -> None:
        published = reference()
        connection = published.connection("salesforce").model_dump()
        connection |= {"base_url": ORIGIN, "options": {"event_source": self.simulator.feed.source}}
        data = reference(connections={**published.model_dump()["connections"], "salesforce": connection})
        secret = {name: self.simulator.credentials()[name] for name in ("consumer_key", "consumer_secret")}
        wire = Wire(transport=self.transport, watch=self.calls.append)
        connector = connect(data.connection("salesforce"), secret, wire)

        class Wired(FakeWiring):
            def crm(self, connection_id: str) -> Crm:
                return connector

        world = self.world
        use(Wired(world.crm, world.erp, world.psa, reference=data))

    def deal(self, account: str, name: str = "Rollout") -> DealKey:
        line = Sold("IMPL", "Rollout", Decimal(1), Decimal("10000.00"))
        opportunity = self.seller.open_deal(name, account, [line], currency="EUR", Legal_Entity__c="EMEA-DE")
        self.seller.win(opportunity)
        return DealKey(crm="salesforce", opportunity=opportunity)

    def receive(self) -> None:
        """What the relay has sent since the last time reaches us."""
        envelopes, self.relayed[:] = list(self.relayed), []
        for envelope in envelopes:
            handler("receive_crm_event")(envelope, Context())

    def hinted(self) -> list[DealKey]:
        """The hints on the bus since the last time, each taken up by a run."""
        told = [DealHint.model_validate(detail) for kind, detail in self.world.told if kind == "DealChanged"]
        self.world.told.clear()
        for hint in told:
            start_run(hint, self.world.clock())
        return [hint.deal for hint in told]

    def settle(self) -> None:
        """All that has happened is dealt with: to a poll nothing is news, our own status writes included."""
        self.receive()
        self.hinted()
        self.world.executions.play()
        self.world.clock.pass_by(minutes=20)
        assert poll("salesforce") == 0
        self.calls.clear()

    def polls(self) -> int:
        return sum(call.path.endswith("/composite") for call in self.calls)


@pytest.fixture
def sales(world: World) -> Iterator[Sales]:
    sales = Sales(world)
    yield sales
    sales.seller.close()


def _account(sales: Sales, **fields: Any) -> str:
    return sales.seller.create_account("Seine Usines", BillingCountry="France", BillingCity="Paris", **fields)


def test_a_deal_parked_for_its_account_goes_on_when_the_account_is_corrected(world: World, sales: Sales) -> None:
    account = _account(sales)
    deal = sales.deal(account)
    sales.settle()
    assert (world.head(deal)["state"], world.head(deal)["cause"]) == ("parked", "RejectedError")

    sales.seller.change("Account", account, Tax_Registrations__c=TAX)
    sales.receive()

    assert sales.hinted() == [deal]
    assert world.executions.play()[-1] == {"state": "active", "following": None}
    assert world.head(deal)["state"] == "active"


def test_the_schedule_alone_finds_it_too(world: World, sales: Sales) -> None:
    account = _account(sales)
    deal = sales.deal(account)
    sales.settle()
    sales.seller.change("Account", account, Tax_Registrations__c=TAX)

    assert poll("salesforce") == 1
    assert sales.hinted() == [deal]


def test_a_parked_deal_that_nobody_has_touched_is_left_alone(world: World, sales: Sales) -> None:
    account = _account(sales)
    deal = sales.deal(account)
    sales.settle()
    runs = world.head(deal)["run_number"]

    sales.seller.change("Account", account, AccountNumber="scored again")
    sales.receive()

    assert sales.polls() == 1
    assert sales.hinted() == []
    assert world.head(deal)["run_number"] == runs


def test_an_import_of_accounts_is_answered_by_few_polls_and_brings_up_each_deal_once(
    world: World, sales: Sales
) -> None:
    accounts = [_account(sales, AccountNumber=str(number)) for number in range(30)]
    deals = [sales.deal(account) for account in accounts[:5]]
    sales.settle()
    for account in accounts:
        sales.seller.change("Account", account, Tax_Registrations__c=TAX)
    assert len(sales.relayed) == 30
    world.clock.pass_by(seconds=10)

    sales.receive()

    assert sales.polls() == 1
    assert sorted(map(str, sales.hinted())) == sorted(map(str, deals))


def test_the_same_event_twice_is_one_poll(world: World, sales: Sales) -> None:
    account = _account(sales)
    sales.deal(account)
    sales.settle()
    sales.seller.change("Account", account, Tax_Registrations__c=TAX)
    sales.relayed.append({**sales.relayed[0], "id": "another delivery"})

    sales.receive()

    assert sales.polls() == 1


def test_an_active_deal_keeps_up_with_its_account_and_polls_come_to_rest(world: World, sales: Sales) -> None:
    account = _account(sales, Tax_Registrations__c=TAX)
    deal = sales.deal(account)
    sales.settle()
    assert world.head(deal)["state"] == "active"

    sales.seller.change("Account", account, Name="Seine et Marne Usines")
    sales.settle()

    (customer,) = world.erp.of(Kind.CUSTOMER)
    assert customer.record.model_dump()["name"] == "Seine et Marne Usines"


def test_an_account_bought_by_another_moves_its_customer_below_the_buyers(world: World, sales: Sales) -> None:
    group = sales.seller.create_account("Group", BillingCountry="France", Tax_Registrations__c=TAX)
    account = _account(sales, Tax_Registrations__c=TAX, ParentId=group)
    deal = sales.deal(account)
    sales.settle()
    assert _parents(world) == {"Group": None, "Seine Usines": "Group"}
    buyer = sales.seller.create_account("Buyer", BillingCountry="France", Tax_Registrations__c=TAX)
    sales.receive()
    world.told.clear()

    sales.seller.change("Account", account, ParentId=buyer)
    assert poll("salesforce") == 1
    assert sales.hinted() == [deal]
    world.executions.play()
    assert _parents(world) == {"Group": None, "Buyer": None, "Seine Usines": "Buyer"}

    sales.seller.change("Account", account, ParentId=None)
    sales.settle()
    assert _parents(world) == {"Group": None, "Buyer": None, "Seine Usines": None}


def _parents(world: World) -> dict[str, str | None]:
    """Customer → parent, by name, as the ERP holds them."""
    customers = [record.record.model_dump() for record in world.erp.of(Kind.CUSTOMER)]
    names = {each["key"]: each["name"] for each in customers}
    return {each["name"]: names.get(each["parent_key"]) for each in customers}


def test_an_event_whose_poll_has_failed_is_given_back(world: World, sales: Sales) -> None:
    account = _account(sales)
    deal = sales.deal(account)
    sales.settle()
    sales.seller.change("Account", account, Tax_Registrations__c=TAX)
    sales.simulator.add_fault(kind="status", status=503, body="[]", path="composite", times=1)
    (event,) = sales.relayed

    with pytest.raises(TransientError):
        handler("receive_crm_event")(event, Context())
    handler("receive_crm_event")(event, Context())

    assert sales.hinted() == [deal]


def test_a_request_that_names_some_deals_and_asks_for_a_poll(world: World, clients: None) -> None:
    """One poll for all that a request leaves open, after what it names."""
    body = json.dumps({"event_id": "e", "opportunity_ids": [None, "006Hp00001ABCDEIA5", None]})
    request = {
        "requestContext": {"requestId": "r", "http": {"method": "POST"}, "domainName": "x.example.com"},
        "rawPath": "/events/salesforce",
        "pathParameters": {"connection": "salesforce"},
        "headers": {"X-Signature": "good"},
        "body": body,
    }

    answer = handler("receive_crm_event")(request, Context())

    assert (answer["statusCode"], json.loads(answer["body"])["accepted"]) == (202, 3)
    assert [detail["source"] for _, detail in world.told] == ["crm_event"]
    assert world.ledger.cursors.moved_at("salesforce") is not None
