"""What changed, for the HubSpot connector: by search with its lag, by the Webhooks Journal, and by webhook."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from dealbridge.domain.hints import has_read
from dealbridge.errors import AccessError, ThrottledError
from dealbridge.ports import ChangedDeals, InboundEventError, InboundRequest
from dealbridge_local.simulators.hubspot import Delivery

from .conftest import Hub, Portal
from .connected import Line, Tampering, as_deal, eur, status, won_deal

HOOK = "https://hooks.dealbridge.example/events/hubspot"


def sweep(line: Line, cursor: str | None) -> tuple[dict[str, str], str]:
    """All pages of one read of changes; a second goes by between them, for the search limit."""
    found: dict[str, str] = {}
    for _ in range(50):
        page: ChangedDeals = line.crm.changed_deals(cursor, line.hub.clock())
        found |= dict(page.deals)
        newest = [max(revision.split(" ")[:2]) for _, revision in page.deals]
        assert newest == sorted(newest)
        cursor = page.cursor
        line.hub.clock.advance(seconds=1)
        if not page.more:
            return found, cursor
    raise AssertionError("the read of changes does not come to an end")


@pytest.fixture
def line(hub: Hub) -> Line:
    return Line(hub)


# Search


def test_a_first_poll_looks_back_and_sees_won_deals_only(portal: Portal) -> None:
    line = Line(portal(), look_back_days=2)
    hub = line.hub
    old = won_deal(hub)
    hub.clock.advance(days=3)
    won, open_one = won_deal(hub), hub.deal()
    hub.clock.advance(minutes=1)
    found, _ = sweep(line, None)

    assert set(found) == {won}
    assert {old, open_one}.isdisjoint(found)
    assert found[won] == line.crm.read_deal(won).revision


def test_a_poll_sees_what_the_index_had_not_seen_before(line: Line) -> None:
    hub = line.hub
    _, cursor = sweep(line, None)
    hub.clock.advance(minutes=10)
    deal_id = won_deal(hub)
    found, cursor = sweep(line, cursor)
    assert found == {}
    hub.clock.advance(seconds=5)
    found, cursor = sweep(line, cursor)
    assert set(found) == {deal_id}
    # Seen again while the overlap lasts, with the same revision, and then no more.
    again, cursor = sweep(line, cursor)
    assert again == found
    hub.clock.advance(minutes=61)
    _, cursor = sweep(line, cursor)
    assert sweep(line, cursor)[0] == {}


def test_a_changed_line_is_a_changed_deal(line: Line) -> None:
    hub = line.hub
    deal_id, open_one = won_deal(hub), hub.deal()
    open_line = hub.line(open_one)
    _, cursor = sweep(line, None)
    hub.clock.advance(hours=2)
    _, cursor = sweep(line, cursor)
    (held,) = hub.get(f"deals/{deal_id}/associations/line_items")["results"]
    hub.update("line_items", str(held["toObjectId"]), price="151")
    hub.update("line_items", open_line, price="151")
    hub.create("line_items", name="of no deal", price="1")
    hub.clock.advance(seconds=5)
    found, _ = sweep(line, cursor)
    assert found == {deal_id: line.crm.read_deal(deal_id).revision}


def test_a_deal_that_was_carried_over_is_seen_after_it_is_reopened(line: Line) -> None:
    hub = line.hub
    carried, never = won_deal(hub), won_deal(hub)
    line.crm.write_status(carried, status())
    for deal_id in (carried, never):
        hub.update("deals", deal_id, dealstage="contractsent")
    hub.clock.advance(minutes=1)
    assert set(sweep(line, None)[0]) == {carried}


def test_our_own_status_write_is_known_by_its_revision(line: Line) -> None:
    deal_id = won_deal(line.hub)
    line.hub.clock.advance(minutes=1)
    ref = line.crm.write_status(deal_id, status())
    line.hub.clock.advance(minutes=1)
    assert sweep(line, None)[0] == {deal_id: ref.version}


def test_hundreds_of_deals_of_one_moment_are_all_seen(line: Line) -> None:
    hub = line.hub
    ids = set()
    for start in range(0, 450, 50):
        inputs = [{"properties": {"dealstage": "closedwon", "dealname": f"{start + n}"}} for n in range(50)]
        ids |= {each["id"] for each in hub.batch("deals", "create", *inputs).json()["results"]}
        if start == 200:
            hub.clock.advance(milliseconds=1)
    hub.clock.advance(minutes=1)
    found, cursor = sweep(line, None)

    assert set(found) == ids
    hub.clock.advance(hours=3)
    _, cursor = sweep(line, cursor)
    assert sweep(line, cursor)[0] == {}


def test_what_changes_between_two_pages_is_not_lost(line: Line) -> None:
    hub = line.hub
    ids = []
    for number in range(230):
        ids.append(hub.deal(dealstage="closedwon", dealname=str(number)))
        hub.clock.advance(milliseconds=10)
        if number % 100 == 99:
            hub.clock.advance(seconds=10)
    hub.clock.advance(minutes=1)
    cursor = None
    for _ in ("companies", "line items"):
        cursor = line.crm.changed_deals(cursor, hub.clock()).cursor
    first = line.crm.changed_deals(cursor, hub.clock())
    assert (len(first.deals), first.more) == (200, True)
    # The first page's deals move to the end of the order: by position, later ones would slip through.
    for deal_id in ids[:40]:
        hub.update("deals", deal_id, po_number="1")
    hub.clock.advance(seconds=11)
    rest, _ = sweep(line, first.cursor)
    assert {*dict(first.deals), *rest} == set(ids)


@pytest.mark.parametrize("watched", [True, False])
def test_an_idle_poll_is_three_searches_or_two(hub: Hub, watched: bool) -> None:
    line = Line(hub, watch_companies=watched)
    _, cursor = sweep(line, None)
    line.calls.clear()
    sweep(line, cursor)
    searches = ["POST objects/line_items/search", "POST objects/deals/search"]
    assert line.paths == ["POST objects/companies/search"] * watched + searches


def test_a_page_is_one_search_and_what_was_read_is_kept(portal: Portal) -> None:
    line = Line(portal(search_second_limit=1))
    hub = line.hub
    large, small, open_one = won_deal(hub, lines=450), won_deal(hub), hub.deal()
    hub.line(open_one)
    hub.clock.advance(minutes=1)
    line.calls.clear()
    cursor, refused = None, 0
    found: dict[str, str] = {}
    for _ in range(20):
        try:
            page = line.crm.changed_deals(cursor, hub.clock())
        except ThrottledError:
            refused += 1
            hub.clock.advance(seconds=1)
            continue
        cursor, found = page.cursor, found | dict(page.deals)
        if not page.more:
            break

    assert found == {each: line.crm.read_deal(each).revision for each in (large, small)}
    assert refused == 4


def test_a_cursor_does_not_grow_without_end(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dealbridge.connectors.hubspot.records.DEALS_KEPT", 2)
    ids = {won_deal(line.hub) for _ in range(5)}
    line.hub.clock.advance(minutes=1)
    first = line.crm.changed_deals(None, line.hub.clock())
    assert ({deal for deal, _ in first.deals}, "newest" in first.cursor) == (ids, False)


# The Webhooks Journal


def test_the_journal_takes_over_from_search(hub: Hub) -> None:
    before = won_deal(hub)
    hub.clock.advance(minutes=1)
    line = Line(hub, changes="journal")
    found, cursor = sweep(line, None)
    assert set(found) == {before}

    during, open_one = won_deal(hub), hub.deal()
    (held,) = hub.get(f"deals/{before}/associations/line_items")["results"]
    hub.clock.advance(seconds=1)
    hub.update("line_items", str(held["toObjectId"]), price="151")
    line.calls.clear()
    found, cursor = sweep(line, cursor)

    # No index lag here: the records themselves are read.
    assert found == {each: line.crm.read_deal(each).revision for each in (before, during)}
    assert open_one not in found
    assert not any("search" in path for path in line.paths)
    line.crm.write_status(during, status())
    assert sweep(line, cursor)[0] == {}


def test_an_idle_poll_of_the_journal_is_one_call_that_costs_nothing(portal: Portal) -> None:
    hub = portal(ten_second_limit=8)
    line = Line(hub, changes="journal")
    _, cursor = sweep(line, None)
    hub.deal()
    _, cursor = sweep(line, cursor)
    line.calls.clear()
    for _ in range(20):
        cursor = line.crm.changed_deals(cursor, hub.clock()).cursor
    assert len(line.calls) == 20


def test_a_gap_of_more_than_three_days_is_bridged_by_search(hub: Hub) -> None:
    line = Line(hub, changes="journal")
    _, cursor = sweep(line, None)
    seen = won_deal(hub)
    found, cursor = sweep(line, cursor)
    assert set(found) == {seen}
    hub.clock.advance(hours=1)
    missed = won_deal(hub)
    hub.clock.advance(days=4)
    found, cursor = sweep(line, cursor)
    assert missed in found
    later = won_deal(hub)
    assert set(sweep(line, cursor)[0]) == {later}


def test_subscriptions_are_made_once_and_leave_our_own_properties_out(hub: Hub) -> None:
    for _ in range(2):
        sweep(Line(hub, changes="journal"), None)
    held = list(hub.simulator.journal._subscriptions.values())

    assert [(each["subscriptionType"], each["objectTypeId"]) for each in held] == [
        ("OBJECT", "0-3"),
        ("OBJECT", "0-8"),
        ("OBJECT", "0-2"),
        ("ASSOCIATION", "0-3"),
        ("ASSOCIATION", "0-2"),
    ]
    assert {"dealstage", "amount", "commercial_terms_approved"} <= set(held[0]["properties"])
    assert {"name", "tax_registrations", "hs_parent_company_id"} <= set(held[2]["properties"])
    assert not any(name.startswith("erp_") for each in held for name in each["properties"] or ())


@pytest.mark.parametrize("kind", ["line_items", "companies", "contacts"])
def test_the_journal_tells_of_what_is_taken_from_a_deal(hub: Hub, kind: str) -> None:
    line = Line(hub, changes="journal")
    deal_id = won_deal(hub)
    hub.clock.advance(minutes=1)
    _, cursor = sweep(line, None)
    (held,) = hub.get(f"deals/{deal_id}/associations/{kind}")["results"]
    assert hub.send("DELETE", f"deals/{deal_id}/associations/{kind}/{held['toObjectId']}").status_code == 204

    assert set(sweep(line, cursor)[0]) == {deal_id}


def test_our_token_does_not_travel_to_the_journals_files(hub: Hub) -> None:
    tampering = Tampering(hub, "nothing", lambda: None)
    line = Line(hub, tampering, changes="journal")
    _, cursor = sweep(line, None)
    won_deal(hub)
    sweep(line, cursor)
    files = [each for each in tampering.requests if "journal-files" in each.url.path]
    assert files
    assert all("authorization" not in each.headers for each in files)


def test_the_journals_token_may_ask_for_more_scopes(hub: Hub) -> None:
    tampering = Tampering(hub, "nothing", lambda: None)
    line = Line(hub, tampering, changes="journal", journal_scopes=["crm.objects.deals.read"])
    sweep(line, None)
    (asked,) = [each for each in tampering.requests if each.url.path.endswith("/token")]
    assert "crm.objects.deals.read" in asked.content.decode().replace("+", " ")


def test_a_journal_without_its_scopes_is_an_administrators(hub: Hub) -> None:
    line = Line(hub, changes="journal")
    hub.simulator.add_fault(kind="status", status=403, body={"category": "MISSING_SCOPES"}, path="webhooks-journal")
    with pytest.raises(AccessError) as refused:
        line.crm.changed_deals(None, hub.clock())
    assert refused.value.code == "MISSING_SCOPES"


def test_other_accounts_in_the_journal_are_left_out(hub: Hub) -> None:
    line = Line(hub, changes="journal")
    _, cursor = sweep(line, None)
    elsewhere = {"portalId": 1, "objectTypeId": "0-3", "objectId": int(won_deal(hub)), "action": "UPDATE"}
    body = {"offset": "x", "journalEvents": [elsewhere]}
    hub.simulator.add_fault(kind="status", status=200, body=body, path="webhooks-journal-files")
    assert sweep(line, cursor)[0] == {}


def test_json_lines_are_read_too(portal: Portal) -> None:
    hub = portal(journal_file="json lines")
    line = Line(hub, changes="journal")
    _, cursor = sweep(line, None)
    deal_id = won_deal(hub)
    assert set(sweep(line, cursor)[0]) == {deal_id}


# Webhooks


def inbound(hub: Hub, url: str = HOOK, **changed: Any) -> list[InboundRequest]:
    """What HubSpot would post now, as our entrance sees it."""
    requests = hub.simulator.webhooks.collect(HOOK)
    for each in requests:
        hub.simulator.webhooks.settle(each, 200)
    return [
        InboundRequest(
            "POST",
            url,
            {name.lower(): value for name, value in {**each.headers, **changed}.items()},
            each.body,
            hub.clock(),
        )
        for each in requests
    ]


def test_a_won_deal_is_one_hint(line: Line) -> None:
    deal_id = line.hub.deal()
    inbound(line.hub)
    line.hub.clock.advance(seconds=1)
    line.hub.update("deals", deal_id, dealstage="closedwon", amount="7", po_number="1")
    (request,) = inbound(line.hub)
    (hint,) = line.crm.read_event(request)

    assert (hint.opportunity, hint.occurred_at) == (deal_id, line.hub.clock())
    assert line.paths == []


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_the_older_signatures_are_an_option(portal: Portal, version: str) -> None:
    hub = portal(delivery=Delivery(signature_version=version))
    deal_id = hub.deal()
    (request,) = inbound(hub)
    (hint,) = Line(hub, webhook_signature=version).crm.read_event(request)
    assert hint.opportunity == deal_id
    with pytest.raises(InboundEventError):
        Line(hub, webhook_signature="v2" if version == "v1" else "v1").crm.read_event(request)


def test_the_older_format_disorder_and_duplicates_change_nothing(portal: Portal) -> None:
    hub = portal(
        generic_webhooks=False, shared_event_ids=True, delivery=Delivery(unordered=True, duplicated=0.5, seed=3)
    )
    line = Line(hub)
    ids = set()
    for _ in range(10):
        ids.add(won_deal(hub))
        hub.clock.advance(seconds=1)
    requests = inbound(hub)
    hints = [hint for request in requests for hint in line.crm.read_event(request)]

    assert sum(len(request.body) > 2 for request in requests) == len(requests)
    assert {hint.opportunity for hint in hints} == ids
    assert len({hint.event_id for hint in hints}) == len(ids)


def test_a_late_or_foreign_request_is_refused(line: Line, portal: Portal) -> None:
    line.hub.deal()
    (request,) = inbound(line.hub)
    late = InboundRequest(
        request.method, request.url, request.headers, request.body, request.received_at + timedelta(minutes=6)
    )
    elsewhere = InboundRequest(request.method, HOOK + "/other", request.headers, request.body, request.received_at)
    for wrong, reader in ((late, line), (elsewhere, line), (request, Line(portal()))):
        with pytest.raises(InboundEventError) as refused:
            reader.crm.read_event(wrong)
        assert refused.value.status == 401


def test_our_status_write_has_no_echo(portal: Portal) -> None:
    hub = portal(watched_deal_properties=["dealstage", "erp_status"])
    line = Line(hub)
    deal_id = hub.deal(dealstage="closedwon")
    inbound(hub)
    line.crm.write_status(deal_id, status())
    (request,) = inbound(hub)
    assert line.crm.read_event(request) == []


def test_a_merge_speaks_of_the_new_id(line: Line) -> None:
    hub = line.hub
    first, second = hub.deal(), hub.deal()
    inbound(hub)
    hub.send("POST", "deals/merge", {"primaryObjectId": first, "objectIdToMerge": second})
    (request,) = inbound(hub)
    named = {hint.opportunity for hint in line.crm.read_event(request)}
    (survivor,) = [each["id"] for each in hub.get("deals")["results"]]
    assert named == {first, second, survivor}


def test_what_is_changed_while_a_deal_is_read_is_news_for_the_next_poll(hub: Hub) -> None:
    """Deal and lines are two calls: the deal as before, the lines as they are now."""
    deal_id = won_deal(hub)
    (line_id,) = [each["id"] for each in hub.get("line_items")["results"]]
    hub.clock.advance(seconds=60)

    def reprice() -> None:
        hub.update("deals", deal_id, amount="1600")
        hub.clock.advance(seconds=1)
        hub.update("line_items", line_id, price="160")

    line = Line(hub, Tampering(hub, "line_items/batch/read", reprice))
    torn = line.crm.read_deal(deal_id)
    assert (as_deal(torn).amount, as_deal(torn).lines[0].rate) == (eur("1500"), Decimal(160))
    assert_news(line, deal_id, torn.revision)


def test_a_line_that_is_added_while_our_status_is_written_is_news_for_the_next_poll(hub: Hub) -> None:
    deal_id = won_deal(hub)
    hub.clock.advance(seconds=60)
    read = Line(hub).crm.read_deal(deal_id)

    def add() -> None:
        hub.line(deal_id)
        hub.update("deals", deal_id, amount="3000")
        hub.clock.advance(seconds=1)

    line = Line(hub, Tampering(hub, "line_items/batch/read", add))
    ref = line.crm.write_status(deal_id, status(), read.revision)
    assert_news(line, deal_id, ref.version)


def assert_news(line: Line, deal_id: str, revision: str | None) -> None:
    """What a poll tells is more than who has read that revision knows; who reads the deal now knows it."""
    line.hub.clock.advance(seconds=60)
    found, _ = sweep(line, None)
    assert not has_read(revision, found[deal_id])
    assert has_read(line.crm.read_deal(deal_id).revision, found[deal_id])
