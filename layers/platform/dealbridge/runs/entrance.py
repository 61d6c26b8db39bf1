"""What the entrances of the HTTP API share: a request read, answered, kept where it is refused; an event taken once."""

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

from aws_lambda_powertools.utilities.idempotency import (
    DynamoDBPersistenceLayer,
    IdempotencyConfig,
    idempotent_function,
)
from aws_lambda_powertools.utilities.idempotency.exceptions import BaseError as IdempotencyError

from dealbridge import aws
from dealbridge.errors import DealbridgeError
from dealbridge.ports import InboundEventError, InboundRequest
from dealbridge.settings import EntranceSettings
from dealbridge.steps import count, logger, now
from dealbridge.transport.redaction import redacted
from dealbridge.wiring import wiring

KEPT_BYTES = 64_000
"""So much of a refused request is kept for inspection."""

type Answer = dict[str, Any]
type Reception = Callable[[str, InboundRequest, str], Answer]
"""(connection, request, request id) → the answer. Raises InboundEventError for what is refused."""


def receive_http(event: Mapping[str, Any], receive: Reception) -> Answer:
    """One request of the HTTP API (payload 2.0) at a path that ends in {connection}.

    400 malformed, 401 not authentic or stale, 404 no such connection, 413 too large: kept for inspection · 503 try
    again: nothing was accepted · else what `receive` answers.
    """
    request_id = str(event["requestContext"].get("requestId") or uuid4())
    connection = str((event.get("pathParameters") or {}).get("connection", ""))
    raw = event.get("body") or ""
    body = base64.b64decode(raw) if event.get("isBase64Encoded") else raw.encode()
    request = InboundRequest(
        method=str(event["requestContext"]["http"]["method"]),
        url=_public_url(connection, event),
        headers={name.lower(): value for name, value in event.get("headers", {}).items()},
        body=body,
        received_at=now(),
    )
    try:
        return receive(connection, request, request_id)
    except InboundEventError as error:
        refuse(request_id, connection, error, request)
        return answer(error.status, error=str(error), request_id=request_id)
    except (DealbridgeError, IdempotencyError) as error:
        reason = error.message if isinstance(error, DealbridgeError) else str(error)
        extra = {"connection": connection, "error": type(error).__name__, "reason": redacted(reason)}
        logger.warning("not accepted, the sender tries again", extra=extra)
        return answer(503, {"Retry-After": "5"}, error="try again", request_id=request_id)


def answer(status: int, headers: Mapping[str, str] | None = None, **body: Any) -> Answer:
    return {
        "statusCode": status,
        "headers": {"Content-Type": "application/json", **(headers or {})},
        "body": json.dumps(body),
    }


def check_size(request: InboundRequest) -> None:
    """Raises InboundEventError for a body that is too large."""
    limit = EntranceSettings.read().inbound_limit_bytes
    if len(request.body) > limit:
        raise InboundEventError(413, f"body: {len(request.body)} bytes are more than the {limit} allowed")


def refuse(request_id: str, connection: str, error: InboundEventError, request: InboundRequest) -> None:
    """Keep a request that is not accepted, credentials hidden."""
    reason, status = str(error), error.status
    # The ledger is for what is refused and for catching up: an event that is taken does not open it.
    from dealbridge.ledger.ledger import ledger

    logger.warning("inbound event refused", extra={"connection": connection, "reason": reason, "status": status})
    count("EventsRefused", status=str(status))
    content = {
        "url": request.url,
        "headers": redacted(dict(request.headers)),
        "body": redacted(request.body[:KEPT_BYTES].decode(errors="replace")),
    }
    try:
        ledger().refused.keep(request_id, connection, reason, status, content, request.received_at)
    except DealbridgeError:
        logger.exception("a refused event could not be kept")


class Once:
    """Does something once for each key, for a day; what fails may be tried again.

    Example:
        once = Once(lambda_context)
        once(f"{deal}#{event_id}", lambda: events.publish([...]))
    """

    def __init__(self, lambda_context: Any) -> None:
        # A day covers the longest redelivery of a vendor (HubSpot and EventBridge: 24 h).
        self._config = IdempotencyConfig(event_key_jmespath="key", expires_after_seconds=86_400, use_local_cache=False)
        self._config.register_lambda_context(lambda_context)

    def __call__(self, key: str, act: Callable[[], object]) -> None:
        @idempotent_function(  # type: ignore[untyped-decorator]
            data_keyword_argument="entry", persistence_store=_store(), config=self._config
        )
        def take(entry: dict[str, str]) -> str:
            act()
            return entry["key"]

        take(entry={"key": key})


def _store() -> DynamoDBPersistenceLayer:
    return DynamoDBPersistenceLayer(table_name=EntranceSettings.read().idempotency_table, boto3_client=aws.dynamodb())


def _public_url(connection: str, event: Mapping[str, Any]) -> str:
    """The URL that the sender called: signatures cover it, and behind a custom domain only we know it."""
    known = wiring().reference().connections.get(connection)
    configured = (known.public_url if known else None) or EntranceSettings.read().public_url
    query = f"?{event['rawQueryString']}" if event.get("rawQueryString") else ""
    if configured:
        return f"{configured.rstrip('/')}{event['rawPath']}{query}"
    return f"https://{event['requestContext'].get('domainName', '')}{event['rawPath']}{query}"
