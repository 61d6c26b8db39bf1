"""Vendor calls per deal, by connection, beside the least that the vendors' APIs allow.

A call is above the least where an entry of ABOVE says why; all others make or change a record in the one call, or the
two, that the vendor's documents want for it (the README of each connector, table of calls). Sign-ins are left out: a
token serves many deals.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from bench import deals
from bench.deployed import key_of
from bench.metered import Meter, MeteredWorld, metered_world
from dealbridge.runs.redriving import redrive
from dealbridge_local.worlds.functions import VendorCall


@dataclass(frozen=True)
class Above:
    """Calls that the API would not need, and why they are made: after a creation, and before a change."""

    connection: str
    method: str
    path: str
    creating: str
    changing: str


ABOVE = (
    Above(
        "netsuite",
        "POST",
        r"/query/v1/suiteql$",
        "CUST…, PRJ… and SO… are shown in the CRM, and no answer to a creation carries them",
        "numbers of new records are shown in the CRM",
    ),
    Above(
        "netsuite",
        "GET",
        r"/record/v1/customer/\d+$",
        "an id that is not in the answer to a creation",
        "lines of the address book are changed by their ids",
    ),
    Above(
        "netsuite",
        "GET",
        r"/record/v1/salesOrder/\d+$",
        "an id that is not in the answer to a creation",
        "lines of an order are replaced by their numbers",
    ),
    Above(
        "netsuite",
        "GET",
        r"/record/v1/billingSchedule/\d+$",
        "its milestones' ids are not in the answer to a creation",
        "milestones of a schedule are replaced by their ids",
    ),
    Above(
        "kantata",
        "GET",
        r"/users$",
        "the lead is found by email; a code in mappings/codes saves the call",
        "the lead is found by email; a code in mappings/codes saves the call",
    ),
)


@dataclass
class Scenario:
    """What one thing that happens to a deal takes, on a platform that is warm."""

    name: str
    meter: Meter
    calls: Counter[str]
    least: Counter[str]
    above: Counter[str]
    """By reason."""

    def as_json(self) -> dict[str, Any]:
        return {
            "calls": dict(self.calls),
            "least": dict(self.least),
            "above_the_least": self.calls.total() - self.least.total(),
            "reasons": dict(self.above),
        }


def measure() -> list[Scenario]:
    """First activation, an unchanged deal, a one-line amendment: of a small deal and of a typical one."""
    found = []
    for name, open_deal in (("small", deals.small), ("typical", deals.typical)):
        with metered_world() as world:
            # The first one signs in and reads the reference data.
            world.seller.win(open_deal(world.seller))
            deal = open_deal(world.seller)
            world.world.settle()
            found += [
                _scenario(world, f"first activation, {name}", partial(world.seller.win, deal)),
                _scenario(world, f"unchanged, {name}", partial(look_again, deal)),
                _scenario(world, f"one-line amendment, {name}", partial(deals.amend_one_line, world.seller, deal)),
            ]
    return found


def look_again(deal: str) -> None:
    """A hint for a deal that has not changed."""
    redrive([key_of(deal)])


def _scenario(world: MeteredWorld, name: str, happens: Callable[[], None]) -> Scenario:
    before = len(world.world.functions.vendor_calls)
    with world.metered() as meter:
        happens()
    return _judged(name, meter, world.world.functions.vendor_calls[before:])


def _judged(name: str, meter: Meter, made: Sequence[VendorCall]) -> Scenario:
    calls, least, above = Counter[str](), Counter[str](), Counter[str]()
    for call in made:
        if "oauth2" in call.path:
            continue
        calls[call.connection] += 1
        reason = _reason(call, creating=name.startswith("first"))
        if reason is None:
            least[call.connection] += 1
        else:
            above[reason] += 1
    return Scenario(name, meter, calls, least, above)


def _reason(call: VendorCall, *, creating: bool) -> str | None:
    for entry in ABOVE:
        if (entry.connection, entry.method) == (call.connection, call.method) and re.search(entry.path, call.path):
            return entry.creating if creating else entry.changing
    return None
