"""HubSpot's refusals as exceptions, with the body HubSpot prints for each (docs/api/error-handling, copy H9).

Every field of an error body is optional in HubSpot's own words; the ones here are those its guides and recorded
answers show: `status`, `message`, `correlationId`, `category`, and where they apply `subCategory`, `errors`, `context`
and `links`.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dealbridge_local.simulators.wire import Response

type Context = Mapping[str, Sequence[str]]


class ApiError(Exception):
    """One refusal: the HTTP status and what the body says."""

    def __init__(
        self,
        status: int,
        message: str,
        category: str | None = None,
        *,
        sub_category: str | None = None,
        errors: Sequence[dict[str, Any]] = (),
        context: Context | None = None,
        links: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.category = category
        self.sub_category = sub_category
        self.errors = list(errors)
        self.context = {name: list(values) for name, values in (context or {}).items()}
        self.links = dict(links or {})

    def response(self, correlation_id: str) -> Response:
        return Response.of(self.status, self._body({"correlationId": correlation_id}))

    def as_item(self, **context: Sequence[str]) -> dict[str, Any]:
        """This refusal as one entry of `errors` in a multi-status (207) answer; the entries carry no correlationId."""
        body = self._body({})
        merged = {**self.context, **{name: list(values) for name, values in context.items()}}
        return {**body, "context": merged} if merged else body

    def _body(self, head: dict[str, Any]) -> dict[str, Any]:
        body: dict[str, Any] = {"status": "error", "message": self.message, **head}
        if self.errors:
            body["errors"] = self.errors
        if self.context:
            body["context"] = self.context
        if self.links:
            body["links"] = self.links
        if self.category:
            body["category"] = self.category
        if self.sub_category:
            body["subCategory"] = self.sub_category
        return body


class InvalidValueError(Exception):
    """One property value that does not pass; several make one `values_not_valid`."""

    def __init__(self, name: str, code: str, message: str) -> None:
        super().__init__(message)
        self.name, self.code, self.message = name, code, message


def values_not_valid(invalid: Iterable[InvalidValueError], portal_id: int) -> ApiError:
    """400 as HubSpot words it: the findings once as text in `message` and once as data in `errors`."""
    findings = list(invalid)
    text = [
        {
            "isValid": False,
            "message": each.message,
            "error": each.code,
            "name": each.name,
            "localizedErrorMessage": each.message,
            "portalId": portal_id,
        }
        for each in findings
    ]
    errors = [
        {"message": each.message, "code": each.code, "context": {"propertyName": [each.name]}} for each in findings
    ]
    message = f"Property values were not valid: {json.dumps(text, separators=(',', ':'))}"
    return ApiError(400, message, "VALIDATION_ERROR", errors=errors)


def invalid_request(message: str, **context: Sequence[str]) -> ApiError:
    return ApiError(400, message, "VALIDATION_ERROR", context=context)


def not_found(message: str = "resource not found", **context: Sequence[str]) -> ApiError:
    return ApiError(404, message, "OBJECT_NOT_FOUND", context=context)


def missing_scopes(scopes: Sequence[str]) -> ApiError:
    return ApiError(
        403,
        "This app hasn't been granted all required scopes to make this call. Read more about required scopes here: "
        "https://developers.hubspot.com/scopes.",
        "MISSING_SCOPES",
        errors=[
            {
                "message": "One or more of the following scopes are required.",
                "context": {"requiredGranularScopes": list(scopes)},
            }
        ],
        links={"scopes": "https://developers.hubspot.com/scopes"},
    )
