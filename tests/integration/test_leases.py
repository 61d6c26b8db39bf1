"""One run per deal at a time, and no hint lost, whatever comes between what.

Tasks run on threads, one AWS call at a time, in orders that hypothesis chooses and plays again.
"""

from collections.abc import Callable
from itertools import count

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from dealbridge.domain.keys import DealKey
from dealbridge.errors import LeaseLostError
from dealbridge.ledger.audit import broken_at
from dealbridge.ledger.deals import DealState, Held, Outcome, RunTicket
from tests.builders import NOON, a_hint
from tests.integration.conftest import World
from tests.integration.surroundings import Interleaving

ORDERS = st.lists(st.integers(min_value=0, max_value=3), max_size=60)
OUTCOMES = st.lists(st.sampled_from([DealState.ACTIVE, DealState.PARKED, DealState.OPEN]), min_size=8, max_size=8)
# An order that fails is short already: making it shorter would take minutes of moto.
PLAYED = settings(
    max_examples=12,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.explicit, Phase.generate],
)
_numbers = count(1)


def a_deal() -> DealKey:
    return DealKey(crm="salesforce", opportunity=f"006-{next(_numbers)}")


def ending(state: DealState) -> Outcome:
    return Outcome(state=state, what="run_ended", cause="RejectedError" if state is DealState.PARKED else None)


def claimed(world: World, deal: DealKey, event_id: str = "e1") -> RunTicket:
    ticket = world.ledger.deals.claim(a_hint(event_id, deal=deal), world.clock())
    assert isinstance(ticket, RunTicket)
    return ticket


class History:
    """What each task saw; judged against what the ledger says in the end."""

    def __init__(self, world: World, deal: DealKey, outcomes: list[DealState]) -> None:
        self._world = world
        self._deal = deal
        self._outcomes = list(outcomes)
        self.holders: list[str] = []
        self.overlaps: list[str] = []

    def hint(self, event_id: str) -> Callable[[], None]:
        """A hint comes; where it begins a run, the run and those that follow are ended."""

        def come() -> None:
            claim = self._world.ledger.deals.claim(a_hint(event_id, deal=self._deal), self._world.clock())
            if isinstance(claim, RunTicket):
                self._work(claim)

        return come

    def _work(self, ticket: RunTicket) -> None:
        following: RunTicket | None = ticket
        while following is not None:
            self.holders.append(following.name)
            if not self._world.ledger.deals.holds(self._deal, following.name):
                self.overlaps.append(following.name)
            ended = self._world.ledger.deals.finish(
                self._deal, following.name, ending(self._outcomes.pop()), self._world.clock()
            )
            following = ended.following

    def judge(self, *event_ids: str) -> None:
        head = self._world.head(self._deal)
        runs = list(self._world.ledger.runs.of(self._deal))
        entries = list(self._world.ledger.runs.audit_of(self._deal))
        assert "lease_run" not in head
        assert "pending" not in head
        assert self.overlaps == []
        assert self.holders == [run["run"] for run in runs]
        assert len(set(self.holders)) == len(self.holders)
        assert sorted(hint["event_id"] for run in runs for hint in run["hints"]) == sorted(event_ids)
        assert all("ended_at" in run for run in runs)
        assert broken_at(entries, head) is None
        # A run that follows begins within the end of the one before: one entry for both.
        assert [entry["what"] for entry in entries].count("run_ended") == len(runs)


@PLAYED
@given(ORDERS, OUTCOMES)
def test_no_hint_is_lost_and_one_run_holds_the_deal(world: World, order: list[int], outcomes: list[DealState]) -> None:
    deal = a_deal()
    history = History(world, deal, outcomes)
    Interleaving(order).run(*(history.hint(event_id) for event_id in ("e1", "e2", "e3", "e4")))
    history.judge("e1", "e2", "e3", "e4")


@PLAYED
@given(ORDERS)
def test_two_deliveries_of_the_hint_that_began_a_run_are_one(world: World, order: list[int]) -> None:
    deal = a_deal()
    found: list[RunTicket | Held | None] = []

    def come() -> None:
        found.append(world.ledger.deals.claim(a_hint("e1", deal=deal), world.clock()))

    Interleaving(order).run(come, come)
    (began,) = [each for each in found if isinstance(each, RunTicket)]
    (held,) = [each for each in found if isinstance(each, Held)]
    assert held.began
    assert held.ticket == began
    assert "pending" not in world.head(deal)


@PLAYED
@given(ORDERS)
def test_a_dead_run_is_taken_over_once_with_every_hint(world: World, order: list[int]) -> None:
    deal = a_deal()
    dead = claimed(world, deal, "e1")
    tickets: list[RunTicket] = []

    def come(event_id: str) -> Callable[[], None]:
        def take() -> None:
            held = world.ledger.deals.claim(a_hint(event_id, deal=deal), world.clock())
            if isinstance(held, Held) and held.ticket.name == dead.name:
                ticket = world.ledger.deals.take_over(held, world.clock())
                if ticket:
                    tickets.append(ticket)

        return take

    Interleaving(order).run(come("e2"), come("e3"), come("e4"))
    head = world.head(deal)
    noted = [hint["event_id"] for hint in (*head["lease_hints"], *head.get("pending", []))]
    assert sorted(noted) == ["e2", "e3", "e4"]
    assert head["lease_run"] == tickets[-1].name
    assert len(tickets) == len({ticket.name for ticket in tickets}) == 1
    with pytest.raises(LeaseLostError):
        world.ledger.deals.finish(deal, dead.name, ending(DealState.ACTIVE), world.clock())


@PLAYED
@given(ORDERS)
def test_a_run_that_is_ended_twice_at_once_is_ended_once(world: World, order: list[int]) -> None:
    """Step Functions invokes a step again whose answer it did not get."""
    deal = a_deal()
    ticket = claimed(world, deal)
    world.ledger.deals.claim(a_hint("e2", deal=deal), world.clock())
    endings = []

    def end() -> None:
        endings.append(world.ledger.deals.finish(deal, ticket.name, ending(DealState.ACTIVE), world.clock()))

    Interleaving(order).run(end, end)
    assert endings[0] == endings[1]
    assert endings[0].following is not None
    assert [run["run"] for run in world.ledger.runs.of(deal)] == [ticket.name, endings[0].following.name]


# One after the other


def test_a_claim_begins_a_run_and_notes_who_asked(world: World) -> None:
    deal = a_deal()
    ticket = claimed(world, deal)
    head = world.head(deal)
    assert (head["lease_run"], head["state"], head["run_number"]) == (ticket.name, "running", 1)
    assert [hint["event_id"] for hint in head["lease_hints"]] == ["e1"]
    assert world.ledger.deals.holds(deal, ticket.name)
    (run,) = world.ledger.runs.of(deal)
    assert run["hints"][0]["received_at"] == NOON.isoformat()


def test_a_hint_for_a_held_deal_waits_with_its_holder(world: World) -> None:
    deal = a_deal()
    ticket = claimed(world, deal)
    held = world.ledger.deals.claim(a_hint("e2", deal=deal), world.clock())
    assert isinstance(held, Held)
    assert (held.ticket.name, held.began) == (ticket.name, False)
    assert [hint["event_id"] for hint in world.head(deal)["pending"]] == ["e2"]


def test_an_end_without_hints_gives_the_deal_back(world: World) -> None:
    deal = a_deal()
    ticket = claimed(world, deal)
    ended = world.ledger.deals.finish(deal, ticket.name, ending(DealState.ACTIVE), world.clock())
    assert (ended.state, ended.following) == (DealState.ACTIVE, None)
    assert "lease_run" not in world.head(deal)
    again = world.ledger.deals.finish(deal, ticket.name, ending(DealState.PARKED), world.clock())
    assert again == ended
    assert world.head(deal)["state"] == "active"
    assert claimed(world, deal, "e2").number == 2


def test_an_end_that_asks_for_it_goes_again_without_a_hint(world: World) -> None:
    deal = a_deal()
    ticket = claimed(world, deal)
    outcome = Outcome(state=DealState.PARKED, what="run_restarted", cause="ConflictError", again=True)
    ended = world.ledger.deals.finish(deal, ticket.name, outcome, world.clock())
    assert ended.following is not None
    assert (ended.following.number, ended.following.hints) == (2, ())
    assert world.head(deal)["state"] == "running"


def test_a_run_that_lost_its_deal_cannot_end_it(world: World) -> None:
    deal = a_deal()
    first = claimed(world, deal)
    held = world.ledger.deals.claim(a_hint("e2", deal=deal), world.clock())
    assert isinstance(held, Held)
    second = world.ledger.deals.take_over(held, world.clock())
    assert second is not None
    assert [hint["event_id"] for hint in second.hints] == ["e2"]
    assert world.ledger.deals.take_over(held, world.clock()) is None
    with pytest.raises(LeaseLostError):
        world.ledger.deals.finish(deal, first.name, ending(DealState.ACTIVE), world.clock())
    assert world.head(deal)["lease_run"] == second.name


def test_a_parked_run_opens_an_exception_and_the_next_end_closes_it(world: World) -> None:
    deal = a_deal()
    ticket = claimed(world, deal)
    world.ledger.deals.finish(deal, ticket.name, ending(DealState.PARKED), world.clock())
    (opened,) = world.ledger.runs.exceptions_of(deal)
    assert (opened["state"], opened["cause"], opened["run"]) == ("open", "RejectedError", ticket.name)
    second = claimed(world, deal, "e2")
    world.ledger.deals.finish(deal, second.name, ending(DealState.PARKED), world.clock())
    third = claimed(world, deal, "e3")
    world.ledger.deals.finish(deal, third.name, ending(DealState.ACTIVE), world.clock())
    states = [(each["run"], each["state"], each.get("closed_by")) for each in world.ledger.runs.exceptions_of(deal)]
    assert states == [(ticket.name, "closed", second.name), (second.name, "closed", third.name)]


def test_deals_are_listed_by_state_the_last_changed_first(world: World) -> None:
    deals = [a_deal() for _ in range(4)]
    tickets = [claimed(world, deal) for deal in deals]
    for index in (2, 0):
        world.ledger.deals.finish(deals[index], tickets[index].name, ending(DealState.PARKED), world.clock())
    world.ledger.deals.finish(deals[1], tickets[1].name, ending(DealState.ACTIVE), world.clock())

    def listed(state: DealState, limit: int | None = None) -> list[str]:
        return [str(head["deal"]) for head in world.ledger.deals.listed(state, limit)]

    assert listed(DealState.PARKED) == [str(deals[0]), str(deals[2])]
    assert listed(DealState.PARKED, 1) == [str(deals[0])]
    assert listed(DealState.ACTIVE) == [str(deals[1])]
    assert listed(DealState.RUNNING) == [str(deals[3])]
    assert listed(DealState.OPEN) == []


def test_an_altered_audit_entry_shows(world: World) -> None:
    deal = a_deal()
    for number in range(6):
        ticket = claimed(world, deal, f"e{number}")
        world.ledger.deals.finish(deal, ticket.name, ending(DealState.ACTIVE), world.clock())
    entries = list(world.ledger.runs.audit_of(deal))
    assert len(entries) == 12
    assert broken_at(entries, world.head(deal)) is None
    altered = entries[6] | {"detail": {"run": "somebody else's"}}
    world.table.put(altered)
    assert broken_at(world.ledger.runs.audit_of(deal), world.head(deal)) == 7
