"""Sellers of each CRM, all through its own API: what people do to their deals, in the words of the trade."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, Protocol

from dealbridge.domain.keys import DealKey
from dealbridge_local.hubspot_user import HubSpotUser
from dealbridge_local.salesforce_user import SalesforceUser, Sold
from dealbridge_local.worlds.stage import Stage


@dataclass
class Deal:
    """What its seller knows of a deal."""

    key: DealKey
    account: str
    currency: str
    lines: list[str] = field(default_factory=list)
    milestones: set[str] = field(default_factory=set)
    """Lines that are billed by milestones."""
    won: bool = False
    wrong: list[str] = field(default_factory=list)
    """What has been made wrong on purpose and is to be mended: terms, stage."""

    @property
    def id(self) -> str:
        return self.key.opportunity


class Seller(Protocol):
    """Somebody who sells in one CRM. Raises RuntimeError for what the CRM refuses."""

    crm: str

    def close(self) -> None: ...

    def open_account(self, name: str, country: str, registration: str, parent: str | None) -> str: ...

    def open_contact(self, account: str, first: str, last: str, email: str) -> str: ...

    def open_deal(
        self, name: str, account: str, entity: str, currency: str, contacts: Sequence[str], terms: Mapping[str, Any]
    ) -> Deal:
        """`terms`: manager, approved, po."""
        ...

    def add(self, deal: Deal, sold: Sequence[Sold]) -> None: ...

    def win(self, deal: Deal) -> None: ...

    def reopen(self, deal: Deal) -> None: ...

    def approve(self, deal: Deal, approved: bool) -> None: ...

    def reprice(self, deal: Deal, line: str, price: Decimal) -> None: ...

    def remove(self, deal: Deal, line: str) -> None: ...

    def rename(self, deal: Deal, name: str, po: str) -> None: ...

    def prolong(self, deal: Deal, end: date) -> None: ...

    def touch(self, deal: Deal, note: str) -> None: ...

    def move_milestone(self, deal: Deal, line: str, day: date) -> None: ...

    def rename_account(self, account: str, name: str) -> None: ...

    def move_account(self, account: str, parent: str | None) -> None:
        """Below another parent, or below none."""
        ...

    def change_email(self, contact: str, email: str) -> None: ...


class SalesforceSeller:
    crm = "salesforce"

    def __init__(self, stage: Stage) -> None:
        self._user = SalesforceUser(stage.origin(self.crm), stage.credentials(self.crm), stage.transport(self.crm))

    def close(self) -> None:
        self._user.close()

    def open_account(self, name: str, country: str, registration: str, parent: str | None) -> str:
        return self._user.create_account(name, parent=parent, BillingCountry=country, Tax_Registrations__c=registration)

    def open_contact(self, account: str, first: str, last: str, email: str) -> str:
        return self._user.create_contact(account, first, last, email)

    def open_deal(
        self, name: str, account: str, entity: str, currency: str, contacts: Sequence[str], terms: Mapping[str, Any]
    ) -> Deal:
        opened = self._user.open_deal(
            name,
            account,
            [],
            currency=currency,
            contacts=contacts,
            Legal_Entity__c=entity,
            Delivery_Owner_Email__c=terms["manager"],
            Commercial_Terms_Approved__c=terms["approved"],
            PO_Number__c=terms["po"],
        )
        return Deal(DealKey(crm=self.crm, opportunity=opened), account, currency)

    def add(self, deal: Deal, sold: Sequence[Sold]) -> None:
        ids = self._user.add_lines(deal.id, sold, deal.currency)
        deal.lines += ids
        deal.milestones |= {line_id for line_id, line in zip(ids, sold, strict=True) if line.milestones}

    def win(self, deal: Deal) -> None:
        self._user.win(deal.id)

    def reopen(self, deal: Deal) -> None:
        self._user.change("Opportunity", deal.id, StageName="Negotiation/Review")

    def approve(self, deal: Deal, approved: bool) -> None:
        self._user.change("Opportunity", deal.id, Commercial_Terms_Approved__c=approved)

    def reprice(self, deal: Deal, line: str, price: Decimal) -> None:
        self._user.change("OpportunityLineItem", line, UnitPrice=price)

    def remove(self, deal: Deal, line: str) -> None:
        self._user.delete("OpportunityLineItem", line)

    def rename(self, deal: Deal, name: str, po: str) -> None:
        self._user.change("Opportunity", deal.id, Name=name, PO_Number__c=po)

    def prolong(self, deal: Deal, end: date) -> None:
        self._user.change("Opportunity", deal.id, Contract_End__c=end.isoformat())

    def touch(self, deal: Deal, note: str) -> None:
        self._user.change("Opportunity", deal.id, NextStep=note)

    def move_milestone(self, deal: Deal, line: str, day: date) -> None:
        rows = self._user.query(
            f"SELECT Id FROM OpportunityLineItemSchedule WHERE OpportunityLineItemId = '{line}' ORDER BY ScheduleDate"
        )
        self._user.change("OpportunityLineItemSchedule", rows[0]["Id"], ScheduleDate=day.isoformat())

    def rename_account(self, account: str, name: str) -> None:
        self._user.change("Account", account, Name=name)

    def move_account(self, account: str, parent: str | None) -> None:
        self._user.change("Account", account, ParentId=parent)

    def change_email(self, contact: str, email: str) -> None:
        self._user.change("Contact", contact, Email=email)


class HubSpotSeller:
    """Lines do not add up by themselves in HubSpot: whoever changes one changes the deal's amount, too."""

    crm = "hubspot"

    def __init__(self, stage: Stage) -> None:
        self._user = HubSpotUser(stage.origin(self.crm), stage.credentials(self.crm), stage.transport(self.crm))
        self._amounts: dict[str, Decimal] = {}
        self._quantities: dict[str, Decimal] = {}

    def close(self) -> None:
        self._user.close()

    def open_account(self, name: str, country: str, registration: str, parent: str | None) -> str:
        return self._user.create_company(name, parent, country=country, tax_registrations=registration)

    def open_contact(self, account: str, first: str, last: str, email: str) -> str:
        return self._user.create("contacts", firstname=first, lastname=last, email=email)

    def open_deal(
        self, name: str, account: str, entity: str, currency: str, contacts: Sequence[str], terms: Mapping[str, Any]
    ) -> Deal:
        opened = self._user.open_deal(
            name,
            account,
            [],
            currency=currency,
            contacts=contacts,
            legal_entity=entity,
            delivery_owner_email=terms["manager"],
            commercial_terms_approved=str(terms["approved"]).lower(),
            po_number=terms["po"],
        )
        return Deal(DealKey(crm=self.crm, opportunity=opened), account, currency)

    def add(self, deal: Deal, sold: Sequence[Sold]) -> None:
        ids = self._user.add_lines(deal.id, [_in_hubspot(line) for line in sold])
        deal.lines += ids
        for line_id, line in zip(ids, sold, strict=True):
            self._amounts[line_id], self._quantities[line_id] = line.price * line.quantity, line.quantity
            if line.milestones:
                deal.milestones.add(line_id)
        self._add_up(deal)

    def win(self, deal: Deal) -> None:
        self._user.win(deal.id)

    def reopen(self, deal: Deal) -> None:
        self._user.change("deals", deal.id, dealstage="contractsent")

    def approve(self, deal: Deal, approved: bool) -> None:
        self._user.change("deals", deal.id, commercial_terms_approved=str(approved).lower())

    def reprice(self, deal: Deal, line: str, price: Decimal) -> None:
        self._user.change("line_items", line, price=price)
        self._amounts[line] = price * self._quantities[line]
        self._add_up(deal)

    def remove(self, deal: Deal, line: str) -> None:
        self._user.delete("line_items", line)
        self._add_up(deal)

    def rename(self, deal: Deal, name: str, po: str) -> None:
        self._user.change("deals", deal.id, dealname=name, po_number=po)

    def prolong(self, deal: Deal, end: date) -> None:
        self._user.change("deals", deal.id, contract_end=end.isoformat())

    def touch(self, deal: Deal, note: str) -> None:
        self._user.change("deals", deal.id, hs_next_step=note)

    def move_milestone(self, deal: Deal, line: str, day: date) -> None:
        listed = json.loads(self._user.read("line_items", line, "milestones")["milestones"] or "[]")
        listed[0]["date"] = day.isoformat()
        self._user.change("line_items", line, milestones=json.dumps(listed))

    def rename_account(self, account: str, name: str) -> None:
        self._user.change("companies", account, name=name)

    def move_account(self, account: str, parent: str | None) -> None:
        self._user.move_company(account, parent)

    def change_email(self, contact: str, email: str) -> None:
        self._user.change("contacts", contact, email=email)

    def _add_up(self, deal: Deal) -> None:
        self._user.change("deals", deal.id, amount=sum((self._amounts[line] for line in deal.lines), Decimal(0)))


_NAMES = {"Hours__c": "hours", "Billing_Frequency__c": "billing_frequency", "Legal_Entity__c": "legal_entity"}


def _in_hubspot(line: Sold) -> Sold:
    """The same line with the further fields under HubSpot's names and in its values."""
    more = {_NAMES[name]: str(value).lower() if "Frequency" in name else value for name, value in line.more.items()}
    return Sold(
        line.service_line, line.description, line.quantity, line.price, line.billing_type, line.milestones, more
    )
