"""Event Relay to an EventBridge endpoint: what carries an org's events to its partner event bus."""

import json
import logging
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

from dealbridge_local.simulators.salesforce.events import Envelope

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_events.type_defs import PutPartnerEventsRequestEntryTypeDef

_ENTRIES_A_CALL = 10
"""The most that PutPartnerEvents takes."""
_ATTEMPTS = 3
_log = logging.getLogger(__name__)


class EventBridgeRelay:
    """Sends envelopes with PutPartnerEvents, which only a partner may call: EventBridge puts them on the bus whose name
    is the source, and gives each its id, account and region."""

    def __init__(self, client: "EventBridgeClient") -> None:
        self._client = client

    @classmethod
    def to(cls, endpoint_url: str, region: str, access_key_id: str, secret_access_key: str) -> "EventBridgeRelay":
        return cls(
            boto3.client(
                "events",
                endpoint_url=endpoint_url,
                region_name=region,
                aws_access_key_id=access_key_id,
                aws_secret_access_key=secret_access_key,
                config=Config(
                    connect_timeout=2, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 4}
                ),
            )
        )

    def __call__(self, envelopes: list[Envelope]) -> None:
        for batch in _batches(envelopes):
            left = [_entry(envelope) for envelope in batch]
            for _ in range(_ATTEMPTS):
                left = self._put(left)
                if not left:
                    break
            for entry in left:
                _log.error("EventBridge took no event %s from %s", entry.get("DetailType"), entry.get("Source"))

    def _put(self, entries: "list[PutPartnerEventsRequestEntryTypeDef]") -> "list[PutPartnerEventsRequestEntryTypeDef]":
        """The entries that were refused. A refusal is told per entry, in order."""
        results = self._client.put_partner_events(Entries=entries)["Entries"]
        return [entry for entry, result in zip(entries, results, strict=True) if result.get("ErrorCode")]


def _batches(envelopes: list[Envelope]) -> Iterator[list[Envelope]]:
    for start in range(0, len(envelopes), _ENTRIES_A_CALL):
        yield envelopes[start : start + _ENTRIES_A_CALL]


def _entry(envelope: Envelope) -> "PutPartnerEventsRequestEntryTypeDef":
    return {
        "Time": datetime.fromisoformat(envelope["time"]),
        "Source": envelope["source"],
        "Resources": envelope["resources"],
        "DetailType": envelope["detail-type"],
        "Detail": json.dumps(envelope["detail"]),
    }
