"""`$batch` with change sets (vendor notes, A2.6), and repeatable requests (A3)."""

import json
import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.contract.s4hana.conftest import a_customer, a_milestone, an_item

SERVICE = "API_BUSINESS_PARTNER"
ORDERS = "API_SALES_ORDER_SRV"


def operation(method: str, uri: str, body: Any = None, *, content_id: str = "", if_match: str = "") -> str:
    lines = ["Content-Type: application/http", "Content-Transfer-Encoding: binary"]
    lines += [f"Content-ID: {content_id}"] if content_id else []
    lines += ["", f"{method} {uri} HTTP/1.1", "Accept: application/json", "Content-Type: application/json"]
    lines += [f"If-Match: {if_match}"] if if_match else []
    return "\r\n".join([*lines, "", json.dumps(body) if body is not None else ""])


def change_set(*operations: str, boundary: str = "b1_cs") -> str:
    inner = "".join(f"--{boundary}\r\n{each}\r\n" for each in operations)
    return f"Content-Type: multipart/mixed; boundary={boundary}\r\n\r\n{inner}--{boundary}--\r\n"


def send(tenant: Any, service: str, *parts: str, newline: str = "\r\n", headers: Any = None) -> httpx.Response:
    body = "".join(f"--b1\r\n{part}\r\n" for part in parts) + "--b1--\r\n"
    response: httpx.Response = tenant.http.post(
        f"/sap/opu/odata/sap/{service}/$batch",
        content=body.replace("\r\n", newline).encode(),
        headers={"Content-Type": "multipart/mixed; boundary=b1", **(headers or {})},
    )
    return response


def inner(response: httpx.Response) -> list[tuple[int, Any]]:
    """Status and JSON body of every HTTP part, in order, change sets flattened."""
    assert response.status_code == 202
    found = re.findall(r"HTTP/1\.1 (\d+)[^\r]*\r\n(?:[^\r]+\r\n)+\r\n([^\r]*)\r\n", response.text)
    return [(int(status), json.loads(body) if body else None) for status, body in found]


def test_a_change_set_creates_all(tenant: Any) -> None:
    response = send(
        tenant,
        SERVICE,
        change_set(
            operation("POST", "A_BusinessPartner", a_customer(), content_id="1"),
            operation("POST", "A_BusinessPartner", a_customer(), content_id="2"),
        ),
    )
    assert [status for status, _ in inner(response)] == [201, 201]
    assert inner(response)[1][1]["d"]["BusinessPartner"] == "1000141"
    assert response.headers["content-type"].startswith("multipart/mixed; boundary=")


def test_a_failed_change_set_is_one_part_and_keeps_nothing(tenant: Any) -> None:
    response = send(
        tenant,
        SERVICE,
        change_set(
            operation("POST", "A_BusinessPartner", a_customer(), content_id="1"),
            operation("POST", "A_BusinessPartner", {"BusinessPartnerCategory": "9"}, content_id="2"),
            operation("POST", "A_BusinessPartner", a_customer(), content_id="3"),
        ),
    )
    [(status, body)] = inner(response)
    assert status == 400
    assert body["error"]["innererror"]["errordetails"][0]["ContentID"] == "2"
    assert tenant.send("GET", f"{SERVICE}/A_BusinessPartner('1000140')").status_code == 404
    assert tenant.rows(f"{SERVICE}/A_Customer") == []
    assert tenant.simulator.events.sent == []


def test_one_change_set_fails_and_another_stands(tenant: Any) -> None:
    response = send(
        tenant,
        SERVICE,
        change_set(operation("POST", "A_BusinessPartner", {})),
        change_set(operation("POST", "A_BusinessPartner", a_customer())),
        operation("GET", "A_BusinessPartner/$count?$filter=BusinessPartnerCategory%20eq%20'2'"),
    )
    statuses = re.findall(r"HTTP/1\.1 (\d+)", response.text)
    assert (response.status_code, statuses) == (202, ["400", "201", "200"])
    assert "\r\n\r\n1\r\n" in response.text


def test_a_later_change_names_an_earlier_creation(tenant: Any) -> None:
    customer = tenant.customer()
    plain = {
        "SalesOrderType": "OR",
        "SalesOrganization": "1010",
        "DistributionChannel": "10",
        "OrganizationDivision": "00",
        "SoldToParty": customer,
    }
    response = send(
        tenant,
        ORDERS,
        change_set(
            operation("POST", "A_SalesOrder", plain, content_id="order"),
            operation("POST", "$order/to_Item", an_item(a_milestone("10.00")), content_id="item"),
            operation("PATCH", "$order", {"PurchaseOrderByCustomer": "DEAL-1"}, if_match="*"),
        ),
    )
    assert [status for status, _ in inner(response)][:2] == [201, 201]
    assert "HTTP/1.1 204 No Content" in response.text
    order = tenant.read(f"{ORDERS}/A_SalesOrder('1')")
    assert (order["TotalNetAmount"], order["PurchaseOrderByCustomer"]) == ("10.00", "DEAL-1")


def test_a_stale_tag_fails_the_change_set(tenant: Any) -> None:
    tenant.order(tenant.customer())
    stale = "W/\"datetimeoffset'2020-01-01T00%3A00%3A00.0000000Z'\""
    [(status, _)] = inner(
        send(
            tenant, ORDERS, change_set(operation("PATCH", "A_SalesOrder('1')", {"CustomerGroup": "01"}, if_match=stale))
        )
    )
    assert status == 412


def test_all_changes_of_a_set_may_state_the_same_tag(tenant: Any) -> None:
    order = tenant.order(tenant.customer(), an_item(a_milestone("1.00"), a_milestone("2.00")))
    etag = order["__metadata"]["etag"]
    item = "SalesOrder='1',SalesOrderItem='10'"
    plan = f"A_SlsOrderItemBillingPlanItem({item},BillingPlan='1',BillingPlanItem='%s')"
    response = send(
        tenant,
        ORDERS,
        change_set(
            operation("PATCH", "A_SalesOrder('1')", {"CustomerPaymentTerms": "NT60"}, if_match=etag),
            operation("PATCH", plan % "1", {"BillingPlanAmount": "10.00"}, if_match=etag),
            operation("DELETE", plan % "2", if_match=etag),
        ),
    )
    assert re.findall(r"HTTP/1\.1 (\d+)", response.text) == ["204"] * 3
    after = tenant.read(f"{ORDERS}/A_SalesOrder('1')")
    assert after["TotalNetAmount"] == "10.00"
    assert after["__metadata"]["etag"] != etag


def test_a_read_may_be_absolute_and_fail_alone(tenant: Any) -> None:
    customer = tenant.customer()
    root = f"/sap/opu/odata/sap/{SERVICE}"
    response = send(
        tenant,
        SERVICE,
        operation("GET", f"{root}/A_BusinessPartner('404')"),
        operation("GET", f"https://my300123-api.s4hana.cloud.sap{root}/A_BusinessPartner('{customer}')"),
    )
    assert [status for status, _ in inner(response)] == [404, 200]


@pytest.mark.parametrize(
    "part",
    [operation("POST", "A_BusinessPartner", {}), change_set(operation("GET", "A_BusinessPartner"))],
    ids=["a change outside of a change set", "a read inside of one"],
)
def test_reads_and_changes_have_their_place(tenant: Any, part: str) -> None:
    [(status, _)] = inner(send(tenant, SERVICE, part))
    assert status == 400


def test_line_ends_must_be_crlf(tenant: Any) -> None:
    response = send(tenant, SERVICE, operation("GET", "A_BusinessPartner"), newline="\n")
    status, message = tenant.refusal(response)
    assert (status, "line ends must be CRLF" in message) == (400, True)


@pytest.mark.parametrize("content_type", ["application/json", "multipart/mixed"])
def test_what_is_no_multipart_is_refused(tenant: Any, content_type: str) -> None:
    response = send(tenant, SERVICE, headers={"Content-Type": content_type})
    assert tenant.refusal(response)[0] == 400


# Repeatable requests

REQUEST = {"RequestID": "0A1B2C3D4E5F60718293A4B5C6D7E8F9", "RepeatabilityCreation": "Fri, 10 Apr 2026 09:00:00 GMT"}


def repeat(tenant: Any, **headers: str) -> httpx.Response:
    response: httpx.Response = tenant.send(
        "POST", f"{SERVICE}/A_BusinessPartner", a_customer(), headers={**REQUEST, **headers}
    )
    return response


def test_repeatability_is_off_unless_switched_on(tenant: Any) -> None:
    assert repeat(tenant).headers["RepeatabilityResult"] == "unsupported"
    assert repeat(tenant).json()["d"]["BusinessPartner"] == "1000141"


def test_a_repeated_request_gets_the_first_answer(tenant_with: Callable[..., Any]) -> None:
    tenant = tenant_with(repeatable_requests=True)
    first, second = repeat(tenant), repeat(tenant)
    assert first.headers["RepeatabilityResult"] == second.headers["RepeatabilityResult"] == "accepted"
    assert first.content == second.content
    other = repeat(tenant, RequestID="F" * 32)
    assert other.json()["d"]["BusinessPartner"] == "1000141"


def test_a_refused_request_may_be_repeated(tenant_with: Callable[..., Any]) -> None:
    tenant = tenant_with(repeatable_requests=True)
    path = f"{SERVICE}/A_BusinessPartner"
    assert tenant.send("POST", path, {}, headers=REQUEST).status_code == 400
    assert repeat(tenant).status_code == 201


def test_an_outdated_request_is_refused(tenant_with: Callable[..., Any]) -> None:
    tenant = tenant_with(repeatable_requests=True)
    repeat(tenant)
    tenant.clock.advance(hours=13)
    tenant.handshake()
    response = repeat(tenant)
    assert response.json()["error"]["code"] == "/IWBEP/CM_COS/005"


def test_a_malformed_request_id_is_refused(tenant_with: Callable[..., Any]) -> None:
    tenant = tenant_with(repeatable_requests=True)
    assert repeat(tenant, RequestID="0a1b-2c3d").status_code == 400
