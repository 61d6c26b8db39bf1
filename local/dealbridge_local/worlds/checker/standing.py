"""What stands in ERPs and PSA, held against what was sold."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from dealbridge_local.worlds.checker import hubspot, salesforce
from dealbridge_local.worlds.checker.evidence import Evidence
from dealbridge_local.worlds.checker.kantata import KantataBooks
from dealbridge_local.worlds.checker.netsuite import NetSuiteBooks
from dealbridge_local.worlds.checker.s4hana import S4HanaBooks
from dealbridge_local.worlds.checker.sold import Sale


class ErpBooks(Protocol):
    """One ERP's records."""

    connection: str

    def ids(self) -> Mapping[str, set[str]]: ...

    def doubled(self) -> Iterator[str]: ...

    def ordered(self, sale: Sale) -> set[str]: ...

    def order_number(self, sale: Sale, entity: str) -> str | None: ...

    def customers_wrong(self, sale: Sale) -> Iterator[str]: ...

    def engagement_wrong(self, sale: Sale, entity: str) -> Iterator[str]: ...

    def amounts_wrong(self, sale: Sale, entity: str) -> Iterator[str]: ...


@dataclass(frozen=True)
class Books:
    """All books; `erp_of` names the ERP of a legal entity."""

    erps: Mapping[str, ErpBooks]
    psa: KantataBooks
    erp_of: Mapping[str, str]

    def of(self, entity: str) -> ErpBooks:
        return self.erps[self.erp_of[entity]]

    def all(self) -> tuple[ErpBooks | KantataBooks, ...]:
        return (*self.erps.values(), self.psa)


def sales_of(evidence: Evidence) -> list[Sale]:
    return [
        *salesforce.sales("salesforce", evidence.crms["salesforce"]),
        *hubspot.sales("hubspot", evidence.crms["hubspot"]),
    ]


def books_of(evidence: Evidence, sales: list[Sale]) -> Books:
    netsuite = NetSuiteBooks("netsuite", evidence.erps["netsuite"])
    people = {*salesforce.people(evidence.crms["salesforce"]), *hubspot.people(evidence.crms["hubspot"])}
    s4hana = S4HanaBooks("s4hana", evidence.erps["s4hana"], people, sales, evidence.erp_of)
    psa = KantataBooks("kantata", evidence.psas["kantata"], evidence.roles)
    return Books({books.connection: books for books in (netsuite, s4hana)}, psa, evidence.erp_of)


def missing_or_wrong(sale: Sale, books: Books) -> Iterator[str]:
    """Whether everything that an active deal wants stands, as the CRM says now; the amounts apart."""
    for erp in {books.erp_of[entity]: books.of(entity) for entity in sale.entities}.values():
        yield from erp.customers_wrong(sale)
    for entity in sale.entities:
        yield from books.of(entity).engagement_wrong(sale, entity)
        yield from books.psa.staffing_wrong(sale, entity)
    yield from _told_to_crm(sale, books)


def amounts_lost(sale: Sale, books: Books) -> Iterator[str]:
    """Whether the deal's amounts are those of orders, schedules and workspaces, to the cent."""
    if sum((line.amount for line in sale.lines), Decimal(0)) != sale.amount:
        yield f"{sale.id}: the lines add up to {sum(line.amount for line in sale.lines)}, the deal says {sale.amount}"
    for entity in sale.entities:
        yield from books.of(entity).amounts_wrong(sale, entity)
        yield from books.psa.budget_wrong(sale, entity)


def _told_to_crm(sale: Sale, books: Books) -> Iterator[str]:
    if sale.shown.status != "Active":
        yield f"{sale.id}: the CRM shows {sale.shown.status!r}"
    orders = {number for entity in sale.entities if (number := books.of(entity).order_number(sale, entity))}
    shown = set((sale.shown.contract_number or "").split(", "))
    if shown != orders:
        yield f"{sale.id}: the CRM shows contracts {sorted(shown)}, the ERPs have {sorted(orders)}"
