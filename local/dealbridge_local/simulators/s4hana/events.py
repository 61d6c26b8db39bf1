"""Business events on their way out, as Event Mesh pushes them (vendors/erp-sap…, A4).

A CloudEvent in structured JSON carries the key and no more. Delivery to the webhook: first an OPTIONS handshake, then
a POST per event; a 2xx acknowledges, anything else leaves the event in the queue for another try. At least once:
receivers meet duplicates.
"""

import json
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from queue import Empty, PriorityQueue
from typing import Any

import httpx

SOURCE = "/default/sap.s4.beh/244572008"
ORIGIN = "eventmesh.s4hana.example"
_MEDIA = "application/cloudevents+json"
_NAMESPACE = uuid.UUID("194780e0-b5db-1ede-b58a-4550178dff9e")

EVENT_KEYS: Mapping[str, tuple[str, ...]] = {
    "sap.s4.beh.businesspartner.v1.BusinessPartner.Created": ("BusinessPartner",),
    "sap.s4.beh.businesspartner.v1.BusinessPartner.Changed": ("BusinessPartner",),
    "sap.s4.beh.enterpriseproject.v1.EnterpriseProject.Created": ("ProjectUUID",),
    "sap.s4.beh.enterpriseproject.v1.EnterpriseProject.Changed": ("ProjectUUID",),
    "sap.s4.beh.enterpriseproject.v1.EnterpriseProject.EntProjElmntCrted": ("ProjectElementUUID", "ProjectUUID"),
    "sap.s4.beh.enterpriseproject.v1.EnterpriseProject.EntProjElmntChgd": ("ProjectElementUUID", "ProjectUUID"),
    "sap.s4.beh.salesorder.v1.SalesOrder.Created": ("SalesOrder",),
    "sap.s4.beh.salesorder.v1.SalesOrder.Changed": ("SalesOrder",),
    "sap.s4.beh.billingdocument.v1.BillingDocument.Created": ("BillingDocument",),
    "sap.s4.beh.billingdocument.v1.BillingDocument.Changed": ("BillingDocument",),
}
"""Event types without their version suffix → the keys they carry. That projects travel by UUID is UNVERIFIED."""


def full_type(name: str) -> str | None:
    """The event type without suffix for a full or short name (`SalesOrder.Created`); None where there is none."""
    stem = name.removesuffix(".v1")
    return next((known for known in EVENT_KEYS if stem in (known, known.split(".v1.")[1])), None)


@dataclass(frozen=True)
class Webhook:
    """Where events go. `authorization` is the header's value, where the receiver wants one."""

    url: str
    authorization: str | None = None


@dataclass(order=True)
class _Queued:
    due: float
    order: int
    event: dict[str, Any] = field(compare=False)
    attempt: int = field(default=0, compare=False)


class EventMesh:
    """A queue with one webhook (one per queue, A4) and a thread that pushes; or a collector, called in place.

    `retry_delays` are the waits between tries in seconds; the last one repeats. Event Mesh itself waits 15 minutes.
    """

    def __init__(
        self,
        clock: Callable[[], datetime],
        webhook: Webhook | None = None,
        collector: Callable[[dict[str, Any]], None] | None = None,
        retry_delays: Sequence[float] = (0.2, 1.0, 5.0),
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.sent: list[dict[str, Any]] = []
        """Every event published, in order, delivered or not."""
        self._clock = clock
        self._webhook = webhook
        self._collector = collector
        self._retry_delays = retry_delays
        self._transport = transport
        self._queue: PriorityQueue[_Queued] = PriorityQueue()
        self._published = 0
        self._queued = 0
        self._gate = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stopped = threading.Event()
        self._handshaken: Webhook | None = None

    def subscribe(self, webhook: Webhook | None) -> None:
        """Point the queue at a webhook. What was published before is gone: there was no subscription for it (A4)."""
        self._webhook = webhook

    def publish(self, event_type: str, key: Mapping[str, str], *, delay_s: float = 0, times: int = 1) -> dict[str, Any]:
        """Send one event, `times` times with the same id; the CloudEvent."""
        with self._gate:
            self._published += 1
            number = self._published
        event = {
            "type": f"{event_type}.v1",
            "specversion": "1.0",
            "source": SOURCE,
            "id": str(uuid.uuid5(_NAMESPACE, f"event {number}")),
            "time": f"{self._clock():%Y-%m-%dT%H:%M:%SZ}",
            "datacontenttype": "application/json",
            "data": dict(key),
        }
        for _ in range(times):
            self.sent.append(event)
            if self._collector is not None:
                self._collector(event)
            if self._webhook is not None:
                self._enqueue(event, delay_s)
        return event

    def stop(self) -> None:
        """End the pushing thread; what is still queued stays undelivered."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(5)

    def clear(self) -> None:
        """Forget what was sent and what waits."""
        self.sent.clear()
        with self._gate:
            self._published = 0
        while True:
            try:
                self._queue.get_nowait()
            except Empty:
                return

    def _enqueue(self, event: dict[str, Any], delay: float, attempt: int = 0) -> None:
        with self._gate:
            self._queued += 1
            self._queue.put(_Queued(time.monotonic() + delay, self._queued, event, attempt))
            if self._thread is None:
                self._thread = threading.Thread(target=self._push_all, daemon=True, name="s4hana-event-mesh")
                self._thread.start()

    def _push_all(self) -> None:
        with httpx.Client(timeout=30, transport=self._transport) as client:
            while not self._stopped.is_set():
                try:
                    queued = self._queue.get(timeout=0.05)
                except Empty:
                    continue
                wait = queued.due - time.monotonic()
                if wait > 0:
                    # An event that comes in meanwhile may be due earlier: look again soon.
                    self._queue.put(queued)
                    self._stopped.wait(min(wait, 0.02))
                    continue
                if not self._push(client, queued.event):
                    delay = self._retry_delays[min(queued.attempt, len(self._retry_delays) - 1)]
                    self._enqueue(queued.event, delay, queued.attempt + 1)

    def _push(self, client: httpx.Client, event: dict[str, Any]) -> bool:
        """Whether the webhook acknowledged; True too where there is none any more."""
        webhook = self._webhook
        if webhook is None:
            return True
        headers = {"Authorization": webhook.authorization} if webhook.authorization else {}
        try:
            if self._handshaken != webhook and not self._shake_hands(client, webhook, headers):
                return False
            body = json.dumps(event).encode()
            response = client.post(webhook.url, content=body, headers={"Content-Type": _MEDIA, **headers})
        except httpx.HTTPError:
            return False
        return response.is_success

    def _shake_hands(self, client: httpx.Client, webhook: Webhook, headers: Mapping[str, str]) -> bool:
        answer = client.options(webhook.url, headers={"WebHook-Request-Origin": ORIGIN, **headers})
        allowed = answer.headers.get("WebHook-Allowed-Origin")
        if answer.status_code == 200 and allowed in (ORIGIN, "*"):
            self._handshaken = webhook
            return True
        return False
