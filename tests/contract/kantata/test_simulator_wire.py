"""Signing in, the envelope, bodies, errors and limits, as developer.kantata.com has them."""

import json
from collections.abc import Callable
from datetime import timedelta
from time import perf_counter
from typing import Any

import httpx
import pytest

from dealbridge_local.simulators.kantata import CONSULTANTS, KantataSimulator, Limits
from dealbridge_local.simulators.server import serving
from dealbridge_local.simulators.transport import SimulatorTransport
from tests.contract.suites.vendor import Clock

from .conftest import NOW, Api, reference

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
    clock.advance(minutes=5)
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


def test_after_is_after_to_the_second(api: Api, clock: Clock) -> None:
    """A change in the very second of the cursor is not told again, nor is a later one in that second told at all."""
    project = api.project()
    assert api.ids("/workspaces", updated_after=NOW.isoformat()) == []
    assert api.ids("/workspaces", updated_after=(NOW - timedelta(seconds=1)).isoformat()) == [project]
    assert api.ids("/workspaces", created_before=NOW.isoformat()) == []
    assert api.errors(api.http.get("/workspaces", params={"updated_after": "yesterday"}), 400)


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
        ({"currency": "XYZ"}, "currency"),
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
    clock.advance(minutes=1)
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


# Limits


def test_too_many_requests_say_nothing_of_how_long_to_wait(account: Callable[..., Api], clock: Clock) -> None:
    api = account(limits=Limits(requests=3, window_s=10))
    assert [api.http.get("/users/me").status_code for _ in range(4)] == [200, 200, 200, 429]
    refused = api.http.get("/users/me")
    assert "retry-after" not in refused.headers
    with pytest.raises(json.JSONDecodeError):
        refused.json()
    clock.advance(seconds=10)
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
        assert simulator.credentials()["base_url"] == url
        answer = client.get("/api/v1/users/me", headers={"Authorization": f"Bearer {simulator.token}"})
        assert list(answer.json()["users"]) == ["10"]


def test_thousands_of_records_stay_quick(api: Api) -> None:
    """Looks up by key among 3,000 staffing requests without scanning: far below a second each hundred."""
    project = api.project()
    for number in range(3000):
        api.simulator.as_user("10", "POST", "workspace_resources", _keyed_resource(project, number))
    began = perf_counter()
    for number in range(0, 3000, 30):
        params = {"include_unnamed": "true", "external_reference_service_model_refs": f"K{number}"}
        assert len(api.ids("/workspace_resources", **params)) == 1
    assert perf_counter() - began < 2


def _keyed_resource(project: str, number: int) -> dict[str, Any]:
    fields = {"workspace_id": project, "role_id": 3, "user_id": 12, "external_reference": reference(f"K{number}")}
    return {"workspace_resource": fields}


@pytest.mark.parametrize(("status", "media"), [(503, "application/json"), (504, "text/html"), (429, "text/plain")])
def test_injected_failures_speak_as_the_vendor_does(api: Api, status: int, media: str) -> None:
    api.simulator.add_fault(kind="status", status=status)
    response = api.http.get("/users/me")
    assert response.status_code == status
    assert response.headers["content-type"].startswith(media)
