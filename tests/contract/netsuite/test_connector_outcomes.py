"""The NetSuite connector when things go wrong: lost replies, repeats, refusals, throttling, sign-in."""

import logging
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from dealbridge.connectors import netsuite
from dealbridge.domain.connection import Connection
from dealbridge.domain.keys import Kind
from dealbridge.errors import (
    AccessError,
    ConfigurationError,
    ConflictError,
    DealbridgeError,
    RecordMissingError,
    RejectedError,
    ThrottledError,
    TransientError,
)
from dealbridge.transport.client import Wire
from dealbridge_local.simulators.netsuite import NetSuiteSimulator
from dealbridge_local.simulators.transport import SimulatorTransport
from tests.contract.netsuite.acme import (
    ACME,
    BILLING,
    CONTRACT_CODES,
    CUSTOMER_CODES,
    ENGAGEMENT,
    JANE,
    ORDER,
    ORIGIN,
    PROJECT_CODES,
    ROLLOUT,
    World,
    activate,
    codes,
    contract,
)

# Unknown outcomes


@pytest.mark.parametrize("fault", ["drop_after_commit", "timeout_after_commit", "malformed_body"])
@pytest.mark.parametrize("place", range(len(ENGAGEMENT)))
def test_a_lost_reply_is_settled_by_reading_back(world: World, fault: str, place: int) -> None:
    for kind, record, given in ENGAGEMENT[:place]:
        world.create(kind, record, **given)
    kind, record, given = ENGAGEMENT[place]
    write = world.write(kind, record, **given)
    world.simulator.add_fault(kind=fault, path="/record/v1/", times=1)

    ref, unknown = None, False
    try:
        ref = world.erp.create(write)
    except TransientError as error:
        unknown = error.outcome_unknown
    if ref is None:
        found = world.erp.find(write)
        assert (unknown, found is not None) == (True, True)
        assert found
        ref = found.ref if found.complete else world.erp.update(write, found.ref, ())

    world.refs[record.key] = ref
    found = world.erp.find(write)
    assert found is not None
    assert found.record == record
    assert found.complete
    assert len([each for each in world.simulator.records()[ref.type] if each.get("externalId") == record.key]) == 1


@pytest.mark.parametrize("place", range(len(ENGAGEMENT)))
def test_a_request_that_never_arrived_leaves_nothing(world: World, place: int) -> None:
    for kind, record, given in ENGAGEMENT[:place]:
        world.create(kind, record, **given)
    kind, record, given = ENGAGEMENT[place]
    write = world.write(kind, record, **given)
    world.simulator.add_fault(kind="drop_before_commit", path="/record/v1/", times=1)
    with pytest.raises(TransientError) as raised:
        world.erp.create(write)
    assert raised.value.outcome_unknown
    assert world.erp.find(write) is None
    world.refs[record.key] = world.erp.create(write)
    assert world.found(kind, record, **given).record == record


def test_what_fails_after_the_write_counts_as_unknown(world: World) -> None:
    """A schedule stands, and attaching it is refused: the next attempt has to look, and then to finish."""
    for kind, record, given in ENGAGEMENT[:-1]:
        world.create(kind, record, **given)
    write = world.write(Kind.SCHEDULE, BILLING, **CONTRACT_CODES)
    world.simulator.add_fault(kind="status", method="PATCH", path="/job/", status=429, times=1)
    with pytest.raises(ThrottledError) as raised:
        world.erp.create(write)
    assert raised.value.outcome_unknown

    found = world.erp.find(write)
    assert found is not None
    assert not found.complete
    ref = found.ref
    assert len(world.counted(lambda: world.erp.update(write, ref, ()))) == 2
    found = world.erp.find(write)
    assert found is not None
    assert found.complete
    assert len(world.shown("billingSchedule")["milestone"]["items"]) == 3


def test_a_repeated_creation_of_a_record_without_lines_is_harmless(world: World) -> None:
    activate(world)
    for kind, record, given in ENGAGEMENT[:5]:
        assert world.erp.create(world.write(kind, record, **given)).id == world.refs[record.key].id
        assert world.found(kind, record, **given).record == record
    customer = world.shown("customer")
    assert len(customer["addressBook"]["items"]) == len(customer["taxRegistration"]["items"]) == 1


@pytest.mark.parametrize("place", [5, 6])
def test_a_repeated_creation_of_a_record_with_lines_is_a_conflict(world: World, place: int) -> None:
    activate(world)
    kind, record, given = ENGAGEMENT[place]
    with pytest.raises(ConflictError):
        world.erp.create(world.write(kind, record, **given))
    assert world.found(kind, record, **given).record == record


def test_a_key_that_another_record_of_the_group_holds_is_a_conflict(world: World) -> None:
    ref = world.create(Kind.CUSTOMER, ACME, **CUSTOMER_CODES)
    world.simulator.edit("customer", ref.id, externalId=ROLLOUT.key)
    with pytest.raises(ConflictError):
        world.create(Kind.PROJECT, ROLLOUT, **PROJECT_CODES)


def test_unknown_field_names_are_never_dropped_in_silence(world: World) -> None:
    """The account would answer 204 all the same, unless every write says that it shall not."""
    sent: list[httpx.Request] = []

    class Listening(SimulatorTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            sent.append(request)
            return super().handle_request(request)

    world.erp = world.connect(Listening({ORIGIN: world.simulator}))
    activate(world)
    records = [request for request in sent if "/record/" in request.url.path]
    assert {request.headers["X-NetSuite-PropertyNameValidation"] for request in records} == {"Error"}


def test_a_conflict_is_seen_whatever_code_the_account_gives_it(world: World) -> None:
    activate(world)
    body = {"status": 400, "o:errorDetails": [{"detail": "This record already exists.", "o:errorCode": "USER_ERROR"}]}
    world.simulator.add_fault(kind="status", method="POST", path="salesOrder", status=400, body=body, times=1)
    with pytest.raises(ConflictError):
        world.erp.create(world.write(Kind.CONTRACT, ORDER, **CONTRACT_CODES))


# Refusals and faults


def test_a_wrong_currency_is_rejected_naming_the_field(world: World) -> None:
    with pytest.raises(RejectedError) as raised:
        world.create(Kind.CUSTOMER, ACME, **{**CUSTOMER_CODES, "currency": "99"})
    [finding] = raised.value.findings
    assert (finding.field, finding.rule) == ("customer.currency", "INVALID_CONTENT")
    assert "99" in finding.message
    assert not raised.value.outcome_unknown


def test_a_wrong_item_is_rejected_naming_the_line(world: World) -> None:
    activate(world)
    lines = {"IMPL": {"item": "101"}, "TRNG": {"item": "9999"}}
    other = contract(*ORDER.lines, key="SO-X")
    with pytest.raises(RejectedError) as raised:
        world.create(Kind.CONTRACT, other, **{**CONTRACT_CODES, "service_lines": lines})
    assert raised.value.findings[0].field == "salesOrder.item.items[1].item"


def test_a_contact_name_that_is_taken_gets_our_key(world: World) -> None:
    world.create(Kind.CUSTOMER, ACME, **CUSTOMER_CODES)
    world.create(Kind.CONTACT, JANE, **codes())
    namesake = JANE.model_copy(update={"key": "CONT-003B", "source_id": "003B", "email": "j2@acme.example"})
    world.create(Kind.CONTACT, namesake, **codes())
    names = [contact["entityId"] for contact in world.simulator.records()["contact"]]
    assert names == ["Jane Doe", "Jane Doe (003B)"]
    assert world.found(Kind.CONTACT, namesake, **codes()).record == namesake


def test_a_throttled_call_carries_the_wait(world: World) -> None:
    world.simulator.add_fault(
        kind="status",
        method="PUT",
        status=429,
        times=1,
        body={
            "status": 429,
            "o:errorDetails": [
                {
                    "o:errorCode": "CONCURRENCY_LIMIT_EXCEEDED",
                    "detail": "Concurrent request limit exceeded. Request blocked.",
                }
            ],
        },
    )
    with pytest.raises(ThrottledError) as raised:
        world.create(Kind.CUSTOMER, ACME, **CUSTOMER_CODES)
    assert (raised.value.retry_after, raised.value.outcome_unknown) == (2.0, False)
    assert raised.value.code == "CONCURRENCY_LIMIT_EXCEEDED"


@pytest.mark.parametrize("status", [400, 409, 500])
def test_another_writer_in_the_way_is_transient(world: World, status: int) -> None:
    activate(world)
    ref = world.refs[ROLLOUT.key]
    world.simulator.record_has_been_changed(path=f"job/{ref.id}", status=status)
    after = ROLLOUT.model_copy(update={"name": "Renamed"})
    with pytest.raises(TransientError) as raised:
        world.update(Kind.PROJECT, ROLLOUT, after, **PROJECT_CODES)
    assert not raised.value.outcome_unknown
    world.update(Kind.PROJECT, ROLLOUT, after, **PROJECT_CODES)


def test_an_unexpected_error_leaves_the_outcome_unknown(world: World) -> None:
    world.simulator.add_fault(kind="status", method="PUT", status=500, times=1, body={"status": 500})
    with pytest.raises(TransientError) as raised:
        world.create(Kind.CUSTOMER, ACME, **CUSTOMER_CODES)
    assert raised.value.outcome_unknown


def test_a_record_deleted_outside_is_missing(world: World) -> None:
    activate(world)
    ref = world.refs[JANE.key].model_copy(update={"id": "99999"})
    world.refs[JANE.key] = ref
    with pytest.raises(RecordMissingError):
        world.update(Kind.CONTACT, JANE, JANE.model_copy(update={"email": "x@example.com"}), **codes())


def test_an_expired_token_is_renewed_once(world: World) -> None:
    world.create(Kind.CUSTOMER, ACME, **CUSTOMER_CODES)
    world.simulator.add_fault(kind="expire_tokens")
    assert world.found(Kind.CUSTOMER, ACME, **CUSTOMER_CODES).record == ACME
    tokens = [call for call in world.simulator.calls() if call["path"].endswith("/token")]
    assert len(tokens) == 2


def test_a_refused_sign_in_is_for_an_administrator(world: World) -> None:
    erp = world.connect(certificate_id="revoked")
    with pytest.raises(AccessError, match="invalid_client"):
        erp.find(world.write(Kind.CUSTOMER, ACME, **CUSTOMER_CODES))


def test_a_key_that_is_no_key_is_a_matter_of_configuration(world: World) -> None:
    erp = world.connect(private_key="-----BEGIN NONSENSE-----")
    with pytest.raises(ConfigurationError, match="private_key"):
        erp.find(world.write(Kind.CUSTOMER, ACME, **CUSTOMER_CODES))


@pytest.mark.parametrize(
    ("kind", "record", "given", "named"),
    [
        (Kind.CUSTOMER, ACME, {**CUSTOMER_CODES, "entity": {}}, "entities.*.subsidiary"),
        (Kind.CUSTOMER, ACME, {**CUSTOMER_CODES, "currency": ""}, "currencies"),
        (Kind.CONTRACT, ORDER, {**CONTRACT_CODES, "service_lines": {"IMPL": {}}}, "service_lines.IMPL.item"),
        (Kind.SCHEDULE, BILLING, {**CONTRACT_CODES, "defaults": {}}, "defaults.schedule_type"),
    ],
)
def test_a_missing_code_names_its_file_and_field(
    world: World, kind: Kind, record: Any, given: Mapping[str, Any], named: str
) -> None:
    activate(world)
    with pytest.raises(ConfigurationError) as raised:
        world.erp.create(world.write(kind, record, **given))
    assert f"mappings/codes/netsuite.yaml: {named}" in str(raised.value)


@pytest.mark.parametrize("options", [{"numbers": True}, {"milestone_decimals": 40}])
def test_wrong_options_are_refused_by_name(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        World(NetSuiteSimulator(), options)


def test_a_missing_secret_is_named_and_never_shown(world: World) -> None:
    connection = Connection(id="netsuite", system="netsuite", base_url=ORIGIN, secret="s/netsuite")
    with pytest.raises(ConfigurationError) as raised:
        netsuite.connect(connection, {"client_id": "c", "private_key": "hidden"}, Wire())
    assert "certificate_id" in str(raised.value)
    assert "hidden" not in str(raised.value)


def test_no_secret_is_logged_or_told(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    errors: list[DealbridgeError] = []
    for fault in ({"kind": "drop_after_commit"}, {"kind": "status", "status": 400}, {"kind": "malformed_body"}):
        world.simulator.add_fault(**fault, times=1)
        try:
            world.erp.find(world.write(Kind.CUSTOMER, ACME, **CUSTOMER_CODES))
        except DealbridgeError as error:
            errors.append(error)
    told = caplog.text + "".join(map(str, errors)) + repr(world.calls)
    assert errors
    secret = world.simulator.credentials()
    for word in (secret["private_key"].splitlines()[1], "Bearer", "client_assertion", "eyJ"):
        assert word not in told
