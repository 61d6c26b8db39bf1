"""The kernel under every simulator: faults, stale reads, the control surface, and HTTP as it is on the wire.

The simulator here is the smallest there can be: notes that are put, read, listed and deleted.
"""

import socket
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from time import perf_counter
from typing import Any

import httpx
import pytest

from dealbridge_local.simulators.faults import KINDS, FaultError
from dealbridge_local.simulators.server import serving
from dealbridge_local.simulators.simulator import Simulator
from dealbridge_local.simulators.store import Record, Store
from dealbridge_local.simulators.transport import SimulatorTransport
from dealbridge_local.simulators.wire import Request, Response, to_json

pytestmark = pytest.mark.enable_socket


class Notes(Simulator):
    """PUT /notes/{id}, GET /notes/{id}, GET /notes, DELETE /notes/{id}, POST /echo; all but /echo want a token."""

    name = "notes"
    api_version = "1"
    token = "good"

    def seed(self) -> None:
        self.token = "good"
        self.store.put("note", "welcome", {"id": "welcome", "text": "hello"})

    def credentials(self) -> dict[str, str]:
        return {"token": self.token}

    def expire_tokens(self) -> None:
        self.token = "renewed"

    def show(self, kind: str, record: Record) -> Any:
        return {**record, "shown": True}

    def answer(self, request: Request) -> Response:
        if request.path == "/echo":
            return Response.of(200, {"body": request.body.decode(), "path": request.path, "raw": request.raw_path})
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return Response.of(401, {"error": "token"})
        match request.method, request.path.strip("/").split("/"):
            case "PUT", ["notes", id_]:
                return Response.of(200, self.store.put("note", id_, {"id": id_, **request.json()}))
            case "GET" | "HEAD", ["notes"]:
                return Response.of(200, self.store.all("note"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"))
            case "GET" | "HEAD", ["notes", id_]:
                note = self.store.get("note", id_)
                return Response.of(200, note) if note else Response(404)
            case "DELETE", ["notes", id_]:
                self.store.delete("note", id_)
                return Response(204)
            case _:
                return Response(404)


class OnTheWire:
    """A simulator and a client for it, over a real socket or with none between."""

    def __init__(self, simulator: Notes, client: httpx.Client) -> None:
        self.simulator, self.client = simulator, client
        client.headers["Authorization"] = "Bearer good"

    def put(self, id_: str, text: str) -> httpx.Response:
        return self.client.put(f"/notes/{id_}", json={"text": text})

    def texts(self) -> dict[str, str]:
        return {note["id"]: note["text"] for note in self.client.get("/notes").json()}


def _over_a_socket() -> Iterator[OnTheWire]:
    simulator = Notes()
    with serving(simulator) as url, httpx.Client(base_url=url, timeout=0.5) as client:
        yield OnTheWire(simulator, client)


def _in_process() -> Iterator[OnTheWire]:
    simulator = Notes()
    with httpx.Client(
        base_url="http://notes.test", transport=SimulatorTransport({"http://notes.test": simulator})
    ) as c:
        yield OnTheWire(simulator, c)


@pytest.fixture(params=[_over_a_socket, _in_process], ids=["socket", "transport"])
def wire(request: pytest.FixtureRequest) -> Iterator[OnTheWire]:
    yield from request.param()


@pytest.fixture
def served() -> Iterator[OnTheWire]:
    yield from _over_a_socket()


# Faults


def test_a_status_fault_answers_in_place_of_the_simulator(wire: OnTheWire) -> None:
    wire.simulator.add_fault(kind="status", status=429, headers={"Retry-After": "7"}, body={"wait": "7 s"})
    response = wire.put("a", "x")
    assert (response.status_code, response.headers["retry-after"], response.json()) == (429, "7", {"wait": "7 s"})
    assert response.headers["content-type"] == "application/json"
    wire.simulator.clear_faults()
    assert "a" not in wire.texts()


def test_a_status_fault_may_bring_any_text(wire: OnTheWire) -> None:
    wire.simulator.add_fault(kind="status", status=502, headers={"Content-Type": "text/html"}, body="<h1>Bad</h1>")
    response = wire.client.get("/notes")
    assert (response.status_code, response.text) == (502, "<h1>Bad</h1>")
    assert response.headers.get_list("content-type") == ["text/html"]


@pytest.mark.parametrize(("kind", "written"), [("timeout_before_commit", False), ("timeout_after_commit", True)])
def test_a_timeout_leaves_the_client_without_an_answer(wire: OnTheWire, kind: str, written: bool) -> None:
    wire.simulator.add_fault(kind=kind, method="PUT", times=1)
    with pytest.raises(httpx.ReadTimeout):
        wire.put("a", "x")
    assert ("a" in wire.texts()) is written
    assert wire.simulator.calls()[0]["status"] is None


@pytest.mark.parametrize(("kind", "written"), [("drop_before_commit", False), ("drop_after_commit", True)])
def test_a_drop_closes_the_connection(wire: OnTheWire, kind: str, written: bool) -> None:
    wire.simulator.add_fault(kind=kind, method="PUT", times=1)
    with pytest.raises(httpx.RemoteProtocolError):
        wire.put("a", "x")
    assert ("a" in wire.texts()) is written


def test_a_hold_that_ends_before_the_client_gives_up_closes_the_connection(served: OnTheWire) -> None:
    served.simulator.add_fault(kind="timeout_before_commit", delay_s=0.05, times=1)
    with pytest.raises(httpx.RemoteProtocolError):
        served.put("a", "x")


def test_a_client_that_gives_up_sets_the_held_connection_free(served: OnTheWire) -> None:
    served.simulator.add_fault(kind="timeout_before_commit", delay_s=30, times=1)
    before = threading.active_count()
    with pytest.raises(httpx.ReadTimeout):
        served.put("a", "x")
    deadline = perf_counter() + 5
    served.texts()
    while threading.active_count() > before + 1 and perf_counter() < deadline:
        served.texts()
    assert threading.active_count() == before + 1, "only the live connection has a thread"


def test_a_malformed_body_is_cut_off_after_the_write(wire: OnTheWire) -> None:
    wire.simulator.add_fault(kind="malformed_body", method="PUT")
    response = wire.put("a", "x")
    assert response.status_code == 200
    with pytest.raises(ValueError, match="Unterminated"):
        response.json()
    assert wire.texts()["a"] == "x"


def test_a_delay_comes_before_the_answer_and_beside_other_faults(served: OnTheWire) -> None:
    served.simulator.add_fault(kind="delay", delay_s=0.2, method="GET")
    served.simulator.add_fault(kind="status", status=500, method="GET")
    began = perf_counter()
    assert served.client.get("/notes").status_code == 500
    assert perf_counter() - began >= 0.2


def test_in_process_a_delay_is_told_and_not_waited_for() -> None:
    waited: list[float] = []
    simulator = Notes()
    simulator.add_fault(kind="delay", delay_s=3600)
    transport = SimulatorTransport({"http://notes.test": simulator}, sleep=waited.append)
    assert httpx.Client(transport=transport).post("http://notes.test/echo").status_code == 200
    assert waited == [3600]


def test_expired_tokens_are_refused_until_renewed_and_only_once(wire: OnTheWire) -> None:
    wire.simulator.add_fault(kind="expire_tokens")
    assert wire.client.get("/notes").status_code == 401
    wire.client.headers["Authorization"] = f"Bearer {wire.simulator.credentials()['token']}"
    assert wire.client.get("/notes").status_code == 200


def test_a_fault_waits_for_its_turn_and_ends_after_its_times(wire: OnTheWire) -> None:
    wire.simulator.add_fault(kind="status", status=503, after=1, times=2, method="GET", path="^/notes$")
    wire.client.get("/notes/welcome")
    wire.put("a", "x")
    assert [wire.client.get("/notes").status_code for _ in range(4)] == [200, 503, 503, 200]


def test_the_first_fault_that_fires_counts(wire: OnTheWire) -> None:
    wire.simulator.add_fault(kind="status", status=500, times=1)
    wire.simulator.add_fault(kind="status", status=503)
    assert [wire.client.get("/notes").status_code for _ in range(2)] == [500, 503]


# Stale reads


def test_a_stale_read_shows_the_state_before_the_last_write(wire: OnTheWire) -> None:
    wire.put("a", "first")
    wire.put("a", "second")
    wire.simulator.add_fault(kind="stale_read", method="GET")
    assert wire.client.get("/notes/a").json()["text"] == "first"
    assert wire.texts() == {"welcome": "hello", "a": "first"}
    wire.simulator.clear_faults()
    assert wire.client.get("/notes/a").json()["text"] == "second"


def test_a_stale_list_lacks_what_was_just_made_and_keeps_what_was_just_deleted(wire: OnTheWire) -> None:
    wire.put("a", "x")
    wire.simulator.add_fault(kind="stale_read", method="GET", times=2)
    assert wire.texts() == {"welcome": "hello"}
    assert wire.client.get("/notes/a").status_code == 404
    wire.client.delete("/notes/a")
    wire.simulator.add_fault(kind="stale_read", method="GET", times=2)
    assert wire.texts() == {"welcome": "hello", "a": "x"}
    assert wire.client.get("/notes/a").status_code == 200
    assert wire.texts() == {"welcome": "hello"}


def test_reads_between_do_not_count_as_the_last_write(wire: OnTheWire) -> None:
    wire.put("a", "x")
    wire.texts()
    wire.simulator.add_fault(kind="stale_read", method="GET", times=1)
    assert "a" not in wire.texts()


def test_a_failed_block_of_writes_leaves_nothing_behind() -> None:
    store = Store()
    store.put("note", "a", {"text": "old"})

    def fail() -> None:
        with store.undone_on_error():
            store.put("note", "a", {"text": "new"})
            store.put("note", "b", {"text": "new"})
            store.delete("note", "a")
            raise LookupError

    with store.call(), pytest.raises(LookupError):
        fail()
    assert store.all("note") == [{"text": "old"}]
    with store.call(stale=True):
        assert store.all("note") == [{"text": "old"}]


def test_changing_what_is_not_there_is_an_error() -> None:
    with pytest.raises(KeyError):
        Store().change("note", "a", text="x")


# The control surface


def test_records_are_shown_as_the_vendor_would(wire: OnTheWire) -> None:
    shown = {"id": "welcome", "text": "hello", "shown": True}
    assert wire.client.get("/__sim/records").json() == {"note": [shown]}
    assert wire.client.get("/__sim/records/note").json() == [shown]
    assert wire.client.get("/__sim/records/nothing").json() == []


def test_calls_are_told_with_their_fault(wire: OnTheWire) -> None:
    wire.put("a", "x")
    wire.simulator.add_fault(kind="status", status=500)
    wire.client.get("/notes", params={"q": "1"})
    first, second = wire.client.get("/__sim/calls").json()
    assert (first["method"], first["path"], first["status"], first["fault"]) == ("PUT", "/notes/a", 200, None)
    assert (second["query"], second["status"], second["fault"]) == ("q=1", 500, "status")
    assert datetime.fromisoformat(first["time"]).tzinfo is not None
    assert first["seconds"] >= 0


def test_faults_are_added_listed_and_removed(wire: OnTheWire) -> None:
    added = wire.client.post("/__sim/faults", json={"kind": "status", "status": 500, "method": "get", "times": None})
    assert (added.status_code, added.json()["method"]) == (201, "GET")
    assert [wire.client.get("/notes").status_code for _ in range(2)] == [500, 500]
    (listed,) = wire.client.get("/__sim/faults").json()
    assert (listed["kind"], listed["fired"]) == ("status", 2)
    assert wire.client.delete("/__sim/faults").status_code == 204
    assert wire.client.get("/notes").status_code == 200


def test_faults_do_not_reach_the_control_surface(wire: OnTheWire) -> None:
    wire.simulator.add_fault(kind="status", status=500)
    assert wire.client.get("/__sim/calls").status_code == 200


def test_a_reset_brings_back_the_seed_and_forgets_all_else(wire: OnTheWire) -> None:
    wire.put("a", "x")
    wire.simulator.expire_tokens()
    wire.simulator.add_fault(kind="status")
    assert wire.client.post("/__sim/reset").status_code == 204
    assert wire.texts() == {"welcome": "hello"}
    assert [call["path"] for call in wire.simulator.calls()] == ["/notes"]


@pytest.mark.parametrize(
    ("fault", "named"),
    [
        ({"kind": "earthquake"}, "kind"),
        ({"kind": ["status"]}, "kind"),
        ({}, "kind"),
        ({"kind": "status", "when": "now"}, "when"),
        ({"kind": "status", "path": "("}, "path"),
        ({"kind": "status", "path": 7}, "path"),
        ({"kind": "status", "times": "often"}, "times"),
        ({"kind": "status", "after": -1}, "after"),
        ({"kind": "status", "status": "down"}, "status"),
        ({"kind": "status", "headers": ["Retry-After"]}, "headers"),
        ({"kind": "delay", "delay_s": "long"}, "delay_s"),
        (["status"], "body"),
    ],
)
def test_a_wrong_fault_is_refused_with_the_field_in_the_text(wire: OnTheWire, fault: Any, named: str) -> None:
    response = wire.client.post("/__sim/faults", json=fault)
    assert response.status_code == 400
    assert response.json()["error"].startswith(f"{named}:")


def test_every_kind_of_fault_is_known_to_the_control_surface(wire: OnTheWire) -> None:
    for kind in KINDS:
        assert wire.client.post("/__sim/faults", json={"kind": kind}).status_code == 201, kind


def test_a_simulator_without_events_or_actions_says_so(wire: OnTheWire) -> None:
    told = wire.client.post("/__sim/events", json={"type": "note:made", "id": "a"})
    assert (told.status_code, told.json()["error"]) == (400, "type: notes sends no events ('note:made'); it is polled")
    assert wire.client.post("/__sim/actions/dance", json={}).status_code == 400
    assert wire.client.post("/__sim/events", content=b"{oops").status_code == 400
    assert wire.client.get("/__sim/no_such_call").json() == {"error": "GET /__sim/no_such_call: no such control call"}


def test_faults_added_in_code_are_checked_alike() -> None:
    with pytest.raises(FaultError, match=r"^kind: 'flood' is none of "):
        Notes().add_fault(kind="flood")


# HTTP


def test_head_tells_the_length_and_brings_no_body(wire: OnTheWire) -> None:
    got, head = wire.client.get("/notes/welcome"), wire.client.head("/notes/welcome")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(got.content))
    assert wire.client.get("/notes/welcome").status_code == 200, "the connection is still in step"


def test_204_has_neither_body_nor_length(served: OnTheWire) -> None:
    response = served.client.delete("/notes/welcome")
    assert (response.status_code, response.content) == (204, b"")
    assert "content-length" not in response.headers
    assert served.client.get("/notes").json() == []


def test_headers_repeat(wire: OnTheWire) -> None:
    assert wire.client.get("/notes").headers.get_list("set-cookie") == ["a=1", "b=2"]


def test_paths_come_decoded_and_as_they_were_sent(wire: OnTheWire) -> None:
    assert wire.client.post("/echo?x=1").json()["path"] == "/echo"
    told = wire.client.put("/notes/a%2Fb%20c", json={"text": "x"})
    assert told.status_code == 404, "a decoded slash is a slash"
    assert wire.simulator.calls()[-1]["path"] == "/notes/a/b c"


def test_a_chunked_body_is_put_together(wire: OnTheWire) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"one, "
        yield b"two"

    assert wire.client.post("/echo", content=pieces()).json()["body"] == "one, two"
    assert wire.client.post("/echo", content=b"three").json()["body"] == "three"


def test_a_connection_is_kept_alive_over_many_calls(served: OnTheWire) -> None:
    local = []
    for _ in range(5):
        with served.client.stream("GET", "/notes") as response:
            response.read()
            local.append(response.extensions["network_stream"].get_extra_info("client_addr"))
    assert len(set(local)) == 1


def test_many_clients_are_served_at_once_and_counted(served: OnTheWire) -> None:
    served.simulator.add_fault(kind="delay", delay_s=0.2, path="echo")
    url = served.client.base_url

    def call() -> None:
        httpx.post(f"{url}/echo", timeout=5)

    threads = [threading.Thread(target=call) for _ in range(4)]
    began = perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert perf_counter() - began < 0.75, "one after the other they would take 0.8 s"
    assert max(call["in_flight"] for call in served.simulator.calls()) > 1


def test_a_body_longer_than_a_packet_arrives_whole(wire: OnTheWire) -> None:
    text = "x" * 1_000_000
    assert wire.client.put("/notes/big", json={"text": text}).json()["text"] == text


def test_an_origin_that_no_simulator_answers_for_cannot_be_reached() -> None:
    transport = SimulatorTransport({"http://notes.test": Notes()})
    with pytest.raises(httpx.ConnectError, match=r"no simulator answers for http://other\.test"):
        httpx.Client(transport=transport).get("http://other.test/notes")


def test_a_port_is_given_back(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Notes()) as url:
        port = int(url.rsplit(":", 1)[1])
        assert url == f"http://127.0.0.1:{port}"
    with serving(Notes(), port) as again:
        assert again == url
        with socket.create_connection(("127.0.0.1", port)) as rude:
            rude.sendall(b"GET /notes HTTP/1.1\r\n")
    assert capsys.readouterr().err == "", "a client that hangs up is no error"


def test_a_bug_in_a_simulator_is_seen(served: OnTheWire, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        served.client.put("/notes/a", content=b"no json")
    deadline = perf_counter() + 5
    seen = ""
    while "JSONDecodeError" not in seen and perf_counter() < deadline:
        seen += capsys.readouterr().err
    assert "JSONDecodeError" in seen


def test_decimals_are_json_numbers_and_times_come_from_the_clock(now: Callable[[], datetime]) -> None:
    assert to_json({"whole": Decimal("10.0"), "part": Decimal("10.25")}) == b'{"whole": 10, "part": 10.25}'
    simulator = Notes(now)
    transport = SimulatorTransport({"http://notes.test": simulator})
    httpx.Client(transport=transport).post("http://notes.test/echo")
    assert simulator.calls()[0]["time"] == now().isoformat()


@pytest.fixture
def now() -> Callable[[], datetime]:
    return lambda: datetime(2026, 1, 5, tzinfo=UTC)
