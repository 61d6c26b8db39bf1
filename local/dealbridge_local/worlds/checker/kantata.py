"""What stands in a Kantata account, found by our unique custom fields and held against what was sold."""

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from functools import cached_property

from dealbridge_local.worlds.checker.evidence import Record, Records
from dealbridge_local.worlds.checker.sold import Sale, SoldLine

_PREFIXES = ("PSA-", "STAF-")


class KantataBooks:
    def __init__(self, connection: str, records: Records, roles: Mapping[str, str | None]) -> None:
        self.connection = connection
        self._records = records
        self._roles = roles

    @cached_property
    def held(self) -> dict[str, list[Record]]:
        """Our key → the workspaces or resources that bear it."""
        subjects = {("Workspace", str(each["id"])): each for each in self._records.get("workspaces", ())}
        subjects |= {("Resource", str(each["id"])): each for each in self._records.get("workspace_resources", ())}
        found: dict[str, list[Record]] = {}
        for value in self._records.get("custom_field_values", ()):
            subject = subjects.get((value["subject_type"], str(value["subject_id"])))
            if subject is not None and str(value["value"]).startswith(_PREFIXES):
                found.setdefault(str(value["value"]), []).append(subject)
        return found

    def ids(self) -> dict[str, set[str]]:
        """Our key → the ids of what bears it."""
        return {key: {str(record["id"]) for record in records} for key, records in self.held.items()}

    def doubled(self) -> Iterator[str]:
        for key, records in self.held.items():
            if len(records) > 1:
                yield f"{key}: {len(records)} records in {self.connection}"
        keyed = {id(record) for records in self.held.values() for record in records}
        for kind in ("workspaces", "workspace_resources"):
            for record in self._records.get(kind, ()):
                if id(record) not in keyed:
                    yield f"{kind} {record['id']} in {self.connection} without our key"
        for resource in self._records.get("workspace_resources", ()):
            waiting = [each for each in self._requests_for(resource) if each["status"] == "new"]
            if len(waiting) > 1:
                yield f"resource {resource['id']}: {len(waiting)} requests wait in {self.connection}"
            if len(self._allocations_of(resource)) > 1:
                yield f"resource {resource['id']}: {len(self._allocations_of(resource))} allocations"

    def staffing_wrong(self, sale: Sale, entity: str) -> Iterator[str]:
        wanted: dict[str, list[SoldLine]] = {}
        for line in sale.of(entity):
            role = line.role or self._roles.get(line.service_line)
            if role and self._roles.get(line.service_line):
                wanted.setdefault(f"{line.service_line}-{_key_part(role)}", []).append(line)
        key = f"PSA-{sale.id}-{entity}"
        workspace = self._one(key)
        if wanted and workspace is None:
            yield f"{key}: not in {self.connection}"
            return
        if workspace is not None and wanted:
            facts = (workspace["title"], workspace["client_role_name"])
            if facts != (sale.name, sale.accounts[0].name):
                yield f"{key}: is {facts}, in the CRM {sale.name!r} for {sale.accounts[0].name!r}"
        prefix = f"STAF-{sale.id}-{entity}-"
        held = {name.removeprefix(prefix): found[0] for name, found in self.held.items() if name.startswith(prefix)}
        for name in set(wanted) - set(held):
            yield f"{prefix}{name}: not in {self.connection}"
        for name, resource in held.items():
            stands = any(each["status"] == "new" for each in self._requests_for(resource))
            if stands is not (name in wanted):
                asked, sold = "" if stands else "not ", "" if name in wanted else "not "
                yield f"{prefix}{name}: {asked}asked for, and {sold}sold"
            if name in wanted:
                yield from _hours(f"{prefix}{name}", self._allocations_of(resource), wanted[name])

    def budget_wrong(self, sale: Sale, entity: str) -> Iterator[str]:
        workspace = self._one(f"PSA-{sale.id}-{entity}")
        if workspace is not None:
            price = Decimal(workspace["price_in_cents"] or 0) / workspace["currency_base_unit"]
            if price != sale.value(entity):
                yield f"PSA-{sale.id}-{entity}: budget {price}, sold {sale.value(entity)}"

    def _one(self, key: str) -> Record | None:
        held = self.held.get(key, [])
        return held[0] if len(held) == 1 else None

    def _requests_for(self, resource: Record) -> list[Record]:
        return [each for each in self._records.get("resource_requests", ()) if each["resource_id"] == resource["id"]]

    def _allocations_of(self, resource: Record) -> list[Record]:
        return [
            each
            for each in self._records.get("workspace_allocations", ())
            if str(each["workspace_resource_id"]) == str(resource["id"])
        ]


def _hours(key: str, allocations: Sequence[Record], lines: Sequence[SoldLine]) -> Iterator[str]:
    known = [line.hours for line in lines if line.hours is not None]
    span = (min(line.start for line in lines), max(line.end for line in lines))
    for each in allocations:
        if known and each["minutes"] != int(sum(known) * 60):
            yield f"{key}: {each['minutes']} minutes, sold {sum(known)} hours"
        if (each["start_date"], each["end_date"]) != span:
            yield f"{key}: {each['start_date']} to {each['end_date']}, sold {span}"
    if not allocations:
        yield f"{key}: no allocation"


def _key_part(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "_", text)
