"""Business partners and customers (vendor notes, A2.1 and A10)."""

from typing import Any

import pytest

from tests.contract.s4hana.conftest import a_customer, a_sales_area

SERVICE = "API_BUSINESS_PARTNER"
PARTNERS = f"{SERVICE}/A_BusinessPartner"


def test_one_call_makes_partner_customer_company_and_sales_area(tenant: Any) -> None:
    created = tenant.make(
        PARTNERS,
        **a_customer(
            BusinessPartnerIDByExtSystem="001XX0000ABCDEFAA1",
            to_BusinessPartnerTax=[{"BPTaxType": "DE0", "BPTaxNumber": "DE012345678"}],
            to_BuPaIdentification=[{"BPIdentificationType": "CRM001", "BPIdentificationNumber": "001XX"}],
        ),
    )
    assert (created["BusinessPartner"], created["Customer"]) == ("1000140", "1000140")
    assert created["BusinessPartnerFullName"] == "Acme GmbH"
    # The answer shows inline what came inline.
    [company] = created["to_Customer"]["to_CustomerCompany"]["results"]
    assert (company["Customer"], company["PaymentTerms"]) == ("1000140", "NT30")
    [area] = created["to_Customer"]["to_CustomerSalesArea"]["results"]
    assert area["to_SalesAreaTax"]["results"][0]["CustomerTaxClassification"] == "1"
    [address] = created["to_BusinessPartnerAddress"]["results"]
    assert address["to_EmailAddress"]["results"][0]["EmailAddress"] == "ap@acme.example"
    assert tenant.customer() == "1000141"


def test_the_location_leads_to_what_was_made(tenant: Any) -> None:
    response = tenant.send("POST", PARTNERS, a_customer())
    assert tenant.http.get(response.headers["location"]).json()["d"]["BusinessPartner"] == "1000140"


def test_the_external_id_comes_back_in_capitals_and_is_not_unique(tenant: Any) -> None:
    first = tenant.customer(BusinessPartnerIDByExtSystem="001xx0000AbCdEfAA1")
    second = tenant.customer(BusinessPartnerIDByExtSystem="001XX0000ABCDEFAA1")
    found = tenant.rows(PARTNERS, filter="BusinessPartnerIDByExtSystem eq '001XX0000ABCDEFAA1'")
    assert [each["BusinessPartner"] for each in found] == [first, second]
    assert found[0]["BusinessPartnerIDByExtSystem"] == "001XX0000ABCDEFAA1"


@pytest.mark.parametrize(
    ("roles", "companies", "areas"),
    [((), 0, 0), (("FLCU00",), 1, 0), (("FLCU01",), 0, 1), (("FLCU00", "FLCU01"), 1, 1)],
)
def test_what_the_roles_do_not_cover_is_dropped_without_a_word(
    tenant: Any, roles: tuple[str, ...], companies: int, areas: int
) -> None:
    customer = tenant.customer(to_BusinessPartnerRole=[{"BusinessPartnerRole": role} for role in roles])
    only = f"Customer eq '{customer}'"
    assert len(tenant.rows(f"{SERVICE}/A_CustomerCompany", filter=only)) == companies
    assert len(tenant.rows(f"{SERVICE}/A_CustomerSalesArea", filter=only)) == areas
    assert bool(tenant.read(f"{PARTNERS}('{customer}')")["Customer"]) is bool(roles)


def nested(path: str, value: Any) -> dict[str, Any]:
    """A customer with one value replaced, deep inside."""
    partner = a_customer()
    *way, last = path.split(".")
    target: Any = partner
    for name in way:
        target = target[0][name] if isinstance(target, list) else target[name]
    (target[0] if isinstance(target, list) else target)[last] = value
    return partner


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("BusinessPartnerCategory", "9", "Enter a valid business partner category, not 9"),
        ("BusinessPartnerGrouping", "XX01", "Grouping XX01 does not exist"),
        ("OrganizationBPName1", "", "Enter a name for the organization"),
        ("CorrespondenceLanguage", "XX", "Language XX is not defined"),
        ("to_BusinessPartnerAddress.Country", "XX", "Country/region XX is not defined"),
        ("to_BusinessPartnerAddress.Country", "", "Enter a country/region"),
        ("to_BusinessPartnerAddress.PostalCode", "6919", "Postal code 6919 is not valid for DE"),
        ("to_BusinessPartnerRole.BusinessPartnerRole", "XXXX", "BP role XXXX does not exist"),
        ("to_Customer.to_CustomerCompany.CompanyCode", "9999", "Company code 9999 is not defined"),
        ("to_Customer.to_CustomerCompany.PaymentTerms", "N999", "Terms of payment N999 do not exist"),
        ("to_Customer.to_CustomerCompany.ReconciliationAccount", "", "Enter a value for field ReconciliationAccount"),
        (
            "to_Customer.to_CustomerCompany.ReconciliationAccount",
            "99",
            "Account 99 is no reconciliation account for customers",
        ),
        ("to_Customer.to_CustomerSalesArea.SalesOrganization", "9999", "Sales area 9999 10 00 is not defined"),
        ("to_Customer.to_CustomerSalesArea.Currency", "XXX", "Currency XXX is not defined"),
        ("to_Customer.to_CustomerSalesArea.Currency", "", "Enter a value for field Currency"),
        (
            "to_Customer.to_CustomerSalesArea.to_SalesAreaTax.CustomerTaxCategory",
            "UTXJ",
            "Tax category UTXJ is not defined for DE",
        ),
    ],
)
def test_what_customizing_does_not_know_is_refused(tenant: Any, path: str, value: str, said: str) -> None:
    response = tenant.send("POST", PARTNERS, nested(path, value))
    assert tenant.refusal(response) == (400, said)
    assert tenant.rows(PARTNERS, filter="BusinessPartnerCategory eq '2'") == []


def test_every_finding_is_a_detail_and_the_last_one_says_nothing(tenant: Any) -> None:
    body = nested("to_Customer.to_CustomerCompany.CompanyCode", "9999")
    body["to_Customer"]["to_CustomerCompany"][0]["PaymentTerms"] = "N999"
    error = tenant.send("POST", PARTNERS, body).json()["error"]
    details = error["innererror"]["errordetails"]
    assert [each["propertyref"] for each in details] == ["CompanyCode", "PaymentTerms", ""]
    assert details[-1]["code"] == "/IWBEP/CX_MGW_BUSI_EXCEPTION"
    assert error["innererror"]["application"]["service_id"] == "API_BUSINESS_PARTNER"


@pytest.mark.parametrize(
    ("kind", "number", "accepted"),
    [
        ("DE0", "DE012345678", True),
        ("DE0", "DE1234", False),
        ("GB0", "GB123456789", True),
        ("US01", "12-3456789", True),
        ("XX9", "1", False),
    ],
)
def test_tax_numbers_are_checked_by_country(tenant: Any, kind: str, number: str, accepted: bool) -> None:
    taxes = [{"BPTaxType": kind, "BPTaxNumber": number}]
    response = tenant.send("POST", PARTNERS, a_customer(to_BusinessPartnerTax=taxes))
    assert response.status_code == (201 if accepted else 400)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("BusinessPartnerIDByExtSystem", "X" * 21, "has invalid value"),
        ("OrganizationBPName1", "X" * 41, "has invalid value"),
        ("BusinessPartnerIsBlocked", "perhaps", "has invalid value"),
        ("OrganizationBPName1", 7, "has invalid value"),
        ("Customer", "1000140", "must not be set"),
        ("BusinessPartnerUUID", "31b4ddf5-d376-1eee-ad82-75fc5764c785", "must not be set"),
        ("NoSuchField", "x", "is invalid in 'A_BusinessPartnerType'"),
    ],
)
def test_what_the_model_does_not_allow_is_refused(tenant: Any, name: str, value: object, said: str) -> None:
    status, message = tenant.refusal(tenant.send("POST", PARTNERS, a_customer(**{name: value})))
    assert status == 400
    assert name in message
    assert said in message


def test_a_wrong_value_is_named_with_its_place(tenant: Any) -> None:
    """KBA 3642265."""
    response = tenant.http.post(
        f"/sap/opu/odata/sap/{PARTNERS}",
        content=b'{"SearchTerm1":"' + b"X" * 21 + b'"}',
        headers={"content-type": "application/json"},
    )
    assert tenant.refusal(response)[1] == f"Property 'SearchTerm1' at offset '1' has invalid value '{'X' * 21}'"


@pytest.mark.parametrize("body", [b"{", b"[]", b'"text"', b"\xff"])
def test_a_body_that_is_no_json_object_is_refused(tenant: Any, body: bytes) -> None:
    response = tenant.http.post(
        f"/sap/opu/odata/sap/{PARTNERS}", content=body, headers={"content-type": "application/json"}
    )
    assert tenant.refusal(response)[0] == 400


def test_bodies_come_in_json(tenant: Any) -> None:
    response = tenant.http.post(f"/sap/opu/odata/sap/{PARTNERS}", content=b"<entry/>")
    assert response.status_code == 415


def test_numbers_are_internal_unless_the_grouping_says_otherwise(tenant: Any) -> None:
    assert tenant.send("POST", PARTNERS, a_customer(BusinessPartner="4711")).status_code == 400
    assert tenant.send("POST", PARTNERS, a_customer(BusinessPartnerGrouping="BPEE")).status_code == 400
    assert tenant.customer(BusinessPartner="4711", BusinessPartnerGrouping="BPEE") == "4711"
    again = tenant.send("POST", PARTNERS, a_customer(BusinessPartner="4711", BusinessPartnerGrouping="BPEE"))
    assert tenant.refusal(again)[0] == 400


# Changes


def test_a_change_answers_nothing_and_moves_the_tag(tenant: Any) -> None:
    path = f"{PARTNERS}('{tenant.customer()}')"
    etag = tenant.send("GET", path).headers["etag"]
    response = tenant.change(path, etag, OrganizationBPName2="Europe")
    assert (response.status_code, response.content) == (204, b"")
    partner = tenant.read(path)
    assert partner["BusinessPartnerFullName"] == "Acme GmbH Europe"
    assert partner["LastChangeDate"] == "/Date(1775779200000)/"
    assert tenant.refusal(tenant.change(path, etag, OrganizationBPName2="Asia"))[0] == 412
    assert tenant.send("PATCH", path, {"SearchTerm1": "X"}).status_code == 428
    assert tenant.change(path, SearchTerm1="X").status_code == 204


def test_a_change_below_the_partner_moves_its_tag_too(tenant: Any) -> None:
    customer = tenant.customer()
    before = tenant.send("GET", f"{PARTNERS}('{customer}')").headers["etag"]
    company = f"{SERVICE}/A_CustomerCompany(Customer='{customer}',CompanyCode='1010')"
    assert tenant.send("PATCH", company, {"PaymentTerms": "NT60"}).status_code == 204
    assert tenant.send("GET", f"{PARTNERS}('{customer}')").headers["etag"] != before
    assert tenant.refusal(tenant.send("PATCH", company, {"PaymentTerms": "N999"}))[0] == 400
    assert tenant.read(company)["PaymentTerms"] == "NT60"


def test_merge_put_and_the_tunnel_are_changes(tenant: Any) -> None:
    path = f"{PARTNERS}('{tenant.customer(SearchTerm2='KEEP')}')"
    any_version = {"If-Match": "*"}
    assert tenant.send("MERGE", path, {"SearchTerm1": "ONE"}, headers=any_version).status_code == 204
    tunnel = {**any_version, "X-HTTP-Method": "MERGE"}
    assert tenant.send("POST", path, {"FormOfAddress": "0003"}, headers=tunnel).status_code == 204
    partner = tenant.read(path)
    assert (partner["SearchTerm1"], partner["SearchTerm2"], partner["FormOfAddress"]) == ("ONE", "KEEP", "0003")
    body = {"BusinessPartnerCategory": "2", "OrganizationBPName1": "Acme SE"}
    assert tenant.send("PUT", path, body, headers=any_version).status_code == 204
    assert tenant.read(path)["SearchTerm2"] == ""


def test_the_wrapper_of_the_documentation_is_understood(tenant: Any) -> None:
    path = f"{PARTNERS}('{tenant.customer()}')"
    assert tenant.send("PATCH", path, {"d": {"SearchTerm1": "WRAPPED"}}, headers={"If-Match": "*"}).status_code == 204
    assert tenant.read(path)["SearchTerm1"] == "WRAPPED"


def test_what_cannot_be_done_to_a_set(tenant: Any) -> None:
    customer = tenant.customer()
    for method, path in (
        ("DELETE", f"{PARTNERS}('{customer}')"),
        ("POST", f"{SERVICE}/A_Customer"),
        ("PATCH", PARTNERS),
        ("POST", f"{PARTNERS}('{customer}')"),
    ):
        assert tenant.refusal(tenant.send(method, path, {}, headers={"If-Match": "*"}))[0] == 405


def test_a_company_code_and_a_sales_area_are_added_later(tenant: Any) -> None:
    customer = tenant.customer()
    tenant.make(
        f"{SERVICE}/A_CustomerCompany",
        Customer=customer,
        CompanyCode="1710",
        ReconciliationAccount="12100000",
        PaymentTerms="NT30",
    )
    area = a_sales_area(
        SalesOrganization="1710",
        Currency="USD",
        to_SalesAreaTax=[{"DepartureCountry": "US", "CustomerTaxCategory": "UTXJ", "CustomerTaxClassification": "1"}],
    )
    created = tenant.make(f"{SERVICE}/A_CustomerSalesArea", Customer=customer, **area)
    assert created["to_SalesAreaTax"]["results"][0]["Customer"] == customer
    partner = tenant.read(f"{SERVICE}/A_Customer('{customer}')", expand="to_CustomerCompany,to_CustomerSalesArea")
    assert [each["CompanyCode"] for each in partner["to_CustomerCompany"]["results"]] == ["1010", "1710"]
    assert len(partner["to_CustomerSalesArea"]["results"]) == 2
    again = tenant.send("POST", f"{SERVICE}/A_CustomerSalesArea", {"Customer": customer, **area})
    assert tenant.refusal(again)[0] == 400


def test_a_company_code_needs_a_customer_in_the_role(tenant: Any) -> None:
    key = tenant.make(PARTNERS, BusinessPartnerCategory="2", OrganizationBPName1="Prospect")["BusinessPartner"]
    company = {"Customer": key, "CompanyCode": "1010", "ReconciliationAccount": "12100000"}
    assert tenant.send("POST", f"{SERVICE}/A_CustomerCompany", company).status_code == 400
    tenant.make(f"{SERVICE}/A_BusinessPartnerRole", BusinessPartner=key, BusinessPartnerRole="FLCU00")
    assert tenant.read(f"{PARTNERS}('{key}')")["Customer"] == key
    assert tenant.send("POST", f"{SERVICE}/A_CustomerCompany", company).status_code == 201


def test_an_email_is_added_to_an_address_and_taken_away(tenant: Any) -> None:
    customer = tenant.customer()
    [address] = tenant.rows(f"{PARTNERS}('{customer}')/to_BusinessPartnerAddress")
    mail = tenant.make(
        f"{SERVICE}/A_AddressEmailAddress", AddressID=address["AddressID"], EmailAddress="cfo@acme.example"
    )
    assert (mail["OrdinalNumber"], mail["IsDefaultEmailAddress"]) == ("2", False)
    assert tenant.http.delete(mail["__metadata"]["uri"]).status_code == 204
    path = f"{SERVICE}/A_BusinessPartnerAddress(BusinessPartner='{customer}',AddressID='{address['AddressID']}')"
    assert len(tenant.rows(f"{path}/to_EmailAddress")) == 1


def test_an_address_has_one_default_email(tenant: Any) -> None:
    customer = tenant.customer()
    path = f"{PARTNERS}('{customer}')/to_BusinessPartnerAddress"
    address = tenant.rows(path)[0]["AddressID"]
    fields = {"EmailAddress": "cfo@acme.example", "IsDefaultEmailAddress": True}
    tenant.make(f"{SERVICE}/A_AddressEmailAddress", AddressID=address, **fields)

    def defaults() -> list[bool]:
        mails = tenant.rows(path, expand="to_EmailAddress")[0]["to_EmailAddress"]["results"]
        return [each["IsDefaultEmailAddress"] for each in mails]

    assert defaults() == [False, True]
    first = tenant.rows(path, expand="to_EmailAddress")[0]["to_EmailAddress"]["results"][0]
    uri = first["__metadata"]["uri"].partition("/sap/opu/odata/sap/")[2]
    assert tenant.change(uri, IsDefaultEmailAddress=True).status_code == 204
    assert defaults() == [True, False]


# Relationships


def a_person(tenant: Any, **fields: Any) -> str:
    person = {"BusinessPartnerCategory": "1", "FirstName": "Ada", "LastName": "Byron", **fields}
    return str(tenant.make(PARTNERS, **person)["BusinessPartner"])


def test_a_contact_is_a_person_with_a_relationship(tenant: Any) -> None:
    customer, person = tenant.customer(), a_person(tenant)
    contact = tenant.make(
        f"{SERVICE}/A_BusinessPartnerContact",
        BusinessPartnerCompany=customer,
        BusinessPartnerPerson=person,
        to_ContactRelationship={"ContactPersonFunction": "0001", "EmailAddress": "ada@acme.example"},
    )
    assert (contact["RelationshipNumber"], contact["RelationshipCategory"]) == ("1", "BUR001")
    assert contact["to_ContactRelationship"]["EmailAddress"] == "ada@acme.example"
    [seen] = tenant.rows(f"{PARTNERS}('{customer}')/to_BusinessPartnerContact")
    assert seen["BusinessPartnerPerson"] == person
    [relationship] = tenant.rows(f"{SERVICE}/A_BPRelationship", filter=f"BusinessPartner1 eq '{customer}'")
    assert relationship["ValidityEndDate"] == "/Date(253402214400000)/"
    again = {"BusinessPartnerCompany": customer, "BusinessPartnerPerson": person}
    assert tenant.refusal(tenant.send("POST", f"{SERVICE}/A_BusinessPartnerContact", again))[0] == 400


def test_a_contact_must_be_a_person(tenant: Any) -> None:
    body = {"BusinessPartnerCompany": tenant.customer(), "BusinessPartnerPerson": tenant.customer()}
    assert tenant.refusal(tenant.send("POST", f"{SERVICE}/A_BusinessPartnerContact", body))[0] == 400


def test_a_parent_is_a_relationship(tenant: Any) -> None:
    parent, child = tenant.customer(), tenant.customer()
    body = {"BusinessPartner1": parent, "BusinessPartner2": child}
    path = f"{SERVICE}/A_BPRelationship"
    assert tenant.refusal(tenant.send("POST", path, {**body, "RelationshipCategory": "XXXXXX"}))[0] == 400
    made = tenant.make(path, **body, RelationshipCategory="BUR020")
    assert tenant.http.delete(made["__metadata"]["uri"]).status_code == 204
    assert tenant.rows(path) == []
    missing = {"BusinessPartner1": parent, "BusinessPartner2": "999", "RelationshipCategory": "BUR020"}
    assert tenant.refusal(tenant.send("POST", path, missing)) == (400, "Business partner 999 does not exist")


def test_a_project_manager_is_found_by_email(tenant: Any) -> None:
    [mail] = tenant.rows(f"{SERVICE}/A_AddressEmailAddress", filter="EmailAddress eq 'mara.lind@example.com'")
    [address] = tenant.rows(f"{SERVICE}/A_BusinessPartnerAddress", filter=f"AddressID eq '{mail['AddressID']}'")
    manager = tenant.read(f"{PARTNERS}('{address['BusinessPartner']}')")
    assert manager["BusinessPartnerUUID"] == "31b4ddf5-d376-1eee-ad82-75fc5764c785"


# Locks


def test_a_locked_partner_is_refused_until_it_is_free(tenant: Any) -> None:
    customer = tenant.customer()
    tenant.simulator.lock_object("A_BusinessPartner", customer, calls=1)
    status, message = tenant.refusal(tenant.change(f"{PARTNERS}('{customer}')", SearchTerm1="X"))
    assert (status, message) == (400, f"Business partner {customer} is locked by user CB9980000012")
    assert tenant.change(f"{PARTNERS}('{customer}')", SearchTerm1="X").status_code == 204


def test_a_lock_without_end_stays_until_it_is_taken_away(tenant: Any) -> None:
    customer = tenant.customer()
    lock = {"type": "A_BusinessPartner", "id": customer}
    assert tenant.http.post("/__sim/actions/lock", json=lock).status_code == 201
    for _ in range(3):
        assert tenant.change(f"{PARTNERS}('{customer}')", SearchTerm1="X").status_code == 400
    assert tenant.http.post("/__sim/actions/unlock", json=lock).status_code == 201
    assert tenant.change(f"{PARTNERS}('{customer}')", SearchTerm1="X").status_code == 204
