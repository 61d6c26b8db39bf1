"""One world: vendors, the cloud, what is deployed, and the clock that they share."""

import hashlib
import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from types import TracebackType
from typing import Any, Self

from dealbridge import events
from dealbridge.domain.connection import Connection
from dealbridge.mappings.folder import read_folder
from dealbridge.wiring import Wiring
from dealbridge_local.engine import REPOSITORY
from dealbridge_local.simulators.hubspot import HubSpotSimulator
from dealbridge_local.simulators.hubspot.webhooks import Delivery, WebhookRequest
from dealbridge_local.simulators.kantata import KantataSimulator
from dealbridge_local.simulators.netsuite import NetSuiteSimulator
from dealbridge_local.simulators.netsuite import oauth as netsuite_oauth
from dealbridge_local.simulators.s4hana import S4HanaSimulator
from dealbridge_local.simulators.salesforce import SalesforceSimulator
from dealbridge_local.simulators.salesforce import oauth as salesforce_oauth
from dealbridge_local.simulators.simulator import Simulator
from dealbridge_local.simulators.transport import SimulatorTransport
from dealbridge_local.worlds.boundaries import Calm, Fate
from dealbridge_local.worlds.cloud.dynamodb import DynamoDB, Table, Written
from dealbridge_local.worlds.cloud.queues import SQS, Queue
from dealbridge_local.worlds.cloud.seam import Watched
from dealbridge_local.worlds.cloud.services import (
    S3,
    AppConfig,
    EventBridge,
    Execution,
    Lambda,
    SecretsManager,
    StepFunctions,
)
from dealbridge_local.worlds.deployment import deployment
from dealbridge_local.worlds.executions import Executions
from dealbridge_local.worlds.functions import Answer, Functions, VendorTransport
from dealbridge_local.worlds.scheduler import Due, Scheduler, StalledError
from dealbridge_local.worlds.surroundings import (
    IDEMPOTENCY_TABLE,
    LEDGER_TABLE,
    MACHINE_ARN,
    QUEUE_URL,
    surrounded,
)

START = datetime(2026, 11, 23, 8, 0, 0, tzinfo=UTC)
ASYNC_RETRY_SECONDS = (60.0, 120.0)
"""An asynchronous invocation that failed is tried again after one and two minutes (Lambda Developer Guide)."""
WEBHOOK_SECRET = "of-the-world"
EVENT_AUTHORIZATION = "Bearer of-the-world"
"""What S/4HANA's Event Mesh sends."""
CRMS = ("salesforce", "hubspot")
VENDORS = ("salesforce", "hubspot", "netsuite", "s4hana", "kantata")
ENTRANCE = "https://api.invalid/events/"
LONGEST_SETTLING = timedelta(hours=12)


class Mail:
    """How messages travel: for each, the delays in seconds after which a copy arrives. Here each arrives once."""

    def copies(self, route: str) -> Sequence[float]:
        """`route`: relay (CRM to us), bus (EventBridge to the queue), queue (SQS to the function)."""
        return (0.05,)


@dataclass(frozen=True)
class LedgerWrite:
    """One write of the ledger, as a stream of the table would show it."""

    at: int
    written: Written


@dataclass
class World:
    """A world, entered as a context. `fate` decides what falls on the functions' calls, `mail` what comes when."""

    seed: str = "0"
    fate: Fate = field(default_factory=Calm)
    mail: Mail = field(default_factory=Mail)
    crms: tuple[str, ...] = CRMS
    """The CRMs that are connected."""
    keeps_history: bool = False
    processes: bool = False
    """Each environment of a function is a process of its own (processes.py)."""
    tells_twice: bool = True
    """The org relays a platform event of a won deal besides the change event."""
    history: list[str] = field(default_factory=list)
    ledger_writes: list[LedgerWrite] = field(default_factory=list)
    published: list[Mapping[str, Any]] = field(default_factory=list)
    """Every entry that the bus has taken, with the time."""

    def __post_init__(self) -> None:
        self._digest = hashlib.sha256()
        self._asynchronous = 0
        self._under_way = 0
        self._stack = ExitStack()
        self.scheduler = Scheduler(START)
        self.deployment = deployment()
        self._make_vendors()
        self._make_cloud()
        self.functions = Functions(
            self.scheduler, self.deployment, self._wiring, self.simulators, self.fate, self.tell, self.processes
        )
        chance = random.Random(f"{self.seed}/executions")
        self.executions = Executions(
            self.scheduler, self.functions, self.deployment, chance, self._execution_ended_badly, self.tell
        )

    def __enter__(self) -> Self:
        clients = {name: Watched(name, client, self.functions.cloud) for name, client in self._clients.items()}
        chance = random.Random(f"{self.seed}/chance")
        self._stack.enter_context(surrounded(clients, self.scheduler.now, chance))
        self._stack.callback(self.functions.end)
        self._stack.callback(self.scheduler.end)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    # What people and operators need (`stage.Stage`, `stage.Operated`)

    @property
    def name(self) -> str:
        return self.seed

    def origin(self, connection: str) -> str:
        return self.simulators[connection].base_url

    def credentials(self, connection: str) -> Mapping[str, str]:
        return {**self.simulators[connection].credentials(), "webhook_secret": WEBHOOK_SECRET}

    def transport(self, connection: str) -> SimulatorTransport:
        return SimulatorTransport({self.origin(connection): self.simulators[connection]})

    def now(self) -> datetime:
        return self.scheduler.now()

    def after(self, seconds: float, act: Callable[[], None]) -> Due:
        return self.scheduler.after(seconds, act)

    def emit(self, connection: str, event: Mapping[str, Any]) -> None:
        self.simulators[connection].emit(dict(event))

    def abort(self, execution: str) -> None:
        self.executions.abort(execution)

    @property
    def dead_letter_queues(self) -> tuple[str, ...]:
        return (self.dead_letters.url, self.failed_invocations.url)

    def concerns(self, deal: str) -> bool:
        return True

    # What happens

    def tell(self, what: str) -> None:
        line = f"{self.scheduler.moment} {what}"
        self._digest.update(line.encode() + b"\n")
        if self.keeps_history:
            self.history.append(line)

    @property
    def history_hash(self) -> str:
        return self._digest.hexdigest()

    def call(self, function: str, event: Any, reply: Callable[[Answer], None]) -> None:
        """Invoke a function as from outside, now; `reply` hears the answer."""
        self._under_way += 1

        def answered(answer: Answer) -> None:
            self._under_way -= 1
            reply(answer)

        self.functions.invoke(function, event, answered)

    def call_asynchronously(self, function: str, event: Any, attempt: int = 0) -> None:
        """Invoke a function as EventBridge and the scheduler do: retried, then kept in the queue of failures."""
        self._asynchronous += 1

        def answered(answer: Answer) -> None:
            self._asynchronous -= 1
            if answer.error is None:
                return
            retries = self.deployment.functions[function].retries
            if attempt < retries:
                self._asynchronous += 1
                self.scheduler.after(ASYNC_RETRY_SECONDS[attempt], lambda: again(attempt + 1))
                return
            arn = f"arn:aws:lambda:us-east-1:000000000000:function:{function}:$LATEST"
            failed = {"requestContext": {"functionArn": arn}, "requestPayload": event}
            self.failed_invocations.send(json.dumps(failed))

        def again(number: int) -> None:
            self._asynchronous -= 1
            self.call_asynchronously(function, event, number)

        self.functions.invoke(function, event, answered)

    def deliver_event(self, envelope: Mapping[str, Any]) -> None:
        """The relay's event reaches us, as often and as late as the mail brings it."""
        for delay in self.mail.copies("relay"):
            self._asynchronous += 1
            self.scheduler.after(delay, lambda: self._relayed(envelope))

    def rest(self) -> None:
        """Let a minute pass: HubSpot's search shows what has changed only seconds later."""
        self.scheduler.run(self.scheduler.moment + 60_000_000)

    def poll(self) -> None:
        self.call_asynchronously("poll_crm", {})

    def poll_regularly(self, until: datetime | None = None, minutes: int | None = None) -> None:
        """Poll on the schedule that is deployed, or every so many minutes."""
        every = timedelta(minutes=minutes or self.deployment.poll_minutes)

        def due() -> None:
            if until is None or self.scheduler.now() < until:
                self.poll()
                self.scheduler.after(every.total_seconds(), due)

        self.scheduler.after(every.total_seconds(), due)

    @property
    def busy(self) -> bool:
        """Whether anything is under way besides the schedule."""
        return bool(self._under_way or self._asynchronous or self.executions.under_way or self.queue.messages)

    def settle(self) -> None:
        """Let all that is under way come to its end. Raises StalledError where it does not."""
        latest = self.scheduler.now() + LONGEST_SETTLING
        while self.busy:
            if not self.scheduler.step() or self.scheduler.now() > latest:
                raise StalledError(f"still under way: {self.executions.under_way}, {len(self.queue.messages)} messages")

    # Vendors

    def _make_vendors(self) -> None:
        now = self.scheduler.now
        sf_key, ns_key = _keys()
        self.salesforce = SalesforceSimulator(
            now,
            private_key=sf_key,
            consumer_secret="of-the-world",
            relay=self._relay,
            relay_in_background=False,
            relayed=("Opportunity", "OpportunityLineItem", "Account"),
            deal_won_events=self.tells_twice,
        )
        self.netsuite = NetSuiteSimulator(now, private_key=ns_key)
        self.kantata = KantataSimulator(now, token="of-the-world")
        self.hubspot = HubSpotSimulator(
            now,
            access_token="pat-of-the-world",
            client_id="of-the-world",
            client_secret="of-the-world",
            refresh_token="of-the-world",
            delivery=Delivery(unordered=True),
        )
        self.hubspot.webhooks.arrived = self._webhooks_wait
        self.s4hana = S4HanaSimulator(now, password="of-the-world")
        self.simulators: dict[str, Simulator] = {
            "salesforce": self.salesforce,
            "hubspot": self.hubspot,
            "netsuite": self.netsuite,
            "s4hana": self.s4hana,
            "kantata": self.kantata,
        }

    def _relay(self, envelopes: list[dict[str, Any]]) -> None:
        for envelope in envelopes:
            self.tell(f"event {envelope['detail-type']} {envelope['id']}")
            self.deliver_event(envelope)

    def _relayed(self, envelope: Mapping[str, Any]) -> None:
        self._asynchronous -= 1
        self.call_asynchronously("receive_crm_event", dict(envelope))

    def _webhooks_wait(self, seconds: float) -> None:
        self._asynchronous += 1
        self.scheduler.after(seconds, self._collect_webhooks)

    def _collect_webhooks(self) -> None:
        self._asynchronous -= 1
        for request in self.hubspot.webhooks.collect(ENTRANCE + "hubspot"):
            for delay in self.mail.copies("relay"):
                self._asynchronous += 1
                self.scheduler.after(delay, partial(self._post_webhook, request))

    def _post_webhook(self, due: WebhookRequest) -> None:
        """HubSpot posts, and posts again for as long as it is not accepted."""
        self._asynchronous -= 1
        webhooks = self.hubspot.webhooks
        # Whatever kept it, it is signed when it is sent.
        request = webhooks.signed(due.url, due.events)

        self.post("hubspot", request.headers, request.body, partial(webhooks.settle, request))

    def post(self, connection: str, headers: Mapping[str, str], body: bytes, reply: Callable[[int], None]) -> None:
        """A request at the HTTP API's entrance; `reply` hears the status."""
        event = {
            "requestContext": {"http": {"method": "POST"}, "domainName": "api.invalid"},
            "rawPath": f"/events/{connection}",
            "pathParameters": {"connection": connection},
            "headers": dict(headers),
            "body": body.decode(),
        }

        def answered(answer: Answer) -> None:
            reply(int(answer.result["statusCode"]) if answer.error is None else 500)

        self.call("receive_crm_event", event, answered)

    def _wiring(self) -> Wiring:
        """What one environment reaches the vendors through."""
        deployed = Wiring()
        return Wiring(
            secret=self._secret,
            wire=lambda connection: replace(
                deployed.wire(connection),
                transport=VendorTransport(connection.id, self.functions),
            ),
        )

    def _secret(self, connection: Connection) -> Mapping[str, str]:
        secret = self.simulators[connection.id].credentials()
        if connection.id == "salesforce":
            # Signing in with the client's secret: signing a JWT with RSA would be half of a world's time.
            secret = {name: value for name, value in secret.items() if name != "private_key"} | {
                "webhook_secret": WEBHOOK_SECRET
            }
        if connection.id == "s4hana":
            secret = {**secret, "webhook_authorization": EVENT_AUTHORIZATION}
        return secret

    # Cloud

    def _make_cloud(self) -> None:
        now = self.scheduler.now
        self.ledger = Table()
        self.dynamodb = DynamoDB(
            {LEDGER_TABLE: self.ledger, IDEMPOTENCY_TABLE: Table("id", None, index=None)}, self._ledger_written
        )
        self.dead_letters = Queue("https://sqs.invalid/deal-queue-dead-letters", now)
        self.failed_invocations = Queue("https://sqs.invalid/failed-invocations", now)
        self.queue = Queue(
            QUEUE_URL,
            now,
            timedelta(seconds=self.deployment.visibility),
            self.deployment.most_receives,
            self.dead_letters,
            arrived=self._look_at_queue,
        )
        self.states = StepFunctions(lambda execution: self.executions.begin(execution))
        self.appconfig = AppConfig(_reference_document(self.crms, self.salesforce.feed.source))
        self._clients: dict[str, Any] = {
            "dynamodb": self.dynamodb,
            "events": EventBridge(self._published),
            "stepfunctions": self.states,
            "sqs": SQS(self.queue, self.dead_letters, self.failed_invocations),
            "s3": S3(),
            "secretsmanager": SecretsManager({}),
            "appconfigdata": self.appconfig,
            "lambda": Lambda(self._invoked),
        }

    def _ledger_written(self, table: str, written: Written) -> None:
        if table == LEDGER_TABLE:
            self.ledger_writes.append(LedgerWrite(self.scheduler.moment, written))

    def _invoked(self, name: str, payload: Any) -> None:
        self.call_asynchronously(name.removesuffix(":$LATEST").rsplit(":", 1)[-1], payload)

    def _published(self, entry: Mapping[str, Any]) -> None:
        detail = json.loads(entry["Detail"])
        self.published.append({"type": entry["DetailType"], "detail": detail, "at": self.scheduler.moment})
        if entry["DetailType"] != events.DEAL_CHANGED:
            return
        body = json.dumps({"detail-type": entry["DetailType"], "source": entry["Source"], "detail": detail})
        for delay in self.mail.copies("bus"):
            self._asynchronous += 1
            self.scheduler.after(delay, lambda: self._queued(body))

    def _queued(self, body: str) -> None:
        self._asynchronous -= 1
        self.queue.send(body)

    # The queue's event source mapping

    def _look_at_queue(self) -> None:
        for delay in self.mail.copies("queue"):
            self.scheduler.after(delay, self._take_batch)

    def _take_batch(self) -> None:
        messages = self.queue.receive(self.deployment.batch)
        following = self.queue.next_visible()
        if following is not None and following > self.scheduler.now():
            self.scheduler.at(self._moment(following), self._take_batch)
        if not messages:
            return
        records = [{"messageId": message.id, "body": message.body} for message in messages]
        receipts = {message.id: message.receipt for message in messages}

        def answered(answer: Answer) -> None:
            if answer.error is not None:
                return
            failed = {each["itemIdentifier"] for each in answer.result["batchItemFailures"]}
            for message_id, receipt in receipts.items():
                if message_id not in failed:
                    self.queue.delete(receipt)

        self.call("start_deal_run", {"Records": records}, answered)

    def _moment(self, time: datetime) -> int:
        return round((time - START) / timedelta(microseconds=1))

    # Executions

    def _execution_ended_badly(self, execution: Execution) -> None:
        detail = {
            "executionArn": execution.arn,
            "stateMachineArn": MACHINE_ARN,
            "name": execution.name,
            "status": execution.status,
            "input": execution.input,
            "error": execution.error,
        }
        event = {"source": "aws.states", "detail-type": "Step Functions Execution Status Change", "detail": detail}
        self._asynchronous += 1

        def due() -> None:
            self._asynchronous -= 1
            self.call_asynchronously("park_dead_run", event)

        self.scheduler.after(1.0, due)

    def items(self) -> Iterator[dict[str, Any]]:
        """The ledger's items as plain values."""
        from dealbridge.ledger.table import decoded

        for item in self.ledger.all():
            yield {name: decoded(value) for name, value in item.items()}


@cache
def _keys() -> tuple[str, str]:
    return salesforce_oauth.new_private_key(), netsuite_oauth.new_private_key()


@cache
def _reference_document(crms: tuple[str, ...], event_source: str) -> bytes:
    """The repository's reference data, at the simulators' addresses and without the CRMs that are not connected."""
    connections: dict[str, dict[str, Any]] = {name: {"base_url": f"http://{name}.invalid"} for name in VENDORS}
    connections["salesforce"]["options"] = {"event_source": event_source}
    reference = read_folder(REPOSITORY / "mappings", connections)
    absent = set(CRMS) - set(crms)
    kept = {
        part: {name: value for name, value in getattr(reference, part).items() if name not in absent}
        for part in ("connections", "fields", "codes")
    }
    return reference.model_copy(update=kept).model_dump_json().encode()
