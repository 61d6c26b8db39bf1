"""The deals that are sold for measuring, always the same, in either CRM and billed in either ERP."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from itertools import count

from dealbridge_local.salesforce_user import Sold

NAMES = {
    "salesforce": "Salesforce",
    "hubspot": "HubSpot",
    "netsuite": "NetSuite",
    "s4hana": "S/4HANA",
    "kantata": "Kantata",
}
"""Connections, as reports call them."""

_numbers = count(1)


@dataclass(frozen=True)
class Pair:
    """A CRM, and the ERP in which the selling legal entity bills."""

    crm: str
    erp: str
    entity: str
    currency: str
    country: str
    registration: str

    def __str__(self) -> str:
        return f"{NAMES[self.crm]} → {NAMES[self.erp]}"


_AMERICAN = ("NA-US", "USD", "United States", "US: 12-3456789")
_GERMAN = ("EMEA-DE", "EUR", "Germany", "DE: DE811907980")
FIRST_PAIR = Pair("salesforce", "netsuite", *_AMERICAN)
OTHER_PAIR = Pair("hubspot", "s4hana", *_GERMAN)
"""Neither its CRM nor its ERP is that of the first pair."""
PAIRS = (
    FIRST_PAIR,
    Pair("salesforce", "s4hana", *_GERMAN),
    Pair("hubspot", "netsuite", *_AMERICAN),
    OTHER_PAIR,
)


@dataclass(frozen=True)
class Shape:
    """What is sold to whom: enough to open the deal in a CRM, and to tell how many records it becomes."""

    name: str
    account: str
    lines: Sequence[Sold]
    parent: str | None = None
    contacts: Sequence[tuple[str, str, str]] = ()
    """First name, last name, e-mail."""
    address: Mapping[str, str] = field(default_factory=dict)
    """street, city, postal_code."""

    @property
    def accounts(self) -> int:
        return 2 if self.parent else 1

    @property
    def service_lines(self) -> int:
        return len({line.service_line for line in self.lines})

    @property
    def staffed(self) -> int:
        """Lines for which somebody is asked."""
        return len(self.lines)


def small() -> Shape:
    """One account, one contact, one line with staffing: the least that needs every kind of record."""
    number = next(_numbers)
    return Shape(
        "Rollout",
        f"Small {number}",
        [Sold("IMPL", "Rollout", Decimal(1), Decimal("10000.00"), more=_hours(80))],
        contacts=[("Ada", "Lee", f"ada.lee@small{number}.example")],
    )


def typical() -> Shape:
    """A parent and its subsidiary, two contacts, five lines billed in four ways, five milestones."""
    number = next(_numbers)
    rollout = [
        ("Kick-off", date(2027, 1, 29), Decimal("36000.00")),
        ("Design accepted", date(2027, 4, 30), Decimal("48000.00")),
        ("Go-live", date(2027, 9, 30), Decimal("36000.00")),
    ]
    interfaces = [
        ("Interfaces specified", date(2027, 3, 31), Decimal("15000.17")),
        ("Interfaces live", date(2027, 8, 31), Decimal("30000.33")),
    ]
    retainer = {"Billing_Frequency__c": "Monthly", "Start_Date__c": "2027-10-01", "End_Date__c": "2027-12-31"}
    return Shape(
        f"Typical {number}: rollout",
        f"Typical {number}",
        [
            Sold("IMPL", "ERP rollout", Decimal(1), Decimal("120000.00"), milestones=rollout, more=_hours(800)),
            Sold("DEVL", "Interfaces", Decimal(1), Decimal("45000.50"), milestones=interfaces, more=_hours(300)),
            Sold("TRNG", "Key user training", Decimal(4), Decimal("1850.00")),
            Sold("ADVS", "Advisory", Decimal(120), Decimal("210.00"), "Time and Materials", more=_hours(120)),
            Sold("SUPP", "Hypercare", Decimal(1), Decimal("10000.00"), billing_type="Retainer", more=retainer),
        ],
        parent=f"Typical Holding {number}",
        contacts=[(first, "Doe", f"{first.lower()}.doe@typical{number}.example") for first in ("Jane", "Ravi")],
        address={"street": "1 Main St", "city": "Boston", "postal_code": "02110"},
    )


def of_lines(lines: int) -> Shape:
    """One account and so many lines of four service lines."""
    sold = [
        Sold(("IMPL", "DEVL", "TRNG", "ADVS")[number % 4], f"Package {number}", Decimal(1), Decimal(100 + number))
        for number in range(lines)
    ]
    return Shape(f"{lines} lines", f"Large {next(_numbers)}", sold)


def _hours(hours: int) -> dict[str, Decimal]:
    return {"Hours__c": Decimal(hours)}
