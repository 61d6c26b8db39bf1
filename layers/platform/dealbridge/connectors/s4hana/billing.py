"""Contract and billing schedule to a sales order with items and billing plans, and back: pure functions.

An item carries our line's key in `PurchaseOrderByShipToParty`. Its billing plan: billing_plan.py.

The price of an item is given so that SAP's own arithmetic gives the line's amount back to the cent: an amount per as
many units as are ordered (`ConditionRateValue` per `ConditionQuantity`).
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from dealbridge.connectors.s4hana.billing_plan import (
    date_number,
    dates_by_line,
    dates_held,
    item_key,
    new_date,
    paired,
    plan_changes,
    read_schedule,
)
from dealbridge.connectors.s4hana.mapping import NUMBERS, Only, cut, differing, may
from dealbridge.connectors.s4hana.odata import Body, Change, day, day_of, number_of, rows, tag_of, text
from dealbridge.connectors.s4hana.records import (
    ORDER_KEY_LENGTH,
    Codes,
    element_id,
    fitted,
    kept,
)
from dealbridge.connectors.s4hana.settings import Options
from dealbridge.domain.engagement import BillingItem, Contract, ContractLine
from dealbridge.domain.model import plain
from dealbridge.domain.money import Money
from dealbridge.ports import Write
from dealbridge.transport.mapping import filled, said

ORDER_EXPAND = "to_Item/to_BillingPlan/to_BillingPlanItem,to_Item/to_PricingElement"

_ITEM_TEXT = 40
_MOST_DECIMALS = 3
_MOST_UNITS = 99_999
"""`ConditionQuantity` is Decimal(5,0)."""
_LINE_KEY = "PurchaseOrderByShipToParty"
_FOREIGN = "item "
"""No key of ours has a blank."""


def customer_reference(key: str) -> str:
    """Our key of an order or of one of its items, in a customer reference."""
    return fitted(key, ORDER_KEY_LENGTH)


def new_order(write: Write, contract: Contract, codes: Codes, options: Options) -> Body:
    """The order with all its items, prices and billing plans: one deep insert (A2.4)."""
    dates = dates_by_line(contract.schedule)
    body = {
        "SalesOrderType": codes.needed_default("order_type"),
        "SalesOrganization": codes.entity("sales_organization"),
        "DistributionChannel": codes.entity("distribution_channel"),
        "OrganizationDivision": codes.entity("division"),
        "TransactionCurrency": codes.currency,
        options.order_key_field: customer_reference(write.key),
        **_header(write, contract, codes, options, None),
        "to_Item": [_new_item(write, contract, line, dates.get(line.key, []), codes) for line in contract.lines],
    }
    return filled(body)


def _header(write: Write, contract: Contract, codes: Codes, options: Options, only: Only) -> Body:
    by_field: dict[str, Body] = {
        "customer_key": {"SoldToParty": write.ref_of(contract.customer_key).id},
        "po_number": {options.po_number_field: cut(contract.po_number, ORDER_KEY_LENGTH)},
        "payment_terms": {"CustomerPaymentTerms": codes.terms},
        "order_date": {"SalesOrderDate": day(contract.order_date)},
    }
    fields = {name: value for field, part in by_field.items() if may(only, field) for name, value in part.items()}
    return filled(fields)


def _new_item(write: Write, contract: Contract, line: ContractLine, dates: Sequence[BillingItem], codes: Codes) -> Body:
    category = codes.item_category(line.billing_type)
    body: Body = {
        "SalesOrderItemCategory": category,
        "Material": codes.material(line.service_line),
        _LINE_KEY: customer_reference(line.key),
        **_item_fields(write, contract, line, codes),
    }
    if price := _price(line, codes):
        body["to_PricingElement"] = [price]
    if codes.has_plan(category):
        body["to_BillingPlan"] = {
            "BillingPlanStartDate": day(line.start),
            "to_BillingPlanItem": [new_date(item, codes) for item in dates],
        }
    return body


def _item_fields(write: Write, contract: Contract, line: ContractLine, codes: Codes) -> Body:
    """What an item may be changed in."""
    return {
        "SalesOrderItemText": cut(line.description, _ITEM_TEXT),
        "RequestedQuantity": f"{_units(line)[0]:f}",
        "RequestedQuantityUnit": codes.needed_default("unit"),
        "ServicesRenderedDate": day(line.end),
        "WBSElement": _element(write, contract, line),
    }


def _element(write: Write, contract: Contract, line: ContractLine) -> str:
    project = write.ref_of(contract.project_key)
    return element_id(project.number or "", line.service_line)


def _units(line: ContractLine) -> tuple[Decimal, Decimal]:
    """`(quantity, units that the amount is the price of)`; one of one where SAP's fields cannot carry the quantity."""
    quantity = plain(line.quantity)
    decimals = max(0, -int(quantity.as_tuple().exponent))
    units = quantity.scaleb(decimals)
    if quantity <= 0 or decimals > _MOST_DECIMALS or units > _MOST_UNITS:
        return Decimal(1), Decimal(1)
    return quantity, units


def _price(line: ContractLine, codes: Codes) -> Body | None:
    """None where the tenant prices items itself, or by their milestones."""
    condition = codes.default("price_condition")
    if condition is None:
        return None
    quantity, units = _units(line)
    rate = line.amount.amount * (units / quantity)
    return {
        "ConditionType": condition,
        "ConditionRateValue": f"{rate:f}",
        "ConditionQuantity": f"{units:f}",
        "ConditionQuantityUnit": codes.needed_default("unit"),
    }


# An order as it was read


def items_of(held: Body) -> dict[str, Body]:
    """The order's items by our lines' keys; items of other people under their own number."""
    items: dict[str, Body] = {}
    for item in rows(held, "to_Item"):
        key = item[_LINE_KEY]
        # Without a reference of its own an item has the header's; a copy made by hand has that of its original.
        is_ours = key not in ("", held[_LINE_KEY]) and key not in items
        items[key if is_ours else f"{_FOREIGN}{item['SalesOrderItem']}"] = item
    return items


def parts_of(contract: Contract, held: Body, codes: Codes, known: Mapping[str, str]) -> dict[str, str]:
    """Line key → item number, billing item key → `item/plan/date`."""
    items, dates, parts = items_of(held), dates_by_line(contract.schedule), {}
    for line in contract.lines:
        item = items.get(customer_reference(line.key))
        if item is None:
            continue
        parts[line.key] = str(item["SalesOrderItem"])
        pairs = paired(dates.get(line.key, []), dates_held(item, codes), known)
        parts |= {key: date_number(date) for key, date in pairs.items()}
    return parts


def order_changes(
    write: Write, contract: Contract, held: Body, codes: Codes, options: Options, only: Only, known: Mapping[str, str]
) -> Iterator[Change]:
    """The change set that makes the order so. All its parts carry the order's entity tag."""
    key, tag = held["SalesOrder"], tag_of(held)
    if fields := differing(held, _header(write, contract, codes, options, only)):
        yield Change.patch(f"A_SalesOrder({text(key)})", fields, tag)
    if not may(only, "lines", "schedule", "value"):
        return
    items, dates = items_of(held), dates_by_line(contract.schedule)
    for line in contract.lines:
        item = items.get(customer_reference(line.key))
        if item is None:
            new = _new_item(write, contract, line, dates.get(line.key, []), codes)
            yield Change.post(f"A_SalesOrder({text(key)})/to_Item", new)
            continue
        yield from _item_changes(write, contract, line, item, codes, tag)
        if codes.has_plan(item["SalesOrderItemCategory"]):
            yield from plan_changes(item, dates.get(line.key, []), codes, tag, known)
    yield from _rejections(contract, known, items, codes, tag)


def _item_changes(
    write: Write,
    contract: Contract,
    line: ContractLine,
    item: Body,
    codes: Codes,
    tag: str | None,
) -> Iterator[Change]:
    wanted = _item_fields(write, contract, line, codes)
    if item["SalesDocumentRjcnReason"]:
        wanted["SalesDocumentRjcnReason"] = ""
    fields = differing(item, wanted)
    price = _price(line, codes)
    if fields:
        yield Change.patch(f"A_SalesOrderItem({item_key(item)})", fields, tag)
    if price is None:
        return
    condition = price.pop("ConditionType")
    current = next((each for each in rows(item, "to_PricingElement") if each["ConditionType"] == condition), None)
    if current is None:
        path = f"A_SalesOrderItem({item_key(item)})/to_PricingElement"
        yield Change.post(path, {"ConditionType": condition, **price})
    elif fields := differing(current, {name: value for name, value in price.items() if name in NUMBERS}):
        step, counter = current["PricingProcedureStep"], current["PricingProcedureCounter"]
        keys = f"PricingProcedureStep={text(step)},PricingProcedureCounter={text(counter)}"
        yield Change.patch(f"A_SalesOrderItemPrElement({item_key(item)},{keys})", fields, tag)


def _rejections(
    contract: Contract, known: Mapping[str, str], items: Mapping[str, Body], codes: Codes, tag: str | None
) -> Iterator[Change]:
    """Items of lines that are no longer wanted are rejected, and stay to be seen; other people's are left alone."""
    wanted = {customer_reference(line.key) for line in contract.lines}
    numbers = {known[key] for key in known if "/" not in known[key]}
    for key, item in items.items():
        is_ours = item["SalesOrderItem"] in numbers or not key.startswith(_FOREIGN)
        if key in wanted or not is_ours or item["SalesDocumentRjcnReason"]:
            continue
        reason = {"SalesDocumentRjcnReason": codes.needed_default("rejection_reason")}
        yield Change.patch(f"A_SalesOrderItem({item_key(item)})", reason, tag)


# Back in our words


def read_contract(write: Write, wanted: Contract, held: Body, codes: Codes, options: Options) -> Contract:
    currency = wanted.currency if held["TransactionCurrency"] == codes.currency else held["TransactionCurrency"]
    customer = write.ref_of(wanted.customer_key)
    project = write.refs.get(wanted.project_key)
    standing = {key: item for key, item in items_of(held).items() if not item["SalesDocumentRjcnReason"]}
    ours = {customer_reference(line.key): line for line in wanted.lines}
    lines = [_read_line(write, wanted, ours[key], standing[key], codes, currency) for key in ours if key in standing]
    lines += [_foreign_line(item, wanted, codes, currency) for key, item in standing.items() if key not in ours]
    in_project = project is None or all(
        str(standing[key]["WBSElement"]).startswith(project.number or "") for key in ours if key in standing
    )
    in_entity = held["SalesOrganization"] == codes.entity("sales_organization")
    return wanted.model_copy(
        update={
            "customer_key": wanted.customer_key
            if held["SoldToParty"] == customer.id
            else f"s4hana-{held['SoldToParty']}",
            "project_key": wanted.project_key if in_project else "",
            "legal_entity": wanted.legal_entity if in_entity else held["SalesOrganization"],
            "po_number": said(wanted.po_number, _read_po(wanted.po_number, held[options.po_number_field])),
            "currency": currency,
            "value": Money(amount=number_of(held, "TotalNetAmount"), currency=currency),
            "payment_terms": codes.read_terms(wanted.payment_terms, held["CustomerPaymentTerms"]),
            "order_date": day_of(held, "SalesOrderDate"),
            "lines": tuple(lines),
            "schedule": read_schedule(
                wanted.schedule, lambda key: standing.get(customer_reference(key)), codes, currency
            )
            if wanted.schedule
            else None,
        }
    )


def _read_po(wanted: str | None, held: str) -> str | None:
    return kept(wanted or "", held, ORDER_KEY_LENGTH) or None


def _read_line(
    write: Write, contract: Contract, line: ContractLine, item: Body, codes: Codes, currency: str
) -> ContractLine:
    quantity = number_of(item, "RequestedQuantity")
    is_own = item["WBSElement"] == _element(write, contract, line)
    return line.model_copy(
        update={
            "service_line": line.service_line
            if item["Material"] == codes.material(line.service_line)
            else codes.service_line(item["Material"]),
            "description": kept(line.description, item["SalesOrderItemText"], _ITEM_TEXT),
            "quantity": line.quantity if quantity == _units(line)[0] else plain(quantity),
            "amount": Money(amount=number_of(item, "NetAmount"), currency=currency),
            "end": day_of(item, "ServicesRenderedDate") or line.end,
            "task_key": line.task_key if is_own else item["WBSElement"] or None,
        }
    )


def _foreign_line(item: Body, contract: Contract, codes: Codes, currency: str) -> ContractLine:
    """An item that somebody else put on the order."""
    return ContractLine.model_validate(
        {
            "key": f"s4hana-item-{item['SalesOrderItem']}",
            "service_line": codes.service_line(item["Material"]),
            "description": item["SalesOrderItemText"],
            "quantity": number_of(item, "RequestedQuantity"),
            "amount": Money(amount=number_of(item, "NetAmount"), currency=currency),
            "billing_type": "fixed",
            "start": contract.start,
            "end": contract.end,
        }
    )
