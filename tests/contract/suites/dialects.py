"""Simulators as other servers of the same API would answer: what a connector may meet beyond its own simulator."""

import json
from collections.abc import Callable
from typing import Any

import httpx

type Rewrite = Callable[[httpx.Request, httpx.Response], httpx.Response]


class Another(httpx.BaseTransport):
    """A server whose answers are worded otherwise."""

    def __init__(self, inner: httpx.BaseTransport, rewrite: Rewrite) -> None:
        self._inner = inner
        self._rewrite = rewrite

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = self._inner.handle_request(request)
        response.read()
        return self._rewrite(request, response)


def with_text(response: httpx.Response, text: str) -> httpx.Response:
    """The same answer with another body."""
    headers = [(name, value) for name, value in response.headers.multi_items() if name != "content-length"]
    return httpx.Response(response.status_code, headers=headers, content=text.encode())


def each_object(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Rewrite:
    """`change` gets every JSON object of a successful answer, innermost first."""

    def walk(value: Any) -> Any:
        if isinstance(value, list):
            return [walk(each) for each in value]
        return change({name: walk(each) for name, each in value.items()}) if isinstance(value, dict) else value

    def rewrite(request: httpx.Request, response: httpx.Response) -> httpx.Response:
        if not (response.is_success and response.text.startswith(("{", "["))):
            return response
        return with_text(response, json.dumps(walk(json.loads(response.text))))

    return rewrite
