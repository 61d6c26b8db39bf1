"""Entities on the wire: the JSON envelope of OData V2, and a minimal Atom for whoever does not ask for JSON."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape

from dealbridge_local.simulators.s4hana import edm
from dealbridge_local.simulators.s4hana.customizing import minor_units
from dealbridge_local.simulators.s4hana.model import EntitySet, Property, Service

type Tree = dict[str, "Tree"]
"""Navigation properties to show inline, nested."""


def _decimal(each: Property) -> Callable[[Any, Mapping[str, Any]], str]:
    unit, scale = each.unit, each.scale or 0
    if each.is_amount and unit:
        return lambda value, record: f"{value:.{minor_units(record.get(unit, ''))}f}"
    if unit:
        # Quantities come without trailing zeros: "1", "2.5".
        return lambda value, record: f"{value.normalize():f}"
    return lambda value, record: f"{value:.{scale}f}"


def printer_of(each: Property) -> Callable[[Any, Mapping[str, Any]], Any] | None:
    """How a value of this property prints in JSON; None where it prints as it is held."""
    match each.kind:
        case edm.DECIMAL:
            return _decimal(each)
        case edm.DATE_TIME:
            return lambda value, record: f"/Date({edm.ticks(value)})/"
        case edm.DATE_TIME_OFFSET:
            return lambda value, record: f"/Date({edm.ticks(value)}+0000)/"
        case edm.TIME:
            return lambda value, record: edm.print_duration(value)
        case edm.INT64:
            return lambda value, record: str(value)
        case _ if each.complex_type:
            fields = each.complex_type.properties
            return lambda value, record: {
                "__metadata": {"type": each.kind},
                **{name: print_value(field, value.get(name, field.initial), value) for name, field in fields.items()},
            }
    return None


def print_value(each: Property, value: Any, record: Mapping[str, Any]) -> Any:
    """One value as it stands in JSON. `record` gives the currency of an amount."""
    printer = printer_of(each)
    return value if printer is None or value is None else printer(value, record)


class Renderer:
    """Prints the records of one service. `below` finds what stands behind a navigation, `tag` the entity tag."""

    def __init__(
        self,
        service: Service,
        root: Callable[[], str],
        below: Callable[[EntitySet, Mapping[str, Any], str], list[Mapping[str, Any]]],
        tag: Callable[[EntitySet, Mapping[str, Any]], str | None],
    ) -> None:
        self._service = service
        self._root = root
        self._below = below
        self._tag = tag
        self._printers = {
            entity.name: [(name, printer_of(each)) for name, each in entity.properties.items()]
            for entity in service.sets.values()
        }

    def uri(self, entity: EntitySet, record: Mapping[str, Any]) -> str:
        keys = [(name, edm.print_literal(entity.properties[name].kind, record[name])) for name in entity.keys]
        inside = keys[0][1] if len(keys) == 1 else ",".join(f"{name}={value}" for name, value in keys)
        return f"{self._root()}/{entity.name}({inside})"

    def entity(
        self,
        entity: EntitySet,
        record: Mapping[str, Any],
        expand: Tree | None = None,
        select: Sequence[tuple[str, ...]] = (),
    ) -> dict[str, Any]:
        """An entity as JSON: `__metadata`, properties, navigations inline or deferred."""
        uri = self.uri(entity, record)
        metadata = {"id": uri, "uri": uri, "type": f"{self._service.name}.{entity.type}"}
        if tag := self._tag(entity, record):
            metadata["etag"] = tag
        chosen = {path[0] for path in select}
        everything = not chosen or "*" in chosen
        shown: dict[str, Any] = {"__metadata": metadata}
        for name, printer in self._printers[entity.name]:
            if everything or name in chosen:
                value = record[name]
                shown[name] = value if printer is None or value is None else printer(value, record)
        for name, navigation in entity.navigations.items():
            if expand and name in expand:
                deeper = [path[1:] for path in select if path[0] == name and len(path) > 1]
                shown[name] = self._inline(entity, record, name, expand[name], deeper)
            elif everything or name in chosen:
                shown[name] = {"__deferred": {"uri": f"{uri}/{navigation.name}"}}
        return shown

    def _inline(
        self,
        entity: EntitySet,
        record: Mapping[str, Any],
        name: str,
        expand: Tree,
        select: Sequence[tuple[str, ...]],
    ) -> Any:
        navigation = entity.navigations[name]
        target = self._service.sets[navigation.target]
        shown = [self.entity(target, each, expand, select) for each in self._below(entity, record, name)]
        if navigation.many:
            return {"results": shown}
        return shown[0] if shown else None


def expand_tree(paths: Iterable[tuple[str, ...]]) -> Tree:
    """`to_Item/to_BillingPlan,to_Partner` as a tree."""
    tree: Tree = {}
    for path in paths:
        branch = tree
        for name in path:
            branch = branch.setdefault(name, {})
    return tree


# Atom: enough for a person to see that JSON was not asked for, and for a client to fail on it.

_NAMESPACES = (
    ' xmlns="http://www.w3.org/2005/Atom" xmlns:m="http://schemas.microsoft.com/ado/2007/08/dataservices/metadata"'
    ' xmlns:d="http://schemas.microsoft.com/ado/2007/08/dataservices"'
)


def _atom_value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return escape(str(value))


def _atom_entry(shown: Mapping[str, Any], namespaces: str = "") -> str:
    metadata = shown["__metadata"]
    values = "".join(
        f'<d:{name} m:null="true"/>' if value is None else f"<d:{name}>{_atom_value(value)}</d:{name}>"
        for name, value in shown.items()
        if not isinstance(value, dict)
    )
    tag = f' m:etag="{escape(metadata["etag"], {chr(34): "&quot;"})}"' if "etag" in metadata else ""
    return (
        f'<entry{namespaces}{tag}><id>{escape(metadata["uri"])}</id><title type="text"/>'
        f'<category term="{metadata["type"]}" scheme="http://schemas.microsoft.com/ado/2007/08/dataservices/scheme"/>'
        f'<content type="application/xml"><m:properties>{values}</m:properties></content></entry>'
    )


def atom_entry(shown: Mapping[str, Any]) -> str:
    return f'<?xml version="1.0" encoding="utf-8"?>{_atom_entry(shown, _NAMESPACES)}'


def atom_feed(uri: str, results: Iterable[Mapping[str, Any]], count: int | None, following: str | None) -> str:
    entries = "".join(_atom_entry(each) for each in results)
    total = f"<m:count>{count}</m:count>" if count is not None else ""
    link = f'<link rel="next" href="{escape(following)}"/>' if following else ""
    return (
        f'<?xml version="1.0" encoding="utf-8"?><feed{_NAMESPACES}><id>{escape(uri)}</id>'
        f'<title type="text"/>{total}{entries}{link}</feed>'
    )
