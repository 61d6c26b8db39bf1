"""Money in the account: orders, schedules, invoices, payments, time and expenses."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from tests.contract.netsuite.conftest import Tenant


def line(rate: object = 100, quantity: object = 1, **fields: Any) -> dict[str, Any]:
    return {"item": {"id": "101"}, "quantity": quantity, "rate": rate, **fields}


# Orders


def test_an_order_works_out_its_amounts(tenant: Tenant) -> None:
    order = tenant.order(tenant.customer(terms={"id": "2"}), line(33.335, 3), line(0.1, 3), otherRefNum="PO-1")
    held = tenant.read(f"salesOrder/{order}")

    assert [item["amount"] for item in held["item"]["items"]] == [Decimal("100.01"), Decimal("0.3")]
    assert held["total"] == held["subtotal"] == Decimal("100.31")
    assert (held["tranId"], held["tranDate"], held["terms"]["refName"]) == ("SO1001", "2026-11-23", "Net 30")
    assert held["orderStatus"] == {"id": "B", "refName": "Pending Fulfillment"}
    # The status shows its label for an id (section_0210111448).
    assert held["status"] == {"id": "Pending Fulfillment", "refName": "Pending Fulfillment"}


def test_an_amount_sent_stands(tenant: Tenant) -> None:
    order = tenant.order(tenant.customer(), {"item": {"id": "101"}, "quantity": 3, "amount": 100})
    [item] = tenant.read(f"salesOrder/{order}")["item"]["items"]
    assert item["amount"] == Decimal(100)


def test_an_item_brings_its_price_and_its_description(tenant: Tenant) -> None:
    order = tenant.order(tenant.customer(), {"item": {"id": "102"}, "quantity": 2})
    [item] = tenant.read(f"salesOrder/{order}")["item"]["items"]
    assert (item["rate"], item["amount"], item["description"]) == (260, 520, "Advisory services")


def test_yen_have_no_cents(tenant: Tenant) -> None:
    customer = tenant.customer(subsidiary={"id": "5"})
    order = tenant.read(f"salesOrder/{tenant.order(customer, line(1000.5, 3))}")
    assert (order["currency"]["refName"], order["total"]) == ("JPY", 3002)


def test_a_foreign_currency_gets_a_rate(tenant: Tenant) -> None:
    customer = tenant.customer(currency={"id": "4"})
    assert tenant.read(f"salesOrder/{tenant.order(customer)}")["exchangeRate"] == Decimal("1.08")


def test_a_new_rate_moves_the_amount_of_a_line(tenant: Tenant) -> None:
    order = tenant.order(tenant.customer(), line(100, 2))
    tenant.send("PATCH", f"salesOrder/{order}", {"item": {"items": [{"line": 1, "rate": 150}]}})
    assert tenant.read(f"salesOrder/{order}")["total"] == 300
    tenant.send("PATCH", f"salesOrder/{order}", {"item": {"items": [{"line": 1, "amount": 250}]}})
    assert tenant.read(f"salesOrder/{order}")["item"]["items"][0]["rate"] == 125


def test_an_order_for_a_project_needs_a_project_of_its_customer(tenant: Tenant) -> None:
    customer = tenant.customer()
    stranger = tenant.job(tenant.customer(companyName="Other"))
    body = {"entity": {"id": customer}, "job": {"id": stranger}, "item": {"items": [line()]}}
    assert tenant.refusal(tenant.send("POST", "salesOrder", body)) == (400, "INVALID_CONTENT", "job")


def test_a_company_may_have_orders_approved_first(tenant_with: Callable[..., Tenant]) -> None:
    tenant = tenant_with(default_order_status="A")
    order = tenant.order(tenant.customer())
    assert tenant.read(f"salesOrder/{order}")["status"]["refName"] == "Pending Approval"
    assert tenant.refusal(tenant.send("POST", f"salesOrder/{order}/!transform/invoice"))[1] == "USER_ERROR"
    tenant.send("PATCH", f"salesOrder/{order}", {"orderStatus": "B"})
    assert tenant.send("POST", f"salesOrder/{order}/!transform/invoice").status_code == 204


# Billing schedules


def milestones(tenant: Tenant, job: str, *amounts: object) -> dict[str, Any]:
    lines = []
    for number, amount in enumerate(amounts, 1):
        task = tenant.make("projectTask", project={"id": job}, title=f"M{number}")
        lines.append({"milestoneAmount": amount, "milestoneDate": "2026-02-01", "projectTask": {"id": task}})
    return {
        "name": "Milestones",
        "scheduleType": {"refName": "Fixed Bid, Milestone"},
        "job": {"id": job},
        "milestone": {"items": lines},
    }


def test_a_standard_schedule_is_made_as_in_oracles_sample(tenant: Tenant) -> None:
    """section_89160926072, Create a Billing Schedule."""
    body = {
        "frequency": {"id": "QUARTERLY", "refName": "Quarterly"},
        "inArrears": True,
        "initialAmount": 100.0,
        "name": "NetSuite Test",
        "numberRemaining": 4,
        "repeatEvery": {"id": "1", "refName": "1"},
        "scheduleType": {"id": "STD", "refName": "Standard"},
    }
    schedule = tenant.read(f"billingSchedule/{tenant.make('BillingSchedule', **body)}")
    assert (schedule["frequency"]["refName"], schedule["numberRemaining"]) == ("Quarterly", 4)


def test_a_milestone_schedule_is_not_attached_by_itself(tenant: Tenant) -> None:
    job = tenant.job(tenant.customer())
    schedule = tenant.make("billingSchedule", **milestones(tenant, job, 40, 60), externalId="BS-1")
    assert "billingSchedule" not in tenant.read(f"job/{job}")
    tenant.send("PATCH", f"job/{job}", {"billingSchedule": {"id": schedule}})
    assert tenant.read(f"job/{job}")["billingSchedule"]["refName"] == "Milestones"


def test_milestone_amounts_are_percentages_kept_to_the_last_digit(tenant: Tenant) -> None:
    job = tenant.job(tenant.customer())
    schedule = tenant.make("billingSchedule", **milestones(tenant, job, 33.333333333, 66.666666667))
    held = tenant.read(f"billingSchedule/{schedule}")["milestone"]["items"]
    assert [item["milestoneAmount"] for item in held] == [Decimal("33.333333333"), Decimal("66.666666667")]


def test_milestones_cannot_pass_a_hundred_percent(tenant: Tenant) -> None:
    body = milestones(tenant, tenant.job(tenant.customer()), 60, 40.01)
    assert tenant.refusal(tenant.send("POST", "billingSchedule", body)) == (400, "USER_ERROR", "milestone")


def test_milestones_stand_on_tasks_of_the_schedules_project(tenant: Tenant) -> None:
    customer = tenant.customer()
    body = milestones(tenant, tenant.job(customer), 100)
    body["job"] = {"id": tenant.job(customer, companyName="Other")}
    path = "milestone.items[0].projectTask"
    assert tenant.refusal(tenant.send("POST", "billingSchedule", body)) == (400, "INVALID_CONTENT", path)
    del body["job"]
    assert "Project" in tenant.error(tenant.send("POST", "billingSchedule", body))["detail"]


def test_milestones_sent_again_are_added_until_replaced(tenant: Tenant) -> None:
    job = tenant.job(tenant.customer())
    body = milestones(tenant, job, 40)
    schedule = tenant.make("billingSchedule", **body)
    again = {"milestone": body["milestone"]}
    tenant.send("PATCH", f"billingSchedule/{schedule}", again)
    assert len(tenant.read(f"billingSchedule/{schedule}")["milestone"]["items"]) == 2
    tenant.send("PATCH", f"billingSchedule/{schedule}", again, params={"replace": "milestone"})
    assert len(tenant.read(f"billingSchedule/{schedule}")["milestone"]["items"]) == 1


# Invoices and payments


def test_an_order_becomes_an_invoice(tenant: Tenant) -> None:
    customer = tenant.customer(terms={"id": "2"})
    job = tenant.job(customer)
    order = tenant.order(customer, line(100.10, 3), line(5), job={"id": job}, otherRefNum="PO-7")
    response = tenant.send("POST", f"salesorder/{order}/!transform/invoice", {"externalId": "INV-1"})

    assert response.status_code == 204
    invoice = tenant.read(f"invoice/{response.headers['location'].rsplit('/', 1)[1]}")
    assert (invoice["total"], invoice["amountRemaining"], invoice["amountPaid"]) == (Decimal("305.3"),) * 2 + (0,)
    assert (invoice["createdFrom"]["id"], invoice["job"]["id"], invoice["otherRefNum"]) == (order, job, "PO-7")
    assert (invoice["tranDate"], invoice["dueDate"]) == ("2026-11-23", "2026-12-23")
    assert (invoice["status"]["refName"], invoice["externalId"]) == ("Open", "INV-1")
    assert invoice["postingPeriod"]["refName"] == "Nov 2026"
    assert tenant.read(f"salesOrder/{order}")["status"]["refName"] == "Billed"


def test_a_transform_may_leave_out_the_location(tenant_with: Callable[..., Tenant]) -> None:
    tenant = tenant_with(location_on_transform=False)
    order = tenant.order(tenant.customer())
    response = tenant.send("POST", f"salesOrder/{order}/!transform/invoice")
    assert response.status_code == 204
    assert "location" not in response.headers


def test_an_order_is_billed_in_parts_to_the_exact_cent(tenant: Tenant) -> None:
    """section_159795520083: quantities by orderLine."""
    order = tenant.order(tenant.customer(), line(33.335, 3), line(10))

    def bill(**quantities: object) -> dict[str, Any]:
        asked = [{"orderLine": int(name[1:]), "quantity": value} for name, value in quantities.items()]
        body = {"item": {"items": asked}} if asked else {}
        response = tenant.send("POST", f"salesOrder/{order}/!transform/invoice", body)
        assert response.status_code == 204, response.text
        invoice: dict[str, Any] = tenant.read(f"invoice/{response.headers['location'].rsplit('/', 1)[1]}")
        return invoice

    assert bill(l1=1, l2=0)["total"] == Decimal("33.34")
    assert tenant.read(f"salesOrder/{order}")["status"]["refName"] == "Pending Billing"
    assert bill(l1=1, l2=0)["total"] == Decimal("33.34")
    # The order's line is 100.01: the last invoice takes what is left of it.
    assert bill()["total"] == Decimal("33.33") + 10
    assert tenant.read(f"salesOrder/{order}")["status"]["refName"] == "Billed"
    assert tenant.refusal(tenant.send("POST", f"salesOrder/{order}/!transform/invoice"))[1] == "USER_ERROR"


def test_an_order_cannot_be_billed_beyond_itself(tenant: Tenant) -> None:
    order = tenant.order(tenant.customer(), line(100, 2))
    body = {"item": {"items": [{"orderLine": 1, "quantity": 3}]}}
    assert tenant.refusal(tenant.send("POST", f"salesOrder/{order}/!transform/invoice", body))[1] == "USER_ERROR"


def test_a_billed_line_stays_on_its_order(tenant: Tenant) -> None:
    order = tenant.order(tenant.customer(), line(100, 2))
    tenant.simulator.bill(order)
    response = tenant.send("PATCH", f"salesOrder/{order}", {"item": {"items": [line()]}}, params={"replace": "item"})
    assert tenant.refusal(response) == (400, "USER_ERROR", "item")
    assert tenant.read(f"salesOrder/{order}")["total"] == 200


def test_a_deleted_invoice_gives_its_quantities_back(tenant: Tenant) -> None:
    order = tenant.order(tenant.customer())
    invoice = tenant.simulator.bill(order)["id"]
    assert tenant.send("DELETE", f"invoice/{invoice}").status_code == 204
    assert tenant.read(f"salesOrder/{order}")["status"]["refName"] == "Pending Fulfillment"


def test_a_transform_that_does_not_exist_is_refused(tenant: Tenant) -> None:
    customer = tenant.customer()
    assert tenant.refusal(tenant.send("POST", f"customer/{customer}/!transform/invoice"))[:2] == (
        400,
        "INVALID_REQUEST",
    )


def test_a_project_becomes_an_order(tenant: Tenant) -> None:
    job = tenant.job(tenant.customer())
    response = tenant.send("POST", f"job/{job}/!transform/salesOrder", {"item": {"items": [line()]}})
    order = tenant.read(f"salesOrder/{response.headers['location'].rsplit('/', 1)[1]}")
    assert order["job"]["id"] == job


def paid(tenant: Tenant, invoice: str, amount: object, **fields: Any) -> Any:
    apply = {"items": [{"doc": {"id": invoice}, "apply": True, "amount": amount, "line": 0}]}
    customer = tenant.read(f"invoice/{invoice}")["entity"]["id"]
    body = {"customer": {"id": customer}, "account": {"id": "1"}, "apply": apply, **fields}
    return tenant.send("POST", "customerPayment", body)


def test_payments_settle_an_invoice(tenant: Tenant) -> None:
    invoice = tenant.simulator.bill(tenant.order(tenant.customer()))["id"]
    tenant.clock.advance(minutes=5)
    assert paid(tenant, invoice, 1500.25).status_code == 204

    held = tenant.read(f"invoice/{invoice}")
    assert (held["amountPaid"], held["amountRemaining"]) == (Decimal("1500.25"), Decimal("499.75"))
    assert (held["status"]["refName"], held["lastModifiedDate"]) == ("Open", "2026-11-23T18:05:00Z")

    assert paid(tenant, invoice, 499.75).status_code == 204
    assert tenant.read(f"invoice/{invoice}")["status"]["refName"] == "Paid In Full"


def test_a_payment_may_leave_the_invoices_timestamp_alone(tenant_with: Callable[..., Tenant]) -> None:
    tenant = tenant_with(payment_touches_invoice=False)
    invoice = tenant.simulator.bill(tenant.order(tenant.customer()))["id"]
    tenant.clock.advance(minutes=5)
    tenant.simulator.pay(invoice)
    held = tenant.read(f"invoice/{invoice}")
    assert (held["status"]["refName"], held["lastModifiedDate"]) == ("Paid In Full", "2026-11-23T18:00:00Z")


def test_a_payment_is_changed_and_taken_back(tenant: Tenant) -> None:
    """article_0224093711: lines are matched by the document, apply false or amount 0 takes one off."""
    invoice = tenant.simulator.bill(tenant.order(tenant.customer()))["id"]
    payment = paid(tenant, invoice, 2000).headers["location"].rsplit("/", 1)[1]

    def apply(**fields: Any) -> Decimal:
        body = {"apply": {"items": [{"doc": {"id": invoice}, **fields}]}}
        assert tenant.send("PATCH", f"customerPayment/{payment}", body).status_code == 204
        remaining: Decimal = tenant.read(f"invoice/{invoice}")["amountRemaining"]
        return remaining

    assert apply(amount=500) == 1500
    assert tenant.read(f"customerPayment/{payment}")["unapplied"] == 1500
    assert apply(apply=False) == 2000
    assert apply(amount=2000) == 0
    assert tenant.send("DELETE", f"customerPayment/{payment}").status_code == 204
    assert tenant.read(f"invoice/{invoice}")["amountRemaining"] == 2000


def test_a_payment_cannot_pass_what_is_due_or_what_was_paid(tenant: Tenant) -> None:
    invoice = tenant.simulator.bill(tenant.order(tenant.customer()))["id"]
    assert tenant.refusal(paid(tenant, invoice, 2000.01)) == (400, "USER_ERROR", "apply.items[0].amount")
    assert tenant.refusal(paid(tenant, invoice, 2000, payment=1999)) == (400, "USER_ERROR", "apply")
    assert tenant.read(f"invoice/{invoice}")["amountPaid"] == 0


def test_a_payment_is_for_invoices_of_its_own_customer(tenant: Tenant) -> None:
    invoice = tenant.simulator.bill(tenant.order(tenant.customer()))["id"]
    stranger = tenant.customer(companyName="Other")
    response = paid(tenant, invoice, 1, customer={"id": stranger})
    assert tenant.refusal(response) == (400, "INVALID_CONTENT", "apply.items[0].doc")


def test_a_closed_period_takes_no_postings(tenant: Tenant) -> None:
    order = tenant.order(tenant.customer())
    tenant.simulator.close_period("2026-11-30")
    response = tenant.send("POST", f"salesOrder/{order}/!transform/invoice")
    assert tenant.refusal(response) == (400, "USER_ERROR", "tranDate")
    assert tenant.read(f"salesOrder/{order}")["status"]["refName"] == "Pending Fulfillment"
    later = tenant.send("POST", f"salesOrder/{order}/!transform/invoice", {"tranDate": "2026-12-01"})
    assert later.status_code == 204


# Time and expenses


def test_time_is_entered_on_a_project_and_billed(tenant: Tenant) -> None:
    customer = tenant.customer()
    job = tenant.job(customer)
    task = tenant.make("projectTask", project={"id": job}, title="Design")
    entry = tenant.make(
        "timeBill",
        employee={"id": "21"},
        customer={"id": job},
        caseTaskEvent={"id": task},
        item={"id": "101"},
        hours="7:30",
        rate=200,
        isBillable=True,
        supervisorApproval=True,
        externalId="TIME-1",
    )
    held = tenant.read(f"timeBill/{entry}")
    assert (held["hours"], held["approvalStatus"]["refName"]) == ("7:30", "Approved")

    time = {"items": [{"doc": {"id": entry}, "apply": True}]}
    invoice = tenant.make("invoice", entity={"id": customer}, job={"id": job}, time=time)
    assert tenant.read(f"invoice/{invoice}")["total"] == 1500


def test_a_duration_is_hours_and_minutes(tenant: Tenant) -> None:
    body = {"employee": {"id": "21"}, "hours": 7.5}
    assert tenant.refusal(tenant.send("POST", "timeBill", body)) == (400, "INVALID_CONTENT", "hours")


def test_a_project_may_take_no_time(tenant: Tenant) -> None:
    job = tenant.job(tenant.customer(), allowTime=False)
    body = {"employee": {"id": "21"}, "hours": "1:00", "customer": {"id": job}}
    assert tenant.refusal(tenant.send("POST", "timeBill", body)) == (400, "USER_ERROR", "customer")


def test_an_expense_report_is_added_up_and_approved(tenant: Tenant) -> None:
    job = tenant.job(tenant.customer())
    lines = [{"category": {"id": "1"}, "amount": 120.5, "customer": {"id": job}, "isBillable": True}, {"amount": 30}]
    report = tenant.make("expenseReport", entity={"id": "21"}, complete=True, expense={"items": lines})
    held = tenant.read(f"expenseReport/{report}")
    assert (held["total"], held["tranId"]) == (Decimal("150.5"), "EXP1001")
    assert held["status"]["refName"] == "Pending Supervisor Approval"
    tenant.send("PATCH", f"expenseReport/{report}", {"supervisorapproval": True, "accountingapproval": True})
    assert tenant.read(f"expenseReport/{report}")["status"]["refName"] == "Approved by Accounting"


def test_a_charge_is_rate_times_quantity(tenant: Tenant) -> None:
    """With the body of Oracle's sample in section_159310901448."""
    job = tenant.job(tenant.customer())
    body = {"stage": "READY_FOR_BILLING", "chargeDate": "2020-07-14", "chargeType": -19, "billingItem": 101}
    charge = tenant.make("charge", billTo=int(job), rate=100.0, quantity=1.5, **body)
    assert tenant.read(f"charge/{charge}")["amount"] == 150


# What people do


def test_people_edit_by_hand(tenant: Tenant) -> None:
    job = tenant.job(tenant.customer())
    tenant.clock.advance(minutes=1)
    tenant.simulator.edit("job", job, companyName="Renamed by hand")
    tenant.simulator.set_project_status(job, "2")
    held = tenant.read(f"job/{job}")
    assert (held["companyName"], held["entityStatus"]["refName"]) == ("Renamed by hand", "In Progress")
    assert held["lastModifiedDate"] == "2026-11-23T18:01:00Z"


@pytest.mark.parametrize("kind", ["salesOrder", "invoice", "customerPayment"])
def test_the_control_surface_shows_totals_and_lines(tenant: Tenant, kind: str) -> None:
    tenant.simulator.pay(tenant.simulator.bill(tenant.order(tenant.customer()))["id"])
    [record] = tenant.http.get(f"/__sim/records/{kind}").json()
    assert record["total"] == 2000
    assert len((record.get("item") or record["apply"])["items"]) == 1
