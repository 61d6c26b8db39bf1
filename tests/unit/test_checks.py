"""Each rule green on a sound deal and red on the one thing it names; a finding says field, rule, message, remedy."""

from datetime import date
from typing import Any

import pytest

from dealbridge.domain.deal import BillingFrequency, BillingType, Deal, DealKind
from dealbridge.domain.findings import Finding, Owner
from dealbridge.domain.parties import Account, Address, TaxRegistration
from dealbridge.rules.checks import RULES, findings
from dealbridge.rules.reference import Rule, ValidationPolicy
from tests.builders import a_line, a_milestone, a_won_deal, an_account, money, reference

LABELS = reference().field_mapping("salesforce").labels
MILESTONE = BillingType.MILESTONE


def found(deal: Deal, **policy: Any) -> list[Finding]:
    given = reference().validation.model_dump() | policy
    return findings(deal, reference(validation=given))


def test_a_sound_deal_has_no_findings() -> None:
    assert found(a_won_deal()) == []


def _at(country: str | None, *numbers: TaxRegistration) -> Account:
    address = Address(country=country) if country else None
    return an_account(billing_address=address, tax_registrations=numbers)


RED: list[tuple[str, str, Deal, str]] = [
    # rule, field as the CRM's people know it, deal, what the message or remedy must say
    ("deal_kind", "Deal_Kind__c", a_won_deal(kind=DealKind.AMENDMENT), "new or renewal"),
    ("terms_approved", "Commercial_Terms_Approved__c", a_won_deal(terms_approved=False), "not approved"),
    ("customer_named", "AccountId", a_won_deal(account=None), "no account"),
    ("delivery_owner_named", "Delivery_Owner_Email__c", a_won_deal(delivery_owner_email=None), "delivery owner"),
    ("delivery_owner_named", "Delivery_Owner_Email__c", a_won_deal(delivery_owner_email="Mara"), "'Mara'"),
    ("legal_entity_known", "Legal_Entity__c", a_won_deal(legal_entity=None), "EMEA-DE"),
    ("legal_entity_known", "Legal_Entity__c", a_won_deal(legal_entity="MARS"), "'MARS'"),
    (
        "legal_entity_known",
        "Legal_Entity__c (line 00k1)",
        a_won_deal(lines=[a_line(legal_entity="MARS")]),
        "'MARS'",
    ),
    ("currency_known", "CurrencyIsoCode", a_won_deal("100 CHF"), "CHF"),
    (
        "currency_known",
        "TotalPrice (line 00k1)",
        a_won_deal(lines=[a_line("100 USD")], currency="EUR", amount="100 EUR"),
        "not in EUR",
    ),
    ("currency_known", "Amount", a_won_deal(lines=[a_line("100 EUR")], amount="100 USD"), "100.00 USD"),
    ("payment_terms_known", "Payment_Terms__c", a_won_deal(payment_terms="Net 90"), "Net 30"),
    (
        "payment_terms_known",
        "Payment_Terms__c",
        a_won_deal(payment_terms=None, account=an_account(payment_terms="soon")),
        "'soon'",
    ),
    ("lines_present", "OpportunityLineItems", a_won_deal(lines=[], amount="0 EUR"), "no lines"),
    ("service_line_known", "Service_Line__c (line 00k1)", a_won_deal(lines=[a_line(service_line=None)]), "IMPL"),
    ("service_line_known", "Service_Line__c (line 00k1)", a_won_deal(lines=[a_line(service_line="XX")]), "'XX'"),
    ("billing_type_given", "Billing_Type__c (line 00k1)", a_won_deal(lines=[a_line(billing_type=None)]), "milestone"),
    ("dates_in_order", "Contract_Start__c", a_won_deal(start=None), "start date"),
    ("dates_in_order", "Contract_End__c", a_won_deal(end=None), "end date"),
    ("dates_in_order", "Contract_End__c", a_won_deal(end=date(2026, 3, 31)), "2026-03-31"),
    (
        "dates_in_order",
        "End_Date__c (line 00k1)",
        a_won_deal(lines=[a_line(start=date(2026, 9, 2), end=date(2026, 9, 1))]),
        "2026-09-01",
    ),
    (
        "dates_in_order",
        "OpportunityLineItemSchedules (line 00k1)",
        a_won_deal(
            lines=[a_line("9 EUR", billing_type=MILESTONE, milestones=(a_milestone("9 EUR", due="2026-03-31"),))]
        ),
        "'Design accepted'",
    ),
    ("amounts_add_up", "Amount", a_won_deal(lines=[a_line("100 EUR")], amount="101 EUR"), "101.00 EUR"),
    ("amounts_add_up", "Amount", a_won_deal(lines=[a_line("0 EUR")]), "nothing to bill"),
    ("amounts_add_up", "TotalPrice (line 00k1)", a_won_deal(lines=[a_line("0.005 EUR")]), "minor unit"),
    ("amounts_add_up", "TotalPrice (line 00k2)", a_won_deal(lines=[a_line(), a_line("-1 EUR", id="00k2")]), "negative"),
    (
        "amounts_add_up",
        "Cap_Amount__c (line 00k1)",
        a_won_deal(lines=[a_line("10 EUR", billing_type=BillingType.TIME_AND_MATERIALS, cap=money("9 EUR"))]),
        "9.00 EUR",
    ),
    (
        "amounts_add_up",
        "OpportunityLineItemSchedules (line 00k1)",
        a_won_deal(lines=[a_line(billing_type=MILESTONE)]),
        "has none",
    ),
    (
        "amounts_add_up",
        "OpportunityLineItemSchedules (line 00k1)",
        a_won_deal(lines=[a_line("10 EUR", billing_type=MILESTONE, milestones=(a_milestone("9 EUR"),))]),
        "9.00 EUR",
    ),
    (
        "amounts_add_up",
        "OpportunityLineItemSchedules (line 00k1)",
        a_won_deal(
            lines=[
                a_line(
                    "10 EUR",
                    billing_type=MILESTONE,
                    milestones=(a_milestone("11 EUR"), a_milestone("-1 EUR", id="00o2")),
                )
            ]
        ),
        "not a positive whole amount",
    ),
    (
        "billing_items_bounded",
        "OpportunityLineItems",
        a_won_deal(lines=[a_line(billing_type=BillingType.RETAINER, end=date(9999, 12, 31))]),
        "more than the 5000",
    ),
    (
        "tax_registered",
        "Account.Tax_Registrations__c",
        a_won_deal(account=_at("DE", TaxRegistration(country="DE", number="811907980"))),
        "DE811907980",
    ),
    ("tax_registered", "Account.Tax_Registrations__c", a_won_deal(account=_at("FR")), "FR40303265045"),
    ("tax_registered", "Account.BillingCountry", a_won_deal(account=_at(None)), "no country"),
]


@pytest.mark.parametrize(("rule", "field", "deal", "says"), RED, ids=[f"{each[0]}-{each[3]}" for each in RED])
def test_each_rule_names_field_and_remedy(rule: str, field: str, deal: Deal, says: str) -> None:
    finding = next(each for each in found(deal) if each.rule == rule and each.field == field)
    assert says in f"{finding.message} {finding.remedy}"
    assert finding.message.endswith(".")
    assert finding.remedy.endswith(".")


@pytest.mark.parametrize(("rule", "field", "deal", "says"), RED, ids=[f"{each[0]}-{each[3]}" for each in RED])
def test_a_rule_that_is_not_enforced_stops_nothing(rule: str, field: str, deal: Deal, says: str) -> None:
    assert rule not in {finding.rule for finding in found(deal, rules={rule: Rule(enforced=False).model_dump()})}


def test_every_rule_is_tried_here() -> None:
    assert {each[0] for each in RED} == set(RULES)


def test_all_findings_come_at_once() -> None:
    """A deal that is wrong in many ways is mended once, not once per finding."""
    lines = [a_line(service_line=None, id="00k1"), a_line(billing_type=None, id="00k2")]
    deal = a_won_deal(
        lines=lines, amount="5 EUR", terms_approved=False, delivery_owner_email=None, end=None, account=_at("FR")
    )
    assert [(each.rule, each.field) for each in found(deal)] == [
        ("terms_approved", "Commercial_Terms_Approved__c"),
        ("delivery_owner_named", "Delivery_Owner_Email__c"),
        ("service_line_known", "Service_Line__c (line 00k1)"),
        ("billing_type_given", "Billing_Type__c (line 00k2)"),
        ("dates_in_order", "Contract_End__c"),
        ("amounts_add_up", "Amount"),
        ("tax_registered", "Account.Tax_Registrations__c"),
    ]


def test_the_policy_says_who_mends_what() -> None:
    rules = {"terms_approved": Rule(owner=Owner.FINANCE).model_dump()}
    (finding,) = found(a_won_deal(terms_approved=False), rules=rules)
    assert finding.owner is Owner.FINANCE


def test_a_field_without_a_label_of_its_own_has_our_name() -> None:
    mapping = reference().fields["salesforce"].model_copy(update={"labels": {}})
    unlabelled = reference(fields={"salesforce": mapping.model_dump()})
    (finding,) = findings(a_won_deal(lines=[a_line(service_line=None)]), unlabelled)
    assert finding.field == "lines.service_line (line 00k1)"


@pytest.mark.parametrize(("amount", "sound"), [("100.04 EUR", True), ("99.96 EUR", True), ("100.06 EUR", False)])
def test_lines_may_differ_from_the_amount_by_the_tolerance(amount: str, sound: bool) -> None:
    deal = a_won_deal(lines=[a_line("100 EUR")], amount=amount)
    assert (found(deal, amount_tolerance="0.05") == []) is sound


def test_more_lines_than_allowed_are_refused_and_as_many_are_not() -> None:
    deal = a_won_deal(lines=[a_line("1 EUR", id=f"00k{number}") for number in range(500)])
    assert found(deal, max_lines=500) == []
    (finding,) = found(deal, max_lines=499)
    assert (finding.rule, finding.field) == ("lines_present", "OpportunityLineItems")


def test_a_retainer_counts_by_the_policys_frequency_and_time_and_materials_once() -> None:
    retainer = a_won_deal(lines=[a_line(billing_type=BillingType.RETAINER)])
    assert [each.rule for each in found(retainer, max_billing_items=11)] == ["billing_items_bounded"]
    assert found(retainer, max_billing_items=12) == []
    as_worked = a_line(billing_type=BillingType.TIME_AND_MATERIALS, billing_frequency=BillingFrequency.MONTHLY)
    assert found(a_won_deal(lines=[as_worked]), max_billing_items=1) == []


def test_a_legal_entity_may_come_from_the_business_unit_or_the_line() -> None:
    assert found(a_won_deal(legal_entity=None, business_unit="Central Europe")) == []
    assert found(a_won_deal(legal_entity=None, lines=[a_line(legal_entity="EMEA-DE")])) == []


def test_one_line_without_an_entity_is_found_beside_one_that_names_its_own() -> None:
    lines = [a_line("1 EUR"), a_line("1 EUR", id="00k2", legal_entity="EMEA-DE")]
    (finding,) = found(a_won_deal(lines=lines, legal_entity=None))
    assert (finding.rule, finding.field) == ("legal_entity_known", "Legal_Entity__c")


@pytest.mark.parametrize("kind", [DealKind.NEW, DealKind.RENEWAL])
def test_new_deals_and_renewals_are_carried_over(kind: DealKind) -> None:
    assert found(a_won_deal(kind=kind)) == []


def test_a_sale_for_which_no_tax_treatment_is_set_up_is_finances_to_mend() -> None:
    tax = reference().tax.model_copy(update={"treatments": reference().tax.treatments[:1]})
    (finding,) = findings(a_won_deal(), reference(tax=tax.model_dump()))
    assert (finding.rule, finding.owner) == ("tax_registered", Owner.FINANCE)
    assert "mappings/tax.yaml" in finding.remedy


def test_tax_numbers_look_as_each_country_writes_them() -> None:
    for country, rule in reference().tax.registrations.items():
        sound = _at("DE", *{TaxRegistration(country=country, number=rule.example)})
        assert found(a_won_deal(account=sound)) == [], country
        wrong = _at("DE", TaxRegistration(country=country, number=f"{rule.example}x"))
        assert [each.rule for each in found(a_won_deal(account=wrong))] == ["tax_registered"], country


def test_a_treatment_holds_from_its_day_on() -> None:
    newer = {"entities": ["EMEA-DE"], "customer_in": ["DE"], "treatment": "reform", "effective_from": date(2026, 7, 1)}
    tax = reference().tax.model_dump() | {"treatments": [newer, *reference().tax.model_dump()["treatments"]]}
    changed = reference(tax=tax)
    names = [changed.treatment("EMEA-DE", "DE", day) for day in (date(2026, 6, 30), date(2026, 7, 1))]
    assert [each.treatment for each in names if each] == ["domestic", "reform"]


def test_checks_survive_whatever_a_deal_may_hold() -> None:
    """Every rule off but one: no check relies on another having run before it."""
    worst = a_won_deal(
        lines=[a_line("1 USD", service_line=None, billing_type=MILESTONE, milestones=(a_milestone("2 JPY"),))],
        currency="EUR",
        amount="7.001 JPY",
        account=None,
        legal_entity="MARS",
        start=None,
        end=None,
        close_date=None,
    )
    for rule in RULES:
        off = {name: Rule(enforced=False).model_dump() for name in RULES if name != rule}
        assert {each.rule for each in found(worst, rules=off)} <= {rule}


def test_the_policy_of_the_repository_names_real_rules() -> None:
    assert set(reference().validation.rules) <= set(RULES)
    assert ValidationPolicy().rules == {}
