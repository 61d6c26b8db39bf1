"""Records one by one: creating, reading, updating, upserting, deleting, and what each refuses."""

import httpx
import pytest

from .conftest import DATA, Org


def test_a_record_is_created_read_updated_and_deleted(org: Org) -> None:
    created = org.send("POST", "sobjects/Account", {"Name": "Acme", "BillingCity": "Berlin"})
    account_id = created.json()["id"]

    assert created.status_code == 201
    assert created.json() == {"id": account_id, "success": True, "errors": []}
    assert created.headers["Location"] == f"{DATA}/sobjects/Account/{account_id}"
    org.update("Account", account_id, name="Acme Europe")
    read = org.read("Account", account_id)
    assert read["attributes"] == {"type": "Account", "url": f"{DATA}/sobjects/Account/{account_id}"}
    assert (read["Name"], read["BillingAddress"]["city"]) == ("Acme Europe", "Berlin")
    assert read["CreatedDate"] == "2026-11-23T18:00:00.000+0000"
    assert org.send("DELETE", f"sobjects/Account/{account_id}").status_code == 204
    assert org.refusal(org.send("GET", f"sobjects/Account/{account_id}")) == (404, "ENTITY_IS_DELETED", [])
    assert org.refusal(org.send("PATCH", f"sobjects/Account/{account_id}", {"Name": "x"}))[1] == "ENTITY_IS_DELETED"


def test_ids_of_15_and_of_18_characters_name_the_same_record(org: Org) -> None:
    account_id = org.account()

    assert len(account_id) == 18
    assert org.read("Account", account_id[:15])["Id"] == account_id
    assert org.read("Opportunity", org.deal(AccountId=account_id[:15]))["AccountId"] == account_id


def test_only_the_fields_asked_for_are_shown(org: Org) -> None:
    account_id = org.account(Phone="1")
    shown = org.send("GET", f"sobjects/Account/{account_id}?fields=Name,Owner.Name").json()

    assert set(shown) == {"attributes", "Id", "Name", "Owner"}
    assert shown["Owner"]["Name"] == "Dealbridge Integration"
    assert org.refusal(org.send("GET", f"sobjects/Account/{account_id}?fields=Nam"))[:2] == (400, "INVALID_FIELD")


@pytest.mark.parametrize(
    ("fields", "code", "named"),
    [
        ({}, "REQUIRED_FIELD_MISSING", ["Name", "StageName", "CloseDate"]),
        ({"Nam": "x"}, "INVALID_FIELD", None),
        ({"IsWon": True, "Fiscal": "x"}, "INVALID_FIELD_FOR_INSERT_UPDATE", ["IsWon", "Fiscal"]),
        ({"Payment_Terms__c": "Net 90"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", ["Payment_Terms__c"]),
        ({"Legal_Entity__c": "x" * 21}, "STRING_TOO_LONG", ["Legal_Entity__c"]),
        ({"Delivery_Owner_Email__c": "nobody"}, "INVALID_EMAIL_ADDRESS", ["Delivery_Owner_Email__c"]),
        ({"CloseDate": "30.11.2026"}, "JSON_PARSER_ERROR", None),
        ({"CloseDate": "2026-02-30"}, "JSON_PARSER_ERROR", None),
        ({"Amount": "ten"}, "JSON_PARSER_ERROR", None),
        ({"Amount": 1e17}, "NUMBER_OUTSIDE_VALID_RANGE", ["Amount"]),
        ({"Commercial_Terms_Approved__c": "yes"}, "JSON_PARSER_ERROR", None),
        ({"AccountId": "acme"}, "MALFORMED_ID", ["AccountId"]),
        ({"AccountId": "003000000000001AAA"}, "MALFORMED_ID", ["AccountId"]),
        ({"AccountId": "001000000000001AAA"}, "INVALID_CROSS_REFERENCE_KEY", ["AccountId"]),
    ],
)
def test_a_value_that_does_not_fit_is_refused_by_name(
    org: Org, fields: dict[str, object], code: str, named: list[str] | None
) -> None:
    assert org.refusal(org.send("POST", "sobjects/Opportunity", fields)) == (400, code, named)
    assert org.query("SELECT COUNT() FROM Opportunity")["totalSize"] == 0


def test_texts_are_trimmed_and_an_empty_one_is_null(org: Org) -> None:
    account_id = org.account(Name="  Acme  ", Site="")

    read = org.read("Account", account_id)
    assert (read["Name"], read["Site"]) == ("Acme", None)
    assert org.refusal(org.send("PATCH", f"sobjects/Account/{account_id}", {"Name": " "})) == (
        400,
        "REQUIRED_FIELD_MISSING",
        ["Name"],
    )


def test_unknown_records_and_types_are_not_found(org: Org) -> None:
    assert org.refusal(org.send("GET", "sobjects/Account/001000000000001AAA"))[:2] == (404, "NOT_FOUND")
    assert org.refusal(org.send("GET", "sobjects/Account/nonsense"))[:2] == (404, "NOT_FOUND")
    assert org.refusal(org.send("GET", f"sobjects/Account/{org.deal()}"))[:2] == (400, "MALFORMED_ID")
    assert org.refusal(org.send("GET", "sobjects/Nothing"))[:2] == (404, "NOT_FOUND")
    assert org.refusal(org.send("PUT", "sobjects/Account"))[:2] == (405, "METHOD_NOT_ALLOWED")


def test_a_body_that_is_no_json_is_refused(org: Org) -> None:
    response = org.http.post(f"{DATA}/sobjects/Account", content=b"{", headers={"Content-Type": "application/json"})

    assert org.refusal(response)[:2] == (400, "JSON_PARSER_ERROR")


def _upsert(org: Org, key: str, body: dict[str, object], query: str = "") -> httpx.Response:
    return org.send("PATCH", f"sobjects/Account/ERP_Id__c/{key}{query}", body)


def test_upsert_creates_once_and_updates_from_then_on(org: Org) -> None:
    created = _upsert(org, "C-100", {"Name": "Acme"})
    updated = _upsert(org, "c-100", {"Name": "Acme AG"})

    account_id = created.json()["id"]
    assert (created.status_code, created.json()["created"]) == (201, True)
    assert (updated.status_code, updated.json()) == (
        200,
        {"id": account_id, "success": True, "errors": [], "created": False},
    )
    read = org.send("GET", "sobjects/Account/ERP_Id__c/C-100").json()
    assert (read["Id"], read["Name"], read["ERP_Id__c"]) == (account_id, "Acme AG", "C-100")


def test_upsert_may_be_forbidden_to_create(org: Org) -> None:
    assert org.refusal(_upsert(org, "C-1", {"Name": "Acme"}, "?updateOnly=true"))[:2] == (404, "NOT_FOUND")
    assert org.query("SELECT COUNT() FROM Account")["totalSize"] == 0


def test_upsert_needs_an_external_id_in_the_path_and_only_there(org: Org) -> None:
    assert org.refusal(org.send("PATCH", "sobjects/Account/Name/Acme", {}))[:2] == (404, "NOT_FOUND")
    assert org.refusal(_upsert(org, "C-1", {"Name": "A", "ERP_Id__c": "C-1"}))[:2] == (400, "INVALID_FIELD")


def test_upsert_by_a_key_that_two_records_hold_lists_them(org: Org) -> None:
    first, second = org.account(ERP_Id__c="C-1"), org.account()
    held = org.simulator.database.current("Account", second)
    assert held is not None
    # The unique index keeps the API from making this state; orgs have it from before the field was unique.
    org.simulator.database.put("Account", {**held, "ERP_Id__c": "C-1"})

    response = _upsert(org, "C-1", {"Name": "x"})

    assert response.status_code == 300
    assert response.json() == [f"{DATA}/sobjects/Account/{record_id}" for record_id in (first, second)]


def test_a_unique_external_id_is_held_once(org: Org) -> None:
    first = org.account(ERP_Id__c="C-1")
    response = org.send("POST", "sobjects/Account", {"Name": "Other", "ERP_Id__c": "c-1"})

    assert org.refusal(response)[:2] == (400, "DUPLICATE_VALUE")
    assert first in response.json()[0]["message"]
    assert org.send("DELETE", f"sobjects/Account/{first}").status_code == 204
    org.account(ERP_Id__c="C-1")


def test_a_parent_may_be_named_by_its_external_id(org: Org) -> None:
    account_id = org.account(ERP_Id__c="C-1")

    assert org.read("Opportunity", org.deal(Account={"ERP_Id__c": "C-1"}))["AccountId"] == account_id
    refused = org.send("PATCH", f"sobjects/Opportunity/{org.deal()}", {"Account": {"ERP_Id__c": "C-2"}})
    assert org.refusal(refused)[:2] == (400, "INVALID_FIELD")


def test_a_row_that_another_save_holds_is_refused_for_its_children_too(org: Org) -> None:
    account_id = org.account()
    deal_id = org.deal(AccountId=account_id)
    org.simulator.lock_row(account_id, times=2)

    for path in (f"sobjects/Account/{account_id}", f"sobjects/Opportunity/{deal_id}"):
        assert org.refusal(org.send("PATCH", path, {"Description": "x"})) == (400, "UNABLE_TO_LOCK_ROW", [])
    org.update("Opportunity", deal_id, Description="x")


def test_a_rule_of_the_customer_refuses_in_its_own_words(org: Org) -> None:
    org.simulator.add_validation_rule(
        "Opportunity",
        lambda deal: (
            ("Close the deal with a PO number.", "PO_Number__c") if deal["IsWon"] and not deal["PO_Number__c"] else None
        ),
    )
    deal_id = org.deal()
    refused = org.send("PATCH", f"sobjects/Opportunity/{deal_id}", {"StageName": "Closed Won"})

    assert org.refusal(refused) == (400, "FIELD_CUSTOM_VALIDATION_EXCEPTION", ["PO_Number__c"])
    org.update("Opportunity", deal_id, StageName="Closed Won", PO_Number__c="4711")


def test_records_reached_from_another(org: Org) -> None:
    account_id = org.account()
    deal_id = org.deal(AccountId=account_id)

    assert org.send("GET", f"sobjects/Opportunity/{deal_id}/Account").json()["Id"] == account_id
    assert org.send("GET", f"sobjects/Account/{account_id}/Opportunities").json()["records"][0]["Id"] == deal_id
    assert org.send("GET", f"sobjects/Account/{account_id}/Nothing").status_code == 404


def test_deleting_a_parent_takes_its_children_or_is_refused(org: Org) -> None:
    account_id = org.account()
    deal_id = org.deal(AccountId=account_id)
    line_id = org.line(deal_id)
    org.update("Opportunity", deal_id, StageName="Closed Won")

    assert org.refusal(org.send("DELETE", f"sobjects/Account/{account_id}"))[:2] == (400, "DELETE_FAILED")
    org.update("Opportunity", deal_id, StageName="Closed Lost")
    assert org.send("DELETE", f"sobjects/Account/{account_id}").status_code == 204
    assert org.refusal(org.send("GET", f"sobjects/OpportunityLineItem/{line_id}"))[1] == "ENTITY_IS_DELETED"


def test_deleted_and_updated_records_of_a_span_are_listed(org: Org) -> None:
    kept, gone = org.account(), org.account()
    org.clock.advance(minutes=5)
    org.send("DELETE", f"sobjects/Account/{gone}")
    span = "start=2026-11-23T18:00:00%2B00:00&end=2026-11-23T18:10:00%2B00:00"

    assert org.send("GET", f"sobjects/Account/updated/?{span}").json()["ids"] == [kept]
    assert org.send("GET", f"sobjects/Account/deleted/?{span}").json()["deletedRecords"] == [
        {"deletedDate": "2026-11-23T18:05:00.000+0000", "id": gone}
    ]


def test_an_account_is_changed_only_in_the_state_that_was_read(org: Org) -> None:
    account_id = org.account()
    path = f"sobjects/Account/{account_id}"
    etag = org.send("GET", path).headers["ETag"]

    assert org.send("GET", path, If_None_Match=etag).status_code == 304
    assert org.send("PATCH", path, {"Site": "1"}, If_Match=etag).status_code == 204
    assert org.send("PATCH", path, {"Site": "2"}, If_Match=etag).status_code == 412
    assert org.read("Account", account_id)["Site"] == "1"


def test_other_records_compare_by_the_second_of_their_last_change(org: Org) -> None:
    path = f"sobjects/Opportunity/{org.deal()}"
    read = org.send("GET", path)
    at = read.headers["Last-Modified"]

    assert "ETag" not in read.headers
    assert org.send("GET", path, If_Modified_Since=at).status_code == 304
    # Within the same second a change goes unnoticed: the check is weak.
    assert org.send("PATCH", path, {"NextStep": "1"}, If_Unmodified_Since=at).status_code == 204
    org.clock.advance(seconds=1)
    assert org.send("PATCH", path, {"NextStep": "2"}, If_Unmodified_Since=at).status_code == 204
    assert org.send("PATCH", path, {"NextStep": "3"}, If_Unmodified_Since=at).status_code == 412
    assert org.send("PATCH", path, {"NextStep": "4"}, If_Unmodified_Since="now").status_code == 400
    assert org.send("PATCH", path, {"NextStep": "5"}, If_Match='"never seen"').status_code == 204


def test_describe_tells_the_custom_fields(org: Org) -> None:
    described = org.send("GET", "sobjects/Opportunity/describe").json()
    fields = {field["name"]: field for field in described["fields"]}

    assert fields["Deal_Key__c"]["externalId"] is fields["Deal_Key__c"]["unique"] is True
    assert [value["value"] for value in fields["Deal_Kind__c"]["picklistValues"]] == [
        "New",
        "Amendment",
        "Change Order",
        "Renewal",
        "Cancellation",
    ]
    assert fields["IsWon"]["createable"] is False
    children = {each["relationshipName"] for each in described["childRelationships"]}
    assert {"OpportunityLineItems", "OpportunityContactRoles", "Successor_Opportunities__r"} <= children
    listed = org.send("GET", "sobjects").json()["sobjects"]
    assert {"Account", "CurrencyType", "OpportunityLineItemSchedule"} <= {each["name"] for each in listed}


def test_a_stale_read_shows_the_record_before_its_last_write_and_loses_no_write(org: Org) -> None:
    account_id = org.account(Site="old")
    org.update("Account", account_id, Site="new")
    org.simulator.add_fault(kind="stale_read", times=2)

    assert org.read("Account", account_id)["Site"] == "old"
    org.update("Account", account_id, Phone="1")
    read = org.read("Account", account_id)
    assert (read["Site"], read["Phone"]) == ("new", "1")


def test_a_reply_that_is_lost_after_the_commit_leaves_the_record(org: Org) -> None:
    org.simulator.add_fault(kind="drop_after_commit", method="PATCH", times=1)

    with pytest.raises(httpx.RemoteProtocolError):
        _upsert(org, "C-1", {"Name": "Acme"})
    assert _upsert(org, "C-1", {"Name": "Acme"}).json()["created"] is False


def test_the_control_surface_shows_records_as_the_api_does(org: Org) -> None:
    deal_id = org.deal(Amount=12.5)
    (shown,) = org.http.get("/__sim/records/Opportunity").json()

    assert shown == org.read("Opportunity", deal_id)
    org.http.post("/__sim/reset")
    assert org.http.get("/__sim/records").json().get("Opportunity") is None
    org.sign_in()
    assert org.deal(Amount=12.5) == deal_id
