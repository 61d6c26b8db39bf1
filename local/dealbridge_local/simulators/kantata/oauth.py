"""OAuth 2.0: server-side tokens and the authorization-code flow (developer.kantata.com, Authentication).

"Kantata OX OAuth access tokens do not expire"; they die when they are revoked or their user is disabled. There are no
client credentials and no refresh: a token acts as the user it was given for.
"""

import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from urllib.parse import urlencode

from dealbridge_local.simulators.kantata.refusals import RefusalError, invalid_token
from dealbridge_local.simulators.kantata.tenant import Tenant
from dealbridge_local.simulators.store import Record
from dealbridge_local.simulators.wire import Request, Response

_CODE_LIFE = timedelta(minutes=5)


class OAuth:
    """The tokens of one registered application."""

    def __init__(self, now: Callable[[], datetime], owner_id: str) -> None:
        self.client_id = secrets.token_hex(16)
        self.client_secret = secrets.token_hex(32)
        self._now = now
        self._owner_id = owner_id
        self._users: dict[str, str] = {}
        self._codes: dict[str, tuple[str, datetime]] = {}

    def grant(self, user_id: str, token: str | None = None) -> str:
        """A token that acts as this user ("Show your OAuth Token" on the application's page)."""
        token = token or secrets.token_hex(32)
        self._users[token] = user_id
        return token

    def revoke_all(self) -> None:
        self._users.clear()
        self._codes.clear()

    def user(self, tenant: Tenant, request: Request) -> Record:
        """The user that a request acts as. Raises the 401 of a missing, unknown, revoked or disabled user's token."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        user_id = self._users.get(token.strip()) if scheme.lower() == "bearer" else None
        user = tenant.get("users", user_id) if user_id else None
        if user is None or user["_disabled"]:
            raise invalid_token()
        return user

    def answer(self, request: Request) -> Response:
        match request.method, request.path:
            case "GET", "/oauth/authorize":
                return self._authorize(request)
            case "POST", "/oauth/token":
                return self._exchange(request)
            case _:
                raise RefusalError(404, {"type": "system", "message": "Page Not Found"})

    def _authorize(self, request: Request) -> Response:
        """The account's administrator agrees at once; the code goes to the redirect URI and holds for five minutes."""
        params = request.params
        back = params.get("redirect_uri", "")
        if params.get("client_id") != self.client_id or params.get("response_type") != "code" or not back:
            return _error(401, "invalid_client", "Client authentication failed due to unknown client.")
        code = secrets.token_hex(16)
        self._codes[code] = (back, self._now() + _CODE_LIFE)
        return Response(302, b"", (("Location", f"{back}?{urlencode({'code': code})}"),))

    def _exchange(self, request: Request) -> Response:
        is_json = request.headers.get("content-type", "").startswith("application/json")
        given = request.json() if is_json else {**request.params, **request.form()}
        if (given.get("client_id"), given.get("client_secret")) != (self.client_id, self.client_secret):
            return _error(401, "invalid_client", "Client authentication failed due to unknown client.")
        if given.get("grant_type") != "authorization_code":
            return _error(400, "unsupported_grant_type", "The authorization grant type is not supported.")
        back, expires = self._codes.pop(str(given.get("code")), ("", self._now()))
        if not back or given.get("redirect_uri") != back or self._now() >= expires:
            return _error(400, "invalid_grant", "The provided authorization grant is invalid, expired or revoked.")
        return Response.of(200, {"access_token": self.grant(self._owner_id), "token_type": "bearer"})


def _error(status: int, error: str, description: str) -> Response:
    return Response.of(status, {"error": error, "error_description": description})
