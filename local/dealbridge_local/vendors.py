"""The simulators as one background process: started once, found again, ended."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dealbridge_local.engine.lifecycle import process_start
from dealbridge_local.engine.settings import HOST
from dealbridge_local.engine.waiting import Say, TooLateError, wait_until
from dealbridge_local.simulators.serve import SIMULATORS

FIRST_PORT_SETTING = "DEALBRIDGE_SIMULATORS_PORT"
FIRST_PORT = 9101


class VendorsError(RuntimeError):
    """The simulators cannot be started; the message says what to do."""


_children: dict[int, subprocess.Popen[bytes]] = {}
"""Processes that this very program started: it is for their parent to collect their exit status."""


@dataclass(frozen=True)
class Vendors:
    """The running simulators: name → {"url", "api_version", "credentials"}."""

    pid: int
    simulators: dict[str, dict[str, Any]]


def start(home: Path, engine_url: str, say: Say = print) -> Vendors:
    """The simulators, started unless they run already. Raises VendorsError where a port is taken."""
    found = running(home)
    if found is not None:
        return found
    first = _first_port()
    for offset, name in enumerate(SIMULATORS):
        _refuse_taken_port(first + offset, name)
    (home / "simulators.json").unlink(missing_ok=True)
    log = home / "simulators.log"
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "dealbridge_local.simulators.serve",
                *("--home", str(home), "--first-port", str(first), "--engine", engine_url),
            ],
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _children[process.pid] = process
    (home / "simulators.pid").write_text(json.dumps({"pid": process.pid, "started": process_start(process.pid)}))

    def alive() -> None:
        if process.poll() is not None:
            end = log.read_text(errors="replace")[-2000:]
            raise VendorsError(f"The simulators ended at once. The end of {log}:\n{end}")

    try:
        return wait_until(lambda: running(home), "Starting the simulators", within_s=30, say=say, check=alive)
    except (TooLateError, VendorsError) as error:
        stop(home)
        raise VendorsError(str(error)) from error


def running(home: Path) -> Vendors | None:
    """The simulators that `start` recorded, if that very process still runs."""
    try:
        recorded = json.loads((home / "simulators.pid").read_text())
        described = json.loads((home / "simulators.json").read_text())
    except (FileNotFoundError, ValueError):
        return None
    if process_start(recorded["pid"]) != recorded["started"]:
        return None
    return Vendors(recorded["pid"], described)


def stop(home: Path) -> bool:
    """End the simulators; False when there were none."""
    try:
        recorded = json.loads((home / "simulators.pid").read_text())
    except (FileNotFoundError, ValueError):
        return False
    ours = bool(process_start(recorded["pid"]) == recorded["started"])
    if ours:
        with contextlib.suppress(ProcessLookupError):
            os.kill(recorded["pid"], signal.SIGTERM)
        with contextlib.suppress(TooLateError):
            wait_until(lambda: process_start(recorded["pid"]) is None, "Stopping the simulators", within_s=5)
    if child := _children.pop(recorded["pid"], None):
        child.wait()
    for name in ("simulators.pid", "simulators.json"):
        (home / name).unlink(missing_ok=True)
    return ours


def _first_port() -> int:
    given = os.environ.get(FIRST_PORT_SETTING, str(FIRST_PORT))
    try:
        return int(given)
    except ValueError:
        raise VendorsError(f"{FIRST_PORT_SETTING}={given}: not a port number") from None


def _refuse_taken_port(port: int, name: str) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            raise VendorsError(
                f"Port {port} on {HOST}, for the simulator of {name}, is taken by another program. Stop that program, "
                f"or choose {len(SIMULATORS)} free ports in a row with {FIRST_PORT_SETTING}=<the first>."
            ) from None
