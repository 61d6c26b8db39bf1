"""What was sold, read from a Salesforce org's records."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dealbridge_local.worlds.checker.evidence import Records
from dealbridge_local.worlds.checker.sold import Account, Contact, Sale, Shown, SoldLine, SoldMilestone, decimal

type Rows = Mapping[str, Sequence[Mapping[str, Any]]]


def sales(connection: str, crm: Records) -> Iterator[Sale]:
    accounts = {each["Id"]: each for each in _kept(crm, "Account")}
    contacts = {each["Id"]: each for each in _kept(crm, "Contact")}
    lines = _by(crm, "OpportunityLineItem", "OpportunityId")
    schedules = _by(crm, "OpportunityLineItemSchedule", "OpportunityLineItemId")
    roles = _by(crm, "OpportunityContactRole", "OpportunityId")
    for each in _kept(crm, "Opportunity"):
        buyers = (contacts[role["ContactId"]] for role in roles.get(each["Id"], ()))
        yield Sale(
            crm=connection,
            id=each["Id"],
            name=each["Name"],
            won=bool(each["IsWon"]),
            terms_approved=bool(each["Commercial_Terms_Approved__c"]),
            amount=decimal(each["Amount"] or 0),
            currency=each["CurrencyIsoCode"],
            po_number=each["PO_Number__c"],
            accounts=tuple(_lineage(each["AccountId"], accounts)),
            contacts=tuple(Contact(buyer["Id"], buyer["LastName"], buyer["Email"]) for buyer in buyers),
            lines=tuple(_line(line, each, schedules) for line in lines.get(each["Id"], ())),
            shown=Shown(each["ERP_Status__c"], each["ERP_Contract_Number__c"]),
        )


def people(crm: Records) -> list[str]:
    """The ids of all accounts and contacts."""
    return [each["Id"] for kind in ("Account", "Contact") for each in crm.get(kind, ())]


def _line(line: Mapping[str, Any], deal: Mapping[str, Any], schedules: Rows) -> SoldLine:
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


def _lineage(account_id: str | None, accounts: Mapping[str, Mapping[str, Any]]) -> Iterator[Account]:
    while account_id:
        account = accounts[account_id]
        yield Account(account["Id"], account["Name"])
        account_id = account["ParentId"]


def _by(crm: Records, kind: str, field: str) -> Rows:
    grouped: dict[str, list[Mapping[str, Any]]] = {}
    for each in _kept(crm, kind):
        grouped.setdefault(each[field], []).append(each)
    return grouped


def _kept(crm: Records, kind: str) -> list[Mapping[str, Any]]:
    return [each for each in crm.get(kind, ()) if not each["IsDeleted"]]
