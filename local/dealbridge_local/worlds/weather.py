"""What a seed lets fall on calls and messages, until the weather turns calm."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dealbridge_local.worlds.boundaries import Strike, Touch
from dealbridge_local.worlds.scheduler import Scheduler
from dealbridge_local.worlds.strikes import CLOUD, KILLS, VENDOR
from dealbridge_local.worlds.world import VENDORS, Mail

_STORMS = ("503", "timeout before commit", "500", "429", "refused", "dropped before commit")
_LOST_REPLIES = ("dropped after commit", "timeout after commit", "502 after commit")
"""What hurts most: half of what meets a write."""
_SECOND = 1_000_000


@dataclass(frozen=True)
class Climate:
    """How likely each call is hit, and how messages travel; all drawn from the seed."""

    vendor: float
    cloud: float
    kills: float
    storms: int
    lost: float
    copies: int
    latest: float
    """Seconds by which a message may be late."""
    slow: float
    """Seconds that a vendor's call takes at most."""

    poll_minutes: int
    """How often the stack polls: a parameter of the template."""

    @classmethod
    def drawn(cls, chance: random.Random) -> "Climate":
        def sometimes(low: float, high: float) -> float:
            return chance.uniform(low, high) if chance.random() < 0.5 else 0.0

        vendor = sometimes(0.02, 0.2)
        return cls(
            vendor=vendor,
            cloud=sometimes(0.005, 0.04),
            kills=sometimes(0.003, 0.03),
            storms=chance.randint(0, 2) if vendor else 0,
            lost=chance.choice((0.0, 0.0, 0.3, 1.0)),
            copies=chance.randint(1, 5),
            latest=chance.choice((0.5, 20.0, 400.0)),
            slow=chance.choice((0.1, 0.8, 4.0)),
            poll_minutes=chance.choice((1, 5, 5, 15)),
        )


@dataclass(frozen=True)
class _Storm:
    connection: str
    begins: int
    ends: int
    kind: str


class Weather(Mail):
    """The fate of calls (`boundaries.Fate`) and the mail of one world, until `calm_at`, a moment of the scheduler."""

    def __init__(self, seed: str, calm_at: int) -> None:
        self._chance = random.Random(f"{seed}/weather")
        self._post = random.Random(f"{seed}/post")
        self.climate = Climate.drawn(self._chance)
        self.calm_at = calm_at
        self.fallen: dict[str, int] = {}
        self._scheduler: Scheduler | None = None
        self._storms = [self._storm() for _ in range(self.climate.storms)]

    def watch(self, scheduler: Scheduler) -> None:
        """The clock by which the weather turns."""
        self._scheduler = scheduler

    def strike(self, touch: Touch) -> Strike | None:
        if self._is_calm:
            return None
        name = self._struck_by(touch)
        if name is None:
            return None
        self.fallen[name] = self.fallen.get(name, 0) + 1
        return _ALL[name]

    def seconds(self, touch: Touch) -> float:
        if touch.vendor:
            return self._chance.uniform(0.02, self.climate.slow)
        return self._chance.uniform(0.001, 0.012)

    def copies(self, route: str) -> Sequence[float]:
        if self._is_calm:
            return (0.05,)
        if route == "relay" and self._post.random() < self.climate.lost:
            return ()
        # The bus and the queue bring a message at least once, and rarely twice (SQS, EventBridge: "at-least-once").
        most = self.climate.copies if route == "relay" else 1 + (self._post.random() < 0.05)
        count = self._post.randint(1, most)
        latest = self.climate.latest if route == "relay" else min(self.climate.latest, 5.0)
        return [self._post.uniform(0.01, latest) for _ in range(count)]

    @property
    def _is_calm(self) -> bool:
        return self._scheduler is not None and self._scheduler.moment >= self.calm_at

    def _struck_by(self, touch: Touch) -> str | None:
        chance, climate = self._chance, self.climate
        if chance.random() < climate.kills:
            return chance.choice(tuple(KILLS))
        if not touch.vendor:
            kinds = tuple(CLOUD) if touch.writes else ("throttled", "down before commit")
            return chance.choice(kinds) if chance.random() < climate.cloud else None
        moment = self._scheduler.moment if self._scheduler else 0
        for storm in self._storms:
            if storm.connection == touch.system and storm.begins <= moment < storm.ends:
                return storm.kind
        if chance.random() >= climate.vendor:
            return None
        if not touch.reads and chance.random() < 0.5:
            return chance.choice(_LOST_REPLIES)
        return chance.choice([name for name in VENDOR if name != "stale read" or touch.reads])

    def _storm(self) -> _Storm:
        begins = self._chance.randrange(0, self.calm_at)
        lasts = self._chance.uniform(10, 600) * _SECOND
        connection = self._chance.choice(VENDORS)
        return _Storm(connection, begins, min(self.calm_at, begins + round(lasts)), self._chance.choice(_STORMS))


_ALL: Mapping[str, Strike] = {**VENDOR, **KILLS, **CLOUD}
