"""What tests of the deployed whole ask of vendors, ledger and logs."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import httpx

from dealbridge_local.engine import wait_until
from dealbridge_local.platform import Platform
from dealbridge_local.salesforce_user import SalesforceUser


class Vendor:
    """One simulator, through its control surface."""

    def __init__(self, platform: Platform, name: str) -> None:
        self._url = platform.simulator_url(name)

    def records(self, kind: str) -> list[dict[str, Any]]:
        found = json.loads(httpx.get(f"{self._url}/__sim/records/{kind}", timeout=60).content, parse_float=Decimal)
        assert isinstance(found, list)
        return found

    def of_deal(self, kind: str, deal: str) -> list[dict[str, Any]]:
        """Records whose external id names the opportunity."""
        return [record for record in self.records(kind) if deal in str(record.get("externalId", ""))]

    def calls(self) -> list[dict[str, Any]]:
        """API calls served, tokens aside."""
        found: list[dict[str, Any]] = httpx.get(f"{self._url}/__sim/calls", timeout=60).json()
        return [call for call in found if "token" not in call["path"]]

    def fault(self, **fault: Any) -> None:
        httpx.post(f"{self._url}/__sim/faults", json=fault, timeout=60).raise_for_status()

    def no_faults(self) -> None:
        httpx.delete(f"{self._url}/__sim/faults", timeout=60).raise_for_status()

    def event(self, kind: str, record_id: str, **more: Any) -> None:
        httpx.post(
            f"{self._url}/__sim/events", json={"type": kind, "id": record_id, **more}, timeout=60
        ).raise_for_status()


def dealbridge(*arguments: str) -> subprocess.CompletedProcess[str]:
    """An operator's command, as the operator runs it."""
    return subprocess.run(
        [sys.executable, "-m", "dealbridge.cli", *arguments],
        capture_output=True,
        text=True,
        env=dict(os.environ),
        check=False,
    )


def trace(deal: str) -> dict[str, Any]:
    """The timeline of an opportunity in Salesforce; state `unknown` where the ledger knows none."""
    return trace_of(f"salesforce:{deal}")


def trace_of(key: str) -> dict[str, Any]:
    done = dealbridge("trace", key, "--json")
    return (
        dict(json.loads(done.stdout))
        if done.returncode == 0
        else {"state": "unknown", "moments": [], "stderr": done.stderr}
    )


def wait_for_state(platform: Platform, deal: str, *states: str, within_s: float = 60) -> dict[str, Any]:
    """The deal's trace, once it stands in one of these states."""
    return wait_until(
        lambda: found if (found := trace(deal))["state"] in states else None,
        f"{deal} to be {' or '.join(states)}",
        within_s=within_s,
        every_s=0.2,
        check=platform.engine.check_alive,
    )


def wait_until_active(platform: Platform, seller: SalesforceUser, deal: str, within_s: float = 60) -> dict[str, Any]:
    """The opportunity, once Salesforce shows it as active."""
    return wait_until(
        lambda: found if (found := seller.read("Opportunity", deal)).get("ERP_Status__c") == "Active" else None,
        f"{deal} to be active",
        within_s=within_s,
        every_s=0.1,
        check=platform.engine.check_alive,
    )


def by_connection(moments: list[Mapping[str, Any]]) -> Counter[str]:
    """Vendor calls in a trace, by connection."""
    total: Counter[str] = Counter()
    for moment in moments:
        total.update(moment["detail"].get("calls", {}))
    return total
