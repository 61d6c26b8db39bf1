"""A world in which every AWS request and every state is counted.

The handlers, the state machine's definition and the simulators are those of the deployed whole; AWS is in memory, so
that the counts are the same on any machine.
"""

import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from math import ceil
from typing import Any

from bench import units
from bench.sellers import sellers_in
from dealbridge import aws
from dealbridge_local.worlds.cloud import seam
from dealbridge_local.worlds.cloud.seam import CloudCall, Watched
from dealbridge_local.worlds.functions import Answer
from dealbridge_local.worlds.world import EVENT_AUTHORIZATION, World

EVENT_BYTES = 64 * 1024
"""What EventBridge bills as one event."""


@dataclass
class Meter:
    """What a stretch of a world has used."""

    transitions: int = 0
    invocations: int = 0
    read_units: float = 0.0
    write_units: int = 0
    events: int = 0
    messages: int = 0
    webhooks: int = 0
    """Requests of vendors at the HTTP API."""
    s3_puts: int = 0
    s3_gets: int = 0
    cloud_calls: int = 0
    database_calls: int = 0
    processor_seconds: float = 0.0
    requests: Counter[str] = field(default_factory=Counter)
    """DynamoDB's by operation and kind of item: ("update_item RUN")."""
    units_by_kind: Counter[str] = field(default_factory=Counter)
    vendor_calls: Counter[str] = field(default_factory=Counter)


class MeteredWorld:
    """A world with sellers in its CRMs; `metered` tells what happened within a block."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.sellers = sellers_in(world.salesforce, world.hubspot)
        self._meter = Meter()
        machine = _counted(world.deployment.machine, self._entered)
        world.executions.deployment = replace(world.deployment, machine=machine)

    @contextmanager
    def metered(self) -> Iterator[Meter]:
        """Counts until the world has settled."""
        world, meter = self.world, Meter()
        before = world.functions.invocations
        vendor_calls = len(world.functions.vendor_calls)
        posted, sent = len(world.hubspot.webhooks.posts), len(world.s4hana.events.sent)
        self._meter, began = meter, time.process_time()
        yield meter
        world.settle()
        told = world.s4hana.events.sent[sent:]
        for event in told:
            self._push(event)
        world.settle()
        meter.processor_seconds = time.process_time() - began
        meter.webhooks = len(world.hubspot.webhooks.posts) - posted + len(told)
        meter.invocations = world.functions.invocations - before
        meter.vendor_calls = Counter(call.connection for call in world.functions.vendor_calls[vendor_calls:])
        self._meter = Meter()

    def _push(self, event: Mapping[str, Any]) -> None:
        """Event Mesh tells of a record in S/4HANA, our own writes included."""
        request = {
            "requestContext": {"http": {"method": "POST"}, "domainName": "api.invalid"},
            "rawPath": "/erp-events/s4hana",
            "pathParameters": {"connection": "s4hana"},
            "headers": {"content-type": "application/cloudevents+json", "authorization": EVENT_AUTHORIZATION},
            "body": json.dumps(event),
        }
        self.world.call("receive_erp_event", request, _accepted)

    def watch(self, call: CloudCall, perform: Callable[[], Any]) -> Any:
        """See `seam.Watch`."""
        meter = self._meter
        meter.cloud_calls += 1
        match call.service, call.operation:
            case "dynamodb", _:
                return self._dynamodb(call, perform)
            case "events", "put_events":
                for entry in call.request["Entries"]:
                    meter.events += ceil(len(entry["Detail"].encode()) / EVENT_BYTES)
                    # EventBridge sends the hint to the queue; the function's poller receives and deletes it.
                    meter.messages += entry["DetailType"] == "DealChanged"
            case "s3", "put_object":
                meter.s3_puts += 1
            case "s3", "get_object":
                meter.s3_gets += 1
        return perform()

    def _entered(self) -> None:
        self._meter.transitions += 1

    def _dynamodb(self, call: CloudCall, perform: Callable[[], Any]) -> Any:
        self._meter.database_calls += 1
        targets = list(_written(call))
        before = [self._held(table, key) for table, key in targets]
        try:
            answer = perform()
        except Exception:
            # A condition that does not hold costs what the write would have.
            self._note_writes(call, targets, before)
            raise
        self._note_writes(call, targets, before)
        match call.operation:
            case "get_item":
                self._note_read(call, units.item_bytes(answer.get("Item", {})), _kind(call.request["Key"]))
            case "batch_get_item":
                for table, items in answer["Responses"].items():
                    for key in call.request["RequestItems"][table]["Keys"]:
                        held = [item for item in items if all(item[name] == value for name, value in key.items())]
                        size = units.item_bytes(held[0]) if held else 0
                        self._note_read(call, size, _kind(key), consistent=True)
            case "query":
                size = sum(units.item_bytes(item) for item in answer["Items"])
                prefix = call.request["ExpressionAttributeValues"].get(":prefix", {"S": "index"})
                self._note_read(call, size, _family(prefix["S"]))
        return answer

    def _note_read(self, call: CloudCall, size: int, kind: str, consistent: bool | None = None) -> None:
        if consistent is None:
            consistent = bool(call.request.get("ConsistentRead"))
        spent = units.read_units(size, consistent=consistent)
        self._meter.read_units += spent
        self._meter.requests[f"{call.operation} {kind}"] += 1

    def _note_writes(
        self, call: CloudCall, targets: list[tuple[str, Mapping[str, Any]]], before: Sequence[units.Raw | None]
    ) -> None:
        together = call.operation == "transact_write_items"
        for (table, key), old in zip(targets, before, strict=True):
            spent = units.write_units(old, self._held(table, key), in_transaction=together)
            self._meter.write_units += spent
            self._meter.requests[f"{call.operation} {_kind(key)}"] += 1
            self._meter.units_by_kind[_kind(key)] += spent

    def _held(self, table: str, key: Mapping[str, Any]) -> units.Raw | None:
        held = self.world.dynamodb.tables[table]
        return held.get(held.key_of(key))


@contextmanager
def metered_world() -> Iterator[MeteredWorld]:
    """A world of its own, metered from here on."""
    # The org is set up as the connector's README says: one event of a won deal, not two.
    with World(tells_twice=False) as world:
        metered = MeteredWorld(world)
        clients = {service: Watched(service, aws.any_client(service), metered.watch) for service in _METERED}
        others = {service: aws.any_client(service) for service in (*seam.SERVICES.values(), "lambda")}
        with seam.in_place({**others, **clients}):
            yield metered


def _accepted(answer: Answer) -> None:
    if answer.error is not None or answer.result["statusCode"] != 202:
        raise RuntimeError(f"an event of S/4HANA is not taken: {answer}")


_METERED = ("dynamodb", "events", "s3")


class _Counted(dict[str, Any]):
    """The states of a machine or of a part of it; whoever enters one asks for it by name."""

    def __init__(self, states: Mapping[str, Any], entered: Callable[[], None]) -> None:
        super().__init__(states)
        self._entered = entered

    def __getitem__(self, name: str) -> Any:
        self._entered()
        return super().__getitem__(name)


def _counted(part: Any, entered: Callable[[], None]) -> Any:
    """A copy of a machine that tells of each state that is entered."""
    if isinstance(part, Mapping):
        copied = {name: _counted(value, entered) for name, value in part.items()}
        if isinstance(copied.get("States"), Mapping):
            copied["States"] = _Counted(copied["States"], entered)
        return copied
    return [_counted(each, entered) for each in part] if isinstance(part, list) else part


def _written(call: CloudCall) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Table and key of each item that a call writes or whose condition it checks in a transaction."""
    request = call.request
    match call.operation:
        case "update_item" | "delete_item":
            yield request["TableName"], request["Key"]
        case "put_item":
            yield request["TableName"], _key_in(request["Item"])
        case "transact_write_items":
            for action in request["TransactItems"]:
                ((kind, each),) = action.items()
                yield each["TableName"], _key_in(each["Item"]) if kind == "Put" else each["Key"]


def _key_in(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: item[name] for name in ("pk", "sk", "id") if name in item}


def _kind(key: Mapping[str, Any]) -> str:
    if "id" in key:
        return "IDEMPOTENCY"
    return "SHARED" if key["pk"]["S"].startswith("SHARED#") else _family(key["sk"]["S"])


def _family(sort_key: str) -> str:
    return re.split(r"[#/]", sort_key)[0]
