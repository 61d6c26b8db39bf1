"""Events of an ERP on their way through the deployed API: greeted, pushed, told on the bus."""

import json
from typing import Any

import httpx
import pytest

from dealbridge_local.engine import wait_until
from dealbridge_local.platform import Platform
from tests.workflows.observing import Vendor


@pytest.fixture
def told(platform: Platform) -> Any:
    """What is told on the bus from now on: a queue of everybody's."""
    events, sqs = platform.engine.client("events"), platform.engine.client("sqs")
    queue = sqs.create_queue(QueueName="erp-facts")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    bus, pattern = platform.stack["BusName"], {"detail-type": ["ErpRecordChanged"]}
    events.put_rule(Name="erp-facts", EventBusName=bus, EventPattern=json.dumps(pattern))
    events.put_targets(Rule="erp-facts", EventBusName=bus, Targets=[{"Id": "queue", "Arn": arn}])

    def receive() -> list[dict[str, Any]]:
        found = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
        return [json.loads(message["Body"])["detail"] for message in found]

    yield receive
    events.remove_targets(Rule="erp-facts", EventBusName=bus, Ids=["queue"])
    events.delete_rule(Name="erp-facts", EventBusName=bus)
    sqs.delete_queue(QueueUrl=queue)


def test_an_event_of_s4hana_is_pushed_and_told_once(platform: Platform, told: Any) -> None:
    s4hana = platform.simulator_url("s4hana")
    partner = Vendor(platform, "s4hana").records("A_BusinessPartner")[0]["BusinessPartner"]
    event = {"type": "BusinessPartner.Changed", "id": partner, "duplicate": True}
    sent = httpx.post(f"{s4hana}/__sim/events", json=event, timeout=30).raise_for_status().json()
    after = httpx.post(f"{s4hana}/__sim/events", json=event, timeout=30).raise_for_status().json()
    facts: list[dict[str, Any]] = []

    def both() -> bool:
        facts.extend(told())
        return f"{after['source']}#{after['id']}" in {fact["event_id"] for fact in facts}

    wait_until(both, "the second event on the bus", within_s=60, every_s=0.3, check=platform.engine.check_alive)
    (fact,) = [fact for fact in facts if fact["event_id"] == f"{sent['source']}#{sent['id']}"]
    assert (fact["connection"], fact["record_type"], fact["id"]) == ("s4hana", "A_BusinessPartner", partner)


def test_the_greeting_and_a_forged_event_over_http(platform: Platform) -> None:
    url = f"{platform.endpoints['http_api']}/erp-events/s4hana"
    greeted = httpx.options(url, headers={"WebHook-Request-Origin": "eventemitter.example.com"}, timeout=60)
    assert (greeted.status_code, greeted.headers["WebHook-Allowed-Origin"]) == (200, "eventemitter.example.com")
    forged = httpx.post(url, json={}, headers={"Authorization": "Basic Z3Vlc3NlZA=="}, timeout=60)
    assert forged.status_code == 401
