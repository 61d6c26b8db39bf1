"""Property definitions: what a portal knows of a property, and which values it takes.

Every value is text on the wire, whatever its type; an empty text clears it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from dealbridge_local.simulators.hubspot.errors import ApiError, InvalidValueError, invalid_request, not_found
from dealbridge_local.simulators.hubspot.instants import epoch_ms, iso, parse_instant
from dealbridge_local.simulators.hubspot.object_types import ObjectType

FIELD_TYPES = {
    "string": {"text", "textarea", "phonenumber", "html", "file"},
    "number": {"number", "calculation_equation"},
    "date": {"date"},
    "datetime": {"date"},
    "enumeration": {"select", "radio", "checkbox", "booleancheckbox"},
    "bool": {"booleancheckbox", "calculation_equation"},
}
UNIQUE_PROPERTIES_PER_OBJECT = 10

_NUMBER = re.compile(r"-?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,99}")


@dataclass(frozen=True)
class Property:
    """One property definition. `options` are (value, label) pairs."""

    name: str
    label: str
    type: str
    field_type: str
    group: str
    options: tuple[tuple[str, str], ...] = ()
    description: str = ""
    unique: bool = False
    read_only: bool = False
    calculated: bool = False
    hubspot_defined: bool = False
    external_options: bool = False
    referenced_object_type: str | None = None
    currency_property: str | None = None
    form_field: bool = False
    display_order: int = -1
    created_at: str | None = None

    @classmethod
    def parse(cls, given: Mapping[str, Any], created_at: str) -> "Property":
        """A definition from the body of a create call."""
        missing = [name for name in ("name", "label", "type", "fieldType", "groupName") if not given.get(name)]
        if missing:
            raise invalid_request(f"Invalid input JSON: missing required fields {missing}", missing=missing)
        name, kind, field = str(given["name"]), str(given["type"]), str(given["fieldType"])
        if not _NAME.fullmatch(name):
            raise invalid_request(f"'{name}' is not a valid property name: use lower case letters, digits and _.")
        if field not in FIELD_TYPES.get(kind, set()):
            raise invalid_request(f"'{field}' is not a valid fieldType for the type '{kind}'.", propertyName=[name])
        options = tuple((str(each["value"]), str(each["label"])) for each in given.get("options") or ())
        if kind == "enumeration" and not options and not given.get("externalOptions"):
            raise invalid_request(f"Property '{name}' of type enumeration needs options.", propertyName=[name])
        if kind == "bool" and not options:
            options = BOOLEAN_OPTIONS
        return cls(
            name,
            str(given["label"]),
            kind,
            field,
            str(given["groupName"]),
            options,
            str(given.get("description") or ""),
            unique=bool(given.get("hasUniqueValue")),
            external_options=bool(given.get("externalOptions")),
            form_field=bool(given.get("formField")),
            display_order=int(given.get("displayOrder", -1)),
            created_at=created_at,
        )

    def changed(self, given: Mapping[str, Any], at: str) -> "Property":
        """The definition after an update: what HubSpot defined keeps its type, and nothing changes its name."""
        if self.hubspot_defined and given.keys() & {"type", "fieldType"}:
            raise invalid_request(f"Property '{self.name}' is defined by HubSpot: its type cannot be changed.")
        told = {
            "label": self.label,
            "type": self.type,
            "fieldType": self.field_type,
            "groupName": self.group,
            "options": [{"value": value, "label": label} for value, label in self.options],
            "description": self.description,
            "externalOptions": self.external_options,
            "formField": self.form_field,
            "displayOrder": self.display_order,
        }
        wanted = {name: value for name, value in given.items() if name in told}
        parsed = self.parse({**told, **wanted, "name": self.name}, at)
        if self.hubspot_defined:
            parsed = replace(parsed, type=self.type, field_type=self.field_type)
        kept = ("unique", "read_only", "calculated", "hubspot_defined", "referenced_object_type", "currency_property")
        return replace(parsed, created_at=self.created_at, **{name: getattr(self, name) for name in kept})

    def describe(self) -> dict[str, Any]:
        """As the properties API prints it."""
        shown: dict[str, Any] = {
            "name": self.name,
            "label": self.label,
            "type": self.type,
            "fieldType": self.field_type,
            "description": self.description,
            "groupName": self.group,
            "options": [
                {"label": label, "value": value, "displayOrder": order, "hidden": False}
                for order, (value, label) in enumerate(self.options)
            ],
            "displayOrder": self.display_order,
            "calculated": self.calculated,
            "externalOptions": self.external_options,
            "hasUniqueValue": self.unique,
            "hidden": False,
            "hubspotDefined": self.hubspot_defined,
            "formField": self.form_field,
            "archived": False,
            "dataSensitivity": "non_sensitive",
            "modificationMetadata": {
                "archivable": not self.hubspot_defined,
                "readOnlyDefinition": self.hubspot_defined,
                "readOnlyValue": self.read_only,
            },
        }
        if self.created_at:
            shown |= {"createdAt": self.created_at, "updatedAt": self.created_at}
        if self.referenced_object_type:
            shown["referencedObjectType"] = self.referenced_object_type
        if self.currency_property:
            shown |= {"showCurrencySymbol": True, "currencyPropertyName": self.currency_property}
        return shown


BOOLEAN_OPTIONS = (("true", "Yes"), ("false", "No"))


@dataclass(frozen=True)
class Normalized:
    """A value as it is stored, and what 2026-09 says when that is not what was sent (`warnings`)."""

    value: str
    warning: dict[str, Any] | None = None


def normalize(definition: Property, given: Any, *, normalizes_dates: bool) -> Normalized:
    """The stored form of a written value; raises InvalidValueError.

    `normalizes_dates`: from 2026-09 a date that is not midnight UTC is cut to its day and reported as a warning;
    older versions refuse it.
    """
    name = definition.name
    value = _as_text(name, given)
    if value == "":
        return Normalized("")
    if definition.type != "string" and value != value.strip():
        raise InvalidValueError(
            name, "LEADING_TRAILING_WHITESPACE", f'"{value}" includes leading or trailing whitespace.'
        )
    match definition.type:
        case "number":
            if not _NUMBER.fullmatch(value):
                raise InvalidValueError(name, "INVALID_INTEGER", f"{value} was not a valid number.")
        case "bool":
            value = value.lower()
            _check_options(definition, [value], BOOLEAN_OPTIONS)
        case "enumeration" if definition.options:
            chosen = value.split(";") if definition.field_type == "checkbox" else [value]
            _check_options(definition, chosen, definition.options)
        case "datetime":
            value = iso(_instant(name, value))
        case "date":
            return _normalize_date(name, value, normalizes_dates=normalizes_dates)
        case "string" if name == "email":
            if not _EMAIL.fullmatch(value):
                raise InvalidValueError(name, "INVALID_EMAIL", f"Email address {value} is invalid")
            value = value.lower()
    return Normalized(value)


def _as_text(name: str, given: Any) -> str:
    match given:
        case str():
            return given
        case bool():
            return "true" if given else "false"
        case int() | Decimal():
            return str(given)
    raise InvalidValueError(name, "INVALID_STRING", f"The value of {name} is neither text nor a number nor a boolean.")


def _check_options(definition: Property, chosen: list[str], options: tuple[tuple[str, str], ...]) -> None:
    allowed = [value for value, _ in options]
    for each in chosen:
        if each not in allowed:
            raise InvalidValueError(
                definition.name, "INVALID_OPTION", f"{each} was not one of the allowed options: [{', '.join(allowed)}]"
            )


def _instant(name: str, value: str) -> datetime:
    try:
        return parse_instant(value)
    except (ValueError, OverflowError) as error:
        raise InvalidValueError(name, "INVALID_DATE", f"{value} was not a valid date.") from error


def _normalize_date(name: str, value: str, *, normalizes_dates: bool) -> Normalized:
    moment = _instant(name, value)
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    stored = midnight.astimezone(UTC).date().isoformat()
    if moment == midnight:
        return Normalized(stored)
    if not normalizes_dates:
        raise InvalidValueError(name, "INVALID_DATE", f"{value} is at {moment:%H:%M} UTC, not midnight!")
    return Normalized(
        stored,
        {
            "category": "PROPERTY_VALUE_NORMALIZED",
            "context": {"normalizedValue": str(epoch_ms(midnight)), "propertyName": name, "rawValue": value},
            "message": f"{name} was normalized",
        },
    )


class PropertyCatalog:
    """The property definitions of a portal, by object type."""

    def __init__(self, seeded: Mapping[str, tuple[Property, ...]]) -> None:
        self._held = {kind: {each.name: each for each in definitions} for kind, definitions in seeded.items()}
        self._groups = {
            kind: {each.group: each.group.replace("_", " ").capitalize() for each in definitions}
            for kind, definitions in seeded.items()
        }

    def find(self, kind: ObjectType, name: str) -> Property | None:
        return self._held[kind.name].get(name)

    def get(self, kind: ObjectType, name: str) -> Property:
        found = self.find(kind, name)
        if found is None:
            raise not_found(f"Property '{name}' does not exist.")
        return found

    def all(self, kind: ObjectType) -> list[Property]:
        return list(self._held[kind.name].values())

    def unique(self, kind: ObjectType) -> list[Property]:
        return [each for each in self._held[kind.name].values() if each.unique]

    def add(self, kind: ObjectType, definition: Property) -> Property:
        # Observed on a live portal (2026-09): a taken name answers 409 and leaves the property as it is.
        if self.find(kind, definition.name) is not None:
            raise ApiError(
                409,
                f"A property named '{definition.name}' already exists.",
                "OBJECT_ALREADY_EXISTS",
                sub_category="Properties.PROPERTY_WITH_NAME_EXISTS",
            )
        if definition.unique and len(self.unique(kind)) >= UNIQUE_PROPERTIES_PER_OBJECT:
            raise invalid_request(f"At most {UNIQUE_PROPERTIES_PER_OBJECT} unique properties per object.")
        self._held[kind.name][definition.name] = definition
        return definition

    def replace(self, kind: ObjectType, definition: Property) -> Property:
        self._held[kind.name][definition.name] = definition
        return definition

    def groups(self, kind: ObjectType) -> dict[str, str]:
        """Property groups: name → label."""
        return self._groups[kind.name]

    def remove(self, kind: ObjectType, name: str) -> None:
        definition = self.get(kind, name)
        if definition.hubspot_defined:
            raise invalid_request(f"Property '{name}' is defined by HubSpot and cannot be deleted.")
        del self._held[kind.name][name]
