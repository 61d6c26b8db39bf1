"""`$batch` of OData V2 (vendors/erp-sap…, A2.6): reads and change sets in one multipart request.

The outer answer is 202 whatever happened inside. A change set is all or nothing: where one change fails, its whole
part becomes one error answer and nothing is kept. Later changes name an entity created earlier in the same change set
by its Content-ID: `$1/to_Item`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.client import responses
from urllib.parse import urlsplit

from dealbridge_local.simulators.s4hana import errors
from dealbridge_local.simulators.s4hana.errors import SapError
from dealbridge_local.simulators.wire import Request, Response

_BOUNDARY = re.compile(r'boundary="?([^";]+)"?', re.IGNORECASE)
_REFERENCE = re.compile(r"^(?:/)?\$([A-Za-z0-9_.-]+)(?=/|$|\()")
_CRLF = b"\r\n"


@dataclass(frozen=True)
class Part:
    """One operation of a batch: its inner request, with the URI as it was written."""

    method: str
    uri: str
    headers: Mapping[str, str]
    body: bytes
    content_id: str


def read_batch(request: Request) -> list[Part | list[Part]]:
    """The parts in order; a change set is a list. Raises SapError 400 for what is no batch."""
    found: list[Part | list[Part]] = []
    for headers, content in _split(request.headers.get("content-type", ""), request.body):
        if headers.get("content-type", "").startswith("multipart/mixed"):
            found.append([_operation(inner, body) for inner, body in _split(headers["content-type"], content)])
        else:
            found.append(_operation(headers, content))
    return found


def _split(content_type: str, body: bytes) -> list[tuple[dict[str, str], bytes]]:
    boundary = _BOUNDARY.search(content_type)
    if not content_type.startswith("multipart/mixed") or not boundary:
        raise errors.malformed("The batch request must be multipart/mixed with a boundary")
    # A delimiter ends with its line, or with two dashes: another boundary may begin with the same letters.
    delimiter = re.escape(b"\r\n--" + boundary[1].strip().encode()) + rb"(?=[ \t]*\r\n|--)"
    chunks = re.split(delimiter, _CRLF + body)
    if len(chunks) < 2 or not chunks[-1].startswith(b"--"):
        # Line ends are CRLF: with bare line feeds no delimiter is found.
        raise errors.malformed("The batch request has no parts, or no closing boundary; line ends must be CRLF")
    return [_headers_and_body(chunk.removeprefix(_CRLF)) for chunk in chunks[1:-1]]


def _headers_and_body(chunk: bytes) -> tuple[dict[str, str], bytes]:
    head, separator, body = chunk.partition(_CRLF + _CRLF)
    if not separator:
        raise errors.malformed("A part of the batch request has no empty line after its headers")
    headers = {}
    for line in head.decode().split("\r\n"):
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return headers, body


def _operation(outer: Mapping[str, str], content: bytes) -> Part:
    if not outer.get("content-type", "").startswith("application/http"):
        raise errors.malformed("A part of the batch request is neither application/http nor a change set")
    line, _, rest = content.lstrip(_CRLF).partition(_CRLF)
    method, _, target = line.decode().partition(" ")
    uri, _, version = target.rpartition(" ")
    if not version.startswith("HTTP/") or not uri:
        raise errors.malformed(f"'{line.decode()}' is no request line")
    headers, body = _headers_and_body(rest + _CRLF + _CRLF if _CRLF + _CRLF not in rest else rest)
    return Part(method.upper(), uri, headers, body, outer.get("content-id") or headers.get("content-id") or "")


@dataclass
class BatchRunner:
    """Runs a batch of one service. `run` answers one inner request; `all_or_nothing` undoes a failed change set."""

    service_path: str
    run: Callable[[Request, str], Response]
    all_or_nothing: Callable[[Callable[[], list[Response]]], list[Response]]
    print_error: Callable[[SapError], Response]

    def answer(self, request: Request) -> Response:
        parts = read_batch(request)
        boundary = f"ejjeeffe{len(request.body):X}0"
        pieces: list[bytes] = []
        for part in parts:
            if isinstance(part, list):
                pieces.append(self._change_set(part, f"cs{len(pieces)}_{boundary}"))
            else:
                pieces.append(_http_part(self._read(part), part.content_id))
        body = b"".join(f"--{boundary}\r\n".encode() + piece for piece in pieces) + f"--{boundary}--\r\n".encode()
        headers = (("Content-Type", f"multipart/mixed; boundary={boundary}"), ("dataserviceversion", "2.0"))
        return Response(202, body, headers)

    def _read(self, part: Part) -> Response:
        if part.method != "GET":
            return self.print_error(errors.malformed(f"Method {part.method} is not allowed outside of a change set"))
        try:
            return self.run(*self._inner(part, {}))
        except SapError as error:
            return self.print_error(error)

    def _change_set(self, parts: list[Part], boundary: str) -> bytes:
        try:
            answers = self.all_or_nothing(lambda: self._change_all(parts))
        except SapError as error:
            return _http_part(self.print_error(error), error.content_id)
        inner = b"".join(
            f"--{boundary}\r\n".encode() + _http_part(answer, part.content_id)
            for part, answer in zip(parts, answers, strict=True)
        )
        content = inner + f"--{boundary}--\r\n".encode()
        head = f"Content-Type: multipart/mixed; boundary={boundary}\r\nContent-Length: {len(content)}\r\n\r\n"
        return head.encode() + content + _CRLF

    def _change_all(self, parts: list[Part]) -> list[Response]:
        created: dict[str, str] = {}
        answers = []
        for part in parts:
            try:
                if part.method == "GET":
                    raise errors.malformed("Method GET is not allowed in a change set")
                answer = self.run(*self._inner(part, created))
            except SapError as error:
                error.content_id = part.content_id
                raise
            location = answer.header("location")
            if part.content_id and location:
                created[part.content_id] = location.rpartition("/")[2]
            answers.append(answer)
        return answers

    def _inner(self, part: Part, created: Mapping[str, str]) -> tuple[Request, str]:
        """The inner request and its path below the service root. Raises SapError."""
        uri = _REFERENCE.sub(lambda found: created.get(found[1], found[0]), part.uri)
        split = urlsplit(uri)
        path = split.path.removeprefix(self.service_path).lstrip("/")
        if "$batch" in path:
            raise errors.malformed("A batch request must not hold another")
        raw_path = f"{self.service_path}/{path}"
        return Request(part.method, raw_path, split.query, part.headers, part.body), f"/{path}"


def _http_part(response: Response, content_id: str) -> bytes:
    reason = responses.get(response.status, "")
    lines = [f"HTTP/1.1 {response.status} {reason}"]
    lines += [f"{name}: {value}" for name, value in response.headers if name.lower() != "content-length"]
    lines.append(f"Content-Length: {len(response.body)}")
    content = "\r\n".join(lines).encode() + _CRLF + _CRLF + response.body + _CRLF
    head = f"Content-Type: application/http\r\nContent-Length: {len(content)}\r\ncontent-transfer-encoding: binary\r\n"
    if content_id:
        head += f"Content-ID: {content_id}\r\n"
    return head.encode() + _CRLF + content + _CRLF
