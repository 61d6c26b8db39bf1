"""The connector against a server that says the same in other words: what HubSpot's documents leave open."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from dealbridge.errors import TransientError
from dealbridge_local.simulators.transport import SimulatorTransport

from .conftest import CHILD_TO_PARENT, DEAL_TO_COMPANY_PRIMARY, ORIGIN, Hub, link
from .connected import Line, as_deal, status, won_deal
from .test_connector_changes import sweep


class Reworded(httpx.BaseTransport):
    """The simulator's answers, each JSON object in them told otherwise, and header names in capitals."""

    def __init__(self, hub: Hub, tell: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        self._inner, self._tell = SimulatorTransport({ORIGIN: hub.simulator}), tell

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = self._inner.handle_request(request)
        answer.read()
        headers = {name.upper(): value for name, value in answer.headers.items() if name != "content-length"}
        told = answer.content
        if told and "json" in answer.headers.get("content-type", ""):
            told = json.dumps(self._told(json.loads(told))).encode()
        return httpx.Response(answer.status_code, headers=headers, content=told)

    def _told(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._told(each) for each in value]
        if not isinstance(value, dict):
            return value
        return self._tell({name: each if name == "properties" else self._told(each) for name, each in value.items()})


def more(value: dict[str, Any]) -> dict[str, Any]:
    return {"zz": {"new": [1]}, **value, "aa": None}


def backwards(value: dict[str, Any]) -> dict[str, Any]:
    return dict(reversed(value.items()))


def nulls(value: dict[str, Any]) -> dict[str, Any]:
    """What is optional and not there, is there and null."""
    if "results" in value:
        return {"paging": None, "errors": None, "numErrors": None, **value}
    return {"associations": None, "url": None, **value} if "properties" in value else value


def bare(value: dict[str, Any]) -> dict[str, Any]:
    """Nothing but what is needed."""
    spare = {"createdAt", "archived", "archivedAt", "startedAt", "completedAt", "status", "total", "label"}
    spare |= {"url"} if "properties" in value else set()
    return {name: each for name, each in value.items() if name not in spare}


def texts(value: dict[str, Any]) -> dict[str, Any]:
    """Numbers as texts."""
    return {name: str(each) if type(each) is int else each for name, each in value.items()}


def numbers(value: dict[str, Any]) -> dict[str, Any]:
    """Ids as numbers."""
    return {name: int(each) if name == "id" and str(each).isdigit() else each for name, each in value.items()}


@pytest.mark.parametrize("changes", ["search", "journal"])
@pytest.mark.parametrize("tell", [more, backwards, nulls, bare, texts, numbers])
def test_what_is_said_otherwise_is_understood_the_same(
    hub: Hub, tell: Callable[[dict[str, Any]], dict[str, Any]], changes: str
) -> None:
    group = hub.company(name="Group")
    acme = hub.create("companies", link(group, CHILD_TO_PARENT), name="Acme")
    deal_id = won_deal(hub, lines=3)
    hub.send("PUT", f"deals/{deal_id}/associations/companies/{acme}", [_primary()])
    plain, other = Line(hub), Line(hub, Reworded(hub, tell), changes=changes, sign_in="refresh_token")

    assert as_deal(other.crm.read_deal(deal_id)) == as_deal(plain.crm.read_deal(deal_id))
    for message in ("1", "2"):
        hub.clock.advance(seconds=1)
        written = other.crm.write_status(deal_id, status(message=message), plain.crm.read_deal(deal_id).revision)
        assert (written.id, written.version) == (deal_id, plain.crm.read_deal(deal_id).revision)
        assert other.crm.find_status(deal_id) == plain.crm.find_status(deal_id)
    hub.clock.advance(minutes=1)
    found, cursor = sweep(other, None)
    assert found == {deal_id: plain.crm.read_deal(deal_id).revision}
    hub.update("companies", group, legal_name="Group SE")
    hub.clock.advance(minutes=1)
    assert sweep(other, cursor)[0] == {deal_id: plain.crm.read_deal(deal_id).revision}


def _primary() -> dict[str, Any]:
    return {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": DEAL_TO_COMPANY_PRIMARY}


ACTS: dict[str, Callable[[Line, str, str], object]] = {
    r"2026-09/deals/\d": lambda line, deal, written: line.crm.find_status(deal),
    "line_items/batch/read": lambda line, deal, written: line.crm.read_deal(deal),
    "companies/batch/read": lambda line, deal, written: line.crm.read_deal(deal),
    "batch/upsert": lambda line, deal, written: line.crm.write_status(deal, status(message="2"), written),
    "search": lambda line, deal, written: line.crm.changed_deals(None, line.hub.clock()),
}


@pytest.mark.parametrize("path", ACTS)
@pytest.mark.parametrize("body", [{}, [], "", {"results": None}, {"results": {}}])
def test_an_answer_that_lacks_what_it_should_have_is_no_programming_error(hub: Hub, path: str, body: Any) -> None:
    line = Line(hub)
    deal_id = won_deal(hub)
    written = line.crm.write_status(deal_id, status()).version or ""
    hub.simulator.add_fault(kind="status", status=200, body=body, path=path)
    with pytest.raises(TransientError):
        ACTS[path](line, deal_id, written)
