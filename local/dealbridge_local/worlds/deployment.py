"""What template.yaml says: functions with their time, queues, the state machine. Worlds run what is deployed."""

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from dealbridge_local.engine import REPOSITORY
from dealbridge_local.worlds.statemachine import definition

type Handler = Callable[[dict[str, Any], Any], Any]


@dataclass(frozen=True)
class Function:
    """One function: its folder's name, its handler, its time in seconds, its retries when called asynchronously."""

    name: str
    handler: Handler
    timeout: float
    retries: int


@dataclass(frozen=True)
class Deployment:
    """The stack, as far as worlds run it."""

    functions: Mapping[str, Function]
    """By folder name."""
    machine: Mapping[str, Any]
    """The definition of the deal's run, functions by folder name."""
    visibility: float
    most_receives: int
    batch: int
    poll_minutes: int


class _Loader(yaml.SafeLoader):
    """CloudFormation's YAML: a tag as {tag: value}."""


def _tagged(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    match node:
        case yaml.ScalarNode():
            value: Any = loader.construct_scalar(node)
        case yaml.SequenceNode():
            value = loader.construct_sequence(node, deep=True)
        case _:
            assert isinstance(node, yaml.MappingNode)
            value = loader.construct_mapping(node, deep=True)
    return {suffix: value}


_Loader.add_multi_constructor("!", _tagged)


@cache
def deployment(root: Path = REPOSITORY) -> Deployment:
    template = yaml.load((root / "template.yaml").read_text(), _Loader)  # noqa: S506 (a SafeLoader)
    resources: dict[str, Any] = template["Resources"]
    shared = template["Globals"]["Function"]
    functions, folders = {}, {}
    for logical_id, resource in resources.items():
        if resource["Type"] == "AWS::Serverless::Function":
            properties = resource["Properties"]
            folder = Path(properties["CodeUri"])
            folders[logical_id] = folder.name
            functions[folder.name] = Function(
                folder.name,
                _handler(root / folder / "app.py", folder.name),
                float(properties.get("Timeout", shared["Timeout"])),
                properties.get("EventInvokeConfig", {}).get("MaximumRetryAttempts", 2),
            )
    run = resources["DealToProject"]["Properties"]
    names = {
        name: folders[given["GetAtt"].removesuffix(".Arn")] for name, given in run["DefinitionSubstitutions"].items()
    }
    queue = resources["DealQueue"]["Properties"]
    hints = resources["StartDealRunFunction"]["Properties"]["Events"]["Hints"]["Properties"]
    _, minutes, _ = template["Parameters"]["PollRate"]["Default"].replace("(", " ").split(" ")
    return Deployment(
        functions,
        definition.read(root / run["DefinitionUri"], names),
        float(queue["VisibilityTimeout"]),
        int(queue["RedrivePolicy"]["maxReceiveCount"]),
        int(hints["BatchSize"]),
        int(minutes),
    )


def _handler(path: Path, name: str) -> Handler:
    spec = importlib.util.spec_from_file_location(f"functions.{name}.app", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    handler: Handler = module.handler
    return handler
