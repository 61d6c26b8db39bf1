"""What was sold, read from a HubSpot account's records. Every value is text there."""

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from dealbridge_local.worlds.checker.evidence import Records
from dealbridge_local.worlds.checker.sold import Account, Contact, Sale, Shown, SoldLine, SoldMilestone

type Properties = Mapping[str, Any]

_DEAL, _LINE, _CONTACT = "0-3", "0-8", "0-1"
"""Object types, as associations name them."""


def sales(connection: str, crm: Records) -> Iterator[Sale]:
    companies, contacts, lines = (_kept(crm, kind) for kind in ("companies", "contacts", "line_items"))
    for deal_id, deal in _kept(crm, "deals").items():
        yield Sale(
            crm=connection,
            id=deal_id,
            name=deal["dealname"],
            won=deal.get("hs_is_closed_won") == "true",
            terms_approved=deal.get("commercial_terms_approved") == "true",
            amount=Decimal(deal.get("amount") or 0),
            currency=deal["deal_currency_code"],
            po_number=deal.get("po_number"),
            accounts=tuple(_lineage(deal.get("hs_primary_associated_company"), companies)),
            contacts=tuple(
                Contact(each, contacts[each]["lastname"], contacts[each].get("email"))
                for each in _related(crm, deal_id, _CONTACT)
                if each in contacts
            ),
            lines=tuple(_line(each, lines[each], deal) for each in _related(crm, deal_id, _LINE) if each in lines),
            shown=Shown(deal.get("erp_status"), deal.get("erp_contract_number")),
        )


def people(crm: Records) -> list[str]:
    """The ids of all companies and contacts."""
    return [str(each["id"]) for kind in ("companies", "contacts") for each in crm.get(kind, ())]


def _line(line_id: str, line: Properties, deal: Properties) -> SoldLine:
    listed = json.loads(line.get("milestones") or "[]") if line["billing_type"] == "milestone" else []
    return SoldLine(
        id=line_id,
        entity=line.get("legal_entity") or deal["legal_entity"],
        service_line=line["service_line"],
        description=line["name"],
        amount=Decimal(line.get("amount") or 0),
        start=line.get("start_date") or deal["contract_start"],
        end=line.get("end_date") or deal["contract_end"],
        role=line.get("role"),
        hours=Decimal(line["hours"]) if line.get("hours") else None,
        milestones=tuple(SoldMilestone(each["name"], each["date"], Decimal(each["amount"])) for each in listed),
    )


def _lineage(company_id: str | None, companies: Mapping[str, Properties]) -> Iterator[Account]:
    while company_id:
        company = companies[company_id]
        yield Account(company_id, company["name"])
        company_id = company.get("hs_parent_company_id")


def _related(crm: Records, deal_id: str, kind: str) -> list[str]:
    return [
        str(each["toObjectId"])
        for each in crm.get("associations", ())
        if (each["fromObjectTypeId"], str(each["fromObjectId"]), each["toObjectTypeId"]) == (_DEAL, deal_id, kind)
    ]


def _kept(crm: Records, kind: str) -> dict[str, Properties]:
    return {str(each["id"]): each["properties"] for each in crm.get(kind, ()) if not each.get("archived")}
