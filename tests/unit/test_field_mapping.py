"""JSONata field mappings: Salesforce's words to a deal, whatever is missing, null or odd."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from dealbridge.domain.deal import BillingFrequency, BillingType, Deal, DealKind
from dealbridge.domain.keys import DealKey
from dealbridge.errors import ConfigurationError, RejectedError
from dealbridge.mappings.expressions import check, evaluate
from dealbridge.ports import CrmDeal
from dealbridge.rules.checks import findings
from dealbridge.runs.reading import as_deal
from tests.builders import OPPORTUNITY, money, reference

KEY = DealKey(crm="salesforce", opportunity=OPPORTUNITY)
MAPPING = reference().field_mapping("salesforce")


def a_line(**fields: Any) -> dict[str, Any]:
    given = {
        "Id": "00kHp00001AAAAAIA4",
        "Name": "Rhein Werke Implementation",
        "Description": "Roll-out",
        "Quantity": Decimal("2.00"),
        "UnitPrice": Decimal("1250.00"),
        "TotalPrice": Decimal("2500.00"),
        "Service_Line__c": "IMPL",
        "Billing_Type__c": "Fixed",
        "Billing_Frequency__c": None,
        "Start_Date__c": None,
        "End_Date__c": None,
        "Cap_Amount__c": None,
        "Legal_Entity__c": None,
        "Role__c": None,
        "Hours__c": Decimal("40.0"),
        "Product2": {"Name": "Implementation"},
        "SortOrder": 1,
    }
    return given | fields


def an_account(**fields: Any) -> dict[str, Any]:
    given = {
        "Id": "001Hp00002AAAAAIA4",
        "ParentId": None,
        "Name": "Rhein Werke",
        "Legal_Name__c": "Rhein Werke GmbH",
        "Phone": None,
        "Website": "rhein.example",
        "BillingStreet": "Am Ufer 1",
        "BillingCity": "Köln",
        "BillingState": None,
        "BillingPostalCode": "50667",
        "BillingCountry": "Germany",
        "Tax_Registrations__c": "DE:DE811907980",
        "Payment_Terms__c": "Net 30",
    }
    return given | fields


def a_document(**parts: Any) -> dict[str, Any]:
    """An opportunity as the connector reads it: every selected field is there, null where it is empty."""
    opportunity = {
        "Id": OPPORTUNITY,
        "SystemModstamp": "2026-03-02T09:00:00.000+0000",
        "Name": "Rhein Werke: new billing",
        "StageName": "Closed Won",
        "IsWon": True,
        "IsClosed": True,
        "CloseDate": "2026-03-01",
        "Amount": Decimal("2500.00"),
        "CurrencyIsoCode": "EUR",
        "Owner": {"Email": "sam.ruiz@example.com"},
        "Legal_Entity__c": "EMEA-DE",
        "Commercial_Terms_Approved__c": True,
        "Delivery_Owner_Email__c": "mara.lind@example.com",
        "PO_Number__c": "PO-7",
        "Contract_Start__c": "2026-04-01",
        "Contract_End__c": "2027-03-31",
        "Payment_Terms__c": None,
        "Business_Unit__c": None,
        "Deal_Kind__c": None,
        "Predecessor_Opportunity__c": None,
        "LastStageChangeDate": "2026-03-02T08:59:00.000+0000",
    }
    document = {
        "opportunity": opportunity | parts.pop("opportunity", {}),
        "account": an_account(),
        "lines": [a_line()],
        "schedules": [],
        "contacts": [
            {
                "Id": "00KHp00001AAAAAIA4",
                "ContactId": "003Hp00001AAAAAIA4",
                "Role": "Decision Maker",
                "IsPrimary": True,
                "Contact": {"FirstName": None, "LastName": "Braun", "Email": "ada@rhein.example", "Phone": None},
            }
        ],
    }
    return document | parts


def a_deal(**parts: Any) -> Deal:
    return as_deal(KEY, CrmDeal(OPPORTUNITY, "r1", a_document(**parts)), MAPPING)


def test_a_whole_deal() -> None:
    deal = a_deal()
    assert findings(deal, reference()) == []
    assert (deal.key, deal.revision, deal.won, deal.kind) == (KEY, "r1", True, DealKind.NEW)
    assert (deal.amount, deal.currency, deal.close_date) == (money("2500 EUR"), "EUR", date(2026, 3, 1))
    assert (deal.start, deal.end) == (date(2026, 4, 1), date(2027, 3, 31))
    (line,) = deal.lines
    assert [line.quantity, line.rate, line.hours] == [2, 1250, 40]
    assert line.amount == money("2500 EUR")
    assert (line.description, line.billing_type, line.milestones) == ("Roll-out", BillingType.FIXED, ())
    (person,) = deal.contacts
    assert (person.id, person.first_name, person.last_name, person.primary) == (
        "003Hp00001AAAAAIA4",
        None,
        "Braun",
        True,
    )
    assert deal.won_at is not None
    assert deal.won_at.isoformat() == "2026-03-02T08:59:00+00:00"


def test_amounts_pass_through_as_they_were_written() -> None:
    """JSONata knows floating-point numbers only: none may touch an amount."""
    amount = Decimal("90071992547409.93")
    deal = a_deal(opportunity={"Amount": amount}, lines=[a_line(TotalPrice=amount, UnitPrice=Decimal("0.1"))])
    assert deal.amount.amount == deal.lines[0].amount.amount == amount
    assert str(deal.lines[0].rate) == "0.1"


@pytest.mark.parametrize("absent", ["null", "missing"])
def test_what_is_null_or_missing_is_none(absent: str) -> None:
    document = a_document()
    optional = [
        *("CurrencyIsoCode", "Legal_Entity__c", "Commercial_Terms_Approved__c", "Delivery_Owner_Email__c"),
        *("PO_Number__c", "Contract_Start__c", "Contract_End__c", "LastStageChangeDate", "CloseDate", "Amount"),
    ]
    for name in optional:
        if absent == "null":
            document["opportunity"][name] = None
        else:
            del document["opportunity"][name]
    deal = as_deal(KEY, CrmDeal(OPPORTUNITY, "r1", document), MAPPING)
    assert (deal.currency, deal.amount) == ("USD", money("0 USD"))
    assert (deal.legal_entity, deal.delivery_owner_email, deal.po_number) == (None, None, None)
    assert (deal.start, deal.end, deal.close_date, deal.won_at) == (None, None, None, None)
    assert deal.terms_approved is False


def test_a_deal_without_account_contacts_or_lines() -> None:
    deal = a_deal(account=None, contacts=[], lines=[])
    assert (deal.account, deal.contacts, deal.lines) == (None, (), ())
    parts = {name: value for name, value in a_document().items() if name == "opportunity"}
    assert as_deal(KEY, CrmDeal(OPPORTUNITY, "r1", parts), MAPPING).lines == ()


def test_a_deal_that_is_not_won_has_no_moment_of_winning() -> None:
    deal = a_deal(opportunity={"IsWon": False, "StageName": "Proposal"})
    assert (deal.won, deal.stage, deal.won_at) == (False, "Proposal", None)


@pytest.mark.parametrize(
    ("written", "kind"), [("Change Order", "change_order"), ("Renewal", "renewal"), ("New", "new")]
)
def test_kinds_are_read_as_people_write_them(written: str, kind: str) -> None:
    assert a_deal(opportunity={"Deal_Kind__c": written}).kind == kind


@pytest.mark.parametrize(
    ("written", "billing"),
    [("Fixed", "fixed"), ("Milestone", "milestone"), ("Time and Materials", "time_and_materials"), (None, None)],
)
def test_billing_types_are_read_as_people_write_them(written: str | None, billing: str | None) -> None:
    (line,) = a_deal(lines=[a_line(Billing_Type__c=written, Billing_Frequency__c="Monthly")]).lines
    assert (line.billing_type, line.billing_frequency) == (billing, BillingFrequency.MONTHLY)


def test_a_line_is_described_by_the_best_text_there_is() -> None:
    lines = [
        a_line(Id="1"),
        a_line(Id="2", Description=None),
        a_line(Id="3", Description="", Product2=None),
    ]
    assert [line.description for line in a_deal(lines=lines).lines] == [
        "Roll-out",
        "Implementation",
        "Rhein Werke Implementation",
    ]


def _schedule(id: str, line: str, revenue: str, **fields: Any) -> dict[str, Any]:
    given = {
        "Id": id,
        "OpportunityLineItemId": line,
        "ScheduleDate": "2026-06-30",
        "Revenue": Decimal(revenue),
        "Description": "Design accepted",
        "Type": "Revenue",
    }
    return given | fields


def test_schedules_are_the_milestones_of_their_line() -> None:
    lines = [
        a_line(Id="L1", Billing_Type__c="Milestone"),
        a_line(Id="L2", Billing_Type__c="Milestone"),
        a_line(Id="L3", Billing_Type__c="Milestone"),
        a_line(Id="L4"),
    ]
    schedules = [
        _schedule("S1", "L1", "1000.00"),
        _schedule("S2", "L2", "2500.00", Description=None),
        _schedule("S3", "L1", "1500.00"),
        _schedule("S4", "L1", "7", Type="Quantity", Revenue=None),
        _schedule("S5", "L4", "2500.00"),
    ]
    first, second, third, fixed = a_deal(lines=lines, schedules=schedules).lines
    assert [(each.id, str(each.amount)) for each in first.milestones] == [("S1", "1000.00 EUR"), ("S3", "1500.00 EUR")]
    assert [(each.id, each.name) for each in second.milestones] == [("S2", "Milestone 2026-06-30")]
    assert (third.milestones, fixed.milestones) == ((), ())


@pytest.mark.parametrize(
    ("text", "registrations"),
    [
        (None, []),
        ("", []),
        ("DE:DE811907980", [("DE", "DE811907980")]),
        ("DE:DE811907980;FR: FR40303265045", [("DE", "DE811907980"), ("FR", "FR40303265045")]),
        ("de: DE811907980\r\n\r\n us :12-3456789 \n", [("DE", "DE811907980"), ("US", "12-3456789")]),
        ("none yet", []),
    ],
)
def test_tax_registrations_are_read_line_by_line(text: str | None, registrations: list[tuple[str, str]]) -> None:
    account = a_deal(account=an_account(Tax_Registrations__c=text)).account
    assert account is not None
    assert [(each.country, each.number) for each in account.tax_registrations] == registrations


@pytest.mark.parametrize(
    ("written", "code"), [("Germany", "DE"), (" deutschland ", "DE"), ("FR", "FR"), ("uk", "GB"), (None, None)]
)
def test_countries_are_codes(written: str | None, code: str | None) -> None:
    account = a_deal(account=an_account(BillingCountry=written)).account
    assert account is not None
    assert account.billing_address is not None
    assert account.billing_address.country == code


@pytest.mark.parametrize("depth", [1, 5, 100])
def test_the_tree_of_accounts_is_kept_to_its_root(depth: int) -> None:
    tree = None
    for level in range(depth):
        tree = an_account(Id=f"001-{level}", **({"parent": tree} if tree else {}))
    account = a_deal(account=tree).account
    assert account is not None
    assert [each.id for each in account.lineage()] == [f"001-{level}" for level in reversed(range(depth))]


def test_five_hundred_lines() -> None:
    lines = [a_line(Id=f"00k{number:03}", TotalPrice=Decimal("10.01")) for number in range(500)]
    deal = a_deal(lines=lines)
    assert [line.id for line in deal.lines] == [f"00k{number:03}" for number in range(500)]


# What cannot be read


def test_fields_that_make_no_deal_are_named_as_the_crm_names_them() -> None:
    lines = [a_line(Id="L1", Billing_Type__c="Barter"), a_line(Id="L2", TotalPrice=Decimal("1E+30"))]
    with pytest.raises(RejectedError) as caught:
        a_deal(opportunity={"CurrencyIsoCode": "EURO", "Contract_Start__c": "soon"}, lines=lines)
    told = {finding.field: finding for finding in caught.value.findings}
    assert {"CurrencyIsoCode", "Contract_Start__c", "Billing_Type__c (line L1)"} <= set(told)
    assert "'soon'" in told["Contract_Start__c"].message
    assert all(finding.rule == "field_readable" for finding in caught.value.findings)
    assert caught.value.connection == "salesforce"


def test_a_field_that_is_missing_is_said_in_few_words() -> None:
    with pytest.raises(RejectedError) as caught:
        a_deal(opportunity={"Name": None}, lines=[a_line(Id=f"L{number}") for number in range(200)])
    (finding,) = caught.value.findings
    assert finding.field == "name"
    assert len(finding.message) < 200


def test_a_failing_expression_is_the_mappings_fault() -> None:
    mapping = MAPPING.model_copy(update={"deal": '{"name": $undefined(opportunity.Name)}'})
    with pytest.raises(ConfigurationError, match=r"mappings/fields/salesforce\.yaml: deal: the expression fails"):
        as_deal(KEY, CrmDeal(OPPORTUNITY, "r1", a_document()), mapping)


def test_an_expression_that_gives_no_deal_is_the_mappings_fault() -> None:
    mapping = MAPPING.model_copy(update={"deal": "opportunity.Nothing"})
    with pytest.raises(ConfigurationError, match="gives no object"):
        as_deal(KEY, CrmDeal(OPPORTUNITY, "r1", a_document()), mapping)


# Expressions


def test_syntax_is_checked_without_a_document() -> None:
    assert check("opportunity.Name") is None
    assert check("(opportunity.") is not None


def test_values_come_back_plain() -> None:
    value = evaluate('{"list": lines.Id, "one": [lines[0].Id], "none": lines.Nothing}', a_document(), named="x")
    assert value == {"list": "00kHp00001AAAAAIA4", "one": ["00kHp00001AAAAAIA4"]}
    assert type(value) is dict
    assert type(value["one"]) is list


def test_an_expression_is_used_again_without_memory_of_the_last() -> None:
    first, second = a_deal(opportunity={"Name": "One"}), a_deal(opportunity={"Name": "Two"})
    assert (first.name, second.name) == ("One", "Two")
