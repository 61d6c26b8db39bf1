"""Our own scheme for signed requests, for senders whose vendor has none.

    X-Dealbridge-Timestamp: <Unix seconds>
    X-Dealbridge-Signature: sha256=<hex HMAC-SHA256(secret, timestamp + "." + body)>

The time is part of what is signed, so that a request that was overheard cannot be sent again later.
"""

import hashlib
import hmac

from dealbridge.ports import InboundEventError, InboundRequest

TIMESTAMP_HEADER = "x-dealbridge-timestamp"
SIGNATURE_HEADER = "x-dealbridge-signature"
TOLERANCE_SECONDS = 300


def sign(secret: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The two headers of a request that is sent at this time."""
    return {TIMESTAMP_HEADER: str(timestamp), SIGNATURE_HEADER: f"sha256={_digest(secret, str(timestamp), body)}"}


def require(secret: str | None, request: InboundRequest) -> None:
    """Raises InboundEventError unless the request is signed with the secret, now, over this very body."""
    if not secret:
        raise InboundEventError(401, "this connection takes no signed requests: its secret has no webhook_secret")
    timestamp = recent(request, TIMESTAMP_HEADER)
    signature = request.headers.get(SIGNATURE_HEADER, "")
    expected = f"sha256={_digest(secret, timestamp, request.body)}"
    if not hmac.compare_digest(expected.encode(), signature.encode()):
        raise InboundEventError(401, f"{SIGNATURE_HEADER}: does not match the body")


def recent(request: InboundRequest, header: str, per_second: int = 1) -> str:
    """The header with the time at which the request was signed, `per_second` counts to a second.

    Raises InboundEventError where that is not now, give or take the tolerance.
    """
    timestamp = request.headers.get(header, "")
    if not (timestamp.isascii() and timestamp.isdigit()):
        raise InboundEventError(401, f"{header}: missing, or no time in digits")
    if abs(request.received_at.timestamp() - int(timestamp) / per_second) > TOLERANCE_SECONDS:
        raise InboundEventError(401, f"{header}: more than {TOLERANCE_SECONDS} seconds from now")
    return timestamp


def _digest(secret: str, timestamp: str, body: bytes) -> str:
    return hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
