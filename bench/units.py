"""DynamoDB's request units by arithmetic (Developer Guide, "Item sizes and formats" and "On-demand capacity")."""

from collections.abc import Mapping
from math import ceil
from typing import Any

READ_BYTES = 4096
WRITE_BYTES = 1024
INDEX_KEYS = ("gsi_pk", "gsi_sk")

type Raw = Mapping[str, Any]
"""An item in DynamoDB's own JSON."""


def item_bytes(item: Raw) -> int:
    return sum(len(name.encode()) + _value_bytes(value) for name, value in item.items())


def read_units(size: int, *, consistent: bool) -> float:
    """Of one item, or of all that one query has gone through."""
    return max(1, ceil(size / READ_BYTES)) * (1.0 if consistent else 0.5)


def write_units(before: Raw | None, after: Raw | None, *, in_transaction: bool = False) -> int:
    """Of one put or update, its index included: the larger of the item before and after counts."""
    size = max(item_bytes(item) if item else 0 for item in (before, after))
    own = max(1, ceil(size / WRITE_BYTES)) * (2 if in_transaction else 1)
    return own + _index_units(before, after)


def _index_units(before: Raw | None, after: Raw | None) -> int:
    """An index that holds whole items: an entry that moves is taken out and put in."""
    listed = [item if item and all(name in item for name in INDEX_KEYS) else None for item in (before, after)]
    if listed[0] == listed[1]:
        return 0
    units = [max(1, ceil(item_bytes(item) / WRITE_BYTES)) if item else 0 for item in listed]
    if listed[0] and listed[1] and all(listed[0][name] == listed[1][name] for name in INDEX_KEYS):
        return max(units)
    return sum(units)


def _value_bytes(value: Mapping[str, Any]) -> int:
    ((kind, inner),) = value.items()
    match kind:
        case "S":
            return len(inner.encode())
        case "B":
            return len(inner)
        case "N":
            # One byte for two significant digits, and one.
            return ceil(len(inner.strip("-").replace(".", "").strip("0") or "0") / 2) + 1
        case "NULL" | "BOOL":
            return 1
        case "L":
            return 3 + sum(1 + _value_bytes(each) for each in inner)
        case "M":
            return 3 + sum(1 + len(name.encode()) + _value_bytes(each) for name, each in inner.items())
        case _:
            raise ValueError(f"{kind}: the ledger has no such values")
