"""Our records to S/4HANA's fields and back, change sets and errors, without a call."""

import subprocess
import sys
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dealbridge.connectors.s4hana import billing, billing_plan, mapping, odata
from dealbridge.connectors.s4hana.outcomes import OUTCOMES
from dealbridge.connectors.s4hana.records import Codes, element_id, fitted, kept, partner_key, project_id
from dealbridge.connectors.s4hana.settings import Options, Secret, ui_url
from dealbridge.domain.connection import Connection
from dealbridge.domain.engagement import BillingItem, ContractLine
from dealbridge.domain.keys import Kind
from dealbridge.domain.money import Money
from dealbridge.errors import (
    AccessError,
    ConfigurationError,
    ConflictError,
    RejectedError,
    ThrottledError,
    TransientError,
)

DEFAULTS = {"unit": "EA", "price_condition": "PMP0", "date_category": "00", "item_categories": {"*": "CTAD"}}
CODES = Codes("s4hana", {"service_lines": {"IMPL": {"material": "P001"}}, "defaults": DEFAULTS})
ORIGIN = "https://my300123-api.s4hana.cloud.sap"


# Keys

keys = st.text(alphabet="ABCXYZabcxyz0189-_", min_size=1, max_size=60)


@given(keys, st.integers(12, 40))
def test_a_key_fits_its_field(key: str, length: int) -> None:
    short = fitted(key, length)
    assert len(short) == min(len(key), length)
    assert fitted(short, length) == short


@given(st.lists(keys, min_size=2, max_size=2, unique=True))
def test_different_keys_stay_different(pair: list[str]) -> None:
    assert fitted(pair[0], 19) != fitted(pair[1], 19)


def test_keys_of_one_deal_that_differ_only_in_their_entity_stay_different() -> None:
    projects = [project_id(f"PROJ-006Hp00001ABCDEFAA-{entity}") for entity in ("EMEA-DE", "EMEA-UK", "APAC-SG")]
    assert len(set(projects)) == 3
    assert all(len(element_id(project, "TRNG")) <= 24 for project in projects)


def test_the_keys_of_a_crm_stand_in_sap_as_they_are() -> None:
    assert partner_key(Kind.CUSTOMER, "CUST-001Xx0000AbCdEfAA1") == "A-001XX0000ABCDEFAA1"
    assert partner_key(Kind.CONTACT, "CONT-003A") == "C-003A"
    assert project_id("PROJ-006Hp00001ABCDEFAA") == "006HP00001ABCDEFAA"
    assert element_id("006HP00001ABCDEFAA", "impl") == "006HP00001ABCDEFAA-IMPL"


def test_long_service_lines_below_one_project_stay_different() -> None:
    long = [element_id("006HP00001ABCDEFAAX", name) for name in ("IMPLEMENTATION", "IMPLEMENTATION-2", "IMPL")]
    assert len(set(long)) == 3
    assert all(len(each) <= 24 for each in long)


@pytest.mark.parametrize(("held", "shown"), [("Acme Ro", "Acme Rollout"), ("Acme Rx", "Acme Rx"), ("", "")])
def test_a_text_that_was_cut_is_not_a_change(held: str, shown: str) -> None:
    assert kept("Acme Rollout", held, 7) == shown


# Values


def test_a_day_goes_in_one_form_and_comes_in_another() -> None:
    assert odata.day(date(2026, 3, 31)) == "2026-03-31T00:00:00"
    assert odata.day_of({"Day": "/Date(1774915200000)/"}, "Day") == date(2026, 3, 31)
    assert odata.day_of({"Day": "/Date(-86400000+0000)/"}, "Day") == date(1969, 12, 31)
    assert odata.day_of({"Day": None}, "Day") is None


def test_a_quote_in_a_literal_is_doubled() -> None:
    assert odata.text("O'Neil") == "'O''Neil'"


def test_numbers_and_days_are_compared_by_what_they_say() -> None:
    held = {"BillingPlanAmount": "20000.020", "BillingPlanBillingDate": "/Date(1774915200000)/", "Material": "01"}
    same = {"BillingPlanAmount": "20000.02", "BillingPlanBillingDate": "2026-03-31T00:00:00", "Material": "01"}
    assert mapping.differing(held, same) == {}
    assert mapping.differing(held, {**same, "Material": "1"}) == {"Material": "1"}
    later = {"BillingPlanBillingDate": "2026-04-01T00:00:00"}
    assert mapping.differing(held, later) == later


# Prices and dates


def line(amount: Decimal, quantity: Decimal) -> ContractLine:
    return ContractLine(
        key="00k1",
        service_line="IMPL",
        description="Work",
        quantity=quantity,
        amount=Money(amount=amount, currency="EUR"),
        billing_type="milestone",
        start=date(2026, 1, 5),
        end=date(2026, 6, 30),
    )


@given(
    st.decimals(0, 99_999_999, places=2),
    st.one_of(st.decimals("0.0001", 200_000, places=4), st.integers(1, 10**7).map(Decimal)),
)
def test_the_price_gives_the_amount_back_to_the_cent(amount: Decimal, quantity: Decimal) -> None:
    """As SAP reckons: rate times quantity through the units that the rate is for, rounded to the currency."""
    units = billing._units(line(amount, quantity))
    price = billing._price(line(amount, quantity), CODES)
    assert price is not None
    net = Decimal(price["ConditionRateValue"]) * units[0] / Decimal(price["ConditionQuantity"])
    assert net.quantize(Decimal("0.01"), ROUND_HALF_UP) == amount
    assert 1 <= Decimal(price["ConditionQuantity"]) <= 99_999
    assert Decimal(price["ConditionQuantity"]) % 1 == 0
    assert "E" not in price["ConditionRateValue"]


@pytest.mark.parametrize(
    ("quantity", "units"),
    [
        ("3", ("3", "3")),
        ("12.50", ("12.5", "125")),
        ("0.125", ("0.125", "125")),
        ("0.0625", ("1", "1")),
        ("100000", ("1", "1")),
        ("0", ("1", "1")),
    ],
)
def test_a_quantity_that_sap_cannot_carry_is_one(quantity: str, units: tuple[str, str]) -> None:
    found = billing._units(line(Decimal(100), Decimal(quantity)))
    assert found == (Decimal(units[0]), Decimal(units[1]))


def test_a_tenant_that_prices_by_milestones_gets_no_price() -> None:
    defaults = {name: value for name, value in DEFAULTS.items() if name != "price_condition"}
    assert billing._price(line(Decimal(1), Decimal(1)), Codes("s4hana", {"defaults": defaults})) is None


def plan_date(number: int, amount: str, day: str = "2026-03-31", status: str = "A") -> dict[str, Any]:
    milliseconds = (date.fromisoformat(day) - date(1970, 1, 1)).days * 86_400_000
    return {
        "SalesOrderItem": "10",
        "BillingPlan": "1",
        "BillingPlanItem": str(number),
        "BillingPlanBillingDate": f"/Date({milliseconds})/",
        "BillingPlanAmount": amount,
        "BillingPlanRelatedBillgStatus": status,
    }


def milestone(part: str, amount: str, due: str = "2026-03-31") -> BillingItem:
    return BillingItem(
        key=part,
        kind="milestone",
        line_key="00k1",
        description=part,
        due=date.fromisoformat(due),
        amount=Money(amount=Decimal(amount), currency="EUR"),
    )


def numbers(*wanted: BillingItem, held: list[dict[str, Any]], known: dict[str, str] | None = None) -> dict[str, str]:
    pairs = billing_plan.paired(wanted, held, known or {})
    return {key: each["BillingPlanItem"] for key, each in pairs.items()}


def test_dates_are_paired_by_what_they_say() -> None:
    held = [plan_date(1, "10.00"), plan_date(2, "20.00")]
    assert numbers(milestone("M2", "20"), milestone("M1", "10"), held=held) == {"M2": "2", "M1": "1"}


def test_the_ledgers_number_goes_before_what_a_date_says() -> None:
    held = [plan_date(1, "10.00"), plan_date(2, "20.00")]
    known = {"M1": "10/1/2", "M2": "10/1/1"}
    assert numbers(milestone("M1", "10"), milestone("M2", "20"), held=held, known=known) == {"M1": "2", "M2": "1"}


def test_a_changed_date_is_the_open_one_left_over() -> None:
    held = [plan_date(1, "10.00", status="C"), plan_date(2, "20.00"), plan_date(3, "30.00")]
    assert numbers(milestone("M2", "25"), milestone("M3", "30"), held=held) == {"M2": "2", "M3": "3"}


def test_a_billed_date_is_never_taken_for_a_new_milestone() -> None:
    assert numbers(milestone("M2", "25"), held=[plan_date(1, "10.00", status="C")]) == {}


# Codes and settings


def test_a_missing_code_names_file_and_field() -> None:
    with pytest.raises(ConfigurationError, match=r"mappings/codes/s4hana\.yaml: service_lines\.DSGN\.material"):
        CODES.material("DSGN")
    with pytest.raises(ConfigurationError, match=r"tax\.export\.classification"):
        _ = Codes("s4hana", {"tax": {"treatment": "export"}}).tax_classification


def test_an_entity_may_have_a_default_of_its_own() -> None:
    values = {"entity": {"profit_center": "YB110"}, "defaults": {"profit_center": "YB900", "language": "EN"}}
    codes = Codes("s4hana", values)
    assert (codes.entity_default("profit_center"), codes.entity_default("language")) == ("YB110", "EN")


def connection(base_url: str = ORIGIN, **options: Any) -> Connection:
    return Connection(id="s4hana", system="s4hana", base_url=base_url, secret="s/s4hana", options=options)


@pytest.mark.parametrize(
    ("base_url", "options", "url"),
    [
        (ORIGIN, {}, "https://my300123.s4hana.cloud.sap"),
        ("https://my300123-api.s4hana.ondemand.com", {}, "https://my300123.s4hana.ondemand.com"),
        ("https://erp.example", {}, None),
        ("https://erp.example", {"ui_url": "https://erp.example/"}, "https://erp.example"),
    ],
)
def test_people_open_records_at_the_tenants_own_address(base_url: str, options: dict[str, Any], url: str) -> None:
    assert ui_url(connection(base_url), Options.of(connection(base_url, **options))) == url


def test_the_key_and_the_po_number_never_share_a_field() -> None:
    for name in ("PurchaseOrderByShipToParty", "PurchaseOrderByCustomer"):
        options = Options.of(connection(order_key_field=name))
        assert {options.order_key_field, options.po_number_field} == {
            "PurchaseOrderByShipToParty",
            "PurchaseOrderByCustomer",
        }


def test_a_client_is_its_communication_user() -> None:
    secret = Secret.of(connection(), {"client_id": "DEALBRIDGE", "client_secret": "hush"})
    assert (secret.username, secret.password) == ("DEALBRIDGE", "hush")
    with pytest.raises(ConfigurationError, match="password") as missing:
        Secret.of(connection(), {"username": "DEALBRIDGE-ONLY"})
    assert "DEALBRIDGE-ONLY" not in str(missing.value)


# Change sets


def batch_answer(*parts: str, boundary: str = "B") -> httpx.Response:
    content = "".join(f"--{boundary}\r\n{part}\r\n" for part in parts) + f"--{boundary}--\r\n"
    headers = {"Content-Type": f"multipart/mixed; boundary={boundary}"}
    return httpx.Response(202, headers=headers, content=content.encode(), request=httpx.Request("POST", ORIGIN))


def part(status: str, body: str = "", **headers: str) -> str:
    lines = ["Content-Type: application/http", "Content-Transfer-Encoding: binary", "", f"HTTP/1.1 {status}"]
    return "\r\n".join([*lines, *(f"{name}: {value}" for name, value in headers.items()), "", body])


def change_set(*parts: str) -> str:
    inside = "".join(f"--C\r\n{each}\r\n" for each in parts)
    return f"Content-Type: multipart/mixed; boundary=C\r\n\r\n{inside}--C--\r\n"


def test_a_change_set_is_written_as_sap_reads_it() -> None:
    changes = [
        odata.Change.post("A_SalesOrder('1')/to_Item", {"SalesOrderItemText": "Größe"}),
        odata.Change.patch("A_SalesOrder('1')", {"PurchaseOrderByCustomer": "PO"}, 'W/"t"'),
        odata.Change.delete("A_BPRelationship(RelationshipNumber='1',BusinessPartner1='a b')"),
    ]
    text = odata.write_batch(changes).decode("ascii")
    assert "\n" not in text.replace("\r\n", "")
    assert "POST A_SalesOrder('1')/to_Item HTTP/1.1\r\n" in text
    assert 'If-Match: W/"t"\r\n' in text
    assert "DELETE A_BPRelationship(RelationshipNumber='1',BusinessPartner1='a%20b') HTTP/1.1\r\n" in text
    assert [text.count(f"Content-ID: {number}\r\n") for number in (1, 2, 3)] == [1, 1, 1]


def test_the_answers_inside_come_in_order() -> None:
    body = '{"d": {"SalesOrderItem": "40"}}'
    answers = odata.read_batch(batch_answer(change_set(part("201 Created", body), part("204 No Content"))))
    assert [answer.status_code for answer in answers] == [201, 204]
    assert answers[0].json() == {"d": {"SalesOrderItem": "40"}}


def test_a_failed_change_set_is_one_answer() -> None:
    body = '{"error": {"code": "V1/555", "message": {"lang": "en", "value": "No"}}}'
    [answer] = odata.read_batch(batch_answer(part("400 Bad Request", body, **{"Content-Length": "9"})))
    error = OUTCOMES.error("s4hana", answer)
    assert isinstance(error, RejectedError)
    assert [finding.message for finding in error.findings] == ["No"]


@pytest.mark.parametrize(
    "content",
    [b"", b"<html></html>", b"--B\r\nContent-Type: application/http\r\n\r\nnothing\r\n--B--", b"--B\r\ncut off"],
)
def test_a_cut_answer_is_not_taken_for_success(content: bytes) -> None:
    headers = {"Content-Type": "multipart/mixed; boundary=B"}
    response = httpx.Response(202, headers=headers, content=content, request=httpx.Request("POST", ORIGIN))
    with pytest.raises(odata.MalformedBatchError):
        odata.read_batch(response)


def test_an_answer_without_a_boundary_is_no_batch() -> None:
    response = httpx.Response(200, text="<html>", request=httpx.Request("POST", ORIGIN))
    with pytest.raises(odata.MalformedBatchError):
        odata.read_batch(response)


# Errors


def refused(status: int, content: Any = None, **headers: str) -> httpx.Response:
    request = httpx.Request("POST", f"{ORIGIN}/sap/opu/odata/sap/API_SALES_ORDER_SRV/A_SalesOrder")
    given = {"content": content} if isinstance(content, bytes) else {"json": content}
    return httpx.Response(status, request=request, headers=headers, **given)


def error_body(message: Any, *details: dict[str, Any], code: str = "V1/320") -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "innererror": {"errordetails": list(details)}}}


def test_every_detail_is_a_finding_and_warnings_are_none() -> None:
    body = error_body(
        {"lang": "en", "value": "Material is unknown"},
        {"code": "V1/320", "message": "Material is unknown", "propertyref": "Material", "severity": "error"},
        {"code": "V1/1", "message": "Terms are unknown", "target": "CustomerPaymentTerms", "severity": "error"},
        {"code": "V1/555", "message": "Incomplete", "severity": "warning"},
        {"code": "/IWBEP/CX_MGW_BUSI_EXCEPTION", "message": "An exception was raised", "severity": "error"},
    )
    error = OUTCOMES.error("s4hana", refused(400, body))
    assert isinstance(error, RejectedError)
    assert [(finding.field, finding.rule, finding.message) for finding in error.findings] == [
        ("Material", "V1/320", "Material is unknown"),
        ("CustomerPaymentTerms", "V1/1", "Terms are unknown"),
    ]
    assert not error.outcome_unknown


def test_a_message_of_v4_is_read_too() -> None:
    error = OUTCOMES.error("s4hana", refused(400, error_body("Not like this", code="X")))
    assert [finding.message for finding in error.findings] == ["Not like this"]


@pytest.mark.parametrize(
    "message",
    [
        "Sales order 1 is locked by user CB9980000012",
        "Business partner 1000140 is currently being processed by user MLIND",
        "The project is already being edited by user JABE",
    ],
)
def test_what_somebody_is_editing_is_tried_again(message: str) -> None:
    error = OUTCOMES.error("s4hana", refused(400, error_body({"value": message})))
    assert isinstance(error, TransientError)
    assert not error.outcome_unknown
    assert error.retry_after


def test_a_lock_of_another_kind_is_a_refusal() -> None:
    body = error_body({"value": "Cost center 10101601 is locked against direct postings"})
    assert isinstance(OUTCOMES.error("s4hana", refused(400, body)), RejectedError)


@pytest.mark.parametrize(
    ("status", "expected"),
    [(401, AccessError), (403, AccessError), (412, ConflictError), (429, ThrottledError), (503, TransientError)],
)
def test_a_page_of_html_is_judged_by_its_status(status: int, expected: type[Exception]) -> None:
    assert isinstance(OUTCOMES.error("s4hana", refused(status, b"<html>Login</html>")), expected)


@pytest.mark.parametrize("content", [b"", b"[]", b'{"error": 1}', b'{"error": {"message": {}}}', b'{"error": {}}'])
def test_a_body_of_another_shape_is_still_an_error(content: bytes) -> None:
    assert isinstance(OUTCOMES.error("s4hana", refused(400, content)), RejectedError)
    server = OUTCOMES.error("s4hana", refused(500, content))
    assert isinstance(server, TransientError)
    assert server.outcome_unknown


def test_the_package_loads_no_http() -> None:
    code = "import sys, dealbridge.connectors.s4hana; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"httpx", "jwt", "cryptography"} & set(run.stdout.split())
