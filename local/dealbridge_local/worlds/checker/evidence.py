"""What the checker looks at: plain values, as an auditor would be handed them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

type Record = Mapping[str, Any]
type Records = Mapping[str, Sequence[Record]]
"""Kind → records, as a simulator shows them under /__sim/records."""
type Item = Mapping[str, Any]


@dataclass(frozen=True)
class VendorWrite:
    """One call that our functions made to change something. `keys` are our keys that it names."""

    connection: str
    method: str
    path: str
    began: datetime
    at: datetime
    keys: frozenset[str]


@dataclass(frozen=True)
class StreamRecord:
    """One write of the ledger: when, and the item as it stood after."""

    at: datetime
    item: Item


@dataclass(frozen=True)
class Evidence:
    """An outcome, after everything has settled. What nobody has watched is None, and its rules are not judged."""

    crms: Mapping[str, Records]
    """By connection, as all vendors' records are."""
    erps: Mapping[str, Records]
    psas: Mapping[str, Records]
    ledger: Sequence[Item]
    unfinished: Sequence[str]
    """What is still under way: executions, messages, dead letters."""
    roles: Mapping[str, str | None]
    """Service line → the role that is asked for; None where nobody is."""
    erp_of: Mapping[str, str]
    """Legal entity → the connection of the ERP in which it bills."""
    stream: Sequence[StreamRecord] | None = None
    vendor_writes: Sequence[VendorWrite] | None = None
    vendor_calls: Sequence[tuple[str, datetime]] | None = None
    """(connection, when it began) of every call of our functions."""
    hints: Sequence[tuple[str, str]] | None = None
    """(deal, event id) of every hint that was accepted and published."""
    facts: Sequence[tuple[str, str]] | None = None
    """(what, deal) of every fact that was told."""
