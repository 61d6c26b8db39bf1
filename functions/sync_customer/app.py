"""Customer with its parents, and contacts, in the ERP."""

from dealbridge.runs.applying import StepApplied, SyncCustomer, apply_step
from dealbridge.steps import step


@step
def handler(command: SyncCustomer) -> StepApplied:
    return apply_step(command)
