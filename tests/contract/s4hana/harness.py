"""S/4HANA Cloud, plugged into the contract suites."""

import json
import secrets
from typing import Any, ClassVar

from dealbridge.domain.keys import Kind
from dealbridge.domain.parties import Contact
from dealbridge.domain.refs import ExternalRef
from dealbridge.ports import InboundRequest, Write
from dealbridge_local.simulators.s4hana import S4HanaSimulator
from tests.contract.s4hana.conftest import NOW, Tenant
from tests.contract.suites.vendor import HOOK, Clock, TargetVendor, Throttling

_EDITS: dict[Kind, tuple[str, str, str, str]] = {
    Kind.CUSTOMER: ("name", "API_BUSINESS_PARTNER/A_BusinessPartner('{id}')", "SearchTerm1", "BY HAND"),
    Kind.CONTACT: ("last_name", "API_BUSINESS_PARTNER/A_BusinessPartner('{id}')", "LastName", "By hand"),
    Kind.PROJECT: (
        "name",
        "API_ENTERPRISE_PROJECT_SRV;v=0002/A_EnterpriseProject(guid'{id}')",
        "ProjectDescription",
        "By hand",
    ),
    Kind.CONTRACT: ("po_number", "API_SALES_ORDER_SRV/A_SalesOrder('{id}')", "PurchaseOrderByCustomer", "By hand"),
}


class S4HanaVendor(TargetVendor):
    system = "s4hana"
    token_path = "API_ENTERPRISE_PROJECT_SRV;v=0002/"
    throttlings = (Throttling({"kind": "status", "status": 429, "headers": {"Retry-After": "60"}}, 60.0),)
    refused_session: ClassVar = {
        "kind": "status",
        "status": 403,
        "headers": {"x-csrf-token": "Required"},
        "body": "CSRF token validation failed",
        "method": "POST",
    }
    forbidden: ClassVar = {"kind": "status", "status": 403, "body": "<html>No authorization</html>"}
    not_kept: ClassVar = {
        Kind.PROJECT: frozenset({"budget", "tasks.budget", "tasks.hours", "tasks.number"}),
        Kind.CONTRACT: frozenset(
            {
                "name",
                "start",
                "end",
                "lines.billing_type",
                "lines.billing_frequency",
                "lines.cap",
                "lines.start",
                "schedule.name",
                "schedule.items.description",
                "schedule.items.kind",
            }
        ),
    }
    refused_currency: ClassVar = {
        Kind.CUSTOMER: "Currency",
        Kind.PROJECT: "ProjectCurrency",
        Kind.CONTRACT: "TransactionCurrency",
    }
    small_pages: ClassVar = {"page_size": 1}

    def simulate(self, **switches: Any) -> S4HanaSimulator:
        self.agreed = f"Basic {secrets.token_urlsafe(18)}"
        self.tenant = S4HanaSimulator(self.clock, base_url="https://my300123-api.s4hana.cloud.sap", **switches)
        self.employee = str(self.tenant.records()["A_BusinessPartner"][0]["BusinessPartner"])
        return self.tenant

    def secret(self) -> dict[str, str]:
        return {**self.simulator.credentials(), "webhook_authorization": self.agreed}

    def wrong_secret(self) -> dict[str, str]:
        return {**self.secret(), "password": "wrong-password"}

    def read(self) -> None:
        self.port.find(self._someone("CONT-0"))

    def write(self) -> None:
        self.port.create(self._someone(f"CONT-{len(self.simulator.calls())}"))

    def _someone(self, key: str) -> Write:
        contact = Contact(key=key, customer_key="CUST-0", last_name=key, source_id=key)
        company = ExternalRef(connection="s4hana", type="A_BusinessPartner", id=self.employee)
        return Write(Kind.CONTACT, key, contact, {}, {"CUST-0": company})

    def edit(self, kind: Kind, ref: ExternalRef) -> tuple[str, Any]:
        field, path, theirs, value = _EDITS[kind]
        answer = Tenant(self.tenant, Clock(NOW)).change(path.format(id=ref.id), **{theirs: value})
        assert answer.is_success, answer.text
        return field, value

    def events(self) -> list[InboundRequest]:
        """What Event Mesh posts for the records made since the last time."""
        sent = list(self.tenant.events.sent)
        self.tenant.events.sent.clear()
        return [
            InboundRequest("POST", HOOK, {"authorization": self.agreed}, json.dumps(each).encode(), self.clock())
            for each in sent
        ]
