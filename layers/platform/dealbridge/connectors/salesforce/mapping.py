"""Our objects to Salesforce's and back: what to select, what was read, our status fields, what an event says."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from dealbridge.connectors.salesforce.records import Row, record_id, select, time_of, without_attributes
from dealbridge.connectors.salesforce.settings import Options
from dealbridge.domain.engagement import EngagementStatus
from dealbridge.domain.model import content_hash
from dealbridge.ports import InboundEventError, InboundHint
from dealbridge.transport.mapping import instant, status_values

ACCOUNT_LEVELS = 5
"""Child-to-parent levels of one path (SOQL reference, "Relationship Queries"): the account and four parents."""
_ACCOUNT_PATHS = tuple("Account" + ".Parent" * level for level in range(ACCOUNT_LEVELS))
_OVERFLOW = "GAP_OVERFLOW"
_CREATED = ("CREATE", "GAP_CREATE")
_NO_RECORD = "000000000000000AAA"

# Reading a deal


def deal_queries(opportunity: str, options: Options) -> dict[str, str]:
    """The queries that read a deal, by the part of the document that they fill."""
    read = options.read
    of_deal = f"OpportunityId = '{opportunity}'"
    own = (*revision_fields(options), *read.get("Opportunity", ()))
    queries = {
        "opportunity": select(own, "Opportunity", f"Id = '{opportunity}'"),
        "lines": select(("Id", *read.get("OpportunityLineItem", ())), "OpportunityLineItem", of_deal, "ORDER BY Id"),
    }
    if "OpportunityLineItemSchedule" in read:
        queries["schedules"] = select(
            ("Id", *read["OpportunityLineItemSchedule"]),
            "OpportunityLineItemSchedule",
            f"OpportunityLineItem.{of_deal}",
            "ORDER BY ScheduleDate, Id",
        )
    if "OpportunityContactRole" in read:
        queries["contacts"] = select(
            ("Id", *read["OpportunityContactRole"]), "OpportunityContactRole", of_deal, "ORDER BY Id"
        )
    return queries


def account_query(account: str, options: Options) -> str:
    """An account and the parents above it, for a tree that is deeper than a deal's query reaches."""
    paths = ("", *[".".join(["Parent"] * level) for level in range(1, ACCOUNT_LEVELS + 1)])
    return select(_account_fields(paths, options.read), "Account", f"Id = '{account}'")


def changed_query(since: datetime, after: str, options: Options) -> str:
    """Won, or once won, opportunities that changed, or whose accounts did: a page, in the order of their ids.

    An opportunity without an account is found by its own stamp (SOQL reference, "null Values in Lookup Relationships
    and Outer Joins").
    """
    paths = ("", *[f"{path}." for path in _ACCOUNT_PATHS[: options.watched_accounts]])
    changed = " OR ".join(f"{path}SystemModstamp >= {instant(since)}" for path in paths)
    status = options.status_fields.get("status")
    won = f"(IsWon = true OR {status} != null)" if status else "IsWon = true"
    beyond = f" AND Id > '{after}'" if after else ""
    where = f"({changed}) AND {won}{beyond}"
    return select(revision_fields(options), "Opportunity", where, f"ORDER BY Id LIMIT {options.page}")


def revision_fields(options: Options) -> list[str]:
    """What an opportunity's revision is made of."""
    return ["Id", "SystemModstamp", *_account_fields(_ACCOUNT_PATHS, options.read)]


def revision_of(row: Row) -> str:
    """When the opportunity was saved last, and a hash of what we read of its accounts, where it has any.

    Saving an account leaves the opportunity's stamp as it is. The accounts' content tells rather than their stamps: a
    job that touches every account in a field that no deal reads must not bring up every deal.
    """
    stamp, account = str(row["SystemModstamp"]), without_attributes(row.get("Account"))
    if not account:
        return stamp
    return f"{stamp} {content_hash(json.dumps(account, sort_keys=True, default=str))[:16]}"


def _account_fields(paths: tuple[str, ...], read: Mapping[str, tuple[str, ...]]) -> list[str]:
    names = ("Id", "ParentId", *read.get("Account", ()))
    return [f"{path}.{name}" if path else name for path in paths for name in names]


def account_tree(row: Row | None) -> Row | None:
    """The account with its `Parent`s as read, `parent` for ours; None where the deal has none."""
    if row is None:
        return None
    parent = account_tree(row.get("Parent"))
    tree = {name: value for name, value in row.items() if name != "Parent"}
    return {**tree, "parent": parent} if parent else tree


def top_of(account: Row) -> Row:
    """The highest account of a tree."""
    while account.get("parent"):
        account = account["parent"]
    return account


def document(parts: Mapping[str, list[Row]]) -> dict[str, Any]:
    """What was read, in Salesforce's own words: the input of the field mapping."""
    (opportunity,) = (without_attributes(row) for row in parts["opportunity"])
    account = account_tree(opportunity.pop("Account", None))
    return {
        "opportunity": opportunity,
        "account": account,
        "lines": without_attributes(parts["lines"]),
        "schedules": without_attributes(parts.get("schedules", [])),
        "contacts": without_attributes(parts.get("contacts", [])),
    }


# Our status


def status_content(status: EngagementStatus, options: Options) -> dict[str, Any]:
    """The opportunity's fields that we own, with nothing else; a number that is not assigned yet is null."""
    message = _cut(status.message, options.status_message_length)
    return status_values(status.model_copy(update={"message": message}), options.status_fields)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


# Events


def hints_of(event: Any, options: Options) -> list[InboundHint]:
    """The opportunities that an EventBridge event of the org speaks of; none for our own echo or another object.

    Event Relay puts the event's fields into `detail.payload`, Amazon AppFlow flat into `detail`; both are taken.
    Raises InboundEventError for an event that is neither.
    """
    detail = event.get("detail") if isinstance(event, dict) else None
    if not isinstance(detail, dict):
        raise InboundEventError(400, "detail: not an event of EventBridge")
    payload = detail.get("payload", detail)
    kind = str(event.get("detail-type", ""))
    if not isinstance(payload, dict):
        raise InboundEventError(400, "detail.payload: not an object")
    try:
        if kind in options.platform_events:
            return _platform_hint(payload, options.platform_events[kind])
        if "ChangeEventHeader" in payload:
            return _change_hints(payload, options.client)
    except (KeyError, TypeError, ValueError) as error:
        raise InboundEventError(400, f"detail: {type(error).__name__} {error}") from None
    raise InboundEventError(400, f"detail-type: {kind!r} is no change event and none of platform_events")


def _platform_hint(payload: Row, field: str) -> list[InboundHint]:
    """A platform event may come twice: the same EventUuid under another replay id."""
    opportunity = record_id(str(payload[field]))
    if opportunity is None:
        raise ValueError(f"{field}: {payload[field]!r} is no record id")
    created = payload.get("CreatedDate")
    occurred_at = _moment(created) if created else None
    return [InboundHint(opportunity, str(payload["EventUuid"]), occurred_at)]


def _change_hints(payload: Row, client: str) -> list[InboundHint]:
    """One event may name many records, and a gap event names records without saying what changed."""
    header = payload["ChangeEventHeader"]
    if _is_from(header.get("changeOrigin") or "", client):
        return []
    event_id = f"{header['transactionKey']}-{header['sequenceNumber']}"
    occurred_at = datetime.fromtimestamp(header["commitTimestamp"] / 1000, UTC)
    if header["changeType"] == _OVERFLOW or _NO_RECORD in header["recordIds"]:
        return [InboundHint(None, event_id, occurred_at)]
    if header["entityName"] == "Account":
        # Which deals are of this account, or of one below it, only the poll's query says. A new one has none yet.
        return [] if header["changeType"] in _CREATED else [InboundHint(None, event_id, occurred_at)]
    if header["entityName"] == "Opportunity":
        named = header["recordIds"]
    else:
        # A child's event names its deal where the reference was written with it, which is when it is created.
        named = [payload["OpportunityId"]] if payload.get("OpportunityId") else []
    ids = [record_id(str(each)) for each in named]
    if None in ids:
        raise ValueError(f"recordIds: {named!r} are no record ids")
    return [InboundHint(each, event_id, occurred_at) for each in ids]


def _is_from(change_origin: str, client: str) -> bool:
    """`com/salesforce/api/rest/67.0;client=dealbridge`: the client of Sforce-Call-Options comes back."""
    return f"client={client}" in (part.strip().rstrip("/") for part in change_origin.split(";"))


def _moment(value: Any) -> datetime:
    """A time in an event: ISO text from Event Relay, milliseconds elsewhere."""
    return datetime.fromtimestamp(value / 1000, UTC) if isinstance(value, int) else time_of(str(value))


def webhook_hints(body: bytes) -> list[InboundHint]:
    """What a signed request of the org's own automation says: `{"event_id", "opportunity_ids", "occurred_at"?}`."""
    try:
        given = json.loads(body)
        ids = [record_id(each) for each in given["opportunity_ids"]]
        event_id, occurred_at = str(given["event_id"]), given.get("occurred_at")
        moment = time_of(occurred_at) if occurred_at else None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InboundEventError(400, f"body: {type(error).__name__} {error}") from None
    if not event_id or not ids or None in ids or (moment and moment.tzinfo is None):
        raise InboundEventError(400, "body: needs event_id, opportunity_ids, and a zone in occurred_at")
    return [InboundHint(each, event_id, moment) for each in ids]
