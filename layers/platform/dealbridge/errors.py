"""The closed set of error classes: the names that state machines may match, and nothing else.

Step Functions matches the class name, so each class stands alone and none is renamed lightly. The text of an error is
one JSON object, which a state machine reads with `$parse` from the Cause: {"message", "connection"?, "code"?,
"retry_after"?, "findings"?, "findings_left_out"?}.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from dealbridge.domain.findings import Finding

FINDINGS_CHARACTERS = 16_000
"""So much of an error's text is findings. Step Functions keeps 32,768 characters of a Cause (API reference,
TaskFailedEventDetails), Lambda escapes our JSON once more inside its own, and JSON that is cut off says nothing at
all. What is left out shows with the next run, once these are mended."""


class DealbridgeError(Exception):
    """What all have in common: never raised itself.

    `outcome_unknown` says that a write may have happened all the same (a lost reply, a time-out, a 5xx): the next
    attempt reads back before it writes.
    """

    def __init__(
        self,
        message: str,
        *,
        connection: str | None = None,
        code: str | None = None,
        status: int | None = None,
        retry_after: float | None = None,
        outcome_unknown: bool = False,
        findings: Sequence[Finding] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.connection = connection
        self.code = code
        self.status = status
        self.retry_after = retry_after
        self.outcome_unknown = outcome_unknown
        self.findings = tuple(findings)

    def __str__(self) -> str:
        told = list(_within(FINDINGS_CHARACTERS, self.findings))
        details: dict[str, Any] = {
            "message": self.message,
            "connection": self.connection,
            "code": self.code,
            "status": self.status,
            "retry_after": self.retry_after,
            "findings": told or None,
            "findings_left_out": len(self.findings) - len(told) or None,
        }
        return json.dumps({name: value for name, value in details.items() if value is not None})


def _within(characters: int, findings: Sequence[Finding]) -> Iterator[dict[str, Any]]:
    for finding in findings:
        told = finding.model_dump(mode="json")
        characters -= len(json.dumps(told))
        if characters < 0:
            return
        yield told


class TransientError(DealbridgeError):
    """The other side, or the way there, fails for now; the same call may succeed later. Retried, bounded."""


class ThrottledError(DealbridgeError):
    """The vendor asks for patience; `retry_after` seconds, where it says how long. Retried after that wait, bounded."""


class RecordBusyError(DealbridgeError):
    """Another run is writing the same shared record; wait for it. Retried, bounded."""


class RejectedError(DealbridgeError):
    """The vendor refuses the data; a person mends it. `findings` name field, rule and remedy."""


class ConflictError(DealbridgeError):
    """The record outside has changed since it was read; the run starts over from a fresh read."""


class AccessError(DealbridgeError):
    """Sign-in or permission refused; an administrator mends the connection."""


class ConfigurationError(DealbridgeError):
    """Our own reference data or settings are wrong or missing; the message names the file and the field."""


class LeaseLostError(DealbridgeError):
    """This run no longer holds its deal; it must not write any more."""


class EngagementStoppedError(DealbridgeError):
    """Part of what the deal wants does not stand; the failures that stopped it say why."""


class RecordMissingError(DealbridgeError):
    """A record that must be there is not (deleted outside, or a wrong id)."""


NAMES = frozenset(
    error.__name__
    for error in (
        TransientError,
        ThrottledError,
        RecordBusyError,
        RejectedError,
        ConflictError,
        AccessError,
        ConfigurationError,
        LeaseLostError,
        EngagementStoppedError,
        RecordMissingError,
    )
)
