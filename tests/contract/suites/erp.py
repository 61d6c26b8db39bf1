"""What every ERP keeps: the promises of `ports.Erp`."""

from datetime import date

import pytest

from dealbridge.domain.keys import Kind

from .connection import ConnectionContract
from .records import New, RecordTargetContract
from .sale import Sale, large

KINDS = (Kind.CUSTOMER, Kind.CONTACT, Kind.PROJECT, Kind.TASK, Kind.CONTRACT, Kind.SCHEDULE)


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
