"""Signing in and the CSRF handshake (vendor notes, A1), and what the front end says when something is wrong (A5)."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest

from dealbridge_local.simulators.s4hana import S4HanaSimulator
from dealbridge_local.simulators.transport import SimulatorTransport

ROOT = "/sap/opu/odata/sap/API_BUSINESS_PARTNER"
NEW_PARTNER = {
    "BusinessPartnerCategory": "2",
    "OrganizationBPName1": "Acme GmbH",
}


def fetch_token(client: httpx.Client) -> str:
    return str(client.get(f"{ROOT}/", headers={"x-csrf-token": "Fetch"}).headers["x-csrf-token"])


def create(client: httpx.Client, token: str | None) -> httpx.Response:
    headers = {"x-csrf-token": token} if token else {}
    return client.post(f"{ROOT}/A_BusinessPartner", json=NEW_PARTNER, headers=headers)


# Basic


@pytest.mark.parametrize("auth", [None, ("DEALBRIDGE", "wrong"), ("SOMEONE", "wrong")])
def test_without_the_password_there_is_a_page_and_no_json(tenant: Any, auth: tuple[str, str] | None) -> None:
    with tenant.client() as client:
        client.auth = auth
        response = client.get(f"{ROOT}/A_BusinessPartner")
    assert response.status_code == 401
    assert response.headers["content-type"].startswith("text/html")
    assert response.headers["www-authenticate"].startswith("Basic realm=")


def test_two_tenants_have_different_passwords() -> None:
    assert S4HanaSimulator().credentials()["password"] != S4HanaSimulator().credentials()["password"]


# CSRF


def test_a_change_needs_the_token_and_its_cookies(tenant: Any) -> None:
    with tenant.client() as client:
        token = fetch_token(client)
        assert set(client.cookies) == {"SAP_SESSIONID_S4H_100", "sap-usercontext"}
        assert create(client, token).status_code == 201


def test_the_cookies_are_secure_behind_https_and_usable_on_a_plain_port() -> None:
    cookies = {}
    for origin in ("https://tenant.example", "http://127.0.0.1:8080"):
        simulator = S4HanaSimulator(base_url=origin)
        login = (simulator.credentials()["username"], simulator.credentials()["password"])
        with httpx.Client(base_url=origin, transport=SimulatorTransport({origin: simulator}), auth=login) as client:
            cookies[origin] = client.get(f"{ROOT}/", headers={"x-csrf-token": "fetch"}).headers.get_list("set-cookie")
    assert "secure" in cookies["https://tenant.example"][0]
    assert "secure" not in cookies["http://127.0.0.1:8080"][0]


def refused(response: httpx.Response) -> bool:
    return (
        response.status_code == 403
        and response.headers["x-csrf-token"] == "Required"
        and response.headers["content-type"].startswith("text/plain")
        and response.text == "CSRF token validation failed"
    )


def test_a_change_without_a_token_is_refused(tenant: Any) -> None:
    with tenant.client() as client:
        fetch_token(client)
        assert refused(create(client, None))
        assert refused(create(client, "not-the-token"))


def test_a_token_without_its_session_cookie_is_refused(tenant: Any) -> None:
    with tenant.client() as client:
        token = fetch_token(client)
        client.cookies.clear()
        assert refused(create(client, token))


def test_the_session_cookie_alone_is_not_the_user_context(tenant: Any) -> None:
    with tenant.client() as client:
        token = fetch_token(client)
        client.cookies.delete("sap-usercontext")
        assert refused(create(client, token))


def test_a_token_is_good_in_its_own_session_only(tenant: Any) -> None:
    with tenant.client() as one, tenant.client() as other:
        token = fetch_token(one)
        fetch_token(other)
        assert refused(create(other, token))


def test_an_idle_session_is_gone_and_a_busy_one_stays(tenant: Any) -> None:
    with tenant.client() as client:
        token = fetch_token(client)
        for _ in range(3):
            tenant.clock.advance(minutes=20)
            assert create(client, token).status_code == 201
        tenant.clock.advance(minutes=31)
        assert refused(create(client, token))
        assert create(client, fetch_token(client)).status_code == 201


def test_expired_tokens_are_refused_once(tenant: Any) -> None:
    tenant.simulator.add_fault(kind="expire_tokens", method="POST")
    assert refused(create(tenant.http, tenant.http.headers["x-csrf-token"]))
    assert create(tenant.http, fetch_token(tenant.http)).status_code == 201


def test_any_get_fetches_the_token_of_a_running_session(tenant: Any) -> None:
    with tenant.client() as client:
        token = fetch_token(client)
        response = client.get(f"{ROOT}/A_BusinessPartner", headers={"x-csrf-token": "fetch"}, params={"$top": "1"})
    assert response.headers["x-csrf-token"] == token
    assert "set-cookie" not in response.headers


def test_a_batch_needs_a_token_too(tenant: Any) -> None:
    with tenant.client() as client:
        assert refused(client.post(f"{ROOT}/$batch", content=b"", headers={"content-type": "multipart/mixed"}))


# OAuth


def ask(tenant: Any, **form: str) -> httpx.Response:
    credentials = tenant.simulator.credentials()
    given = {
        "grant_type": "client_credentials",
        "client_id": credentials["client_id"],
        "client_secret": credentials["client_secret"],
        **form,
    }
    with tenant.client() as client:
        client.auth = None
        response: httpx.Response = client.post(credentials["token_url"], data=given)
    return response


def test_a_bearer_token_signs_in_until_it_expires(tenant: Any) -> None:
    granted = ask(tenant, scope="API_SALES_ORDER_SRV_0001").json()
    assert (granted["token_type"], granted["expires_in"]) == ("Bearer", 3600)
    with tenant.client() as client:
        client.auth = None
        client.headers["Authorization"] = f"Bearer {granted['access_token']}"
        assert create(client, fetch_token(client)).status_code == 201
        tenant.clock.advance(minutes=61)
        response = client.get(f"{ROOT}/A_BusinessPartner")
    assert response.status_code == 401
    assert 'error="invalid_token"' in response.headers["www-authenticate"]


def test_a_wrong_client_secret_gets_no_token(tenant: Any) -> None:
    response = ask(tenant, client_secret="wrong")
    assert (response.status_code, response.json()["error"]) == (401, "invalid_client")


def test_client_credentials_can_be_off_in_a_tenant(tenant_with: Callable[..., Any]) -> None:
    response = ask(tenant_with(client_credentials=False))
    assert (response.status_code, response.json()["error"]) == (400, "unsupported_grant_type")


def test_the_lifetime_of_a_token_is_a_switch(tenant_with: Callable[..., Any]) -> None:
    assert ask(tenant_with(token_lifetime=timedelta(minutes=10))).json()["expires_in"] == 600


# The front end


@pytest.mark.parametrize("status", [401, 403, 502, 503, 504])
def test_an_error_of_the_front_end_is_a_page(tenant: Any, status: int) -> None:
    tenant.simulator.add_fault(kind="status", status=status, times=1)
    response = tenant.send("GET", "API_BUSINESS_PARTNER/A_BusinessPartner")
    assert response.status_code == status
    assert response.headers["content-type"].startswith("text/html")
    assert f"<h1>{status}" in response.text
    assert tenant.send("GET", "API_BUSINESS_PARTNER/A_BusinessPartner").status_code == 200


def test_throttling_comes_from_a_proxy_only(tenant: Any) -> None:
    tenant.simulator.add_fault(kind="status", status=429, headers={"Retry-After": "60"}, times=1)
    response = tenant.send("GET", "API_BUSINESS_PARTNER/A_BusinessPartner")
    assert (response.status_code, response.headers["retry-after"]) == (429, "60")


def test_a_path_that_is_no_service_is_a_page(tenant: Any) -> None:
    response = tenant.http.get("/sap/bc/gui")
    assert (response.status_code, response.headers["content-type"].split(";")[0]) == (404, "text/html")


@pytest.mark.parametrize(
    "service", ["API_UNKNOWN_SRV", "API_ENTERPRISE_PROJECT_SRV", "API_ENTERPRISE_PROJECT_SRV;v=0001"]
)
def test_a_service_that_is_not_there_says_so(tenant: Any, service: str) -> None:
    status, message = tenant.refusal(tenant.send("GET", f"{service}/"))
    assert status == 403
    assert message.startswith("No service found for namespace ''")


def test_who_does_not_ask_for_json_gets_errors_in_xml(tenant: Any) -> None:
    response = tenant.send("GET", "API_BUSINESS_PARTNER/A_Nothing", headers={"Accept": "*/*"})
    assert response.status_code == 404
    assert response.headers["content-type"].startswith("application/xml")
    assert "<message" in response.text


def test_a_token_may_be_fetched_with_head_where_it_is_enabled(tenant_with: Callable[..., Any]) -> None:
    """SAP's SDK for JavaScript does so unless told otherwise; not every service answers (cloud-sdk-js, issue 2430)."""
    for enabled in (True, False):
        client = tenant_with(answers_head=enabled).client()
        answer = client.head(f"{ROOT}/", headers={"x-csrf-token": "Fetch"})
        assert answer.content == b""
        assert answer.status_code == (200 if enabled else 403)
        assert create(client, answer.headers.get("x-csrf-token")).status_code == (201 if enabled else 403)
