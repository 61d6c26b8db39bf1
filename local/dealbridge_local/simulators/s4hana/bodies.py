"""Request bodies: JSON, bare or wrapped in `{"d": …}`, read into drafts and checked against the entity model.

Everything that the model alone can tell is refused here: unknown and read-only properties, wrong types, texts that
are too long, amounts with too many digits.
"""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from dealbridge_local.simulators.s4hana import edm, errors
from dealbridge_local.simulators.s4hana.addresses import canonical
from dealbridge_local.simulators.s4hana.model import Draft, EntitySet, Property, Service


class BodyReader:
    """Reads one request body of one service."""

    def __init__(self, service: Service, body: bytes) -> None:
        self._service = service
        try:
            self._text = body.decode()
            given = json.loads(self._text, parse_float=Decimal)
        except ValueError as error:
            raise errors.malformed(f"Error while parsing a JSON stream: '{error}'") from None
        if isinstance(given, dict) and isinstance(given.get("d"), dict) and len(given) == 1:
            given = given["d"]
        if not isinstance(given, dict):
            raise errors.malformed("Error while parsing a JSON stream: an object was expected")
        self._given: dict[str, Any] = given

    def new_entity(self, entity: EntitySet) -> Draft:
        """The entity of a POST with everything nested in it (deep insert)."""
        return self._draft(entity, self._given)

    def changes(self, entity: EntitySet) -> dict[str, Any]:
        """The changed values of a PATCH, MERGE or PUT. Key properties may stand in it and change nothing."""
        values = {}
        for name, value in self._given.items():
            if name == "__metadata":
                continue
            if name in entity.navigations:
                if isinstance(value, dict) and "__deferred" in value:
                    continue
                raise errors.malformed(f"Deep update is not supported: navigation property '{name}'")
            each = self._property(entity, name)
            if name in entity.keys:
                continue
            if not each.updatable:
                raise errors.read_only(name, "changed")
            values[name] = self._value(each, value)
        return values

    def _draft(self, entity: EntitySet, given: Mapping[str, Any]) -> Draft:
        draft = Draft(entity, {})
        for name, value in given.items():
            if name == "__metadata":
                continue
            if name in entity.navigations:
                self._nest(draft, name, value)
                continue
            each = self._property(entity, name)
            if not each.creatable and name not in entity.keys:
                raise errors.read_only(name, "set")
            draft.values[name] = self._value(each, value)
        return draft

    def _nest(self, draft: Draft, name: str, value: Any) -> None:
        if isinstance(value, dict) and "__deferred" in value:
            return
        navigation = draft.entity.navigations[name]
        if not navigation.insertable:
            raise errors.malformed(f"Deep insert is not supported for navigation property '{name}'")
        if navigation.many and isinstance(value, dict):
            value = value.get("results")
        nested = value if navigation.many else [value]
        if not isinstance(nested, list) or not all(isinstance(each, dict) for each in nested):
            raise errors.malformed(f"Error while parsing a JSON stream: invalid value of '{name}'")
        target = self._service.sets[navigation.target]
        draft.children[name] = [self._draft(target, each) for each in nested]

    def _property(self, entity: EntitySet, name: str) -> Property:
        each = entity.properties.get(name)
        if each is None:
            raise errors.unknown_property(name, entity.type)
        return each

    def _value(self, each: Property, value: Any) -> Any:
        if value is None:
            return each.initial
        if each.complex_type:
            return self._complex(each, value)
        try:
            read = edm.read_json(each.kind, value)
        except edm.EdmValueError:
            raise self._invalid(each, value) from None
        if each.length is not None and len(read) > each.length:
            raise self._invalid(each, value)
        if each.kind == edm.DECIMAL and not _fits(read, each):
            raise self._invalid(each, value)
        if each.kind == edm.DATE_TIME:
            return edm.start_of_day(read)
        return canonical(each, read)

    def _complex(self, each: Property, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict) or each.complex_type is None:
            raise self._invalid(each, value)
        fields = each.complex_type.properties
        read = {name: field.initial for name, field in fields.items()}
        for name, inner in value.items():
            if name == "__metadata":
                continue
            if name not in fields:
                raise errors.unknown_property(name, each.complex_type.name)
            read[name] = self._value(fields[name], inner)
        return read

    def _invalid(self, each: Property, value: Any) -> errors.SapError:
        return errors.invalid_value(each.name, max(self._text.find(f'"{each.name}"'), 0), value)


def _fits(value: Decimal, each: Property) -> bool:
    """Whether a number has room in `precision` digits, `scale` of them after the point."""
    scale, precision = each.scale or 0, each.precision or 0
    exponent = value.normalize().as_tuple().exponent
    return -int(exponent) <= scale and abs(value) < Decimal(10) ** (precision - scale)
