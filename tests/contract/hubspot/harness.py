"""HubSpot, plugged into the contract suites: an app's installation, whose token is renewed and who gets webhooks."""

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from dealbridge.ports import InboundRequest
from dealbridge_local.simulators.hubspot import HubSpotSimulator
from tests.contract.hubspot.conftest import DEAL_TO_COMPANY_PRIMARY, DEAL_TO_CONTACT, LINE_ITEM_TO_DEAL, Hub, link
from tests.contract.suites.vendor import HOOK, CrmVendor, Throttling


def _limited(policy: str, **headers: str) -> dict[str, Any]:
    body = {"status": "error", "errorType": "RATE_LIMIT", "policyName": policy, "message": "You have reached it."}
    return {"kind": "status", "status": 429, "body": body, "headers": headers, "path": "/crm/"}


class HubSpotVendor(CrmVendor):
    system = "hubspot"
    token_path = "/oauth/"
    options: ClassVar = {"sign_in": "refresh_token", "portal_time_zone": "UTC"}
    throttlings = (
        Throttling(_limited("TEN_SECONDLY_ROLLING", **{"Retry-After": "1"}), 10.0),
        Throttling(_limited("SECONDLY"), 1.0),
        # The clock of these tests stands at 18:00.
        Throttling(_limited("DAILY"), 6 * 3600.0),
        Throttling({"kind": "status", "status": 423, "path": "/crm/"}, 2.0),
        Throttling({"kind": "status", "status": 477, "headers": {"Retry-After": "86400"}, "path": "/crm/"}, 86_400.0),
    )
    forbidden: ClassVar = {
        "kind": "status",
        "status": 403,
        "body": {"status": "error", "category": "MISSING_SCOPES", "message": "This app lacks a scope."},
    }
    paged = (205, {})
    refused_status_fields = ({"status": "erp_state"}, "erp_state")
    stamps = frozenset({"hs_lastmodifieddate"})

    def simulate(self, **switches: Any) -> HubSpotSimulator:
        simulator = HubSpotSimulator(self.clock, **switches)
        self.hub = Hub(simulator, self.clock)
        return simulator

    def secret(self) -> dict[str, str]:
        return self.simulator.credentials()

    def wrong_secret(self) -> dict[str, str]:
        return {**self.secret(), "refresh_token": "wrong-token"}

    def an_open_deal(self) -> str:
        return self.hub.deal()

    def won_deal(self, lines: int = 1, milestones: int = 0, **fields: Any) -> str:
        hub = self.hub
        company = hub.company(country="Germany", tax_registrations="DE: DE811907980")
        contact = hub.create("contacts", email="mara@acme.example", lastname="Lind")
        links = link(company, DEAL_TO_COMPANY_PRIMARY), link(contact, DEAL_TO_CONTACT)
        wanted = {"dealstage": "closedwon", "deal_currency_code": "EUR", "legal_entity": "EMEA-DE"}
        deal_id = hub.deal(*links, **{**wanted, "amount": f"{lines * 10.01:.2f}", **fields})
        dated = [{"name": f"Part {n}", "date": "2026-12-01", "amount": "1.01"} for n in range(milestones)]
        line = {"name": "Consulting", "quantity": "1", "price": "10.01", "service_line": "IMPL"}
        first = {**line, "billing_type": "milestone", "milestones": json.dumps(dated)} if milestones else line
        given = [first, *[{**line, "billing_type": "fixed"}] * (lines - 1)]
        inputs = [{"properties": each, "associations": [link(deal_id, LINE_ITEM_TO_DEAL)]} for each in given]
        for start in range(0, lines, 100):
            assert hub.batch("line_items", "create", *inputs[start : start + 100]).status_code == 201
        return deal_id

    def won_deals(self, count: int) -> list[str]:
        inputs = [{"properties": {"dealstage": "closedwon", "dealname": f"Deal {n}"}} for n in range(count)]
        ids = []
        for start in range(0, count, 100):
            made = self.hub.batch("deals", "create", *inputs[start : start + 100]).json()
            ids += [str(each["id"]) for each in made["results"]]
        return ids

    def change(self, opportunity: str) -> None:
        self.hub.update("deals", opportunity, po_number=f"{self.clock.now}")

    def drop(self, opportunity: str) -> None:
        assert self.hub.send("DELETE", f"deals/{opportunity}").is_success

    def held(self, opportunity: str) -> Mapping[str, Any]:
        names = ",".join(
            (*self.connection.options["read"]["deals"], *self.connection.options["status_fields"].values())
        )
        properties: dict[str, Any] = self.hub.get(f"deals/{opportunity}", properties=names)["properties"]
        return properties

    def events(self) -> list[InboundRequest]:
        """What HubSpot would post now."""
        requests = self.hub.simulator.webhooks.collect(HOOK)
        for each in requests:
            self.hub.simulator.webhooks.settle(each, 200)
        return [
            InboundRequest(
                "POST", HOOK, {name.lower(): value for name, value in each.headers.items()}, each.body, self.clock()
            )
            for each in requests
        ]
