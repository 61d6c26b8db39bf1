"""API_BUSINESS_PARTNER: business partner, customer, contact (communication scenario SAP_COM_0008)."""

from dataclasses import replace

from dealbridge_local.simulators.s4hana.entities.customer import (
    CUSTOMER,
    CUSTOMER_COMPANY,
    PARTNER_FUNCTION,
    SALES_AREA,
    SALES_AREA_TAX,
)
from dealbridge_local.simulators.s4hana.model import (
    Navigation,
    children,
    clock_time,
    day,
    entity,
    flag,
    guid,
    label,
    number,
    service,
    shown,
    single,
    stamp,
    text,
)

PARTNER = entity(
    "A_BusinessPartner",
    "BusinessPartner",
    [
        number("BusinessPartner", 10),
        *shown(number("Customer", 10), number("Supplier", 10)),
        text("AcademicTitle", 4),
        text("AuthorizationGroup", 4),
        text("BusinessPartnerCategory", 1),
        *shown(label("BusinessPartnerFullName", 81)),
        text("BusinessPartnerGrouping", 4),
        *shown(label("BusinessPartnerName", 81), guid("BusinessPartnerUUID")),
        text("CorrespondenceLanguage", 2),
        *shown(text("CreatedByUser", 12), day("CreationDate"), clock_time("CreationTime")),
        label("FirstName", 40),
        text("FormOfAddress", 4),
        text("Industry", 10),
        text("Language", 2),
        *shown(day("LastChangeDate"), clock_time("LastChangeTime"), text("LastChangedByUser", 12)),
        label("LastName", 40),
        text("LegalForm", 2),
        label("OrganizationBPName1", 40),
        label("OrganizationBPName2", 40),
        label("OrganizationBPName3", 40),
        label("OrganizationBPName4", 40),
        text("SearchTerm1", 20),
        text("SearchTerm2", 20),
        flag("BusinessPartnerIsBlocked"),
        text("BusinessPartnerType", 4),
        *(replace(each, concurrency=True) for each in shown(text("ETag", 26))),
        label("GroupBusinessPartnerName1", 40),
        label("MiddleName", 40),
        label("PersonFullName", 80),
        flag("IsMarkedForArchiving"),
        text("BusinessPartnerIDByExtSystem", 20),
        text("TradingPartner", 6),
    ],
    [
        children("to_BusinessPartnerAddress", "A_BusinessPartnerAddress", "BusinessPartner"),
        children("to_BusinessPartnerTax", "A_BusinessPartnerTaxNumber", "BusinessPartner"),
        children("to_BuPaIdentification", "A_BuPaIdentification", "BusinessPartner"),
        children("to_BusinessPartnerRole", "A_BusinessPartnerRole", "BusinessPartner"),
        Navigation(
            "to_BusinessPartnerContact",
            "A_BusinessPartnerContact",
            True,
            {"BusinessPartner": "BusinessPartnerCompany"},
        ),
        single("to_Customer", "A_Customer", "Customer", insertable=True),
    ],
    concurrency="etag",
    indexed=("BusinessPartnerIDByExtSystem", "BusinessPartnerUUID", "Customer", "SearchTerm1", "OrganizationBPName1"),
)

ADDRESS = entity(
    "A_BusinessPartnerAddress",
    "BusinessPartner AddressID",
    [
        number("BusinessPartner", 10),
        number("AddressID", 10),
        stamp("ValidityStartDate", precision=0),
        stamp("ValidityEndDate", precision=0),
        *shown(guid("AddressUUID")),
        label("AdditionalStreetPrefixName", 40),
        label("CareOfName", 40),
        label("CityName", 40),
        text("Country", 3),
        label("County", 40),
        label("District", 40),
        *shown(label("FullName", 80)),
        label("HouseNumber", 10),
        text("Language", 2),
        text("POBox", 10),
        text("POBoxPostalCode", 10),
        text("PostalCode", 10),
        text("PrfrdCommMediumType", 3),
        text("Region", 3),
        label("StreetName", 60),
        label("StreetPrefixName", 40),
        label("StreetSuffixName", 40),
        text("TaxJurisdiction", 15),
        label("AddressIDByExternalSystem", 20),
    ],
    [
        children("to_AddressUsage", "A_BuPaAddressUsage", "BusinessPartner", "AddressID"),
        children("to_EmailAddress", "A_AddressEmailAddress", "AddressID"),
        children("to_PhoneNumber", "A_AddressPhoneNumber", "AddressID"),
        children("to_URLAddress", "A_AddressHomePageURL", "AddressID"),
    ],
    deletable=True,
    indexed=("AddressID",),
)

ADDRESS_USAGE = entity(
    "A_BuPaAddressUsage",
    "BusinessPartner ValidityEndDate AddressUsage AddressID",
    [
        number("BusinessPartner", 10),
        stamp("ValidityEndDate", precision=0),
        text("AddressUsage", 10),
        number("AddressID", 10),
        stamp("ValidityStartDate", precision=0),
        flag("StandardUsage"),
    ],
    deletable=True,
)

EMAIL = entity(
    "A_AddressEmailAddress",
    "AddressID Person OrdinalNumber",
    [
        number("AddressID", 10),
        number("Person", 10),
        number("OrdinalNumber", 3),
        flag("IsDefaultEmailAddress"),
        label("EmailAddress", 241),
        *shown(text("SearchEmailAddress", 20)),
    ],
    deletable=True,
    indexed=("EmailAddress",),
)

PHONE = entity(
    "A_AddressPhoneNumber",
    "AddressID Person OrdinalNumber",
    [
        number("AddressID", 10),
        number("Person", 10),
        number("OrdinalNumber", 3),
        text("DestinationLocationCountry", 3),
        flag("IsDefaultPhoneNumber"),
        label("PhoneNumber", 30),
        label("PhoneNumberExtension", 10),
        *shown(label("InternationalPhoneNumber", 30)),
        text("PhoneNumberType", 1),
    ],
    deletable=True,
)

HOME_PAGE = entity(
    "A_AddressHomePageURL",
    "AddressID Person OrdinalNumber ValidityStartDate IsDefaultURLAddress",
    [
        number("AddressID", 10),
        number("Person", 10),
        number("OrdinalNumber", 3),
        day("ValidityStartDate"),
        flag("IsDefaultURLAddress"),
        *shown(text("SearchURLAddress", 50)),
        label("WebsiteURL", 2048),
    ],
    deletable=True,
)

TAX_NUMBER = entity(
    "A_BusinessPartnerTaxNumber",
    "BusinessPartner BPTaxType",
    [
        number("BusinessPartner", 10),
        text("BPTaxType", 4),
        text("BPTaxNumber", 20),
        text("BPTaxLongNumber", 60),
        text("AuthorizationGroup", 4),
    ],
    deletable=True,
    indexed=("BPTaxNumber",),
)

IDENTIFICATION = entity(
    "A_BuPaIdentification",
    "BusinessPartner BPIdentificationType BPIdentificationNumber",
    [
        number("BusinessPartner", 10),
        text("BPIdentificationType", 6),
        label("BPIdentificationNumber", 60),
        label("BPIdnNmbrIssuingInstitute", 40),
        day("BPIdentificationEntryDate"),
        text("Country", 3),
        text("Region", 3),
        day("ValidityStartDate"),
        day("ValidityEndDate"),
        text("AuthorizationGroup", 4),
    ],
    deletable=True,
    indexed=("BPIdentificationNumber",),
)

ROLE = entity(
    "A_BusinessPartnerRole",
    "BusinessPartner BusinessPartnerRole",
    [
        number("BusinessPartner", 10),
        text("BusinessPartnerRole", 6),
        stamp("ValidFrom", precision=0),
        stamp("ValidTo", precision=0),
        text("AuthorizationGroup", 4),
    ],
)

CONTACT = entity(
    "A_BusinessPartnerContact",
    "RelationshipNumber BusinessPartnerCompany BusinessPartnerPerson ValidityEndDate",
    [
        number("RelationshipNumber", 12),
        number("BusinessPartnerCompany", 10),
        number("BusinessPartnerPerson", 10),
        day("ValidityEndDate"),
        day("ValidityStartDate"),
        flag("IsStandardRelationship"),
        text("RelationshipCategory", 6),
    ],
    [
        single(
            "to_ContactRelationship",
            "A_BPContactToFuncAndDept",
            "RelationshipNumber",
            "BusinessPartnerCompany",
            "BusinessPartnerPerson",
            "ValidityEndDate",
            insertable=True,
        )
    ],
    deletable=True,
    indexed=("BusinessPartnerPerson",),
)

CONTACT_FUNCTION = entity(
    "A_BPContactToFuncAndDept",
    "RelationshipNumber BusinessPartnerCompany BusinessPartnerPerson ValidityEndDate",
    [
        number("RelationshipNumber", 12),
        number("BusinessPartnerCompany", 10),
        number("BusinessPartnerPerson", 10),
        day("ValidityEndDate"),
        text("ContactPersonFunction", 4),
        text("ContactPersonDepartment", 4),
        label("ContactPersonFunctionName", 40),
        label("ContactPersonRemarkText", 40),
        label("PhoneNumber", 30),
        label("PhoneNumberExtension", 10),
        label("EmailAddress", 241),
        text("RelationshipCategory", 6),
    ],
)

RELATIONSHIP = entity(
    "A_BPRelationship",
    "RelationshipNumber BusinessPartner1 BusinessPartner2 ValidityEndDate",
    [
        number("RelationshipNumber", 12),
        number("BusinessPartner1", 10),
        number("BusinessPartner2", 10),
        day("ValidityEndDate"),
        day("ValidityStartDate"),
        flag("IsStandardRelationship"),
        text("RelationshipCategory", 6),
        text("BPRelationshipType", 4),
        *shown(text("CreatedByUser", 12), day("CreationDate"), clock_time("CreationTime")),
    ],
    deletable=True,
    indexed=("BusinessPartner1", "BusinessPartner2"),
)

SERVICE = service(
    "API_BUSINESS_PARTNER",
    PARTNER,
    ADDRESS,
    ADDRESS_USAGE,
    EMAIL,
    PHONE,
    HOME_PAGE,
    TAX_NUMBER,
    IDENTIFICATION,
    ROLE,
    CONTACT,
    CONTACT_FUNCTION,
    RELATIONSHIP,
    CUSTOMER,
    CUSTOMER_COMPANY,
    SALES_AREA,
    SALES_AREA_TAX,
    PARTNER_FUNCTION,
    component="AP-MD-BP",
)
