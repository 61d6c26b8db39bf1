"""The connector against servers that speak OData V2 otherwise than our simulator does, and are right as well."""

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from dealbridge.connectors import s4hana
from dealbridge.connectors.s4hana.odata import read_batch
from dealbridge.connectors.s4hana.outcomes import OUTCOMES
from dealbridge.domain.connection import Connection
from dealbridge.domain.keys import Kind
from dealbridge.errors import (
    AccessError,
    ConflictError,
    DealbridgeError,
    RejectedError,
    ThrottledError,
    TransientError,
)
from dealbridge.transport.client import Wire
from dealbridge_local.simulators.s4hana import S4HanaSimulator
from dealbridge_local.simulators.transport import SimulatorTransport
from tests.contract.s4hana.conftest import NOW
from tests.contract.s4hana.test_connector import (
    ACME,
    CONTRACT_CODES,
    CUSTOMER_CODES,
    ENGAGEMENT,
    ORDER,
    ORIGIN,
    PROJECT_CODES,
    ROLLOUT,
    World,
    activate,
    eur,
)
from tests.contract.suites.dialects import Another, Rewrite, with_text

TYPED = frozenset({"__metadata", "__deferred", "__next", "__count"})
AMOUNTS = frozenset({"NetAmount", "TotalNetAmount", "BillingPlanAmount", "RequestedQuantity", "ConditionRateValue"})


def another(rewrite: Rewrite, base_url: str = ORIGIN, **switches: Any) -> World:
    world = World(S4HanaSimulator(clock=lambda: NOW, **switches))
    transport = Another(SimulatorTransport({ORIGIN: world.simulator}), rewrite)
    connection = Connection(id="s4hana", system="s4hana", base_url=base_url, secret="s/s4hana")
    wire = Wire(transport=transport, watch=world.calls.append)
    world.erp = s4hana.connect(connection, world.simulator.credentials(), wire)
    return world


def in_bodies(change: Callable[[Any], Any]) -> Rewrite:
    """What becomes of `d`, in answers and in the answers inside a batch."""

    def rewritten(text: str) -> str:
        return json.dumps({"d": change(json.loads(text)["d"])})

    def rewrite(request: httpx.Request, response: httpx.Response) -> httpx.Response:
        if response.text.startswith('{"d"'):
            return with_text(response, rewritten(response.text))
        if request.url.path.endswith("$batch"):
            inside = re.sub(r'(?m)^\{"d".*\}(?=\r?$)', lambda found: rewritten(found[0]), response.text)
            return with_text(response, inside)
        return response

    return rewrite


def each_entity(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Rewrite:
    """`change` gets every entity, innermost first; keys and addresses are left to it as they are."""

    def walk(value: Any) -> Any:
        if isinstance(value, list):
            return [walk(each) for each in value]
        if not isinstance(value, dict):
            return value
        walked = {name: each if name in TYPED else walk(each) for name, each in value.items()}
        return change(walked) if "__metadata" in walked else walked

    return in_bodies(walk)


def nulls(entity: dict[str, Any]) -> dict[str, Any]:
    return {name: None if value == "" else value for name, value in entity.items()}


def left_out(entity: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in entity.items() if value not in ("", None, False)}


def more(entity: dict[str, Any]) -> dict[str, Any]:
    return {**entity, "YY1_Region_bus": "EMEA", "to_Extension": {"__deferred": {"uri": "x"}}, "NewCount": 3}


def iso_dates(entity: dict[str, Any]) -> dict[str, Any]:
    def iso(value: Any) -> Any:
        found = re.fullmatch(r"/Date\((-?\d+)\)/", value) if isinstance(value, str) else None
        if not found:
            return value
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=int(found[1]))
        return f"{moment:%Y-%m-%dT%H:%M:%S}"

    return {name: iso(value) for name, value in entity.items()}


def numbers(entity: dict[str, Any]) -> dict[str, Any]:
    return {name: float(value) if name in AMOUNTS else value for name, value in entity.items()}


def no_envelope(value: Any) -> Any:
    """Collections as OData 1.0 sends them: no `results`."""
    if isinstance(value, list):
        return [no_envelope(each) for each in value]
    if not isinstance(value, dict):
        return value
    if "results" in value and "__next" not in value:
        return no_envelope(value["results"])
    return {name: no_envelope(each) for name, each in value.items()}


def relative_next(value: Any) -> Any:
    if isinstance(value, dict) and "__next" in value:
        split = urlsplit(value["__next"])
        return {**value, "__next": f"{split.path.rpartition('/')[2]}?{split.query}"}
    return value


def deferred(request: httpx.Request, response: httpx.Response) -> httpx.Response:
    """A creation's answer shows nothing inline."""
    if response.status_code != 201:
        return response
    shown = json.loads(response.text)["d"]
    kept = {name: {"__deferred": {"uri": name}} if name.startswith("to_") else value for name, value in shown.items()}
    return with_text(response, json.dumps({"d": kept}))


def location_only(status: int) -> Rewrite:
    """A creation is answered by an address and no body."""

    def rewrite(request: httpx.Request, response: httpx.Response) -> httpx.Response:
        if response.status_code != 201:
            return response
        return httpx.Response(status, headers={"Location": response.headers["location"]})

    return rewrite


def line_feeds(request: httpx.Request, response: httpx.Response) -> httpx.Response:
    """A batch with bare line feeds, HTTP/1.0 and a quoted boundary after another parameter."""
    if not request.url.path.endswith("$batch"):
        return response
    text = response.text.replace("\r\n", "\n").replace("HTTP/1.1", "HTTP/1.0")
    changed = with_text(response, text)
    boundary = response.headers["content-type"].partition("boundary=")[2]
    changed.headers["content-type"] = f'Multipart/Mixed; charset=utf-8; Boundary="{boundary}"'
    return changed


DIALECTS: Mapping[str, Rewrite] = {
    "nulls for empty texts": each_entity(nulls),
    "empty fields left out": each_entity(left_out),
    "fields we do not know": each_entity(more),
    "ISO dates": each_entity(iso_dates),
    "amounts as numbers": each_entity(numbers),
    "collections without results": in_bodies(no_envelope),
    "creations that show nothing inline": deferred,
    "creations answered 201 with Location": location_only(201),
    "creations answered 204 with Location": location_only(204),
    "batches with line feeds": line_feeds,
}


@pytest.mark.parametrize("name", DIALECTS)
def test_an_engagement_is_made_read_and_changed_in_every_dialect(name: str) -> None:
    world = another(DIALECTS[name])
    activate(world)
    for kind, record, given in ENGAGEMENT:
        found = world.found(kind, record, **given)
        assert found.record.content() == record.content(), kind
        assert found.complete, kind
        ref = world.refs[record.key]
        assert (found.ref.id, found.ref.number, found.ref.parts) == (ref.id, ref.number, ref.parts), kind
    renamed = ACME.model_copy(update={"name": "Acme2", "email": "new@acme.example", "payment_terms": "Net 45"})
    world.update(Kind.CUSTOMER, ACME, renamed, **{**CUSTOMER_CODES, "payment_terms": "NT45"})
    later = ROLLOUT.model_copy(update={"end": date(2026, 9, 30), "name": "Acme rollout, longer"})
    world.update(Kind.PROJECT, ROLLOUT, later, **PROJECT_CODES)
    assert ORDER.schedule
    dearer = ORDER.lines[0].model_copy(update={"amount": eur("61000.05")})
    items = tuple(
        each.model_copy(update={"amount": eur("41000.03")}) if each.key == "00k1-M2" else each
        for each in ORDER.schedule.items
    )
    amended = ORDER.model_copy(
        update={
            "lines": (dearer, *ORDER.lines[1:]),
            "value": eur("101000.10"),
            "schedule": ORDER.schedule.model_copy(update={"items": items}),
        }
    )
    world.update(Kind.CONTRACT, ORDER, amended, **CONTRACT_CODES)
    assert world.found(Kind.CUSTOMER, ACME, **CUSTOMER_CODES).record.email == "new@acme.example"  # type: ignore[union-attr]
    assert world.found(Kind.PROJECT, later, **PROJECT_CODES).record.content() == later.content()
    assert world.found(Kind.CONTRACT, amended, **CONTRACT_CODES).record.content() == amended.content()


@pytest.mark.parametrize("name", ["nulls for empty texts", "empty fields left out"])
def test_what_is_empty_is_not_written_again(name: str) -> None:
    """Null, left out and empty are the same nothing: an update without changes changes nothing."""
    world = another(DIALECTS[name])
    activate(world)
    for kind, record, given in ENGAGEMENT:
        world.calls.clear()
        world.erp.update(world.write(kind, record, **given), world.refs[record.key], [])
        assert {call.method for call in world.calls} == {"GET"}, kind


# Pages


def test_the_address_of_the_next_page_may_be_relative() -> None:
    world = another(in_bodies(relative_next), page_size=1)
    activate(world)
    world.erp.create(world.write(Kind.CONTRACT, ORDER, **CONTRACT_CODES))
    with pytest.raises(Exception, match="1, 2 all carry"):
        world.erp.find(world.write(Kind.CONTRACT, ORDER, **CONTRACT_CODES))


@pytest.mark.parametrize("seen_from", ["https://dmz.example/sap-prod", "https://vhs4hci.internal:44300"])
def test_addresses_in_answers_may_be_those_before_or_behind_a_proxy(seen_from: str) -> None:
    """The proxy takes its own path away; the system writes addresses as it sees itself, or as it is told to."""
    base = "https://dmz.example/sap-prod"

    class Proxy(httpx.BaseTransport):
        def __init__(self, inner: httpx.BaseTransport) -> None:
            self._inner = inner

        def handle_request(self, request: httpx.Request) -> httpx.Response:
            path = request.url.raw_path.decode()
            assert path.startswith("/sap-prod/sap/opu/odata/"), path
            request.url = httpx.URL(ORIGIN + path.removeprefix("/sap-prod"))
            request.headers["host"] = request.url.host
            response = self._inner.handle_request(request)
            changed = with_text(response, response.read().decode().replace(ORIGIN, seen_from))
            if "location" in changed.headers:
                changed.headers["location"] = changed.headers["location"].replace(ORIGIN, seen_from)
            return location_only(201)(request, changed)

    world = World(S4HanaSimulator(clock=lambda: NOW, page_size=1))
    connection = Connection(id="s4hana", system="s4hana", base_url=base, secret="s/s4hana")
    transport = Proxy(SimulatorTransport({ORIGIN: world.simulator}))
    world.erp = s4hana.connect(connection, world.simulator.credentials(), Wire(transport=transport))
    activate(world)
    # A process whose first write is a change set fetches its token at the service's root all the same.
    world.erp = s4hana.connect(connection, world.simulator.credentials(), Wire(transport=transport))
    world.update(Kind.CUSTOMER, ACME, ACME.model_copy(update={"name": "Acme2"}), **CUSTOMER_CODES)
    world.erp.create(world.write(Kind.CONTRACT, ORDER, **CONTRACT_CODES))
    with pytest.raises(Exception, match="1, 2 all carry"):
        world.erp.find(world.write(Kind.CONTRACT, ORDER, **CONTRACT_CODES))


# Sessions


def without_tokens(request: httpx.Request, response: httpx.Response) -> httpx.Response:
    response.headers.pop("x-csrf-token", None)
    return response


def test_a_server_that_gives_no_token_is_written_to_without_one() -> None:
    """Whether it wants one, it says itself: 403 and `x-csrf-token: Required`."""
    asked: list[httpx.Request] = []

    def open_server(request: httpx.Request, response: httpx.Response) -> httpx.Response:
        asked.append(request)
        if request.method == "GET":
            return without_tokens(request, response)
        return httpx.Response(201, json={"d": {"BusinessPartner": "1", "BusinessPartnerUUID": "u"}})

    world = another(open_server)
    assert world.create(Kind.CUSTOMER, ENGAGEMENT[0][1]).id == "1"
    assert [request.method for request in asked] == ["GET", "POST"]
    strict = another(without_tokens)
    with pytest.raises(AccessError):
        strict.create(Kind.CUSTOMER, ENGAGEMENT[0][1])


def test_a_session_that_ended_is_known_by_the_text_too() -> None:
    def bare(request: httpx.Request, response: httpx.Response) -> httpx.Response:
        return without_tokens(request, response) if response.status_code == 403 else response

    world = another(bare)
    world.create(Kind.CUSTOMER, ENGAGEMENT[0][1])
    world.simulator.expire_tokens()
    assert world.create(Kind.CUSTOMER, ACME, **CUSTOMER_CODES).id


def test_every_cookie_of_a_session_is_sent_back_whatever_its_name() -> None:
    odd = ["BIGipServer~Web~pool=!2fX0s=; path=/; Httponly", "sap:ctx@1=a=b; Path=/; SameSite=None", "empty=; path=/"]
    sent: list[str] = []

    def balanced(request: httpx.Request, response: httpx.Response) -> httpx.Response:
        sent.append(request.headers.get("cookie", ""))
        if request.headers.get("x-csrf-token") != "fetch":
            return response
        headers = [*response.headers.multi_items(), *(("Set-Cookie", each) for each in odd)]
        return httpx.Response(200, headers=headers, content=response.content)

    world = another(balanced)
    world.create(Kind.CUSTOMER, ENGAGEMENT[0][1])
    cookies = dict(each.split("=", 1) for each in sent[-1].split("; "))
    assert cookies["BIGipServer~Web~pool"] == "!2fX0s="
    assert cookies["sap:ctx@1"] == "a=b"
    assert {"SAP_SESSIONID_S4H_100", "sap-usercontext"} <= set(cookies)


def test_patience_asked_for_while_a_token_is_fetched_is_passed_on() -> None:
    world = World(S4HanaSimulator(clock=lambda: NOW))
    for status, error in ((429, ThrottledError), (503, TransientError)):
        world.simulator.add_fault(kind="status", status=status, headers={"Retry-After": "7"}, times=1, method="GET")
        with pytest.raises(error) as caught:
            world.create(Kind.CUSTOMER, ENGAGEMENT[0][1])
        assert caught.value.retry_after == 7
        assert not caught.value.outcome_unknown


# Answers that say too little


def test_a_creation_whose_answer_names_no_record_is_looked_for() -> None:
    def nameless(entity: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in entity.items() if name != "BusinessPartner"}

    with pytest.raises(TransientError) as caught:
        another(each_entity(nameless)).create(Kind.CUSTOMER, ENGAGEMENT[0][1])
    assert caught.value.outcome_unknown


def test_a_batch_is_read_by_its_boundary_and_nothing_else() -> None:
    content = (
        'preamble\r\n--a-b \r\nContent-Type: multipart/mixed; boundary="c d"\r\n\r\n'
        "--c d\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 201 Created\r\nContent-Type: application/json\r\n\r\n"
        '{"d": {"text": "--a-bc\\n"}}\r\n--c d--\r\n\r\n--a-b--\r\nepilogue'
    )
    response = httpx.Response(
        202,
        headers={"content-type": "multipart/mixed;boundary=a-b"},
        content=content.encode(),
        request=httpx.Request("POST", ORIGIN),
    )
    (inner,) = read_batch(response)
    assert (inner.status_code, inner.json()["d"]["text"]) == (201, "--a-bc\n")


# Refusals


def refused(status: int, body: Any, **headers: str) -> DealbridgeError:
    content = body if isinstance(body, str) else json.dumps(body)
    response = httpx.Response(status, content=content.encode(), headers=headers, request=httpx.Request("POST", ORIGIN))
    return OUTCOMES.error("s4hana", response)


@pytest.mark.parametrize(
    "text",
    [
        "Sales document 1 is currently being processed by user CB9980000012",
        "Business partner 1000667 is locked by user CB9980000012",
        "Business partner 1000667 is currently locked by CB9980000012",
        "User CB9980000012 is currently editing project SF-OPP-006",
        "User CB9980000012 is already processing purchasing document 1",
    ],
)
def test_who_holds_an_object_lets_it_go(text: str) -> None:
    error = refused(400, {"error": {"code": "XX/001", "message": {"lang": "en", "value": text}}})
    assert isinstance(error, TransientError)


@pytest.mark.parametrize(
    "text",
    ["Posting period 003 2026 is locked", "The period is locked by finance", "Customer 1000140 is blocked for orders"],
)
def test_what_is_locked_for_good_is_for_people(text: str) -> None:
    error = refused(400, {"error": {"code": "XX/001", "message": {"lang": "en", "value": text}}})
    assert isinstance(error, RejectedError)
    assert [finding.message for finding in error.findings] == [text]


DETAIL = {"code": "R11/1", "message": "Enter a country", "propertyref": "Country", "severity": "error"}


@pytest.mark.parametrize(
    ("error", "messages"),
    [
        ({"message": "Said in V4"}, ["Said in V4"]),
        ({"message": {"lang": "en", "value": "Said"}, "innererror": None}, ["Said"]),
        ({"message": {"value": "Said"}, "innererror": {"errordetails": None}}, ["Said"]),
        ({"message": {"value": "Said"}, "innererror": {"errordetails": [DETAIL, None, "x"]}}, ["Enter a country"]),
        ({"message": {"value": "Said"}, "innererror": {"errordetails": [{**DETAIL, "severity": "info"}]}}, ["Said"]),
        ({"message": {"value": "Said"}, "innererror": {"errordetails": [{"message": "Bare"}]}}, ["Bare"]),
    ],
)
def test_a_refusal_says_why_in_whatever_shape(error: dict[str, Any], messages: list[str]) -> None:
    found = refused(400, {"error": error})
    assert isinstance(found, RejectedError)
    assert [finding.message for finding in found.findings] == messages


@pytest.mark.parametrize("body", ["<html><h1>502</h1></html>", "", "[]", '{"error": "text"}', '{"error": {}}'])
@pytest.mark.parametrize(
    ("status", "error"), [(401, AccessError), (403, AccessError), (412, ConflictError), (503, TransientError)]
)
def test_a_body_that_is_no_error_of_odata_leaves_the_status_to_speak(
    status: int, error: type[DealbridgeError], body: str
) -> None:
    assert type(refused(status, body)) is error
