"""The snapshot checked; what a person has to mend stops the run."""

from dealbridge.runs.reading import CheckDeal, DealChecked, check_deal
from dealbridge.steps import step


@step
def handler(command: CheckDeal) -> DealChecked:
    return check_deal(command)
