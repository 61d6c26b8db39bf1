"""SuiteQL: the queries a poller sends, and how the account prints what it finds."""

from collections.abc import Callable
from datetime import UTC
from decimal import Decimal

import pytest

from tests.contract.netsuite.conftest import Tenant

POLL = """
    SELECT t.id, t.tranid, t.type, t.status, t.entity, t.externalid, t.foreigntotal, t.foreignamountunpaid,
           TO_CHAR(t.lastmodifieddate, 'YYYY-MM-DD HH24:MI:SS') AS lm
    FROM transaction t
    WHERE t.type IN ('CustInvc', 'CustPymt') AND t.lastmodifieddate >= TO_DATE(?, 'YYYY-MM-DD HH24:MI:SS')
    ORDER BY t.lastmodifieddate, t.id
"""


@pytest.fixture
def billed(tenant: Tenant) -> Tenant:
    """Two orders of one customer, the first billed and partly paid a minute apart."""
    customer = tenant.customer(externalId="CUST-1")
    first = tenant.order(customer, externalId="SO-1")
    tenant.order(customer, {"item": {"id": "102"}, "quantity": 1, "rate": 39.95}, externalId="SO-2")
    tenant.clock.advance(minutes=1)
    invoice = tenant.simulator.bill(first, externalId="INV-1")["id"]
    tenant.clock.advance(minutes=1)
    tenant.simulator.pay(invoice, Decimal(500))
    return tenant


def test_a_poll_finds_invoices_and_payments_since_a_moment(billed: Tenant) -> None:
    assert billed.rows(POLL, "2026-11-23 00:00:00") == [
        {
            "id": "103",
            "tranid": "INV1001",
            "type": "CustInvc",
            "status": "A",
            "entity": "641",
            "externalid": "INV-1",
            "foreigntotal": "2000",
            "foreignamountunpaid": "1500",
            "lm": "2026-11-23 10:02:00",
        },
        {
            "id": "104",
            "tranid": "PYMT1001",
            "type": "CustPymt",
            "status": "C",
            "entity": "641",
            "foreigntotal": "500",
            "lm": "2026-11-23 10:02:00",
        },
    ]
    # The moment is account time, eight hours behind: 18:02 UTC asked for as such finds nothing.
    assert billed.rows(POLL, "2026-11-23 18:02:00") == []
    assert len(billed.rows(POLL, "2026-11-23 10:02:00")) == 2


def test_account_time_may_be_utc(tenant_with: Callable[..., Tenant]) -> None:
    tenant = tenant_with(time_zone=UTC)
    tenant.simulator.bill(tenant.order(tenant.customer()))
    assert [row["lm"] for row in tenant.rows(POLL, "2026-11-23 18:00:00")] == ["2026-11-23 18:00:00"]


def test_orders_invoices_and_payments_hang_together_by_links(billed: Tenant) -> None:
    query = """
        SELECT l.previousdoc, l.previoustype, l.nextdoc, l.nexttype, l.linktype, t.tranid
        FROM NextTransactionLineLink l INNER JOIN transaction t ON t.id = l.nextdoc
        WHERE l.previousdoc IN (101, 103) ORDER BY l.nextdoc
    """
    assert billed.rows(query) == [
        {
            "previousdoc": "101",
            "previoustype": "SalesOrd",
            "nextdoc": "103",
            "nexttype": "CustInvc",
            "linktype": "OrdBill",
            "tranid": "INV1001",
        },
        {
            "previousdoc": "103",
            "previoustype": "CustInvc",
            "nextdoc": "104",
            "nexttype": "CustPymt",
            "linktype": "Payment",
            "tranid": "PYMT1001",
        },
    ]


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        # Everything is a string, keys are lower case, nulls are left out.
        ("SELECT id, companyName, email FROM Customer", [{"id": "641", "companyname": "Acme Corp"}]),
        ("SELECT NVL(email, 'none') AS Email FROM customer", [{"email": "none"}]),
        ("SELECT NVL(isinactive,'F') AS f FROM customer WHERE NVL(isinactive,'F')='F'", [{"f": "F"}]),
        # A date-time that is not put through TO_CHAR comes back as a date.
        ("SELECT lastmodifieddate FROM customer", [{"lastmodifieddate": "11/23/2026"}]),
        ("SELECT trandate FROM transaction WHERE id = 101", [{"trandate": "11/23/2026"}]),
        ("SELECT COUNT(*) AS n FROM transaction", [{"n": "4"}]),
        ("SELECT COUNT(*) FROM transaction WHERE type = 'Journal'", [{"expr1": "0"}]),
        (
            "SELECT type, COUNT(*) n, SUM(foreigntotal) AS total FROM transaction GROUP BY type ORDER BY type",
            [
                {"type": "CustInvc", "n": "1", "total": "2000"},
                {"type": "CustPymt", "n": "1", "total": "500"},
                {"type": "SalesOrd", "n": "2", "total": "2039.95"},
            ],
        ),
        ("SELECT type FROM transaction GROUP BY type HAVING COUNT(*) > 1", [{"type": "SalesOrd"}]),
        ("SELECT MAX(id) AS last FROM transaction", [{"last": "104"}]),
        ("SELECT DISTINCT entity FROM transaction", [{"entity": "641"}]),
        (
            "SELECT externalid FROM transaction WHERE externalid LIKE 'SO-%' ORDER BY 1 DESC",
            [{"externalid": "SO-2"}, {"externalid": "SO-1"}],
        ),
        ("SELECT id FROM transaction WHERE externalid IS NULL", [{"id": "104"}]),
        ("SELECT id FROM transaction WHERE NOT (externalid = 'SO-1' OR externalid = 'SO-2')", [{"id": "103"}]),
        ("SELECT id FROM transaction WHERE id > '102' AND id <> 104", [{"id": "103"}]),
        ("SELECT id FROM transaction WHERE id BETWEEN 102 AND 103 ORDER BY id DESC", [{"id": "103"}, {"id": "102"}]),
        ("SELECT id FROM transaction WHERE foreigntotal * 2 = 4000 AND type LIKE 'Sales%'", [{"id": "101"}]),
        ("SELECT BUILTIN.DF(status) AS s FROM transaction WHERE id = 103", [{"s": "Invoice : Open"}]),
        ("SELECT BUILTIN.DF(t.entity) e FROM transaction t WHERE t.id = 102", [{"e": "Acme Corp"}]),
        ("SELECT CONCAT(firstname, lastname) AS fullname FROM employee WHERE id = 21", [{"fullname": "MaraLind"}]),
        ("SELECT UPPER(name) || '!' AS n FROM currency WHERE id = 4", [{"n": "EUR!"}]),
        ("SELECT TO_CHAR(SYSDATE, 'DD.MM.YYYY HH24:MI') AS now FROM dual", [{"now": "23.11.2026 10:02"}]),
        (
            "SELECT c.externalid, t.tranid FROM customer c JOIN transaction t ON t.entity = c.id AND t.type='CustInvc'",
            [{"externalid": "CUST-1", "tranid": "INV1001"}],
        ),
        (
            "SELECT e.id, t.id AS tran FROM employee e LEFT JOIN transaction t ON t.entity = e.id WHERE e.id = 22",
            [{"id": "22"}],
        ),
        (
            "SELECT linesequencenumber, item, quantity, foreignamount, mainline FROM transactionline "
            "WHERE transaction = 101 ORDER BY linesequencenumber",
            [
                {"linesequencenumber": "0", "foreignamount": "2000", "mainline": "T"},
                {
                    "linesequencenumber": "1",
                    "item": "101",
                    "quantity": "-10",
                    "foreignamount": "-2000",
                    "mainline": "F",
                },
            ],
        ),
    ],
)
def test_queries(billed: Tenant, query: str, rows: list[dict[str, str]]) -> None:
    assert billed.rows(query) == rows


def test_projects_and_tasks_are_tables(tenant: Tenant) -> None:
    job = tenant.job(tenant.customer(), externalId="PROJ-1", estimatedRevenue=1000, estimatedCost=400)
    tenant.make("projectTask", project={"id": job}, title="Design", externalId="TASK-1")
    query = """
        SELECT j.externalid AS job, j.estimatedgrossprofit, p.title, BUILTIN.DF(j.entitystatus) AS status
        FROM job j JOIN projecttask p ON p.project = j.id
    """
    assert tenant.rows(query) == [
        {"job": "PROJ-1", "estimatedgrossprofit": "600", "title": "Design", "status": "Pending"}
    ]
    assert tenant.rows("SELECT type FROM entity WHERE externalid = 'PROJ-1'") == [{"type": "Job"}]


def test_results_come_in_pages(billed: Tenant) -> None:
    page = billed.query("SELECT id FROM transaction ORDER BY id", limit="2", offset="2").json()
    assert [row["id"] for row in page["items"]] == ["103", "104"]
    assert page["items"][0]["links"] == []
    assert (page["count"], page["offset"], page["totalResults"], page["hasMore"]) == (2, 2, 4, False)
    assert billed.query("SELECT id FROM transaction", limit="2").json()["hasMore"] is True
    error = billed.error(billed.query("SELECT id FROM transaction", limit="3", offset="2"))
    assert error["o:errorQueryParam"] == "offset"


def test_the_prefer_header_is_required(tenant: Tenant) -> None:
    response = tenant.send("POST", "/services/rest/query/v1/suiteql", {"q": "SELECT id FROM customer"})
    error = tenant.error(response)
    assert (error["status"], error["o:errorHeader"]) == (400, "Prefer")


@pytest.mark.parametrize(
    "query",
    [
        "SELECT",
        "DELETE FROM customer",
        "SELECT id FROM chargerule",
        "SELECT nothing FROM customer",
        "SELECT x.id FROM customer c",
        "SELECT id FROM customer c, job j",
        "SELECT FROBNICATE(id) FROM customer",
        "SELECT id FROM customer WHERE",
        "SELECT id FROM customer WHERE id = ? AND id = ?",
        "SELECT id FROM customer WHERE id",
        "SELECT id FROM customer WHERE lastmodifieddate > '2026-11-23 10:00'",
        "SELECT id FROM customer LIMIT 5",
        "SELECT id FROM customer ORDER BY 3",
        "SELECT TO_DATE('yesterday', 'YYYY-MM-DD') AS d FROM customer",
        "SELECT id; SELECT id",
    ],
)
def test_what_it_cannot_read_is_an_invalid_parameter(tenant: Tenant, query: str) -> None:
    tenant.customer()
    response = tenant.query(query, "1")
    assert tenant.refusal(response)[:2] == (400, "INVALID_PARAMETER")


def test_a_body_without_a_query_is_refused(tenant: Tenant) -> None:
    response = tenant.send(
        "POST", "/services/rest/query/v1/suiteql", {"query": "SELECT id FROM customer"}, headers={"Prefer": "transient"}
    )
    assert tenant.refusal(response) == (400, "INVALID_CONTENT", "q")
