"""Many deals at once."""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from bench import deals
from bench.deployed import Deployed, key_of
from bench.processes import peak_memory, processor_seconds, spent_since
from dealbridge import clock
from dealbridge.ledger.ledger import ledger
from dealbridge_local.engine import wait_until

LONGEST_S = 900.0
VENDOR_SECONDS = 0.1
AT_ONCE = 50
"""So many requests of sellers at a time: with 100 ms each, 200 deals are won within half a second."""


@dataclass
class Burst:
    """So many deals won at once, until the last one was active."""

    deals: int
    seconds: float
    processor_seconds: float
    """Of the engine and its workers."""
    peak_bytes: int
    processes: int
    in_flight: Mapping[str, int]
    """The most calls that a vendor served at one time, refused ones included."""
    refused: Mapping[str, int]
    """Calls answered 429."""

    def as_json(self) -> dict[str, Any]:
        return {
            "deals": self.deals,
            "vendor_ms": round(VENDOR_SECONDS * 1000),
            "seconds": round(self.seconds, 1),
            "deals_per_second": round(self.deals / self.seconds, 2),
            "cpu_s_per_deal": round(self.processor_seconds / self.deals, 3),
            "peak_memory_mb": round(self.peak_bytes / 1e6),
            "processes_at_peak": self.processes,
            "max_in_flight": dict(self.in_flight),
            "calls_refused_429": dict(self.refused),
        }


def measure(deployed: Deployed, number: int) -> Burst:
    """Small deals of as many accounts, at vendors that take a while: at once answered, no two calls would meet."""
    with deployed.unheard(), ThreadPoolExecutor(4) as pool:
        opened = list(pool.map(lambda _: deals.small(deployed.seller), range(number)))
    served = {name: len(calls) for name, calls in deployed.calls().items()}
    before = processor_seconds(deployed.group)
    with (
        deployed.vendor_latency(VENDOR_SECONDS),
        peak_memory(deployed.group) as peak,
        ThreadPoolExecutor(AT_ONCE) as pool,
    ):
        began = time.monotonic()
        list(pool.map(deployed.seller.win, opened))
        all_won = clock.now().isoformat()
        _wait_until_all_active(deployed, opened)
        seconds = time.monotonic() - began
        spent = sum(spent_since(before, deployed.group).values())
    deployed.settle()
    # The sellers' own calls are not ours.
    calls = {
        name: [call for call in made[served[name] :] if name != "salesforce" or call["time"] >= all_won]
        for name, made in deployed.calls().items()
    }
    return Burst(
        number,
        seconds,
        spent,
        peak.bytes,
        peak.processes,
        {name: max((call["in_flight"] for call in made), default=0) for name, made in calls.items()},
        {name: sum(call["status"] == 429 for call in made) for name, made in calls.items()},
    )


def _wait_until_all_active(deployed: Deployed, opened: Sequence[str]) -> None:
    left = list(opened)

    def all_active() -> bool:
        while left and "active_at" in (ledger().deals.head(key_of(left[-1])) or {}):
            left.pop()
        return not left

    wait_until(
        all_active,
        f"{len(opened)} deals at once",
        within_s=LONGEST_S,
        every_s=0.25,
        say=print,
        check=deployed.platform.engine.check_alive,
    )
