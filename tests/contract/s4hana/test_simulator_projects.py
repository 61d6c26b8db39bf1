"""Enterprise projects, version 2 (vendor notes, A2.2; KBA 2962502, 3519774, 3743470)."""

from typing import Any

import pytest

from tests.contract.s4hana.conftest import MARA_LIND, a_project

SERVICE = "API_ENTERPRISE_PROJECT_SRV;v=0002"
PROJECTS = f"{SERVICE}/A_EnterpriseProject"
ELEMENTS = f"{SERVICE}/A_EnterpriseProjectElement"
ZERO = "00000000-0000-0000-0000-000000000000"


def elements(tenant: Any, project: dict[str, Any]) -> dict[str, Any]:
    rows = tenant.rows(ELEMENTS, filter=f"ProjectUUID eq guid'{project['ProjectUUID']}'")
    return {each["ProjectElement"]: each for each in rows}


def set_status(tenant: Any, project: dict[str, Any], status: str) -> Any:
    params = {"ProjectUUID": f"guid'{project['ProjectUUID']}'", "ProcessingStatus": f"'{status}'"}
    return tenant.send("POST", f"{SERVICE}/ChangeEntProjProcgStatus", params=params)


def test_one_call_makes_project_elements_and_team(tenant: Any) -> None:
    project = tenant.project("SF-OPP-006")
    assert (project["CompanyCode"], project["ProjectCurrency"], project["ProcessingStatus"]) == ("1010", "EUR", "00")
    made = project["to_EnterpriseProjectElement"]["results"]
    assert {each["ProjectElement"] for each in made} == {"SF-OPP-006", "SF-OPP-006-1", "SF-OPP-006-2"}
    [member] = project["to_EntProjTeamMember"]["results"]
    assert member["BusinessPartnerUUID"] == MARA_LIND
    assert member["to_EntProjEntitlement"]["results"][0]["ProjectRoleType"] == "YP_RL_0001"


def test_the_project_is_found_by_our_number(tenant: Any) -> None:
    made = tenant.project("sf-opp-007")
    [found] = tenant.rows(PROJECTS, filter="Project eq 'SF-OPP-007'")
    assert found["ProjectUUID"] == made["ProjectUUID"]


def test_a_second_project_of_the_same_number_is_refused(tenant: Any) -> None:
    tenant.project("PRJ-1")
    response = tenant.send("POST", PROJECTS, a_project("PRJ-1"))
    assert tenant.refusal(response) == (400, "Project PRJ-1 already exists")
    assert len(tenant.rows(PROJECTS)) == 1


def test_a_second_element_of_the_same_number_undoes_the_whole_call(tenant: Any) -> None:
    twice = [{"ProjectElement": "E", "ProjectElementDescription": "One"}] * 2
    assert tenant.refusal(tenant.send("POST", PROJECTS, a_project(to_EnterpriseProjectElement=twice)))[0] == 400
    assert tenant.rows(PROJECTS) == []
    assert tenant.rows(ELEMENTS) == []
    assert tenant.simulator.events.sent == []


@pytest.mark.parametrize("name", ["EnterpriseProjectType", "CompanyCode", "ProcessingStatus", "ProjectInternalID"])
def test_a_field_that_sap_sets_is_refused(tenant: Any, name: str) -> None:
    status, message = tenant.refusal(tenant.send("POST", PROJECTS, a_project(**{name: "1"})))
    assert (status, name in message) == (400, True)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"Project": ""}, "Enter a value for field Project"),
        ({"ResponsibleCostCenter": "99999999"}, "Cost center A000/99999999 does not exist"),
        ({"ProfitCenter": "XX1"}, "Profit center A000/XX1 does not exist"),
        ({"ProjectProfileCode": "XX1"}, "Project profile XX1 does not exist"),
        ({"ProjectCurrency": "XXX"}, "Currency XXX does not exist"),
        ({"ProjectEndDate": "2025-12-31T00:00:00"}, "The finish date must not be before the start date"),
        ({"CustomerUUID": ZERO}, f"Customer {ZERO} does not exist"),
        ({"Project": "X" * 25}, "has invalid value"),
    ],
)
def test_what_customizing_does_not_know_is_refused(tenant: Any, fields: dict[str, str], said: str) -> None:
    status, message = tenant.refusal(tenant.send("POST", PROJECTS, a_project(**fields)))
    assert (status, said in message) == (400, True)


def test_the_company_code_follows_the_cost_center(tenant: Any) -> None:
    project = tenant.project(ResponsibleCostCenter="17101601")
    assert (project["CompanyCode"], project["ProjectCurrency"]) == ("1710", "USD")


# Elements


def test_the_project_is_the_root_of_its_elements(tenant: Any) -> None:
    project = tenant.project()
    held = elements(tenant, project)
    assert held["PRJ-1"]["ParentObjectUUID"] == ZERO
    assert held["PRJ-1-1"]["ParentObjectUUID"] == project["ProjectUUID"]
    root = f"{ELEMENTS}(guid'{held['PRJ-1']['ProjectElementUUID']}')"
    response = tenant.change(root, ProjectElementDescription="No")
    assert tenant.refusal(response) == (400, "Use the Project entity to update the project definition.")
    assert response.json()["error"]["code"] == "/S4PPM/CRUD/377"


def test_a_change_of_the_project_shows_in_its_root(tenant: Any) -> None:
    project = tenant.project()
    path = f"{PROJECTS}(guid'{project['ProjectUUID']}')"
    assert (
        tenant.change(path, ProjectDescription="Acme rollout II", ResponsibleCostCenter="17101601").status_code == 204
    )
    assert tenant.read(path)["CompanyCode"] == "1710"
    assert elements(tenant, project)["PRJ-1"]["ProjectElementDescription"] == "Acme rollout II"


def test_elements_stand_below_elements(tenant: Any) -> None:
    project = tenant.project(
        to_EnterpriseProjectElement=[
            {
                "ProjectElement": "PRJ-1-1",
                "ProjectElementDescription": "Phase",
                "WBSElementIsBillingElement": True,
                "to_SubProjElement": [{"ProjectElement": "PRJ-1-1-1", "ProjectElementDescription": "Task"}],
            }
        ]
    )
    held = elements(tenant, project)
    phase = held["PRJ-1-1"]
    assert phase["WBSElementIsBillingElement"] is True
    assert held["PRJ-1-1-1"]["ParentObjectUUID"] == phase["ProjectElementUUID"]
    tenant.make(
        f"{ELEMENTS}(guid'{phase['ProjectElementUUID']}')/to_SubProjElement",
        ProjectElement="PRJ-1-1-2",
        ProjectElementDescription="Task",
    )
    below = tenant.rows(f"{ELEMENTS}(guid'{phase['ProjectElementUUID']}')/to_SubProjElement", orderby="ProjectElement")
    assert [each["ProjectElement"] for each in below] == ["PRJ-1-1-1", "PRJ-1-1-2"]
    assert below[1]["ProjectElementOrdinalNumber"] == 2


def test_an_element_inherits_the_dates_of_its_project_and_is_added_later(tenant: Any) -> None:
    project = tenant.project()
    made = tenant.make(
        ELEMENTS, ProjectUUID=project["ProjectUUID"], ProjectElement="PRJ-1-3", ProjectElementDescription="Run"
    )
    assert made["PlannedStartDate"] == project["ProjectStartDate"]
    assert made["ParentObjectUUID"] == project["ProjectUUID"]


def test_an_element_cannot_hang_in_another_project(tenant: Any) -> None:
    one, other = tenant.project("A"), tenant.project("B")
    body = {
        "ProjectUUID": one["ProjectUUID"],
        "ParentObjectUUID": elements(tenant, other)["B-1"]["ProjectElementUUID"],
        "ProjectElement": "C",
        "ProjectElementDescription": "C",
    }
    assert tenant.refusal(tenant.send("POST", ELEMENTS, body))[0] == 400


def test_a_new_number_must_be_free(tenant: Any) -> None:
    project, _ = tenant.project("A"), tenant.project("B")
    path = f"{PROJECTS}(guid'{project['ProjectUUID']}')"
    assert tenant.refusal(tenant.change(path, Project="B")) == (400, "Project B already exists")
    element = f"{ELEMENTS}(guid'{elements(tenant, project)['A-1']['ProjectElementUUID']}')"
    assert tenant.refusal(tenant.change(element, ProjectElement="B-1")) == (400, "Project element B-1 already exists")
    assert tenant.change(path, Project="C").status_code == 204
    assert elements(tenant, project).keys() == {"C", "A-1", "A-2"}


# Concurrency: nothing but an asterisk


@pytest.mark.parametrize("entity", ["A_EnterpriseProject", "A_EnterpriseProjectElement"])
def test_a_change_wants_an_asterisk_and_dumps_on_a_real_tag(tenant: Any, entity: str) -> None:
    project = tenant.project()
    key = project["ProjectUUID"]
    if entity.endswith("Element"):
        key = elements(tenant, project)["PRJ-1-1"]["ProjectElementUUID"]
    path, body = f"{SERVICE}/{entity}(guid'{key}')", {"ProfitCenter": "YB600"}
    etag = tenant.send("GET", path).headers["etag"]

    missing = tenant.send("PATCH", path, body)
    assert tenant.refusal(missing)[0] == 428
    assert "If-Match missing" in missing.json()["error"]["message"]["value"]
    dump = tenant.send("PATCH", path, body, headers={"If-Match": etag})
    assert tenant.refusal(dump) == (500, "Runtime Error: 'ASSERTION_FAILED'")
    assert tenant.read(path)["ProfitCenter"] == "YB900"
    assert tenant.send("PATCH", path, body, headers={"If-Match": "*"}).status_code == 204
    assert tenant.read(path)["ProfitCenter"] == "YB600"


# Team


def test_a_project_manager_is_added_below_the_project(tenant: Any) -> None:
    project = tenant.project(to_EntProjTeamMember=[])
    team = f"{PROJECTS}(guid'{project['ProjectUUID']}')/to_EntProjTeamMember"
    manager = {"BusinessPartnerUUID": MARA_LIND, "to_EntProjEntitlement": [{"ProjectRoleType": "YP_RL_0001"}]}
    member = tenant.make(team, **manager)
    assert member["ProjectUUID"] == project["ProjectUUID"]
    assert tenant.refusal(tenant.send("POST", team, manager)) == (400, "Mara Lind is a team member already")
    gone = tenant.send(
        "DELETE",
        f"{SERVICE}/A_EnterpriseProjectTeamMember(guid'{member['TeamMemberUUID']}')",
        headers={"If-Match": "*"},
    )
    assert gone.status_code == 204
    assert tenant.rows(f"{SERVICE}/A_EntTeamMemberEntitlement") == []


def test_only_employees_are_team_members_and_only_known_roles_count(tenant: Any) -> None:
    customer = tenant.customer()
    uuid = tenant.read(f"API_BUSINESS_PARTNER/A_BusinessPartner('{customer}')")["BusinessPartnerUUID"]
    for member in (
        {"BusinessPartnerUUID": uuid},
        {"BusinessPartnerUUID": ZERO},
        {"BusinessPartnerUUID": MARA_LIND, "to_EntProjEntitlement": [{"ProjectRoleType": "BOSS"}]},
    ):
        assert tenant.refusal(tenant.send("POST", PROJECTS, a_project(to_EntProjTeamMember=[member])))[0] == 400
    assert tenant.rows(PROJECTS) == []


# Status


def test_the_status_goes_its_way_and_takes_the_elements_along(tenant: Any) -> None:
    project = tenant.project()
    released = set_status(tenant, project, "10")
    assert (released.status_code, released.json()["d"]["ProcessingStatus"]) == (200, "10")
    assert {each["ProcessingStatus"] for each in elements(tenant, project).values()} == {"10"}
    assert tenant.refusal(set_status(tenant, project, "00"))[0] == 400
    assert tenant.refusal(set_status(tenant, project, "77"))[1] == "Processing status 77 does not exist"
    assert set_status(tenant, project, "40").status_code == 200
    closed = tenant.change(f"{PROJECTS}(guid'{project['ProjectUUID']}')", ProjectDescription="Late")
    assert tenant.refusal(closed)[0] == 400


def test_the_status_is_no_field_to_write(tenant: Any) -> None:
    project = tenant.project()
    response = tenant.change(f"{PROJECTS}(guid'{project['ProjectUUID']}')", ProcessingStatus="10")
    assert tenant.refusal(response)[0] == 400


def test_a_function_import_wants_its_method_and_parameters(tenant: Any) -> None:
    project = tenant.project()
    params = {"ProjectUUID": f"guid'{project['ProjectUUID']}'", "ProcessingStatus": "'10'"}
    assert tenant.send("GET", f"{SERVICE}/ChangeEntProjProcgStatus", params=params).status_code == 405
    assert tenant.send("POST", f"{SERVICE}/ChangeEntProjProcgStatus", params={}).status_code == 400
    unknown = {**params, "ProjectUUID": f"guid'{ZERO}'"}
    assert tenant.send("POST", f"{SERVICE}/ChangeEntProjProcgStatus", params=unknown).status_code == 404


def test_what_is_released_is_not_deleted(tenant: Any) -> None:
    project = tenant.project()
    path = f"{PROJECTS}(guid'{project['ProjectUUID']}')"
    element = elements(tenant, project)["PRJ-1-2"]["ProjectElementUUID"]
    any_version = {"If-Match": "*"}
    assert tenant.send("DELETE", f"{ELEMENTS}(guid'{element}')", headers=any_version).status_code == 204
    set_status(tenant, project, "10")
    assert tenant.refusal(tenant.send("DELETE", path, headers=any_version))[0] == 400
    other = tenant.project("PRJ-2")
    other_path = f"{PROJECTS}(guid'{other['ProjectUUID']}')"
    assert tenant.send("DELETE", other_path, headers=any_version).status_code == 204
    assert elements(tenant, other) == {}


def test_a_locked_project_is_refused(tenant: Any) -> None:
    project = tenant.project()
    tenant.simulator.lock_object("A_EnterpriseProject", "PRJ-1", calls=1)
    path = f"{PROJECTS}(guid'{project['ProjectUUID']}')"
    assert tenant.refusal(tenant.change(path, ProfitCenter="YB600"))[1].startswith("Project PRJ-1 is locked by user")
    assert tenant.change(path, ProfitCenter="YB600").status_code == 204
