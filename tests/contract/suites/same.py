"""One engagement in several ERPs: what it reads back as, with nothing that one of them has no place for."""

from typing import Any

from dealbridge.domain.keys import Kind

from .sale import Sale
from .vendor import TargetVendor

_INSIDE = {
    (Kind.PROJECT, "tasks"): Kind.TASK,
    (Kind.CONTRACT, "schedule"): Kind.SCHEDULE,
}
"""Where a record stands that an ERP keeps inside another."""


type Read = dict[tuple[Kind, str], dict[str, Any]]
"""Kind and key → content."""


def as_read(sale: Sale) -> Read:
    """The records as the vendor holds them; a task or a schedule for itself, wherever the vendor keeps it."""
    found: Read = {}
    for operation in sale.operations:
        content = sale.found(operation).record.content()
        for (kind, name), inner in _INSIDE.items():
            if kind is operation.kind and (inside := content.pop(name, None)):
                found |= {(inner, each["key"]): each for each in (inside if isinstance(inside, list) else [inside])}
        found[operation.kind, operation.key] = content
    return found


def not_kept(vendor: TargetVendor) -> dict[Kind, set[str]]:
    """The fields that the vendor has no place for, by the kind that they belong to."""
    found: dict[Kind, set[str]] = {}
    for kind, names in vendor.not_kept.items():
        for name in names:
            first, _, rest = name.partition(".")
            inner = _INSIDE.get((kind, first))
            found.setdefault(inner or kind, set()).add(rest if inner else name)
    return found


def without(content: dict[str, Any], names: set[str]) -> dict[str, Any]:
    """The content without these fields; `lines.cap` takes the cap from every line."""
    kept: dict[str, Any] = {}
    for name, value in content.items():
        if name in names:
            continue
        below = {each.partition(".")[2] for each in names if each.startswith(f"{name}.")}
        kept[name] = [without(each, below) for each in value] if below else value
    return kept
