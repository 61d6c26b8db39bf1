"""The unmodified client that Python people use for Salesforce, against the simulator on a port.

simple-salesforce speaks https only; the adapter leads those requests to the simulator's plain port, as its README
would have a user do for a proxy of their own.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from requests.adapters import HTTPAdapter
from simple_salesforce.api import Salesforce
from simple_salesforce.exceptions import (
    SalesforceAuthenticationFailed,
    SalesforceMalformedRequest,
    SalesforceMoreThanOneRecord,
    SalesforceRefusedRequest,
    SalesforceResourceNotFound,
)

from dealbridge_local.simulators.salesforce import SalesforceSimulator
from dealbridge_local.simulators.server import serving

type Client = Any
"""A Salesforce client: the record types are attributes that it makes up as they are used."""


class _PlainPort(HTTPAdapter):
    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        request.url = self._url + request.path_url
        return super().send(request, *args, **kwargs)


@pytest.fixture
def simulator(private_key: str) -> SalesforceSimulator:
    return SalesforceSimulator(private_key=private_key)


@pytest.fixture
def session(simulator: SalesforceSimulator) -> Iterator[requests.Session]:
    with serving(simulator) as url, requests.Session() as session:
        session.trust_env = False
        session.mount("https://", _PlainPort(url))
        yield session


@pytest.fixture
def salesforce(simulator: SalesforceSimulator, session: requests.Session) -> Client:
    credentials = simulator.credentials()
    return Salesforce(
        username=credentials["username"],
        consumer_key=credentials["consumer_key"],
        privatekey=credentials["private_key"],
        session=session,
        version="67.0",
    )


def test_it_signs_in_by_client_credentials_and_with_a_session_of_its_own(
    simulator: SalesforceSimulator, session: requests.Session, salesforce: Salesforce
) -> None:
    credentials = simulator.credentials()
    by_secret: Client = Salesforce(
        consumer_key=credentials["consumer_key"],
        consumer_secret=credentials["consumer_secret"],
        domain="dealbridge.my",
        session=session,
        version="67.0",
    )
    direct: Client = Salesforce(
        session_id=salesforce.session_id, instance_url=credentials["instance_url"], session=session, version="67.0"
    )

    assert by_secret.query("SELECT COUNT() FROM User")["totalSize"] == 3
    assert direct.query("SELECT COUNT() FROM User")["totalSize"] == 3
    assert salesforce.is_sandbox() is True
    info: Any = salesforce.oauth2("userinfo")
    assert info["preferred_username"] == credentials["username"]


def test_it_reports_a_refused_sign_in(simulator: SalesforceSimulator, session: requests.Session) -> None:
    credentials = simulator.credentials()
    with pytest.raises(SalesforceAuthenticationFailed, match="client identifier invalid"):
        Salesforce(
            username=credentials["username"],
            consumer_key="another",
            privatekey=credentials["private_key"],
            session=session,
        )


def test_it_signs_in_again_when_the_session_ends(simulator: SalesforceSimulator, salesforce: Client) -> None:
    before = salesforce.session_id
    simulator.add_fault(kind="expire_tokens")

    assert salesforce.query("SELECT COUNT() FROM User")["totalSize"] == 3
    assert salesforce.session_id != before


def test_it_writes_and_reads_records(salesforce: Client) -> None:
    account = salesforce.Account.create({"Name": "Acme"})
    assert account["success"] is True
    assert salesforce.Account.update(account["id"], {"ERP_Id__c": "C-100"}) == 204
    assert salesforce.Account.get_by_custom_id("ERP_Id__c", "C-100")["Name"] == "Acme"
    assert salesforce.Account.upsert("ERP_Id__c/C-100", {"Name": "Acme AG"}) == 200
    assert salesforce.Account.upsert("ERP_Id__c/C-200", {"Name": "Other"}) == 201
    names = [each["Name"] for each in salesforce.query_all_iter("SELECT Name FROM Account ORDER BY Name")]
    assert names == ["Acme AG", "Other"]
    assert salesforce.Account.delete(account["id"]) == 204
    assert salesforce.api_usage["api-usage"].total == 100_000
    span = datetime.now(UTC) - timedelta(hours=1), datetime.now(UTC) + timedelta(hours=1)
    assert [each["id"] for each in salesforce.Account.deleted(*span)["deletedRecords"]] == [account["id"]]
    assert len(salesforce.Account.updated(*span)["ids"]) == 1
    with pytest.raises(SalesforceResourceNotFound):
        salesforce.Account.get(account["id"])


def _code(error: Any) -> str:
    return str(error.content[0]["errorCode"])


def test_it_meets_the_errors_it_knows(simulator: SalesforceSimulator, salesforce: Client) -> None:
    with pytest.raises(SalesforceMalformedRequest) as refused:
        salesforce.query("SELECT Nam FROM Account")
    assert _code(refused.value) == "INVALID_FIELD"

    first, second = (salesforce.Account.create({"Name": name})["id"] for name in ("a", "b"))
    for record_id in (first, second):
        held = simulator.database.current("Account", record_id)
        assert held is not None
        simulator.database.put("Account", {**held, "ERP_Id__c": "C-1"})
    with pytest.raises(SalesforceMoreThanOneRecord):
        salesforce.Account.get_by_custom_id("ERP_Id__c", "C-1")

    simulator.daily_api_requests = 0
    with pytest.raises(SalesforceRefusedRequest) as spent:
        salesforce.query("SELECT Id FROM Account")
    assert _code(spent.value) == "REQUEST_LIMIT_EXCEEDED"


def test_it_follows_pages(salesforce: Client) -> None:
    records = [{"attributes": {"type": "Account"}, "Name": f"{number}"} for number in range(200)]
    for _ in range(11):
        made = salesforce.restful("composite/sobjects", method="POST", json={"records": records})
        assert all(each["success"] for each in made)

    found = salesforce.query_all("SELECT Id FROM Account")
    assert (found["totalSize"], len({each["Id"] for each in found["records"]})) == (2200, 2200)


def test_it_describes_and_tells_limits(salesforce: Client) -> None:
    assert {each["name"] for each in salesforce.describe()["sobjects"]} > {"Opportunity", "Product2"}
    assert salesforce.Opportunity.describe()["keyPrefix"] == "006"
    assert salesforce.Opportunity.metadata()["objectDescribe"]["label"] == "Opportunity"
    assert salesforce.limits()["DailyApiRequests"]["Max"] == 100_000
