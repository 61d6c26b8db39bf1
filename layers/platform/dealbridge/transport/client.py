"""One HTTP client for a connection: signs in, calls, turns answers into the closed set of errors, tells who watches.

It sends a request once. What was sent and not answered is `TransientError` with `outcome_unknown`; the caller reads
back before it writes again.
"""

import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from decimal import Decimal
from time import perf_counter
from typing import Any, Protocol

import httpx

from dealbridge.errors import TransientError
from dealbridge.transport.outcomes import OutcomeTable


@dataclass(frozen=True)
class Call:
    """One answered or failed call, for metrics and logs: never a header, a query or a body."""

    connection: str
    method: str
    path: str
    status: int | None
    seconds: float


class Gate(Protocol):
    """Admits calls to a connection: its budget and its circuit breaker. Raises ThrottledError or TransientError."""

    def admit(self) -> AbstractContextManager[None]:
        """One call, from before it is sent until its answer is judged."""
        ...

    def spend(self) -> None:
        """Each request of an admitted call just before it is sent: the call itself, and what signing in takes."""
        ...


class OpenGate:
    """Admits everything."""

    def admit(self) -> AbstractContextManager[None]:
        return nullcontext()

    def spend(self) -> None:
        return None


OPEN_GATE = OpenGate()


@dataclass(frozen=True)
class Wire:
    """What the composition root gives a connector to call with: the transport, who watches, who admits."""

    transport: httpx.BaseTransport | None = None
    watch: Callable[[Call], None] = lambda call: None
    gate: Gate = OPEN_GATE
    connect_seconds: float = 5.0
    read_seconds: float = 25.0


class VendorClient:
    """Calls one connection's API.

    Example:
        client = VendorClient(connection.id, connection.base_url, auth, OUTCOMES, wire)
        held = client.read(client.call("PUT", "/customers/CUST-1", body={...}))
    """

    def __init__(
        self,
        connection: str,
        base_url: str,
        auth: httpx.Auth | None,
        outcomes: OutcomeTable,
        wire: Wire,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.connection = connection
        self._outcomes = outcomes
        self._wire = wire
        self._http = httpx.Client(
            base_url=base_url,
            auth=auth,
            headers=headers,
            transport=wire.transport,
            timeout=httpx.Timeout(wire.read_seconds, connect=wire.connect_seconds),
            follow_redirects=False,
            event_hooks={"request": [lambda request: wire.gate.spend()]},
        )

    def call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Any = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        accept: tuple[int, ...] = (),
    ) -> httpx.Response:
        """One call. A 2xx, or a status in `accept`, is returned; all else raises.

        `body` is sent as JSON and may hold Decimals.
        """
        given = dict(headers or {})
        if body is not None:
            content = dump_json(body)
            given.setdefault("Content-Type", "application/json")
        began, status = perf_counter(), None
        try:
            with self._wire.gate.admit():
                response = self._send(method, path, params, content, given)
                status = response.status_code
                if response.is_success or status in accept:
                    return response
                raise self._outcomes.error(self.connection, response)
        finally:
            self._wire.watch(Call(self.connection, method, path.split("?")[0], status, perf_counter() - began))

    def _send(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None,
        content: bytes | None,
        headers: Mapping[str, str],
    ) -> httpx.Response:
        try:
            return self._http.request(method, path, params=params, content=content, headers=headers)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise TransientError(
                f"{self.connection}: cannot be reached ({type(error).__name__})", connection=self.connection
            ) from None
        except httpx.HTTPError as error:
            raise TransientError(
                f"{self.connection}: no answer to {method} {path} ({type(error).__name__})",
                connection=self.connection,
                outcome_unknown=True,
            ) from None

    def read(self, response: httpx.Response) -> Any:
        """The JSON body, numbers with a fraction as Decimal. A body that is none raises TransientError.

        The call was answered with success, so a write has most likely happened: its outcome counts as unknown.
        """
        try:
            return json.loads(response.content, parse_float=Decimal)
        except ValueError:
            raise self.unreadable("its body is not JSON") from None

    def unreadable(self, why: str) -> TransientError:
        """What an answer stands for that says success and is not what the vendor's documents say."""
        return TransientError(
            f"{self.connection}: the answer cannot be read: {why}", connection=self.connection, outcome_unknown=True
        )


def dump_json(value: Any) -> bytes:
    """JSON with Decimals as numbers of the very same value.

    Raises ValueError for a number that JSON's readers would round (more than 15 significant digits).
    """
    return json.dumps(value, default=_number, ensure_ascii=False).encode()


def _number(value: Any) -> int | float:
    if not isinstance(value, Decimal):
        raise TypeError(f"{type(value).__name__} is no JSON value")
    if value == value.to_integral_value():
        return int(value)
    number = float(value)
    if Decimal(repr(number)) != value:
        raise ValueError(f"{value}: more digits than a JSON number carries; round it to the currency's minor unit")
    return number
