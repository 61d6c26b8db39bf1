"""Seeded worlds on the deployed local engine: the same people and the same checker, in real time.

The seed draws what people do, which calls meet a fault, what is delivered twice and who is killed. What runs when is
the machine's, so that a seed is played again and not replayed. What nobody sees from outside (the order of the ledger's
writes, each hint) is judged in the worlds of `play.py` alone.

python -m dealbridge_local.worlds.deployed --seeds 1,10,37
"""

import argparse
import heapq
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import count
from typing import Any

import httpx

from dealbridge_local import platform
from dealbridge_local.platform import Platform
from dealbridge_local.storm import Killer
from dealbridge_local.worlds import operations
from dealbridge_local.worlds.checker import Broken, Evidence, judge
from dealbridge_local.worlds.inspection import Inspection
from dealbridge_local.worlds.people import People
from dealbridge_local.worlds.play import LIVES
from dealbridge_local.worlds.scheduler import StalledError
from dealbridge_local.worlds.site import Site
from dealbridge_local.worlds.strikes import VENDOR
from dealbridge_local.worlds.world import CRMS

FASTER = 40.0
"""So many of a world's seconds pass in one of ours: its ten minutes in fifteen seconds."""
LOST_BATCH_S = 5
HELD_S = 1.0
"""A call that is to time out is held so long and then cut off: clients wait longer than such a world lives."""


@dataclass
class Theatre(Site):
    """A running platform as the stage of one world (`stage.Stage`, `stage.Operated`)."""

    name: str = ""
    crms: tuple[str, ...] = CRMS
    history: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._began = time.monotonic()
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()

    def origin(self, connection: str) -> str:
        return self.running.simulator_url(connection)

    def credentials(self, connection: str) -> Mapping[str, str]:
        found: Mapping[str, str] = self.running.endpoints["simulators"][connection]["credentials"]
        return found

    def transport(self, connection: str) -> None:
        return None

    def now(self) -> datetime:
        return datetime.now(UTC)

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._due, (time.monotonic() + seconds / FASTER, next(self._numbers), act))

    def tell(self, what: str) -> None:
        self.history.append(f"{time.monotonic() - self._began:.2f} {what}")

    def post(self, connection: str, headers: Mapping[str, str], body: bytes, reply: Callable[[int], None]) -> None:
        url = f"{self.running.endpoints['http_api']}/events/{connection}"
        reply(httpx.post(url, headers=dict(headers), content=body, timeout=60).status_code)

    def emit(self, connection: str, event: Mapping[str, Any]) -> None:
        self._control("POST", connection, "events", event)

    def strike(self, connection: str, fault: Mapping[str, Any]) -> None:
        self._control("POST", connection, "faults", fault)

    def calm(self) -> None:
        for connection in self.vendors:
            self._control("DELETE", connection, "faults")

    def run(self, until: float | None = None) -> None:
        """Let what is due happen at its time: all of it, or up to so many of the world's seconds from now."""
        last = None if until is None else time.monotonic() + until / FASTER
        while self._due and (last is None or self._due[0][0] <= last):
            moment, _, act = heapq.heappop(self._due)
            time.sleep(max(0.0, moment - time.monotonic()))
            act()

    def _control(self, method: str, connection: str, what: str, given: Mapping[str, Any] | None = None) -> None:
        url = f"{self.origin(connection)}/__sim/{what}"
        httpx.request(method, url, json=given, timeout=60).raise_for_status()


class Weather:
    """What a seed lets fall on a deployed platform while people act."""

    def __init__(self, theatre: Theatre, seed: str) -> None:
        self.fallen = Counter[str]()
        self._theatre = theatre
        self._chance = random.Random(f"{seed}/weather")
        self._killer = Killer(theatre.running.engine.pid, self._chance.uniform(1.5, 4.0), self._chance)

    def begin(self, until: float) -> None:
        chance = self._chance
        for _ in range(chance.randint(10, 40)):
            name = chance.choice([name for name, strike in VENDOR.items() if strike.fault])
            act = partial(self._strike, chance.choice(sorted(self._theatre.vendors)), name)
            self._theatre.after(chance.uniform(0, until), act)
        for _ in range(chance.randint(2, 6)):
            self._theatre.after(chance.uniform(0, until), partial(self._tell_again, chance.randint(1, 4)))
        every = 60 * chance.choice((1, 5, 5, 15))
        for number in range(1, int(until / every)):
            self._theatre.after(number * every, self._theatre.poll_soon)
        self._killer.start()

    def end(self) -> None:
        self._killer.stop()
        self._theatre.calm()
        if self._killer.kills:
            self.fallen["killed"] = self._killer.kills

    def _strike(self, connection: str, name: str) -> None:
        fault = {"times": VENDOR[name].times, **VENDOR[name].fault}
        if fault["kind"].startswith("timeout"):
            fault["delay_s"] = HELD_S
        elif fault["kind"] == "delay":
            fault["delay_s"] /= FASTER
        elif fault["kind"] == "stale_read":
            fault["method"] = "GET"
        self._note(name, f"{connection}: {name}")
        self._theatre.strike(connection, fault)

    def _tell_again(self, copies: int) -> None:
        """The event of a deal comes once more, in so many copies."""
        deal = self._chance.choice(sorted(self._theatre.deals, key=str))
        kinds = {"salesforce": ("OpportunityChangeEvent", "Deal_Won__e", "GAP_UPDATE"), "hubspot": ("deals",)}
        kind = self._chance.choice(kinds[deal.crm])
        self._note("told again", f"{kind} of {deal}, {copies} more")
        self._theatre.emit(deal.crm, {"type": kind, "id": deal.opportunity, "duplicate": copies - 1})

    def _note(self, kind: str, what: str) -> None:
        self.fallen[kind] += 1
        self._theatre.tell(f"weather: {what}")


@dataclass(frozen=True)
class Outcome:
    """What came of a seed."""

    seed: int
    broken: tuple[Broken, ...]
    evidence: Evidence
    seconds: float
    counts: Mapping[str, int]
    history: Sequence[str]

    @property
    def systems(self) -> set[str]:
        """The CRMs that deals came from, and the ERPs and PSAs in which something stands for them."""
        sold = {str(item["deal"]).split(":")[0] for item in self.evidence.ledger if item["sk"] == "HEAD"}
        return sold | {str(item["identity"]).split("/")[0] for item in self.evidence.ledger if "ref" in item}


def play(running: Platform, seed: int) -> Outcome:
    """Play one world on a platform at which this process points (`platform.point_process_at`)."""
    began = time.monotonic()
    theatre = Theatre(running, settles_within_s=90, name=f"{seed}-{time.time_ns():x}")
    inspection = Inspection.begin(theatre)
    people, weather = People(theatre, str(seed)), Weather(theatre, str(seed))
    people.begin(LIVES.total_seconds())
    theatre.deals |= {deal.key for deal in people.deals}
    stalled: tuple[Broken, ...] = ()
    with theatre.impatient(LOST_BATCH_S):
        weather.begin(LIVES.total_seconds())
        try:
            theatre.run(LIVES.total_seconds())
        finally:
            weather.end()
        theatre.run()
        people.mend()
        people.close()
        try:
            redriven = operations.mend(theatre)
        except StalledError as error:
            redriven, stalled = 0, (Broken("everything_settles", str(error)),)
    evidence = inspection.gather()
    counts = {
        "deals": len(people.deals),
        "acts": len(people.acts),
        "refused": people.refused,
        "redriven": redriven,
        **weather.fallen,
    }
    broken = (*stalled, *judge(evidence))
    return Outcome(seed, broken, evidence, time.monotonic() - began, counts, theatre.history)


def main(arguments: Sequence[str] | None = None) -> int:
    """0: no rule was ever broken."""
    parser = argparse.ArgumentParser(prog="dealbridge-local deployed", description="Play worlds on the platform.")
    parser.add_argument("--seeds", default="1,10,37", help="seeds, with commas between")
    parser.add_argument("--history", action="store_true", help="print what happened")
    options = parser.parse_args(arguments)
    os.environ.setdefault("POWERTOOLS_LOG_LEVEL", "CRITICAL")
    os.environ.setdefault("POWERTOOLS_METRICS_DISABLED", "true")
    running = platform.up()
    platform.point_process_at(running)
    wrong = 0
    for seed in map(int, options.seeds.split(",")):
        outcome = play(running, seed)
        for line in outcome.history if options.history else ():
            print(line)
        for broken in outcome.broken:
            print(f"seed {seed}: {broken}")
        wrong += bool(outcome.broken)
        systems = ", ".join(sorted(outcome.systems))
        print(f"seed {seed}: {len(outcome.broken)} breaks, {outcome.seconds:.1f} s, {systems}; {dict(outcome.counts)}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
