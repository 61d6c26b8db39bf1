"""The gate of a connection: what all instances together never exceed, who may go first, and the circuit breaker."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import httpx
import pytest

from dealbridge import clock
from dealbridge.domain.connection import Connection, Limits
from dealbridge.domain.keys import DealKey
from dealbridge.domain.model import Model
from dealbridge.errors import AccessError, DealbridgeError, RejectedError, ThrottledError, TransientError
from dealbridge.ledger.etiquette import Etiquette, Lease, Standing
from dealbridge.ledger.ledger import ledger
from dealbridge.ledger.table import Table
from dealbridge.runs.limits import standings
from dealbridge.steps import RunStep, Telling, bulk_work, step, telling
from dealbridge.transport.client import OPEN_GATE, VendorClient, Wire
from dealbridge.transport.gate import CIRCUIT_OPEN, NO_SLOT, PAUSED, SPENT, SharedGate
from dealbridge.transport.outcomes import OutcomeTable, Row, Signal
from dealbridge.transport.tokens import BearerAuth
from dealbridge.wiring import Wiring, use
from tests.builders import reference
from tests.fakes import Crash, FakeCrm, FakeWiring
from tests.integration.conftest import TABLE
from tests.integration.surroundings import Clock, Interleaving, listening

CONNECTION = "erp"
FIVE = Limits(concurrent_requests=5)
OUTCOMES = OutcomeTable(
    rows=(Row(400, "LOCKED", TransientError),),
    read=lambda response: Signal(codes=(response.text,) if response.text else (), message=response.text),
)


@dataclass
class Vendor:
    """Answers as it is told, and counts who calls at the same time."""

    answers: list[httpx.Response | Exception] = field(default_factory=list)
    """The next ones; then 200."""
    busy: Callable[[], object] = lambda: None
    """What happens while a call is under way."""
    calls: int = 0
    in_flight: int = 0
    most: int = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.calls += 1
        self.in_flight += 1
        self.most = max(self.most, self.in_flight)
        try:
            self.busy()
            answer = self.answers.pop(0) if self.answers else httpx.Response(200, json={"access_token": "t"})
        finally:
            self.in_flight -= 1
        if isinstance(answer, Exception):
            raise answer
        return answer


@dataclass
class Instance:
    """One function's environment: its own gate and client, one invocation after another."""

    vendor: Vendor
    limits: Limits = FIVE
    etiquette: Callable[[], Etiquette] = lambda: ledger().etiquette
    auth: httpx.Auth | None = None
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._told = Telling()
        gate = SharedGate(CONNECTION, self.limits, self.etiquette, lambda: self._told, self.notes.append)
        self._client = client_through(gate, self.vendor, self.auth)

    def begin(self, *, bulk: bool = False) -> "Invocation":
        self._told = Telling(bulk=bulk)
        return Invocation(self._client, self._told)

    def run(self, calls: int = 1, *, bulk: bool = False) -> None:
        """One invocation, from its beginning to its end."""
        invocation = self.begin(bulk=bulk)
        try:
            for _ in range(calls):
                invocation.call()
        finally:
            invocation.end()


@dataclass
class Invocation:
    """One invocation, call by call; without its end it was killed."""

    client: VendorClient
    told: Telling

    def call(self) -> httpx.Response:
        return self.client.call("GET", "/things")

    def end(self) -> None:
        self.told.end()


def client_through(gate: SharedGate, vendor: Vendor, auth: httpx.Auth | None = None) -> VendorClient:
    wire = Wire(transport=httpx.MockTransport(vendor), gate=gate)
    return VendorClient(CONNECTION, "https://erp.example", auth, OUTCOMES, wire)


@pytest.fixture
def passing(clients: None) -> Clock:
    passing = Clock()
    clock.use(passing)
    return passing


@pytest.fixture
def vendor(passing: Clock) -> Vendor:
    return Vendor()


def refused(act: Callable[[], object]) -> ThrottledError:
    with pytest.raises(ThrottledError) as caught:
        act()
    return caught.value


def failing(status: int = 503, times: int = 1, **given: Any) -> list[httpx.Response | Exception]:
    return [httpx.Response(status, **given) for _ in range(times)]


def stands() -> Standing:
    return ledger().etiquette.of(CONNECTION)


@contextmanager
def all_calls() -> Iterator[list[str]]:
    """Every call of AWS, by its name."""
    made: list[str] = []
    with listening("before-call", lambda model, **_: made.append(model.name)):
        yield made


def in_any_order(seed: int) -> list[int]:
    """Whose turn it is, again and again."""
    chance = random.Random(seed)
    return [chance.randrange(1000) for _ in range(20_000)]


# Slots


@pytest.mark.parametrize("seed", range(2))
def test_thirty_workers_never_have_more_than_five_calls_under_way(vendor: Vendor, passing: Clock, seed: int) -> None:
    done: list[int] = []
    codes: set[str | None] = set()
    vendor.busy = stands  # a call of AWS, so that others come in between

    def worker(number: int) -> Callable[[], None]:
        def work() -> None:
            instance = Instance(vendor)
            for _ in range(1000):
                try:
                    instance.run(calls=2)
                except ThrottledError as error:
                    codes.add(error.code)
                else:
                    done.append(number)
                    return

        return work

    Interleaving(in_any_order(seed)).run(*(worker(number) for number in range(30)))
    assert len(done) == 30
    assert vendor.most == 5
    assert codes == {NO_SLOT}
    assert stands().slots == {}


def test_an_invocation_takes_one_slot_and_gives_it_back(vendor: Vendor) -> None:
    instance = Instance(vendor)
    with all_calls() as made:
        instance.run(calls=4)
    assert made == ["UpdateItem", "UpdateItem"]
    assert vendor.calls == 4
    assert stands().slots == {}


def test_who_finds_no_slot_is_told_a_turn_of_its_own(vendor: Vendor) -> None:
    for _ in range(5):
        Instance(vendor).begin().call()
    errors = [refused(Instance(vendor).run) for _ in range(8)]
    waits = [error.retry_after or 0 for error in errors]
    assert vendor.calls == 5
    assert waits == sorted(waits)
    assert all(0.15 < after - before < 0.25 for before, after in pairwise(waits))
    assert waits[-1] < 2


def test_turns_follow_how_long_slots_are_held(vendor: Vendor, passing: Clock) -> None:
    for _ in range(8):
        invocation = Instance(vendor).begin()
        invocation.call()
        passing.pass_by(seconds=10)
        invocation.end()
    for _ in range(5):
        Instance(vendor).begin().call()
    waits = [refused(Instance(vendor).run).retry_after or 0 for _ in range(2)]
    assert 1 < waits[1] - waits[0] < 2.1


def test_the_slot_of_a_killed_process_comes_back(vendor: Vendor, passing: Clock) -> None:
    for _ in range(5):
        Instance(vendor).begin().call()
    refused(Instance(vendor).run)
    passing.pass_by(seconds=62)
    Instance(vendor).run()
    assert vendor.calls == 6


def test_a_slot_that_somebody_else_has_by_now_is_left_to_them(vendor: Vendor, passing: Clock) -> None:
    one = Limits(concurrent_requests=1)
    late = Instance(vendor, one).begin()
    late.call()
    passing.pass_by(seconds=62)
    other = Instance(vendor, one).begin()
    other.call()
    late.end()
    refused(Instance(vendor, one).run)
    other.end()
    Instance(vendor, one).run()


def test_a_call_that_was_not_answered_keeps_its_slot(vendor: Vendor, passing: Clock) -> None:
    """The vendor may be at work on it still: a new call would be one more at the same time."""
    one = Limits(concurrent_requests=1)
    vendor.answers = [httpx.ReadTimeout("slow")]
    with pytest.raises(TransientError):
        Instance(vendor, one).run()
    refused(Instance(vendor, one).run)
    passing.pass_by(seconds=62)
    Instance(vendor, one).run()


@pytest.mark.parametrize("answer", [httpx.ConnectError("refused"), httpx.Response(500), httpx.Response(400)])
def test_a_call_that_is_over_gives_its_slot_back(vendor: Vendor, answer: httpx.Response | Exception) -> None:
    vendor.answers = [answer]
    with pytest.raises(DealbridgeError):
        Instance(vendor).run()
    assert stands().slots == {}


def test_bulk_work_leaves_the_last_slot_alone(vendor: Vendor) -> None:
    for _ in range(4):
        Instance(vendor).begin(bulk=True).call()
    assert refused(lambda: Instance(vendor).run(bulk=True)).code == NO_SLOT
    Instance(vendor).run()


def test_nobody_waits_behind_work_that_can_wait(vendor: Vendor) -> None:
    for _ in range(5):
        Instance(vendor).begin().call()
    bulk = [refused(lambda: Instance(vendor).run(bulk=True)).retry_after or 0 for _ in range(40)]
    assert all(0.2 < after - before < 0.3 for before, after in pairwise(bulk))  # one of four slots comes free
    assert (refused(Instance(vendor).run).retry_after or 0) < 0.5


def test_an_invocation_that_goes_on_beyond_its_lease_takes_a_new_one(vendor: Vendor, passing: Clock) -> None:
    one = Limits(concurrent_requests=1)
    invocation = Instance(vendor, one).begin()
    invocation.call()
    passing.pass_by(seconds=62)
    other = Instance(vendor, one).begin()
    other.call()
    assert refused(invocation.call).code == NO_SLOT
    other.end()
    invocation.call()
    assert refused(Instance(vendor, one).run).code == NO_SLOT


class Repeated(Etiquette):
    """The network loses the answer to a write, and botocore sends it again."""

    def take(self, connection: str, now: int, lease: Lease | None = None, probe_until: int | None = None) -> Standing:
        super().take(connection, now, lease, probe_until)
        return super().take(connection, now, lease, probe_until)


def test_a_slot_that_was_taken_twice_over_is_one(vendor: Vendor) -> None:
    twice = Repeated(Table(TABLE))
    Instance(vendor, etiquette=lambda: twice).run()
    assert (vendor.calls, stands().slots) == (1, {})


def test_a_ledger_that_fails_lets_nothing_out_and_leaves_no_outcome_open(vendor: Vendor) -> None:
    class Down(Etiquette):
        def take(self, *given: Any, **more: Any) -> Standing:
            raise TransientError("ledger: ThrottlingException", outcome_unknown=True)

    down = Down(Table(TABLE))
    with pytest.raises(TransientError) as caught:
        Instance(vendor, etiquette=lambda: down).run()
    assert (caught.value.outcome_unknown, vendor.calls) == (False, 0)


# The window


def test_instances_together_send_as_many_requests_as_the_window_allows(vendor: Vendor, passing: Clock) -> None:
    limits = Limits(requests_per_window=40, window_seconds=600, reserve=0)
    refusals: list[ThrottledError] = []

    def work() -> None:
        instance = Instance(vendor, limits)
        for _ in range(20):
            try:
                instance.run(calls=3)
            except ThrottledError as error:
                refusals.append(error)
                return

    Interleaving(in_any_order(1)).run(*[work] * 12)
    assert vendor.calls == 40
    assert {error.code for error in refusals} == {SPENT}
    assert all(540 < (error.retry_after or 0) <= 661 for error in refusals)
    passing.pass_by(seconds=661)
    Instance(vendor, limits).run()


def test_whoever_finds_the_allowance_spent_comes_again_one_after_the_other(vendor: Vendor) -> None:
    limits = Limits(requests_per_window=100, window_seconds=10, reserve=0)
    Instance(vendor, limits).run(calls=100)
    waits = sorted(refused(Instance(vendor, limits).run).retry_after or 0 for _ in range(40))
    assert 10 < waits[0] < 12
    assert 30 * 0.5 < waits[-1] - waits[0] < 40 * 0.5 + 1


def test_nobody_waits_for_the_allowance_behind_work_that_can_wait(vendor: Vendor) -> None:
    limits = Limits(requests_per_window=100, window_seconds=10)
    Instance(vendor, limits).run(calls=100)
    bulk = [refused(lambda: Instance(vendor, limits).run(bulk=True)).retry_after or 0 for _ in range(40)]
    assert max(bulk) > 30
    assert (refused(Instance(vendor, limits).run).retry_after or 0) < 12


def test_a_spent_day_is_not_waited_for_in_the_machine(vendor: Vendor) -> None:
    """More than 900 seconds parks the run."""
    limits = Limits(requests_per_window=2, window_seconds=86_400, reserve=0)
    Instance(vendor, limits).run(calls=2)
    assert (refused(Instance(vendor, limits).run).retry_after or 0) > 78_000


def test_requests_are_counted_in_small_blocks(vendor: Vendor) -> None:
    instance = Instance(vendor, Limits(requests_per_window=100_000, window_seconds=86_400))
    with all_calls() as made:
        for _ in range(8):
            instance.run(calls=2)
    assert made.count("UpdateItem") == 2  # 16 requests, eight at a time
    assert made.count("GetItem") == 8  # each invocation looks whether it may


def test_a_block_is_good_in_its_slice_only(vendor: Vendor, passing: Clock) -> None:
    limits = Limits(requests_per_window=1000, window_seconds=10)
    instance = Instance(vendor, limits)
    instance.run()
    passing.pass_by(seconds=2)
    instance.run()
    window = stands().window
    assert window is not None
    assert (window.spent, window.current) == (16, 8)


def test_bulk_work_leaves_the_last_requests_alone(vendor: Vendor) -> None:
    limits = Limits(requests_per_window=10, window_seconds=60)
    assert refused(lambda: Instance(vendor, limits).run(calls=20, bulk=True)).code == SPENT
    assert vendor.calls == 8
    assert refused(lambda: Instance(vendor, limits).run(calls=20)).code == SPENT
    assert vendor.calls == 10


def test_our_own_refusal_is_no_wish_of_the_vendors(vendor: Vendor) -> None:
    limits = Limits(requests_per_window=1, window_seconds=60)
    instance = Instance(vendor, limits)
    refused(lambda: instance.run(calls=2))
    assert (stands().paused_until, stands().failures, instance.notes) == (0, 0, [])


class SignIn(BearerAuth):
    def token_request(self) -> httpx.Request:
        return httpx.Request("POST", "https://erp.example/token")


def test_signing_in_is_counted_and_has_the_same_slot(vendor: Vendor) -> None:
    limits = Limits(requests_per_window=40, window_seconds=60, concurrent_requests=1)
    Instance(vendor, limits, auth=SignIn(CONNECTION)).run()
    window = stands().window
    assert window is not None
    assert (vendor.calls, window.spent, vendor.most) == (2, 2, 1)


def test_a_window_of_another_length_begins_anew(vendor: Vendor) -> None:
    Instance(vendor, Limits(requests_per_window=2, window_seconds=60, reserve=0)).run(calls=2)
    Instance(vendor, Limits(requests_per_window=2, window_seconds=30, reserve=0)).run(calls=2)
    assert vendor.calls == 4


# A pause the vendor asks for


def test_a_wait_that_the_vendor_asks_for_holds_for_everybody(vendor: Vendor, passing: Clock) -> None:
    vendor.answers = failing(429, headers={"Retry-After": "120"})
    first = Instance(vendor)
    assert refused(first.run).retry_after == 120
    assert first.notes == ["ConnectionsPaused"]
    other = refused(Instance(vendor).run)
    assert other.code == PAUSED
    assert 119 < (other.retry_after or 0) < 121.1
    assert vendor.calls == 1
    passing.pass_by(seconds=121)
    Instance(vendor).run()


def test_a_shorter_wait_ends_no_longer_one(vendor: Vendor, passing: Clock) -> None:
    vendor.answers = failing(429, headers={"Retry-After": "120"}) + failing(429, headers={"Retry-After": "5"})
    late, first = Instance(vendor).begin(), Instance(vendor)
    vendor.busy = lambda: refused(first.run) if vendor.in_flight == 1 else None
    assert refused(late.call).retry_after == 5
    passing.pass_by(seconds=30)
    assert refused(Instance(vendor).run).code == PAUSED


@pytest.mark.parametrize("limits", [FIVE, Limits(requests_per_window=1000, window_seconds=10)])
def test_an_invocation_under_way_hears_of_it_within_a_second(vendor: Vendor, passing: Clock, limits: Limits) -> None:
    under_way = Instance(vendor, limits).begin()
    under_way.call()
    vendor.answers = failing(429, headers={"Retry-After": "60"})
    refused(Instance(vendor, limits).run)
    passing.pass_by(seconds=1)
    assert refused(under_way.call).code == PAUSED
    assert vendor.calls == 2


# The circuit


def trip(vendor: Vendor, times: int = 5) -> None:
    for _ in range(times):
        vendor.answers = failing()
        with pytest.raises(TransientError):
            Instance(vendor).run()


def test_failures_of_different_instances_open_the_circuit(vendor: Vendor) -> None:
    trip(vendor, 4)
    Instance(vendor).begin().call()
    assert stands().open_until is None
    trip(vendor, 1)
    sent = vendor.calls
    error = refused(Instance(vendor).run)
    assert (error.code, vendor.calls) == (CIRCUIT_OPEN, sent)
    assert 29 < (error.retry_after or 0) < 32
    assert "HTTP 503" in error.message


@pytest.mark.parametrize("limits", [FIVE, Limits(), Limits(requests_per_window=1000, window_seconds=60)])
def test_no_call_goes_through_an_open_circuit_whatever_is_limited(
    vendor: Vendor, passing: Clock, limits: Limits
) -> None:
    under_way = Instance(vendor, limits).begin()
    under_way.call()
    trip(vendor)
    sent = vendor.calls
    passing.pass_by(seconds=1)
    assert refused(under_way.call).code == CIRCUIT_OPEN
    assert refused(Instance(vendor, limits).run).code == CIRCUIT_OPEN
    assert vendor.calls == sent


def test_a_call_that_comes_through_ends_a_row_of_failures(vendor: Vendor) -> None:
    trip(vendor, 4)
    Instance(vendor).run()
    trip(vendor, 4)
    Instance(vendor).run()
    assert stands().open_until is None


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (httpx.Response(400), RejectedError),
        (httpx.Response(401), AccessError),
        (httpx.Response(429), ThrottledError),
        (httpx.Response(400, text="LOCKED"), TransientError),
    ],
)
def test_a_vendor_that_answers_is_well(vendor: Vendor, answer: httpx.Response, error: type[DealbridgeError]) -> None:
    trip(vendor, 4)
    vendor.answers = [answer]
    with pytest.raises(error):
        Instance(vendor).run()
    assert stands().failures == 0
    trip(vendor, 4)
    assert stands().open_until is None


def test_one_call_tries_whether_the_vendor_is_well_again(vendor: Vendor, passing: Clock) -> None:
    trip(vendor)
    passing.pass_by(seconds=31)
    sent = vendor.calls
    seen: list[str | None] = []

    def others() -> None:
        vendor.busy = lambda: None
        seen.extend(refused(Instance(vendor, limits).run).code for limits in (FIVE, Limits()))

    vendor.busy = others
    probe = Instance(vendor)
    probe.run(calls=2)
    assert seen == [CIRCUIT_OPEN, CIRCUIT_OPEN]
    assert vendor.calls == sent + 2
    assert probe.notes == ["CircuitsClosed"]
    assert (stands().open_until, stands().failures) == (None, 0)
    Instance(vendor).run()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("limits", [FIVE, Limits()])
def test_only_one_tries_however_many_come_at_once(vendor: Vendor, passing: Clock, limits: Limits, seed: int) -> None:
    trip(vendor)
    passing.pass_by(seconds=31)
    sent, vendor.answers, vendor.busy = vendor.calls, failing(times=8), stands
    codes: list[str | None] = []

    def work() -> None:
        try:
            Instance(vendor, limits).run()
        except DealbridgeError as error:
            codes.append(error.code)

    Interleaving(in_any_order(seed)).run(*[work] * 8)
    assert vendor.calls == sent + 1
    assert sorted(codes, key=str) == [None, *[CIRCUIT_OPEN] * 7]


def test_a_probe_that_fails_opens_the_circuit_for_longer(vendor: Vendor, passing: Clock) -> None:
    trip(vendor)
    waits = []
    for _ in range(6):
        wait = refused(Instance(vendor).run).retry_after or 0
        waits.append(round(wait, -1))
        passing.pass_by(seconds=wait + 1)
        trip(vendor, 1)
    assert waits == [30, 60, 120, 240, 300, 300]


def test_a_probe_that_dies_leaves_the_next_one_its_turn(vendor: Vendor, passing: Clock) -> None:
    trip(vendor)
    passing.pass_by(seconds=31)
    vendor.busy = _die
    with pytest.raises(Crash):
        Instance(vendor).begin().call()
    vendor.busy = lambda: None
    assert refused(Instance(vendor).run).code == CIRCUIT_OPEN
    passing.pass_by(seconds=62)
    Instance(vendor).run()
    assert stands().open_until is None


def _die() -> None:
    raise Crash


def test_a_circuit_opens_once_however_many_fail_at_once(vendor: Vendor) -> None:
    under_way = [Instance(vendor) for _ in range(5)]
    invocations = [instance.begin() for instance in under_way]
    for invocation in invocations:
        invocation.call()
    vendor.answers = failing(times=10)
    for invocation in invocations * 2:
        with pytest.raises(DealbridgeError):
            invocation.call()
    assert sum(instance.notes.count("CircuitsOpened") for instance in under_way) == 1
    assert stands().openings == 1


# Steps, and what operators see


class Look(RunStep):
    calls: int = 1


class Looked(Model):
    pass


@pytest.mark.parametrize("bulk", [False, True])
def test_a_step_can_wait_where_its_run_can(clients: None, bulk: bool) -> None:
    said: list[bool] = []

    @step
    def look(command: Look) -> Looked:
        said.append(telling().bulk)
        return Looked()

    command = Look(deal=DealKey(crm="salesforce", opportunity="006A"), run="r", number=1, correlation_id="c", bulk=bulk)
    look(command.model_dump(mode="json"), None)
    assert said == [bulk]


@pytest.mark.parametrize("error", [None, RejectedError("no"), Crash()])
def test_a_step_gives_back_what_it_holds_unless_it_dies(vendor: Vendor, error: BaseException | None) -> None:
    client = client_through(SharedGate(CONNECTION, FIVE, lambda: ledger().etiquette, telling), vendor)
    held: list[int] = []

    @step
    def look(command: Look) -> Looked:
        client.call("GET", "/things")
        held.append(len(stands().slots))
        if error:
            raise error
        return Looked()

    command = Look(deal=DealKey(crm="salesforce", opportunity="006A"), run="r", number=1, correlation_id="c")
    with pytest.raises(type(error)) if error else nullcontext():
        look(command.model_dump(mode="json"), None)
    assert held == [1]
    assert len(stands().slots) == (1 if isinstance(error, Crash) else 0)


def test_bulk_work_is_told_apart_and_gives_back_at_its_end(vendor: Vendor) -> None:
    client = client_through(SharedGate(CONNECTION, FIVE, lambda: ledger().etiquette, telling), vendor)

    @bulk_work()
    def poll() -> tuple[bool, int]:
        client.call("GET", "/things")
        return telling().bulk, len(stands().slots)

    assert poll() == (True, 1)
    assert not telling().bulk
    assert stands().slots == {}


def test_a_connection_without_limits_costs_no_call(clients: None) -> None:
    unlimited = Connection(id="erp", system="netsuite", base_url="https://erp.example", secret="s")
    with all_calls() as made:
        assert Wiring().wire(unlimited).gate is OPEN_GATE
    assert made == []
    limited = unlimited.model_copy(update={"limits": FIVE})
    assert isinstance(Wiring().wire(limited).gate, SharedGate)


def test_operators_see_how_connections_stand(vendor: Vendor, passing: Clock) -> None:
    connection = {"id": CONNECTION, "system": "netsuite", "base_url": "https://erp.example", "secret": "s"}
    limits = Limits(concurrent_requests=5, requests_per_window=10, window_seconds=60)
    given = {CONNECTION: {**connection, "limits": limits}, "crm": {**connection, "id": "crm"}}
    use(FakeWiring(FakeCrm(), reference=reference(connections=given, fields={}, codes={})))

    Instance(vendor, limits).begin().call()
    erp, crm = standings()
    columns = ("slots", "requests", "circuit", "paused")
    assert [erp.as_row()[column] for column in columns] == ["1 of 5", "1 of 10 in 60 s", "closed", "-"]
    assert [crm.as_row()[column] for column in columns] == ["-", "-", "none", "-"]

    trip(vendor)
    vendor.answers = failing(429, headers={"Retry-After": "120"})
    passing.pass_by(seconds=40)
    assert next(standings()).circuit == "half-open"
    refused(Instance(vendor, limits).run)
    told = next(standings()).as_json()
    assert (told["circuit"], told["slots"]["used"], told["requests"]["used"]) == ("closed", 1, 2)
    assert told["paused_by"] == "erp: HTTP 429: Too Many Requests"

    passing.pass_by(seconds=121)
    refused(lambda: Instance(vendor, limits).run(calls=20))
    spent = next(standings())
    assert spent.requests is not None
    assert (spent.requests.used, spent.requests.for_bulk, spent.free_at is None) == (10, 8, False)
    assert "free at" in spent.as_row()["requests"]
