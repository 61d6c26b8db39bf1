"""SAP's own Python client (pyodata), unmodified, against the simulator on a port.

pyodata reads `$metadata`, checks every name and type against it, and leaves the CSRF token to its caller.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pyodata  # type: ignore[import-untyped]
import pytest
import requests
from pyodata.exceptions import HttpError  # type: ignore[import-untyped]

from dealbridge_local.simulators.s4hana import S4HanaSimulator
from dealbridge_local.simulators.server import serving
from tests.contract.s4hana.conftest import INVOICES, JOURNAL, ORDERS, PARTNERS, PROJECTS, TIME, a_customer, a_project
from tests.contract.s4hana.conftest import an_item as an_order_item
from tests.contract.s4hana.conftest import an_order as an_order_body

type Connect = Callable[[str], Any]


@pytest.fixture
def simulator() -> S4HanaSimulator:
    return S4HanaSimulator(page_size=3)


@pytest.fixture
def connect(simulator: S4HanaSimulator) -> Iterator[Connect]:
    with serving(simulator) as url, requests.Session() as session:
        credentials = simulator.credentials()
        session.auth = (credentials["username"], credentials["password"])

        def client(service: str) -> Any:
            root = f"{url}/sap/opu/odata/sap/{service}/"
            token = session.get(root, headers={"x-csrf-token": "fetch", "Accept": "application/json"})
            session.headers["x-csrf-token"] = token.headers["x-csrf-token"]
            return pyodata.Client(root, session)

        yield client


@pytest.mark.parametrize("service", [PARTNERS, PROJECTS, ORDERS, INVOICES, JOURNAL, TIME])
def test_the_metadata_of_every_service_is_read(connect: Connect, service: str) -> None:
    client = connect(service)
    assert client.schema.entity_sets
    for entity_set in client.schema.entity_sets:
        assert entity_set.entity_type.key_proprties


def test_the_metadata_says_what_may_be_written(connect: Connect) -> None:
    project = connect(PROJECTS).schema.entity_type("A_EnterpriseProjectType")
    assert (project.proprty("CompanyCode").creatable, project.proprty("Project").creatable) == (False, True)
    assert project.proprty("Project").max_length == 24
    order = connect(ORDERS).schema.entity_type("A_SalesOrderType")
    assert order.proprty("PurchaseOrderByCustomer").max_length == 35
    assert (order.proprty("TotalNetAmount").precision, order.proprty("TotalNetAmount").scale) == (16, 3)


def test_a_deep_insert_and_its_reading(connect: Connect) -> None:
    partners = connect(PARTNERS)
    created = partners.entity_sets.A_BusinessPartner.create_entity().set(**a_customer()).execute()
    assert created.BusinessPartner == "1000140"
    read = partners.entity_sets.A_BusinessPartner.get_entity("1000140").expand("to_BusinessPartnerRole").execute()
    assert read.CreationDate.tzinfo is UTC
    assert len(read.to_BusinessPartnerRole) == 3
    company = partners.entity_sets.A_CustomerCompany.get_entity(Customer="1000140", CompanyCode="1010").execute()
    assert company.PaymentTerms == "NT30"
    assert created.nav("to_Customer").execute().Customer == "1000140"


def test_queries_with_filter_count_and_paging(connect: Connect) -> None:
    partners = connect(PARTNERS).entity_sets.A_BusinessPartner
    for _ in range(5):
        partners.create_entity().set(**a_customer(to_Customer={})).execute()
    only = partners.get_entities().filter(SearchTerm1="ACME")
    found = only.select("BusinessPartner").count(inline=True).execute()
    assert (len(found), found.total_count) == (3, 5)
    rest = partners.get_entities().next_url(found.next_url).execute()
    assert len(rest) == 2
    property_filter = partners.get_entities()
    newest = property_filter.filter(property_filter.BusinessPartner == "1000144").top(1).execute()
    assert newest[0].BusinessPartner == "1000144"


def test_dates_and_amounts_survive(connect: Connect) -> None:
    connect(PARTNERS).entity_sets.A_BusinessPartner.create_entity().set(**a_customer()).execute()
    orders = connect(ORDERS)
    body = an_order_body("1000140", an_order_item(), SalesOrderDate=datetime(2026, 3, 1, tzinfo=UTC))
    created = orders.entity_sets.A_SalesOrder.create_entity().set(**body).execute()
    assert created.SalesOrderDate == datetime(2026, 3, 1, tzinfo=UTC)
    read = orders.entity_sets.A_SalesOrder.get_entity(created.SalesOrder).execute()
    assert (read.TotalNetAmount, read.etag) == ("25000.00", created.etag)


def test_a_change_with_the_tag_it_was_read_with(connect: Connect) -> None:
    partners = connect(PARTNERS).entity_sets.A_BusinessPartner
    created = partners.create_entity().set(**a_customer()).execute()
    change = partners.update_entity(created.BusinessPartner).set(SearchTerm1="NEW")
    change.add_headers({"If-Match": created.etag})
    change.execute()
    assert partners.get_entity(created.BusinessPartner).execute().SearchTerm1 == "NEW"
    stale = partners.update_entity(created.BusinessPartner).set(SearchTerm1="OLD")
    stale.add_headers({"If-Match": created.etag})
    with pytest.raises(HttpError) as refused:
        stale.execute()
    assert refused.value.response.status_code == 412


def test_a_function_import(connect: Connect) -> None:
    projects = connect(PROJECTS)
    project = projects.entity_sets.A_EnterpriseProject.create_entity().set(**a_project()).execute()
    call = projects.functions.ChangeEntProjProcgStatus.parameter("ProjectUUID", project.ProjectUUID)
    assert call.parameter("ProcessingStatus", "10").execute().ProcessingStatus == "10"


def test_a_batch_with_a_change_set(connect: Connect) -> None:
    partners = connect(PARTNERS)
    changes = partners.create_changeset()
    changes.add_request(partners.entity_sets.A_BusinessPartner.create_entity().set(**a_customer()))
    changes.add_request(partners.entity_sets.A_BusinessPartner.create_entity().set(**a_customer()))
    batch = partners.create_batch()
    batch.add_request(changes)
    batch.add_request(partners.entity_sets.A_BusinessPartner.get_entities().filter(SearchTerm1="ACME"))
    created, found = batch.execute()
    assert [each.BusinessPartner for each in created] == ["1000140", "1000141"]
    assert len(found) == 2


def test_a_failed_batch_is_seen_inside(connect: Connect) -> None:
    partners = connect(PARTNERS)
    changes = partners.create_changeset()
    changes.add_request(partners.entity_sets.A_BusinessPartner.create_entity().set(**a_customer()))
    changes.add_request(partners.entity_sets.A_BusinessPartner.create_entity().set(BusinessPartnerCategory="9"))
    batch = partners.create_batch()
    batch.add_request(changes)
    with pytest.raises(HttpError):
        batch.execute()
    assert partners.entity_sets.A_BusinessPartner.get_entities().filter(SearchTerm1="ACME").execute() == []


def test_many_clients_at_once(connect: Connect, simulator: S4HanaSimulator) -> None:
    connect(PARTNERS).entity_sets.A_BusinessPartner.create_entity().set(**a_customer()).execute()
    credentials = simulator.credentials()

    def order(number: int) -> str:
        with requests.Session() as session:
            session.auth = (credentials["username"], credentials["password"])
            root = f"{simulator.base_url}/sap/opu/odata/sap/{ORDERS}/"
            accept = {"Accept": "application/json"}
            token = session.get(root, headers={"x-csrf-token": "fetch", **accept}).headers["x-csrf-token"]
            body = an_order_body("1000140", PurchaseOrderByCustomer=f"DEAL-{number}")
            made = session.post(f"{root}A_SalesOrder", json=body, headers={"x-csrf-token": token, **accept})
            return str(made.json()["d"]["SalesOrder"])

    with ThreadPoolExecutor(20) as pool:
        numbers = list(pool.map(order, range(60)))
    assert sorted(map(int, numbers)) == list(range(1, 61))


def test_the_control_surface_speaks_of_the_same_records(connect: Connect, simulator: S4HanaSimulator) -> None:
    connect(PARTNERS).entity_sets.A_BusinessPartner.create_entity().set(**a_customer()).execute()
    with requests.Session() as session:
        shown = session.get(f"{simulator.base_url}/__sim/records/A_BusinessPartner").json()
        assert shown[-1]["BusinessPartner"] == "1000140"
        assert shown[-1]["__metadata"]["type"] == "API_BUSINESS_PARTNER.A_BusinessPartnerType"
        assert session.post(f"{simulator.base_url}/__sim/reset").status_code == 204
        assert "A_Customer" not in session.get(f"{simulator.base_url}/__sim/records").json()
