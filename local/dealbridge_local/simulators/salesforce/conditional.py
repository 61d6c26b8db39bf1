"""Conditional requests on one record (REST API guide, "Conditional Request Headers").

An ETag is told and compared on accounts only. Everything else can be compared by its last change, to the second.
"""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

from dealbridge_local.simulators.salesforce.errors import ApiError
from dealbridge_local.simulators.salesforce.field_values import parse_time
from dealbridge_local.simulators.salesforce.schema import SObject
from dealbridge_local.simulators.store import Record


def last_modified(record: Record) -> datetime:
    moment = parse_time(record["LastModifiedDate"])
    if moment is None:
        raise ValueError(f"{record['Id']}: LastModifiedDate is no time: {record['LastModifiedDate']!r}")
    return moment


def etag(record: Record) -> str:
    content = repr(sorted(record.items())).encode()
    return f'"{hashlib.sha256(content).hexdigest()[:32]}-gzip"'


def headers_of(sobject: SObject, record: Record) -> tuple[tuple[str, str], ...]:
    told = [("Last-Modified", format_datetime(last_modified(record).astimezone(UTC), usegmt=True))]
    if sobject.name == "Account":
        told.append(("ETag", etag(record)))
    return tuple(told)


def not_modified(sobject: SObject, record: Record, headers: Mapping[str, str]) -> bool:
    """Whether a read is answered with 304."""
    if sobject.name == "Account" and "if-none-match" in headers:
        return _names(headers["if-none-match"], record)
    since = _moment(headers, "if-modified-since", strict=False)
    return since is not None and last_modified(record) <= since


def require_unchanged(sobject: SObject, record: Record, headers: Mapping[str, str]) -> None:
    """Raises 412 where a precondition of this call does not hold, 400 where a header's value is none."""
    failed = False
    if sobject.name == "Account":
        if "if-match" in headers:
            failed = not _names(headers["if-match"], record)
        if "if-none-match" in headers:
            failed = failed or _names(headers["if-none-match"], record)
    since = _moment(headers, "if-unmodified-since", strict=True)
    if since is not None and last_modified(record) > since:
        failed = True
    if failed:
        # The guide names the status only; the body's code is ours.
        raise ApiError(412, "PRECONDITION_FAILED", "The record does not meet the precondition of the request")


def _names(header: str, record: Record) -> bool:
    return header.strip() == "*" or etag(record) in (part.strip() for part in header.split(","))


def _moment(headers: Mapping[str, str], name: str, *, strict: bool) -> datetime | None:
    given = headers.get(name)
    if given is None:
        return None
    try:
        return parsedate_to_datetime(given).astimezone(UTC)
    except ValueError:
        if strict:
            raise ApiError(400, "INVALID_HEADER_VALUE", f"Invalid value for header {name}: {given}") from None
        return None
