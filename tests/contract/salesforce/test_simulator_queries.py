"""SOQL as the simulator answers it."""

import pytest

from dealbridge_local.simulators.salesforce import SalesforceSimulator

from .conftest import DATA, Org


def test_a_deal_is_read_whole_in_one_query(org: Org) -> None:
    account_id = org.account(Name="Acme", ParentId=org.account(Name="Acme Group"))
    deal_id = org.deal(AccountId=account_id)
    org.line(deal_id, Description="Design")
    (deal,) = org.records(
        "SELECT Id, Name, Amount, Account.Name, Account.Parent.Name, Account.Owner.Username,"
        " (SELECT Quantity, TotalPrice, PricebookEntry.Product2.ProductCode FROM OpportunityLineItems),"
        " (SELECT ContactId FROM OpportunityContactRoles)"
        f" FROM Opportunity WHERE Id = '{deal_id[:15]}'"
    )

    assert deal["attributes"] == {"type": "Opportunity", "url": f"{DATA}/sobjects/Opportunity/{deal_id}"}
    assert deal["Amount"] == 1500.0
    assert (deal["Account"]["Name"], deal["Account"]["Parent"]["Name"]) == ("Acme", "Acme Group")
    assert deal["Account"]["Owner"]["Username"] == org.simulator.credentials()["username"]
    lines = deal["OpportunityLineItems"]
    assert (lines["totalSize"], lines["done"]) == (1, True)
    assert lines["records"][0]["PricebookEntry"]["Product2"]["ProductCode"] == "CONS-TECH"
    assert deal["OpportunityContactRoles"] is None


def test_a_parent_that_is_not_set_is_null(org: Org) -> None:
    deal_id = org.deal()
    (deal,) = org.records(f"SELECT Account.Parent.Name, Name FROM Opportunity WHERE Id = '{deal_id}'")

    assert (deal["Account"], deal["Name"]) == (None, "ERP rollout")


def _names(org: Org, where: str) -> list[str]:
    return [record["Name"] for record in org.records(f"SELECT Name FROM Opportunity WHERE {where} ORDER BY Name")]


@pytest.fixture
def deals(org: Org) -> Org:
    """Four deals, a to d, an hour between their last changes; the clock stands at the last one's."""
    acme = org.account(Name="Acme")
    org.deal(Name="a", Amount=100, CloseDate="2026-11-20", AccountId=acme, StageName="Closed Won")
    org.clock.advance(hours=1)
    org.deal(Name="b", Amount=200, CloseDate="2026-11-23", AccountId=acme, PO_Number__c="PO'1")
    org.clock.advance(hours=1)
    org.deal(Name="c", Amount=300, CloseDate="2026-12-01", Legal_Entity__c="EMEA-DE", StageName="Closed Won")
    org.clock.advance(hours=1)
    org.deal(Name="d", CloseDate="2027-01-15", CurrencyIsoCode="JPY", Commercial_Terms_Approved__c=True)
    return org


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("Amount > 100", "bc"),
        ("Amount >= 100 AND Amount < 300", "ab"),
        ("Amount <= 100", "a"),
        ("Amount != 100", "bcd"),
        ("Amount = null", "d"),
        ("NOT Amount = null", "abc"),
        ("IsWon = true", "ac"),
        ("Commercial_Terms_Approved__c = TRUE OR Name = 'A'", "ad"),
        ("(Name = 'a' OR Name = 'b') AND IsWon = false", "b"),
        ("Name IN ('a', 'C')", "ac"),
        ("Name NOT IN ('a', 'c')", "bd"),
        ("Legal_Entity__c LIKE 'emea%'", "c"),
        ("Legal_Entity__c LIKE 'EMEA_DE'", "c"),
        ("Legal_Entity__c LIKE 'EMEA'", ""),
        ("PO_Number__c = 'PO\\'1'", "b"),
        ("PO_Number__c != 'PO\\'1'", "acd"),
        ("CurrencyIsoCode = 'jpy'", "d"),
        ("Account.Name = 'acme'", "ab"),
        ("Account.Name = null", "cd"),
        ("CloseDate = 2026-11-23", "b"),
        ("CloseDate < 2026-11-23", "a"),
        ("CloseDate = TODAY", "b"),
        ("CloseDate = LAST_N_DAYS:3", "ab"),
        ("CloseDate = THIS_MONTH", "ab"),
        ("CloseDate > THIS_MONTH", "cd"),
        ("CloseDate <= THIS_YEAR", "abc"),
        ("CloseDate = NEXT_YEAR", "d"),
        ("CloseDate != NEXT_N_DAYS:30", "abd"),
        ("SystemModstamp > 2026-11-23T19:00:00Z", "cd"),
        ("SystemModstamp >= 2026-11-23T20:00:00%2B01:00", "bcd"),
        ("SystemModstamp = TODAY", "abcd"),
        ("SystemModstamp < 2026-11-23T18:00:00.500Z", "a"),
        ("AccountId IN (SELECT Id FROM Account WHERE Name = 'Acme')", "ab"),
        ("Id NOT IN (SELECT OpportunityId FROM OpportunityLineItem)", "abcd"),
    ],
)
def test_conditions_select_deals(deals: Org, where: str, found: str) -> None:
    assert "".join(_names(deals, where.replace("%2B", "+"))) == found


def test_line_items_are_found_through_their_parents(org: Org) -> None:
    deal_id = org.deal()
    line_id = org.line(deal_id)
    org.line(org.deal())
    org.create(
        "OpportunityLineItemSchedule",
        OpportunityLineItemId=line_id,
        Type="Revenue",
        ScheduleDate="2026-12-01",
        Revenue=500,
    )

    schedules = org.records(
        "SELECT OpportunityLineItemId, Revenue FROM OpportunityLineItemSchedule"
        f" WHERE OpportunityLineItem.OpportunityId = '{deal_id}'"
    )
    lines = org.records(
        f"SELECT Id FROM OpportunityLineItem WHERE Opportunity.Name = 'erp rollout' AND OpportunityId = '{deal_id}'"
    )
    assert [(each["OpportunityLineItemId"], each["Revenue"]) for each in schedules] == [(line_id, 500.0)]
    assert [each["Id"] for each in lines] == [line_id]


def test_children_are_filtered_sorted_and_cut(org: Org) -> None:
    deal_id = org.deal()
    for quantity in (3, 1, 2, 5):
        org.line(deal_id, Quantity=quantity)
    (deal,) = org.records(
        "SELECT (SELECT Quantity FROM OpportunityLineItems WHERE Quantity > 1 ORDER BY Quantity DESC LIMIT 2)"
        f" FROM Opportunity WHERE Id = '{deal_id}'"
    )

    assert [line["Quantity"] for line in deal["OpportunityLineItems"]["records"]] == [5.0, 3.0]


def test_order_puts_nulls_first_unless_told_and_takes_several_fields(deals: Org) -> None:
    def names(order: str) -> str:
        return "".join(each["Name"] for each in deals.records(f"SELECT Name FROM Opportunity ORDER BY {order}"))

    assert names("Amount") == "dabc"
    assert names("Amount DESC NULLS LAST") == "cbad"
    assert names("IsWon DESC, Name DESC") == "cadb"
    assert names("Name LIMIT 2 OFFSET 1") == "bc"


def test_counts_and_groups(deals: Org) -> None:
    assert deals.query("SELECT COUNT() FROM Opportunity WHERE IsWon = true") == {
        "totalSize": 2,
        "done": True,
        "records": [],
    }
    rows = deals.records("SELECT IsWon, COUNT(Id), SUM(Amount) total, MAX(CloseDate) FROM Opportunity GROUP BY IsWon")
    assert [{key: row[key] for key in row if key != "attributes"} for row in rows] == [
        {"IsWon": True, "expr0": 2, "total": 400.0, "expr1": "2026-12-01"},
        {"IsWon": False, "expr0": 2, "total": 200.0, "expr1": "2027-01-15"},
    ]
    assert rows[0]["attributes"] == {"type": "AggregateResult"}


def test_all_fields_come_with_a_limit_only(org: Org) -> None:
    org.account()
    (account,) = org.records("SELECT FIELDS(CUSTOM) FROM Account LIMIT 200")

    assert set(account) - {"attributes"} == {
        "Legal_Name__c",
        "Tax_Registrations__c",
        "Payment_Terms__c",
        "ERP_Id__c",
        "ERP_Customer_Number__c",
    }
    assert org.query_refusal("SELECT FIELDS(ALL) FROM Account")[1] == "MALFORMED_QUERY"


def test_deleted_records_show_in_query_all_only(org: Org) -> None:
    account_id = org.account()
    org.send("DELETE", f"sobjects/Account/{account_id}")
    soql = "SELECT Id, IsDeleted FROM Account"

    assert org.records(soql) == []
    assert [(each["Id"], each["IsDeleted"]) for each in org.records(soql, "queryAll")] == [(account_id, True)]


def test_long_results_come_in_pages(org: Org) -> None:
    accounts = [{"attributes": {"type": "Account"}, "Name": f"{number:04d}"} for number in range(450)]
    for start in range(0, 450, 200):
        org.send("POST", "composite/sobjects", {"records": accounts[start : start + 200]})
    soql = "SELECT Name FROM Account ORDER BY Name"

    first = org.http.get(f"{DATA}/query", params={"q": soql}, headers={"Sforce-Query-Options": "batchSize=200"}).json()
    second = org.http.get(first["nextRecordsUrl"], headers={"Sforce-Query-Options": "batchSize=200"}).json()
    third = org.http.get(second["nextRecordsUrl"], headers={"Sforce-Query-Options": "batchSize=200"}).json()

    assert [len(page["records"]) for page in (first, second, third)] == [200, 200, 50]
    assert [page["totalSize"] for page in (first, second, third)] == [450, 450, 450]
    assert first["nextRecordsUrl"].startswith(f"{DATA}/query/01g")
    assert first["nextRecordsUrl"].endswith("-200")
    assert (third["done"], "nextRecordsUrl" in third) == (True, False)
    assert third["records"][-1]["Name"] == "0449"
    assert org.query(soql)["done"] is True
    assert org.refusal(org.send("GET", "query/01gnothing-200"))[:2] == (400, "INVALID_QUERY_LOCATOR")


def test_the_lines_of_a_large_deal_come_in_pages_of_their_own(org: Org) -> None:
    deal_id, entry_id = org.deal(), org.entry()
    line = {"OpportunityId": deal_id, "PricebookEntryId": entry_id, "Quantity": 1, "UnitPrice": 10}
    for size in (200, 200, 100):
        records = [{"attributes": {"type": "OpportunityLineItem"}, **line} for _ in range(size)]
        assert all(each["success"] for each in org.send("POST", "composite/sobjects", {"records": records}).json())
    (deal,) = org.records(
        f"SELECT Amount, (SELECT TotalPrice FROM OpportunityLineItems) FROM Opportunity WHERE Id = '{deal_id}'"
    )

    lines = deal["OpportunityLineItems"]
    assert (lines["totalSize"], lines["done"], len(lines["records"])) == (500, False, 499)
    rest = org.http.get(lines["nextRecordsUrl"]).json()
    assert (rest["done"], len(rest["records"])) == (True, 1)
    assert deal["Amount"] == 5000.0
    flat = org.query(f"SELECT TotalPrice FROM OpportunityLineItem WHERE OpportunityId = '{deal_id}'")
    assert (flat["totalSize"], flat["done"]) == (500, True)


@pytest.mark.parametrize(
    ("soql", "code", "said"),
    [
        ("SELECT Id, Nam FROM Account", "INVALID_FIELD", "^\nERROR at Row:1:Column:12\nNo such column 'Nam'"),
        ("SELECT Id FROM Account WHERE Nam = 'x'", "INVALID_FIELD", "No such column 'Nam' on entity 'Account'"),
        ("SELECT Company.Name FROM Account", "INVALID_FIELD", "Didn't understand relationship 'Company'"),
        ("SELECT Id FROM Acount", "INVALID_TYPE", "sObject type 'Acount' is not supported"),
        ("SELECT (SELECT Id FROM Deals) FROM Account", "INVALID_TYPE", "Didn't understand relationship 'Deals'"),
        ("SELECT Id FORM Account", "MALFORMED_QUERY", "unexpected token: 'FORM'"),
        ("SELECT Id FROM Account WHERE", "MALFORMED_QUERY", "unexpected token: '<EOF>'"),
        ("SELECT Id FROM Account LIMIT x", "MALFORMED_QUERY", "unexpected token: 'x'"),
        ("SELECT Id FROM Account WHERE Name = Acme", "INVALID_FIELD", "should be enclosed in quotes"),
        ("SELECT Id FROM Opportunity WHERE CloseDate = '2026-11-23'", "INVALID_FIELD", "should not be enclosed"),
        ("SELECT Id FROM Opportunity WHERE SystemModstamp > 2026-11-23", "INVALID_FIELD", "must be of type dateTime"),
        ("SELECT Id FROM Account WHERE Id = 'acme'", "INVALID_QUERY_FILTER_OPERATOR", "invalid ID field: acme"),
        ("SELECT Id FROM Account WHERE Tax_Registrations__c = 'x'", "INVALID_FIELD", "can not be filtered"),
        ("SELECT Id FROM Opportunity WHERE Amount LIKE '1%'", "INVALID_QUERY_FILTER_OPERATOR", "Amount LIKE"),
        ("SELECT Id FROM Account OFFSET 2001", "NUMBER_OUTSIDE_VALID_RANGE", "Maximum SOQL offset"),
    ],
)
def test_a_query_with_a_mistake_is_refused_with_its_place(org: Org, soql: str, code: str, said: str) -> None:
    status, refused, message = org.query_refusal(soql)

    assert (status, refused) == (400, code)
    assert said in message


def test_a_feature_that_is_off_leaves_no_trace_in_the_schema(org: Org, private_key: str) -> None:
    plain = Org(
        SalesforceSimulator(org.clock, private_key=private_key, multi_currency=False, products_and_schedules=False),
        org.clock,
    )

    assert plain.query_refusal("SELECT CurrencyIsoCode FROM Opportunity")[1] == "INVALID_FIELD"
    assert plain.query_refusal("SELECT Id FROM CurrencyType")[1] == "INVALID_TYPE"
    assert plain.query_refusal("SELECT Id FROM OpportunityLineItemSchedule")[1] == "INVALID_TYPE"
    assert plain.query_refusal("SELECT HasRevenueSchedule FROM OpportunityLineItem")[1] == "INVALID_FIELD"
    (entry,) = plain.records("SELECT Id FROM PricebookEntry WHERE ProductCode = 'CONS-TECH'")
    deal_id = plain.create("Opportunity", Name="x", StageName="Prospecting", CloseDate="2026-11-30")
    plain.create("OpportunityLineItem", OpportunityId=deal_id, PricebookEntryId=entry["Id"], Quantity=2, UnitPrice=5)
    assert plain.read("Opportunity", deal_id)["Amount"] == 10.0


def test_a_fresh_org_has_currencies_stages_users_and_a_price_book(org: Org) -> None:
    places = {
        each["IsoCode"]: each["DecimalPlaces"]
        for each in org.records("SELECT IsoCode, DecimalPlaces FROM CurrencyType")
    }

    assert (places["JPY"], places["EUR"], len(places)) == (0, 2, 8)
    assert org.query("SELECT COUNT() FROM PricebookEntry WHERE Pricebook2.IsStandard = true")["totalSize"] == 64
    stages = org.records("SELECT MasterLabel, IsWon FROM OpportunityStage WHERE IsClosed = true ORDER BY SortOrder")
    assert [(stage["MasterLabel"], stage["IsWon"]) for stage in stages] == [
        ("Closed Won", True),
        ("Closed Lost", False),
    ]
