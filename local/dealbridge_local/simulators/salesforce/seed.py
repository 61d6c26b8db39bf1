"""What a fresh org holds: its users, currencies, stages, and a standard price book of services."""

from decimal import Decimal
from typing import Any

from dealbridge_local.simulators.salesforce.database import Database
from dealbridge_local.simulators.salesforce.deal_rules import Settings
from dealbridge_local.simulators.salesforce.field_values import rounded
from dealbridge_local.simulators.salesforce.records import Records

INTEGRATION_USER = "dealbridge.integration@example.com"

_USERS = (
    ("ada.admin@example.com", "Ada", "Admin", "System Administrator"),
    ("sam.seller@example.com", "Sam", "Seller", "Account Executive"),
    (INTEGRATION_USER, "Dealbridge", "Integration", "Integration User"),
)
_CURRENCIES = (
    # ISO code, decimal places, units of it for one US dollar
    ("USD", 2, "1"),
    ("EUR", 2, "0.92"),
    ("GBP", 2, "0.79"),
    ("JPY", 0, "150"),
    ("SGD", 2, "1.34"),
    ("AUD", 2, "1.52"),
    ("CAD", 2, "1.36"),
    ("CHF", 2, "0.88"),
)
_STAGES = (
    # label, closed, won, forecast category and its name, probability
    ("Prospecting", False, False, "Pipeline", "Pipeline", 10),
    ("Qualification", False, False, "Pipeline", "Pipeline", 20),
    ("Proposal/Price Quote", False, False, "BestCase", "Best Case", 65),
    ("Negotiation/Review", False, False, "Forecast", "Commit", 80),
    ("Closed Won", True, True, "Closed", "Closed", 100),
    ("Closed Lost", True, False, "Omitted", "Omitted", 0),
)
_PRODUCTS = (
    # code, name, family, unit, list price in US dollars
    ("CONS-STRAT", "Strategy Consulting", "Consulting", "Day", "2200"),
    ("CONS-TECH", "Technology Consulting", "Consulting", "Day", "1800"),
    ("IMPL-ERP", "ERP Implementation", "Implementation", "Package", "120000"),
    ("IMPL-DATA", "Data Migration", "Implementation", "Package", "35000"),
    ("IMPL-INT", "Integration Development", "Implementation", "Hour", "190"),
    ("PM-LEAD", "Project Management", "Consulting", "Hour", "210"),
    ("SUP-MANAGED", "Managed Services", "Support", "Month", "9500"),
    ("TRAIN-USER", "User Training", "Training", "Day", "1500"),
)


def plant(database: Database, records: Records, org_id: str, settings: Settings, now: str) -> None:
    """Fill an empty org, always with the same ids."""
    _Planting(database, org_id, now).org(settings)
    admin = next(user["Id"] for user in database.all("User"))
    book = next(each["Id"] for each in database.all("Pricebook2"))
    for code, name, family, unit, price in _PRODUCTS:
        product: dict[str, Any] = {
            "Name": name,
            "ProductCode": code,
            "Family": family,
            "QuantityUnitOfMeasure": unit,
            "IsActive": True,
        }
        if settings.products_and_schedules:
            product |= {"CanUseRevenueSchedule": True, "CanUseQuantitySchedule": True}
        product_id = records.create(records.type_named("Product2"), product, admin)
        entry = {"Pricebook2Id": book, "Product2Id": product_id, "IsActive": True}
        prices = _CURRENCIES if settings.multi_currency else ((None, 2, "1"),)
        for currency, places, rate in prices:
            listed = rounded(Decimal(price) * Decimal(rate), places)
            in_currency = {"CurrencyIsoCode": currency} if currency else {}
            body = {**entry, "UnitPrice": listed, **in_currency}
            records.create(records.type_named("PricebookEntry"), body, admin)


class _Planting:
    """Records that a client cannot create: they come with the org or from its set-up pages."""

    def __init__(self, database: Database, org_id: str, now: str) -> None:
        self._database = database
        self._now = now
        self._org_id = org_id
        self._admin: str | None = None

    def org(self, settings: Settings) -> None:
        for username, first, last, title in _USERS:
            currency = {"DefaultCurrencyIsoCode": settings.corporate_currency} if settings.multi_currency else {}
            user = {"Username": username, "FirstName": first, "LastName": last, "Title": title, "Email": username}
            user_id = self._put("User", **user, Name=f"{first} {last}", IsActive=True, **currency)
            self._admin = self._admin or user_id
        self._put(
            "Organization",
            self._org_id,
            Name="Dealbridge Services",
            OrganizationType="Enterprise Edition",
            InstanceName="LOC1",
            TimeZoneSidKey="GMT",
            IsSandbox=True,
        )
        for place, (label, closed, won, category, category_name, probability) in enumerate(_STAGES, start=1):
            self._put(
                "OpportunityStage",
                MasterLabel=label,
                ApiName=label,
                IsActive=True,
                SortOrder=place,
                IsClosed=closed,
                IsWon=won,
                ForecastCategory=category,
                ForecastCategoryName=category_name,
                DefaultProbability=Decimal(probability),
            )
        if settings.multi_currency:
            corporate = Decimal(next(rate for code, _, rate in _CURRENCIES if code == settings.corporate_currency))
            for code, places, rate in _CURRENCIES:
                self._put(
                    "CurrencyType",
                    IsoCode=code,
                    DecimalPlaces=places,
                    IsActive=True,
                    ConversionRate=rounded(Decimal(rate) / corporate, 6),
                    IsCorporate=code == settings.corporate_currency,
                )
        self._put(
            "Pricebook2",
            Name="Standard Price Book",
            IsActive=True,
            IsStandard=True,
        )

    def _put(self, sobject: str, record_id: str | None = None, **values: Any) -> str:
        described = self._database.schema.of(sobject)
        made_id = record_id or self._database.ids.next(described.key_prefix)
        admin = self._admin or made_id
        stamps = {
            "CreatedDate": self._now,
            "CreatedById": admin,
            "LastModifiedDate": self._now,
            "LastModifiedById": admin,
            "SystemModstamp": self._now,
        }
        self._database.put(sobject, {**described.blank, **stamps, **values, "Id": made_id})
        return made_id
