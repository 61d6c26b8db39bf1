"""What every ERP keeps: the promises of `ports.RecordTarget` for the records of an engagement."""

from functools import partial
from typing import Any

import pytest

from dealbridge.domain.keys import Kind
from dealbridge.domain.plan import Operation
from dealbridge.ports import Found

from .connection import ConnectionContract
from .records import New, RecordTargetContract, failure
from .sale import Sale, large, without_training

KINDS = (Kind.CUSTOMER, Kind.CONTACT, Kind.PROJECT, Kind.TASK, Kind.CONTRACT, Kind.SCHEDULE)
PARTS = {Kind.PROJECT: "tasks", Kind.CONTRACT: "lines", Kind.SCHEDULE: "items"}
"""Kind → the field with the parts of such a record."""

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
        sale.operations = sale.plan(without_training(sale.deal))
        for operation in sale.operations:
            sale.apply(operation)
        sale.stands(sale.the(Kind.PROJECT))
        sale.stands(sale.the(Kind.CONTRACT))

    @pytest.mark.parametrize("fault", ["drop_before_commit", "drop_after_commit"])
    @pytest.mark.parametrize("whole", PARTS)
    def test_a_part_that_is_no_longer_wanted_is_found_for_as_long_as_it_stands(
        self, new: New, whole: Kind, fault: str
    ) -> None:
        """A task, an order's line, an item to bill: whichever call of the change that takes it away is lost."""
        embeds = new().capabilities.embeds
        if whole in embeds or (whole is Kind.PROJECT and Kind.TASK not in embeds):
            pytest.skip(f"{new().system}: keeps a {whole}, or its parts, elsewhere (CAPABILITIES.embeds)")
        for lost in range(10):
            sale = Sale(new()).activate()
            sale.operations = sale.plan(without_training(sale.deal))
            operation = sale.the(whole)
            for each in sale.operations[: sale.operations.index(operation)]:
                sale.apply(each)
            wanted = parts(operation)
            assert len(parts(operation, sale.found(operation))) > len(wanted)
            sale.vendor.simulator.add_fault(kind=fault, after=lost, times=1)
            unknown = failure(partial(sale.apply, operation))
            sale.vendor.simulator.clear_faults()
            if unknown is not None:
                sale.settle(operation)
            sale.stands(operation)
            assert parts(operation, sale.found(operation)) == wanted
            if unknown is None:
                break
        assert lost > 0
        assert unknown is None


def parts(operation: Operation, found: Found | None = None) -> set[str]:
    """The keys of a record's parts: as they shall be, or as they were found."""
    record = found.record.content() if found else operation.record
    return {part["key"] for part in record[PARTS[operation.kind]]}
