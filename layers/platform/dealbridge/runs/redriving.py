"""What is stuck goes on: parked deals, and messages in dead-letter queues. A dry run says what would happen."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from dealbridge import aws, events
from dealbridge.domain.hints import DealHint, HintSource
from dealbridge.domain.keys import DealKey
from dealbridge.ledger.deals import DealState
from dealbridge.ledger.ledger import ledger
from dealbridge.settings import QueueSettings
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
            QueueUrl=queue_url,
            MaxNumberOfMessages=10,
            VisibilityTimeout=60,
            WaitTimeSeconds=0,
            AttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        messages = [message for message in answer.get("Messages", []) if message["MessageId"] not in seen]
        if not messages:
            return
        for message in messages:
            seen.add(message["MessageId"])
            yield DeadLetter(
                message["MessageId"],
                message["Body"],
                message["ReceiptHandle"],
                {
                    name: str(value.get("StringValue", ""))
                    for name, value in message.get("MessageAttributes", {}).items()
                },
            )


@dataclass(frozen=True)
class Destination:
    """Where a dead letter goes again: a queue's URL or a function's name, and what it is given."""

    queue: str | None
    function: str | None
    payload: str

    def __str__(self) -> str:
        return self.queue.rsplit("/", 1)[-1] if self.queue else str(self.function).rsplit(":", 1)[-1]


def destination(letter: DeadLetter) -> Destination:
    """Where a letter came from: a failed invocation to its function, an undelivered event to its target, a hint to
    the deal queue.

    Raises ValueError for a letter that says nothing of where it came from.
    """
    try:
        body = json.loads(letter.body)
    except ValueError:
        body = {}
    if "requestPayload" in body:  # an asynchronous invocation's on-failure record
        function = body["requestContext"]["functionArn"].removesuffix(":$LATEST")
        return Destination(None, function, json.dumps(body["requestPayload"]))
    if body.get("detail-type") == events.DEAL_CHANGED:
        return Destination(QueueSettings.read().deal_queue_url, None, letter.body)
    target = letter.attributes.get("TARGET_ARN", "")
    if ":function:" in target:  # an event that EventBridge or the scheduler could not deliver
        return Destination(None, target, letter.body)
    raise ValueError(f"dead letter {letter.id}: it does not say where it was going; look at it in the queue")


def redeliver(letters: Iterable[DeadLetter], dead_letter_queue: str) -> Iterator[tuple[DeadLetter, Destination]]:
    """Deliver dead letters again, then remove them: twice is harmless, lost is not possible.

    Letters that say the same to the same destination are delivered once: an hour without a CRM leaves a dozen failed
    polls, and all at once they would keep one another from the CRM's search.
    """
    delivered: set[Destination] = set()
    for letter in letters:
        to = destination(letter)
        if to not in delivered:
            _deliver(to)
            delivered.add(to)
        aws.sqs().delete_message(QueueUrl=dead_letter_queue, ReceiptHandle=letter.receipt)
        yield letter, to


def _deliver(to: Destination) -> None:
    if to.queue:
        aws.sqs().send_message(QueueUrl=to.queue, MessageBody=to.payload)
    else:
        aws.any_client("lambda").invoke(FunctionName=to.function, InvocationType="Event", Payload=to.payload.encode())


def put_back(letter: DeadLetter, dead_letter_queue: str) -> None:
    """Show a letter that was only looked at again at once."""
    aws.sqs().change_message_visibility(QueueUrl=dead_letter_queue, ReceiptHandle=letter.receipt, VisibilityTimeout=0)
