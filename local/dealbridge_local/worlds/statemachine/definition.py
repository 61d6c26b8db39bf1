"""The file, its substitutions, and a refusal of every field that is not interpreted: nothing is passed over."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

_COMMON = {"Type", "Comment", "Output", "Assign", "Next", "End"}
_FIELDS: dict[str, set[str]] = {
    "Task": {*_COMMON, "Resource", "Arguments", "TimeoutSeconds", "Retry", "Catch"},
    "Choice": {"Type", "Comment", "Choices", "Default", "Output", "Assign"},
    "Map": {*_COMMON, "Items", "ItemSelector", "ItemProcessor", "MaxConcurrency", "Retry", "Catch"},
    "Parallel": {*_COMMON, "Arguments", "Branches", "Retry", "Catch"},
    "Wait": {*_COMMON, "Seconds"},
    "Pass": _COMMON,
    "Succeed": {"Type", "Comment", "Output"},
    "Fail": {"Type", "Comment", "Error", "Cause"},
}
_MACHINE = {"Comment", "QueryLanguage", "TimeoutSeconds", "StartAt", "States"}
_RULE = {"Condition", "Comment", "Output", "Assign", "Next"}
_RETRIER = {
    "ErrorEquals",
    "Comment",
    "IntervalSeconds",
    "BackoffRate",
    "MaxAttempts",
    "MaxDelaySeconds",
    "JitterStrategy",
}
_CATCHER = {"ErrorEquals", "Comment", "Output", "Assign", "Next"}
LAMBDA = "arn:aws:states:::lambda:invoke"


class DefinitionError(ValueError):
    """A definition that cannot be interpreted; the message names the place."""


def read(path: Path, substitutions: Mapping[str, str]) -> dict[str, Any]:
    """The definition in a file, `${Name}` replaced. Raises DefinitionError for a field or a name that is unknown."""

    def given(match: re.Match[str]) -> str:
        if match[1] not in substitutions:
            raise DefinitionError(f"{path.name}: ${{{match[1]}}} has no substitution")
        return substitutions[match[1]]

    text = re.sub(r"\$\{(\w+)\}", given, path.read_text())
    definition: dict[str, Any] = yaml.safe_load(text)
    if definition.get("QueryLanguage") != "JSONata":
        raise DefinitionError(f"{path.name}: QueryLanguage: only JSONata is interpreted")
    _check_machine(definition, path.name)
    return definition


def _check_machine(machine: Mapping[str, Any], where: str) -> None:
    _check_fields(machine, _MACHINE | {"ProcessorConfig"}, where)
    for name, state in machine["States"].items():
        _check_state(state, f"{where}: {name}")
        targets = [state.get("Next"), state.get("Default")]
        targets += [each["Next"] for part in ("Choices", "Catch") for each in state.get(part, ())]
        for target in targets:
            if target is not None and target not in machine["States"]:
                raise DefinitionError(f"{where}: {name}: there is no state {target}")


def _check_state(state: Mapping[str, Any], where: str) -> None:
    kind = state.get("Type")
    if kind not in _FIELDS:
        raise DefinitionError(f"{where}: Type {kind} is not interpreted")
    _check_fields(state, _FIELDS[kind], where)
    if kind == "Task" and state["Resource"] != LAMBDA:
        raise DefinitionError(f"{where}: Resource {state['Resource']} is not interpreted")
    for part, fields in (("Choices", _RULE), ("Retry", _RETRIER), ("Catch", _CATCHER)):
        for number, each in enumerate(state.get(part, ())):
            _check_fields(each, fields, f"{where}: {part}[{number}]")
    if kind == "Map":
        if state["ItemProcessor"].get("ProcessorConfig", {}).get("Mode", "INLINE") != "INLINE":
            raise DefinitionError(f"{where}: only an inline Map is interpreted")
        _check_machine(state["ItemProcessor"], where)
    for branch in state.get("Branches", ()):
        _check_machine(branch, where)


def _check_fields(given: Mapping[str, Any], known: set[str], where: str) -> None:
    unknown = set(given) - known
    if unknown:
        raise DefinitionError(f"{where}: {', '.join(sorted(unknown))}: not interpreted")
