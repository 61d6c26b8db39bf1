"""A deal's account is corrected in Salesforce: the deal is news to a poll, and our own writes are not."""

import json
from email.utils import format_datetime

import pytest

from dealbridge.connectors.salesforce.system import Salesforce
from dealbridge.domain.deal import Deal
from dealbridge.mappings.expressions import evaluate
from dealbridge.ports import InboundRequest
from dealbridge_local.simulators.salesforce import SalesforceSimulator

from .conftest import MAPPING, STATUS, Org, World


def _accounts(world: World, levels: int) -> list[str]:
    """A tree as a line, the lowest account first."""
    line: list[str] = []
    for level in range(levels):
        line.insert(0, world.org.account(Name=f"Level {level}", **({"ParentId": line[0]} if line else {})))
    return line


def _polled(world: World, salesforce: Salesforce, cursor: str | None = None) -> dict[str, str]:
    return dict(salesforce.changed_deals(cursor, world.org.clock()).deals)


@pytest.mark.parametrize("level", range(5))
def test_an_edit_of_any_account_of_the_tree_is_news_of_the_deal(
    world: World, salesforce: Salesforce, level: int
) -> None:
    tree = _accounts(world, 5)
    deal_id, other = world.deal(AccountId=tree[0]), world.deal(AccountId=world.org.account(Name="Other"))
    world.org.clock.advance(minutes=20)
    cursor = salesforce.changed_deals(None, world.org.clock()).cursor
    before = salesforce.read_deal(deal_id).revision
    world.org.clock.advance(minutes=20)
    assert _polled(world, salesforce, cursor) == {}

    world.org.update("Account", tree[level], Tax_Registrations__c="DE: DE811907980")
    world.api_calls()

    changed = _polled(world, salesforce, cursor)
    assert world.api_calls() == [("POST", "composite")]
    assert list(changed) == [deal_id]
    assert other not in changed
    assert changed[deal_id] != before
    assert changed[deal_id] == salesforce.read_deal(deal_id).revision


def test_an_account_moved_below_another_is_news(world: World, salesforce: Salesforce) -> None:
    account_id = world.org.account()
    deal_id = world.deal(AccountId=account_id)
    before = salesforce.read_deal(deal_id).revision
    world.org.clock.advance(minutes=1)

    world.org.update("Account", account_id, ParentId=world.org.account(Name="Bought by"))

    assert _polled(world, salesforce)[deal_id] not in (before, "")
    assert _polled(world, salesforce)[deal_id] == salesforce.read_deal(deal_id).revision


def _lineage(salesforce: Salesforce, deal_id: str) -> list[str]:
    """The names of the deal's canonical customer and its parents."""
    read = salesforce.read_deal(deal_id)
    document = evaluate(MAPPING["deal"], dict(read.document), named="fields")
    key = {"crm": "salesforce", "opportunity": read.opportunity}
    account = Deal.model_validate({**document, "key": key, "revision": read.revision}).account
    return [each.name for each in account.lineage()] if account else []


@pytest.mark.parametrize("level", [0, 2, 4])
def test_an_account_of_the_tree_moved_below_another_moves_every_deal_under_it(
    world: World, salesforce: Salesforce, level: int
) -> None:
    tree = _accounts(world, 5)
    deals = [world.deal(AccountId=tree[0]), world.deal(AccountId=tree[level])]
    world.deal(AccountId=world.org.account(Name="Other"))
    above = world.org.account(Name="Bought by", ParentId=world.org.account(Name="Fund"))
    world.org.clock.advance(minutes=20)
    cursor = salesforce.changed_deals(None, world.org.clock()).cursor
    world.org.clock.advance(minutes=20)

    world.org.update("Account", tree[level], ParentId=above)

    changed = _polled(world, salesforce, cursor)
    assert changed == {each: salesforce.read_deal(each).revision for each in deals}
    kept = [f"Level {4 - place}" for place in range(level + 1)]
    assert _lineage(salesforce, deals[0]) == [*kept, "Bought by", "Fund"]
    assert _lineage(salesforce, deals[1]) == [kept[-1], "Bought by", "Fund"]


def test_an_account_that_loses_its_parent_is_news(world: World, salesforce: Salesforce) -> None:
    tree = _accounts(world, 3)
    deal_id = world.deal(AccountId=tree[0])
    world.org.clock.advance(minutes=20)
    cursor = salesforce.changed_deals(None, world.org.clock()).cursor
    before = salesforce.read_deal(deal_id).revision
    assert _lineage(salesforce, deal_id) == ["Level 2", "Level 1", "Level 0"]
    world.org.clock.advance(minutes=20)

    world.org.update("Account", tree[1], ParentId=None)

    changed = _polled(world, salesforce, cursor)
    assert changed == {deal_id: salesforce.read_deal(deal_id).revision}
    assert changed[deal_id] != before
    assert _lineage(salesforce, deal_id) == ["Level 2", "Level 1"]


def test_two_edits_within_one_second_are_two_revisions(world: World, salesforce: Salesforce) -> None:
    account_id = world.org.account()
    deal_id = world.deal(AccountId=account_id)
    world.org.clock.advance(minutes=1)
    world.org.update("Account", account_id, Phone="1")
    between = salesforce.read_deal(deal_id).revision
    world.org.update("Account", account_id, Phone="2")

    assert _polled(world, salesforce)[deal_id] != between


def test_an_account_touched_in_what_no_deal_reads_is_no_news(world: World, salesforce: Salesforce) -> None:
    account_id = world.org.account()
    deal_id = world.deal(AccountId=account_id)
    before = salesforce.read_deal(deal_id).revision
    world.org.clock.advance(minutes=20)

    world.org.update("Account", account_id, AccountNumber="scored again")

    assert _polled(world, salesforce)[deal_id] == before


def test_no_account_stands_above_itself(world: World) -> None:
    tree = _accounts(world, 3)
    for above in tree[:2]:
        refused = world.org.send("PATCH", f"sobjects/Account/{tree[1]}", {"ParentId": above})
        assert world.org.refusal(refused) == (400, "CIRCULAR_DEPENDENCY", ["ParentId"])
    assert world.org.read("Account", tree[1])["ParentId"] == tree[2]


def test_accounts_that_are_not_watched_are_not_asked_for(world: World) -> None:
    tree = _accounts(world, 3)
    world.deal(AccountId=tree[0])
    salesforce = world.connect(watched_accounts=1)
    world.org.clock.advance(minutes=20)
    cursor = salesforce.changed_deals(None, world.org.clock()).cursor
    world.org.clock.advance(minutes=20)
    world.org.update("Account", tree[1], Phone="1")
    assert _polled(world, salesforce, cursor) == {}

    world.org.update("Account", tree[0], Phone="1")
    assert len(_polled(world, salesforce, cursor)) == 1


def test_deals_that_are_not_won_are_not_brought_up_by_their_account(world: World, salesforce: Salesforce) -> None:
    account_id = world.org.account()
    world.org.deal(AccountId=account_id)
    reopened = world.deal(AccountId=account_id)
    salesforce.write_status(reopened, STATUS)
    world.org.update("Opportunity", reopened, StageName="Negotiation/Review")
    world.org.clock.advance(minutes=20)
    cursor = salesforce.changed_deals(None, world.org.clock()).cursor
    world.org.clock.advance(minutes=20)
    world.org.update("Account", account_id, Phone="1")

    assert list(_polled(world, salesforce, cursor)) == [reopened]


def test_an_account_of_many_deals_comes_in_pages_without_loss(world: World) -> None:
    account_id = world.org.account()
    deals = [world.deal(AccountId=account_id) for _ in range(7)]
    salesforce = world.connect(page=3)
    world.org.clock.advance(minutes=20)
    cursor: str | None = world.connect().changed_deals(None, world.org.clock()).cursor
    world.org.clock.advance(minutes=20)
    world.org.update("Account", account_id, Phone="1")
    world.org.clock.advance(minutes=1)
    world.api_calls()
    found: list[str] = []
    more, pages = True, 0
    while more:
        assert pages < 3
        changed = salesforce.changed_deals(cursor, world.org.clock())
        found += [deal for deal, _ in changed.deals]
        cursor, more, pages = changed.cursor, changed.more, pages + 1
        if pages == 1:
            # A page that was read already: this edit is for the next poll.
            world.org.clock.advance(seconds=30)
            world.org.update("Opportunity", deals[0], NextStep="Call")

    assert found == deals
    assert world.api_calls() == [("POST", "composite")] * 3
    world.org.clock.advance(minutes=1)
    assert deals[0] in _polled(world, salesforce, cursor)


# Our status


def test_our_own_write_is_not_news_of_a_deal_with_an_account(world: World, salesforce: Salesforce) -> None:
    deal_id = world.deal(AccountId=world.org.account(ParentId=world.org.account(Name="Acme Group")))
    read = salesforce.read_deal(deal_id).revision
    world.org.clock.advance(seconds=5)

    written = salesforce.write_status(deal_id, STATUS, read).version

    assert written != read
    assert _polled(world, salesforce) == {deal_id: written}
    assert salesforce.read_deal(deal_id).revision == written


def test_an_account_edited_before_our_write_stays_news(world: World, salesforce: Salesforce) -> None:
    account_id = world.org.account()
    deal_id = world.deal(AccountId=account_id)
    read = salesforce.read_deal(deal_id).revision
    world.org.clock.advance(seconds=5)
    world.org.update("Account", account_id, Legal_Name__c="Acme AG")
    world.org.clock.advance(seconds=5)

    written = salesforce.write_status(deal_id, STATUS, read).version

    assert written == read
    assert _polled(world, salesforce)[deal_id] != written


def test_an_account_edited_after_our_write_is_news(world: World, salesforce: Salesforce) -> None:
    account_id = world.org.account()
    deal_id = world.deal(AccountId=account_id)
    read = salesforce.read_deal(deal_id).revision
    world.org.clock.advance(seconds=5)
    written = salesforce.write_status(deal_id, STATUS, read).version
    world.org.update("Account", account_id, Legal_Name__c="Acme AG")

    assert _polled(world, salesforce)[deal_id] != written


def test_a_revision_with_accounts_is_settled_once_the_deals_second_is_over(
    world: World, salesforce: Salesforce
) -> None:
    deal_id = world.deal(AccountId=world.org.account())
    world.date = format_datetime(world.org.clock(), usegmt=True)
    during = salesforce.read_deal(deal_id).revision
    world.date = None

    assert during == f"{_polled(world, salesforce)[deal_id]} unsettled"
    world.org.clock.advance(seconds=5)
    assert salesforce.write_status(deal_id, STATUS, during).version == during


# Events


def test_a_relayed_edit_of_an_account_asks_for_one_poll(world: World, private_key: str, salesforce: Salesforce) -> None:
    """However many deals the account has: the event names none of them."""
    relayed = ("Opportunity", "Account")
    world.org = Org(SalesforceSimulator(world.org.clock, private_key=private_key, relayed=relayed), world.org.clock)
    account_id = world.org.account()
    for _ in range(20):
        world.deal(AccountId=account_id)
    sent = world.org.simulator.outbox.sent
    assert salesforce.read_event(_request(world, sent[0])) == []
    sent.clear()

    world.org.update("Account", account_id, Tax_Registrations__c="DE: DE811907980")

    (envelope,) = sent
    (hint,) = salesforce.read_event(_request(world, envelope))
    assert (hint.opportunity, hint.occurred_at) == (None, world.org.clock())
    assert salesforce.read_event(_request(world, {**envelope, "id": "another delivery"})) == [hint]


def _request(world: World, envelope: dict[str, object]) -> InboundRequest:
    return InboundRequest("EVENT", "eventbridge:x", {}, json.dumps(envelope).encode(), world.org.clock())
