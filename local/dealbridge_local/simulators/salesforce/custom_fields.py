"""The custom fields that this org has added to the standard sObjects: the firm's own, and the integration's."""

from dealbridge_local.simulators.salesforce.schema import Field

PAYMENT_TERMS = ("Net 15", "Net 30", "Net 45", "Net 60")


def _text(name: str, label: str, length: int = 80) -> Field:
    return Field(name, label=label, length=length)


def _long_text(name: str, label: str) -> Field:
    return Field(name, "textarea", label, length=32768)


def _picklist(name: str, label: str, *values: str) -> Field:
    return Field(name, "picklist", label, length=255, picklist=values, restricted=True)


def _key(name: str, label: str) -> Field:
    return Field(name, label=label, length=80, external_id=True, unique=True)


CUSTOM_FIELDS: dict[str, tuple[Field, ...]] = {
    "Account": (
        _text("Legal_Name__c", "Legal Name", 255),
        _long_text("Tax_Registrations__c", "Tax Registrations"),
        _picklist("Payment_Terms__c", "Payment Terms", *PAYMENT_TERMS),
        _key("ERP_Id__c", "ERP Id"),
        _text("ERP_Customer_Number__c", "ERP Customer Number"),
    ),
    "Opportunity": (
        _text("Legal_Entity__c", "Legal Entity", 20),
        Field("Commercial_Terms_Approved__c", "boolean", "Commercial Terms Approved", nillable=False, default=False),
        Field("Delivery_Owner_Email__c", "email", "Delivery Owner Email", length=80),
        _text("PO_Number__c", "PO Number"),
        Field("Contract_Start__c", "date", "Contract Start"),
        Field("Contract_End__c", "date", "Contract End"),
        _picklist("Payment_Terms__c", "Payment Terms", *PAYMENT_TERMS),
        _text("Business_Unit__c", "Business Unit"),
        _picklist("Deal_Kind__c", "Deal Kind", "New", "Amendment", "Change Order", "Renewal", "Cancellation"),
        Field(
            "Predecessor_Opportunity__c",
            "reference",
            "Predecessor Opportunity",
            reference_to="Opportunity",
            relationship="Predecessor_Opportunity__r",
            children="Successor_Opportunities__r",
        ),
        _key("Deal_Key__c", "Deal Key"),
        _text("ERP_Project_Number__c", "ERP Project Number"),
        _text("ERP_Contract_Number__c", "ERP Contract Number"),
        _text("ERP_Customer_Number__c", "ERP Customer Number"),
        _text("ERP_Status__c", "ERP Status"),
        _long_text("ERP_Status_Message__c", "ERP Status Message"),
        Field("ERP_Status_At__c", "datetime", "ERP Status At"),
    ),
    "OpportunityLineItem": (
        _text("Service_Line__c", "Service Line"),
        _picklist("Billing_Type__c", "Billing Type", "Fixed", "Milestone", "Time and Materials", "Retainer"),
        Field("Start_Date__c", "date", "Start Date"),
        Field("End_Date__c", "date", "End Date"),
        _picklist("Billing_Frequency__c", "Billing Frequency", "Monthly", "Quarterly", "Annually", "Once"),
        Field("Cap_Amount__c", "currency", "Cap Amount", scale=2),
        _text("Legal_Entity__c", "Legal Entity", 20),
        _text("Role__c", "Role"),
        Field("Hours__c", "double", "Hours", scale=2),
    ),
}
