"""Project and tasks in the ERP."""

from dealbridge.runs.applying import StepApplied, SyncProject, apply_step
from dealbridge.steps import step


@step
def handler(command: SyncProject) -> StepApplied:
    return apply_step(command)
