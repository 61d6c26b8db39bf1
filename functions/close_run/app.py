"""A run that has done all it had to do ends; a next one begins where hints came in meanwhile."""

from dealbridge.runs.closing import CloseRun, RunEnded, close_run
from dealbridge.steps import step


@step
def handler(command: CloseRun) -> RunEnded:
    return close_run(command)
