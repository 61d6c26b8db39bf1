"""Our status fields in the CRM."""

from dealbridge.runs.applying import StepApplied, UpdateCrm, update_crm
from dealbridge.steps import step


@step
def handler(command: UpdateCrm) -> StepApplied:
    return update_crm(command)
