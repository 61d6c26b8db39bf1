"""What SuiteTalk REST answers when it refuses: one exception, and its `o:errorDetails` body (section_156570709583)."""

from typing import Any

from dealbridge_local.simulators.wire import Response

_TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    429: "Too Many Requests",
    500: "Internal Server Error",
}
_TYPE = "https://www.rfc-editor.org/rfc/rfc9110.html#section-15."
_MEDIA = "application/vnd.oracle.resource+json; type=error"


class Refusal(Exception):  # noqa: N818 (the vendor's answer, not a failure of the simulator)
    """A request that the account refuses.

    `path` is the JSON path in the body, `parameter` the query parameter, `header` the request header and `url` the
    part of the URL at fault; at most one of them is given.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        path: str | None = None,
        parameter: str | None = None,
        header: str | None = None,
        url: str | None = None,
        title: str | None = None,
    ) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.status = status
        self.code = code
        self.detail = detail
        self.where = {
            "o:errorPath": path,
            "o:errorQueryParam": parameter,
            "o:errorHeader": header,
            "o:errorUrl": url,
        }
        self.title = title or _TITLES[status]

    def body(self) -> dict[str, Any]:
        details = {"detail": self.detail, "o:errorCode": self.code}
        details |= {name: value for name, value in self.where.items() if value is not None}
        return {
            "type": _TYPE + _section(self.status),
            "title": self.title,
            "status": self.status,
            "o:errorDetails": [details],
        }

    def response(self, *headers: tuple[str, str]) -> Response:
        return Response.of(self.status, self.body(), *headers, media=_MEDIA)


def _section(status: int) -> str:
    """The statuses stand in order; 429 is of another RFC."""
    if status == 429:
        return "5"
    return f"5.{status - 399}" if status < 500 else f"6.{status - 499}"


def nonexistent() -> Refusal:
    return Refusal(404, "NONEXISTENT_ID", "Record does not exist.")


def invalid_content(detail: str, path: str | None = None) -> Refusal:
    return Refusal(400, "INVALID_CONTENT", f"Error while accessing a resource. {detail}", path=path)


def invalid_value(value: object, field: str, path: str) -> Refusal:
    """A value that the field cannot take, in Oracle's words (section_156570709583, Request with an Invalid Body)."""
    detail = f"You have entered an Invalid Field Value {value} for the following field: {field}"
    return Refusal(400, "INVALID_CONTENT", f"Error while accessing resource: {detail}", path=path)


def invalid_parameter(detail: str, parameter: str) -> Refusal:
    return Refusal(400, "INVALID_PARAMETER", detail, parameter=parameter)


def user_error(detail: str, path: str | None = None) -> Refusal:
    """What a business rule, a form or a script of the account refuses."""
    return Refusal(400, "USER_ERROR", f"Error while accessing a resource. {detail}", path=path)


def missing(*labels: str) -> Refusal:
    return user_error(f"Please enter value(s) for: {', '.join(labels)}")
