"""The numbers people know records by, of many records in one SuiteQL query (section_157909186990)."""

from collections.abc import Mapping, Sequence
from typing import Any

from dealbridge.connectors.netsuite.records import RESOURCES
from dealbridge.domain.refs import ExternalRef

HEADERS = {"Prefer": "transient"}
"""Required of every query."""

_TABLES = {"entityId": "entity", "tranId": "transaction"}
"""The field of a number → the table that has it, for records of all types."""
_BY_TYPE = {each.type: _TABLES[each.number] for each in RESOURCES.values() if each.number}
_COLUMNS = {table: field.lower() for field, table in _TABLES.items()}


def query(refs: Sequence[ExternalRef]) -> dict[str, Any]:
    """The body of the query. Entities and transactions are joined without a condition, the way of joining that both
    data sources know (section_3903316302): some lines by some lines is few, and it is one call."""
    wanted = _wanted(refs)
    columns = [f"{table}.{name} AS {table}_{name}" for table in wanted for name in ("id", _COLUMNS[table])]
    conditions = [f"{table}.id IN ({', '.join('?' * len(ids))})" for table, ids in wanted.items()]
    # Names are those above; ids are parameters.
    text = f"SELECT {', '.join(columns)} FROM {', '.join(wanted)} WHERE {' AND '.join(conditions)}"  # noqa: S608
    return {"q": text, "params": [each for ids in wanted.values() for each in ids]}


def numbered(refs: Sequence[ExternalRef], answer: Mapping[str, Any]) -> list[ExternalRef]:
    """The records with the numbers that were found; an empty column is left out of a row."""
    found = {
        (table, row.get(f"{table}_id")): row.get(f"{table}_{name}")
        for row in answer["items"]
        for table, name in _COLUMNS.items()
    }
    return [ref.model_copy(update={"number": found.get((_BY_TYPE[ref.type], ref.id), ref.number)}) for ref in refs]


def _wanted(refs: Sequence[ExternalRef]) -> dict[str, list[str]]:
    wanted: dict[str, list[str]] = {}
    for ref in refs:
        wanted.setdefault(_BY_TYPE[ref.type], []).append(ref.id)
    return wanted
