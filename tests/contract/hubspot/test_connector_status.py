"""The HubSpot connector writes status: our properties only, harmless to repeat, settled after a lost reply."""

import pytest

from dealbridge.errors import RejectedError, TransientError
from dealbridge_local.simulators.hubspot import ConditionalRule

from .conftest import Hub, Portal
from .connected import Line, status, won_deal


@pytest.fixture
def line(hub: Hub) -> Line:
    return Line(hub)


def test_a_status_is_written_in_one_call_and_read_back(line: Line) -> None:
    deal_id = won_deal(line.hub)
    before = line.hub.get(f"deals/{deal_id}", properties="amount,dealstage,po_number")["properties"]
    assert line.crm.find_status(deal_id) is None
    line.hub.clock.advance(minutes=1)
    line.calls.clear()
    ref = line.crm.write_status(deal_id, status())

    assert line.paths == [f"PATCH objects/deals/{deal_id}"]
    assert (ref.type, ref.id) == ("deal", deal_id)
    assert ref.url == f"https://app.hubspot.com/contacts/247279312/record/0-3/{deal_id}"
    assert line.crm.find_status(deal_id) == status(key=f"STAT-{deal_id}")
    assert ref.version == line.crm.read_deal(deal_id).revision == "2026-11-23T18:01:00.000Z"
    after = line.hub.get(f"deals/{deal_id}", properties="amount,dealstage,po_number")["properties"]
    assert {**after, "hs_lastmodifieddate": None} == {**before, "hs_lastmodifieddate": None}


def test_a_status_that_is_no_longer_true_is_cleared(line: Line) -> None:
    deal_id = won_deal(line.hub)
    line.crm.write_status(deal_id, status())
    line.crm.write_status(deal_id, status(customer_number=None, message="Parked."))
    assert line.crm.find_status(deal_id) == status(key=f"STAT-{deal_id}", customer_number=None, message="Parked.")


def test_the_version_after_a_write_is_the_new_revision(line: Line) -> None:
    deal_id = won_deal(line.hub)
    read = line.crm.read_deal(deal_id)
    line.hub.clock.advance(seconds=1)
    line.calls.clear()
    ref = line.crm.write_status(deal_id, status(), read.revision)

    assert line.paths == [
        f"GET objects/deals/{deal_id}",
        "POST objects/line_items/batch/read",
        f"PATCH objects/deals/{deal_id}",
    ]
    assert ref.version == line.crm.read_deal(deal_id).revision != read.revision


@pytest.mark.parametrize("kind", ["deals", "line_items"])
def test_the_version_stays_where_somebody_else_wrote_too(line: Line, kind: str) -> None:
    hub = line.hub
    deal_id = won_deal(hub)
    read = line.crm.read_deal(deal_id)
    hub.clock.advance(seconds=1)
    if kind == "deals":
        hub.update("deals", deal_id, po_number="2")
    else:
        hub.update("line_items", read.document["lines"][0]["id"], price="151")
    hub.clock.advance(seconds=1)
    assert line.crm.write_status(deal_id, status(), read.revision).version == read.revision


def test_a_lost_reply_is_settled_by_reading_back(line: Line) -> None:
    deal_id = won_deal(line.hub)
    line.hub.simulator.add_fault(kind="timeout_after_commit", method="PATCH", times=1)
    with pytest.raises(TransientError) as lost:
        line.crm.write_status(deal_id, status())

    assert lost.value.outcome_unknown
    assert line.crm.find_status(deal_id) == status(key=f"STAT-{deal_id}")
    line.hub.simulator.add_fault(kind="drop_before_commit", method="PATCH", times=1)
    with pytest.raises(TransientError) as dropped:
        line.crm.write_status(deal_id, status(message="2"))
    assert dropped.value.outcome_unknown
    assert line.crm.find_status(deal_id) == status(key=f"STAT-{deal_id}")


def test_an_admins_rule_is_a_finding_and_no_retry(portal: Portal) -> None:
    hub = portal(rules=[ConditionalRule("deals", "dealstage", "closedwon", "closed_won_reason")])
    deal_id = hub.deal()
    body = {"properties": {"dealstage": "closedwon"}}
    assert hub.send("PATCH", f"/crm/v3/objects/deals/{deal_id}", body).status_code == 200
    with pytest.raises(RejectedError) as refused:
        Line(hub).crm.write_status(deal_id, status())

    (finding,) = refused.value.findings
    assert refused.value.code == "MISSING_CONDITIONAL_REQUIRED_PROPERTY"
    assert (finding.field, finding.owner.value) == ("closed_won_reason", "operations")
    assert "HubSpot admin" in finding.remedy
    assert not refused.value.outcome_unknown


def test_a_status_property_that_does_not_exist_is_named(hub: Hub) -> None:
    line = Line(hub, status_fields={"status": "erp_state"})
    with pytest.raises(RejectedError) as refused:
        line.crm.write_status(hub.deal(), status())
    assert (refused.value.findings[0].field, refused.value.findings[0].rule) == ("erp_state", "PROPERTY_DOESNT_EXIST")
    assert "mappings/fields" in refused.value.findings[0].remedy
