"""The Kantata connector against the simulated account: what its port promises, and its cost in calls."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from dealbridge.domain.money import Money
from dealbridge.domain.refs import ExternalRef
from dealbridge.errors import (
    RecordMissingError,
    RejectedError,
)
from dealbridge_local.simulators.kantata import CONSULTANTS

from .conftest import CODES, World, changed, project, request

# Projects


def test_a_project_is_made_in_one_call_and_read_back_equal(world: World) -> None:
    write = project()
    ref = world.project(write)
    assert world.asked() == [("POST", "workspaces")]
    found = world.staffing.find(write)
    assert world.asked() == [("GET", "workspaces")]
    assert found is not None
    assert (found.ref, found.record, found.complete) == (ref, write.record, True)
    assert ref.url == f"https://app.mavenlink.com/workspaces/{ref.id}"


@pytest.mark.parametrize(("currency", "amount"), [("USD", "0.01"), ("JPY", "1200000"), ("SGD", "99999999.99")])
def test_a_budget_survives_to_the_last_subunit(world: World, currency: str, amount: str) -> None:
    budget = Money(amount=Decimal(amount), currency=currency)
    write = project(currency=currency, budget=budget, codes={"currency": currency})
    world.project(write)
    found = world.staffing.find(write)
    assert found is not None
    assert found.record == write.record


def test_a_lead_without_a_code_is_found_by_email(world: World) -> None:
    write = project(manager_email="Jon.Abe@example.com", codes={"manager": None})
    ref = world.project(project(manager_email="jon.abe@example.com", codes={"manager": None}))
    assert world.asked() == [("GET", "users"), ("POST", "workspaces")]
    shown = world.api.get(f"/workspaces/{ref.id}", include="primary_maven")
    assert shown["workspaces"][ref.id]["primary_maven_id"] == "22"
    found = world.staffing.find(write)
    assert found is not None
    assert found.record == write.record, "an email in other letters is the same one"


def test_a_lead_whom_kantata_does_not_know_is_for_people_to_mend(world: World) -> None:
    with pytest.raises(RejectedError) as refused:
        world.project(project(manager_email="nobody@example.com", codes={"manager": None}))
    (finding,) = refused.value.findings
    assert finding.field == "manager_email"
    assert "nobody@example.com" in finding.message
    assert world.api.ids("/workspaces") == []


def test_a_lead_whom_kantata_does_not_know_can_have_a_stand_in(world: World) -> None:
    defaults = {"approvers": ["11"], "manager": "23"}
    write = project(manager_email="nobody@example.com", codes={"manager": None, "defaults": defaults})
    ref = world.project(write)
    shown = world.api.get(f"/workspaces/{ref.id}", include="primary_maven")
    assert shown["workspaces"][ref.id]["primary_maven_id"] == "23"
    found = world.staffing.find(write)
    assert found is not None
    assert found.record == write.record


def test_a_project_without_a_lead_keeps_whoever_kantata_names(world: World) -> None:
    write = project(manager_email="", codes={"manager": None})
    world.project(write)
    assert world.asked() == [("POST", "workspaces")]
    found = world.staffing.find(write)
    assert found is not None
    assert found.record == write.record


def test_only_what_changed_is_written(world: World) -> None:
    ref = world.project()
    world.calls.clear()
    longer = project(end=date(2026, 9, 30), name="Not to be written")
    assert world.staffing.update(longer, ref, changed("end")) == ref
    assert world.asked() == [("PUT", f"workspaces/{ref.id}")]
    shown = world.api.get(f"/workspaces/{ref.id}")["workspaces"][ref.id]
    assert (shown["due_date"], shown["title"]) == ("2026-09-30", "Acme rollout")


def test_no_change_named_means_all(world: World) -> None:
    ref = world.project()
    write = project(
        name="Acme phase 2",
        customer_name="Acme Ltd",
        budget=Money(amount=Decimal("99.95"), currency="EUR"),
        end=date(2027, 1, 31),
        manager_email="wei.tan@example.com",
        codes={"manager": "23"},
    )
    world.staffing.update(write, ref, ())
    found = world.staffing.find(write)
    assert found is not None
    assert found.record == write.record


def test_another_lead_is_added_to_the_project_and_put_in_charge(world: World) -> None:
    ref = world.project()
    world.calls.clear()
    write = project(manager_email="wei.tan@example.com", codes={"manager": "23"})
    for expected in (3, 1):
        world.staffing.update(write, ref, changed("manager_email", "codes.manager"))
        asked = world.asked()
        assert len(asked) == expected, asked
        found = world.staffing.find(write)
        assert found is not None
        assert found.record == write.record
        world.calls.clear()


def test_a_project_can_begin_from_a_template(world: World) -> None:
    write = project(codes={"defaults": {**CODES["defaults"], "project_template": "9"}})  # type: ignore[dict-item]
    ref = world.project(write)
    assert len(world.api.ids("/stories", workspace_id=ref.id)) == 3


def test_an_archived_project_is_found(world: World) -> None:
    ref = world.project()
    world.simulator.people.archive_project(ref.id)
    found = world.staffing.find(project())
    assert found is not None
    assert found.ref == ref


def test_the_keys_of_two_entities_projects_are_not_mixed_up(world: World) -> None:
    first, second = project(), project(key="PSA-006A-EMEA-DE", name="German part")
    refs = [world.staffing.create(write) for write in (first, second)]
    for write, ref in zip((first, second), refs, strict=True):
        found = world.staffing.find(write)
        assert found is not None
        assert (found.ref, found.record) == (ref, write.record)
    assert world.staffing.find(project(key="PSA-006")) is None


# Staffing requests


def test_a_request_is_made_in_two_calls_and_read_back_equal(world: World) -> None:
    write = request(world.project())
    world.calls.clear()
    ref = world.staffing.create(write)
    assert world.asked() == [("POST", "resource_requests"), ("POST", "workspace_allocations")]
    found = world.staffing.find(write)
    assert world.asked() == [
        ("GET", "workspace_resources"),
        ("GET", "workspace_allocations"),
        ("GET", "resource_requests"),
    ]
    assert found is not None
    assert (found.ref, found.record, found.complete) == (ref, write.record, True)
    (allocation,) = world.api.get("/workspace_allocations")["workspace_allocations"].values()
    assert (allocation["minutes"], allocation["hard"]) == (7230, False)


def test_without_hours_full_days_are_asked_for(world: World) -> None:
    write, _ = world.request(hours=None, start=date(2026, 1, 5), end=date(2026, 1, 18))
    (allocation,) = world.api.get("/workspace_allocations")["workspace_allocations"].values()
    assert (allocation["minutes"], allocation["percentage"]) == (10 * 480, 100.0)
    found = world.staffing.find(write)
    assert found is not None
    assert found.record == write.record


def test_what_was_never_made_is_not_found(world: World) -> None:
    ref = world.project()
    assert world.staffing.find(request(ref)) is None
    assert world.staffing.find(project(key="PSA-other")) is None


@pytest.mark.parametrize(
    ("fields", "paths", "asked"),
    [
        ({"hours": Decimal(200)}, ("hours",), ["GET workspace_allocations", "PUT workspace_allocations/{allocation}"]),
        ({"end": date(2026, 4, 30)}, ("end",), ["GET workspace_allocations", "PUT workspace_allocations/{allocation}"]),
        ({"role": "Architect", "codes": {"role": "2"}}, ("role", "codes.role"), ["PUT workspace_resources/{resource}"]),
    ],
)
def test_a_request_is_changed_in_place(
    world: World, fields: dict[str, Any], paths: tuple[str, ...], asked: list[str]
) -> None:
    _, ref = world.request()
    (allocation,) = world.api.ids("/workspace_allocations")
    write = request(world_ref(world), **fields)
    world.calls.clear()
    after = world.staffing.update(write, ref, changed(*paths))
    names = {"resource": ref.id, "allocation": allocation}
    assert [f"{method} {path}" for method, path in world.asked()] == [each.format(**names) for each in asked]
    found = world.staffing.find(write)
    assert found is not None
    assert (found.record, found.ref) == (write.record, after)
    assert (after.id, after.parts) == (ref.id, ref.parts)
    assert after.number == f"{write.record.role} 1"  # type: ignore[union-attr]


def world_ref(world: World) -> ExternalRef:
    found = world.staffing.find(project())
    assert found is not None
    return found.ref


def test_a_staffed_request_reads_back_as_it_was_asked_for(world: World) -> None:
    write, ref = world.request()
    world.simulator.people.approve_request(ref.parts["request"], CONSULTANTS[0])
    found = world.staffing.find(write)
    assert found is not None
    assert (found.record, found.complete) == (write.record, True)
    assert found.ref.parts == ref.parts


def test_a_rejected_request_is_not_asked_again(world: World) -> None:
    write, ref = world.request()
    world.simulator.people.reject_request(ref.parts["request"])
    found = world.staffing.find(write)
    assert found is not None
    assert found.complete
    assert world.staffing.update(write, found.ref, ()).parts == ref.parts


def test_a_withdrawn_request_asks_for_nobody_and_can_be_withdrawn_again(world: World) -> None:
    write, ref = world.request()
    (allocation,) = world.api.ids("/workspace_allocations")
    gone = world.staffing.withdraw(write, ref)
    assert world.asked() == [
        ("PUT", f"resource_requests/{ref.parts['request']}"),
        ("GET", "workspace_allocations"),
        ("DELETE", f"workspace_allocations/{allocation}"),
    ]
    assert world.api.ids("/resource_requests", pending_requests_only="true") == []
    assert world.api.ids("/workspace_allocations") == []
    assert world.staffing.withdraw(write, ref) == gone
    assert world.staffing.withdraw(write, gone) == gone
    found = world.staffing.find(write)
    assert found is not None
    assert (found.ref, found.complete) == (gone, False)


@pytest.mark.parametrize("changes", [(), ("hours",)])
def test_a_withdrawn_request_comes_back_where_it_was(world: World, changes: tuple[str, ...]) -> None:
    write, ref = world.request()
    gone = world.staffing.withdraw(write, ref)
    again = request(world_ref(world), hours=Decimal(80))
    back = world.staffing.update(again, gone, changed(*changes))
    found = world.staffing.find(again)
    assert found is not None
    assert (found.ref, found.record, found.complete) == (back, again.record, True)
    assert (back.id, back.parts) != (ref.id, ref.parts)
    assert world.api.ids("/workspace_resources", include_unnamed="true") == [ref.id]
    assert len(world.api.ids("/resource_requests", pending_requests_only="true")) == 1


def test_who_is_staffed_is_released_by_people(world: World) -> None:
    write, ref = world.request()
    world.simulator.people.approve_request(ref.parts["request"], CONSULTANTS[0])
    with pytest.raises(RejectedError) as refused:
        world.staffing.withdraw(write, ref)
    assert refused.value.findings[0].rule == "people_release_people"
    (allocation,) = world.api.ids("/workspace_allocations")
    assert world.api.http.delete(f"/workspace_allocations/{allocation}").status_code == 204
    assert world.staffing.withdraw(write, ref).parts == {}


def test_a_resource_that_people_deleted_is_withdrawn_already(world: World) -> None:
    write, ref = world.request()
    assert world.api.http.delete(f"/workspace_resources/{ref.id}").status_code == 204
    assert world.staffing.withdraw(write, ref).parts == {}
    assert world.staffing.withdraw(write, ref.model_copy(update={"parts": {}})).parts == {}
    with pytest.raises(RecordMissingError):
        world.staffing.update(write, ref, ())


def test_an_allocation_split_by_people_is_left_to_them_until_it_adds_up(world: World) -> None:
    write, ref = world.request(hours=Decimal(100))
    (first,) = world.api.ids("/workspace_allocations")
    part = {"resource_id": ref.id, "start_date": "2026-02-02", "end_date": "2026-03-31", "minutes": 40 * 60}
    world.api.made("workspace_allocations", "workspace_allocation", hard=False, **part)
    rest = {"workspace_allocation": {"end_date": "2026-02-01", "minutes": 60 * 60}}
    assert world.api.http.put(f"/workspace_allocations/{first}", json=rest).is_success
    found = world.staffing.find(write)
    assert found is not None
    assert found.record == write.record, "the parts count together"
    more = request(world_ref(world), hours=Decimal(150))
    with pytest.raises(RejectedError) as refused:
        world.staffing.update(more, ref, changed("hours"))
    assert "150 hours, 2026-01-05 to 2026-03-31" in refused.value.findings[0].remedy
    grown = {"workspace_allocation": {"minutes": 110 * 60}}
    assert world.api.http.put(f"/workspace_allocations/{first}", json=grown).is_success
    assert world.staffing.update(more, ref, changed("hours")) == ref


def test_a_request_is_found_among_many_later_ones(world: World) -> None:
    write, ref = world.request()
    for number in range(250):
        world.api.staffing_request(world_ref(world).id, custom_fields=[{"custom_field_id": 2, "value": f"K{number}"}])
    world.calls.clear()
    found = world.staffing.find(write)
    assert found is not None
    assert found.ref == ref
    assert world.asked().count(("GET", "resource_requests")) == 2
