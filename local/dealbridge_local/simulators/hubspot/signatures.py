"""Request signatures v1, v2 and v3 (docs: "Validating requests from HubSpot", copy H7)."""

import base64
import hashlib
import hmac
import re

# The characters HubSpot decodes in the URI before it signs with v3; the leading "?" of the query is not one of them.
_DECODED = {
    "%3A": ":", "%2F": "/", "%3F": "?", "%40": "@", "%21": "!", "%24": "$",
    "%27": "'", "%28": "(", "%29": ")", "%2A": "*", "%2C": ",", "%3B": ";",
}  # fmt: skip
_ENCODED = re.compile("|".join(_DECODED), re.IGNORECASE)


def signature_v1(secret: str, body: bytes) -> str:
    """Hex SHA-256 of secret + body."""
    return hashlib.sha256(secret.encode() + body).hexdigest()


def signature_v2(secret: str, method: str, uri: str, body: bytes) -> str:
    """Hex SHA-256 of secret + method + URI + body."""
    return hashlib.sha256(secret.encode() + f"{method}{uri}".encode() + body).hexdigest()


def signature_v3(secret: str, method: str, uri: str, body: bytes, timestamp_ms: str) -> str:
    """Base64 HMAC-SHA-256, keyed with the app's client secret, of method + decoded URI + body + timestamp."""
    decoded = _ENCODED.sub(lambda found: _DECODED[found[0].upper()], uri)
    message = f"{method}{decoded}".encode() + body + timestamp_ms.encode()
    return base64.b64encode(hmac.new(secret.encode(), message, hashlib.sha256).digest()).decode()
