"""The same ``sam build`` and ``sam deploy`` that reach AWS, reaching the local engine."""

import hashlib
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from dealbridge_local.engine.lifecycle import Engine
from dealbridge_local.engine.settings import REGION
from dealbridge_local.engine.waiting import Say, TooLateError, wait_until

ARCHITECTURES = {"x86_64": "x86_64", "amd64": "x86_64", "arm64": "arm64", "aarch64": "arm64"}

_INPUTS = ("template.yaml", "functions", "layers", "statemachines", "mappings")
_BUCKET = "dealbridge-local-artifacts"
_BUILT_WITHIN_S = 900.0
_DEPLOYED_WITHIN_S = 300.0
_LOG_LINES = 30


class DeploymentError(RuntimeError):
    """``sam build`` or ``sam deploy`` failed; the message carries the reason and the end of its output."""


def deploy(
    folder: Path,
    engine: Engine,
    *,
    stack: str = "dealbridge",
    parameters: Mapping[str, str] | None = None,
    say: Say = print,
) -> dict[str, str]:
    """Build and deploy ``folder/template.yaml``, and return the outputs of the stack.

    Builds for this machine's architecture, whatever the template's default. What has not changed since the last call
    is neither built nor deployed again.

    Raises ``DeploymentError``, or ``EngineStoppedError`` when the engine goes down under way.
    """
    engine.check_alive()
    chosen = {"Architecture": machine_architecture(), **(parameters or {})}
    room = engine.settings.home / "build" / stack
    room.mkdir(parents=True, exist_ok=True)
    inputs = _fingerprint(folder, chosen)
    deployment = _Deployment(folder, engine, stack, chosen, room, say)
    if _noted(room / "built") != inputs or not deployment.built_template.exists():
        (room / "built").unlink(missing_ok=True)
        deployment.build()
        (room / "built").write_text(inputs)
    # The engine forgets its stacks when it stops, and its scratch folder goes with them.
    note = engine.settings.scratch / f"deployed-{stack}"
    if _noted(note) != inputs or not deployment.stands():
        note.unlink(missing_ok=True)
        deployment.deploy()
        note.write_text(inputs)
    return deployment.outputs()


def machine_architecture() -> str:
    """``arm64`` or ``x86_64``, as CloudFormation spells them.

    Raises ``DeploymentError`` on anything else: there are no Lambda wheels for it.
    """
    machine = platform.machine().lower()
    if machine not in ARCHITECTURES:
        raise DeploymentError(f"Lambda has no architecture {machine}; run this on arm64 or x86_64.")
    return ARCHITECTURES[machine]


class _Deployment:
    def __init__(
        self, folder: Path, engine: Engine, stack: str, parameters: Mapping[str, str], room: Path, say: Say
    ) -> None:
        self.folder = folder
        self.engine = engine
        self.stack = stack
        self.room = room
        self.say = say
        self.overrides = ["--parameter-overrides", *(f'{name}="{value}"' for name, value in parameters.items())]
        # The user's samconfig.toml is for AWS: another bucket, another region, questions to confirm.
        self.config = room / "samconfig.toml"
        self.config.write_text("version = 0.1\n")
        self.built_template = room / ".aws-sam" / "build" / "template.yaml"

    def build(self) -> None:
        seconds = self._sam(
            "Building functions and layers",
            _BUILT_WITHIN_S,
            *("build", "--template-file", str(self.folder.resolve() / "template.yaml")),
            *("--cached", "--parallel"),
        )
        self.say(f"Functions and layers are built after {seconds:.1f} s.")

    def deploy(self) -> None:
        self._remove_what_never_stood()
        self._make_bucket()
        seconds = self._sam(
            f"Deploying {self.stack}",
            _DEPLOYED_WITHIN_S,
            *("deploy", "--template-file", str(self.built_template), "--stack-name", self.stack),
            *("--s3-bucket", _BUCKET, "--region", REGION, "--no-progressbar"),
            *("--no-confirm-changeset", "--no-fail-on-empty-changeset"),
            *("--capabilities", "CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"),
        )
        self.say(f"{self.stack} is deployed after {seconds:.1f} s.")

    def stands(self) -> bool:
        return self._described() is not None

    def outputs(self) -> dict[str, str]:
        described = self._described()
        return {output["OutputKey"]: output["OutputValue"] for output in (described or {}).get("Outputs", [])}

    def _sam(self, what: str, within_s: float, *arguments: str) -> float:
        """Run the SAM CLI to its end, saying how it goes; the seconds it took."""
        began = time.monotonic()
        command = [str(_tools() / "sam"), *arguments, *self.overrides, "--config-file", str(self.config)]
        log = self.room / f"sam-{arguments[0]}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                cwd=self.room,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            try:
                wait_until(
                    lambda: process.poll() is not None,
                    what,
                    within_s=within_s,
                    say=self.say,
                    check=self.engine.check_alive,
                )
            except TooLateError as error:
                raise DeploymentError(f"{error}. {_end_of(log)}") from error
            finally:
                process.kill()
                process.wait()
        if process.returncode:
            reasons = self._failed_resources() if arguments[0] == "deploy" else []
            raise DeploymentError("\n".join([f"{what} failed.", *reasons, _end_of(log)]))
        return time.monotonic() - began

    def _environment(self) -> dict[str, str]:
        return self.engine.environment() | {
            # `sam build` takes the first python3.13 on PATH, and that must be one that has pip.
            "PATH": os.pathsep.join([str(_tools()), os.environ.get("PATH", os.defpath)]),
            "SAM_CLI_TELEMETRY": "0",
            "SAM_CLI_POLL_DELAY": "0.5",  # The default of 5 s is for AWS.
            # Where the CLI keeps its own notes, instead of the home folder (samcli/cli/global_config.py).
            "__SAM_CLI_APP_DIR": str(self._sam_home()),
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }

    def _sam_home(self) -> Path:
        """Notes that say the weekly check for a newer release was just made, for there is no switch against it."""
        home = self.room / "sam-home"
        home.mkdir(exist_ok=True)
        (home / "metadata.json").write_text(json.dumps({"lastVersionCheck": time.time(), "telemetryEnabled": False}))
        return home

    def _described(self) -> dict[str, Any] | None:
        try:
            stacks = self.engine.client("cloudformation").describe_stacks(StackName=self.stack)["Stacks"]
        except ClientError as error:
            if "does not exist" in str(error):
                return None
            raise
        found: dict[str, Any] = stacks[0]
        return found

    def _remove_what_never_stood(self) -> None:
        """A stack whose creation failed can only be deleted (CloudFormation: ROLLBACK_COMPLETE)."""
        described = self._described()
        if described and described["StackStatus"] in ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED"):
            self.engine.client("cloudformation").delete_stack(StackName=self.stack)
            wait_until(
                lambda: self._described() is None,
                f"Removing what is left of {self.stack}",
                within_s=60,
                say=self.say,
                check=self.engine.check_alive,
            )

    def _make_bucket(self) -> None:
        """A bucket of our own: `--resolve-s3` would deploy a stack for it first."""
        self.engine.client("s3").create_bucket(Bucket=_BUCKET)

    def _failed_resources(self) -> list[str]:
        try:
            events = self.engine.client("cloudformation").describe_stack_events(StackName=self.stack)["StackEvents"]
        except ClientError:
            return []
        return [
            f"{event['LogicalResourceId']}: {event['ResourceStatusReason']}"
            for event in events
            if event["ResourceStatus"].endswith("_FAILED") and event.get("ResourceStatusReason")
        ]


def _tools() -> Path:
    """Where the virtual environment keeps `sam`, and the Python that `sam build` needs."""
    return Path(sys.executable).parent


def _fingerprint(folder: Path, parameters: Mapping[str, str]) -> str:
    """Changes when anything that `sam build` reads changes."""
    digest = hashlib.sha256(json.dumps([str(folder.resolve()), sys.version, dict(parameters)]).encode())
    for name in _INPUTS:
        top = folder / name
        for path in [top] if top.is_file() else sorted(top.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _noted(note: Path) -> str | None:
    return note.read_text() if note.exists() else None


def _end_of(log: Path) -> str:
    return f"The end of {log}:\n" + "\n".join(log.read_text(errors="replace").splitlines()[-_LOG_LINES:])
