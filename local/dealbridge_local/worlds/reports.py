"""Reports of the proof: JSON, with what they were made on."""

import json
import os
import platform
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dealbridge_local.engine import REPOSITORY

FOLDER = REPOSITORY / ".local" / "reports"


def write(name: str, content: Mapping[str, Any], folder: Path = FOLDER) -> Path:
    """Write `<name>.json`; its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps({**surroundings(), **content}, indent=2, ensure_ascii=False) + "\n")
    return path


def surroundings() -> dict[str, Any]:
    """When, of which commit, and on what machine."""
    return {
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _git("rev-parse", "HEAD"),
        "changed_since": bool(_git("status", "--porcelain")),
        "machine": {"system": platform.platform(), "processors": os.cpu_count(), "python": platform.python_version()},
    }


def _git(*arguments: str) -> str:
    answer = subprocess.run(["git", *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    return answer.stdout.strip()
