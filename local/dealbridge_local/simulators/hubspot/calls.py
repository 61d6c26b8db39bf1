"""One authenticated API call, taken apart: version, path, query, body, and who makes it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import parse_qs, unquote

from dealbridge_local.simulators.hubspot.changes import Source
from dealbridge_local.simulators.hubspot.errors import ApiError, invalid_request
from dealbridge_local.simulators.hubspot.records import WriteRules
from dealbridge_local.simulators.wire import Request

_VERSION = re.compile(r"v\d+|\d{4}-\d{2}")
ADMIN_RULES_SINCE = "2026-09"


@dataclass(frozen=True)
class Route:
    """Where a path leads: the API family, its version, and the segments after both.

    The dated form puts the version after the family (`/crm/objects/2026-09/deals`), the numbered form before it
    (`/crm/v3/objects/deals`).
    """

    family: str
    version: str
    path: tuple[str, ...]

    @classmethod
    def of(cls, request: Request) -> "Route | None":
        # Segments are decoded one by one: a unique property's value in the path may hold an encoded slash.
        parts = [unquote(each) for each in request.raw_path.strip("/").split("/")]
        for place in (1, 2):
            if len(parts) > place and _VERSION.fullmatch(parts[place]):
                version = parts.pop(place)
                head = 2 if parts[0] in ("crm", "webhooks-journal") else 1
                return cls("/".join(parts[:head]), version, tuple(parts[head:]))
        return None

    @property
    def dated(self) -> bool:
        return not self.version.startswith("v")


@dataclass(frozen=True)
class Call:
    """One call that has passed authentication and the rate limits."""

    request: Request
    route: Route
    source: Source

    @property
    def method(self) -> str:
        return self.request.method

    @property
    def path(self) -> tuple[str, ...]:
        return self.route.path

    @property
    def write_rules(self) -> WriteRules:
        since = self.route.dated and self.route.version >= ADMIN_RULES_SINCE
        return WriteRules(admin_rules=since, normalizes_dates=since)

    @cached_property
    def query(self) -> Mapping[str, list[str]]:
        return parse_qs(self.request.query, keep_blank_values=True)

    def param(self, name: str) -> str | None:
        return self.query[name][0] if name in self.query else None

    def names(self, name: str) -> list[str]:
        """A list in the query: the parameter repeats, or holds names with commas between, or both."""
        return [each for value in self.query.get(name, ()) for each in value.split(",") if each]

    def flag(self, name: str) -> bool:
        return (self.param(name) or "false").lower() == "true"

    def number(self, name: str, default: int, highest: int) -> int:
        return _bounded(name, self.param(name), default, highest)

    @cached_property
    def body(self) -> dict[str, Any]:
        """The JSON object sent; raises the 400 or 415 of a body that is none."""
        if "json" not in self.request.headers.get("content-type", ""):
            raise ApiError(415, "Unsupported Media Type")
        try:
            given = self.request.json()
        except ValueError as error:
            raise invalid_request(f"Invalid input JSON: {error}") from error
        if not isinstance(given, dict):
            raise invalid_request("Invalid input JSON: an object is needed")
        return given

    @property
    def inputs(self) -> list[dict[str, Any]]:
        """`inputs` of a batch call: 1 to 100 objects."""
        inputs = self.body.get("inputs")
        if not isinstance(inputs, list) or not inputs or not all(isinstance(each, dict) for each in inputs):
            raise invalid_request("Invalid input JSON: inputs must be a list of objects that is not empty")
        return inputs


def properties_of(given: Mapping[str, Any]) -> Mapping[str, Any]:
    properties = given.get("properties")
    if not isinstance(properties, dict):
        raise invalid_request("Invalid input JSON: properties must be an object")
    return properties


def limited[T](inputs: Sequence[T], highest: int) -> Sequence[T]:
    if len(inputs) > highest:
        raise invalid_request(f"The maximum number of inputs supported in a batch request is {highest}.")
    return inputs


def _bounded(name: str, given: str | None, default: int, highest: int) -> int:
    if given is None:
        return default
    if not given.isdigit() or not 1 <= int(given) <= highest:
        raise invalid_request(f"{name} must be a number from 1 to {highest}")
    return int(given)


def paged[T](items: Sequence[T], after: str | None, limit: int) -> tuple[Sequence[T], str | None]:
    """One page of items by position, and the cursor of the next."""
    if after is not None and not after.isdigit():
        raise invalid_request(f"after: {after} is not a cursor of this API")
    start = int(after or 0)
    end = start + limit
    return items[start:end], str(end) if end < len(items) else None
