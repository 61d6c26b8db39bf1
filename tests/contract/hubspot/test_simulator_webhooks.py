"""Webhooks out: formats, signatures, batches, retries, duplicates, disorder, and the target set by the vendor's API."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from time import monotonic
from typing import Any

import pytest
from hubspot.utils.signature import Signature

from dealbridge_local.simulators.hubspot import Delivery, WebhookRequest, signature_v1, signature_v2, signature_v3

from .conftest import DEAL_TO_COMPANY_PRIMARY, Hub, Portal, answer, link

TARGET = "https://hooks.dealbridge.example/crm/hubspot?source=crm"
SECRET = "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy"


def _events(hub: Hub) -> list[dict[str, Any]]:
    """Every event that is due now, settled as taken."""
    found = []
    for request in hub.simulator.webhooks.collect(TARGET):
        hub.simulator.webhooks.settle(request, 200)
        found += json.loads(request.body)
    return found


def _post(hub: Hub) -> WebhookRequest:
    (request,) = hub.simulator.webhooks.collect(TARGET)
    return request


# Signatures


def test_hubspots_own_vector_of_signature_v3() -> None:
    body = b"{'example_field':'example_value'}"
    signed = signature_v3(SECRET, "POST", "https://www.example.com/webhook_uri", body, "1693657560000")
    assert signed == "K36dawei4A+QBNolUOqo7s91KQDWQ5MXZ/QufNYuk/Y="


@pytest.mark.parametrize(("version", "of"), [("v1", signature_v1), ("v2", signature_v2), ("v3", signature_v3)])
def test_signatures_are_those_of_the_official_client(version: str, of: Any) -> None:
    uri, body, timestamp = "https://www.example.com/webhook_uri", '{"a": "ü"}', "1693657560000"
    ours = {
        "v1": (SECRET, body.encode()),
        "v2": (SECRET, "POST", uri, body.encode()),
        "v3": (SECRET, "POST", uri, body.encode(), timestamp),
    }[version]
    assert of(*ours) == Signature.get_signature(SECRET, body, version, uri, "POST", timestamp)


def test_v3_decodes_the_uri_before_signing() -> None:
    encoded = signature_v3(SECRET, "POST", "https://a.example/hook?u=a%3Ab%2fc%20d", b"", "1")
    assert encoded == signature_v3(SECRET, "POST", "https://a.example/hook?u=a:b/c%20d", b"", "1")


def test_a_post_is_signed(portal: Portal) -> None:
    hub = portal(client_secret=SECRET)
    hub.deal()
    request = _post(hub)
    timestamp = request.headers["X-HubSpot-Request-Timestamp"]

    assert timestamp == str(int(hub.clock().timestamp() * 1000))
    expected = signature_v3(SECRET, "POST", TARGET, request.body, timestamp)
    assert request.headers["X-HubSpot-Signature-v3"] == expected
    assert request.headers["X-HubSpot-Signature-Version"] == "v1"
    assert request.headers["X-HubSpot-Signature"] == signature_v1(SECRET, request.body)


def test_v2_is_a_switch(portal: Portal) -> None:
    hub = portal(client_secret=SECRET, delivery=Delivery(signature_version="v2"))
    hub.deal()
    request = _post(hub)
    assert request.headers["X-HubSpot-Signature"] == signature_v2(SECRET, "POST", TARGET, request.body)


# Events


def test_a_change_of_a_watched_property_is_an_event(hub: Hub) -> None:
    deal_id = hub.deal()
    _events(hub)
    hub.clock.advance(seconds=72)
    hub.update("deals", deal_id, dealstage="closedwon", erp_status="active")
    events = {each["propertyName"]: each for each in _events(hub)}

    # closedate is set by winning; the integration's own properties are not watched.
    assert set(events) == {"dealstage", "closedate"}
    event = events["dealstage"]
    assert event == {
        "eventId": event["eventId"],
        "subscriptionId": event["subscriptionId"],
        "portalId": 247279312,
        "appId": 51879189,
        "occurredAt": int(hub.clock().timestamp() * 1000),
        "subscriptionType": "object.propertyChange",
        "attemptNumber": 0,
        "objectId": int(deal_id),
        "objectTypeId": "0-3",
        "propertyName": "dealstage",
        "propertyValue": "closedwon",
        "changeSource": "INTEGRATION",
        "sourceId": "51879189",
        "isSensitive": False,
    }
    assert events["closedate"]["subscriptionId"] != event["subscriptionId"]


def test_the_older_format_is_a_switch(portal: Portal) -> None:
    hub = portal(generic_webhooks=False)
    hub.deal()
    events = _events(hub)
    assert {each["subscriptionType"] for each in events} == {"deal.propertyChange", "deal.creation"}
    assert not any("objectTypeId" in each for each in events)


def test_creation_deletion_merge_and_association_are_events(hub: Hub) -> None:
    company = hub.company()
    first, second = hub.deal(link(company, DEAL_TO_COMPANY_PRIMARY)), hub.deal(amount="7")
    created = _events(hub)
    hub.send("POST", "deals/merge", {"primaryObjectId": first, "objectIdToMerge": second})
    merged = _events(hub)
    third = hub.deal()
    _events(hub)
    hub.send("DELETE", f"deals/{third}")
    deleted = _events(hub)

    creations = [each for each in created if each["subscriptionType"] == "object.creation"]
    assert [(each["objectId"], each["changeFlag"]) for each in creations] == [
        (int(first), "CREATED"),
        (int(second), "CREATED"),
    ]
    linked = [each for each in created if each["subscriptionType"] == "object.associationChange"]
    assert {(each["associationType"], each["toObjectId"], each["isPrimaryAssociation"]) for each in linked} == {
        ("DEAL_TO_COMPANY", int(company), False),
        ("DEAL_TO_COMPANY", int(company), True),
    }
    (merge,) = [each for each in merged if each["subscriptionType"] == "object.merge"]
    assert (merge["primaryObjectId"], merge["mergedObjectIds"]) == (int(first), [int(second)])
    assert merge["newObjectId"] not in (int(first), int(second))
    assert merge["numberOfPropertiesMoved"] == 1
    assert [each["subscriptionType"] for each in deleted] == ["object.deletion"]


def test_a_refused_write_is_no_event(hub: Hub) -> None:
    deal_id = hub.deal()
    _events(hub)
    hub.send("PATCH", f"deals/{deal_id}", {"properties": {"dealstage": "nowhere"}})
    hub.update("deals", deal_id, dealstage="contractsent")
    assert _events(hub) == []


def test_what_is_watched_is_configuration(portal: Portal) -> None:
    hub = portal(watched_deal_properties=["po_number"])
    deal_id = hub.deal()
    _events(hub)
    hub.update("deals", deal_id, po_number="4711", dealstage="closedwon")
    assert [each["propertyName"] for each in _events(hub)] == ["po_number"]


def test_event_ids_may_repeat(portal: Portal) -> None:
    hub = portal(shared_event_ids=True)
    hub.deal(amount="1")
    hub.deal()
    ids = [each["eventId"] for each in _events(hub)]
    assert (len(set(ids)), len(ids) > 4) == (2, True)


# Delivery


def test_a_post_carries_at_most_a_hundred_events(hub: Hub) -> None:
    for _ in range(30):
        hub.deal(amount="1")
    requests = hub.simulator.webhooks.collect(TARGET)
    assert [len(request.events) for request in requests] == [100, len(requests[1].events)]
    assert 0 < len(requests[1].events) < 100


def test_disorder_and_duplicates_are_switches_and_repeat_with_their_seed(portal: Portal) -> None:
    def told(**switches: Any) -> list[tuple[int, str | None]]:
        hub = portal(delivery=Delivery(**switches))
        for number in range(10):
            hub.deal(amount=str(number))
        return [(each["eventId"], each.get("propertyName")) for each in _events(hub)]

    in_order = told()
    disordered = told(unordered=True, duplicated=0.3, seed=7)
    assert in_order == sorted(in_order, key=lambda each: each[0])
    assert len(disordered) > len(in_order)
    assert set(disordered) == set(in_order)
    assert disordered != sorted(disordered, key=lambda each: each[0])
    assert told(unordered=True, duplicated=0.3, seed=7) == disordered


@pytest.mark.parametrize("status", [400, 404, 503, None])
def test_a_failed_post_is_tried_again_up_to_ten_times(portal: Portal, status: int | None) -> None:
    hub = portal(delivery=Delivery(pauses=(60.0,)))
    hub.deal()
    attempts = []
    for _ in range(12):
        for request in hub.simulator.webhooks.collect(TARGET):
            attempts.append(request.events[0]["attemptNumber"])
            hub.simulator.webhooks.settle(request, status)
        assert hub.simulator.webhooks.collect(TARGET) == []
        hub.clock.advance(seconds=60)

    assert attempts == list(range(11))
    assert hub.simulator.webhooks.pending == 0
    assert hub.simulator.webhooks.given_up


def test_the_control_surface_emits_with_duplicates_and_delay(hub: Hub) -> None:
    deal_id = hub.deal(dealstage="closedwon")
    _events(hub)
    wanted = {"type": "object.propertyChange", "id": deal_id, "duplicate": 1, "delay_s": 30}
    told = answer(hub.http.post("/__sim/events", json=wanted), 201)
    assert told["copies"] == 2
    assert _events(hub) == []
    hub.clock.advance(seconds=30)
    first, second = _events(hub)

    assert first == second
    assert (first["propertyName"], first["propertyValue"], first["changeSource"]) == (
        "dealstage",
        "closedwon",
        "CRM_UI",
    )
    assert hub.http.post("/__sim/events", json={"type": "deals", "id": deal_id}).status_code == 201
    assert _events(hub)[0]["propertyName"] == "dealstage"
    hub.http.post("/__sim/events", json={"type": "company.creation", "id": hub.company()})
    assert _events(hub)[0]["objectTypeId"] == "0-2"


@pytest.mark.parametrize("wanted", [{"type": "deals", "id": "1"}, {"type": "unicorns"}, {"type": "deal.x"}])
def test_an_event_for_nothing_is_refused(hub: Hub, wanted: dict[str, str]) -> None:
    asked = {"id": hub.deal(), **wanted}
    assert hub.http.post("/__sim/events", json=asked).status_code == 400


@contextmanager
def receiver(statuses: list[int]) -> Iterator[tuple[str, list[tuple[dict[str, str], bytes]]]]:
    """An HTTP server that answers with the given statuses, then 200; yields its URL and what it got."""
    got: list[tuple[dict[str, str], bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(statuses.pop(0) if statuses else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/hook", got
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def _wait_for(wanted: Any) -> None:
    deadline = monotonic() + 10
    while not wanted() and monotonic() < deadline:
        threading.Event().wait(0.01)
    assert wanted()


def test_events_reach_a_target_that_the_vendors_api_sets(portal: Portal) -> None:
    hub = portal(client_secret=SECRET, delivery=Delivery(pauses=(0.0,)))
    key = hub.simulator.credentials()["developer_api_key"]
    before = hub.deal()
    with receiver([500]) as (url, got):
        settings = f"/webhooks/v3/51879189/settings?hapikey={key}"
        wanted = {"targetUrl": url, "throttling": {"maxConcurrentRequests": 10}}
        assert answer(hub.http.put(settings, json=wanted), 200)["targetUrl"] == url
        hub.deal()
        _wait_for(lambda: len(got) >= 2 and hub.simulator.webhooks.pending == 0)
        hub.simulator.webhooks.close()

    told = [each for _, body in got for each in json.loads(body)]
    assert int(before) not in {each.get("objectId") for each in told}
    headers, raw = got[-1]
    assert json.loads(got[0][1])[0]["attemptNumber"] == 0
    assert any(each["attemptNumber"] == 1 for each in told)
    signed = signature_v3(SECRET, "POST", url, raw, headers["x-hubspot-request-timestamp"])
    assert headers["x-hubspot-signature-v3"] == signed
    assert hub.http.delete(settings).status_code == 204
    assert hub.http.get(settings).status_code == 404
    assert hub.http.put("/webhooks/v3/51879189/settings?hapikey=x", json=wanted).status_code == 404


def test_subscriptions_are_managed_by_the_vendors_api(hub: Hub) -> None:
    base = f"/webhooks/v3/51879189/subscriptions?hapikey={hub.simulator.credentials()['developer_api_key']}"
    one = base.replace("?", "/{}?")
    wanted = {"eventType": "object.propertyChange", "objectTypeId": "0-2", "propertyName": "name", "active": True}
    made = answer(hub.http.post(base, json=wanted), 201)
    hub.company(name="Acme")
    assert [each["propertyValue"] for each in _events(hub)] == ["Acme"]
    hub.http.patch(one.format(made["id"]), json={"active": False})
    hub.company(name="Other")
    assert _events(hub) == []

    listed = [each["id"] for each in hub.http.get(base).json()["results"]]
    assert made["id"] in listed
    assert hub.http.delete(one.format(made["id"])).status_code == 204
    assert hub.http.get(one.format(made["id"])).status_code == 404
    assert hub.http.post(base, json={"eventType": "object.creation", "propertyName": "name"}).status_code == 400
