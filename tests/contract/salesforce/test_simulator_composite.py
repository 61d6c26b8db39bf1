"""Many operations in one call: what is shared, what is rolled back, and what is HTTP 200 all the same."""

from typing import Any

import pytest

from .conftest import DATA, Org


def _composite(org: Org, *requests: dict[str, Any], all_or_none: bool = False) -> list[dict[str, Any]]:
    response = org.send("POST", "composite", {"allOrNone": all_or_none, "compositeRequest": list(requests)})
    assert response.status_code == 200, response.text
    answers: list[dict[str, Any]] = response.json()["compositeResponse"]
    return answers


def _sub(reference: str, method: str, path: str, body: Any = None, **more: Any) -> dict[str, Any]:
    return {"referenceId": reference, "method": method, "url": f"{DATA}/{path}", "body": body, **more}


ACCOUNT = _sub("acc", "PATCH", "sobjects/Account/ERP_Id__c/C-100", {"Name": "Acme"})
WRONG = _sub("wrong", "POST", "sobjects/Contact", {"FirstName": "nobody"})
DEAL = {"Name": "Deal", "StageName": "Prospecting", "CloseDate": "2026-11-30", "AccountId": "@{acc.id}"}


def test_a_subrequest_uses_what_an_earlier_one_answered(org: Org) -> None:
    answers = _composite(
        org,
        ACCOUNT,
        _sub("deal", "POST", "sobjects/Opportunity", DEAL),
        _sub("read", "GET", "sobjects/Opportunity/@{deal.id}?fields=AccountId"),
        _sub("query", "GET", "query?q=SELECT+Id+FROM+Opportunity+WHERE+AccountId='@{acc.id}'"),
        _sub("note", "PATCH", "sobjects/Opportunity/@{query.records[0].Id}", {"NextStep": "of @{acc.id}"}),
    )

    account_id, deal_id = answers[0]["body"]["id"], answers[1]["body"]["id"]
    assert answers[0] == {
        "body": {"id": account_id, "success": True, "errors": [], "created": True},
        "httpHeaders": {"Location": f"{DATA}/sobjects/Account/{account_id}"},
        "httpStatusCode": 201,
        "referenceId": "acc",
    }
    assert answers[2]["body"]["AccountId"] == account_id
    assert [each["Id"] for each in answers[3]["body"]["records"]] == [deal_id]
    assert (answers[4]["httpStatusCode"], answers[4]["body"]) == (204, None)
    assert org.read("Opportunity", deal_id)["NextStep"] == f"of {account_id}"


def test_a_composite_is_one_call_of_the_daily_allowance(org: Org) -> None:
    before = org.send("GET", "limits").json()["DailyApiRequests"]["Remaining"]
    _composite(org, ACCOUNT, WRONG)

    assert org.send("GET", "limits").json()["DailyApiRequests"]["Remaining"] == before - 2


def test_without_all_or_none_what_worked_stays(org: Org) -> None:
    answers = _composite(org, ACCOUNT, WRONG, _sub("after", "GET", "sobjects/Account/@{acc.id}"))

    assert [answer["httpStatusCode"] for answer in answers] == [201, 400, 200]
    assert answers[1]["body"][0]["errorCode"] == "REQUIRED_FIELD_MISSING"
    assert org.query("SELECT COUNT() FROM Account")["totalSize"] == 1


def test_with_all_or_none_one_failure_undoes_all(org: Org) -> None:
    answers = _composite(org, ACCOUNT, WRONG, _sub("after", "GET", "limits"), all_or_none=True)

    assert [answer["httpStatusCode"] for answer in answers] == [400, 400, 400]
    assert answers[1]["body"][0]["errorCode"] == "REQUIRED_FIELD_MISSING"
    for other in (answers[0], answers[2]):
        assert other["body"] == [
            {
                "errorCode": "PROCESSING_HALTED",
                "message": "The transaction was rolled back since another operation in the same transaction failed.",
            }
        ]
    assert org.query("SELECT COUNT() FROM Account")["totalSize"] == 0
    assert _composite(org, ACCOUNT)[0]["body"]["created"] is True


def test_a_reference_without_a_value_halts_only_its_own_subrequest(org: Org) -> None:
    answers = _composite(org, WRONG, _sub("deal", "POST", "sobjects/Opportunity", DEAL), ACCOUNT)

    assert [answer["httpStatusCode"] for answer in answers] == [400, 400, 201]
    assert answers[1]["body"][0]["errorCode"] == "PROCESSING_HALTED"


@pytest.mark.parametrize(
    ("requests", "code"),
    [
        ([ACCOUNT] * 2, "INVALID_INPUT"),
        ([_sub(f"r{number}", "GET", "limits") for number in range(26)], "LIMIT_EXCEEDED"),
        ([_sub(f"q{number}", "GET", "query?q=SELECT+Id+FROM+Account") for number in range(6)], "LIMIT_EXCEEDED"),
        ([], "JSON_PARSER_ERROR"),
    ],
)
def test_a_composite_has_limits(org: Org, requests: list[Any], code: str) -> None:
    assert org.refusal(org.send("POST", "composite", {"compositeRequest": requests}))[:2] == (400, code)


def test_subrequests_may_be_conditional_but_not_sign_in(org: Org) -> None:
    account_id = _composite(org, ACCOUNT)[0]["body"]["id"]
    at = org.send("GET", f"sobjects/Account/{account_id}").headers["Last-Modified"]
    answers = _composite(
        org,
        _sub("unchanged", "GET", f"sobjects/Account/{account_id}", httpHeaders={"If-Modified-Since": at}),
        _sub("forbidden", "GET", f"sobjects/Account/{account_id}", httpHeaders={"Authorization": "Bearer x"}),
    )

    assert [answer["httpStatusCode"] for answer in answers] == [304, 400]


def _records(*names: str | None) -> list[dict[str, Any]]:
    return [{"attributes": {"type": "Account"}, "Name": name} for name in names]


def test_a_collection_answers_200_even_where_every_record_failed(org: Org) -> None:
    response = org.send("POST", "composite/sobjects", {"records": _records(None, "Acme", None)})

    assert response.status_code == 200
    failed, saved, _ = response.json()
    assert failed == {
        "success": False,
        "errors": [
            {
                "statusCode": "REQUIRED_FIELD_MISSING",
                "message": "Required fields are missing: [Name]",
                "fields": ["Name"],
            }
        ],
    }
    assert saved["success"] is True
    assert org.query("SELECT COUNT() FROM Account")["totalSize"] == 1


def test_a_collection_may_be_all_or_none(org: Org) -> None:
    saved, failed = org.send(
        "POST", "composite/sobjects", {"allOrNone": True, "records": _records("Acme", None)}
    ).json()

    assert saved["errors"][0]["statusCode"] == "ALL_OR_NONE_OPERATION_ROLLED_BACK"
    assert failed["errors"][0]["statusCode"] == "REQUIRED_FIELD_MISSING"
    assert org.query("SELECT COUNT() FROM Account")["totalSize"] == 0


def test_collections_upsert_update_retrieve_and_delete(org: Org) -> None:
    keyed = [{"attributes": {"type": "Account"}, "Name": f"Acme {key}", "ERP_Id__c": key} for key in ("a", "b")]
    path = "composite/sobjects/Account/ERP_Id__c"
    first = org.send("PATCH", path, {"records": keyed}).json()
    again = org.send("PATCH", path, {"records": keyed}).json()
    ids = [each["id"] for each in first]
    updated = org.send(
        "PATCH",
        "composite/sobjects",
        {"records": [{"attributes": {"type": "Account"}, "id": ids[0], "Name": "New"}, {"id": "x", "Name": "y"}]},
    ).json()
    read = org.send("POST", "composite/sobjects/Account", {"ids": [*ids, "001000000000001AAA"], "fields": ["Name"]})
    deleted = org.send("DELETE", f"composite/sobjects?ids={ids[0]},{ids[0]}").json()

    assert [each["created"] for each in first + again] == [True, True, False, False]
    assert [each["success"] for each in updated] == [True, False]
    assert updated[1]["errors"][0]["statusCode"] == "MALFORMED_ID"
    assert [each and each["Name"] for each in read.json()] == ["New", "Acme b", None]
    assert [each["success"] for each in deleted] == [True, False]
    assert deleted[1]["errors"][0]["statusCode"] == "ENTITY_IS_DELETED"


def test_a_collection_holds_200_records_in_10_runs_of_one_type(org: Org) -> None:
    mixed = [{"attributes": {"type": ("Account", "Contact")[number % 2]}} for number in range(11)]

    assert org.refusal(org.send("POST", "composite/sobjects", {"records": _records(*["x"] * 201)}))[:2] == (
        400,
        "EXCEEDED_ID_LIMIT",
    )
    assert org.refusal(org.send("POST", "composite/sobjects", {"records": mixed}))[:2] == (400, "LIMIT_EXCEEDED")


def test_a_tree_is_made_whole_or_not_at_all(org: Org) -> None:
    def tree(last_name: str | None) -> dict[str, Any]:
        contact = {"attributes": {"type": "Contact", "referenceId": "con"}, "LastName": last_name}
        account = {"attributes": {"type": "Account", "referenceId": "acc"}, "Name": "Acme"}
        return {"records": [{**account, "Contacts": {"records": [contact]}}]}

    refused = org.send("POST", "composite/tree/Account", tree(None))
    made = org.send("POST", "composite/tree/Account", tree("Ada"))

    assert (refused.status_code, refused.json()["results"][0]["referenceId"]) == (400, "con")
    assert (made.status_code, [each["referenceId"] for each in made.json()["results"]]) == (201, ["acc", "con"])
    assert org.records("SELECT Account.Name FROM Contact")[0]["Account"]["Name"] == "Acme"
    assert org.query("SELECT COUNT() FROM Account")["totalSize"] == 1


def test_a_batch_runs_its_requests_apart(org: Org) -> None:
    requests = [
        {"method": "POST", "url": "v67.0/sobjects/Contact", "richInput": {}},
        {"method": "POST", "url": "v67.0/sobjects/Account", "richInput": {"Name": "Acme"}},
    ]
    batch = org.send("POST", "composite/batch", {"batchRequests": requests}).json()
    halted = org.send("POST", "composite/batch", {"batchRequests": requests, "haltOnError": True}).json()

    assert (batch["hasErrors"], [each["statusCode"] for each in batch["results"]]) == (True, [400, 201])
    assert [each["statusCode"] for each in halted["results"]] == [400, 412]
    assert org.query("SELECT COUNT() FROM Account")["totalSize"] == 1
