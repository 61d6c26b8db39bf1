"""Signing in: the JWT bearer and client credentials flows of an External Client App, and the sessions they open.

Neither response says how long its token lives: a session ends when it was not used for the org's session timeout
(Salesforce Help, "Modify Session Security Settings").
"""

import base64
import binascii
import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from dealbridge_local.simulators.wire import Request, Response

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_AUDIENCES = frozenset({"https://login.salesforce.com", "https://test.salesforce.com"})
_LONGEST_ASSERTION = timedelta(minutes=5)


def new_private_key() -> str:
    """A fresh RSA key as PEM, for an app whose maker gave none."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


@cache
def public_key_of(private_key: str) -> str:
    """Its public half as PEM; kept, since loading a key checks it for 40 ms."""
    key = serialization.load_pem_private_key(private_key.encode(), None)
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


class OAuth:
    """One External Client App of one org. `user_named` finds an active user's id by username."""

    def __init__(
        self,
        *,
        org_id: str,
        consumer_key: str,
        consumer_secret: str,
        public_key: str,
        session_timeout: timedelta,
        clock: Callable[[], datetime],
    ) -> None:
        self.public_key = public_key
        self.run_as: str | None = None
        """The user of the client credentials flow; None where the app has none configured."""
        self._org_id = org_id
        self._consumer_key = consumer_key
        self._consumer_secret = consumer_secret
        self._timeout = session_timeout
        self._clock = clock
        self._issued = 0
        self._sessions: dict[str, tuple[str, datetime]] = {}

    def expire_all(self) -> None:
        self._sessions.clear()

    def user_of(self, authorization: str) -> str | None:
        """The user behind a bearer token (or `OAuth` token); using a session keeps it alive."""
        scheme, _, token = authorization.partition(" ")
        session = self._sessions.get(token.strip()) if scheme.lower() in ("bearer", "oauth") else None
        if session is None:
            return None
        user_id, used = session
        now = self._clock()
        if now - used >= self._timeout:
            del self._sessions[token.strip()]
            return None
        self._sessions[token.strip()] = (user_id, now)
        return user_id

    def token(self, request: Request, base_url: str, user_named: Callable[[str], str | None]) -> Response:
        """`POST /services/oauth2/token`."""
        form = request.form()
        match form.get("grant_type"):
            case None:
                return _refused("invalid_request", "must provide grant_type")
            case grant if grant == JWT_BEARER:
                return self._jwt_bearer(form.get("assertion", ""), base_url, user_named)
            case "client_credentials":
                return self._client_credentials(request, form, base_url)
            case _:
                return _refused("unsupported_grant_type", "grant type not supported")

    def _jwt_bearer(self, assertion: str, base_url: str, user_named: Callable[[str], str | None]) -> Response:
        """The descriptions are those that clients met: airbyte #80788, newrelic-salesforce-exporter #31 and others."""
        try:
            claims: dict[str, Any] = jwt.decode(assertion, options={"verify_signature": False})
        except jwt.InvalidTokenError:
            return _refused("invalid_grant", "invalid assertion")
        if claims.get("iss") != self._consumer_key:
            return _refused("invalid_client_id", "client identifier invalid")
        try:
            jwt.decode(
                assertion,
                self.public_key,
                algorithms=["RS256"],
                options={"verify_exp": False, "verify_aud": False, "verify_iat": False, "verify_nbf": False},
            )
        except jwt.InvalidTokenError:
            return _refused("invalid_grant", "invalid assertion")
        if str(claims.get("aud")).rstrip("/") not in {*_AUDIENCES, base_url}:
            return _refused("invalid_grant", "audience is invalid")
        try:
            expires = float(str(claims.get("exp")))
        except ValueError:
            return _refused("invalid_grant", "invalid assertion")
        now = self._clock().timestamp()
        if not now < expires <= now + _LONGEST_ASSERTION.total_seconds():
            return _refused("invalid_grant", "expired authorization code")
        user_id = user_named(str(claims.get("sub")))
        if user_id is None:
            return _refused("invalid_grant", "user hasn't approved this consumer")
        return Response.of(200, self._open(user_id, base_url, scope="id full"))

    def _client_credentials(self, request: Request, form: dict[str, str], base_url: str) -> Response:
        key, secret = _basic(request.headers.get("authorization", "")) or (
            form.get("client_id"),
            form.get("client_secret"),
        )
        if key != self._consumer_key:
            return _refused("invalid_client_id", "client identifier invalid")
        if secret != self._consumer_secret:
            return _refused("invalid_client", "invalid client credentials")
        if self.run_as is None:
            return _refused("invalid_grant", "no client credentials user enabled")
        issued_at = str(int(self._clock().timestamp() * 1000))
        identity = f"{base_url}/id/{self._org_id}/{self.run_as}"
        digest = hashlib.sha256(f"{self._consumer_secret}{identity}{issued_at}".encode()).digest()
        opened = self._open(self.run_as, base_url, scope="api id")
        return Response.of(200, {**opened, "signature": base64.b64encode(digest).decode(), "issued_at": issued_at})

    def _open(self, user_id: str, base_url: str, *, scope: str) -> dict[str, Any]:
        self._issued += 1
        secret = hashlib.sha256(f"{self._consumer_secret}:{self._issued}".encode()).digest()
        token = f"{self._org_id[:15]}!AQ{base64.urlsafe_b64encode(secret).decode().rstrip('=').replace('-', '.')}"
        self._sessions[token] = (user_id, self._clock())
        return {
            "access_token": token,
            "scope": scope,
            "instance_url": base_url,
            "id": f"{base_url}/id/{self._org_id}/{user_id}",
            "token_type": "Bearer",
        }


def _basic(authorization: str) -> tuple[str, str] | None:
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        key, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return key, secret


def _refused(error: str, description: str) -> Response:
    return Response.of(400, {"error": error, "error_description": description})
