"""`$metadata` (EDMX, OData V2) and the service document, printed from the entity model."""

from collections.abc import Iterator
from xml.sax.saxutils import quoteattr

from dealbridge_local.simulators.s4hana import edm
from dealbridge_local.simulators.s4hana.model import EntitySet, FunctionImport, Navigation, Property, Service

_EDMX = (
    '<edmx:Edmx Version="1.0" xmlns:edmx="http://schemas.microsoft.com/ado/2007/06/edmx"'
    ' xmlns:m="http://schemas.microsoft.com/ado/2007/08/dataservices/metadata"'
    ' xmlns:sap="http://www.sap.com/Protocols/SAPData">'
)


def _attributes(**values: object) -> str:
    """XML attributes; None is left out, True and False are lower case, `sap_x_y` prints as `sap:x-y`."""
    parts = []
    for name, value in values.items():
        if value is None:
            continue
        shown = str(value).lower() if isinstance(value, bool) else str(value)
        prefix, _, rest = name.partition("_")
        parts.append(f" {f'{prefix}:{rest.replace("_", "-")}' if prefix in ('sap', 'm') else name}={quoteattr(shown)}")
    return "".join(parts)


def _property(each: Property, namespace: str) -> str:
    complex_type = each.complex_type
    return (
        "<Property"
        + _attributes(
            Name=each.name,
            Type=f"{namespace}.{complex_type.name}" if complex_type else each.kind,
            Nullable=False if each.required or complex_type else None,
            MaxLength=each.length,
            Precision=each.precision,
            Scale=each.scale,
            ConcurrencyMode="Fixed" if each.concurrency else None,
            sap_unit=each.unit,
            sap_display_format="Date" if each.kind == edm.DATE_TIME else "UpperCase" if each.upper else None,
            sap_creatable=None if each.creatable else False,
            sap_updatable=None if each.updatable else False,
            sap_filterable=None if each.filterable else False,
        )
        + "/>"
    )


def _association(entity: EntitySet, navigation: Navigation) -> str:
    return f"assoc_{entity.name}_{navigation.name}"


def _entity_type(service: Service, entity: EntitySet) -> Iterator[str]:
    yield f'<EntityType Name="{entity.type}" sap:content-version="1"><Key>'
    yield from (f'<PropertyRef Name="{key}"/>' for key in entity.keys)
    yield "</Key>"
    yield from (_property(each, service.name) for each in entity.properties.values())
    for navigation in entity.navigations.values():
        name = _association(entity, navigation)
        yield (
            "<NavigationProperty"
            + _attributes(
                Name=navigation.name,
                Relationship=f"{service.name}.{name}",
                FromRole=f"FromRole_{name}",
                ToRole=f"ToRole_{name}",
            )
            + "/>"
        )
    yield "</EntityType>"


def _associations(service: Service) -> Iterator[tuple[str, EntitySet, Navigation]]:
    for entity in service.sets.values():
        for navigation in entity.navigations.values():
            yield _association(entity, navigation), entity, navigation


def _function(service: Service, function: FunctionImport) -> Iterator[str]:
    if function.entity_set:
        returns = f"{service.name}.{service.sets[function.entity_set].type}"
    else:
        returns = f"Collection({service.name}.{function.complex_type})"
    yield (
        "<FunctionImport"
        + _attributes(
            Name=function.name, ReturnType=returns, EntitySet=function.entity_set, m_HttpMethod=function.method
        )
        + ">"
    )
    for each in function.parameters:
        yield "<Parameter" + _attributes(Name=each.name, Type=each.kind, Mode="In", MaxLength=each.length) + "/>"
    yield "</FunctionImport>"


def _schema(service: Service, root: str) -> Iterator[str]:
    yield f'<Schema Namespace="{service.name}" xml:lang="en" sap:schema-version="1"'
    yield ' xmlns="http://schemas.microsoft.com/ado/2008/09/edm">'
    for entity in service.sets.values():
        yield from _entity_type(service, entity)
    for complex_type in service.complex_types.values():
        yield f'<ComplexType Name="{complex_type.name}">'
        yield from (_property(each, service.name) for each in complex_type.properties.values())
        yield "</ComplexType>"
    for name, entity, navigation in _associations(service):
        target = service.sets[navigation.target]
        many = "*" if navigation.many else "0..1"
        yield f'<Association Name="{name}" sap:content-version="1">'
        yield f'<End Type="{service.name}.{entity.type}" Multiplicity="1" Role="FromRole_{name}"/>'
        yield f'<End Type="{service.name}.{target.type}" Multiplicity="{many}" Role="ToRole_{name}"/>'
        yield "</Association>"
    yield f'<EntityContainer Name="{service.name}_Entities" m:IsDefaultEntityContainer="true"'
    yield ' sap:supported-formats="atom json xlsx">'
    for entity in service.sets.values():
        yield (
            "<EntitySet"
            + _attributes(
                Name=entity.name,
                EntityType=f"{service.name}.{entity.type}",
                sap_creatable=None if entity.creatable else False,
                sap_updatable=None if entity.updatable else False,
                sap_deletable=None if entity.deletable else False,
                sap_content_version="1",
            )
            + "/>"
        )
    for name, entity, navigation in _associations(service):
        yield f'<AssociationSet Name="{name}" Association="{service.name}.{name}" sap:content-version="1">'
        yield f'<End EntitySet="{entity.name}" Role="FromRole_{name}"/>'
        yield f'<End EntitySet="{navigation.target}" Role="ToRole_{name}"/></AssociationSet>'
    for function in service.functions.values():
        yield from _function(service, function)
    yield "</EntityContainer>"
    for relation in ("self", "latest-version"):
        # Generators of client code read the service's path from it (SAP Cloud SDK).
        link = _attributes(rel=relation, href=f"{root}/$metadata")
        yield f'<atom:link xmlns:atom="http://www.w3.org/2005/Atom"{link}/>'
    yield "</Schema>"


def edmx(service: Service, root: str) -> str:
    """The service's `$metadata`; `root` is its absolute address."""
    schema = "".join(_schema(service, root))
    return (
        f'<?xml version="1.0" encoding="utf-8"?>{_EDMX}<edmx:DataServices m:DataServiceVersion="2.0">'
        f"{schema}</edmx:DataServices></edmx:Edmx>"
    )


def service_document_json(service: Service) -> dict[str, object]:
    return {"d": {"EntitySets": list(service.sets)}}


def service_document_xml(service: Service, root: str) -> str:
    collections = "".join(
        f'<app:collection href="{name}"><atom:title type="text">{name}</atom:title></app:collection>'
        for name in service.sets
    )
    return (
        f'<?xml version="1.0" encoding="utf-8"?><app:service xml:base="{root}/"'
        ' xmlns:app="http://www.w3.org/2007/app" xmlns:atom="http://www.w3.org/2005/Atom">'
        f'<app:workspace><atom:title type="text">Data</atom:title>{collections}</app:workspace></app:service>'
    )
