"""S/4HANA's records: which stands for which of ours, how our keys fit its fields, and which codes it takes."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from dealbridge.domain.deal import BillingType
from dealbridge.domain.keys import Kind
from dealbridge.transport import mapping

ODATA = "/sap/opu/odata/sap"
PARTNERS = "API_BUSINESS_PARTNER"
PROJECTS = "API_ENTERPRISE_PROJECT_SRV;v=0002"
ORDERS = "API_SALES_ORDER_SRV"


@dataclass(frozen=True)
class Resource:
    """One record type: its service and set, its key and number, and its app for a browser (UNVERIFIED intents)."""

    service: str
    set: str
    id: str
    number: str
    intent: str

    @property
    def path(self) -> str:
        return f"{ODATA}/{self.service}/{self.set}"


RESOURCES: Mapping[Kind, Resource] = {
    Kind.CUSTOMER: Resource(
        PARTNERS, "A_BusinessPartner", "BusinessPartner", "BusinessPartner", "BusinessPartner-maintain?BusinessPartner"
    ),
    Kind.CONTACT: Resource(
        PARTNERS, "A_BusinessPartner", "BusinessPartner", "BusinessPartner", "BusinessPartner-maintain?BusinessPartner"
    ),
    Kind.PROJECT: Resource(
        PROJECTS, "A_EnterpriseProject", "ProjectUUID", "Project", "EnterpriseProject-planProject?EnterpriseProject"
    ),
    Kind.CONTRACT: Resource(ORDERS, "A_SalesOrder", "SalesOrder", "SalesOrder", "SalesOrder-manageV2?SalesOrder"),
}

# Our keys in SAP's fields. A key that does not fit is shortened to a digest (60 bits) and its own end.

_PARTNER_KEY_LENGTH = 20
_PROJECT_LENGTH = 19
"""24, less a hyphen and a service line of four characters: elements are numbered below their project."""
_ELEMENT_LENGTH = 24
ORDER_KEY_LENGTH = 35
_DIGEST = 12


def fitted(key: str, length: int) -> str:
    """A key of at most so many characters: itself, or a digest of it with as much of its end as there is room for."""
    if len(key) <= length:
        return key
    digest = base64.b32encode(hashlib.sha256(key.encode()).digest()).decode()[: min(_DIGEST, length)]
    return digest + key[len(key) - (length - len(digest)) :]


def partner_key(kind: Kind, key: str) -> str:
    """`BusinessPartnerIDByExtSystem`: String(20), upper-cased by SAP (A2.1); A- an account, C- a contact."""
    source = key.partition("-")[2] or key
    return fitted(f"{'C' if kind is Kind.CONTACT else 'A'}-{source}".upper(), _PARTNER_KEY_LENGTH)


def project_id(key: str) -> str:
    """`Project`: String(24), ours to choose and unique (A2.2)."""
    return fitted((key.partition("-")[2] or key).upper(), _PROJECT_LENGTH)


def element_id(project: str, service_line: str) -> str:
    """`ProjectElement`: String(24), unique over all projects, hence below the project's own number."""
    room = _ELEMENT_LENGTH - len(project) - 1
    return f"{project}-{fitted(service_line.upper(), room)}"


class Codes(mapping.Codes):
    """See README.md, Codes."""

    def entity_default(self, name: str) -> str | None:
        """Of the legal entity, else of all."""
        return mapping.text_of(self.values.get("entity", {}).get(name)) or self.default(name)

    @property
    def tax_classification(self) -> str:
        tax = self.values.get("tax", {})
        name = f"tax.{tax.get('treatment', '*')}.classification"
        return str(self.needed(tax.get("classification") or self.default("tax_classification"), name))

    def tax_number_type(self, country: str) -> str:
        types = self.defaults.get("tax_number_types", {})
        return str(self.needed(types.get(country), f"defaults.tax_number_types.{country}"))

    def material(self, service_line: str) -> str:
        return self.of_service_line(service_line, "material")

    def service_line(self, material: str) -> str:
        """The service line behind a material; the material itself where it is none of ours."""
        return self.service_line_behind("material", material) or material

    def item_category(self, billing_type: BillingType) -> str:
        categories = self.defaults.get("item_categories", {})
        name = f"defaults.item_categories.{billing_type}"
        return str(self.needed(categories.get(billing_type) or categories.get("*"), name))

    def has_plan(self, category: str) -> bool:
        """Whether order items of this category carry a billing plan."""
        return category in self.defaults.get("plan_categories", ())

    @property
    def customer_roles(self) -> list[str]:
        return list(self.needed(list(self.defaults.get("customer_roles", ())), "defaults.customer_roles"))

    def read_terms(self, wanted: str | None, held: str | None) -> str | None:
        """The payment terms in our words; those of another code as SAP has them."""
        if wanted is None:
            return None
        return wanted if held == self.terms else held or None


def kept(wanted: str, held: str, length: int) -> str:
    """What we asked for, where the field holds as much of it as it can; else what it holds."""
    return wanted if held == wanted[:length].rstrip() else held
