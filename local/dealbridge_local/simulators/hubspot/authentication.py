"""Who calls: the service key, tokens of an app's installation, and client-credentials tokens; and the scopes of each.

Facts: a service key is a static bearer token with scopes and no webhooks (H3). OAuth tokens live `expires_in` seconds
(1,800 in HubSpot's examples); the refresh token stays the same. Client-credentials tokens serve the Webhooks Journal
only and have no refresh token (H4, H8).
"""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from dealbridge_local.simulators.hubspot.changes import Source
from dealbridge_local.simulators.hubspot.errors import ApiError, missing_scopes
from dealbridge_local.simulators.simulator import Clock
from dealbridge_local.simulators.wire import Request, Response

TOKEN_SECONDS = 1800
CRM_SCOPES = frozenset(
    {
        *(f"crm.objects.{name}.{way}" for name in ("deals", "companies", "contacts") for way in ("read", "write")),
        *(f"crm.objects.{name}.{way}" for name in ("line_items", "quotes", "products") for way in ("read", "write")),
        *(f"crm.schemas.{name}.{way}" for name in ("deals", "companies", "contacts") for way in ("read", "write")),
        *(f"crm.schemas.{name}.{way}" for name in ("line_items", "quotes", "products") for way in ("read", "write")),
        "crm.objects.owners.read",
        "oauth",
    }
)
JOURNAL_SCOPES = frozenset(
    {
        "developer.webhooks_journal.read",
        "developer.webhooks_journal.subscriptions.read",
        "developer.webhooks_journal.subscriptions.write",
    }
)


@dataclass(frozen=True)
class Credentials:
    """The secrets of one portal and one app installed in it."""

    service_key: str
    client_id: str
    client_secret: str
    refresh_token: str
    developer_api_key: str
    app_id: int


@dataclass(frozen=True)
class Principal:
    """A caller. `app` names whose rate limit counts."""

    app: str
    use: str
    scopes: frozenset[str]
    source: Source

    def must_have(self, *scopes: str) -> None:
        """One of these scopes; raises the 403 that names them."""
        if not self.scopes.intersection(scopes):
            raise missing_scopes(scopes)

    @property
    def oauth(self) -> bool:
        return self.use == "access_token"


@dataclass(frozen=True)
class _Issued:
    principal: Principal
    expires_at: datetime


class Authentication:
    """Checks bearer tokens and issues OAuth tokens."""

    def __init__(self, credentials: Credentials, clock: Clock, portal_id: int, scopes: Iterable[str]) -> None:
        self.credentials, self._clock, self._portal_id = credentials, clock, portal_id
        self._source = Source("INTEGRATION", str(credentials.app_id))
        self._scopes = frozenset(scopes)
        self._service_key = Principal("service key", "service_key", self._scopes, self._source)
        self._issued: dict[str, _Issued] = {}
        self._revoked = False

    def expire_tokens(self) -> None:
        """Forgets OAuth tokens; a service key does not expire."""
        self._issued.clear()

    def principal(self, request: Request) -> Principal:
        """The caller; raises the 401 of a missing, unknown or expired token."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise ApiError(
                401,
                "Authentication credentials not found. This API supports OAuth 2.0 authentication and you can find "
                "more details at https://developers.hubspot.com/docs/methods/auth/oauth-overview",
                "INVALID_AUTHENTICATION",
            )
        if secrets.compare_digest(token.encode(), self.credentials.service_key.encode()):
            return self._service_key
        issued = self._issued.get(token)
        if issued is None:
            raise ApiError(401, "The OAuth token used to make this call is invalid.", "INVALID_AUTHENTICATION")
        if issued.expires_at <= self._clock():
            seconds = int((self._clock() - issued.expires_at).total_seconds())
            message = f"The OAuth token used to make this call expired {seconds} second(s) ago."
            raise ApiError(401, message, "EXPIRED_AUTHENTICATION")
        return issued.principal

    def developer(self, request: Request) -> bool:
        """Whether a call to the webhook settings comes with the developer account's API key."""
        key = request.params.get("hapikey", "")
        return secrets.compare_digest(key.encode(), self.credentials.developer_api_key.encode())

    # The token endpoints

    def answer(self, request: Request, path: tuple[str, ...]) -> Response:
        match request.method, path:
            case "POST", ("token",):
                return self._token(request)
            case "POST", ("introspect",):
                return self._introspect(_form(request).get("token", ""))
            case "GET", ("access-tokens", token):
                return self._introspect(token)
            case "GET", ("refresh-tokens", token):
                return self._told(token)
            case "POST", ("revoke",):
                return self._revoke(_form(request).get("token", ""))
            case "DELETE", ("refresh-tokens", token):
                return self._revoke(token)
        raise ApiError(404, "resource not found")

    def _token(self, request: Request) -> Response:
        form = _form(request)
        if form.get("client_id") != self.credentials.client_id:
            raise _refused("BAD_CLIENT_ID", "missing or unknown client id")
        if not secrets.compare_digest(form.get("client_secret", ""), self.credentials.client_secret):
            raise _refused("BAD_CLIENT_SECRET", "missing or unknown client secret")
        match form.get("grant_type"):
            case "refresh_token":
                if self._revoked or form.get("refresh_token") != self.credentials.refresh_token:
                    raise _refused("BAD_REFRESH_TOKEN", "missing or unknown refresh token")
                issued = self._issue("access_token", self._scopes)
                return Response.of(200, issued | {"refresh_token": self.credentials.refresh_token, "user_id": 96879917})
            case "client_credentials":
                asked = frozenset(form.get("scope", "").split())
                unknown = asked - JOURNAL_SCOPES - CRM_SCOPES - {"developer.webhooks_journal.snapshots.read"}
                if not asked or unknown:
                    raise _refused("BAD_SCOPE", f"missing or unknown scopes: {', '.join(sorted(unknown))}")
                return Response.of(200, self._issue("client_credentials", asked & JOURNAL_SCOPES))
        raise _refused("BAD_GRANT_TYPE", "missing or unknown grant type")

    def _issue(self, use: str, scopes: frozenset[str]) -> dict[str, Any]:
        token = f"CM{secrets.token_urlsafe(48)}"
        principal = Principal("app", use, scopes, self._source)
        self._issued[token] = _Issued(principal, self._clock() + timedelta(seconds=TOKEN_SECONDS))
        return {
            "access_token": token,
            "expires_in": TOKEN_SECONDS,
            "token_type": "bearer",
            "token_use": use,
            "hub_id": self._portal_id,
            "scopes": sorted(scopes),
        }

    def _introspect(self, token: str) -> Response:
        issued = self._issued.get(token)
        if issued is None or issued.expires_at <= self._clock():
            raise ApiError(404, "The token is unknown or has expired.", "NOT_FOUND")
        return Response.of(
            200,
            {
                "active": True,
                "token": token,
                "token_type": "access",
                "token_use": issued.principal.use,
                "hub_id": self._portal_id,
                "app_id": self.credentials.app_id,
                "user_id": 96879917,
                "hub_domain": "northwind.example",
                "scopes": sorted(issued.principal.scopes),
                "expires_in": int((issued.expires_at - self._clock()).total_seconds()),
            },
        )

    def _told(self, token: str) -> Response:
        """What a refresh token is good for."""
        if self._revoked or token != self.credentials.refresh_token:
            raise ApiError(404, "The token is unknown or has expired.", "NOT_FOUND")
        return Response.of(
            200,
            {
                "token": token,
                "token_type": "refresh",
                "client_id": self.credentials.client_id,
                "hub_id": self._portal_id,
                "hub_domain": "northwind.example",
                "user_id": 96879917,
                "user": "ines.duarte@example.com",
                "scopes": sorted(self._scopes),
            },
        )

    def _revoke(self, token: str) -> Response:
        if token == self.credentials.refresh_token:
            self._revoked = True
        self._issued.pop(token, None)
        return Response(204)


class _TokenError(ApiError):
    """The token endpoint's own error shape: `status` is the code."""

    def response(self, correlation_id: str) -> Response:
        body = {"status": self.category, "message": self.message, "correlationId": correlation_id}
        return Response.of(self.status, body)


def _refused(code: str, message: str) -> ApiError:
    return _TokenError(400, message, code)


def _form(request: Request) -> dict[str, str]:
    if "application/x-www-form-urlencoded" not in request.headers.get("content-type", ""):
        raise ApiError(415, "Unsupported Media Type")
    return request.form()
