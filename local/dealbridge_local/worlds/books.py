"""What stands in the vendors' books, made comparable: without the moments at which it was written."""

from collections.abc import Mapping
from typing import Any

_MOMENTS = frozenset(
    {
        "links",
        "dateCreated",
        "createdDate",
        "lastModifiedDate",
        "created_at",
        "updated_at",
        "subject_changed_at",
        "CreatedDate",
        "LastModifiedDate",
        "SystemModstamp",
        "LastStageChangeDate",
        "ERP_Status_At__c",
        "createdAt",
        "updatedAt",
        "createdate",
        "lastmodifieddate",
        "hs_lastmodifieddate",
        "erp_status_at",
        "etag",
        "ETag",
        "CreationTime",
        "CreationDateTime",
        "LastChangeTime",
        "LastChangeDateTime",
        "ProjectLastChangedDateTime",
    }
)
_JOURNALS = frozenset({"subscribed_events"})
"""Kinds that tell what happened, and not what stands."""


def standing(records: Mapping[str, Mapping[str, list[Any]]]) -> dict[str, dict[str, list[Any]]]:
    """Vendor → kind → records, as the simulators show them, without what differs between two equal outcomes."""
    books = {
        vendor: {kind: [_timeless(each) for each in held] for kind, held in kinds.items() if kind not in _JOURNALS}
        for vendor, kinds in records.items()
    }
    return {vendor: _relabelled(kinds, _labels(kinds)) for vendor, kinds in books.items()}


def differences(expected: Any, found: Any, where: str = "") -> list[str]:
    """Where two books differ, one line each."""
    if isinstance(expected, dict) and isinstance(found, dict):
        return [
            line
            for name in dict.fromkeys([*expected, *found])
            for line in differences(expected.get(name), found.get(name), f"{where}/{name}")
        ]
    if isinstance(expected, list) and isinstance(found, list):
        if len(expected) != len(found):
            return [f"{where}: {len(found)} instead of {len(expected)}"]
        return [
            line
            for number, (one, other) in enumerate(zip(expected, found, strict=True))
            for line in differences(one, other, f"{where}[{number}]")
        ]
    return [] if expected == found else [f"{where}: {found!r} instead of {expected!r}"]


def _labels(kinds: Mapping[str, list[Any]]) -> dict[str, str]:
    """Long ids, which a vendor also spends on what it refuses, by the place of their record among its kind."""
    return {
        str(record["id"]): f"{kind} {place}"
        for kind, held in kinds.items()
        for place, record in enumerate(held, 1)
        if len(str(record.get("id", ""))) >= _LONG
    }


_LONG = 6


def _relabelled(value: Any, labels: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: _relabelled(each, labels) for name, each in value.items()}
    if isinstance(value, list):
        return [_relabelled(each, labels) for each in value]
    if isinstance(value, str | int) and not isinstance(value, bool):
        return labels.get(str(value), value)
    return value


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _timeless(each) for name, each in value.items() if name not in _MOMENTS}
    if isinstance(value, list):
        return [_timeless(each) for each in value]
    return value
