"""An event is a hint: it only says "look at deal X", or "look at record Y"."""

from enum import StrEnum

from dealbridge.domain.keys import ConnectionId, DealKey
from dealbridge.domain.model import Instant, Model, Text


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
    revision: str | None = None
    """Which revision of the deal it speaks of, where that is known: of a poll. Who has read that one needs no hint."""


NOT_TOLD = "-"
"""A part of a revision that who tells of it does not know."""


def has_read(revision: str | None, told: str) -> bool:
    """Whether who has read a revision knows what a hint tells of.

    A revision is a CRM's own; where what it is made of changes each for itself, it has parts, with spaces between, and
    what is told may lack some of them.
    """
    if revision is None:
        return False
    read, said = revision.split(" "), told.split(" ")
    return len(read) == len(said) and all(part in (NOT_TOLD, known) for known, part in zip(read, said, strict=True))


class ErpRecordChanged(Model):
    """Something happened to a record of an ERP or PSA: read it to know what. Told once per event of the sender."""

    connection: ConnectionId
    record_type: Text
    """As in the links of the ledger: `ExternalRef.type`."""
    id: Text
    event: Text
    """What happened, in the vendor's words."""
    event_id: Text
    at: Instant | None = None
    received_at: Instant
    correlation_id: str
