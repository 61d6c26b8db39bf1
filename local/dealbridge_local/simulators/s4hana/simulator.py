"""The SAP S/4HANA Cloud tenant: signs callers in, guards changes with CSRF tokens, hands on to the services."""

import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx

from dealbridge_local.simulators.faults import FaultError
from dealbridge_local.simulators.s4hana import customizing, edm, errors
from dealbridge_local.simulators.s4hana.addresses import split_service
from dealbridge_local.simulators.s4hana.applications.application import Application
from dealbridge_local.simulators.s4hana.applications.billing import Billing
from dealbridge_local.simulators.s4hana.applications.business_partners import BusinessPartners
from dealbridge_local.simulators.s4hana.applications.journal import Journal
from dealbridge_local.simulators.s4hana.applications.projects import Projects
from dealbridge_local.simulators.s4hana.applications.sales_orders import SalesOrders
from dealbridge_local.simulators.s4hana.applications.time_sheets import TimeSheets
from dealbridge_local.simulators.s4hana.batch import BatchRunner
from dealbridge_local.simulators.s4hana.entities import business_partner, enterprise_project
from dealbridge_local.simulators.s4hana.errors import ErrorPrinter, Message, PlainRefusalError, SapError
from dealbridge_local.simulators.s4hana.events import EVENT_KEYS, EventMesh, Webhook, full_type
from dealbridge_local.simulators.s4hana.gateway import Gateway, accepts_json, tunnelled_method
from dealbridge_local.simulators.s4hana.model import EntitySet
from dealbridge_local.simulators.s4hana.repeatable import RepeatableRequests
from dealbridge_local.simulators.s4hana.sessions import Credentials, Sessions, cookies_of
from dealbridge_local.simulators.s4hana.tenant import COMMUNICATION_USER, Lock, Tenant
from dealbridge_local.simulators.simulator import Clock, Simulator, utc_now
from dealbridge_local.simulators.store import Record
from dealbridge_local.simulators.wire import Delivery, Request, Response

TOKEN_PATH = "/sap/bc/sec/oauth2/token"
_FRONT_PAGES = {
    401: ("Logon failed", "Logon with user and password, or another authentication, is required."),
    403: ("Forbidden", "You are not authorized to access the requested resource."),
    429: ("Too Many Requests", "The API management in front of the system limits the rate of calls."),
    500: ("Internal Server Error", "An error occurred while processing the request."),
    502: ("Bad Gateway", "The proxy received an invalid answer from the system."),
    503: ("Service cannot be reached", "The system is under maintenance or overloaded."),
    504: ("Gateway Timeout", "The system did not answer the proxy in time."),
}


@dataclass(frozen=True)
class _Services:
    """The applications of the tenant, wired to one another."""

    partners: BusinessPartners
    projects: Projects
    orders: SalesOrders
    billing: Billing
    journal: Journal
    time_sheets: TimeSheets

    @classmethod
    def over(cls, tenant: Tenant) -> "_Services":
        orders, journal = SalesOrders(tenant), Journal(tenant)
        return cls(
            BusinessPartners(tenant),
            Projects(tenant),
            orders,
            Billing(tenant, orders, journal),
            journal,
            TimeSheets(tenant),
        )

    def all(self) -> tuple[Application, ...]:
        return (self.partners, self.projects, self.orders, self.billing, self.journal, self.time_sheets)


_APPLICATIONS: tuple[type[Application], ...] = (BusinessPartners, Projects, SalesOrders, Billing, Journal, TimeSheets)


class S4HanaSimulator(Simulator):
    """SAP S/4HANA Cloud, Public Edition: OData V2 services, CSRF, `$batch`, business events.

    Example:
        simulator = S4HanaSimulator(page_size=50, repeatable_requests=True)
        with serving(simulator) as url: ...

    Switches: `page_size` of server-driven paging; `repeatable_requests`; `client_credentials` for OAuth;
    `answers_head`, with which SAP's own clients fetch CSRF tokens, and which is not enabled everywhere (A1);
    `session_idle` and `token_lifetime`; `webhook`, `webhook_authorization` and `collector` for events.
    """

    name = "s4hana"
    api_version = "OData V2, SAP S/4HANA Cloud 2502"

    def __init__(
        self,
        clock: Clock = utc_now,
        *,
        base_url: str | None = None,
        username: str = "DEALBRIDGE",
        password: str | None = None,
        page_size: int = 100,
        repeatable_requests: bool = False,
        client_credentials: bool = True,
        answers_head: bool = True,
        session_idle: timedelta = timedelta(minutes=30),
        token_lifetime: timedelta = timedelta(hours=1),
        request_retention: timedelta = timedelta(hours=12),
        webhook: str | None = None,
        webhook_authorization: str | None = None,
        collector: Callable[[dict[str, Any]], None] | None = None,
        retry_delays: Sequence[float] = (0.2, 1.0, 5.0),
        event_transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._user = Credentials(username, password or secrets.token_urlsafe(18))
        self._page_size = page_size
        self._answers_head = answers_head
        self._transactions = 0
        self._sessions = Sessions(
            self._user,
            clock,
            idle=session_idle,
            token_lifetime=token_lifetime,
            client_credentials=client_credentials,
        )
        self._repeatable = RepeatableRequests(clock, enabled=repeatable_requests, retention=request_retention)
        self._webhook_authorization = webhook_authorization or f"Bearer {secrets.token_urlsafe(32)}"
        target = Webhook(webhook, webhook_authorization) if webhook else None
        self.events = EventMesh(clock, target, collector, retry_delays, event_transport)
        super().__init__(clock)
        if base_url is not None:
            self.base_url = base_url.rstrip("/")

    def credentials(self) -> dict[str, str]:
        return {
            "base_url": self.base_url,
            "username": self._user.username,
            "password": self._user.password,
            "client_id": self._user.username,
            "client_secret": self._user.password,
            "token_url": f"{self.base_url}{TOKEN_PATH}",
            # What Event Mesh signs in with where it posts events.
            "webhook_authorization": self._webhook_authorization,
        }

    def expire_tokens(self) -> None:
        self._sessions.forget()

    def seed(self) -> None:
        self.tenant = Tenant.open(self.store, self.clock, (each.service for each in _APPLICATIONS))
        self._services = _Services.over(self.tenant)
        self._gateways = {
            (each.service.name, each.service.version): Gateway(each, lambda: self.base_url, self._page_size)
            for each in self._services.all()
        }
        self._sets: dict[str, tuple[Gateway, EntitySet]] = {
            name: (gateway, entity)
            for gateway in self._gateways.values()
            for name, entity in gateway.service.sets.items()
        }
        self._repeatable.clear()
        self.events.clear()
        self._transactions = 0
        for employee in customizing.EMPLOYEES:
            self._hire(employee)
        self.tenant.events.clear()

    def _hire(self, employee: customizing.Employee) -> None:
        """An employee as HR integration would have brought it: partner, role, address with e-mail."""
        services, key = self._services, employee.number
        today = self.tenant.today()
        services.partners.insert(
            business_partner.PARTNER,
            {"FirstName": employee.first_name, "LastName": employee.last_name},
            BusinessPartner=key,
            BusinessPartnerCategory="1",
            BusinessPartnerGrouping="BP02",
            BusinessPartnerUUID=employee.uuid,
            BusinessPartnerName=f"{employee.first_name} {employee.last_name}",
            BusinessPartnerFullName=f"{employee.first_name} {employee.last_name}",
            CreatedByUser=COMMUNICATION_USER,
            CreationDate=today,
            ETag=f"SAP{key}",
        )
        role = {"BusinessPartner": key, "BusinessPartnerRole": "BUP003", "ValidFrom": today}
        services.partners.insert(business_partner.ROLE, role, ValidTo=edm.END_OF_TIME)
        address = {"BusinessPartner": key, "AddressID": self.tenant.number("address"), "Country": "DE"}
        services.partners.insert(business_partner.ADDRESS, address, AddressUUID=self.tenant.uuid())
        email = {"AddressID": address["AddressID"], "OrdinalNumber": "1", "EmailAddress": employee.email}
        services.partners.insert(business_partner.EMAIL, email, IsDefaultEmailAddress=True)

    def show(self, kind: str, record: Record) -> Any:
        gateway, entity = self._sets[kind]
        return gateway.show(entity, record)

    # Calls

    def deliver(self, request: Request, sleep: Callable[[float], None]) -> Delivery:
        """As every simulator; afterwards, with the lock released, what the call has raised goes out."""
        try:
            return super().deliver(request, sleep)
        finally:
            self._send_events()

    def answer(self, request: Request) -> Response:
        """One API call: sign-in, then CSRF, then the service."""
        if request.path == TOKEN_PATH and request.method == "POST":
            return self._sessions.grant(request)
        found = split_service(request.raw_path)
        try:
            if found is None:
                raise PlainRefusalError(errors.html_page(404, "Not Found", "The requested resource does not exist."))
            user = self._sessions.sign_in(request)
            return self._serve(user, request, *found)
        except PlainRefusalError as refusal:
            return refusal.response

    def _serve(self, user: str, request: Request, name: str, version: str, rest: str) -> Response:
        self._transactions += 1
        gateway = self._gateways.get((name, version))
        print_error = self._error_printer(request, gateway)
        if request.method == "HEAD":
            if not self._answers_head:
                return Response(403)
            request = replace(request, method="GET")
        headers: list[tuple[str, str]] = []
        if request.method == "GET" and request.headers.get("x-csrf-token", "").lower() == "fetch":
            secure = self.base_url.startswith("https:")
            headers = self._sessions.fetch(user, cookies_of(request), secure=secure)
        elif request.method != "GET" and not self._sessions.allows_change(
            user, cookies_of(request), request.headers.get("x-csrf-token")
        ):
            return errors.csrf_refused()
        try:
            if gateway is None:
                raise errors.no_service(name, version)
            if request.method == "GET":
                return gateway.answer(request, rest).with_headers(*headers)
            return self._repeatable.run(user, request, lambda: self._write(gateway, request, rest))
        except SapError as error:
            return print_error(error).with_headers(*headers)

    def _write(self, gateway: Gateway, request: Request, rest: str) -> Response:
        if rest.strip("/") == "$batch":
            return self._batch(gateway, request)
        return self._all_or_nothing(lambda: [self._one_write(gateway, request, rest)])[0]

    def _one_write(self, gateway: Gateway, request: Request, rest: str) -> Response:
        response = gateway.answer(request, rest)
        messages, self.tenant.messages = self.tenant.messages, []
        return response.with_headers(("sap-message", _sap_message(messages))) if messages else response

    def _batch(self, gateway: Gateway, request: Request) -> Response:
        if tunnelled_method(request) != "POST":
            raise errors.not_allowed(request.method, "$batch")
        runner = BatchRunner(
            gateway.service.path,
            lambda inner, rest: self._one_write(gateway, inner, rest),
            self._change_set,
            lambda error: self._error_printer(None, gateway)(error),
        )
        return runner.answer(request)

    def _all_or_nothing(self, act: Callable[[], list[Response]]) -> list[Response]:
        """Run changes; where one is refused, none of their records and events stay."""
        raised = list(self.tenant.events)
        try:
            with self.store.undone_on_error():
                return act()
        except SapError:
            self.tenant.events = raised
            self.tenant.messages = []
            raise

    def _change_set(self, act: Callable[[], list[Response]]) -> list[Response]:
        def within() -> list[Response]:
            with self.tenant.change_set():
                return act()

        return self._all_or_nothing(within)

    def _error_printer(self, request: Request | None, gateway: Gateway | None) -> ErrorPrinter:
        # In a batch SAP answers in JSON here: its parts carry their own Accept, which clients of V2 set to JSON.
        as_json = request is None or accepts_json(request.headers.get("accept", "")) or "$format=json" in request.query
        return ErrorPrinter(
            gateway.service if gateway else None,
            self.clock(),
            f"{self._transactions:032X}",
            as_json,
        )

    def error_page(self, status: int) -> Response | None:
        title, text = _FRONT_PAGES.get(status, ("Error", "An error occurred."))
        return errors.html_page(status, title, text)

    # Events

    def _send_events(self) -> None:
        if not self.tenant.events:
            return
        with self.lock:
            raised, self.tenant.events = self.tenant.events, []
        for event in raised:
            self.events.publish(event.type, dict(event.key))

    def emit(self, event: dict[str, Any]) -> dict[str, Any]:
        event_type = full_type(str(event.get("type")))
        if event_type is None:
            raise FaultError(f"type: {event.get('type')!r} is none of {', '.join(EVENT_KEYS)}")
        keys = EVENT_KEYS[event_type]
        record = self._record_of(event_type, str(event.get("id", "")))
        return self.events.publish(
            event_type,
            {name: record[name] for name in keys},
            delay_s=float(event.get("delay_s", 0)),
            times=2 if event.get("duplicate") else 1,
        )

    def _record_of(self, event_type: str, key: str) -> Record:
        """The record an event speaks of; a project or element also by its own number."""
        if "enterpriseproject" in event_type:
            of_element = event_type.rpartition(".")[2].startswith("EntProjElmnt")
            entity = enterprise_project.ELEMENT if of_element else enterprise_project.PROJECT
            number = "ProjectElement" if of_element else "Project"
            record = self.tenant.tables.get(entity, key.lower()) or self.tenant.tables.first(entity, **{number: key})
        else:
            entity = self._sets[f"A_{EVENT_KEYS[event_type][0]}"][1]
            record = self.tenant.tables.get(entity, key)
        if record is None:
            raise FaultError(f"id: there is no {entity.name} {key!r}")
        return record

    # What people and jobs do in the tenant

    def act(self, action: str, given: dict[str, Any]) -> dict[str, Any]:
        """The actions of `POST /__sim/actions/{action}`; each is also a method."""
        try:
            match action:
                case "billing-run":
                    return {"billing_documents": self.run_billing(_date(given.get("date")))}
                case "payment":
                    amount = Decimal(str(given["amount"])) if "amount" in given else None
                    entry = self.receive_payment(str(given.get("id", "")), amount, _date(given.get("date")))
                    return {"accounting_document": entry}
                case "lock":
                    calls = given.get("calls")
                    self.lock_object(
                        str(given.get("type", "")),
                        str(given.get("id", "")),
                        calls=None if calls is None else int(calls),
                    )
                    return {"locked": given.get("id")}
                case "unlock":
                    self.unlock_object(str(given.get("type", "")), str(given.get("id", "")))
                    return {"unlocked": given.get("id")}
                case "subscribe":
                    url = str(given.get("url") or "")
                    authorization = given.get("authorization", self._webhook_authorization)
                    self.events.subscribe(Webhook(url, authorization) if url else None)
                    return {"webhook": url}
        except SapError as error:
            raise FaultError(str(error)) from error
        raise FaultError(f"{action!r} is none of billing-run, payment, lock, unlock, subscribe")

    def run_billing(self, upto: datetime | None = None) -> list[str]:
        """Bill what is due, up to today unless a date is given; the new billing documents."""
        with self.lock:
            numbers = self._services.billing.run(upto or self.tenant.today())
        self._send_events()
        return numbers

    def receive_payment(self, number: str, amount: Decimal | None = None, date: datetime | None = None) -> str:
        """A customer pays a billing document, in full unless an amount is given; the payment's journal entry."""
        with self.lock:
            return self._services.billing.receive_payment(number, amount, date or self.tenant.today())

    def lock_object(self, kind: str, key: str, *, user: str = "CB9980000012", calls: int | None = None) -> None:
        """Another user opens an object for editing: `A_BusinessPartner`, `A_EnterpriseProject` (by `Project`) or
        `A_SalesOrder`. It stays locked for so many refused calls, or until it is unlocked."""
        if kind not in ("A_BusinessPartner", "A_EnterpriseProject", "A_SalesOrder"):
            raise FaultError(f"type: {kind!r} is none of A_BusinessPartner, A_EnterpriseProject, A_SalesOrder")
        with self.lock:
            self.tenant.locks[kind, key] = Lock(user, calls)

    def unlock_object(self, kind: str, key: str) -> None:
        """The other user is done."""
        with self.lock:
            self.tenant.locks.pop((kind, key), None)


def _date(given: Any) -> datetime | None:
    if given is None:
        return None
    return edm.moment(f"{given}T00:00:00" if "T" not in str(given) else given)


def _sap_message(messages: Sequence[Message]) -> str:
    """The `sap-message` header: the first message, the others as its details (A5). ASCII, as headers must be."""
    shown = [
        {
            "code": each.code,
            "message": each.text,
            "severity": each.severity,
            "target": each.target,
            "transition": False,
        }
        for each in messages
    ]
    return json.dumps({**shown[0], "details": shown[1:]})
