"""docs/connectors.md says what `CAPABILITIES` say, and the calls that the connectors really make."""

import importlib
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dealbridge.domain.keys import Kind
from dealbridge.ports import Capabilities
from dealbridge.wiring import CONNECTORS
from tests.builders import REPOSITORY

from .suites.crm import a_status, sweep
from .suites.erp import SHOWN
from .suites.sale import Sale
from .suites.vendor import PROMISES, Clock, CrmVendor, TargetVendor, time_of
from .test_crm_contract import CRMS
from .test_erp_contract import ERPS
from .test_staffing_contract import STAFFING_SYSTEMS

CONNECTOR_FOLDERS = REPOSITORY / "layers/platform/dealbridge/connectors"
PAGE = (REPOSITORY / "docs/connectors.md").read_text()
NAMES = {
    system: (CONNECTOR_FOLDERS / system / "README.md").read_text().splitlines()[0].removeprefix("# ")
    for system in CONNECTORS
}
"""What a system is called: the heading of its connector's page."""


def capabilities() -> dict[str, Capabilities]:
    return {NAMES[system]: importlib.import_module(package).CAPABILITIES for system, package in CONNECTORS.items()}


def capability_rows() -> Iterator[str]:
    """The table of capabilities, as the page shall have it."""
    yield "| Connector | Role | Writes | Inside another record | Withdraws | Events | Concurrency token |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for name, can in capabilities().items():
        yield (
            f"| {name} | {can.role} | {_listed(can.kinds)} | {_listed(can.embeds)} | {_listed(can.withdraws)} "
            f"| {_yes(can.inbound_events)} | {_yes(can.concurrency_token)} |"
        )


def skip_rows() -> Iterator[str]:
    """The table of what is not possible, as the page shall have it."""
    yield "| Connector | Promise | Why not |"
    yield "| --- | --- | --- |"
    for name, can in capabilities().items():
        for promise, why in can.skips.items():
            yield f"| {name} | `{promise}` | {why} |"


def _listed(kinds: frozenset[Kind]) -> str:
    return ", ".join(kind.replace("_", " ") for kind in Kind if kind in kinds) or "–"


def _yes(value: bool) -> str:
    return "yes" if value else "no"


@pytest.mark.parametrize("rows", [capability_rows, skip_rows])
def test_the_page_has_the_table_of_the_capabilities(rows: Callable[[], Iterator[str]]) -> None:
    expected = "\n".join(rows())
    assert expected in PAGE, f"docs/connectors.md: put this table in its place:\n{expected}"


def test_every_connector_runs_the_contract_of_its_role() -> None:
    running = {"crm": CRMS, "erp": ERPS, "staffing": STAFFING_SYSTEMS}
    roles = {vendor.system: role for role, vendors in running.items() for vendor in vendors}
    assert roles == {
        system: importlib.import_module(package).CAPABILITIES.role for system, package in CONNECTORS.items()
    }


@pytest.mark.parametrize("system", list(CONNECTORS))
def test_what_is_skipped_is_a_promise_and_agrees_with_the_flags(system: str) -> None:
    can = capabilities()[NAMES[system]]
    assert {name.partition(".")[0] for name in can.skips} <= set(PROMISES)
    for flag in ("concurrency_token", "inbound_events"):
        assert (flag in can.skips) is not getattr(can, flag)
    assert {name.partition(".")[2] for name in can.skips} <= {"", *can.kinds}
    assert can.withdraws <= can.kinds


def test_every_promise_is_explained() -> None:
    for name, meaning in PROMISES.items():
        assert f"| `{name}` | {meaning} |" in PAGE


@pytest.mark.parametrize("heading", ["Keys and repeats", "Limits"])
def test_every_connector_has_a_row(heading: str) -> None:
    section = PAGE.partition(f"## {heading}")[2].partition("\n## ")[0]
    assert [name for name in NAMES.values() if f"| {name} |" not in section] == []


# Calls


def told_calls() -> dict[tuple[str, str], int]:
    section = PAGE.partition("## Calls")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (.+?) \| (.+?) \| (\d+) \| (\d+) \|", section, re.MULTILINE)
    assert all(int(least) <= int(calls) for *_, calls, least in rows)
    return {(name, what): int(calls) for name, what, calls, _ in rows}


@pytest.mark.parametrize("vendor_type", [*ERPS, *STAFFING_SYSTEMS], ids=lambda each: each.system)
def test_a_record_takes_the_calls_that_the_page_says(vendor_type: type[TargetVendor]) -> None:
    made: dict[tuple[str, str], int] = {}
    with time_of(clock := Clock()):
        sale = Sale(vendor_type(clock))
        sale.vendor.write()
        for operation in sale.operations:
            calls = sale.vendor.calls(lambda operation=operation: sale.create(operation))  # type: ignore[misc]
            made[NAMES[vendor_type.system], f"create {operation.kind.replace('_', ' ')}"] = calls
        if sale.vendor.capabilities.numbers_later:
            numbering: Any = sale.vendor.port
            asked = [sale.refs[each.key] for each in sale.operations if each.kind in SHOWN]
            made[NAMES[vendor_type.system], "ask for numbers"] = sale.vendor.calls(lambda: numbering.numbered(asked))
    told = {key: calls for key, calls in told_calls().items() if key[0] == NAMES[vendor_type.system]}
    assert told == made


@pytest.mark.parametrize("vendor_type", CRMS, ids=lambda each: each.system)
def test_a_deal_takes_the_calls_that_the_page_says(vendor_type: type[CrmVendor]) -> None:
    with time_of(clock := Clock()):
        vendor = vendor_type(clock)
        deal = vendor.won_deal()
        vendor.write()
        clock.advance(minutes=1)
        revision = vendor.port.read_deal(deal).revision
        acts: dict[str, Callable[[], Any]] = {
            "read a deal": lambda: vendor.port.read_deal(deal),
            "find status": lambda: vendor.port.find_status(deal),
            "write status": lambda: vendor.port.write_status(deal, a_status(vendor), revision),
        }
        made = {(NAMES[vendor_type.system], what): vendor.calls(act) for what, act in acts.items()}
        clock.advance(hours=2)
        _, cursor = sweep(vendor, None)
        clock.advance(hours=2)
        _, cursor = sweep(vendor, cursor)
        made[NAMES[vendor_type.system], "poll, idle"] = vendor.calls(lambda: sweep(vendor, cursor))
    told = {key: calls for key, calls in told_calls().items() if key[0] == NAMES[vendor_type.system]}
    assert told == made
