"""What can go wrong on the wire, and when: the faults of the control surface (docs: `POST /__sim/faults`)."""

import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

KINDS = frozenset(
    {
        "status",
        "timeout_before_commit",
        "timeout_after_commit",
        "drop_before_commit",
        "drop_after_commit",
        "malformed_body",
        "delay",
        "stale_read",
        "expire_tokens",
    }
)


_FAR_BEHIND = 1e9
"""A stale read that is told no lag sees nothing of the last write, however long ago that was."""


class FaultError(ValueError):
    """A fault that cannot be added; the message names the field and the remedy."""


@dataclass
class Fault:
    """One fault. It lets `after` matching calls pass, then acts on `times` of them (None: on all)."""

    kind: str
    method: str | None = None
    path: re.Pattern[str] | None = None
    times: int | None = None
    after: int = 0
    status: int = 503
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    delay_s: float = 60.0
    """Of a stale read: how far behind it is. What was written earlier than that is seen."""
    seen: int = 0
    fired: int = 0

    @classmethod
    def parse(cls, given: Any) -> "Fault":
        if not isinstance(given, dict):
            raise FaultError("body: send one JSON object that describes the fault")
        unknown = set(given) - {"kind", "method", "path", "times", "after", "status", "headers", "body", "delay_s"}
        if unknown:
            raise FaultError(f"{', '.join(sorted(unknown))}: no such field; see design.md, section 8")
        given = {name: value for name, value in given.items() if value is not None or name == "times"}
        kind = given.get("kind")
        if not isinstance(kind, str) or kind not in KINDS:
            raise FaultError(f"kind: {kind!r} is none of {', '.join(sorted(KINDS))}")
        try:
            path = re.compile(given["path"]) if given.get("path") else None
        except (re.error, TypeError) as error:
            raise FaultError(f"path: not a regular expression: {error}") from error
        headers = given.get("headers", {})
        if not isinstance(headers, dict):
            raise FaultError(f"headers: {headers!r} is no object of names and values")
        # Expiring tokens on every call would refuse the fresh token too: one time unless told otherwise.
        times = given.get("times", 1 if kind == "expire_tokens" else None)
        return cls(
            kind=kind,
            method=str(given["method"]).upper() if given.get("method") else None,
            path=path,
            times=None if times is None else _whole("times", times),
            after=_whole("after", given.get("after", 0)),
            status=_whole("status", given.get("status", 503)),
            headers={str(name): str(value) for name, value in headers.items()},
            body=given.get("body"),
            delay_s=_seconds("delay_s", given.get("delay_s", _FAR_BEHIND if kind == "stale_read" else 60.0)),
        )

    def fires(self, method: str, path: str) -> bool:
        """Whether this call is hit; counts the call."""
        if self.method and self.method != method:
            return False
        if self.path and not self.path.search(path):
            return False
        if self.times is not None and self.fired >= self.times:
            return False
        self.seen += 1
        if self.seen <= self.after:
            return False
        self.fired += 1
        return True

    def describe(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "method": self.method,
            "path": self.path.pattern if self.path else None,
            "times": self.times,
            "after": self.after,
            "fired": self.fired,
        }


def _whole(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise FaultError(f"{name}: {value!r} is no whole number of 0 or more")
    return value


def _seconds(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal) or value < 0:
        raise FaultError(f"{name}: {value!r} is no number of seconds")
    return float(value)
