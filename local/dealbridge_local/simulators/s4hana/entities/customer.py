"""The customer side of API_BUSINESS_PARTNER: company codes, sales areas, their tax and partner functions."""

from dealbridge_local.simulators.s4hana.model import (
    children,
    day,
    entity,
    flag,
    label,
    number,
    shown,
    text,
)

CUSTOMER = entity(
    "A_Customer",
    "Customer",
    [
        number("Customer", 10),
        text("BillingIsBlockedForCustomer", 2),
        *shown(text("CreatedByUser", 12), day("CreationDate")),
        text("CustomerAccountGroup", 4),
        text("CustomerClassification", 2),
        *shown(label("CustomerFullName", 220), label("CustomerName", 80)),
        text("DeliveryIsBlocked", 2),
        text("OrderIsBlockedForCustomer", 2),
        flag("PostingIsBlocked"),
        text("CustomerCorporateGroup", 10),
        text("VATRegistration", 20),
        flag("DeletionIndicator"),
    ],
    [
        children("to_CustomerCompany", "A_CustomerCompany", "Customer"),
        children("to_CustomerSalesArea", "A_CustomerSalesArea", "Customer"),
    ],
    creatable=False,
)

CUSTOMER_COMPANY = entity(
    "A_CustomerCompany",
    "Customer CompanyCode",
    [
        number("Customer", 10),
        text("CompanyCode", 4),
        text("AccountByCustomer", 12),
        text("AccountingClerk", 2),
        number("AlternativePayerAccount", 10),
        label("CustomerAccountNote", 30),
        number("CustomerHeadOffice", 10),
        text("LayoutSortingRule", 3),
        text("PaymentBlockingReason", 1),
        text("PaymentMethodsList", 10),
        text("PaymentTerms", 4),
        number("ReconciliationAccount", 10),
        flag("RecordPaymentHistoryIndicator"),
        flag("DeletionIndicator"),
        *shown(text("CustomerAccountGroup", 4)),
    ],
)

SALES_AREA = entity(
    "A_CustomerSalesArea",
    "Customer SalesOrganization DistributionChannel Division",
    [
        number("Customer", 10),
        text("SalesOrganization", 4),
        text("DistributionChannel", 2),
        text("Division", 2),
        text("AccountByCustomer", 12),
        text("BillingIsBlockedForCustomer", 2),
        text("Currency", 5),
        text("CustomerABCClassification", 2),
        text("CustomerAccountAssignmentGroup", 2),
        text("CustomerGroup", 2),
        text("CustomerPaymentTerms", 4),
        text("CustomerPricingProcedure", 2),
        text("IncotermsClassification", 3),
        label("IncotermsLocation1", 70),
        flag("DeletionIndicator"),
        text("OrderIsBlockedForCustomer", 2),
        text("SalesDistrict", 6),
        text("SalesGroup", 3),
        text("SalesOffice", 4),
        text("ShippingCondition", 2),
        *shown(text("CustomerAccountGroup", 4)),
    ],
    [
        children(
            "to_SalesAreaTax",
            "A_CustomerSalesAreaTax",
            "Customer",
            "SalesOrganization",
            "DistributionChannel",
            "Division",
        ),
        children(
            "to_PartnerFunction",
            "A_CustSalesPartnerFunc",
            "Customer",
            "SalesOrganization",
            "DistributionChannel",
            "Division",
        ),
    ],
)

SALES_AREA_TAX = entity(
    "A_CustomerSalesAreaTax",
    "Customer SalesOrganization DistributionChannel Division DepartureCountry CustomerTaxCategory",
    [
        number("Customer", 10),
        text("SalesOrganization", 4),
        text("DistributionChannel", 2),
        text("Division", 2),
        text("DepartureCountry", 3),
        text("CustomerTaxCategory", 4),
        text("CustomerTaxClassification", 1),
    ],
)

PARTNER_FUNCTION = entity(
    "A_CustSalesPartnerFunc",
    "Customer SalesOrganization DistributionChannel Division PartnerCounter PartnerFunction",
    [
        number("Customer", 10),
        text("SalesOrganization", 4),
        text("DistributionChannel", 2),
        text("Division", 2),
        number("PartnerCounter", 3),
        text("PartnerFunction", 2),
        number("BPCustomerNumber", 10),
        flag("DefaultPartner"),
    ],
    deletable=True,
)
