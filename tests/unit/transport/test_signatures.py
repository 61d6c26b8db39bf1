"""Our own signature scheme: what it covers, and what it refuses."""

from datetime import UTC, datetime, timedelta

import pytest

from dealbridge.ports import InboundEventError, InboundRequest
from dealbridge.transport.signatures import SIGNATURE_HEADER, TIMESTAMP_HEADER, require, sign

NOW = datetime(2026, 11, 23, 18, tzinfo=UTC)
SECONDS = int(NOW.timestamp())
BODY = b'{"event_id": "e-1"}'


def _request(headers: dict[str, str], body: bytes = BODY) -> InboundRequest:
    return InboundRequest("POST", "https://x.example.com/", headers, body, NOW)


def _signed(body: bytes = BODY, at: datetime = NOW, key: str = "s") -> InboundRequest:
    return _request(sign(key, int(at.timestamp()), body), body)


def test_the_signature_is_that_of_other_tools() -> None:
    # printf '1795456800.{}' | openssl dgst -sha256 -hmac secret
    assert sign("secret", 1795456800, b"{}") == {
        TIMESTAMP_HEADER: "1795456800",
        SIGNATURE_HEADER: "sha256=1bb0da34041c4e760b21f1263d9fded8bcc5dfbc97a400c5258a8e3fca900c0b",
    }


def test_a_signed_request_is_taken_for_five_minutes() -> None:
    require("s", _signed())
    require("s", _signed(at=NOW - timedelta(minutes=5)))
    require("s", _signed(at=NOW + timedelta(minutes=5)))


@pytest.mark.parametrize(
    "request_",
    [
        _signed(key="other"),
        _signed(at=NOW - timedelta(seconds=301)),
        _signed(at=NOW + timedelta(seconds=301)),
        _request({}),
        _request({TIMESTAMP_HEADER: "now", SIGNATURE_HEADER: "sha256=x"}),
        _request({TIMESTAMP_HEADER: str(SECONDS)}),
        _request({**sign("s", SECONDS, BODY), TIMESTAMP_HEADER: str(SECONDS - 1)}),
        _request(sign("s", SECONDS, BODY), b"{}"),
    ],
)
def test_everything_else_is_refused(request_: InboundRequest) -> None:
    with pytest.raises(InboundEventError) as refused:
        require("s", request_)
    assert refused.value.status == 401


@pytest.mark.parametrize("secret", [None, ""])
def test_without_a_secret_nothing_is_taken(secret: str | None) -> None:
    with pytest.raises(InboundEventError):
        require(secret, _signed(key=""))
