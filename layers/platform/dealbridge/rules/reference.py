"""The published reference data as typed models, and what may be asked of it.

One document, made of the YAML files of `mappings/`; `version` is the hash of its content and is named in every plan,
effect and audit entry. An answer that is not there raises ConfigurationError with the file and the field.
"""

import re
from datetime import date
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints

from dealbridge.domain.connection import Connection
from dealbridge.domain.findings import Owner
from dealbridge.domain.keys import ConnectionId
from dealbridge.domain.model import Model, content_hash
from dealbridge.domain.money import CurrencyCode
from dealbridge.domain.parties import LegalEntity
from dealbridge.errors import ConfigurationError

Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]


def _expression(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"no regular expression: {error}") from None
    return pattern


class ServiceLine(Model):
    """A line of service that the firm sells; connections have their own codes for it."""

    name: str
    role: str | None = None
    """The staffing role, where the sold line names none."""
    staffed: bool = True


class PaymentTerm(Model):
    """A payment term as the firm speaks of it."""

    name: str
    days: int


class TaxRegistrationRule(Model):
    """How a country's tax numbers look: a regular expression, and an example for the remedy."""

    pattern: Annotated[str, AfterValidator(_expression)]
    example: str
    name: str = "tax number"


class TaxTreatment(Model):
    """One row: sales by an entity to customers in these countries are treated so. The first matching row counts."""

    entities: tuple[str, ...] = ()
    """None given: all."""
    customer_in: tuple[str, ...] = ()
    """Countries, or names of `groups`. None given: anywhere."""
    treatment: str
    registration_required: bool = False
    effective_from: date | None = None


class Tax(Model):
    registrations: dict[Country, TaxRegistrationRule] = Field(default_factory=dict)
    groups: dict[str, tuple[Country, ...]] = Field(default_factory=dict)
    treatments: tuple[TaxTreatment, ...] = ()


class Rule(Model):
    """One rule of the validation policy: whether it stops a deal, and who mends it."""

    enforced: bool = True
    owner: Owner = Owner.SALES


class BillingPolicy(Model):
    """Where the contract leaves it open: when a fixed price falls due, how a partial period is charged."""

    fixed_due: Literal["start", "end"] = "end"
    recurring_due: Literal["start", "end"] = "end"
    partial_period: Literal["by_day", "full"] = "by_day"
    default_retainer_frequency: Literal["monthly", "quarterly", "annually"] = "monthly"


class ValidationPolicy(Model):
    """Which checks stop a deal. `rules` is keyed by the rule's name; a rule not named is enforced."""

    amount_tolerance: Annotated[str, StringConstraints(pattern=r"^\d+(\.\d+)?$")] = "0"
    """How far lines and deal amount may differ, in major units."""
    max_lines: int = 1000
    max_billing_items: int = 5000
    rules: dict[str, Rule] = Field(default_factory=dict)


class FieldMapping(Model):
    """How one CRM connection's records become a Deal.

    `read` names the fields to select per object, in the CRM's words; `deal` is a JSONata expression over the read
    document that gives the JSON of `domain.deal.Deal`; `status_fields` are the CRM's fields for our status; `labels`
    are the CRM's labels of our fields, for findings that its people can act upon.
    """

    read: dict[str, tuple[str, ...]]
    deal: str
    status_fields: dict[str, str] = Field(default_factory=dict)
    labels: dict[str, str] = Field(default_factory=dict)


class Codes(Model):
    """One ERP's or PSA's own ids for our governed values: `mappings/codes/<connection>.yaml`."""

    entities: dict[str, dict[str, Any]] = Field(default_factory=dict)
    currencies: dict[str, str] = Field(default_factory=dict)
    payment_terms: dict[str, str] = Field(default_factory=dict)
    service_lines: dict[str, dict[str, Any]] = Field(default_factory=dict)
    managers: dict[str, str] = Field(default_factory=dict)
    roles: dict[str, str] = Field(default_factory=dict)
    tax: dict[str, dict[str, Any]] = Field(default_factory=dict)
    defaults: dict[str, Any] = Field(default_factory=dict)


class ReferenceData(Model):
    """All of it."""

    connections: dict[ConnectionId, Connection]
    legal_entities: dict[str, LegalEntity]
    business_units: dict[str, str] = Field(default_factory=dict)
    """Business unit → the legal entity that sells where the opportunity names none."""
    service_lines: dict[str, ServiceLine]
    currencies: tuple[CurrencyCode, ...]
    payment_terms: dict[str, PaymentTerm]
    tax: Tax = Field(default_factory=Tax)
    billing: BillingPolicy = Field(default_factory=BillingPolicy)
    validation: ValidationPolicy = Field(default_factory=ValidationPolicy)
    fields: dict[ConnectionId, FieldMapping] = Field(default_factory=dict)
    codes: dict[ConnectionId, Codes] = Field(default_factory=dict)

    @cached_property
    def version(self) -> str:
        return content_hash(self.content())[:12]

    def connection(self, connection_id: str) -> Connection:
        """The connection with what its field mapping adds to its options."""
        connection = self.connections.get(connection_id)
        if connection is None:
            raise ConfigurationError(f"mappings/connections.yaml: no connection {connection_id!r}; add it there")
        mapping = self.fields.get(connection_id)
        if mapping is None:
            return connection
        added = {"read": mapping.read, "status_fields": mapping.status_fields}
        return connection.model_copy(update={"options": {**connection.options, **added}})

    def crm_connections(self) -> list[str]:
        """The connections that deals are read from: those with a field mapping."""
        return list(self.fields)

    def field_mapping(self, crm: str) -> FieldMapping:
        mapping = self.fields.get(crm)
        if mapping is None:
            raise ConfigurationError(f"mappings/fields/{crm}.yaml: missing; a CRM connection needs a field mapping")
        return mapping

    def codes_of(self, connection_id: str) -> Codes:
        return self.codes.get(connection_id) or Codes()

    def treatment(self, entity: str, customer_country: str | None, on: date) -> TaxTreatment | None:
        """The tax treatment of a sale by this entity to a customer in this country; None where no row fits."""
        for row in self.tax.treatments:
            countries = {country for name in row.customer_in for country in self.tax.groups.get(name, (name,))}
            if row.effective_from and on < row.effective_from:
                continue
            if row.entities and entity not in row.entities:
                continue
            if countries and customer_country not in countries:
                continue
            return row
        return None
