"""Environments that are processes of their own, as Lambda's are: what kills one is a SIGKILL, in the middle of a call.

Seeds are played with threads (functions.py), which are many times faster. Where a case is about a kill, each
environment is a process forked from the world's: the function runs there, and each of its calls goes through a pipe to
the world, which carries it out and answers, or kills the process before or after it. Nothing in the process can catch
that, no `finally` runs, and what it held in memory is gone.
"""

import gc
import os
import signal
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any, Never

from botocore.exceptions import ClientError


@dataclass(frozen=True)
class _Answered:
    """The world's answer to a call."""

    moment: int
    answer: Any = None
    error: Any = None


@dataclass(frozen=True)
class _Done:
    """What an invocation came to."""

    result: Any


class Way:
    """In the process: the way to the world. `arrived` gets the moment of each answer."""

    def __init__(self, pipe: Connection, arrived: Callable[[int], None]) -> None:
        self._pipe = pipe
        self._arrived = arrived

    def ask(self, call: Any) -> Any:
        """The world's answer to a call, or the exception that it raises."""
        self._pipe.send(call)
        answered: _Answered = self._pipe.recv()
        self._arrived(answered.moment)
        match answered.error:
            case None:
                return answered.answer
            case (kind, response, operation):
                raise kind(response, operation)
            case error:
                raise error


class Process:
    """A process, forked here, that runs one invocation after another until it is killed.

    `work` runs in the process, with the way to the world and what `invoke` was given.
    """

    def __init__(self, work: Callable[[Way, Any], Any], arrived: Callable[[int], None]) -> None:
        self._ours, theirs = Pipe()
        with warnings.catch_warnings():
            # The other threads are the scheduler's. They sleep, and hold no lock that the process would need.
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
        if pid == 0:
            self._ours.close()
            _live(theirs, work, arrived)
        theirs.close()
        self._pid: int | None = pid

    def invoke(self, given: Any, moment: Callable[[], int], answer: Callable[[Any], Any]) -> Any:
        """What `work` comes to. `answer` is given each call on the way; an exception of its that is no Exception is the
        process's end, and raised here."""
        self._ours.send((moment(), given))
        try:
            while True:
                said = self._ours.recv()
                if isinstance(said, _Done):
                    return said.result
                try:
                    answered = _Answered(moment(), answer(said))
                except Exception as error:
                    answered = _Answered(moment(), error=_portable(error))
                self._ours.send(answered)
        except BaseException:
            self.kill()
            raise

    @property
    def lives(self) -> bool:
        return self._pid is not None

    def kill(self) -> None:
        """SIGKILL. Does nothing where it has died already."""
        if self._pid is None:
            return
        os.kill(self._pid, signal.SIGKILL)
        _, status = os.waitpid(self._pid, 0)
        self._pid = None
        self._ours.close()
        if not os.WIFSIGNALED(status):
            raise RuntimeError(f"an environment's process has ended by itself, with status {status}")


def _portable(error: Exception) -> Any:
    """An exception for the pipe. botocore makes a plain ClientError of each when it is pickled."""
    return (type(error), error.response, error.operation_name) if isinstance(error, ClientError) else error


def _live(pipe: Connection, work: Callable[[Way, Any], Any], arrived: Callable[[int], None]) -> Never:
    """The life of a process. Nothing of the one it was forked from is cleaned up here, whatever happens."""
    # A look at all objects would copy every page of the process it was forked from.
    gc.disable()
    try:
        way = Way(pipe, arrived)
        while True:
            moment, given = pipe.recv()
            arrived(moment)
            pipe.send(_Done(work(way, given)))
    finally:
        os._exit(1)
