"""What is deployed, as parsed files: the template, its state machines, the functions' folders."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.builders import REPOSITORY

type Resources = dict[str, dict[str, Any]]


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short functions in their long form: `!Ref X` → {"Ref": "X"}."""


def _function(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    name = suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}"
    match node:
        case yaml.ScalarNode():
            text = loader.construct_scalar(node)
            return {name: text.split(".", 1) if suffix == "GetAtt" else text}
        case yaml.SequenceNode():
            return {name: loader.construct_sequence(node, deep=True)}
        case _:
            return {name: loader.construct_mapping(node, deep=True)}  # type: ignore[arg-type]


_Loader.add_multi_constructor("!", _function)


@cache
def template() -> dict[str, Any]:
    return dict(yaml.load((REPOSITORY / "template.yaml").read_text(), _Loader))  # noqa: S506 (a SafeLoader)


def resources(kind: str | None = None) -> Resources:
    """The template's resources, of one type where it is given."""
    found: Resources = template()["Resources"]
    return {name: each for name, each in found.items() if kind in (None, each["Type"])}


def functions() -> Resources:
    """Logical id → properties, with what stands in Globals."""
    shared = template()["Globals"]["Function"]
    return {
        name: {
            **shared,
            **each["Properties"],
            "Environment": {
                "Variables": {
                    **shared["Environment"]["Variables"],
                    **each["Properties"].get("Environment", {}).get("Variables", {}),
                }
            },
        }
        for name, each in resources("AWS::Serverless::Function").items()
    }


def function_folders() -> dict[str, Path]:
    """Step → its folder."""
    return {path.parent.name: path.parent for path in sorted((REPOSITORY / "functions").glob("*/app.py"))}


def logical_id(step: str) -> str:
    """read_deal → ReadDealFunction."""
    return f"{state_name(step)}Function"


def state_name(step: str) -> str:
    """read_deal → ReadDeal."""
    return "".join(word.capitalize() for word in step.split("_"))


@cache
def state_machines() -> dict[str, dict[str, Any]]:
    """File name → definition."""
    folder = REPOSITORY / "statemachines"
    return {path.name: yaml.safe_load(path.read_text()) for path in sorted(folder.glob("*.asl.yaml"))}
