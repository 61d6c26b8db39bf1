"""What stands in a NetSuite account, found by our external ids and held against what was sold."""

import re
from collections import Counter
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal
from functools import cached_property

from dealbridge_local.worlds.checker.evidence import Record, Records
from dealbridge_local.worlds.checker.sold import Sale, decimal

OURS = ("customer", "contact", "job", "projectTask", "salesOrder", "billingSchedule")
"""The types that nobody else writes in these worlds."""
_COMMENT = re.compile(r"(?P<text>.*): (?P<amount>-?[\d.]+) (?P<currency>[A-Z]{3}) \[\w+ (?P<line>\w+)-(?P<part>\w+)\]")


class NetSuiteBooks:
    def __init__(self, connection: str, records: Records) -> None:
        self.connection = connection
        self._records = records

    @cached_property
    def held(self) -> dict[str, list[Record]]:
        """Our key → the records that bear it, of whatever type."""
        found: dict[str, list[Record]] = {}
        for kind in OURS:
            for record in self._records.get(kind, ()):
                found.setdefault(str(record.get("externalId") or ""), []).append(record)
        return found

    def ids(self) -> dict[str, set[str]]:
        """Our key → the ids of what bears it."""
        return {key: {str(record["id"]) for record in records} for key, records in self.held.items()}

    def doubled(self) -> Iterator[str]:
        for key, records in self.held.items():
            if not key:
                yield f"{len(records)} record(s) in {self.connection} without our key, the first {records[0].get('id')}"
            elif len(records) > 1:
                yield f"{key}: {len(records)} records in {self.connection}"

    def ordered(self, sale: Sale) -> set[str]:
        """Legal entities for which an order of this deal stands."""
        prefix = f"SO-{sale.id}-"
        return {key.removeprefix(prefix) for key in self.held if key.startswith(prefix)}

    def order_number(self, sale: Sale, entity: str) -> str | None:
        order = self._one(f"SO-{sale.id}-{entity}")
        return str(order["tranId"]) if order else None

    def customers_wrong(self, sale: Sale) -> Iterator[str]:
        for account, parent in zip(sale.accounts, (*sale.accounts[1:], None), strict=True):
            key = f"CUST-{account.id}"
            customer = self._one(key)
            if customer is None:
                yield f"{key}: not in {self.connection}"
                continue
            if account.name not in (customer.get("companyName"), customer.get("altName")):
                yield f"{key}: is {customer.get('companyName')!r}, in the CRM {account.name!r}"
            wanted = self._one(f"CUST-{parent.id}") if parent else None
            if (customer.get("parent") or {}).get("id") != (wanted["id"] if wanted else None):
                yield f"{key}: below {customer.get('parent')}, in the CRM below {parent and parent.name!r}"
        for contact in sale.contacts:
            key = f"CONT-{contact.id}"
            held = self._one(key)
            if held is None:
                yield f"{key}: not in {self.connection}"
            elif (held.get("email"), held.get("lastName")) != (contact.email, contact.last_name):
                yield f"{key}: is {held.get('lastName')} {held.get('email')}, in the CRM {contact.last_name}"

    def engagement_wrong(self, sale: Sale, entity: str) -> Iterator[str]:
        yield from self._project(sale, entity)
        yield from self._tasks(sale, entity)
        yield from self._order(sale, entity)

    def amounts_wrong(self, sale: Sale, entity: str) -> Iterator[str]:
        order = self._one(f"SO-{sale.id}-{entity}")
        if order is not None:
            key, lines = order["externalId"], sale.of(entity)
            if decimal(order["total"]) != sale.value(entity):
                yield f"{key}: total {order['total']}, sold {sale.value(entity)}"
            held = Counter(decimal(each["amount"]) for each in order["item"]["items"])
            if held != Counter(line.amount for line in lines):
                yield f"{key}: line amounts {sorted(held.elements())}, sold {[line.amount for line in lines]}"
            if order["currency"]["refName"] != sale.currency:
                yield f"{key}: in {order['currency']['refName']}, sold in {sale.currency}"
        schedule = self._one(f"BILL-{sale.id}-{entity}")
        if schedule is not None:
            yield from self._schedule(sale, entity, schedule)

    def _one(self, key: str) -> Record | None:
        held = self.held.get(key, [])
        return held[0] if len(held) == 1 else None

    def _project(self, sale: Sale, entity: str) -> Iterator[str]:
        key = f"PROJ-{sale.id}-{entity}"
        project = self._one(key)
        if project is None:
            yield f"{key}: not in {self.connection}"
            return
        if project.get("companyName") != sale.name:
            yield f"{key}: is {project.get('companyName')!r}, in the CRM {sale.name!r}"
        if (project.get("startDate"), project.get("projectedEndDate")) != sale.span(entity):
            yield (
                f"{key}: {project.get('startDate')} to {project.get('projectedEndDate')}, "
                f"in the CRM {sale.span(entity)}"
            )
        schedule = self._one(f"BILL-{sale.id}-{entity}")
        if schedule is None or (project.get("billingSchedule") or {}).get("id") != schedule["id"]:
            yield f"{key}: its billing schedule is {project.get('billingSchedule')}"

    def _tasks(self, sale: Sale, entity: str) -> Iterator[str]:
        prefix = f"TASK-{sale.id}-{entity}-"
        wanted = {line.service_line for line in sale.of(entity)}
        held = {key.removeprefix(prefix): records[0] for key, records in self.held.items() if key.startswith(prefix)}
        for code in wanted - set(held):
            yield f"{prefix}{code}: not in {self.connection}"
        for code, task in held.items():
            is_open = task["status"]["id"] != "COMPLETE"
            if is_open is not (code in wanted):
                yield f"{prefix}{code}: {task['status']['id']}, and {'' if code in wanted else 'not '}sold"

    def _order(self, sale: Sale, entity: str) -> Iterator[str]:
        key = f"SO-{sale.id}-{entity}"
        order = self._one(key)
        if order is None:
            yield f"{key}: not in {self.connection}"
            return
        buyer, job = self._one(f"CUST-{sale.accounts[0].id}"), self._one(f"PROJ-{sale.id}-{entity}")
        facts = {
            "memo": (order.get("memo"), sale.name),
            "otherRefNum": (order.get("otherRefNum"), sale.po_number),
            "span": ((order.get("startDate"), order.get("endDate")), sale.span(entity)),
            "entity": (order["entity"]["id"], buyer and buyer["id"]),
            "job": ((order.get("job") or {}).get("id"), job and job["id"]),
            "lines": (
                sorted(each["description"] for each in order["item"]["items"]),
                sorted(line.description for line in sale.of(entity)),
            ),
        }
        for name, (held, wanted) in facts.items():
            if held != wanted:
                yield f"{key}: {name} {held!r}, in the CRM {wanted!r}"
        if self._one(f"BILL-{sale.id}-{entity}") is None:
            yield f"BILL-{sale.id}-{entity}: not in {self.connection}"

    def _schedule(self, sale: Sale, entity: str, schedule: Record) -> Iterator[str]:
        """NetSuite bills a milestone's percentage of the order, rounded; what we mean by it stands in its comment."""
        key, value = schedule["externalId"], sale.value(entity)
        unit = Decimal(1) if sale.currency == "JPY" else Decimal("0.01")
        total, by_line = Decimal(0), dict[str, Decimal]()
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
            by_line[told["line"]] = by_line.get(told["line"], Decimal(0)) + billed
            dated.setdefault(told["line"], []).append((each["milestoneDate"], billed))
        if total != value:
            yield f"{key}: bills {total}, sold {value}"
        for line in sale.of(entity):
            if by_line.get(line.id, 0) != line.amount:
                yield f"{key}: line {line.id} bills {by_line.get(line.id, 0)}, sold {line.amount}"
            if line.milestones and sorted(dated.get(line.id, [])) != sorted((x.due, x.amount) for x in line.milestones):
                yield f"{key}: line {line.id} bills {dated.get(line.id)}, milestones {line.milestones}"
