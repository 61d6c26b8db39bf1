"""Contract and billing schedule to a sales order and a milestone schedule, and back: pure functions.

An order line carries no key of ours, so lines are paired by what they say; a milestone carries it in its comments.
"""

import re
from collections.abc import Sequence
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from typing import Any

from dealbridge.connectors.netsuite.records import (
    Body,
    Codes,
    Fields,
    day_of,
    id_of,
    key_behind,
    label_of,
    lines_of,
    number_of,
    reference,
    terms_of,
)
from dealbridge.connectors.netsuite.settings import Options
from dealbridge.domain.engagement import BillingItem, BillingSchedule, Contract, ContractLine
from dealbridge.domain.model import plain
from dealbridge.domain.money import Money, minor_unit
from dealbridge.errors import ConfigurationError
from dealbridge.ports import Write
from dealbridge.transport.mapping import filled, said


def contract_fields(write: Write, contract: Contract, codes: Codes) -> Fields:
    """The header. `currency` and `legal_entity` are what the order is made with and cannot change."""
    return {
        "customer_key": {"entity": reference(write.ref_of(contract.customer_key).id)},
        "project_key": {"job": reference(write.ref_of(contract.project_key).id)},
        "name": {"memo": contract.name},
        "po_number": {"otherRefNum": contract.po_number},
        "payment_terms": {"terms": reference(codes.terms)},
        "order_date": {"tranDate": contract.order_date.isoformat()},
        "start": {"startDate": contract.start.isoformat()},
        "end": {"endDate": contract.end.isoformat()},
    }


def new_contract(codes: Codes) -> Body:
    fields = {
        "subsidiary": reference(codes.subsidiary),
        "currency": reference(codes.currency),
        "customForm": reference(codes.form("salesOrder")),
    }
    return filled(fields)


def order_line(line: ContractLine, codes: Codes, options: Options, number: int | None = None) -> Body:
    """One line of an order; with its number, the line that it is already. The amount stands, whatever the rate."""
    quantity = line.quantity or Decimal(1)
    rate = line.amount.amount / quantity
    # A JSON number carries 15 digits; the rate is for people, the amount is what counts.
    places = min(8, 14 - max(rate.adjusted(), 0))
    fields = {
        "line": number,
        "item": reference(codes.item(line.service_line)),
        "price": reference(codes.default("price_level")),
        "description": line.description,
        "quantity": quantity,
        "rate": plain(rate.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)),
        "amount": line.amount.amount,
        "revRecStartDate": line.start.isoformat() if options.revenue_dates else None,
        "revRecEndDate": line.end.isoformat() if options.revenue_dates else None,
    }
    return filled(fields)


def paired(
    lines: Sequence[ContractLine], held: Sequence[Body], codes: Codes, numbers: dict[str, str]
) -> dict[str, Body]:
    """Which order line is which of ours: our line's key → the order's line.

    An order line has no field for our key. So: the number that the ledger knows where the content agrees, then equal
    content (such lines are interchangeable), then the number alone, then item and description, then the item.
    """
    left = {int(body["line"]): body for body in held}
    own = {line.key: _own_line(line, codes) for line in lines}
    pairs: dict[str, Body] = {}

    def by_number(*, equal: bool) -> None:
        for key, content in own.items():
            number = int(numbers.get(key, 0))
            if key not in pairs and number in left and (not equal or _held_line(left[number]) == content):
                pairs[key] = left.pop(number)

    def by_content(depth: int) -> None:
        alike: dict[tuple[Any, ...], list[int]] = {}
        for number, body in left.items():
            alike.setdefault(_held_line(body)[:depth], []).append(number)
        for key, content in own.items():
            if key not in pairs and (candidates := alike.get(content[:depth])):
                pairs[key] = left.pop(candidates.pop(0))

    by_number(equal=True)
    by_content(4)
    by_number(equal=False)
    by_content(2)
    by_content(1)
    return pairs


def _own_line(line: ContractLine, codes: Codes) -> tuple[Any, ...]:
    return codes.item(line.service_line), line.description, plain(line.quantity), line.amount.amount


def _held_line(body: Body) -> tuple[Any, ...]:
    quantity, amount = number_of(body, "quantity"), number_of(body, "amount")
    return id_of(body, "item"), body.get("description", ""), plain(quantity), amount


def read_contract(write: Write, wanted: Contract, body: Body, codes: Codes) -> Contract:
    currency = wanted.currency if id_of(body, "currency") == codes.currency else label_of(body, "currency")
    in_entity = id_of(body, "subsidiary") == codes.subsidiary
    held = lines_of(body, "item")
    pairs = paired(wanted.lines, held, codes, {})
    known = {int(each["line"]) for each in pairs.values()}
    lines = [_read_line(line, pairs[line.key], codes, currency) for line in wanted.lines if line.key in pairs]
    lines += [_foreign_line(each, wanted, codes, currency) for each in held if int(each["line"]) not in known]
    return wanted.model_copy(
        update={
            "customer_key": key_behind(write, id_of(body, "entity"), wanted.customer_key) or "",
            "project_key": key_behind(write, id_of(body, "job"), wanted.project_key) or "",
            "legal_entity": wanted.legal_entity if in_entity else label_of(body, "subsidiary"),
            "name": body.get("memo", ""),
            "po_number": said(wanted.po_number, body.get("otherRefNum")),
            "currency": currency,
            "value": Money(amount=number_of(body, "total"), currency=currency),
            "payment_terms": terms_of(wanted.payment_terms, body, codes),
            "order_date": day_of(body, "tranDate"),
            "start": day_of(body, "startDate"),
            "end": day_of(body, "endDate"),
            "lines": tuple(lines),
        }
    )


def _read_line(line: ContractLine, body: Body, codes: Codes, currency: str) -> ContractLine:
    item, description, quantity, amount = _held_line(body)
    update: dict[str, Any] = {
        "service_line": line.service_line if item == codes.item(line.service_line) else _service_line(item, codes),
        "description": description,
        "quantity": quantity,
        "amount": Money(amount=amount, currency=currency),
    }
    if body.get("revRecStartDate"):
        update["start"] = day_of(body, "revRecStartDate")
    if body.get("revRecEndDate"):
        update["end"] = day_of(body, "revRecEndDate")
    return line.model_copy(update=update)


def _foreign_line(body: Body, contract: Contract, codes: Codes, currency: str) -> ContractLine:
    """A line that somebody else put on the order."""
    item, description, quantity, amount = _held_line(body)
    return ContractLine.model_validate(
        {
            "key": f"netsuite-line-{body['line']}",
            "service_line": _service_line(item, codes),
            "description": description,
            "quantity": quantity,
            "amount": Money(amount=amount, currency=currency),
            "billing_type": "fixed",
            "start": contract.start,
            "end": contract.end,
        }
    )


def _service_line(item: str | None, codes: Codes) -> str:
    return codes.service_line_behind("item", item) or f"item {item}"


# Billing schedule

_ITEM_NOTE = re.compile(
    r"(?P<text>.*): (?P<amount>-?[\d.]+) (?P<currency>[A-Z]{3}) \[(?P<kind>\w+) (?P<key>.+)\]", re.S
)


def schedule_name(schedule: BillingSchedule) -> str:
    return f"{schedule.name} [{schedule.key}]"


def schedule_fields(write: Write, schedule: BillingSchedule, codes: Codes) -> Fields:
    return {
        "name": {"name": schedule_name(schedule)},
        "project_key": {"job": reference(write.ref_of(schedule.project_key).id)},
        "items": {"scheduleType": reference(codes.needed_default("schedule_type"))},
    }


def milestones(
    write: Write, schedule: BillingSchedule, options: Options, connection: str, held: Sequence[Body] = ()
) -> Body:
    """One milestone per billing item, its amount as a percentage of the whole (section_3932613729).

    The exact amount, and our key of the item, stand in the comments. A milestone that is there is changed by its id.
    """
    ids = {note["key"]: line["milestoneId"] for line in held if (note := _note_of(line)) is not None}
    shares = percentages([item.amount for item in schedule.items], options.milestone_decimals, connection)
    lines = []
    for item, share in zip(schedule.items, shares, strict=True):
        line: Body = {
            "comments": f"{item.description}: {item.amount} [{item.kind} {item.key}]",
            "milestoneAmount": share,
            "milestoneDate": item.due.isoformat(),
            "projectTask": reference(write.ref_of(item.task_key).id if item.task_key else None),
        }
        if item.key in ids:
            line["milestoneId"] = ids[item.key]
        lines.append(line)
    return {"items": lines}


def percentages(amounts: Sequence[Money], most_decimals: int, connection: str) -> list[Decimal]:
    """Each amount as a percentage of their sum, with as few decimals as give every amount back to the minor unit.

    They add up to 100 exactly. Raises ConfigurationError where the decimals allowed are too few.
    """
    total = sum((amount.amount for amount in amounts), Decimal(0))
    if not total:
        return [Decimal(0) for _ in amounts]
    unit = minor_unit(amounts[0].currency)
    for decimals in range(2, most_decimals + 1):
        shares = _shares([amount.amount for amount in amounts], total, Decimal(1).scaleb(-decimals))
        back = ((share * total / 100).quantize(unit, ROUND_HALF_UP) for share in shares)
        if all(given == amount.amount for given, amount in zip(back, amounts, strict=True)):
            return shares
    raise ConfigurationError(
        f"mappings/connections.yaml: {connection}.options.milestone_decimals: {most_decimals} decimals cannot carry "
        f"{len(amounts)} amounts of {total} {amounts[0].currency} as percentages; allow more",
        connection=connection,
    )


def _shares(amounts: Sequence[Decimal], total: Decimal, step: Decimal) -> list[Decimal]:
    """Percentages in whole steps that sum to 100: rounded down, the missing steps to the largest remainders."""
    exact = [100 * amount / total for amount in amounts]
    shares = [value.quantize(step, ROUND_DOWN) for value in exact]
    missing = int((100 - sum(shares, Decimal(0))) / step)
    order = sorted(range(len(shares)), key=lambda place: (shares[place] - exact[place], place))
    for place in order[:missing]:
        shares[place] += step
    return shares


def read_schedule(write: Write, wanted: BillingSchedule, body: Body) -> BillingSchedule:
    """Items as the milestones say: amounts from the percentages, keys and kinds from the comments."""
    items = {item.key: item for item in wanted.items}
    total = wanted.total
    read = []
    for line in lines_of(body, "milestone"):
        note = _note_of(line)
        share = number_of(line, "milestoneAmount")
        amount = Money(amount=share * total.amount / 100, currency=wanted.currency).rounded()
        read.append(_read_item(write, line, note, amount, items, wanted))
    place = {item.key: index for index, item in enumerate(wanted.items)}
    read.sort(key=lambda item: place.get(item.key, len(place)))
    name = str(body.get("name", "")).removesuffix(f" [{wanted.key}]")
    project = key_behind(write, id_of(body, "job"), wanted.project_key) or ""
    return wanted.model_copy(update={"name": name, "project_key": project, "items": tuple(read)})


def _read_item(
    write: Write,
    line: Body,
    note: re.Match[str] | None,
    amount: Money,
    items: dict[str, BillingItem],
    schedule: BillingSchedule,
) -> BillingItem:
    key = note["key"] if note else f"netsuite-milestone-{line.get('milestoneId')}"
    wanted = items.get(key)
    task = id_of(line, "projectTask")
    if note is not None and wanted is not None and amount == wanted.amount:
        # The same percentages of another total: the note still tells people the amount of before.
        amount = Money(amount=Decimal(note["amount"]), currency=note["currency"])
    return BillingItem.model_validate(
        {
            "key": key,
            "kind": note["kind"] if note else "milestone",
            "line_key": wanted.line_key if wanted else "",
            "task_key": key_behind(write, task, wanted.task_key if wanted else None),
            "description": note["text"] if note else line.get("comments", ""),
            "due": line.get("milestoneDate") or schedule.items[0].due,
            "amount": amount,
        }
    )


def _note_of(line: Body) -> re.Match[str] | None:
    return _ITEM_NOTE.fullmatch(line.get("comments", ""))
