"""The HubSpot connector writes status: our properties only, harmless to repeat, settled after a lost reply."""

from typing import Any

import pytest

from dealbridge.errors import (
    ConflictError,
    DealbridgeError,
    RecordMissingError,
    RejectedError,
    ThrottledError,
    TransientError,
)
from dealbridge_local.simulators.hubspot import ConditionalRule

from .conftest import Hub, Portal
from .connected import Line, Tampering, status, won_deal

UPSERT = "POST objects/deals/batch/upsert"


@pytest.fixture
def line(hub: Hub) -> Line:
    return Line(hub)


def test_a_status_is_written_and_read_back(line: Line) -> None:
    deal_id = won_deal(line.hub)
    before = line.hub.get(f"deals/{deal_id}", properties="amount,dealstage,po_number")["properties"]
    assert line.crm.find_status(deal_id) is None
    line.hub.clock.advance(minutes=1)
    line.calls.clear()
    ref = line.crm.write_status(deal_id, status())

    assert line.paths == [
        f"GET objects/deals/{deal_id}",
        "POST objects/line_items/batch/read",
        "POST objects/companies/batch/read",
        f"PATCH objects/deals/{deal_id}",
    ]
    assert (ref.type, ref.id) == ("deal", deal_id)
    assert ref.url == f"https://app.hubspot.com/contacts/247279312/record/0-3/{deal_id}"
    assert line.crm.find_status(deal_id) == status(key=f"STAT-{deal_id}")
    assert ref.version == line.crm.read_deal(deal_id).revision
    assert ref.version.startswith("2026-11-23T18:01:00.000Z ")
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


def test_after_the_first_a_status_is_upserted_by_our_own_unique_property(line: Line) -> None:
    hub = line.hub
    deal_id = won_deal(hub)
    first = line.crm.write_status(deal_id, status())
    assert hub.properties("deals", deal_id, "erp_deal_id") == {"erp_deal_id": f"STAT-{deal_id}"}
    hub.clock.advance(seconds=1)
    line.calls.clear()
    ref = line.crm.write_status(deal_id, status(message="2"), first.version)

    assert line.paths == [f"GET objects/deals/{deal_id}", "POST objects/line_items/batch/read", UPSERT]
    assert line.crm.find_status(deal_id) == status(key=f"STAT-{deal_id}", message="2")
    assert ref.version == line.crm.read_deal(deal_id).revision != first.version
    assert (ref.id, len(hub.get("deals")["results"])) == (deal_id, 1)


def test_without_a_unique_property_a_status_is_written_by_id(hub: Hub) -> None:
    line = Line(hub, status_fields={"status": "erp_status", "message": "erp_status_message"})
    deal_id = won_deal(hub)
    for message in ("1", "2"):
        line.crm.write_status(deal_id, status(message=message))
        assert line.paths[-1] == f"PATCH objects/deals/{deal_id}"
    assert hub.properties("deals", deal_id, "erp_status_message", "erp_deal_id") == {
        "erp_status_message": "2",
        "erp_deal_id": None,
    }


@pytest.mark.parametrize(
    ("entry", "error", "unknown"),
    [
        (
            {
                "category": "VALIDATION_ERROR",
                "message": 'Property values were not valid: [{"isValid":false,"message":"Too long","error":'
                '"PROPERTY_VALUE_TOO_LONG","name":"erp_status_message"}]',
            },
            RejectedError,
            False,
        ),
        ({"category": "OBJECT_NOT_FOUND", "message": "gone"}, RecordMissingError, False),
        ({"category": "CONFLICT", "message": "taken"}, ConflictError, False),
        ({"category": "RATE_LIMITS", "message": "later"}, ThrottledError, False),
        ({"message": "Some error without a category"}, TransientError, True),
    ],
)
def test_an_error_of_the_one_record_in_a_207_is_no_success(
    line: Line, entry: dict[str, Any], error: type[DealbridgeError], unknown: bool
) -> None:
    deal_id = won_deal(line.hub)
    line.crm.write_status(deal_id, status())
    entry = {"status": "error", "context": {"objectWriteTraceId": [f"STAT-{deal_id}"]}, **entry}
    body = {"status": "COMPLETE", "results": [], "numErrors": 1, "errors": [entry]}
    line.hub.simulator.add_fault(kind="status", status=207, body=body, path="batch/upsert")
    with pytest.raises(error) as refused:
        line.crm.write_status(deal_id, status(message="2"))

    assert refused.value.outcome_unknown is unknown
    if error is RejectedError:
        (finding,) = refused.value.findings
        assert (finding.field, finding.rule) == ("erp_status_message", "PROPERTY_VALUE_TOO_LONG")


def test_a_value_refused_by_an_upsert_is_named(line: Line) -> None:
    deal_id = won_deal(line.hub)
    line.crm.write_status(deal_id, status())
    rejected = Line(line.hub, status_fields={"key": "erp_deal_id", "status": "payment_terms"})
    with pytest.raises(RejectedError) as refused:
        rejected.crm.write_status(deal_id, status())
    assert UPSERT in rejected.paths
    assert [(each.field, each.rule) for each in refused.value.findings] == [("payment_terms", "INVALID_OPTION")]
    assert not refused.value.outcome_unknown


def test_an_upsert_answer_without_our_record_leaves_the_outcome_unknown(line: Line) -> None:
    deal_id = won_deal(line.hub)
    line.crm.write_status(deal_id, status())
    line.hub.simulator.add_fault(kind="status", status=200, body={"results": []}, path="batch/upsert")
    with pytest.raises(TransientError) as lost:
        line.crm.write_status(deal_id, status(message="2"))
    assert lost.value.outcome_unknown


def test_a_deal_that_goes_while_its_status_is_written_is_not_made_anew(hub: Hub) -> None:
    deal_id = won_deal(hub)
    Line(hub).crm.write_status(deal_id, status())
    line = Line(hub, Tampering(hub, "batch/upsert", lambda: hub.send("DELETE", f"deals/{deal_id}")))
    with pytest.raises(RejectedError):
        line.crm.write_status(deal_id, status(message="2"))
    assert hub.get("deals")["results"] == []


def test_a_deal_that_hubspot_makes_anew_is_taken_away_again(line: Line) -> None:
    hub = line.hub
    deal_id = won_deal(hub)
    line.crm.write_status(deal_id, status())
    stray = hub.deal()
    body = {"results": [{"id": stray, "new": True, "properties": {}, "updatedAt": "2026-11-23T18:00:00Z"}]}
    hub.simulator.add_fault(kind="status", status=200, body=body, path="batch/upsert")
    with pytest.raises(RecordMissingError):
        line.crm.write_status(deal_id, status(message="2"))
    assert [each["id"] for each in hub.get("deals")["results"]] == [deal_id]


def test_the_deal_itself_is_never_taken_away_whatever_an_upsert_says_of_it(line: Line) -> None:
    hub = line.hub
    deal_id = won_deal(hub)
    line.crm.write_status(deal_id, status())
    body = {"results": [{"id": deal_id, "new": True, "properties": {}, "updatedAt": "2026-11-23T18:00:00Z"}]}
    hub.simulator.add_fault(kind="status", status=201, body=body, path="batch/upsert")
    assert line.crm.write_status(deal_id, status(message="2")).id == deal_id
    assert [each["id"] for each in hub.get("deals")["results"]] == [deal_id]


def test_a_merged_deal_gets_a_key_of_its_own(line: Line) -> None:
    hub = line.hub
    first, second = won_deal(hub), won_deal(hub)
    line.crm.write_status(first, status())
    line.crm.write_status(second, status())
    merged = hub.send("POST", "deals/merge", {"primaryObjectId": first, "objectIdToMerge": second}).json()["id"]
    for message in ("3", "4"):
        line.crm.write_status(merged, status(message=message))
    assert UPSERT in line.paths
    assert line.crm.find_status(merged) == status(key=f"STAT-{merged}", message="4")


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
    line.hub.simulator.add_fault(kind="drop_before_commit", path="batch/upsert", times=1)
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
