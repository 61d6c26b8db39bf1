"""The calls that the connector makes: collections page by page, entities, creations, change sets."""

from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

import httpx

from dealbridge.connectors.s4hana.odata import (
    BATCH_TYPE,
    Body,
    Change,
    MalformedBatchError,
    read_batch,
    results,
    write_batch,
)
from dealbridge.connectors.s4hana.outcomes import OUTCOMES
from dealbridge.connectors.s4hana.records import ODATA
from dealbridge.errors import TransientError
from dealbridge.transport.client import VendorClient


class ODataCalls:
    """OData V2 over one connection's client. Raises what its table of outcomes says."""

    def __init__(self, connection: str, client: VendorClient) -> None:
        self._connection = connection
        self._client = client

    def rows(self, path: str, query: Mapping[str, str]) -> list[Body]:
        """A collection, page by page: SAP decides how long a page is."""
        found: list[Body] = []
        response = self._client.call("GET", path, params=query)
        while True:
            page = self.content(response)
            found += results(page)
            following = page.get("__next")
            if not following:
                return found
            # Only path and query: the address may be one that a proxy hides.
            split = urlsplit(str(following))
            response = self._client.call("GET", f"{split.path}?{split.query}")

    def entity(self, path: str, expand: str | None = None) -> Body:
        """An entity that must be there. Raises RecordMissingError."""
        return self.content(self._client.call("GET", path, params={"$expand": expand} if expand else None))

    def post(self, path: str, body: Body) -> Body:
        return self.content(self._client.call("POST", path, body=body))

    def change(self, service: str, changes: Sequence[Change]) -> list[httpx.Response]:
        """All changes or none, in one call; the outer 202 says nothing (A2.6)."""
        if not changes:
            return []
        response = self._client.call(
            "POST",
            f"{ODATA}/{service}/$batch",
            content=write_batch(changes),
            headers={"Content-Type": BATCH_TYPE, "Accept": "multipart/mixed"},
        )
        try:
            answers = read_batch(response)
        except MalformedBatchError as error:
            raise self._unreadable(response, str(error)) from None
        for answer in answers:
            if not answer.is_success:
                raise OUTCOMES.error(self._connection, answer)
        if len(answers) != len(changes):
            raise self._unreadable(response, f"{len(answers)} answers to {len(changes)} changes")
        return answers

    def content(self, response: httpx.Response) -> Body:
        content = self._client.read(response)
        shown = content.get("d") if isinstance(content, dict) else None
        if not isinstance(shown, dict):
            raise self._unreadable(response, "no `d`")
        return shown

    def _unreadable(self, response: httpx.Response, why: str) -> TransientError:
        return TransientError(
            f"{self._connection}: the answer cannot be read: {why}",
            connection=self._connection,
            status=response.status_code,
            outcome_unknown=True,
        )
