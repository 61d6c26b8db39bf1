"""Sign-in with an External Client App: JWT bearer where the secret has a private key, else client credentials."""

from datetime import timedelta

import httpx

from dealbridge import clock
from dealbridge.connectors.salesforce.settings import Options, Secret
from dealbridge.transport.tokens import BearerAuth

_ASSERTION_LIFE = timedelta(minutes=3)


class SalesforceAuth(BearerAuth):
    """Tokens carry no expiry: one is used until the API says 401 INVALID_SESSION_ID. It is never revoked, since a
    session is shared by all who signed in as the same user through the same app."""

    def __init__(self, connection: str, base_url: str, options: Options, secret: Secret) -> None:
        super().__init__(connection)
        self._url = f"{(secret.login_url or base_url).rstrip('/')}/services/oauth2/token"
        self._options = options
        self._secret = secret

    def token_request(self) -> httpx.Request:
        if self._secret.private_key:
            form = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": self._assertion()}
        else:
            form = {
                "grant_type": "client_credentials",
                "client_id": self._secret.consumer_key,
                "client_secret": self._secret.consumer_secret or "",
            }
        return httpx.Request("POST", self._url, data=form)

    def _assertion(self) -> str:
        # Here, so that only a function that signs in pays for the import of cryptography.
        import jwt

        claims = {
            "iss": self._secret.consumer_key,
            "sub": self._secret.username,
            "aud": self._options.audience,
            "exp": clock.now() + _ASSERTION_LIFE,
        }
        return jwt.encode(claims, self._secret.private_key or "", algorithm="RS256")
