"""Making one record out of another: `POST /{type}/{id}/!transform/{target}` (section_157901123882)."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from dealbridge_local.simulators.netsuite import rules
from dealbridge_local.simulators.netsuite.account import Account
from dealbridge_local.simulators.netsuite.errors import invalid_content, invalid_value, missing, user_error
from dealbridge_local.simulators.netsuite.record_types import TYPES
from dealbridge_local.simulators.netsuite.writes import Handling, merged
from dealbridge_local.simulators.store import Record

_CARRIED = ("entity", "job", "subsidiary", "currency", "exchangeRate", "terms", "otherRefNum", "memo", "email")
_CARRIED_LINE = ("item", "description", "rate", "price", "units", "costEstimate", "class", "department", "location")


def order_to_invoice(account: Account, order: Record, body: dict[str, Any], handling: Handling) -> Record:
    """Bill an approved order: all that is left of it, or of each line named by `orderLine` the quantity given.

    Lines of the body without an `orderLine` are billed in addition (section_159795520083).
    """
    if order["status"] == "A":
        raise user_error("This sales order has to be approved before it can be billed.")
    asked = _asked_quantities(order, body)
    lines: list[Record] = []
    billed: dict[int, Decimal] = {}
    taken = _billed_amounts(account, order)
    for line in order["item"]:
        left = line["quantity"] - line.get("quantityBilled", Decimal(0))
        quantity = asked.get(line["line"], left)
        if line.get("isClosed") or not quantity:
            continue
        if quantity > left:
            raise user_error(f"Only {left} of order line {line['line']} is left to bill.", "item")
        billed[line["line"]] = quantity
        carried = {name: line[name] for name in _CARRIED_LINE if name in line}
        amount = line["amount"] - taken.get(line["line"], Decimal(0)) if quantity == left else None
        lines.append(
            {
                **carried,
                **({"amount": amount} if amount is not None else {}),
                "quantity": quantity,
                "line": len(lines) + 1,
                "orderDoc": order["id"],
                "orderLine": line["line"],
            }
        )
    invoice: Record = {name: order[name] for name in _CARRIED if name in order}
    extra = [item for item in _items(body) if item.get("orderLine") is None]
    rest = {name: value for name, value in body.items() if name.lower() != "item"}
    if extra:
        rest["item"] = {"items": extra}
    invoice = merged(account, TYPES["invoice"], rest, {**invoice, "createdFrom": order["id"], "item": lines}, handling)
    if not invoice["item"]:
        raise user_error("There is nothing left to bill on this sales order.")
    saved = rules.save(account, TYPES["invoice"], invoice, None)
    bill_order_lines(account, order["id"], billed)
    return saved


def job_to_order(account: Account, job: Record, body: dict[str, Any], handling: Handling) -> Record:
    return _from_job(account, job, body, handling, "salesOrder")


def job_to_invoice(account: Account, job: Record, body: dict[str, Any], handling: Handling) -> Record:
    return _from_job(account, job, body, handling, "invoice")


def _from_job(account: Account, job: Record, body: dict[str, Any], handling: Handling, target: str) -> Record:
    if not job.get("parent"):
        raise missing("Customer")
    start = {"entity": job["parent"], "job": job["id"], "subsidiary": job["subsidiary"], "currency": job["currency"]}
    record = merged(account, TYPES[target], body, start, handling)
    return rules.save(account, TYPES[target], record, None)


TRANSFORMS: dict[tuple[str, str], Callable[[Account, Record, dict[str, Any], Handling], Record]] = {
    ("salesOrder", "invoice"): order_to_invoice,
    ("job", "salesOrder"): job_to_order,
    ("job", "invoice"): job_to_invoice,
}


def bill_order_lines(account: Account, order_id: str, quantities: dict[int, Decimal]) -> None:
    """Move an order's billed quantities, up for an invoice made and down for one deleted."""
    order = account.get("salesOrder", order_id)
    if order is None:
        return
    lines = [
        {**line, "quantityBilled": line.get("quantityBilled", Decimal(0)) + quantities[line["line"]]}
        if line["line"] in quantities
        else line
        for line in order["item"]
    ]
    rules.save(account, TYPES["salesOrder"], {**order, "item": lines}, order)


def _billed_amounts(account: Account, order: Record) -> dict[int, Decimal]:
    """What earlier invoices took of each order line, so that the last one bills the exact rest."""
    taken: dict[int, Decimal] = {}
    for kind, key in account.transactions_of(order["entity"]):
        invoice = account.get("invoice", key) if kind == "invoice" else None
        if invoice is not None and invoice.get("createdFrom") == order["id"]:
            for line in invoice["item"]:
                if line.get("orderLine") is not None:
                    taken[line["orderLine"]] = taken.get(line["orderLine"], Decimal(0)) + line["amount"]
    return taken


def _items(body: dict[str, Any]) -> list[dict[str, Any]]:
    sublist = next((value for name, value in body.items() if name.lower() == "item"), None)
    items = sublist.get("items") if isinstance(sublist, dict) else sublist
    if items is None:
        return []
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise invalid_content("A sublist is an object with an array of items.", "item")
    return items


def _asked_quantities(order: Record, body: dict[str, Any]) -> dict[int, Decimal]:
    numbers = {line["line"] for line in order["item"]}
    asked = {}
    for index, item in enumerate(_items(body)):
        if item.get("orderLine") is None:
            continue
        where = f"item.items[{index}]"
        if item["orderLine"] not in numbers:
            raise invalid_value(item["orderLine"], "orderLine", f"{where}.orderLine")
        quantity = item.get("quantity")
        if isinstance(quantity, bool) or not isinstance(quantity, int | Decimal) or quantity < 0:
            raise invalid_value(quantity, "quantity", f"{where}.quantity")
        asked[item["orderLine"]] = Decimal(quantity)
    return asked
