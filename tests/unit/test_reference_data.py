"""The governed files: valid by their published schemas, read as a whole, and wrong ones named by file and field."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from dealbridge.errors import ConfigurationError
from dealbridge.mappings.folder import FILES, read_folder, schemas, write_schemas
from dealbridge.rules.reference import ReferenceData
from tests.builders import REPOSITORY, reference

FOLDER = REPOSITORY / "mappings"
ALL_FILES = sorted(
    path.relative_to(FOLDER) for pattern in ("*.yaml", "fields/*.yaml", "codes/*.yaml") for path in FOLDER.glob(pattern)
)


def schema_of(file: Path) -> dict[str, Any]:
    name = file.parent.name if file.parent.name else file.stem
    return dict(json.loads((FOLDER / "schemas" / f"{name}.schema.json").read_text()))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the repository's mappings, to break."""
    return Path(shutil.copytree(FOLDER, tmp_path / "mappings"))


# Published schemas


def test_the_schema_files_are_up_to_date(tmp_path: Path) -> None:
    """Else run `dealbridge mappings schemas`."""
    written = {path.name: path.read_text() for path in write_schemas(tmp_path)}
    assert {path.name: path.read_text() for path in (FOLDER / "schemas").glob("*")} == written


def test_schemas_that_nobody_needs_any_more_go_away(folder: Path) -> None:
    (folder / "schemas" / "old.schema.json").write_text("{}")
    write_schemas(folder)
    assert {path.name for path in (folder / "schemas").iterdir()} == {f"{name}.schema.json" for name in FILES}


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_schema_is_one(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schemas()[name])


@pytest.mark.parametrize("file", ALL_FILES, ids=str)
def test_each_file_keeps_its_schema(file: Path) -> None:
    jsonschema.validate(yaml.safe_load((FOLDER / file).read_text()), schema_of(file), jsonschema.Draft202012Validator)


@pytest.mark.parametrize(
    ("file", "break_it"),
    [
        ("connections.yaml", lambda content: content["netsuite"].pop("base_url")),
        ("connections.yaml", lambda content: content["netsuite"].update(bas_url="x")),
        ("legal-entities.yaml", lambda content: content["entities"]["NA-US"].pop("erp")),
        ("legal-entities.yaml", lambda content: content["entities"]["NA-US"].update(currency="dollar")),
        ("tax.yaml", lambda content: content["treatments"].append({"entities": ["NA-US"]})),
        ("billing-policy.yaml", lambda content: content.update(fixed_due="whenever")),
        ("validation-policy.yaml", lambda content: content["rules"].update(terms_approved={"owner": "nobody"})),
        ("fields/salesforce.yaml", lambda content: content.pop("deal")),
    ],
)
def test_schema_and_reading_refuse_the_same_mistakes(
    folder: Path, file: str, break_it: Callable[[dict[str, Any]], object]
) -> None:
    content = yaml.safe_load((folder / file).read_text())
    break_it(content)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(content, schema_of(Path(file)), jsonschema.Draft202012Validator)
    (folder / file).write_text(yaml.safe_dump(content))
    with pytest.raises(ConfigurationError, match=f"mappings/{file}: "):
        read_folder(folder)


# Reading the folder


def test_the_repositorys_folder_is_valid() -> None:
    found = read_folder(FOLDER)
    assert {"salesforce", "netsuite", "kantata"} <= set(found.connections)
    assert "salesforce" in found.crm_connections()


@pytest.mark.parametrize(
    ("file", "text", "says"),
    [
        ("currencies.yaml", None, "mappings/currencies.yaml: missing"),
        ("currencies.yaml", "[USD", "mappings/currencies.yaml: not YAML"),
        ("currencies.yaml", "[dollar]", "mappings/currencies.yaml: 0: "),
        ("fields/salesforce.yaml", "read: {}\ndeal: '('", "mappings/fields/salesforce.yaml: deal: "),
        ("fields/elsewhere.yaml", "read: {}\ndeal: '1'", "mappings/fields/elsewhere.yaml: no such connection"),
        ("codes/netsuite.yaml", "currencies: {USD: [1]}", "mappings/codes/netsuite.yaml: currencies.USD: "),
        ("codes/netsuite.yaml", "currencies: [", "mappings/codes/netsuite.yaml: not YAML"),
        ("validation-policy.yaml", "rules: {no_such_rule: {}}", "mappings/validation-policy.yaml: rules: no rule"),
        ("validation-policy.yaml", "amount_tolerance: some", "mappings/validation-policy.yaml: amount_tolerance: "),
        (
            "validation-policy.yaml",
            "rules: {dates_in_order: {enforced: false}}",
            "mappings/validation-policy.yaml: rules.dates_in_order.enforced: planning relies",
        ),
        ("tax.yaml", "treatments: [{treatment: x, entities: [MARS]}]", "mappings/tax.yaml: treatments: no entity"),
        ("tax.yaml", "treatments: [{treatment: x, customer_in: [EUX]}]", "mappings/tax.yaml: treatments: 'EUX'"),
        (
            "tax.yaml",
            "registrations: {DE: {pattern: '(', example: x}}",
            "mappings/tax.yaml: registrations.DE.pattern: ",
        ),
    ],
)
def test_what_is_wrong_is_named_by_file_and_field(folder: Path, file: str, text: str | None, says: str) -> None:
    if text is None:
        (folder / file).unlink()
    else:
        (folder / file).write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        read_folder(folder)
    assert caught.value.message.startswith(says)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"erp": "sap"}, "mappings/legal-entities.yaml: NA-US.erp: no connection 'sap'"),
        ({"time_zone": "Mars/Olympus"}, "mappings/legal-entities.yaml: NA-US.time_zone: no zone 'Mars/Olympus'"),
        ({"staffing": "crew"}, "mappings/legal-entities.yaml: NA-US.staffing: no connection 'crew'"),
    ],
)
def test_an_entity_names_connections_that_are_there(folder: Path, change: dict[str, str], says: str) -> None:
    file = folder / "legal-entities.yaml"
    content = yaml.safe_load(file.read_text())
    content["entities"]["NA-US"].update(change)
    file.write_text(yaml.safe_dump(content))
    with pytest.raises(ConfigurationError, match=says):
        read_folder(folder)


def test_a_business_unit_belongs_to_an_entity_that_is_there(folder: Path) -> None:
    file = folder / "legal-entities.yaml"
    file.write_text(file.read_text() + "  Moon: MOON\n")
    with pytest.raises(ConfigurationError, match=r"business_units\.Moon"):
        read_folder(folder)


def test_a_laptop_points_connections_elsewhere() -> None:
    found = read_folder(FOLDER, {"netsuite": {"base_url": "http://127.0.0.1:9102"}})
    assert found.connections["netsuite"].base_url == "http://127.0.0.1:9102"
    assert found.connections["netsuite"].secret == read_folder(FOLDER).connections["netsuite"].secret


# The document


def test_the_version_is_that_of_the_content() -> None:
    one = reference()
    assert len(one.version) == 12
    assert ReferenceData.model_validate_json(one.model_dump_json()).version == one.version
    assert reference(currencies=("USD",)).version != one.version


def test_a_connection_carries_what_its_field_mapping_says() -> None:
    options = reference().connection("salesforce").options
    assert "Opportunity" in options["read"]
    assert options["status_fields"]["status"] == "ERP_Status__c"
    assert "read" not in reference().connection("netsuite").options


def test_what_is_not_there_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"mappings/connections\.yaml: no connection 'sap'"):
        reference().connection("sap")
    with pytest.raises(ConfigurationError, match=r"mappings/fields/netsuite\.yaml: missing"):
        reference().field_mapping("netsuite")


def test_examples_of_tax_numbers_are_examples() -> None:
    for country, rule in reference().tax.registrations.items():
        assert re.fullmatch(rule.pattern, rule.example), country
