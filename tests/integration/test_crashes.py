"""The process dies right after each thing that it does, in AWS or at a vendor: whatever remains, nothing is doubled.

A run has some forty such moments. At every other one the step is invoked again, as Step Functions does when a function
dies; at those between, the whole execution is gone, as when somebody aborts it, and another run goes on.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import count

import pytest

from dealbridge.domain.deal import Deal
from dealbridge.domain.keys import Kind
from dealbridge.ports import Write
from dealbridge.rules.engagement import engagements
from dealbridge.runs.closing import park_dead_run
from dealbridge.runs.proving import prove
from dealbridge.runs.starting import start_run
from dealbridge.runs.tracing import trace
from tests.builders import a_hint, a_won_deal, an_account, reference
from tests.fakes import Crash, FakeVendor
from tests.integration.conftest import World
from tests.integration.execution import DiedError, dead
from tests.integration.surroundings import Writes


@cache
def a_deal(opportunity: str) -> Deal:
    """One customer, one line: every kind of write once and no more, since each is tried by itself."""
    return a_won_deal(opportunity=opportunity, account=an_account(f"001{opportunity}"), contacts=())


class Deaths(Writes):
    """Counts AWS writes and vendors' writes together, and dies right after the n-th."""

    def __init__(self, world: World, die_after: int | None) -> None:
        super().__init__(die_after)
        self._vendors = [world.erp, world.psa]
        self._crm = world.crm

    @contextmanager
    def watch(self) -> Iterator[None]:
        with super().watch():
            for trouble in (self._crm.trouble, *(vendor.trouble for vendor in self._vendors)):
                trouble.watch(lambda when, action, kind: self.did(f"{action} {kind}") if when == "after" else None)
            try:
                yield
            finally:
                for trouble in (self._crm.trouble, *(vendor.trouble for vendor in self._vendors)):
                    trouble.watch(None)


def twice(vendor: FakeVendor) -> list[tuple[Kind, str]]:
    return [place for place, times in Counter((each.kind, each.key) for each in vendor.records).items() if times > 1]


def stands_once(world: World, deal: Deal) -> None:
    """The outcome that every history must have."""
    head = world.head(deal.key)
    assert (head["state"], "lease_run" in head, "pending" in head) == ("active", False, False)
    assert twice(world.erp) + twice(world.psa) == []
    proofs = list(prove(deal.key))
    assert [proof.identity for proof in proofs if proof.verdict != "stands"] == []
    assert len(proofs) == 8
    assert trace(deal.key).audit_broken_at is None
    assert world.facts().count("EngagementActivated") >= 1
    assert set(world.facts()) <= {"EngagementActivated", "DealParked"}


def test_a_run_has_many_moments(world: World) -> None:
    """Every AWS write and every vendor's write counts, in the order in which they are made."""
    deaths = Deaths(world, None)
    deal = a_deal("006X")
    world.crm.save(deal)
    with deaths.watch():
        start_run(a_hint(deal=deal.key), world.clock())
        world.executions.play()
    assert len(deaths.done) > 35
    assert [each for each in deaths.done if "." not in each] == [
        *("create customer", "create project", "create task", "create contract", "create schedule"),
        *("create staffing_project", "create staffing_request", "update engagement_status"),
    ]
    assert {"dynamodb.TransactWriteItems", "eventbridge.PutEvents", "sfn.StartExecution"} <= set(deaths.done)
    stands_once(world, deal)


def test_a_step_that_dies_is_invoked_again(world: World) -> None:
    """Each moment has a history of its own, in a world that was emptied: making worlds is what costs."""
    for moment in count(1, 2):
        deal = a_deal(f"006S{moment}")
        world.empty()
        world.crm.save(deal)
        deaths = Deaths(world, moment)
        with deaths.watch():
            _start(world, deal)
            world.executions.play()
        stands_once(world, deal)
        if not deaths.died:
            break
    assert moment > 35


def test_an_execution_that_dies_is_taken_over(world: World) -> None:
    for moment in count(2, 2):
        deal = a_deal(f"006E{moment}")
        world.empty()
        world.crm.save(deal)
        deaths = Deaths(world, moment)
        with deaths.watch():
            _start(world, deal)
            try:
                world.executions.play(crashes=False)
            except DiedError:
                _notice(world, deal, by_event=moment % 4 == 0)
                world.clock.pass_by(minutes=3)
                world.executions.play()
        if world.head(deal.key)["state"] == "parked":
            start_run(a_hint("redrive", deal=deal.key), world.clock())
            world.executions.play()
        stands_once(world, deal)
        if not deaths.died:
            break
    assert moment > 35


def _start(world: World, deal: Deal) -> None:
    """The queue delivers the hint again until the function has come to its end."""
    while True:
        try:
            start_run(a_hint("e1", deal=deal.key), world.clock())
        except Crash:
            continue
        return


def _notice(world: World, deal: Deal, *, by_event: bool) -> None:
    """Either Step Functions tells that the execution is gone, or the next hint finds out."""
    head = world.head(deal.key)
    if by_event:
        park_dead_run(dead(deal.key, head.get("lease_run", "gone"), int(head["run_number"])))
    else:
        world.clock.pass_by(seconds=20)
        start_run(a_hint("e2", deal=deal.key), world.clock())


@pytest.mark.parametrize("kind", [Kind.CUSTOMER, Kind.CONTRACT, Kind.STAFFING_REQUEST])
def test_a_step_that_dies_before_the_vendors_answer_reads_back(world: World, kind: Kind) -> None:
    vendor = world.psa if kind is Kind.STAFFING_REQUEST else world.erp
    vendor.trouble.plan("after", "create", kind, Crash())
    deal = a_deal("006R")
    world.crm.save(deal)
    start_run(a_hint(deal=deal.key), world.clock())
    world.executions.play()
    assert f"find {kind}" in vendor.calls
    stands_once(world, deal)


def test_a_fake_that_doubles_is_seen() -> None:
    """What the tests above judge by must see a doubled record."""
    vendor = FakeVendor("netsuite")
    assert twice(vendor) == []
    project = engagements(a_deal("006D"), reference())[0].project
    for _ in range(2):
        vendor.create(Write(Kind.PROJECT, project.key, project))
    assert twice(vendor) == [(Kind.PROJECT, project.key)]
