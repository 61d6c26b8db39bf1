"""Kantata OX, plugged into the contract suites."""

from datetime import date
from typing import Any, ClassVar

from dealbridge.domain.engagement import StaffingProject
from dealbridge.domain.keys import Kind
from dealbridge.domain.money import Money
from dealbridge.domain.refs import ExternalRef
from dealbridge.ports import Write
from dealbridge_local.simulators.kantata import KantataSimulator
from tests.contract.kantata.conftest import CODES, Api
from tests.contract.suites.vendor import TargetVendor, Throttling


class KantataVendor(TargetVendor):
    system = "kantata"
    # A 429 does not say how long: the connection's throttle_seconds.
    throttlings = (Throttling({"kind": "status", "status": 429, "body": "Retry later\n"}, 5.0),)
    forbidden: ClassVar = {
        "kind": "status",
        "status": 403,
        "body": {"errors": [{"type": "system", "message": "You do not have permission."}]},
    }
    journals = frozenset({"subscribed_events"})
    not_kept: ClassVar = {}
    refused_currency: ClassVar = {Kind.STAFFING_PROJECT: "currency"}

    def simulate(self, **switches: Any) -> KantataSimulator:
        self.account = KantataSimulator(self.clock, **switches)
        return self.account

    def secret(self) -> dict[str, str]:
        return self.simulator.credentials()

    def wrong_secret(self) -> dict[str, str]:
        return {"token": "unknown-token"}

    def read(self) -> None:
        self.port.find(self._something("PSA-0"))

    def write(self) -> None:
        self.port.create(self._something(f"PSA-{len(self.simulator.calls())}"))

    def _something(self, key: str) -> Write:
        record = StaffingProject(
            key=key,
            name=key,
            customer_name="Acme",
            manager_email="mara.lind@example.com",
            currency="EUR",
            budget=Money.zero("EUR"),
            start=date(2026, 1, 5),
            end=date(2026, 6, 30),
        )
        return Write(Kind.STAFFING_PROJECT, key, record, CODES)

    def edit(self, kind: Kind, ref: ExternalRef) -> tuple[str, Any]:
        people = Api(self.account)
        if kind is Kind.STAFFING_PROJECT:
            changed = people.http.put(f"/workspaces/{ref.id}", json={"workspace": {"title": "By hand"}})
            field, value = "name", "By hand"
        else:
            changed = people.http.put(f"/workspace_resources/{ref.id}", json={"workspace_resource": {"role_id": 5}})
            field, value = "role", "Trainer"
        people.http.close()
        assert changed.is_success, changed.text
        return field, value
