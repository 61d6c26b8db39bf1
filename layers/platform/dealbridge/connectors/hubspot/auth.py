"""Sign-in of API calls, and the signatures of HubSpot's own calls to us.

Sign-in: a service key or a static app token is sent as it is; an app's installation renews its access token with the
refresh token; the Webhooks Journal takes a client-credentials token of its own (vendor document C1).
Signatures: "Validating requests from HubSpot" (H7).
"""

import base64
import hashlib
import hmac
import re

import httpx

from dealbridge.connectors.hubspot.settings import Options, Secret
from dealbridge.errors import ConfigurationError
from dealbridge.ports import InboundEventError, InboundRequest
from dealbridge.transport.signatures import recent
from dealbridge.transport.tokens import BearerAuth, FixedToken

JOURNAL_SCOPES = (
    "developer.webhooks_journal.read",
    "developer.webhooks_journal.subscriptions.read",
    "developer.webhooks_journal.subscriptions.write",
)
# What HubSpot decodes in the URI before it signs with v3.
_DECODED = {
    "%3A": ":", "%2F": "/", "%3F": "?", "%40": "@", "%21": "!", "%24": "$",
    "%27": "'", "%28": "(", "%29": ")", "%2A": "*", "%2C": ",", "%3B": ";",
}  # fmt: skip
_ENCODED = re.compile("|".join(_DECODED), re.IGNORECASE)


class GrantedToken(BearerAuth):
    """A token from `/oauth/{version}/token`, for the grant given. HubSpot wants it renewed by `expires_in` (H5)."""

    def __init__(self, connection: str, url: str, form: dict[str, str]) -> None:
        super().__init__(connection)
        self._url, self._form = url, form

    def token_request(self) -> httpx.Request:
        return httpx.Request("POST", self._url, data=self._form)


def api_auth(connection: str, base_url: str, options: Options, secret: Secret) -> httpx.Auth:
    if options.sign_in == "service_key":
        return FixedToken(secret.access_token)
    form = {"grant_type": "refresh_token", "refresh_token": secret.refresh_token}
    return _granted(connection, base_url, options, secret, form)


def journal_auth(connection: str, base_url: str, options: Options, secret: Secret) -> httpx.Auth:
    form = {"grant_type": "client_credentials", "scope": " ".join((*JOURNAL_SCOPES, *options.journal_scopes))}
    return _granted(connection, base_url, options, secret, form)


def _granted(connection: str, base_url: str, options: Options, secret: Secret, form: dict[str, str]) -> httpx.Auth:
    url = f"{base_url.rstrip('/')}/oauth/{options.api_version}/token"
    return GrantedToken(connection, url, {"client_id": secret.client_id, "client_secret": secret.client_secret, **form})


def verify(request: InboundRequest, secret: str, version: str) -> None:
    """Whether HubSpot signed this call; raises InboundEventError 401 where it did not, or too long ago."""
    if not secret:
        raise ConfigurationError("secret: client_secret is missing; webhooks cannot be verified without it")
    if version == "v3":
        given = request.headers.get("x-hubspot-signature-v3", "")
        # A time too far ahead of our clock is refused as well; HubSpot's own client checks only the age.
        timestamp = recent(request, "x-hubspot-request-timestamp", per_second=1000)
        expected = signature_v3(secret, request.method, request.url, request.body, timestamp)
    else:
        given = request.headers.get("x-hubspot-signature", "")
        uri = f"{request.method}{request.url}" if version == "v2" else ""
        expected = hashlib.sha256(secret.encode() + uri.encode() + request.body).hexdigest()
    # Some gateways turn the "+" of base64 in a header into a space.
    if not hmac.compare_digest(given.replace(" ", "+").encode(), expected.encode()):
        raise InboundEventError(401, f"signature {version}: missing or not HubSpot's; check the app's client secret")


def signature_v3(secret: str, method: str, uri: str, body: bytes, timestamp: str) -> str:
    """Base64 HMAC-SHA-256 over method, decoded URI, raw body and timestamp (milliseconds), as they were sent."""
    decoded = _ENCODED.sub(lambda found: _DECODED[found[0].upper()], uri)
    message = f"{method}{decoded}".encode() + body + timestamp.encode()
    return base64.b64encode(hmac.new(secret.encode(), message, hashlib.sha256).digest()).decode()
