"""A running platform as its operators see it: ledger, queues, executions and the vendors' records, of some deals."""

import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import httpx

from dealbridge.domain.keys import DealKey
from dealbridge.ledger.deals import DealState
from dealbridge.ledger.ledger import ledger
from dealbridge.ledger.table import decoded
from dealbridge_local.engine import TooLateError, wait_until
from dealbridge_local.platform import Platform
from dealbridge_local.worlds.checker.evidence import Records
from dealbridge_local.worlds.scheduler import StalledError

_DEAD_LETTERS = ("DealQueueDeadLettersUrl", "UndeliveredEventsUrl", "FailedInvocationsUrl")
"""Outputs of the stack: queues of what could not be delivered."""
_QUIET_LOOKS, _LOOK_EVERY_S = 4, 0.25
"""So often in a row nothing is under way before all is taken to have settled: an event may be between two queues."""
_POLLS = 5
"""A poll whose worker is killed is begun again at most so often."""


@dataclass
class Site:
    """`deals` is added to while they are made; the process must point at the platform (`point_process_at`)."""

    running: Platform
    deals: set[DealKey] = field(default_factory=set)
    settles_within_s: float = 120

    def __post_init__(self) -> None:
        client = self.running.engine.client
        self._dynamodb, self._sqs, self._lambda = client("dynamodb"), client("sqs"), client("lambda")
        self._states = client("stepfunctions")

    # What operators need (`stage.Operated`)

    @property
    def dead_letter_queues(self) -> tuple[str, ...]:
        return tuple(self.running.stack[output] for output in _DEAD_LETTERS)

    def concerns(self, deal: str) -> bool:
        return DealKey.parse(deal) in self.deals

    def poll(self) -> None:
        for _ in range(_POLLS):
            answer = self._lambda.invoke(FunctionName=self.running.stack["PollCrmFunction"], Payload=b"{}")
            if "FunctionError" not in answer:
                return

    def poll_soon(self) -> None:
        """Ask for a poll, as the schedule does, and do not wait for it."""
        name = self.running.stack["PollCrmFunction"]
        self._lambda.invoke(FunctionName=name, Payload=b"{}", InvocationType="Event")

    def settle(self) -> None:
        """Wait until nothing of these deals is under way. Raises StalledError where it goes on for too long."""
        quiet = 0

        def settled() -> bool:
            nonlocal quiet
            quiet = 0 if self.busy() else quiet + 1
            return quiet >= _QUIET_LOOKS

        try:
            wait_until(
                settled,
                "settling",
                within_s=self.settles_within_s,
                every_s=_LOOK_EVERY_S,
                check=self.running.engine.check_alive,
            )
        except TooLateError as error:
            raise StalledError(f"{error}: {', '.join(self.unfinished())}") from error

    @contextmanager
    def impatient(self, seconds: int) -> Iterator[None]:
        """The deal queue shows a batch of which the receiver has died again after so long, instead of three minutes."""
        url, name = self.running.stack["DealQueueUrl"], "VisibilityTimeout"
        before = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"]
        self._sqs.set_queue_attributes(QueueUrl=url, Attributes={name: str(seconds)})
        try:
            yield
        finally:
            self._sqs.set_queue_attributes(QueueUrl=url, Attributes=before)

    # What it shows

    @property
    def vendors(self) -> Collection[str]:
        names: Collection[str] = self.running.endpoints["simulators"].keys()
        return names

    def records(self, vendor: str) -> Records:
        """All that a vendor's simulator holds."""
        url = f"{self.running.simulator_url(vendor)}/__sim/records"
        found: Records = json.loads(httpx.get(url, timeout=120).raise_for_status().content, parse_float=Decimal)
        return found

    def ledger(self) -> Iterator[dict[str, Any]]:
        """All items of the ledger, those of other deals too, as plain values."""
        pages = self._dynamodb.get_paginator("scan")
        for page in pages.paginate(TableName=self.running.stack["LedgerTable"], ConsistentRead=True):
            for item in page["Items"]:
                yield {name: decoded(value) for name, value in item.items()}

    def standing(self) -> dict[str, set[DealKey]]:
        """State → deals, listed in few queries. One that moves on meanwhile may stand twice, and seldom nowhere."""
        return {state: self._listed(state) for state in (DealState.RUNNING, *DealState)}

    def busy(self) -> bool:
        """Whether a hint waits or one of these deals is worked on."""
        return bool(self._messages(self.running.stack["DealQueueUrl"]) or self._executions())

    def unfinished(self) -> Iterator[str]:
        """Executions of these deals that still run, and messages of whomever."""
        for name in self._executions():
            yield f"execution {name} still runs"
        for url in (self.running.stack["DealQueueUrl"], *self.dead_letter_queues):
            if count := self._messages(url):
                yield f"{count} message(s) in {url.rsplit('/', 1)[-1]}"

    def abort(self, execution: str) -> None:
        """Stop an execution, unless it has ended."""
        machine = self.running.stack["DealRunArn"].replace(":stateMachine:", ":execution:")
        try:
            self._states.stop_execution(executionArn=f"{machine}:{execution}")
        except (self._states.exceptions.ExecutionDoesNotExist, self._states.exceptions.ValidationException):
            return

    def _listed(self, state: DealState) -> set[DealKey]:
        return {DealKey.parse(head["deal"]) for head in ledger().deals.listed(state)} & self.deals

    def _executions(self) -> list[str]:
        """Executions that hold one of these deals and still run. A lease may outlive its execution."""
        heads = ledger().deals.listed(DealState.RUNNING)
        held = {str(head.get("lease_run")) for head in heads if DealKey.parse(head["deal"]) in self.deals}
        if not held:
            return []
        pages = self._states.get_paginator("list_executions")
        listed = pages.paginate(stateMachineArn=self.running.stack["DealRunArn"], statusFilter="RUNNING")
        return sorted(str(each["name"]) for page in listed for each in page["executions"] if each["name"] in held)

    def _messages(self, url: str) -> int:
        told = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        return int(told["ApproximateNumberOfMessages"]) + int(told["ApproximateNumberOfMessagesNotVisible"])
