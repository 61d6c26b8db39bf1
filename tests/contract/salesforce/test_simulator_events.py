"""Events out of the org: what a commit says, in which envelope, and how Event Relay hands it over."""

import threading
from typing import Any

import pytest

from dealbridge_local.simulators.salesforce import SalesforceSimulator
from tests.contract.suites.vendor import Clock

from .conftest import Org

CLIENT = {"Sforce_Call_Options": "client=dealbridge"}


def _sent(org: Org) -> list[dict[str, Any]]:
    sent = list(org.simulator.outbox.sent)
    org.simulator.outbox.sent.clear()
    return sent


def _header(envelope: dict[str, Any]) -> dict[str, Any]:
    header: dict[str, Any] = envelope["detail"]["payload"]["ChangeEventHeader"]
    return header


def test_an_update_names_the_record_and_carries_its_changed_fields(org: Org) -> None:
    deal_id = org.deal(PO_Number__c="1")
    _sent(org)
    org.clock.advance(minutes=1)
    org.send("PATCH", f"sobjects/Opportunity/{deal_id}", {"StageName": "Closed Won", "PO_Number__c": None}, **CLIENT)

    (envelope,) = _sent(org)
    source = f"aws.partner/salesforce.com/{org.simulator.credentials()['org_id']}/0YL"
    assert envelope["source"].startswith(source)
    assert envelope["source"] == org.simulator.credentials()["relay_source"]
    assert (envelope["detail-type"], envelope["time"]) == ("OpportunityChangeEvent", "2026-11-23T18:01:00Z")
    assert set(envelope) == {
        "version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail",
    }  # fmt: skip
    payload = envelope["detail"]["payload"]
    assert (payload["StageName"], payload["IsWon"], payload["Probability"]) == ("Closed Won", True, 100.0)
    assert payload["LastModifiedDate"] == "2026-11-23T18:01:00.000Z"
    assert not {"PO_Number__c", "Name", "SystemModstamp"} & set(payload)
    header = _header(envelope)
    assert (header["changeType"], header["entityName"]) == ("UPDATE", "Opportunity")
    assert header["recordIds"] == [deal_id]
    assert {"StageName", "PO_Number__c", "LastModifiedDate"} <= set(header["changedFields"])
    assert header["changeOrigin"] == "com/salesforce/api/rest/67.0;client=dealbridge"
    assert header["commitTimestamp"] == 1795456860000


def test_creation_and_deletion_have_events_of_their_own(org: Org) -> None:
    deal_id = org.deal()
    org.send("DELETE", f"sobjects/Opportunity/{deal_id}")
    created, deleted = _sent(org)

    assert (_header(created)["changeType"], _header(created)["changedFields"]) == ("CREATE", [])
    assert created["detail"]["payload"]["Name"] == "ERP rollout"
    assert _header(deleted)["changeType"] == "DELETE"
    assert set(deleted["detail"]["payload"]) == {"ChangeEventHeader"}
    assert _header(created)["transactionKey"] != _header(deleted)["transactionKey"]
    assert _header(created)["commitNumber"] < _header(deleted)["commitNumber"]


def test_a_product_changes_its_deal_in_one_event_a_transaction(org: Org) -> None:
    deal_id, entry_id = org.deal(), org.entry()
    _sent(org)
    line = {"OpportunityId": deal_id, "PricebookEntryId": entry_id, "Quantity": 1, "UnitPrice": 100}
    records = [{"attributes": {"type": "OpportunityLineItem"}, **line} for _ in range(3)]
    org.send("POST", "composite/sobjects", {"records": records})

    (envelope,) = _sent(org)
    assert envelope["detail"]["payload"]["Amount"] == 300.0
    assert _header(envelope)["recordIds"] == [deal_id]


def test_the_same_change_of_many_records_in_one_transaction_is_one_event(org: Org) -> None:
    deals = [org.deal(), org.deal(), org.deal()]
    _sent(org)
    records = [
        {"attributes": {"type": "Opportunity"}, "id": deal_id, "NextStep": step}
        for deal_id, step in zip(deals, ("Call", "Call", "Write"), strict=True)
    ]
    org.send("PATCH", "composite/sobjects", {"records": records})

    first, second = _sent(org)
    assert (_header(first)["recordIds"], _header(second)["recordIds"]) == (deals[:2], deals[2:])
    assert [_header(each)["sequenceNumber"] for each in (first, second)] == [1, 2]
    assert _header(first)["transactionKey"] == _header(second)["transactionKey"]


def test_what_is_rolled_back_has_no_event(org: Org) -> None:
    deal_id = org.deal()
    _sent(org)
    records = [{"id": deal_id, "NextStep": "Call"}, {"id": deal_id, "Amount": "ten"}]
    response = org.send("PATCH", "composite/sobjects", {"allOrNone": True, "records": records})

    assert [each["success"] for each in response.json()] == [False, False]
    assert _sent(org) == []


def test_an_update_without_a_difference_is_still_an_update(org: Org) -> None:
    deal_id = org.deal()
    _sent(org)
    org.update("Opportunity", deal_id)

    (envelope,) = _sent(org)
    assert _header(envelope)["changedFields"] == ["LastModifiedDate"]


def test_only_relayed_objects_are_told_and_addresses_in_parts(clock: Clock, private_key: str) -> None:
    org = Org(SalesforceSimulator(clock, private_key=private_key, relayed=("Account",)), clock)
    account_id = org.account()
    org.deal(AccountId=account_id)
    _sent(org)
    org.update("Account", account_id, BillingStreet="Main Street 1", Site="HQ")

    (envelope,) = _sent(org)
    assert envelope["detail-type"] == "AccountChangeEvent"
    assert {"BillingAddress.Street", "Site"} <= set(_header(envelope)["changedFields"])
    assert envelope["detail"]["payload"]["BillingAddress"] == {"Street": "Main Street 1"}


def test_the_flow_on_closed_won_publishes_once_a_win(clock: Clock, private_key: str) -> None:
    org = Org(SalesforceSimulator(clock, private_key=private_key, relayed=(), deal_won_events=True), clock)
    deal_id = org.deal()
    for stage in ("Closed Won", "Closed Won", "Prospecting", "Closed Won"):
        org.update("Opportunity", deal_id, StageName=stage)

    won = _sent(org)
    assert [envelope["detail-type"] for envelope in won] == ["Deal_Won__e", "Deal_Won__e"]
    payloads = [envelope["detail"]["payload"] for envelope in won]
    assert {payload["Opportunity_Id__c"] for payload in payloads} == {deal_id}
    assert payloads[0]["EventUuid"] != payloads[1]["EventUuid"]


def _emit(org: Org, **event: Any) -> Any:
    return org.http.post("/__sim/events", json=event)


def test_events_are_emitted_on_request_and_in_copies(org: Org) -> None:
    deal_id = org.deal()
    _sent(org)
    answer = _emit(org, type="OpportunityChangeEvent", id=deal_id[:15], duplicate=2)

    sent = _sent(org)
    assert answer.status_code == 201
    assert answer.json()["sent"] == sent
    assert len({envelope["id"] for envelope in sent}) == 3
    assert len({_header(envelope)["transactionKey"] for envelope in sent}) == 1
    assert _header(sent[0])["recordIds"] == [deal_id]


def test_gaps_carry_no_data_and_an_overflow_no_record(org: Org) -> None:
    deal_id = org.deal()
    _sent(org)
    _emit(org, type="GAP_UPDATE", id=deal_id)
    _emit(org, type="GAP_OVERFLOW", id="")

    gap, overflow = _sent(org)
    assert (_header(gap)["changeType"], _header(gap)["recordIds"]) == ("GAP_UPDATE", [deal_id])
    assert (_header(overflow)["changeType"], _header(overflow)["recordIds"]) == ("GAP_OVERFLOW", ["000000000000000AAA"])
    assert [set(each["detail"]["payload"]) for each in (gap, overflow)] == [{"ChangeEventHeader"}] * 2


def test_other_shapes_of_an_event(org: Org) -> None:
    deal_id, account_id = org.deal(), org.account()
    _sent(org)
    _emit(org, type="flat", id=deal_id)
    _emit(org, type="Deal_Won__e", id=deal_id)
    _emit(org, type="AccountChangeEvent", id=account_id)

    flat, won, account = _sent(org)
    assert flat["source"].startswith("aws.partner/appflow/salesforce.com/")
    assert flat["detail"]["ChangeEventHeader"]["recordIds"] == [deal_id]
    assert won["detail"]["payload"]["Opportunity_Id__c"] == deal_id
    assert account["detail-type"] == "AccountChangeEvent"


@pytest.mark.parametrize("event", [{"type": "Nothing"}, {"type": "GAP_UPDATE", "id": "x"}, {"type": "Opportunity"}])
def test_an_event_that_cannot_be_emitted_is_refused(org: Org, event: dict[str, str]) -> None:
    assert _emit(org, **event).status_code == 400
    assert _sent(org) == []


def test_a_delayed_event_waits_for_its_time(org: Org) -> None:
    deal_id = org.deal()
    _sent(org)
    _emit(org, type="OpportunityChangeEvent", id=deal_id, delay_s=30)
    _emit(org, type="GAP_UPDATE", id=deal_id)
    first = _sent(org)
    org.clock.advance(seconds=30)
    org.send("GET", "limits")

    assert [_header(envelope)["changeType"] for envelope in first] == ["GAP_UPDATE"]
    assert [_header(envelope)["changeType"] for envelope in _sent(org)] == ["UPDATE"]


class _Bus:
    """A relay that blocks until it is let go, and can fail."""

    def __init__(self, *, fails: bool = False) -> None:
        self.taken: list[dict[str, Any]] = []
        self.open = threading.Event()
        self.done = threading.Event()
        self._fails = fails

    def __call__(self, envelopes: list[dict[str, Any]]) -> None:
        assert self.open.wait(10)
        self.taken += envelopes
        self.done.set()
        if self._fails:
            self._fails = False
            raise ConnectionError("the bus is away")


def _until(bus: _Bus) -> None:
    assert bus.done.wait(10)
    bus.done.clear()


def test_a_slow_bus_does_not_hold_up_the_api(clock: Clock, private_key: str) -> None:
    bus = _Bus()
    org = Org(SalesforceSimulator(clock, private_key=private_key, relay=bus), clock)
    try:
        deal_id = org.deal()
        org.update("Opportunity", deal_id, NextStep="Call")
        assert org.read("Opportunity", deal_id)["NextStep"] == "Call"
        assert bus.taken == []
        bus.open.set()
        while len(bus.taken) < 2:
            _until(bus)
        assert [_header(envelope)["changeType"] for envelope in bus.taken] == ["CREATE", "UPDATE"]
    finally:
        bus.open.set()
        org.simulator.outbox.close()


def test_a_bus_that_fails_loses_those_events_only(
    clock: Clock, private_key: str, caplog: pytest.LogCaptureFixture
) -> None:
    bus = _Bus(fails=True)
    bus.open.set()
    org = Org(SalesforceSimulator(clock, private_key=private_key, relay=bus, relay_in_background=False), clock)
    deal_id = org.deal()
    org.update("Opportunity", deal_id, NextStep="Call")

    assert [_header(envelope)["changeType"] for envelope in bus.taken] == ["CREATE", "UPDATE"]
    assert "1 events were not relayed" in caplog.text
