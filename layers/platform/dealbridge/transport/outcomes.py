"""The table from a vendor's signals to an error class: one per connector, read top down, first match wins."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from math import isfinite
from typing import Any

import httpx

from dealbridge import clock, errors
from dealbridge.domain.findings import Finding


@dataclass(frozen=True)
class Signal:
    """What a vendor said: its codes (most telling first), its message, the fields it named, the wait it asks for."""

    codes: tuple[str, ...] = ()
    message: str = ""
    findings: tuple[Finding, ...] = ()
    retry_after: float | None = None


@dataclass(frozen=True)
class Row:
    """One line of the table. `status` None matches any status, `code` None any code.

    `outcome_unknown`: a write so answered may have happened all the same.
    """

    status: int | None
    code: str | None
    error: type[errors.DealbridgeError]
    outcome_unknown: bool = False
    retry_after: float | None = None

    def matches(self, status: int, codes: Sequence[str]) -> bool:
        return self.status in (None, status) and (self.code is None or self.code in codes)


# What HTTP itself says (RFC 9110), for what a vendor's own table leaves open.
_BY_STATUS = (
    Row(401, None, errors.AccessError),
    Row(403, None, errors.AccessError),
    Row(404, None, errors.RecordMissingError),
    Row(408, None, errors.TransientError, outcome_unknown=True),
    Row(409, None, errors.ConflictError),
    Row(412, None, errors.ConflictError),
    Row(423, None, errors.TransientError),
    Row(425, None, errors.TransientError),
    Row(429, None, errors.ThrottledError),
)


@dataclass(frozen=True)
class OutcomeTable:
    """A vendor's rows over HTTP's own, with the vendor's way of reading an error body."""

    rows: Sequence[Row]
    read: Callable[[httpx.Response], Signal]

    def error(self, connection: str, response: httpx.Response) -> errors.DealbridgeError:
        """The error that an unsuccessful response stands for."""
        status, signal = response.status_code, self.read(response)
        row = next((row for row in (*self.rows, *_BY_STATUS) if row.matches(status, signal.codes)), None)
        if row is None:
            row = (
                Row(None, None, errors.TransientError, outcome_unknown=True)
                if status >= 500
                else Row(None, None, errors.RejectedError)
            )
        said = f"HTTP {status}" + (f" {signal.codes[0]}" if signal.codes else "")
        return row.error(
            f"{connection}: {said}: {signal.message or response.reason_phrase}",
            connection=connection,
            code=signal.codes[0] if signal.codes else None,
            status=status,
            retry_after=_first(signal.retry_after, retry_after(response), row.retry_after),
            outcome_unknown=row.outcome_unknown,
            findings=signal.findings,
        )


def error_body(response: httpx.Response) -> Any:
    """The JSON of an unsuccessful answer; None where it is none: a proxy's page, a plain text."""
    try:
        return response.json()
    except ValueError:
        return None


def objects(value: Any) -> list[dict[str, Any]]:
    """The objects of a JSON list; none where it is no list."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


@contextmanager
def written() -> Iterator[None]:
    """Around what follows a write: whatever fails there, the write has happened, and the next attempt has to look."""
    try:
        yield
    except errors.DealbridgeError as error:
        error.outcome_unknown = True
        raise


def retry_after(response: httpx.Response) -> float | None:
    """The Retry-After header in seconds, from either of its forms; None where there is none."""
    value = response.headers.get("retry-after", "").strip()
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        pass
    else:
        return max(0.0, seconds) if isfinite(seconds) else None
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    # "-0000" is UTC whose zone the sender does not tell (RFC 5322, 3.3); it is read as a naive datetime.
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (aware - clock.now()).total_seconds())


def _first(*values: float | None) -> float | None:
    return next((value for value in values if value is not None), None)
