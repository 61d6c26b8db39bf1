"""A run that needs a person ends as parked, with an exception that says what to do."""

from dealbridge.runs.closing import ParkRun, RunEnded, park_run
from dealbridge.steps import step


@step
def handler(command: ParkRun) -> RunEnded:
    return park_run(command)
