"""HubSpot's records to the document that the field mapping reads, status to properties and back, events to hints.

Pure functions.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from dealbridge.connectors.hubspot.records import (
    CLOSED,
    COMPANIES,
    COMPANY_TYPE,
    DEAL_TYPE,
    LINE_ITEM_TYPE,
    MODIFIED,
    PARENT,
    modified_since,
)
from dealbridge.domain.engagement import EngagementStatus
from dealbridge.domain.findings import Finding
from dealbridge.domain.hints import NOT_TOLD
from dealbridge.domain.model import content_hash
from dealbridge.errors import RejectedError
from dealbridge.ports import InboundEventError, InboundHint
from dealbridge.transport.mapping import instant, status_values


def flat(record: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """A record with its properties beside its id, as the field mapping reads it."""
    return {**record["properties"], "id": str(record["id"]), **more}


def document(
    deal: Mapping[str, Any],
    accounts: Sequence[Mapping[str, Any]],
    contacts: Sequence[Mapping[str, Any]],
    lines: Sequence[Mapping[str, Any]],
    owner: Mapping[str, Any] | None,
    milestones: str,
    time_zone: str | None = None,
) -> dict[str, Any]:
    """One deal whole: `opportunity`, `lines`, `schedules`, `contacts`, `account` with its parents, `owner`.

    `accounts` are the company and its parents, the ultimate one last; `milestones` is the line property with the JSON
    list of milestones. Raises RejectedError where that is none. `time_zone` is the account's: `closedate` is a moment,
    and `close_date` beside it the day it is there.
    """
    account: dict[str, Any] | None = None
    for each in reversed(accounts):
        account = flat(each, parent=account)
    return {
        "opportunity": flat(deal, close_date=day(deal["properties"].get(CLOSED), time_zone)),
        "lines": [flat(line) for line in lines],
        "schedules": [entry for line in lines for entry in schedules(line, milestones)],
        "contacts": [flat(contact, association_types=contact.get("association_types", [])) for contact in contacts],
        "account": account,
        "owner": dict(owner) if owner else None,
    }


def day(told: str | None, time_zone: str | None) -> str | None:
    """The day of a moment in a time zone, UTC where none is known; a date is one already."""
    if not told or len(told) == len("2026-12-31"):
        return told or None
    return datetime.fromisoformat(moment(told)).astimezone(ZoneInfo(time_zone or "UTC")).date().isoformat()


def schedules(line: Mapping[str, Any], milestones: str) -> Iterator[dict[str, Any]]:
    """The milestones of one line: its id with name, date and amount (as text) of each."""
    text = line["properties"].get(milestones)
    if not text:
        return
    try:
        given = json.loads(text, parse_float=Decimal)
        if not isinstance(given, list):
            raise TypeError
        entries = [{name: each[name] for name in ("name", "date", "amount")} for each in given]
    except (ValueError, TypeError, KeyError):
        raise RejectedError(
            f"line item {line['id']}: {milestones} is not a list of milestones",
            code="milestones",
            findings=[
                Finding(
                    field=f"{milestones} (line {line['id']})",
                    rule="field_readable",
                    message="The text is not a JSON list of milestones.",
                    remedy='Write it as [{"name": "Go-live", "date": "2027-03-31", "amount": "5000.00"}].',
                )
            ],
        ) from None
    for place, entry in enumerate(entries, 1):
        yield {
            "line_item": str(line["id"]),
            "position": place,
            "name": str(entry["name"]),
            "date": str(entry["date"]),
            "amount": str(entry["amount"]),
        }


def lineage(company: str | None, held: Mapping[str, Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """A company and its parents, the ultimate one last, as far as they are held. A circle ends where it closes."""
    line: dict[str, Mapping[str, Any]] = {}
    while company and company in held and company not in line:
        line[company] = held[company]
        company = parent_of(held[company])
    return list(line.values())


def parent_of(company: Mapping[str, Any]) -> str | None:
    parent = company["properties"].get(PARENT)
    return str(parent) if parent else None


def newest(records: Iterable[Mapping[str, Any]]) -> str:
    """When the last changed one of these was changed; "" of none."""
    return max((modified_at(each) for each in records), default="")


def revision(own: str, lines: str, accounts: Sequence[Mapping[str, Any]], names: Iterable[str]) -> str:
    """When the deal was last changed, when one of its lines was (a changed line does not touch its deal in HubSpot; "":
    not known), and a hash of what is read (`names`) of its company and the parents.

    Two times and not the later one: deal and lines are read one after the other, and what is changed between is told
    by either. The companies' content tells and not their time of change: HubSpot touches a company for each call, mail
    and deal that is logged with it, and that must not bring up every deal.
    """
    parts = [own, lines or NOT_TOLD]
    if accounts:
        read = [[str(each["id"]), {name: each["properties"].get(name) or None for name in names}] for each in accounts]
        parts.append(content_hash(read)[:16])
    return " ".join(parts)


def is_newer(own: str, lines: str, revision: str) -> bool:
    """Whether the deal or its lines have changed since a revision."""
    own_read, lines_read, *_ = [*revision.split(" "), NOT_TOLD]
    return own > own_read or lines > ("" if lines_read == NOT_TOLD else lines_read)


def moved(revision: str, own: str) -> str:
    """A revision after our own write: the deal at another time, lines and companies as they were read."""
    _, *rest = revision.split(" ")
    return " ".join([own, *rest])


def modified_at(record: Mapping[str, Any]) -> str:
    """A record's time of change in one form, so that texts compare as times do."""
    return moment(record["properties"].get(MODIFIED) or record["updatedAt"])


# Status


def status_properties(status: EngagementStatus, fields: Mapping[str, str]) -> dict[str, str]:
    """Our status as HubSpot's properties; an empty text clears one."""
    return {name: value or "" for name, value in status_values(status, fields).items()}


# Changed deals


@dataclass(frozen=True)
class Cursor:
    """Where the next read of changes begins.

    A sweep reads changed companies, then line items, then deals, each from `since` on, a page at a time: `at` and
    `after` say from which moment, less the first `after` of it. `newest` is what the first two told: deal → the newest
    change known. `began` is when the sweep began; the next one looks back from there. `offset` is the last
    entry of the journal, empty before its first; None while searching.
    """

    since: str
    kind: str = COMPANIES
    at: str | None = None
    after: int = 0
    newest: Mapping[str, str] = field(default_factory=dict)
    began: str | None = None
    offset: str | None = None

    @classmethod
    def parse(cls, text: str | None) -> "Cursor | None":
        """None where there is none, and for one of another release: then the look-back begins anew."""
        try:
            return cls(**json.loads(text)) if text else None
        except (ValueError, TypeError):
            return None

    def __str__(self) -> str:
        return json.dumps({name: value for name, value in asdict(self).items() if value not in (None, 0, {})})

    @property
    def searching(self) -> bool:
        return self.offset is None

    def page_body(self, alternatives: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
        return modified_since(self.at or self.since, self.after, alternatives)

    def onward(self, page: Sequence[Mapping[str, Any]], newest: Mapping[str, str], now: datetime) -> "Cursor":
        """After a page that is not the last. Pages go by time and not by position: what changes meanwhile moves to the
        end of the order, and no record slips through between two positions."""
        last = modified_at(page[-1])
        # A whole page of one moment (a bulk edit): then only the position tells.
        after = self.after + len(page) if last == (self.at or modified_at(page[0])) else 0
        return replace(self, at=last, after=after, newest=newest, began=self.began or instant(now))

    def to(self, kind: str, newest: Mapping[str, str], now: datetime) -> "Cursor":
        """After the last page of what is read before."""
        return replace(self, kind=kind, at=None, after=0, newest=newest, began=self.began or instant(now))

    def next_sweep(self, now: datetime, overlap: timedelta) -> "Cursor":
        """After the last page of deals."""
        return Cursor(since=earlier(self.began or instant(now), overlap))


def moment(told: Any) -> str:
    """A time in the one form that compares as text, from ISO 8601 or from milliseconds."""
    text = str(told)
    if text.isascii() and text.isdigit():
        return instant(datetime.fromtimestamp(int(text) / 1000, UTC))
    found = datetime.fromisoformat(text)
    return instant(found if found.tzinfo else found.replace(tzinfo=UTC))


def earlier(text: str, span: timedelta) -> str:
    return instant(datetime.fromisoformat(text) - span)


def journal_events(content: bytes) -> list[dict[str, Any]]:
    """The events of a file of the Webhooks Journal.

    The file's form is UNVERIFIED: `{"journalEvents": [...]}` as readers of the live journal show, or one event a line.
    """
    text = content.decode()
    try:
        whole = json.loads(text)
    except ValueError:
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    if isinstance(whole, dict) and "journalEvents" not in whole:
        return [whole]
    events: list[dict[str, Any]] = whole["journalEvents"] if isinstance(whole, dict) else whole
    return events


# Events


def read_events(body: bytes) -> list[dict[str, Any]]:
    """The events of a webhook POST; raises InboundEventError 400 where it is no list of them."""
    try:
        events = json.loads(body)
    except ValueError:
        raise InboundEventError(400, "body: not JSON") from None
    if not isinstance(events, list) or not all(isinstance(each, dict) for each in events):
        raise InboundEventError(400, "body: HubSpot sends a JSON array of events")
    return events


def hints(events: Iterable[Mapping[str, Any]], ours: Collection[str], portal_id: int | None) -> list[InboundHint]:
    """The deals that events speak of.

    Left out: other accounts (`portal_id`), other object types, and changes of our own properties (`ours`), which are
    echoes of our status writes. `eventId` "is not guaranteed to be unique" (H6), and one save is an event for each
    property: a hint is therefore known by account, deal and `occurredAt`. A changed line or company says nothing of
    its deals, nor does an event of a form that we do not know: that is left to the poll (opportunity None).
    """
    found: dict[str, InboundHint] = {}
    for event in events:
        if portal_id is not None and str(event.get("portalId")) != str(portal_id):
            continue
        if event.get("propertyName") in ours:
            continue
        try:
            for deal in _deals(event):
                hint = _hint(deal, event)
                found.setdefault(hint.event_id, hint)
        except (KeyError, TypeError, ValueError, OverflowError):
            # HubSpot signed it. A refusal would have the whole batch sent again for a day, and no event of it read.
            found.setdefault(content_hash(dict(event))[:40], InboundHint(None, content_hash(dict(event))[:40]))
    return list(found.values())


_TYPES = {"deal": DEAL_TYPE, "line_item": LINE_ITEM_TYPE, "company": COMPANY_TYPE}


def _deals(event: Mapping[str, Any]) -> list[str | None]:
    """The deals that one event speaks of; None for a deal that it does not name."""
    scope, _, what = str(event["subscriptionType"]).partition(".")
    if what == "associationChange":
        start, end = _ends(event)
        if start == DEAL_TYPE:
            return [str(int(event["fromObjectId"]))]
        if end == DEAL_TYPE:
            return [str(int(event["toObjectId"]))]
        # A company got another parent, or none: all deals below it may be meant.
        return [None] if start == end == COMPANY_TYPE else []
    kind = event["objectTypeId"] if scope == "object" else _TYPES.get(scope)
    if kind == LINE_ITEM_TYPE:
        return [None]
    if kind == COMPANY_TYPE:
        return [] if what == "creation" else [None]  # a new company has no deals yet
    if kind != DEAL_TYPE:
        return []
    if what == "merge":
        # The merged record may have an id of its own; the others are gone.
        ids = [event["newObjectId"], event["primaryObjectId"], *event["mergedObjectIds"]]
        return list(dict.fromkeys(str(int(each)) for each in ids))
    return [str(int(event["objectId"]))]


def _ends(event: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """The two object types of an association: by their ids, or named by the pair (DEAL_TO_LINE_ITEM)."""
    if event.get("fromObjectTypeId") and event.get("toObjectTypeId"):
        return str(event["fromObjectTypeId"]), str(event["toObjectTypeId"])
    start, _, end = str(event["associationType"]).lower().partition("_to_")
    return _TYPES.get(start), _TYPES.get(end)


def _hint(deal: str | None, event: Mapping[str, Any]) -> InboundHint:
    occurred = int(event["occurredAt"])
    known_by = json.dumps([event.get("portalId"), deal, occurred])
    return InboundHint(
        opportunity=deal,
        event_id=hashlib.sha256(known_by.encode()).hexdigest()[:40],
        occurred_at=datetime.fromtimestamp(occurred / 1000, UTC),
    )
