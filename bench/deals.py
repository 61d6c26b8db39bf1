"""The deals that are sold for measuring, always the same."""

from datetime import date
from decimal import Decimal
from itertools import count

from dealbridge_local.salesforce_user import SalesforceUser, Sold

_numbers = count(1)


def small(seller: SalesforceUser) -> str:
    """One account, one contact, one line with staffing: the least that needs every kind of record. Not won yet."""
    account = seller.create_account(f"Small {next(_numbers)}", BillingCountry="United States")
    contact = seller.create_contact(account, "Ada", "Lee", f"ada.lee@small{next(_numbers)}.example")
    line = Sold("IMPL", "Rollout", Decimal(1), Decimal("10000.00"), more={"Hours__c": Decimal(80)})
    return seller.open_deal("Rollout", account, [line], contacts=[contact])


def typical(seller: SalesforceUser) -> str:
    """A parent and its subsidiary, two contacts, five lines billed in four ways, five milestones. Not won yet."""
    number = next(_numbers)
    group = seller.create_account(f"Typical Holding {number}", BillingCountry="United States", BillingCity="New York")
    account = seller.create_account(
        f"Typical {number}",
        parent=group,
        BillingStreet="1 Main St",
        BillingCity="Boston",
        BillingPostalCode="02110",
        BillingCountry="United States",
        Tax_Registrations__c="US: 12-3456789",
    )
    contacts = [
        seller.create_contact(account, first, "Doe", f"{first.lower()}.doe@typical{number}.example")
        for first in ("Jane", "Ravi")
    ]
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
    lines = [
        Sold("IMPL", "ERP rollout", Decimal(1), Decimal("120000.00"), milestones=rollout, more=_hours(800)),
        Sold("DEVL", "Interfaces", Decimal(1), Decimal("45000.50"), milestones=interfaces, more=_hours(300)),
        Sold("TRNG", "Key user training", Decimal(4), Decimal("1850.00")),
        Sold("ADVS", "Advisory", Decimal(120), Decimal("210.00"), billing_type="Time and Materials", more=_hours(120)),
        Sold("SUPP", "Hypercare", Decimal(1), Decimal("10000.00"), billing_type="Retainer", more=retainer),
    ]
    return seller.open_deal(f"Typical {number}: rollout", account, lines, contacts=contacts)


def of_lines(seller: SalesforceUser, lines: int) -> str:
    """One account and so many lines of four service lines. Not won yet."""
    account = seller.create_account(f"Large {next(_numbers)}", BillingCountry="United States")
    sold = [
        Sold(("IMPL", "DEVL", "TRNG", "ADVS")[number % 4], f"Package {number}", Decimal(1), Decimal(100 + number))
        for number in range(lines)
    ]
    return seller.open_deal(f"{lines} lines", account, sold)


def amend_one_line(seller: SalesforceUser, deal: str) -> None:
    """Another price for the line that is billed in one amount."""
    soql = f"SELECT Id, UnitPrice FROM OpportunityLineItem WHERE OpportunityId = '{deal}' ORDER BY UnitPrice LIMIT 1"
    (line,) = seller.query(soql)
    seller.change("OpportunityLineItem", line["Id"], UnitPrice=Decimal(str(line["UnitPrice"])) + 150)


def _hours(hours: int) -> dict[str, Decimal]:
    return {"Hours__c": Decimal(hours)}
