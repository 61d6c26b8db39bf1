"""What every connector keeps that takes events: verified, and a forged, stale or replayed one refused."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from dealbridge.ports import InboundEventError, InboundRequest

from .connection import secrets_of
from .vendor import Vendor


class EventContract:
    """`telling` gives a tenant and the events that it has just sent, as our entrance received them."""

    def test_an_event_names_a_record(self, telling: "Telling") -> None:
        vendor, events = telling()
        hints = [hint for event in events for hint in vendor.port.read_event(event)]
        assert hints
        assert all(hint.event_id for hint in hints)

    def test_a_replayed_event_is_known_by_its_id(self, telling: "Telling") -> None:
        """The entrance takes an id once (tests/integration/test_intake.py, test_erp_intake.py)."""
        vendor, events = telling()
        for event in events:
            assert vendor.port.read_event(event) == vendor.port.read_event(event)
        ids = [hint.event_id for event in events for hint in vendor.port.read_event(event)]
        assert len(set(ids)) == len(ids)

    def test_a_forged_event_is_refused(self, telling: "Telling") -> None:
        vendor, (event, *_) = telling()
        unsigned = replace(event, headers={})
        guessed = replace(event, headers={name: f"{value}0" for name, value in event.headers.items()})
        for forged in (unsigned, guessed):
            _refused(vendor, forged)

    def test_an_event_whose_body_was_changed_is_refused(self, telling: "Telling") -> None:
        vendor, (event, *_) = telling()
        vendor.require("event_integrity")
        _refused(vendor, replace(event, body=event.body + b" "))

    def test_a_stale_event_is_refused(self, telling: "Telling") -> None:
        vendor, (event, *_) = telling()
        vendor.require("event_age")
        for age in (timedelta(hours=1), timedelta(hours=-1)):
            _refused(vendor, replace(event, received_at=event.received_at + age))

    def test_an_event_of_another_tenant_is_refused(self, telling: "Telling") -> None:
        vendor, _ = telling()
        _, (foreign, *_) = telling()
        _refused(vendor, foreign)


type Telling = Callable[[], tuple[Vendor[Any], list[InboundRequest]]]


def _refused(vendor: Vendor[Any], event: InboundRequest) -> None:
    with pytest.raises(InboundEventError) as refused:
        vendor.port.read_event(event)
    assert refused.value.status == 401
    assert [secret for secret in secrets_of(vendor) if secret in str(refused.value)] == []
