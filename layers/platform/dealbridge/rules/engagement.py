"""A deal to the records that shall stand outside: customer, contacts, project, tasks, contract, schedule, staffing.

One engagement per legal entity that bills part of the deal. Everything here follows from the deal and the reference
data alone, so that the same deal always wants the same records.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from dealbridge.domain.deal import BillingType, Deal, DealLine
from dealbridge.domain.engagement import (
    BillingItem,
    BillingSchedule,
    Contract,
    ContractLine,
    Project,
    StaffingProject,
    StaffingRequest,
    Task,
)
from dealbridge.domain.keys import Kind, record_key
from dealbridge.domain.money import Money
from dealbridge.domain.parties import Account, Contact, Customer, LegalEntity
from dealbridge.rules.billing import due_amounts
from dealbridge.rules.reference import ReferenceData


@dataclass(frozen=True)
class Engagement:
    """What shall stand for one legal entity's part of a deal."""

    entity: LegalEntity
    customers: tuple[Customer, ...]
    """Ultimate parent first, the buying account last."""
    contacts: tuple[Contact, ...]
    project: Project
    tasks: tuple[Task, ...]
    contract: Contract
    schedule: BillingSchedule
    staffing_project: StaffingProject
    staffing_requests: tuple[StaffingRequest, ...]


def entity_of(deal: Deal, line: DealLine | None, reference: ReferenceData) -> str | None:
    """The code of the legal entity that bills a line: the line's own, the deal's, or its business unit's."""
    named = (line.legal_entity if line else None) or deal.legal_entity
    return named or reference.business_units.get(deal.business_unit or "")


def entities_of(deal: Deal, reference: ReferenceData) -> list[str]:
    """The codes of all entities that bill part of the deal, in the order of their first line."""
    codes = [entity_of(deal, line, reference) for line in deal.lines] or [entity_of(deal, None, reference)]
    return list(dict.fromkeys(code for code in codes if code))


def span_of(deal: Deal, line: DealLine) -> tuple[date, date]:
    """The line's first and last day: its own, or the contract's. The checks make sure that there are some."""
    first, last = line.start or deal.start, line.end or deal.end
    if first is None or last is None:
        raise ValueError(f"line {line.id}: no dates; the checks let none such through")
    return first, last


def engagements(deal: Deal, reference: ReferenceData) -> list[Engagement]:
    """What shall stand outside for a deal that has passed the checks."""
    return [_engagement(deal, reference, code) for code in entities_of(deal, reference)]


def _engagement(deal: Deal, reference: ReferenceData, code: str) -> Engagement:
    entity = reference.legal_entities[code]
    lines = [line for line in deal.lines if entity_of(deal, line, reference) == code]
    if deal.account is None:
        raise ValueError("deal without an account; the checks let none such through")
    # Each key names the entity, whatever the order of the lines: a contract of one entity never becomes another's, and
    # a deal that is split later keeps its first project.
    source = (deal.key.opportunity, code)
    customers = _customers(deal.account, entity)
    project_key = record_key(Kind.PROJECT, *source)
    contract_key = record_key(Kind.CONTRACT, *source)
    tasks = _tasks(deal, lines, project_key, source, reference)
    task_keys = {task.service_line: task.key for task in tasks}
    value = Money.total((line.amount for line in lines), deal.currency)
    spans = [span_of(deal, line) for line in lines]
    start, end = min(first for first, _ in spans), max(last for _, last in spans)
    contract_lines = tuple(_contract_line(deal, line, task_keys) for line in lines)
    schedule = BillingSchedule(
        key=record_key(Kind.SCHEDULE, *source),
        contract_key=contract_key,
        project_key=project_key,
        name=deal.name,
        currency=deal.currency,
        items=tuple(_items(deal, lines, task_keys, reference)),
    )
    project = Project(
        key=project_key,
        customer_key=customers[-1].key,
        legal_entity=code,
        name=deal.name,
        manager_email=deal.delivery_owner_email or "",
        currency=deal.currency,
        start=start,
        end=end,
        budget=value,
        tasks=tasks,
    )
    staffing_key = record_key(Kind.STAFFING_PROJECT, *source)
    return Engagement(
        entity=entity,
        customers=customers,
        contacts=tuple(_contacts(deal, customers[-1].key)),
        project=project,
        tasks=tasks,
        contract=Contract(
            key=contract_key,
            customer_key=customers[-1].key,
            project_key=project_key,
            legal_entity=code,
            name=deal.name,
            po_number=deal.po_number,
            currency=deal.currency,
            value=value,
            payment_terms=deal.payment_terms or deal.account.payment_terms,
            order_date=deal.close_date or start,
            start=start,
            end=end,
            lines=contract_lines,
            schedule=schedule,
        ),
        schedule=schedule,
        staffing_project=StaffingProject(
            key=staffing_key,
            name=deal.name,
            customer_name=deal.account.name,
            manager_email=deal.delivery_owner_email or "",
            currency=deal.currency,
            budget=value,
            start=start,
            end=end,
        ),
        staffing_requests=tuple(_staffing(deal, lines, staffing_key, source, reference)),
    )


def _customers(account: Account, entity: LegalEntity) -> tuple[Customer, ...]:
    lineage = list(reversed(account.lineage()))
    keys = [record_key(Kind.CUSTOMER, each.id) for each in lineage]
    return tuple(
        Customer(
            key=key,
            name=each.name,
            legal_name=each.legal_name,
            parent_key=parent_key,
            email=each.email,
            phone=each.phone,
            website=each.website,
            billing_address=each.billing_address,
            tax_registrations=each.tax_registrations,
            currency=each.currency or entity.currency,
            payment_terms=each.payment_terms,
            source_id=each.id,
        )
        for each, key, parent_key in zip(lineage, keys, [None, *keys[:-1]], strict=True)
    )


def _contacts(deal: Deal, customer_key: str) -> Iterable[Contact]:
    # The role a person plays in this deal stays out: another deal's run would undo it on the shared record.
    for person in deal.contacts:
        yield Contact(
            key=record_key(Kind.CONTACT, person.id),
            customer_key=customer_key,
            first_name=person.first_name,
            last_name=person.last_name,
            email=person.email,
            phone=person.phone,
            source_id=person.id,
        )


def _by_service_line(lines: Sequence[DealLine]) -> dict[str, list[DealLine]]:
    grouped: dict[str, list[DealLine]] = {}
    for line in lines:
        grouped.setdefault(line.service_line or "", []).append(line)
    return grouped


def _hours(lines: Iterable[DealLine]) -> Decimal | None:
    known = [line.hours for line in lines if line.hours is not None]
    return sum(known, Decimal(0)) if known else None


def _tasks(
    deal: Deal, lines: Sequence[DealLine], project_key: str, source: tuple[str, ...], reference: ReferenceData
) -> tuple[Task, ...]:
    tasks = []
    for number, (code, members) in enumerate(_by_service_line(lines).items(), start=1):
        spans = [span_of(deal, line) for line in members]
        tasks.append(
            Task(
                key=record_key(Kind.TASK, *source, code),
                project_key=project_key,
                number=number,
                name=reference.service_lines[code].name,
                service_line=code,
                start=min(first for first, _ in spans),
                end=max(last for _, last in spans),
                hours=_hours(members),
                budget=Money.total((line.amount for line in members), deal.currency),
            )
        )
    return tuple(tasks)


def _contract_line(deal: Deal, line: DealLine, task_keys: dict[str, str]) -> ContractLine:
    first, last = span_of(deal, line)
    return ContractLine(
        key=line.id,
        service_line=line.service_line or "",
        description=line.description,
        quantity=line.quantity,
        amount=line.amount,
        billing_type=line.billing_type or BillingType.FIXED,
        billing_frequency=line.billing_frequency,
        cap=line.cap,
        start=first,
        end=last,
        task_key=task_keys[line.service_line or ""],
    )


def _items(
    deal: Deal, lines: Sequence[DealLine], task_keys: dict[str, str], reference: ReferenceData
) -> Iterable[BillingItem]:
    for line in lines:
        first, last = span_of(deal, line)
        for due in due_amounts(line, first, last, reference.billing):
            yield BillingItem(
                key=f"{line.id}-{due.part}",
                kind=due.kind,
                line_key=line.id,
                task_key=task_keys[line.service_line or ""],
                description=due.description,
                due=due.due,
                amount=due.amount,
            )


def _staffing(
    deal: Deal, lines: Sequence[DealLine], project_key: str, source: tuple[str, ...], reference: ReferenceData
) -> Iterable[StaffingRequest]:
    """One request per role and service line that is staffed."""
    wanted: dict[tuple[str, str], list[DealLine]] = {}
    for line in lines:
        service_line = reference.service_lines[line.service_line or ""]
        role = line.role or service_line.role
        if service_line.staffed and role:
            wanted.setdefault((role, line.service_line or ""), []).append(line)
    for (role, code), members in wanted.items():
        spans = [span_of(deal, line) for line in members]
        yield StaffingRequest(
            key=record_key(Kind.STAFFING_REQUEST, *source, code, role),
            project_key=project_key,
            title=f"{role}: {reference.service_lines[code].name}",
            role=role,
            service_line=code,
            hours=_hours(members),
            start=min(first for first, _ in spans),
            end=max(last for _, last in spans),
        )
