"""Every effect of a deal with its vendor id, and what stands there now, read back by our key."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, cast

from dealbridge.domain.engagement import RECORD_TYPES, Record
from dealbridge.domain.keys import DealKey, Kind
from dealbridge.domain.plan import Action, Operation
from dealbridge.domain.refs import ExternalRef
from dealbridge.errors import DealbridgeError, RecordMissingError
from dealbridge.ledger.ledger import ledger
from dealbridge.ledger.table import Item
from dealbridge.ports import RecordTarget, Write
from dealbridge.rules.planning import field_changes
from dealbridge.runs.applying import StatusTarget
from dealbridge.steps import bulk_work
from dealbridge.wiring import wiring


@dataclass(frozen=True)
class Proof:
    """One record outside: how it came to be, and how it compares with what stands there now.

    `verdict`: "stands" (content equal), "differs" (`differences` names fields: applied → there), "missing",
    "unsettled" (an intent without an outcome), "unread" (the vendor did not answer).
    """

    identity: str
    id: str | None
    number: str | None
    url: str | None
    verdict: str
    differences: tuple[str, ...]
    effects: tuple[Mapping[str, Any], ...]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def prove(deal: DealKey) -> Iterator[Proof]:
    """Read back every record of a deal, in the order they are needed. One call or two per record."""
    shared = _shared_of(deal)
    items = ledger().records.effects_of(deal, shared)
    refs = {str(item["identity"]): ExternalRef.model_validate(item["ref"]) for item in items if "ref" in item}
    order = list(Kind)
    for item in sorted(items, key=lambda item: (order.index(Kind(item["kind"])), str(item["identity"]))):
        yield _proof(deal, item, refs)


def _shared_of(deal: DealKey) -> list[str]:
    """The shared records that the deal's last plan names."""
    if ledger().deals.head(deal) is None:
        raise RecordMissingError(f"{deal}: the ledger knows no such deal; it prints deals as <connection>:<id>")
    found: dict[str, None] = {}
    for run in ledger().runs.of(deal):
        plan = ledger().runs.plan_of(deal, str(run["run"]))
        for operation in plan.operations if plan else ():
            if operation.shared:
                found[operation.identity] = None
    return list(found)


def _proof(deal: DealKey, item: Item, refs: Mapping[str, ExternalRef]) -> Proof:
    content: Mapping[str, Any] = item["content"]
    ref = ExternalRef.model_validate(item["ref"]) if "ref" in item else None
    verdict = "missing"
    differences: tuple[str, ...] = ()
    if "intent" in item:
        verdict = "unsettled"
    elif content and ref:
        verdict, differences = _read_back(deal, item, content, refs)
    return Proof(
        identity=str(item["identity"]),
        id=ref.id if ref else None,
        number=ref.number if ref else None,
        url=ref.url if ref else None,
        verdict=verdict,
        differences=differences,
        effects=tuple(item.get("effects", ())),
    )


@bulk_work()
def _read_back(
    deal: DealKey, item: Item, content: Mapping[str, Any], refs: Mapping[str, ExternalRef]
) -> tuple[str, tuple[str, ...]]:
    kind, connection = Kind(item["kind"]), str(item["connection"])
    if kind is Kind.ENGAGEMENT_STATUS:
        target: RecordTarget = StatusTarget(wiring().crm(connection), deal)
    else:
        target = wiring().target(connection)
    record = cast("Record", RECORD_TYPES[kind].model_validate(content["record"]))
    # Two ERPs hold the same customer under the same key of ours.
    near = {place.rsplit("/", 1)[1]: ref for place, ref in refs.items() if place.startswith(f"{connection}/")}
    try:
        found = target.find(
            Write(
                kind=kind,
                key=str(item["key"]),
                record=record,
                codes=content.get("codes", {}),
                refs=near,
                known=refs.get(str(item["identity"])),
            )
        )
    except DealbridgeError as error:
        return "unread", (error.message,)
    if found is None:
        return "missing", ()
    changes = field_changes(record.content(), found.record.content())
    told = tuple(f"{change.path}: {change.before!r} → {change.after!r}" for change in changes if change.path != "at")
    return ("differs" if told else "stands"), told


def planned(operation: Operation) -> str:
    """One line for an operation of a plan."""
    changes = ", ".join(change.path for change in operation.changes[:4])
    more = f" and {len(operation.changes) - 4} more" if len(operation.changes) > 4 else ""
    suffix = f" ({changes}{more})" if operation.action is Action.UPDATE and changes else ""
    return f"{operation.action.value:8} {operation.identity}{suffix}"
