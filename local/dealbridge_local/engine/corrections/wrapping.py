"""How a correction takes hold of a MiniStack function, and how it notices that the function has changed."""

import functools
import inspect
from collections.abc import Callable
from importlib.metadata import version
from typing import Any


class MinistackChangedError(RuntimeError):
    """The installed MiniStack is not the one a correction was written for."""

    def __init__(self, what: str, expected: str, found: str) -> None:
        super().__init__(
            f"ministack {version('ministack')} changed {what}: expected {expected}, found {found}. "
            "Read what it does now, then adapt or drop the correction in dealbridge_local/engine/corrections."
        )


def wrap(owner: Any, name: str, parameters: tuple[str, ...], correction: Callable[..., Any]) -> None:
    """Put ``correction(original, *arguments)`` in the place of ``owner.name(*parameters)``."""
    original = getattr(owner, name, None)
    if hasattr(original, "corrected_by"):
        return
    what = f"{owner.__name__}.{name}"
    if original is None:
        raise MinistackChangedError(what, "a function", "nothing of that name")
    found = tuple(inspect.signature(original).parameters)
    if found != parameters:
        raise MinistackChangedError(what, f"parameters {parameters}", str(found))

    @functools.wraps(original)
    def corrected(*args: Any, **kwargs: Any) -> Any:
        return correction(original, *args, **kwargs)

    corrected.corrected_by = correction  # type: ignore[attr-defined]
    setattr(owner, name, corrected)


def replace_once(text: str, old: str, new: str, what: str) -> str:
    """``text`` with the one occurrence of ``old`` replaced."""
    if text.count(old) != 1:
        raise MinistackChangedError(what, f"exactly one {old.strip()!r}", str(text.count(old)))
    return text.replace(old, new)
