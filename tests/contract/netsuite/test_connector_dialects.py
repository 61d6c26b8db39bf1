"""The connector against accounts that answer otherwise than our simulator does, and are right as well."""

import json
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from dealbridge.connectors import netsuite
from dealbridge.domain.connection import Connection
from dealbridge.domain.keys import Kind
from dealbridge.transport.client import Wire
from dealbridge_local.simulators.netsuite import NetSuiteSimulator
from dealbridge_local.simulators.transport import SimulatorTransport
from tests.contract.netsuite.acme import (
    ACME,
    BUILD,
    CUSTOMER_CODES,
    ENGAGEMENT,
    ORIGIN,
    TASK_CODES,
    World,
    activate,
)
from tests.contract.suites.dialects import Another, Rewrite, each_object, with_text

OPTIONAL = {
    *("email", "phone", "url", "addr2", "addr3", "state", "zip", "terms", "parent", "message", "memo", "otherRefNum"),
    *("estimatedWork", "finishByDate", "addressBook", "taxRegistration", "billingSchedule", "projectManager"),
}


def speaking(rewrite: Rewrite) -> World:
    world = World(NetSuiteSimulator())
    transport = Another(SimulatorTransport({ORIGIN: world.simulator}), rewrite)
    connection = Connection(id="netsuite", system="netsuite", base_url=ORIGIN, secret="s")
    world.erp = netsuite.connect(connection, world.simulator.credentials(), Wire(transport=transport))
    return world


def nulls(told: dict[str, Any]) -> dict[str, Any]:
    """What is empty is named, and null."""
    return {**dict.fromkeys(OPTIONAL), **told} if {"id", "links"} & set(told) or "addressee" in told else told


def more(told: dict[str, Any]) -> dict[str, Any]:
    return {**told, "custentity_region": {"id": "7", "refName": "EMEA"}, "links": [{"rel": "self", "href": "x"}]}


def number_ids(told: dict[str, Any]) -> dict[str, Any]:
    value = told.get("id")
    return {**told, "id": int(value)} if isinstance(value, str) and value.isdigit() else told


def with_bodies(status: int) -> Rewrite:
    """A write is answered with a body that says little, beside its Location."""

    def rewrite(request: httpx.Request, response: httpx.Response) -> httpx.Response:
        if response.status_code != 204:
            return response
        return httpx.Response(status, headers=response.headers, json={})

    return rewrite


def without_location(request: httpx.Request, response: httpx.Response) -> httpx.Response:
    """Whether an upsert tells one is not documented."""
    response.headers.pop("location", None)
    return response


def location_by_key(request: httpx.Request, response: httpx.Response) -> httpx.Response:
    if request.method == "PUT" and response.status_code == 204:
        response.headers["Location"] = str(request.url)
    return response


def token_for_ever(request: httpx.Request, response: httpx.Response) -> httpx.Response:
    """`expires_in` is recommended, not required (RFC 6749, 5.1)."""
    if "oauth2" not in request.url.path:
        return response
    return with_text(response, json.dumps({"access_token": response.json()["access_token"], "token_type": "Bearer"}))


DIALECTS: Mapping[str, Rewrite] = {
    "nulls for empty fields": each_object(nulls),
    "fields we do not know": each_object(more),
    "ids as numbers": each_object(number_ids),
    "writes answered 200": with_bodies(200),
    "writes answered 201": with_bodies(201),
    "no Location": without_location,
    "Location by our key": location_by_key,
    "tokens that do not say how long": token_for_ever,
}


@pytest.mark.parametrize("name", DIALECTS)
def test_an_engagement_is_made_and_read_back_in_every_dialect(name: str) -> None:
    world = speaking(DIALECTS[name])
    activate(world)
    for kind, record, given in ENGAGEMENT:
        found = world.found(kind, record, **given)
        assert found.record.content() == record.content(), kind
        assert found.complete, kind
        assert found.ref.id == world.refs[record.key].id, kind
    without = ACME.model_copy(update={"email": "new@acme.example", "phone": None})
    world.update(Kind.CUSTOMER, ACME, without, **CUSTOMER_CODES)
    assert world.found(Kind.CUSTOMER, without, **CUSTOMER_CODES).record.content() == without.content()


def test_a_task_whose_note_was_cleared_is_read() -> None:
    """Null, or left out: what stood in the note is as we want it."""
    world = speaking(each_object(lambda told: {**told, "message": None} if "message" in told else told))
    activate(world)
    assert world.found(Kind.TASK, BUILD, **TASK_CODES).record.content() == BUILD.content()
