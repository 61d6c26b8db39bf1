"""What every staffing system keeps: the promises of `ports.RecordTarget` for projects and staffing requests."""

import pytest

from dealbridge.domain.keys import Kind

from .connection import ConnectionContract
from .records import New, RecordTargetContract
from .sale import Sale

KINDS = (Kind.STAFFING_PROJECT, Kind.STAFFING_REQUEST)


class StaffingContract(ConnectionContract, RecordTargetContract):
    @pytest.fixture(params=KINDS)
    def kind(self, request: pytest.FixtureRequest) -> Kind:
        kind: Kind = request.param
        return kind

    def test_a_page_boundary_loses_nothing(self, new: New) -> None:
        """A request is found among more later ones than a page holds."""
        sale = Sale(new()).activate()
        operation = sale.the(Kind.STAFFING_REQUEST)
        for number in range(210):
            key = f"STAF-later-{number}"
            later = operation.model_copy(update={"key": key, "record": {**operation.record, "key": key}})
            sale.create(later)
        for each in (operation, later):
            sale.stands(each)
