"""The account: sign-in and scopes, property definitions, pipelines, owners, and the control surface."""

from typing import Any

import httpx
import pytest

from .conftest import Hub, Portal, answer, refusal

TOKEN = "/oauth/2026-09/token"


def _token(hub: Hub, path: str = TOKEN, **changed: str) -> httpx.Response:
    credentials = hub.simulator.credentials()
    form = {
        "grant_type": "refresh_token",
        "client_id": credentials["client_id"],
        "client_secret": credentials["client_secret"],
        "refresh_token": credentials["refresh_token"],
    }
    return hub.http.post(path, data={**form, **changed}, headers={"Authorization": ""})


def _with_token(hub: Hub, token: str, path: str = "/crm/objects/2026-09/deals") -> httpx.Response:
    return hub.http.get(path, headers={"Authorization": f"Bearer {token}"})


def test_credentials_are_made_at_start_unless_given(portal: Portal) -> None:
    first, second = portal().simulator.credentials(), portal().simulator.credentials()
    given = portal(access_token="k", client_id="i", client_secret="s", refresh_token="r").simulator.credentials()

    assert set(first) >= {"base_url", "access_token", "client_id", "client_secret", "app_id", "portal_id"}
    assert first["access_token"] != second["access_token"]
    assert (given["access_token"], given["client_id"], given["client_secret"], given["refresh_token"]) == tuple("kisr")


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer nonsense", "Basic a"])
def test_a_call_without_a_known_token_is_refused(hub: Hub, authorization: str) -> None:
    refused = hub.http.get("/crm/objects/2026-09/deals", headers={"Authorization": authorization})
    assert refusal(refused)[:2] == (401, "INVALID_AUTHENTICATION")


@pytest.mark.parametrize("path", [TOKEN, "/oauth/v3/token", "/oauth/v1/token"])
def test_a_refresh_token_gives_a_token_for_half_an_hour(hub: Hub, path: str) -> None:
    issued = answer(_token(hub, path), 200)

    assert (issued["expires_in"], issued["token_use"], issued["hub_id"]) == (1800, "access_token", 247279312)
    assert issued["refresh_token"] == hub.simulator.credentials()["refresh_token"]
    fresh = _with_token(hub, issued["access_token"])
    assert fresh.status_code == 200
    assert "X-HubSpot-RateLimit-Max" in fresh.headers
    # The daily headers are absent with OAuth.
    assert "X-HubSpot-RateLimit-Daily" not in fresh.headers
    hub.clock.advance(seconds=1800)
    assert refusal(_with_token(hub, issued["access_token"]))[:2] == (401, "EXPIRED_AUTHENTICATION")


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"client_id": "x"}, "BAD_CLIENT_ID"),
        ({"client_secret": "x"}, "BAD_CLIENT_SECRET"),
        ({"refresh_token": "x"}, "BAD_REFRESH_TOKEN"),
        ({"grant_type": "password"}, "BAD_GRANT_TYPE"),
        ({"grant_type": "client_credentials"}, "BAD_SCOPE"),
    ],
)
def test_wrong_credentials_get_no_token(hub: Hub, changed: dict[str, str], code: str) -> None:
    refused = _token(hub, **changed)
    assert (refused.status_code, refused.json()["status"]) == (400, code)


def test_the_token_endpoint_takes_a_form_only(hub: Hub) -> None:
    assert hub.http.post(TOKEN, json={"grant_type": "refresh_token"}).status_code == 415


def test_tokens_are_introspected_expired_and_revoked(hub: Hub) -> None:
    token = _token(hub).json()["access_token"]
    told = answer(hub.http.post("/oauth/2026-09/introspect", data={"token": token}), 200)
    assert (told["active"], told["expires_in"], told["app_id"]) == (True, 1800, 51879189)
    hub.simulator.add_fault(kind="expire_tokens")
    assert _with_token(hub, token).status_code == 401
    assert hub.send("GET", "deals").status_code == 200
    refresh_token = hub.simulator.credentials()["refresh_token"]
    assert hub.http.post("/oauth/2026-09/revoke", data={"token": refresh_token}).status_code == 204
    assert _token(hub).json()["status"] == "BAD_REFRESH_TOKEN"


def test_a_missing_scope_is_named(portal: Portal) -> None:
    hub = portal(scopes=["crm.objects.deals.read"])
    refused = hub.send("POST", "deals", {"properties": {}})
    reading = hub.send("GET", "line_items")

    assert refused.status_code == 403
    assert refused.json()["category"] == "MISSING_SCOPES"
    assert refused.json()["errors"][0]["context"]["requiredGranularScopes"] == ["crm.objects.deals.write"]
    assert reading.json()["errors"][0]["context"]["requiredGranularScopes"] == ["crm.objects.line_items.read"]
    assert hub.send("GET", "deals").status_code == 200
    assert hub.send("POST", "deals/search", {}).status_code == 200


def test_a_client_credentials_token_is_for_the_journal_only(hub: Hub) -> None:
    issued = _token(hub, grant_type="client_credentials", scope="developer.webhooks_journal.read").json()
    assert "refresh_token" not in issued
    assert _with_token(hub, issued["access_token"]).json()["category"] == "MISSING_SCOPES"


def test_property_definitions(hub: Hub) -> None:
    path = "/crm/properties/2026-09/deals"
    listed = {each["name"]: each for each in hub.get(path)["results"]}
    wanted = {"name": "steerco", "label": "Steering committee", "type": "string", "fieldType": "text"}
    made = answer(hub.send("POST", path, {**wanted, "groupName": "engagement", "hasUniqueValue": True}), 201)
    again = hub.send("POST", path, {**wanted, "groupName": "engagement"})

    assert listed["amount"]["currencyPropertyName"] == "deal_currency_code"
    assert listed["deal_key"]["hasUniqueValue"] is True
    assert [each["value"] for each in listed["payment_terms"]["options"]] == ["net_15", "net_30", "net_45", "net_60"]
    assert listed["hs_is_closed_won"]["modificationMetadata"]["readOnlyValue"] is True
    assert (made["hasUniqueValue"], made["hubspotDefined"]) == (True, False)
    assert again.status_code == 409
    assert again.json()["subCategory"] == "Properties.PROPERTY_WITH_NAME_EXISTS"
    deal_id = hub.deal(steerco="Monday")
    assert hub.get("deals/Monday", idProperty="steerco")["id"] == deal_id
    assert hub.send("DELETE", f"{path}/steerco").status_code == 204
    assert hub.send("GET", f"{path}/steerco").json()["category"] == "OBJECT_NOT_FOUND"
    assert hub.send("DELETE", f"{path}/amount").status_code == 400


@pytest.mark.parametrize(
    "changed",
    [
        {"name": "Has Space"},
        {"type": "money"},
        {"fieldType": "select"},
        {"type": "enumeration", "fieldType": "select"},
        {"label": ""},
    ],
)
def test_a_property_that_makes_no_sense_is_refused(hub: Hub, changed: dict[str, Any]) -> None:
    wanted = {"name": "steerco", "label": "S", "type": "string", "fieldType": "text", "groupName": "g", **changed}
    assert refusal(hub.send("POST", "/crm/properties/2026-09/deals", wanted))[:2] == (400, "VALIDATION_ERROR")


def test_the_firms_own_properties_are_there(hub: Hub) -> None:
    def names(kind: str) -> set[str]:
        return {each["name"] for each in hub.get(f"/crm/properties/2026-09/{kind}")["results"]}

    assert names("deals") >= {
        *("legal_entity", "commercial_terms_approved", "delivery_owner_email", "po_number", "contract_start"),
        *("contract_end", "payment_terms", "business_unit", "deal_kind", "predecessor_deal_id", "deal_key"),
        *("erp_deal_id", "erp_project_number", "erp_contract_number", "erp_customer_number", "erp_status"),
        *("erp_status_message", "erp_status_at"),
    }
    assert names("line_items") >= {
        *("service_line", "billing_type", "start_date", "end_date", "billing_frequency", "cap_amount"),
        *("legal_entity", "role", "hours", "milestones"),
    }
    assert names("companies") >= {
        *("legal_name", "tax_registrations", "payment_terms", "erp_customer_number", "hs_parent_company_id"),
    }


def test_properties_are_read_in_a_batch(hub: Hub) -> None:
    body = {"inputs": [{"name": "amount"}, {"name": "nosuch"}], "archived": False}
    read = answer(hub.send("POST", "/crm/properties/2026-09/deals/batch/read", body), 207)
    assert ([each["name"] for each in read["results"]], read["numErrors"]) == (["amount"], 1)


def test_pipelines_tell_closed_and_probability_as_text(hub: Hub) -> None:
    sales, expansion = hub.get("/crm/pipelines/2026-09/deals")["results"]
    stages = {stage["id"]: stage["metadata"] for stage in sales["stages"]}

    assert stages["closedwon"] == {"isClosed": "true", "probability": "1.0"}
    assert stages["closedlost"] == {"isClosed": "true", "probability": "0.0"}
    assert stages["contractsent"] == {"isClosed": "false", "probability": "0.9"}
    assert [stage["id"] for stage in expansion["stages"] if stage["metadata"]["probability"] == "1.0"] == ["1041285632"]
    one = hub.get(f"/crm/v3/pipelines/deals/{expansion['id']}/stages/1041285632")
    assert one["label"] == "Signed"
    assert hub.send("GET", "/crm/v3/pipelines/deals/1").status_code == 404


def test_owners_are_listed_by_page_and_found_by_email(hub: Hub) -> None:
    first = hub.get("/crm/owners/2026-09", limit="3")
    rest = hub.get("/crm/owners/2026-09", after=first["paging"]["next"]["after"])
    email = rest["results"][0]["email"]
    (found,) = hub.get("/crm/v3/owners/", email=email)["results"]

    assert (len(first["results"]), len(rest["results"])) == (3, 1)
    assert hub.get(f"/crm/v3/owners/{found['id']}")["email"] == email
    assert hub.send("GET", "/crm/v3/owners/1").status_code == 404


def test_the_account_tells_its_currencies(portal: Portal) -> None:
    details = portal(exchange_rates={"EUR": "1.1", "GBP": "1.2", "CHF": "1"}).get("/account-info/2026-09/details")
    assert (details["companyCurrency"], details["additionalCurrencies"]) == ("USD", ["EUR", "GBP", "CHF"])


def test_reset_brings_back_the_seed(hub: Hub) -> None:
    hub.deal(deal_key="D-1")
    hub.http.post("/__sim/reset")
    records = hub.http.get("/__sim/records").json()

    assert "deals" not in records
    assert (len(records["owners"]), len(records["pipelines"])) == (4, 2)
    assert hub.deal(deal_key="D-1") == "171591000199"


def test_the_control_surface_shows_records_as_the_api_does(hub: Hub) -> None:
    deal_id = hub.deal(amount="7")
    hub.line(deal_id)
    (shown,) = hub.http.get("/__sim/records/deals").json()
    pairs = hub.http.get("/__sim/records/associations").json()

    assert (shown["id"], shown["properties"]["amount"]) == (deal_id, "7")
    assert {(each["fromObjectTypeId"], each["toObjectTypeId"]) for each in pairs} == {("0-3", "0-8"), ("0-8", "0-3")}
