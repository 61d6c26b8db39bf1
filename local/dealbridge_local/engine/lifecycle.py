"""Starting, finding, watching and stopping the local engine."""

import contextlib
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from dealbridge_local.engine.settings import ACCESS_KEY, ACCOUNT, HOST, REGION, SECRET_KEY, Settings, client_environment
from dealbridge_local.engine.waiting import Say, TooLateError, wait_until

EDITION = "dealbridge"
"""What the health answer of a corrected engine says of itself."""

_READY_WITHIN_S = 60.0
_STOPPED_WITHIN_S = 10.0
_LOG_LINES = 20


class EngineError(RuntimeError):
    """The engine cannot be started or used; the message says what to do."""


class EngineStoppedError(EngineError):
    """The engine's process has ended although nobody stopped it."""


@dataclass(frozen=True)
class Engine:
    """A running engine, started by this program or by an earlier one."""

    settings: Settings
    pid: int
    started: str
    """When its process began: tells it from a later process that got the same number."""

    @property
    def endpoint_url(self) -> str:
        return self.settings.endpoint_url

    def environment(self) -> dict[str, str]:
        """This program's environment, with boto3 and the SAM CLI pointed at the engine."""
        return client_environment(self.endpoint_url)

    def client(self, service: str) -> Any:
        """A boto3 client of the engine, whatever the user's own AWS configuration says."""
        return boto3.client(  # type: ignore[call-overload]
            service,
            endpoint_url=self.endpoint_url,
            region_name=REGION,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            config=Config(proxies={}),
        )

    def http_api_url(self, api_id: str) -> str:
        """Where the HTTP API of that id answers; append a path that starts with a slash."""
        return f"{self.endpoint_url}/_aws/execute-api/{api_id}"

    def check_alive(self) -> None:
        """Raise ``EngineStoppedError`` with the end of the log when the engine's process is gone.

        Whoever waits for something that the engine does calls this while waiting: see ``waiting.wait_until``.
        """
        if process_start(self.pid) == self.started:
            return
        child = _children.get(self.pid)
        how = f" with status {child.poll()}" if child else ""
        raise EngineStoppedError(
            f"The local AWS engine (process {self.pid}) has ended{how}. {_end_of(self.settings.log)}"
        )


_children: dict[int, subprocess.Popen[bytes]] = {}
"""Engines that this very program started: it is for their parent to collect their exit status."""


def start(settings: Settings | None = None, say: Say = print) -> Engine:
    """The engine, started unless it runs already; returns when it answers.

    Raises ``EngineError`` when its port is taken by something else, when it runs with other settings, or when it
    does not answer in time.
    """
    settings = settings or Settings.from_environment()
    if found := running(settings):
        if _recorded(settings) != _record(settings, found.pid, found.started):
            raise EngineError(
                "The local AWS engine already runs, with other settings or from another version of its code. "
                "Stop it first (`make down`)."
            )
        if _answers(settings):
            return found
        say("The local AWS engine runs but does not answer; starting it anew.")
        stop(settings)
    _refuse_taken_port(settings)
    _clear(settings)
    settings.scratch.mkdir(parents=True)
    return _launch(settings, say)


def _launch(settings: Settings, say: Say) -> Engine:
    began = time.monotonic()
    with settings.log.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "dealbridge_local.engine.serve"],
            env=engine_environment(settings),
            cwd=settings.scratch,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C in the terminal is for the program that waits, not for the engine.
        )
    _children[process.pid] = process
    engine = Engine(settings, process.pid, process_start(process.pid) or "")
    try:
        settings.record.write_text(json.dumps(_record(settings, engine.pid, engine.started), indent=2))
        wait_until(
            lambda: _answers(settings),
            "Starting the local AWS engine",
            within_s=_READY_WITHIN_S,
            say=say,
            check=engine.check_alive,
        )
    except TooLateError as error:
        _end(engine.pid)
        _clear(settings)
        raise EngineError(f"{error}. {_end_of(settings.log)}") from error
    except BaseException:
        _end(engine.pid)
        _clear(settings)
        raise
    say(f"The local AWS engine answers at {engine.endpoint_url} after {time.monotonic() - began:.1f} s.")
    return engine


def running(settings: Settings | None = None) -> Engine | None:
    """The engine that ``start`` recorded, if that very process still runs."""
    settings = settings or Settings.from_environment()
    recorded = _recorded(settings)
    if recorded is None or process_start(recorded["pid"]) != recorded["started"]:
        return None
    kept = {**recorded["settings"], "home": Path(recorded["settings"]["home"])}
    return Engine(Settings(**kept), recorded["pid"], recorded["started"])


def stop(settings: Settings | None = None) -> bool:
    """End the engine and its workers, and forget their state. False when there was none to end.

    A process that has got the recorded number since is left alone: its start time differs.
    """
    settings = settings or Settings.from_environment()
    found = running(settings)
    if found is not None:
        _end(found.pid)
    _clear(settings)
    return found is not None


def _end(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    with contextlib.suppress(TooLateError):
        wait_until(lambda: process_start(pid) is None, "Stopping the local AWS engine", within_s=_STOPPED_WITHIN_S)
    # Workers are of the engine's own process group; one that is still busy would outlive it.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    if child := _children.pop(pid, None):
        child.wait()


def engine_environment(settings: Settings) -> dict[str, str]:
    """What the engine's process and its workers see: nothing of the user's, so that it runs the same everywhere."""
    scratch = str(settings.scratch)
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "SSL_CERT_FILE") if name in os.environ}
    return kept | {
        "BIND_HOST": HOST,
        "GATEWAY_PORT": str(settings.port),
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "MINISTACK_REGION": REGION,
        "MINISTACK_EDITION": EDITION,
        "LAMBDA_EXECUTOR": "local",
        "LAMBDA_ACCOUNT_CONCURRENCY": str(settings.concurrency),
        "LAMBDA_WARM_TTL_SECONDS": "60",
        "LAMBDA_ASYNC_RETRY_BASE_SECONDS": str(settings.wait_scale),
        "DEALBRIDGE_ENGINE_WORKERS": str(settings.workers),
        "SFN_WAIT_SCALE": str(settings.wait_scale),
        # No listener beside the one port, no container, nothing kept from one start to the next.
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "DOCKER_HOST": f"unix://{scratch}/no-docker",
        "PERSIST_STATE": "0",
        "S3_PERSIST": "0",
        "STATE_DIR": f"{scratch}/state",
        "S3_DATA_DIR": f"{scratch}/s3",
        "TMPDIR": scratch,
        # As in Lambda ("Defined runtime environment variables").
        "TZ": ":UTC",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "PYTHONUNBUFFERED": "1",
    }


def process_start(pid: int) -> str | None:
    """When the process began, in a form only good for comparing; None when it has ended."""
    status = Path(f"/proc/{pid}/stat")
    if Path("/proc/self/stat").exists():
        try:
            # proc(5): the command name stands in brackets and may hold anything; state is the next field, and the
            # start time, in clock ticks since boot, is the 20th after it.
            state, *rest = status.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        return None if state == "Z" else rest[18]
    listed = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    state, _, begun = listed.stdout.strip().partition(" ")
    return begun.strip() if state and not state.startswith("Z") else None


def _recorded(settings: Settings) -> dict[str, Any] | None:
    try:
        recorded: dict[str, Any] = json.loads(settings.record.read_text())
    except FileNotFoundError:
        return None
    return recorded


def _record(settings: Settings, pid: int, started: str) -> dict[str, Any]:
    return {"pid": pid, "started": started, "settings": settings.as_json(), "code": _code()}


def _code() -> str:
    """Names the MiniStack release and the corrections that a running engine was started with."""
    digest = hashlib.sha256(version("ministack").encode())
    for source in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def _answers(settings: Settings) -> bool:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(f"{settings.endpoint_url}/_ministack/health", timeout=2) as answer:
            return bool(json.load(answer).get("edition") == EDITION)
    except (OSError, ValueError):
        return False


def _refuse_taken_port(settings: Settings) -> None:
    try:
        # A killed engine's threads hold its port for some milliseconds after the process counts as ended.
        wait_until(lambda: _is_free(settings.port), "A free port", within_s=1)
    except TooLateError as error:
        raise EngineError(
            f"Port {settings.port} on {HOST} is taken by another program (LocalStack and MiniStack use 4566 too). "
            "Stop that program, or choose a free port with DEALBRIDGE_ENGINE_PORT."
        ) from error


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def _clear(settings: Settings) -> None:
    settings.record.unlink(missing_ok=True)
    shutil.rmtree(settings.scratch, ignore_errors=True)


def _end_of(log: Path) -> str:
    try:
        lines = log.read_text(errors="replace").splitlines()[-_LOG_LINES:]
    except FileNotFoundError:
        return f"There is no log at {log}."
    return f"The end of {log}:\n" + "\n".join(lines)
