"""Secrets never appear, wherever in a text or a document they stand."""

import json
import string
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dealbridge.transport.redaction import HIDDEN, redacted

# Characters that tokens are made of (RFC 6750, 2.1), and long enough to be found by chance nowhere else.
SECRETS = st.text(string.ascii_letters + string.digits + "-._~+/", min_size=16, max_size=80).map(
    lambda text: f"q{text}Z"
)
NAMES = st.sampled_from(
    [
        "access_token",
        "refresh_token",
        "id_token",
        "client_secret",
        "password",
        "client_assertion",
        "assertion",
        "api_key",
    ]
)
FIELDS = st.sampled_from(
    [
        *("Authorization", "authorization", "Cookie", "Set-Cookie", "X-Api-Key", "X-HubSpot-Signature-v3"),
        *("x-csrf-token", "client_secret", "private_key", "accessToken"),
    ]
)
JWT_PARTS = st.text(string.ascii_letters + string.digits + "-_", min_size=16, max_size=80)


@given(SECRETS, FIELDS)
def test_a_field_named_like_a_secret_is_hidden(secret: str, field: str) -> None:
    hidden = redacted({"headers": [{field: secret}], "kept": "seen"})
    assert secret not in str(hidden)
    assert hidden["kept"] == "seen"


@given(SECRETS, NAMES)
def test_a_secret_in_a_form_is_hidden(secret: str, name: str) -> None:
    for text in (f"grant_type=x&{name}={secret}&scope=api", f"{name}: {secret}", urlencode({name: secret})):
        assert secret not in redacted(text)
    assert "scope=api" in redacted(f"grant_type=x&{name}={secret}&scope=api")


@given(st.text(st.characters(categories=["L", "N"]), min_size=12, max_size=40), NAMES)
def test_a_secret_in_json_is_hidden_whatever_characters_it_has(secret: str, name: str) -> None:
    text = json.dumps({"before": 1, name: f'{secret} with "quotes" {secret}', "after": "seen"}, ensure_ascii=False)
    hidden = redacted(text)
    assert secret not in hidden
    assert '"after": "seen"' in hidden


@given(SECRETS)
def test_what_looks_like_a_credential_is_hidden_anywhere(secret: str) -> None:
    for text in (
        f"the call with Authorization: Bearer {secret} was refused",
        f"curl -H 'Authorization: Basic {secret}'",
        f"-----BEGIN RSA PRIVATE KEY-----\n{secret}\n-----END RSA PRIVATE KEY-----",
    ):
        hidden = redacted(text)
        assert secret not in hidden
        assert HIDDEN in hidden


@given(JWT_PARTS, JWT_PARTS)
def test_a_jwt_is_hidden_anywhere(claims: str, signature: str) -> None:
    hidden = redacted(f"sent eyJhbGciOiJSUzI1NiJ9.{claims}.{signature} to the token endpoint")
    assert hidden == f"sent {HIDDEN} to the token endpoint"


@pytest.mark.parametrize(
    "value",
    [
        "HTTP 400 INVALID_FIELD: No such column",
        "Opportunity 006Hp00001ABCDEIA5",
        7,
        None,
        True,
        {"deal": "salesforce:006"},
    ],
)
def test_what_is_no_secret_stays(value: Any) -> None:
    assert redacted(value) == value


def test_a_long_text_costs_no_more_than_a_glance() -> None:
    """Bodies of refused requests are redacted: a text made to slow the expression down must not."""
    for text in ("a" * 100_000, "a-" * 50_000, '"a' * 50_000, "token" * 20_000, "-----BEGIN KEY" * 5_000):
        assert isinstance(redacted(text), str)
