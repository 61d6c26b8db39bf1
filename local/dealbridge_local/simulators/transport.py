"""Simulators as an httpx transport: the same answers and faults, with no socket and no waiting between."""

from collections.abc import Callable, Mapping

import httpx

from dealbridge_local.simulators.simulator import Simulator
from dealbridge_local.simulators.wire import Dropped, Held, Reply, Request


def _no_wait(seconds: float) -> None:
    """In-process worlds do not wait."""


class SimulatorTransport(httpx.BaseTransport):
    """Sends each request to the simulator that answers for its origin (`scheme://host[:port]`)."""

    def __init__(self, simulators: Mapping[str, Simulator], sleep: Callable[[float], None] = _no_wait) -> None:
        self._simulators = simulators
        self._sleep = sleep

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        origin = f"{request.url.scheme}://{request.url.netloc.decode()}"
        simulator = self._simulators.get(origin)
        if simulator is None:
            raise httpx.ConnectError(f"no simulator answers for {origin}", request=request)
        call = Request(
            request.method,
            request.url.raw_path.decode().split("?")[0],
            request.url.query.decode(),
            {name.lower(): value for name, value in request.headers.items()},
            request.read(),
        )
        match simulator.deliver(call, self._sleep):
            case Reply(response):
                headers = list(response.headers)
                if request.method == "HEAD":
                    # The length of what a GET would bring, and nothing of it, as over a socket.
                    headers.append(("Content-Length", str(len(response.body))))
                    return httpx.Response(response.status, headers=headers)
                return httpx.Response(response.status, headers=headers, content=response.body)
            case Held():
                raise httpx.ReadTimeout("held by the simulator", request=request)
            case Dropped():
                raise httpx.RemoteProtocolError("dropped by the simulator", request=request)
