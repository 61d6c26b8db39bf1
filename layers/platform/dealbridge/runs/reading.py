"""The deal read whole from its CRM, as a snapshot; and what is wrong with it."""

from typing import Any

from pydantic import ValidationError

from dealbridge.domain.deal import Deal
from dealbridge.domain.findings import Finding, Owner
from dealbridge.domain.keys import DealKey
from dealbridge.domain.model import Model, content_hash
from dealbridge.errors import ConfigurationError, RejectedError
from dealbridge.ledger.ledger import ledger
from dealbridge.mappings.expressions import evaluate
from dealbridge.ports import CrmDeal
from dealbridge.rules import checks
from dealbridge.rules.reference import FieldMapping
from dealbridge.steps import RunStep, count, telling
from dealbridge.wiring import wiring


class ReadDeal(RunStep):
    """Read the deal from its CRM."""


class DealRead(Model):
    """The deal as it was read; `snapshot` names it in the ledger. `reference`: see `RunStep`."""

    snapshot: str
    revision: str
    won: bool
    reference: str


class CheckDeal(RunStep):
    """Check the snapshot."""

    snapshot: str


class DealChecked(Model):
    """What was found; findings stop the run."""

    findings: int


def read_deal(command: ReadDeal) -> DealRead:
    """Read the deal and keep its snapshot, by the reference data that the whole run works by.

    Raises RejectedError where the CRM's records cannot be made a deal of; the findings name the fields.
    """
    reference = wiring().settle_reference()
    deal = fetch(command.deal)
    snapshot = content_hash(deal.commercial())
    ledger().runs.keep_snapshot(deal, snapshot)
    telling().notes.update(revision=deal.revision, stage=deal.stage, won=deal.won, lines=len(deal.lines))
    if deal.modified_at:
        telling().notes["modified_at"] = deal.modified_at.isoformat()
    if deal.won_at:
        telling().notes["won_at"] = deal.won_at.isoformat()
    return DealRead(snapshot=snapshot, revision=deal.revision, won=deal.won, reference=reference)


def check_deal(command: CheckDeal) -> DealChecked:
    """Check the snapshot. Raises RejectedError with all findings where there are any."""
    deal = ledger().runs.snapshot(command.deal, command.snapshot)
    if not deal.won:
        return DealChecked(findings=0)
    found = checks.findings(deal, wiring().reference())
    if found:
        for finding in found:
            count("Findings", rule=finding.rule)
        raise RejectedError(f"{len(found)} finding(s): {found[0]}", code="checks", findings=found)
    return DealChecked(findings=0)


def fetch(key: DealKey) -> Deal:
    """The deal as it stands in its CRM now."""
    read = wiring().crm(key.crm).read_deal(key.opportunity)
    return as_deal(key, read, wiring().reference().field_mapping(key.crm))


def as_deal(key: DealKey, read: CrmDeal, mapping: FieldMapping) -> Deal:
    """The CRM's records as a deal, through the connection's field mapping."""
    named = f"mappings/fields/{key.crm}.yaml: deal"
    document = evaluate(mapping.deal, dict(read.document), named=named)
    if not isinstance(document, dict):
        raise ConfigurationError(f"{named}: the expression gives no object but {document!r:.80}", connection=key.crm)
    try:
        return Deal.model_validate({**document, "key": key.model_dump(), "revision": read.revision})
    except ValidationError as error:
        raise RejectedError(
            f"{key}: the CRM's records do not make a deal: {error.error_count()} field(s)",
            connection=key.crm,
            code="fields",
            findings=[_unreadable(each, document, mapping) for each in error.errors()[:20]],
        ) from None


def _unreadable(wrong: Any, document: dict[str, Any], mapping: FieldMapping) -> Finding:
    path: list[str] = []
    line: Any = None
    value: Any = document
    for part in wrong["loc"]:
        if isinstance(part, int):
            value = value[part] if isinstance(value, list) and part < len(value) else {}
            if path == ["lines"]:
                line = value.get("id") if isinstance(value, dict) else part
        else:
            path.append(part)
            value = value.get(part) if isinstance(value, dict) else None
    name = ".".join(path)
    label = mapping.labels.get(name, name)
    # What a field is missing from may be the whole deal: that says nothing, at length.
    found = "" if isinstance(wrong["input"], dict | list) else f"{wrong['input']!r:.200}: "
    return Finding(
        field=f"{label} (line {line})" if line else label,
        rule="field_readable",
        message=f"{found}{wrong['msg']}.",
        remedy="Correct the field in the CRM, or its mapping in mappings/fields.",
        owner=Owner.OPERATIONS,
    )
