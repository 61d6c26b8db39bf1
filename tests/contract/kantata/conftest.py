"""An account with a clock that tests move, a signed-in client that speaks plain HTTP to it, and the connector."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest

from dealbridge.connectors.kantata import connect
from dealbridge.domain.connection import Connection
from dealbridge.domain.engagement import StaffingProject, StaffingRequest
from dealbridge.domain.keys import Kind
from dealbridge.domain.money import Money
from dealbridge.domain.plan import FieldChange
from dealbridge.domain.refs import ExternalRef
from dealbridge.ports import RecordTarget, Write
from dealbridge.transport.client import Call, Wire
from dealbridge_local.simulators.kantata import APPROVER, KantataSimulator
from dealbridge_local.simulators.transport import SimulatorTransport
from tests.contract.suites.vendor import Clock

NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


class Api:
    """A signed-in client, with the few calls that most tests make."""

    def __init__(self, simulator: KantataSimulator) -> None:
        self.simulator = simulator
        credentials = simulator.credentials()
        self.http = httpx.Client(
            base_url=f"{credentials['base_url']}/api/v1",
            headers={"Authorization": f"Bearer {credentials['token']}"},
            transport=SimulatorTransport({simulator.base_url: simulator}),
        )

    def get(self, path: str, **params: Any) -> dict[str, Any]:
        response = self.http.get(path, params=params)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    def ids(self, path: str, **params: Any) -> list[str]:
        return [each["id"] for each in self.get(path, **params)["results"]]

    def made(self, collection: str, singular: str, **fields: Any) -> str:
        response = self.http.post(f"/{collection}", json={singular: fields})
        assert response.status_code == 200, response.text
        return str(response.json()["results"][0]["id"])

    def project(self, title: str = "Acme rollout", **fields: Any) -> str:
        return self.made("workspaces", "workspace", title=title, creator_role="maven", **fields)

    def staffing_request(self, project: str, **fields: Any) -> str:
        wish = {
            "approver_ids": [int(APPROVER)],
            "resource_workspace_id": int(project),
            "resource_role_id": 3,
            "workspace_allocation_start_date": "2026-01-05",
            "workspace_allocation_end_date": "2026-01-16",
            "workspace_allocation_percentage": 50,
        }
        return self.made("resource_requests", "resource_request", **{**wish, **fields})

    def errors(self, response: httpx.Response, status: int) -> list[dict[str, str]]:
        assert response.status_code == status, response.text
        errors: list[dict[str, str]] = response.json()["errors"]
        return errors


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


@pytest.fixture
def account(clock: Clock) -> Callable[..., Api]:
    return lambda **switches: Api(KantataSimulator(clock, **switches))


@pytest.fixture
def api(account: Callable[..., Api]) -> Api:
    return account()


def reference(ref: str, **fields: Any) -> dict[str, Any]:
    return {"service_name": "dealbridge", "service_model": "Deal", "service_model_ref": ref, **fields}


CODES = {
    "currency": "EUR",
    "defaults": {"approvers": ["11"], "hours_per_day": 8},
    "manager": "21",
    "legal_entity": "EMEA-DE",
}


class World:
    """A simulated account, the connector to it, and what it was asked."""

    def __init__(self, simulator: KantataSimulator, **options: Any) -> None:
        self.simulator, self.api = simulator, Api(simulator)
        self.calls: list[Call] = []
        connection = Connection(
            id="kantata",
            system="kantata",
            base_url=simulator.base_url,
            secret="dealbridge/kantata",
            options={"project_key_field": "1", "request_key_field": "2", **options},
        )
        wire = Wire(transport=SimulatorTransport({simulator.base_url: simulator}), watch=self.calls.append)
        self.staffing: RecordTarget = connect(connection, simulator.credentials(), wire)

    def asked(self) -> list[tuple[str, str]]:
        """(method, path below /api/v1) of the calls since the last time of asking."""
        told = [(call.method, call.path.removeprefix("/api/v1/")) for call in self.calls]
        self.calls.clear()
        return told

    def project(self, write: Write | None = None) -> ExternalRef:
        return self.staffing.create(write or project())

    def request(self, **fields: Any) -> tuple[Write, ExternalRef]:
        write = request(self.project(), **fields)
        made = self.staffing.create(write)
        self.calls.clear()
        return write, made


@pytest.fixture
def world_with(clock: Clock) -> Callable[..., World]:
    def make(options: dict[str, Any] | None = None, **switches: Any) -> World:
        return World(KantataSimulator(clock, **switches), **(options or {}))

    return make


@pytest.fixture
def world(world_with: Callable[..., World]) -> World:
    return world_with()


def project(**fields: Any) -> Write:
    codes = {**CODES, **fields.pop("codes", {})}
    record = StaffingProject.model_validate(
        {
            "key": "PSA-006A",
            "name": "Acme rollout",
            "customer_name": "Acme Corp",
            "manager_email": "mara.lind@example.com",
            "currency": "EUR",
            "budget": Money(amount=Decimal("123456.78"), currency="EUR"),
            "start": date(2026, 1, 5),
            "end": date(2026, 6, 30),
            **fields,
        }
    )
    return Write(Kind.STAFFING_PROJECT, record.key, record, codes)


def request(of: ExternalRef, **fields: Any) -> Write:
    codes = {**CODES, "role": "3", **fields.pop("codes", {})}
    record = StaffingRequest.model_validate(
        {
            "key": "STAF-006A-IMPL-Consultant",
            "project_key": "PSA-006A",
            "title": "Consultant: Implementation",
            "role": "Consultant",
            "service_line": "IMPL",
            "hours": Decimal("120.5"),
            "start": date(2026, 1, 5),
            "end": date(2026, 3, 31),
            **fields,
        }
    )
    return Write(Kind.STAFFING_REQUEST, record.key, record, codes, {"PSA-006A": of})


def changed(*paths: str) -> list[FieldChange]:
    return [FieldChange(path=path, before="old", after="new") for path in paths]
