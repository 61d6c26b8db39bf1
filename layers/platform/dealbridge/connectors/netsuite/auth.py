"""Sign-in: OAuth 2.0 client credentials with a certificate (section_162755359851, section_162790605110)."""

import uuid

import httpx

from dealbridge import clock
from dealbridge.connectors.netsuite.settings import Secret
from dealbridge.errors import ConfigurationError
from dealbridge.transport.tokens import BearerAuth

TOKEN_PATH = "/services/rest/auth/oauth2/v1/token"  # noqa: S105 (a path)

_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_ASSERTION_SECONDS = 300


class CertificateAuth(BearerAuth):
    """A signed assertion buys a token of an hour; there is no refresh token."""

    def __init__(self, connection: str, base_url: str, secret: Secret) -> None:
        super().__init__(connection)
        self._secret = secret
        self._token_url = secret.token_url or f"{base_url.rstrip('/')}{TOKEN_PATH}"

    def token_request(self) -> httpx.Request:
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": _ASSERTION_TYPE,
            "client_assertion": self._assertion(),
        }
        return httpx.Request("POST", self._token_url, data=form)

    def _assertion(self) -> str:
        import jwt

        now = int(clock.now().timestamp())
        claims = {
            "iss": self._secret.client_id,
            "scope": ["rest_webservices"],
            "aud": self._token_url,
            "iat": now,
            "exp": now + _ASSERTION_SECONDS,
            "jti": str(uuid.uuid4()),
        }
        key, algorithm = self._key()
        return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": self._secret.certificate_id})

    def _key(self) -> tuple[str, str]:
        """The private key and the algorithm that goes with it; RS256 is refused by the vendor, hence PS256."""
        from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        try:
            key = load_pem_private_key(self._secret.private_key.encode(), password=None)
        except (ValueError, TypeError):
            key = None
        if isinstance(key, EllipticCurvePrivateKey) and key.key_size in _EC_ALGORITHMS:
            return self._secret.private_key, _EC_ALGORITHMS[key.key_size]
        if isinstance(key, RSAPrivateKey):
            return self._secret.private_key, "PS256"
        raise ConfigurationError(
            "private_key: an unencrypted PEM of an EC key (P-256, P-384, P-521) or an RSA key is wanted; see README.md",
            connection=self.connection,
        )


_EC_ALGORITHMS = {256: "ES256", 384: "ES384", 521: "ES512"}
