"""Salesforce's shapes: ids, SOQL, the composite resource and its answers."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

_ID = re.compile(r"[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?")
_CHECK = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"

type Row = dict[str, Any]


def record_id(given: str) -> str | None:
    """The 18-character form of a 15- or 18-character id, which is the one that events and answers use; None where the
    text is no id. The three check characters say which of the fifteen are upper case."""
    if not _ID.fullmatch(given):
        return None
    check = ""
    for start in range(0, 15, 5):
        upper = (place for place, char in enumerate(given[start : start + 5]) if char.isupper())
        check += _CHECK[sum(1 << place for place in upper)]
    full = given[:15] + check
    return full if given in (full, full[:15]) else None


def time_of(text: str) -> datetime:
    """A time as the API prints it (`2026-11-23T18:00:00.000+0000`); raises ValueError for what is none."""
    return datetime.fromisoformat(text)


def select(fields: Iterable[str], sobject: str, where: str, *more: str) -> str:
    """A SOQL query. Field names are checked configuration, values in `where` are ids and times: no text of anyone's."""
    return " ".join(("SELECT", ", ".join(dict.fromkeys(fields)), "FROM", sobject, "WHERE", where, *more))


@dataclass(frozen=True)
class Subrequest:
    """One operation of a composite."""

    reference: str
    method: str
    url: str
    body: Mapping[str, Any] | None = None

    def content(self) -> dict[str, Any]:
        content = {"method": self.method, "url": self.url, "referenceId": self.reference}
        return content if self.body is None else {**content, "body": self.body}


def query(reference: str, data: str, soql: str) -> Subrequest:
    """A query as a subrequest; `data` is the path of the API version."""
    return Subrequest(reference, "GET", f"{data}/query?q={quote(soql, safe='')}")


def without_attributes(value: Any) -> Any:
    """A record without the API's own `attributes`, at any depth."""
    if isinstance(value, dict):
        return {name: without_attributes(item) for name, item in value.items() if name != "attributes"}
    if isinstance(value, list):
        return [without_attributes(item) for item in value]
    return value
