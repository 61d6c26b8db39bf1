"""Vendor calls per deal, by connection, beside the least that the vendors' APIs allow.

The least follows from the deal's shape: each entry of LEAST tells a number of calls and the vendor's fact behind it
(the README of each connector, table of calls). It is the least of records that are written one by one, because each is
an effect with a proof of its own: Kantata's arrays and SAP's batches of several change sets are left out. A call above
it matches an entry of ABOVE, which says why it is made; one that neither explains is reported as such. Sign-ins are
left out: a token serves many deals.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import ceil
from typing import Any

from bench import deals
from bench.deals import Pair, Shape
from bench.metered import Meter, MeteredWorld, metered_world
from dealbridge.domain.keys import DealKey
from dealbridge.runs.redriving import redrive
from dealbridge_local.worlds.functions import VendorCall

FIRST, UNCHANGED, AMENDMENT = "first activation", "unchanged", "one-line amendment"
SIZES: dict[str, Callable[[], Shape]] = {"small": deals.small, "typical": deals.typical}
BATCH = 100
"""Records of a HubSpot batch."""


@dataclass(frozen=True)
class Least:
    """Calls that an API wants for something, whoever makes them, and the vendor's fact behind their number."""

    connection: str
    what: str
    calls: Callable[[Shape], int]
    because: str


_READ = (
    Least("salesforce", "read the deal", lambda shape: 1, "a composite takes all its queries and counts as one"),
    Least(
        "hubspot",
        "read the deal",
        lambda shape: 1 + ceil(len(shape.lines) / BATCH) + ceil(len(shape.contacts) / BATCH) + shape.accounts,
        "a deal comes with ids only; a batch reads 100 records of one kind; a company names only its next parent",
    ),
)
LEAST: dict[str, Sequence[Least]] = {
    UNCHANGED: _READ,
    FIRST: (
        *_READ,
        Least("salesforce", "status", lambda shape: 1, "a composite takes PATCH and revision and counts as one"),
        Least(
            "hubspot",
            "status",
            lambda shape: 2 + ceil(len(shape.lines) / BATCH),
            "no write has a condition: the deal and its lines are looked at, so that nobody else's change is missed",
        ),
        Least("netsuite", "customers", lambda shape: shape.accounts, "a PUT by external id each"),
        Least("netsuite", "contacts", lambda shape: len(shape.contacts), "a PUT by external id each"),
        Least("netsuite", "project", lambda shape: 1, "a PUT by external id"),
        Least("netsuite", "tasks", lambda shape: shape.service_lines, "records of their own, a PUT each"),
        Least("netsuite", "contract", lambda shape: 1, "an order is made with its lines"),
        Least("netsuite", "schedule", lambda shape: 2, "it bills nothing until the project names it"),
        Least("s4hana", "customers", lambda shape: shape.accounts, "a deep insert each"),
        Least("s4hana", "parents", lambda shape: shape.accounts - 1, "a relationship is a record between two partners"),
        Least("s4hana", "contacts", lambda shape: 2 * len(shape.contacts), "a person, and its relationship"),
        Least("s4hana", "project with tasks", lambda shape: 2, "a deep insert, which cannot release it"),
        Least("s4hana", "contract with schedule", lambda shape: 1, "a deep insert"),
        Least("kantata", "project", lambda shape: 1, "one POST"),
        Least("kantata", "staffing requests", lambda shape: 2 * shape.staffed, "a request, and its allocation"),
    ),
    AMENDMENT: (
        *_READ,
        Least("netsuite", "project", lambda shape: 1, "a PATCH: its estimated revenue"),
        Least("netsuite", "task", lambda shape: 1, "a PATCH: its budget stands in its message"),
        Least("netsuite", "contract", lambda shape: 1, "a PATCH takes its lines, too"),
        Least("netsuite", "schedule", lambda shape: 1, "a PATCH takes its milestones, too"),
        Least("s4hana", "contract with schedule", lambda shape: 2, "a change set needs the entity tag that stands now"),
        Least("kantata", "project", lambda shape: 1, "a PUT: its budget"),
    ),
}


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
        "s4hana",
        "GET",
        r"/A_EnterpriseProject\(",
        "what of the project stands is looked at",
        "only a task's budget changed, which S/4HANA has no field for: the project is read to learn that",
    ),
    Above(
        "kantata",
        "GET",
        r"/users$",
        "the lead is found by email; a code in mappings/codes saves the call",
        "the lead is found by email; a code in mappings/codes saves the call",
    ),
)
UNEXPLAINED = "not explained"

_RECORDS = {
    "netsuite": {"customer": "customer", "contact": "contact", "job": "project", "projectTask": "task"}
    | {"salesOrder": "contract", "billingSchedule": "schedule"},
    "s4hana": {
        "API_BUSINESS_PARTNER": "customer or contact",
        "API_ENTERPRISE_PROJECT_SRV;v=0002": "project",
        "API_SALES_ORDER_SRV": "contract",
    },
    "kantata": {"workspaces": "project", "resource_requests": "staffing request"}
    | {"workspace_allocations": "staffing request", "workspace_resources": "staffing request"},
}
"""By connection: a part of a call's path → what is written there. A CRM is written status only."""
_AMENDED = {
    "netsuite": Counter({"project": 1, "task": 1, "contract": 1, "schedule": 1}),
    "s4hana": Counter({"contract": 1}),
    "kantata": Counter({"project": 1}),
}
"""What a line's other price changes, with the writes that it takes."""


@dataclass
class Scenario:
    """What one thing that happens to a deal takes, on a platform that is warm."""

    pair: Pair
    what: str
    size: str
    meter: Meter
    calls: Counter[str]
    least: Counter[str]
    above: Counter[tuple[str, str]]
    """By connection and reason."""
    writes: Counter[tuple[str, str]]
    """By connection and kind of record."""

    @property
    def name(self) -> str:
        return f"{self.pair}: {self.short_name}"

    @property
    def short_name(self) -> str:
        return f"{self.what}, {self.size}"

    @property
    def extra(self) -> int:
        return self.calls.total() - self.least.total()

    @property
    def touches_only_what_changed(self) -> bool:
        """Of an amendment of one line."""
        expected = Counter[tuple[str, str]]()
        for connection in (self.pair.erp, "kantata"):
            expected.update({(connection, kind): number for kind, number in _AMENDED[connection].items()})
        return self.writes == expected

    def as_json(self) -> dict[str, Any]:
        return {
            "calls": dict(self.calls),
            "least": dict(self.least),
            "above_the_least": self.extra,
            "reasons": {f"{connection}: {reason}": number for (connection, reason), number in self.above.items()},
            "writes": {f"{connection} {kind}": number for (connection, kind), number in self.writes.items()},
        }


def measure() -> list[Scenario]:
    """First activation, an unchanged deal, a one-line amendment: of a small deal and of a typical one, for each pair
    of CRM and ERP."""
    return [scenario for pair in deals.PAIRS for size in SIZES for scenario in of(pair, size)]


def of(pair: Pair, size: str) -> list[Scenario]:
    """One pair, one size."""
    with metered_world() as world:
        # The first one signs in and reads the reference data.
        world.sellers.win(world.sellers.open(SIZES[size](), pair))
        shape = SIZES[size]()
        deal = world.sellers.open(shape, pair)
        world.world.settle()
        return [
            _scenario(world, (pair, FIRST, size), shape, partial(world.sellers.win, deal)),
            _scenario(world, (pair, UNCHANGED, size), shape, partial(look_again, deal)),
            _scenario(world, (pair, AMENDMENT, size), shape, partial(world.sellers.amend_one_line, deal)),
        ]


def look_again(deal: DealKey) -> None:
    """A hint for a deal that has not changed."""
    redrive([deal])


def _scenario(world: MeteredWorld, named: tuple[Pair, str, str], shape: Shape, happens: Callable[[], None]) -> Scenario:
    before = len(world.world.functions.vendor_calls)
    with world.metered() as meter:
        happens()
    made = [call for call in world.world.functions.vendor_calls[before:] if not call.signs_in]
    pair, what, size = named
    calls = Counter(call.connection for call in made)
    least = Counter[str]()
    for entry in LEAST[what]:
        if entry.connection in (pair.crm, pair.erp, "kantata"):
            least[entry.connection] += entry.calls(shape)
    above = Counter(reason for call in made if (reason := _reason(call, creating=what == FIRST)))
    for connection, number in calls.items():
        told = sum(each for (of_connection, _), each in above.items() if of_connection == connection)
        if left := number - least[connection] - told:
            above[connection, UNEXPLAINED] = left
    return Scenario(pair, what, size, meter, calls, +least, above, Counter(map(_record, filter(_writes, made))))


def _writes(call: VendorCall) -> bool:
    return call.writes


def _record(call: VendorCall) -> tuple[str, str]:
    parts = call.path.split("/")
    return call.connection, next(
        (kind for part, kind in _RECORDS.get(call.connection, {}).items() if part in parts), "status"
    )


def _reason(call: VendorCall, *, creating: bool) -> tuple[str, str] | None:
    for entry in ABOVE:
        if (entry.connection, entry.method) == (call.connection, call.method) and re.search(entry.path, call.path):
            return entry.connection, entry.creating if creating else entry.changing
    return None
