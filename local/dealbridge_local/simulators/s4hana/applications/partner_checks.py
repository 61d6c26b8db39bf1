"""What the business partner application refuses: values that customizing does not know, and incomplete partners."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from dealbridge_local.simulators.s4hana import customizing, errors
from dealbridge_local.simulators.s4hana.entities import business_partner as model
from dealbridge_local.simulators.s4hana.entities import customer as customers
from dealbridge_local.simulators.s4hana.errors import Message
from dealbridge_local.simulators.s4hana.model import Draft, EntitySet

type Values = Mapping[str, Any]
type Check = Callable[[Values], Message | None]


def _one_of(name: str, known: frozenset[str] | Mapping[str, Any], code: str, text: str) -> tuple[str, Check]:
    """A field that may be empty and must else be known; `text` has one place for the value."""

    def check(values: Values) -> Message | None:
        value = values[name]
        return Message(code, text.format(value), name) if value and value not in known else None

    return name, check


def _needed(name: str) -> tuple[str, Check]:
    def check(values: Values) -> Message | None:
        return None if values[name] else Message("F2/055", f"Enter a value for field {name}", name)

    return name, check


def _tax_number(values: Values) -> Message | None:
    kind, number = values["BPTaxType"], values["BPTaxNumber"] or values["BPTaxLongNumber"]
    form = customizing.TAX_NUMBER_FORMATS.get(kind)
    if form is None:
        return Message("BUPA_TAX/002", f"Tax number category {kind or 'SPACE'} does not exist", "BPTaxType")
    if not form.fullmatch(number):
        return Message("BUPA_TAX/018", f"Tax number {number} is not valid for category {kind}", "BPTaxNumber")
    return None


def _country(values: Values) -> Message | None:
    country = values["Country"]
    if not country:
        return Message("AM/010", "Enter a country/region", "Country")
    if country not in customizing.COUNTRIES:
        return Message("AM/023", f"Country/region {country} is not defined", "Country")
    return None


def _postal_code(values: Values) -> Message | None:
    form = customizing.POSTAL_CODES.get(values["Country"])
    if form and values["PostalCode"] and not form.fullmatch(values["PostalCode"]):
        return Message(
            "AM/216", f"Postal code {values['PostalCode']} is not valid for {values['Country']}", "PostalCode"
        )
    return None


def _email(values: Values) -> Message | None:
    local, _, domain = values["EmailAddress"].partition("@")
    if not local or "." not in domain or " " in domain:
        return Message("XS/826", f"E-mail address {values['EmailAddress'] or 'SPACE'} is not valid", "EmailAddress")
    return None


def _sales_area(values: Values) -> Message | None:
    area = (values["SalesOrganization"], values["DistributionChannel"], values["Division"])
    if (
        area[0] in customizing.COMPANY_CODES
        and area[1] in customizing.DISTRIBUTION_CHANNELS
        and area[2] in customizing.DIVISIONS
    ):
        return None
    return Message("F2/174", f"Sales area {' '.join(area)} is not defined", "SalesOrganization")


def _sales_area_tax(values: Values) -> Message | None:
    pair = (values["DepartureCountry"], values["CustomerTaxCategory"])
    if pair not in customizing.TAX_CATEGORIES:
        return Message("F2/191", f"Tax category {pair[1]} is not defined for {pair[0]}", "CustomerTaxCategory")
    return None


def _name(values: Values) -> Message | None:
    if values["BusinessPartnerCategory"] == "2" and not values["OrganizationBPName1"]:
        return Message("R11/230", "Enter a name for the organization", "OrganizationBPName1")
    if values["BusinessPartnerCategory"] == "1" and not values["LastName"]:
        return Message("R11/231", "Enter a last name", "LastName")
    return None


_PAYMENT_TERMS = "Terms of payment {} do not exist"

_CHECKS: dict[str, list[tuple[str, Check]]] = {
    model.PARTNER.name: [
        ("OrganizationBPName1", _name),
        ("LastName", _name),
        _one_of("CorrespondenceLanguage", customizing.LANGUAGES, "R11/121", "Language {} is not defined"),
    ],
    model.ADDRESS.name: [("Country", _country), ("PostalCode", _postal_code)],
    model.ADDRESS_USAGE.name: [
        _one_of("AddressUsage", customizing.ADDRESS_USAGES, "R1/414", "Address type {} does not exist")
    ],
    model.EMAIL.name: [("EmailAddress", _email)],
    model.TAX_NUMBER.name: [("BPTaxNumber", _tax_number)],
    model.IDENTIFICATION.name: [
        _one_of(
            "BPIdentificationType", customizing.IDENTIFICATION_TYPES, "R11/141", "Identification type {} does not exist"
        )
    ],
    model.ROLE.name: [
        _one_of("BusinessPartnerRole", customizing.PARTNER_ROLES, "R11/109", "BP role {} does not exist")
    ],
    customers.CUSTOMER_COMPANY.name: [
        _needed("CompanyCode"),
        _needed("ReconciliationAccount"),
        _one_of("CompanyCode", customizing.COMPANY_CODES, "F2/052", "Company code {} is not defined"),
        _one_of(
            "ReconciliationAccount",
            customizing.RECONCILIATION_ACCOUNTS,
            "F2/114",
            "Account {} is no reconciliation account for customers",
        ),
        _one_of("PaymentTerms", customizing.PAYMENT_TERMS, "F2/060", _PAYMENT_TERMS),
    ],
    customers.SALES_AREA.name: [
        ("SalesOrganization", _sales_area),
        _needed("Currency"),
        _one_of("Currency", customizing.CURRENCIES, "F2/071", "Currency {} is not defined"),
        _one_of("CustomerPaymentTerms", customizing.PAYMENT_TERMS, "F2/060", _PAYMENT_TERMS),
        _one_of(
            "CustomerAccountAssignmentGroup",
            customizing.ACCOUNT_ASSIGNMENT_GROUPS,
            "F2/187",
            "Account assignment group {} is not defined",
        ),
    ],
    customers.SALES_AREA_TAX.name: [
        ("CustomerTaxCategory", _sales_area_tax),
        _one_of(
            "CustomerTaxClassification",
            customizing.TAX_CLASSIFICATIONS,
            "F2/192",
            "Tax classification {} is not defined",
        ),
    ],
    customers.PARTNER_FUNCTION.name: [
        _one_of("PartnerFunction", customizing.PARTNER_FUNCTIONS, "VP/201", "Partner function {} is not defined")
    ],
}


def check_new(draft: Draft) -> None:
    """A draft with everything below it. Raises SapError with every finding."""
    if found := list(dict.fromkeys(_findings(draft))):
        raise errors.business_errors(found)


def check_changes(entity: EntitySet, record: Values, changes: Values) -> None:
    """The changed fields of a record. Raises SapError with every finding."""
    values = {**record, **changes}
    checks = _CHECKS.get(entity.name, [])
    found = [message for name, check in checks if name in changes if (message := check(values)) is not None]
    if found:
        raise errors.business_errors(found)


def _findings(draft: Draft) -> Iterator[Message]:
    values = {**draft.entity.blank, **draft.values}
    checks = [*_CHECKS.get(draft.entity.name, []), *(_partner_checks(draft) if draft.entity is model.PARTNER else [])]
    yield from (message for _, check in checks if (message := check(values)) is not None)
    for nested in draft.children.values():
        for child in nested:
            yield from _findings(child)


def _partner_checks(draft: Draft) -> list[tuple[str, Check]]:
    """What is asked of a new partner only."""

    def numbering(values: Values) -> Message | None:
        grouping, number = values["BusinessPartnerGrouping"], draft.values.get("BusinessPartner")
        if grouping and grouping not in customizing.INTERNAL_GROUPINGS | customizing.EXTERNAL_GROUPINGS:
            return Message("R11/122", f"Grouping {grouping} does not exist", "BusinessPartnerGrouping")
        if number and grouping not in customizing.EXTERNAL_GROUPINGS:
            return Message("R11/124", f"Number {number} cannot be assigned: the grouping uses internal numbers")
        if not number and grouping in customizing.EXTERNAL_GROUPINGS:
            return Message("R11/125", f"Enter a number: grouping {grouping} uses external numbers")
        return None

    def category(values: Values) -> Message | None:
        given = values["BusinessPartnerCategory"]
        if given in ("1", "2", "3"):
            return None
        return Message("R11/115", f"Enter a valid business partner category, not {given or 'SPACE'}")

    return [("BusinessPartnerCategory", category), ("BusinessPartnerGrouping", numbering)]
