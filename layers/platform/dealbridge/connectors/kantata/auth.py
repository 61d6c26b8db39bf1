"""Sign-in: a server-side token that never expires ("Security", developer.kantata.com), so that there is no renewal.

A 401 means that an administrator revoked the application or disabled its user: a person has to show a new token.
"""

from collections.abc import Generator

import httpx

from dealbridge.connectors.kantata.settings import Secret


class TokenAuth(httpx.Auth):
    def __init__(self, secret: Secret) -> None:
        self._secret = secret

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response]:
        request.headers["Authorization"] = f"Bearer {self._secret.token}"
        yield request
