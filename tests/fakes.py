"""A CRM and vendors in memory, behind the ports: what runs are tested with in-process.

They are strict where it matters: a vendor here gives every create a new record, so that a write that is made twice is
seen twice.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import count
from typing import Any

from dealbridge.domain.deal import Deal
from dealbridge.domain.engagement import EngagementStatus, Record
from dealbridge.domain.keys import DealKey, Kind
from dealbridge.domain.model import Instant
from dealbridge.domain.plan import FieldChange
from dealbridge.domain.refs import ExternalRef
from dealbridge.errors import ConfigurationError, ConflictError, RecordMissingError
from dealbridge.ports import (
    Capabilities,
    ChangedDeals,
    Crm,
    CrmDeal,
    Found,
    InboundEventError,
    InboundHint,
    InboundRequest,
    Numbering,
    RecordTarget,
    Write,
)
from dealbridge.rules.reference import FieldMapping, ReferenceData
from dealbridge.wiring import Wiring
from tests.builders import can, reference


class Crash(BaseException):
    """The process dies here. No `except Exception` sees it."""


class Trouble:
    """Raises what a test has planned, before or after a vendor has done what it was asked to.

    Example:
        trouble.plan("after", "create", Kind.CONTRACT, Crash())
    """

    def __init__(self) -> None:
        self._planned: list[tuple[str, str, Kind, BaseException, int]] = []
        self._then: list[tuple[list[Any], Callable[[], None]]] = []
        self._watcher: Callable[[str, str, Kind], None] | None = None

    def plan(self, when: str, action: str, kind: Kind, error: BaseException, times: int = 1) -> None:
        self._planned.append((when, action, kind, error, times))

    def once_seen(self, when: str, action: str, kind: Kind, then: Callable[[], None]) -> None:
        """Do something else at that place, once, before any trouble that is planned for it."""
        self._then.append(([when, action, kind], then))

    def clear(self) -> None:
        self._planned.clear()

    def watch(self, watcher: Callable[[str, str, Kind], None] | None) -> None:
        """Be told of every place that is come by."""
        self._watcher = watcher

    def at(self, when: str, action: str, kind: Kind) -> None:
        for waiting in [each for each in self._then if each[0] == [when, action, kind]]:
            self._then.remove(waiting)
            waiting[1]()
        if self._watcher is not None:
            self._watcher(when, action, kind)
        for index, (*place, error, times) in enumerate(self._planned):
            if place == [when, action, kind]:
                self._planned[index] = (when, action, kind, error, times - 1)
                if times <= 1:
                    del self._planned[index]
                raise error


@dataclass
class VendorRecord:
    """One record as it stands at a vendor."""

    kind: Kind
    key: str
    id: str
    record: Record
    codes: Mapping[str, Any]
    withdrawn: bool = False
    complete: bool = True


@dataclass
class FakeVendor:
    """An ERP or PSA. `refuses_duplicates`: a second create under a key is a conflict, as most vendors have it."""

    connection: str
    refuses_duplicates: bool = False
    records: list[VendorRecord] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    updates: list[tuple[Kind, str, tuple[str, ...]]] = field(default_factory=list)
    """(kind, key, paths of the changes); no path: written whole."""
    trouble: Trouble = field(default_factory=Trouble)
    lags_s: float = 0
    """What `lag` says of every kind."""
    blind: bool = False
    """`find` finds nothing, whatever stands."""
    numbers_later: bool = False
    """No answer to a creation carries a number."""
    _ids: Iterator[int] = field(default_factory=lambda: count(1001))

    def of(self, kind: Kind) -> list[VendorRecord]:
        return [record for record in self.records if record.kind is kind]

    def lag(self, kind: Kind) -> timedelta:
        return timedelta(seconds=self.lags_s)

    def find(self, write: Write) -> Found | None:
        self._called("find", write)
        stands = None if self.blind else self._standing(write)
        return Found(self._ref(stands), stands.record, stands.complete) if stands else None

    def create(self, write: Write) -> ExternalRef:
        self._called("create", write)
        if self.refuses_duplicates and self._standing(write):
            raise ConflictError(f"{write.key} exists", connection=self.connection, code="DUPLICATE")
        made = VendorRecord(write.kind, write.key, f"{next(self._ids)}", write.record, write.codes)
        self.records.append(made)
        self.trouble.at("after", "create", write.kind)
        return self._ref(made).model_copy(update={"number": None}) if self.numbers_later else self._ref(made)

    def update(self, write: Write, ref: ExternalRef, changes: Sequence[FieldChange]) -> ExternalRef:
        self._called("update", write)
        stands = self._by_id(ref)
        stands.record, stands.codes, stands.complete = write.record, write.codes, True
        if not changes:
            stands.withdrawn = False
        self.updates.append((write.kind, write.key, tuple(change.path for change in changes)))
        self.trouble.at("after", "update", write.kind)
        return self._ref(stands)

    def withdraw(self, write: Write, ref: ExternalRef) -> ExternalRef:
        self._called("withdraw", write)
        stands = self._by_id(ref)
        stands.withdrawn = True
        self.trouble.at("after", "withdraw", write.kind)
        return self._ref(stands)

    def numbered(self, refs: Sequence[ExternalRef]) -> list[ExternalRef]:
        self.calls.append(f"number {len(refs)}")
        self.trouble.at("before", "number", Kind.CUSTOMER)
        return [self._ref(self._by_id(ref)) for ref in refs]

    def _called(self, action: str, write: Write) -> None:
        self.calls.append(f"{action} {write.kind}")
        self.trouble.at("before", action, write.kind)

    def _standing(self, write: Write) -> VendorRecord | None:
        return next((each for each in self.records if (each.kind, each.key) == (write.kind, write.key)), None)

    def _by_id(self, ref: ExternalRef) -> VendorRecord:
        for each in self.records:
            if each.id == ref.id:
                return each
        raise RecordMissingError(f"no record {ref.id}", connection=self.connection)

    def _ref(self, stands: VendorRecord) -> ExternalRef:
        return ExternalRef(connection=self.connection, type=stands.kind, id=stands.id, number=f"N{stands.id}")


class FakeCrm:
    """A CRM whose words are ours. Every change of a deal, our status write included, gives it a new revision."""

    page = 100

    def __init__(self, connection: str = "salesforce") -> None:
        self.connection = connection
        self.statuses: dict[str, EngagementStatus] = {}
        self.status_writes = 0
        self.reads = 0
        self.trouble = Trouble()
        self._deals: dict[str, Deal] = {}
        self._revisions: dict[str, int] = {}
        self._now = 0

    def save(self, deal: Deal) -> None:
        """What a person does."""
        self._deals[deal.key.opportunity] = deal
        self._changed(deal.key.opportunity)

    def revision(self, deal: DealKey) -> str:
        return f"r{self._revisions[deal.opportunity]}"

    def read_deal(self, opportunity: str) -> CrmDeal:
        self.reads += 1
        self.trouble.at("before", "read", Kind.ENGAGEMENT_STATUS)
        if opportunity not in self._deals:
            raise RecordMissingError(f"no opportunity {opportunity}", connection=self.connection)
        content = self._deals[opportunity].model_dump(mode="json", exclude={"key", "revision"})
        return CrmDeal(opportunity, f"r{self._revisions[opportunity]}", {"deal": content})

    def changed_deals(self, cursor: str | None, now: Instant) -> ChangedDeals:
        since = int(cursor or 0)
        changed = sorted((at, opportunity) for opportunity, at in self._revisions.items() if at > since)
        told = changed[: self.page]
        return ChangedDeals(
            tuple((opportunity, f"r{at}") for at, opportunity in told),
            str(told[-1][0] if told else since),
            len(changed) > len(told),
        )

    def find_status(self, opportunity: str) -> EngagementStatus | None:
        return self.statuses.get(opportunity)

    def write_status(self, opportunity: str, status: EngagementStatus, read_revision: str | None = None) -> ExternalRef:
        self.trouble.at("before", "update", Kind.ENGAGEMENT_STATUS)
        before = f"r{self._revisions[opportunity]}"
        self.statuses[opportunity] = status
        self.status_writes += 1
        self._changed(opportunity)
        self.trouble.at("after", "update", Kind.ENGAGEMENT_STATUS)
        after = f"r{self._revisions[opportunity]}"
        version = after if read_revision in (None, before) else read_revision
        return ExternalRef(connection=self.connection, type="status", id=opportunity, version=version)

    def read_event(self, request: InboundRequest) -> list[InboundHint]:
        """`{"event_id", "opportunity_ids"}`, signed with the header `x-signature: good`; null is "too much to say"."""
        if request.method != "EVENT" and request.headers.get("x-signature") != "good":
            raise InboundEventError(401, "signature: wrong")
        try:
            given = json.loads(request.body)
            detail = given.get("detail", given)
            ids = detail["opportunity_ids"]
            return [InboundHint(each, f"{detail['event_id']}-{each}") for each in ids]
        except (ValueError, KeyError, TypeError, AttributeError):
            raise InboundEventError(400, "body: not an event") from None

    def _changed(self, opportunity: str) -> None:
        self._now += 1
        self._revisions[opportunity] = self._now


def _reference() -> ReferenceData:
    """The repository's, but for the field mapping: a fake CRM speaks our words already."""
    labels = reference().field_mapping("salesforce").labels
    return reference(fields={"salesforce": FieldMapping(read={}, deal="deal", labels=labels).model_dump()})


class FakeWiring(Wiring):
    """Ports in memory: `use(FakeWiring(crm, vendor, ...))`."""

    def __init__(
        self,
        crm: FakeCrm,
        *vendors: FakeVendor,
        reference: ReferenceData | None = None,
        capabilities: Callable[[str], Capabilities] | None = None,
    ) -> None:
        self.data = reference or _reference()
        super().__init__(published=lambda: self.data)
        self._crm = crm
        self._vendors = {vendor.connection: vendor for vendor in vendors}
        self._can = capabilities or can()

    def capabilities(self, connection_id: str) -> Capabilities:
        vendor = self._vendors.get(connection_id)
        later = {Kind.CUSTOMER, Kind.PROJECT, Kind.CONTRACT} if vendor and vendor.numbers_later else ()
        return replace(self._can(connection_id), numbers_later=frozenset(later))

    def crm(self, connection_id: str) -> Crm:
        if connection_id != self._crm.connection:
            raise ConfigurationError(f"no CRM {connection_id}")
        return self._crm

    def target(self, connection_id: str) -> RecordTarget:
        return self._vendors[connection_id]

    def numbering(self, connection_id: str) -> Numbering:
        return self._vendors[connection_id]
