"""Sales orders and billing plans (vendor notes, A2.4, A3 and A10)."""

from time import perf_counter
from typing import Any

import pytest

from tests.contract.s4hana.conftest import a_milestone, a_sales_area, an_item, an_order

SERVICE = "API_SALES_ORDER_SRV"
ORDERS = f"{SERVICE}/A_SalesOrder"
ITEMS = f"{SERVICE}/A_SalesOrderItem"
PLAN_ITEMS = f"{SERVICE}/A_SlsOrderItemBillingPlanItem"


@pytest.fixture
def customer(tenant: Any) -> str:
    return str(tenant.customer())


def item_path(order: str, item: str = "10") -> str:
    return f"{ITEMS}(SalesOrder='{order}',SalesOrderItem='{item}')"


def plan_item_path(order: str, plan_item: str = "1", item: str = "10", plan: str = "1") -> str:
    key = f"SalesOrder='{order}',SalesOrderItem='{item}',BillingPlan='{plan}',BillingPlanItem='{plan_item}'"
    return f"{PLAN_ITEMS}({key})"


def test_one_call_makes_order_items_plan_and_milestones(tenant: Any, customer: str) -> None:
    tenant.project("PRJ-1")
    order = tenant.order(
        customer,
        an_item(a_milestone("10000.00"), a_milestone("15000.00", "2026-06-30"), WBSElement="PRJ-1-1"),
        an_item(a_milestone("500.50"), Material="P002"),
    )
    assert (order["SalesOrder"], order["TotalNetAmount"], order["TransactionCurrency"]) == ("1", "25500.50", "EUR")
    assert (order["CustomerPaymentTerms"], order["PurchaseOrderByCustomer"]) == ("NT30", "SF-OPP-006")
    first, second = order["to_Item"]["results"]
    assert (first["SalesOrderItem"], first["NetAmount"], first["WBSElement"]) == ("10", "25000.00", "PRJ-1-1")
    assert (second["SalesOrderItem"], second["SalesOrderItemText"]) == ("20", "Advisory Services")
    assert (first["BillingPlan"], second["BillingPlan"]) == ("1", "2")
    milestones = first["to_BillingPlan"]["to_BillingPlanItem"]["results"]
    assert [(each["BillingPlanItem"], each["BillingPlanAmount"]) for each in milestones] == [
        ("1", "10000.00"),
        ("2", "15000.00"),
    ]
    assert [each["BillingPlanAmountPercent"] for each in milestones] == ["40.00", "60.00"]


def test_the_customer_reference_is_not_unique(tenant: Any, customer: str) -> None:
    tenant.order(customer)
    tenant.order(customer)
    assert len(tenant.rows(ORDERS, filter="PurchaseOrderByCustomer eq 'SF-OPP-006'")) == 2


def test_an_order_without_a_reference_is_incomplete_and_made_all_the_same(tenant: Any, customer: str) -> None:
    response = tenant.send("POST", ORDERS, an_order(customer, PurchaseOrderByCustomer=""))
    assert response.status_code == 201
    assert '"severity": "warning"' in response.headers["sap-message"]
    assert "sap-message" not in tenant.send("POST", ORDERS, an_order(customer)).headers


def test_a_price_condition_makes_the_net_amount(tenant: Any, customer: str) -> None:
    price = [{"ConditionType": "PMP0", "ConditionRateValue": "180.00"}]
    order = tenant.order(customer, an_item(a_milestone("1000.00"), RequestedQuantity="12.5", to_PricingElement=price))
    [item] = order["to_Item"]["results"]
    assert (order["TotalNetAmount"], item["RequestedQuantity"]) == ("2250.00", "12.5")
    [element] = item["to_PricingElement"]["results"]
    assert (element["ConditionRateValue"], element["ConditionAmount"]) == ("180.000000000", "2250.00")


def test_yen_have_no_decimals(tenant: Any) -> None:
    area = a_sales_area(
        SalesOrganization="1510",
        Currency="JPY",
        to_SalesAreaTax=[{"DepartureCountry": "JP", "CustomerTaxCategory": "TTX1", "CustomerTaxClassification": "1"}],
    )
    customer = tenant.customer(to_Customer={"to_CustomerSalesArea": [area]})
    order = tenant.order(customer, an_item(a_milestone("25000")), SalesOrganization="1510")
    assert (order["TotalNetAmount"], order["TransactionCurrency"]) == ("25000", "JPY")
    cents = an_order(customer, an_item(a_milestone("100.50")), SalesOrganization="1510")
    assert "too many decimal places" in tenant.refusal(tenant.send("POST", ORDERS, cents))[1]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"SalesOrderType": "XX"}, "Sales order type XX is not defined"),
        ({"SalesOrderType": ""}, "Enter a value for field SalesOrderType"),
        ({"SalesOrganization": "9999"}, "Sales area 9999 10 00 is not defined"),
        ({"SalesOrganization": "1710"}, "Sales area 1710 10 00 is not defined for customer"),
        ({"SoldToParty": "999"}, "is not defined for customer 999"),
        ({"TransactionCurrency": "XXX"}, "Currency XXX is not defined"),
        ({"CustomerPaymentTerms": "N999"}, "Terms of payment N999 do not exist"),
        ({"PurchaseOrderByCustomer": "X" * 36}, "has invalid value"),
        ({"TotalNetAmount": "1.00"}, "must not be set"),
        ({"to_Item": [an_item(Material="X999")]}, "Material X999 is not defined"),
        ({"to_Item": [an_item(Material="")]}, "Enter a material"),
        ({"to_Item": [an_item(RequestedQuantityUnit="XXX")]}, "Sales unit XXX is not defined"),
        ({"to_Item": [an_item(RequestedQuantity="-1")]}, "greater than zero"),
        ({"to_Item": [an_item(WBSElement="NO-SUCH")]}, "WBS element NO-SUCH does not exist"),
        ({"to_Item": [an_item(SalesOrderItemCategory="XXXX")]}, "Item category XXXX is not defined"),
        ({"to_Item": [an_item(SalesOrderItemCategory="TAD")]}, "Item category TAD is not relevant for a billing plan"),
        ({"to_Item": [an_item(a_milestone(BillingPlanDateCategory="99"))]}, "Date category 99 is not defined"),
        ({"to_Item": [an_item(a_milestone(ProposedBillingDocumentType="FAZ"))]}, "not allowed for date category 00"),
        ({"to_Item": [an_item(a_milestone(BillingBlockReason="ZZ"))]}, "Billing block ZZ is not defined"),
        ({"to_Item": [an_item(a_milestone("0.001"))]}, "too many decimal places"),
        ({"to_Item": [an_item(a_milestone("0.0001"))]}, "has invalid value"),
        ({"to_Item": [an_item(a_milestone("12345678901234.00"))]}, "has invalid value"),
    ],
)
def test_what_customizing_does_not_know_is_refused(
    tenant: Any, customer: str, fields: dict[str, Any], said: str
) -> None:
    status, message = tenant.refusal(tenant.send("POST", ORDERS, an_order(customer, **fields)))
    assert (status, said in message) == (400, True), message
    assert tenant.rows(ORDERS) == []
    assert tenant.rows(ITEMS) == []


def test_a_wbs_element_of_another_company_code_is_refused(tenant: Any, customer: str) -> None:
    tenant.project("US-1", ResponsibleCostCenter="17101601")
    body = an_order(customer, an_item(WBSElement="US-1-1"))
    assert "belongs to company code 1710" in tenant.refusal(tenant.send("POST", ORDERS, body))[1]


def test_a_blocked_customer_gets_no_order(tenant: Any, customer: str) -> None:
    area = f"Customer='{customer}',SalesOrganization='1010',DistributionChannel='10',Division='00'"
    tenant.send("PATCH", f"API_BUSINESS_PARTNER/A_CustomerSalesArea({area})", {"OrderIsBlockedForCustomer": "01"})
    assert "is blocked for orders" in tenant.refusal(tenant.send("POST", ORDERS, an_order(customer)))[1]


# Billing plans


def test_a_plan_needs_a_category_that_wants_one(tenant: Any, customer: str) -> None:
    """The recipe of A2.4: change the category, read the plan's number, add the milestones."""
    plain = {"Material": "P001", "RequestedQuantity": "1", "SalesOrderItemCategory": "TAD"}
    order = tenant.order(customer, plain)["SalesOrder"]
    milestone = {"SalesOrder": order, "SalesOrderItem": "10", "BillingPlan": "1", **a_milestone()}
    status, message = tenant.refusal(tenant.send("POST", PLAN_ITEMS, milestone))
    assert (status, "is not relevant for one" in message) == (400, True)

    assert tenant.change(item_path(order), SalesOrderItemCategory="CTAD").status_code == 204
    plan = tenant.read(item_path(order))["BillingPlan"]
    made = tenant.make(PLAN_ITEMS, **{**milestone, "BillingPlan": plan})
    assert (made["BillingPlanItem"], made["BillingPlanRelatedBillgStatus"]) == ("1", "A")
    assert tenant.read(f"{ORDERS}('{order}')")["TotalNetAmount"] == "25000.00"
    assert tenant.make(PLAN_ITEMS, **{**milestone, "BillingPlan": plan})["BillingPlanItem"] == "2"
    assert tenant.read(f"{ORDERS}('{order}')")["TotalNetAmount"] == "50000.00"

    assert tenant.change(item_path(order), SalesOrderItemCategory="TAD").status_code == 204
    assert tenant.rows(PLAN_ITEMS) == []
    assert tenant.read(f"{ORDERS}('{order}')")["TotalNetAmount"] == "0.00"


def test_the_plan_is_read_and_changed_but_not_made_on_its_own(tenant: Any, customer: str) -> None:
    order = tenant.order(customer)["SalesOrder"]
    plan = f"{SERVICE}/A_SalesOrderItemBillingPlan(SalesOrder='{order}',SalesOrderItem='10',BillingPlan='1')"
    assert tenant.read(plan)["BillingPlanType"] == "30"
    assert tenant.change(plan, BillingPlanStartDate="2026-02-01T00:00:00").status_code == 204
    assert tenant.send("POST", f"{SERVICE}/A_SalesOrderItemBillingPlan", {}).status_code == 405


def test_a_milestone_is_unblocked_moved_and_taken_away(tenant: Any, customer: str) -> None:
    order = tenant.order(customer, an_item(a_milestone(BillingBlockReason="Y4"), a_milestone("1.00")))["SalesOrder"]
    path = plan_item_path(order)
    assert tenant.change(path, BillingBlockReason="").status_code == 204
    assert tenant.change(path, BillingPlanAmount="20000.00").status_code == 204
    shown = tenant.read(path)
    assert (shown["BillingBlockReason"], shown["BillingPlanAmount"]) == ("", "20000.00")
    assert tenant.read(f"{ORDERS}('{order}')")["TotalNetAmount"] == "20001.00"
    assert tenant.send("DELETE", plan_item_path(order, "2"), headers={"If-Match": "*"}).status_code == 204
    assert tenant.read(f"{ORDERS}('{order}')")["TotalNetAmount"] == "20000.00"


def test_a_percentage_becomes_an_amount(tenant: Any, customer: str) -> None:
    price = [{"ConditionType": "PMP0", "ConditionRateValue": "1000.00"}]
    parts = [a_milestone("0", BillingPlanAmountPercent=share) for share in ("33.33", "66.67")]
    order = tenant.order(customer, an_item(*parts, to_PricingElement=price))["SalesOrder"]
    amounts = [each["BillingPlanAmount"] for each in tenant.rows(PLAN_ITEMS, filter=f"SalesOrder eq '{order}'")]
    assert amounts == ["333.30", "666.70"]


def test_a_down_payment_is_part_of_the_price(tenant: Any, customer: str) -> None:
    down = a_milestone("5000.00", BillingPlanDateCategory="04", ProposedBillingDocumentType="FAZ")
    assert tenant.order(customer, an_item(down, a_milestone("25000.00")))["TotalNetAmount"] == "25000.00"


# Items and header


def test_an_item_is_added_changed_and_rejected(tenant: Any, customer: str) -> None:
    order = tenant.order(customer)["SalesOrder"]
    added = tenant.make(f"{ORDERS}('{order}')/to_Item", **an_item(a_milestone("100.00"), Material="P003"))
    assert (added["SalesOrder"], added["SalesOrderItem"]) == (order, "20")
    assert tenant.read(f"{ORDERS}('{order}')")["TotalNetAmount"] == "25100.00"
    assert tenant.change(item_path(order, "20"), SalesOrderItemText="Run").status_code == 204
    assert tenant.change(item_path(order, "20"), SalesDocumentRjcnReason="50").status_code == 204
    header = tenant.read(f"{ORDERS}('{order}')")
    assert (header["TotalNetAmount"], header["OverallSDDocumentRejectionSts"]) == ("25000.00", "B")
    assert tenant.refusal(tenant.change(item_path(order, "20"), Material="P001"))[0] == 400
    assert tenant.send("DELETE", item_path(order, "20"), headers={"If-Match": "*"}).status_code == 204
    assert [each["SalesOrderItem"] for each in tenant.rows(f"{ORDERS}('{order}')/to_Item")] == ["10"]


def test_numbers_given_by_the_caller_stand(tenant: Any, customer: str) -> None:
    order = tenant.order(customer, an_item(SalesOrderItem="000100"), an_item())
    assert [each["SalesOrderItem"] for each in order["to_Item"]["results"]] == ["100", "110"]
    twice = an_order(customer, an_item(SalesOrderItem="10"), an_item(SalesOrderItem="10"))
    assert tenant.refusal(tenant.send("POST", ORDERS, twice))[0] == 400


def test_a_price_is_changed_for_a_change_order(tenant: Any, customer: str) -> None:
    price = [{"ConditionType": "PMP0", "ConditionRateValue": "100.00"}]
    order = tenant.order(customer, an_item(to_PricingElement=price))["SalesOrder"]
    key = f"SalesOrder='{order}',SalesOrderItem='10',PricingProcedureStep='10',PricingProcedureCounter='1'"
    path = f"{SERVICE}/A_SalesOrderItemPrElement({key})"
    assert tenant.change(path, ConditionRateValue="150.00").status_code == 204
    assert tenant.read(f"{ORDERS}('{order}')")["TotalNetAmount"] == "150.00"


def test_partners_and_texts(tenant: Any, customer: str) -> None:
    payer = tenant.customer()
    order = tenant.order(
        customer,
        to_Partner=[{"PartnerFunction": "PY", "Customer": payer}],
        to_Text=[{"Language": "EN", "LongTextID": "TX01", "LongText": "Bill by milestone"}],
    )["SalesOrder"]
    shown = tenant.read(f"{ORDERS}('{order}')", expand="to_Partner,to_Text")
    partners = {each["PartnerFunction"]: each["Customer"] for each in shown["to_Partner"]["results"]}
    assert partners == {"BP": customer, "PY": payer, "SH": customer, "SP": customer}
    assert shown["to_Text"]["results"][0]["LongText"] == "Bill by milestone"


def test_the_currency_is_settled_once_there_are_items(tenant: Any, customer: str) -> None:
    order = tenant.order(customer)["SalesOrder"]
    assert tenant.refusal(tenant.change(f"{ORDERS}('{order}')", TransactionCurrency="USD"))[0] == 400
    assert tenant.change(f"{ORDERS}('{order}')", TransactionCurrency="EUR").status_code == 204


def test_new_terms_of_the_header_reach_what_has_none_of_its_own(tenant: Any, customer: str) -> None:
    own = an_item(a_milestone(CustomerPaymentTerms="NT15"), a_milestone(), CustomerPaymentTerms="NT15")
    order = tenant.order(customer, an_item(), own)["SalesOrder"]
    tenant.change(f"{ORDERS}('{order}')", CustomerPaymentTerms="NT60")
    items = tenant.rows(f"{ORDERS}('{order}')/to_Item")
    assert [each["CustomerPaymentTerms"] for each in items] == ["NT60", "NT15"]
    dates = tenant.rows(PLAN_ITEMS, filter=f"SalesOrder eq '{order}'")
    assert [each["CustomerPaymentTerms"] for each in dates] == ["NT60", "NT15", "NT60"]


# Concurrency


def test_all_parts_of_an_order_carry_its_tag(tenant: Any, customer: str) -> None:
    order = tenant.order(customer)["SalesOrder"]
    path = f"{ORDERS}('{order}')"
    etag = tenant.send("GET", path).headers["etag"]
    assert etag.startswith("W/\"datetimeoffset'2026-04-10T09%3A00%3A00.")
    assert tenant.send("GET", plan_item_path(order)).headers["etag"] == etag

    assert tenant.refusal(tenant.send("PATCH", path, {"SalesOrderDate": None}))[0] == 428
    assert tenant.refusal(tenant.send("DELETE", plan_item_path(order)))[0] == 428
    assert tenant.change(plan_item_path(order), etag, BillingBlockReason="Y4").status_code == 204
    for stale in (path, item_path(order), plan_item_path(order)):
        assert tenant.refusal(tenant.change(stale, etag, CustomerPaymentTerms="NT60"))[0] == 412
    fresh = tenant.send("GET", path).headers["etag"]
    assert tenant.change(path, fresh, CustomerPaymentTerms="NT60").status_code == 204


def test_two_changes_in_one_moment_have_two_tags(tenant: Any, customer: str) -> None:
    path = f"{ORDERS}('{tenant.order(customer)['SalesOrder']}')"
    tags = set()
    for terms in ("NT30", "NT45", "NT60"):
        tenant.change(path, CustomerPaymentTerms=terms)
        tags.add(tenant.send("GET", path).headers["etag"])
    assert len(tags) == 3


def test_a_locked_order_is_refused(tenant: Any, customer: str) -> None:
    order = tenant.order(customer)["SalesOrder"]
    tenant.simulator.lock_object("A_SalesOrder", order)
    for response in (
        tenant.change(f"{ORDERS}('{order}')", CustomerPaymentTerms="NT60"),
        tenant.send("POST", f"{ORDERS}('{order}')/to_Item", an_item()),
        tenant.send("DELETE", f"{ORDERS}('{order}')", headers={"If-Match": "*"}),
    ):
        assert tenant.refusal(response) == (400, f"Sales order {order} is locked by user CB9980000012")
    tenant.simulator.unlock_object("A_SalesOrder", order)
    assert tenant.send("DELETE", f"{ORDERS}('{order}')", headers={"If-Match": "*"}).status_code == 204
    assert tenant.rows(ITEMS) == []


# Size


def test_a_deal_of_five_hundred_lines_is_one_quick_call(tenant: Any, customer: str) -> None:
    body = an_order(customer, *(an_item(a_milestone("1.01")) for _ in range(500)))
    began = perf_counter()
    order = tenant.make(ORDERS, **body)
    # Some 0.1 s on a laptop; the bound only catches what grows with the square of the lines.
    assert perf_counter() - began < 2
    assert order["TotalNetAmount"] == "505.00"
    assert order["to_Item"]["results"][-1]["SalesOrderItem"] == "5000"


def test_a_look_up_by_our_key_does_not_scan(tenant: Any, customer: str) -> None:
    body = an_order(customer, {"Material": "P001"})
    for index in range(1500):
        tenant.send("POST", ORDERS, {**body, "PurchaseOrderByCustomer": f"DEAL-{index}"})
    began = perf_counter()
    for index in range(0, 1500, 15):
        [found] = tenant.rows(ORDERS, filter=f"PurchaseOrderByCustomer eq 'DEAL-{index}'", select="SalesOrder")
        assert found["SalesOrder"] == str(index + 1)
    assert perf_counter() - began < 1
