"""Processor time of the functions per step and per deal, from the processes that run them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench import deals
from bench.deals import FIRST_PAIR, Pair
from bench.deployed import Deployed
from bench.processes import ENGINE, processor_seconds, spent_since


@dataclass
class Steps:
    """Milliseconds of processor time, by function, and what one deal's logs weigh."""

    pair: Pair
    deals: int
    milliseconds: Mapping[str, float]
    """Per deal."""
    engine_milliseconds: float
    log_bytes: float
    tasks: float
    """Functions that the state machine has called per deal, from the executions' histories."""

    @property
    def total(self) -> float:
        return sum(self.milliseconds.values())

    def as_json(self) -> dict[str, Any]:
        return {
            "deals": self.deals,
            "cpu_ms_per_step": {name: round(spent, 1) for name, spent in self.milliseconds.items()},
            "cpu_ms_per_deal": round(self.total, 1),
            "engine_cpu_ms_per_deal": round(self.engine_milliseconds, 1),
            "log_bytes_per_deal": round(self.log_bytes),
            "tasks_per_deal": self.tasks,
        }


def measure(deployed: Deployed, number: int, pair: Pair = FIRST_PAIR) -> Steps:
    """Win so many typical deals, one after the other, on functions that have run before."""
    with deployed.unheard():
        opened = [deployed.sellers.open(deals.typical(), pair) for _ in range(number + 1)]
    # The first one starts the environments, imports the connectors and signs in.
    deployed.win(opened.pop())
    before, logged = processor_seconds(deployed.group), deployed.log_bytes()
    for deal in opened:
        deployed.win(deal)
    spent, logged = spent_since(before, deployed.group), deployed.log_bytes() - logged
    engine = spent.pop(ENGINE, 0.0)
    return Steps(
        pair=pair,
        deals=number,
        milliseconds={name: spent[name] * 1000 / number for name in sorted(spent, key=lambda name: -spent[name])},
        engine_milliseconds=engine * 1000 / number,
        log_bytes=logged / number,
        tasks=sum(deployed.tasks(run) for deal in opened for run in deployed.executions(deal)) / number,
    )
