"""Customer to a business partner with address, tax numbers, roles, company code and sales area, and back."""

from collections.abc import Iterator
from typing import Any

from dealbridge.connectors.s4hana.mapping import Only, cut, differing, is_like, may, path_of
from dealbridge.connectors.s4hana.odata import Body, Change, one, rows, tag_of, text
from dealbridge.connectors.s4hana.records import Codes, partner_key
from dealbridge.domain.keys import Kind
from dealbridge.domain.parties import Address, Customer, TaxRegistration
from dealbridge.ports import Write
from dealbridge.transport.mapping import said

_NAME, _STREET, _STREET_LINE, _CITY, _REGION, _SEARCH_TERM = 40, 60, 40, 40, 3, 20
"""The fields' lengths."""

CUSTOMER_EXPAND = ",".join(
    (
        "to_BusinessPartnerAddress/to_EmailAddress",
        "to_BusinessPartnerAddress/to_PhoneNumber",
        "to_BusinessPartnerAddress/to_URLAddress",
        "to_BusinessPartnerTax",
        "to_BusinessPartnerRole",
        "to_Customer/to_CustomerCompany",
        "to_Customer/to_CustomerSalesArea/to_SalesAreaTax",
    )
)


def new_customer(write: Write, customer: Customer, codes: Codes) -> Body:
    """A business partner with everything that invoices need (A2.1)."""
    body: Body = {
        "BusinessPartnerCategory": "2",
        "BusinessPartnerGrouping": codes.default("grouping"),
        "CorrespondenceLanguage": codes.entity_default("language"),
        "BusinessPartnerIDByExtSystem": partner_key(Kind.CUSTOMER, write.key),
        **_names(customer),
        "to_BusinessPartnerAddress": [new] if (new := _new_address(customer)) else [],
        "to_BusinessPartnerTax": [_tax_number(each, codes) for each in customer.tax_registrations],
        "to_BusinessPartnerRole": [{"BusinessPartnerRole": role} for role in codes.customer_roles],
        "to_Customer": {"to_CustomerCompany": [_company(codes)], "to_CustomerSalesArea": [_sales_area(codes)]},
    }
    return {name: value for name, value in body.items() if value not in (None, [])}


def _names(customer: Customer) -> Body:
    """The legal name stands on invoices; the name people use is the search term."""
    legal = customer.legal_name or customer.name
    lines = [legal[start : start + _NAME].strip() for start in range(0, 4 * _NAME, _NAME)]
    names = {f"OrganizationBPName{place}": line for place, line in enumerate(lines, 1)}
    return {**names, "SearchTerm1": cut(customer.name, _SEARCH_TERM).upper()}


def _new_address(customer: Customer) -> Body | None:
    """SAP keeps e-mail, telephone and website below an address: without a country there is none."""
    if customer.billing_address is None:
        return None
    body = {**_address(customer.billing_address), "to_AddressUsage": [{"AddressUsage": "XXDEFAULT"}]}
    for name, (field, value) in _communication(customer).items():
        if value:
            body[name] = [{field: value}]
    return body


def _address(address: Address) -> Body:
    first, second, third = [*(address.street or "").split("\n", 2), "", ""][:3]
    return {
        "StreetName": cut(first, _STREET),
        "StreetPrefixName": cut(second, _STREET_LINE),
        "AdditionalStreetPrefixName": cut(third, _STREET_LINE),
        "CityName": cut(address.city, _CITY),
        # A region is a code of customizing; a name of a state is none.
        "Region": address.state if address.state and len(address.state) <= _REGION else "",
        "PostalCode": address.postal_code or "",
        "Country": address.country or "",
    }


def _communication(customer: Customer) -> dict[str, tuple[str, str | None]]:
    """Navigation → the field it has for us, and its value."""
    return {
        "to_EmailAddress": ("EmailAddress", customer.email),
        "to_PhoneNumber": ("PhoneNumber", customer.phone),
        "to_URLAddress": ("WebsiteURL", customer.website),
    }


def _tax_number(registration: TaxRegistration, codes: Codes) -> Body:
    return {"BPTaxType": codes.tax_number_type(registration.country), "BPTaxNumber": registration.number}


def _company(codes: Codes) -> Body:
    return {
        "CompanyCode": codes.entity("company_code"),
        "ReconciliationAccount": codes.entity("reconciliation_account"),
        "PaymentTerms": codes.terms or "",
    }


def _area_key(codes: Codes) -> Body:
    return {
        "SalesOrganization": codes.entity("sales_organization"),
        "DistributionChannel": codes.entity("distribution_channel"),
        "Division": codes.entity("division"),
    }


def _sales_area(codes: Codes) -> Body:
    return {
        **_area_key(codes),
        "Currency": codes.currency,
        "CustomerPaymentTerms": codes.terms or "",
        "CustomerAccountAssignmentGroup": codes.needed_default("account_assignment_group"),
        "to_SalesAreaTax": [
            {
                "DepartureCountry": codes.entity("departure_country"),
                "CustomerTaxCategory": codes.entity("tax_category"),
                "CustomerTaxClassification": codes.tax_classification,
            }
        ],
    }


def company_of(held: Body, codes: Codes) -> Body | None:
    """The customer's data for the legal entity's company code."""
    companies = rows(one(held, "to_Customer"), "to_CustomerCompany")
    return next((each for each in companies if each["CompanyCode"] == codes.entity("company_code")), None)


def sales_area_of(held: Body, codes: Codes) -> Body | None:
    """The customer's data for the legal entity's sales area."""
    areas = rows(one(held, "to_Customer"), "to_CustomerSalesArea")
    return next((each for each in areas if is_like(each, _area_key(codes))), None)


def relationship(parent: str, customer: str, codes: Codes) -> Body:
    """The parent is the first of the two partners."""
    category = codes.needed_default("parent_relationship")
    return {"BusinessPartner1": parent, "BusinessPartner2": customer, "RelationshipCategory": category}


def shows_customer(held: Body) -> bool:
    """Whether an answer shows the customer side, there or not; it may also be left for another call."""
    shown = held.get("to_Customer", {"__deferred": {}})
    return shown is None or "__deferred" not in shown


def admission(customer: str, held: Body, codes: Codes) -> list[Change]:
    """What a partner lacks to be a customer of this legal entity: roles, company code, sales area.

    SAP drops company and sales area data of a partner without the role for them, and says nothing (A10).
    """
    roles = {each["BusinessPartnerRole"] for each in rows(held, "to_BusinessPartnerRole")}
    changes = [
        Change.post("A_BusinessPartnerRole", {"BusinessPartner": customer, "BusinessPartnerRole": role})
        for role in codes.customer_roles
        if role not in roles
    ]
    if company_of(held, codes) is None:
        changes.append(Change.post("A_CustomerCompany", {"Customer": customer, **_company(codes)}))
    if sales_area_of(held, codes) is None:
        changes.append(Change.post("A_CustomerSalesArea", {"Customer": customer, **_sales_area(codes)}))
    return changes


def customer_changes(customer: Customer, held: Body, codes: Codes, only: Only) -> Iterator[Change]:
    key = held["BusinessPartner"]
    if may(only, "name", "legal_name") and (names := differing(held, _names(customer))):
        yield Change.patch(f"A_BusinessPartner({text(key)})", names, tag_of(held))
    yield from _address_changes(customer, held, only)
    if may(only, "tax_registrations"):
        yield from _tax_changes(customer, held, codes)
    if only is None:
        yield from admission(key, held, codes)
    company, area = company_of(held, codes), sales_area_of(held, codes)
    terms = codes.terms if customer.payment_terms and may(only, "payment_terms") else None
    if company is not None and terms and company["PaymentTerms"] != terms:
        path = f"A_CustomerCompany(Customer={text(key)},CompanyCode={text(company['CompanyCode'])})"
        yield Change.patch(path, {"PaymentTerms": terms})
    if area is not None:
        wanted = {"CustomerPaymentTerms": terms} if terms else {}
        if may(only, "currency"):
            wanted["Currency"] = codes.currency
        if found := differing(area, wanted):
            keys = ",".join(f"{name}={text(value)}" for name, value in _area_key(codes).items())
            yield Change.patch(f"A_CustomerSalesArea(Customer={text(key)},{keys})", found)


def _address_changes(customer: Customer, held: Body, only: Only) -> Iterator[Change]:
    key = held["BusinessPartner"]
    current = next(iter(rows(held, "to_BusinessPartnerAddress")), None)
    if current is None:
        new = _new_address(customer)
        if new and may(only, "billing_address", "email", "phone", "website"):
            yield Change.post(f"A_BusinessPartner({text(key)})/to_BusinessPartnerAddress", new)
        return
    path = f"A_BusinessPartnerAddress(BusinessPartner={text(key)},AddressID={text(current['AddressID'])})"
    address = customer.billing_address
    if address and may(only, "billing_address") and (found := differing(current, _address(address))):
        yield Change.patch(path, found)
    for name, (field, value) in _communication(customer).items():
        if not may(only, _COMMUNICATION_FIELDS[field]):
            continue
        known = _default(rows(current, name))
        if known is None and value:
            yield Change.post(f"{path}/{name}", {field: value})
        elif known is not None and value and known[field] != value:
            yield Change.patch(path_of(known), {field: value})
        elif known is not None and not value and only is not None:
            yield Change.delete(path_of(known))


_COMMUNICATION_FIELDS = {"EmailAddress": "email", "PhoneNumber": "phone", "WebsiteURL": "website"}


def _default(known: list[Body]) -> Body | None:
    """The one that SAP uses, where there are several."""
    default = (each for each in known if any(name.startswith("IsDefault") and each[name] for name in each))
    return next(default, known[0] if known else None)


def _tax_changes(customer: Customer, held: Body, codes: Codes) -> Iterator[Change]:
    known = {each["BPTaxType"]: each for each in rows(held, "to_BusinessPartnerTax")}
    for registration in customer.tax_registrations:
        wanted = _tax_number(registration, codes)
        current = known.get(wanted["BPTaxType"])
        if current is None:
            body = {"BusinessPartner": held["BusinessPartner"], **wanted}
            yield Change.post("A_BusinessPartnerTaxNumber", body)
        elif current["BPTaxNumber"] != wanted["BPTaxNumber"]:
            yield Change.patch(path_of(current), {"BPTaxNumber": wanted["BPTaxNumber"]})


def read_customer(wanted: Customer, held: Body, parent_key: str | None, codes: Codes) -> Customer:
    address = next(iter(rows(held, "to_BusinessPartnerAddress")), None)
    known = {each["BPTaxType"]: each["BPTaxNumber"] for each in rows(held, "to_BusinessPartnerTax")}
    area = sales_area_of(held, codes) or {}
    update: dict[str, Any] = {
        **_read_names(wanted, held),
        "parent_key": parent_key,
        "tax_registrations": tuple(
            TaxRegistration(country=each.country, number=known[codes.tax_number_type(each.country)])
            for each in wanted.tax_registrations
            if codes.tax_number_type(each.country) in known
        ),
        "currency": wanted.currency if area.get("Currency") == codes.currency else area.get("Currency", ""),
        "payment_terms": codes.read_terms(wanted.payment_terms, area.get("CustomerPaymentTerms")),
    }
    if wanted.billing_address is not None:
        update["billing_address"] = _read_address(wanted.billing_address, address)
        for name, (field, value) in _communication(wanted).items():
            current = _default(rows(address, name))
            update[_COMMUNICATION_FIELDS[field]] = said(value, current[field] if current else None)
    return wanted.model_copy(update=update)


def _read_names(wanted: Customer, held: Body) -> Body:
    asked = _names(wanted)
    name = wanted.name if held["SearchTerm1"] == asked["SearchTerm1"] else held["SearchTerm1"]
    if is_like(held, {field: value for field, value in asked.items() if field != "SearchTerm1"}):
        return {"name": name}
    shown = " ".join(filter(None, (held[f"OrganizationBPName{place}"] for place in range(1, 5))))
    return {"name": name, "legal_name": shown} if wanted.legal_name else {"name": shown}


def _read_address(wanted: Address, held: Body | None) -> Address | None:
    if held is None:
        return None
    if is_like(held, _address(wanted)):
        return wanted
    lines = [held[name] for name in ("StreetName", "StreetPrefixName", "AdditionalStreetPrefixName")]
    return Address(
        street="\n".join(filter(None, lines)) or None,
        city=held["CityName"] or None,
        state=held["Region"] or (wanted.state if wanted.state and len(wanted.state) > _REGION else None),
        postal_code=held["PostalCode"] or None,
        country=held["Country"] or None,
    )
