"""The fakes in place of `dealbridge.aws`, each call seen by whoever watches: that is where a world makes time pass,
lets others go on, and strikes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from dealbridge import aws

WRITES = frozenset(
    {
        "put_item",
        "update_item",
        "delete_item",
        "transact_write_items",
        "put_events",
        "start_execution",
        "put_object",
        "send_message",
        "delete_message",
        "change_message_visibility",
        "invoke",
    }
)


@dataclass(frozen=True)
class CloudCall:
    """One call of an AWS client."""

    service: str
    operation: str
    request: dict[str, Any]

    @property
    def writes(self) -> bool:
        return self.operation in WRITES


type Watch = Callable[[CloudCall, Callable[[], Any]], Any]
"""Gets the call and how to carry it out, and gives its answer; may raise before or after."""


class Watched:
    """A fake client whose every operation goes through a `Watch`."""

    def __init__(self, service: str, client: Any, watch: Watch) -> None:
        self._service = service
        self._client = client
        self._watch = watch
        self.exceptions = getattr(client, "exceptions", None)

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        method, service, watch = getattr(self._client, operation), self._service, self._watch

        def call(**request: Any) -> Any:
            return watch(CloudCall(service, operation, request), lambda: method(**request))

        self.__dict__[operation] = call
        return call


SERVICES = {
    "dynamodb": "dynamodb",
    "events": "events",
    "states": "stepfunctions",
    "sqs": "sqs",
    "s3": "s3",
    "secrets": "secretsmanager",
    "appconfig": "appconfigdata",
}
"""Function of `dealbridge.aws` → the client's service name."""


@contextmanager
def in_place(clients: dict[str, Any]) -> Iterator[None]:
    """These clients, by service name, behind `dealbridge.aws`, for the length of the block."""
    kept = {name: getattr(aws, name) for name in (*SERVICES, "any_client")}
    try:
        for function, service in SERVICES.items():
            setattr(aws, function, lambda service=service: clients[service])
        aws.any_client = lambda name: clients[name]
        yield
    finally:
        for name, function_before in kept.items():
            setattr(aws, name, function_before)
