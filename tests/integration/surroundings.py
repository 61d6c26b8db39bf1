"""What surrounds the code under test: a clock that is moved, AWS calls that are counted, cut off, put in order."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timedelta
from typing import Any

from dealbridge import aws
from tests.builders import NOON
from tests.fakes import Crash

WRITES = frozenset(
    {
        *("dynamodb.PutItem", "dynamodb.UpdateItem", "dynamodb.TransactWriteItems", "dynamodb.DeleteItem"),
        *("s3.PutObject", "eventbridge.PutEvents", "sfn.StartExecution"),
    }
)
"""AWS calls that change something, by botocore's names."""


class Clock:
    """Moves a millisecond with every look, so that no two moments are the same, and as far as it is told."""

    def __init__(self, now: datetime = NOON) -> None:
        self._now = now
        self._lock = threading.Lock()

    def __call__(self) -> datetime:
        with self._lock:
            self._now += timedelta(milliseconds=1)
            return self._now

    def pass_by(self, **duration: float) -> None:
        with self._lock:
            self._now += timedelta(**duration)


def _clients() -> list[Any]:
    return [aws.dynamodb(), aws.events(), aws.states(), aws.s3()]


@contextmanager
def listening(event: str, listener: Callable[..., None]) -> Iterator[None]:
    clients = _clients()
    for client in clients:
        client.meta.events.register(event, listener)
    try:
        yield
    finally:
        for client in clients:
            client.meta.events.unregister(event, listener)


class Writes:
    """Counts the calls that change something in AWS; with `die_after` n, the process dies right after the n-th."""

    def __init__(self, die_after: int | None = None) -> None:
        self.done: list[str] = []
        self._die_after = die_after

    @property
    def died(self) -> bool:
        return self._die_after is not None and len(self.done) >= self._die_after

    def watch(self) -> AbstractContextManager[None]:
        return listening("after-call", self._called)

    def _called(self, model: Any, **_: Any) -> None:
        name = f"{model.service_model.service_id.hyphenize()}.{model.name}"
        if name in WRITES:
            self.did(name)

    def did(self, name: str) -> None:
        """Count one; die where it is the last."""
        self.done.append(name)
        if len(self.done) == self._die_after:
            raise Crash(f"right after {name}")


class Interleaving:
    """Runs tasks on threads, one AWS call at a time, in an order that the test chooses.

    Each task stands still before every call until it is its turn: the calls are atomic, and everything that can come
    between two of them can be made to come between them, again and again in the same way.
    """

    def __init__(self, choices: Sequence[int]) -> None:
        self._choices = list(choices)
        self._turns: dict[int, threading.Semaphore] = {}
        self._arrived = threading.Semaphore(0)
        self._waiting: set[int] = set()
        self._by_thread: dict[int, int] = {}
        self._errors: list[BaseException] = []

    def run(self, *tasks: Callable[[], None]) -> None:
        """All of them to their end. Raises what a task has raised."""
        threads = [
            threading.Thread(target=self._task, args=(number, task), daemon=True) for number, task in enumerate(tasks)
        ]
        self._turns = {number: threading.Semaphore(0) for number in range(len(tasks))}
        with listening("before-call", self._wait):
            for thread in threads:
                thread.start()
                self._arrive()
            while self._waiting:
                ready = sorted(self._waiting)
                chosen = ready[self._choices.pop(0) % len(ready) if self._choices else 0]
                self._waiting.discard(chosen)
                self._turns[chosen].release()
                self._arrive()
        for thread in threads:
            thread.join(timeout=10)
        if self._errors:
            raise self._errors[0]

    def _arrive(self) -> None:
        """Until the task that runs stands before its next call, or has ended."""
        if not self._arrived.acquire(timeout=10):
            raise TimeoutError("a task neither calls nor ends")

    def _task(self, number: int, task: Callable[[], None]) -> None:
        self._by_thread[threading.get_ident()] = number
        try:
            task()
        except BaseException as error:
            self._errors.append(error)
        finally:
            self._arrived.release()

    def _wait(self, **_: Any) -> None:
        number = self._by_thread.get(threading.get_ident())
        if number is not None:
            self._waiting.add(number)
            self._arrived.release()
            self._turns[number].acquire()
