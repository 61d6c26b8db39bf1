"""The Kantata connector when replies are lost, writes are refused, or the set-up is wrong."""

from collections.abc import Callable
from typing import Any

import pytest

from dealbridge.connectors.kantata import CAPABILITIES, connect
from dealbridge.domain.connection import Connection
from dealbridge.domain.keys import Kind
from dealbridge.errors import (
    AccessError,
    ConfigurationError,
    ConflictError,
    RecordMissingError,
    RejectedError,
    ThrottledError,
    TransientError,
)
from dealbridge.ports import Write
from dealbridge.transport.client import Wire
from dealbridge_local.simulators.kantata import CONSULTANTS, Limits

from .conftest import CODES, World, project, request

# Unknown outcomes


@pytest.mark.parametrize("kind", ["timeout_after_commit", "drop_after_commit"])
@pytest.mark.parametrize("lost", ["workspaces", "resource_requests", "workspace_allocations"])
def test_after_a_lost_reply_reading_back_settles_it_and_nothing_is_doubled(world: World, kind: str, lost: str) -> None:
    write = project()
    if lost != "workspaces":
        write = request(world.project())
    world.simulator.add_fault(kind=kind, method="POST", path=f"{lost}$", times=1)
    with pytest.raises(TransientError) as unknown:
        world.staffing.create(write)
    assert unknown.value.outcome_unknown
    found = world.staffing.find(write)
    assert found is not None
    if not found.complete:
        world.staffing.update(write, found.ref, ())
        found = world.staffing.find(write)
        assert found is not None
    assert (found.record, found.complete) == (write.record, True)
    assert len(world.api.ids("/workspaces")) == 1
    assert len(world.api.ids("/resource_requests")) == len(world.api.ids("/workspace_allocations"))
    assert len(world.api.ids("/resource_requests")) <= 1


@pytest.mark.parametrize("lost", ["resource_requests", "workspace_allocations"])
def test_a_write_that_never_arrived_is_finished_by_the_next_attempt(world: World, lost: str) -> None:
    write = request(world.project())
    world.simulator.add_fault(kind="drop_before_commit", method="POST", path=f"{lost}$", times=1)
    with pytest.raises(TransientError):
        world.staffing.create(write)
    found = world.staffing.find(write)
    if found is None:
        world.staffing.create(write)
    else:
        assert not found.complete
        world.staffing.update(write, found.ref, ())
    found = world.staffing.find(write)
    assert found is not None
    assert (found.record, found.complete) == (write.record, True)
    assert len(world.api.ids("/resource_requests")) == 1


def test_a_second_create_is_refused_by_kantata_itself(world: World) -> None:
    write, _ = world.request()
    with pytest.raises(ConflictError):
        world.staffing.create(project())
    with pytest.raises(ConflictError):
        world.staffing.create(write)
    assert len(world.api.ids("/workspaces")) == len(world.api.ids("/resource_requests")) == 1
    assert len(world.api.ids("/workspace_resources", include_unnamed="true")) == 1


def test_a_read_that_is_behind_cannot_lead_to_a_second_record(world: World) -> None:
    ref = world.project(project(key="PSA-006B"))
    world.simulator.add_fault(kind="stale_read", method="GET", times=1)
    assert world.staffing.find(project(key="PSA-006B")) is None
    with pytest.raises(ConflictError):
        world.staffing.create(project(key="PSA-006B"))
    found = world.staffing.find(project(key="PSA-006B"))
    assert found is not None
    assert found.ref == ref


def test_two_records_with_one_key_are_a_fault_of_the_set_up(world: World) -> None:
    loose = {"custom_field": {"unique_constraint": False}}
    assert world.api.http.put("/custom_fields/1", json=loose).is_success
    world.project()
    world.project()
    with pytest.raises(ConfigurationError, match="custom field 1 its unique constraint"):
        world.staffing.find(project())


@pytest.mark.parametrize("switch", ["foreign_keys_always", "references_on_requests", "string_model_ref_filter"])
def test_nothing_hangs_on_what_the_documents_leave_open(world_with: Callable[..., World], switch: str) -> None:
    world = world_with(**{switch: True})
    write, ref = world.request()
    found = world.staffing.find(write)
    assert found is not None
    assert (found.ref, found.record) == (ref, write.record)


# What goes wrong


def test_a_revoked_token_is_for_an_administrator(world: World) -> None:
    world.simulator.expire_tokens()
    with pytest.raises(AccessError) as refused:
        world.project()
    assert not refused.value.outcome_unknown
    assert world.simulator.token not in repr(world.calls), "what is watched names no credential"
    assert len(world.asked()) == 1, "there is nothing to renew"
    assert world.simulator.token not in f"{refused.value} {refused.value!r}"


def test_a_429_says_how_long_by_configuration(world_with: Callable[..., World]) -> None:
    world = world_with(options={"throttle_seconds": 30}, limits=Limits(endpoints={("POST", "workspaces"): 0}))
    with pytest.raises(ThrottledError) as refused:
        world.project()
    assert refused.value.retry_after == 30


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_failing_server_leaves_the_outcome_unknown(world: World, status: int) -> None:
    world.simulator.add_fault(kind="status", status=status)
    with pytest.raises(TransientError) as failed:
        world.project()
    assert failed.value.outcome_unknown


def test_a_cut_off_answer_leaves_the_outcome_unknown(world: World) -> None:
    world.simulator.add_fault(kind="malformed_body", times=1)
    with pytest.raises(TransientError) as failed:
        world.project()
    assert failed.value.outcome_unknown
    assert world.staffing.find(project()) is not None


def test_a_refused_field_is_named_as_our_people_know_it(world: World) -> None:
    with pytest.raises(RejectedError) as refused:
        world.project(project(codes={"currency": "XYZ"}))
    (finding,) = refused.value.findings
    assert (finding.field, finding.rule) == ("currency", "kantata_validation")
    assert "Currency is not included in the list" in finding.message


def test_what_the_token_may_not_do_is_an_access_error(world: World) -> None:
    world.simulator.token = world.simulator.oauth.grant(CONSULTANTS[0])
    forbidden = World(world.simulator)
    with pytest.raises(AccessError):
        forbidden.project()


def test_missing_codes_are_named_with_their_file(world: World) -> None:
    ref = world.project()
    with pytest.raises(ConfigurationError, match=r"mappings/codes/kantata\.yaml: defaults\.approvers"):
        world.staffing.create(request(ref, codes={"defaults": {}}))
    with pytest.raises(ConfigurationError, match=r"mappings/codes/kantata\.yaml: roles: missing"):
        world.staffing.create(request(ref, codes={"role": None}))
    unwritten = Write(Kind.STAFFING_REQUEST, "K", request(ref).record, {**CODES, "role": "3"})
    with pytest.raises(RecordMissingError, match="PSA-006A"):
        world.staffing.create(unwritten)


@pytest.mark.parametrize(
    ("options", "secret", "named"),
    [
        ({}, {"token": "t"}, r"mappings/connections\.yaml: kantata\.options\.project_key_field"),
        (
            {"project_key_field": "1", "request_key_field": "2"},
            {"password": "p"},
            r"secret 'dealbridge/kantata': token",
        ),
    ],
)
def test_a_wrong_connection_is_named_with_its_place(options: Any, secret: dict[str, str], named: str) -> None:
    connection = Connection(id="kantata", system="kantata", base_url="https://x", secret="dealbridge/kantata")
    with pytest.raises(ConfigurationError, match=named):
        connect(connection.model_copy(update={"options": options}), secret, Wire())


def test_it_says_what_it_can_do() -> None:
    assert CAPABILITIES.role == "staffing"
    assert CAPABILITIES.kinds == {Kind.STAFFING_PROJECT, Kind.STAFFING_REQUEST}
    assert CAPABILITIES.withdraws == {Kind.STAFFING_REQUEST}
