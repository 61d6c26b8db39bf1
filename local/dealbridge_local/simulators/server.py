"""Simulators on real ports of 127.0.0.1, a thread per connection.

The standard library's server is used because a fault must be able to close or hold the very socket, which an ASGI
server does not let an application do.
"""

import socket
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from dealbridge_local.simulators.simulator import Simulator
from dealbridge_local.simulators.wire import Dropped, Held, Reply, Request, Response


class SimulatorServer(ThreadingHTTPServer):
    """One simulator on one port."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, simulator: Simulator, port: int = 0) -> None:
        self.simulator = simulator
        super().__init__(("127.0.0.1", port), _Handler)
        simulator.base_url = self.url

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is not an error of ours; anything else is a bug in a simulator, and must be seen."""
        if not isinstance(sys.exception(), OSError):
            traceback.print_exc()


@contextmanager
def serving(simulator: Simulator, port: int = 0) -> Iterator[str]:
    """The simulator on a port, free unless given, for the length of the block; yields its URL."""
    server = SimulatorServer(simulator, port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server.url
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # one write per response: two small ones would wait for the client's delayed ACK
    server: SimulatorServer

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self._chunked() if self.headers.get("Transfer-Encoding") == "chunked" else self.rfile.read(length)
        target = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, target.path, target.query, headers, body)
        match self.server.simulator.deliver(request, time.sleep):
            case Reply(response):
                self._reply(response)
            case Held(seconds):
                self._hold(seconds)
            case Dropped():
                self._drop()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = _serve  # noqa: N815 (the server's names)
    do_MERGE = _serve  # noqa: N815 (an update of OData V2)

    def _chunked(self) -> bytes:
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _reply(self, response: Response) -> None:
        self.send_response(response.status)
        for name, value in response.headers:
            self.send_header(name, value)
        if response.status != 204:
            self.send_header("Content-Length", str(len(response.body)))
        self.end_headers()
        if self.command != "HEAD" and response.status != 204:
            self.wfile.write(response.body)
        self.wfile.flush()

    def _hold(self, seconds: float) -> None:
        """Say nothing until the time is over or the client has hung up."""
        self.connection.settimeout(seconds)
        with suppress(OSError):
            self.connection.recv(1, socket.MSG_PEEK)
        self._drop()

    def _drop(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet: the call log under /__sim/calls says it better."""
