"""The snapshot to a plan: within a run, or as a preview that writes nothing."""

from collections.abc import Mapping
from typing import Literal

from dealbridge.domain.deal import Deal
from dealbridge.domain.findings import Finding, Owner
from dealbridge.domain.keys import DealKey, Kind
from dealbridge.domain.model import Model, content_hash
from dealbridge.domain.plan import Applied, Operation, Plan
from dealbridge.errors import RejectedError
from dealbridge.ledger.ledger import ledger
from dealbridge.rules import checks, planning
from dealbridge.runs.reading import fetch
from dealbridge.steps import RunStep, bulk_work, telling
from dealbridge.wiring import wiring


class PlanDeal(RunStep):
    """Compare the snapshot with what stands."""

    snapshot: str


class DealPlanned(Model):
    """What the run goes on with: `apply` the plan entity by entity, or `nothing`."""

    decision: Literal["apply", "nothing"]
    plan_hash: str
    entities: tuple[str, ...]
    writes: int


def plan_deal(command: PlanDeal) -> DealPlanned:
    """Plan and keep the plan. Raises RejectedError where a person has to decide first."""
    deal = ledger().runs.snapshot(command.deal, command.snapshot)
    draft = draft_for(deal, command.snapshot)
    ledger().runs.keep_plan(command.run, draft.plan)
    telling().notes.update(plan=draft.plan.hash[:12], writes=len(draft.plan.writes))
    if draft.findings:
        raise RejectedError(str(draft.findings[0]), code="plan", findings=draft.findings)
    if not draft.plan.is_empty:
        ledger().deals.owe(command.deal, command.run)
    return DealPlanned(
        decision="nothing" if draft.plan.is_empty else "apply",
        plan_hash=draft.plan.hash,
        entities=_entities_with_writes(draft.plan),
        writes=len(draft.plan.writes),
    )


def draft_for(deal: Deal, snapshot: str) -> planning.Draft:
    """The plan for a deal as it was read, against what the ledger says is applied."""
    reference, can = wiring().reference(), wiring().capabilities
    if not deal.won:
        empty = Plan(
            deal=deal.key, snapshot_hash=snapshot, mapping_version=reference.version, entities=(), operations=()
        )
        standing = ledger().records.applied(deal.key, ())
        contracts = [known for identity, known in standing.items() if f"/{Kind.CONTRACT}/" in identity and known.ref]
        return planning.Draft(empty, tuple(_reopened(deal, len(contracts))))
    applied = ledger().records.applied(deal.key, planning.identities(deal, reference, can))
    return planning.plan_deal(deal, snapshot, reference, can, applied, _left(applied))


def _left(applied: Mapping[str, Applied]) -> dict[str, Operation]:
    """What earlier runs have tried with unknown outcome, by identity."""
    found: dict[str, Operation] = {}
    for place, known in applied.items():
        plan = ledger().runs.plan_of(*known.unsettled_by) if known.unsettled_by else None
        for operation in plan.operations if plan else ():
            if operation.identity == place:
                found[place] = operation
    return found


@bulk_work()
def preview(key: DealKey) -> tuple[Deal, planning.Draft]:
    """What a run would do now, from a fresh read. Nothing is written anywhere."""
    deal = fetch(key)
    snapshot = content_hash(deal.commercial())
    found = checks.findings(deal, wiring().reference()) if deal.won else []
    if found:
        plan = Plan(
            deal=key, snapshot_hash=snapshot, mapping_version=wiring().reference().version, entities=(), operations=()
        )
        return deal, planning.Draft(plan, tuple(found))
    return deal, draft_for(deal, snapshot)


def _reopened(deal: Deal, contracts: int) -> list[Finding]:
    if not contracts:
        return []
    return [
        Finding(
            field="stage",
            rule="won_stays_won",
            message=f"The opportunity is {deal.stage!r} now, and {contracts} contract(s) of it stand in the ERP.",
            remedy="Close it as won again, or end the contracts in the ERP.",
            owner=Owner.SALES,
        )
    ]


def _entities_with_writes(plan: Plan) -> tuple[str, ...]:
    return tuple(dict.fromkeys(operation.entity for operation in plan.writes if operation.entity))
