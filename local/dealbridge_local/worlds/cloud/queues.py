# ruff: noqa: N803 (the arguments bear the names that the AWS clients give them)
"""SQS queues in memory, on the world's clock: visibility, receive counts, dead letters. A message may be seen twice."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any


@dataclass
class Message:
    """One message of a queue; hidden until `visible_at` while somebody works on it."""

    id: str
    body: str
    visible_at: datetime
    attributes: dict[str, str] = field(default_factory=dict)
    received: int = 0
    receipt: str = ""


@dataclass
class Queue:
    """One queue. A message that was received `most_receives` times goes to `dead_letters` instead of a next time."""

    url: str
    clock: Callable[[], datetime]
    visibility: timedelta = timedelta(seconds=30)
    most_receives: int | None = None
    dead_letters: "Queue | None" = None
    messages: dict[str, Message] = field(default_factory=dict)
    arrived: Callable[[], None] | None = None
    """Told of each new message."""
    _numbers: Iterator[int] = field(default_factory=count)

    def send(self, body: str, **attributes: str) -> str:
        name = self.url.rsplit("/", 1)[-1]
        message = Message(f"{name}-{next(self._numbers)}", body, self.clock(), attributes)
        self.messages[message.id] = message
        if self.arrived is not None:
            self.arrived()
        return message.id

    def receive(self, most: int, visibility: timedelta | None = None) -> list[Message]:
        now = self.clock()
        taken: list[Message] = []
        for message in list(self.messages.values()):
            if len(taken) == most:
                break
            if message.visible_at > now:
                continue
            if self.most_receives is not None and message.received >= self.most_receives and self.dead_letters:
                del self.messages[message.id]
                self.dead_letters.send(message.body, **message.attributes)
                continue
            message.received += 1
            message.receipt = f"{message.id}#{message.received}"
            message.visible_at = now + (self.visibility if visibility is None else visibility)
            taken.append(message)
        return taken

    def delete(self, receipt: str) -> None:
        self.messages.pop(receipt.rsplit("#", 1)[0], None)

    def show_again(self, receipt: str, after: timedelta) -> None:
        message = self.messages.get(receipt.rsplit("#", 1)[0])
        if message is not None:
            message.visible_at = self.clock() + after

    def next_visible(self) -> datetime | None:
        """When the next message can be received; None where there is none."""
        return min((message.visible_at for message in self.messages.values()), default=None)


class SQS:
    """What `dealbridge.aws.sqs()` gives."""

    def __init__(self, *queues: Queue) -> None:
        self.queues = {queue.url: queue for queue in queues}

    def send_message(self, *, QueueUrl: str, MessageBody: str) -> dict[str, Any]:
        return {"MessageId": self.queues[QueueUrl].send(MessageBody)}

    def receive_message(
        self,
        *,
        QueueUrl: str,
        MaxNumberOfMessages: int = 1,
        VisibilityTimeout: int | None = None,
        WaitTimeSeconds: int = 0,
        AttributeNames: list[str] | None = None,
        MessageAttributeNames: list[str] | None = None,
    ) -> dict[str, Any]:
        hidden = None if VisibilityTimeout is None else timedelta(seconds=VisibilityTimeout)
        messages = self.queues[QueueUrl].receive(MaxNumberOfMessages, hidden)
        return {"Messages": [_shown(message) for message in messages]} if messages else {}

    def delete_message(self, *, QueueUrl: str, ReceiptHandle: str) -> dict[str, Any]:
        self.queues[QueueUrl].delete(ReceiptHandle)
        return {}

    def change_message_visibility(self, *, QueueUrl: str, ReceiptHandle: str, VisibilityTimeout: int) -> dict[str, Any]:
        self.queues[QueueUrl].show_again(ReceiptHandle, timedelta(seconds=VisibilityTimeout))
        return {}


def _shown(message: Message) -> dict[str, Any]:
    return {
        "MessageId": message.id,
        "ReceiptHandle": message.receipt,
        "Body": message.body,
        "Attributes": {"ApproximateReceiveCount": str(message.received)},
        "MessageAttributes": {
            name: {"StringValue": value, "DataType": "String"} for name, value in message.attributes.items()
        },
    }
