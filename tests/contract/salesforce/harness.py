"""Salesforce, plugged into the contract suites."""

import json
import secrets
from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from typing import Any, ClassVar

from dealbridge.ports import InboundRequest
from dealbridge.transport import signatures
from dealbridge_local.simulators.salesforce import SalesforceSimulator
from tests.contract.salesforce.conftest import Org
from tests.contract.suites.vendor import HOOK, CrmVendor, Throttling


@cache
def _private_key() -> str:
    """One RSA key for all tests: making one takes a fifth of a second."""
    return SalesforceSimulator().credentials()["private_key"]


def _refusal(status: int, code: str, message: str) -> dict[str, Any]:
    return {"kind": "status", "status": status, "body": [{"errorCode": code, "message": message}]}


class SalesforceVendor(CrmVendor):
    system = "salesforce"
    token_path = "/oauth2/"
    # REQUEST_LIMIT_EXCEEDED comes without a Retry-After: the connector's own waits.
    throttlings = (
        Throttling(_refusal(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."), 900.0),
        Throttling(_refusal(403, "REQUEST_LIMIT_EXCEEDED", "ConcurrentPerOrgLongTxn Limit exceeded."), 20.0),
    )
    refused_session: ClassVar = _refusal(401, "INVALID_SESSION_ID", "Session expired or invalid")
    forbidden: ClassVar = _refusal(403, "INSUFFICIENT_ACCESS_OR_READONLY", "insufficient access rights")
    small_pages: ClassVar = {"page_size": 90}
    paged = (7, {"page": 3})
    refused_status_fields = ({"status": "Payment_Terms__c"}, "Payment_Terms__c")
    stamps = frozenset({"LastModifiedDate", "SystemModstamp"})

    def simulate(self, **switches: Any) -> SalesforceSimulator:
        self.webhook_secret = secrets.token_urlsafe(18)
        # People stay signed in while the clock moves.
        lasts = timedelta(days=30)
        simulator = SalesforceSimulator(self.clock, private_key=_private_key(), session_timeout=lasts, **switches)
        self.org = Org(simulator, self.clock)
        return simulator

    def secret(self) -> dict[str, str]:
        return {**self.simulator.credentials(), "webhook_secret": self.webhook_secret}

    def wrong_secret(self) -> dict[str, str]:
        return {"consumer_key": self.secret()["consumer_key"], "consumer_secret": "wrong-secret"}

    def an_open_deal(self) -> str:
        return self.org.deal()

    def won_deal(self, lines: int = 1, milestones: int = 0, **fields: Any) -> str:
        org = self.org
        account = org.account(BillingCountry="Germany", Tax_Registrations__c="DE: DE811907980")
        deal_id = org.deal(StageName="Closed Won", Legal_Entity__c="EMEA-DE", AccountId=account, **fields)
        contact = org.create("Contact", LastName="Lind", AccountId=account)
        org.create("OpportunityContactRole", OpportunityId=deal_id, ContactId=contact)
        line = {"OpportunityId": deal_id, "PricebookEntryId": org.entry(), "Quantity": 1, "UnitPrice": 10.01}
        billed = {"Service_Line__c": "IMPL", "Billing_Type__c": "Milestone" if milestones else "Fixed"}
        first = self._all("OpportunityLineItem", [{**line, **billed} for _ in range(lines)])[0]
        dated = {"OpportunityLineItemId": first, "Type": "Revenue", "ScheduleDate": "2026-12-01", "Revenue": 1.01}
        self._all("OpportunityLineItemSchedule", [dated] * milestones)
        return deal_id

    def won_deals(self, count: int) -> list[str]:
        return [self.org.deal(StageName="Closed Won") for _ in range(count)]

    def _all(self, sobject: str, rows: list[dict[str, Any]]) -> list[str]:
        ids = []
        for start in range(0, len(rows), 200):
            given = [{"attributes": {"type": sobject}, **row} for row in rows[start : start + 200]]
            made = self.org.send("POST", "composite/sobjects", {"records": given}).json()
            assert all(each["success"] for each in made), made
            ids += [str(each["id"]) for each in made]
        return ids

    def change(self, opportunity: str) -> None:
        self.org.update("Opportunity", opportunity, NextStep=f"Call {self.clock.now}")

    def drop(self, opportunity: str) -> None:
        assert self.org.send("DELETE", f"sobjects/Opportunity/{opportunity}").is_success

    def held(self, opportunity: str) -> Mapping[str, Any]:
        return self.org.read("Opportunity", opportunity)

    def events(self) -> list[InboundRequest]:
        """The org's own automation posts a signed request for each change event."""
        requests = []
        for envelope in list(self.org.simulator.outbox.sent):
            header = envelope["detail"]["payload"]["ChangeEventHeader"]
            told = {"event_id": header["transactionKey"], "opportunity_ids": header["recordIds"]}
            body = json.dumps(told).encode()
            headers = signatures.sign(self.webhook_secret, int(self.clock().timestamp()), body)
            requests.append(InboundRequest("POST", HOOK, headers, body, self.clock()))
        self.org.simulator.outbox.sent.clear()
        return requests
