"""Records outside: what was intended, what came of it, what stands there as far as we know.

Every write outside has its intent here first and its outcome after. An intent without an outcome means that the write
may or may not have happened: the next attempt reads back before it writes.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import uuid4

from dealbridge.domain.keys import DealKey, Kind
from dealbridge.domain.plan import SHARED_KINDS, Action, Applied, Operation
from dealbridge.domain.refs import ExternalRef
from dealbridge.errors import ConflictError, LeaseLostError, RecordBusyError
from dealbridge.ledger.deals import deal_pk
from dealbridge.ledger.documents import Documents
from dealbridge.ledger.table import Change, ConditionError, Item, Table


class How(StrEnum):
    """How an effect came to be."""

    WRITTEN = "written"
    FOUND = "found"
    """The write of an earlier attempt had happened; it was found by reading back."""


@dataclass(frozen=True)
class Intent:
    """A write that is about to happen. `unsettled`: an earlier attempt's outcome is unknown, so read back first."""

    id: str
    operation: Operation
    known: Applied | None
    unsettled: bool
    done: bool = False
    """The very same payload is applied already, by an attempt that died after or by another run: nothing to write."""
    absent_since: datetime | None = None
    """When the earlier attempts' write was first looked up and not found, with no attempt at it since."""


class Records:
    """Records outside, in the ledger."""

    def __init__(self, table: Table, documents: Documents) -> None:
        self._table = table
        self._documents = documents

    def applied(self, deal: DealKey, identities: Iterable[str]) -> dict[str, Applied]:
        """What is known of a deal's records and of the shared ones named, by identity."""
        items = list(self._table.query(deal_pk(deal), "RECORD#"))
        shared = self._table.get_many((f"SHARED#{identity}", "RECORD") for identity in identities)
        return {str(item["identity"]): self._applied(item) for item in (*shared.values(), *items)}

    def refs(self, deal: DealKey, identities: Iterable[str]) -> dict[str, ExternalRef]:
        """Where records stand, by identity; those that stand nowhere yet are left out."""
        places = {_where(deal, identity): identity for identity in identities}
        found = self._table.get_many(places)
        return {
            places[place]: ExternalRef.model_validate(item["ref"]) for place, item in found.items() if "ref" in item
        }

    def effects_of(self, deal: DealKey, shared: Iterable[str]) -> list[Item]:
        """The items of a deal's records and of the shared ones named, with content and effects."""
        items = list(self._table.query(deal_pk(deal), "RECORD#"))
        items += self._table.get_many((f"SHARED#{identity}", "RECORD") for identity in shared).values()
        return [{**item, **_named(item["identity"]), "content": self._content(item)} for item in items]

    def intend(self, deal: DealKey, run: str, operation: Operation, now: datetime, until: datetime) -> Intent:
        """Record what is about to be written; `until` is when this attempt is over at the latest.

        Raises LeaseLostError where the run no longer holds the deal: what it wants is old. Raises ConflictError where
        another deal has changed a shared record since the plan. Raises RecordBusyError while an attempt of another
        run may still be writing the same record.
        """
        pk, sk = _place(deal, operation)
        item = self._table.get(pk, sk) or {}
        before = item.get("intent")
        known = self._applied(item) if "content" in item else None
        if (
            item.get("payload_hash") == operation.payload_hash
            and known
            and known.ref
            and known.withdrawn == (operation.action is Action.WITHDRAW)
            and not before
        ):
            return Intent("", operation, known, unsettled=False, done=True)
        if operation.shared and known and known.ref and item["payload_hash"] != operation.basis:
            raise ConflictError(
                f"{operation.identity} was changed by another deal since this was planned",
                connection=operation.connection,
            )
        # Attempts of one run follow one another. One of another run may be cut off from its run and still be going.
        if before and before["run"] != run and not before.get("over") and now < datetime.fromisoformat(before["until"]):
            raise _busy(operation, before["run"])
        intent_id = uuid4().hex[:16]
        change = Change(pk, sk).set(
            identity=operation.identity,
            intent={
                "id": intent_id,
                "run": run,
                "deal": str(deal),
                "action": operation.action.value,
                "hash": operation.payload_hash,
                "at": now.isoformat(),
                "until": until.isoformat(),
            },
        )
        if before:
            change.where("#intent.#id = :seen", seen=before["id"])
        else:
            change.where("attribute_not_exists(#intent)")
        holds = Change(deal_pk(deal), "HEAD").where("#lease_run = :run", run=run)
        try:
            self._table.together([change], checks=[holds])
        except ConditionError:
            head = self._table.get(deal_pk(deal), "HEAD") or {}
            if head.get("lease_run") != run:
                raise LeaseLostError(f"{deal}: run {run} no longer holds the deal") from None
            raise _busy(operation, "another run") from None
        absent = (before or {}).get("absent_since")
        return Intent(
            intent_id,
            operation,
            known,
            unsettled=before is not None,
            absent_since=datetime.fromisoformat(absent) if absent else None,
        )

    def leave(self, deal: DealKey, intent: Intent, absent_since: datetime | None = None) -> None:
        """Note that an attempt is over though its outcome is unknown: the next one need not wait for it.

        `absent_since`: since when it was looked up in vain. The next intent forgets it, for its attempt may write.
        """
        pk, sk = _place(deal, intent.operation)
        told = {"over": True, **({"absent_since": absent_since.isoformat()} if absent_since else {})}
        change = Change(pk, sk).set_in("intent", **told).where("#intent.#id = :mine", mine=intent.id)
        try:
            self._table.update(change)
        except ConditionError:
            raise LeaseLostError(f"{intent.operation.identity}: another attempt has taken the record over") from None

    def settle(
        self,
        deal: DealKey,
        run: str,
        intent: Intent,
        ref: ExternalRef,
        how: How,
        mapping_version: str,
        now: datetime,
        began: datetime,
    ) -> None:
        """Record the outcome: what stands outside now, and the effect that made it so.

        Raises LeaseLostError where another attempt has taken the record over meanwhile.
        """
        operation = intent.operation
        effect = {
            "run": run,
            **({"deal": str(deal)} if operation.shared else {}),
            "step": operation.step.value,
            "action": operation.action.value,
            "hash": operation.payload_hash,
            "mapping_version": mapping_version,
            "intended_at": began.isoformat(),
            "done_at": now.isoformat(),
            "how": how.value,
            "id": ref.id,
            "intent": intent.id,
        }
        pk, sk = _place(deal, operation)
        gone = operation.action is Action.WITHDRAW
        change = (
            Change(pk, sk)
            .set(
                content=self._documents.pack({"record": operation.record, "codes": operation.codes}),
                payload_hash=operation.payload_hash,
                ref=ref.content(),
                **({"withdrawn": True} if gone else {}),
            )
            .append(effects=[effect])
            .remove("intent", *(() if gone else ("withdrawn",)))
            .where("#intent.#id = :mine", mine=intent.id)
        )
        try:
            self._table.update(change)
        except ConditionError as error:
            # The AWS client tries again when an answer is lost: what it finds is then its own first try.
            if not any(known.get("intent") == intent.id for known in (error.item or {}).get("effects", ())):
                raise LeaseLostError(f"{operation.identity}: another attempt has taken the record over") from None

    def drop(self, deal: DealKey, intent: Intent) -> None:
        """Take an intent back: the write certainly did not happen."""
        pk, sk = _place(deal, intent.operation)
        change = Change(pk, sk).remove("intent").where("#intent.#id = :mine", mine=intent.id)
        try:
            self._table.update(change)
        except ConditionError as error:
            if "intent" in (error.item or {}):
                raise LeaseLostError(
                    f"{intent.operation.identity}: another attempt has taken the record over"
                ) from None

    def note_number(self, deal: DealKey, identity: str, ref: ExternalRef) -> None:
        """Keep the number that a record turned out to have; left out where the record stands elsewhere by now."""
        change = Change(*_where(deal, identity)).set_in("ref", number=ref.number).where("#ref.#id = :id", id=ref.id)
        with suppress(ConditionError):
            self._table.update(change)

    def _applied(self, item: Item) -> Applied:
        content: Mapping[str, Any] = self._content(item)
        ref = item.get("ref")
        return Applied(
            record=content.get("record", {}),
            codes=content.get("codes", {}),
            ref=ExternalRef.model_validate(ref) if ref else None,
            withdrawn=bool(item.get("withdrawn")),
            unsettled_by=(DealKey.parse(item["intent"]["deal"]), item["intent"]["run"]) if "intent" in item else None,
        )

    def _content(self, item: Item) -> dict[str, Any]:
        packed = item.get("content")
        return dict(self._documents.unpack(packed)) if packed else {}


def _busy(operation: Operation, run: str) -> RecordBusyError:
    return RecordBusyError(
        f"{operation.identity} is being written by {run}", connection=operation.connection, retry_after=2
    )


def _named(identity: str) -> dict[str, str]:
    connection, kind, key = identity.split("/", 2)
    return {"connection": connection, "kind": kind, "key": key}


def _place(deal: DealKey, operation: Operation) -> tuple[str, str]:
    return _where(deal, operation.identity)


def _where(deal: DealKey, identity: str) -> tuple[str, str]:
    """The keys of a record's item: under its deal, or on its own where many deals write it."""
    if Kind(identity.split("/")[1]) in SHARED_KINDS:
        return f"SHARED#{identity}", "RECORD"
    return deal_pk(deal), f"RECORD#{identity}"
