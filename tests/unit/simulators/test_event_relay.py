"""Event Relay's way to EventBridge: what is sent, in which portions, and what a refusal does."""

import json
import logging
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber

from dealbridge_local.simulators.salesforce.event_relay import EventBridgeRelay

SOURCE = "aws.partner/salesforce.com/00DKd0000000001IAA/0YLKd0000000001IAA"


def _envelope(number: int) -> dict[str, Any]:
    return {
        "version": "0",
        "id": str(number),
        "detail-type": "OpportunityChangeEvent",
        "source": SOURCE,
        "account": "123456789012",
        "time": "2026-11-23T18:00:00Z",
        "region": "us-east-1",
        "resources": [],
        "detail": {"payload": {"number": number}},
    }


def _relay() -> tuple[EventBridgeRelay, Stubber]:
    client = boto3.client("events", region_name="us-east-1", aws_access_key_id="none", aws_secret_access_key="none")
    return EventBridgeRelay(client), Stubber(client)


def _answer(stubber: Stubber, *refused: int, count: int) -> None:
    results = [{"ErrorCode": "ThrottlingException"} if place in refused else {"EventId": "e"} for place in range(count)]
    response = {"FailedEntryCount": len(refused), "Entries": results}
    stubber.add_response("put_partner_events", response, {"Entries": [ANY] * count})


def test_an_envelope_becomes_a_partner_event() -> None:
    relay, stubber = _relay()
    expected = {
        "Time": datetime(2026, 11, 23, 18, 0, 0, tzinfo=UTC),
        "Source": SOURCE,
        "Resources": [],
        "DetailType": "OpportunityChangeEvent",
        "Detail": json.dumps({"payload": {"number": 1}}),
    }
    stubber.add_response("put_partner_events", {"FailedEntryCount": 0, "Entries": [{}]}, {"Entries": [expected]})

    with stubber:
        relay([_envelope(1)])

    stubber.assert_no_pending_responses()


def test_ten_events_go_in_a_call() -> None:
    relay, stubber = _relay()
    _answer(stubber, count=10)
    _answer(stubber, count=2)

    with stubber:
        relay([_envelope(number) for number in range(12)])

    stubber.assert_no_pending_responses()


def test_only_what_was_refused_is_sent_again_and_in_the_end_given_up(caplog: pytest.LogCaptureFixture) -> None:
    relay, stubber = _relay()
    _answer(stubber, 0, 2, count=3)
    _answer(stubber, 1, count=2)
    _answer(stubber, 0, count=1)

    with stubber, caplog.at_level(logging.ERROR):
        relay([_envelope(number) for number in range(3)])

    stubber.assert_no_pending_responses()
    assert [record.message for record in caplog.records] == [
        f"EventBridge took no event OpportunityChangeEvent from {SOURCE}"
    ]
