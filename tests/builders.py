"""Builders of business objects for tests: each gives something that passes every check until it is told otherwise."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from dealbridge.domain.deal import BillingType, Deal, DealLine, Milestone
from dealbridge.domain.hints import DealHint, HintSource
from dealbridge.domain.keys import DealKey, Kind
from dealbridge.domain.money import Money
from dealbridge.domain.parties import Account, Address, Person, TaxRegistration
from dealbridge.mappings.folder import read_folder
from dealbridge.ports import Capabilities
from dealbridge.rules.reference import Codes, ReferenceData

REPOSITORY = Path(__file__).parent.parent
OPPORTUNITY = "006Hp00001ABCDEIA5"
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def money(text: str) -> Money:
    """`"10000 EUR"` as Money."""
    amount, currency = text.split()
    return Money(amount=Decimal(amount), currency=currency)


def a_milestone(amount: str = "5000 EUR", *, id: str = "00o1", due: str = "2026-06-30", **fields: Any) -> Milestone:
    return Milestone.model_validate(
        {"id": id, "name": "Design accepted", "due": due, "amount": money(amount), **fields}
    )


def a_line(amount: str = "10000 EUR", *, id: str = "00k1", **fields: Any) -> DealLine:
    """A line of implementation at a fixed price."""
    given: dict[str, Any] = {
        "id": id,
        "service_line": "IMPL",
        "description": "Implementation",
        "quantity": Decimal(1),
        "amount": money(amount),
        "billing_type": BillingType.FIXED,
    }
    return DealLine.model_validate(given | fields)


def an_account(id: str = "001A", *, country: str = "DE", parent: Account | None = None, **fields: Any) -> Account:
    """A German customer with a tax number."""
    given: dict[str, Any] = {
        "id": id,
        "name": "Rhein Werke",
        "billing_address": Address(street="Am Ufer 1", city="Köln", postal_code="50667", country=country),
        "tax_registrations": (TaxRegistration(country="DE", number="DE811907980"),) if country == "DE" else (),
        "parent": parent,
    }
    return Account.model_validate(given | fields)


def a_person(id: str = "003A", **fields: Any) -> Person:
    return Person.model_validate(
        {"id": id, "first_name": "Ada", "last_name": "Braun", "email": "ada@rhein.example"} | fields
    )


def a_won_deal(
    amount: str | None = None,
    *,
    opportunity: str = OPPORTUNITY,
    crm: str = "salesforce",
    lines: Sequence[DealLine] | None = None,
    **fields: Any,
) -> Deal:
    """A won deal of the German entity over one line. `amount` None: the lines' total."""
    lines = [a_line(amount or "10000 EUR")] if lines is None else list(lines)
    currency = lines[0].amount.currency if lines else "EUR"
    total = money(amount) if amount else Money.total((line.amount for line in lines), currency)
    given: dict[str, Any] = {
        "key": DealKey(crm=crm, opportunity=opportunity),
        "revision": "1",
        "name": "Rhein Werke: new billing",
        "won": True,
        "stage": "Closed Won",
        "close_date": date(2026, 3, 1),
        "currency": currency,
        "amount": total,
        "terms_approved": True,
        "legal_entity": "EMEA-DE",
        "owner_email": "sam.ruiz@example.com",
        "delivery_owner_email": "mara.lind@example.com",
        "po_number": "PO-7",
        "payment_terms": "Net 30",
        "start": date(2026, 4, 1),
        "end": date(2027, 3, 31),
        "account": an_account(),
        "contacts": (a_person(),),
        "lines": tuple(lines),
    }
    return Deal.model_validate(given | fields)


def a_hint(event_id: str = "e1", *, deal: DealKey | None = None, source: HintSource = HintSource.CRM_EVENT) -> DealHint:
    key = deal or DealKey(crm="salesforce", opportunity=OPPORTUNITY)
    return DealHint(deal=key, source=source, event_id=event_id, received_at=NOON, correlation_id=f"c-{event_id}")


# Reference data


@cache
def _for_tests() -> ReferenceData:
    """Every entity on one ERP and one PSA, with codes of the tests' own: sample data may change and tests stay."""
    found = read_folder(REPOSITORY / "mappings")
    entities = {
        code: entity.model_copy(update={"erp": "netsuite", "staffing": "kantata"})
        for code, entity in found.legal_entities.items()
    }
    codes = {connection: codes_for(found) for connection in ("netsuite", "kantata")}
    return found.model_copy(update={"legal_entities": entities, "codes": codes})


def reference(**changes: Any) -> ReferenceData:
    """The repository's reference data, with its sections as in `changes`."""
    found = _for_tests()
    return ReferenceData.model_validate({**found.model_dump(), **changes}) if changes else found


def codes_for(reference: ReferenceData, **changes: Any) -> Codes:
    """A code for every governed value: what a connection's `mappings/codes/<connection>.yaml` would say."""
    given: dict[str, Any] = {
        "entities": {code: {"subsidiary": str(n)} for n, code in enumerate(reference.legal_entities, start=1)},
        "currencies": {currency: str(n) for n, currency in enumerate(reference.currencies, start=1)},
        "payment_terms": {name: str(n) for n, name in enumerate(reference.payment_terms, start=1)},
        "service_lines": {code: {"item": str(n)} for n, code in enumerate(reference.service_lines, start=1)},
        "managers": {"mara.lind@example.com": "1001", "jon.abe@example.com": "1002"},
        "roles": {line.role: line.role for line in reference.service_lines.values() if line.role},
        "tax": {"reverse_charge": {"code": "RC"}},
        "defaults": {"form": "40"},
    }
    return Codes.model_validate(given | changes)


ERP_KINDS = frozenset({Kind.CUSTOMER, Kind.CONTACT, Kind.PROJECT, Kind.TASK, Kind.CONTRACT, Kind.SCHEDULE})
STAFFING_KINDS = frozenset({Kind.STAFFING_PROJECT, Kind.STAFFING_REQUEST})


def can(
    embeds: frozenset[Kind] = frozenset(), withdraws: frozenset[Kind] = frozenset({Kind.TASK, Kind.STAFFING_REQUEST})
) -> Callable[[str], Capabilities]:
    """What every connection of a test can do."""
    return lambda connection: Capabilities(
        role="erp", kinds=ERP_KINDS | STAFFING_KINDS, embeds=embeds, withdraws=withdraws
    )
