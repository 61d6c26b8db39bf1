"""The REST resources under /services/data/vXX.X: which path is which operation on the org."""

import json
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, unquote

from dealbridge_local.simulators.salesforce import conditional
from dealbridge_local.simulators.salesforce.database import Database
from dealbridge_local.simulators.salesforce.describe import describe, describe_global, summary
from dealbridge_local.simulators.salesforce.errors import (
    ApiError,
    method_not_allowed,
    not_found,
)
from dealbridge_local.simulators.salesforce.field_values import parse_time, time_text
from dealbridge_local.simulators.salesforce.ids import canonical
from dealbridge_local.simulators.salesforce.query import Queries
from dealbridge_local.simulators.salesforce.records import AmbiguousKeyError, Records, existing
from dealbridge_local.simulators.salesforce.schema import SObject
from dealbridge_local.simulators.store import Record

_LARGEST_PAGE = 2000
_SMALLEST_PAGE = 200
_CURSORS_KEPT = 1000


@dataclass(frozen=True)
class Call:
    """One operation: a request of its own, or one inside a composite. `body` is the parsed JSON, or None."""

    method: str
    version: str
    path: str
    """After the version, without a slash at either end, still encoded."""
    user_id: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None

    @property
    def segments(self) -> list[str]:
        return [unquote(segment) for segment in self.path.split("/")] if self.path else []

    @property
    def params(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(self.query, keep_blank_values=True).items()}

    def record(self) -> dict[str, Any]:
        """The body as one record's fields."""
        if not isinstance(self.body, dict):
            raise ApiError(400, "JSON_PARSER_ERROR", "The HTTP entity body is required, as one JSON object")
        return self.body


@dataclass(frozen=True)
class Answer:
    """What an operation says: a body to print, or None for none."""

    status: int
    body: Any = None
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class PageSizes:
    """How many rows a page of a query shows. The server may show fewer than 2,000, and the rows of a child subquery
    come in pages of their own: 499 (simple-salesforce #311, jsforce #577), 199 where they are wide (jsforce #1752)."""

    rows: int = _LARGEST_PAGE
    children: int = 499


class RestApi:
    """Answers calls on one org's records."""

    def __init__(
        self,
        database: Database,
        records: Records,
        clock: Callable[[], datetime],
        limits: Callable[[], dict[str, Any]],
        pages: PageSizes,
    ) -> None:
        self.database = database
        self.records = records
        self.pages = pages
        self._clock = clock
        self._limits = limits
        self._cursors: OrderedDict[str, list[dict[str, Any]]] = OrderedDict()

    def answer(self, call: Call) -> Answer:
        """Raises ApiError for what the API refuses."""
        match call.segments:
            case []:
                return self._get(call, lambda: self._resources(call))
            case ["limits"]:
                return self._get(call, self._limits)
            case ["query" | "queryAll" as resource]:
                return self._get(call, lambda: self._query(call, deleted=resource == "queryAll"))
            case ["query" | "queryAll" as resource, locator]:
                return self._get(call, lambda: self._more(call, resource, locator))
            case ["sobjects"]:
                return self._get(call, lambda: describe_global(self.database.schema, call.version))
            case ["sobjects", name, *rest]:
                return self._sobject(call, self._type(name), rest)
            case _:
                raise not_found()

    def _get(self, call: Call, answer: Callable[[], Any]) -> Answer:
        if call.method not in ("GET", "HEAD"):
            raise method_not_allowed(call.method)
        return Answer(200, answer())

    def _type(self, name: str) -> SObject:
        sobject = self.database.schema.find(name)
        if sobject is None:
            raise not_found()
        return sobject

    def _resources(self, call: Call) -> dict[str, str]:
        base = f"/services/data/v{call.version}"
        return {name: f"{base}/{name}" for name in ("sobjects", "query", "queryAll", "composite", "limits")}

    # One record

    def _sobject(self, call: Call, sobject: SObject, rest: list[str]) -> Answer:
        match call.method, rest:
            case "GET" | "HEAD", []:
                return Answer(200, {"objectDescribe": summary(sobject, call.version), "recentItems": []})
            case "POST", []:
                record_id = self.records.create(sobject, call.record(), call.user_id)
                return _created(call, sobject, record_id)
            case "GET" | "HEAD", ["describe"]:
                return Answer(200, describe(self.database.schema, sobject, call.version))
            case "GET", ["deleted" | "updated" as which]:
                return Answer(200, self._changes(call, sobject, deleted=which == "deleted"))
            case "GET" | "HEAD", [record_id]:
                return self._show(call, sobject, existing(sobject, record_id, self.database.get))
            case "PATCH", [record_id]:
                held = self.database.current(sobject.name, canonical(record_id) or "")
                if held is not None:
                    conditional.require_unchanged(sobject, held, call.headers)
                self.records.update(sobject, record_id, call.record(), call.user_id)
                return Answer(204)
            case "DELETE", [record_id]:
                self.records.delete(sobject, record_id, call.user_id)
                return Answer(204)
            case _, [first, second]:
                return self._by_key_or_related(call, sobject, first, second)
        if len(rest) > 2:
            raise not_found()
        raise method_not_allowed(call.method)

    def _by_key_or_related(self, call: Call, sobject: SObject, first: str, second: str) -> Answer:
        """`Account/ERP_Id__c/C-100` is a record by key, `Opportunity/006…/Account` one reached from another."""
        record_id = canonical(first)
        if record_id and record_id.startswith(sobject.key_prefix) and call.method == "GET":
            return self._related(call, sobject, existing(sobject, first, self.database.get), second)
        try:
            match call.method:
                case "GET" | "HEAD":
                    return self._show(call, sobject, self.records.by_key(sobject, first, second))
                case "PATCH":
                    return self._upsert(call, sobject, first, second)
                case "DELETE":
                    found = self.records.by_key(sobject, first, second)
                    self.records.delete(sobject, found["Id"], call.user_id)
                    return Answer(204)
        except AmbiguousKeyError as ambiguous:
            base = f"/services/data/v{call.version}/sobjects/{sobject.name}/"
            return Answer(300, [base + record_id for record_id in ambiguous.record_ids])
        raise method_not_allowed(call.method)

    def _upsert(self, call: Call, sobject: SObject, key: str, value: str) -> Answer:
        update_only = call.params.get("updateOnly", "false").lower() == "true"
        upserted = self.records.upsert(sobject, key, value, call.record(), call.user_id, update_only=update_only)
        if upserted.created:
            return _created(call, sobject, upserted.record_id, created=True)
        return Answer(200, {"id": upserted.record_id, "success": True, "errors": [], "created": False})

    def _related(self, call: Call, sobject: SObject, record: Record, relationship: str) -> Answer:
        reference = sobject.by_relationship.get(relationship.lower())
        if reference and reference.reference_to:
            parent = self.database.schema.of(reference.reference_to)
            held = self.database.get(parent.name, record[reference.name] or "")
            if held is None:
                raise not_found()
            return self._show(call, parent, held)
        related = self.database.schema.child(sobject, relationship)
        if related is None:
            raise not_found()
        child, field = related
        found = self.database.find(child.name, field.name, record["Id"])
        rows = [self.shown(child, each, call.version) for each in found]
        return Answer(200, self._page(rows, call.version, self._page_size(call)))

    def _show(self, call: Call, sobject: SObject, record: Record) -> Answer:
        headers = conditional.headers_of(sobject, record)
        if conditional.not_modified(sobject, record, call.headers):
            return Answer(304, None, headers)
        conditional.require_unchanged(sobject, record, call.headers)
        asked = call.params.get("fields")
        names = [name.strip() for name in asked.split(",")] if asked else None
        return Answer(200, self.shown(sobject, record, call.version, names), headers)

    def shown(self, sobject: SObject, record: Record, version: str, names: list[str] | None = None) -> dict[str, Any]:
        """A record as a read shows it: all fields, or those named."""
        paths = [tuple(name.split(".")) for name in names or [field.name for field in sobject.fields]]
        row: dict[str, Any] = self._queries(version).row(sobject, paths, version)(record)
        return row if names is None else {**row, "Id": record["Id"]}

    def _changes(self, call: Call, sobject: SObject, *, deleted: bool) -> dict[str, Any]:
        start, end = (parse_time(call.params.get(name, "")) for name in ("start", "end"))
        if start is None or end is None or end <= start:
            raise ApiError(400, "INVALID_REPLICATION_DATE", "start and end must be times, start before end")
        begin, until = time_text(start), time_text(end)
        found = [
            record
            for record in self.database.all(sobject.name)
            if record["IsDeleted"] == deleted and begin <= record["SystemModstamp"] <= until
        ]
        if not deleted:
            return {"ids": [record["Id"] for record in found], "latestDateCovered": until}
        return {
            "deletedRecords": [{"deletedDate": record["SystemModstamp"], "id": record["Id"]} for record in found],
            "earliestDateAvailable": time_text(self._clock() - timedelta(days=30)),
            "latestDateCovered": until,
        }

    # Queries

    def _queries(self, version: str) -> Queries:
        return Queries(self.database, self._clock().date(), lambda rows: self._page(rows, version, self.pages.children))

    def _query(self, call: Call, *, deleted: bool) -> dict[str, Any]:
        text = call.params.get("q")
        if not text:
            raise ApiError(400, "MALFORMED_QUERY", "A query must be given in the parameter q")
        result = self._queries(call.version).run(text, call.version, deleted=deleted)
        if not result.rows:
            return {"totalSize": result.total, "done": True, "records": []}
        return self._page(result.rows, call.version, self._page_size(call))

    def _page_size(self, call: Call) -> int:
        """`Sforce-Query-Options: batchSize=500`; between 200 and 2,000."""
        for option in call.headers.get("sforce-query-options", "").split(","):
            name, _, value = option.strip().partition("=")
            if name == "batchSize" and value.isdigit():
                return min(max(int(value), _SMALLEST_PAGE), self.pages.rows)
        return self.pages.rows

    def _page(self, rows: list[dict[str, Any]], version: str, size: int) -> dict[str, Any]:
        if len(rows) <= size:
            return {"totalSize": len(rows), "done": True, "records": rows}
        cursor = self.database.ids.next("01g")
        self._cursors[cursor] = rows
        if len(self._cursors) > _CURSORS_KEPT:
            self._cursors.popitem(last=False)
        return self._page_at(cursor, rows, 0, size, f"/services/data/v{version}/query")

    def _page_at(self, cursor: str, rows: list[dict[str, Any]], begin: int, size: int, base: str) -> dict[str, Any]:
        end = begin + size
        page = {"totalSize": len(rows), "done": end >= len(rows), "records": rows[begin:end]}
        return page if page["done"] else {**page, "nextRecordsUrl": f"{base}/{cursor}-{end}"}

    def _more(self, call: Call, resource: str, locator: str) -> dict[str, Any]:
        cursor, _, begin = locator.partition("-")
        rows = self._cursors.get(cursor)
        if rows is None or not begin.isdigit():
            raise ApiError(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
        base = f"/services/data/v{call.version}/{resource}"
        return self._page_at(cursor, rows, int(begin), self._page_size(call), base)


def _created(call: Call, sobject: SObject, record_id: str, **more: Any) -> Answer:
    location = f"/services/data/v{call.version}/sobjects/{sobject.name}/{record_id}"
    return Answer(201, {"id": record_id, "success": True, "errors": [], **more}, (("Location", location),))


def parse_body(body: bytes, parse_float: Callable[[str], Any]) -> Any:
    """A request's JSON, None where it is empty. Raises JSON_PARSER_ERROR."""
    if not body.strip():
        return None
    try:
        return json.loads(body, parse_float=parse_float)
    except ValueError as error:
        raise ApiError(400, "JSON_PARSER_ERROR", f"Unexpected character: {error}") from error
