"""Contract in the ERP."""

from dealbridge.runs.applying import StepApplied, SyncContract, apply_step
from dealbridge.steps import step


@step
def handler(command: SyncContract) -> StepApplied:
    return apply_step(command)
