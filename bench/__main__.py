"""python -m bench [--quick] [--only <piece>]: measures in one run, writes .local/bench.json and docs/performance.md."""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

# This process only asks; the functions' own logs go where they are deployed to.
os.environ.setdefault("POWERTOOLS_LOG_LEVEL", "CRITICAL")
os.environ.setdefault("POWERTOOLS_METRICS_DISABLED", "true")

from bench import burst, calls, catch_up, cold, cost, growth, latency, report, steps
from bench.deals import FIRST_PAIR, OTHER_PAIR
from bench.deployed import deployed
from bench.report import Results
from dealbridge_local.engine import REPOSITORY

RESULTS = REPOSITORY / ".local" / "bench.json"


@dataclass(frozen=True)
class Piece:
    """One measurement: on the platform where it is deployed (`measure` is given it), else in worlds (given None)."""

    told: str
    measure: Callable[[Any, bool], Any]
    """Given the platform, and whether fewer deals will do."""
    sections: Callable[[Any], report.Sections]
    deployed: bool = True


TIMED = (FIRST_PAIR, OTHER_PAIR)
"""The pairs whose steps are timed: all connectors are in one of them."""
PIECES = {
    "scenarios": Piece("vendor calls and request units", lambda _, quick: calls.measure(), report.of_calls, False),
    "deals": Piece(
        "deals in the ledger",
        lambda _, quick: growth.of_deals((10, 100, 1000) if quick else (10, 100, 1000, 10_000)),
        report.of_deals,
        deployed=False,
    ),
    "beside": Piece(
        "deals beside work that can wait",
        lambda _, quick: catch_up.measure(40, 6) if quick else catch_up.measure(100, 12),
        report.of_bulk_work,
        deployed=False,
    ),
    "steps": Piece(
        "processor time",
        lambda platform, quick: [steps.measure(platform, 4 if quick else 12, pair) for pair in TIMED],
        report.of_steps,
    ),
    "cold": Piece("cold starts", lambda platform, quick: cold.measure(platform, 1 if quick else 2), report.of_cold),
    "latencies": Piece(
        "latency",
        lambda platform, quick: latency.measure(platform, 1 if quick else 3, pairs=TIMED),
        report.of_latencies,
    ),
    "lines": Piece(
        "lines of a deal", lambda platform, quick: growth.of_lines(platform, (1, 10, 100, 500)), report.of_lines
    ),
    "burst": Piece(
        "deals at once", lambda platform, quick: burst.measure(platform, 40 if quick else 200), report.of_burst
    ),
}
"""By their names in `report.Results`."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="bench", description="What is fast and what it costs, measured in one run.")
    parser.add_argument("--quick", action="store_true", help="fewer deals; docs/performance.md stays as it is")
    parser.add_argument(
        "--only", action="append", choices=list(PIECES), help="this piece alone, may be repeated; nothing is written"
    )
    options = parser.parse_args(arguments)
    quick: bool = options.quick
    began = time.monotonic()
    found = _measure(options.only or list(PIECES), quick)
    if options.only:
        for name, measured in found.items():
            print(report.shown(PIECES[name].sections(measured)))
        return 0
    results = Results(
        **found,
        costs=cost.measure(found["scenarios"], found["steps"], found["cold"]),
        seconds=time.monotonic() - began,
        commit=_commit(),
    )
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results.as_json(), indent=2) + "\n")
    print(report.table(results))
    if not quick:
        report.write(results)
        print(f"\nWritten: {report.PAGE.relative_to(REPOSITORY)}, {RESULTS.relative_to(REPOSITORY)}")
    return 0


def _measure(names: Sequence[str], quick: bool) -> dict[str, Any]:
    """The pieces by name: those in worlds first, since the platform takes memory and processors."""
    found: dict[str, Any] = {}
    for name, piece in PIECES.items():
        if name in names and not piece.deployed:
            found[name] = _timed(piece.told, partial(piece.measure, None, quick))
    on_platform = {name: piece for name, piece in PIECES.items() if name in names and piece.deployed}
    if on_platform:
        with deployed() as platform:
            for name, piece in on_platform.items():
                found[name] = _timed(piece.told, partial(piece.measure, platform, quick))
    return found


def _timed[T](what: str, measure: Callable[[], T]) -> T:
    began = time.monotonic()
    print(f"Measuring {what} …", flush=True)
    found = measure()
    print(f"Measured {what} in {time.monotonic() - began:.1f} s.", flush=True)
    return found


def _commit() -> str:
    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    changed: Any = git("status", "--porcelain", "--", "layers", "functions", "statemachines", "template.yaml")
    return (git("rev-parse", "--short=12", "HEAD") or "none") + (" with changes" if changed else "")


if __name__ == "__main__":
    sys.exit(main())
