"""Project and staffing requests in the PSA."""

from dealbridge.runs.applying import RequestStaffing, StepApplied, apply_step
from dealbridge.steps import step


@step
def handler(command: RequestStaffing) -> StepApplied:
    return apply_step(command)
