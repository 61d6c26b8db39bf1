"""Resources, allocations and the requests to staff them."""

import httpx

from dealbridge_local.simulators.kantata import APPROVER, CONSULTANTS
from tests.contract.suites.vendor import Clock

from .conftest import NOW, Api


def test_a_request_makes_an_unnamed_resource_with_its_allocation(api: Api) -> None:
    project = api.project()
    request = api.staffing_request(project, custom_fields=[{"custom_field_id": 2, "value": "STAF-006A"}])
    shown = api.get(f"/resource_requests/{request}", include="resource,approvers,creator")
    assert shown["resource_requests"][request] == {
        "id": request,
        "status": "new",
        "created_at": "2026-01-05T02:00:00-07:00",
        "updated_at": "2026-01-05T02:00:00-07:00",
        "resource_id": next(iter(shown["workspace_resources"])),
        "approver_ids": ["11"],
        "creator_id": "10",
    }
    (resource,) = api.ids("/workspace_resources", include_unnamed="true", by_custom_text_value="2:STAF-006A")
    (allocation,) = api.get("/workspace_allocations", workspace_resource_ids=resource)["workspace_allocations"].values()
    assert (allocation["minutes"], allocation["percentage"], allocation["hard"]) == (10 * 480 // 2, 50.0, False)


def test_unnamed_resources_are_hidden_unless_asked_for(api: Api) -> None:
    project = api.project()
    unnamed = api.made("workspace_resources", "workspace_resource", workspace_id=project, user_id=None, role_id=3)
    named = api.made("workspace_resources", "workspace_resource", workspace_id=project, user_id=12)
    assert api.ids("/workspace_resources", workspace_id=project) == [named]
    assert api.http.get(f"/workspace_resources/{unnamed}").status_code == 404
    answer = api.get("/workspace_resources", only_unnamed="true", include="user,role")
    shown = answer["workspace_resources"][unnamed]
    assert (shown["label"], shown["user_id"], shown["role_id"]) == ("Consultant 1", None, "3")
    nobody = {"workspace_resource": {"workspace_id": project}}
    assert api.errors(api.http.post("/workspace_resources", json=nobody), 422)[0]["field"] == "role_id"


def test_unnamed_resources_are_allocated_softly_only(api: Api) -> None:
    project = api.project()
    unnamed = api.made("workspace_resources", "workspace_resource", workspace_id=project, user_id=None, role_id=3)
    named = api.made("workspace_resources", "workspace_resource", workspace_id=project, user_id=12)
    span = {"start_date": "2026-01-05", "end_date": "2026-01-09", "minutes": 2400}
    hard = {"workspace_allocation": {"resource_id": unnamed, **span}}
    assert api.errors(api.http.post("/workspace_allocations", json=hard), 422)[0]["field"] == "hard"
    assert api.made("workspace_allocations", "workspace_allocation", resource_id=unnamed, hard=False, **span)
    assert api.made("workspace_allocations", "workspace_allocation", resource_id=named, **span)
    assert len(api.ids("/workspace_allocations", type="hard")) == 1


def test_a_request_needs_approvers_and_something_to_staff(api: Api) -> None:
    response = api.http.post("/resource_requests", json={"resource_request": {"resource_role_id": 3}})
    assert {error["field"] for error in api.errors(response, 422)} == {"approver_ids", "resource_id"}
    wish = {"approver_ids": [11], "resource_id": 424242}
    errors = api.errors(api.http.post("/resource_requests", json={"resource_request": wish}), 422)
    assert [error["field"] for error in errors] == ["resource_id"]


def test_a_request_for_an_existing_resource_adds_none(api: Api) -> None:
    project = api.project()
    resource = api.made("workspace_resources", "workspace_resource", workspace_id=project, user_id=None, role_id=3)
    request = api.made("resource_requests", "resource_request", approver_ids=[11], resource_id=int(resource))
    assert api.get("/resource_requests", include="resource")["resource_requests"][request]["resource_id"] == resource
    assert api.ids("/workspace_resources", include_unnamed="true") == [resource]


def test_the_approver_names_the_resource(api: Api, clock: Clock) -> None:
    request = api.staffing_request(api.project())
    clock.advance(minutes=5)
    api.simulator.people.approve_request(request, CONSULTANTS[0])
    answer = api.get("/resource_requests", updated_after=NOW.isoformat(), include="resource")
    assert answer["resource_requests"][request]["status"] == "approved"
    (resource,) = answer["workspace_resources"].values()
    assert resource["full_name"] == "Chris Consultant"
    (allocation,) = api.get("/workspace_allocations")["workspace_allocations"].values()
    assert allocation["hard"] is True


def test_only_approvers_resolve_and_only_once_but_the_creator_may_cancel(api: Api) -> None:
    project = api.project()
    request, other = api.staffing_request(project), api.staffing_request(project)

    def resolve(id_: str, resolution: str) -> httpx.Response:
        body = {"resource_request": {"request_resolution_status": resolution}}
        return api.http.put(f"/resource_requests/{id_}", json=body)

    assert api.errors(resolve(request, "approve"), 403)
    assert resolve(request, "cancel").json()["resource_requests"][request]["status"] == "cancelled"
    assert api.errors(resolve(request, "cancel"), 422)[0]["field"] == "request_resolution_status"
    assert api.errors(resolve(other, "withdraw"), 422)
    api.simulator.people.reject_request(other)
    assert api.ids("/resource_requests", pending_requests_only="true") == []


def test_requests_are_seen_by_those_involved(api: Api) -> None:
    request = api.staffing_request(api.project())
    for user, seen in ((APPROVER, [request]), (CONSULTANTS[0], [])):
        token = api.simulator.oauth.grant(user)
        answer = api.http.get("/resource_requests", headers={"Authorization": f"Bearer {token}"}).json()
        assert [each["id"] for each in answer["results"]] == seen


def test_another_approver_can_take_over(api: Api) -> None:
    request = api.staffing_request(api.project())
    body = {"resource_request": {"new_approver_id": [14]}}
    answer = api.http.put(f"/resource_requests/{request}/update_approver?include=approvers", json=body).json()
    assert answer["resource_requests"][request]["approver_ids"] == ["14"]


def test_deleting_a_resource_withdraws_its_request_and_allocation(api: Api) -> None:
    request = api.staffing_request(api.project())
    (resource,) = api.ids("/workspace_resources", include_unnamed="true")
    assert api.http.delete(f"/workspace_resources/{resource}").status_code == 204
    assert api.get("/resource_requests")["resource_requests"][request]["status"] == "cancelled"
    assert api.ids("/workspace_allocations") == []


def test_a_new_team_lead_takes_the_place_of_the_old_one(api: Api) -> None:
    project = api.project(primary_maven_id=21)
    joined = api.made("participations", "participation", workspace_id=project, user_id=22, role="maven")
    assert api.http.put(f"/participations/{joined}", json={"participation": {"team_lead": True}}).is_success
    assert api.get("/workspaces", include="primary_maven")["workspaces"][project]["primary_maven_id"] == "22"
    answer = api.get("/participations", workspace_id=project, include="user")
    leads = [each["user_id"] for each in answer["participations"].values() if each["is_team_lead"]]
    assert leads == ["22"]
    assert api.errors(api.http.get("/participations"), 422)[0]["field"] == "workspace_id"


def test_people_can_be_asked_to_act_from_outside(api: Api) -> None:
    request, root = api.staffing_request(api.project()), api.simulator.base_url
    ask = api.http.post(f"{root}/__sim/actions/approve_request", json={"request_id": request, "user_id": "12"})
    assert ask.status_code == 201
    assert api.get("/resource_requests")["resource_requests"][request]["status"] == "approved"
    for action, given in (("dance", {}), ("approve_request", {"request_id": request}), ("log_time", {"x": 1})):
        assert api.http.post(f"{root}/__sim/actions/{action}", json=given).status_code == 400
