"""Customer, contact, project and task to NetSuite's fields and back: pure functions. For what is billed: billing.py.

`*_fields` gives, per field of our record, the vendor's fields it fills; so a change of one field writes no other.
`read_*` gives our record as NetSuite holds it. What NetSuite has no field for stays as in the record asked for, and a
field on which our record is silent is left to the ERP.
"""

import re
from collections.abc import Collection, Sequence
from decimal import Decimal
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
from dealbridge.domain.engagement import Project, Task
from dealbridge.domain.model import plain
from dealbridge.domain.money import Money
from dealbridge.domain.parties import Address, Contact, Customer, TaxRegistration
from dealbridge.ports import Write
from dealbridge.transport.mapping import filled, said


def body_of(fields: Fields, only: Collection[str] | None = None) -> Body:
    """The fields as a request body: all that have a value, or those named, where an empty one clears."""
    if only is None:
        return {name: value for part in fields.values() for name, value in part.items() if value is not None}
    return {name: value for ours, part in fields.items() if ours in only for name, value in part.items()}


# Customer


def customer_fields(write: Write, customer: Customer, codes: Codes) -> Fields:
    parent = write.ref_of(customer.parent_key).id if customer.parent_key else None
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
    return filled(fields)


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
    return {"items": [{**line, "addressBookAddress": filled(shown)}]}


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
    address = (line or {}).get("addressBookAddress") or {}
    registered = {id_of(each, "nexusCountry"): each for each in lines_of(body, "taxRegistration")}
    return wanted.model_copy(
        update={
            "name": body.get("companyName", ""),
            "legal_name": address.get("addressee")
            if wanted.legal_name and wanted.billing_address
            else wanted.legal_name,
            "parent_key": key_behind(write, id_of(body, "parent"), wanted.parent_key),
            "email": said(wanted.email, body.get("email")),
            "phone": said(wanted.phone, body.get("phone")),
            "website": said(wanted.website, body.get("url")),
            "billing_address": said(wanted.billing_address, _read_address(address)),
            "tax_registrations": tuple(
                TaxRegistration(country=each.country, number=registered[each.country]["taxRegistrationNumber"])
                for each in wanted.tax_registrations
                if each.country in registered
            ),
            "currency": wanted.currency if id_of(body, "currency") == codes.currency else label_of(body, "currency"),
            "payment_terms": terms_of(wanted.payment_terms, body, codes),
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
    company = write.ref_of(contact.customer_key)
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
            "customer_key": key_behind(write, id_of(body, "company"), wanted.customer_key) or "",
            "first_name": said(wanted.first_name, body.get("firstName")),
            "last_name": body.get("lastName", ""),
            "email": said(wanted.email, body.get("email")),
            "phone": said(wanted.phone, body.get("phone")),
        }
    )


# Project and tasks


def project_fields(write: Write, project: Project, codes: Codes) -> Fields:
    return {
        "customer_key": {"parent": reference(write.ref_of(project.customer_key).id)},
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
    return filled(fields)


def read_project(write: Write, wanted: Project, body: Body, codes: Codes) -> Project:
    currency = wanted.currency if id_of(body, "currency") == codes.currency else label_of(body, "currency")
    in_entity = id_of(body, "subsidiary") == codes.subsidiary
    managed = codes.manager is None or id_of(body, "projectManager") == codes.manager
    return wanted.model_copy(
        update={
            "customer_key": key_behind(write, id_of(body, "parent"), wanted.customer_key) or "",
            "legal_entity": wanted.legal_entity if in_entity else label_of(body, "subsidiary"),
            "name": body.get("companyName", ""),
            "manager_email": wanted.manager_email if managed else label_of(body, "projectManager"),
            "currency": currency,
            "start": day_of(body, "startDate"),
            "end": day_of(body, "projectedEndDate"),
            "budget": Money(amount=number_of(body, "estimatedRevenue"), currency=currency),
        }
    )


CLOSED_TASK: Body = {"status": {"id": "COMPLETE"}, "nonBillableTask": True}
OPEN_TASK: Body = {"status": {"id": "PROGRESS"}, "nonBillableTask": False}

_TASK_NOTE = re.compile(r"Task (\d+), service line (\S+), budget (-?[\d.]+) ([A-Z]{3})")


def task_fields(write: Write, task: Task, options: Options) -> Fields:
    """The number, service line and budget, which a task has no fields for in REST, stand in its comments."""
    start = task.start.isoformat()
    start_field = options.task_start_field
    note = f"Task {task.number}, service line {task.service_line}, budget {task.budget}"
    return {
        "project_key": {"project": reference(write.ref_of(task.project_key).id)},
        "name": {"title": task.name},
        "start": {start_field: start if start_field == "startDate" else f"{start}T00:00:00Z"},
        "end": {"finishByDate": task.end.isoformat()},
        "hours": {"estimatedWork": task.hours},
        "budget": {"message": note},
        "number": {"message": note},
        "service_line": {"message": note},
        "closed": CLOSED_TASK if task.closed else {"nonBillableTask": False},
    }


def is_closed(body: Body) -> bool:
    return id_of(body, "status") == "COMPLETE" and bool(body.get("nonBillableTask"))


def read_task(write: Write, wanted: Task, body: Body) -> Task:
    update: dict[str, Any] = {
        "project_key": key_behind(write, id_of(body, "project"), wanted.project_key) or "",
        "name": body.get("title", ""),
        "start": day_of(body, "startDate", "startDateTime"),
        "end": day_of(body, "finishByDate"),
        "hours": None if wanted.hours is None else plain(number_of(body, "estimatedWork")),
        "closed": is_closed(body),
    }
    note = _TASK_NOTE.search(body.get("message") or "")
    if note:
        budget = Money(amount=Decimal(note[3]), currency=note[4])
        update |= {"number": int(note[1]), "service_line": note[2], "budget": budget}
    return wanted.model_copy(update=update)
