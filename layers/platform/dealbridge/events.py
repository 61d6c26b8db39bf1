"""What is told on the bus: hints for us, facts for everybody."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from dealbridge import aws
from dealbridge.domain.hints import DealHint, ErpRecordChanged
from dealbridge.errors import TransientError
from dealbridge.settings import BusSettings

SOURCE = "dealbridge"
DEAL_CHANGED = "DealChanged"
"""A hint: look at this deal."""
ENGAGEMENT_ACTIVATED = "EngagementActivated"
ENGAGEMENT_AMENDED = "EngagementAmended"
DEAL_PARKED = "DealParked"
ERP_RECORD_CHANGED = "ErpRecordChanged"

type Entry = tuple[str, Mapping[str, Any]]
"""(detail-type, detail)"""


def hint_entry(hint: DealHint) -> Entry:
    return DEAL_CHANGED, hint.model_dump(mode="json")


def fact_entry(fact: ErpRecordChanged) -> Entry:
    return ERP_RECORD_CHANGED, fact.model_dump(mode="json")


def publish(entries: Sequence[Entry]) -> None:
    """Put events on the bus, at most ten a call. Raises TransientError unless every one is taken."""
    bus = BusSettings.read().bus_name
    for start in range(0, len(entries), 10):
        batch = [
            {
                "Source": SOURCE,
                "DetailType": kind,
                "Detail": json.dumps(detail, ensure_ascii=False),
                "EventBusName": bus,
            }
            for kind, detail in entries[start : start + 10]
        ]
        try:
            answer = aws.events().put_events(Entries=batch)  # type: ignore[arg-type]
        except (BotoCoreError, ClientError) as error:
            raise TransientError(f"bus: does not take events ({type(error).__name__})") from error
        if answer["FailedEntryCount"]:
            refused = [entry["ErrorCode"] for entry in answer["Entries"] if "ErrorCode" in entry]
            raise TransientError(f"bus: {len(refused)} events refused ({', '.join(sorted(set(refused)))})")
