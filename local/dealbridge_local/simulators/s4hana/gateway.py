"""SAP Gateway: turns one OData V2 request into reads and changes of an application, and the outcome into an answer."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from dealbridge_local.simulators.s4hana import edm, errors, metadata, rendering
from dealbridge_local.simulators.s4hana.addresses import (
    Options,
    Segment,
    canonical,
    comparable,
    read_key,
    read_options,
    split_path,
)
from dealbridge_local.simulators.s4hana.applications.application import Application
from dealbridge_local.simulators.s4hana.bodies import BodyReader
from dealbridge_local.simulators.s4hana.filters import parse_filter
from dealbridge_local.simulators.s4hana.model import Draft, EntitySet, FunctionImport, Property
from dealbridge_local.simulators.s4hana.rendering import Renderer, Tree, expand_tree
from dealbridge_local.simulators.store import Record
from dealbridge_local.simulators.wire import Request, Response

CHANGES = frozenset({"PATCH", "MERGE", "PUT"})
_VERSION = ("dataserviceversion", "2.0")


@dataclass(frozen=True)
class Resource:
    """What a path leads to: a set (perhaps narrowed by a link), an entity, or a property of an entity."""

    entity: EntitySet
    record: Record | None = None
    link: Mapping[str, Any] = field(default_factory=dict)
    property: Property | None = None
    raw_value: bool = False
    count: bool = False


class Gateway:
    """One service's front."""

    def __init__(self, application: Application, base_url: Callable[[], str], page_size: int) -> None:
        self.application = application
        self.service = application.service
        self._base_url = base_url
        self._page_size = page_size
        self._renderer = Renderer(self.service, self.root, self._below, application.tag)

    def root(self) -> str:
        """The absolute address of the service, without a slash at the end."""
        return f"{self._base_url()}{self.service.path}"

    def show(self, entity: EntitySet, record: Record) -> dict[str, Any]:
        """A record as a GET would show it."""
        return self._renderer.entity(entity, record)

    def answer(self, request: Request, rest: str) -> Response:
        """The answer to one operation; `rest` is the raw path below the service root. Raises SapError."""
        method, options = tunnelled_method(request), read_options(request.query)
        segments = split_path(rest)
        if not segments:
            return self._service_document(request, options)
        if segments[0].name == "$metadata":
            return Response.text(200, metadata.edmx(self.service, self.root()), _VERSION, media="application/xml")
        if function := self.service.functions.get(segments[0].name):
            return self._call(function, method, request, options)
        resource = self._resolve(segments)
        if method == "GET":
            return self._read(resource, request, options)
        if method == "POST":
            return self._create(resource, request, options)
        if method in CHANGES:
            return self._change(resource, request, replace=method == "PUT")
        if method == "DELETE":
            return self._delete(resource, request)
        raise errors.not_allowed(method, segments[0].name)

    # Where a path leads

    def _resolve(self, segments: Sequence[Segment]) -> Resource:
        first = segments[0]
        entity = self.service.sets.get(first.name)
        if entity is None:
            raise errors.unknown_segment(first.name)
        current = self._narrow(entity, first, {})
        for segment in segments[1:]:
            current = self._follow(current, segment)
        return current

    def _narrow(self, entity: EntitySet, segment: Segment, link: Mapping[str, Any]) -> Resource:
        if segment.key is None:
            return Resource(entity, link=link)
        record = self.application.tables.get(entity, *read_key(segment.key, entity))
        if record is None or any(record[name] != value for name, value in link.items()):
            raise errors.not_found(entity.type)
        return Resource(entity, record)

    def _follow(self, current: Resource, segment: Segment) -> Resource:
        if segment.name == "$count" and current.record is None:
            return Resource(current.entity, link=current.link, count=True)
        if current.property is not None and segment.name == "$value":
            return Resource(current.entity, current.record, property=current.property, raw_value=True)
        if current.record is None or current.property is not None:
            raise errors.unknown_segment(segment.name)
        navigation = current.entity.navigations.get(segment.name)
        if navigation is not None:
            target = self.service.sets[navigation.target]
            link = {there: current.record[here] for here, there in navigation.link.items()}
            if navigation.many:
                return self._narrow(target, segment, link)
            record = self.application.tables.first(target, **link)
            if record is None:
                raise errors.unknown_segment(segment.name)
            return Resource(target, record)
        each = current.entity.properties.get(segment.name)
        if each is None:
            raise errors.unknown_segment(segment.name)
        return Resource(current.entity, current.record, property=each)

    def _below(self, entity: EntitySet, record: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
        navigation = entity.navigations[name]
        return list(self.application.tables.below(dict(record), navigation, self.service.sets[navigation.target]))

    # Reading

    def _service_document(self, request: Request, options: Options) -> Response:
        if wants_json(request, options):
            return Response.of(200, metadata.service_document_json(self.service), _VERSION)
        text = metadata.service_document_xml(self.service, self.root())
        return Response.text(200, text, _VERSION, media="application/atomsvc+xml")

    def _read(self, resource: Resource, request: Request, options: Options) -> Response:
        if resource.record is None:
            return self._read_collection(resource, request, options)
        if resource.property is not None:
            value = rendering.print_value(resource.property, resource.record[resource.property.name], resource.record)
            if resource.raw_value:
                return Response.text(200, "" if value is None else str(value), _VERSION)
            return Response.of(200, {"d": {resource.property.name: value}}, _VERSION)
        expand = self._checked_expand(resource.entity, options)
        shown = self._renderer.entity(resource.entity, resource.record, expand, options.select)
        return self._entity_response(200, shown, wants_json(request, options))

    def _read_collection(self, resource: Resource, request: Request, options: Options) -> Response:
        entity = resource.entity
        expand = self._checked_expand(entity, options)
        records = self._selected(resource, options)
        if resource.count:
            return Response.text(200, str(len(records)), _VERSION)
        window = records[options.skip :]
        if options.top is not None:
            window = window[: options.top]
        page = window[options.skiptoken : options.skiptoken + self._page_size]
        shown = [self._renderer.entity(entity, record, expand, options.select) for record in page]
        following = None
        if len(window) > options.skiptoken + self._page_size:
            following = self._next_page(request, options)
        count = len(records) if options.inline_count else None
        if not wants_json(request, options):
            text = rendering.atom_feed(f"{self.root()}/{entity.name}", shown, count, following)
            return Response.text(200, text, _VERSION, media="application/atom+xml;type=feed")
        envelope: dict[str, Any] = {}
        if count is not None:
            envelope["__count"] = str(count)
        envelope["results"] = shown
        if following:
            envelope["__next"] = following
        return Response.of(200, {"d": envelope}, _VERSION)

    def _selected(self, resource: Resource, options: Options) -> list[Record]:
        entity, wanted = resource.entity, dict(resource.link)
        if options.filter is None:
            records = list(self.application.tables.where(entity, wanted))
        else:
            parsed = parse_filter(options.filter, entity)
            records = [
                record
                for record in self.application.tables.where(entity, {**parsed.equalities, **wanted})
                if parsed.passes(record)
            ]
        for name, descending in reversed(options.orderby):
            each = entity.properties.get(name)
            if each is None:
                raise errors.invalid_uri(f"Property {name} not found in type {entity.type}")
            records.sort(key=_order_by(each), reverse=descending)
        return records

    def _next_page(self, request: Request, options: Options) -> str:
        query = {**options.parameters, **options.given, "$skiptoken": str(options.skiptoken + self._page_size)}
        return f"{self._base_url()}{request.raw_path}?{urlencode(query, safe='$,', quote_via=quote)}"

    def _checked_expand(self, entity: EntitySet, options: Options) -> Tree:
        for path in options.expand:
            current = entity
            for name in path:
                navigation = current.navigations.get(name)
                if navigation is None:
                    raise errors.invalid_uri(f"Navigation property {name} not found in type {current.type}")
                current = self.service.sets[navigation.target]
        for path in options.select:
            if path[0] not in entity.properties and path[0] not in entity.navigations and path[0] != "*":
                raise errors.invalid_uri(f"Property {path[0]} not found in type {entity.type}")
        return expand_tree(options.expand)

    def _entity_response(
        self, status: int, shown: Mapping[str, Any], as_json: bool, *headers: tuple[str, str]
    ) -> Response:
        tag = shown["__metadata"].get("etag")
        more = (_VERSION, *((("etag", tag),) if tag else ()), *headers)
        if as_json:
            return Response.of(status, {"d": shown}, *more)
        return Response.text(status, rendering.atom_entry(shown), *more, media="application/atom+xml;type=entry")

    # Changing

    def _create(self, resource: Resource, request: Request, options: Options) -> Response:
        entity = resource.entity
        if resource.record is not None or resource.count or not entity.creatable:
            raise errors.not_allowed("POST", entity.name)
        check_json_body(request)
        draft = BodyReader(self.service, request.body).new_entity(entity)
        draft.values.update(resource.link)
        record = self.application.create(draft)
        tree = _nested(draft)
        shown = self._renderer.entity(entity, record, tree)
        location = ("location", self._renderer.uri(entity, record))
        return self._entity_response(201, shown, wants_json(request, options), location)

    def _change(self, resource: Resource, request: Request, *, replace: bool) -> Response:
        entity, record = resource.entity, resource.record
        if record is None or resource.property is not None or not entity.updatable:
            raise errors.not_allowed("PUT" if replace else "PATCH", entity.name)
        check_json_body(request)
        changes = BodyReader(self.service, request.body).changes(entity)
        self._check_precondition(entity, record, request)
        if replace:
            untouched = {
                name: each.initial
                for name, each in entity.properties.items()
                if each.updatable and name not in entity.keys
            }
            changes = {**untouched, **changes}
        self.application.update(entity, record, changes)
        return Response(204, headers=(_VERSION,))

    def _delete(self, resource: Resource, request: Request) -> Response:
        entity, record = resource.entity, resource.record
        if record is None or resource.property is not None or not entity.deletable:
            raise errors.not_allowed("DELETE", entity.name)
        self._check_precondition(entity, record, request)
        self.application.delete(entity, record)
        return Response(204, headers=(_VERSION,))

    def _check_precondition(self, entity: EntitySet, record: Record, request: Request) -> None:
        """A3: without If-Match 428, stale 412; the project service bears nothing but an asterisk (KBA 2962502)."""
        given = request.headers.get("if-match", "").strip()
        if entity.concurrency == "none" or given == "*":
            return
        if not given:
            raise errors.precondition_required(entity.name)
        if entity.concurrency == "asterisk":
            raise errors.assertion_failed()
        if given != self.application.tag(entity, record):
            raise errors.precondition_failed()

    # Function imports

    def _call(self, function: FunctionImport, method: str, request: Request, options: Options) -> Response:
        if method != function.method:
            raise errors.not_allowed(method, function.name)
        parameters = {each.name: self._parameter(each, options) for each in function.parameters}
        outcome = self.application.call(function, parameters)
        if function.entity_set:
            shown = self._renderer.entity(self.service.sets[function.entity_set], outcome)
            return self._entity_response(200, shown, wants_json(request, options))
        fields = self.service.complex_types[function.complex_type or ""].properties
        kind = {"__metadata": {"type": f"{self.service.name}.{function.complex_type}"}}
        results = [
            kind | {name: rendering.print_value(each, value[name], value) for name, each in fields.items()}
            for value in outcome
        ]
        return Response.of(200, {"d": {"results": results}}, _VERSION)

    def _parameter(self, each: Property, options: Options) -> Any:
        given = options.parameters.get(each.name)
        if given is None:
            raise errors.invalid_uri(f"Mandatory parameter '{each.name}' of the function import is missing")
        try:
            return canonical(each, edm.coerce_literal(each.kind, edm.read_literal(given)))
        except edm.EdmValueError:
            raise errors.invalid_uri(f"Malformed URI literal syntax in parameter '{each.name}'") from None


def _order_by(each: Property) -> Callable[[Record], Any]:
    """Nothing comes before something."""
    return lambda record: (record[each.name] is not None, comparable(each, record[each.name]))


def _nested(draft: Draft) -> Tree:
    """The answer to a deep insert shows inline what came inline."""
    tree: Tree = {}
    for name, children in draft.children.items():
        branch = tree.setdefault(name, {})
        for child in children:
            _merge(branch, _nested(child))
    return tree


def _merge(branch: Tree, more: Mapping[str, Tree]) -> None:
    for name, deeper in more.items():
        _merge(branch.setdefault(name, {}), deeper)


def tunnelled_method(request: Request) -> str:
    """The method, or the one that a POST stands for (`X-HTTP-Method`, for proxies that pass no PATCH)."""
    if request.method == "POST" and (tunnelled := request.headers.get("x-http-method")):
        return tunnelled.upper()
    return request.method


def wants_json(request: Request, options: Options) -> bool:
    """`$format` decides, else Accept; who does not name JSON gets Atom (A5)."""
    if options.format:
        return options.format == "json"
    return accepts_json(request.headers.get("accept", ""))


def accepts_json(accept: str) -> bool:
    return any(part.split(";")[0].strip() == "application/json" for part in accept.split(","))


def check_json_body(request: Request) -> None:
    """Bodies are read in JSON only: SAP's Atom format is not simulated, and says so."""
    media = request.headers.get("content-type", "").split(";")[0].strip()
    if media != "application/json":
        text = f"Unsupported content type '{media or 'none'}': send application/json"
        raise errors.SapError(415, errors.Message("/IWFND/CM_MGW/033", text))
