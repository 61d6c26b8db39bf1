"""NetSuite, plugged into the contract suites."""

from typing import Any, ClassVar

from dealbridge.domain.keys import Kind
from dealbridge.domain.parties import Customer
from dealbridge.domain.refs import ExternalRef
from dealbridge.ports import Write
from dealbridge_local.simulators.netsuite import NetSuiteSimulator
from tests.contract.suites.vendor import TargetVendor, Throttling

_EDITS: dict[Kind, tuple[str, str, Any]] = {
    Kind.CUSTOMER: ("name", "companyName", "By hand"),
    Kind.CONTACT: ("last_name", "lastName", "By hand"),
    Kind.PROJECT: ("name", "companyName", "By hand"),
    Kind.TASK: ("name", "title", "By hand"),
    Kind.CONTRACT: ("po_number", "otherRefNum", "By hand"),
    Kind.SCHEDULE: ("name", "name", "By hand"),
}


def _refusal(status: int, code: str) -> dict[str, Any]:
    details = [{"detail": "Told by the test.", "o:errorCode": code}]
    body = {"type": "about:blank", "title": code, "status": status, "o:errorDetails": details}
    return {"kind": "status", "status": status, "body": body}


class NetSuiteVendor(TargetVendor):
    system = "netsuite"
    token_path = "/oauth2/"
    # No Retry-After is documented: the connector's own two seconds.
    throttlings = (
        Throttling(_refusal(429, "CONCURRENCY_LIMIT_EXCEEDED"), 2.0),
        Throttling({"kind": "status", "status": 429}, 2.0),
    )
    # A sublist that is replaced is the same, with new ids of its lines.
    volatile = frozenset({"id", "links"})
    forbidden: ClassVar = _refusal(403, "INSUFFICIENT_PERMISSION")
    not_kept: ClassVar = {
        Kind.CONTRACT: frozenset({"lines.billing_type", "lines.billing_frequency", "lines.cap"}),
    }
    refused_currency: ClassVar = {
        Kind.CUSTOMER: "customer.currency",
        # The connector lets the customer into the currency first.
        Kind.PROJECT: "customer.currencyList.items[0].currency",
        Kind.CONTRACT: "salesOrder.currency",
    }

    def simulate(self, **switches: Any) -> NetSuiteSimulator:
        simulator = NetSuiteSimulator(self.clock, **switches)
        simulator.base_url = "https://1234567.suitetalk.api.netsuite.com"
        self.account = simulator
        return simulator

    def secret(self) -> dict[str, str]:
        return self.simulator.credentials()

    def wrong_secret(self) -> dict[str, str]:
        return {**self.secret(), "certificate_id": "unknown"}

    def read(self) -> None:
        self.port.find(self._someone("CUST-0"))

    def write(self) -> None:
        self.port.create(self._someone(f"CUST-{len(self.simulator.calls())}"))

    def _someone(self, key: str) -> Write:
        customer = Customer(key=key, name=key, currency="USD", source_id=key)
        return Write(Kind.CUSTOMER, key, customer, {"entity": {"subsidiary": "1"}, "currency": "1"})

    def edit(self, kind: Kind, ref: ExternalRef) -> tuple[str, Any]:
        field, theirs, value = _EDITS[kind]
        self.account.edit(ref.type, ref.id, **{theirs: value})
        return field, value
