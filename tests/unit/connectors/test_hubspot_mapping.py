"""HubSpot's pure parts: signatures, events to hints, milestones, status, cursors, the journal's file, settings."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dealbridge.connectors.hubspot import CAPABILITIES, mapping, records
from dealbridge.connectors.hubspot.auth import signature_v3, verify
from dealbridge.connectors.hubspot.mapping import Cursor
from dealbridge.connectors.hubspot.settings import Options, Secret
from dealbridge.domain.connection import Connection
from dealbridge.domain.engagement import EngagementStatus
from dealbridge.errors import ConfigurationError, RejectedError
from dealbridge.ports import InboundEventError, InboundRequest
from dealbridge.transport.mapping import instant, read_status

NOW = datetime(2026, 11, 23, 18, 0, tzinfo=UTC)
URL = "https://hooks.example.com/events/hubspot?region=eu"
SECRET = "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy"
STATUS_FIELDS = {
    "status": "erp_status",
    "message": "erp_status_message",
    "customer_number": "erp_customer_number",
    "contract_number": "erp_contract_number",
    "project_number": "erp_project_number",
    "at": "erp_status_at",
}


def _request(body: bytes = b"[]", *, secret: str = SECRET, sent: datetime = NOW, **headers: str) -> InboundRequest:
    timestamp = str(int(sent.timestamp() * 1000))
    signed = {
        "x-hubspot-signature-v3": signature_v3(secret, "POST", URL, body, timestamp),
        "x-hubspot-request-timestamp": timestamp,
    }
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return InboundRequest("POST", URL, {**signed, **given}, body, NOW)


def _event(**changed: Any) -> dict[str, Any]:
    return {
        "eventId": 1765889350,
        "subscriptionId": 7662269,
        "portalId": 247279312,
        "appId": 51879189,
        "occurredAt": 1788597072520,
        "subscriptionType": "object.propertyChange",
        "attemptNumber": 0,
        "objectId": 546500061938,
        "objectTypeId": "0-3",
        "propertyName": "dealstage",
        "propertyValue": "closedwon",
        **changed,
    }


def _deals(*events: Mapping[str, Any]) -> list[str | None]:
    return [hint.opportunity for hint in mapping.hints(events, {"erp_status"}, 247279312)]


# Signatures


def test_hubspots_own_vector_of_signature_v3() -> None:
    body = b"{'example_field':'example_value'}"
    signed = signature_v3(SECRET, "POST", "https://www.example.com/webhook_uri", body, "1693657560000")
    assert signed == "K36dawei4A+QBNolUOqo7s91KQDWQ5MXZ/QufNYuk/Y="


def test_a_signed_request_is_accepted_even_with_a_mangled_plus() -> None:
    verify(_request(), SECRET, "v3")
    # 13 of 14 signatures hold a "+": look for a body that has one.
    for number in range(200):
        request = _request(json.dumps([number]).encode())
        if "+" in request.headers["x-hubspot-signature-v3"]:
            break
    mangled = request.headers["x-hubspot-signature-v3"].replace("+", " ")
    verify(_request(request.body, x_hubspot_signature_v3=mangled), SECRET, "v3")


@pytest.mark.parametrize(
    "request_",
    [
        _request(secret="another"),
        _request(x_hubspot_signature_v3=""),
        _request(x_hubspot_signature_v3="ü"),
        _request(x_hubspot_request_timestamp=""),
        _request(x_hubspot_request_timestamp="yesterday"),
        _request(x_hubspot_request_timestamp="9" * 15),
        _request(sent=NOW - timedelta(minutes=5, seconds=1)),
        _request(sent=NOW + timedelta(minutes=5, seconds=1)),
        InboundRequest("POST", URL + "&x=1", _request().headers, b"[]", NOW),
        InboundRequest("POST", URL, _request().headers, b"[ ]", NOW),
    ],
)
def test_a_forged_stale_or_changed_request_is_refused(request_: InboundRequest) -> None:
    with pytest.raises(InboundEventError) as refused:
        verify(request_, SECRET, "v3")
    assert refused.value.status == 401


def test_without_a_client_secret_nothing_is_accepted() -> None:
    with pytest.raises(ConfigurationError):
        verify(_request(secret=""), "", "v3")


# Events


def test_a_deal_event_is_a_hint_in_either_format() -> None:
    legacy = _event(subscriptionType="deal.propertyChange", occurredAt=1)
    del legacy["objectTypeId"]
    (generic,) = mapping.hints([_event()], (), None)

    assert _deals(_event(), legacy) == ["546500061938", "546500061938"]
    assert generic.occurred_at == datetime(2026, 9, 5, 8, 31, 12, 520000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"subscriptionType": "object.creation"}, ["546500061938"]),
        ({"subscriptionType": "object.deletion"}, ["546500061938"]),
        ({"subscriptionType": "object.restore"}, ["546500061938"]),
        ({"objectTypeId": "0-2"}, [None]),
        ({"subscriptionType": "company.propertyChange"}, [None]),
        ({"subscriptionType": "company.merge"}, [None]),
        ({"subscriptionType": "company.creation"}, []),
        ({"objectTypeId": "0-1"}, []),
        ({"portalId": "247279312"}, ["546500061938"]),
        (
            {
                "subscriptionType": "object.associationChange",
                "associationType": "COMPANY_TO_COMPANY",
                "fromObjectId": 8,
                "toObjectId": 7,
            },
            [None],
        ),
        ({"objectTypeId": "0-8"}, [None]),
        ({"subscriptionType": "line_item.propertyChange"}, [None]),
        ({"portalId": 1}, []),
        ({"propertyName": "erp_status"}, []),
        (
            {"subscriptionType": "object.merge", "newObjectId": 3, "primaryObjectId": 1, "mergedObjectIds": [2]},
            ["3", "1", "2"],
        ),
        (
            {"subscriptionType": "object.merge", "newObjectId": 1, "primaryObjectId": 1, "mergedObjectIds": [2]},
            ["1", "2"],
        ),
        (
            {
                "subscriptionType": "object.associationChange",
                "associationType": "DEAL_TO_LINE_ITEM",
                "fromObjectId": 7,
                "toObjectId": 8,
            },
            ["7"],
        ),
        (
            {
                "subscriptionType": "line_item.associationChange",
                "associationType": "LINE_ITEM_TO_DEAL",
                "fromObjectId": 8,
                "toObjectId": 7,
            },
            ["7"],
        ),
        (
            {
                "subscriptionType": "object.associationChange",
                "associationTypeId": 20,
                "fromObjectTypeId": "0-8",
                "toObjectTypeId": "0-3",
                "fromObjectId": 8,
                "toObjectId": 7,
            },
            ["7"],
        ),
        (
            {
                "subscriptionType": "object.associationChange",
                "associationType": "CONTACT_TO_COMPANY",
                "fromObjectId": 8,
                "toObjectId": 7,
            },
            [],
        ),
    ],
)
def test_what_an_event_speaks_of(changed: dict[str, Any], expected: list[str | None]) -> None:
    assert _deals(_event(**changed)) == expected


def test_one_save_is_one_hint_however_many_properties_and_deliveries() -> None:
    events = [_event(), _event(propertyName="amount", eventId=2), _event(attemptNumber=3), _event(occurredAt=1)]
    first, second = mapping.hints(events, (), None)

    assert first.event_id != second.event_id
    again = mapping.hints([_event(propertyName="closedate", eventId=9)], (), None)
    assert again[0].event_id == first.event_id
    # The same moment of another deal or another account is another event.
    others = mapping.hints([_event(objectId=1), _event(portalId=1)], (), None)
    assert len({first.event_id, *(each.event_id for each in others)}) == 3


@pytest.mark.parametrize("body", [b"", b"{", b"{}", b"[1]", b"\xff"])
def test_a_body_that_is_no_list_of_events_is_refused(body: bytes) -> None:
    with pytest.raises(InboundEventError) as refused:
        mapping.read_events(body)
    assert refused.value.status == 400


@pytest.mark.parametrize("missing", ["objectId", "occurredAt", "subscriptionType", "objectTypeId"])
def test_an_event_of_an_unknown_form_asks_for_a_poll_and_costs_the_others_nothing(missing: str) -> None:
    event = _event()
    del event[missing]
    found = mapping.hints([event, _event(objectId=7), event], (), None)
    assert [each.opportunity for each in found] == [None, "7"]


# Milestones


def _line(milestones: str | None) -> dict[str, Any]:
    return {"id": "5", "properties": {"milestones": milestones}}


def test_milestones_are_read_from_their_json() -> None:
    text = '[{"name": "Design", "date": "2027-01-31", "amount": 1000.10}, {"name": "Go", "date": "x", "amount": "2"}]'
    first, second = mapping.schedules(_line(text), "milestones")

    assert first == {"line_item": "5", "position": 1, "name": "Design", "date": "2027-01-31", "amount": "1000.10"}
    assert (second["position"], second["amount"]) == (2, "2")
    assert list(mapping.schedules(_line(None), "milestones")) == []


@pytest.mark.parametrize("text", ["Design, January", "{}", "[1]", '[{"name": "x"}]', "[null]"])
def test_milestones_that_are_no_list_name_line_and_remedy(text: str) -> None:
    with pytest.raises(RejectedError) as refused:
        list(mapping.schedules(_line(text), "milestones"))
    (finding,) = refused.value.findings
    assert finding.field == "milestones (line 5)"
    assert "JSON list" in finding.message


# Status


def _status(**changed: Any) -> EngagementStatus:
    wanted = {
        "key": "STAT-77",
        "status": "active",
        "message": "Ready.",
        "customer_number": "C-1",
        "project_number": "P-1",
        "at": NOW,
    }
    return EngagementStatus.model_validate({**wanted, **changed})


def test_a_status_survives_the_way_there_and_back() -> None:
    properties = mapping.status_properties(_status(), STATUS_FIELDS)

    assert properties["erp_contract_number"] == ""
    assert properties["erp_status_at"] == "2026-11-23T18:00:00.000Z"
    held = {name: value or None for name, value in properties.items()}
    assert read_status("77", held, STATUS_FIELDS) == _status()


def test_only_mapped_fields_are_written_and_none_is_none() -> None:
    assert mapping.status_properties(_status(), {"status": "erp_status"}) == {"erp_status": "active"}
    assert read_status("77", {"erp_status": None}, STATUS_FIELDS) is None


# Cursors


def _modified(*minutes: float) -> list[dict[str, Any]]:
    return [
        {"id": str(place), "properties": {records.MODIFIED: instant(NOW + timedelta(minutes=minute))}}
        for place, minute in enumerate(minutes)
    ]


def test_a_cursor_survives_as_text() -> None:
    for cursor in (
        Cursor("a"),
        Cursor("a", kind="deals", at="b", after=3, newest={"1": "x"}, began="c"),
        Cursor("a", offset=""),
        Cursor("a", offset="x"),
    ):
        assert Cursor.parse(str(cursor)) == cursor
    for other in (None, "", "2026-11-23", '{"position": 1}', "[1]"):
        assert Cursor.parse(other) is None


def test_pages_go_on_by_time_and_the_next_sweep_looks_back() -> None:
    hour, later = timedelta(hours=1), NOW + timedelta(hours=1)
    start = Cursor(since="2026-11-23T17:00:00.000Z")
    second = start.onward(_modified(1, 2), {"1": "x"}, NOW)
    third = second.onward(_modified(2, 2), {"1": "x"}, later)
    fourth = third.onward(_modified(2, 2), {"1": "x"}, later)
    assert start.onward(_modified(1, 1), {}, NOW).after == 2
    deals = fourth.to(records.DEALS, {"1": "y"}, later)

    assert (second.at, second.after) == ("2026-11-23T18:02:00.000Z", 0)
    # A page of one single moment is left by position.
    assert [(each.at, each.after) for each in (third, fourth)] == [(second.at, 2), (second.at, 4)]
    assert (deals.kind, deals.page_body()["after"], deals.newest) == ("deals", "0", {"1": "y"})
    assert deals.page_body()["filterGroups"][0]["filters"][0]["value"] == start.since
    # The look-back counts from where the sweep began, not from where it ended.
    assert deals.next_sweep(later, hour) == Cursor(since="2026-11-23T17:00:00.000Z")


def test_a_revision_tells_the_change_of_the_deal_from_those_of_its_lines() -> None:
    deal, older, newer = _modified(5, 1, 9)
    assert mapping.newest([older, deal]) == "2026-11-23T18:05:00.000Z"
    assert mapping.newest([older, newer]) == "2026-11-23T18:09:00.000Z"
    assert mapping.newest([]) == ""
    for told in ("2026-11-23T18:05:00Z", "2026-11-23T19:05:00+01:00", "1795457100000", 1795457100000):
        assert mapping.modified_at({"properties": {records.MODIFIED: told}}) == "2026-11-23T18:05:00.000Z"
    assert mapping.revision("t1", "t2", [], ["name"]) == "t1 t2"
    assert mapping.revision("t1", "", [], ["name"]) == "t1 -"


@pytest.mark.parametrize(
    ("own", "lines", "newer"),
    [("t1", "t2", False), ("t0", "", False), ("t2", "t2", True), ("t1", "t3", True), ("t0", "t3", True)],
)
def test_what_is_newer_than_a_revision_is_the_deals_or_a_lines(own: str, lines: str, newer: bool) -> None:
    assert mapping.is_newer(own, lines, "t1 t2 hash") is newer
    assert mapping.is_newer("t1", "t2", "t1 -")


def test_a_revision_has_what_is_read_of_the_companies_and_not_when_they_were_touched() -> None:
    def of(*companies: tuple[str, dict[str, str | None]]) -> str:
        accounts = [{"id": each, "properties": properties} for each, properties in companies]
        return mapping.revision("t", "l", accounts, ["name", "phone"])

    acme: dict[str, str | None] = {"name": "Acme", "phone": None}
    group: dict[str, str | None] = {"name": "Group"}
    told = of(("1", acme), ("2", group))
    assert told == of(("1", {"name": "Acme", "phone": "", records.MODIFIED: "later"}), ("2", group))
    assert len({told, of(("1", acme)), of(("1", acme), ("3", group)), of(("1", {**acme, "phone": "1"}))}) == 4
    assert mapping.moved(told, "u") == "u" + told[1:]


@pytest.mark.parametrize(
    "content",
    [
        b'{"offset": "o", "journalEvents": [{"objectId": 1}, {"objectId": 2}], "publishedAt": "x"}',
        b'{"objectId": 1}\n{"objectId": 2}\n',
        b'[{"objectId": 1}, {"objectId": 2}]',
    ],
)
def test_the_journals_file_is_read_in_any_of_its_forms(content: bytes) -> None:
    assert [each["objectId"] for each in mapping.journal_events(content)] == [1, 2]
    assert mapping.journal_events(b'{"objectId": 1}\n') == [{"objectId": 1}]


# Associations


def test_the_primary_company_is_found_wherever_it_stands() -> None:
    def deal(*types: tuple[str, str]) -> dict[str, Any]:
        return {"associations": {"companies": {"results": [{"id": each, "type": kind} for each, kind in types]}}}

    unlabelled, primary = "deal_to_company_unlabeled", "deal_to_company"
    assert records.primary_company(deal(("1", unlabelled), ("2", unlabelled), ("2", primary))) == "2"
    # None is marked: which one it is must not follow from the order, which differs from call to call.
    for order in (("9", "10"), ("10", "9")):
        assert records.primary_company(deal(*((each, unlabelled) for each in order))) == "9"
    assert records.primary_company({}) is None


# Settings


def _connection(**options: Any) -> Connection:
    return Connection(
        id="hubspot", system="hubspot", base_url="https://h.example", secret="dealbridge/hubspot", options=options
    )


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"api_version": "v3"}, "options.api_version"),
        ({"portal_time_zone": "Mars/Base"}, "options.portal_time_zone"),
        ({"changes": "journal"}, "portal_id"),
    ],
)
def test_a_wrong_option_is_named_with_its_file(options: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigurationError, match=r"mappings/connections\.yaml: hubspot\.options") as refused:
        Options.of(_connection(**options))
    assert named in refused.value.message


@pytest.mark.parametrize(
    ("options", "secret", "named"),
    [
        ({}, {}, "access_token"),
        ({"sign_in": "refresh_token"}, {"client_id": "a", "client_secret": "b"}, "refresh_token"),
        ({"changes": "journal", "portal_id": 1}, {"access_token": "a", "client_id": "b"}, "client_secret"),
    ],
)
def test_a_missing_key_of_the_secret_is_named(options: dict[str, Any], secret: dict[str, str], named: str) -> None:
    connection = _connection(**options)
    with pytest.raises(ConfigurationError, match=f"'dealbridge/hubspot': {named}: missing"):
        Secret.of(connection, secret).require_for(Options.of(connection), connection)


def test_the_capabilities_say_what_there_is_not() -> None:
    assert not CAPABILITIES.concurrency_token
    assert "last write wins" in CAPABILITIES.skips["concurrency_token"]
