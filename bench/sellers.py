"""Sellers in each CRM, through its own API: the same deals, opened, won and amended there."""

import time
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Protocol

import httpx

from bench.deals import FIRST_PAIR, Pair, Shape
from dealbridge.domain.keys import DealKey
from dealbridge_local.hubspot_user import HubSpotUser
from dealbridge_local.salesforce_user import SalesforceUser, Sold
from dealbridge_local.simulators.simulator import Simulator
from dealbridge_local.simulators.transport import SimulatorTransport

AMENDED_BY = Decimal(150)
_IN_HUBSPOT = {
    "Hours__c": "hours",
    "Billing_Frequency__c": "billing_frequency",
    "Start_Date__c": "start_date",
    "End_Date__c": "end_date",
}


class Seller(Protocol):
    """Who sells in one CRM."""

    def open(self, shape: Shape, pair: Pair) -> str:
        """Not won yet; the deal's id."""
        ...

    def win(self, deal: str) -> None: ...

    def amend_one_line(self, deal: str) -> None:
        """Another price for the line of the lowest price, which is billed in one amount."""
        ...

    def close(self) -> None: ...


class Sellers:
    """One in each CRM."""

    def __init__(self, by_crm: Mapping[str, Seller]) -> None:
        self._by_crm = by_crm

    def open(self, shape: Shape, pair: Pair = FIRST_PAIR) -> DealKey:
        return DealKey(crm=pair.crm, opportunity=self._by_crm[pair.crm].open(shape, pair))

    def win(self, deal: DealKey) -> None:
        self._by_crm[deal.crm].win(deal.opportunity)

    def amend_one_line(self, deal: DealKey) -> None:
        self._by_crm[deal.crm].amend_one_line(deal.opportunity)

    def close(self) -> None:
        for seller in self._by_crm.values():
            seller.close()


def sellers_at(simulators: Mapping[str, Mapping[str, Any]]) -> Sellers:
    """On the platform that runs: `simulators` as .local/endpoints.json describes them."""
    salesforce, hubspot = simulators["salesforce"], simulators["hubspot"]
    return Sellers(
        {
            "salesforce": _InSalesforce(SalesforceUser(salesforce["url"], salesforce["credentials"])),
            "hubspot": _InHubSpot(hubspot["url"], hubspot["credentials"], _Patient(httpx.HTTPTransport())),
        }
    )


def sellers_in(salesforce: Simulator, hubspot: Simulator) -> Sellers:
    """In a world."""
    by_origin = SimulatorTransport({each.base_url: each for each in (salesforce, hubspot)})
    return Sellers(
        {
            "salesforce": _InSalesforce(SalesforceUser(salesforce.base_url, salesforce.credentials(), by_origin)),
            "hubspot": _InHubSpot(hubspot.base_url, hubspot.credentials(), by_origin),
        }
    )


class _InSalesforce:
    def __init__(self, user: SalesforceUser) -> None:
        self._user = user

    def open(self, shape: Shape, pair: Pair) -> str:
        user = self._user
        above = user.create_account(shape.parent, BillingCountry=pair.country) if shape.parent else None
        names = {"street": "BillingStreet", "city": "BillingCity", "postal_code": "BillingPostalCode"}
        address = {names[name]: value for name, value in shape.address.items()}
        account = user.create_account(
            shape.account,
            parent=above,
            BillingCountry=pair.country,
            Tax_Registrations__c=pair.registration,
            **address,
        )
        contacts = [user.create_contact(account, *each) for each in shape.contacts]
        return user.open_deal(
            shape.name, account, shape.lines, currency=pair.currency, contacts=contacts, Legal_Entity__c=pair.entity
        )

    def win(self, deal: str) -> None:
        self._user.win(deal)

    def amend_one_line(self, deal: str) -> None:
        soql = (
            f"SELECT Id, UnitPrice FROM OpportunityLineItem WHERE OpportunityId = '{deal}' ORDER BY UnitPrice LIMIT 1"
        )
        (line,) = self._user.query(soql)
        price = Decimal(str(line["UnitPrice"])) + AMENDED_BY
        self._user.change("OpportunityLineItem", line["Id"], UnitPrice=price)

    def close(self) -> None:
        self._user.close()


class _InHubSpot:
    """People have an app of their own: what they do does not count against our limit of requests."""

    def __init__(self, url: str, credentials: Mapping[str, str], transport: httpx.BaseTransport) -> None:
        form = {name: credentials[name] for name in ("client_id", "client_secret", "refresh_token")}
        with httpx.Client(base_url=url, transport=transport) as signing_in:
            answer = signing_in.post("/oauth/v3/token", data={"grant_type": "refresh_token", **form})
            token = answer.raise_for_status().json()["access_token"]
        self._user = HubSpotUser(url, {"access_token": token}, transport)
        self._cheapest: dict[str, tuple[str, Sold, Decimal]] = {}
        """Deal → its line of the lowest price, as it was sold, and the deal's amount."""

    def open(self, shape: Shape, pair: Pair) -> str:
        user = self._user
        above = user.create_company(shape.parent, country=pair.country) if shape.parent else None
        names = {"street": "address", "city": "city", "postal_code": "zip"}
        address = {names[name]: value for name, value in shape.address.items()}
        company = user.create_company(
            shape.account, above, country=pair.country, tax_registrations=pair.registration, **address
        )
        contacts = [
            user.create("contacts", firstname=first, lastname=last, email=email)
            for first, last, email in shape.contacts
        ]
        amount = sum((line.price * line.quantity for line in shape.lines), Decimal(0))
        deal = user.open_deal(
            shape.name,
            company,
            [],
            currency=pair.currency,
            contacts=contacts,
            legal_entity=pair.entity,
            amount=amount,
        )
        lines = user.add_lines(deal, [_in_hubspot(line) for line in shape.lines])
        cheapest, line = min(zip(lines, shape.lines, strict=True), key=lambda each: each[1].price)
        self._cheapest[deal] = cheapest, line, amount
        return deal

    def win(self, deal: str) -> None:
        self._user.win(deal)

    def amend_one_line(self, deal: str) -> None:
        """The deal's amount does not follow from its lines by itself."""
        line, sold, amount = self._cheapest[deal]
        self._user.change("line_items", line, price=sold.price + AMENDED_BY)
        self._user.change("deals", deal, amount=amount + AMENDED_BY * sold.quantity)

    def close(self) -> None:
        self._user.close()


def _in_hubspot(line: Sold) -> Sold:
    """The same line with the further fields under HubSpot's names and in its values."""
    more = {
        _IN_HUBSPOT[name]: str(value).lower() if name == "Billing_Frequency__c" else value
        for name, value in line.more.items()
    }
    return Sold(
        line.service_line, line.description, line.quantity, line.price, line.billing_type, line.milestones, more
    )


class _Patient(httpx.BaseTransport):
    """Whoever opens a hundred deals in a row is told to slow down, and does."""

    def __init__(self, inner: httpx.BaseTransport) -> None:
        self._inner = inner

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        while (answer := self._inner.handle_request(request)).status_code == 429:
            answer.read()
            answer.close()
            time.sleep(1)
        return answer

    def close(self) -> None:
        self._inner.close()
