"""What stands in an S/4HANA tenant, found by our external ids and numbers and held against what was sold."""

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property
from typing import Any

from dealbridge_local.worlds.checker.evidence import Record, Records
from dealbridge_local.worlds.checker.sold import Sale, SoldLine

_PARENT, _CONTACT = "BUR020", "BUR001"
"""Categories of relationships: parent and subsidiary, as `mappings/codes/s4hana.yaml` has it, and contact person."""
_BLOCKS = (
    "EntProjTimeRecgIsBlkd",
    "EntProjStaffExpensePostgIsBlkd",
    "EntProjServicePostingIsBlkd",
    "EntProjOtherExpensePostgIsBlkd",
    "EntProjPurchasingIsBlkd",
)
_TEXT = 40
"""Characters of an order item's text and of a name."""


class S4HanaBooks:
    """SAP's own fields hold our keys in upper case and cut. `people` are the ids of all accounts and contacts, `sales`
    all deals, that could have led to records here."""

    def __init__(
        self,
        connection: str,
        records: Records,
        people: Collection[str],
        sales: Sequence[Sale],
        entities: Collection[str],
    ) -> None:
        self.connection = connection
        self._records = records
        self._partner_keys = {f"A-{each}".upper(): f"CUST-{each}" for each in people}
        self._partner_keys |= {f"C-{each}".upper(): f"CONT-{each}" for each in people}
        self._project_keys = {
            project_number(sale.id, entity): f"PROJ-{sale.id}-{entity}" for sale in sales for entity in entities
        }

    @cached_property
    def held(self) -> dict[str, list[Record]]:
        """Our key → the partners, projects and orders that bear it. Employees have none and are not ours."""
        found: dict[str, list[Record]] = {}
        for partner in self._records.get("A_BusinessPartner", ()):
            external = partner["BusinessPartnerIDByExtSystem"] or ""
            if external or partner["Customer"]:
                found.setdefault(self._partner_keys.get(external, external), []).append(partner)
        for project in self._records.get("A_EnterpriseProject", ()):
            found.setdefault(self._project_keys.get(project["Project"], str(project["Project"])), []).append(project)
        for order in self._records.get("A_SalesOrder", ()):
            found.setdefault(order["PurchaseOrderByShipToParty"] or "", []).append(order)
        return found

    def ids(self) -> dict[str, set[str]]:
        """Our key → the ids of what bears it."""
        return {key: {_id(record) for record in records} for key, records in self.held.items()}

    def doubled(self) -> Iterator[str]:
        for key, records in self.held.items():
            if not key:
                yield f"{len(records)} record(s) in {self.connection} without our key, the first {_id(records[0])}"
            elif len(records) > 1:
                yield f"{key}: {len(records)} records in {self.connection}"
        for (order, line), items in self._items_by_line().items():
            if len(items) > 1:
                yield f"order {order}: {len(items)} items for line {line}"
        pairs = Counter(
            (each["BusinessPartner1"], each["BusinessPartner2"], each["RelationshipCategory"])
            for each in self._records.get("A_BPRelationship", ())
        )
        for pair, count in pairs.items():
            if count > 1:
                yield f"{count} relationships {pair}"
        elements = Counter(each["ProjectElement"] for each in self._records.get("A_EnterpriseProjectElement", ()))
        for element, count in elements.items():
            if count > 1:
                yield f"{count} elements {element}"

    def ordered(self, sale: Sale) -> set[str]:
        """Legal entities for which an order of this deal stands."""
        prefix = f"SO-{sale.id}-"
        return {key.removeprefix(prefix) for key in self.held if key.startswith(prefix)}

    def order_number(self, sale: Sale, entity: str) -> str | None:
        order = self._one(f"SO-{sale.id}-{entity}")
        return str(order["SalesOrder"]) if order else None

    def customers_wrong(self, sale: Sale) -> Iterator[str]:
        for account, parent in zip(sale.accounts, (*sale.accounts[1:], None), strict=True):
            key = f"CUST-{account.id}"
            customer = self._one(key)
            if customer is None:
                yield f"{key}: not in {self.connection}"
                continue
            if customer["OrganizationBPName1"] != account.name[:_TEXT]:
                yield f"{key}: is {customer['OrganizationBPName1']!r}, in the CRM {account.name!r}"
            wanted = self._one(f"CUST-{parent.id}") if parent else None
            above = self._above(customer["BusinessPartner"], _PARENT)
            if above != ([wanted["BusinessPartner"]] if wanted else []):
                yield f"{key}: below {above}, in the CRM below {parent and parent.name!r}"
        for contact in sale.contacts:
            key = f"CONT-{contact.id}"
            held = self._one(key)
            if held is None:
                yield f"{key}: not in {self.connection}"
                continue
            reached = [
                each["EmailAddress"]
                for each in self._records.get("A_BPContactToFuncAndDept", ())
                if each["BusinessPartnerPerson"] == held["BusinessPartner"]
            ]
            if (reached, held["LastName"]) != ([contact.email or ""], contact.last_name):
                yield f"{key}: is {held['LastName']} {reached}, in the CRM {contact.last_name} {contact.email}"

    def engagement_wrong(self, sale: Sale, entity: str) -> Iterator[str]:
        yield from self._project(sale, entity)
        yield from self._order(sale, entity)

    def amounts_wrong(self, sale: Sale, entity: str) -> Iterator[str]:
        key = f"SO-{sale.id}-{entity}"
        order = self._one(key)
        if order is None:
            return
        if order["TransactionCurrency"] != sale.currency:
            yield f"{key}: in {order['TransactionCurrency']}, sold in {sale.currency}"
        if Decimal(order["TotalNetAmount"]) != sale.value(entity):
            yield f"{key}: total {order['TotalNetAmount']}, sold {sale.value(entity)}"
        items = self._items(order)
        for line in sale.of(entity):
            item = items.get(line.id)
            if item is None:
                yield f"{key}: no item for line {line.id}"
                continue
            if Decimal(item["NetAmount"]) != line.amount:
                yield f"{key}: item {item['SalesOrderItem']} is {item['NetAmount']}, line {line.id} sold {line.amount}"
            yield from self._billed(key, item, line)

    def _billed(self, key: str, item: Record, line: SoldLine) -> Iterator[str]:
        """An item without a billing plan is billed by its net amount."""
        place = (item["SalesOrder"], item["SalesOrderItem"])
        dates = [
            (_day(each["BillingPlanBillingDate"]), Decimal(each["BillingPlanAmount"]))
            for each in self._records.get("A_SlsOrderItemBillingPlanItem", ())
            if (each["SalesOrder"], each["SalesOrderItem"]) == place
        ]
        if item["BillingPlan"] and sum(amount for _, amount in dates) != line.amount:
            yield f"{key}: line {line.id} bills {dates}, sold {line.amount}"
        if line.milestones and sorted(dates) != sorted((each.due, each.amount) for each in line.milestones):
            yield f"{key}: line {line.id} bills {dates}, milestones {line.milestones}"

    def _one(self, key: str) -> Record | None:
        held = self.held.get(key, [])
        return held[0] if len(held) == 1 else None

    def _above(self, partner: str, category: str) -> list[str]:
        return [
            each["BusinessPartner1"]
            for each in self._records.get("A_BPRelationship", ())
            if (each["BusinessPartner2"], each["RelationshipCategory"]) == (partner, category)
        ]

    def _project(self, sale: Sale, entity: str) -> Iterator[str]:
        key = f"PROJ-{sale.id}-{entity}"
        project = self._one(key)
        if project is None:
            yield f"{key}: not in {self.connection}"
            return
        buyer = self._one(f"CUST-{sale.accounts[0].id}")
        facts = {
            "name": (project["ProjectDescription"], sale.name[:60]),
            "span": ((_day(project["ProjectStartDate"]), _day(project["ProjectEndDate"])), sale.span(entity)),
            "currency": (project["ProjectCurrency"], sale.currency),
            "customer": (project["CustomerUUID"], buyer and buyer["BusinessPartnerUUID"]),
        }
        for name, (held, wanted) in facts.items():
            if held != wanted:
                yield f"{key}: {name} {held!r}, in the CRM {wanted!r}"
        yield from self._elements(project, {line.service_line for line in sale.of(entity)})

    def _elements(self, project: Record, wanted: set[str]) -> Iterator[str]:
        blocks = {each["ProjectElementUUID"]: each for each in self._records.get("A_EntProjElmntBlockFunc", ())}
        held: dict[str, bool] = {}
        for element in self._records.get("A_EnterpriseProjectElement", ()):
            if element["ProjectUUID"] == project["ProjectUUID"] and element["ParentObjectUUID"] != _NOTHING:
                block = blocks.get(element["ProjectElementUUID"], {})
                code = element["ProjectElement"].removeprefix(f"{project['Project']}-")
                held[code] = not any(block.get(name) for name in _BLOCKS)
        held.pop(project["Project"], None)
        for code in wanted - set(held):
            yield f"{project['Project']}-{code}: not in {self.connection}"
        for code, is_open in held.items():
            if is_open is not (code in wanted):
                told = "open" if is_open else "blocked"
                yield f"{project['Project']}-{code}: {told}, and {'' if code in wanted else 'not '}sold"

    def _order(self, sale: Sale, entity: str) -> Iterator[str]:
        key = f"SO-{sale.id}-{entity}"
        order = self._one(key)
        if order is None:
            yield f"{key}: not in {self.connection}"
            return
        buyer = self._one(f"CUST-{sale.accounts[0].id}")
        items, number = self._items(order), project_number(sale.id, entity)
        facts = {
            "PO": (order["PurchaseOrderByCustomer"], sale.po_number or ""),
            "buyer": (order["SoldToParty"], buyer and buyer["BusinessPartner"]),
            "lines": (
                {line: (item["SalesOrderItemText"], item["WBSElement"]) for line, item in items.items()},
                {line.id: (line.description[:_TEXT], f"{number}-{line.service_line}") for line in sale.of(entity)},
            ),
        }
        for name, (held, wanted) in facts.items():
            if held != wanted:
                yield f"{key}: {name} {held!r}, in the CRM {wanted!r}"

    def _items(self, order: Record) -> dict[str, Record]:
        """Line → its item, of those that were not rejected."""
        return {
            line: items[0] for (number, line), items in self._items_by_line().items() if number == order["SalesOrder"]
        }

    def _items_by_line(self) -> Mapping[tuple[str, str], list[Record]]:
        found: dict[tuple[str, str], list[Record]] = {}
        for item in self._records.get("A_SalesOrderItem", ()):
            if not item["SalesDocumentRjcnReason"]:
                found.setdefault((item["SalesOrder"], item["PurchaseOrderByShipToParty"]), []).append(item)
        return found


_NOTHING = "00000000-0000-0000-0000-000000000000"


def project_number(deal: str, entity: str) -> str:
    """19 characters of the deal and the entity; where they are more, a digest and their end (docs/field-mapping)."""
    source = f"{deal}-{entity}".upper()
    if len(source) <= 19:
        return source
    return base64.b32encode(hashlib.sha256(source.encode()).digest()).decode()[:12] + source[-7:]


def _id(record: Record) -> str:
    for name in ("BusinessPartner", "ProjectUUID", "SalesOrder"):
        if name in record:
            return str(record[name])
    raise KeyError("a partner, a project or an order")


def _day(value: Any) -> str:
    """`/Date(1799020800000)/` as 2027-01-04."""
    told = re.match(r"/Date\((-?\d+)", str(value))
    return datetime.fromtimestamp(int(told[1]) / 1000, UTC).date().isoformat() if told else str(value)
