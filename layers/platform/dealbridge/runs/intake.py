"""An inbound request or bus event to hints on the bus: verified, at most once per event, never lost once accepted."""

import base64
import json
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from aws_lambda_powertools.utilities.idempotency import (
    DynamoDBPersistenceLayer,
    IdempotencyConfig,
    idempotent_function,
)
from aws_lambda_powertools.utilities.idempotency.exceptions import BaseError as IdempotencyError
from pydantic import ValidationError

from dealbridge import aws, events
from dealbridge.domain.hints import DealHint, HintSource
from dealbridge.domain.keys import DealKey
from dealbridge.errors import DealbridgeError
from dealbridge.ledger.ledger import ledger
from dealbridge.ports import InboundEventError, InboundHint, InboundRequest
from dealbridge.runs.polling import catch_up
from dealbridge.settings import EntranceSettings
from dealbridge.steps import count, logger, now
from dealbridge.transport.redaction import redacted
from dealbridge.wiring import wiring

KEPT_BYTES = 64_000
"""So much of a refused request is kept for inspection."""


def receive_http(event: Mapping[str, Any], lambda_context: Any) -> dict[str, Any]:
    """One request of the HTTP API (payload 2.0) at POST /events/{connection}.

    202 accepted · 400 malformed, 401 not authentic or stale, 404 no such connection, 413 too large: kept for
    inspection · 503 try again: nothing was accepted.
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
        accepted = accept(connection, _read(connection, request), request_id, lambda_context)
    except InboundEventError as error:
        _refuse(request_id, connection, str(error), error.status, request)
        return _answer(error.status, error=str(error), request_id=request_id)
    except (DealbridgeError, IdempotencyError) as error:
        reason = error.message if isinstance(error, DealbridgeError) else str(error)
        extra = {"connection": connection, "error": type(error).__name__, "reason": redacted(reason)}
        logger.warning("not accepted, the sender tries again", extra=extra)
        return _answer(503, error="try again", request_id=request_id, headers={"Retry-After": "5"})
    return _answer(202, accepted=accepted, request_id=request_id)


def receive_bus_event(event: Mapping[str, Any], lambda_context: Any) -> None:
    """One partner event. A malformed one is kept for inspection; a passing failure raises, and Lambda tries again."""
    connection = _connection_of(str(event.get("source", "")))
    request = InboundRequest(
        method="EVENT",
        url=f"eventbridge:{event.get('source', '')}",
        headers={},
        body=json.dumps(dict(event)).encode(),
        received_at=now(),
    )
    request_id = str(event.get("id") or uuid4())
    try:
        accept(connection, _read(connection, request), request_id, lambda_context)
    except InboundEventError as error:
        _refuse(request_id, connection, str(error), error.status, request)


def accept(connection: str, hints: list[InboundHint], correlation_id: str, lambda_context: Any) -> int:
    """Publish the hints that are new; how many events were taken, those known already included.

    Hints without an opportunity are answered by one poll, after the others are published.
    Raises InboundEventError for an opportunity that is no record id.
    """
    config = _idempotency()
    config.register_lambda_context(lambda_context)
    taken = 0
    for hint in hints:
        if hint.opportunity is None:
            continue
        try:
            deal = DealKey(crm=connection, opportunity=hint.opportunity)
        except ValidationError:
            raise InboundEventError(400, f"opportunity: {hint.opportunity[:80]!r} is no record id") from None
        found = DealHint(
            deal=deal,
            source=HintSource.CRM_EVENT,
            event_id=hint.event_id,
            occurred_at=hint.occurred_at,
            received_at=now(),
            correlation_id=correlation_id,
        )
        _publish_once(config)(entry={"key": f"{found.deal}#{found.event_id}", "hint": found.model_dump(mode="json")})
        taken += 1
    unnamed = [hint for hint in hints if hint.opportunity is None]
    if unnamed:
        newest = max(unnamed, key=lambda hint: hint.occurred_at or now())
        _catch_up_once(config)(entry={"key": f"{connection}#{newest.event_id}"}, connection=connection, hint=newest)
        taken += len(unnamed)
    count("EventsAccepted", taken, connection=connection)
    return taken


def _publish_once(config: IdempotencyConfig) -> Any:
    @idempotent_function(  # type: ignore[untyped-decorator]
        data_keyword_argument="entry", persistence_store=_store(), config=config
    )
    def publish_hint(entry: dict[str, Any]) -> str:
        events.publish([events.hint_entry(DealHint.model_validate(entry["hint"]))])
        return str(entry["key"])

    return publish_hint


def _catch_up_once(config: IdempotencyConfig) -> Any:
    @idempotent_function(  # type: ignore[untyped-decorator]
        data_keyword_argument="entry", persistence_store=_store(), config=config
    )
    def catch_up_with(entry: dict[str, Any], connection: str, hint: InboundHint) -> int:
        return catch_up(connection, hint.occurred_at)

    return catch_up_with


def _store() -> DynamoDBPersistenceLayer:
    return DynamoDBPersistenceLayer(table_name=EntranceSettings.read().idempotency_table, boto3_client=aws.dynamodb())


def _idempotency() -> IdempotencyConfig:
    # A day covers the longest redelivery of a vendor (HubSpot and EventBridge: 24 h).
    return IdempotencyConfig(event_key_jmespath="key", expires_after_seconds=86_400, use_local_cache=False)


def _read(connection: str, request: InboundRequest) -> list[InboundHint]:
    limit = EntranceSettings.read().inbound_limit_bytes
    if len(request.body) > limit:
        raise InboundEventError(413, f"body: {len(request.body)} bytes are more than the {limit} allowed")
    if connection not in wiring().reference().crm_connections():
        raise InboundEventError(404, f"connection: no CRM connection {connection!r}; see mappings/connections.yaml")
    return wiring().crm(connection).read_event(request)


def _connection_of(source: str) -> str:
    """The CRM connection whose events come from this partner source (`options.event_source`)."""
    reference = wiring().reference()
    for name in reference.crm_connections():
        if reference.connection(name).options.get("event_source") == source:
            return name
    return source


def _refuse(request_id: str, connection: str, reason: str, status: int, request: InboundRequest) -> None:
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


def _public_url(connection: str, event: Mapping[str, Any]) -> str:
    """The URL that the sender called: signatures cover it, and behind a custom domain only we know it."""
    known = wiring().reference().connections.get(connection)
    configured = (known.public_url if known else None) or EntranceSettings.read().public_url
    query = f"?{event['rawQueryString']}" if event.get("rawQueryString") else ""
    if configured:
        return f"{configured.rstrip('/')}{event['rawPath']}{query}"
    return f"https://{event['requestContext'].get('domainName', '')}{event['rawPath']}{query}"


def _answer(status: int, headers: Mapping[str, str] | None = None, **body: Any) -> dict[str, Any]:
    return {
        "statusCode": status,
        "headers": {"Content-Type": "application/json", **(headers or {})},
        "body": json.dumps(body),
    }
