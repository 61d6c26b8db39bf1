"""A connector on a portal, and the deals that tests sell there."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import yaml

from dealbridge.connectors.hubspot import connect
from dealbridge.domain.connection import Connection
from dealbridge.domain.deal import Deal
from dealbridge.domain.engagement import EngagementStatus
from dealbridge.domain.money import Money
from dealbridge.mappings.expressions import evaluate
from dealbridge.ports import Crm, CrmDeal
from dealbridge.transport.client import Call, Wire
from dealbridge_local.simulators.transport import SimulatorTransport

from .conftest import DEAL_TO_COMPANY_PRIMARY, DEAL_TO_CONTACT, LINE_ITEM_TO_DEAL, ORIGIN, Hub, link

FIELDS = yaml.safe_load((Path(__file__).parents[3] / "mappings/fields/hubspot.yaml").read_text())


class Line:
    """A connector to a portal, and the calls that it made."""

    def __init__(self, hub: Hub, transport: httpx.BaseTransport | None = None, **options: Any) -> None:
        self.hub = hub
        self.calls: list[Call] = []
        given = {"read": FIELDS["read"], "status_fields": FIELDS["status_fields"], "portal_id": 247279312, **options}
        connection = Connection(
            id="hubspot", system="hubspot", base_url=ORIGIN, secret="dealbridge/hubspot", options=given
        )
        wire = Wire(transport or SimulatorTransport({ORIGIN: hub.simulator}), watch=self.calls.append)
        self.crm: Crm = connect(connection, hub.simulator.credentials(), wire)

    @property
    def paths(self) -> list[str]:
        """The calls so far, the version left out; forgotten once told."""
        paths = [f"{each.method} {each.path.replace('/2026-09', '').removeprefix('/crm/')}" for each in self.calls]
        self.calls.clear()
        return paths


class Tampering(httpx.BaseTransport):
    """Does something just before a call to a path goes out, once."""

    def __init__(self, hub: Hub, path: str, act: Callable[[], object]) -> None:
        self.inner = SimulatorTransport({ORIGIN: hub.simulator})
        self.path, self.act, self.requests = path, act, list[httpx.Request]()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if self.path in request.url.path:
            self.path = "never again"
            self.act()
        return self.inner.handle_request(request)


def won_deal(hub: Hub, lines: int = 1, **properties: Any) -> str:
    company = hub.company(name="Acme", country="Germany", tax_registrations="DE:DE811907980")
    contact = hub.create("contacts", email=f"mara@c{company}.example", firstname="Mara", lastname="Klein")
    owner = "96879918"
    wanted = {
        "dealname": "ERP rollout",
        "dealstage": "closedwon",
        "amount": str(1500 * lines),
        "deal_currency_code": "EUR",
        "closedate": "2026-11-20T16:00:00Z",
        "contract_start": "2026-12-01",
        "contract_end": "2027-11-30",
        "commercial_terms_approved": "true",
        "legal_entity": "EMEA-DE",
        "delivery_owner_email": "mara.lind@example.com",
        "payment_terms": "net_30",
        "po_number": "4500017",
        "hubspot_owner_id": owner,
        **properties,
    }
    deal_id = hub.create("deals", link(company, DEAL_TO_COMPANY_PRIMARY), link(contact, DEAL_TO_CONTACT), **wanted)
    inputs = [
        {
            "properties": {
                "name": f"Consulting {number}",
                "quantity": "10",
                "price": "150",
                "service_line": "IMPL",
                "billing_type": "time_and_materials",
            },
            "associations": [link(deal_id, LINE_ITEM_TO_DEAL)],
        }
        for number in range(lines)
    ]
    for start in range(0, lines, 100):
        assert hub.batch("line_items", "create", *inputs[start : start + 100]).status_code == 201
    return deal_id


def as_deal(read: CrmDeal) -> Deal:
    document = evaluate(FIELDS["deal"], dict(read.document), named="fields")
    key = {"crm": "hubspot", "opportunity": read.opportunity}
    return Deal.model_validate({**document, "key": key, "revision": read.revision})


def status(**changed: Any) -> EngagementStatus:
    wanted = {
        "status": "active",
        "message": "Ready.",
        "customer_number": "C-1",
        "at": datetime(2026, 11, 23, 19, tzinfo=UTC),
    }
    return EngagementStatus.model_validate({"key": "STAT-1", **wanted, **changed})


def eur(amount: str) -> Money:
    return Money.model_validate({"amount": amount, "currency": "EUR"})
