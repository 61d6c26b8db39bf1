"""docs/field-mapping names every field that is mapped, as the mapping has it.

What is mapped is asked of the things themselves: our models, the published field mappings, and what the connectors
send when they write an engagement and its amendment to their simulators.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import pytest
from pydantic import BaseModel

from dealbridge.domain.deal import Deal, DealLine, Milestone
from dealbridge.domain.engagement import (
    RECORD_TYPES,
    BillingItem,
    ContractLine,
    EngagementStatus,
)
from dealbridge.domain.parties import Account, Address, Person, TaxRegistration
from tests.builders import REPOSITORY
from tests.contract import test_crm_contract
from tests.contract.suites.sale import Sale, amended
from tests.contract.suites.same import not_kept
from tests.contract.suites.vendor import Clock, TargetVendor, mappings, time_of
from tests.contract.test_erp_contract import ERPS
from tests.contract.test_staffing_contract import STAFFING_SYSTEMS

CRMS = tuple(vendor.system for vendor in test_crm_contract.CRMS)
TARGETS = (*ERPS, *STAFFING_SYSTEMS)
WRITTEN_AND_READ, WRITTEN, READ, UNSENT = "↔", "→", "←", "·"
BELOW: dict[str, type[BaseModel]] = {
    "customer.billing_address": Address,
    "customer.tax_registrations": TaxRegistration,
    "contract.lines": ContractLine,
    "schedule.items": BillingItem,
    "account.billing_address": Address,
    "account.tax_registrations": TaxRegistration,
}
WITH_PARTS = {"account", "billing_address", "contacts", "lines", "tax_registrations"}
"""Fields whose own fields are named."""
CRM_PARTS: dict[str, type[BaseModel]] = {
    "deal": Deal,
    "account": Account,
    "contacts": Person,
    "lines": DealLine,
    "milestones": Milestone,
    "status": EngagementStatus,
}


@dataclass(frozen=True)
class Row:
    """One row of a page: our field, the vendor's cell, the direction."""

    ours: str
    theirs: str
    direction: str

    @property
    def names(self) -> set[str]:
        """The vendor's fields in the cell."""
        return {part for code in re.findall(r"`([^`]+)`", self.theirs) for part in code.split(".")}


@cache
def page(system: str) -> str:
    return (REPOSITORY / f"docs/field-mapping/{system}.md").read_text()


def rows(system: str) -> list[Row]:
    found = re.findall(r"^\| `([a-z_.]+)` \|\s*(.*?)\s*\| (.) \|", page(system), re.MULTILINE)
    return [Row(*each) for each in found]


def named(system: str) -> set[str]:
    """Every name that a page shows as code."""
    return {part for code in re.findall(r"`([^`\n]+)`", page(system)) for part in re.split(r"[.:\s]", code)}


def paths(prefix: str, model: type[BaseModel]) -> Iterator[str]:
    for name in model.model_fields:
        path = f"{prefix}.{name}"
        yield path
        if path in BELOW:
            yield from paths(path, BELOW[path])


@cache
def sent(vendor_type: type[TargetVendor]) -> frozenset[str]:
    """The fields in the bodies of every call that writes an engagement and its amendment."""
    clock = Clock()
    with time_of(clock):
        sale = Sale(vendor_type(clock)).activate()
        sale.operations = sale.plan(amended(sale.deal))
        for operation in sale.operations:
            sale.apply(operation)
    bodies = [
        request.content.decode()
        for request, _ in sale.vendor.line.sent
        if request.method != "GET" and "json" in request.headers.get("content-type", "") + request.content.decode()
    ]
    return frozenset(name for body in bodies for name in re.findall(r'"(\w+)": ?', body))


ENVELOPES = {
    "netsuite": {"id", "items"},
    "s4hana": set[str](),
    "kantata": set[str](),
}
"""What a body has for its form and not for its content."""


@pytest.mark.parametrize("vendor_type", TARGETS, ids=lambda each: each.system)
def test_every_field_of_ours_is_named_once(vendor_type: type[TargetVendor]) -> None:
    capabilities = vendor_type(Clock()).capabilities
    kinds = capabilities.kinds | capabilities.embeds
    expected = {path for kind in kinds for path in paths(kind.value, RECORD_TYPES[kind])}
    found = [row.ours for row in rows(vendor_type.system)]
    assert set(found) == expected
    assert len(found) == len(set(found))


@pytest.mark.parametrize("vendor_type", TARGETS, ids=lambda each: each.system)
def test_every_field_that_is_sent_is_named(vendor_type: type[TargetVendor]) -> None:
    assert sent(vendor_type) - named(vendor_type.system) - ENVELOPES[vendor_type.system] == set()


@pytest.mark.parametrize("vendor_type", TARGETS, ids=lambda each: each.system)
def test_a_field_that_is_said_to_be_read_back_is_no_echo(vendor_type: type[TargetVendor]) -> None:
    """What the harness names as not kept, which the contract suite proves, is what the page says is not read back."""
    unkept = {f"{kind}.{name}" for kind, names in not_kept(vendor_type(Clock())).items() for name in names}
    told = {row.ours: row.direction for row in rows(vendor_type.system)}
    assert {path: told[path] for path in unkept if told[path] not in (WRITTEN, UNSENT)} == {}
    content = {path for path in told if not path.endswith(("key", "source_id", "service_line", "currency", "role"))}
    echoed = {path for path in content if told[path] in (WRITTEN, UNSENT)}
    assert echoed == unkept


@pytest.mark.parametrize("vendor_type", TARGETS, ids=lambda each: each.system)
def test_a_row_that_names_fields_names_some_that_are_sent(vendor_type: type[TargetVendor]) -> None:
    """So that a row does not outlive its mapping. Not in a first sale: a task's end, a block, another lead."""
    rare = {"task.closed", "schedule.items.kind"}
    stale = [
        row.ours
        for row in rows(vendor_type.system)
        if row.direction in (WRITTEN_AND_READ, WRITTEN)
        and row.names
        and row.ours not in rare
        and not row.names & sent(vendor_type)
    ]
    assert stale == []


@pytest.mark.parametrize("system", CRMS)
def test_every_field_that_is_read_from_a_crm_is_named(system: str) -> None:
    wanted = {part for fields in mappings().fields[system].read.values() for name in fields for part in name.split(".")}
    assert wanted - named(system) == set()


@pytest.mark.parametrize("system", CRMS)
def test_our_status_goes_where_the_page_says(system: str) -> None:
    told = {row.ours.removeprefix("status."): row.theirs for row in rows(system) if row.direction == WRITTEN}
    assert told == {ours: f"`{theirs}`" for ours, theirs in mappings().fields[system].status_fields.items()}


@pytest.mark.parametrize("system", CRMS)
def test_every_field_that_the_expression_gives_is_named(system: str) -> None:
    """By the expression's own words: `"name": …` gives a field of ours."""
    expression = mappings().fields[system].deal
    given = set(re.findall(r'^\s*"(\w+)": |\{"(\w+)": ', expression, re.MULTILINE))
    names = {name for pair in given for name in pair if name} - WITH_PARTS
    found = {row.ours.rpartition(".")[2] for row in rows(system)}
    tables = set(re.findall(r'"(\w+)": "', expression))
    assert names - tables - found == set()


@pytest.mark.parametrize("system", CRMS)
def test_a_page_names_no_field_that_we_do_not_have(system: str) -> None:
    known = {path for prefix, model in CRM_PARTS.items() for path in paths(prefix, model)}
    assert {row.ours for row in rows(system)} <= known


def test_every_connector_has_its_page() -> None:
    from dealbridge.wiring import CONNECTORS

    pages = {each.stem for each in (REPOSITORY / "docs/field-mapping").glob("*.md")}
    assert pages == set(CONNECTORS)
