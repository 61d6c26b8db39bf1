"""NetSuite as an ERP: our records by `eid:`, in as few calls as the API allows.

Customer, contact, project and task are upserts by our key. An order and a schedule carry lines, which an upsert would
double (section_1545295601): they are created with the key in the body, so that a repeat is refused, and changed with
`replace`, each known line under its own number.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import cast
from urllib.parse import unquote

import httpx

from dealbridge.connectors.netsuite import billing, mapping, numbers
from dealbridge.connectors.netsuite.auth import CertificateAuth
from dealbridge.connectors.netsuite.outcomes import OUTCOMES
from dealbridge.connectors.netsuite.records import (
    QUERY_PATH,
    RECORDS_PATH,
    RELATIONSHIP,
    RESOURCES,
    Body,
    Codes,
    id_of,
    lines_of,
    reference,
)
from dealbridge.connectors.netsuite.settings import Options, Secret, ui_url
from dealbridge.domain.connection import Connection
from dealbridge.domain.engagement import BillingSchedule, Contract, Project, Record, Task
from dealbridge.domain.keys import Kind
from dealbridge.domain.parties import Contact, Customer
from dealbridge.domain.plan import FieldChange, touched
from dealbridge.domain.refs import ExternalRef
from dealbridge.errors import ConflictError, RecordMissingError, RejectedError
from dealbridge.ports import Found, Write
from dealbridge.transport.client import VendorClient, Wire
from dealbridge.transport.mapping import filled
from dealbridge.transport.outcomes import written

# Without it an unknown field name is dropped in silence (section_156570709583).
_HEADERS = {"X-NetSuite-PropertyNameValidation": "Error"}

_EXPANDED = {"expandSubResources": "true"}


class NetSuite:
    """The port `RecordTarget` over SuiteTalk REST; `Numbering` by SuiteQL."""

    def __init__(self, connection: Connection, secret: Mapping[str, str], wire: Wire) -> None:
        self._connection = connection
        self._options = Options.of(connection)
        self._ui_url = ui_url(connection, self._options)
        auth = CertificateAuth(connection.id, connection.base_url, Secret.of(connection, secret))
        self._client = VendorClient(connection.id, connection.base_url, auth, OUTCOMES, wire, _HEADERS)

    def lag(self, kind: Kind) -> timedelta:
        """An external id is unique: a repeated creation meets the record that stands."""
        return timedelta(0)

    def find(self, write: Write) -> Found | None:
        body = self._read(write.kind, f"eid:{write.key}")
        if body is None:
            return None
        complete = write.kind is not Kind.SCHEDULE or self._is_attached(write, body)
        return Found(self._ref(write.kind, body, self._parts(write, body)), self._record(write, body), complete)

    def create(self, write: Write) -> ExternalRef:
        match write.record:
            case Customer() as customer:
                return self._create_customer(write, customer)
            case Contact() as contact:
                return self._create_contact(write, contact)
            case Project() as project:
                fields = mapping.project_fields(write, project, self._codes(write))
                body = {**mapping.body_of(fields), **mapping.new_project(self._codes(write))}
                return self._upsert(write, body, customer=project.customer_key)
            case Task() as task:
                return self._upsert(write, mapping.body_of(mapping.task_fields(write, task, self._options)))
            case Contract() as contract:
                return self._create_contract(write, contract)
            case BillingSchedule() as schedule:
                return self._create_schedule(write, schedule)
            case record:
                raise TypeError(f"{type(record).__name__} is no record of an ERP")

    def update(self, write: Write, ref: ExternalRef, changes: Sequence[FieldChange]) -> ExternalRef:
        only = touched(changes) if changes else None
        match write.record:
            case Customer() as customer:
                return self._update_customer(write, customer, ref, only)
            case Contact() as contact:
                return self._patch(write, ref, mapping.body_of(mapping.contact_fields(write, contact), only))
            case Project() as project:
                fields = mapping.project_fields(write, project, self._codes(write))
                return self._patch(write, ref, mapping.body_of(fields, only))
            case Task() as task:
                return self._update_task(write, task, ref, only)
            case Contract() as contract:
                return self._update_contract(write, contract, ref, only)
            case BillingSchedule() as schedule:
                return self._update_schedule(write, schedule, ref, only)
            case record:
                raise TypeError(f"{type(record).__name__} is no record of an ERP")

    def withdraw(self, write: Write, ref: ExternalRef) -> ExternalRef:
        """A task is completed and takes no more billable work; it is never deleted."""
        if write.kind is not Kind.TASK:
            raise TypeError(f"a {write.kind} is not withdrawn from NetSuite")
        return self._patch(write, ref, mapping.CLOSED_TASK)

    def numbered(self, refs: Sequence[ExternalRef]) -> list[ExternalRef]:
        """One query for all of them."""
        if not self._options.read_numbers:
            return list(refs)
        response = self._client.call("POST", QUERY_PATH, body=numbers.query(refs), headers=numbers.HEADERS)
        return numbers.numbered(refs, self._client.read(response))

    # Customer and contact

    def _create_customer(self, write: Write, customer: Customer) -> ExternalRef:
        codes = self._codes(write)
        body = {
            **mapping.body_of(mapping.customer_fields(write, customer, codes)),
            **mapping.new_customer(codes),
            **_sublists(mapping.address_book(customer), mapping.tax_registrations(customer)),
        }
        # `replace` keeps a repeated upsert from doubling the lines.
        replaced = ",".join(name for name in ("addressBook", "taxRegistration") if name in body)
        ref = self._upsert(write, body, params={"replace": replaced} if replaced else None)
        return ref.model_copy(update={"parts": {"subsidiary": codes.subsidiary}})

    def _update_customer(
        self, write: Write, customer: Customer, ref: ExternalRef, only: set[str] | None
    ) -> ExternalRef:
        body = mapping.body_of(mapping.customer_fields(write, customer, self._codes(write)), only)
        if only is None or only & {"name", "legal_name", "billing_address", "tax_registrations"}:
            held = self._read(Kind.CUSTOMER, ref.id) or {}
            body |= _sublists(
                mapping.address_book(customer, lines_of(held, "addressBook")),
                mapping.tax_registrations(customer, lines_of(held, "taxRegistration")),
            )
        return self._patch(write, ref, body)

    def _create_contact(self, write: Write, contact: Contact) -> ExternalRef:
        company = write.ref_of(contact.customer_key)
        body = {
            **mapping.body_of(mapping.contact_fields(write, contact)),
            "subsidiary": reference(company.parts.get("subsidiary") or self._codes(write).subsidiary),
        }
        try:
            return self._upsert(write, {**body, "entityId": mapping.contact_name(contact)})
        except RejectedError as error:
            # Somebody entered a contact of that name for that company by hand.
            if not _names(error, "entityId"):
                raise
            return self._upsert(write, {**body, "entityId": mapping.contact_name(contact, distinct=True)})

    # Task

    def _update_task(self, write: Write, task: Task, ref: ExternalRef, only: set[str] | None) -> ExternalRef:
        """A status that people have set is left alone; a task that was withdrawn, and is wanted again, is reopened."""
        body = mapping.body_of(mapping.task_fields(write, task, self._options), only)
        if only is None and not task.closed:
            held = self._read(Kind.TASK, ref.id, {"fields": "status,nonBillableTask"})
            body |= mapping.OPEN_TASK if held is not None and mapping.is_closed(held) else {}
        return self._patch(write, ref, body)

    # Contract

    def _create_contract(self, write: Write, contract: Contract) -> ExternalRef:
        codes = self._codes(write)
        lines = [billing.order_line(line, codes, self._options) for line in contract.lines]
        body = {
            "externalId": write.key,
            **mapping.body_of(billing.contract_fields(write, contract, codes)),
            **billing.new_contract(codes),
            "item": {"items": lines},
        }
        ref = self._insert(write, body)
        # Lines are numbered as they come; the numbers are a hint to find a line again, checked when it is used.
        numbers = {line.key: str(number) for number, line in enumerate(contract.lines, 1)}
        return ref.model_copy(update={"parts": numbers})

    def _update_contract(
        self, write: Write, contract: Contract, ref: ExternalRef, only: set[str] | None
    ) -> ExternalRef:
        codes = self._codes(write)
        body = mapping.body_of(billing.contract_fields(write, contract, codes), only)
        if only is not None and not only & {"lines", "value", "currency"}:
            return self._patch(write, ref, body)
        held = lines_of(self._read(Kind.CONTRACT, ref.id) or {}, "item")
        pairs = billing.paired(contract.lines, held, codes, ref.parts)
        last = max((int(line["line"]) for line in held), default=0)
        numbers: dict[str, str] = {}
        lines = []
        for line in contract.lines:
            known = pairs.get(line.key)
            lines.append(
                billing.order_line(line, codes, self._options, int(known["line"]) if known is not None else None)
            )
            last += known is None
            numbers[line.key] = str(known["line"] if known is not None else last)
        body["item"] = {"items": lines}
        changed = self._patch(write, ref, body, params={"replace": "item"})
        return changed.model_copy(update={"parts": numbers})

    # Billing schedule

    def _create_schedule(self, write: Write, schedule: BillingSchedule) -> ExternalRef:
        codes = self._codes(write)
        body = {
            "externalId": write.key,
            **mapping.body_of(billing.schedule_fields(write, schedule, codes)),
            "milestone": billing.milestones(write, schedule, self._options, self._connection.id),
        }
        ref = self._insert(write, body)
        with written():
            self._attach(write, schedule, ref)
        return ref

    def _update_schedule(
        self, write: Write, schedule: BillingSchedule, ref: ExternalRef, only: set[str] | None
    ) -> ExternalRef:
        if only is not None and "items" not in only:
            fields = billing.schedule_fields(write, schedule, self._codes(write))
            return self._patch(write, ref, mapping.body_of(fields, only))
        held = self._read(Kind.SCHEDULE, ref.id) or {}
        if self._record(write, held) != schedule:
            fields = billing.schedule_fields(write, schedule, self._codes(write))
            lines = lines_of(held, "milestone")
            body = mapping.body_of(fields, only)
            body["milestone"] = billing.milestones(write, schedule, self._options, self._connection.id, lines)
            self._patch(write, ref, body, params={"replace": "milestone"})
        if only is None:
            self._attach(write, schedule, ref)
        return ref

    def _attach(self, write: Write, schedule: BillingSchedule, ref: ExternalRef) -> None:
        """A schedule bills nothing until its project names it (section_3932613729)."""
        project = write.ref_of(schedule.project_key).id
        self._client.call("PATCH", _path("job", project), body={"billingSchedule": reference(ref.id)})

    def _is_attached(self, write: Write, body: Body) -> bool:
        schedule = cast("BillingSchedule", write.record)
        project = self._read(Kind.PROJECT, write.ref_of(schedule.project_key).id, {"fields": "billingSchedule"})
        return project is not None and id_of(project, "billingSchedule") == str(body["id"])

    # Calls

    def _read(self, kind: Kind, address: str, params: Mapping[str, str] = _EXPANDED) -> Body | None:
        response = self._client.call("GET", _path(RESOURCES[kind].type, address), params=params, accept=(404,))
        return None if response.status_code == 404 else self._client.read(response)

    def _upsert(
        self, write: Write, body: Body, *, customer: str | None = None, params: Mapping[str, str] | None = None
    ) -> ExternalRef:
        """Create or change by our key; a customer not yet known in the subsidiary or the currency is let in first."""
        path = _path(RESOURCES[write.kind].type, f"eid:{write.key}")
        try:
            response = self._client.call("PUT", path, params=params, body=body)
        except RejectedError as error:
            if customer is None or not self._let_in(error, write.ref_of(customer), self._codes(write)):
                raise
            response = self._client.call("PUT", path, params=params, body=body)
        return self._made(write, response)

    def _let_in(self, error: RejectedError, customer: ExternalRef, codes: Codes) -> bool:
        """Whether the customer lacked the subsidiary or the currency and has them now. Harmless when repeated."""
        let_in = False
        if _names(error, "subsidiary"):
            key = f"CSR-{customer.id}-{codes.subsidiary}"
            body = {"entity": reference(customer.id), "subsidiary": reference(codes.subsidiary)}
            self._client.call("PUT", _path(RELATIONSHIP, f"eid:{key}"), body=body)
            let_in = True
        if let_in or _names(error, "currency"):
            lines = {"items": [{"currency": reference(codes.currency)}]}
            self._client.call("PATCH", _path("customer", customer.id), body={"currencyList": lines})
            let_in = True
        return let_in

    def _insert(self, write: Write, body: Body) -> ExternalRef:
        """Create a record with lines. Raises ConflictError where one under our key stands already."""
        try:
            response = self._client.call("POST", _path(RESOURCES[write.kind].type), body=body)
        except RejectedError:
            # With which code a repeated external id is refused is UNVERIFIED: look.
            if self._read(write.kind, f"eid:{write.key}", {"fields": "id"}) is not None:
                raise ConflictError(
                    f"{self._connection.id}: {write.key} stands already", connection=self._connection.id
                ) from None
            raise
        return self._made(write, response)

    def _patch(
        self, write: Write, ref: ExternalRef, body: Body, *, params: Mapping[str, str] | None = None
    ) -> ExternalRef:
        if body:
            self._client.call("PATCH", _path(RESOURCES[write.kind].type, ref.id), params=params, body=body)
        return ref

    def _made(self, write: Write, response: httpx.Response) -> ExternalRef:
        """Where a new record stands: told by Location, or read."""
        location = response.headers.get("location", "")
        made = location.rstrip("/").rsplit("/", 1)[-1] if location else None
        # Whether an upsert tells an address, and which, is not documented: one by our key names no id.
        made = None if made is None or unquote(made).startswith("eid:") else made
        if made is None:
            fields = ",".join(filter(None, ("id", RESOURCES[write.kind].number)))
            with written():
                body = self._read(write.kind, f"eid:{write.key}", {"fields": fields})
                if body is None:
                    raise RecordMissingError(f"{self._connection.id}: {write.key} was written and is not there")
            return self._ref(write.kind, body)
        return self._ref(write.kind, {"id": made})

    # Answers in our words

    def _codes(self, write: Write) -> Codes:
        return Codes(self._connection.id, write.codes)

    def _ref(self, kind: Kind, body: Body, parts: Mapping[str, str] | None = None) -> ExternalRef:
        resource, key = RESOURCES[kind], str(body["id"])
        return ExternalRef(
            connection=self._connection.id,
            type=resource.type,
            id=key,
            number=body.get(resource.number) if resource.number else None,
            url=f"{self._ui_url}/{resource.page}?id={key}" if self._ui_url else None,
            parts=dict(parts or {}),
        )

    def _parts(self, write: Write, body: Body) -> dict[str, str]:
        match write.record:
            case Customer():
                return {"subsidiary": id_of(body, "subsidiary") or ""}
            case Contract() as contract:
                pairs = billing.paired(contract.lines, lines_of(body, "item"), self._codes(write), {})
                return {key: str(line["line"]) for key, line in pairs.items()}
            case _:
                return {}

    def _record(self, write: Write, body: Body) -> Record:
        match write.record:
            case Customer() as customer:
                return mapping.read_customer(write, customer, body, self._codes(write))
            case Contact() as contact:
                return mapping.read_contact(write, contact, body)
            case Project() as project:
                return mapping.read_project(write, project, body, self._codes(write))
            case Task() as task:
                return mapping.read_task(write, task, body)
            case Contract() as contract:
                return billing.read_contract(write, contract, body, self._codes(write))
            case BillingSchedule() as schedule:
                return billing.read_schedule(write, schedule, body)
            case record:
                raise TypeError(f"{type(record).__name__} is no record of an ERP")


def _path(*parts: str) -> str:
    return "/".join((RECORDS_PATH, *parts))


def _sublists(address_book: Body | None, registrations: Body | None) -> Body:
    return filled({"addressBook": address_book, "taxRegistration": registrations})


def _names(error: RejectedError, field: str) -> bool:
    """Whether the refusal names this field of the record's body."""
    return any(finding.field.rpartition(".")[2] == field for finding in error.findings)
