"""The Crm port in HubSpot's calls."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import httpx

from dealbridge.connectors.hubspot import mapping, records
from dealbridge.connectors.hubspot.auth import api_auth, journal_auth, verify
from dealbridge.connectors.hubspot.mapping import Cursor
from dealbridge.connectors.hubspot.outcomes import outcomes
from dealbridge.connectors.hubspot.records import COMPANIES, CONTACTS, DEALS, LINE_ITEMS, Record
from dealbridge.connectors.hubspot.settings import HubSpotOptions, HubSpotSecret
from dealbridge.domain.connection import Connection
from dealbridge.domain.engagement import EngagementStatus
from dealbridge.domain.model import Instant
from dealbridge.domain.refs import ExternalRef
from dealbridge.errors import RecordMissingError, TransientError
from dealbridge.ports import ChangedDeals, CrmDeal, InboundHint, InboundRequest
from dealbridge.transport.client import VendorClient, Wire


class HubSpotCrm:
    """Where deals are sold, in HubSpot. One per connection."""

    def __init__(self, connection: Connection, options: HubSpotOptions, secret: HubSpotSecret, wire: Wire) -> None:
        self._id, self._options, self._secret = connection.id, options, secret
        table, url = outcomes(options.portal_time_zone), connection.base_url
        self._api = VendorClient(self._id, url, api_auth(self._id, url, options, secret), table, wire)
        self._journal: Journal | None = None
        if options.changes == "journal":
            reader = VendorClient(self._id, url, journal_auth(self._id, url, options, secret), table, wire)
            self._journal = Journal(options, reader, VendorClient(self._id, "", None, table, wire))

    # Reading a deal

    def read_deal(self, opportunity: str) -> CrmDeal:
        """One call for the deal with the ids of all that belongs to it, then one for each hundred of a kind, one for
        each company up the tree, one for the owner."""
        deal = self._read(DEALS, opportunity, [COMPANIES, CONTACTS, LINE_ITEMS])
        lines = self._batch(LINE_ITEMS, self._line_ids(deal), self._names(LINE_ITEMS))
        contacts = records.associated(deal, CONTACTS)
        types = records.types_of(contacts)
        people = [
            {**each, "association_types": types.get(str(each["id"]), [])}
            for each in self._batch(CONTACTS, list(types), self._names(CONTACTS))
        ]
        document = mapping.document(
            deal,
            self._lineage(records.primary_company(deal)),
            people,
            lines,
            self._owner(deal["properties"].get(records.OWNER)),
            self._options.milestones_property,
        )
        return CrmDeal(opportunity, mapping.revision(deal, lines), document)

    def _line_ids(self, deal: Record) -> list[str]:
        """All line items of a deal: only a page of ids comes with the deal, a batch call brings 500 at a time."""
        first = records.associated(deal, LINE_ITEMS)
        if not records.is_cut_short(first):
            return list(records.types_of(first))
        return [line for _, line in self._pairs(DEALS, LINE_ITEMS, [str(deal["id"])])]

    def _lineage(self, company: str | None) -> list[Record]:
        """A company and its parents, the ultimate one last: HubSpot tells only the next one up."""
        found: dict[str, Record] = {}
        while company and company not in found:
            try:
                found[company] = self._read(COMPANIES, company)
            except RecordMissingError:
                break  # deleted after its child was read
            company = found[company]["properties"].get(records.PARENT)
        return list(found.values())

    def _owner(self, owner: str | None) -> Record | None:
        if not owner:
            return None
        try:
            return self._json(self._api.call("GET", self._path("owners", owner)))
        except RecordMissingError:
            return None  # a user who has left is archived, and archived owners are not found

    # Changed deals

    def changed_deals(self, cursor: str | None, now: Instant) -> ChangedDeals:
        """Won or once won deals changed since the cursor, changes of their lines included."""
        since = Cursor.parse(cursor)
        if self._journal is None:
            return self._searched(since or self._look_back(now), now)
        if since is None:
            self._journal.subscribe()
            return self._bridged(self._look_back(now), now)
        if since.searching:
            return self._bridged(since, now)
        try:
            page = self._journal.read(since.offset)
        except RecordMissingError:
            # The offset is past the three days that the journal goes back.
            gap = mapping.earlier(since.since, timedelta(minutes=self._options.overlap_minutes))
            return self._bridged(Cursor(since=gap), now)
        changed = self._once_won(sorted(page.deals))
        _merge(changed, self._changed_by_lines(self._deals_of_lines(page.lines)))
        following = Cursor(since=mapping.iso(now), offset=page.offset or since.offset)
        return ChangedDeals(_oldest_first(changed), str(following), page.more)

    def _look_back(self, now: Instant) -> Cursor:
        return Cursor(since=mapping.iso(now - timedelta(days=self._options.look_back_days)))

    def _bridged(self, cursor: Cursor, now: Instant) -> ChangedDeals:
        """By search, what the journal cannot tell; when that is through, the journal goes on from its earliest."""
        found = self._searched(cursor, now)
        if found.more:
            return found
        return ChangedDeals(found.deals, str(Cursor(since=mapping.iso(now), offset="")), more=True)

    def _searched(self, cursor: Cursor, now: Instant) -> ChangedDeals:
        """One page, one search: there are only about five a second, and what was read is kept by the cursor."""
        if cursor.kind == LINE_ITEMS:
            return self._searched_lines(cursor, now)
        won = records.once_won(self._options.status_fields.get("status"))
        page, more = self._search(DEALS, cursor.page_body(won))
        changed = {str(each["id"]): mapping.modified_at(each) for each in page}
        newest = dict(cursor.newest)
        for deal in changed:
            changed[deal] = max(changed[deal], newest.pop(deal, ""))
        if more:
            return ChangedDeals(_oldest_first(changed), str(cursor.onward(page, newest, now)), more=True)
        changed |= self._changed_by_lines(newest)
        overlap = timedelta(minutes=self._options.overlap_minutes)
        return ChangedDeals(_oldest_first(changed), str(cursor.next_sweep(now, overlap)))

    def _searched_lines(self, cursor: Cursor, now: Instant) -> ChangedDeals:
        page, more = self._search(LINE_ITEMS, cursor.page_body())
        newest = dict(cursor.newest)
        _merge(newest, self._deals_of_lines({str(each["id"]): mapping.modified_at(each) for each in page}))
        given: dict[str, str] = {}
        if len(newest) > records.DEALS_KEPT:
            given, newest = self._changed_by_lines(newest), {}
        following = cursor.onward(page, newest, now) if more else cursor.to_deals(newest, now)
        return ChangedDeals(_oldest_first(given), str(following), more=True)

    def _deals_of_lines(self, modified: Mapping[str, str]) -> dict[str, str]:
        """Deal → the newest time of change of these lines. A line's change does not touch its deal."""
        newest: dict[str, str] = {}
        for line, deal in self._pairs(LINE_ITEMS, DEALS, list(modified)):
            _merge(newest, {deal: modified[line]})
        return newest

    def _changed_by_lines(self, newest: Mapping[str, str]) -> dict[str, str]:
        """The won or once won ones among these deals, with the newest time of change, their own or their lines'."""
        return {deal: max(own, newest[deal]) for deal, own in self._once_won(list(newest)).items()}

    def _once_won(self, deals: Sequence[str]) -> dict[str, str]:
        """Those of these deals that are won or were carried over, with their time of change, from the records."""
        status = self._options.status_fields.get("status")
        names = [records.WON, records.MODIFIED, *([status] if status else [])]
        return {
            str(each["id"]): mapping.modified_at(each)
            for each in self._batch(DEALS, deals, names)
            if each["properties"].get(records.WON) == "true" or (status and each["properties"].get(status))
        }

    # Status

    def find_status(self, opportunity: str) -> EngagementStatus | None:
        fields = self._options.status_fields
        params = {"properties": ",".join(fields.values())}
        deal = self._json(self._api.call("GET", self._path("objects", DEALS, opportunity), params=params))
        return mapping.read_status(opportunity, deal["properties"], fields)

    def write_status(self, opportunity: str, status: EngagementStatus, read_revision: str | None = None) -> ExternalRef:
        """A PATCH of our properties: the same values again change nothing, so a repeat is harmless.

        HubSpot has no condition for a write and does not tell what stood before, so where a revision was read it is
        looked up first. A change in the moment between that look and our PATCH is told by its webhook only.
        """
        before = self._revision(opportunity) if read_revision is not None else ""
        body = {"properties": mapping.status_properties(status, self._options.status_fields)}
        deal = self._json(self._api.call("PATCH", self._path("objects", DEALS, opportunity), body=body))
        theirs = read_revision is not None and before > read_revision
        return ExternalRef(
            connection=self._id,
            type="deal",
            id=str(deal["id"]),
            url=deal.get("url"),
            version=read_revision if theirs else max(before, mapping.revision(deal)),
        )

    def _revision(self, opportunity: str) -> str:
        params = {"properties": records.MODIFIED, "associations": LINE_ITEMS}
        deal = self._json(self._api.call("GET", self._path("objects", DEALS, opportunity), params=params))
        return mapping.revision(deal, self._batch(LINE_ITEMS, self._line_ids(deal), [records.MODIFIED]))

    # Events

    def read_event(self, request: InboundRequest) -> list[InboundHint]:
        verify(request, self._secret.client_secret, self._options.webhook_signature)
        ours = frozenset(self._options.status_fields.values())
        return mapping.hints(mapping.read_events(request.body), ours, self._options.portal_id)

    # Calls

    def _path(self, family: str, *parts: str) -> str:
        return "/".join(["/crm", family, self._options.api_version, *(quote(part, safe="") for part in parts)])

    def _names(self, kind: str) -> list[str]:
        """The properties to read: those of the field mapping, and those that the connector itself needs."""
        own = [self._options.milestones_property] if kind == LINE_ITEMS else []
        return list(dict.fromkeys([*self._options.read.get(kind, ()), *records.ALWAYS_READ[kind], *own]))

    def _read(self, kind: str, record: str, associations: Iterable[str] = ()) -> Record:
        params = {"properties": ",".join(self._names(kind))}
        if associations:
            params["associations"] = ",".join(associations)
        return self._json(self._api.call("GET", self._path("objects", kind, record), params=params))

    def _batch(self, kind: str, ids: Sequence[str], names: Iterable[str]) -> list[Record]:
        """Records in the order of their ids; those that are gone are left out."""
        found: dict[str, Record] = {}
        for chunk in records.chunks(ids):
            path = self._path("objects", kind, "batch", "read")
            answer = self._json(self._api.call("POST", path, body=records.read_body(chunk, names)))
            self._refuse(answer)
            found.update({str(each["id"]): each for each in answer["results"]})
        return [found[each] for each in ids if each in found]

    def _pairs(self, start: str, end: str, ids: Sequence[str]) -> list[tuple[str, str]]:
        """Associated records of two kinds. "None" comes as an entry of `errors` in a 207 (C2)."""
        pairs: list[tuple[str, str]] = []
        inputs: list[dict[str, str]] = [{"id": each} for each in ids]
        while inputs:
            path = self._path("associations", start, end, "batch", "read")
            body = {"inputs": inputs[: records.ASSOCIATION_INPUTS]}
            answer = self._json(self._api.call("POST", path, body=body))
            self._refuse(answer)
            inputs = inputs[records.ASSOCIATION_INPUTS :]
            for result in answer["results"]:
                one = str(result["from"]["id"])
                # An integer on the wire, text in the specification.
                pairs += [(one, str(other["toObjectId"])) for other in result["to"]]
                after = records.next_page(result)
                inputs += [{"id": one, "after": after}] if after else []
        return pairs

    def _search(self, kind: str, body: Mapping[str, Any]) -> tuple[list[Record], bool]:
        answer = self._json(self._api.call("POST", self._path("objects", kind, "search"), body=body))
        return answer["results"], records.next_page(answer) is not None

    def _refuse(self, answer: Record) -> None:
        """A multi-status answer may only say that something is not there."""
        for each in answer.get("errors") or ():
            if each.get("category") != records.NOT_FOUND:
                said = f"{each.get('category')}: {each.get('message')}"
                raise TransientError(f"{self._id}: a part of a batch failed: {said}", connection=self._id)

    def _json(self, response: httpx.Response) -> Record:
        body = self._api.read(response)
        if not isinstance(body, dict):
            raise TransientError(f"{self._id}: the answer's body is no JSON object", connection=self._id)
        return body


class JournalPage:
    """What some entries of the journal speak of. `lines`: line → its time of change."""

    def __init__(self, offset: str | None, *, more: bool) -> None:
        self.offset, self.more = offset, more
        self.deals: set[str] = set()
        self.lines: dict[str, str] = {}


class Journal:
    """The Webhooks Journal (H8). Its files are at signed addresses elsewhere, where our token must not travel."""

    def __init__(self, options: HubSpotOptions, reader: VendorClient, files: VendorClient) -> None:
        self._options, self._reader, self._files = options, reader, files

    def subscribe(self) -> None:
        """Makes the subscriptions that are missing; the journal tells nothing of what was before."""
        standing = self._reader.read(self._reader.call("GET", self._path("subscriptions")))["results"]
        held = {each["objectTypeId"] for each in standing if each["portalId"] == self._options.portal_id}
        ours = set(self._options.status_fields.values())
        for kind, object_type in ((DEALS, records.DEAL_TYPE), (LINE_ITEMS, records.LINE_ITEM_TYPE)):
            if object_type not in held:
                watched = {*self._options.read.get(kind, ()), *records.WATCHED[kind]} - ours
                body = records.subscription(object_type, watched, self._options.portal_id or 0)
                self._reader.call("POST", self._path("subscriptions"), body=body)

    def read(self, offset: str | None) -> JournalPage:
        """The entries after an offset, or from the earliest on. Raises RecordMissingError for one that has expired."""
        position = ("batch", offset, "next") if offset else ("batch", "earliest")
        response = self._reader.call("GET", self._path("journal", *position, str(records.JOURNAL_ENTRIES)))
        entries = self._reader.read(response)["results"] if response.content else []
        page = JournalPage(
            entries[-1]["currentOffset"] if entries else None, more=len(entries) == records.JOURNAL_ENTRIES
        )
        for entry in entries:
            for event in mapping.journal_events(self._files.call("GET", entry["url"]).content):
                if event.get("portalId") != self._options.portal_id:
                    continue
                if event["objectTypeId"] == records.DEAL_TYPE:
                    page.deals.add(str(event["objectId"]))
                elif event["objectTypeId"] == records.LINE_ITEM_TYPE:
                    page.lines[str(event["objectId"])] = mapping.moment(event["occurredAt"])
        return page

    def _path(self, *parts: str) -> str:
        first, *rest = parts
        return "/".join(["/webhooks-journal", first, self._options.journal_version, *rest])


def _merge(changed: dict[str, str], more: Mapping[str, str]) -> None:
    for deal, revision in more.items():
        changed[deal] = max(revision, changed.get(deal, ""))


def _oldest_first(changed: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(changed.items(), key=lambda each: each[1]))
