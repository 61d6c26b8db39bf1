"""A step's operations, each an effect with proof: intent, call, outcome; read-back where an outcome is unknown."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import ClassVar, cast

from dealbridge.domain.engagement import RECORD_TYPES, EngagementStatus, Record
from dealbridge.domain.keys import DealKey, Kind
from dealbridge.domain.model import Model
from dealbridge.domain.plan import Action, FieldChange, Operation, Step
from dealbridge.domain.refs import ExternalRef
from dealbridge.errors import (
    ConflictError,
    DealbridgeError,
    EngagementStoppedError,
    RecordBusyError,
    RecordMissingError,
)
from dealbridge.ledger.ledger import ledger
from dealbridge.ledger.records import How, Intent
from dealbridge.ports import Crm, Found, RecordTarget, Write
from dealbridge.rules.planning import field_changes
from dealbridge.steps import RunStep, count, now, telling
from dealbridge.wiring import wiring


class ApplyStep(RunStep):
    """Apply one step's operations of the run's plan; of one legal entity's engagement where `entity` names it."""

    step: ClassVar[Step]
    entity: str = ""
    revision: str | None = None
    """The deal's revision as the run read it; for the step that writes to the CRM itself."""


class SyncCustomer(ApplyStep):
    """Customer with its parents, and contacts, in the ERP."""

    step = Step.SYNC_CUSTOMER


class SyncProject(ApplyStep):
    """Project and tasks in the ERP."""

    step = Step.SYNC_PROJECT


class SyncContract(ApplyStep):
    """Contract in the ERP."""

    step = Step.SYNC_CONTRACT


class SyncBilling(ApplyStep):
    """Billing schedule in the ERP."""

    step = Step.SYNC_BILLING


class RequestStaffing(ApplyStep):
    """Project and staffing requests in the PSA."""

    step = Step.REQUEST_STAFFING


class UpdateCrm(ApplyStep):
    """Our status fields in the CRM. `stopped` counts what failed in the engagements before."""

    step = Step.UPDATE_CRM
    stopped: int = 0


class StepApplied(Model):
    """What was done: records written, and records that an earlier attempt turned out to have written."""

    written: int
    found: int


def apply_step(command: ApplyStep) -> StepApplied:
    """Apply the step's operations in the plan's order.

    Raises LeaseLostError where the run no longer holds the deal, and whatever the vendor's answer stands for.
    """
    plan = ledger().runs.plan(command.deal, command.run)
    operations = [
        operation for operation in plan.writes if operation.step is command.step and operation.entity == command.entity
    ]
    refs = _Refs(command.deal)
    tally = {How.WRITTEN: 0, How.FOUND: 0}
    effects = _Effects()
    try:
        for operation in operations:
            how = _apply(command, operation, refs, plan.mapping_version, effects)
            tally[how] += 1
    finally:
        effects.count()
    return StepApplied(written=tally[How.WRITTEN], found=tally[How.FOUND])


def update_crm(command: UpdateCrm) -> StepApplied:
    """Apply the step that tells the CRM. Raises EngagementStoppedError: only what stands in full is told.

    Here and not in a state of its own, which every run would pay for.
    """
    if command.stopped:
        raise EngagementStoppedError(f"{command.stopped} failure(s) stopped the engagement; the CRM is not told of it")
    return apply_step(command)


class _Effects:
    """What a step has brought about, counted once for each kind: a log line for every record is what nobody reads."""

    def __init__(self) -> None:
        self._made: Counter[tuple[str, str, str]] = Counter()

    def note(self, operation: Operation, ref: ExternalRef, how: How) -> None:
        told = f"{operation.action.value} {operation.identity} → {ref.number or ref.id} ({how.value})"
        telling().effects.append(told)
        self._made[operation.connection, operation.kind.value, how.value] += 1

    def count(self) -> None:
        for (connection, kind, how), amount in self._made.items():
            count("Effects", amount, connection=connection, kind=kind, how=how)


class _Refs:
    """Where the needed records stand, read once and kept up to date while the step writes."""

    def __init__(self, deal: DealKey) -> None:
        self._deal = deal
        self._known: dict[str, ExternalRef] = {}

    def of(self, operation: Operation) -> dict[str, ExternalRef]:
        """By identity. Raises RecordBusyError for what is not written yet: the chain of another entity, which
        writes a record that both share, may still be on its way."""
        missing = [identity for identity in operation.needs if identity not in self._known]
        if missing:
            self._known.update(ledger().records.refs(self._deal, missing))
        absent = [identity for identity in operation.needs if identity not in self._known]
        if absent:
            raise RecordBusyError(
                f"{operation.identity} needs {', '.join(absent)}, not written yet",
                connection=operation.connection,
                retry_after=2,
            )
        return {identity: self._known[identity] for identity in operation.needs}

    def note(self, operation: Operation, ref: ExternalRef) -> None:
        self._known[operation.identity] = ref


def _apply(command: ApplyStep, operation: Operation, refs: _Refs, mapping_version: str, effects: _Effects) -> How:
    needed = refs.of(operation)
    if operation.kind is Kind.ENGAGEMENT_STATUS:
        operation = _with_numbers(operation, _numbered(command.deal, needed))
        target: RecordTarget = StatusTarget(wiring().crm(operation.connection), command.deal, command.revision)
    else:
        target = wiring().target(operation.connection)
    began = now()
    intent = ledger().records.intend(command.deal, command.run, operation, began, telling().until)
    if intent.done and intent.known and intent.known.ref:
        refs.note(operation, intent.known.ref)
        return How.FOUND
    write = Write(
        kind=operation.kind,
        key=operation.key,
        record=cast("Record", RECORD_TYPES[operation.kind].model_validate(operation.record)),
        codes=operation.codes,
        refs={identity.rsplit("/", 1)[1]: ref for identity, ref in needed.items()},
        known=intent.known.ref if intent.known else None,
        tried=cast("Record", RECORD_TYPES[operation.kind].model_validate(operation.tried)) if operation.tried else None,
    )
    attempt = _Attempt(target, write, intent)
    if operation.action is Action.LOOK:
        return _look(command, attempt, intent, mapping_version, began)
    try:
        ref, how = attempt.make()
    except DealbridgeError as error:
        if error.outcome_unknown or attempt.unsettled:
            ledger().records.leave(command.deal, intent, attempt.absent_since)
        else:
            ledger().records.drop(command.deal, intent)
        raise
    ledger().records.settle(command.deal, command.run, intent, ref, how, mapping_version, now(), began)
    refs.note(operation, ref)
    effects.note(operation, ref, how)
    return how


def _look(command: ApplyStep, attempt: "_Attempt", intent: Intent, mapping_version: str, began: datetime) -> How:
    """Find out what became of an earlier attempt at a record that nobody wants any more, and write it down.

    Raises ConflictError where it stands and can be ended, or has to be by a person: the next plan sees to it.
    """
    try:
        found = attempt.look()
    except DealbridgeError:
        ledger().records.leave(command.deal, intent, attempt.absent_since)
        raise
    if found is None:
        ledger().records.drop(command.deal, intent)
        return How.FOUND
    operation = intent.operation.model_copy(update={"record": found.record.content()})
    stands = replace(intent, operation=operation)
    ledger().records.settle(command.deal, command.run, stands, found.ref, How.FOUND, mapping_version, now(), began)
    if operation.kind in _ENDED:
        raise ConflictError(
            f"{operation.identity} stands as {found.ref.number or found.ref.id}, and the deal no longer wants it",
            connection=operation.connection,
        )
    return How.FOUND


_ENDED = frozenset({Kind.TASK, Kind.STAFFING_REQUEST, Kind.CONTRACT})
"""What is withdrawn when it is not wanted any more, or for finance to end."""


class _Attempt:
    """One attempt at a write. `unsettled` stays true until the outcome of an earlier attempt is known. `absent_since`:
    when it was first not found, where that does not say yet that it does not stand."""

    def __init__(self, target: RecordTarget, write: Write, intent: Intent) -> None:
        self._target = target
        self._write = write
        self._intent = intent
        self.unsettled = intent.unsettled
        self.absent_since: datetime | None = None

    def make(self) -> tuple[ExternalRef, How]:
        operation, known = self._intent.operation, self._intent.known
        if self.unsettled:
            found = self.look()
            # Found, it stays unsettled until it is settled: dropped, nobody would know that it stands.
            self.unsettled = found is not None
            try:
                return self._after_reading_back(found)
            except ConflictError:
                # Refused because it stands already: what was read back was behind.
                self.unsettled = True
                raise
        if operation.action is Action.WITHDRAW:
            if known is None or known.ref is None:
                raise RecordMissingError(f"{operation.identity}: nothing to withdraw", connection=operation.connection)
            return self._target.withdraw(self._write, known.ref), How.WRITTEN
        if known is not None and known.ref is not None:
            # What was withdrawn is written whole: its content may be as before, and it shall stand again.
            changes = () if known.withdrawn else self._changes(known.record)
            return self._target.update(self._write, known.ref, changes), How.WRITTEN
        try:
            return self._target.create(self._write), How.WRITTEN
        except ConflictError:
            found = self._target.find(self._write)
            if found is None:
                raise
            self.unsettled = True
            return self._after_reading_back(found)

    def look(self) -> Found | None:
        """What stands. Raises RecordBusyError while what is missing may only not show yet: written once more, it would
        stand twice."""
        lag, absent_since = self._target.lag(self._write.kind), self._intent.absent_since
        sure_at = absent_since + lag if absent_since else None
        if not lag or sure_at is None or now() >= sure_at:
            found = self._target.find(self._write)
            if not lag or sure_at is not None or (found is not None and self._is_whole(found)):
                return found
        self.absent_since = absent_since or now()
        raise RecordBusyError(
            f"{self._intent.operation.identity}: not found whole after a write of unknown outcome; looked up again "
            f"{lag.total_seconds():.0f} s later",
            connection=self._intent.operation.connection,
            retry_after=lag.total_seconds(),
        )

    def _is_whole(self, found: Found) -> bool:
        return found.complete and not field_changes(_comparable(found.record), _comparable(self._write.record))

    def _after_reading_back(self, found: Found | None) -> tuple[ExternalRef, How]:
        operation = self._intent.operation
        if found is None:
            if operation.action is not Action.CREATE:
                raise RecordMissingError(f"{operation.identity} is no longer there", connection=operation.connection)
            return self._target.create(self._write), How.WRITTEN
        ref = self._with_known_parts(found.ref)
        if operation.action is Action.WITHDRAW:
            return self._target.withdraw(self._write, ref), How.WRITTEN
        cleared = self._cleared()
        if self._is_whole(found):
            return (self._target.update(self._write, ref, cleared), How.WRITTEN) if cleared else (ref, How.FOUND)
        ref = self._target.update(self._write, ref, ())
        return self._target.update(self._write, ref, cleared) if cleared else ref, How.WRITTEN

    def _cleared(self) -> Sequence[FieldChange]:
        """Fields that were set, or that an attempt of unknown outcome may have set, and on which the record is silent
        now. What a record is silent on is left to the vendor: neither reading back nor writing it whole clears them.
        """
        operation, known = self._intent.operation, self._intent.known
        changes = [*(field_changes(known.record, operation.record) if known else ()), *operation.changes]
        cleared = {each.path: each for each in changes if each.after is None and not each.path.startswith("codes")}
        # A line or a task that is gone is a part, which is found (`Write.known`).
        return [change for path, change in cleared.items() if "[" not in path]

    def _with_known_parts(self, ref: ExternalRef) -> ExternalRef:
        """What was read back names the parts that are wanted; those that the ledger knows besides stay known."""
        known = self._write.known
        if known is None or known.id != ref.id:
            return ref
        return ref.model_copy(update={"parts": {**known.parts, **ref.parts}})

    def _changes(self, before: Mapping[str, object]) -> Sequence[FieldChange]:
        """Against what is applied now, which another run may have changed since the plan; codes as planned."""
        codes = [change for change in self._intent.operation.changes if change.path.startswith("codes")]
        return [*field_changes(before, self._intent.operation.record), *codes]


def _comparable(record: Model) -> dict[str, object]:
    return {name: value for name, value in record.content().items() if name != "at"}


def _numbered(deal: DealKey, needed: Mapping[str, ExternalRef]) -> dict[str, ExternalRef]:
    """What is shown, with its numbers: those that no creation was answered with are asked for once, and kept.

    Here and not after each creation: one question for all of them, and none for what nobody is shown.
    """
    known, lacking = dict(needed), dict[str, list[str]]()
    for identity, ref in needed.items():
        if ref.number is None and identity.split("/")[1] in wiring().capabilities(ref.connection).numbers_later:
            lacking.setdefault(ref.connection, []).append(identity)
    for connection, identities in lacking.items():
        asked = wiring().numbering(connection).numbered([needed[identity] for identity in identities])
        for identity, ref in zip(identities, asked, strict=True):
            if ref.number is not None:
                ledger().records.note_number(deal, identity, ref)
                known[identity] = ref
    return known


def _with_numbers(operation: Operation, needed: Mapping[str, ExternalRef]) -> Operation:
    """The status with the numbers that the ERPs have assigned by now."""

    def numbers(kind: Kind) -> str | None:
        texts = [ref.number or ref.id for identity, ref in needed.items() if identity.split("/")[1] == kind]
        return ", ".join(dict.fromkeys(texts)) or None

    status = EngagementStatus.model_validate(
        {
            **operation.record,
            "customer_number": numbers(Kind.CUSTOMER),
            "contract_number": numbers(Kind.CONTRACT),
            "project_number": numbers(Kind.PROJECT),
        }
    )
    return operation.model_copy(update={"record": status.content()})


class StatusTarget:
    """The CRM's status fields, seen as a record that is written like any other."""

    def lag(self, kind: Kind) -> timedelta:
        return timedelta(0)

    def __init__(self, crm: Crm, deal: DealKey, read_revision: str | None = None) -> None:
        self._crm = crm
        self._deal = deal
        self._read_revision = read_revision

    def find(self, write: Write) -> Found | None:
        status = self._crm.find_status(self._deal.opportunity)
        if status is None:
            return None
        return Found(ExternalRef(connection=self._deal.crm, type="status", id=self._deal.opportunity), status)

    def create(self, write: Write) -> ExternalRef:
        status = cast("EngagementStatus", write.record).model_copy(update={"at": now()})
        return self._crm.write_status(self._deal.opportunity, status, self._read_revision)

    def update(self, write: Write, ref: ExternalRef, changes: Sequence[FieldChange]) -> ExternalRef:
        return self.create(write)

    def withdraw(self, write: Write, ref: ExternalRef) -> ExternalRef:
        return ref
