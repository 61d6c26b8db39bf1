"""Changing records: external ids, nulls, and the lines of sublists with their traps."""

from collections.abc import Callable
from decimal import Decimal

import pytest

from tests.contract.netsuite.conftest import Tenant

STRICT = {"X-NetSuite-PropertyNameValidation": "Error"}
LINE = {"item": {"id": "101"}, "quantity": 2, "rate": 100}


# External ids


def test_an_upsert_creates_and_then_updates(tenant: Tenant) -> None:
    body = {"companyName": "Acme", "subsidiary": {"id": "1"}}
    created = tenant.send("PUT", "customer/eid:CUST-1", body)
    tenant.clock.advance(minutes=1)
    updated = tenant.send("PUT", "customer/eid:CUST-1", {"companyName": "Acme Inc."})

    assert (created.status_code, updated.status_code) == (204, 204)
    assert created.headers["location"] == updated.headers["location"]
    customer = tenant.read("customer/eid:CUST-1")
    assert customer["companyName"] == "Acme Inc."
    assert customer["externalId"] == "CUST-1"
    assert customer["lastModifiedDate"] == "2026-11-23T18:01:00Z"


def test_an_upsert_may_leave_out_the_location(tenant_with: Callable[..., Tenant]) -> None:
    tenant = tenant_with(location_on_upsert=False)
    response = tenant.send("PUT", "customer/eid:CUST-1", {"companyName": "Acme", "subsidiary": {"id": "1"}})
    assert response.status_code == 204
    assert "location" not in response.headers
    assert tenant.send("GET", "customer/eid:CUST-1", params={"fields": "id"}).json()["id"] == "641"


def test_an_upsert_needs_an_external_id_in_the_url(tenant: Tenant) -> None:
    assert tenant.refusal(tenant.send("PUT", f"customer/{tenant.customer()}", {}))[:2] == (400, "INVALID_REQUEST")


@pytest.mark.parametrize("external", ["a b", "a.b", "a:b", "ä"])
def test_external_ids_are_letters_digits_underscores_and_hyphens(tenant: Tenant, external: str) -> None:
    body = {"companyName": "Acme", "subsidiary": {"id": "1"}}
    assert tenant.refusal(tenant.send("PUT", f"customer/eid:{external}", body))[:2] == (400, "INVALID_ID")
    assert tenant.refusal(tenant.send("POST", "customer", {**body, "externalId": external}))[:2] == (400, "INVALID_ID")


def test_a_repeated_creation_with_the_same_external_id_is_refused(tenant: Tenant) -> None:
    tenant.customer(externalId="CUST-1")
    body = {"companyName": "Acme", "subsidiary": {"id": "1"}, "externalId": "CUST-1"}
    assert tenant.refusal(tenant.send("POST", "customer", body)) == (400, "DUPLICATE_KEYS", "externalId")


def test_external_ids_are_unique_over_a_record_group(tenant: Tenant) -> None:
    customer = tenant.customer(externalId="DEAL-1")
    job = {"companyName": "Rollout", "parent": {"id": customer}}
    contact = {"entityId": "Jane Doe", "company": {"id": customer}}

    assert tenant.refusal(tenant.send("PUT", "job/eid:DEAL-1", job))[:2] == (400, "DUPLICATE_KEYS")
    assert tenant.refusal(tenant.send("PUT", "contact/eid:DEAL-1", contact))[:2] == (400, "DUPLICATE_KEYS")
    # Orders belong to another group, and a customer's id is not found as a job's.
    assert tenant.send("GET", "job/eid:DEAL-1").status_code == 404
    order = {"entity": {"id": customer}, "item": {"items": [LINE]}}
    assert tenant.send("PUT", "salesOrder/eid:DEAL-1", order).status_code == 204
    assert tenant.refusal(tenant.send("PUT", "invoice/eid:DEAL-1", order))[:2] == (400, "DUPLICATE_KEYS")


def test_internal_ids_are_shared_within_a_record_group(tenant: Tenant) -> None:
    customer = tenant.customer()
    assert int(tenant.job(customer)) == int(customer) + 1


def test_a_deleted_record_frees_its_external_id(tenant: Tenant) -> None:
    customer = tenant.customer(externalId="CUST-1")
    assert tenant.send("DELETE", f"customer/{customer}").status_code == 204
    assert tenant.send("GET", f"customer/{customer}").status_code == 404
    assert tenant.customer(externalId="CUST-1") != customer


# Changing


def test_a_patch_changes_what_it_names_and_clears_with_null(tenant: Tenant) -> None:
    customer = tenant.customer(email="ap@acme.example", phone="1234567")
    response = tenant.send("PATCH", f"customer/{customer}", {"email": None, "phone": "7654321"})

    assert response.status_code == 204
    assert response.headers["location"].endswith(f"/customer/{customer}")
    changed = tenant.read(f"customer/{customer}")
    assert "email" not in changed
    assert (changed["phone"], changed["companyName"]) == ("7654321", "Acme Corp")


def test_replace_selected_fields_clears_only_what_replace_names(tenant: Tenant) -> None:
    customer = tenant.customer(email="ap@acme.example", phone="1234567")
    params = {"replaceSelectedFields": "true", "replace": "phone"}
    tenant.send("PATCH", f"customer/{customer}", {"email": None, "phone": None}, params=params)
    changed = tenant.read(f"customer/{customer}")
    assert changed["email"] == "ap@acme.example"
    assert "phone" not in changed


def test_what_the_account_works_out_cannot_be_written(tenant: Tenant) -> None:
    order = tenant.order(tenant.customer())
    assert tenant.send("PATCH", f"salesOrder/{order}", {"total": 5, "id": "7"}, headers=STRICT).status_code == 204
    assert tenant.read(f"salesOrder/{order}")["total"] == Decimal(2000)


def test_an_address_gets_its_text(tenant: Tenant) -> None:
    address = {"addr1": "1 Main St", "city": "Boston", "state": "MA", "zip": "02110", "country": {"id": "US"}}
    book = {"items": [{"defaultBilling": True, "addressBookAddress": address}]}
    customer = tenant.read(f"customer/{tenant.customer(addressBook=book)}")
    [line] = customer["addressBook"]["items"]
    assert line["addressBookAddress"]["country"] == {"id": "US", "refName": "United States"}
    assert customer["defaultAddress"] == "Acme Corp\n1 Main St\nBoston MA 02110\nUnited States"


def test_a_country_that_does_not_exist_is_refused(tenant: Tenant) -> None:
    book = {"items": [{"addressBookAddress": {"country": {"id": "XX"}}}]}
    body = {"companyName": "Acme", "subsidiary": {"id": "1"}, "addressBook": book}
    path = "addressBook.items[0].addressBookAddress.country"
    assert tenant.refusal(tenant.send("POST", "customer", body)) == (400, "INVALID_CONTENT", path)


# Lines


def rates_of(tenant: Tenant, order: str) -> list[Decimal]:
    return [line["rate"] for line in tenant.read(f"salesOrder/{order}")["item"]["items"]]


def test_lines_sent_again_without_their_number_are_added(tenant: Tenant) -> None:
    order = tenant.order(tenant.customer(), LINE)
    tenant.send("PATCH", f"salesOrder/{order}", {"item": {"items": [LINE]}})
    assert rates_of(tenant, order) == [100, 100]
    assert tenant.read(f"salesOrder/{order}")["total"] == Decimal(400)


def test_a_line_sent_with_its_number_is_updated(tenant: Tenant) -> None:
    """section_159795512874, Update a Field for a Specific Line."""
    order = tenant.order(tenant.customer(), LINE, {**LINE, "rate": 75})
    tenant.send("PATCH", f"salesOrder/{order}", {"item": {"items": [{"line": 2, "rate": 80}]}})
    assert rates_of(tenant, order) == [100, 80]
    assert tenant.read(f"salesOrder/{order}")["total"] == Decimal(360)


def test_replace_puts_the_lines_sent_in_place_of_all(tenant: Tenant) -> None:
    order = tenant.order(tenant.customer(), LINE, {**LINE, "rate": 75})
    lines = {"item": {"items": [{"line": 2, "rate": 80}, {**LINE, "rate": 50}]}}
    tenant.send("PATCH", f"salesOrder/{order}", lines, params={"replace": "item"})
    assert rates_of(tenant, order) == [80, 50]
    numbers = [line["line"] for line in tenant.read(f"salesOrder/{order}")["item"]["items"]]
    assert numbers == [2, 3]


def test_a_repeated_upsert_with_lines_doubles_them(tenant: Tenant) -> None:
    body = {"entity": {"id": tenant.customer()}, "item": {"items": [LINE]}}
    for _ in range(2):
        assert tenant.send("PUT", "salesOrder/eid:SO-1", body).status_code == 204
    assert rates_of(tenant, "eid:SO-1") == [100, 100]


def test_an_upsert_may_replace_lines_in_an_account_that_does_so(tenant_with: Callable[..., Tenant]) -> None:
    tenant = tenant_with(upsert_appends_lines=False)
    body = {"entity": {"id": tenant.customer()}, "item": {"items": [LINE]}}
    for _ in range(2):
        tenant.send("PUT", "salesOrder/eid:SO-1", body)
    assert rates_of(tenant, "eid:SO-1") == [100]


def test_a_null_empties_a_sublist_unless_it_is_mandatory(tenant: Tenant) -> None:
    customer = tenant.customer(addressBook={"items": [{"label": "Office"}]})
    tenant.send("PATCH", f"customer/{customer}", {"addressBook": None})
    assert tenant.read(f"customer/{customer}")["addressBook"]["items"] == []
    order = tenant.order(customer)
    response = tenant.send("PATCH", f"salesOrder/{order}", {"item": {"items": None}})
    assert tenant.refusal(response) == (400, "USER_ERROR", "item")


def test_a_creation_with_replace_answers_201(tenant: Tenant) -> None:
    body = {"entity": {"id": tenant.customer()}, "item": {"items": [LINE]}}
    response = tenant.send("POST", "salesOrder", body, params={"replace": "item"})
    assert response.status_code == 201
    assert response.json()["total"] == 200
