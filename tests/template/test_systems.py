"""Adding a connector touches one folder, one simulator, one line of wiring, mapping files, pages and tests.

A file beside those that names a system by its folder's name is named here with its reason, or should not do so.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache

import pytest

from dealbridge.wiring import CONNECTORS
from tests.builders import REPOSITORY

HOME = (
    "layers/platform/dealbridge/connectors/{system}/",
    "local/dealbridge_local/simulators/{system}/",
    "mappings/",
    "tests/",
    "events/",
)
"""What adding a system brings along: its connector, its simulator, its reference data, its tests and their samples."""
REGISTRIES = (
    "layers/platform/dealbridge/wiring.py",
    "local/dealbridge_local/simulators/serve.py",
)
"""One line each."""
ALLOWED = {
    "local/dealbridge_local/salesforce_user.py": "somebody who sells in a CRM, for demo, tests and bench",
    "local/dealbridge_local/hubspot_user.py": "the same in the other CRM",
    "local/dealbridge_local/portfolio.py": "the demo sells in each CRM for each ERP",
    "local/dealbridge_local/storm.py": "the storm sells in one CRM and counts in one ERP and one PSA",
    "local/dealbridge_local/worlds/": "a world has one of each, and its checker reads each by a hand of its own",
    "bench/": "what is measured is measured with certain systems",
    "pyproject.toml": "the vendors' official clients, which the tests hold the simulators to",
}
"""Places that are chosen to know certain systems and stay as they are when one is added: path → reason."""
FOLDERS = ("bench", "events", "functions", "layers", "local", "mappings", "statemachines", "tests")
SHIPPED = ("functions/", "layers/", "statemachines/", "template.yaml", "samconfig.toml")


def written() -> Iterator[tuple[str, str]]:
    """Path and text of all code, configuration and data of this repository. Pages (*.md) may tell of any system."""
    paths = [path for folder in FOLDERS for path in (REPOSITORY / folder).rglob("*")]
    for path in [*paths, *REPOSITORY.iterdir()]:
        is_text = path.suffix in {".py", ".yaml", ".yml", ".toml", ".json"} or path.name == "Makefile"
        if is_text and path.is_file():
            yield path.relative_to(REPOSITORY).as_posix(), path.read_text()


def names(text: str, system: str) -> bool:
    """`erp`, `erp_user` and `simple-erp` alike; the vendor's own name, in capitals, may stand in a comment."""
    return re.search(rf"(?<![A-Za-z0-9]){system}(?![A-Za-z0-9])", text) is not None


@cache
def elsewhere() -> dict[str, frozenset[str]]:
    """Path → the systems that it names and is no home of."""
    found = {}
    for path, text in written():
        named = {system for system in CONNECTORS if names(text, system) or names(path, system)}
        strangers = {
            system for system in named if not any(path.startswith(home.format(system=system)) for home in HOME)
        }
        if strangers:
            found[path] = frozenset(strangers)
    return found


def test_nothing_beside_its_home_names_a_system() -> None:
    unknown = {
        path: sorted(systems)
        for path, systems in elsewhere().items()
        if path not in REGISTRIES and not any(path.startswith(allowed) for allowed in ALLOWED)
    }
    assert unknown == {}, "a further connector would have to touch these; move it home, or allow it with a reason"


@pytest.mark.parametrize("allowed", ALLOWED)
def test_what_is_allowed_is_needed(allowed: str) -> None:
    assert any(path.startswith(allowed) for path in elsewhere())


def test_of_what_is_shipped_wiring_alone_names_systems() -> None:
    assert {path for path in elsewhere() if path.startswith(SHIPPED)} == {REGISTRIES[0]}


@pytest.mark.parametrize("path", REGISTRIES)
@pytest.mark.parametrize("system", list(CONNECTORS))
def test_a_registry_has_one_line_for_a_system(path: str, system: str) -> None:
    lines = (REPOSITORY / path).read_text().splitlines()
    assert len([line for line in lines if names(line, system)]) == 1


@pytest.mark.parametrize("system", list(CONNECTORS))
def test_every_system_is_at_home(system: str) -> None:
    assert all((REPOSITORY / home.format(system=system)).is_dir() for home in HOME)
    assert (REPOSITORY / f"docs/field-mapping/{system}.md").is_file()
    assert (REPOSITORY / f"tests/contract/{system}/harness.py").is_file()


def test_nothing_that_is_shipped_asks_which_system_it_is() -> None:
    """No `if connection.system == ...`, whatever stands on the other side, and no `match connection.system`."""
    asking = []
    for path, text in written():
        if not (path.startswith(SHIPPED) and path.endswith(".py")):
            continue
        for node in ast.walk(ast.parse(text, path)):
            asked = [node.left, *node.comparators] if isinstance(node, ast.Compare) else []
            asked += [node.subject] if isinstance(node, ast.Match) else []
            if any(isinstance(each, ast.Attribute) and each.attr == "system" for each in asked):
                asking.append(f"{path}:{ast.unparse(node).splitlines()[0]}")
    assert asking == []
