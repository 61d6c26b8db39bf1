"""Creating and reading records: defaults, mandatory fields, names, values, references."""

from decimal import Decimal
from typing import Any

import pytest

from tests.contract.netsuite.conftest import Tenant

STRICT = {"X-NetSuite-PropertyNameValidation": "Error"}
LINE = {"item": {"id": "101"}, "quantity": 2, "rate": 100}


# Creating and reading


def test_a_creation_answers_with_the_place_of_the_record_and_no_body(tenant: Tenant) -> None:
    response = tenant.send("POST", "customer", {"companyName": "Acme Corp", "subsidiary": {"id": "1"}})

    assert response.status_code == 204
    assert response.content == b""
    assert response.headers["location"] == f"{tenant.simulator.base_url}/services/rest/record/v1/customer/641"


def test_a_customer_gets_its_defaults(tenant: Tenant) -> None:
    customer = tenant.read(f"customer/{tenant.customer(subsidiary={'id': '2'}, externalId='CUST-1')}")

    assert customer["entityId"] == "CUST1001"
    assert customer["isPerson"] is False
    assert customer["entityStatus"]["refName"] == "Closed Won"
    assert customer["dateCreated"] == customer["lastModifiedDate"] == "2026-11-23T18:00:00Z"
    assert [line["currency"]["refName"] for line in customer["currencyList"]["items"]] == ["EUR"]
    assert customer["currency"] == {
        "links": [{"rel": "self", "href": f"{tenant.simulator.base_url}/services/rest/record/v1/currency/4"}],
        "id": "4",
        "refName": "EUR",
    }


def test_a_person_needs_a_name_and_no_company(tenant: Tenant) -> None:
    body = {"firstName": "John", "lastName": "Smith", "isPerson": True, "subsidiary": {"id": "1"}}
    customer = tenant.make("customer", **body)
    assert tenant.read(f"customer/{customer}")["altName"] == "John Smith"


@pytest.mark.parametrize(
    ("kind", "body", "labels"),
    [
        ("customer", {"subsidiary": {"id": "1"}}, "Company Name"),
        ("customer", {"companyName": "Acme"}, "Primary Subsidiary"),
        ("contact", {}, "Contact, Subsidiary"),
        ("job", {"subsidiary": {"id": "1"}}, "Project Name"),
        ("job", {"companyName": "Rollout"}, "Subsidiary"),
        ("projectTask", {}, "Project, Name"),
        ("billingSchedule", {}, "Name"),
        ("salesOrder", {"item": {"items": [LINE]}}, "Customer"),
        ("invoice", {"item": {"items": [LINE]}}, "Customer"),
        ("customerPayment", {"payment": 5}, "Customer"),
        ("timeBill", {}, "Employee, Duration"),
        ("expenseReport", {}, "Employee"),
        ("charge", {}, "Bill To, Item, Date, Type, Stage"),
        ("customerSubsidiaryRelationship", {}, "Entity, Subsidiary"),
    ],
)
def test_a_missing_field_is_a_user_error(tenant: Tenant, kind: str, body: dict[str, Any], labels: str) -> None:
    error = tenant.error(tenant.send("POST", kind, body))

    assert (error["status"], error["o:errorCode"]) == (400, "USER_ERROR")
    assert error["detail"].endswith(f"Please enter value(s) for: {labels}")


def test_a_project_of_our_own_is_made_as_in_oracles_sample(tenant: Tenant) -> None:
    """article_83090456314. Such a project has no customer, and nothing is sold for it."""
    job = tenant.make("job", subsidiary="1", entityId="title", projectExpenseType="-2")
    shown = tenant.read(f"job/{job}")
    assert (shown["companyName"], shown["entityId"], shown["currency"]["refName"]) == ("title", "title", "USD")
    assert "parent" not in shown
    order = {"entity": {"id": job}, "item": {"items": [LINE]}}
    assert tenant.send("POST", "salesOrder", order).status_code == 400
    assert tenant.send("POST", f"job/{job}/!transform/salesOrder", {"item": {"items": [LINE]}}).status_code == 400
    assert tenant.send("PATCH", f"job/{job}", {"comments": "Ours"}).status_code == 204


@pytest.mark.parametrize(
    ("method", "path", "section"),
    [("POST", "job", "15.5.1"), ("GET", "job/99", "15.5.5"), ("PUT", "job", "15.5.6")],
)
def test_a_refusal_names_the_section_of_its_status(tenant: Tenant, method: str, path: str, section: str) -> None:
    """As in Oracle's sample of a 400 (section_156570709583)."""
    assert tenant.send(method, path, {}).json()["type"].endswith(f"/rfc9110.html#section-{section}")


def test_an_order_needs_a_line(tenant: Tenant) -> None:
    response = tenant.send("POST", "salesOrder", {"entity": {"id": tenant.customer()}, "item": {"items": []}})
    assert tenant.refusal(response) == (400, "USER_ERROR", "item")


def test_sublists_are_links_until_they_are_expanded(tenant: Tenant) -> None:
    order = tenant.order(tenant.customer())

    plain = tenant.send("GET", f"salesOrder/{order}").json()
    assert list(plain["item"]) == ["links"]
    assert plain["item"]["links"][0]["href"].endswith(f"/salesOrder/{order}/item")

    expanded = tenant.read(f"salesOrder/{order}")
    [line] = expanded["item"]["items"]
    assert line["item"]["refName"] == "Implementation"
    assert line["amount"] == Decimal(2000)


def test_a_sublist_and_a_line_have_their_own_places(tenant: Tenant) -> None:
    order = tenant.order(tenant.customer(), LINE, {**LINE, "rate": 75})
    links = tenant.send("GET", f"salesOrder/{order}/item").json()
    assert [list(line) for line in links["items"]] == [["links"], ["links"]]
    assert tenant.read(f"salesOrder/{order}/item/2")["rate"] == Decimal(75)
    assert tenant.send("GET", f"salesOrder/{order}/item/3").status_code == 404


def test_fields_selects_body_fields(tenant: Tenant) -> None:
    customer = tenant.customer(email="ap@acme.example")
    body = tenant.send("GET", f"customer/{customer}", params={"fields": "companyName,email"}).json()
    assert set(body) == {"links", "companyName", "email"}
    wrong = tenant.send("GET", f"customer/{customer}", params={"fields": "companyNam"})
    assert tenant.error(wrong)["o:errorQueryParam"] == "fields"


def test_simple_enum_format_shows_bare_ids(tenant: Tenant) -> None:
    job = tenant.job(tenant.customer(), jobBillingType={"id": "3"})
    assert tenant.read(f"job/{job}")["jobBillingType"] == {"id": "3", "refName": "Fixed Bid, Milestone"}
    simple = tenant.send("GET", f"job/{job}", params={"simpleEnumFormat": "true"}).json()
    assert simple["jobBillingType"] == "3"


def test_fields_without_a_value_are_left_out(tenant: Tenant) -> None:
    assert "email" not in tenant.read(f"customer/{tenant.customer()}")


def test_record_and_field_names_ignore_case(tenant: Tenant) -> None:
    """Oracle's own samples: section_1545141395 sends companyname, section_89160926072 posts to BillingSchedule."""
    response = tenant.send(
        "POST", "Customer", {"entityid": "New", "companyname": "Mine", "subsidiary": {"id": "1"}}, headers=STRICT
    )
    assert response.status_code == 204
    assert tenant.read("customer/641")["companyName"] == "Mine"


@pytest.mark.parametrize("path", ["customer/99999", "customer/eid:NOBODY", "jobResource", "chargeRule/1"])
def test_what_does_not_exist_is_not_found(tenant: Tenant, path: str) -> None:
    assert tenant.refusal(tenant.send("GET", path)) == (404, "NONEXISTENT_ID", None)


def test_set_up_records_may_only_be_read(tenant: Tenant) -> None:
    assert tenant.read("subsidiary/2")["name"] == "Northwind Services GmbH"
    assert tenant.read("currency/6")["currencyPrecision"] == 0
    assert tenant.read("term/7")["daysUntilNetDue"] == 60
    assert tenant.read("employee/21")["email"] == "mara.lind@example.com"
    response = tenant.send("PATCH", "subsidiary/2", {"name": "Mine now"})
    assert tenant.refusal(response) == (403, "INSUFFICIENT_PERMISSION", None)


# Names and values


def test_an_unknown_field_is_dropped_with_no_more_than_a_warning_header(tenant: Tenant) -> None:
    response = tenant.send("POST", "customer", {"companyName": "Acme", "subsidiary": {"id": "1"}, "compnyName": "x"})
    assert response.status_code == 204
    assert "compnyName" in response.headers["warning"]


def test_an_unknown_field_can_be_ignored_in_silence(tenant: Tenant) -> None:
    response = tenant.send(
        "POST",
        "customer",
        {"companyName": "Acme", "subsidiary": {"id": "1"}, "compnyName": "x"},
        headers={"X-NetSuite-PropertyNameValidation": "ignore"},
    )
    assert response.status_code == 204
    assert "warning" not in response.headers


def test_an_unknown_field_is_refused_on_demand_with_its_path(tenant: Tenant) -> None:
    customer = tenant.customer()
    body = {"entity": {"id": customer}, "item": {"items": [LINE, {**LINE, "quantitty": 1}]}}
    response = tenant.send("POST", "salesOrder", body, headers=STRICT)
    assert tenant.refusal(response) == (400, "INVALID_CONTENT", "item.items[1].quantitty")


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        ("job", "customer"),
        ("job", "primaryContact"),
        ("job", "jobResources"),
        ("projectTask", "isMilestone"),
        ("projectTask", "assignee"),
        ("salesOrder", "orderLine"),
    ],
)
def test_what_rest_does_not_support_is_an_unknown_field(tenant: Tenant, kind: str, field: str) -> None:
    response = tenant.send("POST", kind, {field: "1"}, headers=STRICT)
    assert tenant.refusal(response) == (400, "INVALID_CONTENT", field)


def test_a_value_of_the_wrong_syntax_is_refused_with_its_path(tenant: Tenant) -> None:
    customer = tenant.customer()
    body = {"entity": {"id": customer}, "item": {"items": [{**LINE, "quantity": "two"}]}}
    assert tenant.refusal(tenant.send("POST", "salesOrder", body)) == (400, "INVALID_CONTENT", "item.items[0].quantity")


@pytest.mark.parametrize(
    ("field", "value"),
    [("isInactive", "F"), ("startDate", "1/5/2026"), ("creditLimit", "5"), ("email", True), ("subsidiary", 1.5)],
)
def test_values_have_to_be_of_the_type_of_their_field(tenant: Tenant, field: str, value: object) -> None:
    body = {"companyName": "Acme", "subsidiary": {"id": "1"}, field: value}
    assert tenant.refusal(tenant.send("POST", "customer", body)) == (400, "INVALID_CONTENT", field)


def test_a_wrong_value_can_be_dropped_with_a_warning(tenant: Tenant) -> None:
    body = {"companyName": "Acme", "subsidiary": {"id": "1"}, "creditLimit": "lots"}
    response = tenant.send("POST", "customer", body, headers={"X-NetSuite-PropertyValueValidation": "Warning"})
    assert response.status_code == 204
    assert "creditLimit" in response.headers["warning"]


def test_a_body_that_is_no_json_is_refused(tenant: Tenant) -> None:
    response = tenant.http.post("/services/rest/record/v1/customer", content=b"{")
    assert tenant.refusal(response) == (400, "INVALID_CONTENT", None)


# References


def test_a_reference_to_nothing_is_refused_whatever_the_headers_say(tenant: Tenant) -> None:
    """The very answer of section_156570709583, Request with an Invalid Body."""
    customer = tenant.customer()
    body = {"entity": {"id": customer}, "item": {"items": [{"item": {"id": 9999}, "amount": 1}]}}
    response = tenant.send("POST", "salesOrder", body, headers={"X-NetSuite-PropertyValueValidation": "Ignore"})
    error = tenant.error(response)
    assert error["o:errorPath"] == "item.items[0].item"
    assert error["detail"].endswith("Invalid Field Value 9999 for the following field: item")


def test_references_are_taken_by_object_by_bare_id_and_by_external_id(tenant: Tenant) -> None:
    customer = tenant.customer(externalId="CUST-1")
    for entity in ({"id": customer}, {"id": int(customer)}, customer, {"externalId": "CUST-1"}):
        response = tenant.send("POST", "salesOrder", {"entity": entity, "item": {"items": [LINE]}})
        assert response.status_code == 204, response.text


def test_an_unknown_external_id_in_a_reference_is_an_invalid_key(tenant: Tenant) -> None:
    response = tenant.send("POST", "job", {"companyName": "P", "parent": {"externalId": "CUST-404"}})
    assert tenant.refusal(response) == (400, "INVALID_KEY_OR_REF", "parent")


def test_choices_are_taken_by_id_or_by_reference_name(tenant: Tenant) -> None:
    customer = tenant.customer()
    for given in ({"id": "3"}, "3", {"refName": "Fixed Bid, Milestone"}):
        job = tenant.job(customer, jobBillingType=given)
        assert tenant.read(f"job/{job}")["jobBillingType"]["id"] == "3"
    response = tenant.send("POST", "job", {"companyName": "P", "jobBillingType": {"refName": "Barter"}})
    assert tenant.refusal(response) == (400, "INVALID_CONTENT", "jobBillingType")


# Customers, contacts and projects


def test_a_contact_takes_the_subsidiary_of_its_company_and_is_listed_there(tenant: Tenant) -> None:
    customer = tenant.customer(subsidiary={"id": "2"})
    contact = tenant.make("contact", firstName="Jane", lastName="Doe", company={"id": customer})
    assert tenant.read(f"contact/{contact}")["entityId"] == "Jane Doe"
    assert tenant.read(f"contact/{contact}")["subsidiary"]["id"] == "2"

    response = tenant.send("POST", f"customer/{customer}/!attach/contact/{contact}", {"role": {"id": "-10"}})
    assert response.status_code == 204
    [line] = tenant.read(f"customer/{customer}")["contactRoles"]["items"]
    assert (line["contact"]["id"], line["role"]["refName"]) == (contact, "Primary Contact")

    assert tenant.send("POST", f"customer/{customer}/!detach/contact/{contact}").status_code == 204
    assert tenant.read(f"customer/{customer}")["contactRoles"]["items"] == []


def test_two_contacts_of_a_company_cannot_share_a_name(tenant: Tenant) -> None:
    customer, other = tenant.customer(), tenant.customer(companyName="Other")
    tenant.make("contact", entityId="Jane Doe", company={"id": customer})
    tenant.make("contact", entityId="Jane Doe", company={"id": other})
    response = tenant.send("POST", "contact", {"entityId": "jane doe", "company": {"id": customer}})
    assert tenant.refusal(response) == (400, "USER_ERROR", "entityId")


def test_a_customer_cannot_stand_above_itself(tenant: Tenant) -> None:
    top = tenant.customer()
    below = tenant.customer(companyName="Below", parent={"id": top})
    assert tenant.refusal(tenant.send("PATCH", f"customer/{top}", {"parent": {"id": below}}))[2] == "parent"


def test_a_project_gets_its_defaults_and_its_margin(tenant: Tenant) -> None:
    job = tenant.job(tenant.customer(), estimatedRevenue=100000.00, estimatedCost=60000.5)
    project = tenant.read(f"job/{job}")
    assert project["entityId"] == "PRJ1001"
    assert (project["allowTime"], project["allowExpenses"]) == (True, True)
    assert project["estimatedGrossProfit"] == Decimal("39999.5")
    assert project["estimatedGrossProfitPercent"] == Decimal("40")


def test_a_project_in_another_subsidiary_needs_a_relationship(tenant: Tenant) -> None:
    customer = tenant.customer(currencyList={"items": [{"currency": {"id": "4"}}]})
    body = {"companyName": "P", "parent": {"id": customer}, "subsidiary": {"id": "2"}, "currency": {"id": "4"}}
    assert tenant.refusal(tenant.send("POST", "job", body)) == (400, "INVALID_CONTENT", "subsidiary")
    tenant.make("customerSubsidiaryRelationship", entity={"id": customer}, subsidiary={"id": "2"})
    assert tenant.send("POST", "job", body).status_code == 204


def test_a_currency_has_to_be_one_of_the_customers(tenant: Tenant) -> None:
    customer = tenant.customer()
    body = {"entity": {"id": customer}, "currency": {"id": "4"}, "item": {"items": [LINE]}}
    assert tenant.refusal(tenant.send("POST", "salesOrder", body)) == (400, "INVALID_CONTENT", "currency")
    tenant.send("PATCH", f"customer/{customer}", {"currencyList": {"items": [{"currency": {"id": "4"}}]}})
    assert tenant.send("POST", "salesOrder", body).status_code == 204


def test_the_currency_is_fixed_by_the_first_transaction(tenant: Tenant) -> None:
    customer = tenant.customer()
    assert tenant.send("PATCH", f"customer/{customer}", {"currency": {"id": "4"}}).status_code == 204
    tenant.order(customer)
    response = tenant.send("PATCH", f"customer/{customer}", {"currency": {"id": "1"}})
    assert tenant.refusal(response) == (400, "USER_ERROR", "currency")


def test_the_subsidiary_is_fixed_by_the_first_posting(tenant: Tenant) -> None:
    customer = tenant.customer()
    order = tenant.order(customer)
    assert tenant.send("PATCH", f"customer/{customer}", {"subsidiary": {"id": "3"}}).status_code == 204
    tenant.send("PATCH", f"customer/{customer}", {"subsidiary": {"id": "1"}})
    tenant.simulator.bill(order)
    response = tenant.send("PATCH", f"customer/{customer}", {"subsidiary": {"id": "3"}})
    assert tenant.refusal(response) == (400, "USER_ERROR", "subsidiary")


def test_a_record_with_dependents_cannot_be_deleted(tenant: Tenant) -> None:
    customer = tenant.customer()
    job = tenant.job(customer)
    order = tenant.order(customer, job={"id": job})
    tenant.simulator.bill(order)
    for path in (f"customer/{customer}", f"job/{job}", f"salesOrder/{order}"):
        assert tenant.refusal(tenant.send("DELETE", path))[:2] == (400, "USER_ERROR")


def test_a_task_belongs_to_a_project(tenant: Tenant) -> None:
    """With the body of Oracle's sample in article_68093010260."""
    customer = tenant.customer()
    job, other = tenant.job(customer), tenant.job(customer, companyName="Other")
    body = {"project": job, "title": "Design", "constraintType": "ASAP", "startDate": "2026-01-05"}
    task = tenant.make("projecttask", **body, externalId="TASK-1")
    held = tenant.read(f"projectTask/{task}")
    assert (held["status"]["id"], held["project"]["id"]) == ("NOTSTART", job)
    response = tenant.send("POST", "projectTask", {"project": other, "title": "Below", "parent": {"id": task}})
    assert tenant.refusal(response) == (400, "INVALID_CONTENT", "parent")
