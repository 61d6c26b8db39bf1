"""A deal to the records that shall stand outside."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from dealbridge.domain.deal import BillingType, Deal
from dealbridge.domain.money import Money
from dealbridge.rules.engagement import Engagement, engagements, entities_of
from tests.builders import OPPORTUNITY, a_line, a_milestone, a_person, a_won_deal, an_account, money, reference


def the_engagement(deal: Deal, **changes: Any) -> Engagement:
    (only,) = engagements(deal, reference(**changes))
    return only


def test_every_record_has_our_key() -> None:
    found = the_engagement(a_won_deal())
    assert [customer.key for customer in found.customers] == ["CUST-001A"]
    assert [contact.key for contact in found.contacts] == ["CONT-003A"]
    assert found.project.key == f"PROJ-{OPPORTUNITY}-EMEA-DE"
    assert [task.key for task in found.tasks] == [f"TASK-{OPPORTUNITY}-EMEA-DE-IMPL"]
    assert found.contract.key == f"SO-{OPPORTUNITY}-EMEA-DE"
    assert found.schedule.key == f"BILL-{OPPORTUNITY}-EMEA-DE"
    assert found.staffing_project.key == f"PSA-{OPPORTUNITY}-EMEA-DE"
    assert [each.key for each in found.staffing_requests] == [f"STAF-{OPPORTUNITY}-EMEA-DE-IMPL-Consultant"]


def test_records_point_at_one_another_by_key() -> None:
    found = the_engagement(a_won_deal())
    (task,), (item,), (line,) = found.tasks, found.schedule.items, found.contract.lines
    assert {found.project.customer_key, found.contract.customer_key, found.contacts[0].customer_key} == {"CUST-001A"}
    assert {task.project_key, found.contract.project_key, found.schedule.project_key} == {found.project.key}
    assert found.schedule.contract_key == found.contract.key
    assert {line.task_key, item.task_key} == {task.key}
    assert item.line_key == line.key == "00k1"
    assert found.staffing_requests[0].project_key == found.staffing_project.key


def test_there_is_one_task_per_service_line_over_the_lines_of_it() -> None:
    lines = [
        a_line("100 EUR", id="00k1", hours=Decimal(40), start=date(2026, 5, 1), end=date(2026, 5, 31)),
        a_line("50 EUR", id="00k2", service_line="TRNG"),
        a_line("25 EUR", id="00k3", hours=Decimal("2.5"), start=date(2026, 6, 1), end=date(2026, 6, 30)),
    ]
    found = the_engagement(a_won_deal(lines=lines))
    implementation, training = found.tasks
    assert (implementation.number, implementation.name, implementation.budget) == (
        1,
        "Implementation",
        money("125 EUR"),
    )
    assert (implementation.start, implementation.end) == (date(2026, 5, 1), date(2026, 6, 30))
    assert implementation.hours == Decimal("42.5")
    assert (training.number, training.hours) == (2, None)
    assert [line.task_key for line in found.contract.lines] == [implementation.key, training.key, implementation.key]


def test_a_project_spans_all_lines_and_has_their_budget() -> None:
    lines = [a_line("1 EUR", start=date(2026, 2, 1)), a_line("2 EUR", id="00k2", end=date(2028, 1, 31))]
    found = the_engagement(a_won_deal(lines=lines))
    assert (found.project.start, found.project.end) == (date(2026, 2, 1), date(2028, 1, 31))
    assert found.project.budget == found.contract.value == found.schedule.total == money("3 EUR")


def test_a_deal_split_over_two_entities_makes_two_engagements_of_one_customer() -> None:
    lines = [
        a_line("100 EUR", id="00k1"),
        a_line("40 EUR", id="00k2", legal_entity="EMEA-UK", service_line="TRNG"),
        a_line("60 EUR", id="00k3"),
    ]
    german, british = engagements(a_won_deal(lines=lines), reference())
    assert (german.entity.code, british.entity.code) == ("EMEA-DE", "EMEA-UK")
    assert (german.contract.value, british.contract.value) == (money("160 EUR"), money("40 EUR"))
    assert [line.key for line in german.contract.lines] == ["00k1", "00k3"]
    assert [task.service_line for task in british.tasks] == ["TRNG"]
    assert [customer.key for customer in german.customers] == [customer.key for customer in british.customers]
    keys = [
        {each.project.key, each.contract.key, each.schedule.key, each.staffing_project.key, each.tasks[0].key}
        for each in (german, british)
    ]
    assert not keys[0] & keys[1]


def test_the_order_of_the_lines_changes_no_key() -> None:
    """A contract of one entity never becomes another's because somebody sorted the products."""
    lines = [a_line("100 EUR", id="00k1"), a_line("40 EUR", id="00k2", legal_entity="EMEA-UK")]
    forth, back = (
        {each.entity.code: each.contract.key for each in engagements(a_won_deal(lines=order), reference())}
        for order in (lines, lines[::-1])
    )
    assert forth == back


def test_a_split_deal_that_loses_an_entity_keeps_the_keys_of_the_other() -> None:
    lines = [a_line("100 EUR", id="00k1"), a_line("40 EUR", id="00k2", legal_entity="EMEA-UK")]
    both = engagements(a_won_deal(lines=lines), reference())
    (british,) = engagements(a_won_deal(lines=lines[1:]), reference())
    assert british.contract.key == both[1].contract.key


@pytest.mark.parametrize("depth", [1, 2, 7, 40])
def test_parents_of_any_depth_come_ultimate_parent_first(depth: int) -> None:
    account = an_account("001-0")
    for level in range(1, depth):
        account = an_account(f"001-{level}", parent=account)
    found = the_engagement(a_won_deal(account=account))
    assert [customer.key for customer in found.customers] == [f"CUST-001-{level}" for level in range(depth)]
    assert [customer.parent_key for customer in found.customers] == [
        None,
        *(customer.key for customer in found.customers[:-1]),
    ]
    assert found.project.customer_key == f"CUST-001-{depth - 1}"


def test_an_account_without_a_currency_has_the_entitys() -> None:
    parent = an_account("001P", currency="GBP")
    found = the_engagement(a_won_deal("100 USD", account=an_account(parent=parent)))
    assert [customer.currency for customer in found.customers] == ["GBP", "EUR"]


def test_payment_terms_are_the_deals_or_the_accounts() -> None:
    assert the_engagement(a_won_deal()).contract.payment_terms == "Net 30"
    deal = a_won_deal(payment_terms=None, account=an_account(payment_terms="Net 60"))
    assert the_engagement(deal).contract.payment_terms == "Net 60"


def test_a_persons_role_in_a_deal_stays_out_of_the_shared_contact() -> None:
    here, there = (
        a_won_deal(contacts=(a_person(role=role, primary=primary),))
        for role, primary in [("Buyer", True), ("User", False)]
    )
    assert the_engagement(here).contacts == the_engagement(there).contacts


# Staffing


def test_staffing_is_asked_for_once_per_role_and_service_line() -> None:
    lines = [
        a_line("1 EUR", id="00k1", hours=Decimal(100), end=date(2026, 6, 30)),
        a_line("1 EUR", id="00k2", hours=Decimal(60), start=date(2026, 7, 1)),
        a_line("1 EUR", id="00k3", role="Architect", hours=Decimal(20)),
        a_line("1 EUR", id="00k4", service_line="ADVS", hours=Decimal(8)),
    ]
    found = the_engagement(a_won_deal(lines=lines))
    asked = {each.key.removeprefix(f"STAF-{OPPORTUNITY}-EMEA-DE-"): each for each in found.staffing_requests}
    assert {name: each.hours for name, each in asked.items()} == {
        "IMPL-Consultant": Decimal(160),
        "IMPL-Architect": Decimal(20),
        "ADVS-Architect": Decimal(8),
    }
    consultant = asked["IMPL-Consultant"]
    assert (consultant.start, consultant.end) == (date(2026, 4, 1), date(2027, 3, 31))
    assert (consultant.role, consultant.title) == ("Consultant", "Consultant: Implementation")


def test_nobody_is_asked_for_expenses() -> None:
    lines = [a_line("1 EUR"), a_line("1 EUR", id="00k2", service_line="EXPN")]
    found = the_engagement(a_won_deal(lines=lines))
    assert [each.service_line for each in found.staffing_requests] == ["IMPL"]
    assert [task.service_line for task in found.tasks] == ["IMPL", "EXPN"]


def test_hours_that_the_sale_did_not_say_are_unknown_and_not_zero() -> None:
    assert the_engagement(a_won_deal()).staffing_requests[0].hours is None


# Large deals


def test_five_hundred_lines_and_two_hundred_milestones() -> None:
    services = ["IMPL", "ADVS", "MNGD", "TRNG", "DEVL"]
    lines = [a_line("33.33 EUR", id=f"00k{n:03}", service_line=services[n % 5]) for n in range(499)]
    parts = tuple(a_milestone("10.01 EUR", id=f"00o{n:03}") for n in range(200))
    lines.append(a_line("2002 EUR", id="00k499", billing_type=BillingType.MILESTONE, milestones=parts))
    deal = a_won_deal(lines=lines)
    found = the_engagement(deal)
    assert len(found.contract.lines) == 500
    assert len(found.schedule.items) == 699
    assert len(found.tasks) == 5
    assert found.schedule.total == found.contract.value == deal.amount
    assert Money.total((task.budget for task in found.tasks), "EUR") == deal.amount
    assert len({item.key for item in found.schedule.items}) == 699


def test_the_same_deal_always_wants_the_same_records() -> None:
    deal = a_won_deal(lines=[a_line("1 EUR"), a_line("2 EUR", id="00k2", legal_entity="EMEA-UK")])
    assert engagements(deal, reference()) == engagements(Deal.model_validate(deal.model_dump()), reference())


def test_entities_come_in_the_order_of_their_first_line() -> None:
    lines = [a_line(legal_entity=code, id=f"00k{n}") for n, code in enumerate(["EMEA-UK", "EMEA-DE", "EMEA-UK"])]
    assert entities_of(a_won_deal(lines=lines), reference()) == ["EMEA-UK", "EMEA-DE"]
