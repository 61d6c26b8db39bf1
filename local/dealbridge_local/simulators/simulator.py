"""The base of every simulator: the call log, the faults and the control surface; a vendor adds `answer` and `seed`."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import UTC, datetime
from time import perf_counter
from typing import Any, Self

from dealbridge_local.simulators.faults import Fault, FaultError
from dealbridge_local.simulators.store import Record, Store
from dealbridge_local.simulators.wire import Delivery, Dropped, Held, Reply, Request, Response, to_json

type Clock = Callable[[], datetime]


def utc_now() -> datetime:
    return datetime.now(UTC)


class Simulator(ABC):
    """One vendor's API, held in memory.

    A subclass answers API calls (`answer`), fills the store (`seed`), shows its records as the API would (`show`),
    forgets its tokens (`expire_tokens`) and emits the vendor's events (`emit`). `deliver` is the only entrance.
    """

    name: str
    """As the connector's folder is named."""
    api_version: str

    def __init__(self, clock: Clock = utc_now) -> None:
        self.clock = clock
        self.store = Store()
        self.lock = threading.RLock()
        self.base_url = f"http://{self.name}.invalid"
        self.in_flight = 0
        self._written_at = clock()
        self._gate = threading.Lock()
        self._faults: list[Fault] = []
        self._calls: list[dict[str, Any]] = []
        self.seed()

    @classmethod
    def on_laptop(cls, engine_url: str) -> Self:
        """A tenant beside a local AWS engine."""
        return cls()

    # What a vendor adds

    @abstractmethod
    def answer(self, request: Request) -> Response:
        """The vendor's answer to one API call; runs under `lock`, inside one `store.call`."""

    @abstractmethod
    def seed(self) -> None:
        """Put the set-up data of a fresh tenant into the empty store, always the same."""

    @abstractmethod
    def credentials(self) -> dict[str, str]:
        """What a client needs to sign in; printed in .local/endpoints.json."""

    @abstractmethod
    def expire_tokens(self) -> None:
        """Forget every access token issued so far."""

    def show(self, kind: str, record: Record) -> Any:
        """A record as the vendor's API would show it."""
        return record

    def emit(self, event: dict[str, Any]) -> dict[str, Any]:
        """Emit the vendor's event for `{"type", "id", "duplicate"?, "delay_s"?}`; says what was sent."""
        raise FaultError(f"type: {self.name} sends no events ({event.get('type')!r}); it is polled")

    def act(self, action: str, given: dict[str, Any]) -> dict[str, Any]:
        """Do what people and jobs do inside the vendor's system and no API call does; `POST /__sim/actions/{action}`.

        A vendor that posts events has `subscribe`: `{"url"}` is where they go from then on.
        Raises ValueError for an unknown action or a request that makes no sense.
        """
        raise FaultError(f"{self.name} has no action {action!r}")

    def error_page(self, status: int) -> Response | None:
        """What the vendor's front end sends for a `status` fault without a body; None: no body."""
        return None

    def busy(self, request: Request) -> Response | None:
        """The vendor's refusal of a call before it starts (concurrency governance), or None. `in_flight` counts it."""
        return None

    # What all share

    def deliver(self, request: Request, sleep: Callable[[float], None]) -> Delivery:
        """What the network brings back for a request, faults and control surface included."""
        if request.path.startswith("/__sim/"):
            with self.lock:
                return Reply(self._control(request))
        began, moment = perf_counter(), self.clock()
        with self._gate:
            self.in_flight += 1
            in_flight = self.in_flight
        fault: Fault | None = None
        status: int | None = None
        try:
            with self._gate:
                fired = [fault for fault in self._faults if fault.fires(request.method, request.path)]
            for each in fired:
                if each.kind == "delay":
                    sleep(each.delay_s)
                else:
                    fault = fault or each
            delivery = self._meet(fault, request)
            status = delivery.response.status if isinstance(delivery, Reply) else None
            return delivery
        finally:
            with self._gate:
                self.in_flight -= 1
                self._calls.append(
                    {
                        "method": request.method,
                        "path": request.path,
                        "query": request.query,
                        "status": status,
                        "time": moment.isoformat(),
                        "seconds": round(perf_counter() - began, 6),
                        "in_flight": in_flight,
                        "fault": fault.kind if fault else None,
                    }
                )

    def _meet(self, fault: Fault | None, request: Request) -> Delivery:
        kind = fault.kind if fault else None
        if fault is None:
            return Reply(self._run(request))
        if kind == "status" and fault.body is None and (page := self.error_page(fault.status)) is not None:
            return Reply(page.with_headers(*fault.headers.items()))
        if kind == "status":
            body = b"" if fault.body is None else fault.body.encode() if isinstance(fault.body, str) else None
            content = to_json(fault.body) if body is None else body
            media = () if any(name.lower() == "content-type" for name in fault.headers) else (_JSON,)
            return Reply(Response(fault.status, content, (*media, *fault.headers.items())))
        if kind == "timeout_before_commit":
            return Held(fault.delay_s)
        if kind == "drop_before_commit":
            return Dropped()
        if kind == "expire_tokens":
            with self.lock:
                self.expire_tokens()
            return Reply(self._run(request))
        response = self._run(request, behind_s=fault.delay_s if kind == "stale_read" else 0)
        if kind == "timeout_after_commit":
            return Held(fault.delay_s)
        if kind == "drop_after_commit":
            return Dropped()
        if kind == "malformed_body":
            return Reply(Response(response.status, b'{"cut off in the midd', response.headers))
        return Reply(response)

    def _run(self, request: Request, *, behind_s: float = 0) -> Response:
        refusal = self.busy(request)
        if refusal is not None:
            return refusal
        with self.lock:
            stale = bool(behind_s) and (self.clock() - self._written_at).total_seconds() < behind_s
            with self.store.call(stale=stale) as call:
                response = self.answer(request)
            if call.wrote:
                self._written_at = self.clock()
            return response

    def reset(self) -> None:
        self.store = Store()
        self._faults.clear()
        self._calls.clear()
        self.expire_tokens()
        self.seed()

    def records(self) -> dict[str, list[Any]]:
        return {kind: [self.show(kind, record) for record in self.store.all(kind)] for kind in self.store.kinds()}

    def calls(self) -> list[dict[str, Any]]:
        return list(self._calls)

    def add_fault(self, **given: Any) -> Fault:
        fault = Fault.parse(given)
        with self._gate:
            self._faults.append(fault)
        return fault

    def clear_faults(self) -> None:
        with self._gate:
            self._faults.clear()

    def _control(self, request: Request) -> Response:
        match request.method, request.path.removeprefix("/__sim/").strip("/").split("/"):
            case "GET", ["records"]:
                return Response.of(200, self.records())
            case "GET", ["records", kind]:
                return Response.of(200, [self.show(kind, record) for record in self.store.all(kind)])
            case "GET", ["calls"]:
                return Response.of(200, self._calls)
            case "GET", ["faults"]:
                return Response.of(200, [fault.describe() for fault in self._faults])
            case "POST", ["faults"]:
                return self._accept(request, lambda given: self.add_fault(**given).describe())
            case "DELETE", ["faults"]:
                self.clear_faults()
                return Response(204)
            case "POST", ["reset"]:
                self.reset()
                return Response(204)
            case "POST", ["events"]:
                return self._accept(request, self.emit)
            case "POST", ["actions", action]:
                return self._accept(request, lambda given: self.act(action, given))
            case _:
                return Response.of(404, {"error": f"{request.method} {request.path}: no such control call"})

    def _accept(self, request: Request, act: Callable[[dict[str, Any]], dict[str, Any]]) -> Response:
        try:
            given = request.json()
            if not isinstance(given, dict):
                raise FaultError("body: send one JSON object")
            return Response.of(201, act(given))
        except ValueError as error:
            return Response.of(400, {"error": str(error)})


_JSON = ("Content-Type", "application/json")
