"""Projects, their tasks and clients; external references and custom fields."""

from collections.abc import Callable

from .conftest import Api, reference

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
