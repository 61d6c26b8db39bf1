"""Enterprise projects: the project, its elements (WBS), team and processing status.

Facts held here: `Project` and `ProjectElement` are ours and unique (A2.2); the project itself stands among its
elements as their root and is not changed there (KBA 3743470); a project manager is a team member with an entitlement
(KBA 3519774); a changed element raises its own event, not the project's Changed (A4).
"""

from collections.abc import Callable, Mapping
from typing import Any

from dealbridge_local.simulators.s4hana import customizing, edm, errors
from dealbridge_local.simulators.s4hana.applications.application import Application, require
from dealbridge_local.simulators.s4hana.entities import business_partner as partners
from dealbridge_local.simulators.s4hana.entities import enterprise_project as model
from dealbridge_local.simulators.s4hana.errors import Message, business_error
from dealbridge_local.simulators.s4hana.model import Draft, EntitySet, FunctionImport
from dealbridge_local.simulators.s4hana.tenant import COMMUNICATION_USER, Tenant
from dealbridge_local.simulators.store import Record

_EVENT = "sap.s4.beh.enterpriseproject.v1.EnterpriseProject"
_CREATED, _CLOSED = "00", "40"


class Projects(Application):
    """API_ENTERPRISE_PROJECT_SRV;v=0002."""

    service = model.SERVICE

    def __init__(self, tenant: Tenant) -> None:
        super().__init__(tenant)
        self._creators: dict[str, Callable[[Draft], Record]] = {
            model.PROJECT.name: self._create_project,
            model.ELEMENT.name: self._create_element,
            model.TEAM_MEMBER.name: self._create_member,
            model.ENTITLEMENT.name: self._create_entitlement,
        }

    def create(self, draft: Draft) -> Record:
        record = self._creators[draft.entity.name](draft)
        project = record["ProjectUUID"]
        if draft.entity is model.PROJECT:
            self.tenant.emit(f"{_EVENT}.Created", ProjectUUID=project)
        elif draft.entity is model.ELEMENT:
            self._element_event("EntProjElmntCrted", record)
        else:
            self._touch(project)
        return record

    def update(self, entity: EntitySet, record: Record, changes: Mapping[str, Any]) -> None:
        project = self._project(record["ProjectUUID"])
        self.tenant.check_lock(model.PROJECT.name, "Project", project["Project"])
        if entity is model.ELEMENT and record["ProjectElementUUID"] == project["ProjectUUID"]:
            raise business_error("/S4PPM/CRUD/377", "Use the Project entity to update the project definition.")
        if record.get("ProcessingStatus") == _CLOSED:
            raise business_error("/S4PPM/CRUD/112", "The object is closed and cannot be changed")
        values = {**record, **changes}
        self._check(entity, values, set(changes))
        if entity is model.PROJECT:
            if changes.get("Project", record["Project"]) != record["Project"]:
                self._check_new_project_id(values["Project"])
            changes = {**changes, **_derived(values)}
        if entity is model.ELEMENT and values["ProjectElement"] != record["ProjectElement"]:
            self._check_new_element_id(values["ProjectElement"])
        stamps = self.tenant.changed() if "LastChangeDateTime" in entity.properties else {}
        self.tables.change(entity, record, **changes, **stamps)
        if entity is model.PROJECT:
            self._change_root(values)
            self._touch(record["ProjectUUID"])
        elif entity in (model.ELEMENT, model.BLOCK_FUNCTION):
            self._element_event("EntProjElmntChgd", record)
        else:
            self._touch(record["ProjectUUID"])

    def delete(self, entity: EntitySet, record: Record) -> None:
        self.tenant.check_lock(model.PROJECT.name, "Project", self._project(record["ProjectUUID"])["Project"])
        if entity is model.PROJECT:
            self._delete_project(record)
        elif entity is model.ELEMENT:
            self._delete_element(record)
        else:
            if entity is model.TEAM_MEMBER:
                for held in list(self.tables.where(model.ENTITLEMENT, {"TeamMemberUUID": record["TeamMemberUUID"]})):
                    self.tables.delete(model.ENTITLEMENT, held)
            self.tables.delete(entity, record)
            self._touch(record["ProjectUUID"])

    def call(self, function: FunctionImport, parameters: Mapping[str, Any]) -> Any:
        status = parameters["ProcessingStatus"]
        if function is model.CHANGE_ELEMENT_STATUS:
            element = self._element(parameters["ProjectElementUUID"])
            self._check_status(element["ProcessingStatus"], status)
            self._set_status(element, status)
            self._element_event("EntProjElmntChgd", element)
            return self._element(element["ProjectElementUUID"])
        project = self._project(parameters["ProjectUUID"])
        self.tenant.check_lock(model.PROJECT.name, "Project", project["Project"])
        self._check_status(project["ProcessingStatus"], status)
        self.tables.change(model.PROJECT, project, ProcessingStatus=status, **self.tenant.changed())
        for element in list(self.tables.where(model.ELEMENT, {"ProjectUUID": project["ProjectUUID"]})):
            if status in customizing.STATUS_CHANGES[element["ProcessingStatus"]]:
                self._set_status(element, status)
        self._touch(project["ProjectUUID"])
        return self._project(project["ProjectUUID"])

    def tag(self, entity: EntitySet, record: Mapping[str, Any]) -> str | None:
        changed = record.get("LastChangeDateTime")
        return f"W/\"datetimeoffset'{changed:%Y-%m-%dT%H%%3A%M%%3A%S.%f}0Z'\"" if changed else None

    # Project

    def _create_project(self, draft: Draft) -> Record:
        require(draft, "Project", "ProjectDescription", "ProjectProfileCode", "ResponsibleCostCenter")
        require(draft, "ProjectStartDate", "ProjectEndDate")
        values = {**model.PROJECT.blank, **draft.values}
        self._check(model.PROJECT, values, set(draft.values))
        self._check_new_project_id(values["Project"])
        key = self.tenant.uuid()
        project = self.insert(
            model.PROJECT,
            draft.values,
            ProjectUUID=key,
            ProjectInternalID=self.tenant.number("project"),
            ProcessingStatus=_CREATED,
            ControllingArea=customizing.CONTROLLING_AREA,
            ProjectLastChangedDateTime=self.tenant.now(),
            **_derived(values),
            **self.tenant.changed(),
        )
        self._insert_root(project)
        for role in sorted(customizing.PROJECT_ROLE_TYPES):
            self.insert(
                model.ROLE,
                {"ProjectRoleUUID": self.tenant.uuid(), "ProjectUUID": key, "ProjectRoleType": role},
            )
        for element in draft.children.get("to_EnterpriseProjectElement", []):
            self._create_element(Draft(model.ELEMENT, {**element.values, "ProjectUUID": key}, element.children))
        for member in draft.children.get("to_EntProjTeamMember", []):
            self._create_member(Draft(model.TEAM_MEMBER, {**member.values, "ProjectUUID": key}, member.children))
        return project

    def _insert_root(self, project: Record) -> None:
        root = self.insert(
            model.ELEMENT,
            _root_values(project),
            ProjectElementUUID=project["ProjectUUID"],
            ProjectUUID=project["ProjectUUID"],
            ParentObjectUUID=edm.ZERO_GUID,
            WBSElementInternalID=self.tenant.number("wbs_element"),
            ProcessingStatus=_CREATED,
            CreatedByUser=COMMUNICATION_USER,
            CreationDateTime=self.tenant.now(),
            **self.tenant.changed(),
        )
        self._insert_block_function(root)

    def _insert_block_function(self, element: Record) -> None:
        link = {name: element[name] for name in ("ProjectElementUUID", "ProjectUUID")}
        self.insert(model.BLOCK_FUNCTION, link)

    def _change_root(self, project: Mapping[str, Any]) -> None:
        root = self._element(project["ProjectUUID"])
        self.tables.change(model.ELEMENT, root, **_root_values(project))

    def _check_new_project_id(self, project: str) -> None:
        if self.tables.first(model.PROJECT, Project=project) is not None:
            raise business_error("/S4PPM/CRUD/204", f"Project {project} already exists", "Project")
        self._check_new_element_id(project)

    def _delete_project(self, project: Record) -> None:
        if project["ProcessingStatus"] != _CREATED:
            raise business_error("/S4PPM/CRUD/118", f"Project {project['Project']} is released and cannot be deleted")
        for entity in (model.ELEMENT, model.BLOCK_FUNCTION, model.TEAM_MEMBER, model.ENTITLEMENT, model.ROLE):
            for held in list(self.tables.where(entity, {"ProjectUUID": project["ProjectUUID"]})):
                self.tables.delete(entity, held)
        self.tables.delete(model.PROJECT, project)

    # Elements

    def _create_element(self, draft: Draft) -> Record:
        project = self._project(draft.get("ProjectUUID") or self._project_of_parent(draft))
        self.tenant.check_lock(model.PROJECT.name, "Project", project["Project"])
        if project["ProcessingStatus"] == _CLOSED:
            raise business_error("/S4PPM/CRUD/112", "The project is closed and cannot be changed")
        require(draft, "ProjectElement", "ProjectElementDescription")
        parent = draft.get("ParentObjectUUID") or project["ProjectUUID"]
        above = self.tables.get(model.ELEMENT, parent)
        if above is None or above["ProjectUUID"] != project["ProjectUUID"]:
            raise business_error(
                "/S4PPM/CRUD/130", "The parent element does not belong to the project", "ParentObjectUUID"
            )
        values = {**model.ELEMENT.blank, **draft.values}
        self._check(model.ELEMENT, values, set(draft.values))
        self._check_new_element_id(values["ProjectElement"])
        siblings = len(list(self.tables.where(model.ELEMENT, {"ParentObjectUUID": parent})))
        cost_center = values["ResponsibleCostCenter"] or project["ResponsibleCostCenter"]
        element = self.insert(
            model.ELEMENT,
            {
                "PlannedStartDate": project["ProjectStartDate"],
                "PlannedEndDate": project["ProjectEndDate"],
                "ProfitCenter": project["ProfitCenter"],
                **draft.values,
            },
            ProjectElementUUID=self.tenant.uuid(),
            ProjectUUID=project["ProjectUUID"],
            ParentObjectUUID=parent,
            WBSElementInternalID=self.tenant.number("wbs_element"),
            ProjectElementOrdinalNumber=siblings + 1,
            ProcessingStatus=above["ProcessingStatus"],
            ResponsibleCostCenter=cost_center,
            CompanyCode=customizing.COST_CENTERS[cost_center],
            ControllingArea=customizing.CONTROLLING_AREA,
            CreatedByUser=COMMUNICATION_USER,
            CreationDateTime=self.tenant.now(),
            **self.tenant.changed(),
        )
        self._insert_block_function(element)
        link = {"ProjectUUID": project["ProjectUUID"], "ParentObjectUUID": element["ProjectElementUUID"]}
        for below in draft.children.get("to_SubProjElement", []):
            self._create_element(Draft(model.ELEMENT, {**below.values, **link}, below.children))
        return element

    def _project_of_parent(self, draft: Draft) -> str:
        parent = self.tables.get(model.ELEMENT, draft.get("ParentObjectUUID"))
        return parent["ProjectUUID"] if parent else ""

    def _check_new_element_id(self, element: str) -> None:
        if self.tables.first(model.ELEMENT, ProjectElement=element) is not None:
            raise business_error("/S4PPM/CRUD/205", f"Project element {element} already exists", "ProjectElement")

    def _delete_element(self, element: Record) -> None:
        if element["ProjectElementUUID"] == element["ProjectUUID"]:
            raise business_error("/S4PPM/CRUD/377", "Use the Project entity to update the project definition.")
        if element["ProcessingStatus"] != _CREATED:
            raise business_error(
                "/S4PPM/CRUD/118", f"Project element {element['ProjectElement']} is released and cannot be deleted"
            )
        for below in list(self.tables.where(model.ELEMENT, {"ParentObjectUUID": element["ProjectElementUUID"]})):
            self._delete_element(below)
        self.tables.delete(model.ELEMENT, element)
        for block in list(
            self.tables.where(model.BLOCK_FUNCTION, {"ProjectElementUUID": element["ProjectElementUUID"]})
        ):
            self.tables.delete(model.BLOCK_FUNCTION, block)

    # Team

    def _create_member(self, draft: Draft) -> Record:
        project = self._project(draft.get("ProjectUUID"))
        person = self.tables.first(partners.PARTNER, BusinessPartnerUUID=draft.get("BusinessPartnerUUID"))
        if person is None or self.tables.get(partners.ROLE, person["BusinessPartner"], "BUP003") is None:
            raise business_error(
                "/S4PPM/CRUD/301",
                f"Business partner {draft.get('BusinessPartnerUUID') or 'SPACE'} is no employee",
                "BusinessPartnerUUID",
            )
        known = self.tables.where(model.TEAM_MEMBER, {"ProjectUUID": project["ProjectUUID"]})
        if any(each["BusinessPartnerUUID"] == person["BusinessPartnerUUID"] for each in known):
            raise business_error("/S4PPM/CRUD/302", f"{person['BusinessPartnerName']} is a team member already")
        member = self.insert(
            model.TEAM_MEMBER,
            draft.values,
            TeamMemberUUID=self.tenant.uuid(),
            ProjectUUID=project["ProjectUUID"],
            **self._administration(),
        )
        link = {"TeamMemberUUID": member["TeamMemberUUID"]}
        for entitlement in draft.children.get("to_EntProjEntitlement", []):
            self._create_entitlement(Draft(model.ENTITLEMENT, {**entitlement.values, **link}))
        return member

    def _create_entitlement(self, draft: Draft) -> Record:
        member = self.tables.get(model.TEAM_MEMBER, draft.get("TeamMemberUUID"))
        if member is None:
            raise errors.not_found(model.TEAM_MEMBER.type)
        self._check(model.ENTITLEMENT, {**model.ENTITLEMENT.blank, **draft.values}, {"ProjectRoleType"})
        role = next(
            each
            for each in self.tables.where(model.ROLE, {"ProjectUUID": member["ProjectUUID"]})
            if each["ProjectRoleType"] == draft.get("ProjectRoleType")
        )
        return self.insert(
            model.ENTITLEMENT,
            draft.values,
            ProjectEntitlementUUID=self.tenant.uuid(),
            ProjectUUID=member["ProjectUUID"],
            ProjectRoleUUID=role["ProjectRoleUUID"],
            **self._administration(),
        )

    def _administration(self) -> dict[str, Any]:
        return {
            "CreatedByUser": COMMUNICATION_USER,
            "CreationDateTime": self.tenant.now(),
            **self.tenant.changed(),
        }

    # Checks

    def _check(self, entity: EntitySet, values: Mapping[str, Any], given: set[str]) -> None:
        """Given fields against customizing. Raises SapError with every finding."""
        known: dict[str, tuple[Any, str, str]] = {
            "ProjectProfileCode": (
                customizing.PROJECT_PROFILES,
                "/S4PPM/CRUD/141",
                "Project profile {} does not exist",
            ),
            "ResponsibleCostCenter": (customizing.COST_CENTERS, "KI/101", "Cost center A000/{} does not exist"),
            "ProfitCenter": (customizing.PROFIT_CENTERS, "KM/026", "Profit center A000/{} does not exist"),
            "ProjectCurrency": (customizing.CURRENCIES, "/S4PPM/CRUD/143", "Currency {} does not exist"),
            "ProjectRoleType": (customizing.PROJECT_ROLE_TYPES, "/S4PPM/CRUD/304", "Role type {} does not exist"),
        }
        mandatory = {
            "ProjectRoleType",
            *(("ProjectProfileCode", "ResponsibleCostCenter") if entity is model.PROJECT else ()),
        }
        found = [
            Message(code, text.format(values[name] or "SPACE"), name)
            for name, (allowed, code, text) in known.items()
            if name in given and name in entity.properties
            if values[name] not in allowed and (values[name] or name in mandatory)
        ]
        for start, end in (("ProjectStartDate", "ProjectEndDate"), ("PlannedStartDate", "PlannedEndDate")):
            first, last = values.get(start), values.get(end)
            if first and last and first > last:
                found.append(Message("/S4PPM/CRUD/150", "The finish date must not be before the start date", end))
        customer = values.get("CustomerUUID")
        if customer and self.tables.first(partners.PARTNER, BusinessPartnerUUID=customer) is None:
            found.append(Message("/S4PPM/CRUD/160", f"Customer {customer} does not exist", "CustomerUUID"))
        if found:
            raise errors.business_errors(found)

    def _check_status(self, current: str, wanted: str) -> None:
        if wanted not in customizing.STATUS_CHANGES:
            raise business_error(
                "/S4PPM/CRUD/170", f"Processing status {wanted or 'SPACE'} does not exist", "ProcessingStatus"
            )
        if wanted not in customizing.STATUS_CHANGES[current]:
            raise business_error(
                "/S4PPM/CRUD/171", f"Status change from {current} to {wanted} is not allowed", "ProcessingStatus"
            )

    def _set_status(self, element: Record, status: str) -> None:
        self.tables.change(model.ELEMENT, element, ProcessingStatus=status, **self.tenant.changed())

    # Look-ups and events

    def _project(self, key: str) -> Record:
        project = self.tables.get(model.PROJECT, key)
        if project is None:
            raise errors.not_found(model.PROJECT.type)
        return project

    def _element(self, key: str) -> Record:
        element = self.tables.get(model.ELEMENT, key)
        if element is None:
            raise errors.not_found(model.ELEMENT.type)
        return element

    def _touch(self, project: str) -> None:
        record = self._project(project)
        self.tables.change(model.PROJECT, record, ProjectLastChangedDateTime=self.tenant.now(), **self.tenant.changed())
        self.tenant.emit(f"{_EVENT}.Changed", ProjectUUID=project)

    def _element_event(self, name: str, element: Mapping[str, Any]) -> None:
        self.tenant.emit(
            f"{_EVENT}.{name}",
            ProjectElementUUID=element["ProjectElementUUID"],
            ProjectUUID=element["ProjectUUID"],
        )


def _derived(values: Mapping[str, Any]) -> dict[str, Any]:
    """The company code follows the cost center (A2.2), the currency the company code unless one is given."""
    company = customizing.COMPANY_CODES[customizing.COST_CENTERS[values["ResponsibleCostCenter"]]]
    return {"CompanyCode": company.code, "ProjectCurrency": values["ProjectCurrency"] or company.currency}


def _root_values(project: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "ProjectElement": project["Project"],
        "ProjectElementDescription": project["ProjectDescription"],
        "PlannedStartDate": project["ProjectStartDate"],
        "PlannedEndDate": project["ProjectEndDate"],
        "ResponsibleCostCenter": project["ResponsibleCostCenter"],
        "CompanyCode": project["CompanyCode"],
        "ProfitCenter": project["ProfitCenter"],
        "ControllingArea": project["ControllingArea"],
    }
