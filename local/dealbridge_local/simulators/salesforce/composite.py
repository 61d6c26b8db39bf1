"""Many operations in one call: composite, batch, collections and tree (REST API guide, "Composite Resources")."""

import re
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any
from urllib.parse import quote, unquote

from dealbridge_local.simulators.salesforce.errors import ApiError, method_not_allowed, not_found, unsupported_type
from dealbridge_local.simulators.salesforce.ids import canonical
from dealbridge_local.simulators.salesforce.records import AmbiguousKeyError
from dealbridge_local.simulators.salesforce.rest import Answer, Call, RestApi
from dealbridge_local.simulators.salesforce.schema import SObject

_MOST_SUBREQUESTS = 25
_MOST_QUERIES = 5
_MOST_RECORDS = 200
_MOST_TYPE_CHUNKS = 10
_MOST_RETRIEVED = 2000
_FORBIDDEN_HEADERS = frozenset({"accept", "authorization", "content-type"})
_URL = re.compile(r"/services/data/v(\d+\.0)/([^?]*)(?:\?(.*))?", re.DOTALL)
_REFERENCE = re.compile(r"@\{([^}]+)\}")
_STEP = re.compile(r"\.?([^.\[\]]+)|\[(\d+)\]")


class CompositeApi:
    """The resources under /composite, over the single operations of `rest`."""

    def __init__(self, rest: RestApi) -> None:
        self._rest = rest
        self._records = rest.records
        self._database = rest.database

    def answer(self, call: Call) -> Answer:
        match call.segments:
            case ["composite"]:
                return self._posted(call, self._composite)
            case ["composite", "batch"]:
                return self._posted(call, self._batch)
            case ["composite", "tree", name]:
                return self._tree(call, self._type(name))
            case ["composite", "sobjects", *rest]:
                return self._collection(call, rest)
            case _:
                raise not_found()

    def _posted(self, call: Call, answer: Any) -> Answer:
        if call.method != "POST":
            raise method_not_allowed(call.method)
        return Answer(200, answer(call))

    def _type(self, name: str) -> SObject:
        sobject = self._database.schema.find(name)
        if sobject is None:
            raise not_found()
        return sobject

    # Composite

    def _composite(self, call: Call) -> dict[str, Any]:
        given = call.record()
        requests = given.get("compositeRequest")
        if not isinstance(requests, list) or not requests:
            raise ApiError(400, "JSON_PARSER_ERROR", "compositeRequest must be a list of subrequests")
        _check_subrequests(requests)
        if given.get("allOrNone") is True:
            return {"compositeResponse": self._all_or_none(call, requests)}
        results: dict[str, Any] = {}
        return {"compositeResponse": [self._subrequest(call, each, results) for each in requests]}

    def _all_or_none(self, call: Call, requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
        results: dict[str, Any] = {}
        answers: list[dict[str, Any]] = []
        try:
            with self._database.transaction():
                for each in requests:
                    answers.append(self._subrequest(call, each, results))
                    if answers[-1]["httpStatusCode"] >= 400:
                        raise _RolledBackError
        except _RolledBackError:
            failed = len(answers) - 1
            message = "The transaction was rolled back since another operation in the same transaction failed."
            return [
                answers[place] if place == failed else _halted(each["referenceId"], message)
                for place, each in enumerate(requests)
            ]
        return answers

    def _subrequest(self, call: Call, given: dict[str, Any], results: dict[str, Any]) -> dict[str, Any]:
        reference = given["referenceId"]
        try:
            inner = _inner_call(call, _resolved(given, results))
        except LookupError as missing:
            message = f"Invalid reference specified. No value for {missing.args[0]} found."
            return _halted(reference, message)
        except ApiError as error:
            return _composite_result(reference, Answer(error.status, error.body()))
        answer = self._try(inner)
        results[reference] = answer.body if answer.status < 300 else None
        return _composite_result(reference, answer)

    def _try(self, inner: Call) -> Answer:
        """One operation inside a composite: alone in its transaction, its error an answer."""
        try:
            with self._database.transaction():
                if inner.path.split("/")[0] == "composite":
                    return self.answer(inner)
                return self._rest.answer(inner)
        except ApiError as error:
            return Answer(error.status, error.body())

    def _batch(self, call: Call) -> dict[str, Any]:
        given = call.record()
        requests = given.get("batchRequests")
        if not isinstance(requests, list) or len(requests) > _MOST_SUBREQUESTS:
            raise ApiError(400, "LIMIT_EXCEEDED", f"a batch holds 1 to {_MOST_SUBREQUESTS} subrequests")
        results: list[dict[str, Any]] = []
        for each in requests:
            if given.get("haltOnError") and any(result["statusCode"] >= 400 for result in results):
                halted = [{"errorCode": "BATCH_PROCESSING_HALTED", "message": "Batch processing halted"}]
                results.append({"statusCode": 412, "result": halted})
                continue
            url = f"/services/data/{str(each.get('url', '')).removeprefix('/services/data/').lstrip('/')}"
            answer = self._try(_inner_call(call, {**each, "url": url, "body": each.get("richInput")}))
            results.append({"statusCode": answer.status, "result": answer.body})
        return {"hasErrors": any(result["statusCode"] >= 400 for result in results), "results": results}

    # Collections

    def _collection(self, call: Call, rest: list[str]) -> Answer:
        match call.method, rest:
            case "POST", []:
                return Answer(200, self._each(call, lambda record: self._create(call, record)))
            case "PATCH", []:
                return Answer(200, self._each(call, lambda record: self._update(call, record)))
            case "PATCH", [name, key]:
                sobject = self._type(name)
                self._records.key_field(sobject, key)
                return Answer(200, self._each(call, lambda record: self._upsert(call, sobject, key, record)))
            case "DELETE", []:
                ids = [each for each in call.params.get("ids", "").split(",") if each]
                all_or_none = call.params.get("allOrNone", "false").lower() == "true"
                return Answer(200, self._run(ids, all_or_none, lambda each: self._delete(call, each)))
            case "GET" | "POST", [name]:
                return Answer(200, self._retrieve(call, self._type(name)))
            case _:
                raise method_not_allowed(call.method)

    def _each(self, call: Call, write: Any) -> list[dict[str, Any]]:
        given = call.record()
        records = given.get("records")
        if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
            raise ApiError(400, "JSON_PARSER_ERROR", "records must be a list of records")
        types = [str((record.get("attributes") or {}).get("type", "")).lower() for record in records]
        chunks = sum(1 for place, name in enumerate(types) if place == 0 or types[place - 1] != name)
        if chunks > _MOST_TYPE_CHUNKS:
            raise ApiError(
                400, "LIMIT_EXCEEDED", f"cannot submit more than {_MOST_TYPE_CHUNKS} chunks of one type in a call"
            )
        return self._run(records, given.get("allOrNone") is True, write)

    def _run(self, items: list[Any], all_or_none: bool, write: Any) -> list[dict[str, Any]]:
        """One transaction and one event batch; HTTP 200 whatever became of the single records."""
        if len(items) > _MOST_RECORDS:
            raise ApiError(
                400,
                "EXCEEDED_ID_LIMIT",
                f"record limit reached. cannot submit more than {_MOST_RECORDS} records into this call",
            )
        results: list[dict[str, Any]] = []
        try:
            with self._database.transaction():
                for item in items:
                    results.append(self._one(item, write))
                if all_or_none and not all(result["success"] for result in results):
                    raise _RolledBackError
        except _RolledBackError:
            rolled_back = {
                "statusCode": "ALL_OR_NONE_OPERATION_ROLLED_BACK",
                "message": "Record rolled back because not all records were valid and the request was using AllOrNone "
                "header",
                "fields": [],
            }
            return [{"success": False, "errors": [rolled_back]} if result["success"] else result for result in results]
        return results

    def _one(self, item: Any, write: Any) -> dict[str, Any]:
        try:
            with self._database.transaction():
                saved: dict[str, Any] = write(item)
                return saved
        except AmbiguousKeyError as ambiguous:
            error = ApiError(
                300, "DUPLICATE_EXTERNAL_ID", f"more than one record found for external id field: {ambiguous}"
            )
            return {"success": False, "errors": [error.item()]}
        except ApiError as error:
            return {"success": False, "errors": [error.item()]}

    def _create(self, call: Call, record: Mapping[str, Any]) -> dict[str, Any]:
        name = (record.get("attributes") or {}).get("type")
        sobject = self._database.schema.find(str(name))
        if sobject is None:
            raise unsupported_type(str(name))
        return {"id": self._records.create(sobject, record, call.user_id), "success": True, "errors": []}

    def _update(self, call: Call, record: Mapping[str, Any]) -> dict[str, Any]:
        given = next((str(value) for name, value in record.items() if name.lower() == "id"), "")
        sobject = self._database.schema.of_id(given)
        if sobject is None or canonical(given) is None:
            raise ApiError(400, "MALFORMED_ID", f"malformed id {given}", ["Id"])
        body = {name: value for name, value in record.items() if name.lower() != "id"}
        self._records.update(sobject, given, body, call.user_id)
        return {"id": canonical(given), "success": True, "errors": []}

    def _upsert(self, call: Call, sobject: SObject, key: str, record: Mapping[str, Any]) -> dict[str, Any]:
        value = next((value for name, value in record.items() if name.lower() == key.lower()), None)
        if value is None:
            raise ApiError(400, "MISSING_ARGUMENT", f"{key} not specified", [])
        body = {name: held for name, held in record.items() if name.lower() != key.lower()}
        upserted = self._records.upsert(sobject, key, str(value), body, call.user_id)
        return {"id": upserted.record_id, "success": True, "errors": [], "created": upserted.created}

    def _delete(self, call: Call, given: str) -> dict[str, Any]:
        sobject = self._database.schema.of_id(given)
        if sobject is None or canonical(given) is None:
            raise ApiError(400, "MALFORMED_ID", f"malformed id {given}", [])
        self._records.delete(sobject, given, call.user_id)
        return {"id": canonical(given), "success": True, "errors": []}

    def _retrieve(self, call: Call, sobject: SObject) -> list[dict[str, Any] | None]:
        if call.method == "POST":
            given = call.record()
            ids, names = given.get("ids"), given.get("fields")
        else:
            ids, names = call.params.get("ids", "").split(","), call.params.get("fields", "").split(",")
        if not isinstance(ids, list) or not isinstance(names, list) or not names:
            raise ApiError(400, "MISSING_ARGUMENT", "ids and fields are required")
        if len(ids) > _MOST_RETRIEVED:
            raise ApiError(400, "EXCEEDED_ID_LIMIT", f"cannot retrieve more than {_MOST_RETRIEVED} records in a call")
        found: list[dict[str, Any] | None] = []
        for given_id in ids:
            record = self._database.get(sobject.name, canonical(str(given_id)) or "")
            alive = record is not None and not record["IsDeleted"]
            found.append(self._rest.shown(sobject, record, call.version, names) if record and alive else None)
        return found

    # Tree

    def _tree(self, call: Call, sobject: SObject) -> Answer:
        """Records with their children, all or none."""
        given = call.record().get("records")
        if call.method != "POST" or not isinstance(given, list):
            raise method_not_allowed(call.method)
        made: list[dict[str, Any]] = []
        try:
            with self._database.transaction():
                for record in given:
                    self._plant(call, sobject, record, {}, made)
        except _TreeError as failure:
            errors = [failure.error.item()]
            return Answer(400, {"hasErrors": True, "results": [{"referenceId": failure.reference, "errors": errors}]})
        return Answer(201, {"hasErrors": False, "results": made})

    def _plant(
        self, call: Call, sobject: SObject, record: dict[str, Any], parent: dict[str, str], made: list[dict[str, Any]]
    ) -> None:
        reference = str((record.get("attributes") or {}).get("referenceId", ""))
        nested = {name: value for name, value in record.items() if isinstance(value, dict) and "records" in value}
        body = {name: value for name, value in record.items() if name not in nested}
        try:
            record_id = self._records.create(sobject, {**body, **parent}, call.user_id)
        except ApiError as error:
            raise _TreeError(reference, error) from error
        made.append({"referenceId": reference, "id": record_id})
        for name, children in nested.items():
            related = self._database.schema.child(sobject, name)
            if related is None:
                raise _TreeError(reference, unsupported_type(name))
            child, field = related
            for each in children["records"]:
                self._plant(call, child, each, {field.name: record_id}, made)


class _RolledBackError(Exception):
    """One operation of an all-or-none call failed."""


class _TreeError(Exception):
    def __init__(self, reference: str, error: ApiError) -> None:
        super().__init__(str(error))
        self.reference = reference
        self.error = error


def _check_subrequests(requests: list[Any]) -> None:
    if len(requests) > _MOST_SUBREQUESTS:
        raise ApiError(400, "LIMIT_EXCEEDED", f"The number of subrequests exceeds the limit of {_MOST_SUBREQUESTS}")
    paths = [str(each.get("url", "")) if isinstance(each, dict) else "" for each in requests]
    # "Up to 5 of these subrequests can be sObject Collections or query and QueryAll requests."
    queries = sum(1 for path in paths if re.search(r"/(query|queryAll|composite/sobjects)\b", path.split("?")[0]))
    if queries > _MOST_QUERIES:
        raise ApiError(400, "LIMIT_EXCEEDED", f"More than {_MOST_QUERIES} query or collection subrequests")
    references = [each.get("referenceId") if isinstance(each, dict) else None for each in requests]
    if any(not isinstance(reference, str) or not reference for reference in references):
        raise ApiError(400, "JSON_PARSER_ERROR", "Every subrequest needs a referenceId")
    if len(set(references)) < len(references):
        raise ApiError(400, "INVALID_INPUT", "Duplicate ReferenceId provided for composite request")


def _inner_call(call: Call, given: Mapping[str, Any]) -> Call:
    match = _URL.fullmatch(str(given.get("url", "")))
    if match is None:
        raise not_found()
    headers = {str(name).lower(): str(value) for name, value in (given.get("httpHeaders") or {}).items()}
    if _FORBIDDEN_HEADERS & set(headers):
        raise ApiError(
            400, "INVALID_HEADER_VALUE", "Accept, Authorization and Content-Type belong to the outer request"
        )
    outer = {name: value for name, value in call.headers.items() if not name.startswith("if-")}
    return replace(
        call,
        method=str(given.get("method", "")).upper(),
        version=match[1],
        path=match[2].strip("/"),
        query=match[3] or "",
        headers={**outer, **headers},
        body=given.get("body"),
    )


def _composite_result(reference: str, answer: Answer) -> dict[str, Any]:
    return {
        "body": answer.body,
        "httpHeaders": dict(answer.headers),
        "httpStatusCode": answer.status,
        "referenceId": reference,
    }


def _halted(reference: str, message: str) -> dict[str, Any]:
    return _composite_result(reference, Answer(400, [{"errorCode": "PROCESSING_HALTED", "message": message}]))


def _resolved(given: Mapping[str, Any], results: Mapping[str, Any]) -> dict[str, Any]:
    """The subrequest with every `@{reference.path}` replaced. Raises LookupError naming one that has no value."""
    url = _REFERENCE.sub(
        lambda match: quote(str(_value_at(match[1], results)), safe=""), unquote_references(str(given.get("url", "")))
    )
    return {**given, "url": url, "body": _in_body(given.get("body"), results)}


def unquote_references(url: str) -> str:
    """Clients may send the marks of a reference percent-encoded."""
    return re.sub(r"%40%7B(.*?)%7D", lambda match: "@{" + unquote(match[1]) + "}", url, flags=re.IGNORECASE)


def _in_body(value: Any, results: Mapping[str, Any]) -> Any:
    if isinstance(value, dict):
        return {name: _in_body(each, results) for name, each in value.items()}
    if isinstance(value, list):
        return [_in_body(each, results) for each in value]
    if isinstance(value, str) and "@{" in value:
        whole = _REFERENCE.fullmatch(value)
        if whole:
            return _sendable(_value_at(whole[1], results))
        return _REFERENCE.sub(lambda match: str(_value_at(match[1], results)), value)
    return value


def _value_at(path: str, results: Mapping[str, Any]) -> Any:
    """`ref.field`, `ref.records[0].Id`; names are case-sensitive."""
    reference, _, rest = path.partition(".")
    bracket = reference.find("[")
    if bracket >= 0:
        reference, rest = path[:bracket], path[bracket:]
    value = results.get(reference)
    if value is None:
        raise LookupError(path)
    for step in _STEP.finditer(rest):
        try:
            value = value[step[1]] if step[1] else value[int(step[2])]
        except (KeyError, IndexError, TypeError):
            raise LookupError(path) from None
    if value is None:
        raise LookupError(path)
    return value


def _sendable(value: Any) -> Any:
    return Decimal(str(value)) if isinstance(value, float) else value
