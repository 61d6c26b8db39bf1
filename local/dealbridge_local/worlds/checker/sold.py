"""What the CRM says was sold, read from Salesforce's records."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any

from dealbridge_local.worlds.checker.evidence import Records


@dataclass(frozen=True)
class SoldMilestone:
    name: str
    due: str
    amount: Decimal


@dataclass(frozen=True)
class SoldLine:
    id: str
    entity: str
    service_line: str
    description: str
    amount: Decimal
    start: str
    end: str
    role: str | None
    hours: Decimal | None
    milestones: tuple[SoldMilestone, ...]


@dataclass(frozen=True)
class Sale:
    """One opportunity. `accounts` are the buying account and its parents, the buying one first."""

    id: str
    name: str
    won: bool
    terms_approved: bool
    amount: Decimal
    currency: str
    po_number: str | None
    accounts: tuple[Mapping[str, Any], ...]
    contacts: tuple[Mapping[str, Any], ...]
    lines: tuple[SoldLine, ...]
    status: Mapping[str, Any]

    @cached_property
    def entities(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(line.entity for line in self.lines))

    def of(self, entity: str) -> list[SoldLine]:
        return [line for line in self.lines if line.entity == entity]


def sales(crm: Records) -> list[Sale]:
    accounts = {each["Id"]: each for each in _kept(crm, "Account")}
    contacts = {each["Id"]: each for each in _kept(crm, "Contact")}
    lines, schedules = _by(crm, "OpportunityLineItem", "OpportunityId"), _schedules(crm)
    roles = _by(crm, "OpportunityContactRole", "OpportunityId")
    return [
        Sale(
            id=each["Id"],
            name=each["Name"],
            won=bool(each["IsWon"]),
            terms_approved=bool(each["Commercial_Terms_Approved__c"]),
            amount=decimal(each["Amount"] or 0),
            currency=each["CurrencyIsoCode"],
            po_number=each["PO_Number__c"],
            accounts=tuple(_lineage(each["AccountId"], accounts)),
            contacts=tuple(contacts[role["ContactId"]] for role in roles.get(each["Id"], ())),
            lines=tuple(_line(line, each, schedules) for line in lines.get(each["Id"], ())),
            status={name: value for name, value in each.items() if name.startswith("ERP_")},
        )
        for each in _kept(crm, "Opportunity")
    ]


def decimal(value: Any) -> Decimal:
    return value if isinstance(value, Decimal) else Decimal(str(value))


def _line(line: Mapping[str, Any], deal: Mapping[str, Any], schedules: Mapping[str, Sequence[Any]]) -> SoldLine:
    by_milestone = line["Billing_Type__c"] == "Milestone"
    return SoldLine(
        id=line["Id"],
        entity=line["Legal_Entity__c"] or deal["Legal_Entity__c"],
        service_line=line["Service_Line__c"],
        description=line["Description"],
        amount=decimal(line["TotalPrice"]),
        start=line["Start_Date__c"] or deal["Contract_Start__c"],
        end=line["End_Date__c"] or deal["Contract_End__c"],
        role=line["Role__c"],
        hours=None if line["Hours__c"] is None else decimal(line["Hours__c"]),
        milestones=tuple(
            SoldMilestone(each["Description"], each["ScheduleDate"], decimal(each["Revenue"]))
            for each in (schedules.get(line["Id"], ()) if by_milestone else ())
        ),
    )


def _lineage(account_id: str | None, accounts: Mapping[str, Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    found = []
    while account_id:
        found.append(accounts[account_id])
        account_id = accounts[account_id]["ParentId"]
    return found


def _schedules(crm: Records) -> Mapping[str, Sequence[Mapping[str, Any]]]:
    return _by(crm, "OpportunityLineItemSchedule", "OpportunityLineItemId")


def _by(crm: Records, kind: str, field: str) -> dict[str, list[Mapping[str, Any]]]:
    grouped: dict[str, list[Mapping[str, Any]]] = {}
    for each in _kept(crm, kind):
        grouped.setdefault(each[field], []).append(each)
    return grouped


def _kept(crm: Records, kind: str) -> list[Mapping[str, Any]]:
    return [each for each in crm.get(kind, ()) if not each["IsDeleted"]]
