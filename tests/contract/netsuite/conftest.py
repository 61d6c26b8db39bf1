"""An account with a clock that tests move, and a signed-in client that speaks plain HTTP to it."""

import uuid
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import httpx
import jwt
import pytest

from dealbridge_local.simulators.netsuite import NetSuiteSimulator
from dealbridge_local.simulators.transport import SimulatorTransport
from tests.contract.netsuite.acme import World
from tests.contract.suites.vendor import Clock

ORIGIN = "https://1234567.suitetalk.api.netsuite.com"
RECORDS = "/services/rest/record/v1"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class Tenant:
    """A client of one account, as a consultant with curl and a certificate would use it."""

    def __init__(self, simulator: NetSuiteSimulator, clock: Clock) -> None:
        simulator.base_url = ORIGIN
        self.simulator = simulator
        self.clock = clock
        self.http = httpx.Client(base_url=ORIGIN, transport=SimulatorTransport({ORIGIN: simulator}))
        self.sign_in()

    def assertion(
        self, *, algorithm: str = "ES256", key: str | None = None, kid: str | None = None, **claims: Any
    ) -> str:
        """A client assertion as section_162790605110 wants it, with what a test makes different."""
        credentials = self.simulator.credentials()
        now = int(self.clock().timestamp())
        payload = {
            "iss": credentials["client_id"],
            "scope": ["rest_webservices"],
            "aud": credentials["token_url"],
            "iat": now,
            "exp": now + 300,
            "jti": str(uuid.uuid4()),
            **claims,
        }
        return jwt.encode(
            {name: value for name, value in payload.items() if value is not None},
            key or credentials["private_key"],
            algorithm=algorithm,
            headers={"kid": kid or credentials["certificate_id"]},
        )

    def ask_for_token(self, assertion: str, **form: str) -> httpx.Response:
        fields = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION_TYPE}
        return self.http.post(
            self.simulator.credentials()["token_url"], data={**fields, "client_assertion": assertion, **form}
        )

    def sign_in(self) -> None:
        response = self.ask_for_token(self.assertion())
        self.http.headers["Authorization"] = f"Bearer {response.json()['access_token']}"

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        params: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        """A call of the record service, unless the path is absolute."""
        url = path if path.startswith("/") else f"{RECORDS}/{path}"
        return self.http.request(method, url, json=body, params=params, headers=headers)

    def make(self, kind: str, **fields: Any) -> str:
        """Create a record; returns its internal id."""
        response = self.send("POST", kind, fields)
        assert response.status_code == 204, response.text
        return response.headers["location"].rsplit("/", 1)[1]

    def read(self, path: str) -> dict[str, Any]:
        response = self.send("GET", path, params={"expandSubResources": "true"})
        assert response.status_code == 200, response.text
        content: dict[str, Any] = response.json(parse_float=Decimal)
        return content

    def query(self, text: str, *params: str, **page: str) -> httpx.Response:
        return self.send(
            "POST",
            "/services/rest/query/v1/suiteql",
            {"q": text, "params": list(params)},
            params=page,
            headers={"Prefer": "transient"},
        )

    def rows(self, text: str, *params: str) -> list[dict[str, str]]:
        response = self.query(text, *params)
        assert response.status_code == 200, response.text
        return [{name: value for name, value in row.items() if name != "links"} for row in response.json()["items"]]

    @staticmethod
    def error(response: httpx.Response) -> dict[str, Any]:
        """The one error detail of a refusal, with the status beside it."""
        body = response.json()
        assert response.headers["content-type"].startswith("application/vnd.oracle.resource+json; type=error")
        assert body["status"] == response.status_code
        [detail] = body["o:errorDetails"]
        return {"status": body["status"], **detail}

    def refusal(self, response: httpx.Response) -> tuple[int, str, str | None]:
        """Status, code and JSON path of a refusal."""
        error = self.error(response)
        return error["status"], error["o:errorCode"], error.get("o:errorPath")

    # A small engagement, as most tests need one

    def customer(self, **fields: Any) -> str:
        return self.make("customer", **{"companyName": "Acme Corp", "subsidiary": {"id": "1"}, **fields})

    def job(self, customer: str, **fields: Any) -> str:
        return self.make("job", **{"companyName": "Rollout", "parent": {"id": customer}, **fields})

    def order(self, customer: str, *lines: dict[str, Any], **fields: Any) -> str:
        items = lines or ({"item": {"id": "101"}, "quantity": 10, "rate": 200},)
        return self.make("salesOrder", **{"entity": {"id": customer}, "item": {"items": list(items)}, **fields})


@pytest.fixture
def world() -> World:
    return World(NetSuiteSimulator())


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tenant_with(clock: Clock) -> Iterator[Callable[..., Tenant]]:
    made: list[Tenant] = []

    def make(**switches: Any) -> Tenant:
        made.append(Tenant(NetSuiteSimulator(clock=clock, **switches), clock))
        return made[-1]

    yield make
    for tenant in made:
        tenant.http.close()


@pytest.fixture
def tenant(tenant_with: Callable[..., Tenant]) -> Tenant:
    return tenant_with()
