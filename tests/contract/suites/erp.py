"""What every ERP keeps: the promises of `ports.Erp`."""

from datetime import date
from typing import Any

import pytest

from dealbridge.domain.keys import Kind

from .connection import ConnectionContract
from .records import New, RecordTargetContract
from .sale import Sale, large

KINDS = (Kind.CUSTOMER, Kind.CONTACT, Kind.PROJECT, Kind.TASK, Kind.CONTRACT, Kind.SCHEDULE)

SHOWN = (Kind.CUSTOMER, Kind.PROJECT, Kind.CONTRACT)
"""What the CRM shows by the number that people know it by."""


class ErpContract(ConnectionContract, RecordTargetContract):
    @pytest.fixture(params=KINDS)
    def kind(self, request: pytest.FixtureRequest, new: New) -> Kind:
        kind: Kind = request.param
        vendor = new()
        if kind in vendor.capabilities.embeds:
            pytest.skip(f"{vendor.system}: keeps a {kind} inside another record (CAPABILITIES.embeds)")
        return kind

    @pytest.fixture(params=["EUR", "USD", "JPY"])
    def currency(self, request: pytest.FixtureRequest) -> str:
        currency: str = request.param
        return currency

    def test_a_page_boundary_loses_nothing(self, new: New) -> None:
        """500 lines, 200 milestones of one of them, and the shortest pages that the vendor has."""
        vendor = new()
        sale = Sale(new(**vendor.small_pages), large()).activate()
        for operation in sale.operations:
            sale.stands(operation)

    def test_every_kind_of_an_engagement_is_written_or_inside_another(self, new: New) -> None:
        capabilities = new().capabilities
        assert capabilities.kinds | capabilities.embeds == set(KINDS)
        assert not capabilities.kinds & capabilities.embeds

    def test_a_creation_tells_the_number_or_it_is_asked_for_later(self, new: New) -> None:
        sale = Sale(new()).activate()
        later = sale.vendor.capabilities.numbers_later
        shown = [each for each in sale.operations if each.kind in SHOWN]
        assert later <= set(SHOWN)
        assert {each.kind for each in shown if sale.refs[each.key].number is None} == later
        if not later:
            return
        numbering: Any = sale.vendor.port
        asked = [each for each in shown if each.kind in later]
        stands = sale.vendor.contents()
        told = numbering.numbered([sale.refs[each.key] for each in asked])
        assert [ref.number for ref in told] == [sale.found(each).ref.number for each in asked]
        assert all(ref.number for ref in told)
        assert [ref.model_copy(update={"number": None}) for ref in told] == [sale.refs[each.key] for each in asked]
        assert sale.vendor.contents() == stands

    def test_a_record_that_is_gone_has_no_number(self, new: New) -> None:
        sale = Sale(new()).activate()
        if Kind.CUSTOMER not in sale.vendor.capabilities.numbers_later:
            return
        numbering: Any = sale.vendor.port
        customer = sale.refs[sale.the(Kind.CUSTOMER).key]
        gone = customer.model_copy(update={"id": "999999"})
        assert [bool(ref.number) for ref in numbering.numbered([gone, customer])] == [False, True]

    def test_another_parent_is_a_change_of_the_customer(self, new: New) -> None:
        sale = Sale(new()).activate()
        assert sale.deal.account is not None
        assert sale.deal.account.parent is not None
        other = sale.deal.account.parent.model_copy(update={"id": "001Q", "name": "Other Holding"})
        account = sale.deal.account.model_copy(update={"parent": other})
        sale.operations = sale.plan(sale.deal.model_copy(update={"account": account}))
        for operation in sale.operations:
            sale.apply(operation)
        for operation in sale.operations:
            sale.stands(operation)

    def test_a_task_that_is_no_longer_sold_takes_no_more_work(self, new: New) -> None:
        sale = Sale(new()).activate()
        lines = tuple(line for line in sale.deal.lines if line.service_line != "TRNG")
        sale.operations = sale.plan(sale.deal.model_copy(update={"lines": lines, "end": date(2027, 6, 30)}))
        for operation in sale.operations:
            sale.apply(operation)
        sale.stands(sale.the(Kind.PROJECT))
        sale.stands(sale.the(Kind.CONTRACT))
