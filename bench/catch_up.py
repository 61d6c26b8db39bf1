"""Whether work that can wait keeps deals from becoming active.

In a world, whose clock is exact: deals from HubSpot, billed in NetSuite, are won one after the other, alone and beside
what asks most of both vendors: a poll that finds many deals amended which no event has told of, and previews and proofs
of as many deals. The vendors take their time, so that allowance and slots are short.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache, partial
from itertools import accumulate
from statistics import median
from typing import Any

from bench import deals
from bench.deals import Pair
from bench.sellers import Sellers, sellers_in
from dealbridge.domain.connection import Limits
from dealbridge.domain.keys import DealKey
from dealbridge.errors import ThrottledError
from dealbridge.ledger.ledger import ledger
from dealbridge.mappings.folder import read_folder
from dealbridge.runs import redriving
from dealbridge.runs.planning import preview
from dealbridge.runs.proving import prove
from dealbridge_local.engine import REPOSITORY
from dealbridge_local.worlds.boundaries import Calm, Touch
from dealbridge_local.worlds.deployment import Function
from dealbridge_local.worlds.functions import Answer, VendorCall
from dealbridge_local.worlds.world import Mail, World

PAIR = Pair("hubspot", "netsuite", "NA-US", "USD", "United States", "US: 12-3456789")
VENDOR_SECONDS = 0.2
APART_SECONDS = 5.0
"""Between two deals that are won. Each holds a slot of NetSuite for about three seconds."""
PREVIEWING, PROVING = 5, 6
"""So many look at deals at the same time, one after the other."""
ALONE, CATCH_UP, LOOKING = "nothing", "a catch-up", "previews and proofs"
_BULK = frozenset({"poll_crm", "look_at_deals"})
_SECOND = 1_000_000


@dataclass
class Beside:
    """How deals became active beside something else."""

    beside: str
    others: int
    """Deals that were amended, or looked at."""
    won: int
    seconds: Sequence[float]
    """From won to active, of each deal that became active."""
    waits: Mapping[str, int]
    """By connection: how often one of these deals was told to wait."""
    waited: float
    """Seconds of all these waits."""
    parked: int
    """Of these deals."""
    others_parked: int
    refused: int
    """Calls that a vendor answered with 429."""
    calls_of_bulk: Mapping[str, int]
    bulk_refused: int
    """How often an operator was told to wait."""
    window: int
    """The most requests to HubSpot in any stretch of its window."""
    window_of_bulk: int
    """The same, at a moment when bulk work asked."""
    slots: int
    """The most invocations at NetSuite at one time."""
    slots_of_bulk: int

    @property
    def median(self) -> float:
        return median(self.seconds) if self.seconds else 0.0

    def as_json(self) -> dict[str, Any]:
        return {
            "beside": self.beside,
            "other_deals": self.others,
            "deals": self.won,
            "won_to_active_s": {"median": round(self.median, 1), "longest": round(max(self.seconds, default=0), 1)},
            "waits": dict(self.waits),
            "waited_s_per_deal": round(self.waited / self.won, 1),
            "parked": self.parked,
            "other_deals_parked": self.others_parked,
            "calls_refused_429": self.refused,
            "calls_of_bulk_work": dict(self.calls_of_bulk),
            "bulk_work_told_to_wait": self.bulk_refused,
            "hubspot_requests_in_window": {"all": self.window, "when_bulk_asked": self.window_of_bulk},
            "netsuite_slots": {"all": self.slots, "bulk": self.slots_of_bulk},
        }


@cache
def limits(connection: str) -> Limits:
    """As deployed."""
    found = read_folder(REPOSITORY / "mappings").connections[connection].limits
    assert found is not None
    return found


def measure(others: int, won: int) -> list[Beside]:
    """So many deals amended or looked at, beside so many that are won."""
    return [beside(what, others, won) for what in (ALONE, CATCH_UP, LOOKING)]


def beside(what: str, others: int, won: int) -> Beside:
    mail = _Mail()
    with World(fate=_Pace(), mail=mail, tells_twice=False) as world:
        sellers = sellers_in(world.salesforce, world.hubspot)
        standing = list(_opened(world, sellers, 1 if what == ALONE else others))
        for deal in standing:
            sellers.win(deal)
            world.settle()
            _rest(world, 1)
        opened = list(_opened(world, sellers, won))
        if what == CATCH_UP:
            with mail.lost():
                for deal in standing:
                    sellers.amend_one_line(deal)
                    _rest(world, 0.5)
        # What was asked before counts no more.
        _rest(world, 2 * (limits("hubspot").window_seconds or 0))
        began = world.scheduler.moment
        known = len(world.functions.vendor_calls)
        if what == CATCH_UP:
            world.poll()
        until = began + round((1 + len(opened) * APART_SECONDS) * _SECOND)
        operators = _Operators(world, until)
        if what == LOOKING:
            operators.look_at(standing)
        won_at: dict[DealKey, datetime] = {}
        for number, deal in enumerate(opened):
            world.scheduler.at(
                began + round((1 + number * APART_SECONDS) * _SECOND), partial(_win, world, sellers, deal, won_at)
            )
        world.scheduler.run(until=until)
        world.settle()
        made = world.functions.vendor_calls[known:]
        return _told(what, 0 if what == ALONE else others, won_at, made, operators.told_to_wait)


def _opened(world: World, sellers: Sellers, number: int) -> Iterator[DealKey]:
    for _ in range(number):
        yield sellers.open(deals.small(), PAIR)
        world.settle()
        # People open them over hours: HubSpot's limit for what they do is not what is measured.
        _rest(world, 1)


def _win(world: World, sellers: Sellers, deal: DealKey, won_at: dict[DealKey, datetime]) -> None:
    won_at[deal] = world.scheduler.now()
    sellers.win(deal)


def _rest(world: World, seconds: float) -> None:
    world.scheduler.run(until=world.scheduler.moment + round(seconds * _SECOND))


class _Operators:
    """They look at deals, over and over until a moment: at what a run would do, or at what stands."""

    def __init__(self, world: World, until: int) -> None:
        self._world = world
        self._until = until
        self.told_to_wait = 0

    def look_at(self, standing: Sequence[DealKey]) -> None:
        deployment = self._world.deployment
        added = Function("look_at_deals", self._handle, 3600.0, 0)
        self._world.functions.deployment = replace(deployment, functions={**deployment.functions, added.name: added})
        for proves, people in ((False, PREVIEWING), (True, PROVING)):
            for number in range(people):
                share = [str(deal) for deal in standing[number::people]]
                self._world.call("look_at_deals", {"deals": share, "proves": proves}, _heard)

    def _handle(self, event: Mapping[str, Any], context: Any) -> None:
        act: Callable[[DealKey], object] = _prove if event["proves"] else preview
        while True:
            for text in event["deals"]:
                if self._world.scheduler.moment >= self._until:
                    return
                try:
                    act(DealKey.parse(text))
                except ThrottledError as error:
                    self.told_to_wait += 1
                    self._world.functions.pause(error.retry_after or 1)


def _prove(deal: DealKey) -> None:
    """Raises where a record could not be read, which a proof only tells."""
    for proof in prove(deal):
        if proof.verdict == "unread":
            raise ThrottledError("; ".join(proof.differences), retry_after=2)


def _heard(answer: Answer) -> None:
    if answer.error is not None:
        raise RuntimeError(f"looking at deals: {answer.error}: {answer.cause}")


def _told(
    what: str, others: int, won_at: Mapping[DealKey, datetime], calls: Sequence[VendorCall], told_to_wait: int
) -> Beside:
    seconds, waits, waited, parked = [], Counter[str](), 0.0, 0
    for deal, since in won_at.items():
        head = ledger().deals.head(deal) or {}
        if "active_at" not in head:
            parked += 1
            continue
        seconds.append((datetime.fromisoformat(head["active_at"]) - since).total_seconds())
        for run in ledger().runs.of(deal):
            if datetime.fromisoformat(run["started_at"]) < since:
                continue
            for entry in run.get("story", []):
                if entry["outcome"] == ThrottledError.__name__:
                    waits[str(entry["message"]).partition(":")[0]] += 1
                    waited += entry.get("retry_after_ms", 0) / 1000
    stuck = sum(each.deal not in won_at for each in redriving.parked())
    hubspot = [call for call in calls if call.connection == "hubspot"]
    netsuite = [call for call in calls if call.connection == "netsuite"]
    bulk = [call for call in calls if call.function in _BULK]
    return Beside(
        what,
        others,
        len(won_at),
        seconds,
        waits,
        waited,
        parked,
        stuck,
        sum(call.status == 429 for call in calls),
        Counter(call.connection for call in bulk),
        told_to_wait,
        _window(hubspot),
        _window(hubspot, when=_BULK),
        _at_once(netsuite),
        _at_once(call for call in netsuite if call.function in _BULK),
    )


def _window(calls: Iterable[VendorCall], when: frozenset[str] | None = None) -> int:
    """The most calls in a stretch of the window; with `when` only stretches that end with a call of such a function."""
    length = (limits("hubspot").window_seconds or 0) * _SECOND
    times: list[int] = []
    most = first = 0
    for call in sorted(calls, key=lambda call: call.began):
        times.append(call.began)
        while times[first] <= call.began - length:
            first += 1
        if when is None or call.function in when:
            most = max(most, len(times) - first)
    return most


def _at_once(calls: Iterable[VendorCall]) -> int:
    """The most calls at one time. One that ends when another begins is over."""
    steps = sorted(step for call in calls for step in ((call.began, 1), (call.at, -1)))
    return max(accumulate(step for _, step in steps), default=0)


class _Pace(Calm):
    """Vendors take their time, AWS hardly any."""

    def seconds(self, touch: Touch) -> float:
        return VENDOR_SECONDS if touch.vendor else 0.005


class _Mail(Mail):
    """Every event comes, but for those that are lost."""

    def __init__(self) -> None:
        self._lost = False

    def copies(self, route: str) -> tuple[float, ...]:
        return () if self._lost and route == "relay" else (0.05,)

    @contextmanager
    def lost(self) -> Iterator[None]:
        self._lost = True
        try:
            yield
        finally:
            self._lost = False
