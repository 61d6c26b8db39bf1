"""What every connector keeps on the way to its vendor: signing in, waiting, failing, telling no secret."""

import logging
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from dealbridge.errors import AccessError, ConfigurationError, DealbridgeError, ThrottledError, TransientError

from .vendor import Vendor


class ConnectionContract:
    """`new` gives a fresh tenant with its connector."""

    @pytest.mark.parametrize("act", ["read", "write"])
    def test_a_rate_limit_is_throttling_with_the_vendors_wait(self, new: Callable[..., Vendor[Any]], act: str) -> None:
        for each in new().throttlings:
            vendor = new()
            vendor.write()
            vendor.simulator.add_fault(**each.fault)
            with pytest.raises(ThrottledError) as throttled:
                getattr(vendor, act)()
            assert throttled.value.retry_after == each.wait
            assert not throttled.value.outcome_unknown, "a call that was not admitted was not carried out"

    @pytest.mark.parametrize("status", [502, 503, 504])
    def test_a_vendor_that_is_down_is_transient(self, new: Callable[..., Vendor[Any]], status: int) -> None:
        vendor = new()
        vendor.write()
        vendor.simulator.add_fault(kind="status", status=status)
        for act in (vendor.read, vendor.write):
            with pytest.raises(TransientError):
                act()

    def test_a_vendor_that_cannot_be_reached_has_done_nothing(self, new: Callable[..., Vendor[Any]]) -> None:
        vendor = new()

        def unreachable(request: httpx.Request) -> httpx.Response:
            raise httpx.ConnectError("no route", request=request)

        vendor.port = vendor.connect(transport=httpx.MockTransport(unreachable))
        for act in (vendor.read, vendor.write):
            with pytest.raises(TransientError) as failed:
                act()
            assert not failed.value.outcome_unknown

    def test_a_wrong_secret_is_for_an_administrator(self, new: Callable[..., Vendor[Any]]) -> None:
        vendor = new()
        vendor.port = vendor.connect(vendor.wrong_secret())
        for act in (vendor.read, vendor.write):
            with pytest.raises(AccessError) as refused:
                act()
            assert not refused.value.outcome_unknown

    @pytest.mark.parametrize("act", ["read", "write"])
    def test_what_the_user_may_not_do_is_for_an_administrator(self, new: Callable[..., Vendor[Any]], act: str) -> None:
        vendor = new()
        vendor.write()
        vendor.simulator.add_fault(**vendor.forbidden)
        with pytest.raises(AccessError) as refused:
            getattr(vendor, act)()
        assert not refused.value.outcome_unknown

    def test_a_session_that_ended_is_renewed_once_and_the_call_goes_through(
        self, new: Callable[..., Vendor[Any]]
    ) -> None:
        vendor = new()
        vendor.require("session_renewal")
        vendor.write()
        vendor.simulator.expire_tokens()
        vendor.line.sent.clear()
        vendor.write()
        assert sum(status in (401, 403) for status in vendor.line.statuses()) == 1
        vendor.line.sent.clear()
        vendor.write()
        assert not any(status in (401, 403) for status in vendor.line.statuses())

    def test_a_session_that_is_refused_again_is_given_up(self, new: Callable[..., Vendor[Any]]) -> None:
        vendor = new()
        vendor.require("session_renewal")
        vendor.write()
        path = f"^(?!.*{vendor.token_path})"
        vendor.simulator.add_fault(**{"path": path, **vendor.refused_session})
        vendor.line.sent.clear()
        with pytest.raises(AccessError) as refused:
            vendor.write()
        assert sum(status in (401, 403) for status in vendor.line.statuses()) == 2
        assert not refused.value.outcome_unknown

    def test_a_wrong_setting_is_named_with_its_place(self, new: Callable[..., Vendor[Any]]) -> None:
        vendor = new()
        with pytest.raises(ConfigurationError) as refused:
            vendor.connect(no_such_option="blue")
        place = f"mappings/connections.yaml: {vendor.connection.id}.options.no_such_option"
        assert place in refused.value.message
        with pytest.raises(ConfigurationError) as refused:
            vendor.connect({"unheard_of": "never-told"})
        assert f"secret {vendor.connection.secret!r}" in refused.value.message
        assert "never-told" not in str(refused.value)

    def test_no_secret_is_told(self, new: Callable[..., Vendor[Any]], caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        vendor = new()
        told: list[str] = []
        faults: list[dict[str, Any]] = [
            {"kind": "drop_before_commit"},
            {"kind": "timeout_after_commit"},
            {"kind": "malformed_body"},
            {"kind": "status", "status": 500},
            dict(vendor.forbidden),
            dict(vendor.refused_session),
        ]
        vendor.write()
        vendor.read()
        for fault in faults:
            vendor.simulator.add_fault(**fault)
            for port in (vendor.port, vendor.connect()):
                vendor.port = port
                for act in (vendor.read, vendor.write):
                    try:
                        act()
                    except DealbridgeError as error:
                        told += [str(error), repr(error), repr(error.__dict__)]
            vendor.simulator.clear_faults()
        vendor.port = vendor.connect(vendor.wrong_secret())
        with pytest.raises(AccessError) as refused:
            vendor.read()
        text = "\n".join([caplog.text, *told, str(refused.value), repr(vendor.port), repr(vars(vendor.port))])
        assert len(told) > len(faults)
        assert [secret for secret in secrets_of(vendor) if secret in text] == []


def secrets_of(vendor: Vendor[Any]) -> set[str]:
    """What must never be told: the secret's values, and every credential that went over the line."""
    public = {"base_url", "url", "token_url", "rest_url", "login_url", "instance_url", "username", "org_id"}
    given = {**vendor.secret(), **vendor.wrong_secret()}
    found = {
        value
        for name, value in given.items()
        if name not in public and any(word in name for word in ("secret", "token", "password", "authorization"))
    }
    key = given.get("private_key", "")
    found |= {key[100:140]} - {""}
    for request, _ in vendor.line.sent:
        for name in ("authorization", "x-csrf-token", "cookie"):
            if value := request.headers.get(name):
                found.add(value.removeprefix("Bearer ").removeprefix("Basic "))
    return found - {"fetch"}
