"""The SOQL parser: the tree of a query, and the place of what it cannot read."""

from decimal import Decimal

import pytest

from dealbridge_local.simulators.salesforce.errors import ApiError
from dealbridge_local.simulators.salesforce.soql import (
    Aggregate,
    AllFields,
    Both,
    Comparison,
    Either,
    Membership,
    Not,
    Number,
    Order,
    Query,
    Text,
    Word,
    parse,
)


def test_the_parts_of_a_query() -> None:
    query = parse(
        "select Id, Account.Owner.Name, (SELECT Id FROM OpportunityLineItems WHERE Quantity > 1)"
        " from Opportunity where IsWon = true order by CloseDate desc nulls last, Name limit 10 offset 5 all rows"
    )

    assert query == Query(
        selected=(
            ("Id",),
            ("Account", "Owner", "Name"),
            Query((("Id",),), "OpportunityLineItems", Comparison(("Quantity",), ">", Number(Decimal(1)))),
        ),
        sobject="Opportunity",
        where=Comparison(("IsWon",), "=", Word("TRUE")),
        order_by=(Order(("CloseDate",), True, True), Order(("Name",), False, False)),
        limit=10,
        offset=5,
    )


def test_and_binds_closer_than_or_and_not_closest() -> None:
    where = parse("SELECT Id FROM A WHERE x = 1 OR NOT y = 2 AND (z = 3 OR z = 4)").where

    def is_(name: str, number: int) -> Comparison:
        return Comparison((name,), "=", Number(Decimal(number)))

    assert where == Either((is_("x", 1), Both((Not(is_("y", 2)), Either((is_("z", 3), is_("z", 4)))))))


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("'it\\'s \\\\ \\n'", Text("it's \\ \n")),
        ("''", Text("")),
        ("-12.50", Number(Decimal("-12.50"))),
        ("1e3", Number(Decimal("1000"))),
        ("null", Word("NULL")),
        ("2026-11-23", Word("2026-11-23")),
        ("2026-11-23T18:00:00.123+01:00", Word("2026-11-23T18:00:00.123+01:00")),
        ("LAST_N_DAYS:30", Word("LAST_N_DAYS", 30)),
        ("today", Word("TODAY")),
    ],
)
def test_literals(written: str, value: object) -> None:
    assert parse(f"SELECT Id FROM A WHERE x = {written}").where == Comparison(("x",), "=", value)  # type: ignore[arg-type]


def test_membership_in_a_list_and_in_a_subquery() -> None:
    listed = parse("SELECT Id FROM A WHERE x NOT IN ('a', 'b')").where
    nested = parse("SELECT Id FROM A WHERE x IN (SELECT y FROM B WHERE z = 'c')").where

    assert listed == Membership(("x",), (Text("a"), Text("b")), negated=True)
    assert nested == Membership(("x",), Query((("y",),), "B", Comparison(("z",), "=", Text("c"))), negated=False)


def test_functions_and_aliases() -> None:
    assert parse("SELECT COUNT() FROM A").selected == (Aggregate("COUNT", None, None),)
    assert parse("SELECT a.b, SUM(a.c) total FROM A a GROUP BY a.b") == Query(
        (("b",), Aggregate("SUM", ("c",), "total")), "A", group_by=(("b",),)
    )
    assert parse("SELECT FIELDS(CUSTOM) FROM A LIMIT 1").selected == (AllFields("CUSTOM"),)
    assert parse("SELECT A.b FROM A WHERE A.c = 1").where == Comparison(("c",), "=", Number(Decimal(1)))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "unexpected token: '<EOF>'"),
        ("UPDATE A", "Column:1\nunexpected token: 'UPDATE'"),
        ("SELECT Id", "unexpected token: '<EOF>'"),
        ("SELECT Id, FROM A", "Column:17\nunexpected token: 'A'"),
        ("SELECT Id FROM A WHERE x =", "unexpected token: '<EOF>'"),
        ("SELECT Id FROM A WHERE x = 'open", "Column:28\nunexpected token: '''"),
        ("SELECT Id FROM A WHERE x == 1", "unexpected token: '='"),
        ("SELECT Id FROM A WHERE (x = 1", "unexpected token: '<EOF>'"),
        ("SELECT Id FROM A WHERE x IN 1", "unexpected token: '1'"),
        ("SELECT Id FROM A LIMIT -1", "unexpected token: '-1'"),
        ("SELECT Id FROM A a, a.Bs b", "unexpected token: ','"),
        ("SELECT MIN() FROM A", "unexpected token: ')'"),
        ("SELECT FORMAT(x) FROM A", "unexpected token: 'FORMAT'"),
        ("SELECT a..b FROM A", "unexpected token: 'a..b'"),
        ("SELECT a.b.c.d.e.f.g FROM A", "more than 5 levels"),
        ("SELECT Id FROM A WHERE x = 1 ; DROP", "unexpected token: ';'"),
    ],
)
def test_what_cannot_be_read_is_named(text: str, said: str) -> None:
    with pytest.raises(ApiError) as refused:
        parse(text)

    assert refused.value.code == "MALFORMED_QUERY"
    assert said in refused.value.message
