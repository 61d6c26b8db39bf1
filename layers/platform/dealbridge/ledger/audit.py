"""Append-only audit entries per deal, each carrying the hash of the one before: what was changed since shows."""

from collections.abc import Iterable, Mapping
from typing import Any

from dealbridge.domain.model import content_hash
from dealbridge.ledger.table import Item

FIRST = "0" * 64
"""What the first entry carries as the hash of the one before."""


def entry(deal: str, head: Mapping[str, Any], what: str, at: str, detail: Mapping[str, Any]) -> Item:
    """The next entry after those that the head counts."""
    number = int(head.get("audit_number", 0)) + 1
    body = {"number": number, "at": at, "what": what, "detail": dict(detail), "before": head.get("audit_hash", FIRST)}
    return {
        "pk": f"DEAL#{deal}",
        "sk": f"AUDIT#{number:08}",
        **body,
        "hash": content_hash(body),
    }


def broken_at(entries: Iterable[Mapping[str, Any]], head: Mapping[str, Any]) -> int | None:
    """The number of the first entry that was altered, lost or put in later; None where the chain holds.

    The head of the deal says how many there are and the last one's hash: entries cut off at the end show too.
    """
    before, expected = FIRST, 1
    for each in entries:
        body = {name: each[name] for name in ("number", "at", "what", "detail", "before")}
        if each["number"] != expected or each["before"] != before or content_hash(body) != each["hash"]:
            return expected
        before, expected = each["hash"], expected + 1
    last = (int(head.get("audit_number", 0)), head.get("audit_hash", FIRST))
    return None if last == (expected - 1, before) else expected
