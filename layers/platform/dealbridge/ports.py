"""What we ask of a system, one Protocol per role, never one per vendor.

A connector gives `connect(connection, secret, client) -> <its port>` and a `CAPABILITIES`, both in its package's
`__init__`, and raises only the classes of `errors.py`. It does no retrying, no sleeping and no bookkeeping: the step
around it records intent and outcome, and asks it to `find` by our key when an outcome is unknown.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol

from dealbridge.domain.keys import Kind
from dealbridge.domain.model import Instant
from dealbridge.domain.plan import FieldChange
from dealbridge.domain.refs import ExternalRef
from dealbridge.errors import RecordMissingError

if TYPE_CHECKING:
    # Whoever writes records has them already; an entrance, which only asks a CRM, is spared their models.
    from dealbridge.domain.engagement import EngagementStatus, Record


@dataclass(frozen=True)
class Capabilities:
    """What a connector can do. What it cannot do is skipped by name in the contract suite and shown in the docs."""

    role: str
    """crm, erp or staffing"""
    kinds: frozenset[Kind] = frozenset()
    """The records it can write."""
    embeds: frozenset[Kind] = frozenset()
    """Records that the vendor keeps inside another (tasks in a project, the schedule in a contract): they arrive as
    part of that record and are not written on their own."""
    withdraws: frozenset[Kind] = frozenset()
    """Records that can be closed or withdrawn when they are no longer wanted."""
    numbers_later: frozenset[Kind] = frozenset()
    """Records whose number no answer to a creation carries: it is asked for where it is shown (`Numbering`)."""
    inbound_events: bool = False
    concurrency_token: bool = False
    skips: Mapping[str, str] = field(default_factory=dict)
    """Promises of the contract suite that the vendor does not allow: name → the vendor's reason."""


@dataclass(frozen=True)
class Write:
    """One record to be written: what it shall be, the target's codes for it, and where the records it needs stand."""

    kind: Kind
    key: str
    record: "Record"
    codes: Mapping[str, Any] = field(default_factory=dict)
    refs: Mapping[str, ExternalRef] = field(default_factory=dict)
    """Our keys → the vendor's records."""
    known: ExternalRef | None = None
    """Where it stands as far as the ledger knows, with the parts that it was made of."""
    tried: "Record | None" = None
    """What an attempt of unknown outcome was to make, where that was another record: its parts may stand as well."""

    def ref_of(self, key: str) -> ExternalRef:
        """Where a record stands that this one points at. Raises RecordMissingError."""
        ref = self.refs.get(key)
        if ref is None:
            raise RecordMissingError(f"{self.key} needs {key}, which is not known to stand")
        return ref


@dataclass(frozen=True)
class Found:
    """A record read back by our key. `record` is its content in our words, as far as the vendor keeps it.

    `complete` False: it stands, but a part that belongs to it does not yet (a schedule not attached to its project).
    """

    ref: ExternalRef
    record: "Record"
    complete: bool = True


class RecordTarget(Protocol):
    """A system that records are written to: an ERP or a staffing system; which records says `Capabilities.kinds`.

    All raise TransientError, ThrottledError, RejectedError, ConflictError, AccessError, RecordMissingError.
    """

    def find(self, write: Write) -> Found | None:
        """The record under our key, or None. Never concludes from an eventually consistent index.

        A part that the ledger knows (`write.known`) or that may have been made (`write.tried`), that is no longer
        wanted and still stands, is part of what is found, and stands in the `parts` of its ref.
        """

    def lag(self, kind: Kind) -> timedelta:
        """How long `find` may miss a record that has just been made. Zero where that does no harm: the vendor itself
        refuses, or ignores, a creation that is repeated."""

    def create(self, write: Write) -> ExternalRef:
        """Create it under our key. Where the vendor lets a repeated create be harmless, it is.

        Raises ConflictError where the vendor says that a record under our key stands already.
        """

    def update(self, write: Write, ref: ExternalRef, changes: Sequence[FieldChange]) -> ExternalRef:
        """Write only what differs. `changes` are relative to what was applied last; empty means: make all of it so."""

    def withdraw(self, write: Write, ref: ExternalRef) -> ExternalRef:
        """Close or withdraw a record that is no longer wanted. Already closed is fine."""


class Numbering(Protocol):
    """A system with capability `numbers_later`."""

    def numbered(self, refs: Sequence[ExternalRef]) -> list[ExternalRef]:
        """These records, in their order, each with the number people know it by where it has one. Only reads.

        In as few calls as the vendor allows, however many records.
        """


@dataclass(frozen=True)
class CrmDeal:
    """An opportunity read whole, in the CRM's own words; the field mapping (JSONata) makes a Deal of `document`.

    `revision` changes with every change of the opportunity or its lines, and of its account where the CRM lets us see
    it (the connector's README says so). It is the one that `changed_deals` gives.
    """

    opportunity: str
    revision: str
    document: Mapping[str, Any]


@dataclass(frozen=True)
class ChangedDeals:
    """Opportunities changed since a cursor: (id, revision) pairs, and the cursor to go on from.

    One may be among them that a deal's reading would find as it was: its revision says so.
    """

    deals: tuple[tuple[str, str], ...]
    cursor: str
    more: bool = False


@dataclass(frozen=True)
class InboundRequest:
    """An HTTP request or bus event as it came in. `url` is the public one that the sender called."""

    method: str
    url: str
    headers: Mapping[str, str]
    """Lower-case names."""
    body: bytes
    received_at: Instant


@dataclass(frozen=True)
class InboundHint:
    """One opportunity that an inbound event speaks of. `event_id` is unique per delivery-worthy event of the sender.

    `opportunity` None means: it cannot say which (too much has changed, or a record that many deals share); catch up by
    polling.
    """

    opportunity: str | None
    event_id: str
    occurred_at: Instant | None = None


class InboundEventError(ValueError):
    """An inbound event that is refused. `status` is the HTTP answer (400, 401, 413); the text names the problem."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Crm(Protocol):
    """Where deals are sold."""

    def read_deal(self, opportunity: str) -> CrmDeal:
        """The opportunity with account tree, contacts, lines and terms, in as few calls as the vendor allows.

        Raises RecordMissingError where it is deleted or not visible.
        """

    def changed_deals(self, cursor: str | None, now: Instant) -> ChangedDeals:
        """Won (or once won) opportunities that changed since the cursor, or whose account did where the CRM can tell.

        None starts a look-back window. What changes between two pages is given by one of them or by the next poll.
        """

    def find_status(self, opportunity: str) -> "EngagementStatus | None":
        """The status fields as the CRM holds them now; None where none was ever written."""

    def write_status(
        self, opportunity: str, status: "EngagementStatus", read_revision: str | None = None
    ) -> ExternalRef:
        """Write our status fields, and nothing else.

        `ref.version` is the opportunity's revision after the write; where somebody else has changed it since
        `read_revision`, it is that one, so that a poll still takes their change for news.
        """

    def read_event(self, request: InboundRequest) -> list[InboundHint]:
        """Verify a webhook or bus event and say which opportunities it speaks of; our own echoes are left out.

        Raises InboundEventError for a forged, stale or malformed one.
        """


@dataclass(frozen=True)
class RecordHint:
    """One record of an ERP or PSA that an inbound event speaks of.

    `type` and `id` are those of `ExternalRef`; `event` is what happened, in the vendor's words; `event_id` is unique
    per event of the sender.
    """

    type: str
    id: str
    event: str
    event_id: str
    occurred_at: Instant | None = None


class EventSource(Protocol):
    """An ERP or PSA that pushes events (capability `inbound_events`)."""

    def read_event(self, request: InboundRequest) -> list[RecordHint]:
        """Verify an inbound event and say which records it speaks of. Raises InboundEventError."""
