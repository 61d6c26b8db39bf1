"""Sign-in and the CSRF handshake (vendors/erp-sap…, A1).

Every call signs in by itself, with Basic or a bearer token. A CSRF token is fetched with a GET, lives in a session and
is good only together with the session's cookies; a session idle for too long is gone, and its token with it.
"""

import base64
import binascii
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from dealbridge_local.simulators.s4hana.errors import PlainRefusalError, html_page
from dealbridge_local.simulators.wire import Request, Response

SESSION_COOKIE = "SAP_SESSIONID_S4H_100"
CONTEXT_COOKIE = "sap-usercontext"
_CONTEXT = "sap-client=100"
_REALM = 'Basic realm="SAP NetWeaver Application Server [S4H/100]"'


@dataclass
class Session:
    """A security session: whose, its CSRF token, last used when."""

    user: str
    token: str
    used: datetime


@dataclass(frozen=True)
class Credentials:
    """The communication user; its name and password are also the OAuth client's id and secret (A1)."""

    username: str
    password: str


class Sessions:
    """Who is signed in. Not thread-safe: the simulator's lock is held around it."""

    def __init__(
        self,
        credentials: Credentials,
        clock: Callable[[], datetime],
        *,
        idle: timedelta,
        token_lifetime: timedelta,
        client_credentials: bool,
    ) -> None:
        self._credentials = credentials
        self._clock = clock
        self._idle = idle
        self._token_lifetime = token_lifetime
        self._client_credentials = client_credentials
        self._sessions: dict[str, Session] = {}
        self._tokens: dict[str, datetime] = {}

    def forget(self) -> None:
        """End all sessions and forget all access tokens."""
        self._sessions.clear()
        self._tokens.clear()

    def sign_in(self, request: Request) -> str:
        """The user of a call. Raises PlainRefusalError 401, an HTML page."""
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic" and _basic(given) == (self._credentials.username, self._credentials.password):
            return self._credentials.username
        if scheme.lower() == "bearer":
            expires = self._tokens.get(given)
            if expires is not None and self._clock() < expires:
                return self._credentials.username
            page = html_page(401, "Logon failed", "The access token is invalid or has expired.")
            challenge = 'Bearer realm="SAP NetWeaver", error="invalid_token"'
            raise PlainRefusalError(page.with_headers(("WWW-Authenticate", challenge)))
        page = html_page(401, "Logon failed", "Logon with user and password, or another authentication, is required.")
        raise PlainRefusalError(page.with_headers(("WWW-Authenticate", _REALM)))

    # CSRF

    def fetch(self, user: str, cookies: Mapping[str, str], *, secure: bool) -> list[tuple[str, str]]:
        """The headers of a call that fetches a token: the token, and cookies where a new session begins."""
        key = cookies.get(SESSION_COOKIE, "")
        session = self._alive(key)
        headers: list[tuple[str, str]] = []
        if session is None or session.user != user:
            key, session = secrets.token_urlsafe(24), Session(user, secrets.token_urlsafe(18), self._clock())
            self._sessions[key] = session
            headers += [
                ("set-cookie", f"{SESSION_COOKIE}={key}; path=/; {'secure; ' if secure else ''}HttpOnly"),
                ("set-cookie", f"{CONTEXT_COOKIE}={_CONTEXT}; path=/"),
            ]
        session.used = self._clock()
        return [("x-csrf-token", session.token), *headers]

    def allows_change(self, user: str, cookies: Mapping[str, str], token: str | None) -> bool:
        """Whether a modifying call carries a token that belongs to its live session and user context."""
        session = self._alive(cookies.get(SESSION_COOKIE, ""))
        if session is None or session.user != user or cookies.get(CONTEXT_COOKIE) != _CONTEXT:
            return False
        if not token or not secrets.compare_digest(token, session.token):
            return False
        session.used = self._clock()
        return True

    def _alive(self, key: str) -> Session | None:
        session = self._sessions.get(key)
        if session is not None and self._clock() - session.used > self._idle:
            del self._sessions[key]
            return None
        return session

    # OAuth

    def grant(self, request: Request) -> Response:
        """The token endpoint. Client credentials are tenant dependent (A1: UNVERIFIED), hence a switch."""
        form = request.form()
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        client = _basic(given) if scheme.lower() == "basic" else (form.get("client_id"), form.get("client_secret"))
        if client != (self._credentials.username, self._credentials.password):
            return _oauth_error(401, "invalid_client", "Client authentication failed")
        if form.get("grant_type") != "client_credentials" or not self._client_credentials:
            return _oauth_error(400, "unsupported_grant_type", f"Grant type {form.get('grant_type')} is not supported")
        token = secrets.token_urlsafe(32)
        self._tokens[token] = self._clock() + self._token_lifetime
        return Response.of(
            200,
            {
                "access_token": token,
                "token_type": "Bearer",
                "expires_in": int(self._token_lifetime.total_seconds()),
                "scope": form.get("scope", ""),
            },
        )


def _basic(given: str) -> tuple[str, str] | None:
    try:
        username, _, password = base64.b64decode(given, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return None
    return username, password


def _oauth_error(status: int, code: str, text: str) -> Response:
    return Response.of(status, {"error": code, "error_description": text})


def cookies_of(request: Request) -> dict[str, str]:
    """The cookies of a call by name. One with an odd name, a load balancer's, hides none of the others."""
    pairs = (each.partition("=") for each in request.headers.get("cookie", "").split(";"))
    return {name.strip(): value.strip() for name, _, value in pairs if name.strip()}
