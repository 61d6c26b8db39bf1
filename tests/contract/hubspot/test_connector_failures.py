"""What goes wrong between the HubSpot connector and HubSpot, and the error it becomes."""

import logging
import subprocess
import sys
from typing import Any

import pytest

from dealbridge.errors import AccessError, ConflictError, DealbridgeError, ThrottledError, TransientError

from .conftest import Hub, Portal
from .connected import Line, status, won_deal


@pytest.fixture
def line(hub: Hub) -> Line:
    return Line(hub)


@pytest.mark.parametrize(
    ("switches", "policy", "wait"),
    [
        ({"ten_second_limit": 0}, "TEN_SECONDLY_ROLLING", 10.0),
        ({"daily_limit": 0}, "DAILY", 3600.0),
    ],
)
def test_a_spent_limit_carries_its_wait(portal: Portal, switches: dict[str, int], policy: str, wait: float) -> None:
    with pytest.raises(ThrottledError) as refused:
        Line(portal(**switches)).crm.find_status("1")
    assert (refused.value.code, refused.value.retry_after) == (policy, wait)


def test_the_search_limit_waits_a_second(portal: Portal) -> None:
    line = Line(portal(search_second_limit=0))
    with pytest.raises(ThrottledError) as refused:
        line.crm.changed_deals(None, line.hub.clock())
    assert (refused.value.code, refused.value.retry_after) == ("SECONDLY", 1.0)


def test_a_spent_day_waits_for_midnight_in_the_portals_time_zone(portal: Portal) -> None:
    # 18:00 in UTC is 03:00 in Tokyo.
    line = Line(portal(daily_limit=0), portal_time_zone="Asia/Tokyo")
    with pytest.raises(ThrottledError) as refused:
        line.crm.find_status("1")
    assert refused.value.retry_after == 21 * 3600


@pytest.mark.parametrize(
    ("fault", "error", "wait", "unknown"),
    [
        ({"status": 423}, ThrottledError, 2.0, False),
        ({"status": 477, "headers": {"Retry-After": "86400"}}, ThrottledError, 86400.0, False),
        ({"status": 477}, ThrottledError, 3600.0, False),
        ({"status": 429}, ThrottledError, 10.0, False),
        ({"status": 500}, TransientError, None, True),
        ({"status": 502, "body": "<html>"}, TransientError, None, True),
        ({"status": 524}, TransientError, None, True),
        ({"status": 409, "body": {"category": "CONFLICT"}}, ConflictError, None, False),
    ],
)
def test_signals_and_what_they_mean(
    line: Line, fault: dict[str, Any], error: type[DealbridgeError], wait: float | None, unknown: bool
) -> None:
    deal_id = line.hub.deal()
    # The first status is written by a PATCH, every other one by an upsert.
    for method, path in (("PATCH", "objects"), ("POST", "batch/upsert")):
        line.hub.simulator.add_fault(kind="status", method=method, path=path, **fault)
        with pytest.raises(error) as refused:
            line.crm.write_status(deal_id, status())
        assert (refused.value.retry_after, refused.value.outcome_unknown) == (wait, unknown)
        line.hub.simulator.clear_faults()
        line.crm.write_status(deal_id, status())


def test_a_body_that_is_cut_off_leaves_the_outcome_unknown(line: Line) -> None:
    deal_id = line.hub.deal()
    line.hub.simulator.add_fault(kind="malformed_body", times=1)
    with pytest.raises(TransientError) as refused:
        line.crm.write_status(deal_id, status())
    assert refused.value.outcome_unknown


def test_a_part_of_a_batch_that_fails_is_no_empty_result(line: Line) -> None:
    deal_id = won_deal(line.hub)
    errors = [{"category": "INTERNAL_ERROR", "message": "try later"}]
    body = {"status": "COMPLETE", "results": [], "numErrors": 1, "errors": errors}
    line.hub.simulator.add_fault(kind="status", status=207, body=body, path="line_items/batch/read")
    with pytest.raises(TransientError, match="INTERNAL_ERROR: try later"):
        line.crm.read_deal(deal_id)


def test_a_wrong_key_and_a_missing_scope_are_an_administrators(portal: Portal) -> None:
    hub = portal(scopes=["crm.objects.companies.read"])
    with pytest.raises(AccessError) as refused:
        Line(hub).crm.find_status("1")
    assert refused.value.code == "MISSING_SCOPES"
    wrong = Line(hub)
    hub.simulator.authentication.credentials = portal().simulator.secrets
    with pytest.raises(AccessError):
        wrong.crm.find_status("1")


def test_an_apps_token_is_fetched_once_and_renewed_once(hub: Hub) -> None:
    line = Line(hub, sign_in="refresh_token")
    deal_id = hub.deal()

    def tokens() -> int:
        return sum(call["path"] == "/oauth/2026-09/token" for call in hub.simulator.calls())

    line.crm.find_status(deal_id)
    line.crm.find_status(deal_id)
    assert tokens() == 1
    hub.simulator.expire_tokens()
    line.crm.find_status(deal_id)
    assert tokens() == 2
    # HubSpot wants a token renewed by its lifetime and not after a 401.
    hub.clock.advance(minutes=29, seconds=30)
    line.crm.find_status(deal_id)
    assert tokens() == 3
    assert not any(call["status"] == 401 for call in hub.simulator.calls()[-3:])
    hub.http.post("/oauth/2026-09/revoke", data={"token": hub.simulator.credentials()["refresh_token"]})
    hub.simulator.expire_tokens()
    with pytest.raises(AccessError):
        line.crm.find_status(deal_id)


def test_no_secret_is_told(hub: Hub, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    line = Line(hub, sign_in="refresh_token")
    hub.simulator.add_fault(kind="status", status=401, path="deals")
    with pytest.raises(AccessError) as refused:
        line.crm.find_status("1")
    credentials = hub.simulator.credentials()
    told = caplog.text + str(refused.value) + repr(line.calls) + repr(vars(line.crm))
    for name in ("access_token", "client_secret", "refresh_token"):
        assert credentials[name] not in told


def test_importing_and_asking_for_capabilities_loads_no_client() -> None:
    code = (
        "import sys, dealbridge.connectors.hubspot as h; h.CAPABILITIES; "
        "print([name for name in ('httpx', 'jwt', 'cryptography') if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
