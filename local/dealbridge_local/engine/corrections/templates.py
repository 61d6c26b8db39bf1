"""CloudFormation: state machines written in YAML, HTTP APIs described by an OpenAPI body."""

import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import yaml
from ministack.services import apigateway, stepfunctions
from ministack.services.cloudformation import provisioners

from dealbridge_local.engine.corrections.wrapping import MinistackChangedError, replace_once, wrap

Original = Callable[..., Any]


def apply() -> None:
    wrap(provisioners, "_sfn_definition", ("props",), read_the_definition)
    wrap(provisioners, "_apigw_v2_api_create", ("logical_id", "props", "stack_name"), create_api_with_its_routes)
    wrap(
        provisioners,
        "_apigw_v2_api_update",
        ("physical_id", "old_props", "new_props", "stack_name", "logical_id"),
        update_api_with_its_routes,
    )
    wrap(apigateway, "_invoke_lambda_proxy", _PROXY_PARAMETERS, answer_500_for_a_failed_function)
    route_options_without_cors()
    api = provisioners._RESOURCE_HANDLERS.get("AWS::ApiGatewayV2::Api", {})
    if not {"create", "update"} <= api.keys():
        raise MinistackChangedError("provisioners._RESOURCE_HANDLERS", "create and update of an HTTP API", str(api))
    api["create"] = provisioners._apigw_v2_api_create
    api["update"] = provisioners._apigw_v2_api_update


# State machines in YAML ----------------------------------------------------------------------------------------------


class _StatesLoader(yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader):  # type: ignore[misc]
    """YAML without dates: a definition is JSON in the end, where a date is a string."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - the shape PyYAML asks for
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def read_the_definition(read: Original, props: Mapping[str, Any]) -> str:
    """The definition as JSON text, whether it was written as JSON or as YAML.

    SAM reference, AWS::Serverless::StateMachine, DefinitionUri: the file may be YAML. MiniStack stores the text as it
    is and cannot run it. Substitutions are made before this, in the text. As on AWS, a definition that cannot be read
    or that carries a malformed JSONata expression fails the deployment.
    """
    text: str = read(props)
    try:
        definition = json.loads(text)
    except json.JSONDecodeError:
        try:
            # The loader is a SafeLoader.
            definition = yaml.load(text, _StatesLoader)  # noqa: S506
        except yaml.YAMLError as error:
            raise ValueError(f"Invalid State Machine Definition: neither JSON nor YAML: {error}") from error
        if not isinstance(definition, dict):
            raise ValueError("Invalid State Machine Definition: not a mapping") from None  # noqa: TRY004
        text = json.dumps(definition)
    if refusal := stepfunctions._validate_definition_jsonata(text):
        raise ValueError(f"Invalid State Machine Definition: {refusal}")
    return text


# HTTP APIs -----------------------------------------------------------------------------------------------------------

# SAM turns the HttpApi events of all functions into one OpenAPI document, the Body of the API, with API Gateway's
# extensions ("Working with OpenAPI definitions for HTTP APIs"). MiniStack creates the API without reading it, so
# that every request is answered 404.


def create_api_with_its_routes(create: Original, logical_id: str, props: Mapping[str, Any], stack_name: str) -> Any:
    api_id, attributes = create(logical_id, _with_cors(props), stack_name)
    _import_body(api_id, props.get("Body"))
    return api_id, attributes


def update_api_with_its_routes(
    update: Original,
    physical_id: str,
    old_props: Mapping[str, Any],
    new_props: Mapping[str, Any],
    stack_name: str,
    logical_id: str | None = None,
) -> Any:
    api_id, attributes = update(physical_id, _with_cors(old_props), _with_cors(new_props), stack_name, logical_id)
    if api_id == physical_id and new_props.get("Body"):
        for store in (apigateway._routes, apigateway._integrations, apigateway._authorizers):
            store[api_id] = {}
        _import_body(api_id, new_props["Body"])
    return api_id, attributes


def _with_cors(props: Mapping[str, Any]) -> Mapping[str, Any]:
    cors = (props.get("Body") or {}).get("x-amazon-apigateway-cors")
    return {**props, "CorsConfiguration": cors} if cors else props


def _import_body(api_id: str, body: Mapping[str, Any] | None) -> None:
    if not body:
        return
    authorizers = {
        name: (_created(apigateway._create_authorizer(api_id, data))["authorizerId"], data["authorizerType"])
        for name, data in _authorizers(body)
    }
    for route_key, operation in _operations(body):
        integration = operation["x-amazon-apigateway-integration"]
        integration_id = _created(
            apigateway._create_integration(
                api_id,
                {
                    "integrationType": integration["type"].upper(),
                    "integrationUri": integration["uri"],
                    "integrationMethod": integration.get("httpMethod", "POST"),
                    "payloadFormatVersion": integration.get("payloadFormatVersion", "2.0"),
                    "timeoutInMillis": integration.get("timeoutInMillis", 30000),
                },
            )
        )["integrationId"]
        route = {"routeKey": route_key, "target": f"integrations/{integration_id}"}
        scheme: dict[str, Any] = {}
        for name, scopes in _security(operation):
            if name not in authorizers:
                raise ValueError(f"{route_key}: security scheme {name} is not supported by the local engine")
            authorizer_id, kind = authorizers[name]
            scheme = {"authorizerId": authorizer_id, "authorizationType": "JWT" if kind == "JWT" else "CUSTOM"}
            if scopes:
                scheme["authorizationScopes"] = scopes
        _created(apigateway._create_route(api_id, {**route, **scheme}))


def _operations(body: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for path, methods in (body.get("paths") or {}).items():
        for method, operation in methods.items():
            if isinstance(operation, dict) and "x-amazon-apigateway-integration" in operation:
                name = "ANY" if method == "x-amazon-apigateway-any-method" else method.upper()
                yield ("$default" if path in ("$default", "/$default") else f"{name} {path}"), operation


def _security(operation: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    for requirement in operation.get("security") or []:
        for name, scopes in requirement.items():
            if name != "NONE":
                yield name, scopes


def _authorizers(body: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, scheme in ((body.get("components") or {}).get("securitySchemes") or {}).items():
        described = scheme.get("x-amazon-apigateway-authorizer")
        if not described:
            continue
        source = described.get("identitySource")
        data = {key: value for key, value in described.items() if key not in ("type", "identitySource")}
        if source:
            data["identitySource"] = source.split(",") if isinstance(source, str) else source
        yield name, {**data, "name": name, "authorizerType": described["type"].upper()}


_PROXY_PARAMETERS = (
    *("integration", "api_id", "stage", "path", "method", "headers", "body", "query_params", "route_key"),
    *("path_params", "authorizer_claims", "authorizer_scopes", "authorizer_lambda_context", "authorizer_iam"),
    *("owner_account_id", "owner_region", "raw_query_string"),
)


async def answer_500_for_a_failed_function(invoke: Original, *args: Any, **kwargs: Any) -> tuple[int, Any, bytes]:
    """The caller of an HTTP API learns nothing of the function's error; MiniStack answers 502 with its stack trace."""
    status, headers, body = await invoke(*args, **kwargs)
    if status == 502 and b'"errorType"' in body and b'"errorMessage"' in body:
        return 500, {"Content-Type": "application/json"}, b'{"message":"Internal Server Error"}'
    return status, headers, body


def route_options_without_cors() -> None:
    """OPTIONS is a method like any other where the API has no CORS configuration.

    API Gateway developer guide, "Configure CORS for HTTP APIs": it answers OPTIONS itself where CORS is configured.
    MiniStack does so always, and refuses where it is not. The condition is changed in the function's source: it stands
    before everything that could be wrapped.
    """
    original = apigateway._handle_execute_in_scope
    if hasattr(original, "corrected_by"):
        return
    old, new = 'if method == "OPTIONS":', 'if method == "OPTIONS" and cors_cfg:'
    source = replace_once(inspect.getsource(original), old, new, "apigateway._handle_execute_in_scope")
    exec(compile(source, apigateway.__file__, "exec"), vars(apigateway))  # noqa: S102 (MiniStack's own code)
    apigateway._handle_execute_in_scope.corrected_by = route_options_without_cors


def _created(response: tuple[int, Any, bytes]) -> dict[str, Any]:
    status, _, body = response
    answer: dict[str, Any] = json.loads(body)
    if status >= 400:
        raise ValueError(f"HTTP API: {answer}")
    return answer
