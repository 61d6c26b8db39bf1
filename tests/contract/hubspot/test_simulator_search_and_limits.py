"""Search with its index lag and its end at 10,000, and the limits with their three policies."""

from typing import Any

import pytest

from .conftest import Hub, Portal, refusal


def _filter(name: str, operator: str, **values: Any) -> dict[str, Any]:
    return {"propertyName": name, "operator": operator, **values}


def _found(hub: Hub, *filters: dict[str, Any], **more: Any) -> list[str]:
    return [each["id"] for each in hub.search("deals", *filters, **more)["results"]]


def test_search_sees_a_record_only_after_the_index_has(hub: Hub) -> None:
    deal_id = hub.deal(amount="1")
    assert _found(hub) == []
    hub.clock.advance(seconds=5)
    assert _found(hub) == [deal_id]
    hub.update("deals", deal_id, amount="2")
    assert _found(hub, _filter("amount", "EQ", value="2")) == []
    assert hub.properties("deals", deal_id, "amount") == {"amount": "2"}
    hub.clock.advance(seconds=5)
    assert _found(hub, _filter("amount", "EQ", value="2")) == [deal_id]
    hub.send("DELETE", f"deals/{deal_id}")
    hub.clock.advance(seconds=5)
    assert _found(hub) == []


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ([_filter("amount", "EQ", value="20")], [1]),
        ([_filter("amount", "NEQ", value="20")], [0]),
        ([_filter("amount", "GT", value="9")], [0, 1]),
        ([_filter("amount", "LT", value="20")], [0]),
        ([_filter("amount", "LTE", value="20.0")], [0, 1]),
        ([_filter("amount", "GTE", value="20")], [1]),
        ([_filter("amount", "BETWEEN", value="5", highValue="15")], [0]),
        ([_filter("dealname", "EQ", value="ALPHA ROLLOUT")], [0]),
        ([_filter("dealname", "CONTAINS_TOKEN", value="alp*")], [0]),
        ([_filter("dealname", "NOT_CONTAINS_TOKEN", value="alpha")], [1, 2]),
        ([_filter("payment_terms", "IN", values=["net_30", "net_45"])], [0]),
        ([_filter("payment_terms", "NOT_IN", values=["net_30"])], [1]),
        ([_filter("amount", "HAS_PROPERTY")], [0, 1]),
        ([_filter("amount", "NOT_HAS_PROPERTY")], [2]),
        ([_filter("amount", "GT", value="1"), _filter("payment_terms", "EQ", value="net_60")], [1]),
    ],
)
def test_filters(hub: Hub, filters: list[dict[str, Any]], expected: list[int]) -> None:
    ids = [
        hub.deal(dealname="Alpha rollout", amount="10", payment_terms="net_30"),
        hub.deal(dealname="Beta", amount="20", payment_terms="net_60"),
        hub.deal(dealname="Gamma"),
    ]
    hub.clock.advance(minutes=1)
    assert _found(hub, *filters) == [ids[place] for place in expected]


def test_times_are_searched_in_milliseconds_or_iso_and_sorted(hub: Hub) -> None:
    first = hub.deal()
    hub.clock.advance(hours=1)
    second = hub.deal()
    hub.clock.advance(hours=1)
    since = str(int(hub.clock().timestamp() * 1000) - 3_600_000)

    assert _found(hub, _filter("hs_lastmodifieddate", "GTE", value=since)) == [second]
    assert _found(hub, _filter("hs_lastmodifieddate", "LT", value="2026-11-23T19:00:00Z")) == [first]
    assert _found(hub, sorts=[{"propertyName": "hs_lastmodifieddate", "direction": "DESCENDING"}]) == [second, first]
    assert _found(hub, sorts=["hs_lastmodifieddate"]) == [first, second]


def test_groups_are_alternatives(hub: Hub) -> None:
    ids = [hub.deal(amount=str(number)) for number in range(3)]
    hub.clock.advance(minutes=1)
    groups = [{"filters": [_filter("amount", "EQ", value=value)]} for value in ("0", "2")]
    found = hub.send("POST", "deals/search", {"filterGroups": groups}).json()
    assert [each["id"] for each in found["results"]] == [ids[0], ids[2]]


def test_search_pages_and_ends_at_ten_thousand(hub: Hub) -> None:
    ids = [hub.deal() for _ in range(12)]
    hub.clock.advance(minutes=1)
    first = hub.search("deals")
    rest = hub.search("deals", after=first["paging"]["next"]["after"])

    assert (first["total"], len(first["results"]), len(rest["results"])) == (12, 10, 2)
    assert [each["id"] for each in first["results"] + rest["results"]] == ids
    hub.clock.advance(seconds=1)
    past_the_end = hub.send("POST", "deals/search", {"limit": 200, "after": "9900"})
    assert refusal(past_the_end)[:2] == (400, "VALIDATION_ERROR")
    assert hub.send("POST", "deals/search", {"limit": 100, "after": "9900"}).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {"filterGroups": [{"filters": [_filter("nosuch", "EQ", value="1")]}]},
        {"filterGroups": [{"filters": [_filter("amount", "LIKE", value="1")]}]},
        {"filterGroups": [{"filters": [_filter("amount", "EQ")]}]},
        {"filterGroups": [{"filters": [_filter("amount", "EQ", value="ten")]}]},
        {"filterGroups": [{"filters": []}] * 6},
        {"filterGroups": [{"filters": [_filter("amount", "HAS_PROPERTY")] * 7}]},
        {"limit": 201},
        {"sorts": ["amount", "dealname"]},
    ],
)
def test_a_search_that_makes_no_sense_is_refused(hub: Hub, body: dict[str, Any]) -> None:
    assert refusal(hub.send("POST", "deals/search", body))[:2] == (400, "VALIDATION_ERROR")


def test_search_has_its_own_limit_and_no_headers(hub: Hub) -> None:
    answers = [hub.send("POST", "deals/search", {}) for _ in range(6)]
    body = answers[-1].json()

    assert [each.status_code for each in answers] == [200] * 5 + [429]
    assert (body["policyName"], body["errorType"]) == ("SECONDLY", "RATE_LIMIT")
    assert body["message"] == "You have reached your secondly limit."
    assert not any(name.startswith("x-hubspot-ratelimit") for each in answers for name in each.headers)
    assert hub.send("GET", "deals").headers["X-HubSpot-RateLimit-Remaining"] == "189"
    hub.clock.advance(seconds=1)
    assert hub.send("POST", "deals/search", {}).status_code == 200


def test_ten_seconds_roll(portal: Portal) -> None:
    hub = portal(ten_second_limit=3)
    remaining = []
    for _ in range(3):
        remaining.append(hub.send("GET", "deals").headers["X-HubSpot-RateLimit-Remaining"])
        hub.clock.advance(seconds=3)
    refused = hub.send("GET", "deals")

    assert remaining == ["2", "1", "0"]
    assert refused.status_code == 429
    assert refused.json()["policyName"] == "TEN_SECONDLY_ROLLING"
    assert refused.headers["X-HubSpot-RateLimit-Interval-Milliseconds"] == "10000"
    assert "Retry-After" not in refused.headers
    hub.clock.advance(seconds=1)
    assert hub.send("GET", "deals").status_code == 200
    assert hub.send("GET", "deals").status_code == 429


def test_the_day_ends_at_midnight_in_the_portals_time_zone(portal: Portal) -> None:
    hub = portal(daily_limit=2, time_zone="Asia/Tokyo")
    headers = [hub.send("GET", "deals").headers for _ in range(2)]
    refused = hub.send("GET", "deals")

    assert [each["X-HubSpot-RateLimit-Daily-Remaining"] for each in headers] == ["1", "0"]
    assert (refused.status_code, refused.json()["policyName"]) == (429, "DAILY")
    # It is 03:00 in Tokyo.
    hub.clock.advance(hours=20, minutes=59)
    assert hub.send("GET", "deals").status_code == 429
    hub.clock.advance(minutes=1)
    assert hub.send("GET", "deals").status_code == 200


@pytest.mark.parametrize(("status", "headers"), [(423, {}), (477, {"Retry-After": "86400"}), (524, {})])
def test_a_lock_and_a_migration_are_faults(hub: Hub, status: int, headers: dict[str, str]) -> None:
    hub.simulator.add_fault(kind="status", status=status, headers=headers, method="PATCH", times=1)
    deal_id = hub.deal()
    refused = hub.send("PATCH", f"deals/{deal_id}", {"properties": {"amount": "1"}})

    assert refused.status_code == status
    assert refused.headers.get("Retry-After") == headers.get("Retry-After")
    assert hub.properties("deals", deal_id, "amount") == {"amount": None}


def test_a_stale_read_shows_what_stood_there_before(hub: Hub) -> None:
    deal_id = hub.deal(deal_key="D-1")
    company = hub.company()
    hub.simulator.add_fault(kind="stale_read", method="GET", times=1)
    hub.send("PUT", f"deals/{deal_id}/associations/default/companies/{company}")

    assert hub.get(f"deals/{deal_id}/associations/companies")["results"] == []
    assert len(hub.get(f"deals/{deal_id}/associations/companies")["results"]) == 1
    hub.simulator.add_fault(kind="stale_read", method="GET", times=1)
    hub.update("deals", deal_id, deal_key="D-2")
    assert hub.send("GET", "deals/D-2?idProperty=deal_key").status_code == 404
    assert hub.send("GET", "deals/D-2?idProperty=deal_key").status_code == 200
