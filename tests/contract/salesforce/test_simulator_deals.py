"""What the org does by itself when a deal is saved: derived fields, roll-ups, and writes ignored in silence."""

from typing import Any

import pytest

from .conftest import Org


def test_stage_decides_won_closed_probability_and_forecast(org: Org) -> None:
    deal_id = org.deal(Amount=1000)
    opened = org.read("Opportunity", deal_id)
    org.update("Opportunity", deal_id, StageName="Closed Won")
    won = org.read("Opportunity", deal_id)

    def derived(deal: dict[str, object]) -> list[object]:
        names = ("IsClosed", "IsWon", "Probability", "ExpectedRevenue", "ForecastCategory", "ForecastCategoryName")
        return [deal[name] for name in names]

    assert derived(opened) == [False, False, 10.0, 100.0, "Pipeline", "Pipeline"]
    assert derived(won) == [True, True, 100.0, 1000.0, "Closed", "Closed"]
    org.update("Opportunity", deal_id, StageName="Negotiation/Review", Probability=70)
    reopened = org.read("Opportunity", deal_id)
    assert derived(reopened) == [False, False, 70.0, 700.0, "Forecast", "Commit"]
    assert (won["Fiscal"], won["FiscalYear"], won["FiscalQuarter"]) == ("2026 4", 2026, 4)


def test_the_amount_of_a_deal_with_products_is_their_sum_and_a_write_to_it_is_ignored(org: Org) -> None:
    deal_id = org.deal(Amount=99)
    org.line(deal_id, Quantity=10, UnitPrice=150)
    second = org.line(deal_id, Quantity=2, UnitPrice=0.5)

    org.update("Opportunity", deal_id, Amount=1, NextStep="Invoice")

    deal = org.read("Opportunity", deal_id)
    assert (deal["Amount"], deal["NextStep"]) == (1501.0, "Invoice")
    assert (deal["HasOpportunityLineItem"], deal["TotalOpportunityQuantity"]) == (True, 12.0)
    org.send("DELETE", f"sobjects/OpportunityLineItem/{second}")
    assert org.read("Opportunity", deal_id)["Amount"] == 1500.0


def test_a_change_of_a_product_moves_the_time_stamps_of_the_deal(org: Org) -> None:
    deal_id = org.deal()
    line_id = org.line(deal_id)
    changes: tuple[dict[str, Any], ...] = ({"Description": "x"}, {"UnitPrice": 1})
    for minute, change in enumerate(changes, start=1):
        org.clock.advance(minutes=1)
        org.update("OpportunityLineItem", line_id, **change)
        assert org.read("Opportunity", deal_id)["SystemModstamp"] == f"2026-11-23T18:0{minute}:00.000+0000"


def test_a_product_shows_its_price_book_entry(org: Org) -> None:
    line = org.read("OpportunityLineItem", org.line(org.deal()))

    assert line["Name"] == "ERP rollout Technology Consulting"
    assert (line["ProductCode"], line["ListPrice"], line["CurrencyIsoCode"]) == ("CONS-TECH", 1656.0, "EUR")
    deal = org.read("Opportunity", line["OpportunityId"])
    assert deal["Pricebook2Id"] == org.records("SELECT Id FROM Pricebook2")[0]["Id"]


def test_a_product_may_be_named_instead_of_its_price_book_entry(org: Org) -> None:
    product_id = org.records("SELECT Id FROM Product2 WHERE ProductCode = 'CONS-TECH'")[0]["Id"]
    line = org.read("OpportunityLineItem", org.line(org.deal(CurrencyIsoCode="JPY"), Product2Id=product_id))

    assert line["PricebookEntryId"] == org.entry(currency="JPY")
    assert line["CurrencyIsoCode"] == "JPY"


@pytest.mark.parametrize(
    ("change", "quantity", "unit_price", "total"),
    [
        ({"Quantity": 20}, 20, 75, 1500),  # the total stays, the price moves
        ({"Quantity": 20, "UnitPrice": 150}, 20, 150, 3000),
        ({"UnitPrice": 200}, 10, 200, 2000),
        ({"TotalPrice": 1000}, 10, 100, 1000),
        ({"Discount": 10}, 10, 150, 1350),
        ({"Discount": 10, "TotalPrice": 900}, 10, 100, 900),
        ({"Discount": 50, "Quantity": 20, "UnitPrice": 100}, 20, 100, 1000),
        ({"Description": "x"}, 10, 150, 1500),
    ],
)
def test_which_price_follows_which(
    org: Org, change: dict[str, object], quantity: float, unit_price: float, total: float
) -> None:
    line_id = org.line(org.deal())
    org.update("OpportunityLineItem", line_id, **change)

    line = org.read("OpportunityLineItem", line_id)
    assert (line["Quantity"], line["UnitPrice"], line["TotalPrice"]) == (quantity, unit_price, total)


def test_a_new_product_needs_one_of_the_two_prices(org: Org) -> None:
    line = {"OpportunityId": org.deal(), "PricebookEntryId": org.entry(), "Quantity": 3}

    def refused(**prices: float) -> tuple[int, str, list[str] | None]:
        return org.refusal(org.send("POST", "sobjects/OpportunityLineItem", {**line, **prices}))

    assert refused() == (400, "REQUIRED_FIELD_MISSING", ["TotalPrice"])
    assert refused(UnitPrice=1, TotalPrice=3)[:2] == (400, "FIELD_INTEGRITY_EXCEPTION")
    from_total = org.read("OpportunityLineItem", org.create("OpportunityLineItem", **line, TotalPrice=100))
    assert (from_total["UnitPrice"], from_total["TotalPrice"]) == (33.33, 100.0)


def test_yen_have_no_decimals(org: Org) -> None:
    deal_id = org.deal(CurrencyIsoCode="JPY")
    line_id = org.line(deal_id, PricebookEntryId=org.entry(currency="JPY"), Quantity=3, UnitPrice=33.5)

    assert org.read("OpportunityLineItem", line_id)["TotalPrice"] == 101.0


def test_products_are_of_the_currency_of_the_deal(org: Org) -> None:
    line = {"OpportunityId": org.deal(), "PricebookEntryId": org.entry(currency="USD"), "Quantity": 1, "UnitPrice": 1}
    refused = org.refusal(org.send("POST", "sobjects/OpportunityLineItem", line))

    assert refused == (400, "FIELD_INTEGRITY_EXCEPTION", ["PricebookEntryId"])


def test_price_book_and_currency_stay_while_a_deal_has_products(org: Org) -> None:
    deal_id = org.deal()
    other = org.create("Pricebook2", Name="Partners", IsActive=True)
    line_id = org.line(deal_id)

    def change(**fields: str) -> tuple[int, str]:
        response = org.send("PATCH", f"sobjects/Opportunity/{deal_id}", fields)
        return (response.status_code, "") if response.status_code == 204 else org.refusal(response)[:2]

    assert change(Pricebook2Id=other) == change(CurrencyIsoCode="USD") == (400, "FIELD_INTEGRITY_EXCEPTION")
    org.send("DELETE", f"sobjects/OpportunityLineItem/{line_id}")
    assert change(Pricebook2Id=other) == change(CurrencyIsoCode="USD") == (204, "")


def _schedule(org: Org, line_id: str, kind: str, **values: object) -> str:
    wanted = {"OpportunityLineItemId": line_id, "Type": kind, "ScheduleDate": "2026-12-01"}
    return org.create("OpportunityLineItemSchedule", **wanted, **values)


def test_a_revenue_schedule_is_worth_its_sum_and_writes_to_the_product_are_ignored(org: Org) -> None:
    deal_id = org.deal()
    line_id = org.line(deal_id, Quantity=10, UnitPrice=150)
    _schedule(org, line_id, "Revenue", Revenue=400)
    last = _schedule(org, line_id, "Revenue", Revenue=600.5)

    org.update("OpportunityLineItem", line_id, Quantity=99, TotalPrice=1, Description="kept")

    line = org.read("OpportunityLineItem", line_id)
    assert (line["HasRevenueSchedule"], line["HasQuantitySchedule"], line["HasSchedule"]) == (True, False, True)
    assert (line["Quantity"], line["TotalPrice"], line["Description"]) == (10.0, 1000.5, "kept")
    assert org.read("Opportunity", deal_id)["Amount"] == 1000.5
    org.clock.advance(minutes=1)
    org.update("OpportunityLineItemSchedule", last, Revenue=700)
    deal = org.read("Opportunity", deal_id)
    assert (deal["Amount"], deal["SystemModstamp"]) == (1100.0, "2026-11-23T18:01:00.000+0000")


def test_a_quantity_schedule_counts_its_sum(org: Org) -> None:
    line_id = org.line(org.deal(), Quantity=1, UnitPrice=100)
    _schedule(org, line_id, "Quantity", Quantity=3)
    gone = _schedule(org, line_id, "Quantity", Quantity=4)
    org.update("OpportunityLineItem", line_id, Quantity=1)

    line = org.read("OpportunityLineItem", line_id)
    assert (line["Quantity"], line["TotalPrice"], line["HasQuantitySchedule"]) == (7.0, 700.0, True)
    org.send("DELETE", f"sobjects/OpportunityLineItemSchedule/{gone}")
    assert org.read("OpportunityLineItem", line_id)["TotalPrice"] == 300.0


def test_a_schedule_states_what_its_type_counts(org: Org) -> None:
    line_id = org.line(org.deal())
    both = {"OpportunityLineItemId": line_id, "Type": "Both", "ScheduleDate": "2026-12-01"}
    refused = org.refusal(org.send("POST", "sobjects/OpportunityLineItemSchedule", both))

    assert refused == (400, "REQUIRED_FIELD_MISSING", ["Revenue", "Quantity"])


def test_a_deal_has_one_primary_contact(org: Org) -> None:
    account_id, deal_id = org.account(), org.deal()
    roles = []
    for name in ("Ada", "Bo"):
        contact_id = org.create("Contact", LastName=name, AccountId=account_id)
        role = {"OpportunityId": deal_id, "ContactId": contact_id, "Role": "Decision Maker", "IsPrimary": True}
        roles.append(org.create("OpportunityContactRole", **role))

    assert [org.read("OpportunityContactRole", role)["IsPrimary"] for role in roles] == [False, True]
    assert org.records(f"SELECT Contact.Name FROM Opportunity WHERE Id = '{deal_id}'")[0]["Contact"]["Name"] == "Bo"


def test_a_contract_ends_the_day_before_its_term_is_over(org: Org) -> None:
    contract = org.read(
        "Contract", org.create("Contract", AccountId=org.account(), StartDate="2026-02-01", ContractTerm=12)
    )

    assert (contract["EndDate"], contract["Status"], contract["ContractNumber"]) == ("2027-01-31", "Draft", "00000100")
