"""The Kantata simulator, spoken to as any client would: what developer.kantata.com says is what is asserted here."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from time import perf_counter
from typing import Any

import httpx
import pytest
from dealbridge_local.simulators.kantata import APPROVER, CONSULTANTS, KantataSimulator, Limits
from dealbridge_local.simulators.server import serving
from dealbridge_local.simulators.transport import SimulatorTransport

NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, **duration: float) -> None:
        self.now += timedelta(**duration)


class Api:
    """A signed-in client, with the few calls that most tests make."""

    def __init__(self, simulator: KantataSimulator) -> None:
        self.simulator = simulator
        credentials = simulator.credentials()
        self.http = httpx.Client(
            base_url=credentials["base_url"],
            headers={"Authorization": f"Bearer {credentials['token']}"},
            transport=SimulatorTransport({simulator.base_url: simulator}),
        )

    def get(self, path: str, **params: Any) -> dict[str, Any]:
        response = self.http.get(path, params=params)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    def ids(self, path: str, **params: Any) -> list[str]:
        return [each["id"] for each in self.get(path, **params)["results"]]

    def made(self, collection: str, singular: str, **fields: Any) -> str:
        response = self.http.post(f"/{collection}", json={singular: fields})
        assert response.status_code == 200, response.text
        return str(response.json()["results"][0]["id"])

    def project(self, title: str = "Acme rollout", **fields: Any) -> str:
        return self.made("workspaces", "workspace", title=title, creator_role="maven", **fields)

    def staffing_request(self, project: str, **fields: Any) -> str:
        wish = {
            "approver_ids": [int(APPROVER)],
            "resource_workspace_id": int(project),
            "resource_role_id": 3,
            "workspace_allocation_start_date": "2026-01-05",
            "workspace_allocation_end_date": "2026-01-16",
            "workspace_allocation_percentage": 50,
        }
        return self.made("resource_requests", "resource_request", **{**wish, **fields})

    def errors(self, response: httpx.Response, status: int) -> list[dict[str, str]]:
        assert response.status_code == status, response.text
        errors: list[dict[str, str]] = response.json()["errors"]
        return errors


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def account(clock: Clock) -> Callable[..., Api]:
    return lambda **switches: Api(KantataSimulator(clock, **switches))


@pytest.fixture
def api(account: Callable[..., Api]) -> Api:
    return account()


def reference(ref: str, **fields: Any) -> dict[str, Any]:
    return {"service_name": "dealbridge", "service_model": "Deal", "service_model_ref": ref, **fields}


# Signing in


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic abc"}])
def test_without_a_good_token_every_call_is_refused(api: Api, header: dict[str, str]) -> None:
    response = httpx.Client(transport=SimulatorTransport({api.simulator.base_url: api.simulator})).get(
        f"{api.simulator.base_url}/api/v1/workspaces.json", headers=header
    )
    assert api.errors(response, 401) == [{"type": "oauth", "message": "Invalid OAuth 2 Request"}]
    assert response.headers["x-request-id"]


def test_tokens_differ_between_accounts_unless_given(account: Callable[..., Api]) -> None:
    assert account().simulator.token != account().simulator.token
    assert account(token="t0ken").simulator.credentials()["token"] == "t0ken"


def test_a_revoked_token_stays_dead_until_a_new_one_is_shown(api: Api) -> None:
    api.simulator.expire_tokens()
    assert api.http.get("/users/me").status_code == 401
    assert api.http.get("/users/me").status_code == 401
    api.http.headers["Authorization"] = f"Bearer {api.simulator.renew_token()}"
    assert api.get("/users/me")["users"]["10"]["full_name"] == "Alex Admin"


def test_a_token_dies_with_its_user(api: Api) -> None:
    api.simulator.disable_user("10")
    assert api.http.get("/users/me").status_code == 401


def test_a_code_is_exchanged_for_a_token_once_and_within_five_minutes(api: Api, clock: Clock) -> None:
    oauth, root, back = api.simulator.oauth, api.simulator.base_url, "https://myapp.example/oauth/callback"
    ask = {"response_type": "code", "client_id": oauth.client_id, "redirect_uri": back}

    def code() -> str:
        answer = api.http.get(f"{root}/oauth/authorize", params=ask)
        assert answer.status_code == 302
        return httpx.URL(answer.headers["location"]).params["code"]

    def exchange(code: str) -> httpx.Response:
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": back}
        secrets = {"client_id": oauth.client_id, "client_secret": oauth.client_secret}
        return api.http.post(f"{root}/oauth/token", data={**form, **secrets})

    first = code()
    granted = exchange(first).json()
    assert granted["token_type"] == "bearer"
    assert api.http.get("/users/me", headers={"Authorization": f"Bearer {granted['access_token']}"}).is_success
    assert exchange(first).json()["error"] == "invalid_grant"
    late = code()
    clock.pass_by(minutes=5)
    assert exchange(late).json()["error"] == "invalid_grant"


# The envelope


def test_the_envelope_names_results_in_order_beside_objects_by_id(api: Api) -> None:
    answer = api.get("/roles.json", per_page=2, order="name:desc")
    assert answer["count"] == 6
    assert answer["meta"] == {"count": 6, "page_count": 3, "page_number": 1, "page_size": 2}
    assert answer["results"] == [{"key": "roles", "id": "5"}, {"key": "roles", "id": "6"}]
    assert answer["roles"]["5"]["id"] == "5"
    assert answer["roles"]["5"]["name"] == "Trainer"


def test_times_carry_the_offset_of_the_account(api: Api) -> None:
    project = api.project()
    assert api.get(f"/workspaces/{project}")["workspaces"][project]["created_at"] == "2026-01-05T02:00:00-07:00"


def test_pages_hold_twenty_and_at_most_two_hundred(api: Api) -> None:
    project = api.project()
    tasks = [{"workspace_id": project, "title": f"T{number}", "story_type": "task"} for number in range(100)]
    for _ in range(3):
        assert api.http.post("/stories", json={"stories": tasks}).is_success
    assert len(api.ids("/stories")) == 20
    assert api.get("/stories", per_page=1000)["meta"]["page_size"] == 200
    pages = [api.ids("/stories", per_page=200, page=page) for page in (1, 2, 3)]
    assert [len(page) for page in pages] == [200, 100, 0]
    assert len({*pages[0], *pages[1]}) == 300
    assert len(api.ids("/stories", limit=7, offset=298)) == 2


def test_paths_work_with_and_without_json(api: Api) -> None:
    project = api.project()
    assert api.ids(f"/workspaces/{project}.json") == api.ids(f"/workspaces/{project}") == [project]


def test_only_does_not_miss_what_is_absent_but_a_single_read_does(api: Api) -> None:
    project = api.project()
    assert api.ids("/workspaces", only=f"{project},424242") == [project]
    assert api.errors(api.http.get("/workspaces/424242"), 404)[0]["type"] == "system"


def test_foreign_keys_are_shown_only_with_their_include(api: Api, account: Callable[..., Api]) -> None:
    project = api.project()
    assert "creator_id" not in api.get("/workspaces")["workspaces"][project]
    answer = api.get("/workspaces", include="creator,participants,no_such_thing")
    assert answer["workspaces"][project]["creator_id"] == "10"
    assert answer["workspaces"][project]["participant_ids"] == ["10"]
    assert answer["users"]["10"]["full_name"] == "Alex Admin"
    open_account = account(foreign_keys_always=True)
    project = open_account.project()
    shown = open_account.get("/workspaces")["workspaces"][project]
    assert shown["creator_id"] == "10"
    assert "participant_ids" not in shown


def test_optional_fields_are_shown_on_demand(api: Api) -> None:
    project = api.project()
    assert "stage" not in api.get("/workspaces")["workspaces"][project]
    assert api.get("/workspaces", optional_fields="stage")["workspaces"][project]["stage"] == "project"


# Writing


def test_both_body_forms_create(api: Api) -> None:
    single = api.project("One")
    answer = api.http.post("/workspaces", json={"workspaces": [{"title": "Two", "creator_role": "maven"}]})
    plural = answer.json()["results"][0]["id"]
    assert {api.get("/workspaces")["workspaces"][id_]["title"] for id_ in (single, plural)} == {"One", "Two"}


def test_a_form_body_creates_as_well(api: Api) -> None:
    form = {"workspace[title]": "Form", "workspace[creator_role]": "maven", "workspace[approver_ids][]": "11"}
    project = api.http.post("/workspaces", data=form).json()["results"][0]["id"]
    shown = api.get(f"/workspaces/{project}", include="approvers")["workspaces"][project]
    assert (shown["title"], shown["approver_ids"]) == ("Form", ["11"])


def test_a_bulk_create_is_all_or_nothing(api: Api) -> None:
    project = api.project()
    milestones = [{"title": "M1", "amount_in_cents": 100, "workspace_id": project}, {"title": "M2"}]
    errors = api.errors(api.http.post("/billing_milestones", json={"billing_milestones": milestones}), 422)
    assert {error["field"] for error in errors} == {"amount_in_cents", "workspace_id"}
    assert api.ids("/billing_milestones") == []


def test_validation_errors_name_their_field(api: Api) -> None:
    response = api.http.post("/workspaces", json={"workspace": {"description": "no title"}})
    assert api.errors(response, 422) == [
        {"type": "validation", "message": "Please give your project a title", "field": "title"},
        {"type": "validation", "message": "Please select a role for this project", "field": "creator_role"},
    ]


def test_the_role_of_the_creator_can_have_a_default(account: Callable[..., Api]) -> None:
    api = account(creator_role_required=False)
    assert api.made("workspaces", "workspace", title="No role given")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"start_date": "soon"}, "start_date"),
        ({"start_date": "2026-02-01", "due_date": "2026-01-01"}, "due_date"),
        ({"workspace_group_ids": [77]}, "workspace_group_ids"),
        ({"project_tracker_template_id": 8}, "project_tracker_template_id"),
        ({"price": "a lot"}, "price"),
    ],
)
def test_a_project_is_validated(api: Api, fields: dict[str, Any], field: str) -> None:
    project = {"title": "X", "creator_role": "maven", **fields}
    assert [error["field"] for error in api.errors(api.http.post("/workspaces", json={"workspace": project}), 422)] == [
        field
    ]


@pytest.mark.parametrize("content", [b"{oops", b"[]", b'{"project": {}}', b'{"workspace": []}', b""])
def test_a_malformed_body_is_a_bad_request(api: Api, content: bytes) -> None:
    response = api.http.post("/workspaces", content=content, headers={"Content-Type": "application/json"})
    assert api.errors(response, 400)[0]["type"] == "system"


def test_a_post_sent_twice_creates_twice_and_an_idempotency_key_is_ignored(api: Api) -> None:
    body = {"workspace": {"title": "Twin", "creator_role": "maven"}}
    sent = [api.http.post("/workspaces", json=body, headers={"Idempotency-Key": "same"}) for _ in range(2)]
    assert len({response.json()["results"][0]["id"] for response in sent}) == 2
    assert "etag" not in sent[0].headers


def test_a_lost_reply_leaves_the_record(api: Api) -> None:
    api.simulator.add_fault(kind="timeout_after_commit", method="POST", times=1)
    with pytest.raises(httpx.ReadTimeout):
        api.project("Lost")
    assert [each["title"] for each in api.get("/workspaces")["workspaces"].values()] == ["Lost"]


def test_unknown_attributes_and_filters_are_ignored_silently(api: Api) -> None:
    project = api.project(no_such_attribute=1)
    assert api.ids("/workspaces", no_such_filter="x") == [project]


def test_update_changes_only_what_is_sent(api: Api, clock: Clock) -> None:
    project = api.project(due_date="2026-12-31")
    clock.pass_by(minutes=1)
    answer = api.http.put(f"/workspaces/{project}", json={"workspace": {"title": "Renamed"}}).json()
    shown = answer["workspaces"][project]
    assert (shown["title"], shown["due_date"]) == ("Renamed", "2026-12-31")
    assert shown["updated_at"] > shown["created_at"]
    assert api.errors(api.http.put("/workspaces/1", json={"workspace": {"title": "X"}}), 404)


def test_routes_that_do_not_exist_answer_404(api: Api) -> None:
    for method, path in (("GET", "/no_such_things"), ("DELETE", "/resource_requests/1"), ("POST", "/users")):
        assert api.errors(api.http.request(method, path, json={"user": {}}), 404)


def test_who_may_not_create_projects_is_forbidden(api: Api) -> None:
    api.http.headers["Authorization"] = f"Bearer {api.simulator.oauth.grant(CONSULTANTS[0])}"
    response = api.http.post("/workspaces", json={"workspace": {"title": "X", "creator_role": "maven"}})
    assert api.errors(response, 403)[0]["type"] == "system"


# Projects


def test_the_price_is_text_for_people_beside_exact_subunits(api: Api) -> None:
    project = api.project(price="1234.56", currency="EUR")
    shown = api.get(f"/workspaces/{project}")["workspaces"][project]
    assert (shown["price"], shown["price_in_cents"], shown["currency_base_unit"]) == ("€1,234", 123456, 100)
    unpriced = api.project()
    assert api.get(f"/workspaces/{unpriced}")["workspaces"][unpriced]["price"] == "TBD"


def test_archived_projects_are_hidden_unless_asked_for(api: Api) -> None:
    project = api.project()
    api.simulator.people.archive_project(project)
    assert api.ids("/workspaces") == []
    assert api.http.get(f"/workspaces/{project}").status_code == 404
    assert api.ids(f"/workspaces/{project}", include_archived="true") == [project]
    assert api.ids("/workspaces", archived="only") == [project]


def test_a_template_brings_its_tasks(api: Api) -> None:
    project = api.project(project_tracker_template_id=9, start_date="2026-02-02")
    tasks = api.get("/stories", workspace_id=project)["stories"].values()
    assert [(task["title"], task["start_date"]) for task in tasks] == [
        ("Kick-off", "2026-02-02"),
        ("Delivery", "2026-02-03"),
        ("Acceptance", "2026-04-03"),
    ]


def test_tasks_nest_within_their_project(api: Api) -> None:
    project, other = api.project(), api.project("Other")
    parent = api.made("stories", "story", workspace_id=project, title="Design", story_type="deliverable")
    child = api.made("stories", "story", workspace_id=project, title="Sketch", story_type="task", parent_id=parent)
    shown = api.get(f"/stories/{child}", include="parent")["stories"][child]
    assert (shown["parent_id"], shown["ancestor_ids"]) == (parent, [parent])
    stray = {"workspace_id": other, "title": "Stray", "story_type": "task", "parent_id": parent}
    assert api.errors(api.http.post("/stories", json={"story": stray}), 422)[0]["field"] == "parent_id"


def test_clients_are_groups_and_projects_belong_to_them(api: Api) -> None:
    group = api.made("workspace_groups", "workspace_group", name="Acme", company=True)
    project = api.project(workspace_group_ids=[int(group)])
    api.project("Of nobody")
    assert api.ids("/workspaces", workspace_groups=group) == [project]
    assert api.get("/workspace_groups", include="workspaces")["workspace_groups"][group]["workspace_ids"] == [project]


def test_users_outside_projects_are_seen_only_on_the_account(api: Api) -> None:
    assert api.ids("/users") == ["10"]
    assert api.ids("/users", by_email_address="rosa.resourcing@example.com") == []
    assert api.ids("/users", by_email_address="rosa.resourcing@example.com", on_my_account="true") == ["11"]


# External references and custom fields


def test_a_reference_is_found_by_name_and_ref_as_text(api: Api) -> None:
    project = api.project(external_reference=reference("006Hp00001ABCDE"))
    api.project("Other", external_reference=reference("006Hp00001OTHER"))
    found = api.get(
        "/external_references",
        subject_type="Workspace",
        service_name="dealbridge",
        service_model_ref="006Hp00001ABCDE",
        include="subject",
    )
    (id_,) = [each["id"] for each in found["results"]]
    assert found["external_references"][id_]["subject_ref"] == {"key": "workspaces", "id": project}
    assert found["external_references"][id_]["subject_id"] == int(project)
    assert list(found["workspaces"]) == [project]
    assert api.errors(api.http.get("/external_references"), 422)[0]["field"] == "subject_type"


def test_the_single_ref_filter_is_for_integers_and_the_plural_for_text(api: Api, account: Callable[..., Api]) -> None:
    name = "external_reference_service_name"
    number, text = api.project(external_reference=reference("77")), api.project(external_reference=reference("006X"))
    assert api.ids("/workspaces", **{name: "dealbridge", "external_reference_service_model_ref": "77"}) == [number]
    assert api.ids("/workspaces", **{name: "dealbridge", "external_reference_service_model_ref": "006X"}) == []
    assert api.ids("/workspaces", **{name: "dealbridge", "external_reference_service_model_refs": "006X"}) == [text]
    assert api.ids("/workspaces", **{name: "other", "external_reference_service_model_refs": "006X"}) == []
    lenient = account(string_model_ref_filter=True)
    project = lenient.project(external_reference=reference("006X"))
    assert lenient.ids("/workspaces", external_reference_service_model_ref="006X") == [project]


def test_an_object_has_one_reference_per_service(api: Api) -> None:
    project = api.project(external_reference=reference("A"))
    tie = {"subject_type": "Workspace", "subject_id": int(project)}
    for ref in ("B", "C"):
        body = {"external_reference": {**reference(ref), **tie}}
        assert api.http.post("/external_references/create_or_update", json=body).is_success
    assert api.ids("/workspaces", external_reference_service_model_refs="A,B") == []
    assert api.ids("/workspaces", external_reference_service_model_refs="C") == [project]
    unknown = {"external_reference": {**reference("D"), "subject_type": "Workspace", "subject_id": 1}}
    assert api.errors(api.http.post("/external_references/create_or_update", json=unknown), 422)


def test_resource_requests_carry_references_only_where_the_switch_says_so(
    api: Api, account: Callable[..., Api]
) -> None:
    found = {"external_reference_service_name": "dealbridge", "external_reference_service_model_refs": "K1"}
    one, two = (api.staffing_request(api.project(), external_reference=reference(ref)) for ref in ("K1", "K2"))
    assert api.ids("/resource_requests", **found) == [one, two], "an unknown filter is ignored"
    api = account(references_on_requests=True)
    one, _ = (api.staffing_request(api.project(), external_reference=reference(ref)) for ref in ("K1", "K2"))
    assert api.ids("/resource_requests", **found) == [one]


def test_a_unique_custom_field_refuses_a_second_object(api: Api) -> None:
    opportunity = [{"custom_field_id": 1, "value": "006A"}]
    project = api.project(custom_fields=opportunity)
    again = {"title": "Again", "creator_role": "maven", "custom_fields": opportunity}
    (error,) = api.errors(api.http.post("/workspaces", json={"workspace": again}), 422)
    assert "has already been entered" in error["message"]
    assert api.ids("/workspaces") == [project], "the refused project is not left behind"
    assert api.ids("/workspaces", by_custom_text_value="1:006A") == [project]
    assert api.ids("/workspaces", by_custom_text_value="(1:006A):(2:x)") == []


def test_custom_field_values_are_listed_by_subject_type_and_replaced(api: Api) -> None:
    project = api.project(custom_fields=[{"custom_field_id": 1, "value": "006A"}])
    (old,) = api.ids("/custom_field_values", subject_type="workspace")
    value = {"subject_type": "Workspace", "subject_id": int(project), "custom_field_id": 1, "value": "006B"}
    new = api.made("custom_field_values", "custom_field_value", **value)
    assert new != old
    assert api.ids("/custom_field_values", subject_type="Workspace", with_subject_id=project) == [new]
    assert api.ids("/workspaces", by_custom_text_value="1:006A") == []
    assert api.errors(api.http.get("/custom_field_values"), 422)[0]["field"] == "subject_type"


# Staffing


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
    clock.pass_by(minutes=5)
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


# Time, expenses, invoices


def test_time_is_approved_on_its_timesheet(api: Api, clock: Clock) -> None:
    project, people = api.project(), api.simulator.people
    entry = people.log_time(project, CONSULTANTS[0], "2026-01-05", 480, rate_in_cents=15000)
    people.log_time(project, CONSULTANTS[1], "2026-01-05", 60)
    assert api.ids("/time_entries", approved="false") == [], "the value of `approved` is ignored"
    clock.pass_by(hours=1)
    sheet = people.approve_time([entry])
    answer = api.get("/time_entries", approved="true", include="user,workspace,role,active_submission")
    assert [each["id"] for each in answer["results"]] == [entry]
    shown = answer["time_entries"][entry]
    assert (shown["user_id"], shown["workspace_id"], shown["role_id"]) == ("12", project, "3")
    assert (shown["approved"], shown["time_in_minutes"], shown["active_submission_id"]) == (True, 480, sheet)
    assert api.ids("/time_entries", updated_after=(NOW + timedelta(minutes=1)).isoformat()) == [entry]
    assert answer["timesheet_submissions"][sheet]["line_item_total_in_cents"] == 8 * 15000
    late = {"time_entry": {"time_in_minutes": 1}}
    assert api.errors(api.http.put(f"/time_entries/{entry}", json=late), 422)[0]["field"] == "base"


def test_a_project_without_approvals_has_only_approved_time(api: Api) -> None:
    project = api.project(require_time_approvals=False)
    entry = api.simulator.people.log_time(project, CONSULTANTS[0], "2026-01-05", 30)
    assert api.ids("/time_entries", approved="true") == [entry]


def test_time_in_archived_projects_is_hidden_unless_asked_for(api: Api) -> None:
    project = api.project()
    entry = api.simulator.people.log_time(project, CONSULTANTS[0], "2026-01-05", 30)
    api.simulator.people.archive_project(project)
    assert api.ids("/time_entries") == []
    assert api.ids("/time_entries", from_archived_workspaces="true") == [entry]


def test_a_rejected_timesheet_frees_its_time(api: Api) -> None:
    project = api.project()
    entry = api.simulator.people.log_time(project, CONSULTANTS[0], "2026-01-05", 30)
    sheet = {"title": "Week 2", "workspace_id": project, "line_item_ids": [int(entry)]}
    first = api.made("timesheet_submissions", "timesheet_submission", **sheet)
    assert api.errors(api.http.post("/timesheet_submissions", json={"timesheet_submission": sheet}), 422)
    assert api.http.put(f"/timesheet_submissions/{first}/reject", json={}).is_success
    assert api.made("timesheet_submissions", "timesheet_submission", **sheet)
    assert api.ids("/timesheet_submissions", statuses="rejected") == [first]


def test_only_time_approvers_approve(api: Api) -> None:
    project = api.project(approver_ids=[11])
    entry = api.simulator.people.log_time(project, CONSULTANTS[0], "2026-01-05", 30)
    sheet = {"title": "Week 2", "workspace_id": project, "line_item_ids": [int(entry)]}
    id_ = api.made("timesheet_submissions", "timesheet_submission", **sheet)
    for user, status in ((CONSULTANTS[1], 403), (APPROVER, 200)):
        token = api.simulator.oauth.grant(user)
        headers = {"Authorization": f"Bearer {token}"}
        assert api.http.put(f"/timesheet_submissions/{id_}/approve", json={}, headers=headers).status_code == status


def test_expenses_are_in_subunits_and_approved_on_a_report(api: Api) -> None:
    project, people = api.project(currency="EUR"), api.simulator.people
    expense = people.log_expense(project, CONSULTANTS[0], "2026-01-06", 12345, notes="Train")
    assert api.ids("/expenses", approved="true") == []
    report = people.approve_expenses([expense])
    shown = api.get("/expenses", approved="true", include="user,active_submission")["expenses"][expense]
    assert (shown["amount_in_cents"], shown["currency"], shown["category"]) == (12345, "EUR", "Travel")
    assert (shown["user_id"], shown["active_submission_id"]) == ("12", report)
    bare = {"workspace_id": project, "date": "2026-01-06", "category": "Travel", "amount_in_cents": 1}
    errors = api.errors(api.http.post("/expenses", json={"expense": bare}), 422)
    assert [error["field"] for error in errors] == ["expense_category_id"]


def test_an_invoice_takes_approved_items_once(api: Api) -> None:
    project, people = api.project(), api.simulator.people
    entry = people.log_time(project, CONSULTANTS[0], "2026-01-05", 90, rate_in_cents=10000)
    milestone = api.made(
        "billing_milestones", "billing_milestone", title="M", amount_in_cents=500, workspace_id=project
    )
    items = {"time_entry_ids": [entry], "expense_ids": [], "billing_milestone_ids": [milestone]}
    body = {"invoice": {"workspace_id": project, "payment_schedule": 30, **items}}
    assert "not been approved" in api.errors(api.http.post("/invoices", json=body), 422)[0]["message"]
    people.approve_time([entry])
    (invoice,) = api.http.post("/invoices", json=body).json()["invoices"].values()
    assert (invoice["balance_in_cents"], invoice["status"], invoice["title"]) == (15500, "new", "Invoice #1")
    assert api.ids("/time_entries", invoiced="true") == [entry]
    assert "already been invoiced" in api.errors(api.http.post("/invoices", json=body), 422)[0]["message"]
    change = {"billing_milestone": {"amount_in_cents": 1}}
    assert api.errors(api.http.put(f"/billing_milestones/{milestone}", json=change), 422)


# Events


def test_writes_leave_events_that_include_their_subject(api: Api, clock: Clock) -> None:
    project = api.project()
    clock.pass_by(minutes=1)
    assert api.http.put(f"/workspaces/{project}", json={"workspace": {"title": "Renamed"}}).is_success
    answer = api.get(
        "/subscribed_events",
        created_after=NOW.isoformat(),
        event_types="workspace:updated,invoice:updated",
        include="subject",
        optional_fields="payload_changes",
    )
    (event,) = answer["subscribed_events"].values()
    assert (event["event_type"], event["subject_type"], event["subject_id"]) == (
        "workspace:updated",
        "Workspace",
        project,
    )
    assert event["subject_ref"] == {"key": "workspaces", "id": project}
    assert event["payload_changes"]["title"] == ["Acme rollout", "Renamed"]
    assert answer["workspaces"][project]["title"] == "Renamed"


def test_resource_requests_have_no_events(api: Api) -> None:
    api.simulator.people.approve_request(api.staffing_request(api.project()), CONSULTANTS[0])
    kinds = {event["event_type"] for event in api.get("/subscribed_events", per_page=200)["subscribed_events"].values()}
    assert "workspace_resource:updated" in kinds
    assert not any(kind.startswith("resource_request") for kind in kinds)


def test_events_are_kept_for_nine_days(api: Api, clock: Clock) -> None:
    api.project()
    clock.pass_by(days=9)
    assert api.ids("/subscribed_events")
    clock.pass_by(seconds=1)
    assert api.ids("/subscribed_events") == []


def test_events_are_for_administrators_of_accounts_with_the_add_on(api: Api, account: Callable[..., Api]) -> None:
    assert api.errors(account(events_add_on=False).http.get("/subscribed_events"), 403)
    token = api.simulator.oauth.grant(CONSULTANTS[0])
    assert api.errors(api.http.get("/subscribed_events", headers={"Authorization": f"Bearer {token}"}), 403)


def test_events_can_come_late_out_of_order_and_twice(account: Callable[..., Api], clock: Clock) -> None:
    api = account(event_lags_s=(30.0, 30.0, 0.0, 0.0), duplicate_events=True)
    first, second = api.project("First"), api.project("Second")
    created = {"event_types": "workspace:created", "order": "created_at:asc"}
    assert {
        event["subject_id"] for event in api.get("/subscribed_events", **created)["subscribed_events"].values()
    } == {second}
    clock.pass_by(seconds=30)
    events = api.get("/subscribed_events", **created)
    assert [events["subscribed_events"][each["id"]]["subject_id"] for each in events["results"]] == [
        second,
        second,
        first,
        first,
    ]
    assert len(api.ids("/subscribed_events", most_recent="true", subject_type="Workspace")) == 2


def test_an_event_can_be_emitted_by_hand(api: Api, clock: Clock) -> None:
    project = api.project()
    root = httpx.Client(
        base_url=api.simulator.base_url, transport=SimulatorTransport({api.simulator.base_url: api.simulator})
    )
    made = root.post("/__sim/events", json={"type": "workspace:updated", "id": project, "duplicate": True})
    assert made.status_code == 201
    assert set(api.ids("/subscribed_events", event_types="workspace:updated")) == set(made.json()["ids"])
    for wrong in ({"type": "resource_request:created", "id": "1"}, {"type": "workspace:updated", "id": "1"}):
        assert root.post("/__sim/events", json=wrong).status_code == 400


# Limits


def test_too_many_requests_say_nothing_of_how_long_to_wait(account: Callable[..., Api], clock: Clock) -> None:
    api = account(limits=Limits(requests=3, window_s=10))
    assert [api.http.get("/users/me").status_code for _ in range(4)] == [200, 200, 200, 429]
    refused = api.http.get("/users/me")
    assert "retry-after" not in refused.headers
    with pytest.raises(json.JSONDecodeError):
        refused.json()
    clock.pass_by(seconds=10)
    assert api.http.get("/users/me").status_code == 200


def test_some_endpoints_have_limits_of_their_own(account: Callable[..., Api]) -> None:
    api = account(limits=Limits(endpoints={("GET", "workspaces"): 1}))
    assert [api.http.get("/workspaces").status_code for _ in range(2)] == [200, 429]
    assert api.http.get("/users/me").status_code == 200
    with pytest.raises(ValueError, match="limits of their own"):
        Limits(endpoints={("GET", "stories"): 1})


# The simulator as such


def test_a_stale_read_does_not_yet_see_the_last_write(api: Api) -> None:
    project = api.project(external_reference=reference("006X"))
    api.simulator.add_fault(kind="stale_read", method="GET")
    assert api.ids("/workspaces") == []
    assert api.ids("/workspaces", external_reference_service_model_refs="006X") == []
    api.simulator.clear_faults()
    assert api.ids("/workspaces", external_reference_service_model_refs="006X") == [project]


def test_a_reset_brings_back_the_seed_and_the_token(api: Api) -> None:
    api.project()
    api.simulator.expire_tokens()
    api.simulator.reset()
    assert api.ids("/workspaces") == []
    assert api.project("First again") == "90000001"


def test_two_accounts_behave_the_same(account: Callable[..., Api]) -> None:
    def told(api: Api) -> dict[str, Any]:
        request = api.staffing_request(api.project())
        api.simulator.people.approve_request(request, CONSULTANTS[0])
        return api.simulator.records()

    assert told(account()) == told(account())


def test_it_serves_on_a_port(clock: Clock) -> None:
    simulator = KantataSimulator(clock)
    with serving(simulator) as url, httpx.Client(base_url=simulator.credentials()["base_url"]) as client:
        assert simulator.credentials()["base_url"] == f"{url}/api/v1"
        answer = client.get("/users/me", headers={"Authorization": f"Bearer {simulator.token}"})
        assert list(answer.json()["users"]) == ["10"]


def test_thousands_of_records_stay_quick(api: Api) -> None:
    """Looks up by key among 3,000 staffing requests without scanning: far below a second each hundred."""
    project = api.project()
    for number in range(3000):
        api.simulator.act("10", "POST", "workspace_resources", _keyed_resource(project, number))
    began = perf_counter()
    for number in range(0, 3000, 30):
        params = {"include_unnamed": "true", "external_reference_service_model_refs": f"K{number}"}
        assert len(api.ids("/workspace_resources", **params)) == 1
    assert perf_counter() - began < 2


def _keyed_resource(project: str, number: int) -> dict[str, Any]:
    fields = {"workspace_id": project, "role_id": 3, "user_id": 12, "external_reference": reference(f"K{number}")}
    return {"workspace_resource": fields}
