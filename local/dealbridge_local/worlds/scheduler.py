"""One thing at a time, on a clock that jumps: what is due next runs next, and nothing else decides.

Code that knows no scheduler (the functions) runs in threads, of which exactly one is ever awake: it goes on until it
pauses, and then whoever is due first goes on. So two runs interleave at every pause, and the same pauses give the same
history on any machine.
"""

import heapq
import threading
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count


class WorldOverError(BaseException):
    """The world has ended while this thread was paused. No code under test catches it."""


class StalledError(RuntimeError):
    """The world went on for longer than it may."""


@dataclass(order=True)
class Due:
    """Something that is to happen. Equal moments: in the order in which they were asked for."""

    moment: int
    number: int
    action: Callable[[], None] = field(compare=False)
    cancelled: bool = field(default=False, compare=False)


class Scheduler:
    """The clock, what is due, and the threads that are paused. Moments are microseconds since `start`."""

    def __init__(self, start: datetime) -> None:
        self.start = start
        self.moment = 0
        self._due: list[Due] = []
        self._numbers = count()
        self._baton = threading.Lock()
        self._baton.acquire()
        self._awake: _Thread | None = None
        self._paused: set[_Thread] = set()
        self._idle: list[_Thread] = []
        self._threads: list[_Thread] = []
        self._error: BaseException | None = None

    def now(self) -> datetime:
        return self.start + timedelta(microseconds=self.moment)

    # What is due

    def at(self, moment: int, action: Callable[[], None]) -> Due:
        due = Due(max(moment, self.moment), next(self._numbers), action)
        heapq.heappush(self._due, due)
        return due

    def after(self, seconds: float, action: Callable[[], None]) -> Due:
        return self.at(self.moment + round(seconds * 1_000_000), action)

    def run(self, until: int | None = None, most: int = 2_000_000) -> None:
        """Let everything happen that is due, up to a moment where one is given. Raises StalledError past `most` steps.

        The clock stands at `until` afterwards, or at what happened last.
        """
        for _ in range(most):
            following = self._next_moment()
            if following is None or (until is not None and following > until):
                self.moment = max(self.moment, until or 0)
                return
            self.step()
        raise StalledError(f"not at rest after {most} steps")

    def step(self) -> bool:
        """Let the next thing happen; False where nothing is due."""
        if self._next_moment() is None:
            return False
        due = heapq.heappop(self._due)
        self.moment = due.moment
        due.action()
        return True

    def _next_moment(self) -> int | None:
        while self._due and self._due[0].cancelled:
            heapq.heappop(self._due)
        return self._due[0].moment if self._due else None

    # Threads

    def start_thread(self, job: Callable[[], None]) -> None:
        """Run a job in a thread of its own from now until its first pause; the caller goes on after that."""
        thread = self._idle.pop() if self._idle else _Thread(self)
        if thread not in self._threads:
            self._threads.append(thread)
        thread.job = job
        self._wake(thread)

    def pause(self, seconds: float, until: int | None = None) -> None:
        """Let time pass for the thread that calls, while others go on; at most up to the moment `until`."""
        wake = self.moment + round(seconds * 1_000_000)
        if until is not None:
            wake = min(wake, until)
        thread = self._awake
        assert thread is not None, "only a thread of the scheduler pauses"
        following = self._next_moment()
        if following is None or following > wake:
            self.moment = max(self.moment, wake)
            return
        self._paused.add(thread)
        self.at(wake, lambda: self._wake(thread))
        self._baton.release()
        thread.turn.acquire()
        if thread.over:
            raise WorldOverError

    def end(self) -> None:
        """End all threads, the paused ones by WorldOverError."""
        self._due.clear()
        for thread in self._threads:
            thread.over = True
            if thread in self._paused:
                self._wake(thread)
            thread.turn.release()
        for thread in self._threads:
            thread.join()
        self._threads.clear()

    def _wake(self, thread: "_Thread") -> None:
        """Hand the baton to a thread and take it back once it pauses or is done."""
        before = self._awake
        self._awake = thread
        self._paused.discard(thread)
        thread.turn.release()
        self._baton.acquire()
        self._awake = before
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def given_back(self, thread: "_Thread", error: BaseException | None = None) -> None:
        """A thread is done with its job; an error that it left is raised where the job was waited for."""
        self._idle.append(thread)
        self._error = error
        self._baton.release()


class _Thread(threading.Thread):
    """A thread that does one job after another, and sleeps between."""

    def __init__(self, scheduler: Scheduler) -> None:
        super().__init__(daemon=True)
        self.turn = threading.Lock()
        self.turn.acquire()
        self.job: Callable[[], None] = lambda: None
        self.over = False
        self._scheduler = scheduler
        self.start()

    def run(self) -> None:
        while True:
            self.turn.acquire()
            if self.over:
                return
            try:
                # A context of its own: nothing of the last job is left over.
                Context().run(self.job)
            except WorldOverError:
                self._scheduler.given_back(self)
                return
            except BaseException as error:
                self._scheduler.given_back(self, error)
            else:
                self._scheduler.given_back(self)
