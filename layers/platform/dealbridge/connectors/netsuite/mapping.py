"""Our objects to NetSuite's fields and back: pure functions.

`*_fields` gives, per field of our record, the vendor's fields it fills; so a change of one field writes no other.
`read_*` gives our record as NetSuite holds it. What NetSuite has no field for stays as in the record asked for, and a
field on which our record is silent is left to the ERP.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from datetime import date
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from typing import Any

from dealbridge.connectors.netsuite.records import Body, Codes, id_of, lines_of, needed, number_of, reference
from dealbridge.connectors.netsuite.settings import Options
from dealbridge.domain.engagement import BillingItem, BillingSchedule, Contract, ContractLine, Project, Task
from dealbridge.domain.model import plain
from dealbridge.domain.money import Money, minor_unit
from dealbridge.domain.parties import Address, Contact, Customer, TaxRegistration
from dealbridge.domain.plan import FieldChange
from dealbridge.errors import ConfigurationError
from dealbridge.ports import Write

type Fields = dict[str, Body]
"""Our field → the vendor's fields and values; None for an empty one."""

_OF_CODES = {
    "currency": "currency",
    "payment_terms": "payment_terms",
    "manager": "manager_email",
    "service_lines": "lines",
    "entity": "legal_entity",
}
"""Which of our fields a code stands behind."""


def touched(changes: Iterable[FieldChange]) -> set[str]:
    """The fields of our record that a list of changes touches."""
    names = set()
    for change in changes:
        first, *rest = re.split(r"[.\[]", change.path)
        names.add(_OF_CODES.get(rest[0], "") if first == "codes" and rest else first)
    return names - {""}


def body_of(fields: Fields, only: Collection[str] | None = None) -> Body:
    """The fields as a request body: all that have a value, or those named, where an empty one clears."""
    if only is None:
        return {name: value for part in fields.values() for name, value in part.items() if value is not None}
    return {name: value for ours, part in fields.items() if ours in only for name, value in part.items()}


# Customer


def customer_fields(write: Write, customer: Customer, codes: Codes) -> Fields:
    parent = needed(write, customer.parent_key).id if customer.parent_key else None
    return {
        "name": {"companyName": customer.name},
        "parent_key": {"parent": reference(parent)},
        "email": {"email": customer.email},
        "phone": {"phone": customer.phone},
        "website": {"url": customer.website},
        "currency": {"currency": reference(codes.currency)},
        "payment_terms": {"terms": reference(codes.terms)},
    }


def new_customer(codes: Codes) -> Body:
    """What a customer is made with, and people may change after."""
    status, form = reference(codes.default("customer_status")), reference(codes.form("customer"))
    fields = {"isPerson": False, "subsidiary": reference(codes.subsidiary), "entityStatus": status, "customForm": form}
    return {name: value for name, value in fields.items() if value is not None}


def address_book(customer: Customer, held: Sequence[Body] = ()) -> Body | None:
    """The billing address as the default line of the address book; the line that is the default now is changed."""
    address = customer.billing_address
    if address is None:
        return None
    streets = [*(address.street or "").split("\n", 2), "", ""][:3]
    shown = {
        "addressee": customer.legal_name or customer.name,
        **{f"addr{place}": street or None for place, street in enumerate(streets, 1)},
        "city": address.city,
        "state": address.state,
        "zip": address.postal_code,
        "country": reference(address.country),
    }
    line: Body = {"label": "Billing", "defaultBilling": True}
    current = _billing_line(held)
    if current is not None:
        return {"items": [{"id": current["id"], "addressBookAddress": shown}]}
    filled = {name: value for name, value in shown.items() if value is not None}
    return {"items": [{**line, "addressBookAddress": filled}]}


def tax_registrations(customer: Customer, held: Sequence[Body] = ()) -> Body | None:
    """One line per country; a line of that country that is there already is changed."""
    by_country = {id_of(line, "nexusCountry"): line["id"] for line in held}
    lines = []
    for registration in customer.tax_registrations:
        line: Body = {
            "nexusCountry": reference(registration.country),
            "taxRegistrationNumber": registration.number,
        }
        if registration.country in by_country:
            line["id"] = by_country[registration.country]
        lines.append(line)
    return {"items": lines} if lines else None


def read_customer(write: Write, wanted: Customer, body: Body, codes: Codes) -> Customer:
    line = _billing_line(lines_of(body, "addressBook"))
    address = (line or {}).get("addressBookAddress", {})
    registered = {id_of(each, "nexusCountry"): each for each in lines_of(body, "taxRegistration")}
    return wanted.model_copy(
        update={
            "name": body.get("companyName", ""),
            "legal_name": address.get("addressee")
            if wanted.legal_name and wanted.billing_address
            else wanted.legal_name,
            "parent_key": _key_behind(write, id_of(body, "parent"), wanted.parent_key),
            "email": _said(wanted.email, body.get("email")),
            "phone": _said(wanted.phone, body.get("phone")),
            "website": _said(wanted.website, body.get("url")),
            "billing_address": _said(wanted.billing_address, _read_address(address)),
            "tax_registrations": tuple(
                TaxRegistration(country=each.country, number=registered[each.country]["taxRegistrationNumber"])
                for each in wanted.tax_registrations
                if each.country in registered
            ),
            "currency": wanted.currency if id_of(body, "currency") == codes.currency else _label(body, "currency"),
            "payment_terms": _read_terms(wanted.payment_terms, body, codes),
        }
    )


def _billing_line(lines: Sequence[Body]) -> Body | None:
    return next((line for line in lines if line.get("defaultBilling")), None)


def _read_address(address: Body) -> Address | None:
    if not address:
        return None
    streets = [address[name] for name in ("addr1", "addr2", "addr3") if address.get(name)]
    return Address(
        street="\n".join(streets) or None,
        city=address.get("city"),
        state=address.get("state"),
        postal_code=address.get("zip"),
        country=id_of(address, "country"),
    )


# Contact


def contact_fields(write: Write, contact: Contact) -> Fields:
    company = needed(write, contact.customer_key)
    return {
        "customer_key": {"company": reference(company.id)},
        "first_name": {"firstName": contact.first_name},
        "last_name": {"lastName": contact.last_name},
        "email": {"email": contact.email},
        "phone": {"phone": contact.phone},
    }


def contact_name(contact: Contact, *, distinct: bool = False) -> str:
    """The name of the record, unique within a company: with our key where the plain name is taken."""
    name = " ".join(filter(None, (contact.first_name, contact.last_name)))
    return f"{name} ({contact.source_id})" if distinct else name


def read_contact(write: Write, wanted: Contact, body: Body) -> Contact:
    return wanted.model_copy(
        update={
            "customer_key": _key_behind(write, id_of(body, "company"), wanted.customer_key) or "",
            "first_name": _said(wanted.first_name, body.get("firstName")),
            "last_name": body.get("lastName", ""),
            "email": _said(wanted.email, body.get("email")),
            "phone": _said(wanted.phone, body.get("phone")),
        }
    )


# Project and tasks


def project_fields(write: Write, project: Project, codes: Codes) -> Fields:
    return {
        "customer_key": {"parent": reference(needed(write, project.customer_key).id)},
        "legal_entity": {"subsidiary": reference(codes.subsidiary)},
        "name": {"companyName": project.name},
        "manager_email": {"projectManager": reference(codes.manager)},
        "currency": {"currency": reference(codes.currency)},
        "start": {"startDate": project.start.isoformat()},
        "end": {"projectedEndDate": project.end.isoformat()},
        "budget": {"estimatedRevenue": project.budget.amount},
    }


def new_project(codes: Codes) -> Body:
    """What a project is made with, and people may change after."""
    fields = {
        "entityStatus": reference(codes.default("project_status")),
        "jobType": reference(codes.default("project_type")),
        "jobBillingType": reference(codes.default("project_billing_type")),
        "projectExpenseType": reference(codes.default("project_expense_type")),
        "customForm": reference(codes.form("job")),
        "allowTime": True,
        "allowExpenses": True,
    }
    return {name: value for name, value in fields.items() if value is not None}


def read_project(write: Write, wanted: Project, body: Body, codes: Codes) -> Project:
    currency = wanted.currency if id_of(body, "currency") == codes.currency else _label(body, "currency")
    in_entity = id_of(body, "subsidiary") == codes.subsidiary
    managed = codes.manager is None or id_of(body, "projectManager") == codes.manager
    return wanted.model_copy(
        update={
            "customer_key": _key_behind(write, id_of(body, "parent"), wanted.customer_key) or "",
            "legal_entity": wanted.legal_entity if in_entity else _label(body, "subsidiary"),
            "name": body.get("companyName", ""),
            "manager_email": wanted.manager_email if managed else _label(body, "projectManager"),
            "currency": currency,
            "start": _day(body.get("startDate")),
            "end": _day(body.get("projectedEndDate")),
            "budget": Money(amount=number_of(body.get("estimatedRevenue")) or Decimal(0), currency=currency),
        }
    )


_TASK_NOTE = re.compile(r"Task (\d+), service line (\S+), budget (-?[\d.]+) ([A-Z]{3})")


def task_fields(write: Write, task: Task, options: Options) -> Fields:
    """The number, service line and budget, which a task has no fields for in REST, stand in its comments."""
    start = task.start.isoformat()
    start_field = options.task_start_field
    note = f"Task {task.number}, service line {task.service_line}, budget {task.budget}"
    return {
        "project_key": {"project": reference(needed(write, task.project_key).id)},
        "name": {"title": task.name},
        "start": {start_field: start if start_field == "startDate" else f"{start}T00:00:00Z"},
        "end": {"finishByDate": task.end.isoformat()},
        "hours": {"estimatedWork": task.hours},
        "budget": {"message": note},
        "number": {"message": note},
        "service_line": {"message": note},
        "closed": {"nonBillableTask": task.closed, **({"status": reference("COMPLETE")} if task.closed else {})},
    }


CLOSED_TASK: Body = {"status": {"id": "COMPLETE"}, "nonBillableTask": True}
OPEN_TASK: Body = {"status": {"id": "PROGRESS"}, "nonBillableTask": False}


def is_closed(body: Body) -> bool:
    return id_of(body, "status") == "COMPLETE" and bool(body.get("nonBillableTask"))


def read_task(write: Write, wanted: Task, body: Body) -> Task:
    update: dict[str, Any] = {
        "project_key": _key_behind(write, id_of(body, "project"), wanted.project_key) or "",
        "name": body.get("title", ""),
        "start": _day(body.get("startDate") or body.get("startDateTime")),
        "end": _day(body.get("finishByDate")),
        "hours": None if wanted.hours is None else plain(number_of(body.get("estimatedWork")) or Decimal(0)),
        "closed": is_closed(body),
    }
    note = _TASK_NOTE.search(body.get("message", ""))
    if note:
        budget = Money(amount=Decimal(note[3]), currency=note[4])
        update |= {"number": int(note[1]), "service_line": note[2], "budget": budget}
    return wanted.model_copy(update=update)


# Contract


def contract_fields(write: Write, contract: Contract, codes: Codes) -> Fields:
    """The header. `currency` and `legal_entity` are what the order is made with and cannot change."""
    return {
        "customer_key": {"entity": reference(needed(write, contract.customer_key).id)},
        "project_key": {"job": reference(needed(write, contract.project_key).id)},
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
    return {name: value for name, value in fields.items() if value is not None}


def order_line(line: ContractLine, codes: Codes, options: Options, number: int | None = None) -> Body:
    """One line of an order; with its number, the line that it is already. The amount stands, whatever the rate."""
    quantity = line.quantity or Decimal(1)
    rate = (line.amount.amount / quantity).quantize(Decimal("0.00000001"), ROUND_HALF_UP)
    fields = {
        "line": number,
        "item": reference(codes.item(line.service_line)),
        "price": reference(codes.default("price_level")),
        "description": line.description,
        "quantity": quantity,
        "rate": plain(rate),
        "amount": line.amount.amount,
        "revRecStartDate": line.start.isoformat() if options.revenue_dates else None,
        "revRecEndDate": line.end.isoformat() if options.revenue_dates else None,
    }
    return {name: value for name, value in fields.items() if value is not None}


def paired(
    lines: Sequence[ContractLine], held: Sequence[Body], codes: Codes, numbers: dict[str, str]
) -> dict[str, Body]:
    """Which order line is which of ours: our line's key → the order's line.

    An order line has no field for our key. So: the same content first (equal lines are interchangeable), then the
    number the ledger knows, then the same item and description, then the same item.
    """
    left = {int(body["line"]): body for body in held}
    pairs: dict[str, Body] = {}

    def take(line: ContractLine, body: Body) -> None:
        pairs[line.key] = left.pop(int(body["line"]))

    def match(alike: Any) -> None:
        index: dict[Any, list[Body]] = {}
        for body in left.values():
            index.setdefault(alike(_held_line(body)), []).append(body)
        for line in lines:
            if line.key not in pairs and (candidates := index.get(alike(_own_line(line, codes)))):
                take(line, candidates.pop(0))

    match(lambda seen: seen)
    for line in lines:
        number = int(numbers.get(line.key, 0))
        if line.key not in pairs and number in left:
            take(line, left[number])
    match(lambda seen: seen[:2])
    match(lambda seen: seen[:1])
    return pairs


def _own_line(line: ContractLine, codes: Codes) -> tuple[Any, ...]:
    return codes.item(line.service_line), line.description, plain(line.quantity), line.amount.amount


def _held_line(body: Body) -> tuple[Any, ...]:
    quantity, amount = number_of(body.get("quantity")) or Decimal(0), number_of(body.get("amount")) or Decimal(0)
    return id_of(body, "item"), body.get("description", ""), plain(quantity), amount


def read_contract(write: Write, wanted: Contract, body: Body, codes: Codes) -> Contract:
    currency = wanted.currency if id_of(body, "currency") == codes.currency else _label(body, "currency")
    in_entity = id_of(body, "subsidiary") == codes.subsidiary
    held = lines_of(body, "item")
    pairs = paired(wanted.lines, held, codes, {})
    known = {int(each["line"]) for each in pairs.values()}
    lines = [_read_line(line, pairs[line.key], codes, currency) for line in wanted.lines if line.key in pairs]
    lines += [_foreign_line(each, wanted, codes, currency) for each in held if int(each["line"]) not in known]
    return wanted.model_copy(
        update={
            "customer_key": _key_behind(write, id_of(body, "entity"), wanted.customer_key) or "",
            "project_key": _key_behind(write, id_of(body, "job"), wanted.project_key) or "",
            "legal_entity": wanted.legal_entity if in_entity else _label(body, "subsidiary"),
            "name": body.get("memo", ""),
            "po_number": _said(wanted.po_number, body.get("otherRefNum")),
            "currency": currency,
            "value": Money(amount=number_of(body.get("total")) or Decimal(0), currency=currency),
            "payment_terms": _read_terms(wanted.payment_terms, body, codes),
            "order_date": _day(body.get("tranDate")),
            "start": _day(body.get("startDate")),
            "end": _day(body.get("endDate")),
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
        update["start"] = _day(body["revRecStartDate"])
    if body.get("revRecEndDate"):
        update["end"] = _day(body["revRecEndDate"])
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
    return next((code for code, known in codes.items.items() if known == item), f"item {item}")


# Billing schedule

_ITEM_NOTE = re.compile(
    r"(?P<text>.*): (?P<amount>-?[\d.]+) (?P<currency>[A-Z]{3}) \[(?P<kind>\w+) (?P<key>.+)\]", re.S
)


def schedule_name(schedule: BillingSchedule) -> str:
    return f"{schedule.name} [{schedule.key}]"


def schedule_fields(write: Write, schedule: BillingSchedule, codes: Codes) -> Fields:
    return {
        "name": {"name": schedule_name(schedule)},
        "project_key": {"job": reference(needed(write, schedule.project_key).id)},
        "codes": {"scheduleType": reference(codes.schedule_type)},
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
            "projectTask": reference(needed(write, item.task_key).id if item.task_key else None),
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
    """The amounts are those of the comments as long as the percentages still say the same."""
    items = {item.key: item for item in wanted.items}
    total = wanted.total
    read = []
    for line in lines_of(body, "milestone"):
        note = _note_of(line)
        share = number_of(line.get("milestoneAmount")) or Decimal(0)
        amount = Money(amount=share * total.amount / 100, currency=wanted.currency).rounded()
        read.append(_read_item(write, line, note, amount, items, wanted))
    place = {item.key: index for index, item in enumerate(wanted.items)}
    read.sort(key=lambda item: place.get(item.key, len(place)))
    name = str(body.get("name", "")).removesuffix(f" [{wanted.key}]")
    project = _key_behind(write, id_of(body, "job"), wanted.project_key) or ""
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
    return BillingItem.model_validate(
        {
            "key": key,
            "kind": note["kind"] if note else "milestone",
            "line_key": wanted.line_key if wanted else "",
            "task_key": _key_behind(write, task, wanted.task_key if wanted else None),
            "description": note["text"] if note else line.get("comments", ""),
            "due": line.get("milestoneDate") or schedule.items[0].due,
            "amount": amount,
        }
    )


def _note_of(line: Body) -> re.Match[str] | None:
    return _ITEM_NOTE.fullmatch(line.get("comments", ""))


# Reading


def _said[T](wanted: T | None, held: T | None) -> T | None:
    """What is held, where our record says anything at all."""
    return None if wanted is None else held


def _key_behind(write: Write, held: str | None, wanted: str | None) -> str | None:
    """Our key of the record that a reference points at: the one wanted, if it is that record; else the vendor's id."""
    if held is None or wanted is None:
        return None
    ref = write.refs.get(wanted)
    return wanted if ref is not None and ref.id == held else f"netsuite-{held}"


def _label(body: Body, name: str) -> str:
    value = body.get(name)
    return str(value.get("refName", value.get("id", ""))) if isinstance(value, dict) else ""


def _read_terms(wanted: str | None, body: Body, codes: Codes) -> str | None:
    if wanted is None:
        return None
    return wanted if id_of(body, "terms") == codes.terms else _label(body, "terms") or None


def _day(text: Any) -> date | None:
    return date.fromisoformat(str(text)[:10]) if text else None
