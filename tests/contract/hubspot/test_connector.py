"""The HubSpot connector reads deals whole: what comes with them, in how many calls, and what may be missing."""

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from dealbridge.domain.deal import BillingType
from dealbridge.domain.money import Money
from dealbridge.errors import RecordMissingError, RejectedError

from .conftest import CHILD_TO_PARENT, DEAL_TO_COMPANY_PRIMARY, Hub, Portal, link
from .connected import Line, Tampering, as_deal, eur, won_deal


@pytest.fixture
def line(hub: Hub) -> Line:
    return Line(hub)


def test_a_deal_is_read_whole_in_five_calls(line: Line) -> None:
    deal_id = won_deal(line.hub)
    read = line.crm.read_deal(deal_id)
    deal = as_deal(read)

    assert line.paths == [
        f"GET objects/deals/{deal_id}",
        "POST objects/line_items/batch/read",
        "POST objects/contacts/batch/read",
        "POST objects/companies/batch/read",
        "GET owners/96879918",
    ]
    assert (deal.name, deal.won, deal.currency, deal.amount) == ("ERP rollout", True, "EUR", eur("1500"))
    assert (deal.terms_approved, deal.legal_entity, deal.po_number) == (True, "EMEA-DE", "4500017")
    assert (deal.payment_terms, str(deal.close_date), str(deal.start)) == ("Net 30", "2026-11-20", "2026-12-01")
    assert (deal.owner_email, deal.delivery_owner_email) == ("tom.okafor@example.com", "mara.lind@example.com")
    assert deal.account is not None
    assert deal.account.billing_address is not None
    assert (deal.account.name, deal.account.billing_address.country) == ("Acme", "DE")
    assert [(each.country, each.number) for each in deal.account.tax_registrations] == [("DE", "DE811907980")]
    assert [(each.last_name, each.email, each.primary) for each in deal.contacts] == [
        ("Klein", f"mara@c{deal.account.id}.example", True)
    ]
    (sold,) = deal.lines
    assert (sold.description, sold.service_line) == ("Consulting 0", "IMPL")
    assert (sold.quantity, sold.rate) == (Decimal(10), Decimal(150))
    assert (sold.amount, sold.billing_type) == (eur("1500"), BillingType.TIME_AND_MATERIALS)
    assert deal.won_at == line.hub.clock()
    assert deal.modified_at
    assert deal.modified_at - line.hub.clock() < timedelta(seconds=1)


@pytest.mark.parametrize(
    ("zone", "closed", "day"),
    [
        ("America/New_York", "2026-11-21T02:30:00Z", "2026-11-20"),
        ("Asia/Tokyo", "2026-11-20T16:00:00Z", "2026-11-21"),
        (None, "2026-11-21T02:30:00Z", "2026-11-21"),
        ("America/New_York", "", None),
    ],
)
def test_a_deal_closes_on_the_day_that_it_is_for_the_accounts_people(
    hub: Hub, zone: str | None, closed: str, day: str | None
) -> None:
    deal_id = hub.deal(closedate=closed)
    found = as_deal(Line(hub, portal_time_zone=zone).crm.read_deal(deal_id)).close_date
    assert (str(found) if found else None) == day


def test_amounts_keep_every_cent(line: Line) -> None:
    hub = line.hub
    deal_id = won_deal(hub, 0, amount="98765432109.87")
    hub.line(deal_id, quantity="3", price="1234567.89", hs_discount_percentage="0")
    deal = as_deal(line.crm.read_deal(deal_id))
    assert (deal.amount, deal.lines[0].amount) == (eur("98765432109.87"), eur("3703703.67"))


def test_a_deal_of_500_lines_costs_a_call_for_each_hundred_and_one_for_their_ids(line: Line) -> None:
    deal_id = won_deal(line.hub, lines=500)
    deal = as_deal(line.crm.read_deal(deal_id))
    paths = line.paths

    assert len({each.id for each in deal.lines}) == 500
    assert Money.total((each.amount for each in deal.lines), "EUR") == deal.amount
    assert [each.description for each in deal.lines] == [f"Consulting {number}" for number in range(500)]
    assert paths.count("POST objects/line_items/batch/read") == 5
    assert paths.count("POST associations/deals/line_items/batch/read") == 1
    assert len(paths) == 10


def test_lines_stay_in_the_order_in_which_the_deal_has_them(line: Line) -> None:
    hub = line.hub
    deal_id = hub.deal()
    ids = [hub.create("line_items", name=str(number), price="1") for number in range(3)]
    for each in (ids[2], ids[0], ids[1]):
        hub.send("PUT", f"deals/{deal_id}/associations/default/line_items/{each}")
    read = line.crm.read_deal(deal_id)
    assert [each["id"] for each in read.document["lines"]] == [ids[2], ids[0], ids[1]]


def test_more_associations_than_a_page_of_the_batch_call_are_all_read(line: Line) -> None:
    deal_id = won_deal(line.hub, lines=620)
    assert len(line.crm.read_deal(deal_id).document["lines"]) == 620
    assert line.paths.count("POST associations/deals/line_items/batch/read") == 2


@pytest.mark.parametrize("switches", [{"spaced_association_keys": False}, {"association_ids_as_text": True}])
def test_forms_that_hubspot_leaves_open_are_read_either_way(portal: Portal, switches: dict[str, Any]) -> None:
    line = Line(portal(**switches))
    deal_id = won_deal(line.hub, lines=120)
    assert len(line.crm.read_deal(deal_id).document["lines"]) == 120


def test_the_account_comes_with_all_its_parents(line: Line) -> None:
    hub = line.hub
    group = hub.company(name="Group")
    holding = hub.create("companies", link(group, CHILD_TO_PARENT), name="Holding")
    acme = hub.create("companies", link(holding, CHILD_TO_PARENT), name="Acme")
    other = hub.company(name="Other")
    deal_id = hub.deal(link(acme, DEAL_TO_COMPANY_PRIMARY), link(other, 341), dealstage="closedwon")
    # Another company comes first among the associations; the primary one counts.
    deal = as_deal(line.crm.read_deal(deal_id))

    assert deal.account is not None
    assert [each.name for each in deal.account.lineage()] == ["Acme", "Holding", "Group"]


def test_companies_that_are_one_anothers_parent_end_somewhere(line: Line) -> None:
    hub = line.hub
    first = hub.company(name="A")
    second = hub.create("companies", link(first, CHILD_TO_PARENT), name="B")
    types = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": CHILD_TO_PARENT}]
    hub.send("PUT", f"companies/{first}/associations/companies/{second}", types)
    deal_id = hub.deal(link(first, DEAL_TO_COMPANY_PRIMARY), dealstage="closedwon")
    account = as_deal(line.crm.read_deal(deal_id)).account
    assert account is not None
    assert [each.name for each in account.lineage()] == ["A", "B"]


def test_a_bare_deal_is_one_call(line: Line) -> None:
    deal_id = line.hub.deal()
    deal = as_deal(line.crm.read_deal(deal_id))
    assert (deal.won, deal.account, deal.lines, deal.contacts, deal.owner_email) == (False, None, (), (), None)
    assert line.paths == [f"GET objects/deals/{deal_id}"]


def test_milestones_are_read_from_their_line(line: Line) -> None:
    hub = line.hub
    deal_id = won_deal(hub, 0)
    milestones = [
        {"name": "Design", "date": "2027-01-31", "amount": 500.25},
        {"name": "Go-live", "date": "2027-03-31", "amount": "999.75"},
    ]
    hub.line(deal_id, billing_type="milestone", milestones=json.dumps(milestones))
    plain = hub.line(deal_id, billing_type="fixed", milestones=json.dumps(milestones))
    billed, fixed = as_deal(line.crm.read_deal(deal_id)).lines

    assert [(each.name, str(each.due), each.amount) for each in billed.milestones] == [
        ("Design", "2027-01-31", eur("500.25")),
        ("Go-live", "2027-03-31", eur("999.75")),
    ]
    assert (fixed.id, fixed.milestones) == (plain, ())
    hub.update("line_items", plain, milestones="soon")
    with pytest.raises(RejectedError) as refused:
        line.crm.read_deal(deal_id)
    assert refused.value.findings[0].field == f"milestones (line {plain})"


def test_a_record_that_goes_while_the_deal_is_read_is_left_out(hub: Hub) -> None:
    deal_id = won_deal(hub, lines=2)
    gone = hub.get(f"deals/{deal_id}/associations/line_items")["results"][0]["toObjectId"]
    tampering = Tampering(hub, "line_items/batch/read", lambda: hub.send("DELETE", f"line_items/{gone}"))
    line = Line(hub, tampering)
    assert len(line.crm.read_deal(deal_id).document["lines"]) == 1


def test_a_missing_deal_is_told(line: Line) -> None:
    for opportunity in ("1", "a/b?c"):
        with pytest.raises(RecordMissingError):
            line.crm.read_deal(opportunity)


def test_the_revision_moves_with_the_deal_and_with_its_lines(line: Line) -> None:
    hub = line.hub
    deal_id = won_deal(hub)
    revisions = [line.crm.read_deal(deal_id).revision]
    (held,) = hub.get(f"deals/{deal_id}/associations/line_items")["results"]
    for change in (
        lambda: hub.update("line_items", str(held["toObjectId"]), price="151"),
        lambda: hub.update("deals", deal_id, po_number="1"),
        lambda: hub.line(deal_id),
        lambda: hub.send("DELETE", f"line_items/{held['toObjectId']}"),
    ):
        hub.clock.advance(seconds=1)
        change()
        revisions.append(line.crm.read_deal(deal_id).revision)
    assert revisions == sorted(set(revisions))
    assert line.crm.read_deal(deal_id).revision == revisions[-1]
