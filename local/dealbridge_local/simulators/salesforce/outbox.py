"""What waits to be relayed: events leave in order, after the call that caused them, never under the org's lock."""

import heapq
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from itertools import count

from dealbridge_local.simulators.salesforce.events import Envelope

type Relay = Callable[[list[Envelope]], None]
"""Takes envelopes out of the org. It may be slow or fail: a lost event is what the scheduled poll makes harmless."""

_KEPT = 10_000
_log = logging.getLogger(__name__)


class Outbox:
    """Hands due events to the relay: in a thread of its own, or whenever `flush` is called.

    A delayed event is due by `now`, in seconds; in a thread this is the machine's clock.
    """

    def __init__(self, relay: Relay | None, now: Callable[[], float], *, in_background: bool) -> None:
        self.sent: deque[Envelope] = deque(maxlen=_KEPT)
        """The newest events handed over, oldest first."""
        self._relay = relay
        self._now = time.monotonic if in_background else now
        self._in_background = in_background
        self._waiting: list[tuple[float, int, Envelope]] = []
        self._numbers = count()
        self._changed = threading.Condition()
        self._handing_over = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False

    def put(self, envelopes: list[Envelope], delay_s: float = 0) -> None:
        if not envelopes:
            return
        with self._changed:
            for envelope in envelopes:
                heapq.heappush(self._waiting, (self._now() + delay_s, next(self._numbers), envelope))
            if self._in_background and self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._run, name="event-relay", daemon=True)
                self._thread.start()
            self._changed.notify()

    def flush(self) -> None:
        """Hand over what is due, unless a thread does that."""
        if not self._in_background:
            self._hand_over()

    def clear(self) -> None:
        with self._changed:
            self._waiting.clear()
            self.sent.clear()

    def close(self) -> None:
        """Stop the thread; what still waits is lost, as with a relay that is set to STOP."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(5)

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._closed and not self._is_due():
                    until = self._waiting[0][0] - self._now() if self._waiting else None
                    self._changed.wait(until)
                if self._closed:
                    return
            self._hand_over()

    def _is_due(self) -> bool:
        return bool(self._waiting) and self._waiting[0][0] <= self._now()

    def _hand_over(self) -> None:
        with self._handing_over:
            due = []
            with self._changed:
                while self._is_due():
                    due.append(heapq.heappop(self._waiting)[2])
            if not due:
                return
            self.sent.extend(due)
            if self._relay is None:
                return
            try:
                self._relay(due)
            except Exception:
                _log.exception("%d events were not relayed", len(due))
