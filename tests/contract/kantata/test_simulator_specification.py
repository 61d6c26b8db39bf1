"""The Kantata simulator against the vendor's own attribute lists (mavenlink/mavenlink_gem, specification.yml)."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from dealbridge_local.simulators.kantata import RESOURCES

SPECIFICATION = Path(__file__).parents[4] / "shared" / "specs" / "kantata" / "specification.yml"

NEWER = {
    # In the API reference of 2026-08, not in the gem's list of 2014-2023.
    "roles": {"created_at", "updated_at", "deleted_at"},
    "workspace_groups": {"created_at", "updated_at"},
    "billing_milestones": {"billing_type"},
    "resource_requests": {"updated_at"},
    # A polymorphic association, which the gem's list does not name.
    "external_references": {"subject_ref"},
}


class _Loader(yaml.SafeLoader):
    """Reads mappings whose keys are lists (`[story_id, assignee_id]: ...`), which plain YAML loaders cannot hash."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        pairs = (
            (self.construct_object(key, deep=True), self.construct_object(value, deep=True))
            for key, value in node.value
        )
        return {tuple(key) if isinstance(key, list) else key: value for key, value in pairs}


@pytest.fixture(scope="module")
def specification() -> dict[str, Any]:
    if not SPECIFICATION.exists():
        pytest.skip(f"the vendor's specification is not there: {SPECIFICATION.relative_to(SPECIFICATION.parents[3])}")
    loaded: dict[str, Any] = yaml.load(SPECIFICATION.read_text(), _Loader)  # noqa: S506 (a SafeLoader)
    return loaded


@pytest.mark.parametrize("name", RESOURCES)
def test_every_attribute_shown_is_the_vendors(specification: dict[str, Any], name: str) -> None:
    described, resource = specification[name], RESOURCES[name]
    vendors = set(described["attributes"])
    vendors |= {association["foreign_key"] for association in (described.get("associations") or {}).values()}
    keys = {association.key for association in resource.associations.values()}
    shown = {"id", *resource.shown, *resource.optional, *keys}
    assert shown - vendors <= NEWER.get(name, set())


@pytest.mark.parametrize("name", [name for name, resource in RESOURCES.items() if resource.create])
def test_every_attribute_accepted_on_create_is_the_vendors(specification: dict[str, Any], name: str) -> None:
    vendors = set(specification[name]["create_attributes"])
    assert set(RESOURCES[name].accepts) - vendors <= NEWER.get(name, set())


@pytest.mark.parametrize("name", [name for name, resource in RESOURCES.items() if resource.change])
def test_every_attribute_accepted_on_update_is_the_vendors(specification: dict[str, Any], name: str) -> None:
    assert set(RESOURCES[name].changes) <= set(specification[name]["update_attributes"])


@pytest.mark.parametrize("name", [name for name, resource in RESOURCES.items() if resource.create])
def test_what_the_vendor_requires_is_required(specification: dict[str, Any], name: str) -> None:
    """The gem's presence rules; a workspace's own are refused with texts of its own, see the simulator's tests."""
    required: set[str] = set()
    for fields, rules in (specification[name].get("validations") or {}).items():
        if rules.get("presence") and name != "workspaces":
            required |= set(fields) if isinstance(fields, tuple) else {fields}
    assert required <= set(RESOURCES[name].required)


def test_references_are_accepted_where_the_vendor_accepts_them(specification: dict[str, Any]) -> None:
    for name, resource in RESOURCES.items():
        creates = specification[name].get("create_attributes") or specification[name].get("update_attributes") or ()
        if resource.referenced:
            assert "external_reference" in creates or "external_reference_ids" in specification[name]["attributes"], (
                name
            )
