"""The set-up of a fresh account: a OneWorld professional-services firm, always the same."""

from decimal import Decimal

from dealbridge_local.simulators.netsuite.account import Account
from dealbridge_local.simulators.store import Record

_CURRENCIES = (
    # id, ISO code, decimals, US dollars for one
    ("1", "USD", 2, "1"),
    ("2", "GBP", 2, "1.25"),
    ("3", "CAD", 2, "0.73"),
    ("4", "EUR", 2, "1.08"),
    ("5", "SGD", 2, "0.74"),
    ("6", "JPY", 0, "0.0067"),
    ("7", "AUD", 2, "0.65"),
)

_SUBSIDIARIES = (
    ("1", "Northwind Services Inc.", "US", "1"),
    ("2", "Northwind Services GmbH", "DE", "4"),
    ("3", "Northwind Services Ltd", "GB", "2"),
    ("4", "Northwind Services Pte Ltd", "SG", "5"),
    ("5", "Northwind Services KK", "JP", "6"),
)

_TERMS = (("1", "Net 15", 15), ("2", "Net 30", 30), ("3", "Net 45", 45), ("7", "Net 60", 60))

_ITEMS = (
    ("101", "Implementation", "200"),
    ("102", "Advisory", "260"),
    ("103", "Managed Services", "150"),
    ("104", "Training", "140"),
    ("105", "Development", "180"),
    ("106", "Design", "170"),
    ("107", "Support", "120"),
    ("108", "Billable Expenses", "1"),
)

_EMPLOYEES = (
    ("21", "Mara", "Lind", "1"),
    ("22", "Jon", "Abe", "1"),
    ("23", "Wei", "Tan", "4"),
    ("24", "Ines", "Kraus", "2"),
    ("25", "Owen", "Hale", "3"),
    ("26", "Yuki", "Mori", "5"),
)

_NAMED: dict[str, dict[str, str]] = {
    "jobStatus": {"1": "Pending", "2": "In Progress", "3": "Closed"},
    "jobType": {"1": "Consulting"},
    "contactRole": {"-10": "Primary Contact", "-20": "Alternate Contact", "1": "Billing Contact"},
    "expenseCategory": {"1": "Travel", "2": "Lodging", "3": "Meals", "4": "Other"},
}


def plant(account: Account) -> None:
    founded = account.now()

    def put(kind: str, key: str, **values: object) -> None:
        record: Record = {"id": key, "isInactive": False, **values}
        account.save(kind, record)

    for key, code, digits, rate in _CURRENCIES:
        base = code == "USD"
        values = {"symbol": code, "currencyPrecision": digits, "exchangeRate": Decimal(rate), "isBaseCurrency": base}
        put("currency", key, name=code, **values, lastModifiedDate=founded)
    for key, name, country, currency in _SUBSIDIARIES:
        above = {} if key == "1" else {"parent": "1"}
        named = {"name": name, "legalName": name, "fullName": name}
        put("subsidiary", key, **named, **above, country=country, currency=currency, isElimination=False)
    for key, name, days in _TERMS:
        put("term", key, name=name, daysUntilNetDue=days, preferred=key == "2")
    for kind, names in _NAMED.items():
        for key, name in names.items():
            put(kind, key, name=name)
    put("customerStatus", "13", name="Closed Won", stage="CUSTOMER")
    for key, name, rate in _ITEMS:
        values = {"displayName": name, "salesDescription": f"{name} services", "rate": Decimal(rate)}
        put("serviceSaleItem", key, itemId=name, **values, subsidiary="1", includeChildren=True, createdDate=founded)
    for key, first, last, subsidiary in _EMPLOYEES:
        put(
            "employee",
            key,
            entityId=f"{first} {last}",
            firstName=first,
            lastName=last,
            email=f"{first}.{last}@example.com".lower(),
            title="Project Manager",
            subsidiary=subsidiary,
            isJobManager=True,
            isJobResource=True,
            laborCost=Decimal(80),
            dateCreated=founded,
            lastModifiedDate=founded,
        )
