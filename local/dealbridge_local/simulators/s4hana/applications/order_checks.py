"""What the sales order application refuses: unknown customizing and master data, a customer without the sales area."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from dealbridge_local.simulators.s4hana import customizing, errors
from dealbridge_local.simulators.s4hana.entities import customer as customers
from dealbridge_local.simulators.s4hana.entities import enterprise_project as projects
from dealbridge_local.simulators.s4hana.entities import sales_order as model
from dealbridge_local.simulators.s4hana.errors import Message, business_error
from dealbridge_local.simulators.s4hana.model import Draft, EntitySet
from dealbridge_local.simulators.s4hana.tables import Tables
from dealbridge_local.simulators.store import Record

type Values = Mapping[str, Any]

_KNOWN: dict[str, dict[str, tuple[Any, str, str]]] = {
    model.ORDER.name: {
        "SalesOrderType": (customizing.SALES_ORDER_TYPES, "V1/313", "Sales order type {} is not defined"),
        "TransactionCurrency": (customizing.CURRENCIES, "V1/386", "Currency {} is not defined"),
        "CustomerPaymentTerms": (customizing.PAYMENT_TERMS, "V1/388", "Terms of payment {} do not exist"),
        "HeaderBillingBlockReason": (customizing.BILLING_BLOCKS, "V1/389", "Billing block {} is not defined"),
    },
    model.ITEM.name: {
        "Material": (customizing.MATERIALS, "V1/302", "Material {} is not defined for the sales area"),
        "SalesOrderItemCategory": (customizing.ITEM_CATEGORIES, "V1/331", "Item category {} is not defined"),
        "RequestedQuantityUnit": (customizing.UNITS, "V1/384", "Sales unit {} is not defined"),
        "CustomerPaymentTerms": (customizing.PAYMENT_TERMS, "V1/388", "Terms of payment {} do not exist"),
        "ProfitCenter": (customizing.PROFIT_CENTERS, "KM/026", "Profit center A000/{} does not exist"),
        "SalesDocumentRjcnReason": (customizing.REJECTION_REASONS, "V1/391", "Rejection reason {} is not defined"),
        "ItemBillingBlockReason": (customizing.BILLING_BLOCKS, "V1/389", "Billing block {} is not defined"),
    },
    model.BILLING_PLAN_ITEM.name: {
        "BillingPlanDateCategory": (customizing.DATE_CATEGORIES, "V0/121", "Date category {} is not defined"),
        "ProposedBillingDocumentType": (
            frozenset(customizing.DATE_CATEGORIES.values()),
            "V0/122",
            "Billing type {} is not defined",
        ),
        "BillingPlanDateDescriptionCode": (
            customizing.DATE_DESCRIPTIONS,
            "V0/123",
            "Date description {} is not defined",
        ),
        "BillingBlockReason": (customizing.BILLING_BLOCKS, "V1/389", "Billing block {} is not defined"),
        "CustomerPaymentTerms": (customizing.PAYMENT_TERMS, "V1/388", "Terms of payment {} do not exist"),
    },
    model.PRICING_ELEMENT.name: {
        "ConditionType": (customizing.PRICE_CONDITIONS, "VK/214", "Condition type {} is not in the procedure"),
        "ConditionCurrency": (customizing.CURRENCIES, "V1/386", "Currency {} is not defined"),
    },
}


def _unknown(entity: EntitySet, values: Values) -> list[Message]:
    return [
        Message(code, text.format(values[name]), name)
        for name, (known, code, text) in _KNOWN.get(entity.name, {}).items()
        if values.get(name) and values[name] not in known
    ]


def _refuse(found: list[Message]) -> None:
    if found:
        raise errors.business_errors(found)


def check_order(tables: Tables, draft: Draft) -> None:
    """A new order's header. Raises SapError with every finding."""
    names = ("SalesOrderType", "SalesOrganization", "DistributionChannel", "OrganizationDivision", "SoldToParty")
    found = [Message("V1/001", f"Enter a value for field {name}", name) for name in names if not draft.get(name)]
    _refuse(found or _unknown(model.ORDER, draft.values))
    sales_area_of(tables, draft.values)


def sales_area_of(tables: Tables, values: Values) -> Record:
    """The sold-to party's data for the order's sales area. Raises SapError where there is none, or a block."""
    area = (values["SalesOrganization"], values["DistributionChannel"], values["OrganizationDivision"])
    if (
        area[0] not in customizing.COMPANY_CODES
        or area[1] not in customizing.DISTRIBUTION_CHANNELS
        or area[2] not in customizing.DIVISIONS
    ):
        raise business_error("V1/319", f"Sales area {' '.join(area)} is not defined", "SalesOrganization")
    customer = values["SoldToParty"]
    held = tables.get(customers.SALES_AREA, customer, *area)
    if held is None:
        text = f"Sales area {' '.join(area)} is not defined for customer {customer}"
        raise business_error("VP/204", text, "SoldToParty")
    central = tables.get(customers.CUSTOMER, customer) or {}
    if held["OrderIsBlockedForCustomer"] or central.get("OrderIsBlockedForCustomer"):
        raise business_error("VP/206", f"Customer {customer} is blocked for orders", "SoldToParty")
    return held


def check_item(tables: Tables, draft: Draft, order: Values) -> None:
    """A new item. Raises SapError with every finding."""
    values = draft.values
    found = _unknown(model.ITEM, values)
    if not draft.get("Material"):
        found.append(Message("V1/040", "Enter a material", "Material"))
    if values.get("RequestedQuantity") is not None and values["RequestedQuantity"] <= 0:
        found.append(Message("V1/041", "Enter a quantity greater than zero", "RequestedQuantity"))
    if draft.children.get("to_BillingPlan") and not _has_plan(draft.get("SalesOrderItemCategory")):
        text = f"Item category {draft.get('SalesOrderItemCategory') or 'TAD'} is not relevant for a billing plan"
        found.append(Message("V0/104", text, "SalesOrderItemCategory"))
    found += _wbs_findings(tables, values.get("WBSElement"), order)
    _refuse(found)


def _has_plan(category: str) -> bool:
    return category in customizing.PLAN_ITEM_CATEGORIES


def _wbs_findings(tables: Tables, element: str | None, order: Values) -> list[Message]:
    """A WBS element must exist, be open, and belong to the company code of the sales organization."""
    if not element:
        return []
    held = tables.first(projects.ELEMENT, ProjectElement=element)
    if held is None:
        return [Message("CJ/021", f"WBS element {element} does not exist", "WBSElement")]
    if held["ProcessingStatus"] == "40":
        return [Message("BS/013", f"System status CLSD is active (WBS {element})", "WBSElement")]
    if held["CompanyCode"] != order["SalesOrganization"]:
        text = f"WBS element {element} belongs to company code {held['CompanyCode']}"
        return [Message("KI/180", text, "WBSElement")]
    return []


def check_plan_item(values: Values, order: Values) -> None:
    """A billing plan item, new or changed. Raises SapError with every finding."""
    found = _unknown(model.BILLING_PLAN_ITEM, values)
    found += _decimals(values.get("BillingPlanAmount"), "BillingPlanAmount", order["TransactionCurrency"])
    category, billing_type = values.get("BillingPlanDateCategory"), values.get("ProposedBillingDocumentType")
    if category and billing_type and customizing.DATE_CATEGORIES.get(category) not in (None, billing_type):
        text = f"Billing type {billing_type} is not allowed for date category {category}"
        found.append(Message("V0/124", text, "ProposedBillingDocumentType"))
    _refuse(found)


def check_price(values: Values, order: Values) -> None:
    """A price condition, new or changed. Raises SapError with every finding."""
    found = _unknown(model.PRICING_ELEMENT, values)
    if not values.get("ConditionType"):
        found.append(Message("VK/001", "Enter a condition type", "ConditionType"))
    currency = values.get("ConditionCurrency") or order["TransactionCurrency"]
    if currency != order["TransactionCurrency"]:
        text = f"No exchange rate {currency} to {order['TransactionCurrency']} is maintained"
        found.append(Message("SG/105", text, "ConditionCurrency"))
    found += _decimals(values.get("ConditionRateValue"), "ConditionRateValue", currency)
    _refuse(found)


def _decimals(value: Decimal | None, name: str, currency: str) -> list[Message]:
    """An amount may have no more decimals than its currency."""
    if value is None or value == customizing.rounded(value, currency):
        return []
    return [Message("00/088", f"Amount {value} has too many decimal places for currency {currency}", name)]


def check_changes(tables: Tables, entity: EntitySet, record: Values, changes: Values, order: Values) -> None:
    """Changed fields. Raises SapError with every finding."""
    if entity is model.BILLING_PLAN_ITEM:
        check_plan_item({**record, **changes}, order)
    elif entity is model.PRICING_ELEMENT:
        check_price({**record, **changes}, order)
    else:
        found = _unknown(entity, changes)
        if entity is model.ITEM:
            found += _wbs_findings(tables, changes.get("WBSElement"), order)
        _refuse(found)
    if entity is model.ORDER and "SoldToParty" in changes:
        sales_area_of(tables, {**record, **changes})
