"""A deal's company, or one above it, changes in HubSpot: the deal is news to a poll, and our own writes are not."""

from collections.abc import Callable
from typing import Any

import pytest

from .conftest import CHILD_TO_PARENT, DEAL_TO_COMPANY_PRIMARY, Hub, Portal, link
from .connected import Line, as_deal, status
from .test_connector_changes import inbound, sweep

PARENT = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": CHILD_TO_PARENT}]


@pytest.fixture
def line(hub: Hub) -> Line:
    return Line(hub)


def tree(hub: Hub, levels: int) -> list[str]:
    """A tree as a line, the lowest company first."""
    line: list[str] = []
    for level in range(levels):
        links = [link(line[0], CHILD_TO_PARENT)] if line else []
        line.insert(0, hub.create("companies", *links, name=f"Level {level}"))
    return line


def sold_to(hub: Hub, company: str, **properties: Any) -> str:
    return hub.deal(link(company, DEAL_TO_COMPANY_PRIMARY), **{"dealstage": "closedwon", **properties})


def below(hub: Hub, child: str, parent: str) -> None:
    assert hub.send("PUT", f"companies/{child}/associations/companies/{parent}", PARENT).status_code == 201


def orphaned(hub: Hub, child: str, parent: str) -> None:
    assert hub.send("DELETE", f"companies/{child}/associations/companies/{parent}").status_code == 204


def lineage(line: Line, deal: str) -> list[str]:
    account = as_deal(line.crm.read_deal(deal)).account
    return [each.name for each in account.lineage()] if account else []


def settled(line: Line, since: str | None = None) -> str:
    """The cursor when all that has happened so far is known, and hours ago."""
    line.hub.clock.advance(minutes=1)
    _, cursor = sweep(line, since)
    line.hub.clock.advance(hours=3)
    found, cursor = sweep(line, sweep(line, cursor)[1])
    assert found == {}
    return cursor


@pytest.mark.parametrize("changes", ["search", "journal"])
@pytest.mark.parametrize("level", range(4))
def test_an_edit_of_any_company_of_the_tree_is_news_of_the_deal(hub: Hub, changes: str, level: int) -> None:
    line = Line(hub, changes=changes)
    companies = tree(hub, 4)
    deal = sold_to(hub, companies[0])
    sold_to(hub, hub.company(name="Other"))
    cursor, before = settled(line), line.crm.read_deal(deal).revision

    hub.update("companies", companies[level], tax_registrations="DE: DE811907980")
    hub.clock.advance(seconds=5)

    found, _ = sweep(line, cursor)
    assert found == {deal: line.crm.read_deal(deal).revision}
    assert found[deal] != before


@pytest.mark.parametrize("changes", ["search", "journal"])
def test_a_company_moved_below_another_is_a_change_of_every_deal_under_it(hub: Hub, changes: str) -> None:
    line = Line(hub, changes=changes)
    group, holding, acme = tree(hub, 3)[::-1]
    deals = [sold_to(hub, acme), sold_to(hub, holding)]
    other = hub.company(name="Bought by")
    sold_to(hub, other)
    cursor, before = settled(line), [line.crm.read_deal(each).revision for each in deals]

    orphaned(hub, holding, group)
    below(hub, holding, other)
    hub.clock.advance(seconds=5)

    found, _ = sweep(line, cursor)
    assert set(found) >= set(deals)
    assert [found[each] for each in deals] == [line.crm.read_deal(each).revision for each in deals]
    assert all(found[each] != known for each, known in zip(deals, before, strict=True))
    assert [lineage(line, each) for each in deals] == [["Level 2", "Level 1", "Bought by"], ["Level 1", "Bought by"]]


@pytest.mark.parametrize("changes", ["search", "journal"])
def test_a_company_that_loses_its_parent_is_a_change_of_its_deals(hub: Hub, changes: str) -> None:
    line = Line(hub, changes=changes)
    acme, group = tree(hub, 2)
    deal = sold_to(hub, acme)
    cursor, before = settled(line), line.crm.read_deal(deal).revision
    assert lineage(line, deal) == ["Level 1", "Level 0"]

    orphaned(hub, acme, group)
    hub.clock.advance(seconds=5)

    found, _ = sweep(line, cursor)
    assert found == {deal: line.crm.read_deal(deal).revision}
    assert found[deal] != before
    assert lineage(line, deal) == ["Level 1"]


def test_a_company_touched_in_what_no_deal_reads_is_no_news(line: Line) -> None:
    hub = line.hub
    (acme,) = tree(hub, 1)
    deal = sold_to(hub, acme)
    read = line.crm.read_deal(deal)
    cursor = settled(line)
    hub.update("companies", acme, description="called again")
    hub.clock.advance(seconds=5)
    assert sweep(line, cursor)[0] == {deal: read.revision}


def test_an_old_deal_whose_line_was_changed_last_has_the_revision_of_its_reading(line: Line) -> None:
    hub = line.hub
    (acme,) = tree(hub, 1)
    deal = sold_to(hub, acme)
    sold = hub.line(deal)
    hub.clock.advance(minutes=1)
    hub.update("line_items", sold, price="151")
    cursor = settled(line)
    hub.update("companies", acme, phone="1")
    hub.clock.advance(seconds=5)
    assert sweep(line, cursor)[0] == {deal: line.crm.read_deal(deal).revision}


def test_a_deal_that_changes_along_with_its_company_is_given_once(line: Line) -> None:
    hub = line.hub
    (acme,) = tree(hub, 1)
    deal = sold_to(hub, acme)
    hub.line(deal)
    hub.clock.advance(minutes=1)
    cursor, given, more = None, list[str](), True
    while more:
        page = line.crm.changed_deals(cursor, hub.clock())
        cursor, more = page.cursor, page.more
        given += [each for each, _ in page.deals]
    assert given == [deal]


def test_companies_that_are_not_watched_are_not_asked_for(hub: Hub) -> None:
    line = Line(hub, watch_companies=False)
    (acme,) = tree(hub, 1)
    sold_to(hub, acme)
    cursor = settled(line)
    hub.update("companies", acme, phone="1")
    hub.clock.advance(seconds=5)
    assert sweep(line, cursor)[0] == {}


def test_deals_that_are_not_won_are_not_brought_up_by_their_company(line: Line) -> None:
    hub = line.hub
    (acme,) = tree(hub, 1)
    sold_to(hub, acme, dealstage="contractsent")
    reopened = sold_to(hub, acme)
    line.crm.write_status(reopened, status())
    hub.update("deals", reopened, dealstage="contractsent")
    cursor = settled(line)
    hub.update("companies", acme, phone="1")
    hub.clock.advance(seconds=5)
    assert set(sweep(line, cursor)[0]) == {reopened}


def test_a_company_edited_before_our_write_stays_news_and_our_write_is_none(line: Line) -> None:
    hub = line.hub
    (acme,) = tree(hub, 1)
    deal = sold_to(hub, acme)
    read = line.crm.read_deal(deal).revision
    hub.clock.advance(minutes=1)
    written = line.crm.write_status(deal, status(), read).version
    hub.clock.advance(minutes=1)
    assert sweep(line, None)[0] == {deal: written}

    hub.update("companies", acme, phone="1")
    hub.clock.advance(minutes=1)
    again = line.crm.write_status(deal, status(message="2"), written).version
    hub.clock.advance(minutes=1)
    found, _ = sweep(line, None)
    assert found[deal] != again


@pytest.mark.parametrize("marked", [True, False])
def test_the_poll_takes_the_same_company_for_the_primary_one_as_the_reading(portal: Portal, marked: bool) -> None:
    hub = portal(first_company_is_primary=False)
    line = Line(hub)
    first, second = hub.company(name="First"), hub.company(name="Second")
    links = [link(second, 341), link(first, 341), *([link(second, DEAL_TO_COMPANY_PRIMARY)] if marked else [])]
    deal = hub.deal(*links, dealstage="closedwon")
    hub.clock.advance(minutes=1)
    assert sweep(line, None)[0] == {deal: line.crm.read_deal(deal).revision}
    assert lineage(line, deal) == ["Second" if marked else "First"]


def test_a_group_of_many_companies_is_read_in_few_calls(line: Line) -> None:
    hub = line.hub
    (group,) = tree(hub, 1)
    children = [hub.create("companies", link(group, CHILD_TO_PARENT), name=f"Unit {n}") for n in range(60)]
    deals = {sold_to(hub, child) for child in children}
    cursor = settled(line)
    hub.update("companies", group, legal_name="Group SE")
    hub.clock.advance(seconds=5)
    line.calls.clear()
    found, _ = sweep(line, cursor)

    assert set(found) == deals
    # Three searches; two levels down, deals, their lines; deals once more, their companies, and two levels up.
    assert len(line.paths) == 3 + 9


@pytest.mark.parametrize(
    "act",
    [
        lambda hub, child, parent: hub.update("companies", child, tax_registrations="DE: DE811907980"),
        lambda hub, child, parent: below(hub, child, parent),
    ],
    ids=["edit", "parent"],
)
def test_a_webhook_of_a_company_asks_for_a_poll(line: Line, act: Callable[[Hub, str, str], object]) -> None:
    hub = line.hub
    child, parent = hub.company(name="Child"), hub.company(name="Parent")
    subscribe(hub, eventType="company.propertyChange", propertyName="tax_registrations")
    subscribe(hub, eventType="object.associationChange", objectTypeId="0-2")
    inbound(hub)
    hub.clock.advance(seconds=1)
    act(hub, child, parent)
    hints = [hint for request in inbound(hub) for hint in line.crm.read_event(request)]

    assert {(hint.opportunity, hint.occurred_at) for hint in hints} == {(None, hub.clock())}


def subscribe(hub: Hub, **wanted: str) -> None:
    held = hub.simulator.credentials()
    path = f"/webhooks/v3/{held['app_id']}/subscriptions"
    answer = hub.send("POST", path, {**wanted, "active": True}, hapikey=held["developer_api_key"])
    assert answer.status_code == 201
