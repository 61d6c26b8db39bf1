"""Whether time and request units grow with what they should grow with: lines of a deal, and nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench import deals
from bench.calls import look_again
from bench.deployed import Deployed
from bench.metered import Meter, MeteredWorld, metered_world
from dealbridge.domain.keys import DealKey


@dataclass
class Point:
    """One size; what a first activation and an unchanged deal take there."""

    size: int
    first: Meter
    unchanged: Meter
    won_to_active_s: float | None = None
    """On the deployed platform, where that was measured."""

    def as_json(self) -> dict[str, Any]:
        return {
            "size": self.size,
            "won_to_active_s": None if self.won_to_active_s is None else round(self.won_to_active_s, 2),
            "first_activation": _shown(self.first),
            "unchanged": _shown(self.unchanged),
        }


def of_lines(deployed: Deployed, sizes: Sequence[int]) -> list[Point]:
    """Deals of so many lines: counted in a world, timed on the platform."""
    with metered_world() as world:
        world.sellers.win(world.sellers.open(deals.small()))
        world.world.settle()
        points = [_point(world, size, size) for size in sizes]
    for point in points:
        with deployed.unheard():
            deal = deployed.sellers.open(deals.of_lines(point.size))
        point.won_to_active_s = deployed.seconds_to_active(deal)
    return points


def of_deals(sizes: Sequence[int]) -> list[Point]:
    """A ledger of so many deals, filled with copies of one that was worked off; the next deal is measured."""
    with metered_world() as world:
        pattern = world.sellers.open(deals.small())
        world.sellers.win(pattern)
        world.world.settle()
        points, held = [], 1
        for size in sizes:
            for number in range(held, size):
                _copy(world, pattern, f"006Copy{number:011}")
            held = size
            points.append(_point(world, size, 1))
        return points


def linear(points: Sequence[Point]) -> float:
    """How far the request units of the largest size are above those of the others, carried on in a straight line.

    1 is a straight line; a square of 500 lines against 100 would be about 5.
    """
    (*_, before, last) = points
    first = points[0]
    slope = (_units(before) - _units(first)) / (before.size - first.size)
    expected = _units(before) + slope * (last.size - before.size)
    return _units(last) / expected


def _units(point: Point) -> float:
    return point.first.write_units + point.first.read_units


def _point(world: MeteredWorld, size: int, lines: int) -> Point:
    deal = world.sellers.open(deals.of_lines(lines))
    world.world.settle()
    with world.metered() as first:
        world.sellers.win(deal)
    with world.metered() as unchanged:
        look_again(deal)
    return Point(size, first, unchanged)


def _copy(world: MeteredWorld, pattern: DealKey, opportunity: str) -> None:
    """The items of one deal as those of another: keys and the index are its own, the rest is shared."""
    for item in list(world.world.ledger.items[f"DEAL#{pattern}"].values()):
        copied = {**item, "pk": {"S": f"DEAL#salesforce:{opportunity}"}}
        world.world.ledger.put((copied["pk"]["S"], copied["sk"]["S"]), copied)


def _shown(meter: Meter) -> Mapping[str, Any]:
    return {
        "write_units": meter.write_units,
        "read_units": meter.read_units,
        "transitions": meter.transitions,
        "cloud_calls": meter.cloud_calls,
        "vendor_calls": meter.vendor_calls.total(),
        "cpu_ms_in_process": round(meter.processor_seconds * 1000, 1),
    }
