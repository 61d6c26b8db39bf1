"""A portal with a clock that tests move, and a client that speaks plain HTTP to it with the service key."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

import dealbridge.clock
from dealbridge_local.simulators.hubspot import HubSpotSimulator
from dealbridge_local.simulators.transport import SimulatorTransport
from tests.contract.suites.vendor import Clock

ORIGIN = "https://api.hubapi.com"
VERSION = "2026-09"
DEAL_TO_COMPANY_PRIMARY = 5
DEAL_TO_CONTACT = 3
DEAL_TO_LINE_ITEM = 19
LINE_ITEM_TO_DEAL = 20
CHILD_TO_PARENT = 14


def link(to: str, type_id: int) -> dict[str, Any]:
    """One entry of `associations` in a create."""
    return {"to": {"id": to}, "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": type_id}]}


class Hub:
    """A client of one portal, as an integrator with curl would use it."""

    def __init__(self, simulator: HubSpotSimulator, clock: Clock) -> None:
        simulator.base_url = ORIGIN
        self.simulator, self.clock = simulator, clock
        self.http = httpx.Client(base_url=ORIGIN, transport=SimulatorTransport({ORIGIN: simulator}))
        self.http.headers["Authorization"] = f"Bearer {simulator.credentials()['access_token']}"

    def send(self, method: str, path: str, body: Any = None, **params: str) -> httpx.Response:
        """A call to a dated path of the CRM: "deals/1" stands for /crm/objects/2026-09/deals/1."""
        url = path if path.startswith("/") else f"/crm/objects/{VERSION}/{path}"
        return self.http.request(method, url, json=body, params=params or None)

    def get(self, path: str, **params: str) -> dict[str, Any]:
        return answer(self.send("GET", path, **params), 200)

    def create(self, kind: str, *associations: dict[str, Any], **properties: Any) -> str:
        body = {"properties": properties, "associations": list(associations)}
        return str(answer(self.send("POST", kind, body), 201)["id"])

    def update(self, kind: str, record_id: str, **properties: Any) -> dict[str, Any]:
        return answer(self.send("PATCH", f"{kind}/{record_id}", {"properties": properties}), 200)

    def properties(self, kind: str, record_id: str, *names: str) -> dict[str, str | None]:
        read = self.get(f"{kind}/{record_id}", properties=",".join(names))
        return {name: read["properties"][name] for name in names}

    def deal(self, *associations: dict[str, Any], **properties: Any) -> str:
        return self.create(
            "deals", *associations, **{"dealname": "ERP rollout", "dealstage": "contractsent", **properties}
        )

    def company(self, **properties: Any) -> str:
        return self.create("companies", **{"name": "Acme", **properties})

    def line(self, deal_id: str, **properties: Any) -> str:
        wanted = {"name": "Consulting", "quantity": "10", "price": "150", **properties}
        return self.create("line_items", link(deal_id, LINE_ITEM_TO_DEAL), **wanted)

    def batch(self, kind: str, operation: str, *inputs: dict[str, Any], **more: Any) -> httpx.Response:
        return self.send("POST", f"{kind}/batch/{operation}", {"inputs": list(inputs), **more})

    def search(self, kind: str, *filters: dict[str, Any], **more: Any) -> dict[str, Any]:
        body = {"filterGroups": [{"filters": list(filters)}] if filters else [], **more}
        return answer(self.send("POST", f"{kind}/search", body), 200)


def answer(response: httpx.Response, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    found: dict[str, Any] = response.json()
    return found


def refusal(response: httpx.Response) -> tuple[int, str | None, list[tuple[str, str]]]:
    """Status, category, and (code, property) of every error."""
    body = response.json()
    errors = [(each["code"], each["context"]["propertyName"][0]) for each in body.get("errors", ())]
    assert body["status"] == "error"
    assert body["correlationId"]
    return response.status_code, body.get("category"), errors


type Portal = Callable[..., Hub]


@pytest.fixture
def clock() -> Iterator[Clock]:
    """The time, for the simulator and for the connector."""
    moved = Clock()
    dealbridge.clock.use(moved)
    yield moved
    dealbridge.clock.use(None)


@pytest.fixture
def portal(clock: Clock) -> Iterator[Portal]:
    """Portals with the given switches; closed at the end."""
    made: list[Hub] = []

    def make(**switches: Any) -> Hub:
        made.append(Hub(HubSpotSimulator(clock, **switches), clock))
        return made[-1]

    yield make
    for each in made:
        each.http.close()
        each.simulator.webhooks.close()


@pytest.fixture
def hub(portal: Portal) -> Hub:
    return portal()
