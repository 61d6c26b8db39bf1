"""Two CRMs and two ERPs in one deployment: routing by legal entity, a deal over two ERPs, many deals of one account."""

import json
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from dealbridge.domain.engagement import Contract
from dealbridge.domain.keys import DealKey, Kind
from dealbridge.ledger.ledger import ledger
from dealbridge.runs.proving import prove
from dealbridge_local.engine import wait_until
from dealbridge_local.hubspot_user import HubSpotUser
from dealbridge_local.platform import Platform
from dealbridge_local.portfolio import Sale, Sellers, sell
from dealbridge_local.salesforce_user import SalesforceUser, Sold
from tests.workflows.observing import Vendor, dealbridge, trace_of, wait_until_active


@pytest.fixture
def sellers(platform: Platform) -> Iterator[Sellers]:
    people = Sellers(platform)
    yield people
    people.close()


@pytest.fixture
def hubspot_user(platform: Platform) -> Iterator[HubSpotUser]:
    described = platform.endpoints["simulators"]["hubspot"]
    user = HubSpotUser(described["url"], described["credentials"])
    yield user
    user.close()


def _wait_until_settled(platform: Platform, deal: DealKey, *states: str, within_s: float = 90) -> dict[str, Any]:
    return wait_until(
        lambda: found if (found := trace_of(str(deal)))["state"] in states else None,
        f"{deal} to be {' or '.join(states)}",
        within_s=within_s,
        every_s=0.3,
        check=platform.engine.check_alive,
    )


def _contracts(deal: DealKey) -> list[Contract]:
    items = ledger().records.effects_of(deal, [])
    return [Contract.model_validate(item["content"]["record"]) for item in items if item["kind"] == Kind.CONTRACT]


def test_every_pair_of_crm_and_erp_carries_a_deal_and_reads_back_what_was_sold(
    platform: Platform, sellers: Sellers
) -> None:
    sales = sell(sellers)
    for sale in sales:
        sellers.win(sale)
    for sale in sales:
        _wait_until_settled(platform, sale.key, "active")
        proofs = list(prove(sale.key))
        assert {proof.verdict for proof in proofs} == {"stands"}, sale
        (contract,) = _contracts(sale.key)
        assert contract.legal_entity == sale.entity
        assert contract.value.amount == _sold_for(sellers, sale)
    assert {proof.identity.split("/")[0] for sale in sales for proof in prove(sale.key)} >= {"netsuite", "s4hana"}


def _sold_for(sellers: Sellers, sale: Sale) -> Decimal:
    if sale.key.crm == "salesforce":
        return Decimal(str(sellers.salesforce.read("Opportunity", sale.key.opportunity)["Amount"]))
    return Decimal(str(sellers.hubspot.read("deals", sale.key.opportunity, "amount")["amount"]))


def test_hubspot_shows_the_numbers_and_amends(platform: Platform, hubspot_user: HubSpotUser) -> None:
    company = hubspot_user.create_company("Tailspin Inc.", country="United States")
    deal = hubspot_user.open_deal("Tailspin", company, [Sold("IMPL", "Rollout", Decimal(2), Decimal("1000.00"))])
    hubspot_user.win(deal)
    key = DealKey(crm="hubspot", opportunity=deal)
    _wait_until_settled(platform, key, "active")
    shown = hubspot_user.read("deals", deal, "erp_status", "erp_project_number", "erp_contract_number")
    (order,) = Vendor(platform, "netsuite").of_deal("salesOrder", deal)
    assert shown["erp_status"] == "Active"
    assert shown["erp_contract_number"] == order["tranId"]
    hubspot_user.change("deals", deal, po_number="PO-9")

    def amended() -> bool:
        (changed,) = Vendor(platform, "netsuite").of_deal("salesOrder", deal)
        return bool(changed["otherRefNum"] == "PO-9")

    wait_until(amended, "the amendment", within_s=60, every_s=0.3, check=platform.engine.check_alive)


def test_a_deal_over_two_erps_is_two_contracts_and_one_failure_does_not_block_the_other(
    platform: Platform, seller: SalesforceUser
) -> None:
    netsuite, s4hana = Vendor(platform, "netsuite"), Vendor(platform, "s4hana")
    account = seller.create_account(
        "Wide World GmbH", BillingCountry="Germany", BillingCity="Berlin", Tax_Registrations__c="DE: DE811907980"
    )
    lines = [
        Sold("IMPL", "In the US", Decimal(1), Decimal("7000.00")),
        Sold("ADVS", "In Germany", Decimal(1), Decimal("3000.00"), more={"Legal_Entity__c": "EMEA-DE"}),
    ]
    deal = seller.open_deal("Wide World", account, lines, currency="EUR")
    key = DealKey(crm="salesforce", opportunity=deal)
    s4hana.fault(kind="status", status=503)
    try:
        seller.win(deal)
        found = _wait_until_settled(platform, key, "parked")
    finally:
        s4hana.no_faults()
    assert found["cause"] == "TransientError"
    (order,) = netsuite.of_deal("salesOrder", deal)
    assert Decimal(order["total"]) == Decimal("7000.00")
    written = len(netsuite.calls())
    assert dealbridge("redrive", str(key)).returncode == 0
    wait_until_active(platform, seller, deal)
    # What stood already is not written again; a query by POST writes nothing.
    since = [call for call in netsuite.calls()[written:] if call["method"] != "GET"]
    assert [call for call in since if not call["path"].endswith("/suiteql")] == []
    contracts = {contract.legal_entity: contract.value.amount for contract in _contracts(key)}
    assert contracts == {"NA-US": Decimal("7000.00"), "EMEA-DE": Decimal("3000.00")}
    assert len(netsuite.of_deal("salesOrder", deal)) == 1
    assert {proof.verdict for proof in prove(key)} == {"stands"}


@pytest.mark.parametrize(("entity", "erp"), [("NA-US", "netsuite"), ("EMEA-DE", "s4hana")])
def test_fifty_deals_of_one_new_account_at_once_make_one_customer(
    platform: Platform, seller: SalesforceUser, entity: str, erp: str
) -> None:
    account = seller.create_account(
        f"Thunder {erp}", BillingCountry="Germany", BillingCity="Köln", Tax_Registrations__c="DE: DE811907980"
    )
    deals = [
        seller.open_deal(
            f"Thunder {number}",
            account,
            [Sold("TRNG", "Day", Decimal(1), Decimal("100.00"))],
            currency="EUR",
            Legal_Entity__c=entity,
        )
        for number in range(50)
    ]
    for deal in deals:
        seller.win(deal)

    def all_active() -> bool:
        states = Counter(str(seller.read("Opportunity", deal).get("ERP_Status__c")) for deal in deals)
        return states["Active"] == len(deals)

    wait_until(all_active, "fifty deals", within_s=240, every_s=2, check=platform.engine.check_alive)
    vendor = Vendor(platform, erp)
    if erp == "netsuite":
        customers = [each for each in vendor.records("customer") if each.get("externalId") == f"CUST-{account}"]
    else:
        customers = [each for each in vendor.records("A_BusinessPartner") if f"Thunder {erp}" in json.dumps(each)]
    assert len(customers) == 1
    assert max(call["in_flight"] for call in vendor.calls()) <= {"netsuite": 5, "s4hana": 4}[erp]
