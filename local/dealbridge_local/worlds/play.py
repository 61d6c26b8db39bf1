"""From a seed to a verdict: a world is made, lives, turns calm, settles, and is judged."""

import gc
import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from time import perf_counter
from typing import Any

from dealbridge_local.worlds import operations
from dealbridge_local.worlds.checker import Broken, judge
from dealbridge_local.worlds.people import People
from dealbridge_local.worlds.scheduler import StalledError
from dealbridge_local.worlds.testimony import gather
from dealbridge_local.worlds.weather import Weather
from dealbridge_local.worlds.world import CRMS, World

LIVES = timedelta(minutes=10)
"""So long people act and the weather may be bad."""
SMALL, SMALL_LIVES = 0.65, timedelta(minutes=3)
"""So many worlds are small, one deal in three minutes: most of what can go wrong goes wrong there, and four are played
in the time of a large one."""


@dataclass(frozen=True)
class Outcome:
    """What came of a seed. The same seed has the same `history_hash` anywhere."""

    seed: int
    broken: tuple[Broken, ...]
    history_hash: str
    seconds: float
    counts: dict[str, int] = field(default_factory=dict)
    history: tuple[str, ...] = ()

    def content(self) -> dict[str, Any]:
        return {
            "seed": self.seed,
            "broken": [str(each) for each in self.broken],
            "history": self.history_hash,
            "seconds": round(self.seconds, 3),
            **self.counts,
        }


def play(seed: int, *, keeps_history: bool = False, processes: bool = False) -> Outcome:
    """Play one world; with processes its functions are killed by SIGKILL (`processes.py`)."""
    _leave_alone_what_stays()
    # A world lives for half a second and goes as a whole: looking for garbage within it is a tenth of its time.
    gc.collect()
    gc.disable()
    try:
        return _play(seed, keeps_history, processes)
    finally:
        gc.enable()


@cache
def _leave_alone_what_stays() -> None:
    """What is imported by now outlives all worlds: looked through after each, it would be a third of their time."""
    gc.collect()
    gc.freeze()


def _play(seed: int, keeps_history: bool, processes: bool) -> Outcome:
    began, name = perf_counter(), str(seed)
    chance = random.Random(f"{name}/size")
    small = chance.random() < SMALL
    lives = SMALL_LIVES if small else LIVES
    weather = Weather(name, round(lives / timedelta(microseconds=1)))
    crms = chance.choice((CRMS[:1], CRMS[1:]) if small else (CRMS[:1], CRMS[1:], CRMS))
    with World(name, weather, weather, crms, keeps_history, processes) as world:
        weather.watch(world.scheduler)
        people = People(world, name, small=small)
        stalled: tuple[Broken, ...] = ()
        try:
            people.begin(lives.total_seconds())
            world.poll_regularly(world.scheduler.now() + lives, weather.climate.poll_minutes)
            world.scheduler.run(weather.calm_at)
            people.mend()
            world.rest()
            operations.mend(world)
        except StalledError as error:
            stalled = (Broken("everything_settles", str(error)),)
        broken = (*stalled, *judge(gather(world)))
        calls = Counter(call.connection for call in world.functions.vendor_calls)
        counts = {
            "small worlds": int(small),
            "deals": len(people.deals),
            "acts": len(people.acts),
            "refused": people.refused,
            "touches": world.functions.touches,
            "vendor_calls": len(world.functions.vendor_calls),
            "invocations": world.functions.invocations,
            "strikes": sum(weather.fallen.values()),
            **{f"crm {name}": 1 for name in crms},
            **{f"calls of {name}": count for name, count in sorted(calls.items())},
            **{f"strike {name}": count for name, count in sorted(weather.fallen.items())},
        }
        return Outcome(seed, broken, world.history_hash, perf_counter() - began, counts, tuple(world.history))
