"""An event is a hint: it only says "look at deal X"."""

from enum import StrEnum

from dealbridge.domain.keys import DealKey
from dealbridge.domain.model import Instant, Model


class HintSource(StrEnum):
    """What said it."""

    CRM_EVENT = "crm_event"
    POLL = "poll"
    REDRIVE = "redrive"
    RUN = "run"


class DealHint(Model):
    """Look at this deal. `event_id` is the sender's, for tracing and deduplication; no more of the event counts."""

    deal: DealKey
    source: HintSource
    event_id: str
    occurred_at: Instant | None = None
    received_at: Instant
    correlation_id: str
