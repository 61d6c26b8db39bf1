"""OAuth 2.0 client credentials with a certificate: the token endpoint and the tokens it gave out.

section_162755359851 (the request), section_162790605110 (the assertion), subsect_162755332391 (certificates).
"""

import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as generate_ec_key
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.x509.oid import NameOID
from jwt.types import Options

from dealbridge_local.simulators.netsuite.errors import Refusal
from dealbridge_local.simulators.wire import Request, Response

TOKEN_PATH = "/services/rest/auth/oauth2/v1/token"

_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_ALGORITHMS = ("PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
"""RS256 and its kin (PKCS#1 v1.5) are refused."""
_SCOPES = frozenset({"restlets", "rest_webservices", "suite_analytics"})
_LIFETIME = timedelta(minutes=60)
_LONGEST_ASSERTION_S = 3600
_CLOCK_SKEW_S = 60
_LONGEST_CERTIFICATE = timedelta(days=730)
_UNCHECKED: Options = {"verify_exp": False, "verify_iat": False, "verify_aud": False, "verify_nbf": False}
_RSA_BITS = (3072, 4096)
_EC_BITS = (256, 384, 521)


class TokenError(Exception):
    """A token request refused, by the error code of RFC 6749."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Authority:
    """Certificates mapped to the integration, and the access tokens that are good."""

    def __init__(self, account_id: str, client_id: str, clock: Callable[[], datetime]) -> None:
        self.account_id = account_id
        self.client_id = client_id
        self._clock = clock
        self._certificates: dict[str, tuple[Any, datetime]] = {}
        self._tokens: dict[str, datetime] = {}
        self._spent: dict[str, int] = {}
        self._secret = secrets.token_bytes(32)
        self._issued = 0

    def register(self, certificate_pem: str) -> str:
        """Map a certificate as on the page OAuth 2.0 Client Credentials Setup; returns its Certificate ID."""
        certificate = x509.load_pem_x509_certificate(certificate_pem.encode())
        key = certificate.public_key()
        if isinstance(key, RSAPublicKey):
            fits = key.key_size in _RSA_BITS
        else:
            fits = isinstance(key, EllipticCurvePublicKey) and key.key_size in _EC_BITS
        if not fits:
            raise ValueError("certificate: an RSA key of 3072 or 4096 bits, or an EC key of 256, 384 or 521 bits")
        # A longer validity is cut to two years (subsect_162755332391).
        last = min(certificate.not_valid_after_utc, certificate.not_valid_before_utc + _LONGEST_CERTIFICATE)
        certificate_id = certificate.fingerprint(hashes.SHA256()).hex()[:40]
        self._certificates[certificate_id] = key, last
        return certificate_id

    def expire_tokens(self) -> None:
        self._tokens.clear()

    def token(self, request: Request, audiences: tuple[str, ...]) -> Response:
        """Answer a token request; `audiences` are the URLs under which this endpoint is known."""
        try:
            token = self._grant(request, audiences)
        except TokenError as error:
            challenge = ("WWW-Authenticate", f'Basic realm="{self.account_id}"')
            if error.code == "invalid_client":
                return Response.of(401, {"error": error.code}, challenge)
            return Response.of(400, {"error": error.code})
        # A string in Oracle's sample of the response (section_162755359851).
        body = {"access_token": token, "expires_in": str(int(_LIFETIME.total_seconds())), "token_type": "bearer"}
        return Response.of(200, body, ("Cache-Control", "no-store"))

    def check(self, request: Request) -> None:
        """Raise Refusal 401 unless the request bears a good token."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        expiry = self._tokens.get(token.strip())
        if scheme.lower() != "bearer" or expiry is None or expiry <= self._clock():
            raise Refusal(
                401,
                "INVALID_LOGIN",
                "Invalid login attempt. For more details, see the Login Audit Trail in the NetSuite UI at Setup > "
                "Users/Roles > User Management > View Login Audit Trail.",
            )

    def challenge(self) -> tuple[str, str]:
        return (
            "www-authenticate",
            f'OAuth realm="{self.account_id}", error="token_rejected", error_description="Invalid login attempt."',
        )

    def _grant(self, request: Request, audiences: tuple[str, ...]) -> str:
        media = request.headers.get("content-type", "").split(";")[0].strip()
        form = request.form() if media == "application/x-www-form-urlencoded" else {}
        if form.get("grant_type") is None:
            raise TokenError("invalid_request")
        if form["grant_type"] != "client_credentials":
            raise TokenError("unsupported_grant_type")
        if form.get("client_assertion_type") != _ASSERTION_TYPE or not form.get("client_assertion"):
            raise TokenError("invalid_request")
        self._check_claims(self._verified(form["client_assertion"]), audiences)
        now = self._clock()
        self._issued += 1
        claims = {"sub": self.client_id, "jti": str(self._issued), "exp": int((now + _LIFETIME).timestamp())}
        token = jwt.encode(claims, self._secret, algorithm="HS256")
        self._tokens[token] = now + _LIFETIME
        return token

    def _verified(self, assertion: str) -> dict[str, Any]:
        try:
            header = jwt.get_unverified_header(assertion)
        except jwt.InvalidTokenError:
            raise TokenError("invalid_request") from None
        if header.get("alg") not in _ALGORITHMS:
            raise TokenError("invalid_grant")
        key, last = self._certificates.get(header.get("kid", ""), (None, self._clock()))
        if key is None or last < self._clock():
            raise TokenError("invalid_client")
        try:
            # The account's clock is not the machine's: the times are checked in `_check_claims`.
            claims: dict[str, Any] = jwt.decode(assertion, key, algorithms=[header["alg"]], options=_UNCHECKED)
        except (jwt.InvalidTokenError, TypeError, ValueError):
            raise TokenError("invalid_grant") from None
        return claims

    def _check_claims(self, claims: dict[str, Any], audiences: tuple[str, ...]) -> None:
        now = int(self._clock().timestamp())
        if claims.get("iss") != self.client_id:
            raise TokenError("invalid_client")
        audience = claims.get("aud")
        given = audience if isinstance(audience, list) else [audience]
        if not any(each in audiences for each in given):
            raise TokenError("invalid_grant")
        issued, expires = claims.get("iat"), claims.get("exp")
        if not isinstance(issued, int) or not isinstance(expires, int):
            raise TokenError("invalid_grant")
        if expires <= now or issued > now + _CLOCK_SKEW_S or expires - issued > _LONGEST_ASSERTION_S:
            raise TokenError("invalid_grant")
        scope = claims.get("scope")
        scopes = set(scope) if isinstance(scope, list) else {part.strip() for part in str(scope or "").split(",")}
        if "rest_webservices" not in scopes or not scopes <= _SCOPES:
            raise TokenError("invalid_scope")
        self._spend(claims.get("jti"), expires, now)

    def _spend(self, assertion_id: Any, expires: int, now: int) -> None:
        """An assertion with an id buys one token; the id is remembered until the assertion has expired."""
        if assertion_id is None:
            return
        if self._spent.get(str(assertion_id), 0) > now:
            raise TokenError("invalid_grant")
        self._spent = {spent: end for spent, end in self._spent.items() if end > now}
        self._spent[str(assertion_id)] = expires


def new_private_key() -> str:
    """An EC P-256 key as PEM, as `openssl req -newkey ec ...` of subsect_162755332391 makes."""
    return _pem(generate_ec_key(SECP256R1()))


def self_signed(private_key_pem: str, now: datetime, valid: timedelta = timedelta(days=365)) -> str:
    """A self-signed certificate (PEM) for a private key."""
    key = serialization.load_pem_private_key(private_key_pem.encode(), password=None)
    if not isinstance(key, EllipticCurvePrivateKey | RSAPrivateKey):
        raise TypeError("private_key: an EC or RSA key is wanted")
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "dealbridge")])
    start = now.astimezone(UTC) - timedelta(days=1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + valid)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _pem(key: EllipticCurvePrivateKey | RSAPrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
