"""OAuth 2.0 client credentials with a certificate, as a client with PyJWT meets it."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from tests.contract.netsuite.conftest import Tenant

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def pem(key: Key) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def certificate(key: Key, start: datetime, *, days: int = 365) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(start).not_valid_after(start + timedelta(days=days))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


@pytest.fixture(scope="module")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=3072)


def refused(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]


def test_a_token_lasts_an_hour_and_says_so_in_a_string(tenant: Tenant) -> None:
    response = tenant.ask_for_token(tenant.assertion())

    assert response.status_code == 200
    assert response.json()["expires_in"] == "3600"
    assert response.json()["token_type"] == "bearer"

    headers = {"Authorization": f"Bearer {response.json()['access_token']}"}
    tenant.clock.advance(minutes=59, seconds=59)
    assert tenant.send("GET", "customer", headers=headers).status_code == 200
    tenant.clock.advance(seconds=1)
    assert tenant.send("GET", "customer", headers=headers).status_code == 401


@pytest.mark.parametrize("headers", [{"Authorization": "Bearer forged"}, {"Authorization": ""}])
def test_a_bad_token_meets_invalid_login(tenant: Tenant, headers: dict[str, str]) -> None:
    response = tenant.send("GET", "customer", headers=headers)

    assert response.status_code == 401
    assert response.json()["o:errorDetails"][0]["o:errorCode"] == "INVALID_LOGIN"
    assert response.headers["www-authenticate"] == (
        'OAuth realm="1234567", error="token_rejected", error_description="Invalid login attempt."'
    )


def test_expire_tokens_forgets_what_was_issued(tenant: Tenant) -> None:
    tenant.simulator.add_fault(kind="expire_tokens")
    assert tenant.send("GET", "customer").status_code == 401
    tenant.sign_in()
    assert tenant.send("GET", "customer").status_code == 200


@pytest.mark.parametrize("algorithm", ["PS256", "PS384", "PS512"])
def test_rsa_signs_with_pss(tenant: Tenant, rsa_key: rsa.RSAPrivateKey, algorithm: str) -> None:
    kid = tenant.simulator.register_certificate(certificate(rsa_key, tenant.clock()))
    response = tenant.ask_for_token(tenant.assertion(algorithm=algorithm, key=pem(rsa_key), kid=kid))
    assert response.status_code == 200


def test_rsa_with_pkcs_1_padding_is_refused(tenant: Tenant, rsa_key: rsa.RSAPrivateKey) -> None:
    kid = tenant.simulator.register_certificate(certificate(rsa_key, tenant.clock()))
    response = tenant.ask_for_token(tenant.assertion(algorithm="RS256", key=pem(rsa_key), kid=kid))
    assert refused(response) == (400, "invalid_grant")


@pytest.mark.parametrize(
    ("algorithm", "curve"), [("ES256", ec.SECP256R1()), ("ES384", ec.SECP384R1()), ("ES512", ec.SECP521R1())]
)
def test_every_documented_curve_signs(
    tenant_with: Callable[..., Tenant], algorithm: str, curve: ec.EllipticCurve
) -> None:
    tenant = tenant_with()
    key = ec.generate_private_key(curve)
    kid = tenant.simulator.register_certificate(certificate(key, tenant.clock()))
    assert tenant.ask_for_token(tenant.assertion(algorithm=algorithm, key=pem(key), kid=kid)).status_code == 200


def test_a_key_of_2048_bits_gets_no_mapping(tenant: Tenant) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    with pytest.raises(ValueError, match="3072"):
        tenant.simulator.register_certificate(certificate(key, tenant.clock()))


def test_a_certificate_is_cut_to_two_years(tenant: Tenant) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    kid = tenant.simulator.register_certificate(certificate(key, tenant.clock(), days=3650))
    tenant.clock.advance(days=729)
    assert tenant.ask_for_token(tenant.assertion(key=pem(key), kid=kid)).status_code == 200
    tenant.clock.advance(days=2)
    assert refused(tenant.ask_for_token(tenant.assertion(key=pem(key), kid=kid))) == (401, "invalid_client")


def test_an_unknown_certificate_id_is_an_unknown_client(tenant: Tenant) -> None:
    response = tenant.ask_for_token(tenant.assertion(kid="nobody"))
    assert refused(response) == (401, "invalid_client")
    assert response.headers["www-authenticate"] == 'Basic realm="1234567"'


def test_a_signature_by_another_key_is_refused(tenant: Tenant) -> None:
    other = ec.generate_private_key(ec.SECP256R1())
    assert refused(tenant.ask_for_token(tenant.assertion(key=pem(other)))) == (400, "invalid_grant")


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"aud": "https://example.com/token"}, (400, "invalid_grant")),
        ({"iss": "someone-else"}, (401, "invalid_client")),
        ({"scope": "suite_everything"}, (400, "invalid_scope")),
        ({"scope": ["restlets"]}, (400, "invalid_scope")),
        ({"exp": None}, (400, "invalid_grant")),
    ],
)
def test_a_wrong_claim_is_refused(tenant: Tenant, changed: dict[str, Any], error: tuple[int, str]) -> None:
    assert refused(tenant.ask_for_token(tenant.assertion(**changed))) == error


def test_an_assertion_may_live_for_an_hour_at_most(tenant: Tenant) -> None:
    now = int(tenant.clock().timestamp())
    assert tenant.ask_for_token(tenant.assertion(iat=now, exp=now + 3600)).status_code == 200
    assert refused(tenant.ask_for_token(tenant.assertion(iat=now, exp=now + 3601))) == (400, "invalid_grant")


def test_an_expired_assertion_is_refused(tenant: Tenant) -> None:
    assertion = tenant.assertion()
    tenant.clock.advance(seconds=300)
    assert refused(tenant.ask_for_token(assertion)) == (400, "invalid_grant")


def test_an_assertion_buys_one_token(tenant: Tenant) -> None:
    assertion = tenant.assertion()
    assert tenant.ask_for_token(assertion).status_code == 200
    assert refused(tenant.ask_for_token(assertion)) == (400, "invalid_grant")


def test_the_scope_may_be_a_plain_string(tenant: Tenant) -> None:
    assert tenant.ask_for_token(tenant.assertion(scope="rest_webservices")).status_code == 200


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"grant_type": "password"}, (400, "unsupported_grant_type")),
        ({"client_assertion_type": "jwt"}, (400, "invalid_request")),
        ({"client_assertion": "not-a-jwt"}, (400, "invalid_request")),
    ],
)
def test_a_malformed_token_request_is_refused(tenant: Tenant, form: dict[str, str], error: tuple[int, str]) -> None:
    assert refused(tenant.ask_for_token(tenant.assertion(), **form)) == error


def test_a_sandbox_account_signs_in_at_its_own_host(tenant_with: Callable[..., Tenant]) -> None:
    tenant = tenant_with(account_id="123456_SB1")
    audience = "https://123456-sb1.suitetalk.api.netsuite.com/services/rest/auth/oauth2/v1/token"
    assert tenant.ask_for_token(tenant.assertion(aud=audience)).status_code == 200


def test_a_given_private_key_is_kept(tenant_with: Callable[..., Tenant]) -> None:
    key = pem(ec.generate_private_key(ec.SECP256R1()))
    assert tenant_with(private_key=key).simulator.credentials()["private_key"] == key
