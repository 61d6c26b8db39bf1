"""Lists of records: pages, the q parameter, many by id."""

import pytest

from tests.contract.netsuite.conftest import Tenant

# Collections


def test_a_collection_lists_ids_only_page_by_page(tenant: Tenant) -> None:
    made = [tenant.customer(companyName=f"Customer {number}") for number in range(5)]
    page = tenant.send("GET", "customer", params={"limit": "2", "offset": "2"}).json()
    assert [item["id"] for item in page["items"]] == made[2:4]
    assert set(page["items"][0]) == {"links", "id"}
    assert (page["count"], page["offset"], page["hasMore"], page["totalResults"]) == (2, 2, True, 5)
    assert {link["rel"] for link in page["links"]} == {"self", "next", "last", "prev", "first"}


@pytest.mark.parametrize(
    ("params", "wrong"),
    [
        ({"limit": "1001"}, "limit"),
        ({"limit": "0"}, "limit"),
        ({"limit": "x"}, "limit"),
        ({"limit": "10", "offset": "5"}, "offset"),
        ({"limit": "1", "offset": "1000"}, "offset"),
    ],
)
def test_a_wrong_page_is_refused(tenant: Tenant, params: dict[str, str], wrong: str) -> None:
    error = tenant.error(tenant.send("GET", "customer", params=params))
    assert (error["o:errorCode"], error["o:errorQueryParam"]) == ("INVALID_PARAMETER", wrong)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ('companyName IS "Beta GmbH"', ["Beta GmbH"]),
        ("email START_WITH alpha", ["Alpha Inc"]),
        ("email EMPTY", ["Beta GmbH"]),
        ("email EMPTY_NOT AND isInactive IS false", ["Alpha Inc", "Gamma Ltd"]),
        ("creditLimit GREATER_OR_EQUAL 1000 OR companyName CONTAIN beta", ["Beta GmbH", "Gamma Ltd"]),
        ("creditLimit BETWEEN [1, 600]", ["Alpha Inc"]),
        ("id ANY_OF [641, 643]", ["Alpha Inc", "Gamma Ltd"]),
        ("subsidiary EQUAL 2", ["Beta GmbH"]),
        ('(companyName IS "Alpha Inc" OR companyName IS "Gamma Ltd") AND creditLimit LESS 1000', ["Alpha Inc"]),
        ('dateCreated ON_OR_AFTER "11/24/2026"', ["Gamma Ltd"]),
        ('dateCreated BEFORE "11/24/2026" AND companyName START_WITH_NOT Alpha', ["Beta GmbH"]),
        ('externalId IS "CUST-C"', ["Gamma Ltd"]),
    ],
)
def test_a_collection_is_filtered_by_q(tenant: Tenant, query: str, found: list[str]) -> None:
    tenant.customer(companyName="Alpha Inc", email="alpha@example.com", creditLimit=500)
    tenant.customer(companyName="Beta GmbH", subsidiary={"id": "2"})
    tenant.clock.advance(days=1)
    tenant.sign_in()
    tenant.customer(companyName="Gamma Ltd", email="g@example.com", creditLimit=5000, externalId="CUST-C")

    response = tenant.send("GET", "customer", params={"q": query})
    assert response.status_code == 200, response.text
    names = [tenant.read(f"customer/{item['id']}")["companyName"] for item in response.json()["items"]]
    assert names == found


@pytest.mark.parametrize(
    "query",
    ["compnyName IS x", "companyName LIKES x", "companyName IS", "creditLimit EQUAL x", "(companyName IS x", "a b c d"],
)
def test_a_wrong_q_is_refused(tenant: Tenant, query: str) -> None:
    error = tenant.error(tenant.send("GET", "customer", params={"q": query}))
    assert (error["o:errorCode"], error["o:errorQueryParam"]) == ("INVALID_PARAMETER", "q")


def test_records_are_read_many_at_a_time_by_their_ids(tenant: Tenant) -> None:
    one, two = tenant.customer(externalId="CUST-1"), tenant.customer(companyName="Beta")
    params = {"ids": f"eid:CUST-1,{two}", "expandRecords": "true"}
    items = tenant.send("GET", "customer", params=params).json()["items"]
    assert [item["id"] for item in items] == [one, two]
    assert items[1]["companyName"] == "Beta"


def test_a_collection_may_be_narrowed_to_ids(tenant: Tenant) -> None:
    one, two, _ = tenant.customer(externalId="CUST-1"), tenant.customer(), tenant.customer()
    page = tenant.send("GET", "customer", params={"ids": f"{two},eid:CUST-1"}).json()
    assert [item["id"] for item in page["items"]] == [two, one]
    assert (page["totalResults"], set(page["items"][0])) == (2, {"links", "id"})
    missing = tenant.send("GET", "customer", params={"ids": f"{one},99999"})
    assert tenant.refusal(missing)[:2] == (404, "NONEXISTENT_ID")
