"""Processor time and memory of the engine's process group, from /proc (proc(5))."""

import os
import re
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

TICK_SECONDS = 1 / os.sysconf("SC_CLK_TCK")
_WORKER = re.compile(r"ministack-lambda-\w+?-(?P<function>\w+?)Function-")
ENGINE = "engine"


def processor_seconds(group: int) -> dict[str, float]:
    """Seconds of processor time since their start, by function ("ReadDeal"); the engine's own under ENGINE.

    A function's worker that has ended counts for the engine, which has waited for it.
    """
    found: defaultdict[str, float] = defaultdict(float)
    for process in _processes(group):
        with suppress(OSError):
            found[process.function] += process.processor_seconds()
    return dict(found)


def spent_since(before: Mapping[str, float], group: int) -> dict[str, float]:
    """What the group has used since an earlier `processor_seconds`."""
    return {name: seconds - before.get(name, 0.0) for name, seconds in processor_seconds(group).items()}


@dataclass
class Peak:
    """The most memory that the group has held at one time, and how many processes it had then.

    A page that processes share counts once ("proportional set size").
    """

    bytes: int = 0
    processes: int = 0


@contextmanager
def peak_memory(group: int, every_s: float = 1.0) -> Iterator[Peak]:
    """Look every so often for the length of the block."""
    peak, ended = Peak(), threading.Event()

    def watch() -> None:
        while not ended.wait(every_s):
            held = [process.memory_bytes() for process in _processes(group)]
            if sum(held) > peak.bytes:
                peak.bytes, peak.processes = sum(held), len(held)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peak
    finally:
        ended.set()
        watcher.join()


@dataclass(frozen=True)
class _Process:
    folder: Path
    is_leader: bool
    function: str

    def processor_seconds(self) -> float:
        if self.is_leader:
            # After the command name: utime, stime, cutime, cstime are fields 14 to 17 of stat.
            fields = (self.folder / "stat").read_text().rpartition(")")[2].split()
            return sum(int(ticks) for ticks in fields[11:15]) * TICK_SECONDS
        # Nanoseconds where stat counts ticks of 10 ms: a step takes about two of them.
        threads = (self.folder / "task").iterdir()
        return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9

    def memory_bytes(self) -> int:
        with suppress(OSError):
            lines = (self.folder / "smaps_rollup").read_text().splitlines()
            return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
        return 0


def _processes(group: int) -> list[_Process]:
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        with suppress(OSError, IndexError):
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(fields[2]) != group:
                continue
            command = (folder / "cmdline").read_text()
            worker = _WORKER.search(command)
            found.append(_Process(folder, int(folder.name) == group, worker["function"] if worker else ENGINE))
    return found
