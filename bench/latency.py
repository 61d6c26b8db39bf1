"""From won to active, at several vendor latencies, beside the bare calls in one process."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from bench import deals
from bench.bare import BareProcess
from bench.deals import FIRST_PAIR, OTHER_PAIR, Pair
from bench.deployed import Deployed, seconds_of, story_of
from dealbridge.domain.keys import DealKey
from dealbridge.ledger.ledger import ledger


@dataclass
class Latency:
    """One vendor latency; medians, in seconds."""

    pair: Pair
    vendor_seconds: float
    won_to_active: float
    entrance: float
    """From won until the run holds the deal: relay, bus, queue."""
    transitions: float
    """Within the run, while no step runs: the state machine's own time, and the calling of functions."""
    bare: float
    calls: int
    """Vendor calls of one deal."""

    @property
    def ratio(self) -> float:
        """What counts against the target: all but the state machine's own transitions, over the bare path."""
        return (self.won_to_active - self.transitions) / self.bare

    def as_json(self) -> dict[str, Any]:
        return {
            "pair": str(self.pair),
            "vendor_ms": round(self.vendor_seconds * 1000),
            "won_to_active_s": round(self.won_to_active, 3),
            "entrance_s": round(self.entrance, 3),
            "transitions_s": round(self.transitions, 3),
            "bare_s": round(self.bare, 3),
            "vendor_calls": self.calls,
            "ratio_without_transitions": round(self.ratio, 3),
        }


def measure(
    deployed: Deployed,
    number: int,
    latencies: tuple[float, ...] = (0.0, 0.05, 0.2),
    pairs: Sequence[Pair] = (FIRST_PAIR, OTHER_PAIR),
) -> list[Latency]:
    """So many typical deals of each pair at each latency, through the platform and bare, in turns."""
    bare = BareProcess(deployed)
    with deployed.unheard():
        first = [deployed.sellers.open(deals.typical(), pair) for pair in pairs for _ in range(2)]
    # Both sign in: the process here, and the environments that will serve the deals.
    for deal, other in zip(first[::2], first[1::2], strict=True):
        bare.activate(deal)
        deployed.win(other)
    return [_at(deployed, bare, pair, seconds, number) for pair in pairs for seconds in latencies]


def _at(deployed: Deployed, bare: BareProcess, pair: Pair, vendor_seconds: float, number: int) -> Latency:
    with deployed.unheard():
        through = [deployed.sellers.open(deals.typical(), pair) for _ in range(number)]
        aside = [deployed.sellers.open(deals.typical(), pair) for _ in range(number)]
    totals, entrances, transitions, bares = [], [], [], []
    with deployed.vendor_latency(vendor_seconds):
        for deal, other in zip(through, aside, strict=True):
            won = deployed.win(deal)
            began, active, between = _times(deal)
            totals.append(active - won)
            entrances.append(began - won)
            transitions.append(between)
            bares.append(bare.activate(other))
    return Latency(
        pair,
        vendor_seconds,
        median(totals),
        median(entrances),
        median(transitions),
        median(bares),
        bare.calls.total(),
    )


def _times(deal: DealKey) -> tuple[float, float, float]:
    """When the run that made the deal active began, when the deal was active, and the time between its steps."""
    runs = list(ledger().runs.of(deal))
    run = next(run for run in runs if any(name == "UpdateCrm" for name, _, _ in story_of(run)))
    began, active = seconds_of(run["started_at"]), seconds_of(run["ended_at"])
    between, until = 0.0, began
    for _, start, end in sorted(story_of(run), key=lambda entry: entry[1]):
        between += max(0.0, min(start, active) - until)
        until = max(until, end)
    return began, active, between
