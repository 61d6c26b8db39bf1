"""Desired against applied: the plan. First activation, amendment, renewal and repair are all this one comparison."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from dealbridge.domain.deal import Deal
from dealbridge.domain.engagement import Contract, EngagementStatus, Project, StaffingRequest, Task
from dealbridge.domain.findings import Finding, Owner
from dealbridge.domain.keys import Kind, record_key
from dealbridge.domain.model import Model, content_hash
from dealbridge.domain.parties import Customer
from dealbridge.domain.plan import Action, Applied, FieldChange, Operation, Plan, Step, identity
from dealbridge.errors import ConfigurationError
from dealbridge.ports import Capabilities
from dealbridge.rules.engagement import Engagement, engagements
from dealbridge.rules.reference import ReferenceData

ACTIVE = "Active"
"""What the CRM shows once everything stands."""


@dataclass(frozen=True)
class Draft:
    """The plan, and what keeps it from being applied."""

    plan: Plan
    findings: tuple[Finding, ...] = ()


type Can = Callable[[str], Capabilities]
"""A connection's capabilities, by its id."""


def identities(deal: Deal, reference: ReferenceData, can: Can) -> list[str]:
    """Where every desired record stands or shall stand (`Operation.identity`): what to look up before planning."""
    return [operation.identity for operation in _desired(deal, reference, can, {})]


def plan_deal(
    deal: Deal,
    snapshot_hash: str,
    reference: ReferenceData,
    can: Can,
    applied: Mapping[str, Applied],
    left: Mapping[str, Operation] | None = None,
) -> Draft:
    """What has to be written so that the desired records stand.

    `applied` maps `Operation.identity` to what the ledger knows, of this deal and of shared records. `left` are
    operations of earlier runs whose outcome is unknown, by identity as well: what they may have set counts as applied,
    too, and where their record is not wanted any more it is looked up, so that nothing stands that nobody knows of.
    Raises ConfigurationError where a code is missing that a record needs.
    """
    left = left or {}
    desired = _desired(deal, reference, can, applied)
    wanted = {operation.identity for operation in desired}
    operations = [
        _compared(operation, applied.get(operation.identity), left.get(operation.identity)) for operation in desired
    ]
    unwanted = {place: known for place, known in applied.items() if place not in wanted and known.ref}
    operations.extend(_withdrawals(deal, unwanted, can))
    planned = {operation.identity for operation in operations}
    operations.extend(
        operation.model_copy(update={"action": Action.LOOK, "changes": (), "basis": None})
        for place, operation in left.items()
        if place not in planned
    )
    plan = Plan(
        deal=deal.key,
        snapshot_hash=snapshot_hash,
        mapping_version=reference.version,
        entities=tuple(dict.fromkeys(operation.entity for operation in operations if operation.entity)),
        operations=tuple(operations),
    )
    return Draft(plan, tuple(_orphaned_contracts(unwanted)))


def field_changes(before: Any, after: Any, path: str = "") -> list[FieldChange]:
    """The fields that differ between two plain JSON values. List items with a `key` are matched by it."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        names = [*before, *(name for name in after if name not in before)]
        return [
            change
            for name in names
            for change in field_changes(before.get(name), after.get(name), f"{path}.{name}" if path else name)
        ]
    if _is_keyed(before) and _is_keyed(after):
        olds, news = {item["key"]: item for item in before}, {item["key"]: item for item in after}
        return [
            change
            for key in dict.fromkeys([*olds, *news])
            for change in field_changes(olds.get(key), news.get(key), f"{path}[{key}]")
        ]
    return [] if before == after else [FieldChange(path=path, before=before, after=after)]


def _is_keyed(value: Any) -> bool:
    return (
        isinstance(value, list) and bool(value) and all(isinstance(item, Mapping) and "key" in item for item in value)
    )


def _compared(operation: Operation, known: Applied | None, left: Operation | None) -> Operation:
    tried = field_changes(_without_time(left.record), _without_time(operation.record)) if left else []
    if left and tried:
        operation = operation.model_copy(update={"tried": left.record})
    if known is None or known.ref is None:
        return operation.model_copy(update={"changes": tuple(tried)})
    if known.withdrawn:
        return operation.model_copy(update={"action": Action.UPDATE})
    changes = field_changes(_without_time(known.record), _without_time(operation.record))
    if not operation.shared:
        changes += field_changes(known.codes, operation.codes, "codes")
    told = {change.path for change in changes}
    changes += [change for change in tried if change.path not in told]
    # What an attempt of unknown outcome has left may differ from what was applied before it.
    action = Action.UPDATE if changes or known.unsettled_by else Action.NONE
    basis = content_hash(known.record) if operation.shared else None
    return operation.model_copy(update={"action": action, "changes": tuple(changes), "basis": basis})


def _without_time(record: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: value for name, value in record.items() if name != "at"}


def _withdrawals(deal: Deal, unwanted: Mapping[str, Applied], can: Can) -> Iterable[Operation]:
    steps = {Kind.TASK: Step.SYNC_PROJECT, Kind.STAFFING_REQUEST: Step.REQUEST_STAFFING}
    for place, known in unwanted.items():
        connection, kind_name, key = place.split("/", 2)
        kind = Kind(kind_name)
        if kind in steps and kind in can(connection).withdraws and (not known.withdrawn or known.unsettled_by):
            yield Operation(
                step=steps[kind],
                action=Action.WITHDRAW,
                entity=str(known.codes.get("legal_entity", "")),
                connection=connection,
                kind=kind,
                key=key,
                record=dict(known.record),
                codes=dict(known.codes),
                needs=_project_of(connection, kind, known),
            )


def _project_of(connection: str, kind: Kind, known: Applied) -> tuple[str, ...]:
    project = Kind.PROJECT if kind is Kind.TASK else Kind.STAFFING_PROJECT
    return (identity(connection, project, str(known.record["project_key"])),)


def _orphaned_contracts(unwanted: Mapping[str, Applied]) -> Iterable[Finding]:
    """A contract that stands outside while the deal no longer has lines for it is for finance to end, not for us."""
    for place, known in unwanted.items():
        connection, kind, key = place.split("/", 2)
        if kind == Kind.CONTRACT and known.ref:
            number = known.ref.number or known.ref.id
            yield Finding(
                field="legal_entity",
                rule="contract_still_wanted",
                message=f"Contract {number} ({key}) stands in {connection}, and no line of the deal belongs to it now.",
                remedy="Give lines back to its legal entity, or end the contract in the ERP and tell operations.",
                owner=Owner.FINANCE,
            )


# Desired operations


def _desired(deal: Deal, reference: ReferenceData, can: Can, applied: Mapping[str, Applied]) -> list[Operation]:
    parts = engagements(deal, reference)
    operations: list[Operation] = []
    for part in parts:
        operations += _erp_operations(deal, part, reference, can, applied)
        operations += _staffing_operations(part, reference, applied)
    operations.append(_status_operation(deal, parts, applied))
    # Two entities on one ERP share the customer: it is written once, in the chain of the first.
    first: dict[str, Operation] = {}
    for operation in operations:
        first.setdefault(operation.identity, operation)
    return list(first.values())


def _erp_operations(
    deal: Deal, part: Engagement, reference: ReferenceData, can: Can, applied: Mapping[str, Applied]
) -> Iterable[Operation]:
    entity, connection = part.entity.code, part.entity.erp
    embeds = can(connection).embeds
    coder = _Coder(reference, connection, part, deal)

    def write(step: Step, kind: Kind, record: Model, key: str, codes: dict[str, Any], **needs: str | None) -> Operation:
        return Operation(
            step=step,
            action=Action.CREATE,
            entity=entity,
            connection=connection,
            kind=kind,
            key=key,
            record=record.content(),
            codes=codes,
            needs=tuple(identity(connection, Kind(name), needed) for name, needed in needs.items() if needed),
        )

    for customer in part.customers:
        settled = _keep_currency(customer, deal, applied.get(identity(connection, Kind.CUSTOMER, customer.key)))
        codes = coder.for_customer(settled)
        yield write(Step.SYNC_CUSTOMER, Kind.CUSTOMER, settled, settled.key, codes, customer=settled.parent_key)
    for contact in part.contacts:
        codes = coder.entity()
        yield write(Step.SYNC_CUSTOMER, Kind.CONTACT, contact, contact.key, codes, customer=contact.customer_key)

    project = part.project if Kind.TASK in embeds else part.project.model_copy(update={"tasks": ()})
    codes = coder.for_project(part.project)
    yield write(Step.SYNC_PROJECT, Kind.PROJECT, project, project.key, codes, customer=project.customer_key)
    tasks = () if Kind.TASK in embeds else part.tasks
    for task in tasks:
        yield write(Step.SYNC_PROJECT, Kind.TASK, task, task.key, coder.for_task(task), project=task.project_key)
    tasks_needed = tuple(identity(connection, Kind.TASK, task.key) for task in tasks)

    contract = part.contract if Kind.SCHEDULE in embeds else part.contract.model_copy(update={"schedule": None})
    codes = coder.for_contract(part.contract)
    operation = write(
        Step.SYNC_CONTRACT,
        Kind.CONTRACT,
        contract,
        contract.key,
        codes,
        customer=contract.customer_key,
        project=contract.project_key,
    )
    yield operation.model_copy(update={"needs": (*operation.needs, *tasks_needed)})
    if Kind.SCHEDULE not in embeds:
        schedule = part.schedule
        operation = write(
            Step.SYNC_BILLING,
            Kind.SCHEDULE,
            schedule,
            schedule.key,
            codes,
            contract=schedule.contract_key,
            project=schedule.project_key,
        )
        yield operation.model_copy(update={"needs": (*operation.needs, *tasks_needed)})


def _keep_currency(customer: Customer, deal: Deal, known: Applied | None) -> Customer:
    """An account without a currency of its own keeps the one that its customer was made with."""
    lineage = deal.account.lineage() if deal.account else []
    stated = any(account.id == customer.source_id and account.currency for account in lineage)
    if stated or known is None or "currency" not in known.record:
        return customer
    return customer.model_copy(update={"currency": known.record["currency"]})


def _staffing_operations(
    part: Engagement, reference: ReferenceData, applied: Mapping[str, Applied]
) -> Iterable[Operation]:
    """The project is made once people are asked for; it is kept as the deal is from then on, asked for or not."""
    connection = part.entity.staffing
    if connection is None:
        return
    known = applied.get(identity(connection, Kind.STAFFING_PROJECT, part.staffing_project.key))
    if not part.staffing_requests and known is None:
        return
    codes = reference.codes_of(connection)
    shared_codes = {
        "legal_entity": part.entity.code,
        "defaults": codes.defaults,
        "currency": codes.currencies.get(part.project.currency, part.project.currency),
    }
    project = part.staffing_project
    # A system that looks people up by their e-mail address itself needs no table of managers.
    manager = codes.managers.get(project.manager_email, codes.managers.get("*"))
    yield Operation(
        step=Step.REQUEST_STAFFING,
        action=Action.CREATE,
        entity=part.entity.code,
        connection=connection,
        kind=Kind.STAFFING_PROJECT,
        key=project.key,
        record=project.content(),
        codes={**shared_codes, **({"manager": manager} if manager else {})},
    )
    for request in part.staffing_requests:
        yield Operation(
            step=Step.REQUEST_STAFFING,
            action=Action.CREATE,
            entity=part.entity.code,
            connection=connection,
            kind=Kind.STAFFING_REQUEST,
            key=request.key,
            record=request.content(),
            codes={**shared_codes, "role": _role(reference, connection, request)},
            needs=(identity(connection, Kind.STAFFING_PROJECT, request.project_key),),
        )


def _role(reference: ReferenceData, connection: str, request: StaffingRequest) -> str:
    roles = reference.codes_of(connection).roles
    if request.role not in roles:
        raise ConfigurationError(
            f"mappings/codes/{connection}.yaml: roles: no code for {request.role!r}; add it there, "
            f"or correct the role on the line of service line {request.service_line}"
        )
    return roles[request.role]


def _status_operation(deal: Deal, parts: Sequence[Engagement], applied: Mapping[str, Applied]) -> Operation:
    """What the CRM shows. Numbers that are not assigned yet are filled in when it is written."""

    def numbers(kind: Kind, key_of: Callable[[Engagement], str]) -> str | None:
        known = [applied.get(identity(part.entity.erp, kind, key_of(part))) for part in parts]
        texts = [(each.ref.number or each.ref.id) if each and each.ref else "" for each in known]
        return ", ".join(dict.fromkeys(texts)) if all(texts) else None

    systems = list(
        dict.fromkeys(name for part in parts for name in (part.entity.erp, part.entity.staffing) if name is not None)
    )
    status = EngagementStatus(
        key=record_key(Kind.ENGAGEMENT_STATUS, deal.key.opportunity),
        status=ACTIVE,
        message=f"Ready to deliver and bill in {', '.join(systems)}.",
        customer_number=numbers(Kind.CUSTOMER, lambda part: part.customers[-1].key),
        contract_number=numbers(Kind.CONTRACT, lambda part: part.contract.key),
        project_number=numbers(Kind.PROJECT, lambda part: part.project.key),
    )
    return Operation(
        step=Step.UPDATE_CRM,
        action=Action.CREATE,
        connection=deal.key.crm,
        kind=Kind.ENGAGEMENT_STATUS,
        key=status.key,
        record=status.content(),
        needs=tuple(
            identity(part.entity.erp, kind, key)
            for part in parts
            for kind, key in (
                (Kind.CUSTOMER, part.customers[-1].key),
                (Kind.CONTRACT, part.contract.key),
                (Kind.PROJECT, part.project.key),
            )
        ),
    )


class _Coder:
    """An ERP's codes for the governed values of one engagement's records."""

    def __init__(self, reference: ReferenceData, connection: str, part: Engagement, deal: Deal) -> None:
        self._codes = reference.codes_of(connection)
        self._connection = connection
        self._entity = part.entity.code
        country = part.customers[-1].billing_address.country if part.customers[-1].billing_address else None
        treatment = reference.treatment(self._entity, country, deal.close_date or date.max)
        self._treatment = treatment.treatment if treatment else None

    def entity(self) -> dict[str, Any]:
        return {
            "legal_entity": self._entity,
            "entity": self._need("entities", self._codes.entities, self._entity),
            "defaults": self._codes.defaults,
        }

    def for_customer(self, customer: Customer) -> dict[str, Any]:
        return {**self.entity(), **self._money(customer.currency, customer.payment_terms), **self._tax()}

    def for_project(self, project: Project) -> dict[str, Any]:
        managers = self._codes.managers
        manager = managers.get(project.manager_email, managers.get("*"))
        if managers and manager is None:
            raise self._missing("managers", project.manager_email)
        used = dict.fromkeys(task.service_line for task in project.tasks)
        lines = {code: self._need("service_lines", self._codes.service_lines, code) for code in used}
        return {
            **self.entity(),
            **self._money(project.currency, None),
            **({"manager": manager} if manager else {}),
            "service_lines": lines,
        }

    def for_task(self, task: Task) -> dict[str, Any]:
        line = self._need("service_lines", self._codes.service_lines, task.service_line)
        return {**self.entity(), "service_lines": {task.service_line: line}}

    def for_contract(self, contract: Contract) -> dict[str, Any]:
        used = dict.fromkeys(line.service_line for line in contract.lines)
        return {
            **self.entity(),
            **self._money(contract.currency, contract.payment_terms),
            **self._tax(),
            "service_lines": {code: self._need("service_lines", self._codes.service_lines, code) for code in used},
        }

    def _money(self, currency: str, terms: str | None) -> dict[str, Any]:
        codes = {"currency": self._need("currencies", self._codes.currencies, currency)}
        if terms:
            codes["payment_terms"] = self._need("payment_terms", self._codes.payment_terms, terms)
        return codes

    def _tax(self) -> dict[str, Any]:
        if self._treatment is None:
            return {}
        return {"tax": {"treatment": self._treatment, **self._codes.tax.get(self._treatment, {})}}

    def _need[T](self, section: str, table: Mapping[str, T], name: str) -> T:
        if name not in table:
            raise self._missing(section, name)
        return table[name]

    def _missing(self, section: str, name: str) -> ConfigurationError:
        return ConfigurationError(
            f"mappings/codes/{self._connection}.yaml: {section}: no code for {name!r}; add it there",
            connection=self._connection,
        )
