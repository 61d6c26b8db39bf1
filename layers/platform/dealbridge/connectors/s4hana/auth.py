"""Sign-in, and the CSRF handshake that every change needs (vendor notes, A1).

A token is good only with the cookies of the session it was fetched in. One session is kept per client; where SAP no
longer knows it (403, `x-csrf-token: Required`: the change was not carried out), a new one is fetched, once.
"""

import re
from collections.abc import Generator

import httpx

from dealbridge.connectors.s4hana.outcomes import OUTCOMES
from dealbridge.connectors.s4hana.settings import Options, Secret
from dealbridge.errors import AccessError, ThrottledError, TransientError
from dealbridge.transport.tokens import BearerAuth

TOKEN_PATH = "/sap/bc/sec/oauth2/token"  # noqa: S105 (a path)

_SERVICE = re.compile(r".*?/sap/opu/odata/[^/]+/[^/?]+")
_READS = frozenset({"GET", "HEAD", "OPTIONS"})

type Flow = Generator[httpx.Request, httpx.Response]


class ClientCredentials(BearerAuth):
    """A token for the communication user, from the tenant's token endpoint."""

    def __init__(self, connection: str, base_url: str, secret: Secret, scope: str | None) -> None:
        super().__init__(connection)
        self._secret = secret
        self._scope = scope
        self._token_url = secret.token_url or f"{base_url.rstrip('/')}{TOKEN_PATH}"

    def token_request(self) -> httpx.Request:
        form = {
            "grant_type": "client_credentials",
            "client_id": self._secret.client_id or self._secret.username,
            "client_secret": self._secret.client_secret or self._secret.password,
            **({"scope": self._scope} if self._scope else {}),
        }
        return httpx.Request("POST", self._token_url, data=form, headers={"Accept": "application/json"})


def sign_in(connection: str, base_url: str, secret: Secret, options: Options) -> httpx.Auth:
    if options.sign_in == "client_credentials":
        return ClientCredentials(connection, base_url, secret, options.scope)
    return httpx.BasicAuth(secret.username, secret.password)


class SessionAuth(httpx.Auth):
    """Signs every call with `sign_in`, and gives changes the session's CSRF token and cookies."""

    requires_response_body = True

    def __init__(self, connection: str, sign_in: httpx.Auth) -> None:
        self.connection = connection
        self._sign_in = sign_in
        self._token: str | None = None
        self._cookies: dict[str, str] = {}

    def auth_flow(self, request: httpx.Request) -> Flow:
        if request.method in _READS:
            yield from self._signed(request)
            return
        fresh = self._token is None
        if fresh:
            yield from self._fetch(request.url)
        self._stamp(request)
        response = yield from self._signed(request)
        if not fresh and _wants_token(response):
            yield from self._fetch(request.url)
            self._stamp(request)
            yield from self._signed(request)

    def _signed(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, httpx.Response]:
        """The request as `sign_in` sends it, renewals included; the last response."""
        flow = self._sign_in.auth_flow(request)
        outgoing = next(flow)
        while True:
            response = yield outgoing
            try:
                outgoing = flow.send(response)
            except StopIteration:
                return response

    def _fetch(self, url: httpx.URL) -> Flow:
        """GET on the service's root, with the slash; HEAD is not enabled everywhere (A1)."""
        self._token, self._cookies = None, {}
        service = _SERVICE.match(url.raw_path.decode())
        root = url.copy_with(raw_path=f"{service[0] if service else url.path}/".encode())
        fetch = httpx.Request("GET", root, headers={"x-csrf-token": "fetch", "Accept": "application/json"})
        response = yield from self._signed(fetch)
        if response.is_success:
            # A service without the check gives none; one with it says so when it is written to.
            token = response.headers.get("x-csrf-token", "")
            self._token = "" if token.lower() == "required" else token
            self._cookies = _cookies_of(response)
            return
        error = OUTCOMES.error(self.connection, response)
        # Nothing was written: the change is not sent yet.
        error.outcome_unknown = False
        if isinstance(error, TransientError | ThrottledError):
            raise error
        raise AccessError(
            f"{self.connection}: no CSRF token, HTTP {response.status_code}; "
            "check the communication user, its password and the communication arrangement of this service",
            connection=self.connection,
            status=response.status_code,
        )

    def _stamp(self, request: httpx.Request) -> None:
        for name, value in (
            ("x-csrf-token", self._token),
            ("Cookie", "; ".join(f"{name}={value}" for name, value in self._cookies.items())),
        ):
            request.headers.pop(name, None)
            if value:
                request.headers[name] = value


def _wants_token(response: httpx.Response) -> bool:
    """By the header, or by the text that SAP sends with it, where a proxy has dropped the header."""
    if response.status_code != 403:
        return False
    return response.headers.get("x-csrf-token", "").lower() == "required" or "csrf token" in response.text.lower()


def _cookies_of(response: httpx.Response) -> dict[str, str]:
    """All name=value pairs as they came, whatever their attributes: the token is worth nothing without one of them."""
    pairs = (header.partition(";")[0].partition("=") for header in response.headers.get_list("set-cookie"))
    return {name.strip(): value.strip() for name, _, value in pairs if name.strip()}
