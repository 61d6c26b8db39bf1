"""The platform in a home of its own, with simulators of its own, beside whatever `make up` runs."""

import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import httpx

from bench.sellers import Sellers, sellers_at
from dealbridge.domain.keys import DealKey
from dealbridge.ledger.ledger import ledger
from dealbridge_local import platform as local_platform
from dealbridge_local.engine import REPOSITORY, Settings, wait_until
from dealbridge_local.platform import Platform
from dealbridge_local.simulators.serve import SIMULATORS
from dealbridge_local.vendors import FIRST_PORT_SETTING

HOME = REPOSITORY / ".local" / "bench"
"""Kept from run to run for what `sam build` has built."""

VENDORS = tuple(SIMULATORS)
"""The connections that the measured deals reach."""


@dataclass
class Deployed:
    """The running platform, and what measuring asks of it."""

    platform: Platform
    sellers: Sellers

    # Deals

    def win(self, deal: DealKey) -> float:
        """Win a deal and wait until it is active and nothing runs any more; the time at which it was won."""
        self.sellers.win(deal)
        won = time.time()
        self.wait_until_active(deal)
        self.settle()
        return won

    def seconds_to_active(self, deal: DealKey) -> float:
        """Win a deal; the seconds until the ledger says that it is active."""
        won = self.win(deal)
        head = ledger().deals.head(deal)
        assert head is not None
        return seconds_of(head["active_at"]) - won

    def wait_until_active(self, deal: DealKey, within_s: float = 300) -> None:
        wait_until(
            lambda: "active_at" in (ledger().deals.head(deal) or {}),
            f"{deal} to be active",
            within_s=within_s,
            every_s=0.1,
            check=self.platform.engine.check_alive,
        )

    def settle(self, within_s: float = 300) -> None:
        """Wait until no execution runs and no hint is on its way."""
        quiet_since: float | None = None

        def at_rest() -> bool:
            nonlocal quiet_since
            if self._is_busy():
                quiet_since = None
                return False
            quiet_since = quiet_since or time.monotonic()
            # The relay, the bus and the queue's poller hand over in less than this.
            return time.monotonic() - quiet_since > 1.0

        wait_until(
            at_rest, "the deals to settle", within_s=within_s, every_s=0.15, check=self.platform.engine.check_alive
        )

    def _is_busy(self) -> bool:
        machine, queue = self.platform.stack["DealRunArn"], self.platform.stack["DealQueueUrl"]
        if self._states.list_executions(stateMachineArn=machine, statusFilter="RUNNING")["executions"]:
            return True
        waiting = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        counts = self._queues.get_queue_attributes(QueueUrl=queue, AttributeNames=waiting)["Attributes"]
        return any(int(count) for count in counts.values())

    @contextmanager
    def unheard(self) -> Iterator[None]:
        """Deals that are opened within the block are not told of: the runs of an open deal are not what is measured."""
        events = self.platform.engine.client("events")
        source = self.platform.endpoints["simulators"]["salesforce"]["credentials"]["relay_source"]
        (rule,) = events.list_rules(EventBusName=source)["Rules"]
        hubspot = self.platform.endpoints["simulators"]["hubspot"]
        webhooks = f"{hubspot['url']}/webhooks/v3/{hubspot['credentials']['app_id']}/settings"
        signed_in = {"hapikey": hubspot["credentials"]["developer_api_key"]}
        events.disable_rule(Name=rule["Name"], EventBusName=source)
        httpx.delete(webhooks, params=signed_in, timeout=60).raise_for_status()
        try:
            yield
            self.settle()
        finally:
            events.enable_rule(Name=rule["Name"], EventBusName=source)
            # What happened while there was no target is never sent.
            target = {"targetUrl": f"{self.platform.endpoints['http_api']}/events/hubspot"}
            httpx.put(webhooks, params=signed_in, json=target, timeout=60).raise_for_status()

    # Vendors

    def calls(self) -> dict[str, list[dict[str, Any]]]:
        """Every API call served, by connection, the first first."""
        return {
            name: httpx.get(f"{self.platform.simulator_url(name)}/__sim/calls", timeout=60).json() for name in VENDORS
        }

    @contextmanager
    def vendor_latency(self, seconds: float) -> Iterator[None]:
        """Every vendor call takes so much longer for the length of the block."""
        for name in VENDORS if seconds else ():
            fault = {"kind": "delay", "delay_s": seconds}
            httpx.post(f"{self.platform.simulator_url(name)}/__sim/faults", json=fault, timeout=60).raise_for_status()
        try:
            yield
        finally:
            for name in VENDORS:
                httpx.delete(f"{self.platform.simulator_url(name)}/__sim/faults", timeout=60).raise_for_status()

    # What AWS saw

    def executions(self, deal: DealKey) -> list[str]:
        """The executions of a deal's runs, by ARN, the first first."""
        arn = self.platform.stack["DealRunArn"].replace(":stateMachine:", ":execution:")
        return [f"{arn}:{run['run']}" for run in ledger().runs.of(deal)]

    def tasks(self, execution: str) -> int:
        """How many functions an execution has called."""
        pages = self._states.get_paginator("get_execution_history").paginate(executionArn=execution)
        return sum(event["type"] == "TaskScheduled" for page in pages for event in page["events"])

    def log_bytes(self) -> int:
        """What CloudWatch Logs has taken in, as it is billed: each event's text and 26 bytes."""
        pages = (
            self.platform.engine.client("logs")
            .get_paginator("filter_log_events")
            .paginate(logGroupName=self.platform.stack["LogGroup"])
        )
        return sum(len(event["message"].encode()) + 26 for page in pages for event in page["events"])

    @property
    def group(self) -> int:
        """The engine's process group, its workers included."""
        return self.platform.engine.pid

    @cached_property
    def _states(self) -> Any:
        return self.platform.engine.client("stepfunctions")

    @cached_property
    def _queues(self) -> Any:
        return self.platform.engine.client("sqs")


@contextmanager
def deployed() -> Iterator[Deployed]:
    """The platform, started for the length of the block, with a poll that never comes."""
    first = _free_ports(1 + len(SIMULATORS))
    settings = Settings(port=first, home=HOME)
    before = dict(os.environ)
    os.environ[FIRST_PORT_SETTING] = str(first + 1)
    try:
        platform = local_platform.up(settings, poll_rate="rate(1 day)")
        local_platform.point_process_at(platform)
        sellers = sellers_at(platform.endpoints["simulators"])
        yield Deployed(platform, sellers)
        sellers.close()
    finally:
        local_platform.down(settings)
        os.environ.clear()
        os.environ.update(before)


def story_of(run: Mapping[str, Any]) -> list[tuple[str, float, float]]:
    """A run's steps: name, and when each began and ended, in seconds since the epoch."""
    return [
        (entry["step"], seconds_of(entry["began_at"]), seconds_of(entry["ended_at"])) for entry in run.get("story", [])
    ]


def seconds_of(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


def _free_ports(count: int) -> int:
    """The first of so many free ports in a row."""
    for first in range(21_000, 30_000, count):
        probes = []
        try:
            for port in range(first, first + count):
                probe = socket.socket()
                probes.append(probe)
                probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        else:
            return first
        finally:
            for probe in probes:
                probe.close()
    raise RuntimeError("no free ports")
