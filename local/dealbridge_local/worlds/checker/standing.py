"""What stands in NetSuite and Kantata, found by our keys and held against what was sold."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from functools import cached_property
from typing import Any

from dealbridge_local.worlds.checker.evidence import Records
from dealbridge_local.worlds.checker.sold import Sale, decimal

type Record = Mapping[str, Any]

OURS = ("customer", "contact", "job", "projectTask", "salesOrder", "billingSchedule")
"""The types that nobody else writes in these worlds."""
_COMMENT = re.compile(r"(?P<text>.*): (?P<amount>-?[\d.]+) (?P<currency>[A-Z]{3}) \[\w+ (?P<line>\w+)-(?P<part>\w+)\]")
_PREFIXES = ("PSA-", "STAF-")


@dataclass(frozen=True)
class Books:
    """The ERP's and the PSA's records."""

    erp: Records
    psa: Records

    @cached_property
    def in_erp(self) -> dict[str, list[Record]]:
        """Our key → the records that bear it, of whatever type."""
        found: dict[str, list[Record]] = {}
        for kind in OURS:
            for record in self.erp.get(kind, ()):
                found.setdefault(str(record.get("externalId") or ""), []).append(record)
        return found

    @cached_property
    def in_psa(self) -> dict[str, list[Record]]:
        """Our key → the workspaces or resources that bear it."""
        subjects = {("Workspace", str(each["id"])): each for each in self.psa.get("workspaces", ())}
        subjects |= {("Resource", str(each["id"])): each for each in self.psa.get("workspace_resources", ())}
        found: dict[str, list[Record]] = {}
        for value in self.psa.get("custom_field_values", ()):
            subject = subjects.get((value["subject_type"], str(value["subject_id"])))
            if subject is not None and str(value["value"]).startswith(_PREFIXES):
                found.setdefault(str(value["value"]), []).append(subject)
        return found

    def erp_one(self, key: str) -> Record | None:
        held = self.in_erp.get(key, [])
        return held[0] if len(held) == 1 else None

    def psa_one(self, key: str) -> Record | None:
        held = self.in_psa.get(key, [])
        return held[0] if len(held) == 1 else None

    def requests_for(self, resource: Record) -> list[Record]:
        return [each for each in self.psa.get("resource_requests", ()) if each["resource_id"] == resource["id"]]

    def allocations_of(self, resource: Record) -> list[Record]:
        return [
            each
            for each in self.psa.get("workspace_allocations", ())
            if str(each["workspace_resource_id"]) == str(resource["id"])
        ]


def doubled(books: Books) -> Iterator[str]:
    """One record per key, and none without one."""
    for key, records in books.in_erp.items():
        if not key:
            yield f"{len(records)} record(s) in the ERP without our key, the first {records[0].get('id')}"
        elif len(records) > 1:
            yield f"{key}: {len(records)} records in the ERP"
    for key, records in books.in_psa.items():
        if len(records) > 1:
            yield f"{key}: {len(records)} records in the PSA"
    keyed = {id(record) for records in books.in_psa.values() for record in records}
    for kind in ("workspaces", "workspace_resources"):
        for record in books.psa.get(kind, ()):
            if id(record) not in keyed:
                yield f"{kind} {record['id']} in the PSA without our key"
    for resource in books.psa.get("workspace_resources", ()):
        waiting = [each for each in books.requests_for(resource) if each["status"] == "new"]
        if len(waiting) > 1:
            yield f"resource {resource['id']}: {len(waiting)} requests wait in the PSA"
        if len(books.allocations_of(resource)) > 1:
            yield f"resource {resource['id']}: {len(books.allocations_of(resource))} allocations in the PSA"


def missing_or_wrong(sale: Sale, books: Books, roles: Mapping[str, str | None]) -> Iterator[str]:
    """Whether everything that an active deal wants stands, as the CRM says now; the amounts apart."""
    yield from _customers(sale, books)
    for entity in sale.entities:
        yield from _project(sale, entity, books)
        yield from _order(sale, entity, books)
        yield from _staffing(sale, entity, books, roles)
    yield from _told_to_crm(sale, books)


def amounts_lost(sale: Sale, books: Books) -> Iterator[str]:
    """Whether the opportunity's amounts are those of orders, schedules and workspaces, to the cent."""
    if sum((line.amount for line in sale.lines), Decimal(0)) != sale.amount:
        yield f"{sale.id}: the lines add up to {sum(line.amount for line in sale.lines)}, the deal says {sale.amount}"
    for entity in sale.entities:
        lines = sale.of(entity)
        value = sum((line.amount for line in lines), Decimal(0))
        order = books.erp_one(f"SO-{sale.id}-{entity}")
        if order is not None:
            if decimal(order["total"]) != value:
                yield f"{order['externalId']}: total {order['total']}, sold {value}"
            held = Counter(decimal(each["amount"]) for each in order["item"]["items"])
            if held != Counter(line.amount for line in lines):
                yield f"{order['externalId']}: line amounts {sorted(held.elements())}, sold {[x.amount for x in lines]}"
            if order["currency"]["refName"] != sale.currency:
                yield f"{order['externalId']}: in {order['currency']['refName']}, sold in {sale.currency}"
        schedule = books.erp_one(f"BILL-{sale.id}-{entity}")
        if schedule is not None:
            yield from _schedule_amounts(sale, schedule, value, entity)
        workspace = books.psa_one(f"PSA-{sale.id}-{entity}")
        if workspace is not None:
            held_price = Decimal(workspace["price_in_cents"] or 0) / workspace["currency_base_unit"]
            if held_price != value:
                yield f"PSA-{sale.id}-{entity}: budget {held_price}, sold {value}"


def _schedule_amounts(sale: Sale, schedule: Record, value: Decimal, entity: str) -> Iterator[str]:
    """NetSuite bills a milestone's percentage of the order, rounded; what we mean it to be stands in its comment."""
    key, unit = schedule["externalId"], Decimal(1) if sale.currency == "JPY" else Decimal("0.01")
    total, by_line = Decimal(0), Counter[str]()
    dated: dict[str, list[tuple[str, Decimal]]] = {}
    for each in schedule["milestone"]["items"]:
        billed = (value * decimal(each["milestoneAmount"]) / 100).quantize(unit, ROUND_HALF_UP)
        told = _COMMENT.fullmatch(each["comments"])
        if told is None:
            yield f"{key}: a milestone without its amount: {each['comments']!r}"
            continue
        if billed != decimal(told["amount"]) or told["currency"] != sale.currency:
            yield f"{key}: {each['milestoneAmount']}% of {value} bills {billed}, agreed {told['amount']}"
        total += billed
        by_line[told["line"]] += billed  # type: ignore[assignment]
        dated.setdefault(told["line"], []).append((each["milestoneDate"], billed))
    if total != value:
        yield f"{key}: bills {total}, sold {value}"
    for line in sale.of(entity):
        if by_line.get(line.id, 0) != line.amount:
            yield f"{key}: line {line.id} bills {by_line.get(line.id, 0)}, sold {line.amount}"
        if line.milestones and sorted(dated.get(line.id, [])) != sorted((x.due, x.amount) for x in line.milestones):
            yield f"{key}: line {line.id} bills {dated.get(line.id)}, milestones {line.milestones}"


def _customers(sale: Sale, books: Books) -> Iterator[str]:
    for account, parent in zip(sale.accounts, (*sale.accounts[1:], None), strict=True):
        key = f"CUST-{account['Id']}"
        customer = books.erp_one(key)
        if customer is None:
            yield f"{key}: not in the ERP"
            continue
        if account["Name"] not in (customer.get("companyName"), customer.get("altName")):
            yield f"{key}: is {customer.get('companyName')!r}, in the CRM {account['Name']!r}"
        wanted = books.erp_one(f"CUST-{parent['Id']}") if parent else None
        if (customer.get("parent") or {}).get("id") != (wanted["id"] if wanted else None):
            yield f"{key}: below {customer.get('parent')}, in the CRM below {parent and parent['Name']!r}"
    for contact in sale.contacts:
        key = f"CONT-{contact['Id']}"
        held = books.erp_one(key)
        if held is None:
            yield f"{key}: not in the ERP"
        elif (held.get("email"), held.get("lastName")) != (contact["Email"], contact["LastName"]):
            yield f"{key}: is {held.get('lastName')} {held.get('email')}, in the CRM {contact['LastName']}"


def _project(sale: Sale, entity: str, books: Books) -> Iterator[str]:
    key, lines = f"PROJ-{sale.id}-{entity}", sale.of(entity)
    project = books.erp_one(key)
    if project is None:
        yield f"{key}: not in the ERP"
        return
    span = (min(line.start for line in lines), max(line.end for line in lines))
    if project.get("companyName") != sale.name:
        yield f"{key}: is {project.get('companyName')!r}, in the CRM {sale.name!r}"
    if (project.get("startDate"), project.get("projectedEndDate")) != span:
        yield f"{key}: {project.get('startDate')} to {project.get('projectedEndDate')}, in the CRM {span}"
    schedule = books.erp_one(f"BILL-{sale.id}-{entity}")
    if schedule is None or (project.get("billingSchedule") or {}).get("id") != schedule["id"]:
        yield f"{key}: its billing schedule is {project.get('billingSchedule')}"
    yield from _tasks(sale, entity, books)


def _tasks(sale: Sale, entity: str, books: Books) -> Iterator[str]:
    prefix = f"TASK-{sale.id}-{entity}-"
    wanted = {line.service_line for line in sale.of(entity)}
    held = {key.removeprefix(prefix): records[0] for key, records in books.in_erp.items() if key.startswith(prefix)}
    for code in wanted - set(held):
        yield f"{prefix}{code}: not in the ERP"
    for code, task in held.items():
        is_open = task["status"]["id"] != "COMPLETE"
        if is_open is not (code in wanted):
            yield f"{prefix}{code}: {task['status']['id']}, and {'' if code in wanted else 'not '}sold"


def _order(sale: Sale, entity: str, books: Books) -> Iterator[str]:
    key, lines = f"SO-{sale.id}-{entity}", sale.of(entity)
    order = books.erp_one(key)
    if order is None:
        yield f"{key}: not in the ERP"
        return
    buyer = books.erp_one(f"CUST-{sale.accounts[0]['Id']}")
    job = books.erp_one(f"PROJ-{sale.id}-{entity}")
    facts = {
        "memo": (order.get("memo"), sale.name),
        "otherRefNum": (order.get("otherRefNum"), sale.po_number),
        "startDate": (order.get("startDate"), min(line.start for line in lines)),
        "endDate": (order.get("endDate"), max(line.end for line in lines)),
        "entity": (order["entity"]["id"], buyer and buyer["id"]),
        "job": ((order.get("job") or {}).get("id"), job and job["id"]),
        "lines": (
            sorted(each["description"] for each in order["item"]["items"]),
            sorted(line.description for line in lines),
        ),
    }
    for name, (held, wanted) in facts.items():
        if held != wanted:
            yield f"{key}: {name} {held!r}, in the CRM {wanted!r}"
    if books.erp_one(f"BILL-{sale.id}-{entity}") is None:
        yield f"BILL-{sale.id}-{entity}: not in the ERP"


def _staffing(sale: Sale, entity: str, books: Books, roles: Mapping[str, str | None]) -> Iterator[str]:
    wanted: dict[str, list[Any]] = {}
    for line in sale.of(entity):
        role = line.role or roles.get(line.service_line)
        if role and roles.get(line.service_line):
            wanted.setdefault(f"{line.service_line}-{_key_part(role)}", []).append(line)
    key = f"PSA-{sale.id}-{entity}"
    workspace = books.psa_one(key)
    if wanted and workspace is None:
        yield f"{key}: not in the PSA"
        return
    if workspace is not None and wanted:
        facts = (workspace["title"], workspace["client_role_name"])
        if facts != (sale.name, sale.accounts[0]["Name"]):
            yield f"{key}: is {facts}, in the CRM {sale.name!r} for {sale.accounts[0]['Name']!r}"
    prefix = f"STAF-{sale.id}-{entity}-"
    held = {name.removeprefix(prefix): found[0] for name, found in books.in_psa.items() if name.startswith(prefix)}
    for name in set(wanted) - set(held):
        yield f"{prefix}{name}: not in the PSA"
    for name, resource in held.items():
        stands = any(each["status"] == "new" for each in books.requests_for(resource))
        if stands is not (name in wanted):
            asked, sold = "" if stands else "not ", "" if name in wanted else "not "
            yield f"{prefix}{name}: {asked}asked for, and {sold}sold"
        if name in wanted:
            yield from _hours(f"{prefix}{name}", books.allocations_of(resource), wanted[name])


def _hours(key: str, allocations: Sequence[Record], lines: Sequence[Any]) -> Iterator[str]:
    known = [line.hours for line in lines if line.hours is not None]
    span = (min(line.start for line in lines), max(line.end for line in lines))
    for each in allocations:
        if known and each["minutes"] != int(sum(known) * 60):
            yield f"{key}: {each['minutes']} minutes, sold {sum(known)} hours"
        if (each["start_date"], each["end_date"]) != span:
            yield f"{key}: {each['start_date']} to {each['end_date']}, sold {span}"
    if not allocations:
        yield f"{key}: no allocation"


def _told_to_crm(sale: Sale, books: Books) -> Iterator[str]:
    if sale.status.get("ERP_Status__c") != "Active":
        yield f"{sale.id}: the CRM shows {sale.status.get('ERP_Status__c')!r}"
    orders = {each["tranId"] for entity in sale.entities if (each := books.erp_one(f"SO-{sale.id}-{entity}"))}
    shown = set(str(sale.status.get("ERP_Contract_Number__c") or "").split(", "))
    if shown != orders:
        yield f"{sale.id}: the CRM shows contracts {sorted(shown)}, the ERP has {sorted(orders)}"


def _key_part(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "_", text)
