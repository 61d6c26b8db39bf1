"""Somebody who sells in HubSpot, through HubSpot's own API: for the demo, the tests and the bench."""

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import httpx

from dealbridge_local.salesforce_user import Sold

OBJECTS = "/crm/objects/2026-09"
_DEAL_TO_COMPANY, _DEAL_TO_CONTACT, _LINE_TO_DEAL, _CHILD_TO_PARENT = 5, 3, 20, 14
"""HubSpot-defined association types."""
_AGAIN = 20
"""So often, a second apart: the account's limit of calls is one of ten seconds (Usage guidelines, "Rate limits"), and
others use it up too."""


class HubSpotUser:
    """A user of a HubSpot account, with a service key. Over the network, a call that is one too many is made again."""

    def __init__(self, url: str, credentials: Mapping[str, str], transport: httpx.BaseTransport | None = None) -> None:
        key = credentials["access_token"]
        self._http = httpx.Client(
            base_url=url, transport=transport, timeout=60, headers={"Authorization": f"Bearer {key}"}
        )
        self._again = _AGAIN if transport is None else 0

    def close(self) -> None:
        self._http.close()

    def create(self, kind: str, associations: Sequence[Mapping[str, Any]] = (), **properties: Any) -> str:
        """A new record's id. Values are sent as HubSpot keeps them, as text."""
        body = {"properties": _texts(properties), "associations": list(associations)}
        return str(self._call("POST", f"{OBJECTS}/{kind}", body)["id"])

    def change(self, kind: str, record_id: str, **properties: Any) -> None:
        self._call("PATCH", f"{OBJECTS}/{kind}/{record_id}", {"properties": _texts(properties)})

    def read(self, kind: str, record_id: str, *properties: str) -> dict[str, str | None]:
        """The properties named."""
        answer = self._call("GET", f"{OBJECTS}/{kind}/{record_id}?properties={','.join(properties)}")
        found: dict[str, str | None] = answer["properties"]
        return found

    def create_company(self, name: str, parent: str | None = None, **properties: Any) -> str:
        above = [_to(parent, _CHILD_TO_PARENT)] if parent else []
        return self.create("companies", above, name=name, **properties)

    def put_below(self, company: str, parent: str) -> None:
        self._call("PUT", f"{OBJECTS}/companies/{company}/associations/companies/{parent}", [_type(_CHILD_TO_PARENT)])

    def take_from(self, company: str, parent: str) -> None:
        self._call("DELETE", f"{OBJECTS}/companies/{company}/associations/companies/{parent}")

    def open_deal(
        self,
        name: str,
        company: str,
        lines: Iterable[Sold],
        *,
        currency: str = "USD",
        contacts: Sequence[str] = (),
        **properties: Any,
    ) -> str:
        """A deal with its lines and milestones, not won yet; its id."""
        sold = list(lines)
        total = sum((line.price * line.quantity for line in sold), Decimal(0))
        given = {
            "dealname": name,
            "dealstage": "contractsent",
            "pipeline": "default",
            "amount": total,
            "deal_currency_code": currency,
            "closedate": "2026-11-20T12:00:00Z",
            "legal_entity": "NA-US",
            "commercial_terms_approved": "true",
            "delivery_owner_email": "mara.lind@example.com",
            "po_number": "PO-20881",
            "payment_terms": "net_30",
            "contract_start": "2027-01-04",
            "contract_end": "2027-12-31",
        } | properties
        related = [_to(company, _DEAL_TO_COMPANY), *(_to(contact, _DEAL_TO_CONTACT) for contact in contacts)]
        deal = self.create("deals", related, **given)
        self.add_lines(deal, sold)
        return deal

    def add_lines(self, deal: str, lines: Iterable[Sold]) -> list[str]:
        """Lines of a deal, in few calls; their ids. The deal's amount is left as it is."""
        inputs = [
            {
                "properties": _texts(_line(line)),
                "associations": [{"to": {"id": deal}, "types": [_type(_LINE_TO_DEAL)]}],
            }
            for line in lines
        ]
        ids: list[str] = []
        for start in range(0, len(inputs), 100):
            chunk = inputs[start : start + 100]
            answer = self._call("POST", f"{OBJECTS}/line_items/batch/create", {"inputs": chunk})
            # Answers do not come in the order of the inputs; ids are given in that order.
            ids += sorted((str(each["id"]) for each in answer["results"]), key=int)
        return ids

    def delete(self, kind: str, record_id: str) -> None:
        self._call("DELETE", f"{OBJECTS}/{kind}/{record_id}")

    def move_company(self, company: str, parent: str | None) -> None:
        """Below another parent, or below none."""
        above = self.read("companies", company, "hs_parent_company_id")["hs_parent_company_id"]
        address = f"{OBJECTS}/companies/{company}/associations/companies"
        if above:
            self._call("DELETE", f"{address}/{above}")
        if parent:
            self._call("PUT", f"{address}/{parent}", [_type(_CHILD_TO_PARENT)])

    def win(self, deal: str) -> None:
        self.change("deals", deal, dealstage="closedwon")

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        answer = self._http.request(method, path, json=body)
        for _ in range(self._again):
            if answer.status_code != 429:
                break
            time.sleep(1.0)
            answer = self._http.request(method, path, json=body)
        if not answer.is_success:
            raise RuntimeError(f"{method} {path}: HTTP {answer.status_code} {answer.text}")
        return answer.json() if answer.content else None


def _line(line: Sold) -> dict[str, Any]:
    milestones = [
        {"name": name, "date": due.isoformat(), "amount": str(amount)} for name, due, amount in line.milestones
    ]
    return {
        "name": line.description,
        "quantity": line.quantity,
        "price": line.price,
        "service_line": line.service_line,
        "billing_type": "milestone" if milestones else line.billing_type.lower().replace(" ", "_"),
        **({"milestones": json.dumps(milestones)} if milestones else {}),
        **line.more,
    }


def _texts(properties: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in properties.items()}


def _to(record_id: str, type_id: int) -> dict[str, Any]:
    return {"to": {"id": record_id}, "types": [_type(type_id)]}


def _type(type_id: int) -> dict[str, Any]:
    return {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": type_id}
