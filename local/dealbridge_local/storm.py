"""Deals go through while the local engine's worker processes are killed at random: nothing may be lost or doubled."""

import os
import random
import signal
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx

from dealbridge.domain.keys import DealKey
from dealbridge.ledger.deals import DealState
from dealbridge.ledger.ledger import ledger
from dealbridge.runs.redriving import parked, redrive
from dealbridge_local import platform
from dealbridge_local.engine import TooLateError, wait_until
from dealbridge_local.salesforce_user import SalesforceUser, Sold


@dataclass
class Report:
    """What came of a storm. `doubled` and `lost` name records; both are empty where all is well."""

    deals: int
    kills: int = 0
    redrives: int = 0
    seconds: float = 0.0
    unsettled: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    causes: Counter[str] = field(default_factory=Counter)

    @property
    def is_clean(self) -> bool:
        return not (self.unsettled or self.doubled or self.lost)


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
    running: platform.Platform, deals: int, *, seed: int = 1, every_s: float = 2.0, within_s: float = 900
) -> Report:
    """Win so many deals of shared accounts while workers die, let everything settle, and judge from the records."""
    chance = random.Random(seed)
    described = running.endpoints["simulators"]["salesforce"]
    seller = SalesforceUser(described["url"], described["credentials"])
    report, began = Report(deals), time.monotonic()
    killer = Killer(running.engine.pid, every_s, chance)
    killer.start()
    try:
        sold = _sell(seller, deals, chance)
        settled_calmly = _settle(running, sold, report, within_s, killer)
        if not settled_calmly:
            report.unsettled = [str(key) for key in sold if _state(key) != DealState.ACTIVE]
    finally:
        killer.stop()
        seller.close()
    report.kills, report.seconds = killer.kills, time.monotonic() - began
    _judge(running, sold, report)
    return report


def _sell(seller: SalesforceUser, deals: int, chance: random.Random) -> dict[DealKey, Decimal]:
    accounts = [
        seller.create_account(f"Storm {number}", BillingCountry="United States")
        for number in range(max(1, deals // 10))
    ]
    sold = {}
    for number in range(deals):
        amount = Decimal(chance.randrange(100_00, 90_000_00)) / 100
        line = Sold("TRNG", "Day", Decimal(1), amount)
        opportunity = seller.open_deal(f"Storm {number}", chance.choice(accounts), [line], StageName="Closed Won")
        sold[DealKey(crm="salesforce", opportunity=opportunity)] = amount
    return sold


def _settle(
    running: platform.Platform, sold: dict[DealKey, Decimal], report: Report, within_s: float, killer: Killer
) -> bool:
    """Redrive what parks, as an operator would, until every deal is active. The killing goes on for most of it."""
    deadline = time.monotonic() + within_s

    def all_active() -> bool:
        running.engine.check_alive()
        states = Counter(_state(key) for key in sold)
        if states[DealState.ACTIVE] >= len(sold) * 0.8:
            killer.stop()
        stuck = [each for each in parked() if each.deal in sold]
        if stuck and not states[DealState.RUNNING]:
            report.causes.update(each.cause for each in stuck)
            report.redrives += redrive(each.deal for each in stuck)
        unheard = [key for key in sold if _state(key) is None]
        if unheard and not states[DealState.RUNNING]:
            # An event of which the very receiver was killed, beyond its retries: the scheduled poll finds it.
            running.engine.client("lambda").invoke(FunctionName=running.stack["PollCrmFunction"], Payload=b"{}")
        return states[DealState.ACTIVE] == len(sold)

    try:
        wait_until(all_active, "all deals active", within_s=deadline - time.monotonic(), every_s=2.0)
    except TooLateError:
        return False
    return True


def _state(key: DealKey) -> str | None:
    head = ledger().deals.head(key)
    return str(head["state"]) if head else None


def _judge(running: platform.Platform, sold: dict[DealKey, Decimal], report: Report) -> None:
    """From what the vendors hold alone: one of each, with the amount that was sold."""
    kinds = ("job", "salesOrder", "billingSchedule", "projectTask")
    held = {kind: _records(running, "netsuite", kind) for kind in (*kinds, "customer")}
    for kind in kinds:
        counts = Counter(_opportunity(record) for record in held[kind])
        for key in sold:
            if counts[key.opportunity] > 1:
                report.doubled.append(f"{kind} of {key}")
            elif not counts[key.opportunity]:
                report.lost.append(f"{kind} of {key}")
    totals = {_opportunity(record): Decimal(str(record["total"])) for record in held["salesOrder"]}
    report.lost += [f"amount of {key}" for key, amount in sold.items() if totals.get(key.opportunity) != amount]
    names = Counter(record.get("companyName") for record in held["customer"])
    report.doubled += [
        f"customer {name}" for name, count in names.items() if count > 1 and str(name).startswith("Storm")
    ]
    titles = Counter(record["title"] for record in _records(running, "kantata", "workspaces"))
    report.doubled += [
        f"workspace {title}" for title, count in titles.items() if count > 1 and title.startswith("Storm")
    ]


def _records(running: platform.Platform, simulator: str, kind: str) -> list[dict[str, Any]]:
    answer = httpx.get(f"{running.simulator_url(simulator)}/__sim/records/{kind}", timeout=120)
    found: list[dict[str, Any]] = answer.json()
    return found


def _opportunity(record: dict[str, Any]) -> str:
    """The opportunity in `<PREFIX>-<opportunity>-…`."""
    parts = str(record.get("externalId", "")).split("-")
    return parts[1] if len(parts) > 1 else ""


def play(deals: int, seed: int, every_s: float) -> int:
    """A storm over the platform of `make up`, told on the terminal; 1 where something was lost or doubled."""
    running = platform.up()
    platform.point_process_at(running)
    report = rage(running, deals, seed=seed, every_s=every_s)
    print(
        f"{report.deals} deals, {report.kills} workers killed, {report.redrives} redrives "
        f"({dict(report.causes)}), {report.seconds:.0f} s: {len(report.doubled)} doubled, {len(report.lost)} lost, "
        f"{len(report.unsettled)} unsettled"
    )
    for name in (*report.doubled, *report.lost, *report.unsettled):
        print(f"  {name}")
    return 0 if report.is_clean else 1
