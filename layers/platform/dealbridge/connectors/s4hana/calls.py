"""The calls that the connector makes: collections page by page, entities, creations, change sets."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx

from dealbridge.connectors.s4hana.odata import (
    BATCH_TYPE,
    Body,
    Change,
    MalformedBatchError,
    entities,
    read_batch,
    results,
    write_batch,
)
from dealbridge.connectors.s4hana.outcomes import OUTCOMES
from dealbridge.connectors.s4hana.records import ODATA
from dealbridge.transport.client import VendorClient
from dealbridge.transport.outcomes import written

_SERVICES = "/sap/opu/odata/"


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
            page = self._shown(response)
            found += results(page)
            following = page.get("__next") if isinstance(page, dict) else None
            if not following:
                return found
            response = self._client.call("GET", _below_host(path, str(following)))

    def entity(self, path: str, expand: str | None = None) -> Body:
        """An entity that must be there. Raises RecordMissingError."""
        return self.content(self._client.call("GET", path, params={"$expand": expand} if expand else None))

    def post(self, path: str, body: Body) -> Body:
        """The entity made, as the answer shows it; read where the answer only says where it is."""
        response = self._client.call("POST", path, body=body)
        location = response.headers.get("location")
        if response.content.strip() or not location:
            return self.content(response)
        with written():
            return self.entity(_below_host(path, location))

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
            raise self._client.unreadable(str(error)) from None
        for answer in answers:
            if not answer.is_success:
                raise OUTCOMES.error(self._connection, answer)
        if len(answers) != len(changes):
            raise self._client.unreadable(f"{len(answers)} answers to {len(changes)} changes")
        return answers

    def content(self, response: httpx.Response) -> Body:
        shown = self._shown(response)
        if not isinstance(shown, dict):
            raise self._client.unreadable("`d` is no entity")
        return shown

    def _shown(self, response: httpx.Response) -> Any:
        """An entity, or a collection: with `results`, or bare as in OData 1.0."""
        content = self._client.read(response)
        shown = content.get("d") if isinstance(content, dict) else None
        if not isinstance(shown, dict | list):
            raise self._client.unreadable("no `d`")
        return entities(shown)


def _below_host(path: str, address: str) -> str:
    """Path and query of an address that an answer to `path` gives; the host may be one that a proxy hides.

    What a proxy has put before the services is ours to put, once (`base_url`).
    """
    split = urlsplit(urljoin(path, address))
    below = split.path[max(split.path.find(_SERVICES), 0) :]
    return f"{below}?{split.query}" if split.query else below
