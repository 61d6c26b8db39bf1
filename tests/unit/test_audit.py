"""The audit chain: whatever is altered, lost, put in or cut off afterwards shows."""

from collections.abc import Callable
from typing import Any

import pytest

from dealbridge.ledger.audit import FIRST, broken_at, entry

type Entries = list[dict[str, Any]]


def a_chain(length: int = 5) -> tuple[Entries, dict[str, Any]]:
    entries: Entries = []
    head: dict[str, Any] = {}
    for number in range(1, length + 1):
        made = entry("salesforce:006A", head, "run_started", f"2026-03-0{number}", {"run": f"r-{number}"})
        head = {"audit_number": made["number"], "audit_hash": made["hash"]}
        entries.append(made)
    return entries, head


def test_a_chain_that_nobody_touched_holds() -> None:
    entries, head = a_chain()
    assert broken_at(entries, head) is None
    assert [each["number"] for each in entries] == [1, 2, 3, 4, 5]
    assert entries[0]["before"] == FIRST
    assert entries[1]["before"] == entries[0]["hash"]
    assert broken_at([], {}) is None


def _alter(entries: Entries) -> None:
    entries[2]["detail"] = {"run": "another"}


def _alter_and_hash_anew(entries: Entries) -> None:
    entries[2] = entry("salesforce:006A", {"audit_number": 2, "audit_hash": entries[1]["hash"]}, "run_done", "x", {})


def _lose(entries: Entries) -> None:
    del entries[2]


def _swap(entries: Entries) -> None:
    entries[2], entries[3] = entries[3], entries[2]


def _put_in(entries: Entries) -> None:
    entries.insert(2, dict(entries[1]))


@pytest.mark.parametrize(
    ("tamper", "number"),
    [(_alter, 3), (_alter_and_hash_anew, 4), (_lose, 3), (_swap, 3), (_put_in, 3)],
)
def test_what_was_done_to_a_chain_shows(tamper: Callable[[Entries], None], number: int) -> None:
    entries, head = a_chain()
    tamper(entries)
    assert broken_at(entries, head) == number


def test_entries_cut_off_at_the_end_show() -> None:
    entries, head = a_chain()
    assert broken_at(entries[:-1], head) == 5
    assert broken_at([], head) == 1


def test_an_entry_put_on_at_the_end_shows() -> None:
    entries, head = a_chain()
    entries.append(entry("salesforce:006A", head, "run_done", "later", {}))
    assert broken_at(entries, head) == 7


def test_the_keys_are_those_of_the_deal_in_order() -> None:
    entries, _ = a_chain(2)
    assert [(each["pk"], each["sk"]) for each in entries] == [
        ("DEAL#salesforce:006A", "AUDIT#00000001"),
        ("DEAL#salesforce:006A", "AUDIT#00000002"),
    ]
