"""Reports of the proof as JSON, with what they were made on, and docs/reliability.md made of them."""

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


def read(name: str, folder: Path = FOLDER) -> dict[str, Any] | None:
    """A report that was written; None where there is none."""
    path = folder / f"{name}.json"
    if not path.exists():
        return None
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def surroundings() -> dict[str, Any]:
    """When, of which commit, and on what machine."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return {
        "made_at": datetime.now(UTC).isoformat(timespec="minutes"),
        "commit": _git("rev-parse", "--short=12", "HEAD"),
        "changed_since": bool(_git("status", "--porcelain", "--untracked-files=no", "--", ":!docs/*.md")),
        "machine": f"{os.cpu_count()} processors, {memory:.0f} GB, {platform.system()}",
        "python": platform.python_version(),
    }


def _git(*arguments: str) -> str:
    answer = subprocess.run(["git", *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    return answer.stdout.strip()
