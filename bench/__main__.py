"""python -m bench [--quick]: measures everything in one run, writes .local/bench.json and docs/performance.md."""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

# This process only asks; the functions' own logs go where they are deployed to.
os.environ.setdefault("POWERTOOLS_LOG_LEVEL", "CRITICAL")
os.environ.setdefault("POWERTOOLS_METRICS_DISABLED", "true")

from bench import burst, calls, cold, cost, growth, latency, report, steps
from bench.deployed import deployed
from bench.report import Results
from dealbridge_local.engine import REPOSITORY

RESULTS = REPOSITORY / ".local" / "bench.json"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="bench", description="What is fast and what it costs, measured in one run.")
    parser.add_argument("--quick", action="store_true", help="fewer deals; docs/performance.md stays as it is")
    options = parser.parse_args(arguments)
    quick: bool = options.quick
    began = time.monotonic()
    scenarios = _timed("vendor calls and request units", calls.measure)
    ledger_growth = _timed(
        "deals in the ledger", lambda: growth.of_deals((10, 100, 1000) if quick else (10, 100, 1000, 10_000))
    )
    with deployed() as platform:
        measured_steps = _timed("processor time", lambda: steps.measure(platform, 4 if quick else 12))
        starts = _timed("cold starts", lambda: cold.measure(platform, 1 if quick else 2))
        latencies = _timed("latency", lambda: latency.measure(platform, 1 if quick else 3))
        lines = _timed("lines of a deal", lambda: growth.of_lines(platform, (1, 10, 100, 500)))
        at_once = _timed("deals at once", lambda: burst.measure(platform, 30 if quick else 200))
    results = Results(
        scenarios=scenarios,
        steps=measured_steps,
        cold=starts,
        latencies=latencies,
        burst=at_once,
        lines=lines,
        deals=ledger_growth,
        costs=cost.measure(scenarios, measured_steps, starts),
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
