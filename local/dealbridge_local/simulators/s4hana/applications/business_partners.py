"""Business partners, their customer side and their relationships.

The trap that users report (vendors/erp-sap…, A10): company code and sales area data of a partner that lacks the role
for them are dropped without a word. Other facts: internal numbering, an external id that is upper-cased and not
unique (A2.1), customer number = partner number.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from dealbridge_local.simulators.s4hana import customizing, edm, errors
from dealbridge_local.simulators.s4hana.applications import partner_checks as checks
from dealbridge_local.simulators.s4hana.applications.application import Application
from dealbridge_local.simulators.s4hana.entities import business_partner as model
from dealbridge_local.simulators.s4hana.entities import customer as customers
from dealbridge_local.simulators.s4hana.model import Draft, EntitySet
from dealbridge_local.simulators.s4hana.tenant import COMMUNICATION_USER, Tenant
from dealbridge_local.simulators.store import Record

_EVENT = "sap.s4.beh.businesspartner.v1.BusinessPartner"
_DEFAULTS = {
    model.EMAIL.name: "IsDefaultEmailAddress",
    model.PHONE.name: "IsDefaultPhoneNumber",
    model.HOME_PAGE.name: "IsDefaultURLAddress",
}
_OF_CUSTOMER = (
    customers.CUSTOMER,
    customers.CUSTOMER_COMPANY,
    customers.SALES_AREA,
    customers.SALES_AREA_TAX,
    customers.PARTNER_FUNCTION,
)


class BusinessPartners(Application):
    """API_BUSINESS_PARTNER."""

    service = model.SERVICE

    def __init__(self, tenant: Tenant) -> None:
        super().__init__(tenant)
        self._creators: dict[str, Callable[[Draft], Record]] = {
            model.PARTNER.name: self._create_partner,
            model.ADDRESS.name: self._create_address,
            model.ADDRESS_USAGE.name: self._create_usage,
            model.EMAIL.name: self._create_communication,
            model.PHONE.name: self._create_communication,
            model.HOME_PAGE.name: self._create_communication,
            model.TAX_NUMBER.name: self._create_tax_number,
            model.IDENTIFICATION.name: self._create_identification,
            model.ROLE.name: self._create_role,
            model.CONTACT.name: self._create_contact,
            model.CONTACT_FUNCTION.name: lambda draft: self.insert(model.CONTACT_FUNCTION, draft.values),
            model.RELATIONSHIP.name: self._create_relationship,
            customers.CUSTOMER_COMPANY.name: self._create_company,
            customers.SALES_AREA.name: self._create_sales_area,
            customers.SALES_AREA_TAX.name: self._create_sales_area_tax,
            customers.PARTNER_FUNCTION.name: self._create_partner_function,
        }

    def create(self, draft: Draft) -> Record:
        checks.check_new(draft)
        record = self._creators[draft.entity.name](draft)
        if draft.entity is model.PARTNER:
            self.tenant.emit(f"{_EVENT}.Created", BusinessPartner=record["BusinessPartner"])
            return record
        for partner in self._partners_of(draft.entity, record):
            self._touch(partner)
        return record

    def update(self, entity: EntitySet, record: Record, changes: Mapping[str, Any]) -> None:
        partners = self._partners_of(entity, record)
        for partner in partners:
            self.tenant.check_lock(model.PARTNER.name, "Business partner", partner["BusinessPartner"])
        checks.check_changes(entity, record, changes)
        changed = self.tables.change(entity, record, **changes)
        if entity.name in _DEFAULTS:
            self._keep_one_default(entity, changed)
        if entity is model.PARTNER:
            changed = self.tables.change(entity, changed, **_names(changed))
            partners = [changed]
        for partner in partners:
            self._touch(partner)

    def delete(self, entity: EntitySet, record: Record) -> None:
        partners = self._partners_of(entity, record)
        super().delete(entity, record)
        if entity is model.CONTACT or entity is model.RELATIONSHIP:
            self._delete_twin(entity, record)
        for partner in partners:
            self._touch(partner)

    def tag(self, entity: EntitySet, record: Mapping[str, Any]) -> str | None:
        return f"W/\"'{record['ETag']}'\"" if entity is model.PARTNER else None

    # Business partner

    def _create_partner(self, draft: Draft) -> Record:
        now = self.tenant.now()
        key = draft.values.get("BusinessPartner") or self.tenant.number("business_partner")
        roles = {each.get("BusinessPartnerRole") for each in draft.children.get("to_BusinessPartnerRole", [])}
        is_customer = bool(roles & {customizing.FI_CUSTOMER_ROLE, customizing.SALES_CUSTOMER_ROLE})
        record = self.insert(
            model.PARTNER,
            draft.values,
            BusinessPartner=key,
            BusinessPartnerGrouping=draft.get("BusinessPartnerGrouping") or "BP02",
            BusinessPartnerUUID=self.tenant.uuid(),
            Customer=key if is_customer else "",
            CreatedByUser=COMMUNICATION_USER,
            CreationDate=edm.start_of_day(now),
            CreationTime=now - edm.start_of_day(now),
            ETag=f"{now:SAP%Y%m%d%H%M%S%f}",
            **_names({**model.PARTNER.blank, **draft.values}),
        )
        for nested in ("to_BusinessPartnerAddress", "to_BusinessPartnerTax", "to_BuPaIdentification"):
            for child in draft.children.get(nested, []):
                self._creators[child.entity.name](_linked(child, BusinessPartner=key))
        for role in sorted({"000000", *roles}):
            self._add_role(key, role, now)
        if is_customer:
            self._add_customer(record)
        for customer in draft.children.get("to_Customer", []):
            self._fill_customer(key, roles, customer)
        for contact in draft.children.get("to_BusinessPartnerContact", []):
            self._create_contact(_linked(contact, BusinessPartnerCompany=key))
        return record

    def _add_role(self, key: str, role: str, now: Any) -> None:
        start = edm.start_of_day(now)
        values = {"BusinessPartner": key, "BusinessPartnerRole": role, "ValidFrom": start}
        self.insert(model.ROLE, values, ValidTo=edm.END_OF_TIME)

    def _add_customer(self, partner: Record) -> Record:
        return self.insert(
            customers.CUSTOMER,
            {"Customer": partner["BusinessPartner"]},
            CreatedByUser=COMMUNICATION_USER,
            CreationDate=self.tenant.today(),
            CustomerAccountGroup="CUST",
            CustomerName=partner["BusinessPartnerName"],
            CustomerFullName=partner["BusinessPartnerFullName"],
        )

    def _fill_customer(self, key: str, roles: set[Any], draft: Draft) -> None:
        """The customer's own data. What the roles do not cover is dropped silently (A10)."""
        customer = self.tables.get(customers.CUSTOMER, key)
        if customer is None:
            return
        self.tables.change(customers.CUSTOMER, customer, **draft.values)
        if customizing.FI_CUSTOMER_ROLE in roles:
            for company in draft.children.get("to_CustomerCompany", []):
                self._create_company(_linked(company, Customer=key))
        if customizing.SALES_CUSTOMER_ROLE in roles:
            for area in draft.children.get("to_CustomerSalesArea", []):
                self._create_sales_area(_linked(area, Customer=key))

    def _create_role(self, draft: Draft) -> Record:
        partner = self._partner(draft)
        role = self.insert(model.ROLE, draft.values, ValidFrom=self.tenant.today(), ValidTo=edm.END_OF_TIME)
        if role["BusinessPartnerRole"].startswith("FLCU") and not partner["Customer"]:
            self._add_customer(partner)
            self.tables.change(model.PARTNER, partner, Customer=partner["BusinessPartner"])
        return role

    # Address and communication

    def _create_address(self, draft: Draft) -> Record:
        self._partner(draft)
        number = self.tenant.number("address")
        key = draft.get("BusinessPartner")
        address = self.insert(
            model.ADDRESS,
            {"ValidityStartDate": self.tenant.today(), "ValidityEndDate": edm.END_OF_TIME, **draft.values},
            AddressID=number,
            AddressUUID=self.tenant.uuid(),
        )
        usages = draft.children.get("to_AddressUsage", [])
        first = next(self.tables.where(model.ADDRESS_USAGE, {"BusinessPartner": key}), None) is None
        if first and not any(each.get("AddressUsage") == "XXDEFAULT" for each in usages):
            usages = [*usages, Draft(model.ADDRESS_USAGE, {"AddressUsage": "XXDEFAULT"})]
        for usage in usages:
            self._create_usage(_linked(usage, BusinessPartner=key, AddressID=number))
        for nested in ("to_EmailAddress", "to_PhoneNumber", "to_URLAddress"):
            for child in draft.children.get(nested, []):
                self._create_communication(_linked(child, AddressID=number))
        return address

    def _create_usage(self, draft: Draft) -> Record:
        validity = {"ValidityStartDate": self.tenant.today(), "ValidityEndDate": edm.END_OF_TIME}
        return self.insert(model.ADDRESS_USAGE, {**validity, **draft.values})

    def _create_communication(self, draft: Draft) -> Record:
        entity, address = draft.entity, draft.get("AddressID")
        if self.tables.first(model.ADDRESS, AddressID=address) is None:
            raise errors.not_found(model.ADDRESS.type)
        others = list(self.tables.where(entity, {"AddressID": address}))
        default = _DEFAULTS[entity.name]
        ordinal = max((int(each["OrdinalNumber"]) for each in others), default=0) + 1
        values = {"OrdinalNumber": str(ordinal), **draft.values}
        values.setdefault(default, not any(each[default] for each in others))
        more: dict[str, Any] = {}
        if entity is model.EMAIL:
            more = {"SearchEmailAddress": draft.get("EmailAddress")[:20].upper()}
        elif entity is model.PHONE:
            more = {"InternationalPhoneNumber": draft.get("PhoneNumber")}
        else:
            more = {"SearchURLAddress": draft.get("WebsiteURL")[:50].upper()}
            values.setdefault("ValidityStartDate", edm.EPOCH)
        record = self.insert(entity, values, **more)
        self._keep_one_default(entity, record)
        return record

    def _keep_one_default(self, entity: EntitySet, record: Record) -> None:
        """An address has one default of a kind: a new one takes the others' place."""
        default = _DEFAULTS[entity.name]
        for other in list(self.tables.where(entity, {"AddressID": record["AddressID"]})) if record[default] else ():
            if other[default] and entity.key_of(other) != entity.key_of(record):
                self.tables.change(entity, other, **{default: False})

    # Tax numbers and identifications

    def _create_tax_number(self, draft: Draft) -> Record:
        self._partner(draft)
        return self.insert(model.TAX_NUMBER, draft.values)

    def _create_identification(self, draft: Draft) -> Record:
        self._partner(draft)
        return self.insert(model.IDENTIFICATION, draft.values)

    # Customer

    def _create_company(self, draft: Draft) -> Record:
        self._customer(draft, customizing.FI_CUSTOMER_ROLE)
        return self.insert(customers.CUSTOMER_COMPANY, draft.values, CustomerAccountGroup="CUST")

    def _create_sales_area(self, draft: Draft) -> Record:
        self._customer(draft, customizing.SALES_CUSTOMER_ROLE)
        area = self.insert(customers.SALES_AREA, draft.values, CustomerAccountGroup="CUST")
        link = {name: area[name] for name in customers.SALES_AREA.keys}
        for tax in draft.children.get("to_SalesAreaTax", []):
            self._create_sales_area_tax(_linked(tax, **link))
        for index, function in enumerate(sorted(customizing.PARTNER_FUNCTIONS)):
            values = {**link, "PartnerCounter": "0", "PartnerFunction": function}
            self.insert(
                customers.PARTNER_FUNCTION, values, BPCustomerNumber=area["Customer"], DefaultPartner=index == 0
            )
        return area

    def _create_sales_area_tax(self, draft: Draft) -> Record:
        keys = tuple(draft.get(name) for name in customers.SALES_AREA.keys)
        if self.tables.get(customers.SALES_AREA, *keys) is None:
            raise errors.not_found(customers.SALES_AREA.type)
        return self.insert(customers.SALES_AREA_TAX, draft.values)

    def _create_partner_function(self, draft: Draft) -> Record:
        if self.tables.get(customers.CUSTOMER, draft.get("BPCustomerNumber")) is None:
            raise errors.business_error("F2/153", f"Customer {draft.get('BPCustomerNumber')} has not been created")
        counter = sum(
            each["PartnerFunction"] == draft.get("PartnerFunction")
            for each in self.tables.where(
                customers.PARTNER_FUNCTION, {name: draft.get(name) for name in customers.SALES_AREA.keys}
            )
        )
        return self.insert(customers.PARTNER_FUNCTION, {"PartnerCounter": str(counter), **draft.values})

    # Relationships: a contact is a relationship of category BUR001 seen from the company

    def _create_contact(self, draft: Draft) -> Record:
        company, person = draft.get("BusinessPartnerCompany"), draft.get("BusinessPartnerPerson")
        validity = self._validity(draft)
        relationship = self._relate(company, person, customizing.CONTACT_RELATIONSHIP, draft.values, validity)
        link = {
            "RelationshipNumber": relationship["RelationshipNumber"],
            "BusinessPartnerCompany": company,
            "BusinessPartnerPerson": person,
            "ValidityEndDate": validity["ValidityEndDate"],
        }
        for child in draft.children.get("to_ContactRelationship", []):
            self.insert(model.CONTACT_FUNCTION, {**child.values, **link}, RelationshipCategory="BUR001")
        contact = self.tables.get(model.CONTACT, *(link[name] for name in model.CONTACT.keys))
        return contact or {}

    def _create_relationship(self, draft: Draft) -> Record:
        category = draft.get("RelationshipCategory")
        if category not in customizing.RELATIONSHIP_CATEGORIES:
            raise errors.business_error(
                "R1/134", f"Relationship category {category or 'SPACE'} does not exist", "RelationshipCategory"
            )
        return self._relate(
            draft.get("BusinessPartner1"), draft.get("BusinessPartner2"), category, draft.values, self._validity(draft)
        )

    def _validity(self, draft: Draft) -> dict[str, Any]:
        return {
            "ValidityStartDate": draft.get("ValidityStartDate") or self.tenant.today(),
            "ValidityEndDate": draft.get("ValidityEndDate") or edm.END_OF_TIME,
        }

    def _relate(
        self, first: str, second: str, category: str, given: Mapping[str, Any], validity: Mapping[str, Any]
    ) -> Record:
        partners = [self._existing(first), self._existing(second)]
        if category == customizing.CONTACT_RELATIONSHIP and partners[1]["BusinessPartnerCategory"] != "1":
            raise errors.business_error("R1/229", f"Business partner {second} is no person", "BusinessPartnerPerson")
        for known in self.tables.where(model.RELATIONSHIP, {"BusinessPartner1": first}):
            if (known["BusinessPartner2"], known["RelationshipCategory"]) == (second, category):
                raise errors.business_error("R1/225", f"Relationship {category} of {first} and {second} exists already")
        number = self.tenant.number("relationship")
        now = self.tenant.now()
        standard = bool(given.get("IsStandardRelationship"))
        record = self.insert(
            model.RELATIONSHIP,
            dict(validity),
            RelationshipNumber=number,
            BusinessPartner1=first,
            BusinessPartner2=second,
            RelationshipCategory=category,
            IsStandardRelationship=standard,
            CreatedByUser=COMMUNICATION_USER,
            CreationDate=edm.start_of_day(now),
            CreationTime=now - edm.start_of_day(now),
        )
        if category == customizing.CONTACT_RELATIONSHIP:
            self.insert(
                model.CONTACT,
                dict(validity),
                RelationshipNumber=number,
                BusinessPartnerCompany=first,
                BusinessPartnerPerson=second,
                RelationshipCategory=category,
                IsStandardRelationship=standard,
            )
        return record

    def _delete_twin(self, entity: EntitySet, record: Record) -> None:
        twin = model.RELATIONSHIP if entity is model.CONTACT else model.CONTACT
        for other in list(self.tables.where(twin, {"RelationshipNumber": record["RelationshipNumber"]})):
            self.tables.delete(twin, other)

    # Look-ups

    def _existing(self, key: str) -> Record:
        partner = self.tables.get(model.PARTNER, key)
        if partner is None:
            raise errors.business_error("R11/103", f"Business partner {key or 'SPACE'} does not exist")
        return partner

    def _partner(self, draft: Draft) -> Record:
        return self._existing(draft.get("BusinessPartner"))

    def _customer(self, draft: Draft, role: str) -> None:
        key = draft.get("Customer")
        if self.tables.get(customers.CUSTOMER, key) is None:
            raise errors.business_error("F2/153", f"Customer {key or 'SPACE'} has not been created", "Customer")
        if self.tables.get(model.ROLE, key, role) is None:
            raise errors.business_error("CVI_API/021", f"Business partner {key} has no role {role}", "Customer")

    def _partners_of(self, entity: EntitySet, record: Mapping[str, Any]) -> list[Record]:
        """The partners whose change a change of this entity is."""
        if entity.name in _DEFAULTS:
            address = self.tables.first(model.ADDRESS, AddressID=record["AddressID"])
            keys = [address["BusinessPartner"]] if address else []
        elif entity in _OF_CUSTOMER:
            keys = [record["Customer"]]
        elif entity is model.RELATIONSHIP:
            keys = [record["BusinessPartner1"], record["BusinessPartner2"]]
        elif entity in (model.CONTACT, model.CONTACT_FUNCTION):
            keys = [record["BusinessPartnerCompany"], record["BusinessPartnerPerson"]]
        else:
            keys = [record["BusinessPartner"]]
        return [partner for key in keys if (partner := self.tables.get(model.PARTNER, key)) is not None]

    def _touch(self, partner: Record) -> None:
        key = partner["BusinessPartner"]

        def touch() -> None:
            now = self.tenant.now()
            midnight = edm.start_of_day(now)
            self.tables.change(
                model.PARTNER,
                self._existing(key),
                LastChangeDate=midnight,
                LastChangeTime=timedelta(seconds=int((now - midnight).total_seconds())),
                LastChangedByUser=COMMUNICATION_USER,
                ETag=f"{now:SAP%Y%m%d%H%M%S%f}",
            )

        self.tenant.finally_once(model.PARTNER.name, key, touch)
        self.tenant.emit(f"{_EVENT}.Changed", BusinessPartner=key)


def _linked(draft: Draft, **link: Any) -> Draft:
    return Draft(draft.entity, {**draft.values, **link}, draft.children)


def _names(values: Mapping[str, Any]) -> dict[str, str]:
    """The names that SAP composes."""
    if values["BusinessPartnerCategory"] == "1":
        name = " ".join(part for part in (values["FirstName"], values["LastName"]) if part)
    else:
        name = " ".join(part for part in (values["OrganizationBPName1"], values["OrganizationBPName2"]) if part)
    return {"BusinessPartnerFullName": name[:81], "BusinessPartnerName": name[:81]}
