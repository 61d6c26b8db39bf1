"""Associations: types, labels, primary companies, paging, and how "none" is told."""

from typing import Any

from .conftest import (
    CHILD_TO_PARENT,
    DEAL_TO_COMPANY_PRIMARY,
    DEAL_TO_CONTACT,
    DEAL_TO_LINE_ITEM,
    LINE_ITEM_TO_DEAL,
    Hub,
    Portal,
    answer,
    link,
    refusal,
)

DATED = "/crm/associations/2026-09"


def _types(response: dict[str, Any]) -> list[tuple[int, list[tuple[int, str | None]]]]:
    return [
        (each["toObjectId"], [(one["typeId"], one["label"]) for one in each["associationTypes"]])
        for each in response["results"]
    ]


def _spec(type_id: int, category: str = "HUBSPOT_DEFINED") -> list[dict[str, Any]]:
    return [{"associationCategory": category, "associationTypeId": type_id}]


def test_associations_come_with_a_record_under_its_key_with_a_space(hub: Hub) -> None:
    company, contact = hub.company(), hub.create("contacts", email="a@b.example")
    deal_id = hub.deal(link(company, DEAL_TO_COMPANY_PRIMARY), link(contact, DEAL_TO_CONTACT))
    line_id = hub.line(deal_id)
    read = hub.get(f"deals/{deal_id}", associations="companies,contacts,line_items,quotes")["associations"]

    # A primary company is there twice: once by its unlabelled type, once as primary.
    assert read["companies"]["results"] == [
        {"id": company, "type": "deal_to_company_unlabeled"},
        {"id": company, "type": "deal_to_company"},
    ]
    assert read["contacts"]["results"] == [{"id": contact, "type": "deal_to_contact"}]
    assert read["line items"]["results"] == [{"id": line_id, "type": "deal_to_line_item"}]
    assert set(read) == {"companies", "contacts", "line items"}
    assert "associations" not in hub.get(f"companies/{hub.company()}", associations="deals")


def test_the_key_without_a_space_is_a_switch(portal: Portal) -> None:
    hub = portal(spaced_association_keys=False)
    deal_id = hub.deal()
    hub.line(deal_id)
    assert list(hub.get(f"deals/{deal_id}", associations="line_items")["associations"]) == ["line_items"]


def test_many_associations_come_in_pages(hub: Hub) -> None:
    deal_id = hub.deal()
    line_ids = [hub.line(deal_id) for _ in range(105)]
    read = hub.get(f"deals/{deal_id}", associations="line_items")["associations"]["line items"]
    path = f"/crm/objects/2026-09/deals/{deal_id}/associations/line_items"
    first = hub.get(path, limit="100")
    rest = hub.get(path, limit="100", after=first["paging"]["next"]["after"])

    assert len(read["results"]) == 100
    assert read["paging"]["next"]["after"] == line_ids[100]
    assert [str(each["toObjectId"]) for each in first["results"] + rest["results"]] == line_ids
    assert "paging" not in rest


def test_a_batch_reads_associations_and_tells_none_as_an_error(hub: Hub) -> None:
    company = hub.company()
    with_one, without = hub.deal(link(company, DEAL_TO_COMPANY_PRIMARY)), hub.deal()
    inputs = {"inputs": [{"id": without}, {"id": with_one}]}
    body = answer(hub.send("POST", f"{DATED}/deals/companies/batch/read", inputs), 207)

    (result,) = body["results"]
    assert result["from"] == {"id": with_one}
    # The wire has an integer here, text in "from".
    assert result["to"] == [
        {
            "toObjectId": int(company),
            "associationTypes": [
                {"category": "HUBSPOT_DEFINED", "typeId": 341, "label": None},
                {"category": "HUBSPOT_DEFINED", "typeId": 5, "label": "Primary"},
            ],
        }
    ]
    (error,) = body["errors"]
    assert error["subCategory"] == "crm.associations.NO_ASSOCIATIONS_FOUND"
    assert error["message"] == f"No company is associated with deal {without}."
    assert error["context"]["fromObjectId"] == [without]


def test_ids_may_come_as_text(portal: Portal) -> None:
    hub = portal(association_ids_as_text=True)
    company = hub.company()
    deal_id = hub.deal(link(company, DEAL_TO_COMPANY_PRIMARY))
    (found,) = hub.get(f"deals/{deal_id}/associations/companies")["results"]
    assert found["toObjectId"] == company


def test_one_company_is_primary(hub: Hub) -> None:
    first, second = hub.company(), hub.company()
    deal_id = hub.deal()
    hub.send("PUT", f"deals/{deal_id}/associations/default/companies/{first}")
    hub.send("PUT", f"deals/{deal_id}/associations/default/companies/{second}")
    path = f"deals/{deal_id}/associations/companies"

    # The first company becomes primary by itself.
    assert _types(hub.get(path)) == [
        (int(first), [(341, None), (5, "Primary")]),
        (int(second), [(341, None)]),
    ]
    put = hub.send("PUT", f"{path}/{second}", _spec(DEAL_TO_COMPANY_PRIMARY))
    assert answer(put, 201)["labels"] == ["Primary"]
    assert _types(hub.get(path)) == [
        (int(first), [(341, None)]),
        (int(second), [(341, None), (5, "Primary")]),
    ]
    back = hub.get(f"companies/{second}/associations/deals")
    assert _types(back) == [(int(deal_id), [(342, None), (6, "Primary")])]


def test_the_first_company_stays_unmarked_where_that_is_switched_off(portal: Portal) -> None:
    hub = portal(first_company_is_primary=False)
    company, deal_id = hub.company(), hub.deal()
    hub.send("PUT", f"deals/{deal_id}/associations/default/companies/{company}")
    assert _types(hub.get(f"deals/{deal_id}/associations/companies")) == [(int(company), [(341, None)])]


def test_associations_are_removed_one_by_one_and_with_their_record(hub: Hub) -> None:
    company, deal_id = hub.company(), hub.deal()
    other = hub.deal(link(company, DEAL_TO_COMPANY_PRIMARY))
    hub.send("PUT", f"deals/{deal_id}/associations/default/companies/{company}")
    assert hub.send("DELETE", f"deals/{deal_id}/associations/companies/{company}").status_code == 204

    assert hub.get(f"deals/{deal_id}/associations/companies")["results"] == []
    primary = hub.properties("deals", deal_id, "hs_primary_associated_company")
    assert primary == {"hs_primary_associated_company": None}
    hub.send("DELETE", f"deals/{other}")
    assert hub.get(f"companies/{company}/associations/deals")["results"] == []


def test_a_line_belongs_to_one_deal(hub: Hub) -> None:
    deal_id, other = hub.deal(), hub.deal()
    line_id = hub.line(deal_id)
    refused = hub.send("PUT", f"deals/{other}/associations/default/line_items/{line_id}")
    created = hub.send(
        "POST", "deals", {"properties": {"dealstage": "closedwon"}, "associations": [link(line_id, DEAL_TO_LINE_ITEM)]}
    )

    assert refusal(refused)[:2] == (400, "VALIDATION_ERROR")
    assert refusal(created)[:2] == (400, "VALIDATION_ERROR")
    assert len(hub.get("deals")["results"]) == 2


def test_a_portals_own_label_is_two_types(hub: Hub) -> None:
    path = f"{DATED}/deals/contacts/labels"
    made = answer(hub.send("POST", path, {"name": "buyer", "label": "Buyer", "inverseLabel": "Buys"}), 200)["results"]
    contact = hub.create("contacts", email="a@b.example")
    deal_id = hub.deal()
    hub.send("PUT", f"deals/{deal_id}/associations/contacts/{contact}", _spec(made[0]["typeId"], "USER_DEFINED"))

    assert [(each["typeId"], each["label"]) for each in made] == [(101, "Buyer"), (102, "Buys")]
    assert _types(hub.get(f"deals/{deal_id}/associations/contacts")) == [(int(contact), [(3, None), (101, "Buyer")])]
    assert _types(hub.get(f"contacts/{contact}/associations/deals")) == [(int(deal_id), [(4, None), (102, "Buys")])]
    known = {each["typeId"] for each in hub.get(path)["results"]}
    assert known == {3, 101}
    removed = {"inputs": [{"from": {"id": deal_id}, "to": {"id": contact}, "types": _spec(101)}]}
    assert hub.send("POST", f"{DATED}/deals/contacts/batch/labels/archive", removed).status_code == 204
    assert _types(hub.get(f"deals/{deal_id}/associations/contacts")) == [(int(contact), [(3, None)])]


def test_a_batch_associates_and_separates(hub: Hub) -> None:
    company, deal_id = hub.company(), hub.deal()
    pair = {"from": {"id": deal_id}, "to": {"id": company}}
    made = hub.send("POST", f"{DATED}/deals/companies/batch/create", {"inputs": [{**pair, "types": _spec(5)}]})
    missing = {"from": {"id": deal_id}, "to": {"id": "1"}, "types": _spec(5)}
    partly = hub.send("POST", f"{DATED}/deals/companies/batch/create", {"inputs": [missing]})

    assert answer(made, 201)["results"][0]["labels"] == ["Primary"]
    assert answer(partly, 207)["errors"][0]["context"]["toObjectId"] == ["1"]
    separated = {"inputs": [{"from": {"id": deal_id}, "to": [{"id": company}]}]}
    assert hub.send("POST", f"{DATED}/deals/companies/batch/archive", separated).status_code == 204
    assert hub.get(f"deals/{deal_id}/associations/companies")["results"] == []


def test_v3_names_types(hub: Hub) -> None:
    deal_id = hub.deal()
    line_id = hub.create("line_items", name="x", price="1")
    given = {"inputs": [{"from": {"id": deal_id}, "to": {"id": line_id}, "type": "deal_to_line_item"}]}
    assert hub.send("POST", "/crm/v3/associations/deals/line_items/batch/create", given).status_code == 201
    read = hub.send("POST", "/crm/v3/associations/deal/line_item/batch/read", {"inputs": [{"id": deal_id}]})

    assert answer(read, 200)["results"][0]["to"] == [{"id": line_id, "type": "deal_to_line_item"}]
    listed = hub.get(f"/crm/v3/objects/line_items/{line_id}/associations/deals")
    assert listed["results"] == [{"id": deal_id, "type": "line_item_to_deal"}]


def test_wrong_types_and_missing_records_are_refused(hub: Hub) -> None:
    company, deal_id = hub.company(), hub.deal()
    wrong_type = hub.send("PUT", f"deals/{deal_id}/associations/companies/{company}", _spec(LINE_ITEM_TO_DEAL))
    missing = hub.send("PUT", f"deals/{deal_id}/associations/default/companies/1")
    product = hub.create("products", name="Day", price="1")
    unrelated = hub.send("PUT", f"deals/{deal_id}/associations/default/products/{product}")

    assert refusal(wrong_type)[:2] == (400, "VALIDATION_ERROR")
    assert refusal(missing)[:2] == (404, "OBJECT_NOT_FOUND")
    assert refusal(unrelated)[:2] == (400, "VALIDATION_ERROR")


def test_a_chain_of_parents_is_read_from_either_side(hub: Hub) -> None:
    top = hub.company(name="Group")
    middle = hub.create("companies", link(top, CHILD_TO_PARENT), name="Holding")
    bottom = hub.create("companies", link(middle, CHILD_TO_PARENT), name="Acme")
    labels = {
        (each["toObjectId"], one["label"])
        for each in hub.get(f"companies/{middle}/associations/companies")["results"]
        for one in each["associationTypes"]
    }
    assert {(int(top), "Parent Company"), (int(bottom), "Child Company")} <= labels
