"""The deal read whole from its CRM, kept as a snapshot."""

from dealbridge.runs.reading import DealRead, ReadDeal, read_deal
from dealbridge.steps import step


@step
def handler(command: ReadDeal) -> DealRead:
    return read_deal(command)
