"""The Crm port in HubSpot's calls."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import httpx

from dealbridge.connectors.hubspot import mapping, records
from dealbridge.connectors.hubspot.auth import api_auth, journal_auth, verify
from dealbridge.connectors.hubspot.mapping import Cursor
from dealbridge.connectors.hubspot.outcomes import error_of_entry, outcomes
from dealbridge.connectors.hubspot.records import COMPANIES, CONTACTS, DEALS, LINE_ITEMS, Record
from dealbridge.connectors.hubspot.settings import Options, Secret
from dealbridge.domain.connection import Connection
from dealbridge.domain.engagement import EngagementStatus
from dealbridge.domain.model import Instant
from dealbridge.domain.refs import ExternalRef
from dealbridge.errors import RecordMissingError
from dealbridge.ports import ChangedDeals, CrmDeal, InboundHint, InboundRequest
from dealbridge.transport.client import VendorClient, Wire
from dealbridge.transport.mapping import instant, read_status, status_key
from dealbridge.transport.outcomes import written


class HubSpot:
    """Where deals are sold, in HubSpot. One per connection."""

    def __init__(self, connection: Connection, secret: Mapping[str, str], wire: Wire) -> None:
        options, keys = Options.of(connection), Secret.of(connection, secret)
        keys.require_for(options, connection)
        self._id, self._options, self._secret = connection.id, options, keys
        table, url = outcomes(options.portal_time_zone), connection.base_url
        self._table = table
        self._api = VendorClient(self._id, url, api_auth(self._id, url, options, keys), table, wire)
        self._journal: Journal | None = None
        if options.changes == "journal":
            reader = VendorClient(self._id, url, journal_auth(self._id, url, options, keys), table, wire)
            self._journal = Journal(options, reader, VendorClient(self._id, "", None, table, wire))

    # Reading a deal

    def read_deal(self, opportunity: str) -> CrmDeal:
        """One call for the deal with the ids of all that belongs to it, then one for each hundred of a kind, one for
        each level of the company's tree, one for the owner."""
        deal = self._read(DEALS, opportunity, [COMPANIES, CONTACTS, LINE_ITEMS])
        lines = self._batch(LINE_ITEMS, self._line_ids(deal), self._names(LINE_ITEMS))
        contacts = records.associated(deal, CONTACTS)
        types = records.types_of(contacts)
        people = [
            {**each, "association_types": types.get(str(each["id"]), [])}
            for each in self._batch(CONTACTS, list(types), self._names(CONTACTS))
        ]
        accounts = self._lineage(records.primary_company(deal))
        document = mapping.document(
            deal,
            accounts,
            people,
            lines,
            self._owner(deal["properties"].get(records.OWNER)),
            self._options.milestones_property,
            self._options.portal_time_zone,
        )
        revision = self._revision(mapping.modified_at(deal), mapping.newest(lines), accounts)
        return CrmDeal(opportunity, revision, document)

    def _revision(self, own: str, lines: str, accounts: Sequence[Mapping[str, Any]]) -> str:
        return mapping.revision(own, lines, accounts, sorted(self._names(COMPANIES)))

    def _line_ids(self, deal: Record) -> list[str]:
        """All line items of a deal: only a page of ids comes with the deal, a batch call brings 500 at a time."""
        first = records.associated(deal, LINE_ITEMS)
        if not records.is_cut_short(first):
            return list(records.types_of(first))
        return [line for _, line in self._pairs(DEALS, LINE_ITEMS, [str(deal["id"])])]

    def _lineage(self, company: str | None) -> list[Mapping[str, Any]]:
        """A company and its parents, the ultimate one last."""
        return mapping.lineage(company, self._trees([company] if company else []))

    def _trees(self, companies: Iterable[str]) -> dict[str, Record]:
        """These companies with all their parents. HubSpot tells only the next one up: a call for each level."""
        held: dict[str, Record] = {}
        level = list(dict.fromkeys(companies))
        while level:
            found = self._batch(COMPANIES, level, self._names(COMPANIES))
            held |= {str(each["id"]): each for each in found}
            parents = dict.fromkeys(mapping.parent_of(each) for each in found)
            level = [parent for parent in parents if parent and parent not in held]
        return held

    def _owner(self, owner: str | None) -> Record | None:
        if not owner:
            return None
        try:
            return self._json(self._api.call("GET", self._path("owners", owner)))
        except RecordMissingError:
            return None  # a user who has left is archived, and archived owners are not found

    # Changed deals

    def changed_deals(self, cursor: str | None, now: Instant) -> ChangedDeals:
        """Won or once won deals changed since the cursor, changes of their lines and companies included."""
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
        newest = dict.fromkeys(page.deals, "")
        _merge(newest, self._deals_of_lines(page.lines))
        _merge(newest, self._deals_of_companies(sorted(page.companies)))
        changed = self._changed(newest)
        following = Cursor(since=instant(now), offset=page.offset or since.offset)
        return ChangedDeals(self._revisions(changed), str(following), page.more)

    def _look_back(self, now: Instant) -> Cursor:
        return Cursor(since=instant(now - timedelta(days=self._options.look_back_days)))

    def _bridged(self, cursor: Cursor, now: Instant) -> ChangedDeals:
        """By search, what the journal cannot tell; when that is through, the journal goes on from its earliest."""
        found = self._searched(cursor, now)
        if found.more:
            return found
        return ChangedDeals(found.deals, str(Cursor(since=instant(now), offset="")), more=True)

    def _searched(self, cursor: Cursor, now: Instant) -> ChangedDeals:
        """One page, one search: there are only about five a second, and what was read is kept by the cursor."""
        if cursor.kind == COMPANIES and not self._options.watch_companies:
            cursor = cursor.to(LINE_ITEMS, {}, now)
        if cursor.kind != DEALS:
            return self._searched_related(cursor, now)
        won = records.once_won(self._options.status_fields.get("status"))
        page, more = self._search(DEALS, cursor.page_body(won))
        newest = dict(cursor.newest)
        changed = {
            deal: (mapping.modified_at(each), newest.pop(deal, "")) for each in page for deal in [str(each["id"])]
        }
        if more:
            return ChangedDeals(self._revisions(changed), str(cursor.onward(page, newest, now)), more=True)
        changed |= self._changed(newest)
        overlap = timedelta(minutes=self._options.overlap_minutes)
        return ChangedDeals(self._revisions(changed), str(cursor.next_sweep(now, overlap)))

    def _searched_related(self, cursor: Cursor, now: Instant) -> ChangedDeals:
        """Deals of touched companies, or of changed lines: kept by the cursor, so that a deal is given once a sweep."""
        page, more = self._search(cursor.kind, cursor.page_body())
        touched = {str(each["id"]): mapping.modified_at(each) for each in page}
        newest, companies = dict(cursor.newest), cursor.kind == COMPANIES
        _merge(newest, self._deals_of_companies(list(touched)) if companies else self._deals_of_lines(touched))
        given: dict[str, tuple[str, str]] = {}
        if len(newest) > records.DEALS_KEPT:
            given, newest = self._changed(newest), {}
        following = LINE_ITEMS if companies else DEALS
        then = cursor.onward(page, newest, now) if more else cursor.to(following, newest, now)
        return ChangedDeals(self._revisions(given), str(then), more=True)

    def _deals_of_lines(self, modified: Mapping[str, str]) -> dict[str, str]:
        """Deal → the newest time of change of these lines. A line's change does not touch its deal."""
        newest: dict[str, str] = {}
        for line, deal in self._pairs(LINE_ITEMS, DEALS, list(modified)):
            _merge(newest, {deal: modified[line]})
        return newest

    def _changed(self, newest: Mapping[str, str]) -> dict[str, tuple[str, str]]:
        """The won or once won ones among these deals, with the times of change of the deal and of its lines."""
        return {deal: (own, newest[deal]) for deal, own in self._once_won(sorted(newest)).items()}

    def _deals_of_companies(self, companies: Sequence[str]) -> dict[str, str]:
        """Deal → the newest time of change of its lines, of the won or once won deals of these companies and of all
        below them. Without lines: ""."""
        family, level = dict.fromkeys(companies), list(companies)
        while level:
            below = [
                company
                for _, company, types in self._associations(COMPANIES, COMPANIES, level)
                if any(records.is_type(each, records.PARENT_TO_CHILD_ID) for each in types)
            ]
            level = [each for each in dict.fromkeys(below) if each not in family]
            family |= dict.fromkeys(level)
        deals = dict.fromkeys(deal for _, deal in self._pairs(COMPANIES, DEALS, list(family)))
        newest = dict.fromkeys(self._once_won(list(deals)), "")
        # None of these needs to have changed itself: its newest line is not among those that a sweep finds.
        of_line = {line: deal for deal, line in self._pairs(DEALS, LINE_ITEMS, list(newest))}
        for line in self._batch(LINE_ITEMS, list(of_line), [records.MODIFIED]):
            _merge(newest, {of_line[str(line["id"])]: mapping.modified_at(line)})
        return newest

    def _revisions(self, changed: Mapping[str, tuple[str, str]]) -> tuple[tuple[str, str], ...]:
        """Deals with their revisions, the oldest first, from the times of change of the deals and of their lines, where
        those are known; their companies are looked up."""
        companies: dict[str, dict[str, bool]] = {}
        for deal, company, types in self._associations(DEALS, COMPANIES, list(changed)):
            companies.setdefault(deal, {})[company] = records.marks_primary(types)
        primary = {deal: records.chosen(of_deal) for deal, of_deal in companies.items()}
        held = self._trees(company for company in primary.values() if company)
        oldest_first = sorted(changed.items(), key=lambda each: max(each[1]))
        return tuple(
            (deal, self._revision(own, lines, mapping.lineage(primary.get(deal), held)))
            for deal, (own, lines) in oldest_first
        )

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
        deal = self._record(self._api.call("GET", self._path("objects", DEALS, opportunity), params=params))
        return read_status(opportunity, deal["properties"], fields)

    def write_status(self, opportunity: str, status: EngagementStatus, read_revision: str | None = None) -> ExternalRef:
        """Our properties by a batch upsert on our unique property; the same values again change nothing.

        A deal that does not have our key yet gets it with its first status, by its id: an upsert would make a new deal.
        HubSpot has no condition for a write and does not tell what stood before, so that is looked up first. A change
        of the deal itself in the moment between that look and our write is told by its webhook only.
        """
        names = [records.MODIFIED, *([self._key] if self._key else [])]
        params = {"properties": ",".join(names), "associations": f"{COMPANIES},{LINE_ITEMS}"}
        deal = self._record(self._api.call("GET", self._path("objects", DEALS, opportunity), params=params))
        own = mapping.modified_at(deal)
        lines = mapping.newest(self._batch(LINE_ITEMS, self._line_ids(deal), [records.MODIFIED]))
        read = read_revision or self._revision(own, lines, self._lineage(records.primary_company(deal)))
        key, values = status_key(opportunity), mapping.status_properties(status, self._options.status_fields)
        if self._key and deal["properties"].get(self._key) == key:
            stood = self._upsert(opportunity, self._key, key, values)
        else:
            body = {"properties": {**values, **({self._key: key} if self._key else {})}}
            stood = self._record(self._api.call("PATCH", self._path("objects", DEALS, opportunity), body=body))
        theirs = mapping.is_newer(own, lines, read)
        return ExternalRef(
            connection=self._id,
            type="deal",
            id=str(stood["id"]),
            url=stood.get("url"),
            version=read if theirs else mapping.moved(read, mapping.modified_at(stood)),
        )

    @property
    def _key(self) -> str | None:
        """The unique property that holds our key."""
        return self._options.status_fields.get("key")

    def _upsert(self, opportunity: str, key_property: str, key: str, values: Mapping[str, str]) -> Record:
        """A batch of one. An error of its one record comes in a 207, which is no success.

        Where the deal went since it was looked up, HubSpot has nothing to update: it refuses a deal without a stage,
        and if it does make one, that is taken away again.
        """
        path = self._path("objects", DEALS, "batch", "upsert")
        answer = self._json(self._api.call("POST", path, body=records.upsert_body(key_property, key, values)))
        for each in answer.get("errors") or ():
            raise error_of_entry(self._table, self._id, each)
        with written():
            results = _results(self._api, answer)
            if len(results) != 1:
                raise self._api.unreadable(f"{len(results)} results for one record")
            result = results[0]
            if str(result["id"]) != opportunity:
                if result.get("new"):
                    self._api.call("DELETE", self._path("objects", DEALS, str(result["id"])))
                raise RecordMissingError(f"{self._id}: deal {opportunity} is no longer there", connection=self._id)
        return result

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
        return self._record(self._api.call("GET", self._path("objects", kind, record), params=params))

    def _batch(self, kind: str, ids: Sequence[str], names: Iterable[str]) -> list[Record]:
        """Records in the order of their ids; those that are gone are left out."""
        found: dict[str, Record] = {}
        for chunk in records.chunks(ids):
            path = self._path("objects", kind, "batch", "read")
            answer = self._json(self._api.call("POST", path, body=records.read_body(chunk, names)))
            self._refuse(answer)
            found.update({str(each["id"]): each for each in _results(self._api, answer)})
        return [found[each] for each in ids if each in found]

    def _pairs(self, start: str, end: str, ids: Sequence[str]) -> list[tuple[str, str]]:
        """Associated records of two kinds."""
        return [(one, other) for one, other, _ in self._associations(start, end, ids)]

    def _associations(self, start: str, end: str, ids: Sequence[str]) -> list[tuple[str, str, list[Record]]]:
        """Associated records of two kinds, with the types. "None" comes as an entry of `errors` in a 207 (C2)."""
        found: list[tuple[str, str, list[Record]]] = []
        inputs: list[dict[str, str]] = [{"id": each} for each in ids]
        while inputs:
            path = self._path("associations", start, end, "batch", "read")
            body = {"inputs": inputs[: records.ASSOCIATION_INPUTS]}
            answer = self._json(self._api.call("POST", path, body=body))
            self._refuse(answer)
            inputs = inputs[records.ASSOCIATION_INPUTS :]
            for result in _results(self._api, answer):
                one = str(result["from"]["id"])
                # An integer on the wire, text in the specification.
                found += [(one, str(to["toObjectId"]), to.get("associationTypes") or []) for to in result["to"]]
                after = records.next_page(result)
                inputs += [{"id": one, "after": after}] if after else []
        return found

    def _search(self, kind: str, body: Mapping[str, Any]) -> tuple[list[Record], bool]:
        answer = self._json(self._api.call("POST", self._path("objects", kind, "search"), body=body))
        return _results(self._api, answer), records.next_page(answer) is not None

    def _refuse(self, answer: Record) -> None:
        """A multi-status answer may only say that something is not there. Raises what else an entry stands for."""
        for each in answer.get("errors") or ():
            if each.get("category") != records.NOT_FOUND:
                raise error_of_entry(self._table, self._id, each)

    def _record(self, response: httpx.Response) -> Record:
        """One record, which has properties whatever was asked for."""
        record = self._json(response)
        if not isinstance(record.get("properties"), dict):
            raise self._api.unreadable("it is no record")
        return record

    def _json(self, response: httpx.Response) -> Record:
        body = self._api.read(response)
        if not isinstance(body, dict):
            raise self._api.unreadable("it is no JSON object")
        return body


class JournalPage:
    """What some entries of the journal speak of. `lines`: line → its time of change."""

    def __init__(self, offset: str | None, *, more: bool) -> None:
        self.offset, self.more = offset, more
        self.deals: set[str] = set()
        self.companies: set[str] = set()
        self.lines: dict[str, str] = {}


class Journal:
    """The Webhooks Journal (H8). Its files are at signed addresses elsewhere, where our token must not travel."""

    def __init__(self, options: Options, reader: VendorClient, files: VendorClient) -> None:
        self._options, self._reader, self._files = options, reader, files

    def subscribe(self) -> None:
        """Makes the subscriptions that are missing; the journal tells nothing of what was before."""
        standing = _results(self._reader, self._reader.read(self._reader.call("GET", self._path("subscriptions"))))
        held = {
            (each.get("subscriptionType", "OBJECT"), each["objectTypeId"])
            for each in standing
            if str(each.get("portalId")) == str(self._options.portal_id)
        }
        for body in self._wanted():
            if (body["subscriptionType"], body["objectTypeId"]) not in held:
                self._reader.call("POST", self._path("subscriptions"), body=body)

    def _wanted(self) -> Iterator[Record]:
        portal_id, ours = self._options.portal_id or 0, set(self._options.status_fields.values())
        kinds = {DEALS: records.DEAL_TYPE, LINE_ITEMS: records.LINE_ITEM_TYPE, COMPANIES: records.COMPANY_TYPE}
        for kind, object_type in kinds.items():
            if kind != COMPANIES or self._options.watch_companies:
                watched = {*self._options.read.get(kind, ()), *records.WATCHED[kind]} - ours
                yield records.subscription(object_type, watched, portal_id)
        for object_type, others in records.WATCHED_LINKS.items():
            if object_type != records.COMPANY_TYPE or self._options.watch_companies:
                yield records.link_subscription(object_type, others, portal_id)

    def read(self, offset: str | None) -> JournalPage:
        """The entries after an offset, or from the earliest on. Raises RecordMissingError for one that has expired."""
        position = ("batch", offset, "next") if offset else ("batch", "earliest")
        response = self._reader.call("GET", self._path("journal", *position, str(records.JOURNAL_ENTRIES)))
        entries = _results(self._reader, self._reader.read(response)) if response.content else []
        page = JournalPage(
            entries[-1]["currentOffset"] if entries else None, more=len(entries) == records.JOURNAL_ENTRIES
        )
        for entry in entries:
            for event in mapping.journal_events(self._files.call("GET", entry["url"]).content):
                if str(event.get("portalId")) != str(self._options.portal_id):
                    continue
                match event.get("objectTypeId"):
                    case records.DEAL_TYPE:
                        page.deals.add(str(event["objectId"]))
                    case records.LINE_ITEM_TYPE:
                        page.lines[str(event["objectId"])] = mapping.moment(event["occurredAt"])
                    case records.COMPANY_TYPE:
                        page.companies.add(str(event["objectId"]))
        return page

    def _path(self, *parts: str) -> str:
        first, *rest = parts
        return "/".join(["/webhooks-journal", first, self._options.journal_version, *rest])


def _results(client: VendorClient, answer: Any) -> list[Record]:
    """The results of a batch, a search or a list, which every such answer has."""
    results = answer.get("results") if isinstance(answer, dict) else None
    if not isinstance(results, list):
        raise client.unreadable("no results")
    return results


def _merge(changed: dict[str, str], more: Mapping[str, str]) -> None:
    for deal, revision in more.items():
        changed[deal] = max(revision, changed.get(deal, ""))
