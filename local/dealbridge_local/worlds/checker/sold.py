"""What a CRM says was sold, in the checker's own words. salesforce.py and hubspot.py read it from their records."""

from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any


@dataclass(frozen=True)
class SoldMilestone:
    name: str
    due: str
    amount: Decimal


@dataclass(frozen=True)
class SoldLine:
    id: str
    entity: str
    service_line: str
    description: str
    amount: Decimal
    start: str
    end: str
    role: str | None
    hours: Decimal | None
    milestones: tuple[SoldMilestone, ...]


@dataclass(frozen=True)
class Account:
    id: str
    name: str


@dataclass(frozen=True)
class Contact:
    id: str
    last_name: str
    email: str | None


@dataclass(frozen=True)
class Shown:
    """What the deal shows its sellers of the ERP."""

    status: str | None
    contract_number: str | None


@dataclass(frozen=True)
class Sale:
    """One deal of one CRM. `accounts` are the buying account and its parents, the buying one first."""

    crm: str
    id: str
    name: str
    won: bool
    terms_approved: bool
    amount: Decimal
    currency: str
    po_number: str | None
    accounts: tuple[Account, ...]
    contacts: tuple[Contact, ...]
    lines: tuple[SoldLine, ...]
    shown: Shown

    @cached_property
    def entities(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(line.entity for line in self.lines))

    @property
    def deal(self) -> str:
        """As the ledger names it."""
        return f"{self.crm}:{self.id}"

    def of(self, entity: str) -> list[SoldLine]:
        return [line for line in self.lines if line.entity == entity]

    def span(self, entity: str) -> tuple[str, str]:
        """First and last day of an entity's lines."""
        lines = self.of(entity)
        return min(line.start for line in lines), max(line.end for line in lines)

    def value(self, entity: str) -> Decimal:
        return sum((line.amount for line in self.of(entity)), Decimal(0))


def decimal(value: Any) -> Decimal:
    return value if isinstance(value, Decimal) else Decimal(str(value))
