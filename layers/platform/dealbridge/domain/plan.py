"""What a run will do, decided before anything is written: operations with a field diff each."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import Field

from dealbridge.domain.keys import ConnectionId, DealKey, Kind
from dealbridge.domain.model import Model, content_hash
from dealbridge.domain.refs import ExternalRef


class Step(StrEnum):
    """The steps that write, in the order of the run; also the names of their functions."""

    SYNC_CUSTOMER = "sync_customer"
    SYNC_PROJECT = "sync_project"
    SYNC_CONTRACT = "sync_contract"
    SYNC_BILLING = "sync_billing"
    REQUEST_STAFFING = "request_staffing"
    UPDATE_CRM = "update_crm"


class Action(StrEnum):
    CREATE = "create"
    UPDATE = "update"
    WITHDRAW = "withdraw"
    LOOK = "look"
    """Nobody wants the record any more, and whether an earlier attempt has made it is unknown: find out."""
    NONE = "none"


SHARED_KINDS = frozenset({Kind.CUSTOMER, Kind.CONTACT})
"""Records that many deals write: one each per account, not per deal."""


def identity(connection: str, kind: Kind, key: str) -> str:
    """Where a record stands or shall stand: `<connection>/<kind>/<our key>`."""
    return f"{connection}/{kind}/{key}"


class FieldChange(Model):
    """One field that differs: its path (`lines[SOL-00k1].amount.amount`), what was applied, what shall be."""

    path: str
    before: Any = None
    after: Any = None

    @property
    def field(self) -> str:
        """The record's own field that differs, or that the code which differs stands behind; empty for any other."""
        first, *rest = re.split(r"[.\[]", self.path)
        return _OF_CODES.get(rest[0], "") if first == "codes" and rest else first


_OF_CODES = {
    "currency": "currency",
    "payment_terms": "payment_terms",
    "manager": "manager_email",
    "role": "role",
    "service_lines": "lines",
    "entity": "legal_entity",
    "tax": "legal_entity",
}
"""Code → the field of the records that it is the code for."""


def touched(changes: Iterable[FieldChange]) -> set[str]:
    """The fields of a record that a list of changes touches."""
    return {change.field for change in changes} - {""}


class Operation(Model):
    """One record to write: what it shall be (`record`), the ERP's codes for it (`codes`), and how that differs.

    `needs` are the identities of the records that must stand before: the step finds their vendor ids in the ledger.
    """

    step: Step
    action: Action
    entity: str = ""
    """The legal entity whose engagement this belongs to; empty for what is written once per deal."""
    connection: ConnectionId
    kind: Kind
    key: str
    record: dict[str, Any]
    codes: dict[str, Any] = Field(default_factory=dict)
    needs: tuple[str, ...] = ()
    changes: tuple[FieldChange, ...] = ()
    basis: str | None = None
    """The hash of what was applied when this was planned; of a shared record, which another deal may change since."""
    tried: dict[str, Any] | None = None
    """The record that an attempt of unknown outcome was to make, where it was another: parts of it may stand."""

    @property
    def shared(self) -> bool:
        """Other deals write this record too."""
        return self.kind in SHARED_KINDS

    @property
    def payload_hash(self) -> str:
        """The hash of what is written: record and codes. Equal hash, equal write.

        A shared record's codes are those of the entity that first made it: another entity's are no change of it.
        """
        return content_hash(self.record if self.shared else {"record": self.record, "codes": self.codes})

    @property
    def identity(self) -> str:
        """Where the record stands: see `identity`."""
        return identity(self.connection, self.kind, self.key)


@dataclass(frozen=True)
class Applied:
    """What the ledger knows of one record outside: the content last written, its codes, and where it stands.

    `ref` None: an attempt was made and its outcome is unknown, or it never succeeded.
    """

    record: Mapping[str, Any]
    codes: Mapping[str, Any]
    ref: ExternalRef | None
    withdrawn: bool = False
    unsettled_by: tuple[DealKey, str] | None = None
    """The deal and the run whose attempt at it has no outcome: something else than `record` may stand."""


class Plan(Model):
    """All operations of one run against one snapshot, with the versions that led to it."""

    deal: DealKey
    snapshot_hash: str
    mapping_version: str
    entities: tuple[str, ...] = ()
    """The legal entities that bill part of the deal; their engagements are applied independently of one another."""
    operations: tuple[Operation, ...] = ()

    @property
    def hash(self) -> str:
        """Identifies what a person approves: every operation that writes, and what it writes."""
        return content_hash(
            [
                [operation.step, operation.action, operation.identity, operation.payload_hash]
                for operation in self.operations
                if operation.action is not Action.NONE
            ]
        )

    @property
    def writes(self) -> tuple[Operation, ...]:
        return tuple(operation for operation in self.operations if operation.action is not Action.NONE)

    @property
    def is_empty(self) -> bool:
        return not self.writes
