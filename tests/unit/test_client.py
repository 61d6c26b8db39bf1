"""The client: one call, once; what its answer or silence stands for; numbers that stay what they are."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dealbridge.errors import DealbridgeError, RejectedError, ThrottledError, TransientError
from dealbridge.transport.client import Call, VendorClient, Wire, dump_json
from dealbridge.transport.outcomes import OutcomeTable, Signal

OUTCOMES = OutcomeTable(rows=(), read=lambda response: Signal(message=response.text))


class Line:
    """A transport that answers from a list, or raises what stands there; it keeps what was sent."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self._answers = list(answers)
        self.sent: list[httpx.Request] = []
        self.calls: list[Call] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.sent.append(request)
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def client(self, **wire: Any) -> VendorClient:
        made = Wire(transport=httpx.MockTransport(self), watch=self.calls.append, **wire)
        return VendorClient("erp", "https://erp.example/api", None, OUTCOMES, made, headers={"X-App": "dealbridge"})


def test_a_call_sends_json_and_gives_the_answer() -> None:
    line = Line(httpx.Response(201, json={"id": "7"}))
    client = line.client()
    response = client.call("POST", "/orders", params={"expand": "lines"}, body={"amount": Decimal("10.50"), "n": "ü"})
    (sent,) = line.sent
    assert str(sent.url) == "https://erp.example/api/orders?expand=lines"
    assert (sent.headers["Content-Type"], sent.headers["X-App"]) == ("application/json", "dealbridge")
    assert sent.content == '{"amount": 10.5, "n": "ü"}'.encode()
    assert client.read(response) == {"id": "7"}


def test_a_status_that_is_accepted_is_no_error() -> None:
    assert Line(httpx.Response(404)).client().call("GET", "/orders/1", accept=(404,)).status_code == 404


@pytest.mark.parametrize(
    ("status", "expected"), [(400, RejectedError), (429, ThrottledError), (500, TransientError), (302, RejectedError)]
)
def test_any_other_status_raises(status: int, expected: type[DealbridgeError]) -> None:
    with pytest.raises(expected):
        Line(httpx.Response(status, headers={"Location": "/elsewhere"})).client().call("GET", "/orders")


@pytest.mark.parametrize(
    ("silence", "unknown"),
    [
        (httpx.ConnectError("refused"), False),
        (httpx.ConnectTimeout("slow"), False),
        (httpx.PoolTimeout("full"), False),
        (httpx.ReadTimeout("slow"), True),
        (httpx.WriteTimeout("slow"), True),
        (httpx.ReadError("reset"), True),
        (httpx.RemoteProtocolError("closed"), True),
    ],
)
def test_what_was_sent_and_not_answered_may_have_happened(silence: Exception, unknown: bool) -> None:
    line = Line(silence)
    with pytest.raises(TransientError) as caught:
        line.client().call("POST", "/orders", body={"password": "hunter2"})
    assert caught.value.outcome_unknown is unknown
    assert len(line.sent) == 1
    assert "hunter2" not in str(caught.value)


def test_a_body_that_is_no_json_leaves_the_outcome_unknown() -> None:
    client = Line(httpx.Response(200, text="<html>gateway</html>")).client()
    with pytest.raises(TransientError) as caught:
        client.read(client.call("POST", "/orders"))
    assert caught.value.outcome_unknown


def test_who_watches_sees_every_call_without_query_or_body() -> None:
    line = Line(httpx.Response(200), httpx.Response(500), httpx.ReadTimeout("slow"))
    client = line.client()
    client.call("GET", "/orders?key=secret")
    for _ in range(2):
        with pytest.raises(TransientError):
            client.call("PUT", "/orders/1", params={"key": "secret"}, body={})
    assert [(call.method, call.path, call.status) for call in line.calls] == [
        ("GET", "/orders", 200),
        ("PUT", "/orders/1", 500),
        ("PUT", "/orders/1", None),
    ]
    assert all(call.connection == "erp" and call.seconds >= 0 for call in line.calls)


def test_a_closed_gate_lets_nothing_out() -> None:
    class Closed:
        @contextmanager
        def admit(self) -> Iterator[None]:
            raise ThrottledError("the budget is spent", connection="erp", retry_after=5)
            yield

    line = Line(httpx.Response(200))
    with pytest.raises(ThrottledError):
        line.client(gate=Closed()).call("GET", "/orders")
    assert line.sent == []


# Numbers


@given(st.decimals(min_value=-(10**13), max_value=10**13, places=2))
def test_an_amount_is_sent_as_the_very_same_number(amount: Decimal) -> None:
    assert json.loads(dump_json({"amount": amount}), parse_float=Decimal, parse_int=Decimal) == {"amount": amount}


def test_whole_numbers_are_sent_without_a_fraction() -> None:
    assert dump_json([Decimal("10.00"), Decimal("1E+3"), Decimal("-0.10")]) == b"[10, 1000, -0.1]"


@pytest.mark.parametrize("number", ["0.12345678901234567", "123456789012345.678", "NaN"])
def test_a_number_that_readers_would_round_is_refused(number: str) -> None:
    with pytest.raises(ValueError, match="digits"):
        dump_json({"amount": Decimal(number)})


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(TypeError):
        dump_json({"when": object()})


def test_fractions_in_an_answer_are_decimals() -> None:
    client = Line(httpx.Response(200, content=b'{"amount": 0.10, "rate": 1e2, "n": 3}')).client()
    read = client.read(client.call("GET", "/orders"))
    assert read == {"amount": Decimal("0.10"), "rate": Decimal("1E+2"), "n": 3}
    assert str(read["amount"]) == "0.10"
