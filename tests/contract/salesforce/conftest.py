"""An org with a clock that tests move, a signed-in client that speaks plain HTTP to it, and a connector to it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from dealbridge.connectors.salesforce import connect
from dealbridge.connectors.salesforce.system import Salesforce
from dealbridge.domain.connection import Connection
from dealbridge.domain.engagement import EngagementStatus
from dealbridge.transport.client import Call, Wire
from dealbridge_local.simulators.salesforce import SalesforceSimulator
from dealbridge_local.simulators.transport import SimulatorTransport
from tests.contract.suites.vendor import Clock

ORIGIN = "https://dealbridge.my.salesforce.com"
DATA = "/services/data/v67.0"
MAPPING = yaml.safe_load((Path(__file__).parents[3] / "mappings/fields/salesforce.yaml").read_text())
STATUS = EngagementStatus(
    key="STAT-x",
    status="Active",
    message="Project P-1 stands.",
    project_number="P-1",
    at=datetime(2026, 11, 23, 18, 0, tzinfo=UTC),
)
WEBHOOK_SECRET = "a secret that the org's automation shares"


class Org:
    """A client of one org, as a consultant with curl would use it."""

    def __init__(self, simulator: SalesforceSimulator, clock: Clock) -> None:
        simulator.base_url = ORIGIN
        self.simulator = simulator
        self.clock = clock
        self.http = httpx.Client(base_url=ORIGIN, transport=SimulatorTransport({ORIGIN: simulator}))
        self.sign_in()

    def sign_in(self) -> None:
        credentials = self.simulator.credentials()
        response = self.http.post(
            "/services/oauth2/token",
            data={"grant_type": "client_credentials"},
            auth=(credentials["consumer_key"], credentials["consumer_secret"]),
        )
        self.http.headers["Authorization"] = f"Bearer {response.json()['access_token']}"

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.http.request(method, f"{DATA}/{path}", json=body, headers=named)

    def create(self, sobject: str, **fields: Any) -> str:
        response = self.send("POST", f"sobjects/{sobject}", fields)
        assert response.status_code == 201, response.text
        return str(response.json()["id"])

    def update(self, sobject: str, record_id: str, **fields: Any) -> None:
        response = self.send("PATCH", f"sobjects/{sobject}/{record_id}", fields)
        assert response.status_code == 204, response.text

    def read(self, sobject: str, record_id: str) -> dict[str, Any]:
        response = self.send("GET", f"sobjects/{sobject}/{record_id}")
        assert response.status_code == 200, response.text
        record: dict[str, Any] = response.json()
        return record

    def query(self, soql: str, resource: str = "query") -> dict[str, Any]:
        response = self.http.get(f"{DATA}/{resource}", params={"q": soql})
        assert response.status_code == 200, response.text
        result: dict[str, Any] = response.json()
        return result

    def records(self, soql: str, resource: str = "query") -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.query(soql, resource)["records"]
        return found

    def refusal(self, response: httpx.Response) -> tuple[int, str, list[str] | None]:
        """Status, code and fields of the one error in a response."""
        (error,) = response.json()
        return response.status_code, error["errorCode"], error.get("fields")

    def query_refusal(self, soql: str) -> tuple[int, str, str]:
        response = self.http.get(f"{DATA}/query", params={"q": soql})
        (error,) = response.json()
        return response.status_code, error["errorCode"], error["message"]

    def account(self, **fields: Any) -> str:
        return self.create("Account", **{"Name": "Acme", **fields})

    def deal(self, **fields: Any) -> str:
        wanted = {
            "Name": "ERP rollout",
            "StageName": "Prospecting",
            "CloseDate": "2026-11-30",
            "CurrencyIsoCode": "EUR",
        }
        return self.create("Opportunity", **{**wanted, **fields})

    def entry(self, product_code: str = "CONS-TECH", currency: str = "EUR") -> str:
        found = self.records(
            f"SELECT Id FROM PricebookEntry WHERE ProductCode = '{product_code}' AND CurrencyIsoCode = '{currency}'"
        )
        return str(found[0]["Id"])

    def line(self, deal_id: str, **fields: Any) -> str:
        wanted = {"OpportunityId": deal_id, "Quantity": 10, "UnitPrice": 150}
        if "PricebookEntryId" not in fields and "Product2Id" not in fields:
            wanted["PricebookEntryId"] = self.entry()
        return self.create("OpportunityLineItem", **{**wanted, **fields})


@dataclass
class World:
    """An org and a connector to it, with every call that the connector made."""

    org: Org
    calls: list[Call] = field(default_factory=list)
    date: str | None = None
    """The Date header of every answer, where the world has one."""

    def connect(self, secret: dict[str, str] | None = None, **options: Any) -> Salesforce:
        connection = Connection(
            id="salesforce",
            system="salesforce",
            base_url=ORIGIN,
            secret="dealbridge/salesforce",
            options={"read": MAPPING["read"], "status_fields": MAPPING["status_fields"], **options},
        )
        transport = SimulatorTransport({ORIGIN: self.org.simulator})
        given = secret if secret is not None else self.secret()
        wire = Wire(transport=_Dated(transport, self), watch=self.calls.append)
        connector = connect(connection, {"webhook_secret": WEBHOOK_SECRET, **given}, wire)
        assert isinstance(connector, Salesforce)
        return connector

    def secret(self) -> dict[str, str]:
        """An app without a private key: assertions are of the machine's time, and tests move the org's."""
        credentials = self.org.simulator.credentials()
        return {name: credentials[name] for name in ("consumer_key", "consumer_secret")}

    def api_calls(self) -> list[tuple[str, str]]:
        """What the org served to the connector since the last time, sign-in left out."""
        made = [(call.method, call.path.removeprefix("/services/data/v67.0/")) for call in self.calls]
        self.calls.clear()
        return made

    def deal(self, **fields: Any) -> str:
        return self.org.deal(**{"StageName": "Closed Won", "Legal_Entity__c": "EMEA-DE", **fields})


class _Dated(httpx.BaseTransport):
    def __init__(self, inner: httpx.BaseTransport, world: World) -> None:
        self._inner = inner
        self._world = world

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = self._inner.handle_request(request)
        if self._world.date:
            response.headers["Date"] = self._world.date
        return response


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def private_key() -> str:
    """One RSA key for all tests: making one takes a tenth of a second."""
    return SalesforceSimulator().credentials()["private_key"]


@pytest.fixture
def simulator(clock: Clock, private_key: str) -> SalesforceSimulator:
    return SalesforceSimulator(clock, private_key=private_key)


@pytest.fixture
def org(simulator: SalesforceSimulator, clock: Clock) -> Iterator[Org]:
    org = Org(simulator, clock)
    yield org
    org.http.close()


@pytest.fixture
def world(private_key: str) -> Iterator[World]:
    clock = Clock()
    clock.now = datetime.now(UTC).replace(microsecond=0)
    org = Org(SalesforceSimulator(clock, private_key=private_key), clock)
    yield World(org)
    org.http.close()


@pytest.fixture
def salesforce(world: World) -> Salesforce:
    return world.connect()
