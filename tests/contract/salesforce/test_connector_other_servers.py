"""The connector against a server that says the same in other words: what the REST guide leaves open."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from dealbridge.connectors.salesforce import connect
from dealbridge.domain.connection import Connection
from dealbridge.ports import Crm
from dealbridge.transport.client import Wire
from dealbridge_local.simulators.transport import SimulatorTransport

from .conftest import MAPPING, ORIGIN, STATUS, World


class Reworded(httpx.BaseTransport):
    """The simulator's answers, each JSON object in them told otherwise, and header names in capitals."""

    def __init__(self, world: World, tell: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        self._inner, self._tell = SimulatorTransport({ORIGIN: world.org.simulator}), tell
        self.requests: list[httpx.Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self._inner.handle_request(request)
        answer.read()
        headers = {name.upper(): value for name, value in answer.headers.items() if name != "content-length"}
        told = json.dumps(self._told(json.loads(answer.content))).encode() if answer.content else b""
        return httpx.Response(answer.status_code, headers=headers, content=told)

    def _told(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._told(each) for each in value]
        if not isinstance(value, dict):
            return value
        return self._tell({name: self._told(each) for name, each in value.items()})


def more(value: dict[str, Any]) -> dict[str, Any]:
    return value if "attributes" in value else {"zz": {"new": [1]}, **value, "aa": None}


def backwards(value: dict[str, Any]) -> dict[str, Any]:
    told = dict(reversed(value.items()))
    if "compositeResponse" in told:
        told["compositeResponse"] = told["compositeResponse"][::-1]
    return told


def bare(value: dict[str, Any]) -> dict[str, Any]:
    """Nothing but what is needed: a 204 has no body, a record no attributes."""
    spare = {"attributes", "totalSize", "httpHeaders"}
    return {name: each for name, each in value.items() if name not in spare and not (name == "body" and each is None)}


def elsewhere(value: dict[str, Any]) -> dict[str, Any]:
    """Whole URLs, and those of a host that is not the org's."""
    if "nextRecordsUrl" in value:
        return {**value, "nextRecordsUrl": f"https://elsewhere.example{value['nextRecordsUrl']}"}
    return value


@pytest.mark.parametrize("tell", [more, backwards, bare, elsewhere])
def test_what_is_said_otherwise_is_understood_the_same(
    world: World, tell: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    plain, transport = world.connect(), Reworded(world, tell)
    other = _connected(world, transport)
    account = world.org.account(ParentId=world.org.account(Name="Group"))
    deal_id = world.deal(AccountId=account)
    entry = world.org.entry()
    for _ in range(3):
        world.org.line(deal_id, PricebookEntryId=entry)
    world.org.simulator.rest.pages = type(world.org.simulator.rest.pages)(rows=2)
    world.org.clock.advance(minutes=1)

    read = plain.read_deal(deal_id)
    found = other.read_deal(deal_id)
    assert (found.revision, len(found.document["lines"])) == (read.revision, 3)
    assert found.document["account"] == read.document["account"]
    written = other.write_status(deal_id, STATUS, read.revision)
    assert written.version == plain.read_deal(deal_id).revision
    assert other.find_status(deal_id) == plain.find_status(deal_id)
    assert dict(other.changed_deals(None, world.org.clock()).deals) == {deal_id: written.version}
    assert {request.url.host for request in transport.requests} == {httpx.URL(ORIGIN).host}


def _connected(world: World, transport: httpx.BaseTransport) -> Crm:
    options = {"read": MAPPING["read"], "status_fields": MAPPING["status_fields"]}
    connection = Connection(
        id="salesforce", system="salesforce", base_url=ORIGIN, secret="dealbridge/salesforce", options=options
    )
    return connect(connection, world.secret(), Wire(transport=transport))
