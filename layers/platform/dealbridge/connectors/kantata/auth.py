"""Sign-in: a server-side token that never expires ("Security", developer.kantata.com), so that there is no renewal.

A 401 means that an administrator revoked the application or disabled its user: a person has to show a new token.
"""

import httpx

from dealbridge.connectors.kantata.settings import Secret
from dealbridge.transport.tokens import FixedToken


def sign_in(secret: Secret) -> httpx.Auth:
    return FixedToken(secret.token)
