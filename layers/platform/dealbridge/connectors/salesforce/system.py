"""The port, in calls: one for each question, whatever the deal's size up to the API's pages."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from time import perf_counter
from typing import Any

import httpx

from dealbridge.connectors.salesforce import mapping
from dealbridge.connectors.salesforce.auth import SalesforceAuth
from dealbridge.connectors.salesforce.outcomes import OUTCOMES
from dealbridge.connectors.salesforce.records import (
    Row,
    Subrequest,
    query,
    record_id,
    select,
    time_of,
    without_attributes,
)
from dealbridge.connectors.salesforce.settings import Options, Secret
from dealbridge.domain.connection import Connection
from dealbridge.domain.engagement import EngagementStatus
from dealbridge.domain.model import Instant
from dealbridge.domain.refs import ExternalRef
from dealbridge.errors import ConfigurationError, DealbridgeError, RecordMissingError
from dealbridge.ports import ChangedDeals, CrmDeal, InboundEventError, InboundHint, InboundRequest
from dealbridge.transport import signatures
from dealbridge.transport.client import VendorClient, Wire, dump_json
from dealbridge.transport.mapping import instant, read_status

_LONGEST_TREE = 100
"""Accounts in one tree; Salesforce refuses a circle, this keeps a broken one from turning for ever."""


class Salesforce:
    """One org. See `dealbridge.ports.Crm` for what each method promises."""

    def __init__(self, connection: Connection, secret: Mapping[str, str], wire: Wire) -> None:
        self._connection = connection
        self._options = Options.of(connection)
        self._secret = Secret.of(connection, secret)
        self._data = f"/services/data/{self._options.api_version}"
        self._client = VendorClient(
            connection.id,
            connection.base_url,
            SalesforceAuth(connection.id, connection.base_url, self._options, self._secret),
            OUTCOMES,
            wire,
            headers={"Sforce-Call-Options": f"client={self._options.client}"},
        )

    def read_deal(self, opportunity: str) -> CrmDeal:
        """One composite; one call more per further page of 2,000 lines, and per five parents beyond the fifth account.

        The opportunity is read first: what changes while its lines are read shows in a later revision.
        """
        deal_id = self._id(opportunity)
        queries = mapping.deal_queries(deal_id, self._options)
        began = perf_counter()
        answer, bodies = self._composite([query(part, self._data, soql) for part, soql in queries.items()])
        took = timedelta(seconds=perf_counter() - began)
        parts = {part: self._all_rows(bodies[part]) for part in queries}
        if not parts["opportunity"]:
            raise self._missing(opportunity)
        (row,) = parts["opportunity"]
        revision = mapping.revision_of(row)
        document = mapping.document(parts)
        self._complete_tree(document["account"])
        return CrmDeal(deal_id, _marked(revision, row["SystemModstamp"], answer, took), document)

    def changed_deals(self, cursor: str | None, now: Instant) -> ChangedDeals:
        """One composite. The cursor is when the last poll began; between two pages of one poll `<began>|<since>|<id>`.

        A poll begins `overlap` before the last one did: a record is stamped when it is saved, and a long transaction
        shows it later. Its pages go by id, because what has changed may be any account of the tree; what changes in a
        part that was read already is found by the next poll, which looks behind the beginning of this one.
        """
        began, position = _read_cursor(cursor) if cursor else (now, None)
        if position:
            since, after = position
        else:
            since, after = began - (self._options.overlap if cursor else self._options.look_back), ""
            began = now
        soql = mapping.changed_query(since, after, self._options)
        _, bodies = self._composite([query("changed", self._data, soql)])
        rows = self._part(bodies["changed"], "records")
        more = len(rows) == self._options.page or not self._part(bodies["changed"], "done")
        following = _cursor(began, since, rows[-1] if more else None)
        return ChangedDeals(tuple((row["Id"], mapping.revision_of(row)) for row in rows), following, more)

    def find_status(self, opportunity: str) -> EngagementStatus | None:
        """One query."""
        deal_id = self._id(opportunity)
        fields = ("Id", *self._options.status_fields.values())
        soql = select(fields, "Opportunity", f"Id = '{deal_id}'")
        rows = self._part(self._query(soql), "records")
        if not rows:
            raise self._missing(opportunity)
        return read_status(deal_id, rows[0], self._options.status_fields)

    def write_status(self, opportunity: str, status: EngagementStatus, read_revision: str | None = None) -> ExternalRef:
        """One composite: our fields, and the revision before and after.

        Our write moves SystemModstamp. Where someone else has changed the opportunity or its accounts since
        `read_revision`, the version given back is that older one, so that a poll still takes their change for news.
        """
        deal_id = self._id(opportunity)
        of_deal = f"Id = '{deal_id}'"
        asked = select(mapping.revision_fields(self._options), "Opportunity", of_deal)
        before = query("before", self._data, asked)
        after = query("after", self._data, select(("SystemModstamp",), "Opportunity", of_deal))
        fields = mapping.status_content(status, self._options)
        if not fields:
            raise ConfigurationError(
                f"mappings/fields/{self._connection.id}.yaml: status_fields: names no field to write the status to",
                connection=self._connection.id,
            )
        write = Subrequest("status", "PATCH", f"{self._data}/sobjects/Opportunity/{deal_id}", fields)
        _, bodies = self._composite([before, write, after])
        old, new = (self._row(bodies[name], opportunity) for name in ("before", "after"))
        # The accounts as they were before: one that was changed since is news.
        written = mapping.revision_of({**old, **new})
        return ExternalRef(
            connection=self._connection.id,
            type="Opportunity",
            id=deal_id,
            url=f"{self._connection.base_url.rstrip('/')}/lightning/r/Opportunity/{deal_id}/view",
            version=written if read_revision in (None, mapping.revision_of(old)) else read_revision,
        )

    def read_event(self, request: InboundRequest) -> list[InboundHint]:
        """An event from the partner bus, which only Salesforce can put there, or a signed request."""
        if request.method != "EVENT":
            signatures.require(self._secret.webhook_secret, request)
            return mapping.webhook_hints(request.body)
        try:
            event = json.loads(request.body)
        except ValueError:
            raise InboundEventError(400, "body: not JSON") from None
        return mapping.hints_of(event, self._options)

    # Calls

    def _composite(self, requests: Sequence[Subrequest]) -> tuple[httpx.Response, dict[str, Any]]:
        """The answer, and the body of each subrequest by its reference. Raises the first error among them."""
        body = {"allOrNone": False, "compositeRequest": [request.content() for request in requests]}
        response = self._client.call("POST", f"{self._data}/composite", body=body)
        told = self._part(self._client.read(response), "compositeResponse")
        answers = {str(self._part(answer, "referenceId")): answer for answer in told}
        bodies = {}
        for request in requests:
            answer = self._part(answers, request.reference)
            # A write that answers 204 has no body.
            status, content = int(self._part(answer, "httpStatusCode")), answer.get("body")
            if status >= 400:
                failed = httpx.Response(status, content=dump_json(content))
                raise self._explained(OUTCOMES.error(self._connection.id, failed))
            bodies[request.reference] = content
        return response, bodies

    def _query(self, soql: str) -> Any:
        try:
            return self._client.read(self._client.call("GET", f"{self._data}/query", params={"q": soql}))
        except ConfigurationError as error:
            raise self._explained(error) from None

    def _explained(self, error: DealbridgeError) -> DealbridgeError:
        """An unknown field or object is one that our reference data names and the org does not have."""
        if not isinstance(error, ConfigurationError):
            return error
        return ConfigurationError(
            f"mappings/fields/{self._connection.id}.yaml: the org has no such field or object, or hides it from the "
            f"integration user: {error.message}",
            connection=self._connection.id,
            code=error.code,
            status=error.status,
        )

    def _all_rows(self, page: Any) -> list[Row]:
        """The rows of a query's first page and of those that follow."""
        rows = list(self._part(page, "records"))
        while not self._part(page, "done"):
            # A path; of a whole URL too only the path counts, so that the token stays with the org's host.
            url = httpx.URL(self._part(page, "nextRecordsUrl"))
            page = self._client.read(self._client.call("GET", url.raw_path.decode()))
            rows += self._part(page, "records")
        return rows

    def _complete_tree(self, account: Row | None) -> None:
        """Read on where the account's parents go on beyond the levels of the deal's query."""
        for _ in range(_LONGEST_TREE // mapping.ACCOUNT_LEVELS):
            top = mapping.top_of(account) if account else {}
            if not top.get("ParentId"):
                return
            soql = mapping.account_query(str(top["ParentId"]), self._options)
            rows = self._part(self._query(soql), "records")
            if not rows:
                return
            top["parent"] = mapping.account_tree(without_attributes(rows[0]))

    def _part(self, answer: Any, name: str) -> Any:
        """A part that every answer of this kind has; raises TransientError for one that has not."""
        if isinstance(answer, dict) and name in answer:
            return answer[name]
        raise self._client.unreadable(f"no {name}")

    def _row(self, page: Any, opportunity: str) -> Row:
        """The one row of a query for an opportunity."""
        rows: list[Row] = self._part(page, "records")
        if not rows:
            raise self._missing(opportunity)
        return rows[0]

    def _id(self, opportunity: str) -> str:
        found = record_id(opportunity)
        if found is None:
            raise self._missing(opportunity)
        return found

    def _missing(self, opportunity: str) -> RecordMissingError:
        return RecordMissingError(
            f"{self._connection.id}: no opportunity {opportunity!r}: deleted, or not visible to the integration user",
            connection=self._connection.id,
        )


def _marked(revision: str, stamp: str, answer: httpx.Response, took: timedelta) -> str:
    """The revision, marked where the stamp's second may not have been over when the opportunity was read.

    SystemModstamp counts whole seconds: another change within the same one leaves it as it is. A marked revision
    equals none that a poll sees, so that the poll has the deal read once more. The server's own clock tells.
    """
    told = answer.headers.get("date")
    if told is None:
        return revision
    over = time_of(stamp) + timedelta(seconds=1)
    return revision if parsedate_to_datetime(told) - took >= over else f"{revision} unsettled"


def _cursor(began: datetime, since: datetime, last: Row | None) -> str:
    text = instant(began)
    return f"{text}|{instant(since)}|{last['Id']}" if last else text


def _read_cursor(cursor: str) -> tuple[datetime, tuple[datetime, str] | None]:
    began, *position = cursor.split("|")
    return time_of(began), (time_of(position[0]), position[1]) if position else None
