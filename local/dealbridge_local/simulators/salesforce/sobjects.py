"""The standard sObjects of this org (Object Reference for the Salesforce Platform), as far as a deal touches them."""

import re
from dataclasses import replace

from dealbridge_local.simulators.salesforce.custom_fields import CUSTOM_FIELDS
from dealbridge_local.simulators.salesforce.schema import Field, Schema, SObject

CURRENCIES = ("AUD", "CAD", "CHF", "EUR", "GBP", "JPY", "SGD", "USD")
STAGES = (
    "Prospecting",
    "Qualification",
    "Proposal/Price Quote",
    "Negotiation/Review",
    "Closed Won",
    "Closed Lost",
)
_FORECAST = ("Omitted", "Pipeline", "BestCase", "Forecast", "Closed")
_ROLES = (
    "Business User",
    "Decision Maker",
    "Economic Buyer",
    "Economic Decision Maker",
    "Evaluator",
    "Executive Sponsor",
    "Influencer",
    "Technical Buyer",
    "Other",
)
_SCHEDULE_FIELDS = frozenset(
    {
        "HasSchedule",
        "HasRevenueSchedule",
        "HasQuantitySchedule",
        "CanUseRevenueSchedule",
        "CanUseQuantitySchedule",
    }
)


def build_schema(*, multi_currency: bool, products_and_schedules: bool) -> Schema:
    """The org's metadata. What a feature brings exists only where the feature is on, as in a real org."""
    kept = []
    for sobject in _STANDARD:
        if sobject.name == "OpportunityLineItemSchedule" and not products_and_schedules:
            continue
        if sobject.name == "CurrencyType" and not multi_currency:
            continue
        fields = [_ID, *sobject.fields, *CUSTOM_FIELDS.get(sobject.name, ())]
        if not products_and_schedules:
            fields = [field for field in fields if field.name not in _SCHEDULE_FIELDS]
        if sobject.owned:
            fields.append(_OWNER)
        if sobject.money and multi_currency:
            fields.append(_CURRENCY)
        if not multi_currency:
            fields = [field for field in fields if field.name != "DefaultCurrencyIsoCode"]
        fields.extend(_SYSTEM)
        label = sobject.label or _words(sobject.name)
        labelled = tuple(replace(field, label=field.label or _words(field.name)) for field in fields)
        kept.append(replace(sobject, fields=labelled, label=label, plural=sobject.plural or f"{label}s"))
    return Schema(kept)


def _words(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name.removesuffix("Id") or name)


def _ref(name: str, to: str, relationship: str, children: str | None = None, **settings: object) -> Field:
    return replace(
        Field(name, "reference", length=18, reference_to=to, relationship=relationship, children=children),
        **settings,  # type: ignore[arg-type]  # the settings are fields of Field, named at each call
    )


def _text(name: str, length: int = 255, *, nillable: bool = True) -> Field:
    return Field(name, length=length, nillable=nillable)


def _long_text(name: str, length: int = 32000) -> Field:
    return Field(name, "textarea", length=length)


def _money(name: str) -> Field:
    return Field(name, "currency", scale=2)


def _picklist(name: str, *values: str, restricted: bool = False, nillable: bool = True) -> Field:
    return Field(name, "picklist", length=255, picklist=values, restricted=restricted, nillable=nillable)


def _checkbox(name: str, *, default: bool = False) -> Field:
    return Field(name, "boolean", nillable=False, default=default)


def _address(prefix: str) -> tuple[Field, ...]:
    """An address in parts; the compound field shows the same, read-only."""
    parts = ("Street", 255), ("City", 40), ("State", 80), ("PostalCode", 20), ("Country", 80)
    return (
        *(Field(f"{prefix}{part}", "textarea" if part == "Street" else "string", length=size) for part, size in parts),
        Field(f"{prefix}Address", "address").read_only(),
    )


_ID = Field("Id", "id", "Record ID", length=18, nillable=False).read_only()
_OWNER = _ref("OwnerId", "User", "Owner", nillable=False)
_CURRENCY = _picklist("CurrencyIsoCode", *CURRENCIES, restricted=True, nillable=False)
_SYSTEM = (
    Field("IsDeleted", "boolean", "Deleted", nillable=False, default=False).read_only(),
    Field("CreatedDate", "datetime", nillable=False).read_only(),
    _ref("CreatedById", "User", "CreatedBy", nillable=False).read_only(),
    Field("LastModifiedDate", "datetime", nillable=False).read_only(),
    _ref("LastModifiedById", "User", "LastModifiedBy", nillable=False).read_only(),
    Field("SystemModstamp", "datetime", nillable=False).read_only(),
)

_ACCOUNT = SObject(
    "Account",
    "001",
    (
        _text("Name", nillable=False),
        _text("AccountNumber", 40),
        _picklist("Type", "Prospect", "Customer - Direct", "Customer - Channel", "Other"),
        _picklist("Industry", "Banking", "Consulting", "Energy", "Healthcare", "Manufacturing", "Technology", "Other"),
        _ref("ParentId", "Account", "Parent", "ChildAccounts"),
        *_address("Billing"),
        *_address("Shipping"),
        Field("Phone", "phone", length=40),
        Field("Website", "url", length=255),
        _text("Site", 80),
        _money("AnnualRevenue"),
        Field("NumberOfEmployees", "int"),
        _long_text("Description"),
    ),
    money=True,
    owned=True,
)

_CONTACT = SObject(
    "Contact",
    "003",
    (
        _ref("AccountId", "Account", "Account", "Contacts", on_parent_delete="cascade"),
        _text("LastName", 80, nillable=False),
        _text("FirstName", 40),
        _text("Name", 121).read_only(),
        Field("Email", "email", length=80),
        Field("Phone", "phone", length=40),
        Field("MobilePhone", "phone", length=40),
        _text("Title", 128),
        _text("Department", 80),
        *_address("Mailing"),
        _long_text("Description"),
    ),
    money=True,
    owned=True,
)

_OPPORTUNITY = SObject(
    "Opportunity",
    "006",
    (
        _ref("AccountId", "Account", "Account", "Opportunities", on_parent_delete="cascade"),
        _text("Name", 120, nillable=False),
        _long_text("Description"),
        _picklist("StageName", *STAGES, restricted=True, nillable=False),
        _money("Amount"),
        Field("Probability", "percent"),
        _money("ExpectedRevenue").read_only(),
        Field("TotalOpportunityQuantity", "double", scale=2),
        Field("CloseDate", "date", nillable=False),
        _picklist("Type", "Existing Business", "New Business"),
        _text("NextStep"),
        _picklist("LeadSource", "Web", "Phone Inquiry", "Partner Referral", "Other"),
        Field("IsClosed", "boolean", nillable=False).read_only(),
        Field("IsWon", "boolean", nillable=False).read_only(),
        _picklist("ForecastCategory", *_FORECAST, nillable=False).read_only(),
        _picklist("ForecastCategoryName", "Omitted", "Pipeline", "Best Case", "Commit", "Closed"),
        Field("HasOpportunityLineItem", "boolean", nillable=False).read_only(),
        _ref("Pricebook2Id", "Pricebook2", "Pricebook2", "Opportunities", on_parent_delete="restrict"),
        _ref("ContractId", "Contract", "Contract", "Opportunities"),
        _ref("ContactId", "Contact", "Contact", updateable=False),
        Field("FiscalQuarter", "int").read_only(),
        Field("FiscalYear", "int").read_only(),
        _text("Fiscal", 6).read_only(),
        Field("LastStageChangeDate", "datetime").read_only(),
    ),
    plural="Opportunities",
    money=True,
    owned=True,
)

_LINE_ITEM = SObject(
    "OpportunityLineItem",
    "00k",
    (
        _ref(
            "OpportunityId",
            "Opportunity",
            "Opportunity",
            "OpportunityLineItems",
            nillable=False,
            updateable=False,
            on_parent_delete="cascade",
        ),
        _ref("PricebookEntryId", "PricebookEntry", "PricebookEntry", "OpportunityLineItems", updateable=False),
        _ref("Product2Id", "Product2", "Product2", "OpportunityLineItems", updateable=False),
        Field("SortOrder", "int").read_only(),
        _text("ProductCode").read_only(),
        _text("Name", 376).read_only(),
        Field("Quantity", "double", scale=2, nillable=False),
        _money("TotalPrice"),
        _money("UnitPrice"),
        _money("ListPrice").read_only(),
        _money("Subtotal").read_only(),
        Field("Discount", "percent", scale=2),
        Field("ServiceDate", "date"),
        _text("Description"),
        Field("HasRevenueSchedule", "boolean", nillable=False).read_only(),
        Field("HasQuantitySchedule", "boolean", nillable=False).read_only(),
        Field("HasSchedule", "boolean", nillable=False).read_only(),
        Field("CanUseRevenueSchedule", "boolean", nillable=False).read_only(),
        Field("CanUseQuantitySchedule", "boolean", nillable=False).read_only(),
    ),
    label="Opportunity Product",
    money=True,
)

_SCHEDULE = SObject(
    "OpportunityLineItemSchedule",
    "00o",
    (
        _ref(
            "OpportunityLineItemId",
            "OpportunityLineItem",
            "OpportunityLineItem",
            "OpportunityLineItemSchedules",
            nillable=False,
            updateable=False,
            on_parent_delete="cascade",
        ),
        replace(_picklist("Type", "Revenue", "Quantity", "Both", restricted=True, nillable=False), updateable=False),
        Field("ScheduleDate", "date", nillable=False),
        _money("Revenue"),
        Field("Quantity", "double", scale=2),
        _text("Description", 80),
    ),
    label="Opportunity Product Schedule",
    money=True,
)

_CONTACT_ROLE = SObject(
    "OpportunityContactRole",
    "00K",
    (
        _ref(
            "OpportunityId",
            "Opportunity",
            "Opportunity",
            "OpportunityContactRoles",
            nillable=False,
            updateable=False,
            on_parent_delete="cascade",
        ),
        _ref("ContactId", "Contact", "Contact", "OpportunityContactRoles", nillable=False, on_parent_delete="cascade"),
        _picklist("Role", *_ROLES),
        _checkbox("IsPrimary"),
    ),
)

_PRODUCT = SObject(
    "Product2",
    "01t",
    (
        _text("Name", nillable=False),
        _text("ProductCode"),
        _long_text("Description", 4000),
        _checkbox("IsActive"),
        _picklist("Family", "Consulting", "Implementation", "Support", "Training"),
        _text("QuantityUnitOfMeasure", 40),
        _text("StockKeepingUnit", 180),
        _checkbox("CanUseRevenueSchedule"),
        _checkbox("CanUseQuantitySchedule"),
    ),
    label="Product",
    money=True,
)

_PRICE_BOOK = SObject(
    "Pricebook2",
    "01s",
    (
        _text("Name", nillable=False),
        _text("Description"),
        _checkbox("IsActive"),
        Field("IsStandard", "boolean", nillable=False, default=False).read_only(),
    ),
    label="Price Book",
)

_PRICE_BOOK_ENTRY = SObject(
    "PricebookEntry",
    "01u",
    (
        _ref(
            "Pricebook2Id",
            "Pricebook2",
            "Pricebook2",
            "PricebookEntries",
            nillable=False,
            updateable=False,
            on_parent_delete="cascade",
        ),
        _ref(
            "Product2Id",
            "Product2",
            "Product2",
            "PricebookEntries",
            nillable=False,
            updateable=False,
            on_parent_delete="cascade",
        ),
        replace(_money("UnitPrice"), nillable=False),
        _checkbox("IsActive"),
        _checkbox("UseStandardPrice"),
        _text("Name").read_only(),
        _text("ProductCode").read_only(),
    ),
    label="Price Book Entry",
    plural="Price Book Entries",
    money=True,
)

_USER = SObject(
    "User",
    "005",
    (
        _text("Username", 80, nillable=False),
        _text("LastName", 80, nillable=False),
        _text("FirstName", 40),
        _text("Name", 121).read_only(),
        Field("Email", "email", length=128, nillable=False),
        _text("Title", 80),
        _text("Department", 80),
        _text("EmployeeNumber", 20),
        _checkbox("IsActive", default=True),
        _picklist("DefaultCurrencyIsoCode", *CURRENCIES, restricted=True),
    ),
    createable=False,
    deletable=False,
)

_CURRENCY_TYPE = SObject(
    "CurrencyType",
    "01L",
    (
        _picklist("IsoCode", *CURRENCIES, restricted=True, nillable=False),
        Field("ConversionRate", "double", scale=6, nillable=False),
        Field("DecimalPlaces", "int", nillable=False),
        _checkbox("IsActive", default=True),
        Field("IsCorporate", "boolean", nillable=False, default=False).read_only(),
    ),
    deletable=False,
)

_STAGE = SObject(
    "OpportunityStage",
    "01J",
    (
        _text("MasterLabel", nillable=False),
        _text("ApiName", nillable=False),
        _checkbox("IsActive", default=True),
        Field("SortOrder", "int"),
        _checkbox("IsClosed"),
        _checkbox("IsWon"),
        _picklist("ForecastCategory", *_FORECAST),
        _text("ForecastCategoryName"),
        Field("DefaultProbability", "percent"),
        _text("Description"),
    ),
    createable=False,
    updateable=False,
    deletable=False,
)

_CONTRACT = SObject(
    "Contract",
    "800",
    (
        _ref("AccountId", "Account", "Account", "Contracts", nillable=False, on_parent_delete="restrict"),
        replace(
            _picklist("Status", "In Approval Process", "Activated", "Draft", restricted=True, nillable=False),
            default="Draft",
        ),
        Field("StartDate", "date"),
        Field("EndDate", "date").read_only(),
        Field("ContractTerm", "int"),
        Field("ContractNumber", length=30, nillable=False).read_only(),
        Field("CustomerSignedDate", "date"),
        _long_text("SpecialTerms", 4000),
        _long_text("Description"),
    ),
    money=True,
    owned=True,
)

_ORGANIZATION = SObject(
    "Organization",
    "00D",
    (
        _text("Name", 80, nillable=False),
        _text("InstanceName", 5),
        _text("OrganizationType", 40),
        _text("TimeZoneSidKey", 40),
        _checkbox("IsSandbox"),
    ),
    createable=False,
    updateable=False,
    deletable=False,
)

_STANDARD = (
    _ACCOUNT,
    _CONTACT,
    _CONTRACT,
    _CURRENCY_TYPE,
    _OPPORTUNITY,
    _CONTACT_ROLE,
    _LINE_ITEM,
    _SCHEDULE,
    _STAGE,
    _ORGANIZATION,
    _PRICE_BOOK,
    _PRICE_BOOK_ENTRY,
    _PRODUCT,
    _USER,
)
