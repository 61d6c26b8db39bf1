"""The sample of `mappings/examples/hubspot`, added to the reference data as its first lines say, carries deals."""

import shutil
from pathlib import Path

import pytest
import yaml

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
def reference(tmp_path: Path) -> ReferenceData:
    folder = tmp_path / "mappings"
    shutil.copytree(MAPPINGS, folder)
    connections = yaml.safe_load((folder / "connections.yaml").read_text())
    connections |= yaml.safe_load((folder / "examples/hubspot/connections.yaml").read_text())
    (folder / "connections.yaml").write_text(yaml.safe_dump(connections))
    shutil.copy(folder / "examples/hubspot/fields.yaml", folder / "fields/hubspot.yaml")
    return read_folder(folder, {"hubspot": {"base_url": ORIGIN}})


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
