"""The Webhooks Journal: subscriptions, the chain of offsets, signed files, three days, and its own kind of token."""

import json
from typing import Any

import httpx
import pytest

from .conftest import DEAL_TO_COMPANY_PRIMARY, Hub, Portal, answer, link

JOURNAL = "/webhooks-journal/journal/2026-03"
SUBSCRIPTIONS = "/webhooks-journal/subscriptions/2026-03"
SCOPES = (
    "developer.webhooks_journal.read developer.webhooks_journal.subscriptions.read "
    "developer.webhooks_journal.subscriptions.write"
)


class Reader:
    """An app that reads the journal with its client-credentials token."""

    def __init__(self, hub: Hub, scopes: str = SCOPES) -> None:
        credentials = hub.simulator.credentials()
        form = {name: credentials[name] for name in ("client_id", "client_secret")}
        form |= {"grant_type": "client_credentials", "scope": scopes}
        self.hub = hub
        self.token = answer(hub.http.post("/oauth/2026-09/token", data=form), 200)["access_token"]

    def send(self, method: str, path: str, body: Any = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}"}
        return self.hub.http.request(method, path, json=body, headers=headers)

    def subscribe(self, *properties: str, **more: Any) -> dict[str, Any]:
        wanted = {
            "subscriptionType": "OBJECT",
            "objectTypeId": "0-3",
            "portalId": 247279312,
            "actions": ["CREATE", "UPDATE", "MERGE", "DELETE", "RESTORE"],
            "properties": list(properties),
            **more,
        }
        return answer(self.send("POST", SUBSCRIPTIONS, wanted), 200)

    def next(self, offset: str | None = None) -> dict[str, Any] | None:
        path = f"{JOURNAL}/offset/{offset}/next" if offset else f"{JOURNAL}/earliest"
        response = self.send("GET", path)
        return None if response.status_code == 204 else answer(response, 200)

    def events(self, pointer: dict[str, Any]) -> list[dict[str, Any]]:
        # The file is read without the token: its address is signed.
        file = answer(self.hub.http.get(pointer["url"], headers={"Authorization": ""}), 200)
        assert file["offset"] == pointer["currentOffset"]
        events: list[dict[str, Any]] = file["journalEvents"]
        return events


def test_the_journal_is_read_from_its_earliest_entry_on(hub: Hub) -> None:
    reader = Reader(hub)
    reader.subscribe("dealstage", "amount")
    assert reader.next() is None
    deal_id = hub.deal(amount="7")
    hub.clock.advance(minutes=1)
    hub.update("deals", deal_id, dealstage="closedwon", po_number="4711")
    hub.update("deals", deal_id, po_number="4712")
    first = reader.next()
    assert first is not None
    second = reader.next(first["currentOffset"])
    assert second is not None

    (created,), (updated,) = reader.events(first), reader.events(second)
    assert created["propertyChanges"] == {"amount": "7", "dealstage": "contractsent"}
    assert updated == {
        "type": "OBJECT",
        "portalId": 247279312,
        "occurredAt": "2026-11-23T18:01:00.000Z",
        "objectTypeId": "0-3",
        "objectId": int(deal_id),
        "action": "UPDATE",
        "propertyChanges": {"dealstage": "closedwon"},
    }
    # A change of a property that is not subscribed is no entry.
    assert reader.next(second["currentOffset"]) is None
    latest = answer(reader.send("GET", f"{JOURNAL}/latest"), 200)
    assert latest["currentOffset"] == second["currentOffset"]


def test_nothing_is_written_before_the_subscription(hub: Hub) -> None:
    reader = Reader(hub)
    hub.deal()
    reader.subscribe("dealstage")
    assert reader.next() is None


def test_many_entries_come_at_once(hub: Hub) -> None:
    reader = Reader(hub)
    reader.subscribe("dealstage")
    deal_ids = [hub.deal() for _ in range(5)]
    first = reader.next()
    assert first is not None
    batch = answer(reader.send("GET", f"{JOURNAL}/batch/{first['currentOffset']}/next/3"), 200)
    earliest = answer(reader.send("GET", f"{JOURNAL}/batch/earliest/100"), 200)

    assert [reader.events(each)[0]["objectId"] for each in batch["results"]] == [int(each) for each in deal_ids[1:4]]
    assert len(earliest["results"]) == 5
    assert reader.send("GET", f"{JOURNAL}/batch/earliest/101").status_code == 400
    offsets = {"inputs": [each["currentOffset"] for each in earliest["results"][:2]]}
    assert len(answer(reader.send("POST", f"{JOURNAL}/batch/read", offsets), 200)["results"]) == 2


def test_an_entry_is_kept_for_three_days(hub: Hub) -> None:
    reader = Reader(hub)
    reader.subscribe("dealstage")
    hub.deal()
    first = reader.next()
    assert first is not None
    hub.clock.advance(days=2)
    hub.deal()
    hub.clock.advance(days=1, seconds=1)
    reader = Reader(hub)

    late = reader.send("GET", f"{JOURNAL}/offset/{first['currentOffset']}/next")
    assert (late.status_code, late.json()["category"]) == (404, "OBJECT_NOT_FOUND")
    remaining = reader.next()
    assert remaining is not None
    assert remaining["currentOffset"] != first["currentOffset"]
    assert reader.send("GET", f"{JOURNAL}/offset/unknown/next").status_code == 404


def test_the_address_of_a_file_expires_and_cannot_be_changed(hub: Hub) -> None:
    reader = Reader(hub)
    reader.subscribe("dealstage")
    hub.deal()
    pointer = reader.next()
    assert pointer is not None
    forged = hub.http.get(pointer["url"].replace("signature=", "signature=0"))
    assert pointer["expiresAt"] == "2026-11-23T18:10:00.000Z"
    hub.clock.advance(minutes=11)
    expired = hub.http.get(pointer["url"])

    assert (forged.status_code, expired.status_code) == (403, 403)
    assert "AccessDenied" in expired.text


def test_json_lines_are_a_switch(portal: Portal) -> None:
    hub = portal(journal_file="json lines")
    reader = Reader(hub)
    reader.subscribe("dealstage")
    hub.batch("deals", "create", *({"properties": {"dealstage": "closedwon"}} for _ in range(2)))
    pointer = reader.next()
    assert pointer is not None
    lines = hub.http.get(pointer["url"]).text.splitlines()
    assert [json.loads(line)["action"] for line in lines] == ["CREATE", "CREATE"]


def test_deletions_merges_and_associations_are_told(hub: Hub) -> None:
    reader = Reader(hub)
    reader.subscribe("dealstage")
    reader.subscribe(subscriptionType="ASSOCIATION", actions=["ASSOCIATION_ADDED"], associatedObjectTypeIds=["0-2"])
    first, second, third = hub.deal(), hub.deal(), hub.deal(link(hub.company(), DEAL_TO_COMPANY_PRIMARY))
    hub.send("POST", "deals/merge", {"primaryObjectId": first, "objectIdToMerge": second})
    hub.send("DELETE", f"deals/{third}")
    told = []
    pointer = reader.next()
    while pointer:
        told += [(each["action"], each["objectId"], each.get("mergedObjectIds")) for each in reader.events(pointer)]
        pointer = reader.next(pointer["currentOffset"])

    merges = [each for each in told if each[0] == "MERGE"]
    assert [each[2] for each in merges] == [[int(second)]]
    assert ("DELETE", int(third), None) in told
    assert ("ASSOCIATION_ADDED", int(third), None) in told


def test_the_journal_needs_its_own_token_and_scope(hub: Hub) -> None:
    with_service_key = hub.http.get(f"{JOURNAL}/earliest")
    read_only = Reader(hub, "developer.webhooks_journal.read")
    refused = read_only.send("POST", SUBSCRIPTIONS, {})

    assert (with_service_key.status_code, with_service_key.json()["category"]) == (403, "MISSING_SCOPES")
    assert (refused.status_code, refused.json()["category"]) == (403, "MISSING_SCOPES")
    assert read_only.send("GET", f"{JOURNAL}/earliest").status_code == 204


def test_the_journal_is_exempt_from_the_limits(portal: Portal) -> None:
    hub = portal(ten_second_limit=1, daily_limit=1)
    reader = Reader(hub)
    for _ in range(5):
        response = reader.send("GET", f"{JOURNAL}/earliest")
        assert response.status_code == 204
        assert "X-HubSpot-RateLimit-Max" not in response.headers
    assert hub.send("GET", "deals").status_code == 200


def test_subscriptions_are_listed_and_removed(hub: Hub) -> None:
    reader = Reader(hub)
    made = reader.subscribe("dealstage")
    assert [each["id"] for each in reader.send("GET", SUBSCRIPTIONS).json()["results"]] == [made["id"]]
    assert answer(reader.send("GET", f"{SUBSCRIPTIONS}/{made['id']}"), 200)["properties"] == ["dealstage"]
    assert reader.send("DELETE", f"{SUBSCRIPTIONS}/{made['id']}").status_code == 204
    reader.subscribe("amount")
    assert reader.send("DELETE", f"{SUBSCRIPTIONS}/portals/247279312").status_code == 204
    assert reader.send("GET", SUBSCRIPTIONS).json()["results"] == []


@pytest.mark.parametrize(
    "wanted",
    [{"subscriptionType": "EVENT"}, {"actions": ["WIN"]}, {"actions": []}, {"portalId": 1}, {"objectTypeId": "9-9"}],
)
def test_a_subscription_that_makes_no_sense_is_refused(hub: Hub, wanted: dict[str, Any]) -> None:
    whole = {"subscriptionType": "OBJECT", "objectTypeId": "0-3", "portalId": 247279312, "actions": ["CREATE"]}
    assert Reader(hub).send("POST", SUBSCRIPTIONS, {**whole, **wanted}).status_code == 400


def test_the_dated_path_of_2026_09_and_the_local_journal_are_served(hub: Hub) -> None:
    reader = Reader(hub)
    reader.subscribe("dealstage")
    hub.deal()
    assert reader.send("GET", "/webhooks-journal/journal/2026-09/earliest").status_code == 200
    local = "/webhooks-journal/journal-local/2026-03/earliest"
    assert reader.send("GET", f"{local}?installPortalId=247279312").status_code == 200
    assert reader.send("GET", f"{local}?installPortalId=1").status_code == 404
