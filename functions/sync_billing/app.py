"""Billing schedule in the ERP."""

from dealbridge.runs.applying import StepApplied, SyncBilling, apply_step
from dealbridge.steps import step


@step
def handler(command: SyncBilling) -> StepApplied:
    return apply_step(command)
