"""Somebody who sells in Salesforce, through Salesforce's own REST API: for the demo, the tests and the bench."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

import httpx

from dealbridge.transport.client import dump_json

API = "/services/data/v67.0"


@dataclass(frozen=True)
class Sold:
    """One line to sell. `milestones` are (name, date, amount); with them the line is billed by milestones."""

    service_line: str
    description: str
    quantity: Decimal
    price: Decimal
    billing_type: str = "Fixed"
    milestones: Sequence[tuple[str, date, Decimal]] = ()
    more: Mapping[str, Any] = field(default_factory=dict)
    """Further fields of OpportunityLineItem."""


class SalesforceUser:
    """A signed-in user of a Salesforce org."""

    def __init__(self, url: str, credentials: Mapping[str, str], transport: httpx.BaseTransport | None = None) -> None:
        self._http = httpx.Client(base_url=url, transport=transport, timeout=60)
        self._credentials = credentials
        self._sign_in()
        self._prices: dict[tuple[str, str], str] = {}

    def close(self) -> None:
        self._http.close()

    def create(self, sobject: str, **fields: Any) -> str:
        """A new record's id."""
        answer = self._call("POST", f"{API}/sobjects/{sobject}", fields)
        return str(answer["id"])

    def change(self, sobject: str, record_id: str, **fields: Any) -> None:
        self._call("PATCH", f"{API}/sobjects/{sobject}/{record_id}", fields)

    def read(self, sobject: str, record_id: str) -> dict[str, Any]:
        answer: dict[str, Any] = self._call("GET", f"{API}/sobjects/{sobject}/{record_id}")
        return answer

    def delete(self, sobject: str, record_id: str) -> None:
        self._call("DELETE", f"{API}/sobjects/{sobject}/{record_id}")

    def query(self, soql: str) -> list[dict[str, Any]]:
        answer = self._call("GET", f"{API}/query", params={"q": soql})
        records: list[dict[str, Any]] = answer["records"]
        return records

    def create_account(self, name: str, parent: str | None = None, **fields: Any) -> str:
        return self.create("Account", Name=name, **({"ParentId": parent} if parent else {}), **fields)

    def create_contact(self, account: str, first: str, last: str, email: str) -> str:
        return self.create("Contact", AccountId=account, FirstName=first, LastName=last, Email=email)

    def open_deal(
        self,
        name: str,
        account: str,
        lines: Iterable[Sold],
        *,
        currency: str = "USD",
        contacts: Sequence[str] = (),
        **fields: Any,
    ) -> str:
        """An opportunity with its lines, milestones and contacts, not won yet; its id."""
        given = {
            "StageName": "Negotiation/Review",
            "CloseDate": "2026-11-20",
            "CurrencyIsoCode": currency,
            "Legal_Entity__c": "NA-US",
            "Commercial_Terms_Approved__c": True,
            "Delivery_Owner_Email__c": "mara.lind@example.com",
            "PO_Number__c": "PO-11037",
            "Payment_Terms__c": "Net 30",
            "Contract_Start__c": "2027-01-04",
            "Contract_End__c": "2027-12-31",
        } | fields
        opportunity = self.create("Opportunity", Name=name, AccountId=account, **given)
        self._create_all(
            "OpportunityContactRole",
            [
                {"OpportunityId": opportunity, "ContactId": contact, "IsPrimary": number == 0, "Role": "Decision Maker"}
                for number, contact in enumerate(contacts)
            ],
        )
        self.add_lines(opportunity, lines, currency)
        return opportunity

    def add_lines(self, opportunity: str, lines: Iterable[Sold], currency: str = "USD") -> list[str]:
        """Lines with their milestones, in few calls; the lines' ids."""
        sold = list(lines)
        ids = self._create_all(
            "OpportunityLineItem",
            [
                {
                    "OpportunityId": opportunity,
                    "PricebookEntryId": self._price_book_entry(currency),
                    "Quantity": line.quantity,
                    "UnitPrice": line.price,
                    "Description": line.description,
                    "Service_Line__c": line.service_line,
                    "Billing_Type__c": "Milestone" if line.milestones else line.billing_type,
                    **line.more,
                }
                for line in sold
            ],
        )
        self._create_all(
            "OpportunityLineItemSchedule",
            [
                {
                    "OpportunityLineItemId": line_id,
                    "Type": "Revenue",
                    "ScheduleDate": due.isoformat(),
                    "Revenue": amount,
                    "Description": name,
                }
                for line_id, line in zip(ids, sold, strict=True)
                for name, due, amount in line.milestones
            ],
        )
        return ids

    def win(self, opportunity: str) -> None:
        self.change("Opportunity", opportunity, StageName="Closed Won")

    def _create_all(self, sobject: str, records: Sequence[Mapping[str, Any]]) -> list[str]:
        """sObject Collections, 200 records a call."""
        ids: list[str] = []
        for start in range(0, len(records), 200):
            body = {
                "allOrNone": True,
                "records": [{"attributes": {"type": sobject}, **record} for record in records[start : start + 200]],
            }
            for result in self._call("POST", f"{API}/composite/sobjects", body):
                if not result["success"]:
                    raise RuntimeError(f"{sobject}: {result['errors']}")
                ids.append(result["id"])
        return ids

    def _price_book_entry(self, currency: str) -> str:
        known = self._prices.get(("entry", currency))
        if known is None:
            soql = f"SELECT Id FROM PricebookEntry WHERE CurrencyIsoCode = '{currency}' AND IsActive = true LIMIT 1"
            known = self._prices["entry", currency] = str(self.query(soql)[0]["Id"])
        return known

    def _call(self, method: str, path: str, body: Any = None, params: Mapping[str, str] | None = None) -> Any:
        answer = self._send(method, path, body, params)
        if answer.status_code == 401:
            self._sign_in()
            answer = self._send(method, path, body, params)
        if not answer.is_success:
            raise RuntimeError(f"{method} {path}: HTTP {answer.status_code} {answer.text}")
        return answer.json() if answer.content else None

    def _send(self, method: str, path: str, body: Any, params: Mapping[str, str] | None) -> httpx.Response:
        content = dump_json(body) if body is not None else None
        headers = {"Content-Type": "application/json"} if content is not None else {}
        return self._http.request(method, path, content=content, params=params, headers=headers)

    def _sign_in(self) -> None:
        answer = self._http.post(
            "/services/oauth2/token",
            data={
                "grant_type": "client_credentials",
                "client_id": self._credentials["consumer_key"],
                "client_secret": self._credentials["consumer_secret"],
            },
        )
        answer.raise_for_status()
        self._http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
