"""Bearer tokens as httpx authentication: fetched when needed, kept while valid, renewed once after a 401.

The one in-process retry there is (design, rule 7): a 401 means that the call was not carried out.
"""

from abc import ABC, abstractmethod
from collections.abc import Generator
from dataclasses import dataclass
from datetime import datetime, timedelta

import httpx

from dealbridge import clock
from dealbridge.errors import AccessError, ThrottledError, TransientError
from dealbridge.transport.outcomes import retry_after


@dataclass(frozen=True)
class Token:
    """A bearer token; `expires_at` None where the vendor does not say."""

    value: str
    expires_at: datetime | None = None


class FixedToken(httpx.Auth):
    """A token that people have made: there is nothing to renew."""

    def __init__(self, token: str) -> None:
        self._token = token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response]:
        request.headers["Authorization"] = f"Bearer {self._token}"
        yield request


_MARGIN = timedelta(seconds=60)
"""A token is renewed so long before it expires."""


class BearerAuth(httpx.Auth, ABC):
    """A token of OAuth 2.0, asked for with `token_request`. One instance per connection."""

    requires_response_body = True

    def __init__(self, connection: str) -> None:
        self.connection = connection
        self._token: Token | None = None

    @abstractmethod
    def token_request(self) -> httpx.Request:
        """The vendor's token call."""

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response]:
        fresh = not self._valid()
        if fresh:
            yield from self._renew()
        self._sign(request)
        response = yield request
        if not fresh and response.status_code == 401:
            yield from self._renew()
            self._sign(request)
            yield request

    def _valid(self) -> bool:
        token = self._token
        return token is not None and (token.expires_at is None or clock.now() < token.expires_at - _MARGIN)

    def _renew(self) -> Generator[httpx.Request, httpx.Response]:
        response = yield self.token_request()
        if response.status_code >= 500 or response.status_code == 429:
            error = ThrottledError if response.status_code == 429 else TransientError
            raise error(
                f"{self.connection}: the token endpoint answered HTTP {response.status_code}",
                connection=self.connection,
                status=response.status_code,
                retry_after=retry_after(response),
            )
        try:
            self._token = _granted(response) if response.is_success else None
        except (KeyError, ValueError, TypeError, AttributeError):
            raise TransientError(
                f"{self.connection}: the token endpoint's answer cannot be read", connection=self.connection
            ) from None
        if self._token is None:
            raise AccessError(
                f"{self.connection}: sign-in refused, HTTP {response.status_code} {_reason(response)}; "
                "check the connection's secret and the vendor's application settings",
                connection=self.connection,
                status=response.status_code,
            )

    def _sign(self, request: httpx.Request) -> None:
        if self._token is not None:
            request.headers["Authorization"] = f"Bearer {self._token.value}"


def _granted(response: httpx.Response) -> Token:
    """The token of a successful answer (RFC 6749, 5.1). Some vendors send `expires_in` as a text, some not at all."""
    body = response.json()
    lasts = body.get("expires_in")
    return Token(
        str(body["access_token"]), clock.now() + timedelta(seconds=int(lasts)) if lasts not in (None, "") else None
    )


def _reason(response: httpx.Response) -> str:
    """The `error` and `error_description` of an OAuth error (RFC 6749, 5.2); never the whole body."""
    try:
        body = response.json()
        return " ".join(str(body[name]) for name in ("error", "error_description") if name in body)
    except (ValueError, TypeError):
        return ""
