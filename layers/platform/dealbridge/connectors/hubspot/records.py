"""HubSpot's record shapes: names, what is always read, association types, and the bodies of calls.

All property values are texts or null (C2).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

DEALS, COMPANIES, CONTACTS, LINE_ITEMS = "deals", "companies", "contacts", "line_items"
CONTACT_TYPE, COMPANY_TYPE, DEAL_TYPE, LINE_ITEM_TYPE = "0-1", "0-2", "0-3", "0-8"

MODIFIED = "hs_lastmodifieddate"
WON = "hs_is_closed_won"
CLOSED = "closedate"
OWNER = "hubspot_owner_id"
PARENT = "hs_parent_company_id"
ALWAYS_READ: Mapping[str, tuple[str, ...]] = {
    DEALS: (MODIFIED, WON, OWNER, CLOSED),
    COMPANIES: (PARENT,),
    CONTACTS: (),
    LINE_ITEMS: (MODIFIED,),
}

PRIMARY_COMPANY, PRIMARY_COMPANY_ID = "deal_to_company", 5
"""The type of a deal's primary company, by name and by id; the unlabelled association has its own entry."""
PARENT_TO_CHILD_ID = 13
"""The type of a company's association with one below it."""

BATCH = 100
"""Records per batch call."""
ASSOCIATION_INPUTS = 1000
SEARCH_PAGE = 200
DEALS_KEPT = 2000
"""So many deals are kept in a cursor (it stands in a DynamoDB item) before they are given out."""

NOT_FOUND = "OBJECT_NOT_FOUND"
"""How a multi-status answer says that a record is not there, and that a record has no associations."""

JOURNAL_ENTRIES = 25
"""So many files of the journal are read in one go; the API allows 100."""
WATCHED_ACTIONS = ("CREATE", "UPDATE", "MERGE", "DELETE", "RESTORE")
WATCHED_LINKS: Mapping[str, tuple[str, ...]] = {
    DEAL_TYPE: (CONTACT_TYPE, COMPANY_TYPE, LINE_ITEM_TYPE),
    COMPANY_TYPE: (COMPANY_TYPE,),
}
"""Object type → the types whose association with it is watched: a line that goes, a company that gets a parent."""
WATCHED: Mapping[str, tuple[str, ...]] = {
    DEALS: ("amount", "closedate", "deal_currency_code", "dealname", "dealstage", "pipeline", OWNER),
    LINE_ITEMS: ("name", "price", "quantity", "discount", "hs_discount_percentage"),
    COMPANIES: (PARENT,),
}
"""Watched in the journal besides the properties of the field mapping."""

type Record = dict[str, Any]


def read_body(ids: Iterable[str], properties: Iterable[str]) -> dict[str, Any]:
    return {
        "inputs": [{"id": each} for each in ids],
        "properties": list(properties),
        "propertiesWithHistory": [],
    }


def modified_since(at: str, after: int, extra: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """A search for what was modified at a moment or later, the oldest first; `extra` are alternatives to be and-ed."""
    since = {"propertyName": MODIFIED, "operator": "GTE", "value": at}
    groups = [{"filters": [since, dict(each)]} for each in extra] or [{"filters": [since]}]
    return {
        "filterGroups": groups,
        "sorts": [{"propertyName": MODIFIED, "direction": "ASCENDING"}],
        "properties": [MODIFIED],
        "limit": SEARCH_PAGE,
        "after": str(after),
    }


def once_won(status_property: str | None) -> list[dict[str, Any]]:
    """Won now, or carried over before: a deal that has our status was won once."""
    won: dict[str, Any] = {"propertyName": WON, "operator": "EQ", "value": "true"}
    if status_property is None:
        return [won]
    return [won, {"propertyName": status_property, "operator": "HAS_PROPERTY"}]


def upsert_body(key_property: str, key: str, properties: Mapping[str, str]) -> dict[str, Any]:
    """A batch of one record, known by its unique property; the trace id makes an error one of this record (207)."""
    return {
        "inputs": [{"id": key, "idProperty": key_property, "objectWriteTraceId": key, "properties": dict(properties)}]
    }


def link_subscription(object_type: str, others: Iterable[str], portal_id: int) -> dict[str, Any]:
    """A subscription of the Webhooks Journal to associations."""
    return {
        "subscriptionType": "ASSOCIATION",
        "objectTypeId": object_type,
        "associatedObjectTypeIds": list(others),
        "portalId": portal_id,
        "actions": ["ASSOCIATION_ADDED", "ASSOCIATION_REMOVED"],
    }


def subscription(object_type: str, properties: Iterable[str], portal_id: int) -> dict[str, Any]:
    """A subscription of the Webhooks Journal to records."""
    return {
        "subscriptionType": "OBJECT",
        "objectTypeId": object_type,
        "portalId": portal_id,
        "actions": list(WATCHED_ACTIONS),
        "properties": sorted(properties),
    }


def associated(record: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """The associations of one kind that came with a record.

    HubSpot prints the key of line items with a space ("line items"); whether always is UNVERIFIED.
    """
    found = record.get("associations") or {}
    for key in (kind, kind.replace("_", " ")):
        if key in found:
            chosen: Mapping[str, Any] = found[key]
            return chosen
    return {}


def types_of(association: Mapping[str, Any]) -> dict[str, list[str]]:
    """Associated id → the names of its association types: a record stands there once for each."""
    types: dict[str, list[str]] = {}
    for each in association.get("results") or ():
        types.setdefault(str(each["id"]), []).append(str(each.get("type") or ""))
    return types


def primary_company(deal: Mapping[str, Any]) -> str | None:
    """The deal's primary company, as the associations that came with the deal tell."""
    types = types_of(associated(deal, COMPANIES))
    return chosen({company: PRIMARY_COMPANY in names for company, names in types.items()})


def marks_primary(types: Iterable[Mapping[str, Any]]) -> bool:
    """Whether one of the types that a batch call tells is that of the primary company."""
    return any(is_type(each, PRIMARY_COMPANY_ID) for each in types)


def is_type(association_type: Mapping[str, Any], type_id: int) -> bool:
    """Whether it is this one of HubSpot's own types: an account's labels have ids of their own count."""
    defined = association_type.get("category") in (None, "HUBSPOT_DEFINED")
    return defined and str(association_type.get("typeId")) == str(type_id)


def chosen(companies: Mapping[str, bool]) -> str | None:
    """The company marked as primary, or the oldest where none is: the order of the others tells nothing."""
    marked = [company for company, primary in companies.items() if primary]
    return min(marked or companies, key=lambda company: (len(company), company), default=None)


def is_cut_short(association: Mapping[str, Any]) -> bool:
    return next_page(association) is not None


def next_page(answer: Mapping[str, Any]) -> str | None:
    """The cursor of the next page; None on the last one."""
    after = ((answer.get("paging") or {}).get("next") or {}).get("after")
    return str(after) if after else None


def chunks(ids: Sequence[str], size: int = BATCH) -> list[Sequence[str]]:
    return [ids[start : start + size] for start in range(0, len(ids), size)]
