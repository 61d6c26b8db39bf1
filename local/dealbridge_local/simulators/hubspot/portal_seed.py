"""What a fresh portal of a professional-services firm holds: properties, pipelines and owners.

HubSpot's own properties as far as a services firm uses them, then the firm's custom ones, then those that the
integration writes (group `erp`).
"""

from typing import Any

from dealbridge_local.simulators.hubspot.properties import BOOLEAN_OPTIONS, Property

PAYMENT_TERMS = (("net_15", "Net 15"), ("net_30", "Net 30"), ("net_45", "Net 45"), ("net_60", "Net 60"))
DEAL_KINDS = (
    ("new", "New"),
    ("amendment", "Amendment"),
    ("change_order", "Change order"),
    ("renewal", "Renewal"),
    ("cancellation", "Cancellation"),
)
BILLING_TYPES = (
    ("fixed", "Fixed price"),
    ("milestone", "Milestone"),
    ("time_and_materials", "Time and materials"),
    ("retainer", "Retainer"),
)
BILLING_FREQUENCIES = tuple(
    (value, value.replace("_", " ").capitalize())
    for value in ("weekly", "biweekly", "monthly", "quarterly", "per_six_months", "annually")
)
_SELECTED = {"string": "text", "number": "number", "date": "date", "datetime": "date", "bool": "booleancheckbox"}


def _hubspot(group: str, *names: str, kind: str = "string", **more: Any) -> tuple[Property, ...]:
    options = BOOLEAN_OPTIONS if kind == "bool" else ()
    return tuple(
        Property(name, _label(name), kind, _SELECTED[kind], group, options, hubspot_defined=True, **more)
        for name in names
    )


def _computed(group: str, *names: str, kind: str = "string") -> tuple[Property, ...]:
    return _hubspot(group, *names, kind=kind, read_only=True, calculated=True)


def _custom(group: str, *names: str, kind: str = "string", **more: Any) -> tuple[Property, ...]:
    options = BOOLEAN_OPTIONS if kind == "bool" else ()
    return tuple(Property(name, _label(name), kind, _SELECTED[kind], group, options, **more) for name in names)


def _choice(group: str, name: str, options: tuple[tuple[str, str], ...], **more: Any) -> Property:
    return Property(name, _label(name), "enumeration", "select", group, options, **more)


def _label(name: str) -> str:
    return name.removeprefix("hs_").replace("_", " ").capitalize()


def _owner(group: str) -> Property:
    # Owners are dynamic: the definition has no options, the value is checked against the owners.
    return _choice(
        group,
        "hubspot_owner_id",
        (),
        hubspot_defined=True,
        external_options=True,
        referenced_object_type="OWNER",
    )


def _system(group: str, modified: str = "hs_lastmodifieddate") -> tuple[Property, ...]:
    return (
        *_hubspot(group, "hs_object_id", kind="number", read_only=True),
        *_hubspot(group, "createdate", modified, kind="datetime", read_only=True),
        *_hubspot(group, "hs_object_source", "hs_object_source_id", "hs_merged_object_ids", read_only=True),
    )


_DEAL, _COMPANY, _CONTACT = "dealinformation", "companyinformation", "contactinformation"
_LINE, _PRODUCT, _QUOTE = "lineiteminformation", "productinformation", "quoteinformation"
_FIRM, _ERP = "engagement", "erp"

DEAL_PROPERTIES = (
    *_system(_DEAL),
    *_hubspot(_DEAL, "dealname", "description", "closed_lost_reason", "closed_won_reason", "hs_next_step"),
    *_hubspot(_DEAL, "amount", kind="number", currency_property="deal_currency_code"),
    *_hubspot(_DEAL, "closedate", kind="datetime"),
    _choice(_DEAL, "pipeline", (), hubspot_defined=True, external_options=True),
    _choice(_DEAL, "dealstage", (), hubspot_defined=True, external_options=True),
    _choice(_DEAL, "deal_currency_code", (), hubspot_defined=True, external_options=True),
    _choice(_DEAL, "dealtype", (("newbusiness", "New"), ("existingbusiness", "Existing")), hubspot_defined=True),
    _owner(_DEAL),
    *_computed(
        _DEAL,
        "amount_in_home_currency",
        "hs_exchange_rate",
        "hs_deal_stage_probability",
        "hs_closed_amount",
        "num_associated_contacts",
        "hs_num_of_associated_line_items",
        "hs_primary_associated_company",
        kind="number",
    ),
    *_computed(_DEAL, "hs_closed_won_date", kind="datetime"),
    *_computed(_DEAL, "hs_is_closed", "hs_is_closed_won", "hs_is_closed_lost", kind="bool"),
    *_custom(_FIRM, "legal_entity", "delivery_owner_email", "po_number", "business_unit", "predecessor_deal_id"),
    *_custom(_FIRM, "commercial_terms_approved", kind="bool"),
    *_custom(_FIRM, "contract_start", "contract_end", kind="date"),
    _choice(_FIRM, "payment_terms", PAYMENT_TERMS),
    _choice(_FIRM, "deal_kind", DEAL_KINDS),
    *_custom(_FIRM, "deal_key", unique=True),
    *_custom(_ERP, "erp_deal_id", unique=True),
    *_custom(_ERP, "erp_project_number", "erp_contract_number", "erp_customer_number", "erp_status"),
    *_custom(_ERP, "erp_status_message"),
    *_custom(_ERP, "erp_status_at", kind="datetime"),
)

COMPANY_PROPERTIES = (
    *_system(_COMPANY),
    *_hubspot(_COMPANY, "name", "domain", "phone", "address", "address2", "city", "state", "zip", "country"),
    *_hubspot(_COMPANY, "industry", "description", "website"),
    _owner(_COMPANY),
    *_computed(_COMPANY, "hs_parent_company_id", "hs_num_child_companies", kind="number"),
    *_custom(_FIRM, "legal_name", "tax_registrations"),
    _choice(_FIRM, "payment_terms", PAYMENT_TERMS),
    *_custom(_ERP, "erp_customer_number"),
)

CONTACT_PROPERTIES = (
    *_system(_CONTACT, "lastmodifieddate"),
    *_hubspot(_CONTACT, "email", unique=True),
    *_hubspot(_CONTACT, "firstname", "lastname", "phone", "mobilephone", "jobtitle", "company", "address", "city"),
    *_hubspot(_CONTACT, "state", "zip", "country"),
    _owner(_CONTACT),
)

LINE_ITEM_PROPERTIES = (
    *_system(_LINE),
    *_hubspot(_LINE, "name", "description", "hs_sku", "hs_product_id", "hs_recurring_billing_period"),
    *_hubspot(_LINE, "quantity", "price", "discount", "hs_discount_percentage", "hs_cost_of_goods_sold", kind="number"),
    *_hubspot(_LINE, "hs_position_on_quote", kind="number"),
    *_hubspot(_LINE, "hs_recurring_billing_start_date", kind="date"),
    _choice(_LINE, "recurringbillingfrequency", BILLING_FREQUENCIES, hubspot_defined=True),
    _choice(_LINE, "hs_line_item_currency_code", (), hubspot_defined=True, external_options=True),
    *_computed(_LINE, "amount", "hs_pre_discount_amount", "hs_total_discount", kind="number"),
    *_custom(_FIRM, "service_line", "legal_entity", "role", "milestones"),
    _choice(_FIRM, "billing_type", BILLING_TYPES),
    _choice(_FIRM, "billing_frequency", BILLING_FREQUENCIES),
    *_custom(_FIRM, "start_date", "end_date", kind="date"),
    *_custom(_FIRM, "cap_amount", "hours", kind="number"),
)

PRODUCT_PROPERTIES = (
    *_system(_PRODUCT),
    *_hubspot(_PRODUCT, "name", "description", "hs_sku", "hs_recurring_billing_period"),
    *_hubspot(_PRODUCT, "price", "hs_cost_of_goods_sold", kind="number"),
    _choice(_PRODUCT, "recurringbillingfrequency", BILLING_FREQUENCIES, hubspot_defined=True),
    *_custom(_FIRM, "service_line"),
)

QUOTE_PROPERTIES = (
    *_system(_QUOTE),
    *_hubspot(_QUOTE, "hs_title", "hs_currency", "hs_quote_number", "hs_status", "hs_terms"),
    *_hubspot(_QUOTE, "hs_quote_amount", kind="number"),
    *_hubspot(_QUOTE, "hs_expiration_date", kind="date"),
    _owner(_QUOTE),
)

PROPERTIES = {
    "contacts": CONTACT_PROPERTIES,
    "companies": COMPANY_PROPERTIES,
    "deals": DEAL_PROPERTIES,
    "products": PRODUCT_PROPERTIES,
    "line_items": LINE_ITEM_PROPERTIES,
    "quotes": QUOTE_PROPERTIES,
}

# (id, label, [(stage id, label, probability, closed)]): only the default pipeline has speaking stage ids.
PIPELINES = (
    (
        "default",
        "Sales Pipeline",
        (
            ("appointmentscheduled", "Appointment Scheduled", "0.2", False),
            ("qualifiedtobuy", "Qualified To Buy", "0.4", False),
            ("presentationscheduled", "Presentation Scheduled", "0.6", False),
            ("decisionmakerboughtin", "Decision Maker Bought-In", "0.8", False),
            ("contractsent", "Contract Sent", "0.9", False),
            ("closedwon", "Closed Won", "1.0", True),
            ("closedlost", "Closed Lost", "0.0", True),
        ),
    ),
    (
        "716248113",
        "Client Expansion",
        (
            ("1041285630", "Scoping", "0.3", False),
            ("1041285631", "Statement of Work Sent", "0.7", False),
            ("1041285632", "Signed", "1.0", True),
            ("1041285633", "Declined", "0.0", True),
        ),
    ),
)

# (id, user id, e-mail, first name, last name)
OWNERS = (
    ("96879917", 96879917, "ines.duarte@example.com", "Ines", "Duarte"),
    ("96879918", 96879918, "tom.okafor@example.com", "Tom", "Okafor"),
    ("96879931", 96879931, "priya.raman@example.com", "Priya", "Raman"),
    ("96879944", 96879944, "lena.vogt@example.com", "Lena", "Vogt"),
)
