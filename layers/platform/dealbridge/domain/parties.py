"""Who sells and who buys."""

from dealbridge.domain.keys import ConnectionId
from dealbridge.domain.model import Model, Text
from dealbridge.domain.money import CurrencyCode


class Address(Model):
    """A postal address; `country` is ISO 3166-1 alpha-2."""

    street: str | None = None
    city: str | None = None
    state: str | None = None
    postal_code: str | None = None
    country: str | None = None


class TaxRegistration(Model):
    """A tax number in one country (ISO 3166-1 alpha-2), e.g. DE DE811907980."""

    country: str
    number: str


class Account(Model):
    """A CRM account with its parents; `parent` is the next one up, to any depth."""

    id: Text
    name: Text
    legal_name: str | None = None
    email: str | None = None
    phone: str | None = None
    website: str | None = None
    billing_address: Address | None = None
    tax_registrations: tuple[TaxRegistration, ...] = ()
    currency: CurrencyCode | None = None
    payment_terms: str | None = None
    parent: "Account | None" = None

    def lineage(self) -> list["Account"]:
        """This account and its parents, the ultimate parent last."""
        line, current = [], self
        while True:
            line.append(current)
            if current.parent is None:
                return line
            current = current.parent


class Person(Model):
    """A contact of the CRM, with the role played in this deal."""

    id: Text
    first_name: str | None = None
    last_name: Text
    email: str | None = None
    phone: str | None = None
    role: str | None = None
    primary: bool = False


class Customer(Model):
    """A customer as it shall stand in an ERP. `parent_key` is our key of the next customer up.

    `payment_terms` and `currency` are ours; the ERP's codes for them travel beside the record.
    """

    key: str
    name: str
    legal_name: str | None = None
    parent_key: str | None = None
    email: str | None = None
    phone: str | None = None
    website: str | None = None
    billing_address: Address | None = None
    tax_registrations: tuple[TaxRegistration, ...] = ()
    currency: CurrencyCode
    payment_terms: str | None = None
    source_id: str
    """The CRM's account id."""


class Contact(Model):
    """A contact person of a customer, as it shall stand in an ERP."""

    key: str
    customer_key: str
    first_name: str | None = None
    last_name: str
    email: str | None = None
    phone: str | None = None
    role: str | None = None
    source_id: str


class LegalEntity(Model):
    """An entity that sells and bills: reference data, `mappings/legal-entities.yaml`."""

    code: str
    name: str
    country: str
    currency: CurrencyCode
    erp: ConnectionId
    staffing: ConnectionId | None = None
    time_zone: str
