"""The snapshot compared with what stands: the plan."""

from dealbridge.runs.planning import DealPlanned, PlanDeal, plan_deal
from dealbridge.steps import step


@step
def handler(command: PlanDeal) -> DealPlanned:
    return plan_deal(command)
