"""An account with a clock that tests move, and a signed-in client that speaks plain HTTP to it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from dealbridge_local.simulators.kantata import APPROVER, KantataSimulator
from dealbridge_local.simulators.transport import SimulatorTransport

NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, **duration: float) -> None:
        self.now += timedelta(**duration)


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
    return Clock()


@pytest.fixture
def account(clock: Clock) -> Callable[..., Api]:
    return lambda **switches: Api(KantataSimulator(clock, **switches))


@pytest.fixture
def api(account: Callable[..., Api]) -> Api:
    return account()


def reference(ref: str, **fields: Any) -> dict[str, Any]:
    return {"service_name": "dealbridge", "service_model": "Deal", "service_model_ref": ref, **fields}
