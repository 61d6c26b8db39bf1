"""Batches: reading, creating, updating and upserting many records, and answers with several statuses."""

from typing import Any

import pytest

from dealbridge_local.simulators.hubspot import ConditionalRule

from .conftest import LINE_ITEM_TO_DEAL, Hub, Portal, answer, link, refusal


def _deal(**properties: Any) -> dict[str, Any]:
    return {"properties": {"dealname": "Rollout", "dealstage": "contractsent", **properties}}


def test_a_batch_read_tells_found_and_missing_apart(hub: Hub) -> None:
    first, second = hub.deal(amount="1"), hub.deal(amount="2")
    all_there = hub.batch("deals", "read", {"id": second}, {"id": first}, properties=["amount"])
    one_missing = hub.batch("deals", "read", {"id": first}, {"id": "1"}, properties=["amount"])

    assert [each["id"] for each in answer(all_there, 200)["results"]] == [first, second]
    body = answer(one_missing, 207)
    assert (len(body["results"]), body["numErrors"]) == (1, 1)
    assert body["errors"][0]["category"] == "OBJECT_NOT_FOUND"
    assert body["errors"][0]["context"] == {"ids": ["1"]}


def test_a_batch_read_finds_by_a_unique_property(hub: Hub) -> None:
    deal_id = hub.deal(deal_key="D-1")
    body = answer(hub.batch("deals", "read", {"id": "D-1"}, idProperty="deal_key"), 200)
    assert [each["id"] for each in body["results"]] == [deal_id]


def test_lines_are_created_a_hundred_at_a_time(hub: Hub) -> None:
    deal_id = hub.deal()
    inputs = [
        {"properties": {"name": f"Line {number}", "price": "10"}, "associations": [link(deal_id, LINE_ITEM_TO_DEAL)]}
        for number in range(101)
    ]
    too_many = hub.batch("line_items", "create", *inputs)
    created = hub.batch("line_items", "create", *inputs[:100])

    assert refusal(too_many)[:2] == (400, "VALIDATION_ERROR")
    assert len(answer(created, 201)["results"]) == 100
    assert len(hub.simulator.records()["line_items"]) == 100


def test_without_trace_ids_one_bad_input_refuses_all(hub: Hub) -> None:
    refused = hub.batch("deals", "create", _deal(amount="1"), _deal(amount="x"))

    assert refusal(refused) == (400, "VALIDATION_ERROR", [("INVALID_INTEGER", "amount")])
    assert hub.get("deals")["results"] == []


def test_with_trace_ids_the_good_ones_are_written(hub: Hub) -> None:
    good = {**_deal(amount="1"), "objectWriteTraceId": "a"}
    bad = {**_deal(amount="x"), "objectWriteTraceId": "b"}
    body = answer(hub.batch("deals", "create", good, bad), 207)

    assert [each["objectWriteTraceId"] for each in body["results"]] == ["a"]
    (error,) = body["errors"]
    assert (body["numErrors"], error["category"]) == (1, "VALIDATION_ERROR")
    assert error["context"] == {"objectWriteTraceId": ["b"]}
    assert "correlationId" not in error
    assert len(hub.get("deals")["results"]) == 1


def test_an_upsert_says_what_is_new(hub: Hub) -> None:
    first = {"id": "D-1", "idProperty": "deal_key", **_deal(amount="1")}
    second = {"id": "D-2", "idProperty": "deal_key", **_deal(amount="2")}
    made = answer(hub.batch("deals", "upsert", first), 200)["results"]
    again = answer(hub.batch("deals", "upsert", second, {**first, **_deal(amount="3")}), 200)["results"]

    assert [each["new"] for each in made] == [True]
    # Results come in the order of ids, not of the inputs.
    assert [(each["new"], each["properties"]["amount"]) for each in again] == [(False, "3"), (True, "2")]
    assert hub.get("deals/D-2", idProperty="deal_key", properties="deal_key")["properties"]["deal_key"] == "D-2"


def test_an_upsert_of_one_new_property_alone_needs_what_a_create_needs(hub: Hub) -> None:
    refused = hub.batch("deals", "upsert", {"id": "D-1", "idProperty": "deal_key", "properties": {"amount": "1"}})
    assert refusal(refused)[2] == [("MISSING_REQUIRED_PROPERTY", "dealstage")]


def test_an_upsert_needs_a_unique_property(hub: Hub) -> None:
    by_name = hub.batch("deals", "upsert", {"id": "x", "idProperty": "dealname", **_deal()})
    by_nothing = hub.batch("deals", "upsert", {"id": "x", **_deal()})

    assert refusal(by_name)[0] == 400
    said = "Unable to perform update/upsert by non-unique 0-3 property {} in portal ID 247279312"
    assert by_name.json()["message"] == said.format("dealname")
    # Recorded: to HubSpot the record's own id is no unique property.
    for operation in ("upsert", "update"):
        by_id = hub.batch("deals", operation, {"id": hub.deal(), "idProperty": "hs_object_id", "properties": {}})
        assert (by_id.status_code, by_id.json()["message"]) == (400, said.format("hs_object_id"))
    assert refusal(by_nothing)[0] == 400


@pytest.mark.parametrize("operation", ["update", "upsert"])
def test_an_id_twice_in_a_batch_refuses_all(hub: Hub, operation: str) -> None:
    deal_id = hub.deal(deal_key="D-1")
    each = {"id": "D-1", "idProperty": "deal_key", "properties": {"amount": "1"}, "objectWriteTraceId": "a"}
    refused = hub.batch("deals", operation, each, {**each, "objectWriteTraceId": "b"})

    assert refusal(refused)[:2] == (400, "VALIDATION_ERROR")
    assert refused.json()["message"] == "Duplicate IDs found in batch input: [D-1]. IDs must be unique"
    assert refused.json()["context"] == {"ids": ["D-1"]}
    assert hub.properties("deals", deal_id, "amount") == {"amount": None}


def test_two_inputs_cannot_claim_one_unique_value(hub: Hub) -> None:
    refused = hub.batch("deals", "create", _deal(deal_key="D-1"), _deal(deal_key="D-1"))
    assert refusal(refused)[:2] == (400, "VALIDATION_ERROR")
    assert hub.get("deals")["results"] == []


def test_an_update_of_a_missing_record_fails_alone_with_trace_ids(hub: Hub) -> None:
    deal_id = hub.deal()
    inputs = [
        {"id": deal_id, "properties": {"amount": "5"}, "objectWriteTraceId": "a"},
        {"id": "1", "properties": {"amount": "5"}, "objectWriteTraceId": "b"},
    ]
    body = answer(hub.batch("deals", "update", *inputs), 207)

    assert [each["id"] for each in body["results"]] == [deal_id]
    assert body["errors"][0]["context"] == {"ids": ["1"], "objectWriteTraceId": ["b"]}


def test_a_batch_archives(hub: Hub) -> None:
    ids = [hub.deal(), hub.deal()]
    assert hub.batch("deals", "archive", *({"id": each} for each in ids)).status_code == 204
    assert hub.get("deals")["results"] == []


def test_admin_rules_refuse_writes_from_2026_09_and_not_before(portal: Portal) -> None:
    rule = ConditionalRule("deals", "dealstage", "closedwon", "po_number")
    hub = portal(rules=[rule], required_on_create={"companies": ("legal_name",)})
    deal_id = hub.deal()
    won = {"properties": {"dealstage": "closedwon"}}
    refused = hub.send("PATCH", f"deals/{deal_id}", won)
    nameless = hub.send("POST", "companies", {"properties": {"name": "Acme"}})

    assert refusal(refused) == (400, "VALIDATION_ERROR", [("MISSING_CONDITIONAL_REQUIRED_PROPERTY", "po_number")])
    assert refused.json()["errors"][0]["message"].endswith(
        "because of a conditional property rule based on [dealstage]"
    )
    assert refusal(nameless)[2] == [("MISSING_REQUIRED_PROPERTY", "legal_name")]
    assert hub.send("PATCH", f"/crm/v3/objects/deals/{deal_id}", won).status_code == 200
    # Once the record is in breach, any write to it fails: an integration's status write-back too.
    status = hub.send("PATCH", f"deals/{deal_id}", {"properties": {"erp_status": "active"}})
    assert refusal(status)[2] == [("MISSING_CONDITIONAL_REQUIRED_PROPERTY", "po_number")]
