"""Money: what orders, invoices, payments and expense reports work out, and how they move one another."""

from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from dealbridge_local.simulators.netsuite.account import Account
from dealbridge_local.simulators.netsuite.errors import invalid_value, missing, user_error
from dealbridge_local.simulators.store import Record

_CUSTOM_PRICE = "-1"
_NOTHING = Decimal(0)


def percent(part: Decimal, whole: Decimal) -> Decimal:
    return (100 * part / whole).quantize(Decimal("0.01"), ROUND_HALF_UP) if whole else _NOTHING


def customer_of(account: Account, entity: str) -> Record | None:
    """The customer behind an entity id, which may be one of its projects."""
    seen: set[str] = set()
    while entity not in seen:
        seen.add(entity)
        customer = account.get("customer", entity)
        if customer is not None:
            return customer
        project = account.get("job", entity)
        if project is None or not project.get("parent"):
            return None
        entity = project["parent"]
    return None


def subsidiaries_of(account: Account, customer: str) -> set[str]:
    """The primary subsidiary and every one that a customerSubsidiaryRelationship adds."""
    record = account.get("customer", customer) or {}
    related = account.all("customerSubsidiaryRelationship")
    return {record["subsidiary"], *(each["subsidiary"] for each in related if each["entity"] == customer)}


def check_subsidiary(account: Account, customer: Record, subsidiary: str) -> None:
    if subsidiary != customer["subsidiary"] and subsidiary not in subsidiaries_of(account, customer["id"]):
        raise invalid_value(subsidiary, "subsidiary", "subsidiary")


def check_currency(customer: Record, currency: str) -> None:
    if not any(line["currency"] == currency for line in customer["currencyList"]):
        raise invalid_value(currency, "currency", "currency")


def complete_order(account: Account, record: Record, before: Record | None) -> None:
    _head(account, record, before, "SO")
    record.setdefault("orderStatus", account.preferences.default_order_status)
    _lines(account, record, before)
    _keep_billed_lines(record, before)
    _totals(record)
    record["status"] = _order_status(record)


def _head(account: Account, record: Record, before: Record | None, prefix: str) -> Record:
    """Who, in which subsidiary and currency, when, under which number; returns the customer."""
    if "entity" not in record:
        raise missing("Customer")
    if not record.get("item") and not record.get("time"):
        raise user_error("You must enter at least one line item for this transaction.", "item")
    customer = customer_of(account, record["entity"])
    if customer is None:
        raise invalid_value(record["entity"], "entity", "entity")
    project = account.get("job", record["job"]) if record.get("job") else None
    if project is not None and customer_of(account, project["id"]) != customer:
        raise invalid_value(record["job"], "job", "job")
    if before is not None:
        for name in ("entity", "subsidiary", "currency"):
            if record.get(name) != before[name] and (name == "entity" or name in record):
                raise user_error(f"The {name} of a saved transaction cannot be changed.", name)
    record.setdefault("subsidiary", (project or customer)["subsidiary"])
    record.setdefault("currency", (project or customer)["currency"])
    check_subsidiary(account, customer, record["subsidiary"])
    check_currency(customer, record["currency"])
    record.setdefault("tranDate", account.today())
    if "terms" not in record and before is None and "terms" in customer:
        record["terms"] = customer["terms"]
    record.setdefault("exchangeRate", exchange_rate(account, record["currency"], record["subsidiary"]))
    if "tranId" not in record:
        record["tranId"] = account.next_number(prefix)
    return customer


def exchange_rate(account: Account, currency: str, subsidiary: str) -> Decimal:
    """Units of the subsidiary's base currency for one of the transaction's."""
    base = (account.get("subsidiary", subsidiary) or {})["currency"]
    if base == currency:
        return Decimal(1)
    rates = [(account.get("currency", each) or {})["exchangeRate"] for each in (currency, base)]
    return Decimal(rates[0] / rates[1]).quantize(Decimal("0.00000001"), ROUND_HALF_UP).normalize()


def _lines(account: Account, record: Record, before: Record | None) -> None:
    """Each line's rate, quantity and amount: an amount sent stands, otherwise it is rate times quantity, rounded."""
    earlier = {line["line"]: line for line in (before or {}).get("item", [])}
    lines = []
    for index, held in enumerate(record.get("item", [])):
        line = dict(held)
        if "item" not in line:
            raise missing("Item")
        item = account.get("serviceSaleItem", line["item"]) or {}
        line.setdefault("description", item.get("salesDescription", item.get("displayName", "")))
        line.setdefault("price", _CUSTOM_PRICE)
        line.setdefault("lineUniqueKey", f"{record['id']}{line['line']:04d}")
        line.setdefault("quantity", Decimal(1))
        if line["quantity"] < line.get("quantityBilled", _NOTHING):
            raise user_error("The quantity cannot be less than the quantity already billed.", f"item.items[{index}]")
        was = earlier.get(line["line"], {})
        if any(line.get(name) != was.get(name) for name in ("amount", "rate", "quantity")):
            _price(account, record["currency"], line, was, item)
        lines.append(line)
    record["item"] = lines


def _price(account: Account, currency: str, line: Record, was: Record, item: Record) -> None:
    if "amount" in line and line["amount"] != was.get("amount"):
        line["amount"] = account.money(line["amount"], currency)
        if line.get("rate") == was.get("rate"):
            line["rate"] = (line["amount"] / line["quantity"]).normalize() if line["quantity"] else _NOTHING
    else:
        line.setdefault("rate", item.get("rate", _NOTHING))
        line["amount"] = account.money(line["rate"] * line["quantity"], currency)
    line["grossAmt"] = line["amount"]


def _totals(record: Record) -> None:
    total = sum((line["amount"] for line in (*record.get("item", []), *record.get("time", []))), _NOTHING)
    cost = sum((line.get("costEstimate", _NOTHING) for line in record.get("item", [])), _NOTHING)
    record |= {
        "subtotal": total,
        "taxTotal": _NOTHING,
        "total": total,
        "totalCostEstimate": cost,
        "estGrossProfit": total - cost,
        "estGrossProfitPercent": percent(total - cost, total),
    }


def _keep_billed_lines(record: Record, before: Record | None) -> None:
    """An order line that stands on an invoice cannot be taken off the order."""
    if before is None:
        return
    kept = {line["line"] for line in record["item"]}
    for line in before["item"]:
        if line.get("quantityBilled") and line["line"] not in kept:
            raise user_error(f"Line {line['line']} has been billed and cannot be removed.", "item")


def _order_status(order: Record) -> str:
    if order["orderStatus"] == "A":
        return "A"
    lines = order["item"]
    if all(line.get("isClosed") for line in lines):
        return "H"
    done = [bool(line.get("isClosed")) or line.get("quantityBilled", _NOTHING) >= line["quantity"] for line in lines]
    if all(done):
        return "G"
    return "F" if any(line.get("quantityBilled") for line in lines) else "B"


def complete_invoice(account: Account, record: Record, before: Record | None) -> None:
    _head(account, record, before, "INV")
    post(account, record, before)
    _lines(account, record, before)
    _time_lines(account, record)
    _totals(record)
    record.setdefault("approvalStatus", "2")
    if "dueDate" not in record:
        terms = account.get("term", record["terms"]) if record.get("terms") else None
        days = timedelta(days=terms["daysUntilNetDue"] if terms else 0)
        record["dueDate"] = (date.fromisoformat(record["tranDate"]) + days).isoformat()
    record.setdefault("amountPaid", _NOTHING)
    if record["total"] < record["amountPaid"]:
        raise user_error("The total cannot be less than the amount already paid.", "item")
    _open_balance(record)


def _time_lines(account: Account, record: Record) -> None:
    lines = []
    for index, held in enumerate(record.get("time", [])):
        entry = account.get("timeBill", held.get("doc", "")) or {}
        if not entry or not entry.get("isBillable"):
            raise invalid_value(held.get("doc"), "doc", f"time.items[{index}].doc")
        hours, minutes = entry["hours"].split(":")
        quantity = Decimal(hours) + Decimal(minutes) / 60
        rate = held.get("rate", entry.get("rate", _NOTHING))
        amount = account.money(rate * quantity, record["currency"])
        lines.append({**held, "rate": rate, "quantity": quantity, "amount": amount, "item": entry["item"]})
    if lines:
        record["time"] = lines


def _open_balance(invoice: Record) -> None:
    invoice["amountRemaining"] = invoice["total"] - invoice["amountPaid"]
    invoice["status"] = "A" if invoice["amountRemaining"] else "B"


def post(account: Account, record: Record, before: Record | None) -> None:
    """Give a transaction its accounting period; a closed one takes no new or moved postings."""
    if "postingPeriod" not in record or (before is not None and before["tranDate"] != record["tranDate"]):
        record["postingPeriod"] = account.period(record["tranDate"])
    period = account.get("accountingPeriod", record["postingPeriod"]) or {}
    if period["closed"] and (before is None or before.get("postingPeriod") != record["postingPeriod"]):
        raise user_error(f"The accounting period {period['periodName']} is closed.", "tranDate")


def complete_payment(account: Account, record: Record, before: Record | None) -> None:
    """A payment and what it is applied to. A line unapplied, or of amount 0, is dropped (article_0224093711)."""
    if "customer" not in record:
        raise missing("Customer")
    customer = customer_of(account, record["customer"])
    if customer is None:
        raise invalid_value(record["customer"], "customer", "customer")
    record.setdefault("subsidiary", customer["subsidiary"])
    record.setdefault("currency", customer["currency"])
    record.setdefault("tranDate", account.today())
    record.setdefault("exchangeRate", exchange_rate(account, record["currency"], record["subsidiary"]))
    record.setdefault("status", "C" if "account" in record else "B")
    if "tranId" not in record:
        record["tranId"] = account.next_number("PYMT")
    post(account, record, before)
    already = {line["doc"]: line["amount"] for line in (before or {}).get("apply", [])}
    lines = []
    for index, line in enumerate(record.get("apply", [])):
        applied = _applied(account, customer, record, line, already.get(line.get("doc"), _NOTHING), index)
        if applied["amount"]:
            lines.append(applied)
    record["apply"] = lines
    record["applied"] = sum((line["amount"] for line in lines), _NOTHING)
    record.setdefault("payment", record["applied"])
    record["payment"] = account.money(record["payment"], record["currency"])
    record["total"] = record["payment"]
    record["unapplied"] = record["payment"] - record["applied"]
    if record["unapplied"] < 0:
        raise user_error("The amounts applied exceed the payment.", "apply")


def _applied(
    account: Account, customer: Record, payment: Record, line: Record, already: Decimal, index: int
) -> dict[str, Any]:
    where = f"apply.items[{index}]"
    invoice = account.get("invoice", line.get("doc", ""))
    if invoice is None or customer_of(account, invoice["entity"]) != customer:
        raise invalid_value(line.get("doc"), "doc", f"{where}.doc")
    if invoice["currency"] != payment["currency"]:
        raise user_error("A payment applies to invoices of its own currency only.", f"{where}.doc")
    due = invoice["amountRemaining"] + already
    amount = line.get("amount", due) if line.get("apply", True) else _NOTHING
    amount = account.money(amount, payment["currency"])
    if amount > due:
        raise user_error(f"The amount applied exceeds the amount due of {due}.", f"{where}.amount")
    shown = {"due": due, "total": invoice["total"], "refNum": invoice["tranId"], "type": "Invoice"}
    return {**line, **shown, "apply": True, "amount": amount}


def settle(account: Account, before: Record | None, after: Record | None) -> None:
    """Carry a payment's applications over to the invoices; `after` is None for one that is deleted."""
    changes: dict[str, Decimal] = {}
    for payment, sign in ((before, -1), (after, 1)):
        for line in (payment or {}).get("apply", []):
            changes[line["doc"]] = changes.get(line["doc"], _NOTHING) + sign * line["amount"]
    for key, change in changes.items():
        held = account.get("invoice", key)
        if held is not None and change:
            invoice = {**held, "amountPaid": held["amountPaid"] + change}
            _open_balance(invoice)
            if account.preferences.payment_touches_invoice:
                invoice["lastModifiedDate"] = account.now()
            account.save("invoice", invoice)


def complete_expense_report(account: Account, record: Record, before: Record | None) -> None:
    if "entity" not in record:
        raise missing("Employee")
    if not record.get("expense"):
        raise user_error("You must enter at least one line item for this transaction.", "expense")
    employee = account.get("employee", record["entity"]) or {}
    record.setdefault("subsidiary", employee["subsidiary"])
    base = (account.get("subsidiary", record["subsidiary"]) or {})["currency"]
    currency = str(record.setdefault("expensereportcurrency", base))
    record.setdefault("tranDate", account.today())
    if "tranId" not in record:
        record["tranId"] = account.next_number("EXP")
    post(account, record, before)
    lines = []
    for line in record["expense"]:
        if line.get("amount") is None and line.get("foreignamount") is None:
            raise missing("Amount")
        amount = line.get("amount", line.get("foreignamount", _NOTHING) * line.get("exchangerate", Decimal(1)))
        lines.append({"expensedate": record["tranDate"], **line, "amount": account.money(amount, currency)})
    record["expense"] = lines
    record["total"] = record["amount"] = sum((line["amount"] for line in lines), _NOTHING)
    for name in ("complete", "supervisorapproval", "accountingapproval"):
        record.setdefault(name, False)
    approved = record["supervisorapproval"] and record["accountingapproval"]
    record["approvalStatus"] = "2" if approved else "1"
    if approved:
        record["status"] = "F"
    elif record["supervisorapproval"]:
        record["status"] = "C"
    else:
        record["status"] = "B" if record["complete"] else "A"
