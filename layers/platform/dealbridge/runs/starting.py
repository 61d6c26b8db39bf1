"""A hint to a run: one run per deal at a time."""

import json
from datetime import datetime, timedelta

from botocore.exceptions import BotoCoreError, ClientError

from dealbridge import aws
from dealbridge.domain.hints import DealHint
from dealbridge.errors import TransientError
from dealbridge.ledger.deals import Held, RunTicket
from dealbridge.ledger.ledger import ledger
from dealbridge.settings import RunSettings
from dealbridge.steps import RunStep, count, logger

SUSPICIOUS_AFTER = timedelta(seconds=15)
"""A run that has held its deal for so long is looked at before a hint is left with it."""


def start_run(hint: DealHint, now: datetime) -> None:
    """Begin a run for the deal, or leave the hint with the run that holds it, or that has read what it speaks of.

    Raises TransientError where that cannot be done now: the queue delivers the hint again.
    """
    claimed = ledger().deals.claim(hint, now)
    if claimed is None:
        return
    if isinstance(claimed, RunTicket):
        execute(claimed)
        count("RunsStarted", source=hint.source.value)
        return
    if claimed.began:
        # This hint began the run before, and was delivered again: make sure that the execution did start.
        execute(claimed.ticket)
    elif now - claimed.since > SUSPICIOUS_AFTER and not is_running(claimed.ticket):
        take_over(claimed, now)


def take_over(held: Held, now: datetime) -> RunTicket | None:
    """Begin a run in place of one whose execution has died without giving its deal back."""
    ticket = ledger().deals.take_over(held, now)
    if ticket is not None:
        logger.warning("took over a dead run", extra={"dead": held.ticket.name, "run": ticket.name})
        count("RunsTakenOver")
        execute(ticket)
    return ticket


def execute(ticket: RunTicket) -> None:
    """Start the run's execution; started already is fine, since the name is the run's."""
    command = RunStep(
        deal=ticket.deal,
        run=ticket.name,
        number=ticket.number,
        correlation_id=ticket.correlation_id,
        bulk=ticket.bulk,
    )
    try:
        aws.states().start_execution(
            stateMachineArn=RunSettings.read().deal_run_arn,
            name=ticket.name,
            # By which reference data it works is for its first step to say.
            input=json.dumps({"command": command.model_dump(mode="json", exclude_defaults=True), "waits": 0}),
        )
    except aws.states().exceptions.ExecutionAlreadyExists:
        return
    except (BotoCoreError, ClientError) as error:
        raise TransientError(f"Step Functions does not start {ticket.name} ({type(error).__name__})") from error


def is_running(ticket: RunTicket) -> bool:
    """Whether the run's execution is still going; one that was never started is not."""
    machine = RunSettings.read().deal_run_arn
    execution = f"{machine.replace(':stateMachine:', ':execution:')}:{ticket.name}"
    try:
        return aws.states().describe_execution(executionArn=execution)["status"] == "RUNNING"
    except aws.states().exceptions.ExecutionDoesNotExist:
        return False
    except (BotoCoreError, ClientError) as error:
        raise TransientError(f"Step Functions does not tell of {ticket.name} ({type(error).__name__})") from error
