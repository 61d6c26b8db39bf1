"""S/4HANA's records: which stands for which of ours, how our keys fit its fields, and which codes it takes."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dealbridge.domain.deal import BillingType
from dealbridge.domain.keys import Kind
from dealbridge.domain.refs import ExternalRef
from dealbridge.errors import ConfigurationError, RecordMissingError
from dealbridge.ports import Write

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


@dataclass(frozen=True)
class Codes:
    """The tenant's own codes for governed values, from `mappings/codes/<connection>.yaml`: see README.md, Codes."""

    connection: str
    values: Mapping[str, Any]

    def entity(self, name: str) -> str:
        return str(self._need(self.values.get("entity", {}).get(name), f"entities.*.{name}"))

    def entity_default(self, name: str) -> str | None:
        """Of the legal entity, else of all."""
        return _text(self.values.get("entity", {}).get(name)) or self.default(name)

    @property
    def currency(self) -> str:
        return str(self._need(self.values.get("currency"), "currencies"))

    @property
    def terms(self) -> str | None:
        return _text(self.values.get("payment_terms"))

    @property
    def manager(self) -> str | None:
        return _text(self.values.get("manager"))

    @property
    def tax_classification(self) -> str:
        tax = self.values.get("tax", {})
        name = f"tax.{tax.get('treatment', '*')}.classification"
        return str(self._need(tax.get("classification") or self.default("tax_classification"), name))

    def tax_number_type(self, country: str) -> str:
        types = self.values.get("defaults", {}).get("tax_number_types", {})
        return str(self._need(types.get(country), f"defaults.tax_number_types.{country}"))

    def material(self, service_line: str) -> str:
        line = self.values.get("service_lines", {}).get(service_line, {})
        return str(self._need(line.get("material"), f"service_lines.{service_line}.material"))

    def service_line(self, material: str) -> str:
        """The service line behind a material; the material itself where it is none of ours."""
        lines = self.values.get("service_lines", {})
        return next((code for code, line in lines.items() if line.get("material") == material), material)

    def item_category(self, billing_type: BillingType) -> str:
        categories = self.values.get("defaults", {}).get("item_categories", {})
        return str(
            self._need(categories.get(billing_type) or categories.get("*"), f"defaults.item_categories.{billing_type}")
        )

    def has_plan(self, category: str) -> bool:
        """Whether order items of this category carry a billing plan."""
        return category in self.values.get("defaults", {}).get("plan_categories", ())

    @property
    def customer_roles(self) -> list[str]:
        roles: list[str] = list(self.values.get("defaults", {}).get("customer_roles", ()))
        return list(self._need(roles, "defaults.customer_roles"))

    def needed_default(self, name: str) -> str:
        return str(self._need(self.default(name), f"defaults.{name}"))

    def default(self, name: str) -> str | None:
        return _text(self.values.get("defaults", {}).get(name))

    def _need(self, value: Any, field: str) -> Any:
        if value in (None, "", []):
            raise ConfigurationError(
                f"mappings/codes/{self.connection}.yaml: {field}: missing; S/4HANA needs it",
                connection=self.connection,
            )
        return value


def _text(value: Any) -> str | None:
    return None if value in (None, "") else str(value)


def needed(write: Write, key: str) -> ExternalRef:
    """Where a record stands that this one points at."""
    ref = write.refs.get(key)
    if ref is None:
        raise RecordMissingError(f"{write.key}: {key} is not known to stand in S/4HANA")
    return ref


def said[T](wanted: T | None, held: T | None) -> T | None:
    """What is held, where our record says anything at all."""
    return None if wanted is None else held


def kept(wanted: str, held: str, length: int) -> str:
    """What we asked for, where the field holds as much of it as it can; else what it holds."""
    return wanted if held == wanted[:length].rstrip() else held
