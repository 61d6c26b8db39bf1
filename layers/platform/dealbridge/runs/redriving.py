"""What is stuck goes on: parked deals, and messages in dead-letter queues. A dry run says what would happen."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from dealbridge import aws, events
from dealbridge.domain.hints import DealHint, HintSource
from dealbridge.domain.keys import DealKey
from dealbridge.ledger.deals import DealState
from dealbridge.ledger.ledger import ledger
from dealbridge.steps import now


@dataclass(frozen=True)
class Stuck:
    """A parked deal and why."""

    deal: DealKey
    cause: str
    since: str
    message: str


def parked(causes: Iterable[str] = ()) -> Iterator[Stuck]:
    """Parked deals, of these causes where any are given; the longest parked first."""
    wanted = set(causes)
    exceptions = {item["deal"]: item for item in ledger().runs.open_exceptions()}
    heads = sorted(ledger().deals.listed(DealState.PARKED), key=lambda head: str(head["updated_at"]))
    for head in heads:
        cause = str(head.get("cause", ""))
        if not wanted or cause in wanted:
            message = str(exceptions.get(head["deal"], {}).get("message", ""))
            yield Stuck(DealKey.parse(head["deal"]), cause, str(head["updated_at"]), message)


def hint(deal: DealKey, source: HintSource = HintSource.REDRIVE) -> DealHint:
    moment, event_id = now(), f"{source}-{uuid4().hex}"
    return DealHint(deal=deal, source=source, event_id=event_id, received_at=moment, correlation_id=event_id)


def redrive(deals: Iterable[DealKey]) -> int:
    """Give each deal a new run; how many."""
    hints = [hint(deal) for deal in deals]
    events.publish([events.hint_entry(each) for each in hints])
    return len(hints)


@dataclass(frozen=True)
class DeadLetter:
    """A message in a dead-letter queue."""

    id: str
    body: str
    receipt: str
    attributes: Mapping[Any, str]


def dead_letters(queue_url: str, most: int = 1000) -> Iterator[DeadLetter]:
    """Messages of a dead-letter queue. Each stays hidden for a minute unless it is moved."""
    seen: set[str] = set()
    while len(seen) < most:
        answer = aws.sqs().receive_message(
            QueueUrl=queue_url, MaxNumberOfMessages=10, VisibilityTimeout=60, WaitTimeSeconds=0, AttributeNames=["All"]
        )
        messages = [message for message in answer.get("Messages", []) if message["MessageId"] not in seen]
        if not messages:
            return
        for message in messages:
            seen.add(message["MessageId"])
            yield DeadLetter(
                message["MessageId"], message["Body"], message["ReceiptHandle"], dict(message.get("Attributes", {}))
            )


def move(letter: DeadLetter, dead_letter_queue: str, queue: str) -> None:
    """Send a dead letter to its queue again, then remove it: twice is harmless, lost is not possible."""
    aws.sqs().send_message(QueueUrl=queue, MessageBody=letter.body)
    aws.sqs().delete_message(QueueUrl=dead_letter_queue, ReceiptHandle=letter.receipt)


def put_back(letter: DeadLetter, dead_letter_queue: str) -> None:
    """Show a letter that was only looked at again at once."""
    aws.sqs().change_message_visibility(QueueUrl=dead_letter_queue, ReceiptHandle=letter.receipt, VisibilityTimeout=0)
