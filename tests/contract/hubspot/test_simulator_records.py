"""Single records: creating, reading, updating, deleting, merging, and what each refuses."""

import httpx
import pytest

from .conftest import CHILD_TO_PARENT, Hub, Portal, answer, link, refusal


def test_a_record_is_created_read_updated_and_deleted(hub: Hub) -> None:
    created = hub.send("POST", "companies", {"properties": {"name": "Acme", "city": "Berlin"}})
    company_id = created.json()["id"]

    assert created.status_code == 201
    assert created.headers["Location"] == f"/crm/objects/2026-09/companies/{company_id}"
    assert created.json()["properties"]["hs_object_id"] == company_id
    hub.clock.advance(seconds=3)
    updated = hub.update("companies", company_id, name="Acme Europe")
    assert (updated["createdAt"], updated["updatedAt"]) == ("2026-11-23T18:00:00.000Z", "2026-11-23T18:00:03.000Z")
    read = hub.get(f"companies/{company_id}")
    assert read["properties"] == {
        "createdate": "2026-11-23T18:00:00.000Z",
        "domain": None,
        "hs_lastmodifieddate": "2026-11-23T18:00:03.000Z",
        "hs_object_id": company_id,
        "name": "Acme Europe",
    }
    assert read["url"].endswith(f"/contacts/247279312/record/0-2/{company_id}")
    assert hub.send("DELETE", f"companies/{company_id}").status_code == 204
    gone = hub.send("GET", f"companies/{company_id}")
    assert refusal(gone) == (404, None, [])
    assert hub.get(f"companies/{company_id}", archived="true")["archivedAt"] == "2026-11-23T18:00:03.000Z"
    assert hub.send("DELETE", f"companies/{company_id}").status_code == 204


@pytest.mark.parametrize(
    "path",
    [
        "/crm/objects/2026-09/deals/{}",
        "/crm/objects/2026-09/0-3/{}",
        "/crm/objects/2026-03/deal/{}",
        "/crm/v3/objects/deals/{}",
    ],
)
def test_dated_and_numbered_versions_serve_the_same_record(hub: Hub, path: str) -> None:
    deal_id = hub.deal()
    assert hub.get(path.format(deal_id))["id"] == deal_id


def test_a_version_that_is_no_longer_served_is_not_found(portal: Portal) -> None:
    hub = portal(versions=["2026-09"])
    deal_id = hub.deal()
    assert hub.send("GET", f"/crm/v3/objects/deals/{deal_id}").status_code == 404
    assert hub.send("GET", f"deals/{deal_id}").status_code == 200


def test_every_value_is_text_and_what_has_none_is_null(hub: Hub) -> None:
    deal_id = hub.deal(amount=3600.5, commercial_terms_approved=True, contract_start="2026-12-01")
    read = hub.properties("deals", deal_id, "amount", "commercial_terms_approved", "contract_start", "po_number")

    assert read == {
        "amount": "3600.5",
        "commercial_terms_approved": "true",
        "contract_start": "2026-12-01",
        "po_number": None,
    }
    asked = hub.get(f"deals/{deal_id}", properties="no_such_property")["properties"]
    assert "no_such_property" not in asked
    hub.update("deals", deal_id, amount="")
    assert hub.properties("deals", deal_id, "amount") == {"amount": None}


def test_contacts_name_their_time_of_change_differently(hub: Hub) -> None:
    contact_id = hub.create("contacts", email="Mara@Acme.example")
    read = hub.get(f"contacts/{contact_id}")["properties"]

    assert read["lastmodifieddate"] == "2026-11-23T18:00:00.000Z"
    assert read["email"] == "mara@acme.example"
    assert "hs_lastmodifieddate" not in read


@pytest.mark.parametrize(
    ("properties", "errors"),
    [
        ({"nosuch": "1"}, [("PROPERTY_DOESNT_EXIST", "nosuch")]),
        ({"hs_is_closed_won": "true"}, [("READ_ONLY_VALUE", "hs_is_closed_won")]),
        ({"amount": "ten"}, [("INVALID_INTEGER", "amount")]),
        ({"amount": "1,000"}, [("INVALID_INTEGER", "amount")]),
        ({"amount": " 10"}, [("LEADING_TRAILING_WHITESPACE", "amount")]),
        ({"payment_terms": "Net 30"}, [("INVALID_OPTION", "payment_terms")]),
        ({"commercial_terms_approved": "yes"}, [("INVALID_OPTION", "commercial_terms_approved")]),
        ({"contract_start": "01.12.2026"}, [("INVALID_DATE", "contract_start")]),
        ({"deal_currency_code": "SEK"}, [("INVALID_OPTION", "deal_currency_code")]),
        ({"dealstage": "nowhere"}, [("INVALID_OPTION", "dealstage")]),
        ({"dealstage": "1041285632"}, [("INVALID_OPTION", "dealstage")]),
        ({"pipeline": "716248113"}, [("INVALID_OPTION", "dealstage")]),
        ({"hubspot_owner_id": "1"}, [("INVALID_OWNER_ID", "hubspot_owner_id")]),
        ({"amount": None}, [("INVALID_STRING", "amount")]),
        ({"amount": "x", "nosuch": "y"}, [("INVALID_INTEGER", "amount"), ("PROPERTY_DOESNT_EXIST", "nosuch")]),
    ],
)
def test_values_are_checked_and_named(hub: Hub, properties: dict[str, object], errors: list[tuple[str, str]]) -> None:
    wanted = {"dealname": "Rollout", "dealstage": "contractsent", **properties}
    assert refusal(hub.send("POST", "deals", {"properties": wanted})) == (400, "VALIDATION_ERROR", errors)


def test_the_findings_stand_in_the_message_too(hub: Hub) -> None:
    body = hub.send("POST", "deals", {"properties": {"dealstage": "contractsent", "nosuch": "1"}}).json()
    assert body["message"].startswith('Property values were not valid: [{"isValid":false,"message":"Property \\"nosuch')
    assert '"portalId":247279312' in body["message"]


def test_a_deal_needs_a_stage_and_a_line_no_negative_price(hub: Hub) -> None:
    stageless = hub.send("POST", "deals", {"properties": {"dealname": "x"}})
    negative = hub.send("POST", "line_items", {"properties": {"name": "x", "price": "-1"}})

    assert refusal(stageless)[2] == [("MISSING_REQUIRED_PROPERTY", "dealstage")]
    assert refusal(negative)[2] == [("INVALID_PRICE", "price")]


def test_a_date_past_midnight_is_cut_with_a_warning_from_2026_09_and_refused_before(hub: Hub) -> None:
    sent = {"properties": {"contract_start": "2026-12-01T09:30:00Z"}}
    deal_id = hub.deal()
    updated = answer(hub.send("PATCH", f"deals/{deal_id}", sent), 200)
    older = hub.send("PATCH", f"/crm/v3/objects/deals/{deal_id}", sent)

    assert updated["properties"]["contract_start"] == "2026-12-01"
    (warning,) = updated["warnings"]
    assert warning["category"] == "PROPERTY_VALUE_NORMALIZED"
    assert warning["context"]["normalizedValue"] == "1796083200000"
    assert refusal(older)[2] == [("INVALID_DATE", "contract_start")]
    hub.update("deals", deal_id, contract_start="1796083200000", closedate="1796117400000")
    read = hub.properties("deals", deal_id, "contract_start", "closedate")
    assert read == {"contract_start": "2026-12-01", "closedate": "2026-12-01T09:30:00.000Z"}


def test_winning_sets_the_computed_properties(hub: Hub) -> None:
    deal_id = hub.deal(amount="1000", deal_currency_code="EUR")
    names = ("hs_is_closed", "hs_is_closed_won", "amount_in_home_currency", "hs_exchange_rate", "closedate")
    before = hub.properties("deals", deal_id, *names)
    hub.update("deals", deal_id, dealstage="closedwon")
    won = hub.properties("deals", deal_id, *names)

    assert before == dict(zip(names, ("false", "false", "1100", "1.1", None), strict=True))
    assert won == dict(zip(names, ("true", "true", "1100", "1.1", "2026-11-23T18:00:00.000Z"), strict=True))


def test_a_stage_of_another_pipeline_wins_too(hub: Hub) -> None:
    deal_id = hub.deal(pipeline="716248113", dealstage="1041285632")
    assert hub.properties("deals", deal_id, "hs_is_closed_won") == {"hs_is_closed_won": "true"}
    hub.update("deals", deal_id, dealstage="1041285633")
    assert hub.properties("deals", deal_id, "hs_is_closed_won", "hs_is_closed") == {
        "hs_is_closed_won": "false",
        "hs_is_closed": "true",
    }


def test_the_rate_of_a_closed_deal_is_frozen_and_that_of_an_open_one_floats(hub: Hub) -> None:
    open_id = hub.deal(amount="1000", deal_currency_code="EUR")
    won_id = hub.deal(amount="1000", deal_currency_code="EUR", dealstage="closedwon")
    hub.simulator.set_exchange_rate("EUR", "1.20")

    name = "amount_in_home_currency"
    assert hub.properties("deals", open_id, name) == {name: "1200"}
    assert hub.properties("deals", won_id, name) == {name: "1100"}
    hub.update("deals", won_id, amount="2000")
    assert hub.properties("deals", won_id, name) == {name: "2200"}


def test_a_deals_amount_is_not_summed_from_its_lines(hub: Hub) -> None:
    deal_id = hub.deal()
    line_id = hub.line(deal_id, quantity="10", price="150", hs_discount_percentage="10")

    assert hub.properties("line_items", line_id, "amount") == {"amount": "1350"}
    assert hub.properties("deals", deal_id, "amount") == {"amount": None}
    refused = hub.send("PATCH", f"line_items/{line_id}", {"properties": {"amount": "1"}})
    assert refusal(refused)[2] == [("READ_ONLY_VALUE", "amount")]


def test_a_line_takes_what_it_lacks_from_its_product(hub: Hub) -> None:
    product_id = hub.create("products", name="Advisory day", price="1200", hs_sku="ADV")
    line_id = hub.create("line_items", hs_product_id=product_id, quantity="2", price="1000")

    read = hub.properties("line_items", line_id, "name", "price", "hs_sku", "amount")
    assert read == {"name": "Advisory day", "price": "1000", "hs_sku": "ADV", "amount": "2000"}
    refused = hub.send("POST", "line_items", {"properties": {"hs_product_id": "1"}})
    assert refusal(refused)[2] == [("INVALID_OPTION", "hs_product_id")]


def test_a_record_is_found_by_a_unique_property_but_by_no_other(hub: Hub) -> None:
    deal_id = hub.deal(deal_key="D/7 ü", dealname="Other")
    assert hub.get("deals/D%2F7%20%C3%BC", idProperty="deal_key")["id"] == deal_id
    patched = hub.send("PATCH", "deals/D%2F7%20%C3%BC?idProperty=deal_key", {"properties": {"erp_status": "active"}})

    assert patched.json()["id"] == deal_id
    assert hub.send("GET", "deals/D-8?idProperty=deal_key").status_code == 404
    assert refusal(hub.send("GET", "deals/Other?idProperty=dealname"))[:2] == (400, "VALIDATION_ERROR")


def test_a_unique_value_is_taken_once(hub: Hub) -> None:
    first = hub.deal(deal_key="D-1")
    second = hub.deal()
    taken = hub.send("PATCH", f"deals/{second}", {"properties": {"deal_key": "D-1"}})
    hub.create("contacts", email="mara@acme.example")
    known = hub.send("POST", "contacts", {"properties": {"email": "MARA@acme.example"}})

    assert refusal(taken)[:2] == (400, "VALIDATION_ERROR")
    assert taken.json()["message"].endswith(f"on {second}. {first} already has that value.")
    assert refusal(known)[:2] == (409, "CONFLICT")
    assert "Contact already exists. Existing ID: " in known.json()["message"]
    hub.send("DELETE", f"deals/{first}")
    assert hub.update("deals", second, deal_key="D-1")["properties"]["deal_key"] == "D-1"


def test_writing_what_stands_there_changes_nothing(hub: Hub) -> None:
    deal_id = hub.deal(amount="10")
    hub.clock.advance(minutes=1)
    assert hub.update("deals", deal_id, amount="10")["updatedAt"] == "2026-11-23T18:00:00.000Z"
    assert hub.update("deals", deal_id, amount="11")["updatedAt"] == "2026-11-23T18:01:00.000Z"


def test_there_is_no_concurrency_token(hub: Hub) -> None:
    deal_id = hub.deal()
    read = hub.send("GET", f"deals/{deal_id}")
    body = {"properties": {"erp_status": "a"}}
    written = hub.http.patch(f"/crm/objects/2026-09/deals/{deal_id}", json=body, headers={"If-Match": '"old"'})

    assert "etag" not in read.headers
    assert written.status_code == 200


def test_former_values_come_with_history(hub: Hub) -> None:
    deal_id = hub.deal(amount="1")
    hub.clock.advance(days=1)
    hub.update("deals", deal_id, amount="2")
    history = hub.get(f"deals/{deal_id}", propertiesWithHistory="amount")["propertiesWithHistory"]["amount"]

    assert [(each["value"], each["timestamp"][:10]) for each in history] == [("2", "2026-11-24"), ("1", "2026-11-23")]
    assert history[0]["sourceType"] == "INTEGRATION"


def test_records_are_listed_by_page(hub: Hub) -> None:
    ids = [hub.company(name=f"Company {number}") for number in range(5)]
    hub.send("DELETE", f"companies/{ids[1]}")
    first = hub.get("companies", limit="2")
    rest = hub.get("companies", limit="2", after=first["paging"]["next"]["after"])

    assert [each["id"] for each in first["results"] + rest["results"]] == [ids[0], ids[2], ids[3], ids[4]]
    assert "paging" not in rest
    assert [each["id"] for each in hub.get("companies", archived="true")["results"]] == [ids[1]]
    assert hub.send("GET", "companies?limit=101").status_code == 400


def test_a_merged_record_has_a_new_id_and_the_old_ones_are_gone(hub: Hub) -> None:
    first, second = hub.company(name="Acme", city="Bonn"), hub.company(name="Acme GmbH", country="Germany")
    deal_id = hub.deal(link(second, 5))
    merged = answer(hub.send("POST", "companies/merge", {"primaryObjectId": first, "objectIdToMerge": second}), 200)

    assert merged["id"] not in (first, second)
    assert hub.properties("companies", merged["id"], "name", "city", "country") == {
        "name": "Acme",
        "city": "Bonn",
        "country": "Germany",
    }
    assert hub.send("GET", f"companies/{first}").status_code == 404
    assert hub.send("GET", f"companies/{second}").status_code == 404
    primary = hub.properties("deals", deal_id, "hs_primary_associated_company")
    assert primary == {"hs_primary_associated_company": merged["id"]}


def test_a_portal_may_keep_the_primary_id_when_it_merges(portal: Portal) -> None:
    hub = portal(merge_keeps_primary_id=True)
    first, second = hub.deal(), hub.deal(amount="7")
    merged = answer(hub.send("POST", "deals/merge", {"primaryObjectId": first, "objectIdToMerge": second}), 200)
    assert (merged["id"], merged["properties"]["amount"]) == (first, "7")


def test_a_parent_company_follows_from_its_association(hub: Hub) -> None:
    parent = hub.company(name="Acme Holding")
    child = hub.create("companies", link(parent, CHILD_TO_PARENT), name="Acme")

    assert hub.properties("companies", child, "hs_parent_company_id") == {"hs_parent_company_id": parent}
    assert hub.properties("companies", parent, "hs_num_child_companies") == {"hs_num_child_companies": "1"}
    refused = hub.send("PATCH", f"companies/{child}", {"properties": {"hs_parent_company_id": "1"}})
    assert refusal(refused)[2] == [("READ_ONLY_VALUE", "hs_parent_company_id")]


@pytest.mark.parametrize(
    ("content", "media", "status"),
    [
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b'{"properties": []}', "application/json", 400),
        (b'{"properties": {}}', "text/plain", 415),
    ],
)
def test_a_body_that_is_no_record_is_refused(hub: Hub, content: bytes, media: str, status: int) -> None:
    response = hub.http.post("/crm/objects/2026-09/deals", content=content, headers={"Content-Type": media})
    assert response.status_code == status


def test_unknown_types_paths_and_methods_are_refused(hub: Hub) -> None:
    def status(method: str, path: str) -> int:
        response: httpx.Response = hub.send(method, path)
        return response.status_code

    assert status("GET", "unicorns/1") == 400
    assert status("GET", "/crm/nothing/2026-09/x") == 404
    assert status("GET", "/nothing") == 404
    assert status("PUT", f"deals/{hub.deal()}") == 405
    assert status("GET", "/crm/v4/objects/deals") == 404
