"""Billing schedule in the ERP."""

from dealbridge.domain.plan import Step
from dealbridge.runs.applying import ApplyStep, StepApplied, apply_step
from dealbridge.steps import step


@step
def handler(command: ApplyStep) -> StepApplied:
    return apply_step(Step.SYNC_BILLING, command)
