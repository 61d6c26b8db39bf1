"""Many deals at once, from both CRMs and into both ERPs."""

import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bench import deals
from bench.deals import PAIRS
from bench.deployed import Deployed
from bench.processes import peak_memory, processor_seconds, spent_since
from dealbridge import clock
from dealbridge.domain.connection import Limits
from dealbridge.domain.keys import DealKey
from dealbridge.ledger.deals import DealState
from dealbridge.ledger.ledger import ledger
from dealbridge.mappings.folder import read_folder
from dealbridge_local.engine import REPOSITORY, wait_until

LONGEST_S = 900.0
VENDOR_SECONDS = 0.1
CRMS = frozenset(pair.crm for pair in PAIRS)
AT_ONCE = 50
"""So many requests of sellers at a time: with 100 ms each, 200 deals are won within half a second."""


@dataclass
class AtVendor:
    """What one vendor saw, and what we may take of it."""

    connection: str
    calls: int
    in_flight: int
    """The most calls that it served at one time, refused ones included."""
    in_window: int | None
    """The most calls in any stretch of the limit's window."""
    refused: int
    """Calls answered 429."""
    limits: Limits | None

    @property
    def held(self) -> bool:
        """Whether we kept within the limits, and the vendor thought so, too."""
        limits = self.limits or Limits()
        return (
            not self.refused
            and (limits.concurrent_requests is None or self.in_flight <= limits.concurrent_requests)
            and (limits.requests_per_window is None or (self.in_window or 0) <= limits.requests_per_window)
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "calls": self.calls,
            "max_in_flight": self.in_flight,
            "max_in_window": self.in_window,
            "calls_refused_429": self.refused,
            "limits": self.limits.content() if self.limits else {},
        }


@dataclass
class Burst:
    """So many deals won at once, until the last one was active or parked."""

    deals: int
    seconds: float
    parked: int
    processor_seconds: float
    """Of the engine and its workers."""
    peak_bytes: int
    processes: int
    vendors: Sequence[AtVendor]

    def as_json(self) -> dict[str, Any]:
        return {**self.summary(), "vendors": {each.connection: each.as_json() for each in self.vendors}}

    def summary(self) -> dict[str, Any]:
        return {
            "deals": self.deals,
            "vendor_ms": round(VENDOR_SECONDS * 1000),
            "seconds": round(self.seconds, 1),
            "deals_per_second": round(self.deals / self.seconds, 2),
            "parked": self.parked,
            "cpu_s_per_deal": round(self.processor_seconds / self.deals, 3),
            "peak_memory_mb": round(self.peak_bytes / 1e6),
            "processes_at_peak": self.processes,
        }


def measure(deployed: Deployed, number: int) -> Burst:
    """Small deals of as many accounts, a quarter of each pair, at vendors that take a while: at once answered, no two
    calls would meet."""
    with deployed.unheard(), ThreadPoolExecutor(4) as pool:
        pairs = [PAIRS[place % len(PAIRS)] for place in range(number)]
        opened = list(pool.map(lambda pair: deployed.sellers.open(deals.small(), pair), pairs))
    # HubSpot counts what people have done in the last ten seconds, too.
    time.sleep(10)
    served = {name: len(calls) for name, calls in deployed.calls().items()}
    before = processor_seconds(deployed.group)
    with (
        deployed.vendor_latency(VENDOR_SECONDS),
        peak_memory(deployed.group) as peak,
        ThreadPoolExecutor(AT_ONCE) as pool,
    ):
        began = time.monotonic()
        list(pool.map(deployed.sellers.win, opened))
        all_won = clock.now().isoformat()
        parked = _wait_until_all_done(deployed, opened)
        seconds = time.monotonic() - began
        spent = sum(spent_since(before, deployed.group).values())
    deployed.settle()
    limits = {name: connection.limits for name, connection in read_folder(REPOSITORY / "mappings").connections.items()}
    vendors = []
    for name, made in deployed.calls().items():
        everyone = made[served[name] :]
        # The sellers' own calls are not ours.
        ours = [call for call in everyone if name not in CRMS or call["time"] >= all_won]
        vendors.append(_at(name, ours, everyone, limits.get(name)))
    return Burst(number, seconds, parked, spent, peak.bytes, peak.processes, vendors)


def _at(
    connection: str, ours: Sequence[Mapping[str, Any]], everyone: Sequence[Mapping[str, Any]], limits: Limits | None
) -> AtVendor:
    window = limits.window_seconds if limits else None
    return AtVendor(
        connection,
        len(ours),
        max((call["in_flight"] for call in ours), default=0),
        None if window is None else _most_in(window, (call["time"] for call in ours)),
        # A refusal of before all were won is ours or a seller's; neither should be.
        sum(call["status"] == 429 for call in everyone),
        limits,
    )


def _most_in(seconds: int, moments: Iterable[str]) -> int:
    """The most of these moments in any stretch of so many seconds."""
    times = sorted(datetime.fromisoformat(moment).timestamp() for moment in moments)
    most = first = 0
    for place, moment in enumerate(times):
        while times[first] <= moment - seconds:
            first += 1
        most = max(most, place + 1 - first)
    return most


def _wait_until_all_done(deployed: Deployed, opened: Sequence[DealKey]) -> int:
    """How many were parked."""
    left, parked = list(opened), 0

    def all_done() -> bool:
        nonlocal parked
        while left:
            head = ledger().deals.head(left[-1]) or {}
            if "active_at" not in head:
                if head.get("state") != DealState.PARKED:
                    return False
                parked += 1
            left.pop()
        return True

    wait_until(
        all_done,
        f"{len(opened)} deals at once",
        within_s=LONGEST_S,
        every_s=0.25,
        say=print,
        check=deployed.platform.engine.check_alive,
    )
    return parked
