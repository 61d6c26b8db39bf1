"""Contact and project to S/4HANA's entities and back: pure functions. See also customers.py and billing.py.

`new_*` gives the deep insert that makes a record in one call. `*_changes` gives the change set that makes a record,
as it was read, so; `only` names the fields of ours that may be touched, None means all. `read_*` gives our record as
SAP holds it: what SAP has no field for stays as in the record asked for, and a field on which our record is silent is
left to the ERP.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from dealbridge.connectors.s4hana.odata import Body, Change, day, day_of, guid, number_of, one, rows, tag_of, text
from dealbridge.connectors.s4hana.records import Codes, element_id, kept, partner_key, project_id
from dealbridge.domain.engagement import Project, Task
from dealbridge.domain.keys import Kind
from dealbridge.domain.parties import Contact
from dealbridge.domain.refs import ExternalRef
from dealbridge.ports import Write
from dealbridge.transport.mapping import filled, said

type Only = set[str] | None

_NAME, _DESCRIPTION = 40, 60
"""The fields' lengths."""


def cut(value: str | None, length: int) -> str:
    return (value or "")[:length].rstrip()


def may(only: Only, *names: str) -> bool:
    return only is None or bool(only & set(names))


NUMBERS = frozenset({"RequestedQuantity", "ConditionRateValue", "ConditionQuantity", "BillingPlanAmount"})


def differing(held: Mapping[str, Any], wanted: Mapping[str, Any]) -> Body:
    """The fields that SAP holds otherwise. A date comes in another form than it goes, and 1.50 is 1.5."""

    def same(name: str, value: Any) -> bool:
        if name in NUMBERS:
            return number_of(held, name) == Decimal(value)
        at = day_of(held, name)
        return day(at) == value if at else _is(held, name, value)

    return {name: value for name, value in wanted.items() if not same(name, value)}


def is_like(held: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return all(_is(held, name, value) for name, value in wanted.items())


def _is(held: Mapping[str, Any], name: str, value: Any) -> bool:
    """What is null or left out is empty, or false."""
    known = held.get(name)
    return bool((type(value)() if known is None and value is not None else known) == value)


def path_of(entity: Body) -> str:
    """The address of an entity as SAP gives it, below its service: set and key."""
    return str(entity["__metadata"]["uri"]).rpartition("/")[2]


# Contact: a person with a relationship to the customer; e-mail and telephone stand at the relationship


def new_contact(write: Write, contact: Contact, codes: Codes) -> Body:
    body = {
        "BusinessPartnerCategory": "1",
        "BusinessPartnerGrouping": codes.default("grouping"),
        "BusinessPartnerIDByExtSystem": partner_key(Kind.CONTACT, write.key),
        **_person(contact),
    }
    return filled(body)


def _person(contact: Contact) -> Body:
    return {"FirstName": cut(contact.first_name, _NAME), "LastName": cut(contact.last_name, _NAME)}


def new_relationship(contact: Contact, company: str, person: str) -> Body:
    return {
        "BusinessPartnerCompany": company,
        "BusinessPartnerPerson": person,
        "to_ContactRelationship": _reachable(contact),
    }


def _reachable(contact: Contact) -> Body:
    return {"EmailAddress": contact.email or "", "PhoneNumber": contact.phone or ""}


def contact_changes(contact: Contact, held: Body, relationship: Body | None, only: Only) -> Iterator[Change]:
    if may(only, "first_name", "last_name") and (found := differing(held, _person(contact))):
        yield Change.patch(f"A_BusinessPartner({text(held['BusinessPartner'])})", found, tag_of(held))
    function = one(relationship, "to_ContactRelationship")
    if function is not None and may(only, "email", "phone"):
        wanted = {name: value for name, value in _reachable(contact).items() if value or only is not None}
        if found := differing(function, wanted):
            yield Change.patch(path_of(function), found)


def read_contact(wanted: Contact, held: Body, relationship: Body | None) -> Contact:
    function = one(relationship, "to_ContactRelationship") or {}
    return wanted.model_copy(
        update={
            "customer_key": wanted.customer_key if relationship else "",
            "first_name": said(wanted.first_name, kept(wanted.first_name or "", held["FirstName"], _NAME)),
            "last_name": kept(wanted.last_name, held["LastName"], _NAME),
            "email": said(wanted.email, function.get("EmailAddress") or None),
            "phone": said(wanted.phone, function.get("PhoneNumber") or None),
        }
    )


# Project: its tasks are elements below it, its manager a team member with an entitlement

PROJECT_EXPAND = ",".join(
    (
        "to_EnterpriseProjectElement/to_EntProjElmntBlkFunc",
        "to_EntProjTeamMember/to_EntProjEntitlement",
    )
)

_BLOCKS = (
    "EntProjTimeRecgIsBlkd",
    "EntProjStaffExpensePostgIsBlkd",
    "EntProjServicePostingIsBlkd",
    "EntProjOtherExpensePostgIsBlkd",
    "EntProjPurchasingIsBlkd",
)


def new_project(write: Write, project: Project, codes: Codes) -> Body:
    number = project_id(write.key)
    body = {
        "Project": number,
        "ProjectProfileCode": codes.needed_default("project_profile"),
        **project_fields(write, project, codes),
        "to_EnterpriseProjectElement": [_element(number, task) for task in project.tasks],
        "to_EntProjTeamMember": [_manager(codes)] if codes.manager else [],
    }
    return {name: value for name, value in body.items() if value not in (None, [])}


def project_fields(write: Write, project: Project, codes: Codes, only: Only = None) -> Body:
    """The project's own fields that may be touched."""
    customer: ExternalRef | None = write.refs.get(project.customer_key)
    by_field: dict[str, Body] = {
        "name": {"ProjectDescription": cut(project.name, _DESCRIPTION)},
        "start": {"ProjectStartDate": day(project.start)},
        "end": {"ProjectEndDate": day(project.end)},
        "currency": {"ProjectCurrency": codes.currency},
        "customer_key": {"CustomerUUID": customer.parts.get("uuid") if customer else None},
        "legal_entity": {
            "ResponsibleCostCenter": codes.entity("cost_center"),
            "ProfitCenter": codes.entity_default("profit_center"),
        },
    }
    fields = {name: value for field, part in by_field.items() if may(only, field) for name, value in part.items()}
    return filled(fields)


def _element(project: str, task: Task) -> Body:
    return {
        "ProjectElement": element_id(project, task.service_line),
        **_element_fields(task),
        # Order items are assigned to it.
        "WBSElementIsBillingElement": True,
    }


def _element_fields(task: Task) -> Body:
    return {
        "ProjectElementDescription": cut(task.name, _DESCRIPTION),
        "PlannedStartDate": day(task.start),
        "PlannedEndDate": day(task.end),
    }


def _manager(codes: Codes) -> Body:
    role = codes.needed_default("manager_role")
    return {"BusinessPartnerUUID": codes.manager, "to_EntProjEntitlement": [{"ProjectRoleType": role}]}


def elements_of(held: Body) -> dict[str, Body]:
    """The project's elements by their numbers."""
    return {each["ProjectElement"]: each for each in rows(held, "to_EnterpriseProjectElement")}


def element_of(task: Task, held: Body, elements: Mapping[str, Body], known: str | None = None) -> Body | None:
    """A task's element: by the id that the ledger knows, else by its number."""
    by_id = next((each for each in elements.values() if known and each["ProjectElementUUID"] == known), None)
    return by_id or elements.get(element_id(held["Project"], task.service_line))


def project_path(key: str) -> str:
    return f"A_EnterpriseProject({guid(key)})"


def project_changes(
    write: Write, project: Project, held: Body, codes: Codes, only: Only, parts: Mapping[str, str]
) -> Iterator[Change]:
    """`parts` are the elements that the ledger knows; those of tasks no longer wanted are blocked."""
    key, elements = held["ProjectUUID"], elements_of(held)
    if fields := differing(held, project_fields(write, project, codes, only)):
        yield Change.patch(project_path(key), fields)
    if may(only, "manager_email"):
        yield from _team_changes(held, codes)
    if not may(only, "tasks", "legal_entity"):
        return
    for task in project.tasks:
        element = element_of(task, held, elements, parts.get(task.key))
        if element is None:
            yield Change.post(f"{project_path(key)}/to_EnterpriseProjectElement", _element(held["Project"], task))
            continue
        if fields := differing(element, _element_fields(task)):
            yield Change.patch(_element_path(element), fields)
        yield from _block_change(element, blocked=task.closed)
    wanted = {task.key for task in project.tasks}
    gone = {uuid for task, uuid in parts.items() if task not in wanted}
    for element in elements.values():
        if element["ProjectElementUUID"] in gone:
            yield from _block_change(element, blocked=True)


def _element_path(element: Body) -> str:
    return f"A_EnterpriseProjectElement({guid(element['ProjectElementUUID'])})"


def _block_change(element: Body, *, blocked: bool) -> Iterator[Change]:
    block = one(element, "to_EntProjElmntBlkFunc")
    wanted = dict.fromkeys(_BLOCKS, blocked)
    if block is not None and (found := differing(block, wanted)):
        yield Change.patch(f"A_EntProjElmntBlockFunc({guid(element['ProjectElementUUID'])})", found)


def blocks_of_closed(project: Project, held: Body) -> Iterator[Change]:
    """A task that is closed from the start: an element is made open."""
    elements = elements_of(held)
    for task in project.tasks:
        element = element_of(task, held, elements)
        if task.closed and element is not None:
            body = dict.fromkeys(_BLOCKS, True)
            yield Change.patch(f"A_EntProjElmntBlockFunc({guid(element['ProjectElementUUID'])})", body)


def _team_changes(held: Body, codes: Codes) -> Iterator[Change]:
    """Let the manager in, and those out who manage by the same entitlement."""
    if not codes.manager or _manages(held, codes) == codes.manager:
        return
    role = codes.needed_default("manager_role")
    there: Body | None = None
    for member in rows(held, "to_EntProjTeamMember"):
        if member["BusinessPartnerUUID"] == codes.manager:
            there = member
            continue
        for entitlement in rows(member, "to_EntProjEntitlement"):
            if entitlement["ProjectRoleType"] == role:
                yield Change.delete(f"A_EntTeamMemberEntitlement({guid(entitlement['ProjectEntitlementUUID'])})")
    if there is None:
        yield Change.post(f"{project_path(held['ProjectUUID'])}/to_EntProjTeamMember", _manager(codes))
    elif not any(each["ProjectRoleType"] == role for each in rows(there, "to_EntProjEntitlement")):
        path = f"A_EnterpriseProjectTeamMember({guid(there['TeamMemberUUID'])})/to_EntProjEntitlement"
        yield Change.post(path, {"ProjectRoleType": role})


def _manages(held: Body, codes: Codes) -> str | None:
    """Who holds the manager's entitlement, if it is one person; the wanted one comes first only if alone."""
    role = codes.needed_default("manager_role")
    managers = [
        member["BusinessPartnerUUID"]
        for member in rows(held, "to_EntProjTeamMember")
        if any(each["ProjectRoleType"] == role for each in rows(member, "to_EntProjEntitlement"))
    ]
    return managers[0] if len(managers) == 1 else None


def read_project(
    write: Write, wanted: Project, held: Body, codes: Codes, parts: Mapping[str, str] | None = None
) -> Project:
    """`parts` are the elements that are ours, by task: one that is not wanted any more and is open is found, too."""
    elements = elements_of(held)
    customer = write.refs.get(wanted.customer_key)
    uuid = customer.parts.get("uuid") if customer else None
    asked = project_fields(write, wanted, codes)
    in_entity = is_like(
        held, {name: asked[name] for name in ("ResponsibleCostCenter", "ProfitCenter") if name in asked}
    )
    managed = codes.manager is None or _manages(held, codes) == codes.manager
    return wanted.model_copy(
        update={
            "customer_key": wanted.customer_key if uuid is None or held["CustomerUUID"] == uuid else "",
            "legal_entity": wanted.legal_entity if in_entity else held["CompanyCode"],
            "name": kept(wanted.name, held["ProjectDescription"], _DESCRIPTION),
            "manager_email": wanted.manager_email if managed else _manages(held, codes) or "",
            "currency": wanted.currency if held["ProjectCurrency"] == codes.currency else held["ProjectCurrency"],
            "start": day_of(held, "ProjectStartDate"),
            "end": day_of(held, "ProjectEndDate"),
            "tasks": (
                *(
                    _read_task(task, element)
                    for task in wanted.tasks
                    if (element := element_of(task, held, elements)) is not None
                ),
                *_left_open(write, wanted, elements, parts or {}),
            ),
        }
    )


def _left_open(write: Write, wanted: Project, elements: Mapping[str, Body], parts: Mapping[str, str]) -> Iterator[Task]:
    """Tasks that are no longer wanted, and whose elements are not blocked."""
    known = {uuid: key for key, uuid in parts.items()}
    keys = {task.key for task in wanted.tasks}
    for number, element in elements.items():
        key = known.get(element["ProjectElementUUID"])
        if key is None or key in keys:
            continue
        once = Task(
            key=key,
            project_key=wanted.key,
            number=0,
            name=key,
            service_line=number.removeprefix(f"{project_id(write.key)}-"),
            start=wanted.start,
            end=wanted.end,
            budget=wanted.budget,
        )
        task = _read_task(once, element)
        if not task.closed:
            yield task


def _read_task(wanted: Task, element: Body) -> Task:
    block = one(element, "to_EntProjElmntBlkFunc") or {}
    return wanted.model_copy(
        update={
            "name": kept(wanted.name, element["ProjectElementDescription"], _DESCRIPTION),
            "start": day_of(element, "PlannedStartDate"),
            "end": day_of(element, "PlannedEndDate"),
            "closed": all(block.get(name) for name in _BLOCKS),
        }
    )


def parts_of(project: Project, held: Body, known: Mapping[str, str]) -> dict[str, str]:
    """Task key → the element's id; what the ledger knows of tasks no longer wanted stays known."""
    elements = elements_of(held)
    found = {
        task.key: element["ProjectElementUUID"]
        for task in project.tasks
        if (element := element_of(task, held, elements, known.get(task.key))) is not None
    }
    return {**known, **found}
