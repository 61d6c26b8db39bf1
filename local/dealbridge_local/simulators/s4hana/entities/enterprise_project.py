"""API_ENTERPRISE_PROJECT_SRV, version 2: projects, their elements and team (communication scenario SAP_COM_0308).

Version 1 was decommissioned with release 2202 and answers as if it had never been. Every change wants `If-Match: *`.
"""

from dealbridge_local.simulators.s4hana.model import (
    FunctionImport,
    Navigation,
    children,
    day,
    entity,
    fixed,
    flag,
    guid,
    label,
    number,
    plain_integer,
    service,
    shown,
    single,
    stamp,
    text,
)

PROJECT = entity(
    "A_EnterpriseProject",
    "ProjectUUID",
    [
        *shown(guid("ProjectUUID"), number("ProjectInternalID", 8)),
        text("Project", 24),
        label("ProjectDescription", 60),
        # The tenant of the vendor notes declares it not creatable (A2.2); later releases allow it.
        *shown(text("EnterpriseProjectType", 2)),
        number("PriorityCode", 3),
        day("ProjectStartDate"),
        day("ProjectEndDate"),
        day("ActualStartDate"),
        day("ActualEndDate"),
        guid("CustomerUUID"),
        text("EnterpriseProjectServiceOrg", 5),
        flag("EntProjectIsConfidential"),
        text("RestrictedTimePosting", 1),
        *shown(text("ProcessingStatus", 2)),
        text("ResponsibleCostCenter", 10),
        text("ProfitCenter", 10),
        *fixed(text("ProjectProfileCode", 7)),
        text("FunctionalArea", 16),
        *shown(text("CompanyCode", 4)),
        text("ControllingArea", 4),
        text("Plant", 4),
        text("Location", 10),
        text("ProjectCurrency", 5),
        flag("IsBillingRelevant"),
        *shown(stamp("LastChangeDateTime", concurrency=True), stamp("ProjectLastChangedDateTime")),
        *shown(text("LastChangedByUser", 12)),
        flag("EntProjIsMultiSlsOrdItmsEnbld"),
    ],
    [
        children("to_EnterpriseProjectElement", "A_EnterpriseProjectElement", "ProjectUUID"),
        children("to_EntProjRole", "A_EnterpriseProjectRole", "ProjectUUID"),
        children("to_EntProjTeamMember", "A_EnterpriseProjectTeamMember", "ProjectUUID"),
    ],
    deletable=True,
    concurrency="asterisk",
    indexed=("Project",),
)

ELEMENT = entity(
    "A_EnterpriseProjectElement",
    "ProjectElementUUID",
    [
        *shown(guid("ProjectElementUUID")),
        text("ProjectElement", 24),
        *shown(number("WBSElementInternalID", 8)),
        *fixed(guid("ProjectUUID")),
        label("ProjectElementDescription", 60),
        *fixed(guid("ParentObjectUUID")),
        *shown(plain_integer("ProjectElementOrdinalNumber")),
        *shown(text("ProcessingStatus", 2)),
        text("EntProjectElementType", 15),
        day("PlannedStartDate"),
        day("PlannedEndDate"),
        day("ActualStartDate"),
        day("ActualEndDate"),
        text("ResponsibleCostCenter", 10),
        *shown(text("CompanyCode", 4)),
        text("ProfitCenter", 10),
        text("FunctionalArea", 16),
        text("ControllingArea", 4),
        text("Plant", 4),
        flag("WBSIsStatisticalWBSElement"),
        flag("WBSElementIsBillingElement"),
        text("IsProjectMilestone", 1),
        *shown(text("CreatedByUser", 12), stamp("CreationDateTime")),
        *shown(stamp("LastChangeDateTime", concurrency=True), text("LastChangedByUser", 12)),
    ],
    [
        Navigation(
            "to_SubProjElement",
            "A_EnterpriseProjectElement",
            True,
            {"ProjectElementUUID": "ParentObjectUUID"},
        ),
        Navigation(
            "to_ParentProjElement",
            "A_EnterpriseProjectElement",
            False,
            {"ParentObjectUUID": "ProjectElementUUID"},
            insertable=False,
        ),
        single("to_EntProjElmntBlkFunc", "A_EntProjElmntBlockFunc", "ProjectElementUUID"),
        single("to_EnterpriseProject", "A_EnterpriseProject", "ProjectUUID"),
    ],
    deletable=True,
    concurrency="asterisk",
    indexed=("ProjectElement", "WBSElementInternalID"),
)

BLOCK_FUNCTION = entity(
    "A_EntProjElmntBlockFunc",
    "ProjectElementUUID",
    [
        *fixed(guid("ProjectElementUUID"), guid("ProjectUUID")),
        flag("EntProjTimeRecgIsBlkd"),
        flag("EntProjStaffExpensePostgIsBlkd"),
        flag("EntProjServicePostingIsBlkd"),
        flag("EntProjOtherExpensePostgIsBlkd"),
        flag("EntProjPurchasingIsBlkd"),
    ],
    [single("to_EnterpriseProjectElement", "A_EnterpriseProjectElement", "ProjectElementUUID")],
    creatable=False,
    concurrency="asterisk",
)

TEAM_MEMBER = entity(
    "A_EnterpriseProjectTeamMember",
    "TeamMemberUUID",
    [
        *shown(guid("TeamMemberUUID")),
        *fixed(guid("ProjectUUID"), guid("BusinessPartnerUUID")),
        *shown(text("CreatedByUser", 12), stamp("CreationDateTime")),
        *shown(stamp("LastChangeDateTime", concurrency=True), text("LastChangedByUser", 12)),
    ],
    [
        children("to_EntProjEntitlement", "A_EntTeamMemberEntitlement", "TeamMemberUUID"),
        single("to_EnterpriseProject", "A_EnterpriseProject", "ProjectUUID"),
    ],
    updatable=False,
    deletable=True,
    concurrency="asterisk",
    indexed=("BusinessPartnerUUID",),
)

ENTITLEMENT = entity(
    "A_EntTeamMemberEntitlement",
    "ProjectEntitlementUUID",
    [
        *shown(guid("ProjectEntitlementUUID"), guid("ProjectUUID"), guid("ProjectRoleUUID")),
        *fixed(guid("TeamMemberUUID")),
        text("ProjectRoleType", 15),
        *shown(text("CreatedByUser", 12), stamp("CreationDateTime")),
        *shown(stamp("LastChangeDateTime", concurrency=True), text("LastChangedByUser", 12)),
    ],
    [single("to_TeamMember", "A_EnterpriseProjectTeamMember", "TeamMemberUUID")],
    deletable=True,
    concurrency="asterisk",
)

ROLE = entity(
    "A_EnterpriseProjectRole",
    "ProjectRoleUUID",
    [
        *shown(guid("ProjectRoleUUID"), guid("ProjectUUID")),
        text("ProjectRoleType", 15),
        label("ProjectRoleName", 40),
    ],
    creatable=False,
    updatable=False,
)

CHANGE_PROJECT_STATUS = FunctionImport(
    "ChangeEntProjProcgStatus", "POST", (guid("ProjectUUID"), text("ProcessingStatus", 2)), entity_set=PROJECT.name
)
CHANGE_ELEMENT_STATUS = FunctionImport(
    "ChangeEntProjElmntProcgStatus",
    "POST",
    (guid("ProjectElementUUID"), text("ProcessingStatus", 2)),
    entity_set=ELEMENT.name,
)

SERVICE = service(
    "API_ENTERPRISE_PROJECT_SRV",
    PROJECT,
    ELEMENT,
    BLOCK_FUNCTION,
    TEAM_MEMBER,
    ENTITLEMENT,
    ROLE,
    version="0002",
    functions={each.name: each for each in (CHANGE_PROJECT_STATUS, CHANGE_ELEMENT_STATUS)},
    component="PPM-SCL-STR",
)
