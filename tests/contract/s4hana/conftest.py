"""A tenant with a clock that tests move, and a client that has been through the CSRF handshake."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from dealbridge_local.simulators.s4hana import S4HanaSimulator
from dealbridge_local.simulators.transport import SimulatorTransport
from tests.contract.suites.vendor import Clock

ORIGIN = "https://my300123-api.s4hana.cloud.sap"
ODATA = "/sap/opu/odata/sap"
PARTNERS = "API_BUSINESS_PARTNER"
PROJECTS = "API_ENTERPRISE_PROJECT_SRV;v=0002"
ORDERS = "API_SALES_ORDER_SRV"
INVOICES = "API_BILLING_DOCUMENT_SRV"
JOURNAL = "API_OPLACCTGDOCITEMCUBE_SRV"
TIME = "API_MANAGE_WORKFORCE_TIMESHEET"
MARA_LIND = "31b4ddf5-d376-1eee-ad82-75fc5764c785"

NOW = datetime(2026, 4, 10, 9, 0, 0, tzinfo=UTC)


class Tenant:
    """A client of one tenant, as an integrator with a communication user would use it."""

    def __init__(self, simulator: S4HanaSimulator, clock: Clock) -> None:
        self.simulator = simulator
        self.clock = clock
        self.http = self.client()
        self.handshake()

    def client(self) -> httpx.Client:
        """A fresh client: signed in, no cookies, no CSRF token."""
        credentials = self.simulator.credentials()
        return httpx.Client(
            base_url=ORIGIN,
            transport=SimulatorTransport({ORIGIN: self.simulator}),
            auth=(credentials["username"], credentials["password"]),
            headers={"Accept": "application/json"},
        )

    def handshake(self) -> None:
        response = self.http.get(f"{ODATA}/{PARTNERS}/", headers={"x-csrf-token": "fetch"})
        assert response.status_code == 200, response.text
        self.http.headers["x-csrf-token"] = response.headers["x-csrf-token"]

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        params: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        """A call below the OData root: `<service>/<resource>`."""
        return self.http.request(method, f"{ODATA}/{path}", json=body, params=params, headers=headers)

    def read(self, path: str, **options: str) -> Any:
        """The content of `d`; options by name without the dollar sign."""
        response = self.send("GET", path, params={f"${name}": value for name, value in options.items()})
        assert response.status_code == 200, response.text
        return response.json()["d"]

    def rows(self, path: str, **options: str) -> list[Any]:
        found: list[Any] = self.read(path, **options)["results"]
        return found

    def make(self, path: str, **fields: Any) -> dict[str, Any]:
        response = self.send("POST", path, fields)
        assert response.status_code == 201, response.text
        created: dict[str, Any] = response.json()["d"]
        return created

    def change(self, path: str, etag: str = "*", **fields: Any) -> httpx.Response:
        return self.send("PATCH", path, fields, headers={"If-Match": etag})

    @staticmethod
    def refusal(response: httpx.Response) -> tuple[int, str]:
        """Status and message of a refusal, after a look at its shape (vendor notes, A5)."""
        error = response.json()["error"]
        assert error["message"]["lang"] == "en"
        assert error["innererror"]["errordetails"][0]["message"] == error["message"]["value"]
        assert len(error["innererror"]["transactionid"]) == 32
        return response.status_code, error["message"]["value"]

    # A small engagement, as most tests need one

    def customer(self, **fields: Any) -> str:
        return str(self.make(f"{PARTNERS}/A_BusinessPartner", **a_customer(**fields))["BusinessPartner"])

    def project(self, project: str = "PRJ-1", **fields: Any) -> dict[str, Any]:
        return self.make(f"{PROJECTS}/A_EnterpriseProject", **a_project(project, **fields))

    def order(self, customer: str, *items: dict[str, Any], **fields: Any) -> dict[str, Any]:
        return self.make(f"{ORDERS}/A_SalesOrder", **an_order(customer, *items, **fields))


def a_customer(**fields: Any) -> dict[str, Any]:
    """A business partner with everything that an order from company code 1010 needs."""
    return {
        "BusinessPartnerCategory": "2",
        "BusinessPartnerGrouping": "BP02",
        "OrganizationBPName1": "Acme GmbH",
        "SearchTerm1": "ACME",
        "to_BusinessPartnerAddress": [
            {
                "Country": "DE",
                "StreetName": "Dietmar-Hopp-Allee 16",
                "PostalCode": "69190",
                "CityName": "Walldorf",
                "to_AddressUsage": [{"AddressUsage": "XXDEFAULT"}],
                "to_EmailAddress": [{"EmailAddress": "ap@acme.example"}],
            }
        ],
        "to_BusinessPartnerRole": [{"BusinessPartnerRole": "FLCU00"}, {"BusinessPartnerRole": "FLCU01"}],
        "to_Customer": {
            "to_CustomerCompany": [
                {"CompanyCode": "1010", "ReconciliationAccount": "12100000", "PaymentTerms": "NT30"}
            ],
            "to_CustomerSalesArea": [a_sales_area()],
        },
        **fields,
    }


def a_sales_area(**fields: Any) -> dict[str, Any]:
    return {
        "SalesOrganization": "1010",
        "DistributionChannel": "10",
        "Division": "00",
        "Currency": "EUR",
        "CustomerPaymentTerms": "NT30",
        "CustomerAccountAssignmentGroup": "01",
        "to_SalesAreaTax": [
            {"DepartureCountry": "DE", "CustomerTaxCategory": "TTX1", "CustomerTaxClassification": "1"}
        ],
        **fields,
    }


def a_project(project: str = "PRJ-1", **fields: Any) -> dict[str, Any]:
    return {
        "Project": project,
        "ProjectDescription": "Acme rollout",
        "ProjectStartDate": "2026-01-01T00:00:00",
        "ProjectEndDate": "2026-12-31T00:00:00",
        "ResponsibleCostCenter": "10101601",
        "ProfitCenter": "YB900",
        "ProjectProfileCode": "YP03",
        "to_EnterpriseProjectElement": [
            {"ProjectElement": f"{project}-1", "ProjectElementDescription": "Design"},
            {"ProjectElement": f"{project}-2", "ProjectElementDescription": "Build"},
        ],
        "to_EntProjTeamMember": [
            {"BusinessPartnerUUID": MARA_LIND, "to_EntProjEntitlement": [{"ProjectRoleType": "YP_RL_0001"}]}
        ],
        **fields,
    }


def an_order(customer: str, *items: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "SalesOrderType": "OR",
        "SalesOrganization": "1010",
        "DistributionChannel": "10",
        "OrganizationDivision": "00",
        "SoldToParty": customer,
        "PurchaseOrderByCustomer": "SF-OPP-006",
        "to_Item": list(items) or [an_item()],
        **fields,
    }


def an_item(*milestones: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """An item with a billing plan; one milestone of 25,000 unless told otherwise."""
    return {
        "Material": "P001",
        "RequestedQuantity": "1",
        "RequestedQuantityUnit": "EA",
        "SalesOrderItemCategory": "CTAD",
        "to_BillingPlan": {"to_BillingPlanItem": list(milestones) or [a_milestone()]},
        **fields,
    }


def a_milestone(amount: str = "25000.00", date: str = "2026-03-31", **fields: Any) -> dict[str, Any]:
    return {
        "BillingPlanBillingDate": f"{date}T00:00:00",
        "BillingPlanAmount": amount,
        "BillingPlanDateCategory": "00",
        "ProposedBillingDocumentType": "F2",
        **fields,
    }


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


@pytest.fixture
def tenant_with(clock: Clock) -> Iterator[Callable[..., Tenant]]:
    made: list[Tenant] = []

    def make(**switches: Any) -> Tenant:
        made.append(Tenant(S4HanaSimulator(clock=clock, base_url=ORIGIN, **switches), clock))
        return made[-1]

    yield make
    for tenant in made:
        tenant.http.close()
        tenant.simulator.events.stop()


@pytest.fixture
def tenant(tenant_with: Callable[..., Tenant]) -> Tenant:
    return tenant_with()
