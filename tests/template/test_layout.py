"""The house: who may import whom, and that folders, functions, states and samples have the same names."""

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from dealbridge.wiring import CONNECTORS
from tests.builders import REPOSITORY
from tests.deployed import function_folders, functions, logical_id, resources, state_machines, state_name

PACKAGE = REPOSITORY / "layers" / "platform" / "dealbridge"
SHIPPED = sorted([*PACKAGE.rglob("*.py"), *(REPOSITORY / "functions").rglob("*.py")])
OURS = sorted([*SHIPPED, *(REPOSITORY / "local").rglob("*.py"), *(REPOSITORY / "tests").rglob("*.py")])
CONNECTOR_FOLDERS = sorted(path.parent for path in (PACKAGE / "connectors").glob("*/__init__.py"))
CONNECTOR_FILES = {
    *("__init__.py", "README.md", "settings.py", "auth.py", "outcomes.py", "records.py", "mapping.py", "system.py")
}
AWS_LIBRARIES = {"boto3", "botocore"}


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def imported(path: Path) -> Iterator[tuple[str, bool]]:
    """(module, whether it is imported when the file is): what stands under TYPE_CHECKING does not count."""
    tree = parsed(path)
    skipped = {
        id(node)
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If) and "TYPE_CHECKING" in ast.unparse(branch.test)
        for node in ast.walk(branch)
    }
    inner = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
    }
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, id(node) not in inner) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            # `from dealbridge import aws` imports the module dealbridge.aws, where there is one.
            submodules = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from ((name, id(node) not in inner) for name in (node.module, *submodules))


@cache
def modules(path: Path) -> set[str]:
    return {name for name, _ in imported(path)}


def within(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (PACKAGE / folder).rglob("*.py"))


def shown(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))


# Import direction


@pytest.mark.parametrize("path", files("domain"), ids=shown)
def test_the_domain_knows_the_standard_library_and_pydantic(path: Path) -> None:
    strangers = {
        name
        for name in modules(path)
        if not within(name, "pydantic", "dealbridge.domain") and name.split(".")[0] not in sys.stdlib_module_names
    }
    assert strangers == set()


@pytest.mark.parametrize("path", files("rules"), ids=shown)
def test_rules_are_pure(path: Path) -> None:
    """Nothing that reads a network, a table, a file or a clock."""
    allowed = ("dealbridge.domain", "dealbridge.rules", "dealbridge.errors", "dealbridge.ports", "pydantic")
    strangers = {
        name
        for name in modules(path)
        if not within(name, *allowed) and name.split(".")[0] not in sys.stdlib_module_names
    }
    assert strangers == set()
    impure = {"os", "socket", "pathlib", "time", "random", "uuid", "urllib", "http", "subprocess"}
    assert not {name.split(".")[0] for name in modules(path)} & impure
    assert not [node for node in ast.walk(parsed(path)) if _reads_the_clock(node)]


def _reads_the_clock(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ("now", "today", "utcnow")


@pytest.mark.parametrize("path", files("connectors"), ids=shown)
def test_connectors_know_no_ledger_no_aws_and_not_one_another(path: Path) -> None:
    own = path.relative_to(PACKAGE / "connectors").parts[0]
    used = modules(path)
    allowed = ("domain", "ports", "errors", "transport", "clock", f"connectors.{own}", "connectors")
    ours = {name for name in used if within(name, "dealbridge")}
    others = {
        name
        for name in ours
        if within(name, "dealbridge.connectors") and not within(name, f"dealbridge.connectors.{own}")
    }
    assert not others - {"dealbridge.connectors"}
    assert {name for name in ours if not within(name, *(f"dealbridge.{each}" for each in allowed))} <= {"dealbridge"}
    assert not {name.split(".")[0] for name in used} & AWS_LIBRARIES


@pytest.mark.parametrize("path", [folder / "__init__.py" for folder in CONNECTOR_FOLDERS], ids=shown)
def test_looking_at_a_connector_loads_no_http_client(path: Path) -> None:
    """Planning asks for capabilities: a step that calls nobody pays for no client (80 ms and more of cold start)."""
    at_once = {name for name, now in imported(path) if now}
    heavy = {"httpx", "jwt", "cryptography", "dealbridge.transport", "dealbridge.transport.client"}
    assert not {name for name in at_once if within(name, *heavy)}


@pytest.mark.parametrize("path", sorted((REPOSITORY / "functions").rglob("*.py")), ids=shown)
def test_functions_know_neither_aws_nor_a_connector(path: Path) -> None:
    used = modules(path)
    assert not {name.split(".")[0] for name in used} & AWS_LIBRARIES
    assert not {name for name in used if within(name, "dealbridge.connectors", "dealbridge.ledger", "dealbridge.aws")}


@pytest.mark.parametrize("path", SHIPPED, ids=shown)
def test_what_is_shipped_knows_nothing_of_the_laptop(path: Path) -> None:
    assert not {name for name in modules(path) if within(name, "dealbridge_local", "moto", "pytest", "tests")}


@pytest.mark.parametrize("path", SHIPPED, ids=shown)
def test_no_first_party_code_imports_boto3(path: Path) -> None:
    """botocore does it at a third of the import time (docs/decisions/0003-lean-imports.md), in aws.py alone."""
    assert "boto3" not in {name.split(".")[0] for name in modules(path)}
    if "botocore.session" in modules(path):
        assert path == PACKAGE / "aws.py"


def test_wiring_alone_knows_the_connectors() -> None:
    knowing = {
        shown(path)
        for path in SHIPPED
        if {name for name in modules(path) if within(name, "dealbridge.connectors")}
        and not path.is_relative_to(PACKAGE / "connectors")
    }
    assert knowing == set()
    assert set(CONNECTORS) == {folder.name for folder in CONNECTOR_FOLDERS}
    assert set(CONNECTORS.values()) == {f"dealbridge.connectors.{name}" for name in CONNECTORS}


def test_no_file_touches_the_search_path() -> None:
    def touches(path: Path) -> bool:
        attributes = (
            node for node in ast.walk(parsed(path)) if isinstance(node, ast.Attribute) and node.attr == "path"
        )
        return any(ast.unparse(node) == "sys.path" for node in attributes)

    assert [shown(path) for path in OURS if touches(path)] == []


# Files


@pytest.mark.parametrize("folder", CONNECTOR_FOLDERS, ids=lambda folder: str(folder.name))
def test_every_connector_has_the_same_files(folder: Path) -> None:
    assert {path.name for path in folder.iterdir() if path.is_file()} >= CONNECTOR_FILES


def test_no_module_is_named_for_nothing() -> None:
    nothing = {"utils", "util", "helpers", "helper", "common", "manager", "misc", "base", "service"}
    assert [shown(path) for path in OURS if path.stem in nothing or path.parent.name in nothing] == []


def test_no_text_waits_to_be_done() -> None:
    words = ("TO" + "DO", "FIX" + "ME", "XX" + "X:")
    assert [shown(path) for path in OURS if any(word in path.read_text() for word in words)] == []


@pytest.mark.parametrize("path", SHIPPED, ids=shown)
def test_nothing_sleeps_in_a_function(path: Path) -> None:
    """Waiting is free in Step Functions and paid in Lambda. Publishing is an operator's command, on a laptop."""
    if path != PACKAGE / "mappings" / "publishing.py":
        tree = parsed(path)
        assert not [node for node in ast.walk(tree) if isinstance(node, ast.Call) and "sleep" in ast.unparse(node.func)]


# The same names everywhere


def test_every_folder_has_its_function_and_every_function_its_folder() -> None:
    assert {logical_id(step) for step in function_folders()} == set(functions())
    for step in function_folders():
        assert functions()[logical_id(step)]["CodeUri"] == f"functions/{step}"


def test_a_functions_folder_holds_app_py_alone() -> None:
    for folder in function_folders().values():
        assert {path.name for path in folder.iterdir()} - {"__pycache__"} == {"app.py"}


def test_every_state_machine_file_is_deployed() -> None:
    deployed = {
        Path(each["Properties"]["DefinitionUri"]).name for each in resources("AWS::Serverless::StateMachine").values()
    }
    assert deployed == set(state_machines())


def test_a_step_is_called_verb_and_noun() -> None:
    assert all(len(step.split("_")) >= 2 for step in function_folders())
    assert state_name("sync_customer") == "SyncCustomer"
