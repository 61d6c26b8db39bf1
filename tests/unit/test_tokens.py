"""Bearer tokens: fetched when needed, kept while valid, renewed once after a 401; what their endpoint may answer."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from dealbridge.errors import AccessError, DealbridgeError, ThrottledError, TransientError
from dealbridge.transport.tokens import BearerAuth, Token

type Answer = Callable[[httpx.Request], httpx.Response]


class Auth(BearerAuth):
    """A vendor whose token endpoint is /token; `lifetime` is what it says of its tokens."""

    def __init__(self, lifetime: timedelta | None = None) -> None:
        super().__init__("erp")
        self._lifetime = lifetime

    def token_request(self) -> httpx.Request:
        return httpx.Request("POST", "https://erp.example/token")

    def read_token(self, response: httpx.Response) -> Token:
        expires_at = datetime.now(UTC) + self._lifetime if self._lifetime is not None else None
        return Token(response.json()["access_token"], expires_at)


class Vendor:
    """Gives tokens t1, t2, ...; an API call is answered by `answer`, 200 where none is given."""

    def __init__(self, answer: Answer | None = None, token: Answer | None = None) -> None:
        self.tokens = 0
        self.used: list[str] = []
        self.answer = answer
        self.token = token

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/token":
            self.tokens += 1
            return self.token(request) if self.token else httpx.Response(200, json={"access_token": f"t{self.tokens}"})
        self.used.append(request.headers["Authorization"])
        return self.answer(request) if self.answer else httpx.Response(200)


def calling(vendor: Vendor, auth: Auth) -> httpx.Client:
    return httpx.Client(base_url="https://erp.example", auth=auth, transport=httpx.MockTransport(vendor))


def only(token: str) -> Answer:
    """Accepts this token and no other."""
    return lambda request: httpx.Response(200 if request.headers["Authorization"] == f"Bearer {token}" else 401)


def test_one_token_serves_many_calls() -> None:
    vendor = Vendor()
    client = calling(vendor, Auth(timedelta(hours=1)))
    assert [client.get("/a").status_code for _ in range(3)] == [200, 200, 200]
    assert (vendor.tokens, vendor.used) == (1, ["Bearer t1"] * 3)


def test_a_token_of_unknown_lifetime_is_kept_until_it_is_refused() -> None:
    vendor = Vendor()
    client = calling(vendor, Auth(None))
    client.get("/a")
    client.get("/a")
    assert vendor.tokens == 1


def test_a_token_is_renewed_before_it_expires() -> None:
    vendor = Vendor()
    client = calling(vendor, Auth(timedelta(seconds=59)))
    client.get("/a")
    client.get("/a")
    assert vendor.used == ["Bearer t1", "Bearer t2"]


def test_a_401_renews_the_token_once_and_the_call_goes_through() -> None:
    vendor = Vendor(only("t1"))
    client = calling(vendor, Auth())
    assert client.get("/a").status_code == 200
    vendor.answer = only("t2")
    assert client.get("/a").status_code == 200
    assert vendor.used == ["Bearer t1", "Bearer t1", "Bearer t2"]


def test_a_second_401_is_the_answer() -> None:
    vendor = Vendor(only("t1"))
    client = calling(vendor, Auth())
    client.get("/a")
    vendor.answer = only("never")
    assert client.get("/a").status_code == 401
    assert vendor.used == ["Bearer t1", "Bearer t1", "Bearer t2"]


def test_a_401_to_a_token_fresh_from_the_endpoint_renews_nothing() -> None:
    vendor = Vendor(only("never"))
    assert calling(vendor, Auth()).get("/a").status_code == 401
    assert (vendor.tokens, len(vendor.used)) == (1, 1)


def test_the_renewed_call_is_the_same_call() -> None:
    bodies: list[bytes] = []

    def answer(request: httpx.Request) -> httpx.Response:
        bodies.append(request.content)
        return httpx.Response(401 if len(bodies) == 2 else 200)

    client = calling(Vendor(answer), Auth())
    client.post("/a", content=b"first")
    client.post("/a", content=b"second")
    assert bodies == [b"first", b"second", b"second"]


@pytest.mark.parametrize(("status", "error"), [(429, ThrottledError), (500, TransientError), (503, TransientError)])
def test_a_token_endpoint_that_fails_is_waited_for_as_long_as_it_asks(
    status: int, error: type[DealbridgeError]
) -> None:
    vendor = Vendor(token=lambda _: httpx.Response(status, headers={"Retry-After": "7"}))
    with pytest.raises(error) as caught:
        calling(vendor, Auth()).get("/a")
    assert (caught.value.connection, caught.value.status, caught.value.outcome_unknown) == ("erp", status, False)
    assert caught.value.retry_after == 7


@pytest.mark.parametrize(
    "body", [{"error": "invalid_grant", "error_description": "user hasn't approved"}, ["odd"], "x"]
)
def test_a_refused_sign_in_is_for_an_administrator(body: object) -> None:
    vendor = Vendor(token=lambda _: httpx.Response(400, json=body))
    with pytest.raises(AccessError) as caught:
        calling(vendor, Auth()).get("/a")
    assert "sign-in refused, HTTP 400" in caught.value.message
    if isinstance(body, dict):
        assert "invalid_grant user hasn't approved" in caught.value.message


@pytest.mark.parametrize("answer", [httpx.Response(200, json={}), httpx.Response(200, text="<html>")])
def test_an_answer_without_a_token_is_transient(answer: httpx.Response) -> None:
    with pytest.raises(TransientError, match="cannot be read"):
        calling(Vendor(token=lambda _: answer), Auth()).get("/a")


def test_a_refusal_forgets_the_old_token() -> None:
    vendor = Vendor(only("t1"))
    client = calling(vendor, Auth())
    client.get("/a")
    vendor.answer, vendor.token = only("t9"), lambda _: httpx.Response(400, json={"error": "invalid_client"})
    with pytest.raises(AccessError):
        client.get("/a")
    vendor.token = lambda _: httpx.Response(200, json={"access_token": "t9"})
    assert client.get("/a").status_code == 200
