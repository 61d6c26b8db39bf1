"""Our status fields in the CRM."""

from dealbridge.runs.applying import StepApplied, UpdateCrm, apply_step
from dealbridge.steps import step


@step
def handler(command: UpdateCrm) -> StepApplied:
    return apply_step(command)
