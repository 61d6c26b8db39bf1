"""The YAML files of `mappings/` to one document, checked. Used when publishing and testing, not in functions."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

import yaml
from pydantic import BaseModel, RootModel, ValidationError

from dealbridge.domain.connection import Connection
from dealbridge.domain.money import CurrencyCode
from dealbridge.domain.parties import LegalEntity
from dealbridge.errors import ConfigurationError
from dealbridge.mappings import expressions
from dealbridge.rules.checks import ESSENTIAL, RULES
from dealbridge.rules.reference import (
    BillingPolicy,
    Codes,
    FieldMapping,
    PaymentTerm,
    ReferenceData,
    ServiceLine,
    Tax,
    ValidationPolicy,
)


def _named[T: BaseModel](model: type[T], key: str) -> type[BaseModel]:
    """A file's shape: a map of names to the model without its own name, which the key says."""
    fields: dict[str, Any] = {
        name: (field.annotation, field) for name, field in model.model_fields.items() if name != key
    }
    from pydantic import create_model

    entry = create_model(f"{model.__name__}Entry", __config__={"extra": "forbid"}, **fields)
    return RootModel[dict[str, entry]]


class LegalEntities(BaseModel):
    """`mappings/legal-entities.yaml`."""

    entities: dict[str, Any]
    business_units: dict[str, str] = {}


FILES: dict[str, type[BaseModel]] = {
    "connections": _named(Connection, "id"),
    "legal-entities": LegalEntities,
    "service-lines": RootModel[dict[str, ServiceLine]],
    "currencies": RootModel[tuple[CurrencyCode, ...]],
    "payment-terms": RootModel[dict[str, PaymentTerm]],
    "tax": Tax,
    "billing-policy": BillingPolicy,
    "validation-policy": ValidationPolicy,
    "fields": FieldMapping,
    "codes": Codes,
}
"""File name (or folder of files, one per connection) → its shape; `mappings/schemas/` holds each as JSON Schema."""


def read_folder(folder: Path, connections: Mapping[str, Mapping[str, Any]] | None = None) -> ReferenceData:
    """The reference data of a folder, checked as a whole.

    `connections` overrides fields of connections, e.g. a laptop's base URLs.
    Raises ConfigurationError naming file and field.
    """
    entities = _load(folder, "legal-entities")
    given = {name: {"id": name, **entry} for name, entry in _load(folder, "connections").items()}
    for name, override in (connections or {}).items():
        given[name] = {"id": name, **given.get(name, {}), **override}
    document = {
        "connections": given,
        "legal_entities": {code: {"code": code, **entry} for code, entry in entities["entities"].items()},
        "business_units": entities.get("business_units", {}),
        "service_lines": _load(folder, "service-lines"),
        "currencies": _load(folder, "currencies"),
        "payment_terms": _load(folder, "payment-terms"),
        "tax": _load(folder, "tax"),
        "billing": _load(folder, "billing-policy"),
        "validation": _load(folder, "validation-policy"),
        "fields": _load_each(folder, "fields"),
        "codes": _load_each(folder, "codes"),
    }
    try:
        reference = ReferenceData.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigurationError(f"{_place(first['loc'])}: {first['msg']}") from error
    _check(reference)
    return reference


def schemas() -> dict[str, dict[str, Any]]:
    """The JSON Schema of each file, by file name without ending."""
    found = {}
    for name, shape in FILES.items():
        if name == "legal-entities":
            entry = _named(LegalEntity, "code").model_json_schema()
            schema: dict[str, Any] = shape.model_json_schema()
            schema["$defs"] = entry.pop("$defs", {})
            schema["properties"]["entities"] = entry
        else:
            schema = shape.model_json_schema()
        found[name] = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
    return found


def write_schemas(folder: Path) -> list[Path]:
    """Write the JSON Schemas to `<folder>/schemas`, and nothing else stays there; the files written."""
    target = folder / "schemas"
    target.mkdir(exist_ok=True)
    texts = {
        target / f"{name}.schema.json": json.dumps(schema, indent=2, sort_keys=True) + "\n"
        for name, schema in schemas().items()
    }
    for stale in set(target.glob("*.schema.json")) - set(texts):
        stale.unlink()
    for path, text in texts.items():
        path.write_text(text)
    return list(texts)


def _check(reference: ReferenceData) -> None:
    """What one file says of another must be true."""
    for code, entity in reference.legal_entities.items():
        if entity.time_zone not in available_timezones():
            raise ConfigurationError(f"mappings/legal-entities.yaml: {code}.time_zone: no zone {entity.time_zone!r}")
        for role, connection in (("erp", entity.erp), ("staffing", entity.staffing)):
            if connection is not None and connection not in reference.connections:
                raise ConfigurationError(
                    f"mappings/legal-entities.yaml: {code}.{role}: no connection {connection!r} in connections.yaml"
                )
    for unit, code in reference.business_units.items():
        if code not in reference.legal_entities:
            raise ConfigurationError(f"mappings/legal-entities.yaml: business_units.{unit}: no entity {code!r}")
    for row in reference.tax.treatments:
        for code in row.entities:
            if code not in reference.legal_entities:
                raise ConfigurationError(f"mappings/tax.yaml: treatments: no entity {code!r}")
        for name in row.customer_in:
            if name not in reference.tax.groups and not (len(name) == 2 and name.isupper()):
                raise ConfigurationError(f"mappings/tax.yaml: treatments: {name!r} is no country and no group")
    for name, rule in reference.validation.rules.items():
        if name in ESSENTIAL and not rule.enforced:
            raise ConfigurationError(
                f"mappings/validation-policy.yaml: rules.{name}.enforced: planning relies upon this rule; leave it on"
            )
        if name not in RULES:
            raise ConfigurationError(
                f"mappings/validation-policy.yaml: rules: no rule {name!r}; there are {', '.join(RULES)}"
            )
    for connection, mapping in reference.fields.items():
        if connection not in reference.connections:
            raise ConfigurationError(f"mappings/fields/{connection}.yaml: no such connection in connections.yaml")
        wrong = expressions.check(mapping.deal)
        if wrong:
            raise ConfigurationError(f"mappings/fields/{connection}.yaml: deal: {wrong}")


def _place(location: tuple[int | str, ...]) -> str:
    """The file and the field that a part of the document comes from."""
    section, *path = (str(part) for part in location)
    if section in ("fields", "codes") and path:
        name = f"{section}/{path.pop(0)}"
    else:
        name = {"billing": "billing-policy", "validation": "validation-policy", "business_units": "legal-entities"}.get(
            section, section.replace("_", "-")
        )
        path = [section, *path] if section == "business_units" else path
    return ": ".join([f"mappings/{name}.yaml", *([".".join(path)] if path else [])])


def _load(folder: Path, name: str) -> Any:
    path = folder / f"{name}.yaml"
    try:
        return yaml.safe_load(path.read_text())
    except FileNotFoundError:
        raise ConfigurationError(f"mappings/{name}.yaml: missing") from None
    except yaml.YAMLError as error:
        raise ConfigurationError(f"mappings/{name}.yaml: not YAML: {error}") from error


def _load_each(folder: Path, section: str) -> dict[str, Any]:
    return {path.stem: _load(folder, f"{section}/{path.stem}") for path in sorted((folder / section).glob("*.yaml"))}
