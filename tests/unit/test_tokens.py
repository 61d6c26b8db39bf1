"""Bearer tokens: fetched when needed, kept while valid, renewed once after a 401; what their endpoint may answer."""

from collections.abc import Callable

import httpx
import pytest

from dealbridge.errors import AccessError, DealbridgeError, ThrottledError, TransientError
from dealbridge.transport.tokens import BearerAuth

type Answer = Callable[[httpx.Request], httpx.Response]


class Auth(BearerAuth):
    """A vendor whose token endpoint is /token."""

    def __init__(self) -> None:
        super().__init__("erp")

    def token_request(self) -> httpx.Request:
        return httpx.Request("POST", "https://erp.example/token")


class Vendor:
    """Gives tokens t1, t2, ... which last so many seconds, if it says so; an API call is answered by `answer`, 200
    where none is given."""

    def __init__(
        self, answer: Answer | None = None, token: Answer | None = None, expires_in: int | str | None = None
    ) -> None:
        self.expires_in = expires_in
        self.tokens = 0
        self.used: list[str] = []
        self.answer = answer
        self.token = token

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/token":
            self.tokens += 1
            granted = {"access_token": f"t{self.tokens}", "expires_in": self.expires_in}
            told = {name: value for name, value in granted.items() if value is not None}
            return self.token(request) if self.token else httpx.Response(200, json=told)
        self.used.append(request.headers["Authorization"])
        return self.answer(request) if self.answer else httpx.Response(200)


def calling(vendor: Vendor, auth: Auth) -> httpx.Client:
    return httpx.Client(base_url="https://erp.example", auth=auth, transport=httpx.MockTransport(vendor))


def only(token: str) -> Answer:
    """Accepts this token and no other."""
    return lambda request: httpx.Response(200 if request.headers["Authorization"] == f"Bearer {token}" else 401)


@pytest.mark.parametrize("expires_in", [3600, "3600", None, ""])
def test_one_token_serves_many_calls(expires_in: int | str | None) -> None:
    vendor = Vendor(expires_in=expires_in)
    client = calling(vendor, Auth())
    assert [client.get("/a").status_code for _ in range(3)] == [200, 200, 200]
    assert (vendor.tokens, vendor.used) == (1, ["Bearer t1"] * 3)


@pytest.mark.parametrize("expires_in", [0, 59, "59"])
def test_a_token_is_renewed_before_it_expires(expires_in: int | str) -> None:
    vendor = Vendor(expires_in=expires_in)
    client = calling(vendor, Auth())
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


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, json={}),
        httpx.Response(200, json=["odd"]),
        httpx.Response(200, json={"access_token": "t", "expires_in": "soon"}),
        httpx.Response(200, text="<html>"),
    ],
)
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
