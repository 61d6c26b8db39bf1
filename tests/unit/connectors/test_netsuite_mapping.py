"""The NetSuite connector's pure parts: percentages, pairing of lines, field selection, settings, error bodies."""

import subprocess
import sys
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dealbridge.connectors.netsuite.billing import order_line, paired, percentages
from dealbridge.connectors.netsuite.mapping import body_of
from dealbridge.connectors.netsuite.outcomes import OUTCOMES
from dealbridge.connectors.netsuite.records import Body, Codes, Fields
from dealbridge.connectors.netsuite.settings import Options, ui_url
from dealbridge.domain.connection import Connection
from dealbridge.domain.engagement import ContractLine
from dealbridge.domain.money import Money, minor_unit
from dealbridge.errors import ConfigurationError, RejectedError, TransientError

CODES = Codes("netsuite", {"service_lines": {"IMPL": {"item": "101"}, "TRNG": {"item": "104"}}})


def money(amount: object, currency: str = "USD") -> Money:
    return Money(amount=Decimal(str(amount)), currency=currency)


def line(key: str, amount: str, *, quantity: str = "1", text: str = "Work", service: str = "IMPL") -> ContractLine:
    return ContractLine.model_validate(
        {
            "key": key,
            "service_line": service,
            "description": text,
            "quantity": quantity,
            "amount": money(amount),
            "billing_type": "fixed",
            "start": "2026-01-01",
            "end": "2026-12-31",
        }
    )


def held(number: int, amount: object, *, text: str = "Work", item: str = "101", quantity: object = 1) -> dict[str, Any]:
    fields = {"line": number, "item": {"id": item}, "description": text, "quantity": quantity}
    return {**fields, "amount": Decimal(str(amount))}


# Percentages


@given(
    amounts=st.lists(st.integers(min_value=0, max_value=10**10), min_size=1, max_size=60).filter(any),
    currency=st.sampled_from(["USD", "JPY", "KWD"]),
)
def test_percentages_give_every_amount_back_and_sum_to_a_hundred(amounts: list[int], currency: str) -> None:
    unit = minor_unit(currency)
    given_amounts = [money(amount * unit, currency) for amount in amounts]
    total = sum((amount.amount for amount in given_amounts), Decimal(0))
    shares = percentages(given_amounts, 20, "netsuite")
    assert sum(shares) == 100
    back = [(share * total / 100).quantize(unit, ROUND_HALF_UP) for share in shares]
    assert back == [amount.amount for amount in given_amounts]


def test_percentages_have_as_few_decimals_as_will_do() -> None:
    assert percentages([money(40), money(60)], 10, "netsuite") == [Decimal(40), Decimal(60)]
    thirds = percentages([money("33.33"), money("33.33"), money("33.34")], 10, "netsuite")
    assert thirds == [Decimal("33.33"), Decimal("33.33"), Decimal("33.34")]


def test_too_few_decimals_name_the_option() -> None:
    amounts = [money("0.01"), money("9999999.99")]
    with pytest.raises(ConfigurationError, match="milestone_decimals"):
        percentages(amounts, 4, "netsuite")


def test_nothing_to_bill_is_no_percent() -> None:
    assert percentages([money(0), money(0)], 4, "netsuite") == [0, 0]
    assert percentages([], 4, "netsuite") == []


# Lines


def numbers(lines: list[ContractLine], order: list[Body], known: dict[str, str] | None = None) -> dict[str, int]:
    return {key: body["line"] for key, body in paired(lines, order, CODES, known or {}).items()}


def test_lines_are_paired_by_what_they_say_whatever_their_order() -> None:
    order = [held(1, 20), held(2, 10), held(3, 10, text="Other")]
    assert numbers([line("a", "10"), line("b", "20"), line("c", "10", text="Other")], order) == {"a": 2, "b": 1, "c": 3}


def test_a_changed_line_is_the_one_left_over_of_its_description() -> None:
    order = [held(1, 10, text="Design"), held(2, 10, text="Build")]
    assert numbers([line("a", "99", text="Build"), line("b", "10", text="Design")], order) == {"a": 2, "b": 1}


def test_the_ledgers_numbers_decide_between_equal_lines() -> None:
    order = [held(1, 10), held(2, 10), held(3, 10)]
    known = {"a": "3", "b": "2", "c": "1"}
    assert numbers([line("a", "10"), line("b", "77"), line("c", "10")], order, known) == {"a": 3, "b": 2, "c": 1}


def test_a_number_of_the_ledger_that_says_something_else_now_yields_to_the_content() -> None:
    order = [held(1, 20), held(2, 10)]
    assert numbers([line("a", "10"), line("b", "20")], order, {"a": "1", "b": "2"}) == {"a": 2, "b": 1}


def test_a_new_line_is_paired_with_none() -> None:
    assert numbers([line("a", "10"), line("b", "5", service="TRNG")], [held(1, 10)]) == {"a": 1}


@given(amount=st.integers(min_value=0, max_value=10**11), quantity=st.integers(min_value=1, max_value=10**6))
def test_rates_never_have_more_digits_than_json_carries(amount: int, quantity: int) -> None:
    body = order_line(line("a", str(Decimal(amount) / 100), quantity=str(quantity)), CODES, Options())
    rate = body["rate"]
    assert Decimal(repr(float(rate))) == rate
    assert body["amount"] == Decimal(amount) / 100


def test_revenue_dates_can_be_left_out() -> None:
    assert "revRecStartDate" not in order_line(line("a", "10"), CODES, Options(revenue_dates=False))


# Fields


def test_a_body_holds_what_has_a_value_or_what_was_asked_for() -> None:
    fields: Fields = {"name": {"companyName": "Acme"}, "email": {"email": None}}
    assert body_of(fields) == {"companyName": "Acme"}
    assert body_of(fields, {"email"}) == {"email": None}


# Settings


@pytest.mark.parametrize(
    ("base_url", "options", "url"),
    [
        ("https://123456-sb1.suitetalk.api.netsuite.com", Options(), "https://123456-sb1.app.netsuite.com"),
        ("http://127.0.0.1:8080", Options(), None),
        ("http://127.0.0.1:8080", Options(ui_url="https://ns.example/"), "https://ns.example"),
    ],
)
def test_people_open_records_in_the_accounts_own_interface(base_url: str, options: Options, url: str | None) -> None:
    assert ui_url(Connection(id="netsuite", system="netsuite", base_url=base_url, secret="s"), options) == url


def test_the_package_loads_no_http_and_no_cryptography() -> None:
    code = "import sys, dealbridge.connectors.netsuite; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"httpx", "jwt", "cryptography"} & set(run.stdout.split())


# Errors


def refused(status: int, content: bytes) -> httpx.Response:
    request = httpx.Request("POST", "https://x.example/services/rest/record/v1/salesOrder")
    return httpx.Response(status, content=content, request=request)


@pytest.mark.parametrize("content", [b"", b"<html>", b"[]", b'{"o:errorDetails": "no"}', b'{"o:errorDetails": [1]}'])
def test_an_error_body_of_another_shape_is_still_an_error(content: bytes) -> None:
    assert isinstance(OUTCOMES.error("netsuite", refused(400, content)), RejectedError)
    server = OUTCOMES.error("netsuite", refused(503, content))
    assert isinstance(server, TransientError)
    assert server.outcome_unknown


def test_a_refusal_names_record_field_and_rule() -> None:
    content = b"""{"o:errorDetails": [
        {"detail": "Please enter value(s) for: Location", "o:errorCode": "USER_ERROR"},
        {"detail": "Invalid", "o:errorCode": "INVALID_CONTENT", "o:errorPath": "item.items[3].item"}]}"""
    error = OUTCOMES.error("netsuite", refused(400, content))
    assert [(finding.field, finding.rule) for finding in error.findings] == [
        ("salesOrder", "USER_ERROR"),
        ("salesOrder.item.items[3].item", "INVALID_CONTENT"),
    ]
    assert error.code == "USER_ERROR"
