"""Business events as CloudEvents: what raises them, and how they reach a webhook (vendor notes, A4)."""

import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.contract.s4hana.conftest import a_customer

PARTNERS = "API_BUSINESS_PARTNER/A_BusinessPartner"
PROJECTS = "API_ENTERPRISE_PROJECT_SRV;v=0002/A_EnterpriseProject"


def raised(tenant: Any) -> list[tuple[str, dict[str, str]]]:
    """Event types after the last `.v1.`, without suffix, with their data; then forget them."""
    found = [(each["type"].split(".v1.")[1].removesuffix(".v1"), each["data"]) for each in tenant.simulator.events.sent]
    tenant.simulator.events.sent.clear()
    return found


def test_an_event_carries_the_key_and_no_more(tenant: Any) -> None:
    customer = tenant.customer()
    [event] = tenant.simulator.events.sent
    assert len(event.pop("id")) == 36
    assert event == {
        "type": "sap.s4.beh.businesspartner.v1.BusinessPartner.Created.v1",
        "specversion": "1.0",
        "source": "/default/sap.s4.beh/244572008",
        "time": "2026-04-10T09:00:00Z",
        "datacontenttype": "application/json",
        "data": {"BusinessPartner": customer},
    }


def test_a_change_below_a_partner_is_a_change_of_the_partner(tenant: Any) -> None:
    customer = tenant.customer()
    raised(tenant)
    tenant.send(
        "PATCH",
        f"API_BUSINESS_PARTNER/A_CustomerCompany(Customer='{customer}',CompanyCode='1010')",
        {"PaymentTerms": "NT60"},
    )
    assert raised(tenant) == [("BusinessPartner.Changed", {"BusinessPartner": customer})]


def test_a_changed_element_is_no_change_of_the_project(tenant: Any) -> None:
    project = tenant.project()
    uuid = project["ProjectUUID"]
    assert raised(tenant) == [("EnterpriseProject.Created", {"ProjectUUID": uuid})]
    element = next(
        each["ProjectElementUUID"]
        for each in project["to_EnterpriseProjectElement"]["results"]
        if each["ProjectElement"] == "PRJ-1-1"
    )
    path = f"API_ENTERPRISE_PROJECT_SRV;v=0002/A_EnterpriseProjectElement(guid'{element}')"
    tenant.change(path, ProjectElementDescription="New")
    assert raised(tenant) == [
        ("EnterpriseProject.EntProjElmntChgd", {"ProjectElementUUID": element, "ProjectUUID": uuid})
    ]
    tenant.make(
        f"{PROJECTS}(guid'{uuid}')/to_EnterpriseProjectElement",
        ProjectElement="PRJ-1-9",
        ProjectElementDescription="More",
    )
    assert [name for name, _ in raised(tenant)] == ["EnterpriseProject.EntProjElmntCrted"]
    tenant.change(f"{PROJECTS}(guid'{uuid}')", ProjectDescription="New")
    assert raised(tenant) == [("EnterpriseProject.Changed", {"ProjectUUID": uuid})]


def test_orders_and_invoices_raise_events(tenant: Any) -> None:
    customer = tenant.customer()
    raised(tenant)
    tenant.order(customer)
    assert raised(tenant) == [("SalesOrder.Created", {"SalesOrder": "1"})]
    tenant.change("API_SALES_ORDER_SRV/A_SalesOrder('1')", CustomerPaymentTerms="NT60")
    assert raised(tenant) == [("SalesOrder.Changed", {"SalesOrder": "1"})]
    tenant.simulator.run_billing()
    assert raised(tenant) == [
        ("SalesOrder.Changed", {"SalesOrder": "1"}),
        ("BillingDocument.Created", {"BillingDocument": "90000000"}),
    ]
    tenant.send("POST", "API_BILLING_DOCUMENT_SRV/Cancel", params={"BillingDocument": "'90000000'"})
    assert ("BillingDocument.Changed", {"BillingDocument": "90000000"}) in raised(tenant)


def test_a_refused_call_and_a_read_raise_none(tenant: Any) -> None:
    tenant.send("POST", PARTNERS, {})
    tenant.read(PARTNERS)
    assert raised(tenant) == []


def test_a_lost_reply_raises_the_event_all_the_same(tenant: Any) -> None:
    tenant.simulator.add_fault(kind="drop_after_commit", method="POST", times=1)
    with pytest.raises(httpx.RemoteProtocolError):
        tenant.customer()
    assert [name for name, _ in raised(tenant)] == ["BusinessPartner.Created"]


def test_a_collector_may_read_back_at_once(tenant_with: Callable[..., Any]) -> None:
    """As the platform does in-process: an event comes in, the record is read."""
    seen: list[str] = []

    def collect(event: dict[str, Any]) -> None:
        seen.append(tenant.read(f"{PARTNERS}('{event['data']['BusinessPartner']}')")["BusinessPartnerName"])

    tenant = tenant_with(collector=collect)
    tenant.customer()
    assert seen == ["Acme GmbH"]


# The control surface


def emit(tenant: Any, **event: Any) -> httpx.Response:
    response: httpx.Response = tenant.http.post("/__sim/events", json=event)
    return response


def test_an_event_is_emitted_on_demand_and_twice_if_wanted(tenant: Any) -> None:
    customer, project = tenant.customer(), tenant.project()
    raised(tenant)
    assert emit(tenant, type="BusinessPartner.Changed", id=customer, duplicate=True).status_code == 201
    first, second = tenant.simulator.events.sent
    assert first == second
    raised(tenant)
    emit(tenant, type="sap.s4.beh.enterpriseproject.v1.EnterpriseProject.Changed.v1", id="PRJ-1")
    emit(tenant, type="EnterpriseProject.EntProjElmntChgd", id="PRJ-1-1")
    (_, changed), (_, element) = raised(tenant)
    assert changed == {"ProjectUUID": project["ProjectUUID"]}
    assert element["ProjectUUID"] == project["ProjectUUID"]


@pytest.mark.parametrize(
    "event", [{"type": "Order.Eaten", "id": "1"}, {"type": "SalesOrder.Changed", "id": "404"}, {"id": "1"}]
)
def test_an_event_that_makes_no_sense_is_refused(tenant: Any, event: dict[str, str]) -> None:
    assert emit(tenant, **event).status_code == 400


# The webhook


class Receiver(httpx.BaseTransport):
    """A webhook: what it got, and how it answers the next pushes."""

    def __init__(self, *answers: int, allow: str | None = "*") -> None:
        self.answers = list(answers)
        self.allow = allow
        self.requests: list[httpx.Request] = []
        self._gate = threading.Condition()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        with self._gate:
            self.requests.append(request)
            self._gate.notify_all()
        if request.method == "OPTIONS":
            return httpx.Response(200, headers={"WebHook-Allowed-Origin": self.allow} if self.allow else {})
        return httpx.Response(self.answers.pop(0) if self.answers else 204)

    def wait_for(self, count: int) -> list[str]:
        """Wait until so many requests have come; their methods."""
        with self._gate:
            assert self._gate.wait_for(lambda: len(self.requests) >= count, 5), [each.method for each in self.requests]
            return [each.method for each in self.requests]


def subscribed(tenant_with: Callable[..., Any], receiver: Receiver, **switches: Any) -> Any:
    return tenant_with(
        webhook="https://dealbridge.example/erp/events",
        event_transport=receiver,
        retry_delays=(0.01, 0.02),
        **switches,
    )


def test_the_webhook_is_greeted_once_and_then_pushed_to(tenant_with: Callable[..., Any]) -> None:
    receiver = Receiver()
    tenant = subscribed(tenant_with, receiver, webhook_authorization="Basic aGk6eW91")
    tenant.customer()
    tenant.customer()
    assert receiver.wait_for(3) == ["OPTIONS", "POST", "POST"]
    greeting, push, _ = receiver.requests
    assert greeting.headers["WebHook-Request-Origin"] == "eventmesh.s4hana.example"
    assert push.headers["content-type"] == "application/cloudevents+json"
    assert push.headers["authorization"] == greeting.headers["authorization"] == "Basic aGk6eW91"
    assert b'"data": {"BusinessPartner": "1000140"}' in push.content


def test_what_is_not_acknowledged_comes_again(tenant_with: Callable[..., Any]) -> None:
    receiver = Receiver(500, 404, 204)
    subscribed(tenant_with, receiver).customer()
    assert receiver.wait_for(4) == ["OPTIONS", "POST", "POST", "POST"]
    assert len({each.content for each in receiver.requests[1:]}) == 1


def test_nothing_is_pushed_to_who_does_not_allow_it(tenant_with: Callable[..., Any]) -> None:
    receiver = Receiver(allow=None)
    subscribed(tenant_with, receiver).customer()
    assert receiver.wait_for(3)[:3] == ["OPTIONS", "OPTIONS", "OPTIONS"]


def test_a_delayed_event_is_overtaken(tenant_with: Callable[..., Any]) -> None:
    receiver = Receiver()
    tenant = subscribed(tenant_with, receiver)
    customer = tenant.customer()
    receiver.wait_for(2)
    emit(tenant, type="BusinessPartner.Changed", id=customer, delay_s=0.2)
    began = time.monotonic()
    tenant.customer()
    receiver.wait_for(4)
    assert [b"Created" in each.content for each in receiver.requests[2:4]] == [True, False]
    assert time.monotonic() - began >= 0.2


def test_a_subscription_is_made_at_run_time_and_earlier_events_are_lost(tenant_with: Callable[..., Any]) -> None:
    receiver = Receiver()
    tenant = tenant_with(event_transport=receiver)
    tenant.customer()
    subscription = {"url": "https://dealbridge.example/erp/events"}
    assert tenant.http.post("/__sim/actions/subscribe", json=subscription).status_code == 201
    tenant.make(PARTNERS, **a_customer())
    receiver.wait_for(2)
    assert b"1000141" in receiver.requests[1].content
