"""What can be chosen about the local engine, and where its files are."""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

REGION = "us-east-1"
ACCOUNT = "000000000000"
ACCESS_KEY = SECRET_KEY = "test"
HOST = "127.0.0.1"

REPOSITORY = Path(__file__).parents[3]

_KINDS: dict[str, type] = {"port": int, "concurrency": int, "workers": int, "wait_scale": float, "home": Path}


def _concurrency_for_this_machine() -> int:
    """Each new worker process costs half a second of processor time before its first answer.

    On two cores, 60 runs of eight steps at once take 8 s with 8 at a time and 22 s with 24.
    """
    return min(24, max(8, 4 * (os.process_cpu_count() or 1)))


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One running engine; the environment variable of each setting is its name after ``DEALBRIDGE_ENGINE_``."""

    port: int = 4566
    concurrency: int = field(default_factory=_concurrency_for_this_machine)
    """Functions that run at once; more wait for their turn."""
    workers: int = 64
    """Worker processes kept alive, at 30 to 60 MB each; idle ones beyond this number are ended."""
    wait_scale: float = 1.0
    """Factor on the waits of state machines and on retry delays; tests choose 0.1 or less."""
    home: Path = field(default=REPOSITORY / ".local")
    """Folder of everything the engine writes."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """The defaults, overridden by ``DEALBRIDGE_ENGINE_PORT`` and so on.

        Raises ``ValueError`` naming the variable when its value is not of the right kind.
        """
        chosen: dict[str, Any] = {}
        for setting, kind in _KINDS.items():
            name = f"DEALBRIDGE_ENGINE_{setting.upper()}"
            if value := environment.get(name):
                try:
                    chosen[setting] = kind(value)
                except ValueError as error:
                    raise ValueError(f"{name}={value}: not a valid {kind.__name__}") from error
        return cls(**chosen)

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "home": str(self.home)}

    @property
    def endpoint_url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def record(self) -> Path:
        """Who runs: process id, its start time, settings."""
        return self.home / "engine.json"

    @property
    def log(self) -> Path:
        return self.home / "engine.log"

    @property
    def scratch(self) -> Path:
        """Temporary files of the engine and its workers; emptied at every start and stop."""
        return self.home / "engine"


def client_environment(endpoint_url: str, base: Mapping[str, str] = os.environ) -> dict[str, str]:
    """``base`` with every AWS variable replaced by what points boto3 and the SAM CLI at the engine, and nowhere else.

    A profile, a session token or a config file of the user must not leak in: a deployment meant for the laptop would
    reach a real account.
    """
    kept = {name: value for name, value in base.items() if not name.startswith(("AWS_", "SAM_"))}
    direct = ",".join(filter(None, [HOST, "localhost", base.get("no_proxy") or base.get("NO_PROXY")]))
    return kept | {
        "NO_PROXY": direct,
        "no_proxy": direct,
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
