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
def session(simulator: S4HanaSimulator) -> Iterator[requests.Session]:
    credentials = simulator.credentials()
    with requests.Session() as session:
        session.auth = (credentials["username"], credentials["password"])
        yield session


@pytest.fixture
def connect(simulator: S4HanaSimulator, session: requests.Session) -> Iterator[Connect]:
    with serving(simulator) as url:

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


def test_the_metadata_says_where_its_service_is(
    connect: Connect, session: requests.Session, simulator: S4HanaSimulator
) -> None:
    """SAP's generator of client code takes the base path from it."""
    root = f"{simulator.base_url}/sap/opu/odata/sap/{PROJECTS}"
    link = f'rel="self" href="{root}/$metadata"'
    assert link in session.get(f"{root}/$metadata").text


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


@pytest.mark.parametrize("method", ["PATCH", "PUT", "MERGE"])
def test_a_change_by_each_method_of_version_two(connect: Connect, method: str) -> None:
    """MERGE is the method of OData V2 that clients of SAP's services send unless told otherwise."""
    partners = connect(PARTNERS).entity_sets.A_BusinessPartner
    created = partners.create_entity().set(**a_customer(SearchTerm2="KEPT")).execute()
    change = partners.update_entity(created.BusinessPartner, method=method).set(SearchTerm1="NEW")
    change.add_headers({"If-Match": created.etag})
    change.execute()
    read = partners.get_entity(created.BusinessPartner).execute()
    assert (read.SearchTerm1, read.SearchTerm2) == ("NEW", "" if method == "PUT" else "KEPT")


@pytest.mark.parametrize(
    ("service", "tag", "status", "text"),
    [
        (PARTNERS, None, 428, "If-Match missing"),
        (ORDERS, None, 428, "If-Match missing"),
        (PROJECTS, None, 428, "If-Match missing"),
        (PROJECTS, 'W/"20260101090000"', 500, "ASSERTION_FAILED"),
        (PROJECTS, "*", 204, ""),
    ],
)
def test_which_tag_a_change_needs(connect: Connect, service: str, tag: str | None, status: int, text: str) -> None:
    made = made_in(connect, service)
    name, field = {
        PARTNERS: ("A_BusinessPartner", {"SearchTerm1": "X"}),
        ORDERS: ("A_SalesOrder", {"PurchaseOrderByCustomer": "X"}),
        PROJECTS: ("A_EnterpriseProject", {"ProjectDescription": "X"}),
    }[service]
    change = getattr(connect(service).entity_sets, name).update_entity(made.entity_key).set(**field)
    if tag is not None:
        change.add_headers({"If-Match": tag})
    if status == 204:
        change.execute()
        return
    with pytest.raises(HttpError) as refused:
        change.execute()
    assert refused.value.response.status_code == status
    assert text in refused.value.response.text


def made_in(connect: Connect, service: str) -> Any:
    """A partner, an order or a project."""
    partners = connect(PARTNERS).entity_sets.A_BusinessPartner
    if service == PROJECTS:
        return connect(PROJECTS).entity_sets.A_EnterpriseProject.create_entity().set(**a_project()).execute()
    partner = partners.create_entity().set(**a_customer()).execute()
    if service == PARTNERS:
        return partner
    body = an_order_body(partner.BusinessPartner, an_order_item())
    return connect(ORDERS).entity_sets.A_SalesOrder.create_entity().set(**body).execute()


def test_deep_inserts_show_what_came_with_them_and_navigation_reads_the_same(connect: Connect) -> None:
    order = made_in(connect, ORDERS)
    orders = connect(ORDERS).entity_sets.A_SalesOrder
    (item,) = order.nav("to_Item").get_entities().execute()
    assert (item.SalesOrderItem, item.NetAmount, item.RequestedQuantity) == ("10", "25000.00", "1")
    plan = item.nav("to_BillingPlan").execute()
    tree = "to_Item/to_BillingPlan/to_BillingPlanItem,to_Item/to_PricingElement,to_Partner"
    read = orders.get_entity(order.SalesOrder).expand(tree).execute()
    (date,) = read.to_Item[0].to_BillingPlan.to_BillingPlanItem
    assert date.BillingPlan == plan.BillingPlan
    assert (date.BillingPlanBillingDate, date.BillingPlanAmount) == (datetime(2026, 3, 31, tzinfo=UTC), "25000.00")
    assert {each.PartnerFunction for each in read.to_Partner} >= {"SP"}
    project = connect(PROJECTS).entity_sets.A_EnterpriseProject.create_entity().set(**a_project()).execute()
    elements = project.nav("to_EnterpriseProjectElement").get_entities().execute()
    assert {each.ProjectElement for each in elements} == {"PRJ-1", "PRJ-1-1", "PRJ-1-2"}
    projects = connect(PROJECTS).entity_sets.A_EnterpriseProject
    team = projects.get_entity(project.ProjectUUID).expand("to_EntProjTeamMember/to_EntProjEntitlement").execute()
    assert [each.to_EntProjEntitlement[0].ProjectRoleType for each in team.to_EntProjTeamMember] == ["YP_RL_0001"]


def test_records_are_made_and_deleted_below_others(connect: Connect) -> None:
    partners = connect(PARTNERS)
    customer = partners.entity_sets.A_BusinessPartner.create_entity().set(**a_customer()).execute()
    below = customer.nav("to_BusinessPartnerTax")
    number = below.create_entity().set(BPTaxType="DE0", BPTaxNumber="DE811907980").execute()
    assert number.BusinessPartner == customer.BusinessPartner
    assert below.get_entities().count().execute() == 1
    key = {"BusinessPartner": customer.BusinessPartner, "BPTaxType": "DE0"}
    partners.entity_sets.A_BusinessPartnerTaxNumber.delete_entity(**key).execute()
    with pytest.raises(HttpError) as gone:
        partners.entity_sets.A_BusinessPartnerTaxNumber.get_entity(**key).execute()
    assert gone.value.response.status_code == 404


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"SearchTerm1__startswith": "AC"}, 2),
        ({"SearchTerm1__endswith": "ME"}, 2),
        ({"SearchTerm1__contains": "CM"}, 2),
        ({"BusinessPartner__in": ["1000140", "77"]}, 1),
        ({"BusinessPartner__gte": "1000141", "SearchTerm1": "ACME"}, 1),
        ({"CreationDate__lt": datetime(2020, 1, 1, tzinfo=UTC)}, 0),
        ({"BusinessPartnerIDByExtSystem": "001XX0000ABCDEFAA1"}, 1),
    ],
)
def test_filters_as_the_client_writes_them(connect: Connect, given: dict[str, Any], found: int) -> None:
    partners = connect(PARTNERS).entity_sets.A_BusinessPartner
    partners.create_entity().set(**a_customer(BusinessPartnerIDByExtSystem="001Xx0000AbCdEfAA1")).execute()
    partners.create_entity().set(**a_customer()).execute()
    assert len(partners.get_entities().filter(**given).execute()) == found
    assert partners.get_entities().filter(**given).count().execute() == found


def test_filters_over_amounts_moments_and_ids(connect: Connect) -> None:
    order = made_in(connect, ORDERS)
    orders = connect(ORDERS).entity_sets.A_SalesOrder
    for text in (
        "TotalNetAmount gt 24999.99M",
        f"SalesOrder eq '{order.SalesOrder}' and not (PurchaseOrderByCustomer eq 'X')",
        "CreationDate ge datetime'2020-01-01T00:00:00' and LastChangeDateTime ge datetimeoffset'2020-01-01T00:00:00Z'",
    ):
        assert len(orders.get_entities().filter(text).execute()) == 1, text
    project = made_in(connect, PROJECTS)
    projects = connect(PROJECTS).entity_sets.A_EnterpriseProject
    (found,) = projects.get_entities().filter(ProjectUUID=project.ProjectUUID).execute()
    assert found.Project == "PRJ-1"


def test_order_window_and_selection(connect: Connect) -> None:
    partners = connect(PARTNERS).entity_sets.A_BusinessPartner
    for _ in range(3):
        partners.create_entity().set(**a_customer(to_Customer={})).execute()
    ordered = partners.get_entities().filter(SearchTerm1="ACME").order_by("BusinessPartner desc")
    assert [each.BusinessPartner for each in ordered.skip(1).top(1).execute()] == ["1000141"]
    assert partners.get_entities().top(0).count(inline=True).execute().total_count >= 3
    chosen = partners.get_entity("1000140").select("BusinessPartner,to_BusinessPartnerRole/BusinessPartnerRole")
    shown = chosen.expand("to_BusinessPartnerRole").execute()
    assert {each.BusinessPartnerRole for each in shown.to_BusinessPartnerRole} >= {"FLCU00", "FLCU01"}


def test_a_change_set_of_a_versioned_service_with_changes_of_all_kinds(connect: Connect) -> None:
    """`;v=0002` stands in the address of the batch, and its parts are relative to it."""
    projects = connect(PROJECTS)
    project = projects.entity_sets.A_EnterpriseProject.create_entity().set(**a_project()).execute()
    changes = projects.create_changeset()
    element = {"ProjectElement": "PRJ-1-9", "ProjectElementDescription": "More"}
    changes.add_request(project.nav("to_EnterpriseProjectElement").create_entity().set(**element))
    end = datetime(2027, 1, 31, tzinfo=UTC)
    change = projects.entity_sets.A_EnterpriseProject.update_entity(project.ProjectUUID).set(ProjectEndDate=end)
    change.add_headers({"If-Match": "*"})
    changes.add_request(change)
    batch = projects.create_batch()
    batch.add_request(changes)
    batch.add_request(projects.entity_sets.A_EnterpriseProject.get_entity(project.ProjectUUID))
    (made, nothing), read = batch.execute()
    assert (made.ProjectElement, nothing, read.ProjectEndDate) == ("PRJ-1-9", None, end)


def test_a_token_is_worth_nothing_without_its_cookies(
    connect: Connect, session: requests.Session, simulator: S4HanaSimulator
) -> None:
    """A client that forgets them, and one whose session has ended, are told to fetch another."""
    partners = connect(PARTNERS).entity_sets.A_BusinessPartner

    def refused() -> None:
        with pytest.raises(HttpError) as caught:
            partners.create_entity().set(**a_customer()).execute()
        response = caught.value.response
        assert (response.status_code, response.headers["x-csrf-token"]) == (403, "Required")
        assert response.text == "CSRF token validation failed"

    kept = session.cookies.copy()
    session.cookies.clear()
    refused()
    session.cookies.update(kept)
    partners.create_entity().set(**a_customer()).execute()
    simulator.expire_tokens()
    refused()
    connect(PARTNERS)
    partners.create_entity().set(**a_customer()).execute()


def test_what_is_refused_says_why_in_the_details(connect: Connect) -> None:
    partners = connect(PARTNERS).entity_sets.A_BusinessPartner
    with pytest.raises(HttpError) as caught:
        partners.create_entity().set(**a_customer(BusinessPartnerGrouping="NONE")).execute()
    error = caught.value.response.json()["error"]
    first, *_, last = error["innererror"]["errordetails"]
    assert first["message"] == error["message"]["value"]
    assert first["severity"] == "error"
    assert last["code"] == "/IWBEP/CX_MGW_BUSI_EXCEPTION"


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
