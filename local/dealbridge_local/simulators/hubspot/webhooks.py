"""Posting events to the app: batched, signed, retried; duplicated and out of order where switched on.

Facts (H6): a POST carries a JSON array of at most 100 events; no connection, more than five seconds, or any status from
400 up is a failure; a failed event is sent again up to ten times. HubSpot spreads the retries over 24 hours at random;
here the pauses are a setting.
"""

import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx

from dealbridge_local.simulators.hubspot.instants import epoch_ms
from dealbridge_local.simulators.hubspot.signatures import signature_v1, signature_v2, signature_v3
from dealbridge_local.simulators.simulator import Clock
from dealbridge_local.simulators.wire import to_json

EVENTS_PER_POST = 100
RETRIES = 10
TIMEOUT_SECONDS = 5.0
WAITING_WITHOUT_TARGET = 10_000
PAUSES = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 120.0, 240.0, 480.0)


@dataclass(frozen=True)
class Delivery:
    """How events reach the app; every switch is one that HubSpot's documentation warns of.

    `unordered` shuffles the events of a post, `duplicated` is the share of events sent twice (0 to 1), both with
    `seed`. `signature_version` is what stands in X-HubSpot-Signature: v1 for webhooks, v2 for some app types.
    `pauses` are the seconds before each retry.
    """

    unordered: bool = False
    duplicated: float = 0.0
    seed: int = 1
    signature_version: str = "v1"
    pauses: Sequence[float] = PAUSES
    max_retries: int = RETRIES


@dataclass(frozen=True)
class WebhookRequest:
    """One signed POST, ready to be sent."""

    url: str
    headers: dict[str, str]
    body: bytes
    events: tuple[dict[str, Any], ...]
    method: str = "POST"


@dataclass
class _Waiting:
    event: dict[str, Any]
    due: datetime


class Webhooks:
    """The queue of events, and the thread that posts them while there is a target URL.

    In-process tests need no thread: `post_to(None)` stays without a target, and `collect()` hands out the requests
    that are due, which `settle` then marks as taken or failed. `arrived` hears of events that wait to be collected,
    with the seconds until they are due.
    """

    def __init__(self, client_secret: str, clock: Clock, delivery: Delivery) -> None:
        self._secret, self._clock, self._delivery = client_secret, clock, delivery
        self._changed = threading.Condition()
        self._waiting: list[_Waiting] = []
        self._random = random.Random(delivery.seed)
        self._thread: threading.Thread | None = None
        self._target: str | None = None
        self.posts: list[dict[str, Any]] = []
        self.given_up: list[dict[str, Any]] = []
        self.arrived: Callable[[float], None] = lambda seconds: None

    @property
    def target_url(self) -> str | None:
        return self._target

    def post_to(self, url: str | None) -> None:
        """Sets the app's target URL; with one, events are posted from a thread of their own.

        What happened while there was none is never sent.
        """
        with self._changed:
            if self._target is None:
                self._waiting.clear()
            self._target = url
            if url and self._thread is None:
                self._thread = threading.Thread(target=self._run, name="hubspot webhooks", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def close(self) -> None:
        """Stops posting and waits for the post under way."""
        thread = self._thread
        self.post_to(None)
        if thread is not None:
            thread.join(TIMEOUT_SECONDS + 1)

    def clear(self) -> None:
        """Forgets every event that waits."""
        with self._changed:
            self._waiting.clear()
            self.posts.clear()
            self.given_up.clear()

    def enqueue(self, events: Sequence[dict[str, Any]], *, copies: int = 0, delay_s: float = 0.0) -> None:
        due = self._clock() + timedelta(seconds=delay_s)
        with self._changed:
            for event in events:
                extra = copies + (self._random.random() < self._delivery.duplicated)
                self._waiting += [_Waiting(dict(event), due) for _ in range(1 + extra)]
            if self._target is None:
                del self._waiting[:-WAITING_WITHOUT_TARGET]
            self._changed.notify_all()
        self.arrived(delay_s)

    @property
    def pending(self) -> int:
        with self._changed:
            return len(self._waiting)

    # In-process

    def collect(self, url: str) -> list[WebhookRequest]:
        """The requests that are due now, taken from the queue."""
        return [self.signed(url, events) for events in self._due()]

    def settle(self, request: WebhookRequest, status: int | None) -> None:
        """What came of a request: its status, or None for no answer within five seconds."""
        self.posts.append({"url": request.url, "status": status, "events": len(request.events)})
        if status is not None and status < 400:
            return
        for event in request.events:
            attempt = event["attemptNumber"] + 1
            if attempt > self._delivery.max_retries:
                self.given_up.append(event)
                continue
            pause = self._delivery.pauses[min(attempt, len(self._delivery.pauses)) - 1]
            due = self._clock() + timedelta(seconds=pause)
            with self._changed:
                self._waiting.append(_Waiting({**event, "attemptNumber": attempt}, due))
            self.arrived(pause)

    def _due(self) -> list[list[dict[str, Any]]]:
        now = self._clock()
        with self._changed:
            due = [each.event for each in self._waiting if each.due <= now]
            self._waiting = [each for each in self._waiting if each.due > now]
        if self._delivery.unordered:
            self._random.shuffle(due)
        return [due[start : start + EVENTS_PER_POST] for start in range(0, len(due), EVENTS_PER_POST)]

    def signed(self, url: str, events: Sequence[dict[str, Any]]) -> WebhookRequest:
        """The post of these events as it is sent now."""
        body, timestamp = to_json(events), str(epoch_ms(self._clock()))
        if self._delivery.signature_version == "v2":
            signature = signature_v2(self._secret, "POST", url, body)
        else:
            signature = signature_v1(self._secret, body)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "HubSpot Connect 2.0 (http://dev.hubspot.com/) - WebHooks",
            "X-HubSpot-Signature": signature,
            "X-HubSpot-Signature-Version": self._delivery.signature_version,
            "X-HubSpot-Signature-v3": signature_v3(self._secret, "POST", url, body, timestamp),
            "X-HubSpot-Request-Timestamp": timestamp,
        }
        return WebhookRequest(url, headers, body, tuple(events))

    # The thread

    def _run(self) -> None:
        with httpx.Client(timeout=TIMEOUT_SECONDS) as client:
            while True:
                with self._changed:
                    if self._target is None:
                        self._thread = None
                        return
                    url = self._target
                    # The clock may be a test's own, so a due time is looked at again rather than slept towards.
                    if not any(each.due <= self._clock() for each in self._waiting):
                        self._changed.wait(0.05 if self._waiting else 1.0)
                        continue
                for request in self.collect(url):
                    self.settle(request, self._post(client, request))

    def _post(self, client: httpx.Client, request: WebhookRequest) -> int | None:
        try:
            return client.post(request.url, content=request.body, headers=request.headers).status_code
        except httpx.HTTPError:
            return None
