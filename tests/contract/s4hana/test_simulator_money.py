"""Invoices, payments, cancellations and time (vendor notes, A2.5)."""

from typing import Any

import pytest

from tests.contract.s4hana.conftest import a_milestone, an_item

INVOICES = "API_BILLING_DOCUMENT_SRV/A_BillingDocument"
JOURNAL = "API_OPLACCTGDOCITEMCUBE_SRV/A_OperationalAcctgDocItemCube"
TIME = "API_MANAGE_WORKFORCE_TIMESHEET/TimeSheetEntryCollection"


@pytest.fixture
def order(tenant: Any) -> str:
    """Two milestones due, one blocked, one later; on a project."""
    tenant.project("PRJ-1")
    made = tenant.order(
        tenant.customer(),
        an_item(
            a_milestone("10000.00", "2026-03-31"),
            a_milestone("5000.00", "2026-03-31"),
            a_milestone("7000.00", "2026-04-01", BillingBlockReason="Y4"),
            a_milestone("8000.00", "2026-06-30"),
            WBSElement="PRJ-1-1",
        ),
    )
    return str(made["SalesOrder"])


def run(tenant: Any, action: str, **given: Any) -> Any:
    response = tenant.http.post(f"/__sim/actions/{action}", json=given)
    assert response.status_code == 201, response.text
    return response.json()


def test_a_billing_run_bills_what_is_due_and_not_blocked(tenant: Any, order: str) -> None:
    assert run(tenant, "billing-run") == {"billing_documents": ["90000000"]}
    invoice = tenant.read(f"{INVOICES}('90000000')", expand="to_Item")
    assert (invoice["TotalNetAmount"], invoice["TaxAmount"], invoice["TotalGrossAmount"]) == (
        "15000.00",
        "2850.00",
        "17850.00",
    )
    assert invoice["BillingDocumentDate"] == "/Date(1774915200000)/"
    assert (invoice["BillingDocumentType"], invoice["PurchaseOrderByCustomer"]) == ("F2", "SF-OPP-006")
    assert (invoice["OverallBillingStatus"], invoice["InvoiceClearingStatus"]) == ("A", "A")
    items = invoice["to_Item"]["results"]
    assert [(each["SalesDocument"], each["NetAmount"], each["WBSElement"]) for each in items] == [
        (order, "10000.00", "PRJ-1-1"),
        (order, "5000.00", "PRJ-1-1"),
    ]


def test_what_is_billed_once_is_not_billed_again(tenant: Any, order: str) -> None:
    run(tenant, "billing-run")
    assert run(tenant, "billing-run") == {"billing_documents": []}
    header = tenant.read(f"API_SALES_ORDER_SRV/A_SalesOrder('{order}')")
    assert header["OverallOrdReltdBillgStatus"] == "B"
    assert run(tenant, "billing-run", date="2026-06-30") == {"billing_documents": ["90000001"]}


def test_a_billed_milestone_stands(tenant: Any, order: str) -> None:
    run(tenant, "billing-run")
    key = f"SalesOrder='{order}',SalesOrderItem='10',BillingPlan='1',BillingPlanItem='1'"
    path = f"API_SALES_ORDER_SRV/A_SlsOrderItemBillingPlanItem({key})"
    assert tenant.read(path)["BillingPlanRelatedBillgStatus"] == "C"
    assert "has been billed" in tenant.refusal(tenant.change(path, BillingPlanAmount="1.00"))[1]
    for gone in (path, f"API_SALES_ORDER_SRV/A_SalesOrder('{order}')"):
        assert tenant.refusal(tenant.send("DELETE", gone, headers={"If-Match": "*"}))[0] == 400


def test_a_header_or_item_block_holds_the_bill(tenant: Any, order: str) -> None:
    tenant.change(f"API_SALES_ORDER_SRV/A_SalesOrder('{order}')", HeaderBillingBlockReason="01")
    assert run(tenant, "billing-run") == {"billing_documents": []}


def test_invoices_are_found_by_customer_and_change(tenant: Any, order: str) -> None:
    run(tenant, "billing-run")
    customer = tenant.read(f"{INVOICES}('90000000')")["SoldToParty"]
    since = f"SoldToParty eq '{customer}' and LastChangeDateTime ge datetimeoffset'2026-04-10T09:00:00Z'"
    assert len(tenant.rows(INVOICES, filter=since)) == 1
    later = since.replace("09:00", "10:00")
    assert tenant.rows(INVOICES, filter=later) == []


def test_nothing_is_created_or_changed_by_hand(tenant: Any, order: str) -> None:
    run(tenant, "billing-run")
    assert tenant.send("POST", INVOICES, {}).status_code == 405
    assert tenant.change(f"{INVOICES}('90000000')", PaymentReference="X").status_code == 405
    assert tenant.send("POST", JOURNAL, {}).status_code == 405


# Journal


def receivable(tenant: Any) -> dict[str, Any]:
    [line] = tenant.rows(JOURNAL, filter="BillingDocument eq '90000000' and FinancialAccountType eq 'D'")
    return dict(line)


def test_an_invoice_is_a_balanced_journal_entry(tenant: Any, order: str) -> None:
    run(tenant, "billing-run")
    lines = tenant.rows(JOURNAL, filter="AccountingDocument eq '9400000000'")
    assert [each["AmountInTransactionCurrency"] for each in lines] == ["17850.00", "-10000.00", "-5000.00", "-2850.00"]
    element = tenant.rows(
        "API_ENTERPRISE_PROJECT_SRV;v=0002/A_EnterpriseProjectElement", filter="ProjectElement eq 'PRJ-1-1'"
    )[0]
    assert lines[1]["WBSElementInternalID"] == element["WBSElementInternalID"]
    assert (lines[1]["Project"], lines[0]["IsCleared"]) == ("PRJ-1", False)
    assert lines[0]["NetDueDate"] == "/Date(1777507200000)/"


def test_a_payment_clears_the_invoice_and_leaves_its_change_date(tenant: Any, order: str) -> None:
    run(tenant, "billing-run")
    before = tenant.read(f"{INVOICES}('90000000')")["LastChangeDateTime"]
    events = len(tenant.simulator.events.sent)
    tenant.clock.advance(days=20)
    entry = run(tenant, "payment", id="90000000")["accounting_document"]
    invoice = tenant.read(f"{INVOICES}('90000000')")
    # No event and no new change date: a poll of the clearing status is the only way to know.
    assert (invoice["InvoiceClearingStatus"], invoice["LastChangeDateTime"]) == ("C", before)
    assert len(tenant.simulator.events.sent) == events
    line = receivable(tenant)
    assert (line["IsCleared"], line["ClearingAccountingDocument"]) == (True, entry)
    assert line["ClearingDate"] == "/Date(1777507200000)/"


def test_part_payments_add_up(tenant: Any, order: str) -> None:
    run(tenant, "billing-run")
    run(tenant, "payment", id="90000000", amount="10000.00")
    assert tenant.read(f"{INVOICES}('90000000')")["InvoiceClearingStatus"] == "B"
    assert receivable(tenant)["IsCleared"] is False
    [part] = tenant.rows(JOURNAL, filter="InvoiceReference eq '9400000000'")
    assert (part["AmountInTransactionCurrency"], part["AccountingDocumentType"]) == ("-10000.00", "DZ")
    too_much = tenant.http.post("/__sim/actions/payment", json={"id": "90000000", "amount": "7850.01"})
    assert too_much.status_code == 400
    run(tenant, "payment", id="90000000", amount="7850.00")
    assert tenant.read(f"{INVOICES}('90000000')")["InvoiceClearingStatus"] == "C"
    assert all(each["IsCleared"] for each in tenant.rows(JOURNAL, filter="FinancialAccountType eq 'D'"))
    assert tenant.http.post("/__sim/actions/payment", json={"id": "90000000"}).status_code == 400


def cancel(tenant: Any, number: str) -> dict[str, Any]:
    response = tenant.send("POST", "API_BILLING_DOCUMENT_SRV/Cancel", params={"BillingDocument": f"'{number}'"})
    [result] = response.json()["d"]["results"]
    return dict(result)


def test_a_cancellation_mirrors_the_invoice_and_frees_the_milestones(tenant: Any, order: str) -> None:
    run(tenant, "billing-run")
    result = cancel(tenant, "90000000")
    assert (result["SystemMessageType"], result["CancellationBillingDocument"]) == ("S", "90000001")
    invoice = tenant.read(f"{INVOICES}('90000000')")
    assert (invoice["BillingDocumentIsCancelled"], invoice["OverallBillingStatus"]) == (True, "C")
    mirror = tenant.read(f"{INVOICES}('90000001')")
    assert (mirror["BillingDocumentType"], mirror["CancelledBillingDocument"]) == ("S1", "90000000")
    lines = tenant.rows(JOURNAL, filter="FinancialAccountType eq 'D'")
    assert sum(float(each["AmountInTransactionCurrency"]) for each in lines) == 0
    assert [(each["IsReversed"], each["IsReversal"]) for each in lines] == [(True, False), (False, True)]
    assert run(tenant, "billing-run") == {"billing_documents": ["90000002"]}


def test_a_paid_invoice_is_not_cancelled(tenant: Any, order: str) -> None:
    run(tenant, "billing-run")
    run(tenant, "payment", id="90000000")
    assert cancel(tenant, "90000000")["SystemMessageType"] == "E"
    assert tenant.read(f"{INVOICES}('90000000')")["BillingDocumentIsCancelled"] is False


def test_actions_that_make_no_sense_are_refused(tenant: Any) -> None:
    for action, given in (("dance", {}), ("payment", {"id": "1"}), ("lock", {"type": "A_Customer", "id": "1"})):
        assert tenant.http.post(f"/__sim/actions/{action}", json=given).status_code == 400


def test_a_customer_who_is_not_liable_pays_no_tax(tenant: Any) -> None:
    customer = tenant.customer()
    key = (
        f"Customer='{customer}',SalesOrganization='1010',DistributionChannel='10',Division='00'"
        ",DepartureCountry='DE',CustomerTaxCategory='TTX1'"
    )
    path = f"API_BUSINESS_PARTNER/A_CustomerSalesAreaTax({key})"
    assert tenant.send("PATCH", path, {"CustomerTaxClassification": "0"}).status_code == 204
    tenant.order(customer)
    run(tenant, "billing-run")
    assert tenant.read(f"{INVOICES}('90000000')")["TotalGrossAmount"] == "25000.00"


# Time


def an_entry(**fields: Any) -> dict[str, Any]:
    data = {"WBSElement": "PRJ-1-1", "RecordedHours": "7.50", "HoursUnitOfMeasure": "H", "ActivityType": "T001"}
    return {
        "PersonWorkAgreementExternalID": "10100001",
        "CompanyCode": "1010",
        "TimeSheetDate": "2026-04-09T00:00:00",
        "TimeSheetIsReleasedOnSave": True,
        "TimeSheetOperation": "C",
        "TimeSheetDataFields": {**data, **fields.pop("data", {})},
        **fields,
    }


@pytest.fixture
def released(tenant: Any) -> None:
    params = {"ProjectUUID": f"guid'{tenant.project('PRJ-1')['ProjectUUID']}'", "ProcessingStatus": "'10'"}
    tenant.send("POST", "API_ENTERPRISE_PROJECT_SRV;v=0002/ChangeEntProjProcgStatus", params=params)


@pytest.mark.usefixtures("released")
def test_time_is_recorded_corrected_and_taken_back(tenant: Any) -> None:
    made = tenant.make(TIME, **an_entry())
    assert (made["TimeSheetRecord"], made["TimeSheetStatus"]) == ("1", "30")
    assert made["TimeSheetDataFields"]["RecordedHours"] == "7.50"
    changed = tenant.make(TIME, **an_entry(TimeSheetOperation="U", TimeSheetRecord="1", data={"RecordedHours": "8"}))
    assert (changed["TimeSheetRecord"], changed["TimeSheetPredecessorRecord"]) == ("2", "1")
    tenant.make(TIME, **an_entry(TimeSheetOperation="D", TimeSheetRecord="2"))
    assert {each["TimeSheetStatus"] for each in tenant.rows(TIME)} == {"60"}
    gone = tenant.send("POST", TIME, an_entry(TimeSheetOperation="D", TimeSheetRecord="2"))
    assert tenant.refusal(gone)[0] == 400


@pytest.mark.usefixtures("released")
@pytest.mark.parametrize(
    "fields",
    [
        {"TimeSheetOperation": "X"},
        {"PersonWorkAgreementExternalID": "99"},
        {"CompanyCode": "1710"},
        {"TimeSheetDate": None},
        {"data": {"RecordedHours": "25"}},
        {"data": {"RecordedHours": "0"}},
        {"data": {"WBSElement": "NO-SUCH"}},
        {"data": {"WBSElement": ""}},
        {"data": {"ActivityType": "X"}},
        {"data": {"NoSuchField": "X"}},
    ],
)
def test_time_that_makes_no_sense_is_refused(tenant: Any, fields: dict[str, Any]) -> None:
    assert tenant.refusal(tenant.send("POST", TIME, an_entry(**fields)))[0] == 400


@pytest.mark.usefixtures("released")
def test_a_blocked_element_takes_no_time(tenant: Any) -> None:
    service = "API_ENTERPRISE_PROJECT_SRV;v=0002"
    [element] = tenant.rows(
        f"{service}/A_EnterpriseProjectElement",
        filter="ProjectElement eq 'PRJ-1-1'",
        expand="to_EntProjElmntBlkFunc",
    )
    assert element["to_EntProjElmntBlkFunc"]["EntProjTimeRecgIsBlkd"] is False
    path = f"{service}/A_EntProjElmntBlockFunc(guid'{element['ProjectElementUUID']}')"
    assert tenant.send("PATCH", path, {"EntProjTimeRecgIsBlkd": True}).status_code == 428
    assert tenant.change(path, EntProjTimeRecgIsBlkd=True).status_code == 204
    assert "is blocked" in tenant.refusal(tenant.send("POST", TIME, an_entry()))[1]


def test_time_needs_a_released_element(tenant: Any) -> None:
    tenant.project("PRJ-1")
    assert "is not released" in tenant.refusal(tenant.send("POST", TIME, an_entry()))[1]
