"""OAuth as the simulator speaks it: both flows, their refusals, and sessions that end in silence."""

import time
from typing import Any

import jwt
import pytest

from dealbridge_local.simulators.salesforce import SalesforceSimulator
from dealbridge_local.simulators.salesforce.oauth import new_private_key

from .conftest import DATA, Org

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"


def _claims(org: Org, **changes: Any) -> dict[str, Any]:
    credentials = org.simulator.credentials()
    return {
        "iss": credentials["consumer_key"],
        "sub": credentials["username"],
        "aud": "https://login.salesforce.com",
        "exp": int(org.clock().timestamp()) + 180,
        **changes,
    }


def _bearer(org: Org, claims: dict[str, Any], key: str | None = None) -> tuple[int, dict[str, Any]]:
    assertion = jwt.encode(claims, key or org.simulator.credentials()["private_key"], algorithm="RS256")
    response = org.http.post("/services/oauth2/token", data={"grant_type": JWT_BEARER, "assertion": assertion})
    return response.status_code, response.json()


def test_jwt_bearer_opens_a_session_and_does_not_say_how_long_it_lives(org: Org) -> None:
    status, opened = _bearer(org, _claims(org))

    assert status == 200
    assert opened["token_type"] == "Bearer"
    assert opened["instance_url"] == org.simulator.base_url
    assert opened["id"].startswith(f"{org.simulator.base_url}/id/00D")
    assert "expires_in" not in opened
    org.http.headers["Authorization"] = f"Bearer {opened['access_token']}"
    assert org.query("SELECT COUNT() FROM User")["totalSize"] == 3


@pytest.mark.parametrize(
    ("changes", "error", "description"),
    [
        ({"iss": "another app"}, "invalid_client_id", "client identifier invalid"),
        ({"aud": "https://elsewhere.example.com"}, "invalid_grant", "audience is invalid"),
        ({"exp": 1}, "invalid_grant", "expired authorization code"),
        ({"exp": int(time.time()) + 10**8}, "invalid_grant", "expired authorization code"),
        ({"sub": "nobody@example.com"}, "invalid_grant", "user hasn't approved this consumer"),
    ],
)
def test_jwt_bearer_refuses_wrong_claims(org: Org, changes: dict[str, Any], error: str, description: str) -> None:
    assert _bearer(org, _claims(org, **changes)) == (400, {"error": error, "error_description": description})


def test_jwt_bearer_refuses_a_signature_of_another_key(org: Org) -> None:
    status, refused = _bearer(org, _claims(org), key=new_private_key())

    assert (status, refused["error"], refused["error_description"]) == (400, "invalid_grant", "invalid assertion")


def test_client_credentials_are_taken_from_basic_authorization_and_from_the_body(org: Org) -> None:
    credentials = org.simulator.credentials()
    key, secret = credentials["consumer_key"], credentials["consumer_secret"]

    in_header = org.http.post("/services/oauth2/token", data={"grant_type": "client_credentials"}, auth=(key, secret))
    in_body = org.http.post(
        "/services/oauth2/token",
        data={"grant_type": "client_credentials", "client_id": key, "client_secret": secret},
    )
    wrong = org.http.post("/services/oauth2/token", data={"grant_type": "client_credentials"}, auth=(key, "wrong"))

    assert in_header.status_code == in_body.status_code == 200
    assert {"access_token", "signature", "issued_at", "instance_url", "scope"} <= set(in_body.json())
    assert (wrong.status_code, wrong.json()["error"]) == (400, "invalid_client")


def test_user_name_and_password_are_not_taken(org: Org) -> None:
    response = org.http.post("/services/oauth2/token", data={"grant_type": "password", "username": "x"})

    assert (response.status_code, response.json()["error"]) == (400, "unsupported_grant_type")


def test_a_session_ends_when_it_was_not_used_for_the_timeout(org: Org) -> None:
    org.clock.advance(hours=1, minutes=59)
    assert org.send("GET", "limits").status_code == 200
    org.clock.advance(hours=1, minutes=59)
    assert org.send("GET", "limits").status_code == 200
    org.clock.advance(hours=2)

    response = org.send("GET", "limits")

    assert response.json() == [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}]
    assert response.status_code == 401


def test_the_expire_tokens_fault_ends_every_session(org: Org) -> None:
    org.simulator.add_fault(kind="expire_tokens")

    assert org.refusal(org.send("GET", "limits"))[:2] == (401, "INVALID_SESSION_ID")
    org.sign_in()
    assert org.send("GET", "limits").status_code == 200


def test_userinfo_names_the_user_behind_the_token(org: Org) -> None:
    info = org.http.get("/services/oauth2/userinfo").json()
    refused = org.http.get("/services/oauth2/userinfo", headers={"Authorization": "Bearer none"})

    assert info["preferred_username"] == org.simulator.credentials()["username"]
    assert info["organization_id"] == org.simulator.credentials()["org_id"]
    assert (refused.status_code, refused.text) == (403, "Bad_OAuth_Token")


def test_versions_are_listed_to_anyone_and_only_those_are_served(org: Org) -> None:
    listed = org.http.get("/services/data", headers={"Authorization": ""}).json()

    assert {"label": "Summer '26", "url": DATA, "version": "67.0"} in listed
    assert (listed[0]["version"], listed[-1]["version"]) == ("41.0", "68.0")
    assert org.http.get("/services/data/v40.0/limits").status_code == 410
    assert org.http.get("/services/data/v69.0/limits").status_code == 404


def test_the_daily_allowance_is_told_with_every_answer_and_then_refused(org: Org, private_key: str) -> None:
    scarce = Org(SalesforceSimulator(org.clock, private_key=private_key, daily_api_requests=2), org.clock)
    first = scarce.send("GET", "limits")
    wrong = scarce.send("GET", "sobjects/Account/001000000000000AAA")
    refused = scarce.send("GET", "limits")

    assert first.headers["Sforce-Limit-Info"] == "api-usage=1/2"
    assert first.json()["DailyApiRequests"] == {"Max": 2, "Remaining": 1}
    assert wrong.headers["Sforce-Limit-Info"] == "api-usage=2/2"
    assert (refused.status_code, refused.json()[0]["errorCode"]) == (403, "REQUEST_LIMIT_EXCEEDED")
    assert "Retry-After" not in refused.headers

    org.clock.advance(hours=24)
    scarce.sign_in()
    assert scarce.send("GET", "limits").status_code == 200
