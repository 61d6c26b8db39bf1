"""What holds for every call: concurrency governance, asynchronous requests, batches, faults, metadata."""

import threading
import uuid
from collections.abc import Callable
from typing import Any

import httpx
import jsonschema
import pytest

from dealbridge_local.simulators.netsuite import NetSuiteSimulator
from dealbridge_local.simulators.server import serving
from dealbridge_local.simulators.transport import SimulatorTransport
from tests.contract.netsuite.conftest import Tenant

ASYNC = {"Prefer": "respond-async"}
COLLECTION = {"Content-Type": "application/vnd.oracle.resource+json; type=collection"}
ACME = {"companyName": "Acme", "subsidiary": {"id": "1"}}


# Concurrency governance


def test_a_call_beyond_the_accounts_limit_is_blocked_with_no_word_on_when_to_come_back(
    tenant_with: Callable[..., Tenant],
) -> None:
    tenant = tenant_with(concurrency_limit=2)
    held, refused = threading.Barrier(3), threading.Event()

    def sleep(_: float) -> None:
        held.wait(10)
        refused.wait(10)

    transport = SimulatorTransport({tenant.simulator.base_url: tenant.simulator}, sleep)
    slow = httpx.Client(base_url=tenant.simulator.base_url, transport=transport, headers=tenant.http.headers)
    tenant.simulator.add_fault(kind="delay", path="customer$", times=2)
    answers: list[int] = []

    def ask() -> None:
        answers.append(slow.get("/services/rest/record/v1/customer").status_code)

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    held.wait(10)
    response = tenant.send("GET", "job")
    refused.set()
    for thread in threads:
        thread.join(10)

    assert tenant.error(response)["o:errorCode"] == "CONCURRENCY_LIMIT_EXCEEDED"
    assert tenant.error(response)["detail"] == "Concurrent request limit exceeded. Request blocked."
    assert response.status_code == 429
    assert "retry-after" not in response.headers
    assert answers == [200, 200]
    assert tenant.send("GET", "job").status_code == 200


def test_the_limits_and_the_servers_clock_can_be_asked(tenant_with: Callable[..., Tenant]) -> None:
    tenant = tenant_with(concurrency_limit=15)
    limits = tenant.send("GET", "/services/rest/system/v1/governanceLimits").json()
    assert (limits["accountConcurrencyLimit"], limits["integrationLimitType"]) == (15, "accountLimit")
    time = tenant.send("GET", "/services/rest/system/v1/serverTime").json()
    assert time == {"serverTime": "2026-11-23T18:00:00.000Z"}


# Asynchronous requests


def submit(tenant: Tenant, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
    response = tenant.send(method, path, body, headers={**ASYNC, **headers})
    assert response.status_code == 202, response.text
    assert response.headers["preference-applied"] == "respond-async"
    accepted: httpx.Response = response
    return accepted


def done(tenant: Tenant, location: str) -> dict[str, Any]:
    while not (job := tenant.http.get(location).json())["completed"]:
        assert job["progress"] == "pending"
    finished: dict[str, Any] = job
    return finished


def test_an_asynchronous_creation_is_polled_for(tenant: Tenant) -> None:
    location = submit(tenant, "POST", "customer", ACME).headers["location"]
    assert location.endswith("/services/rest/async/v1/job/1")

    first = tenant.http.get(location).json()
    assert (first["completed"], first["progress"], first["id"]) == (False, "pending", "1")
    assert tenant.http.get(f"{location}/task/1/result").status_code == 404

    assert done(tenant, location)["progress"] == "succeeded"
    task = tenant.http.get(f"{location}/task/1").json()
    assert (task["completed"], task["progress"]) == (True, "succeeded")
    assert task["links"][0] == {"rel": "related", "href": f"{location}/task/1/result"}
    result = tenant.http.get(f"{location}/task/1/result")
    assert result.status_code == 204
    assert result.headers["location"].endswith("/customer/641")


def test_an_asynchronous_refusal_shows_in_the_result(tenant: Tenant) -> None:
    location = submit(tenant, "POST", "customer", {}).headers["location"]
    assert done(tenant, location)["progress"] == "failed"
    assert tenant.refusal(tenant.http.get(f"{location}/task/1/result"))[:2] == (400, "USER_ERROR")


def test_a_repeated_idempotency_key_points_at_the_first_job(tenant: Tenant) -> None:
    key = {"X-NetSuite-Idempotency-Key": str(uuid.uuid4())}
    first = submit(tenant, "POST", "customer", ACME, **key)
    again = tenant.send("POST", "customer", ACME, headers={**ASYNC, **key})

    assert tenant.refusal(again)[:2] == (400, "IDEMPOTENCY_ERROR")
    assert again.json()["title"] == "Conflict"
    assert again.headers["location"] == first.headers["location"]
    assert tenant.send("GET", "customer").json()["totalResults"] == 1


def test_a_synchronous_call_ignores_the_idempotency_key(tenant: Tenant) -> None:
    key = {"X-NetSuite-Idempotency-Key": str(uuid.uuid4())}
    for _ in range(2):
        assert tenant.send("POST", "customer", ACME, headers=key).status_code == 204
    assert tenant.send("GET", "customer").json()["totalResults"] == 2


# Batches


def test_items_of_a_batch_stand_and_fall_alone(tenant: Tenant) -> None:
    items = [{**ACME, "externalId": "CUST-1"}, {"externalId": "CUST-2"}, {**ACME, "externalId": "CUST-3"}]
    location = submit(tenant, "PUT", "customer", {"items": items}, **COLLECTION).headers["location"]
    assert done(tenant, location)["progress"] == "failed"
    results = [tenant.http.get(f"{location}/task/{number}/result").status_code for number in (1, 2, 3)]
    assert results == [204, 400, 204]
    assert tenant.send("GET", "customer/eid:CUST-3").status_code == 200


def test_a_batch_updates_by_id_or_external_id(tenant: Tenant) -> None:
    one, two = tenant.customer(), tenant.customer(companyName="Beta", externalId="CUST-2")
    items = [{"id": int(one), "email": "a@example.com"}, {"externalId": "CUST-2", "email": "b@example.com"}]
    submit(tenant, "PATCH", "customer", {"items": items}, **COLLECTION)
    assert [tenant.read(f"customer/{each}")["email"] for each in (one, two)] == ["a@example.com", "b@example.com"]


def test_a_batch_deletes_by_ids(tenant: Tenant) -> None:
    one, two = tenant.customer(), tenant.customer(companyName="Beta")
    response = tenant.send("DELETE", "customer", params={"ids": f"{one},{two}"}, headers=ASYNC)
    assert response.status_code == 202
    assert tenant.send("GET", "customer").json()["totalResults"] == 0


def test_a_batch_is_asynchronous_and_of_a_hundred_at_most(tenant: Tenant) -> None:
    body = {"items": [ACME] * 101}
    assert tenant.refusal(tenant.send("POST", "customer", body, headers=COLLECTION))[:2] == (400, "INVALID_REQUEST")
    response = tenant.send("POST", "customer", body, headers={**COLLECTION, **ASYNC})
    assert tenant.refusal(response) == (400, "INVALID_CONTENT", "items")


# Faults


def test_a_lost_reply_leaves_the_record_behind(tenant: Tenant) -> None:
    tenant.simulator.add_fault(kind="drop_after_commit", method="PUT", times=1)
    with pytest.raises(httpx.RemoteProtocolError):
        tenant.send("PUT", "customer/eid:CUST-1", ACME)
    assert tenant.send("GET", "customer/eid:CUST-1").status_code == 200


def test_a_stale_read_does_not_see_the_last_write(tenant: Tenant) -> None:
    tenant.send("PUT", "customer/eid:CUST-1", ACME)
    tenant.simulator.add_fault(kind="stale_read", method="GET", times=1)
    assert tenant.send("GET", "customer/eid:CUST-1").status_code == 404
    assert tenant.send("GET", "customer/eid:CUST-1").status_code == 200


@pytest.mark.parametrize("status", [409, 400])
def test_another_writer_can_get_in_the_way(tenant: Tenant, status: int) -> None:
    customer = tenant.customer()
    tenant.simulator.record_has_been_changed(path=f"customer/{customer}", status=status)
    response = tenant.send("PATCH", f"customer/{customer}", {"email": "a@example.com"})
    assert response.status_code == status
    assert response.json()["o:errorDetails"][0]["o:errorCode"] == "RCRD_HAS_BEEN_CHANGED"
    assert tenant.send("PATCH", f"customer/{customer}", {"email": "a@example.com"}).status_code == 204


def test_reset_returns_to_the_seed(tenant: Tenant) -> None:
    tenant.customer(externalId="CUST-1")
    assert tenant.http.post("/__sim/reset").status_code == 204
    tenant.sign_in()
    assert tenant.send("GET", "customer").json()["totalResults"] == 0
    assert tenant.customer(externalId="CUST-1") == "641"


def test_the_account_is_served_on_a_port() -> None:
    simulator = NetSuiteSimulator()
    with serving(simulator) as url:
        assert simulator.credentials()["token_url"].startswith(url)
        records = httpx.get(f"{url}/__sim/records").json()
    assert len(records["serviceSaleItem"]) == 8


# Size


def test_a_large_deal_fits(tenant: Tenant) -> None:
    customer = tenant.customer()
    job = tenant.job(customer)
    lines = [{"item": {"id": "101"}, "quantity": 1, "rate": 10.01} for _ in range(500)]
    order = tenant.order(customer, *lines, job={"id": job})
    assert len(tenant.read(f"salesOrder/{order}")["item"]["items"]) == 500

    tasks = [tenant.make("projectTask", project={"id": job}, title=f"Task {number}") for number in range(200)]
    items = [{"milestoneAmount": 0.5, "projectTask": {"id": task}} for task in tasks]
    body = {"name": "Large", "scheduleType": "FBM", "job": {"id": job}, "milestone": {"items": items}}
    schedule = tenant.make("billingSchedule", **body)
    assert len(tenant.read(f"billingSchedule/{schedule}")["milestone"]["items"]) == 200
    calls = tenant.http.get("/__sim/calls").json()
    slowest = max(call["seconds"] for call in calls)
    assert slowest < 1, f"{slowest} s for one call"


# Metadata


def test_the_catalog_lists_every_record_type(tenant: Tenant) -> None:
    items = tenant.send("GET", "metadata-catalog").json()["items"]
    assert {"customer", "job", "salesOrder", "billingSchedule"} <= {item["name"] for item in items}
    rels = [(link["rel"], link.get("mediaType")) for link in items[0]["links"]]
    assert ("alternate", "application/schema+json") in rels


@pytest.mark.parametrize("kind", ["customer", "job", "projectTask", "billingSchedule", "salesOrder"])
def test_records_shown_conform_to_their_json_schema(tenant: Tenant, kind: str) -> None:
    customer = tenant.customer()
    job = tenant.job(customer)
    task = tenant.make("projectTask", project={"id": job}, title="Design")
    items = [{"milestoneAmount": 100, "projectTask": {"id": task}}]
    body = {"name": "S", "scheduleType": "FBM", "job": {"id": job}, "milestone": {"items": items}}
    made = {
        "customer": customer,
        "job": job,
        "projectTask": task,
        "billingSchedule": tenant.make("billingSchedule", **body),
        "salesOrder": tenant.order(customer),
    }
    schema = tenant.send("GET", f"metadata-catalog/{kind}", headers={"Accept": "application/schema+json"}).json()
    shown = tenant.send("GET", f"{kind}/{made[kind]}", params={"expandSubResources": "true"}).json()
    schema["properties"]["links"] = {}
    jsonschema.Draft6Validator({**schema, "additionalProperties": False}).validate(shown)


def test_the_catalog_speaks_open_api(tenant: Tenant) -> None:
    headers = {"Accept": "application/swagger+json"}
    spec = tenant.send("GET", "metadata-catalog", params={"select": "customer,salesorder"}, headers=headers).json()
    assert spec["openapi"].startswith("3.0")
    assert set(spec["components"]["schemas"]) == {"customer", "salesOrder"}
    assert set(spec["paths"]["/salesOrder/{id}"]) == {"get", "patch", "put", "delete"}


def test_a_malformed_catalog_request_is_refused(tenant: Tenant) -> None:
    """The very request of section_156570709583, Invalid Request."""
    response = tenant.send("GET", "metadata-catalog/customer, salesOrder")
    assert tenant.refusal(response)[:2] == (400, "INVALID_REQUEST")
