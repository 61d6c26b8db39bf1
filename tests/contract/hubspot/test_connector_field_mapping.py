"""The field mapping in `mappings/fields/hubspot.yaml` carries deals."""

from pathlib import Path

import pytest

from dealbridge.connectors.hubspot import connect
from dealbridge.domain.keys import DealKey
from dealbridge.errors import RejectedError
from dealbridge.mappings.folder import read_folder
from dealbridge.ports import Crm
from dealbridge.rules import checks
from dealbridge.rules.reference import ReferenceData
from dealbridge.runs.reading import as_deal
from dealbridge.transport.client import Wire
from dealbridge_local.simulators.transport import SimulatorTransport

from .conftest import ORIGIN, Hub
from .connected import won_deal

MAPPINGS = Path(__file__).parents[3] / "mappings"


@pytest.fixture
def reference() -> ReferenceData:
    return read_folder(MAPPINGS, {"hubspot": {"base_url": ORIGIN}})


@pytest.fixture
def crm(hub: Hub, reference: ReferenceData) -> Crm:
    wire = Wire(SimulatorTransport({ORIGIN: hub.simulator}))
    return connect(reference.connection("hubspot"), hub.simulator.credentials(), wire)


def test_a_good_deal_has_no_findings(hub: Hub, crm: Crm, reference: ReferenceData) -> None:
    deal_id = won_deal(hub, lines=3)
    key = DealKey(crm="hubspot", opportunity=deal_id)
    deal = as_deal(key, crm.read_deal(deal_id), reference.field_mapping("hubspot"))
    assert checks.findings(deal, reference) == []


def test_what_is_missing_is_named_in_hubspots_words(hub: Hub, crm: Crm, reference: ReferenceData) -> None:
    deal_id = won_deal(hub, 0, commercial_terms_approved="false", delivery_owner_email="")
    line_id = hub.line(deal_id, billing_type="fixed")
    key = DealKey(crm="hubspot", opportunity=deal_id)
    deal = as_deal(key, crm.read_deal(deal_id), reference.field_mapping("hubspot"))
    fields = {finding.field for finding in checks.findings(deal, reference)}
    assert fields >= {
        "commercial_terms_approved",
        "delivery_owner_email",
        f"line item service_line (line {line_id})",
        "amount",
    }


def test_a_value_that_is_none_of_ours_is_a_finding(hub: Hub, crm: Crm, reference: ReferenceData) -> None:
    deal_id = won_deal(hub, 0)
    line_id = hub.line(deal_id, billing_type="fixed", billing_frequency="weekly", service_line="IMPL")
    key = DealKey(crm="hubspot", opportunity=deal_id)
    with pytest.raises(RejectedError) as refused:
        as_deal(key, crm.read_deal(deal_id), reference.field_mapping("hubspot"))
    assert refused.value.findings[0].field == f"lines.billing_frequency (line {line_id})"
