"""Customizing and master data of the sample tenant: what an implementation project sets up before any deal comes.

Codes follow SAP Best Practices where the vendor notes show them (company codes 1010 and 1710, BP02, YP03, YB900,
YP_RL_0001, CTAD, NT30…). A value that is not here is refused, as a tenant refuses what is not customized.
"""

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal


@dataclass(frozen=True)
class CompanyCode:
    """A legal entity. Its sales organization has the same code; `tax_category` and `tax_rate` are its output tax."""

    code: str
    name: str
    country: str
    currency: str
    tax_category: str
    tax_rate: Decimal


COMPANY_CODES = {
    each.code: each
    for each in (
        CompanyCode("1010", "Company Code 1010", "DE", "EUR", "TTX1", Decimal("0.19")),
        CompanyCode("1110", "Company Code 1110", "GB", "GBP", "TTX1", Decimal("0.20")),
        CompanyCode("1510", "Company Code 1510", "JP", "JPY", "TTX1", Decimal("0.10")),
        CompanyCode("1710", "Company Code 1710", "US", "USD", "UTXJ", Decimal("0")),
        CompanyCode("3710", "Company Code 3710", "SG", "SGD", "TTX1", Decimal("0.09")),
    )
}
CONTROLLING_AREA = "A000"
DISTRIBUTION_CHANNELS = frozenset({"10"})
DIVISIONS = frozenset({"00"})

COST_CENTERS = {
    f"{code}{suffix}": code
    for code in COMPANY_CODES
    # Consulting unit A and B, project office.
    for suffix in ("1601", "1602", "1101")
}
"""Cost center → company code."""
PROFIT_CENTERS = frozenset({"YB101", "YB110", "YB111", "YB600", "YB700", "YB900"})
RECONCILIATION_ACCOUNTS = frozenset({"12100000", "12110000", "12120000"})
REVENUE_ACCOUNT = "41000400"
TAX_ACCOUNT = "22000000"

PAYMENT_TERMS = {
    "0001": 0,
    "0002": 30,
    "0003": 30,
    "0004": 0,
    "NT14": 14,
    "NT15": 15,
    "NT30": 30,
    "NT45": 45,
    "NT60": 60,
    "NT90": 90,
}
"""Terms of payment → days net."""

# Business partner

INTERNAL_GROUPINGS = frozenset({"BP02"})
EXTERNAL_GROUPINGS = frozenset({"BPEE"})
PARTNER_ROLES = frozenset({"000000", "BUP001", "BUP003", "FLCU00", "FLCU01"})
FI_CUSTOMER_ROLE = "FLCU00"
SALES_CUSTOMER_ROLE = "FLCU01"
IDENTIFICATION_TYPES = frozenset({"BUP001", "BUP002", "CRM001"})
CONTACT_RELATIONSHIP = "BUR001"
RELATIONSHIP_CATEGORIES = frozenset({CONTACT_RELATIONSHIP, "BUR010", "BUR011", "BUR020"})
ADDRESS_USAGES = frozenset({"XXDEFAULT", "BILL_TO", "SHIP_TO"})
ACCOUNT_ASSIGNMENT_GROUPS = frozenset({"01", "02", "03"})
TAX_CATEGORIES = frozenset({(each.country, each.tax_category) for each in COMPANY_CODES.values()})
TAX_CLASSIFICATIONS = frozenset({"0", "1"})
PARTNER_FUNCTIONS = frozenset({"SP", "SH", "BP", "PY"})

TAX_NUMBER_FORMATS = {
    "AT0": re.compile(r"ATU\d{8}"),
    "BE0": re.compile(r"BE[01]\d{9}"),
    "DE0": re.compile(r"DE\d{9}"),
    "ES0": re.compile(r"ES\w\d{7}\w"),
    "FR0": re.compile(r"FR\w{2}\d{9}"),
    "GB0": re.compile(r"GB(\d{9}|\d{12})"),
    "IE0": re.compile(r"IE\d\w\d{5}\w{1,2}"),
    "IT0": re.compile(r"IT\d{11}"),
    "JP1": re.compile(r"T?\d{13}"),
    "NL0": re.compile(r"NL\d{9}B\d{2}"),
    "SG1": re.compile(r"\w{8,10}"),
    "US01": re.compile(r"\d{2}-?\d{7}|\d{3}-?\d{2}-?\d{4}"),
}
"""Tax number category → what the country's check lets pass."""

# Projects

PROJECT_PROFILES = frozenset({"YP01", "YP02", "YP03", "YP04", "YP05"})
"""YP03 is the one with revenue."""
PROJECT_ROLE_TYPES = frozenset({"YP_RL_0001", "YP_RL_0002", "YP_RL_0003"})
STATUS_CHANGES = {
    "00": frozenset({"10"}),
    "10": frozenset({"20", "40"}),
    "20": frozenset({"10", "40"}),
    "40": frozenset({"20"}),
}
"""Processing status → where it may go: created, released, completed, closed. Only 10 is documented (A2.2): the other
codes come from a value-help service of the tenant and are UNVERIFIED."""

# Sales

SALES_ORDER_TYPES = frozenset({"OR"})
PLAN_ITEM_CATEGORIES = frozenset({"CTAD"})
"""Item categories that carry a billing plan; any other has none (A2.4)."""
ITEM_CATEGORIES = PLAN_ITEM_CATEGORIES | {"TAD", "TAN", "CTAO"}
BILLING_PLAN_TYPE = "30"
DATE_CATEGORIES = {"00": "F2", "04": "FAZ"}
"""Date category of a billing plan item → its billing document type: a milestone, a down payment."""
DATE_DESCRIPTIONS = frozenset({"", "0001", "0002", "0003", "0004", "0005", "0006", "0007", "Y008"})
BILLING_BLOCKS = frozenset({"", "01", "02", "08", "Y4"})
REJECTION_REASONS = frozenset({"", "01", "02", "03", "50"})
PRICE_CONDITIONS = frozenset({"PMP0", "PPR0", "PSP0"})
UNITS = {"EA": "EA", "H": "HUR", "HR": "HUR", "DAY": "DAY", "PC": "C62", "MON": "MON", "AU": "1"}
"""Unit of measure → ISO code."""
MATERIALS = {
    "P001": "Implementation Services",
    "P002": "Advisory Services",
    "P003": "Managed Services",
    "P004": "Training Services",
    "P005": "Development Services",
    "P006": "Design Services",
    "P007": "Support Services",
    "P008": "Expense Recharge",
}

# Time

PERSON_WORK_AGREEMENTS = {
    f"{code}{index:04}": (code, f"{code}{1600 + index}") for code in COMPANY_CODES for index in (1, 2)
}
"""Personnel external id → (company code, cost center)."""
ACTIVITY_TYPES = frozenset({"", "1", "11", "T001", "T002", "T003"})

# What ISO defines

_CURRENCY_LIST = (
    "AED ARS AUD BGN BHD BRL CAD CHF CLP CNY COP CZK DKK EGP EUR GBP HKD HUF IDR ILS INR ISK JPY KRW KWD MXN MYR "
    "NGN NOK NZD PEN PHP PLN QAR RON SAR SEK SGD THB TND TRY TWD UAH USD VND ZAR"
)
CURRENCIES = frozenset(_CURRENCY_LIST.split())
_MINOR_UNITS = {
    **dict.fromkeys(("CLP", "ISK", "JPY", "KRW", "VND"), 0),
    **dict.fromkeys(("BHD", "KWD", "TND"), 3),
}
_COUNTRY_LIST = (
    "AD AE AF AG AI AL AM AO AR AT AU AW AZ BA BB BD BE BF BG BH BI BJ BM BN BO BR BS BT BW BY BZ CA CD CF CG CH "
    "CI CL CM CN CO CR CU CV CY CZ DE DJ DK DM DO DZ EC EE EG ER ES ET FI FJ FM FO FR GA GB GD GE GH GI GL GM GN "
    "GQ GR GT GW GY HK HN HR HT HU ID IE IL IN IQ IR IS IT JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI "
    "LK LR LS LT LU LV LY MA MC MD ME MG MH MK ML MM MN MO MR MT MU MV MW MX MY MZ NA NE NG NI NL NO NP NR NZ OM "
    "PA PE PG PH PK PL PR PS PT PW PY QA RO RS RU RW SA SB SC SD SE SG SI SK SL SM SN SO SR SS ST SV SY SZ TD TG "
    "TH TJ TL TM TN TO TR TT TV TW TZ UA UG US UY UZ VA VC VE VN VU WS YE ZA ZM ZW"
)
COUNTRIES = frozenset(_COUNTRY_LIST.split())
LANGUAGES = frozenset(["DE", "EN", "ES", "FR", "IT", "JA", "NL", "PL", "PT", "SV", "ZH"])
POSTAL_CODES = {
    "DE": re.compile(r"\d{5}"),
    "US": re.compile(r"\d{5}(-\d{4})?"),
    "JP": re.compile(r"\d{3}-?\d{4}"),
    "SG": re.compile(r"\d{6}"),
}


def minor_units(currency: str) -> int:
    """Decimals of a currency (ISO 4217)."""
    return _MINOR_UNITS.get(currency, 2)


def rounded(value: Decimal, currency: str) -> Decimal:
    """An amount in the currency's minor unit, half up."""
    return value.quantize(Decimal(1).scaleb(-minor_units(currency)), ROUND_HALF_UP)


@dataclass(frozen=True)
class Employee:
    """A person who can manage projects: a business partner of category 1 in role BUP003."""

    number: str
    uuid: str
    first_name: str
    last_name: str
    email: str


EMPLOYEES = (
    Employee("9980000010", "31b4ddf5-d376-1eee-ad82-75fc5764c785", "Mara", "Lind", "mara.lind@example.com"),
    Employee("9980000011", "49411411-1c46-1ede-ad83-d2cc7f64267d", "Jon", "Abe", "jon.abe@example.com"),
    Employee("9980000012", "5a0c6a1e-93b7-1eee-b5d1-0c4f2e8a7b10", "Wei", "Tan", "wei.tan@example.com"),
)
