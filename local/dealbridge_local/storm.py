"""Deals go through while the local engine's worker processes are killed at random: nothing may be lost or doubled."""

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from dealbridge.domain.keys import DealKey
from dealbridge.ledger.deals import DealState
from dealbridge.runs.redriving import Stuck, parked, redrive
from dealbridge_local import platform
from dealbridge_local.engine import TooLateError, wait_until
from dealbridge_local.engine.waiting import Say
from dealbridge_local.portfolio import Sellers
from dealbridge_local.salesforce_user import Sold
from dealbridge_local.worlds import operations, reports
from dealbridge_local.worlds.checker import Broken, Evidence, judge
from dealbridge_local.worlds.checker.standing import sales_of
from dealbridge_local.worlds.inspection import Inspection
from dealbridge_local.worlds.reliability import write_page
from dealbridge_local.worlds.scheduler import StalledError
from dealbridge_local.worlds.site import Site

DEALS_PER_ACCOUNT = 10
CALM_FROM = 0.8
"""Once so many of the deals are active nobody is killed any more: who comes last is to come to an end."""
AGAIN_AFTER_S = 20.0
"""A deal that is still parked so long after it was redriven is redriven again, and dead letters are looked for."""
LOST_BATCH_S = 30
"""As long as the function that takes a batch may run. Were it the three minutes of the template, their end would be
what a storm waits for."""
LOOK_EVERY_S = 2.0
SAY_EVERY_S = 5.0

_ENTITIES = {"NA-US": "USD", "EMEA-DE": "EUR"}
"""Legal entity → currency. The first bills in NetSuite, the second in S/4HANA (`mappings/legal-entities.yaml`)."""


@dataclass
class Report:
    """What came of a storm. All lists are empty where all is well."""

    deals: int
    seed: int
    kills: int = 0
    redrives: int = 0
    seconds: float = 0.0
    seconds_to_all_active: float | None = None
    causes: Counter[str] = field(default_factory=Counter)
    """Why deals were parked that were redriven."""
    doubled: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    unsettled: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    """Further rules of the checker that do not hold."""

    @property
    def is_clean(self) -> bool:
        return not (self.doubled or self.lost or self.unsettled or self.broken)

    def add(self, found: Broken) -> None:
        place = {
            "one_record_per_key": self.doubled,
            "last_state_stands": self.lost,
            "amounts_conserved": self.lost,
            "everything_settles": self.unsettled,
            "parked_with_cause": self.unsettled,
        }
        place.get(found.rule, self.broken).append(str(found))

    def content(self) -> dict[str, Any]:
        rounded = self.seconds_to_all_active and round(self.seconds_to_all_active, 1)
        return {**vars(self), "seconds": round(self.seconds, 1), "seconds_to_all_active": rounded}


class Killer(threading.Thread):
    """Kills one of the engine's worker processes every so often: with SIGKILL, in the middle of whatever it does."""

    def __init__(self, engine_pid: int, every_s: float, chance: random.Random) -> None:
        super().__init__(daemon=True)
        self.kills = 0
        self._engine_pid = engine_pid
        self._every_s = every_s
        self._chance = chance
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(self._chance.uniform(0.5, 1.5) * self._every_s):
            workers = children_of(self._engine_pid)
            if workers:
                victim = self._chance.choice(workers)
                try:
                    os.kill(victim, signal.SIGKILL)
                except ProcessLookupError:
                    continue
                self.kills += 1

    def stop(self) -> None:
        self._over.set()
        self.join()


def children_of(pid: int) -> list[int]:
    """The processes that a process has started (proc(5), `children`)."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found.extend(int(child) for child in task.read_text().split())
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def rage(
    running: platform.Platform,
    deals: int,
    *,
    seed: int = 1,
    every_s: float = 2.0,
    within_s: float = 1800,
    say: Say = lambda _: None,
) -> Report:
    """Win so many deals of shared accounts while workers die, let everything settle, and judge from the records.

    The seed draws the deals (either CRM, either ERP, the account, the amount) and who is killed when.
    """
    chance = random.Random(seed)
    report, began = Report(deals, seed), time.monotonic()
    site = Site(running)
    inspection = Inspection.begin(site)
    killer = Killer(running.engine.pid, every_s, random.Random(f"{seed}/killer"))
    killer.start()
    try:
        with site.impatient(LOST_BATCH_S):
            sold = _sell(site, deals, chance, say)
            _Operator(site, killer, report, began, say).work(within_s)
            operations.mend(site)
    except StalledError as error:
        report.unsettled.append(str(error))
    finally:
        killer.stop()
    report.kills, report.seconds = killer.kills, time.monotonic() - began
    say("Judging from the records.")
    evidence = inspection.gather()
    for found in judge(evidence):
        report.add(found)
    report.lost += _not_as_sold(evidence, sold)
    return report


def _sell(site: Site, deals: int, chance: random.Random, say: Say) -> dict[DealKey, Decimal]:
    """Deals of shared accounts, each won as soon as it stands: deal → its amount."""
    sellers, stamp, sold, said = Sellers(site.running), f"{time.time():.0f}", dict[DealKey, Decimal](), time.monotonic()
    in_germany = {"country": "Germany", "city": "Köln", "tax_registrations": "DE: DE811907980"}
    names = [f"Storm {stamp} {number}" for number in range(max(1, deals // DEALS_PER_ACCOUNT // 2))]
    accounts = {
        "salesforce": [
            sellers.salesforce.create_account(
                name, BillingCountry="Germany", BillingCity="Köln", Tax_Registrations__c="DE: DE811907980"
            )
            for name in names
        ],
        "hubspot": [sellers.hubspot.create_company(f"{name} H", **in_germany) for name in names],
    }
    try:
        for number in range(deals):
            crm, entity = chance.choice(tuple(accounts)), chance.choice(tuple(_ENTITIES))
            account, amount = chance.choice(accounts[crm]), Decimal(chance.randrange(100_00, 90_000_00)) / 100
            line, name = Sold("TRNG", "Day", Decimal(1), amount), f"Storm {stamp} {number}"
            if crm == "salesforce":
                opened = sellers.salesforce.open_deal(
                    name, account, [line], currency=_ENTITIES[entity], Legal_Entity__c=entity
                )
            else:
                opened = sellers.hubspot.open_deal(
                    name, account, [line], currency=_ENTITIES[entity], legal_entity=entity
                )
            key = DealKey(crm=crm, opportunity=opened)
            site.deals.add(key)
            sold[key] = amount
            if crm == "salesforce":
                sellers.salesforce.win(opened)
            else:
                sellers.hubspot.win(opened)
            if time.monotonic() - said > SAY_EVERY_S:
                said = time.monotonic()
                say(f"{number + 1} of {deals} deals won")
    finally:
        sellers.close()
    return sold


class _Operator:
    """Looks every few seconds, and lets go on what is stuck, as an operator would."""

    def __init__(self, site: Site, killer: Killer, report: Report, began: float, say: Say) -> None:
        self._site = site
        self._killer = killer
        self._report = report
        self._began = began
        self._say = say
        self._said = self._redelivered = time.monotonic()
        self._redriven: dict[DealKey, float] = {}

    def work(self, within_s: float) -> None:
        """Until all deals are active, or time is up: the checker says what is left."""
        try:
            wait_until(self._look, "all deals active", within_s=within_s, every_s=LOOK_EVERY_S)
        except TooLateError:
            return
        self._report.seconds_to_all_active = time.monotonic() - self._began

    def _look(self) -> bool:
        self._site.running.engine.check_alive()
        standing, now = self._site.standing(), time.monotonic()
        active, unheard = standing[DealState.ACTIVE], self._site.deals - set().union(*standing.values())
        if len(active) >= len(self._site.deals) * CALM_FROM:
            self._killer.stop()
        self._redrive(now)
        if now - self._redelivered > AGAIN_AFTER_S:
            self._redelivered = now
            operations.deliver_again(self._site)
            if unheard and not self._site.busy():
                # An event of which the very receiver was killed, beyond its retries: the scheduled poll finds it.
                self._site.poll_soon()
        if now - self._said > SAY_EVERY_S:
            self._said = now
            self._say(
                f"{now - self._began:.0f} s: {len(active)} of {len(self._site.deals)} active, "
                f"{len(standing[DealState.RUNNING])} running, {len(standing[DealState.PARKED])} parked, "
                f"{len(unheard)} not heard of; {self._killer.kills} workers killed, {self._report.redrives} redrives"
            )
        return active == self._site.deals

    def _redrive(self, now: float) -> None:
        stuck = list(self._due(now))
        self._report.causes.update(each.cause for each in stuck)
        self._report.redrives += redrive(each.deal for each in stuck)
        self._redriven |= dict.fromkeys((each.deal for each in stuck), now)

    def _due(self, now: float) -> Iterator[Stuck]:
        for each in parked():
            before = self._redriven.get(each.deal)
            if each.deal in self._site.deals and (before is None or now - before > AGAIN_AFTER_S):
                yield each


def _not_as_sold(evidence: Evidence, sold: dict[DealKey, Decimal]) -> Iterator[str]:
    """The checker holds the ERPs against the CRM; this holds the CRM against what was sold."""
    stands = {sale.deal: sale.amount for sale in sales_of(evidence)}
    for key, amount in sold.items():
        if stands.get(str(key)) != amount:
            yield f"{key}: sold for {amount}, the CRM says {stands.get(str(key))}"


def play(deals: int, seed: int, every_s: float) -> int:
    """A storm over the platform of `make up`, told on the terminal; 1 where something was lost or doubled."""
    running = platform.up()
    platform.point_process_at(running)
    report = rage(running, deals, seed=seed, every_s=every_s, say=_told)
    reports.write("storm", report.content())
    print(
        f"{report.deals} deals, {report.kills} workers killed, {report.redrives} redrives "
        f"({dict(report.causes)}), {report.seconds:.0f} s: {len(report.doubled)} doubled, {len(report.lost)} lost, "
        f"{len(report.unsettled)} unsettled; {write_page()}"
    )
    for name in (*report.doubled, *report.lost, *report.unsettled, *report.broken):
        print(f"  {name}")
    return 0 if report.is_clean else 1


def _told(what: str) -> None:
    print(what, flush=True)
