"""docs/reliability.md, made of the reports in .local/reports: what was proven, how often, and on what."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dealbridge_local.engine import REPOSITORY
from dealbridge_local.worlds import reports
from dealbridge_local.worlds.checker import RULES

PAGE = REPOSITORY / "docs" / "reliability.md"

_HEAD = """# What is proven

Written by `make soak` and `make storm` from what they measured; each part names its commit and its command.

A *boundary* is one call that a function makes: of a vendor, or of AWS. A *world* is the whole platform in one process:
the deployed handlers, the deployed state machine and the simulators of all vendors, on a virtual clock, with AWS in
memory (`local/dealbridge_local/worlds`). A kill is the SIGKILL of a process in the middle of a call: of the function's
own in the fault matrix, of an engine's worker in the storm. In the seeded worlds, whose functions are threads because
that is many times faster, it is an exception that no code of ours catches.

The checker judges the outcome alone: the vendors' records against what the CRM says, with arithmetic of its own, and
the ledger against itself (`local/dealbridge_local/worlds/checker`)."""

_TAIL = """## What this does not show

- Simulators are built to the vendors' documents; what a vendor does otherwise, they cannot know.
- A pair of strikes is aimed at calls of the fault-free run: the second one falls on whatever has that place by then.
- A read is behind by three seconds at most, as a replica would be; S/4HANA's `read_back_seconds` (5) relies upon it.
- AWS in memory is held against moto, operation by operation (`tests/faults/test_cloud.py`), and against the deployed
  local engine by a subset of the worlds (`tests/workflows`)."""


def write_page(page: Path = PAGE, folder: Path = reports.FOLDER) -> Path:
    """Write the page of the reports that there are."""
    parts = [_HEAD, *_parts(folder), _TAIL]
    page.write_text("\n\n".join(parts) + "\n")
    return page


def _parts(folder: Path) -> Iterator[str]:
    for name, show in (("matrix", _matrix), ("soak", _soak), ("planted", _planted), ("storm", _storm)):
        report = reports.read(name, folder)
        if report is not None:
            yield "\n\n".join(show(report))


def _matrix(report: Mapping[str, Any]) -> Iterator[str]:
    yield "## The fault matrix"
    yield (
        "Every vendor call of a first activation with every fault that can meet it, every AWS write with what can "
        "become of it, and a SIGKILL before and after each of both: one case each. The boundaries are found by "
        "recording a fault-free run. What parks is redriven; then the vendors' records must be those of the "
        "fault-free run."
    )
    yield _made(report, "make soak SOAK='--only matrix'")
    yield _table(
        ("", *(name.replace("_", " ").replace("aws", "AWS") for name in _COUNTS), "redriven", "wrong", "seconds"),
        [
            *(_of_matrix(each, each["path"]) for each in report["single"]),
            *(_of_matrix(each, f"{each['path']}, pairs by seed {report['seed']}") for each in report["pairs"]),
        ],
    )
    wrong = [case for each in (*report["single"], *report["pairs"]) for case in each["wrong_cases"]]
    if wrong:
        yield "\n".join(f"- **{case['case']}**: {case['wrong'][0]}" for case in wrong)


_COUNTS = ("boundaries", "vendor_calls", "aws_writes", "cases", "kills", "by_themselves")


def _of_matrix(each: Mapping[str, Any], name: str) -> Sequence[object]:
    redriven = each["cases"] - each["by_themselves"]
    return (name, *(each[count] for count in _COUNTS), redriven, each["wrong"], round(each["seconds"]))


def _soak(report: Mapping[str, Any]) -> Iterator[str]:
    totals: Mapping[str, int] = report["totals"]
    yield "## Seeded worlds"
    yield (
        "A seed makes deals in one CRM or both, bills them in NetSuite and S/4HANA, amends, moves accounts, reopens, "
        "redrives and aborts; events come one to five times, late, in any order or not at all; vendors are slow, down, "
        "throttled, or lose replies; AWS throttles; processes die. When the weather turns calm, an operator redrives "
        "what is parked, and every rule below must hold. `python -m dealbridge_local.worlds.soak --replay SEED` plays "
        "one again, call by call."
    )
    last = report["first_seed"] + report["seeds"] - 1
    yield _made(report, "make soak SOAK='--only soak'")
    yield (
        f"**{_n(report['seeds'])} seeds ({report['first_seed']} to {last}), {report['breaks']} breaks**, in "
        f"{report['seconds'] / 60:.0f} minutes."
    )
    names = ("deals", "acts", "invocations", "touches", "vendor_calls", "strikes")
    rows: list[Sequence[object]] = [(name.replace("_", " "), _n(totals.get(name, 0))) for name in names]
    rows += [(f"worlds with {_after(name)}", _n(count)) for name, count in _starting(totals, "crm ")]
    rows += [(name, _n(count)) for name, count in _starting(totals, "calls of ")]
    yield _table(("in all worlds", ""), rows)
    yield _table(("strike", "times"), [(_after(name), _n(count)) for name, count in _starting(totals, "strike ")])
    if report["broken"]:
        yield "\n".join(f"- **seed {each['seed']}**: {each['broken'][0]}" for each in report["broken"])
    yield "The rules:\n\n" + _table(("rule", ""), RULES.items())


def _planted(report: Mapping[str, Any]) -> Iterator[str]:
    caught = sum(each["seed"] is not None for each in report["bugs"])
    yield "## Planted bugs"
    yield (
        "The checker must see. Each bug is planted in the shipped code, behind a switch that only the tests have "
        "(`tests/faults/planted_bugs.py`), and worlds are played from seed 0 on until one turns red, "
        f"{report['most_seeds']} at most."
    )
    yield _made(report, "make soak SOAK='--only planted'")
    yield f"**{caught} of {len(report['bugs'])} caught.**"
    yield _table(
        ("bug", "seed", "first broken rule"),
        [(each["what"].split("\n")[0], each["seed"], (each["rule"] or "").split(":")[0]) for each in report["bugs"]],
    )


def _storm(report: Mapping[str, Any]) -> Iterator[str]:
    yield "## Killed workers on the deployed engine"
    yield (
        "The stack as it is deployed runs on the local engine while its worker processes are killed at random, with "
        "SIGKILL, in the middle of whatever they do; what parks is redriven."
    )
    yield _made(report, "make storm")
    skipped = {"made_at", "commit", "changed_since", "machine", "python"}
    rows = [(name.replace("_", " "), _shown(value)) for name, value in report.items() if name not in skipped]
    yield _table(("", ""), rows)


def _shown(value: Any) -> str:
    match value:
        case list():
            return _n(len(value)) if len(value) != 1 else f"1: {value[0]}"
        case dict():
            return ", ".join(f"{name} {count}" for name, count in value.items()) or "none"
        case float():
            return f"{value:,.1f}"
        case int():
            return _n(value)
    return str(value)


def _made(report: Mapping[str, Any], command: str) -> str:
    changed = " with changes" if report["changed_since"] else ""
    return (
        f"`{command}`, {report['made_at']}, commit {report['commit']}{changed}, {report['machine']}, "
        f"Python {report['python']}."
    )


def _starting(totals: Mapping[str, int], prefix: str) -> list[tuple[str, int]]:
    return sorted((name, count) for name, count in totals.items() if name.startswith(prefix))


def _after(name: str) -> str:
    return name.partition(" ")[2]


def _n(count: int) -> str:
    return f"{count:,}"


def _table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [heads, ["---"] * len(heads), *([str(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
