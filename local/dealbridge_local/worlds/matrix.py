"""The fault matrix: one first activation on each path, and everything that can fall on each of its calls.

The boundaries are found by recording a fault-free run. Each case is the same run with one strike (or two); what it
parks is redriven. It must end with the vendors' records of the fault-free run: none twice, none missing.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import partial
from time import perf_counter
from typing import Any

from dealbridge_local.hubspot_user import HubSpotUser
from dealbridge_local.salesforce_user import SalesforceUser, Sold
from dealbridge_local.simulators.transport import SimulatorTransport
from dealbridge_local.worlds import operations
from dealbridge_local.worlds.books import differences, standing
from dealbridge_local.worlds.boundaries import Calm, Strike, Touch
from dealbridge_local.worlds.scheduler import StalledError
from dealbridge_local.worlds.strikes import CLOUD, KILLS, VENDOR
from dealbridge_local.worlds.workers import spread
from dealbridge_local.worlds.world import Mail, World

type Books = dict[str, dict[str, list[Any]]]


class Recording(Calm):
    """Nothing falls; every touch is noted."""

    def __init__(self) -> None:
        super().__init__()
        self.touches: list[Touch] = []

    def strike(self, touch: Touch) -> Strike | None:
        self.touches.append(touch)
        return None


class Aimed(Calm):
    """Strikes that fall on touches by number."""

    def __init__(self, strikes: Mapping[int, Strike]) -> None:
        super().__init__()
        self._strikes = strikes
        self.fallen = 0

    def strike(self, touch: Touch) -> Strike | None:
        strike = self._strikes.get(touch.number)
        self.fallen += strike is not None
        return strike


@dataclass(frozen=True)
class Path:
    """From which CRM into which ERP; `sell` opens a small deal with all there is, and gives what wins it."""

    crm: str
    erp: str
    sell: Callable[[World], Callable[[], None]]

    def __str__(self) -> str:
        return f"{self.crm} → {self.erp}"


@dataclass(frozen=True)
class Case:
    """One or more strikes, each with the touch it is aimed at: of a run whose functions are processes, or threads."""

    strikes: tuple[tuple[Touch, str], ...]
    processes: bool

    @property
    def kills(self) -> int:
        return sum(name in KILLS for _, name in self.strikes)

    def __str__(self) -> str:
        return " + ".join(f"{name} at {touch.function}: {touch.system} {touch.what}" for touch, name in self.strikes)


@dataclass(frozen=True)
class Verdict:
    """What came of a case. `parked` are the causes that an operator saw; `wrong` where the books differ, or worse."""

    case: Case
    parked: tuple[str, ...]
    wrong: tuple[str, ...]


@dataclass
class Report:
    """All verdicts, with the counts that are told."""

    path: str
    boundaries: int
    vendor_calls: int
    writes: int
    verdicts: list[Verdict] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def wrong(self) -> list[Verdict]:
        return [verdict for verdict in self.verdicts if verdict.wrong]

    def content(self) -> dict[str, Any]:
        """The summary, with every case that went wrong."""
        wrong = [{"case": str(each.case), "parked": each.parked, "wrong": each.wrong[:10]} for each in self.wrong]
        return {**self.summary(), "wrong_cases": wrong}

    def summary(self) -> dict[str, Any]:
        parked = Counter(cause.split(":")[0] for verdict in self.verdicts for cause in verdict.parked[:1])
        return {
            "path": self.path,
            "boundaries": self.boundaries,
            "vendor_calls": self.vendor_calls,
            "aws_writes": self.writes,
            "cases": len(self.verdicts),
            "kills": sum(verdict.case.kills for verdict in self.verdicts),
            "by_themselves": sum(not verdict.parked for verdict in self.verdicts),
            "parked_first": dict(parked),
            "wrong": len(self.wrong),
            "seconds": round(self.seconds, 1),
        }


@dataclass(frozen=True)
class Baseline:
    """The fault-free run: its touches and what stands after it."""

    path: str
    touches: tuple[Touch, ...]
    touches_of_processes: tuple[Touch, ...]
    """The same where each environment is a process, and reads the reference data for itself."""
    books: Books

    def vendor_calls(self) -> list[Touch]:
        return [touch for touch in self.touches if touch.vendor]

    def writes(self) -> list[Touch]:
        return [touch for touch in self.touches if touch.writes and not touch.vendor]


def record(path: Path) -> Baseline:
    """Run without faults, with threads and with processes."""
    (touches, books), (touches_of_processes, same) = (_recorded(path, processes) for processes in (False, True))
    if found := differences(books, same):
        raise AssertionError(f"processes end with other books than threads: {found}")
    return Baseline(str(path), touches, touches_of_processes, books)


def _recorded(path: Path, processes: bool) -> tuple[tuple[Touch, ...], Books]:
    recording = Recording()
    with World(fate=recording, mail=_OnlyTheWin(), crms=(path.crm,), processes=processes) as world:
        _activate(world, path)
        parked = operations.causes(world)
        if parked:
            raise AssertionError(f"the fault-free run parks: {parked}")
        touches = tuple(recording.touches)
        world.rest()
        operations.mend(world)
        return touches, _books(world)


def single_faults(baseline: Baseline) -> Iterator[Case]:
    """Every vendor call with every fault, every AWS write with what can become of it, and a kill of the process before
    and after each of both."""
    for touch in baseline.touches:
        for name in _faults(touch):
            yield Case(((touch, name),), processes=False)
    for touch in baseline.touches_of_processes:
        for name in _kills(touch):
            yield Case(((touch, name),), processes=True)


def pairs(baseline: Baseline, seed: int, count: int) -> Iterator[Case]:
    """Pairs of strikes, drawn by the seed."""
    chance = random.Random(f"pairs/{seed}")
    touches = [touch for touch in baseline.touches_of_processes if touch.vendor or touch.writes]
    for _ in range(count):
        one, other = sorted(chance.sample(touches, 2), key=lambda touch: touch.number)
        strikes = ((touch, chance.choice([*_faults(touch), *_kills(touch)])) for touch in (one, other))
        yield Case(tuple(strikes), processes=True)


def judge(case: Case, baseline: Baseline) -> Verdict:
    """Run a case, redrive what it parks, and compare."""
    fate = Aimed({touch.number: STRIKES[name] for touch, name in case.strikes})
    path = PATHS[baseline.path]
    with World(fate=fate, mail=_OnlyTheWin(), crms=(path.crm,), processes=case.processes) as world:
        try:
            _activate(world, path)
            parked = tuple(operations.causes(world))
            world.rest()
            operations.mend(world)
        except StalledError as error:
            return Verdict(case, (), (f"does not settle: {error}",))
        wrong = [] if fate.fallen else ["the strike did not fall"]
        if world.functions.killed < case.kills:
            wrong += [f"{world.functions.killed} processes have died, and not {case.kills}"]
        wrong += [f"parked without a cause: {cause}" for cause in parked if not cause.split(": ", 1)[0]]
        wrong += [f"still parked: {cause}" for cause in operations.causes(world)]
        wrong += differences(baseline.books, _books(world))
        return Verdict(case, parked, tuple(wrong))


def run(cases: Iterable[Case], baseline: Baseline, workers: int | None = 1) -> Report:
    """Judge all cases, by so many processes."""
    began = perf_counter()
    report = Report(baseline.path, len(baseline.touches), len(baseline.vendor_calls()), len(baseline.writes()))
    report.verdicts.extend(spread(partial(judge, baseline=baseline), cases, workers))
    report.seconds = perf_counter() - began
    return report


STRIKES: Mapping[str, Strike] = {**VENDOR, **KILLS, **CLOUD}


def _faults(touch: Touch) -> list[str]:
    """What can become of a call. A write starts from what is newest: only a read can be stale."""
    if touch.vendor:
        return [name for name in VENDOR if name != "stale read" or touch.reads]
    return [*CLOUD] if touch.writes else []


def _kills(touch: Touch) -> list[str]:
    return [*KILLS] if touch.vendor or touch.writes else []


class _OnlyTheWin(Mail):
    """Of the CRM's events only the one that tells of the win reaches us: the matrix is about its run."""

    def __init__(self) -> None:
        self.open = False

    def copies(self, route: str) -> tuple[float, ...]:
        return (0.05,) if self.open or route != "relay" else ()


def _activate(world: World, path: Path) -> None:
    win = path.sell(world)
    world.settle()
    world.rest()
    assert isinstance(world.mail, _OnlyTheWin)
    world.mail.open = True
    win()
    # Salesforce relays at once what changes, our own status included. HubSpot posts a moment later, again where it is
    # not accepted, and tells nothing of our own properties.
    world.mail.open = path.crm == "hubspot"
    world.settle()


def _sell_in_salesforce(world: World) -> Callable[[], None]:
    origin = world.salesforce.base_url
    seller = SalesforceUser(origin, world.salesforce.credentials(), SimulatorTransport({origin: world.salesforce}))
    group = seller.create_account("Contoso Holding", BillingCountry="United States")
    account = seller.create_account(
        "Contoso Robotics",
        parent=group,
        BillingStreet="1 Main St",
        BillingCity="Boston",
        BillingCountry="United States",
        Tax_Registrations__c="US: 12-3456789",
        Payment_Terms__c="Net 30",
    )
    contacts = [
        seller.create_contact(account, "Jane", "Doe", "jane.doe@contoso.example"),
        seller.create_contact(account, "Ravi", "Patel", "ravi.patel@contoso.example"),
    ]
    deal = seller.open_deal("Contoso Robotics: ERP", account, _lines("Hours__c"), contacts=contacts)
    return lambda: seller.win(deal)


def _sell_in_hubspot(world: World) -> Callable[[], None]:
    origin = world.hubspot.base_url
    seller = HubSpotUser(origin, world.hubspot.credentials(), SimulatorTransport({origin: world.hubspot}))
    group = seller.create_company("Adatum Holding", country="Germany")
    company = seller.create_company(
        "Adatum Automotive",
        parent=group,
        address="Leopoldstr. 1",
        city="München",
        zip="80802",
        country="Germany",
        tax_registrations="DE: DE811907980",
        payment_terms="net_30",
    )
    contacts = [
        seller.create("contacts", firstname=first, lastname=last, email=f"{first}.{last}@adatum.example".lower())
        for first, last in (("Ute", "Maier"), ("Ravi", "Patel"))
    ]
    deal = seller.open_deal(
        "Adatum: Zielbild", company, _lines("hours"), currency="EUR", contacts=contacts, legal_entity="EMEA-DE"
    )
    return lambda: seller.win(deal)


def _lines(hours: str) -> list[Sold]:
    """Three ways of billing, milestones, staffing; `hours` is the CRM's field for them."""
    return [
        Sold(
            "IMPL",
            "ERP implementation",
            Decimal(1),
            Decimal("120000.10"),
            milestones=[
                ("Kick-off", date(2027, 1, 29), Decimal("40000.03")),
                ("Go-live", date(2027, 9, 30), Decimal("80000.07")),
            ],
        ),
        Sold("ADVS", "Advisory", Decimal(120), Decimal("210.33"), "Time and Materials", more={hours: Decimal(120)}),
        Sold("TRNG", "Training", Decimal(3), Decimal("1850.00")),
    ]


PATHS: Mapping[str, Path] = {
    str(path): path
    for path in (
        Path("salesforce", "netsuite", _sell_in_salesforce),
        Path("hubspot", "s4hana", _sell_in_hubspot),
    )
}
"""Both CRMs and both ERPs, the PSA on either."""


def _books(world: World) -> Books:
    return standing({name: simulator.records() for name, simulator in world.simulators.items()})
