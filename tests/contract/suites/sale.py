"""A deal as planning wants it written to one connection, and the recipe by which steps write it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, cast

from dealbridge.domain.deal import Deal, DealLine
from dealbridge.domain.engagement import RECORD_TYPES, Record
from dealbridge.domain.keys import Kind
from dealbridge.domain.model import Model
from dealbridge.domain.money import Money, allocate, minor_unit
from dealbridge.domain.parties import Address, TaxRegistration
from dealbridge.domain.plan import Action, Applied, FieldChange, Operation
from dealbridge.domain.refs import ExternalRef
from dealbridge.errors import ConflictError
from dealbridge.ports import Capabilities, Found, Write
from dealbridge.rules import planning
from dealbridge.rules.planning import field_changes
from dealbridge.rules.reference import ReferenceData
from tests.builders import a_line, a_milestone, a_person, a_won_deal, an_account, money

from .vendor import TargetVendor, mappings

ENTITIES = {"EUR": "EMEA-DE", "USD": "NA-US", "JPY": "APAC-JP"}
"""Currency → the legal entity that sells in it."""


def amount(cents: int, currency: str) -> str:
    """`amount(1005, "EUR")` is 10.05 EUR, `amount(1005, "JPY")` is 1005 JPY."""
    return f"{Decimal(cents) * minor_unit(currency)} {currency}"


def a_deal(currency: str = "EUR", lines: Sequence[DealLine] | None = None, **fields: Any) -> Deal:
    """A won deal with a parent account, a contact, and every way of billing; amounts that no percentage meets."""
    given: dict[str, Any] = {
        "legal_entity": ENTITIES[currency],
        "account": an_account(
            parent=an_account("001P", name="Rhein Holding", currency=currency, tax_registrations=()),
            currency=currency,
            legal_name="Rhein Werke Gesellschaft für Anlagenbau mbH",
            email="ap@rhein.example",
            phone="+49 221 7",
            website="https://rhein.example",
            payment_terms="Net 30",
            billing_address=Address(
                street="Am Ufer 1\nHaus 2", city="Köln", state="NW", postal_code="50667", country="DE"
            ),
            tax_registrations=(TaxRegistration(country="DE", number="DE811907980"),),
        ),
        "contacts": (a_person(phone="+49 221 8"),),
        "payment_terms": "Net 45",
    }
    return a_won_deal(lines=list(lines or the_lines(currency)), **(given | fields))


def the_lines(currency: str = "EUR") -> list[DealLine]:
    parts = (3_333_333, 3_333_334, 1)
    milestones = tuple(
        a_milestone(amount(part, currency), id=f"M{number}", name=f"Phase {number}", due=f"2026-0{4 + number}-15")
        for number, part in enumerate(parts, 1)
    )
    return [
        a_line(amount(sum(parts), currency), id="00k1", billing_type="milestone", milestones=milestones, quantity="3"),
        a_line(amount(100_001, currency), id="00k2", description="Rollout", quantity="7"),
        a_line(
            amount(1_200_007, currency),
            id="00k3",
            service_line="TRNG",
            description="Training",
            billing_type="retainer",
            billing_frequency="quarterly",
        ),
        a_line(
            amount(800_055, currency),
            id="00k4",
            service_line="ADVS",
            description="Advice",
            billing_type="time_and_materials",
            hours=Decimal("40.5"),
            cap=money(amount(900_000, currency)),
            quantity="40.5",
        ),
    ]


def amended(deal: Deal) -> Deal:
    """The same deal sold on: another amount, a later end, one line more."""
    first, second, *rest = deal.lines
    more = a_line(amount(55_555, deal.currency), id="00k9", description="More")
    dearer = second.model_copy(update={"amount": second.amount.times(Decimal(2))})
    lines = (first, dearer, *rest, more)
    total = Money.total((line.amount for line in lines), deal.currency)
    return deal.model_copy(update={"lines": lines, "amount": total, "end": date(2027, 6, 30)})


def without_training(deal: Deal) -> Deal:
    """The same deal with the service line taken out that has a task and a line of its own."""
    lines = tuple(line for line in deal.lines if line.service_line != "TRNG")
    return deal.model_copy(update={"lines": lines, "end": date(2027, 6, 30)})


def large(lines: int = 500, milestones: int = 200, currency: str = "EUR") -> Deal:
    """A deal of many lines, of which the first has many milestones."""
    total = Money(amount=Decimal("1234567.89"), currency=currency)
    parts = allocate(total, [Decimal(number) for number in range(1, milestones + 1)])
    dated = tuple(
        a_milestone(str(part), id=f"M{number}", name=f"Part {number}") for number, part in enumerate(parts, 1)
    )
    first = a_line(str(total), id="00k0", billing_type="milestone", milestones=dated)
    more = [a_line(amount(1_001 + number, currency), id=f"00k{number}") for number in range(1, lines)]
    return a_deal(currency, [first, *more])


@dataclass
class Sale:
    """A deal's records on one vendor: what they shall be, and where those stand that have been written."""

    vendor: TargetVendor
    deal: Deal = field(default_factory=a_deal)
    refs: dict[str, ExternalRef] = field(default_factory=dict)
    applied: dict[str, Applied] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.operations = self.plan(self.deal)

    def plan(self, deal: Deal) -> list[Operation]:
        """What planning wants on this connection, given what has been written."""
        draft = planning.plan_deal(deal, "snapshot", _reference_for(self.vendor), _can(self.vendor), self.applied)
        return [each for each in draft.plan.operations if each.connection == self.vendor.system]

    def the(self, kind: Kind) -> Operation:
        """The last record of a kind: the buying account, not its parent."""
        return [each for each in self.operations if each.kind is kind][-1]

    def write(self, operation: Operation, **changes: Any) -> Write:
        """As the steps give it: `known` is where it stands by our ledger. `changes` replace fields of the record."""
        record = cast("Record", RECORD_TYPES[operation.kind].model_validate({**operation.record, **changes}))
        known = self.refs.get(operation.key)
        return Write(operation.kind, operation.key, record, operation.codes, self.refs, known)

    def create(self, operation: Operation) -> ExternalRef:
        ref = self.vendor.port.create(self.write(operation))
        return self.note(operation, ref)

    def note(self, operation: Operation, ref: ExternalRef) -> ExternalRef:
        self.refs[operation.key] = ref
        self.applied[operation.identity] = Applied(operation.record, operation.codes, ref)
        return ref

    def before(self, operation: Operation) -> "Sale":
        """Everything that comes before a record stands."""
        for each in self.operations[: self.operations.index(operation)]:
            self.create(each)
        # Signed in, so that the record's own first call is what comes next.
        self.vendor.port.find(self.write(operation))
        return self

    def activate(self) -> "Sale":
        for each in self.operations:
            self.create(each)
        return self

    def found(self, operation: Operation) -> Found:
        found = self.vendor.port.find(self.write(operation))
        assert found is not None, operation.identity
        return found

    def settle(self, operation: Operation) -> ExternalRef:
        """What the next attempt does after an unknown outcome, as `runs/applying.py` does: read back, then write. The
        vendor's lag is over."""
        write = self.write(operation)
        found = self.vendor.port.find(write)
        if found is None:
            return self.note(operation, self.vendor.port.create(write))
        ref = found.ref
        if write.known is not None and write.known.id == ref.id:
            ref = ref.model_copy(update={"parts": {**write.known.parts, **ref.parts}})
        if found.complete and not differences(found.record, write.record):
            return self.note(operation, ref)
        return self.note(operation, self.vendor.port.update(write, ref, ()))

    def create_again(self, operation: Operation) -> ExternalRef:
        """What a step does that does not know of the record: create it, and read it back where it stands already."""
        try:
            return self.create(operation)
        except ConflictError:
            return self.settle(operation)

    def apply(self, operation: Operation) -> ExternalRef | None:
        """One operation of a plan, whatever its action."""
        match operation.action:
            case Action.NONE:
                return None
            case Action.LOOK:
                found = self.vendor.port.find(self.write(operation))
                return found.ref if found else None
            case Action.CREATE:
                return self.create(operation)
            case Action.UPDATE:
                write = self.write(operation)
                return self.note(operation, self.vendor.port.update(write, self.refs[operation.key], operation.changes))
            case Action.WITHDRAW:
                return self.vendor.port.withdraw(self.write(operation), self.refs[operation.key])

    def stands(self, operation: Operation) -> None:
        """It reads back complete and equal, to the cent."""
        found = self.found(operation)
        assert differences(self.write(operation).record, found.record) == []
        assert found.complete


def differences(before: Model, after: Model) -> list[FieldChange]:
    return field_changes(before.content(), after.content())


def _reference_for(vendor: TargetVendor) -> ReferenceData:
    """The repository's reference data, with this vendor as the ERP of every entity, or as its staffing system."""
    role = "erp" if vendor.capabilities.role == "erp" else "staffing"
    found = mappings()
    entities = {code: entity.model_copy(update={role: vendor.system}) for code, entity in found.legal_entities.items()}
    return found.model_copy(update={"legal_entities": entities})


def _can(vendor: TargetVendor) -> Callable[[str], Capabilities]:
    other = Capabilities(role="other")
    return lambda connection: vendor.capabilities if connection == vendor.system else other
