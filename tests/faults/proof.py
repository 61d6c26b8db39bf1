"""The proof as a command: `make soak`. The fault matrix, the planted bugs and the seeds, each with a report, and
docs/reliability.md made of them.

python -m tests.faults.proof --only matrix planted
python -m tests.faults.proof --seeds 2000 --first 50000
"""

import argparse
import sys
from collections.abc import Sequence
from functools import partial

from dealbridge_local.worlds import matrix, reports
from dealbridge_local.worlds.reliability import write_page
from dealbridge_local.worlds.soak import Progress, Soak, soak
from dealbridge_local.worlds.workers import spread
from tests.faults.hunting import hunt
from tests.faults.planted_bugs import BUGS

PARTS = ("matrix", "planted", "soak")
HUNTED_SEEDS = 2000


def prove_matrix(pairs: int, seed: int, workers: int | None) -> bool:
    """Every boundary with every fault on every path, and so many pairs of faults."""
    single, paired = [], []
    for path in matrix.PATHS.values():
        baseline = matrix.record(path)
        cases = list(matrix.single_faults(baseline))
        print(f"{path}: {len(baseline.touches)} boundaries, {len(cases)} cases, {pairs} pairs", flush=True)
        single.append(matrix.run(cases, baseline, workers))
        paired.append(matrix.run(matrix.pairs(baseline, seed, pairs), baseline, workers))
        for report in (single[-1], paired[-1]):
            print(f"  {report.summary()}", flush=True)
            for verdict in report.wrong:
                print(f"  {verdict.case}: {verdict.wrong[:3]}")
    told = {"single": [each.content() for each in single], "pairs": [each.content() for each in paired], "seed": seed}
    reports.write("matrix", told)
    return not any(report.wrong for report in (*single, *paired))


def prove_planted(workers: int | None) -> bool:
    """Every planted bug is caught by some seed."""
    caught = {each.bug: each for each in spread(partial(hunt, seeds=range(HUNTED_SEEDS)), list(BUGS), workers)}
    for bug in BUGS:
        print(f"{bug}: seed {caught[bug].seed}: {caught[bug].rule}", flush=True)
    told = [caught[bug].content() for bug in BUGS]
    reports.write("planted", {"most_seeds": HUNTED_SEEDS, "bugs": told})
    return all(each["seed"] is not None for each in told)


def prove_seeds(seeds: int, first: int, workers: int | None) -> bool:
    """No seed breaks a rule. What has been played so far is kept every few seconds."""

    def keep(state: Soak) -> None:
        reports.write("soak", {"first_seed": first, "asked": seeds, **state.content()})

    result = soak(range(first, first + seeds), workers, Progress(seeds, keep))
    keep(result)
    return not result.broken


def main(arguments: Sequence[str] | None = None) -> int:
    """0: nothing doubled, nothing lost, nothing unexplained, every planted bug caught."""
    parser = argparse.ArgumentParser(prog="make soak", description="Prove that nothing is lost and nothing doubled.")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--seeds", type=int, default=20_000, help="how many worlds")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--pairs", type=int, default=200, help="how many pairs of faults on each path")
    parser.add_argument("--workers", type=int, default=None, help="processes; one per processor unless given")
    options = parser.parse_args(arguments)
    fine = True
    if "matrix" in options.only:
        fine &= prove_matrix(options.pairs, options.first, options.workers)
    if "planted" in options.only:
        fine &= prove_planted(options.workers)
    if "soak" in options.only:
        fine &= prove_seeds(options.seeds, options.first, options.workers)
    print(f"{'All holds' if fine else 'NOT ALL HOLDS'}; {write_page()}")
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
