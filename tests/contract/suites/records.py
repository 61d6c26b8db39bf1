"""What every system keeps that records are written to: the promises of `ports.RecordTarget`, as behaviour."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import date, timedelta
from functools import partial
from typing import Any

import pytest

from dealbridge.domain.keys import Kind
from dealbridge.domain.plan import Action, Operation
from dealbridge.errors import ConflictError, RejectedError, ThrottledError, TransientError
from dealbridge.rules.planning import field_changes

from .sale import Sale, a_deal, amended, differences
from .vendor import TargetVendor

type New = Callable[..., TargetVendor]

CHANGED: dict[Kind, dict[str, Any]] = {
    Kind.CUSTOMER: {"email": "invoices@rhein.example"},
    Kind.CONTACT: {"email": "braun@rhein.example"},
    Kind.PROJECT: {"end": "2027-09-30"},
    Kind.TASK: {"end": "2027-09-30"},
    Kind.CONTRACT: {"order_date": "2026-03-15"},
    Kind.STAFFING_PROJECT: {"end": "2027-09-30"},
    Kind.STAFFING_REQUEST: {"hours": "99"},
}
"""One field of each kind to change, which is none of those that people change by hand in these tests."""


class RecordTargetContract:
    """`new` gives a fresh tenant; `kind` is a kind of record that the vendor keeps for itself."""

    @pytest.fixture(params=["EUR", "USD", "JPY"])
    def currency(self, request: pytest.FixtureRequest) -> str:
        currency: str = request.param
        return currency

    # Creating

    def test_every_record_reads_back_as_it_was_written(self, new: New, currency: str) -> None:
        sale = Sale(new(), a_deal(currency)).activate()
        for operation in sale.operations:
            sale.stands(operation)
            assert sale.found(operation).ref.id == sale.refs[operation.key].id

    def test_nothing_is_found_before_it_is_written(self, new: New, kind: Kind) -> None:
        sale = Sale(new())
        operation = sale.the(kind)
        sale.before(operation)
        assert sale.vendor.port.find(sale.write(operation)) is None

    def test_created_twice_is_created_once(self, new: New, kind: Kind) -> None:
        vendor = new()
        vendor.require("repeated_create", kind)
        sale = Sale(vendor)
        operation = sale.the(kind)
        first = sale.before(operation).create(operation)
        stood = vendor.contents()
        again = sale.create_again(operation)
        assert again.id == first.id
        assert vendor.contents() == stood
        sale.stands(operation)

    def test_reading_back_before_writing_creates_once(self, new: New, kind: Kind) -> None:
        sale = Sale(new())
        operation = sale.the(kind)
        first = sale.before(operation).create(operation)
        stood = sale.vendor.counts()
        assert sale.settle(operation).id == first.id
        assert sale.vendor.counts() == stood

    def test_a_lag_is_told_exactly_where_a_repeated_creation_would_double(self, new: New, kind: Kind) -> None:
        vendor = new()
        assert (vendor.port.lag(kind) > timedelta(0)) is (vendor.skipped("repeated_create", kind) is not None)

    def test_a_look_up_that_lags_doubles_nothing(self, new: New, kind: Kind) -> None:
        """The reply is lost, and no reading shows the record: for as long as `lag` says, or ever where it says none."""
        sale = Sale(new())
        operation = sale.the(kind)
        sale.before(operation)
        lag = sale.vendor.port.lag(kind)
        sale.vendor.simulator.add_fault(kind="timeout_after_commit", after=_first_write(new, kind), times=1)
        with pytest.raises(TransientError):
            sale.create(operation)
        behind = {"delay_s": lag.total_seconds()} if lag else {}
        sale.vendor.simulator.add_fault(kind="stale_read", method="GET", **behind)
        assert sale.vendor.port.find(sale.write(operation)) is None
        sale.vendor.clock.advance(seconds=lag.total_seconds())
        # Where no reading ever shows it, its own creation does: as the same record, or as a refusal.
        with suppress(ConflictError, RejectedError):
            sale.settle(operation)
        sale.vendor.simulator.clear_faults()
        sale.settle(operation)
        sale.stands(operation)
        held = sale.vendor.counts()
        assert held == {name: len(records) for name, records in undisturbed(new, kind)[1].items()}

    # Unknown outcomes: every call that a creation makes is lost once

    @pytest.mark.parametrize(
        "fault", ["drop_after_commit", "timeout_after_commit", "drop_before_commit", "timeout_before_commit"]
    )
    def test_whichever_call_of_a_creation_is_lost_reading_back_ends_in_one_record(
        self, new: New, kind: Kind, fault: str
    ) -> None:
        calls, stood = undisturbed(new, kind)
        for lost in range(calls):
            sale = Sale(new())
            operation = sale.the(kind)
            sale.before(operation)
            sale.vendor.simulator.add_fault(kind=fault, after=lost, times=1)
            with pytest.raises(TransientError) as unknown:
                sale.create(operation)
            assert unknown.value.outcome_unknown
            sale.settle(operation)
            sale.stands(operation)
            assert sale.vendor.contents() == stood, f"call {lost + 1} of {calls}"

    def test_a_lost_reply_and_then_a_lost_reading_end_in_one_record(self, new: New, kind: Kind) -> None:
        calls, stood = undisturbed(new, kind)
        sale = Sale(new())
        operation = sale.the(kind)
        sale.before(operation)
        sale.vendor.simulator.add_fault(kind="timeout_after_commit", after=calls - 1, times=1)
        with pytest.raises(TransientError):
            sale.create(operation)
        sale.vendor.simulator.add_fault(kind="drop_before_commit", times=1)
        with pytest.raises(TransientError):
            sale.settle(operation)
        sale.settle(operation)
        sale.stands(operation)
        assert sale.vendor.contents() == stood

    def test_what_is_refused_after_a_first_write_leaves_the_outcome_unknown(self, new: New, kind: Kind) -> None:
        """The vendor asks for patience in the middle: the next attempt has to look."""
        calls, stood = undisturbed(new, kind)
        for refused in range(calls):
            sale = Sale(new())
            operation = sale.the(kind)
            sale.before(operation)
            made = len(sale.vendor.simulator.calls())
            sale.vendor.simulator.add_fault(**sale.vendor.throttlings[0].fault, after=refused, times=1)
            with pytest.raises(ThrottledError) as throttled:
                sale.create(operation)
            written = any(call["method"] != "GET" for call in sale.vendor.simulator.calls()[made:][:refused])
            assert throttled.value.outcome_unknown is written
            sale.settle(operation)
            sale.stands(operation)
            assert sale.vendor.contents() == stood, f"call {refused + 1} of {calls}"

    def test_an_answer_that_cannot_be_read_leaves_the_outcome_unknown(self, new: New, kind: Kind) -> None:
        calls, stood = undisturbed(new, kind)
        for cut in range(calls):
            sale = Sale(new())
            operation = sale.the(kind)
            sale.before(operation)
            sale.vendor.simulator.add_fault(kind="malformed_body", after=cut, times=1)
            # An answer whose body says nothing (204) is read by nobody, and nothing is unknown.
            unreadable = failure(partial(sale.create, operation))
            if unreadable is not None:
                assert unreadable.outcome_unknown
                sale.settle(operation)
            sale.stands(operation)
            assert sale.vendor.contents() == stood, f"call {cut + 1} of {calls}"

    # What the ledger knows

    def test_what_the_ledger_knows_changes_nothing_where_all_of_it_is_wanted(self, new: New, kind: Kind) -> None:
        sale = Sale(new()).activate()
        write = sale.write(sale.the(kind))
        assert write.known is not None
        alone = sale.vendor.port.find(replace(write, known=None))
        assert sale.vendor.port.find(write) == alone

    # Changing

    def test_an_amendment_changes_the_records_that_stand(self, new: New, currency: str) -> None:
        sale = Sale(new(), a_deal(currency)).activate()
        types = {ref.type for ref in sale.refs.values()}
        stood = {name: count for name, count in sale.vendor.counts().items() if name in types}
        places = {key: ref.id for key, ref in sale.refs.items()}
        sale.operations = sale.plan(amended(sale.deal))
        actions = {each.action for each in sale.operations}
        assert Action.UPDATE in actions
        assert actions <= {Action.UPDATE, Action.NONE}
        for operation in sale.operations:
            sale.apply(operation)
        for operation in sale.operations:
            sale.stands(operation)
        assert {name: count for name, count in sale.vendor.counts().items() if name in types} == stood
        assert {key: ref.id for key, ref in sale.refs.items()} == places

    def test_an_amendment_whose_reply_is_lost_converges(self, new: New, kind: Kind) -> None:
        """An unknown change is read back, and made so if it is not."""
        for fault in ("drop_after_commit", "drop_before_commit"):
            sale = Sale(new()).activate()
            stood = sale.vendor.counts().get(sale.refs[sale.the(kind).key].type)
            sale.operations = [each for each in sale.plan(amended(sale.deal)) if each.kind is kind]
            for operation in sale.operations:
                if operation.action is Action.UPDATE:
                    sale.vendor.simulator.add_fault(kind=fault, times=1)
                    with pytest.raises(TransientError):
                        sale.apply(operation)
                    sale.settle(operation)
                sale.stands(operation)
            assert sale.vendor.counts().get(sale.refs[sale.the(kind).key].type) == stood

    def test_a_change_writes_only_what_differs(self, new: New, kind: Kind) -> None:
        sale = Sale(new()).activate()
        operation = sale.the(kind)
        name, by_hand = sale.vendor.edit(kind, sale.refs[operation.key])
        changed = _with_change(operation)
        assert changed.changes
        sale.apply(changed)
        expected = sale.write(changed, **{name: by_hand}).record
        assert differences(expected, sale.found(changed).record) == []

    def test_a_record_that_people_changed_is_made_so_again(self, new: New, kind: Kind) -> None:
        sale = Sale(new()).activate()
        operation = sale.the(kind)
        stood = sale.vendor.counts()
        name, by_hand = sale.vendor.edit(kind, sale.refs[operation.key])
        (seen,) = differences(sale.write(operation).record, sale.found(operation).record)
        assert (seen.path, seen.after) == (name, by_hand)
        sale.settle(operation)
        sale.stands(operation)
        assert sale.vendor.counts() == stood

    def test_a_record_that_people_changed_since_the_read_is_a_conflict(self, new: New, kind: Kind) -> None:
        vendor = new()
        vendor.require("concurrency_token", kind)
        sale = Sale(vendor).activate()
        operation = sale.the(kind)
        name, _ = vendor.edit(kind, sale.refs[operation.key])
        vendor.simulator.add_fault(kind="stale_read", method="GET", times=1)
        again = operation.model_copy(update={"action": Action.UPDATE, "record": {**operation.record, name: "Ours"}})
        with pytest.raises(ConflictError):
            sale.vendor.port.update(sale.write(again), sale.refs[operation.key], ())
        vendor.simulator.clear_faults()
        sale.settle(again)
        sale.stands(again)

    # Withdrawing

    def test_withdrawn_twice_is_withdrawn(self, new: New, kind: Kind) -> None:
        vendor = new()
        if kind not in vendor.capabilities.withdraws:
            pytest.skip(f"{vendor.system}: withdraws no {kind} (CAPABILITIES.withdraws)")
        sale = Sale(vendor).activate()
        operation = sale.the(kind)
        write, ref = sale.write(operation), sale.refs[operation.key]
        gone = vendor.port.withdraw(write, ref)
        counts, shown = vendor.counts(), sale.found(operation)
        assert not shown.complete or differences(write.record, shown.record), "somebody must see it"
        assert vendor.port.withdraw(write, ref) == gone
        assert vendor.port.withdraw(write, gone) == gone
        assert vendor.counts() == counts
        # Wanted again, it stands where it was.
        back = sale.note(operation, vendor.port.update(write, gone, ()))
        assert back.id == ref.id
        sale.stands(operation)

    def test_a_withdrawal_whose_reply_is_lost_can_be_repeated(self, new: New, kind: Kind) -> None:
        vendor = new()
        if kind not in vendor.capabilities.withdraws:
            pytest.skip(f"{vendor.system}: withdraws no {kind} (CAPABILITIES.withdraws)")
        sale = Sale(vendor).activate()
        operation = sale.the(kind)
        write, ref = sale.write(operation), sale.refs[operation.key]
        for calls in range(10):
            vendor.simulator.add_fault(kind="drop_after_commit", after=calls, times=1)
            lost = failure(partial(vendor.port.withdraw, write, ref))
            vendor.simulator.clear_faults()
            if lost is None:
                break
            assert lost.outcome_unknown
        assert calls > 0
        assert lost is None
        assert vendor.port.withdraw(write, ref).id == ref.id

    # Refusals

    def test_a_currency_that_the_vendor_does_not_know_is_rejected_by_name(self, new: New) -> None:
        for kind, field in new().refused_currency.items():
            vendor = new()
            sale = Sale(vendor)
            operation = sale.the(kind)
            sale.before(operation)
            stood = vendor.counts()
            wrong = operation.model_copy(update={"codes": {**operation.codes, "currency": "999"}})
            with pytest.raises(RejectedError) as refused:
                sale.create(wrong)
            assert field in [finding.field for finding in refused.value.findings], kind
            assert all(finding.message and finding.remedy for finding in refused.value.findings)
            assert not refused.value.outcome_unknown
            assert vendor.counts() == stood

    # What the vendor keeps

    def test_the_fields_that_the_vendor_has_no_place_for_are_those_it_names(self, new: New, kind: Kind) -> None:
        """A reading echoes what was asked for where the vendor keeps nothing: asked for something else, it shows."""
        sale = Sale(new()).activate()
        found = unkept(sale, sale.the(kind))
        assert found == sale.vendor.not_kept.get(kind, frozenset())


def failure(act: Callable[[], object]) -> TransientError | None:
    try:
        act()
    except TransientError as error:
        return error
    return None


def _first_write(new: New, kind: Kind) -> int:
    """How many readings a creation makes before it writes."""
    sale = Sale(new())
    operation = sale.the(kind)
    sale.before(operation)
    calls = len(sale.vendor.simulator.calls())
    sale.create(operation)
    return next(place for place, call in enumerate(sale.vendor.simulator.calls()[calls:]) if call["method"] != "GET")


def undisturbed(new: New, kind: Kind) -> tuple[int, dict[str, list[Any]]]:
    """How many calls a creation makes when all goes well, and what the tenant holds then."""
    sale = Sale(new())
    operation = sale.the(kind)
    sale.before(operation)
    calls = sale.vendor.calls(lambda: sale.create(operation))
    return calls, sale.vendor.contents()


def _with_change(operation: Operation) -> Operation:
    """The operation with one field changed, as planning would give it."""
    record = dict(operation.record)
    if operation.kind is Kind.SCHEDULE:
        first, *rest = record["items"]
        record["items"] = [{**first, "due": "2026-05-31"}, *rest]
    else:
        record |= CHANGED[operation.kind]
    changes = tuple(field_changes(operation.record, record))
    return operation.model_copy(update={"action": Action.UPDATE, "record": record, "changes": changes})


# Fields that the vendor keeps

_LISTS = {Kind.CONTRACT: ("lines", "schedule.items"), Kind.SCHEDULE: ("items",), Kind.PROJECT: ("tasks",)}
_IDENTITY = frozenset({"key", "source_id"})
_BY_CODE = frozenset({"currency", "payment_terms", "legal_entity", "manager_email", "service_line", "role"})
"""Read by the vendor's codes for them, which a test that asks for another value would have to change too."""
_CHOICES = {"billing_type": "fixed", "billing_frequency": "monthly", "kind": "recurring"}
"""Another value of a field that takes only some; none of the sale's own."""


def unkept(sale: Sale, operation: Operation) -> frozenset[str]:
    """The fields that read back as whatever is asked for. `lines.quantity` is the quantity of a contract's line."""
    found = set()
    for name, where, asked in _askings(operation.record, _LISTS.get(operation.kind, ())):
        record = _replaced(operation.record, where, asked)
        read = sale.vendor.port.find(sale.write(operation.model_copy(update={"record": record})))
        assert read is not None
        if _at(read.record.content(), where) == asked:
            found.add(name)
    return frozenset(found)


type Place = tuple[Any, ...]
"""Names of fields and positions in lists, from the outside in."""


def _askings(record: dict[str, Any], lists: tuple[str, ...]) -> Iterator[tuple[str, Place, Any]]:
    """Every field of the content with its place and another value to ask for; of a list, where it first has one."""
    inside = {name.split(".")[0] for name in lists}
    for name, value in record.items():
        if name not in inside and _is_content(name):
            yield name, (name,), _other(name, value)
        elif isinstance(value, dict):
            for part, held in value.items():
                if isinstance(held, str) and _is_content(part):
                    yield f"{name}.{part}", (name, part), _other(part, held)
    for path in lists:
        seen: set[str] = set()
        parts = tuple(path.split("."))
        for place, row in enumerate(_at(record, parts) or []):
            for name, value in row.items():
                if name not in seen and _is_content(name):
                    seen.add(name)
                    yield f"{path}.{name}", (*parts, place, name), _other(name, value)


def _is_content(name: str) -> bool:
    return name not in _IDENTITY | _BY_CODE and not name.endswith("_key")


def _other(name: str, value: Any) -> Any:
    match value:
        case bool():
            return not value
        case {"amount": str(amount), "currency": currency}:
            return {"amount": f"{'8' if amount[0] == '9' else '9'}{amount[1:]}", "currency": currency}
        case dict():
            return {**value, "city": "Elsewhere"}
        case list():
            return [{**each, "number": "DE999999999"} for each in value]
        case int():
            return value + 1
        case str() if name in _CHOICES:
            return _CHOICES[name]
        case str():
            try:
                date.fromisoformat(value)
            except ValueError:
                return "77" if value.replace(".", "").isdigit() else "Otherwise"
            return "2031-01-31"
    raise TypeError(f"{value!r}: how to ask for another one is not said here")


def _at(content: Any, path: Place) -> Any:
    for part in path:
        if isinstance(content, list):
            content = content[part] if part < len(content) else None
        else:
            content = (content or {}).get(part)
    return content


def _replaced(content: Any, path: Place, value: Any) -> Any:
    first, *rest = path
    inner = _replaced(content[first], tuple(rest), value) if rest else value
    if isinstance(content, list):
        return [*content[:first], inner, *content[first + 1 :]]
    return {**content, first: inner}
