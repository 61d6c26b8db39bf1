"""What Kantata OX says when it refuses (developer.kantata.com, section Errors)."""

from collections.abc import Iterable

from dealbridge_local.simulators.wire import Response


class RefusalError(Exception):
    """An answer of 4xx or 5xx: a status and the error objects of `{"errors": [{"type", "message", "field"?}]}`."""

    def __init__(self, status: int, *errors: dict[str, str]) -> None:
        super().__init__(status, errors)
        self.status = status
        self.errors = errors

    def response(self) -> Response:
        return Response.of(self.status, {"errors": list(self.errors)})


def invalid_token() -> RefusalError:
    return RefusalError(401, {"type": "oauth", "message": "Invalid OAuth 2 Request"})


def malformed(message: str) -> RefusalError:
    return RefusalError(400, {"type": "system", "message": message})


def forbidden(message: str) -> RefusalError:
    return RefusalError(403, {"type": "system", "message": message})


def missing() -> RefusalError:
    return RefusalError(404, {"type": "system", "message": "Page Not Found"})


def invalid(field: str, message: str) -> RefusalError:
    return all_invalid([(field, message)])


def all_invalid(problems: Iterable[tuple[str, str]]) -> RefusalError:
    """422 with one validation error per (field, message)."""
    return RefusalError(422, *({"type": "validation", "message": text, "field": field} for field, text in problems))
