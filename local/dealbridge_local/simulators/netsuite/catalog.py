"""The metadata catalog: what each record type looks like, from the very tables that requests are checked against.

JSON Schema per section_1545129726, OpenAPI 3.0 per section_1545126526.
"""

from collections.abc import Mapping
from typing import Any

from dealbridge_local.simulators.netsuite.account import Account
from dealbridge_local.simulators.netsuite.errors import Refusal, nonexistent
from dealbridge_local.simulators.netsuite.fields import Field, Kind, RecordType
from dealbridge_local.simulators.netsuite.record_types import TYPES, record_type
from dealbridge_local.simulators.wire import Request, Response

_SWAGGER = "application/swagger+json"
_SCHEMA = "application/schema+json"
_PATH = "metadata-catalog"

_JSON_TYPES: Mapping[Kind, dict[str, str]] = {
    Kind.STRING: {"type": "string"},
    Kind.INTEGER: {"type": "integer", "format": "int64"},
    Kind.NUMBER: {"type": "number", "format": "double"},
    Kind.BOOLEAN: {"type": "boolean"},
    Kind.DATE: {"type": "string", "format": "date"},
    Kind.DATETIME: {"type": "string", "format": "date-time"},
    Kind.DURATION: {"type": "string"},
}


def answer(account: Account, request: Request, parts: list[str]) -> Response:
    if request.method != "GET":
        raise Refusal(405, "INVALID_REQUEST", "The metadata catalog can only be read.")
    accept = request.headers.get("accept", "")
    if len(parts) > 1 or (parts and "," in parts[0]):
        raise Refusal(
            400, "INVALID_REQUEST", "The request could not be understood by the server due to malformed syntax."
        )
    selected = parts or [name.strip() for name in request.params.get("select", "").split(",") if name.strip()]
    kinds = [_kind(name) for name in selected] or list(TYPES.values())
    if _SWAGGER in accept:
        return Response.of(200, _openapi(account, kinds), media=_SWAGGER)
    if parts:
        return Response.of(200, _schema(kinds[0]), media=_SCHEMA)
    return Response.of(200, {"items": [_entry(account, kind) for kind in kinds]})


def _kind(name: str) -> RecordType:
    kind = record_type(name)
    if kind is None:
        raise nonexistent()
    return kind


def _entry(account: Account, kind: RecordType) -> dict[str, Any]:
    href = account.link(_PATH, kind.name)
    links = [{"rel": "canonical", "href": href, "mediaType": "application/json"}]
    links += [{"rel": "alternate", "href": href, "mediaType": media} for media in (_SWAGGER, _SCHEMA)]
    return {"name": kind.name, "links": [*links, {"rel": "describes", "href": account.link(kind.name)}]}


def _schema(kind: RecordType) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": _properties(kind),
        "x-ns-filterable": sorted(name for name, field in kind.fields.items() if field.kind is not Kind.SUBRECORD),
        "$schema": "https://json-schema.org/draft-06/hyper-schema#",
    }


def _properties(kind: RecordType) -> dict[str, Any]:
    properties = {name: _field(field) for name, field in kind.fields.items()}
    for name, sublist in kind.sublists.items():
        lines = {"type": "object", "properties": {part: _field(field) for part, field in sublist.fields.items()}}
        properties[name] = {"type": "object", "properties": {"items": {"type": "array", "items": lines}}}
    return properties


def _field(field: Field) -> dict[str, Any]:
    described: dict[str, Any]
    match field.kind:
        case Kind.REFERENCE:
            described = _object("id", "refName", "externalId")
        case Kind.CHOICE:
            described = _object("id", "refName")
            shown = field.choices.values() if field.by_label else field.choices
            described["properties"]["id"]["enum"] = list(shown)
        case Kind.SUBRECORD:
            parts = {name: _field(part) for name, part in field.fields.items()}
            described = {"type": "object", "properties": parts}
        case kind:
            described = dict(_JSON_TYPES[kind])
    return {**described, "nullable": True, **({"readOnly": True} if field.read_only else {})}


def _object(*names: str) -> dict[str, Any]:
    return {"type": "object", "properties": {name: {"type": "string"} for name in names}}


def _openapi(account: Account, kinds: list[RecordType]) -> dict[str, Any]:
    paths: dict[str, Any] = {}
    for kind in kinds:
        many = ("get", "post") if kind.writable else ("get",)
        one = ("get", "patch", "put", "delete") if kind.writable else ("get",)
        paths[f"/{kind.name}"] = {verb: _operation(kind, verb) for verb in many}
        paths[f"/{kind.name}/{{id}}"] = {verb: _operation(kind, verb) for verb in one}
    return {
        "openapi": "3.0.1",
        "info": {"title": "NetSuite REST Record API", "version": "v1"},
        "servers": [{"url": account.link()}],
        "paths": paths,
        "components": {"schemas": {kind.name: {"type": "object", "properties": _properties(kind)} for kind in kinds}},
    }


def _operation(kind: RecordType, verb: str) -> dict[str, Any]:
    schema = {"schema": {"$ref": f"#/components/schemas/{kind.name}"}}
    operation: dict[str, Any] = {"tags": [kind.name], "responses": {"default": {"description": "Error response."}}}
    if verb in {"post", "patch", "put"}:
        operation["requestBody"] = {"content": {"application/vnd.oracle.resource+json; type=singular": schema}}
    return operation
