"""The connector against accounts that answer otherwise than our simulator does, and are right as well."""

from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from dealbridge.connectors.kantata import connect
from dealbridge.domain.connection import Connection
from dealbridge.errors import ConflictError
from dealbridge.transport.client import Wire
from dealbridge_local.simulators.transport import SimulatorTransport
from tests.contract.kantata.conftest import World, changed, project, request
from tests.contract.suites.dialects import Another, Rewrite, each_object, with_text


def speaking(world: World, rewrite: Rewrite) -> World:
    transport = Another(SimulatorTransport({world.simulator.base_url: world.simulator}), rewrite)
    options = {"project_key_field": "1", "request_key_field": "2"}
    base_url = world.simulator.base_url
    connection = Connection(id="kantata", system="kantata", base_url=base_url, secret="s", options=options)
    world.staffing = connect(connection, world.simulator.credentials(), Wire(transport=transport))
    return world


def number_ids(told: dict[str, Any]) -> dict[str, Any]:
    """Ids and what points at them as numbers; the keys of an object are texts in any case."""

    def number(name: str, value: Any) -> Any:
        if name.endswith("_ids") and isinstance(value, list):
            return [number("id", each) for each in value]
        points = name == "id" or name.endswith("_id")
        return int(value) if points and isinstance(value, str) and value.isdigit() else value

    return {name: number(name, value) for name, value in told.items()}


def text_ids(told: dict[str, Any]) -> dict[str, Any]:
    return {
        name: str(value) if name.endswith("_id") and isinstance(value, int) else value for name, value in told.items()
    }


def more(told: dict[str, Any]) -> dict[str, Any]:
    return {**told, "brand_new": {"id": 1}} if "created_at" in told else told


def without_meta(told: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in told.items() if name not in ("meta", "count")}


def updates_say_nothing(request: httpx.Request, response: httpx.Response) -> httpx.Response:
    return httpx.Response(204) if request.method == "PUT" and "resource_requests" not in request.url.path else response


def created(request: httpx.Request, response: httpx.Response) -> httpx.Response:
    if request.method == "POST" and response.status_code == 200:
        response.status_code = 201
    return response


DIALECTS: Mapping[str, Rewrite] = {
    "ids as numbers": each_object(number_ids),
    "ids as texts": each_object(text_ids),
    "fields we do not know": each_object(more),
    "answers without meta": each_object(without_meta),
    "updates answered 204": updates_say_nothing,
    "creations answered 201": created,
}


@pytest.mark.parametrize("name", DIALECTS)
def test_a_project_is_staffed_changed_and_withdrawn_in_every_dialect(world: World, name: str) -> None:
    staffing = speaking(world, DIALECTS[name]).staffing
    write = project(manager_email="mara.lind@example.com", codes={"manager": None})
    ref = staffing.create(write)
    found = staffing.find(write)
    assert found is not None
    assert (found.ref, found.record) == (ref, write.record)
    handed = project(manager_email="jon.abe@example.com", codes={"manager": None})
    staffing.update(handed, ref, changed("manager_email", "name"))
    again = staffing.find(handed)
    assert again is not None
    assert again.record == handed.record
    wish = request(ref)
    made = staffing.create(wish)
    asked = staffing.find(wish)
    assert asked is not None
    assert (asked.ref, asked.record, asked.complete) == (made, wish.record, True)
    moved = request(ref, hours="40")
    staffing.update(moved, made, changed("hours"))
    staffing.update(moved, made, [])
    assert staffing.withdraw(moved, made).parts == {}


@pytest.mark.parametrize("status", [400, 422])
def test_a_duplicate_is_known_by_what_is_said_of_it(world: World, status: int) -> None:
    """Which status goes with it, nobody has written down."""

    def refusing(request: httpx.Request, response: httpx.Response) -> httpx.Response:
        if response.status_code == 422:
            response.status_code = status
        return response

    staffing = speaking(world, refusing).staffing
    staffing.create(project())
    with pytest.raises(ConflictError):
        staffing.create(project())


def test_a_user_without_an_address_is_passed_over(world: World) -> None:
    def hidden(told: dict[str, Any]) -> dict[str, Any]:
        return {
            name: value for name, value in told.items() if name != "email_address" or value == "jon.abe@example.com"
        }

    def everybody(request: httpx.Request, response: httpx.Response) -> httpx.Response:
        """An account that ignores the filter."""
        if request.url.path.endswith("/users"):
            response = with_text(response, world.api.http.get("/users", params={"on_my_account": "true"}).text)
        return each_object(hidden)(request, response)

    staffing = speaking(world, everybody).staffing
    ref = staffing.create(project(manager_email="jon.abe@example.com", codes={"manager": None}))
    shown = world.api.get(f"/workspaces/{ref.id}", include="primary_maven")
    assert shown["workspaces"][ref.id]["primary_maven_id"] == "22"
