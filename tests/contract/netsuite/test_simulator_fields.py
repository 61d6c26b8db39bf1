"""The simulator's fields beside Oracle's own record reference (SuiteScript, so ids are lower case)."""

import json
from pathlib import Path
from typing import Any

import pytest

from dealbridge_local.simulators.netsuite.record_types import TYPES

REFERENCE = Path(__file__).parents[4] / "shared" / "specs" / "netsuite" / "records.psa-subset.json"

pytestmark = pytest.mark.skipif(not REFERENCE.is_file(), reason="Oracle's record reference is not at hand")

REST_ONLY = {
    # Held by every record of the REST service, or named otherwise than in SuiteScript (REST API Browser 2026.1).
    "*": {"id"},
    "customer": {"altName", "firstOrderDate"},
    "contact": {"emailPreference"},
    "billingSchedule": {"initialAmountPercent", "job", "monthDom", "monthMode"},
    "charge": {
        *("billDate", "billingSchedule", "chargeEmployee", "customForm", "externalId", "lastModifiedDate", "memo"),
        *("serviceEndDate", "serviceStartDate", "subsidiary"),
    },
    "salesOrder": {"job"},
    "invoice": {"billDate", "job"},
    "customerPayment": set(),
    "customerSubsidiaryRelationship": {"lastModifiedDate", "name"},
    "subsidiary": {"fullName", "lastModifiedDate"},
    "currency": {"lastModifiedDate"},
    "employee": set(),
}

ORDER_LINE_REST_ONLY = {"grossAmt", "isOpen", "job", "location", "class", "department"}


@pytest.fixture(scope="module")
def reference() -> dict[str, Any]:
    records: dict[str, Any] = json.loads(REFERENCE.read_text())["records"]
    return records


@pytest.mark.parametrize("name", [name for name in REST_ONLY if name != "*"])
def test_every_field_stands_in_oracles_reference(reference: dict[str, Any], name: str) -> None:
    known = {field["internalId"].lower() for field in reference[name.lower()]["fields"]}
    ours = {field for field in TYPES[name].fields if field.lower() not in known}
    assert ours - REST_ONLY["*"] == REST_ONLY[name]


def test_every_field_of_an_order_line_stands_in_oracles_reference(reference: dict[str, Any]) -> None:
    sublists = {sublist["internalId"]: sublist for sublist in reference["salesorder"]["sublists"]}
    known = {field["internalId"].lower() for field in sublists["item"]["fields"]}
    ours = {field for field in TYPES["salesOrder"].sublists["item"].fields if field.lower() not in known}
    assert ours == ORDER_LINE_REST_ONLY


def test_invoicing_an_order_is_one_of_oracles_transforms(reference: dict[str, Any]) -> None:
    targets = {transform["targetRecordType"] for transform in reference["salesorder"]["transformTypes"]}
    assert "invoice" in targets
