"""Reading: URLs, options, filters, paging, and how values stand on the wire (vendor notes, A2)."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

PARTNERS = "API_BUSINESS_PARTNER/A_BusinessPartner"


@pytest.fixture
def five(tenant: Any) -> Any:
    """Five partners, a minute apart."""
    for index in range(1, 6):
        tenant.make(
            PARTNERS,
            BusinessPartnerCategory="2",
            OrganizationBPName1=f"Customer {index}",
            OrganizationBPName2="O'Neill" if index == 3 else "",
            BusinessPartnerIDByExtSystem=f"ext-{index}",
            SearchTerm1="EVEN" if index % 2 == 0 else "ODD",
        )
        tenant.clock.advance(minutes=1)
    return tenant


def names(tenant: Any, **options: str) -> list[str]:
    return [each["OrganizationBPName1"][-1] for each in tenant.rows(PARTNERS, **options)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("BusinessPartnerIDByExtSystem eq 'EXT-2'", "2"),
        ("BusinessPartnerIDByExtSystem eq 'ext-2'", ""),
        ("BusinessPartner ne '1000140' and BusinessPartnerCategory eq '2'", "2345"),
        ("BusinessPartner gt '1000142' and BusinessPartner lt '9000000000'", "45"),
        ("BusinessPartner eq '0001000142'", "3"),
        ("BusinessPartner ge '1000142' and BusinessPartner lt '1000144'", "34"),
        ("BusinessPartner le '1000141'", "12"),
        ("SearchTerm1 eq 'EVEN' or OrganizationBPName1 eq 'Customer 1'", "124"),
        ("SearchTerm1 eq 'ODD' and not (OrganizationBPName1 eq 'Customer 1')", "35"),
        ("(SearchTerm1 eq 'EVEN' or SearchTerm1 eq 'ODD') and BusinessPartner gt '1000143'", "5"),
        ("SearchTerm1 eq 'EVEN' or SearchTerm1 eq 'ODD' and BusinessPartner gt '1000143'", "245"),
        ("startswith(OrganizationBPName1,'Customer') and endswith(OrganizationBPName1,'4')", "4"),
        ("substringof('mer 5',OrganizationBPName1)", "5"),
        ("substringof('mer 5',OrganizationBPName1) eq false and SearchTerm1 eq 'ODD'", "13"),
        ("tolower(OrganizationBPName1) eq 'customer 2'", "2"),
        ("OrganizationBPName2 eq 'O''Neill'", "3"),
        ("BusinessPartnerIsBlocked eq false and BusinessPartnerCategory eq '2'", "12345"),
        ("CreationDate eq datetime'2026-04-10T00:00:00' and SearchTerm1 eq 'EVEN'", "24"),
        ("LastChangeDate eq null and BusinessPartnerCategory eq '2'", "12345"),
        ("'Customer 1' eq OrganizationBPName1", "1"),
    ],
)
def test_filters(five: Any, text: str, expected: str) -> None:
    assert "".join(names(five, filter=text)) == expected


def test_a_moment_is_compared_to_the_microsecond(tenant: Any) -> None:
    customer = tenant.customer()
    first = tenant.order(customer)
    tenant.clock.advance(minutes=5)
    second = tenant.order(customer)
    found = tenant.rows(
        "API_SALES_ORDER_SRV/A_SalesOrder",
        filter=f"SoldToParty eq '{customer}' and LastChangeDateTime gt datetimeoffset'2026-04-10T09:00:00Z'",
        select="SalesOrder",
    )
    assert [each["SalesOrder"] for each in found] == [first["SalesOrder"], second["SalesOrder"]]
    found = tenant.rows(
        "API_SALES_ORDER_SRV/A_SalesOrder",
        filter="LastChangeDateTime ge datetimeoffset'2026-04-10T11:01:00+02:00'",
    )
    assert [each["SalesOrder"] for each in found] == [second["SalesOrder"]]


def test_a_guid_and_an_amount_in_a_filter(tenant: Any) -> None:
    project = tenant.project()
    elements = tenant.rows(
        "API_ENTERPRISE_PROJECT_SRV;v=0002/A_EnterpriseProjectElement",
        filter="ParentObjectUUID ne guid'00000000-0000-0000-0000-000000000000'"
        f" and ProjectUUID eq guid'{project['ProjectUUID'].upper()}'",
    )
    assert [each["ProjectElement"] for each in elements] == ["PRJ-1-1", "PRJ-1-2"]
    tenant.order(tenant.customer())
    orders = "API_SALES_ORDER_SRV/A_SalesOrder"
    assert len(tenant.rows(orders, filter="TotalNetAmount ge 25000M")) == 1
    assert len(tenant.rows(orders, filter="TotalNetAmount gt 25000.00")) == 0


@pytest.mark.parametrize(
    "text",
    [
        "BusinessPartner eq",
        "BusinessPartner eq '1' and",
        "(BusinessPartner eq '1'",
        "BusinessPartner = '1'",
        "NoSuchField eq '1'",
        "BusinessPartner eq 1",
        "CreationDate eq '2026-04-10'",
        "startswith(BusinessPartner)",
        "to_Customer/Customer eq '1'",
        "BusinessPartner eq 'unclosed",
        "BusinessPartner eq '1' garbage",
    ],
)
def test_what_is_no_filter_is_refused(tenant: Any, text: str) -> None:
    status, _ = tenant.refusal(tenant.send("GET", PARTNERS, params={"$filter": text}))
    assert status == 400


def test_an_unknown_option_is_refused_and_a_foreign_one_ignored(tenant: Any) -> None:
    assert tenant.send("GET", PARTNERS, params={"$serach": "x"}).status_code == 400
    assert tenant.send("GET", PARTNERS, params={"sap-client": "100"}).status_code == 200


@pytest.mark.parametrize("options", [{"$top": "-1"}, {"$skip": "x"}, {"$inlinecount": "some"}, {"$orderby": "X up"}])
def test_a_malformed_option_is_refused(tenant: Any, options: dict[str, str]) -> None:
    assert tenant.send("GET", PARTNERS, params=options).status_code == 400


def test_order_top_and_skip(five: Any) -> None:
    only = "BusinessPartnerCategory eq '2'"
    assert names(five, filter=only, orderby="SearchTerm1 desc,BusinessPartner desc") == list("53142")
    assert names(five, filter=only, orderby="BusinessPartner desc", top="2") == list("54")
    assert names(five, filter=only, skip="1", top="2") == list("23")


def test_the_server_pages_and_names_the_next_page(tenant_with: Callable[..., Any]) -> None:
    tenant = tenant_with(page_size=2)
    for index in range(5):
        tenant.make(PARTNERS, BusinessPartnerCategory="2", OrganizationBPName1=f"Customer {index}")
    only = "BusinessPartnerCategory eq '2' and startswith(OrganizationBPName1,'Customer ')"
    page = tenant.read(PARTNERS, filter=only, inlinecount="allpages")
    seen, pages = [each["OrganizationBPName1"] for each in page["results"]], 1
    while following := page.get("__next"):
        assert "$skiptoken=" in following
        page = tenant.http.get(following).json()["d"]
        seen += [each["OrganizationBPName1"] for each in page["results"]]
        pages += 1
    assert (seen, pages) == ([f"Customer {index}" for index in range(5)], 3)
    assert page["__count"] == "5"


def test_top_caps_over_all_pages(tenant_with: Callable[..., Any]) -> None:
    tenant = tenant_with(page_size=2)
    for index in range(5):
        tenant.make(PARTNERS, BusinessPartnerCategory="2", OrganizationBPName1=f"Customer {index}")
    page = tenant.read(PARTNERS, filter="BusinessPartnerCategory eq '2'", top="3")
    assert len(page["results"]) == 2
    page = tenant.http.get(page["__next"]).json()["d"]
    assert (len(page["results"]), "__next" in page) == (1, False)


def test_counts(five: Any) -> None:
    response = five.send("GET", f"{PARTNERS}/$count", params={"$filter": "SearchTerm1 eq 'ODD'"})
    assert (response.text, response.headers["content-type"].split(";")[0]) == ("3", "text/plain")
    assert "__count" not in five.read(PARTNERS)


# Entities


def test_a_key_may_carry_leading_zeros_and_any_case(tenant: Any) -> None:
    customer = tenant.customer()
    assert tenant.read(f"{PARTNERS}('000{customer}')")["BusinessPartner"] == customer
    assert tenant.read(f"{PARTNERS}(BusinessPartner='{customer}')")["BusinessPartner"] == customer
    path = "API_BUSINESS_PARTNER/A_CustomerCompany"
    assert tenant.read(f"{path}(CompanyCode='1010',Customer='{customer}')")["PaymentTerms"] == "NT30"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("A_BusinessPartner('404')", 404),
        ("A_Nothing('1')", 404),
        ("A_BusinessPartner('1000140')/to_Nothing", 404),
        ("A_BusinessPartner(Wrong='1')", 400),
        ("A_BusinessPartner(1000140)", 400),
        ("A_CustomerCompany('1000140')", 400),
    ],
)
def test_a_path_that_leads_nowhere(tenant: Any, path: str, status: int) -> None:
    tenant.customer()
    assert tenant.refusal(tenant.send("GET", f"API_BUSINESS_PARTNER/{path}"))[0] == status


def test_the_envelope_of_an_entity(tenant: Any) -> None:
    customer = tenant.customer()
    response = tenant.send("GET", f"{PARTNERS}('{customer}')")
    entity = response.json()["d"]
    uri = f"https://my300123-api.s4hana.cloud.sap/sap/opu/odata/sap/{PARTNERS}('{customer}')"
    assert entity["__metadata"] == {
        "id": uri,
        "uri": uri,
        "type": "API_BUSINESS_PARTNER.A_BusinessPartnerType",
        "etag": response.headers["etag"],
    }
    assert entity["to_Customer"] == {"__deferred": {"uri": f"{uri}/to_Customer"}}
    assert tenant.http.get(entity["to_Customer"]["__deferred"]["uri"]).json()["d"]["Customer"] == customer


def test_values_on_the_wire(tenant: Any) -> None:
    customer = tenant.customer()
    partner = tenant.read(f"{PARTNERS}('{customer}')")
    assert partner["CreationDate"] == "/Date(1775779200000)/"
    assert partner["CreationTime"] == "PT09H00M00S"
    assert partner["BusinessPartnerIsBlocked"] is False
    order = tenant.read(f"API_SALES_ORDER_SRV/A_SalesOrder('{tenant.order(customer)['SalesOrder']}')")
    assert order["TotalNetAmount"] == "25000.00"
    assert order["LastChangeDateTime"].endswith("+0000)/")
    assert order["BillingDocumentDate"] is None


@pytest.mark.parametrize("date", ["2026-05-01T00:00:00", "/Date(1777593600000)/", "2026-05-01T00:00:00Z"])
def test_a_date_may_come_in_either_form(tenant: Any, date: str) -> None:
    order = tenant.order(tenant.customer(), RequestedDeliveryDate=date)
    assert order["RequestedDeliveryDate"] == "/Date(1777593600000)/"


def test_select_and_expand(tenant: Any) -> None:
    order = tenant.order(tenant.customer())["SalesOrder"]
    shown = tenant.read(
        f"API_SALES_ORDER_SRV/A_SalesOrder('{order}')",
        select="SalesOrder,to_Item/Material,to_Item/to_BillingPlan",
        expand="to_Item/to_BillingPlan/to_BillingPlanItem",
    )
    [item] = shown["to_Item"]["results"]
    assert set(shown) == {"__metadata", "SalesOrder", "to_Item"}
    assert set(item) == {"__metadata", "Material", "to_BillingPlan"}
    assert item["to_BillingPlan"]["to_BillingPlanItem"]["results"][0]["BillingPlanAmount"] == "25000.00"


def test_an_unknown_name_in_select_or_expand_is_refused(tenant: Any) -> None:
    assert tenant.send("GET", PARTNERS, params={"$select": "Nothing"}).status_code == 400
    assert tenant.send("GET", PARTNERS, params={"$expand": "to_Nothing"}).status_code == 400


def test_a_navigation_that_leads_to_nothing(tenant: Any) -> None:
    partner = tenant.make(PARTNERS, BusinessPartnerCategory="2", OrganizationBPName1="No customer")
    key = partner["BusinessPartner"]
    assert tenant.read(f"{PARTNERS}('{key}')", expand="to_Customer")["to_Customer"] is None
    assert tenant.send("GET", f"{PARTNERS}('{key}')/to_Customer").status_code == 404


def test_a_property_and_its_bare_value(tenant: Any) -> None:
    order = f"API_SALES_ORDER_SRV/A_SalesOrder('{tenant.order(tenant.customer())['SalesOrder']}')"
    assert tenant.read(f"{order}/TotalNetAmount") == {"TotalNetAmount": "25000.00"}
    assert tenant.send("GET", f"{order}/TotalNetAmount/$value").text == "25000.00"


def test_a_collection_below_an_entity_takes_options(tenant: Any) -> None:
    partner = f"{PARTNERS}('{tenant.customer()}')"
    roles = tenant.rows(f"{partner}/to_BusinessPartnerRole", filter="startswith(BusinessPartnerRole,'FLCU')")
    assert sorted(each["BusinessPartnerRole"] for each in roles) == ["FLCU00", "FLCU01"]


def test_a_record_is_not_found_under_what_it_was_called_before(tenant: Any) -> None:
    customer = tenant.customer(SearchTerm1="OLD")
    tenant.change(f"{PARTNERS}('{customer}')", SearchTerm1="NEW")
    assert tenant.rows(PARTNERS, filter="SearchTerm1 eq 'OLD'") == []
    assert len(tenant.rows(PARTNERS, filter="SearchTerm1 eq 'NEW'")) == 1


# Formats


def test_who_does_not_ask_for_json_gets_atom(tenant: Any) -> None:
    customer = tenant.customer()
    for path, kind in ((f"{PARTNERS}('{customer}')", "entry"), (PARTNERS, "feed")):
        response = tenant.send("GET", path, headers={"Accept": "*/*"})
        assert response.headers["content-type"].startswith(f"application/atom+xml;type={kind}")
        assert f"<d:BusinessPartner>{customer}</d:BusinessPartner>" in response.text
        assert tenant.send("GET", path, params={"$format": "json"}, headers={"Accept": "*/*"}).json()["d"]


def test_the_service_document_lists_the_sets(tenant: Any) -> None:
    assert "A_BusinessPartner" in tenant.read("API_BUSINESS_PARTNER/")["EntitySets"]
    response = tenant.send("GET", "API_BUSINESS_PARTNER/", headers={"Accept": "*/*"})
    assert '<app:collection href="A_BusinessPartner">' in response.text


def test_the_path_may_be_in_capitals_and_encoded(tenant: Any) -> None:
    for path in (
        "/sap/opu/odata/SAP/API_ENTERPRISE_PROJECT_SRV;v=0002/A_EnterpriseProject",
        "/sap/opu/odata/sap/API_ENTERPRISE_PROJECT_SRV%3Bv%3D2/A_EnterpriseProject",
    ):
        assert tenant.http.get(path).json() == {"d": {"results": []}}


def test_a_stale_read_shows_what_stood_before_the_last_write(tenant: Any) -> None:
    customer = tenant.customer()
    tenant.change(f"{PARTNERS}('{customer}')", SearchTerm1="NEW")
    tenant.simulator.add_fault(kind="stale_read", times=1)
    assert tenant.read(f"{PARTNERS}('{customer}')")["SearchTerm1"] == "ACME"
    assert tenant.read(f"{PARTNERS}('{customer}')")["SearchTerm1"] == "NEW"


def test_a_lost_reply_has_changed_the_record_all_the_same(tenant: Any) -> None:
    tenant.simulator.add_fault(kind="drop_after_commit", method="POST", times=1)
    with pytest.raises(httpx.RemoteProtocolError):
        tenant.customer(BusinessPartnerIDByExtSystem="001XX0000ABCDEFAA1")
    assert len(tenant.rows(PARTNERS, filter="BusinessPartnerIDByExtSystem eq '001XX0000ABCDEFAA1'")) == 1
