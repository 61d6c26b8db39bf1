"""The table that is printed, and docs/performance.md."""

import os
import platform
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench import cost
from bench.burst import Burst
from bench.calls import Scenario
from bench.cold import FROM_SOURCE, Cold
from bench.cost import Cost
from bench.growth import Point, linear
from bench.latency import Latency
from bench.steps import Steps
from dealbridge_local.engine import REPOSITORY

PAGE = REPOSITORY / "docs" / "performance.md"
NOTES = Path(__file__).with_name("notes.md")
"""What people have found out about the figures; the second half of the page."""

_VERSIONS = ("dealbridge", "boto3", "pydantic", "httpx", "aws-lambda-powertools", "ministack")


@dataclass
class Results:
    """All of one run."""

    scenarios: Sequence[Scenario]
    steps: Steps
    cold: Cold
    latencies: Sequence[Latency]
    burst: Burst
    lines: Sequence[Point]
    deals: Sequence[Point]
    costs: Sequence[Cost]
    seconds: float
    commit: str

    def as_json(self) -> dict[str, Any]:
        return {
            **_sitting(self),
            "targets": [{"target": each.text, "measured": each.measured, "met": each.met} for each in targets(self)],
            "vendor_calls": {each.name: each.as_json() for each in self.scenarios},
            "steps": self.steps.as_json(),
            "cold_start": self.cold.as_json(),
            "latency": [each.as_json() for each in self.latencies],
            "burst": self.burst.as_json(),
            "growth": {
                "lines": [each.as_json() for each in self.lines],
                "deals_in_the_ledger": [each.as_json() for each in self.deals],
            },
            "cost": {each.scenario: each.as_json() for each in self.costs},
        }


@dataclass
class Target:
    """One promise of the platform and what came of it."""

    text: str
    measured: str
    met: bool


def targets(results: Results) -> list[Target]:
    by_name = {each.name: each for each in results.scenarios}
    costs = {each.scenario: each for each in results.costs}
    slowest = max(results.latencies, key=lambda each: each.vendor_seconds)
    found = []
    for size in ("small", "typical"):
        first, unchanged = by_name[f"first activation, {size}"], by_name[f"unchanged, {size}"]
        extra = first.calls.total() - first.least.total()
        found.append(
            Target(
                f"vendor calls of a first activation, {size} deal: the APIs' least and two",
                f"{first.calls.total()}, {extra} above {first.least.total()}",
                extra <= 2,
            )
        )
        found.append(
            Target(
                f"an unchanged {size} deal costs one read and no write",
                f"{dict(unchanged.calls)}",
                unchanged.calls.total() == 1,
            )
        )
        dollars = costs[f"first activation, {size}"].warm_total
        found.append(
            Target(
                f"AWS for 1,000 first activations, {size} deal: at most $0.50",
                f"${dollars:.2f} warm, ${costs[f'first activation, {size}'].cold_total:.2f} all cold",
                dollars <= 0.50,
            )
        )
    worst_import = max(results.cold.starts, key=lambda each: each.over_boto3)
    zipped = sum(layer.zipped_bytes for layer in results.cold.layers) / 1e6
    limit = NETSUITE_CONCURRENCY
    found += [
        Target(
            f"won → active at {slowest.vendor_seconds * 1000:.0f} ms: at most 1.3 × the bare calls, transitions aside",
            f"{slowest.ratio:.2f} ×",
            slowest.ratio <= 1.3,
        ),
        Target(
            "import of any step: at most 1.5 × boto3 with a DynamoDB client",
            f"{worst_import.over_boto3:.2f} × ({worst_import.function})",
            worst_import.over_boto3 <= 1.5,
        ),
        Target(
            "the same, with what the first invocation imports and makes",
            f"{results.cold.worst.all_over_boto3:.2f} × ({results.cold.worst.function})",
            results.cold.worst.all_over_boto3 <= 1.5,
        ),
        Target("layers: under 12 MB zipped", f"{zipped:.1f} MB", zipped < 12),
        Target(
            f"{results.burst.deals} deals at once: at most {limit} calls at a time at NetSuite, none refused",
            f"{results.burst.in_flight['netsuite']} at a time, {sum(results.burst.refused.values())} refused",
            results.burst.in_flight["netsuite"] <= limit and not any(results.burst.refused.values()),
        ),
        Target(
            "request units grow in a straight line with a deal's lines",
            f"{linear(results.lines):.2f} × the line",
            linear(results.lines) <= 1.2,
        ),
        Target(
            "request units do not grow with the deals in the ledger",
            " → ".join(f"{each.first.write_units} + {each.first.read_units:g}" for each in results.deals),
            len({(each.first.write_units, each.first.read_units) for each in results.deals}) == 1,
        ),
    ]
    return found


NETSUITE_CONCURRENCY = 5
"""Of the simulated account: the Standard tier's."""


def table(results: Results) -> str:
    """For the terminal: the targets, then what each figure is made of."""
    lines = [f"Measured in {results.seconds:.0f} s at commit {results.commit}.", ""]
    for each in targets(results):
        lines.append(f"{'met   ' if each.met else 'MISSED'}  {each.text}: {each.measured}")
    for title, rows in _sections(results):
        lines += ["", title, *_aligned(rows)]
    return "\n".join(lines)


def write(results: Results) -> None:
    sitting = _sitting(results)
    lines = [
        "# What is fast, and what it costs",
        "",
        "Written by `make bench` in one run; the figures of the run as JSON are in `.local/bench.json`.",
        "",
        "| | |",
        "| --- | --- |",
        *(f"| {name} | {value} |" for name, value in sitting.items() if name != "versions"),
        f"| versions | {', '.join(f'{name} {number}' for name, number in sitting['versions'].items())} |",
        "",
        "A *small* deal has one account, one contact and one line with staffing; a *typical* one a parent and its "
        "subsidiary, two contacts, five lines billed in four ways, five milestones, five staffing requests. Processor "
        "times are of this machine and only good for comparing within the run; counts are exact.",
        "",
        "## Targets",
        "",
        *_markdown(
            [
                ("Target", "Measured", "Met"),
                *((t.text, t.measured, "yes" if t.met else "**no**") for t in targets(results)),
            ]
        ),
    ]
    for title, rows in _sections(results):
        lines += ["", f"## {title}", "", *_markdown(rows)]
    lines += ["", NOTES.read_text().rstrip()]
    PAGE.write_text("\n".join(lines) + "\n")


type Rows = list[tuple[str, ...]]


def _sections(results: Results) -> list[tuple[str, Rows]]:
    return [
        ("Vendor calls", _vendor_calls(results.scenarios)),
        ("Why calls above the least", _reasons(results.scenarios)),
        ("Processor time per step", _steps(results.steps)),
        ("Cold start", _cold(results.cold)),
        ("Layers", _layers(results.cold)),
        ("From won to active", _latencies(results.latencies)),
        (f"{results.burst.deals} deals at once", _pairs(results.burst.as_json())),
        ("Growth: lines of a deal", _growth(results.lines, "lines")),
        ("Growth: deals in the ledger", _growth(results.deals, "deals")),
        ("AWS requests", _requests(results.scenarios)),
        ("Request units by kind of item", _units(results.scenarios)),
        ("AWS, dollars per 1,000", _costs(results.costs)),
    ]


def _vendor_calls(scenarios: Sequence[Scenario]) -> Rows:
    rows: Rows = [("", "Salesforce", "NetSuite", "Kantata", "in all", "least")]
    for each in scenarios:
        by_connection = [each.calls[name] for name in ("salesforce", "netsuite", "kantata")]
        rows.append((each.name, *map(str, by_connection), str(each.calls.total()), str(each.least.total())))
    return rows


def _reasons(scenarios: Sequence[Scenario]) -> Rows:
    rows: Rows = [("", "calls", "because")]
    return rows + [(each.name, str(calls), reason) for each in scenarios for reason, calls in each.above.items()]


def _steps(steps: Steps) -> Rows:
    rows: Rows = [("Function", "ms per typical deal")]
    rows += [(name, f"{spent:.1f}") for name, spent in steps.milliseconds.items() if spent >= 0.1]
    rows += [("all functions", f"{steps.total:.1f}"), ("the local engine itself", f"{steps.engine_milliseconds:.1f}")]
    return rows


def _cold(cold: Cold) -> Rows:
    rows: Rows = [("Function", "import ms", "over boto3", "first call adds ms", "all over boto3", "read once")]
    for each in sorted(cold.starts, key=lambda start: -start.all_over_boto3):
        once = ", ".join(f"{number} {name.split('.')[1]}" for name, number in each.calls.items())
        rows.append(
            (
                each.function,
                f"{each.import_ms:.0f}",
                f"{each.over_boto3:.2f}",
                f"{each.lazy_ms:.0f}",
                f"{each.all_over_boto3:.2f}",
                once,
            )
        )
    rows.append(("boto3 with a DynamoDB client", f"{cold.boto3_ms:.0f}", "1.00", "", "", ""))
    ratio = f"{cold.from_source_ms / cold.boto3_ms:.2f}"
    rows.append((f"{FROM_SOURCE}, layers not compiled", f"{cold.from_source_ms:.0f}", ratio, "", "", ""))
    return rows


def _layers(cold: Cold) -> Rows:
    rows: Rows = [("Layer", "zipped MB", "unzipped MB")]
    return rows + [
        (each.name, f"{each.zipped_bytes / 1e6:.2f}", f"{each.unzipped_bytes / 1e6:.2f}") for each in cold.layers
    ]


def _latencies(latencies: Sequence[Latency]) -> Rows:
    rows: Rows = [("Vendor ms", "won → active s", "entrance s", "transitions s", "bare calls s", "calls", "ratio")]
    for each in latencies:
        spans = (each.won_to_active, each.entrance, each.transitions, each.bare)
        shown = (f"{seconds:.2f}" for seconds in spans)
        rows.append((f"{each.vendor_seconds * 1000:.0f}", *shown, str(each.calls), f"{each.ratio:.2f}"))
    return rows


def _growth(points: Sequence[Point], of: str) -> Rows:
    rows: Rows = [
        (of, "write units", "read units", "transitions", "vendor calls", "CPU ms", "won → active s", "unchanged: units")
    ]
    for each in points:
        first, again = each.first, each.unchanged
        seconds = "" if each.won_to_active_s is None else f"{each.won_to_active_s:.2f}"
        rows.append(
            (
                f"{each.size:,}",
                str(first.write_units),
                f"{first.read_units:g}",
                str(first.transitions),
                str(first.vendor_calls.total()),
                f"{first.processor_seconds * 1000:.0f}",
                seconds,
                f"{again.write_units} + {again.read_units:g}",
            )
        )
    return rows


def _requests(scenarios: Sequence[Scenario]) -> Rows:
    rows: Rows = [
        ("", "transitions", "invocations", "write units", "read units", "DynamoDB calls", "events", "messages")
    ]
    for each in scenarios:
        meter = each.meter
        counts: Iterable[float] = (
            meter.transitions,
            meter.invocations,
            meter.write_units,
            meter.read_units,
            meter.database_calls,
            meter.events,
            meter.messages,
        )
        rows.append((each.name, *(f"{count:g}" for count in counts)))
    return rows


def _units(scenarios: Sequence[Scenario]) -> Rows:
    rows: Rows = [("", "write units, by the kind of item that they were spent on")]
    return rows + [
        (each.name, ", ".join(f"{kind} {units}" for kind, units in each.meter.units_by_kind.most_common()))
        for each in scenarios
    ]


def _costs(costs: Sequence[Cost]) -> Rows:
    names = list(dict.fromkeys(name for each in costs for name in each.cold))
    price = cost.prices()
    rows: Rows = [(f"{price['region']}, {price['known']}", *names, "warm", "all cold")]
    for each in costs:
        shares = (f"{each.warm.get(name, 0.0):.4f}" for name in names)
        rows.append((each.scenario, *shares, f"{each.warm_total:.3f}", f"{each.cold_total:.2f}"))
    return rows


def _pairs(given: dict[str, Any]) -> Rows:
    return [("", ""), *((name.replace("_", " "), _plain(value)) for name, value in given.items())]


def _plain(value: Any) -> str:
    return ", ".join(f"{name} {each}" for name, each in value.items()) if isinstance(value, dict) else str(value)


def _sitting(results: Results) -> dict[str, Any]:
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "commit": results.commit,
        "machine": f"{_processor()}, {os.process_cpu_count()} cores, {_memory_gb():.0f} GB, {platform.system()}",
        "python": platform.python_version(),
        "seconds": round(results.seconds),
        "versions": {name: version(name) for name in _VERSIONS},
    }


def _processor() -> str:
    return _first(Path("/proc/cpuinfo"), lambda line: line.startswith("model name")) or platform.machine()


def _memory_gb() -> float:
    found = _first(Path("/proc/meminfo"), lambda line: line.startswith("MemTotal"))
    return int(found.split()[0]) / 1e6 if found else 0.0


def _first(file: Path, wanted: Callable[[str], bool]) -> str:
    lines = file.read_text().splitlines() if file.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if wanted(line)), "")


def _aligned(rows: Rows) -> list[str]:
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _markdown(rows: Rows) -> list[str]:
    head, *body = rows
    shown = [head, tuple("---" for _ in head), *body]
    return [f"| {' | '.join(row)} |" for row in shown]
