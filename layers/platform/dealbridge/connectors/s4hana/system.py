"""S/4HANA as an ERP: deep inserts to create, one read and one change set to change.

SAP has no call that is harmless to repeat: partners and orders carry our key in a field that is not unique, so they
are looked for before they are written again; a project's number is ours and a second one is refused (vendor notes, A3).
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

from dealbridge.connectors.s4hana import billing, customers, mapping
from dealbridge.connectors.s4hana.auth import SessionAuth, sign_in
from dealbridge.connectors.s4hana.calls import ODataCalls
from dealbridge.connectors.s4hana.events import read_event
from dealbridge.connectors.s4hana.odata import (
    Body,
    Change,
    Entity,
    guid,
    rows,
    tag_of,
    text,
)
from dealbridge.connectors.s4hana.outcomes import OUTCOMES
from dealbridge.connectors.s4hana.records import (
    ODATA,
    ORDERS,
    PARTNERS,
    PROJECTS,
    RESOURCES,
    Codes,
    partner_key,
    project_id,
)
from dealbridge.connectors.s4hana.settings import Options, Secret, ui_url
from dealbridge.domain.connection import Connection
from dealbridge.domain.engagement import Contract, Project
from dealbridge.domain.findings import Finding, Owner
from dealbridge.domain.keys import Kind
from dealbridge.domain.parties import Contact, Customer
from dealbridge.domain.plan import FieldChange, touched
from dealbridge.domain.refs import ExternalRef
from dealbridge.errors import ConflictError, RejectedError, TransientError
from dealbridge.ports import Found, InboundRequest, RecordHint, Write
from dealbridge.transport.client import VendorClient, Wire
from dealbridge.transport.outcomes import written

_HEADERS = {"Accept": "application/json", "Accept-Language": "en"}
_REJECTED = "C"
_CREATED = "00"


class S4Hana:
    """The ports `RecordTarget` and `EventSource` over OData V2."""

    def __init__(self, connection: Connection, secret: Mapping[str, str], wire: Wire) -> None:
        self._connection = connection
        self._options = Options.of(connection)
        self._secret = Secret.of(connection, secret)
        self._ui_url = ui_url(connection, self._options)
        auth = SessionAuth(connection.id, sign_in(connection.id, connection.base_url, self._secret, self._options))
        client = VendorClient(connection.id, connection.base_url, auth, OUTCOMES, wire, _HEADERS)
        self._calls = ODataCalls(connection.id, client)

    def lag(self, kind: Kind) -> timedelta:
        """Only a project's number is unique: SAP would take a second partner or order with the same reference."""
        return timedelta(0) if kind is Kind.PROJECT else timedelta(seconds=self._options.read_back_seconds)

    def find(self, write: Write) -> Found | None:
        match write.record:
            case Customer() as customer:
                return self._find_customer(write, customer)
            case Contact() as contact:
                return self._find_contact(write, contact)
            case Project() as project:
                return self._find_project(write, project)
            case Contract() as contract:
                return self._find_contract(write, contract)
            case record:
                raise TypeError(f"{type(record).__name__} is no record of S/4HANA")

    def create(self, write: Write) -> ExternalRef:
        match write.record:
            case Customer() as customer:
                return self._create_customer(write, customer)
            case Contact() as contact:
                return self._create_contact(write, contact)
            case Project() as project:
                return self._create_project(write, project)
            case Contract() as contract:
                return self._create_contract(write, contract)
            case record:
                raise TypeError(f"{type(record).__name__} is no record of S/4HANA")

    def update(self, write: Write, ref: ExternalRef, changes: Sequence[FieldChange]) -> ExternalRef:
        only = touched(changes) if changes else None
        match write.record:
            case Customer() as customer:
                return self._update_customer(write, customer, ref, only)
            case Contact() as contact:
                return self._update_contact(write, contact, ref, only)
            case Project() as project:
                return self._update_project(write, project, ref, only)
            case Contract() as contract:
                return self._update_contract(write, contract, ref, only)
            case record:
                raise TypeError(f"{type(record).__name__} is no record of S/4HANA")

    def withdraw(self, write: Write, ref: ExternalRef) -> ExternalRef:
        raise TypeError(f"a {write.kind} is not withdrawn from S/4HANA")

    # Customer

    def _find_customer(self, write: Write, customer: Customer) -> Found | None:
        codes = self._codes(write)
        held = self._partner_of(write, customers.CUSTOMER_EXPAND)
        if held is None:
            return None
        key = held["BusinessPartner"]
        parent_key = customer.parent_key
        if codes.default("parent_relationship"):
            wanted = write.ref_of(parent_key).id if parent_key else None
            standing = {each["BusinessPartner1"] for each in self._parents(key, codes)}
            others = [each for each in sorted(standing - {wanted}) if self._is_ours(each)]
            if others:
                parent_key = others[0]
            elif wanted not in standing:
                parent_key = None
        complete = not customers.admission(key, held, codes)
        record = customers.read_customer(customer, held, parent_key, codes)
        return Found(self._ref(Kind.CUSTOMER, held, _uuid_of(held)), record, complete)

    def _create_customer(self, write: Write, customer: Customer) -> ExternalRef:
        codes = self._codes(write)
        body = customers.new_customer(write, customer, codes)
        below = customer.parent_key if codes.default("parent_relationship") else None
        parent = write.ref_of(below) if below else None
        held = self._calls.post(RESOURCES[Kind.CUSTOMER].path, body)
        ref = self._ref(Kind.CUSTOMER, held, _uuid_of(held))
        with written():
            if customers.shows_customer(held):
                self._calls.change(PARTNERS, customers.admission(ref.id, held, codes))
            if parent is not None:
                relationship = customers.relationship(parent.id, ref.id, codes)
                self._calls.post(f"{ODATA}/{PARTNERS}/A_BPRelationship", relationship)
        return ref

    def _update_customer(
        self, write: Write, customer: Customer, ref: ExternalRef, only: set[str] | None
    ) -> ExternalRef:
        codes = self._codes(write)
        held = self._calls.entity(_at(Kind.CUSTOMER, f"A_BusinessPartner({text(ref.id)})"), customers.CUSTOMER_EXPAND)
        self._calls.change(PARTNERS, list(customers.customer_changes(customer, held, codes, only)))
        if (only is None or "parent_key" in only) and codes.default("parent_relationship"):
            self._settle_parent(write, customer, ref, codes, replace=only is not None)
        return self._ref(Kind.CUSTOMER, held, _uuid_of(held))

    def _parents(self, customer: str, codes: Codes) -> list[Body]:
        category = codes.needed_default("parent_relationship")
        only = f"BusinessPartner2 eq {text(customer)} and RelationshipCategory eq {text(category)}"
        return self._calls.rows(f"{ODATA}/{PARTNERS}/A_BPRelationship", {"$filter": only})

    def _is_ours(self, partner: str) -> bool:
        """Whether a partner came from a CRM: it bears an external id, which may be a digest."""
        address = _at(Kind.CUSTOMER, f"A_BusinessPartner({text(partner)})")
        return bool(self._calls.entity(address).get("BusinessPartnerIDByExtSystem"))

    def _settle_parent(
        self, write: Write, customer: Customer, ref: ExternalRef, codes: Codes, *, replace: bool
    ) -> None:
        """The relationship to the parent wanted. Another one goes where the CRM has changed the parent (`replace`), or
        where it leads to a partner of ours: the CRM says which of these stand below which."""
        parent = write.ref_of(customer.parent_key).id if customer.parent_key else None
        parents = self._parents(ref.id, codes)
        others = [each for each in parents if each["BusinessPartner1"] != parent]
        gone = [each for each in others if replace or self._is_ours(each["BusinessPartner1"])]
        changes = [Change.delete(mapping.path_of(each)) for each in gone]
        if parent is not None and parent not in {each["BusinessPartner1"] for each in parents}:
            changes.append(Change.post("A_BPRelationship", customers.relationship(parent, ref.id, codes)))
        self._calls.change(PARTNERS, changes)

    # Contact

    def _find_contact(self, write: Write, contact: Contact) -> Found | None:
        held = self._partner_of(write, None)
        if held is None:
            return None
        relationship = self._relationship(held["BusinessPartner"], write.ref_of(contact.customer_key).id)
        record = mapping.read_contact(contact, held, relationship)
        return Found(self._ref(Kind.CONTACT, held), record, relationship is not None)

    def _create_contact(self, write: Write, contact: Contact) -> ExternalRef:
        company = write.ref_of(contact.customer_key)
        held = self._calls.post(RESOURCES[Kind.CONTACT].path, mapping.new_contact(write, contact, self._codes(write)))
        ref = self._ref(Kind.CONTACT, held)
        with written():
            self._introduce(contact, company.id, ref.id)
        return ref

    def _update_contact(self, write: Write, contact: Contact, ref: ExternalRef, only: set[str] | None) -> ExternalRef:
        company = write.ref_of(contact.customer_key)
        held = self._calls.entity(_at(Kind.CONTACT, f"A_BusinessPartner({text(ref.id)})"), None)
        relationship = self._relationship(ref.id, company.id)
        self._calls.change(PARTNERS, list(mapping.contact_changes(contact, held, relationship, only)))
        if relationship is None:
            self._introduce(contact, company.id, ref.id)
        return self._ref(Kind.CONTACT, held)

    def _relationship(self, person: str, company: str) -> Body | None:
        only = f"BusinessPartnerPerson eq {text(person)} and BusinessPartnerCompany eq {text(company)}"
        query = {"$filter": only, "$expand": "to_ContactRelationship"}
        return next(iter(self._calls.rows(f"{ODATA}/{PARTNERS}/A_BusinessPartnerContact", query)), None)

    def _introduce(self, contact: Contact, company: str, person: str) -> None:
        body = mapping.new_relationship(contact, company, person)
        self._calls.post(f"{ODATA}/{PARTNERS}/A_BusinessPartnerContact", body)

    # Project

    def _find_project(self, write: Write, project: Project) -> Found | None:
        codes = self._codes(write)
        held = self._project_of(write)
        if held is None:
            return None
        released = not self._options.release_projects or held["ProcessingStatus"] != _CREATED
        tried = mapping.parts_of(write.tried, held, {}) if isinstance(write.tried, Project) else {}
        parts = mapping.parts_of(project, held, {**(write.known.parts if write.known else {}), **tried})
        return Found(
            self._ref(Kind.PROJECT, held, parts), mapping.read_project(write, project, held, codes, parts), released
        )

    def _create_project(self, write: Write, project: Project) -> ExternalRef:
        codes = self._codes(write)
        body = mapping.new_project(write, project, codes)
        try:
            held = self._calls.post(RESOURCES[Kind.PROJECT].path, body)
        except RejectedError:
            # With which code a second project of a number is refused is UNVERIFIED: look.
            if self._project_of(write) is not None:
                raise ConflictError(
                    f"{self._connection.id}: project {body['Project']} stands already", connection=self._connection.id
                ) from None
            raise
        with written():
            if len(mapping.elements_of(held)) < len(project.tasks):
                held = self._calls.entity(
                    _at(Kind.PROJECT, mapping.project_path(held["ProjectUUID"])), mapping.PROJECT_EXPAND
                )
            self._calls.change(PROJECTS, [*self._release(held), *mapping.blocks_of_closed(project, held)])
        return self._ref(Kind.PROJECT, held, mapping.parts_of(project, held, {}))

    def _update_project(self, write: Write, project: Project, ref: ExternalRef, only: set[str] | None) -> ExternalRef:
        codes = self._codes(write)
        if only is not None and not only & {"tasks", "manager_email"}:
            fields = mapping.project_fields(write, project, codes, only)
            self._calls.change(PROJECTS, [Change.patch(mapping.project_path(ref.id), fields)] if fields else [])
            return ref
        path = mapping.project_path(ref.id)
        held = self._calls.entity(_at(Kind.PROJECT, path), mapping.PROJECT_EXPAND)
        changes = list(mapping.project_changes(write, project, held, codes, only, ref.parts))
        if only is None:
            changes = [*self._release(held), *changes]
        answers = self._calls.change(PROJECTS, changes)
        made = [self._calls.content(answer) for answer in answers if answer.status_code == 201]
        elements = [*rows(held, "to_EnterpriseProjectElement"), *(each for each in made if "ProjectElement" in each)]
        held = Entity({**held, "to_EnterpriseProjectElement": elements})
        return self._ref(Kind.PROJECT, held, mapping.parts_of(project, held, ref.parts))

    def _release(self, held: Body) -> Iterator[Change]:
        """Until it is released, nobody records time on a project."""
        if self._options.release_projects and held["ProcessingStatus"] == _CREATED:
            status = text(self._options.released_status)
            query = f"ProjectUUID={guid(held['ProjectUUID'])}&ProcessingStatus={status}"
            yield Change("POST", f"ChangeEntProjProcgStatus?{query}", tag="*")

    def _project_of(self, write: Write) -> Body | None:
        query = {"$filter": f"Project eq {text(project_id(write.key))}", "$expand": mapping.PROJECT_EXPAND}
        return next(iter(self._calls.rows(RESOURCES[Kind.PROJECT].path, query)), None)

    # Contract

    def _find_contract(self, write: Write, contract: Contract) -> Found | None:
        codes, options = self._codes(write), self._options
        key = f"{options.order_key_field} eq {text(billing.customer_reference(write.key))}"
        query = {"$filter": key, "$expand": billing.ORDER_EXPAND}
        found = self._calls.rows(RESOURCES[Kind.CONTRACT].path, query)
        standing = [each for each in found if each["OverallSDDocumentRejectionSts"] != _REJECTED] or found
        held = self._only_one(write, standing, "SalesOrder")
        if held is None:
            return None
        ref = self._ref(Kind.CONTRACT, held, billing.parts_of(contract, held, codes, {}))
        return Found(ref, billing.read_contract(write, contract, held, codes, options))

    def _create_contract(self, write: Write, contract: Contract) -> ExternalRef:
        codes = self._codes(write)
        body = billing.new_order(write, contract, codes, self._options)
        path = RESOURCES[Kind.CONTRACT].path
        try:
            held = self._calls.post(path, body)
        except RejectedError:
            # With which code an order of a customer without sales area is refused is UNVERIFIED; and the order of
            # another deal may have brought what was missing by now.
            self._admit(write.ref_of(contract.customer_key), codes)
            held = self._calls.post(path, body)
        ref = self._ref(Kind.CONTRACT, held)
        with written():
            if len(billing.items_of(held)) < len(contract.lines):
                held = self._calls.entity(_at(Kind.CONTRACT, f"A_SalesOrder({text(ref.id)})"), billing.ORDER_EXPAND)
        return ref.model_copy(update={"parts": billing.parts_of(contract, held, codes, {})})

    def _admit(self, customer: ExternalRef, codes: Codes) -> None:
        """See to it that the customer has this legal entity's company code and sales area.

        A customer is made once, by the first entity that sells to it; what the next one needs is added then.
        """
        missing = self._missing_of(customer, codes)
        try:
            self._calls.change(PARTNERS, missing)
        except RejectedError:
            # The order of another deal may have brought the same at the same moment.
            if self._missing_of(customer, codes):
                raise

    def _missing_of(self, customer: ExternalRef, codes: Codes) -> list[Change]:
        address = _at(Kind.CUSTOMER, f"A_BusinessPartner({text(customer.id)})")
        return customers.admission(customer.id, self._calls.entity(address, customers.CUSTOMER_EXPAND), codes)

    def _update_contract(
        self, write: Write, contract: Contract, ref: ExternalRef, only: set[str] | None
    ) -> ExternalRef:
        codes, path = self._codes(write), f"A_SalesOrder({text(ref.id)})"
        held = self._calls.entity(_at(Kind.CONTRACT, path), billing.ORDER_EXPAND)
        changes = list(billing.order_changes(write, contract, held, codes, self._options, only, ref.parts))
        self._calls.change(ORDERS, changes)
        if any(change.method in ("POST", "DELETE") for change in changes):
            # New items and dates have numbers of SAP's.
            with written():
                held = self._calls.entity(_at(Kind.CONTRACT, path), billing.ORDER_EXPAND)
        parts = billing.parts_of(contract, held, codes, ref.parts)
        return self._ref(Kind.CONTRACT, held, {**ref.parts, **parts})

    # Events

    def read_event(self, request: InboundRequest) -> list[RecordHint]:
        return read_event(request, self._secret.webhook_authorization)

    # Calls

    def _partner_of(self, write: Write, expand: str | None) -> Body | None:
        only = f"BusinessPartnerIDByExtSystem eq {text(partner_key(write.kind, write.key))}"
        query = {"$filter": only, **({"$expand": expand} if expand else {})}
        found = [
            each for each in self._calls.rows(RESOURCES[write.kind].path, query) if not each["IsMarkedForArchiving"]
        ]
        return self._only_one(write, found, "BusinessPartner")

    def _only_one(self, write: Write, found: Sequence[Body], number: str) -> Body | None:
        """SAP keeps no external key unique. Raises RejectedError where two records carry ours."""
        if len(found) < 2:
            return found[0] if found else None
        numbers = ", ".join(str(each[number]) for each in found)
        finding = Finding(
            field=number,
            rule="one record per key",
            message=f"{numbers} all carry the key {write.key}.",
            remedy="Keep one; archive or reject the others, or take the key out of them in SAP.",
            owner=Owner.FINANCE,
        )
        raise RejectedError(
            f"{self._connection.id}: {finding.message}", connection=self._connection.id, findings=[finding]
        )

    def _codes(self, write: Write) -> Codes:
        return Codes(self._connection.id, write.codes)

    def _ref(self, kind: Kind, body: Body, parts: Mapping[str, str] | None = None) -> ExternalRef:
        resource = RESOURCES[kind]
        if not body.get(resource.id):
            raise TransientError(
                f"{self._connection.id}: an answer names no {resource.id}",
                connection=self._connection.id,
                outcome_unknown=True,
            )
        number = str(body[resource.number])
        return ExternalRef(
            connection=self._connection.id,
            type=resource.set,
            id=str(body[resource.id]),
            number=number,
            url=f"{self._ui_url}/ui#{resource.intent}={number}" if self._ui_url else None,
            version=tag_of(body),
            parts=dict(parts or {}),
        )


def _at(kind: Kind, path: str) -> str:
    return f"{ODATA}/{RESOURCES[kind].service}/{path}"


def _uuid_of(held: Body) -> dict[str, str]:
    """Projects name their customer by it."""
    uuid = held.get("BusinessPartnerUUID")
    return {"uuid": str(uuid)} if uuid else {}
