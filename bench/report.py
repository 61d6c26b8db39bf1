"""The table that is printed, and docs/performance.md."""

import os
import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench import cost
from bench.burst import Burst
from bench.calls import AMENDMENT, FIRST, LEAST, SIZES, UNCHANGED, Least, Scenario
from bench.catch_up import ALONE, CATCH_UP, LOOKING, Beside, limits
from bench.cold import FROM_SOURCE, Cold
from bench.cost import Cost
from bench.deals import NAMES, PAIRS, Pair
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
    steps: Sequence[Steps]
    """Of the pairs that are timed, the first pair first."""
    cold: Cold
    latencies: Sequence[Latency]
    burst: Burst
    beside: Sequence[Beside]
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
            "steps": {str(each.pair): each.as_json() for each in self.steps},
            "cold_start": self.cold.as_json(),
            "latency": [each.as_json() for each in self.latencies],
            "burst": self.burst.as_json(),
            "beside": [each.as_json() for each in self.beside],
            "growth": {
                "lines": [each.as_json() for each in self.lines],
                "deals_in_the_ledger": [each.as_json() for each in self.deals],
            },
            "cost": {each.scenario.name: each.as_json() for each in self.costs},
        }


@dataclass
class Target:
    """One promise of the platform and what came of it."""

    text: str
    measured: str
    met: bool


def targets(results: Results) -> list[Target]:
    found = [target for pair in PAIRS for target in _of_calls(pair, results.scenarios)]
    found += [target for steps in results.steps for target in _of_costs(steps.pair, results.costs)]
    for steps in results.steps:
        slowest = max(
            (each for each in results.latencies if each.pair == steps.pair), key=lambda each: each.vendor_seconds
        )
        bare = "at most 1.3 × the bare calls, transitions aside"
        milliseconds = f"{slowest.vendor_seconds * 1000:.0f}"
        found.append(
            Target(
                f"{steps.pair}: won → active at {milliseconds} ms: {bare}",
                f"{slowest.ratio:.2f} ×",
                slowest.ratio <= 1.3,
            )
        )
    worst_import = max(results.cold.starts, key=lambda each: each.over_boto3)
    zipped = sum(layer.zipped_bytes for layer in results.cold.layers) / 1e6
    found += [
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
        _within_limits(results.burst),
        Target(
            f"{results.burst.deals} deals at once: all of them become active",
            f"{results.burst.parked} parked",
            not results.burst.parked,
        ),
        *_of_bulk_work({each.beside: each for each in results.beside}),
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


def _of_calls(pair: Pair, scenarios: Sequence[Scenario]) -> Iterable[Target]:
    of_pair = {(each.what, each.size): each for each in scenarios if each.pair == pair}

    def sizes(what: str) -> list[Scenario]:
        return [of_pair[what, size] for size in SIZES]

    yield Target(
        f"{pair}: vendor calls of a first activation: the APIs' least and two",
        ", ".join(
            f"{each.size} {each.calls.total()}, {each.extra} above {each.least.total()}" for each in sizes(FIRST)
        ),
        all(each.extra <= 2 for each in sizes(FIRST)),
    )
    yield Target(
        f"{pair}: an unchanged deal costs one reading of it and no write",
        ", ".join(
            f"{each.size} {each.calls.total()} of the {each.least.total()} that one reading takes, "
            f"{each.writes.total()} writes"
            for each in sizes(UNCHANGED)
        ),
        all(each.calls == each.least and not each.writes for each in sizes(UNCHANGED)),
    )
    yield Target(
        f"{pair}: an amendment of one line writes only what it changes",
        "; ".join(f"{each.size}: {_written(each)}" for each in sizes(AMENDMENT)),
        all(each.touches_only_what_changed for each in sizes(AMENDMENT)),
    )


def _written(scenario: Scenario) -> str:
    return ", ".join(
        f"{NAMES[connection]} {kind}" + (f" {number} ×" if number > 1 else "")
        for (connection, kind), number in scenario.writes.items()
    )


def _of_costs(pair: Pair, costs: Sequence[Cost]) -> Iterable[Target]:
    first = [each for each in costs if each.scenario.pair == pair and each.scenario.what == FIRST]
    yield Target(
        f"{pair}: AWS for 1,000 first activations: at most $0.50",
        ", ".join(
            f"{each.scenario.size} ${each.warm_total:.2f} warm, ${each.cold_total:.2f} all cold" for each in first
        ),
        all(each.warm_total <= 0.50 for each in first),
    )


def _within_limits(burst: Burst) -> Target:
    told = []
    for each in burst.vendors:
        known = each.limits
        if known and known.concurrent_requests:
            told.append(f"{NAMES[each.connection]} {each.in_flight} of {known.concurrent_requests} at a time")
        if known and known.requests_per_window:
            spent, seconds = f"{each.in_window} of {known.requests_per_window:,}", f"{known.window_seconds:,} s"
            told.append(f"{NAMES[each.connection]} {spent} in {seconds}")
    refused = sum(each.refused for each in burst.vendors)
    return Target(
        f"{burst.deals} deals at once: within every vendor's limit, none refused",
        f"{', '.join(told)}; {refused} refused",
        all(each.held for each in burst.vendors),
    )


def _of_bulk_work(by_name: Mapping[str, Beside]) -> Iterable[Target]:
    alone, beside = by_name[ALONE], [by_name[name] for name in (CATCH_UP, LOOKING)]
    for each in beside:
        yield Target(
            f"deals that are won beside {each.beside} of {each.others} deals: all active, within {SOON_S:.0f} s",
            f"{each.parked} of {each.won} parked, the longest {_longest(each)} s (beside nothing {_longest(alone)} s)",
            not each.parked and max(each.seconds) <= SOON_S,
        )
    window, slots = limits("hubspot").requests_for(bulk=True), limits("netsuite").slots_for(bulk=True)
    asked, held = max(each.window_of_bulk for each in beside), max(each.slots_of_bulk for each in beside)
    yield Target(
        "work that can wait leaves the reserve of a vendor's limit alone",
        f"HubSpot: {asked} of its {window} requests in the window; NetSuite: {held} of its {slots} slots",
        asked <= window and held <= slots,
    )


SOON_S = 60.0
"""A deal that waits longer for what can wait is starved."""


def _longest(beside: Beside) -> str:
    return f"{max(beside.seconds, default=0):.0f}"


def table(results: Results) -> str:
    """For the terminal: the targets, then what each figure is made of."""
    lines = [f"Measured in {results.seconds:.0f} s at commit {results.commit}.", ""]
    for each in targets(results):
        lines.append(f"{'met   ' if each.met else 'MISSED'}  {each.text}: {each.measured}")
    return "\n".join(lines) + "\n" + shown(_sections(results))


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
        "subsidiary, two contacts, five lines billed in four ways, five milestones, five staffing requests. A deal is "
        "sold in Salesforce or HubSpot and billed in NetSuite or SAP S/4HANA; staffing is asked for in Kantata. "
        "Processor times are of this machine and only good for comparing within the run; counts are exact.",
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


type Sections = list[tuple[str, Rows]]


def _sections(results: Results) -> Sections:
    timed = _timed(results)
    return [
        *of_calls(results.scenarios),
        *of_steps(results.steps),
        *of_cold(results.cold),
        *of_latencies(results.latencies),
        *of_burst(results.burst),
        *of_bulk_work(results.beside),
        *of_lines(results.lines),
        *of_deals(results.deals),
        ("AWS requests", _requests(timed)),
        ("Request units by kind of item", _units(timed)),
        ("AWS, dollars per 1,000", _costs(results.costs)),
    ]


def of_calls(scenarios: Sequence[Scenario]) -> Sections:
    return [
        ("Vendor calls", _vendor_calls(scenarios)),
        ("What the least is made of", _least()),
        ("Why calls above the least", _reasons(scenarios)),
    ]


def of_steps(all_steps: Sequence[Steps]) -> Sections:
    return [("Processor time per step", _steps(all_steps))]


def of_cold(cold: Cold) -> Sections:
    return [("Cold start", _cold(cold)), ("Layers", _layers(cold))]


def of_latencies(latencies: Sequence[Latency]) -> Sections:
    return [("From won to active", _latencies(latencies))]


def of_burst(burst: Burst) -> Sections:
    return [
        (f"{burst.deals} deals at once", _pairs(burst.summary())),
        (f"{burst.deals} deals at once, at the vendors", _at_vendors(burst)),
    ]


def of_bulk_work(besides: Sequence[Beside]) -> Sections:
    return [("Deals won beside work that can wait", _besides(besides))]


def of_lines(points: Sequence[Point]) -> Sections:
    return [("Growth: lines of a deal", _growth(points, "lines"))]


def of_deals(points: Sequence[Point]) -> Sections:
    return [("Growth: deals in the ledger", _growth(points, "deals"))]


def shown(sections: Sections) -> str:
    """For the terminal."""
    return "\n".join(line for title, rows in sections for line in ("", title, *_aligned(rows)))


def _timed(results: Results) -> list[Scenario]:
    """Scenarios of the pairs whose steps are timed."""
    pairs = [each.pair for each in results.steps]
    return [each for each in results.scenarios if each.pair in pairs]


def _vendor_calls(scenarios: Sequence[Scenario]) -> Rows:
    rows: Rows = [("Pair", "", *NAMES.values(), "in all", "least")]
    for each in scenarios:
        by_connection = [str(each.calls[name] or "") for name in NAMES]
        rows.append((str(each.pair), each.short_name, *by_connection, str(each.calls.total()), str(each.least.total())))
    return rows


def _least() -> Rows:
    rows: Rows = [("", "Vendor", "for", *SIZES, "because")]
    shapes = [shape() for shape in SIZES.values()]
    occasions: dict[Least, list[str]] = {}
    for what, entries in LEAST.items():
        for each in entries:
            occasions.setdefault(each, []).append(what)
    for each, whats in occasions.items():
        counts = (str(each.calls(shape)) for shape in shapes)
        what = "each time" if len(whats) == len(LEAST) else ", ".join(whats)
        rows.append((what, NAMES[each.connection], each.what, *counts, each.because))
    return rows


def _reasons(scenarios: Sequence[Scenario]) -> Rows:
    """What is the same for both CRMs, or for both ERPs, stands once."""
    rows: Rows = [("", "Vendor", "calls", "because")]
    found = [
        (each.short_name, NAMES[connection], str(calls), reason)
        for each in scenarios
        for (connection, reason), calls in each.above.items()
    ]
    return rows + list(dict.fromkeys(found))


def _steps(all_steps: Sequence[Steps]) -> Rows:
    rows: Rows = [("ms per typical deal", *(str(each.pair) for each in all_steps))]
    names = dict.fromkeys(name for each in all_steps for name, spent in each.milliseconds.items() if spent >= 0.1)
    for name in names:
        rows.append((name, *(f"{each.milliseconds.get(name, 0.0):.1f}" for each in all_steps)))
    rows.append(("all functions", *(f"{each.total:.1f}" for each in all_steps)))
    rows.append(("the local engine itself", *(f"{each.engine_milliseconds:.1f}" for each in all_steps)))
    return rows


def _at_vendors(burst: Burst) -> Rows:
    rows: Rows = [("", "calls", "max in flight", "limit", "max in window", "limit", "429")]
    for each in burst.vendors:
        known = each.limits
        most = str(known.concurrent_requests) if known and known.concurrent_requests else ""
        window = f"{known.requests_per_window:,} in {known.window_seconds:,} s" if known and each.in_window else ""
        spent = "" if each.in_window is None else str(each.in_window)
        rows.append(
            (NAMES[each.connection], str(each.calls), str(each.in_flight), most, spent, window, str(each.refused))
        )
    return rows


def _besides(besides: Sequence[Beside]) -> Rows:
    rows: Rows = [
        (
            "beside",
            "deals won",
            "won → active s, median",
            "longest",
            "waits",
            "waited s per deal",
            "parked",
            "other deals parked",
            "HubSpot: most in 10 s",
            "when bulk work asked",
            "bulk work told to wait",
            "NetSuite: slots",
            "of bulk work",
            "429",
        )
    ]
    for each in besides:
        of = f" of {each.others} deals" if each.others else ""
        waits = ", ".join(f"{NAMES[name]} {number}" for name, number in each.waits.items())
        rows.append(
            (
                f"{each.beside}{of}",
                str(each.won),
                f"{each.median:.1f}",
                f"{max(each.seconds, default=0):.1f}",
                waits,
                f"{each.waited / each.won:.1f}",
                str(each.parked),
                str(each.others_parked),
                str(each.window),
                str(each.window_of_bulk),
                str(each.bulk_refused),
                str(each.slots),
                str(each.slots_of_bulk),
                str(each.refused),
            )
        )
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
    rows: Rows = [
        ("Pair", "Vendor ms", "won → active s", "entrance s", "transitions s", "bare calls s", "calls", "ratio")
    ]
    for each in latencies:
        spans = (each.won_to_active, each.entrance, each.transitions, each.bare)
        times = (f"{seconds:.2f}" for seconds in spans)
        milliseconds = f"{each.vendor_seconds * 1000:.0f}"
        rows.append((str(each.pair), milliseconds, *times, str(each.calls), f"{each.ratio:.2f}"))
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
        rows.append((each.scenario.name, *shares, f"{each.warm_total:.3f}", f"{each.cold_total:.2f}"))
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
    ruled = [head, tuple("---" for _ in head), *body]
    return [f"| {' | '.join(row)} |" for row in ruled]
