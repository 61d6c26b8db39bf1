"""What every CRM keeps: the promises of `ports.Crm`, as behaviour."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from dealbridge.domain.deal import Deal
from dealbridge.domain.engagement import EngagementStatus
from dealbridge.domain.keys import DealKey
from dealbridge.domain.money import Money
from dealbridge.errors import RecordMissingError, RejectedError, TransientError
from dealbridge.mappings.expressions import evaluate
from dealbridge.ports import CrmDeal

from .connection import ConnectionContract
from .vendor import CrmVendor, mappings

type New = Callable[..., CrmVendor]


def a_status(vendor: CrmVendor, **changes: Any) -> EngagementStatus:
    given: dict[str, Any] = {
        "key": "STAT",
        "status": "Active",
        "message": "Ready to deliver.",
        "customer_number": "C-1",
        "contract_number": "SO-1",
        "project_number": "P-1",
        "at": vendor.clock(),
    }
    return EngagementStatus.model_validate({**given, **changes})


def as_deal(vendor: CrmVendor, read: CrmDeal) -> Deal:
    """Our deal of what was read, by the field mapping that is published."""
    document = evaluate(mappings().fields[vendor.system].deal, dict(read.document), named=vendor.system)
    key = DealKey(crm=vendor.system, opportunity=read.opportunity)
    return Deal.model_validate({**document, "key": key, "revision": read.revision})


def sweep(vendor: CrmVendor, cursor: str | None) -> tuple[dict[str, str], str]:
    """All pages of one poll. A second goes by between them: some vendors allow a few searches a second."""
    found: dict[str, str] = {}
    for _ in range(100):
        page = vendor.port.changed_deals(cursor, vendor.clock())
        found |= dict(page.deals)
        cursor = page.cursor
        vendor.clock.advance(seconds=1)
        if not page.more:
            return found, cursor
    raise AssertionError("a poll must come to its end")


def content(vendor: CrmVendor, opportunity: str) -> dict[str, Any] | None:
    status = vendor.port.find_status(opportunity)
    return None if status is None else {k: v for k, v in status.content().items() if k != "key"}


class CrmContract(ConnectionContract):
    """`new` gives a fresh tenant with its connector."""

    # Reading

    def test_a_deal_is_read_whole(self, new: New) -> None:
        vendor = new()
        deal = as_deal(vendor, vendor.port.read_deal(vendor.won_deal(lines=3)))
        assert deal.won
        assert (deal.legal_entity, str(deal.amount), deal.currency) == ("EMEA-DE", "30.03 EUR", "EUR")
        assert deal.account is not None
        assert deal.account.billing_address is not None
        assert (deal.account.name, deal.account.billing_address.country) == ("Acme", "DE")
        assert [each.number for each in deal.account.tax_registrations] == ["DE811907980"]
        assert [each.last_name for each in deal.contacts] == ["Lind"]
        assert [str(line.amount) for line in deal.lines] == ["10.01 EUR"] * 3

    def test_a_page_boundary_loses_no_line_and_no_milestone(self, new: New) -> None:
        vendor = new(**new().small_pages)
        deal = as_deal(vendor, vendor.port.read_deal(vendor.won_deal(lines=500, milestones=200)))
        assert len({line.id for line in deal.lines}) == 500
        milestones = [each for line in deal.lines for each in line.milestones]
        assert len({(each.id) for each in milestones}) == 200
        assert str(Money.total((each.amount for each in milestones), "EUR")) == "202.00 EUR"

    def test_a_document_is_json_without_floats(self, new: New) -> None:
        vendor = new()
        document = vendor.port.read_deal(vendor.won_deal(milestones=1)).document
        json.dumps(document, default=str)
        assert [value for value in _leaves(document) if isinstance(value, float)] == []

    def test_a_revision_stays_and_moves_with_the_deal(self, new: New) -> None:
        vendor = new()
        deal = vendor.won_deal()
        vendor.clock.advance(minutes=1)
        first = vendor.port.read_deal(deal).revision
        assert vendor.port.read_deal(deal).revision == first
        vendor.change(deal)
        vendor.clock.advance(minutes=1)
        assert vendor.port.read_deal(deal).revision != first

    def test_a_deal_that_is_gone_is_missing(self, new: New) -> None:
        vendor = new()
        deal = vendor.won_deal()
        vendor.drop(deal)
        for act in (
            lambda: vendor.port.read_deal(deal),
            lambda: vendor.port.find_status(deal),
            lambda: vendor.port.write_status(deal, a_status(vendor)),
        ):
            with pytest.raises(RecordMissingError):
                act()

    # Changed deals

    def test_a_page_boundary_loses_no_changed_deal(self, new: New) -> None:
        count, options = new().paged
        vendor = new()
        vendor.port = vendor.connect(**options)
        deals = set(vendor.won_deals(count))
        vendor.clock.advance(minutes=1)
        first = vendor.port.changed_deals(None, vendor.clock())
        assert first.more
        assert len(first.deals) < count
        vendor.clock.advance(seconds=1)
        found, _ = sweep(vendor, None)
        assert set(found) == deals

    def test_a_changed_deal_is_given_with_the_revision_that_a_reading_finds(self, new: New) -> None:
        vendor = new()
        deals = vendor.won_deals(3)
        vendor.clock.advance(minutes=1)
        _, cursor = sweep(vendor, None)
        vendor.clock.advance(hours=2)
        _, cursor = sweep(vendor, cursor)
        vendor.clock.advance(hours=2)
        vendor.change(deals[1])
        vendor.clock.advance(minutes=1)
        found, _ = sweep(vendor, cursor)
        assert found == {deals[1]: vendor.port.read_deal(deals[1]).revision}

    # Our status

    def test_a_status_reads_back_as_it_was_written(self, new: New) -> None:
        vendor = new()
        deal = vendor.won_deal()
        assert vendor.port.find_status(deal) is None
        for status in (
            a_status(vendor),
            a_status(vendor, message='Köln, 東京 & "quotes"'),
            a_status(vendor, status="Parked", customer_number=None, contract_number=None, project_number=None),
        ):
            vendor.port.write_status(deal, status)
            found = vendor.port.find_status(deal)
            assert found is not None
            assert found.model_copy(update={"key": status.key}) == status

    def test_a_status_writes_our_fields_and_nothing_else(self, new: New) -> None:
        vendor = new()
        deal = vendor.won_deal()
        before = vendor.held(deal)
        vendor.clock.advance(minutes=1)
        vendor.port.write_status(deal, a_status(vendor))
        after = vendor.held(deal)
        ours = set(mappings().fields[vendor.system].status_fields.values())
        moved = {name for name in {*before, *after} if before.get(name) != after.get(name)}
        assert moved <= ours | vendor.stamps
        assert moved & ours

    def test_written_twice_is_written_once(self, new: New) -> None:
        vendor = new()
        deal, status = vendor.won_deal(), a_status(vendor)
        vendor.port.write_status(deal, status)
        stood, counts = vendor.held(deal), vendor.counts()
        vendor.port.write_status(deal, status)
        assert vendor.held(deal) == stood
        assert vendor.counts() == counts

    @pytest.mark.parametrize(
        "fault",
        [
            "drop_after_commit",
            "timeout_after_commit",
            "drop_before_commit",
            "timeout_before_commit",
            "malformed_body",
        ],
    )
    def test_whichever_call_of_a_write_is_lost_reading_back_settles_it(self, new: New, fault: str) -> None:
        vendor = new()
        deal = vendor.won_deal()
        revision = vendor.port.read_deal(deal).revision
        calls = vendor.calls(lambda: vendor.port.write_status(deal, a_status(vendor), revision))
        for lost in range(calls):
            status = a_status(vendor, message=f"Attempt {lost}")
            vendor.simulator.add_fault(kind=fault, after=lost, times=1)
            with pytest.raises(TransientError) as unknown:
                vendor.port.write_status(deal, status, revision)
            assert unknown.value.outcome_unknown
            vendor.simulator.clear_faults()
            if content(vendor, deal) != content_of(status):
                vendor.port.write_status(deal, status, revision)
            assert content(vendor, deal) == content_of(status)

    def test_a_change_of_somebody_else_is_not_hidden_behind_our_write(self, new: New) -> None:
        vendor = new()
        deal = vendor.won_deal()
        vendor.clock.advance(minutes=1)
        read = vendor.port.read_deal(deal).revision
        alone = vendor.port.write_status(deal, a_status(vendor), read)
        vendor.clock.advance(minutes=1)
        assert sweep(vendor, None)[0][deal] == alone.version
        vendor.change(deal)
        vendor.clock.advance(minutes=1)
        version = vendor.port.write_status(deal, a_status(vendor, message="Again."), alone.version).version
        vendor.clock.advance(minutes=1)
        assert sweep(vendor, None)[0][deal] != version, "a poll must take their change for news"

    def test_a_value_that_the_crm_refuses_is_rejected_by_name(self, new: New) -> None:
        vendor = new()
        fields, named = vendor.refused_status_fields
        deal = vendor.won_deal()
        vendor.port = vendor.connect(status_fields=fields)
        with pytest.raises(RejectedError) as refused:
            vendor.port.write_status(deal, a_status(vendor))
        assert [finding.field for finding in refused.value.findings] == [named]
        assert all(finding.message and finding.remedy for finding in refused.value.findings)
        assert not refused.value.outcome_unknown

    # Events

    def test_an_event_names_its_deal(self, new: New) -> None:
        vendor = new()
        vendor.events()
        deal = vendor.won_deals(1)[0]
        hints = [hint for event in vendor.events() for hint in vendor.port.read_event(event)]
        assert {hint.opportunity for hint in hints} == {deal}


def content_of(status: EngagementStatus) -> dict[str, Any]:
    return {name: value for name, value in status.content().items() if name != "key"}


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for each in value.values() for leaf in _leaves(each)]
    if isinstance(value, list | tuple):
        return [leaf for each in value for leaf in _leaves(each)]
    return [value]
