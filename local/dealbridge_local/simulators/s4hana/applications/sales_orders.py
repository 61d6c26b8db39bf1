"""Sales orders with items, prices and billing plans.

Facts held here (vendors/erp-sap…, A2.4): `PurchaseOrderByCustomer` is not unique; a billing plan exists only below an
item whose category is relevant for one, and gets its number from SAP; the header's net amount is the sum of its items;
all parts of an order carry the order's entity tag. An item's net value is its price times its quantity where a price
condition is given, else the sum of its milestones: the tenant has no price list.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from dealbridge_local.simulators.s4hana import customizing, edm, errors
from dealbridge_local.simulators.s4hana.applications import order_checks as checks
from dealbridge_local.simulators.s4hana.applications.application import Application
from dealbridge_local.simulators.s4hana.entities import customer as customers
from dealbridge_local.simulators.s4hana.entities import sales_order as model
from dealbridge_local.simulators.s4hana.errors import business_error
from dealbridge_local.simulators.s4hana.model import Draft, EntitySet
from dealbridge_local.simulators.s4hana.tenant import COMMUNICATION_USER, Tenant
from dealbridge_local.simulators.store import Record

_EVENT = "sap.s4.beh.salesorder.v1.SalesOrder"
_OPEN, _PARTLY, _DONE = "A", "B", "C"
_BUSINESS_DATA = ("PurchaseOrderByCustomer", "PurchaseOrderByShipToParty", "CustomerPaymentTerms")
_LAST_FIRST = (
    model.BILLING_PLAN_ITEM,
    model.BILLING_PLAN,
    model.PRICING_ELEMENT,
    model.ITEM,
    model.PARTNER,
    model.TEXT,
)


class SalesOrders(Application):
    """API_SALES_ORDER_SRV."""

    service = model.SERVICE

    def __init__(self, tenant: Tenant) -> None:
        super().__init__(tenant)
        self._creators: dict[str, Callable[[Draft, Record], Record]] = {
            model.ITEM.name: self._add_item,
            model.BILLING_PLAN_ITEM.name: self._add_plan_item,
            model.PRICING_ELEMENT.name: self._add_price,
            model.PARTNER.name: self._add_partner,
            model.TEXT.name: lambda draft, order: self.insert(model.TEXT, draft.values),
        }

    def create(self, draft: Draft) -> Record:
        if draft.entity is model.ORDER:
            return self._create_order(draft)
        order = self._order(draft.get("SalesOrder"))
        self._check_lock(order)
        record = self._creators[draft.entity.name](draft, order)
        self._settle(order["SalesOrder"], [record.get("SalesOrderItem", "")])
        self._touch(order["SalesOrder"])
        return self.tables.get(draft.entity, *draft.entity.key_of(record)) or record

    def update(self, entity: EntitySet, record: Record, changes: Mapping[str, Any]) -> None:
        order = self._order(record["SalesOrder"])
        self._check_lock(order)
        checks.check_changes(self.tables, entity, record, changes, order)
        if entity is model.BILLING_PLAN_ITEM:
            self._check_not_billed(record)
            if "BillingPlanAmount" in changes:
                changes = {**changes, "BillingPlanAmountPercent": Decimal(0)}
        if entity is model.ORDER and "TransactionCurrency" in changes:
            self._check_currency_change(record, changes["TransactionCurrency"])
        changed = self.tables.change(entity, record, **changes)
        if entity is model.ORDER:
            self._follow_header(record, changes)
        if entity is model.ITEM and "SalesOrderItemCategory" in changes:
            self._follow_category(changed, order)
        self._settle(order["SalesOrder"], [record.get("SalesOrderItem", "")])
        self._touch(order["SalesOrder"])

    def delete(self, entity: EntitySet, record: Record) -> None:
        order = self._order(record["SalesOrder"])
        self._check_lock(order)
        scope = {name: record[name] for name in entity.keys}
        held = [
            (part, each)
            for part in _LAST_FIRST
            if set(scope) <= set(part.properties)
            for each in list(self.tables.where(part, scope))
        ]
        for part, each in held:
            if part is model.BILLING_PLAN_ITEM:
                self._check_not_billed(each)
        for part, each in held:
            self.tables.delete(part, each)
        if entity is model.ORDER:
            self.tables.delete(entity, record)
            return
        self._settle(order["SalesOrder"], [record.get("SalesOrderItem", "")])
        self._touch(order["SalesOrder"])

    def tag(self, entity: EntitySet, record: Mapping[str, Any]) -> str | None:
        order = record if entity is model.ORDER else self.tables.get(model.ORDER, record["SalesOrder"])
        changed = order["LastChangeDateTime"] if order else None
        return f"W/\"datetimeoffset'{changed:%Y-%m-%dT%H%%3A%M%%3A%S.%f}0Z'\"" if changed else None

    # Header

    def _create_order(self, draft: Draft) -> Record:
        checks.check_order(self.tables, draft)
        area = checks.sales_area_of(self.tables, draft.values)
        today = self.tenant.today()
        company = customizing.COMPANY_CODES[draft.get("SalesOrganization")]
        order = self.insert(
            model.ORDER,
            {
                "SalesOrderDate": today,
                "PricingDate": today,
                "RequestedDeliveryDate": today,
                "TransactionCurrency": area["Currency"],
                "CustomerPaymentTerms": area["CustomerPaymentTerms"],
                "CustomerAccountAssignmentGroup": area["CustomerAccountAssignmentGroup"],
                "TaxDepartureCountry": company.country,
                **{name: value for name, value in draft.values.items() if value not in (None, "")},
            },
            SalesOrder=self.tenant.number("sales_order"),
            CreationDate=today,
            CreatedByUser=COMMUNICATION_USER,
            OverallSDProcessStatus=_OPEN,
            OverallOrdReltdBillgStatus=_OPEN,
            OverallSDDocumentRejectionSts=_OPEN,
            LastChangeDateTime=self.tenant.now(),
        )
        key = order["SalesOrder"]
        given = {each.get("PartnerFunction"): each for each in draft.children.get("to_Partner", [])}
        for function in sorted(customizing.PARTNER_FUNCTIONS | set(given)):
            partner = given.get(function) or Draft(model.PARTNER, {"PartnerFunction": function})
            self._add_partner(_linked(partner, SalesOrder=key), order)
        for text in draft.children.get("to_Text", []):
            self.insert(model.TEXT, {**text.values, "SalesOrder": key})
        items = [self._add_item(each, order) for each in _numbered(draft.children.get("to_Item", []), key)]
        self._settle(key, [item["SalesOrderItem"] for item in items])
        if not order["PurchaseOrderByCustomer"]:
            self.tenant.warn("V1/555", f"Sales order {key} is not complete: enter a customer reference")
        self.tenant.emit(f"{_EVENT}.Created", SalesOrder=key)
        return self._order(key)

    def _add_partner(self, draft: Draft, order: Record) -> Record:
        customer = draft.get("Customer") or order["SoldToParty"]
        if self.tables.get(customers.CUSTOMER, customer) is None:
            raise business_error("VP/199", f"Customer {customer} does not exist", "Customer")
        return self.insert(model.PARTNER, draft.values, Customer=customer, ReferenceBusinessPartner=customer)

    def _check_currency_change(self, order: Record, currency: str) -> None:
        has_items = self.tables.first(model.ITEM, SalesOrder=order["SalesOrder"]) is not None
        if has_items and currency != order["TransactionCurrency"]:
            raise business_error(
                "V1/454", "The document currency cannot be changed once there are items", "TransactionCurrency"
            )

    def _follow_header(self, order: Record, changes: Mapping[str, Any]) -> None:
        """Items and dates without business data of their own have the header's."""
        for entity in (model.ITEM, model.BILLING_PLAN_ITEM):
            names = [name for name in _BUSINESS_DATA if name in changes and name in entity.properties]
            for each in list(self.tables.where(entity, {"SalesOrder": order["SalesOrder"]})) if names else ():
                followed = {name: changes[name] for name in names if each[name] == order[name]}
                if followed:
                    self.tables.change(entity, each, **followed)

    # Items

    def _add_item(self, draft: Draft, order: Record) -> Record:
        checks.check_item(self.tables, draft, order)
        category = draft.get("SalesOrderItemCategory") or "TAD"
        unit = draft.get("RequestedQuantityUnit") or "EA"
        item = self.insert(
            model.ITEM,
            {
                "RequestedQuantity": Decimal(1),
                "SalesOrderItemText": customizing.MATERIALS[draft.get("Material")],
                **{name: order[name] for name in _BUSINESS_DATA},
                "PricingDate": order["PricingDate"],
                "ProductTaxClassification1": "1",
                **{name: value for name, value in draft.values.items() if value not in (None, "")},
            },
            SalesOrderItem=draft.get("SalesOrderItem") or self._next_item(order["SalesOrder"]),
            SalesOrderItemCategory=category,
            RequestedQuantityUnit=unit,
            RequestedQuantitySAPUnit=unit,
            RequestedQuantityISOUnit=customizing.UNITS[unit],
            OrderQuantityUnit=unit,
            TransactionCurrency=order["TransactionCurrency"],
            SDProcessStatus=_OPEN,
            OrderRelatedBillingStatus=_OPEN,
        )
        link = {"SalesOrder": item["SalesOrder"], "SalesOrderItem": item["SalesOrderItem"]}
        for price in draft.children.get("to_PricingElement", []):
            self._add_price(_linked(price, **link), order)
        if category in customizing.PLAN_ITEM_CATEGORIES:
            given = next(iter(draft.children.get("to_BillingPlan", [])), Draft(model.BILLING_PLAN, {}))
            item = self._open_plan(item, order, given)
        return item

    def _next_item(self, order: str) -> str:
        last = max((int(each["SalesOrderItem"]) for each in self._items(order)), default=0)
        return str(last - last % 10 + 10)

    def _open_plan(self, item: Record, order: Record, draft: Draft) -> Record:
        number = self.tenant.number("billing_plan")
        link = {"SalesOrder": item["SalesOrder"], "SalesOrderItem": item["SalesOrderItem"], "BillingPlan": number}
        self.insert(
            model.BILLING_PLAN,
            {"BillingPlanStartDate": order["SalesOrderDate"], **draft.values},
            **link,
            BillingPlanType=customizing.BILLING_PLAN_TYPE,
        )
        for index, plan_item in enumerate(draft.children.get("to_BillingPlanItem", []), 1):
            linked = _linked(plan_item, **link)
            linked.values.setdefault("BillingPlanItem", str(index))
            self._add_plan_item(linked, order)
        return self.tables.change(model.ITEM, item, BillingPlan=number)

    def _follow_category(self, item: Record, order: Record) -> None:
        """A plan comes with a category that wants one, and goes with one that does not."""
        wanted = item["SalesOrderItemCategory"] in customizing.PLAN_ITEM_CATEGORIES
        if wanted and not item["BillingPlan"]:
            self._open_plan(item, order, Draft(model.BILLING_PLAN, {}))
        if not wanted and item["BillingPlan"]:
            plan_items = list(self._plan_items(item))
            for plan_item in plan_items:
                self._check_not_billed(plan_item)
            for plan_item in plan_items:
                self.tables.delete(model.BILLING_PLAN_ITEM, plan_item)
            plan = self.tables.get(model.BILLING_PLAN, item["SalesOrder"], item["SalesOrderItem"], item["BillingPlan"])
            if plan is not None:
                self.tables.delete(model.BILLING_PLAN, plan)
            self.tables.change(model.ITEM, item, BillingPlan="")

    # Billing plan and price

    def _add_plan_item(self, draft: Draft, order: Record) -> Record:
        link = tuple(draft.get(name) for name in model.BILLING_PLAN.keys)
        if self.tables.get(model.BILLING_PLAN, *link) is None:
            raise business_error(
                "V0/104",
                f"Item {link[1]} of sales order {link[0]} has no billing plan {link[2] or 'SPACE'}: "
                "its item category is not relevant for one",
                "BillingPlan",
            )
        checks.check_plan_item(draft.values, order)
        category = draft.get("BillingPlanDateCategory") or "00"
        values = {
            "BillingPlanBillingDate": order["SalesOrderDate"],
            "CustomerPaymentTerms": order["CustomerPaymentTerms"],
            **{name: value for name, value in draft.values.items() if value not in (None, "")},
        }
        values.setdefault("BillingPlanItem", self._next_plan_item(link))
        return self.insert(
            model.BILLING_PLAN_ITEM,
            values,
            BillingPlanDateCategory=category,
            ProposedBillingDocumentType=draft.get("ProposedBillingDocumentType")
            or customizing.DATE_CATEGORIES[category],
            TransactionCurrency=order["TransactionCurrency"],
            BillingPlanRelatedBillgStatus=_OPEN,
            BillingPlanType=customizing.BILLING_PLAN_TYPE,
        )

    def _next_plan_item(self, plan: tuple[Any, ...]) -> str:
        held = self.tables.where(model.BILLING_PLAN_ITEM, dict(zip(model.BILLING_PLAN.keys, plan, strict=True)))
        return str(max((int(each["BillingPlanItem"]) for each in held), default=0) + 1)

    def _add_price(self, draft: Draft, order: Record) -> Record:
        checks.check_price(draft.values, order)
        link = {"SalesOrder": draft.get("SalesOrder"), "SalesOrderItem": draft.get("SalesOrderItem")}
        if self.tables.get(model.ITEM, *link.values()) is None:
            raise errors.not_found(model.ITEM.type)
        step = len(list(self.tables.where(model.PRICING_ELEMENT, link))) + 1
        return self.insert(
            model.PRICING_ELEMENT,
            {
                "PricingProcedureStep": str(step * 10),
                "PricingProcedureCounter": "1",
                "ConditionQuantity": Decimal(1),
                "ConditionCurrency": order["TransactionCurrency"],
                **{name: value for name, value in draft.values.items() if value not in (None, "", Decimal(0))},
            },
            ConditionCalculationType="C",
            TransactionCurrency=order["TransactionCurrency"],
        )

    def _check_not_billed(self, plan_item: Mapping[str, Any]) -> None:
        if plan_item["BillingPlanRelatedBillgStatus"] == _DONE:
            raise business_error(
                "V0/111", f"Billing plan item {plan_item['BillingPlanItem']} has been billed and cannot be changed"
            )

    # Sums and statuses

    def mark_billed(self, plan_items: Sequence[Record], *, billed: bool) -> None:
        """What a billing run, or the cancellation of its invoice, does to billing plan items of one order."""
        status = _DONE if billed else _OPEN
        for each in plan_items:
            self.tables.change(model.BILLING_PLAN_ITEM, each, BillingPlanRelatedBillgStatus=status)
        for order in {each["SalesOrder"] for each in plan_items}:
            self._settle(order, sorted({each["SalesOrderItem"] for each in plan_items}))
            self._touch(order)

    def _settle(self, order: str, items: list[str]) -> None:
        """Bring the sums and statuses of these items, then of the header, up to date."""
        for number in items:
            item = self.tables.get(model.ITEM, order, number) if number else None
            if item is not None:
                self._settle_item(item)
        all_items = list(self._items(order))
        header = self._order(order)
        self.tables.change(
            model.ORDER,
            header,
            TotalNetAmount=sum(
                (each["NetAmount"] for each in all_items if not each["SalesDocumentRjcnReason"]), Decimal(0)
            ),
            OverallOrdReltdBillgStatus=_overall([each["OrderRelatedBillingStatus"] for each in all_items]),
            OverallSDProcessStatus=_overall([each["SDProcessStatus"] for each in all_items]),
            OverallSDDocumentRejectionSts=_overall(
                [_DONE if each["SalesDocumentRjcnReason"] else _OPEN for each in all_items]
            ),
        )

    def _settle_item(self, item: Record) -> None:
        currency, quantity = item["TransactionCurrency"], item["RequestedQuantity"]
        net, priced = Decimal(0), False
        for price in list(self.tables.where(model.PRICING_ELEMENT, _link(item))):
            value = customizing.rounded(
                price["ConditionRateValue"] * quantity / (price["ConditionQuantity"] or 1), currency
            )
            self.tables.change(model.PRICING_ELEMENT, price, ConditionAmount=value, ConditionBaseValue=quantity)
            net, priced = net + value, True
        plan_items = list(self._plan_items(item))
        if not priced:
            net = sum((each["BillingPlanAmount"] for each in plan_items if _is_milestone(each)), Decimal(0))
        for each in plan_items:
            self._settle_plan_item(each, net)
        status = _overall([each["BillingPlanRelatedBillgStatus"] for each in plan_items])
        self.tables.change(
            model.ITEM,
            item,
            NetAmount=net,
            Subtotal1Amount=net,
            OrderRelatedBillingStatus=status,
            SDProcessStatus=_DONE if item["SalesDocumentRjcnReason"] else status,
        )

    def _settle_plan_item(self, plan_item: Record, net: Decimal) -> None:
        amount, percent = plan_item["BillingPlanAmount"], plan_item["BillingPlanAmountPercent"]
        if not amount and percent:
            amount = customizing.rounded(net * percent / 100, plan_item["TransactionCurrency"])
        elif net:
            percent = min((amount * 100 / net).quantize(Decimal("0.01")), Decimal("999.99"))
        if (amount, percent) != (plan_item["BillingPlanAmount"], plan_item["BillingPlanAmountPercent"]):
            self.tables.change(
                model.BILLING_PLAN_ITEM, plan_item, BillingPlanAmount=amount, BillingPlanAmountPercent=percent
            )

    # Look-ups and events

    def _order(self, key: str) -> Record:
        order = self.tables.get(model.ORDER, key)
        if order is None:
            raise errors.not_found(model.ORDER.type)
        return order

    def _items(self, order: str) -> Any:
        return self.tables.where(model.ITEM, {"SalesOrder": order})

    def _plan_items(self, item: Record) -> Any:
        return self.tables.where(model.BILLING_PLAN_ITEM, {**_link(item), "BillingPlan": item["BillingPlan"]})

    def _check_lock(self, order: Record) -> None:
        self.tenant.check_lock(model.ORDER.name, "Sales order", order["SalesOrder"])

    def _touch(self, order: str) -> None:
        def touch() -> None:
            now = self.tenant.now()
            header = self.tables.get(model.ORDER, order)
            if header is not None:
                self.tables.change(model.ORDER, header, LastChangeDateTime=now, LastChangeDate=edm.start_of_day(now))

        self.tenant.finally_once(model.ORDER.name, order, touch)
        self.tenant.emit(f"{_EVENT}.Changed", SalesOrder=order)


def _linked(draft: Draft, **link: Any) -> Draft:
    return Draft(draft.entity, {**draft.values, **link}, draft.children)


def _numbered(items: Sequence[Draft], order: str) -> Iterator[Draft]:
    """New items of a new order: 10, 20, … where they bring no number."""
    last = 0
    for each in items:
        number = each.get("SalesOrderItem") or str(last - last % 10 + 10)
        last = max(last, int(number)) if number.isdigit() else last
        yield _linked(each, SalesOrder=order, SalesOrderItem=number)


def _link(item: Mapping[str, Any]) -> dict[str, Any]:
    return {"SalesOrder": item["SalesOrder"], "SalesOrderItem": item["SalesOrderItem"]}


def _is_milestone(plan_item: Mapping[str, Any]) -> bool:
    """A down payment is part of the price, not on top of it."""
    return bool(plan_item["BillingPlanDateCategory"] == "00")


def _overall(statuses: list[str]) -> str:
    """A: nothing done, B: some, C: all."""
    if not statuses or all(each == _OPEN for each in statuses):
        return _OPEN
    return _DONE if all(each == _DONE for each in statuses) else _PARTLY
