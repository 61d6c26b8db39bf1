"""Association calls: v4 and dated (types by id, labels), and v3 (types by name); docs: associations guide.

`toObjectId` is a JSON integer on the wire while `from.id` is text, and "no association" comes as an entry of `errors`
in a 207 (recorded answers; vendor document C2).
"""

from typing import Any

from dealbridge_local.simulators.hubspot.association_types import AssociationType
from dealbridge_local.simulators.hubspot.associations import Associated, Associations, End, Link
from dealbridge_local.simulators.hubspot.calls import Call, limited, paged
from dealbridge_local.simulators.hubspot.errors import ApiError, invalid_request
from dealbridge_local.simulators.hubspot.instants import iso
from dealbridge_local.simulators.hubspot.object_types import ObjectType, object_type
from dealbridge_local.simulators.wire import Response

PAGE = 500
READ_INPUTS = 1000
CREATE_INPUTS = 2000


class AssociationsApi:
    """All association calls. `ids_as_text`: the 2026-09 specification types `toObjectId` as text."""

    def __init__(self, associations: Associations, *, ids_as_text: bool) -> None:
        self.associations = associations
        self._ids_as_text = ids_as_text

    def answer_single(self, call: Call, kind: ObjectType, record_id: str, path: tuple[str, ...]) -> Response:
        """`.../objects/{type}/{id}/associations/...`; `path` is what follows."""
        match call.method, path:
            case "GET", (to,):
                return self._list(call, End(kind, record_id), object_type(to))
            case "PUT", ("default", to, to_id):
                pair = (End(kind, record_id), End(object_type(to), to_id))
                self.associations.link(Link(*pair), call.source)
                return self._defaults([pair])
            case "PUT", (to, to_id):
                return self._put(call, End(kind, record_id), End(object_type(to), to_id))
            case "PUT", (to, to_id, name):
                end = End(object_type(to), to_id)
                chosen = self.associations.types.named(kind, end.kind, name)
                self.associations.link(Link(End(kind, record_id), end, (chosen,)), call.source)
                return Response.of(200, {"id": record_id, "properties": {}})
            case "DELETE", (to, to_id, *_):
                self.associations.unlink(Link(End(kind, record_id), End(object_type(to), to_id)), call.source)
                return Response(204)
        raise ApiError(405, "Method Not Allowed")

    def answer_batch(self, call: Call) -> Response:
        """`.../associations/{from}/{to}/...`."""
        if len(call.path) < 3:
            raise ApiError(404, "resource not found")
        from_kind, to_kind = object_type(call.path[0]), object_type(call.path[1])
        numbered_v3 = call.route.version == "v3"
        match call.method, call.path[2:]:
            case "POST", ("batch", "read"):
                return self._read(call, from_kind, to_kind, named=numbered_v3)
            case "POST", ("batch", "create"):
                return self._create(call, from_kind, to_kind, named=numbered_v3)
            case "POST", ("batch", "associate", "default"):
                pairs = [
                    (End(from_kind, each_from), End(to_kind, each_to))
                    for each_from, each_to in map(_pair, limited(call.inputs, CREATE_INPUTS))
                ]
                for start, end in pairs:
                    self.associations.link(Link(start, end), call.source)
                return self._defaults(pairs)
            case "POST", ("batch", "archive"):
                self._archive(call, from_kind, to_kind)
                return Response(204)
            case "POST", ("batch", "labels", "archive"):
                for each in limited(call.inputs, CREATE_INPUTS):
                    one, other = _pair(each)
                    types = self._types(from_kind, to_kind, each.get("types"))
                    self.associations.unlink(Link(End(from_kind, one), End(to_kind, other), types), call.source)
                return Response(204)
            case "GET", ("labels",):
                known = self.associations.types.between(from_kind, to_kind)
                return Response.of(200, {"results": [each.describe() for each in known]})
            case "POST", ("labels",):
                return self._add_label(call, from_kind, to_kind)
            case "PUT", ("labels",):
                type_id, label = int(call.body.get("associationTypeId") or 0), str(call.body.get("label") or "")
                inverse = call.body.get("inverseLabel")
                self.associations.types.relabel(from_kind, to_kind, type_id, label, inverse)
                return Response(204)
            case "DELETE", ("labels", type_id) if type_id.isdigit():
                self.associations.types.remove_label(from_kind, to_kind, int(type_id))
                return Response(204)
            case "GET", ("types",):
                known = self.associations.types.between(from_kind, to_kind)
                return Response.of(200, {"results": [{"id": str(e.type_id), "name": e.name} for e in known]})
        raise ApiError(404, "resource not found")

    # The shapes

    def _shown(self, associated: Associated) -> dict[str, Any]:
        return {
            "toObjectId": associated.id if self._ids_as_text else int(associated.id),
            "associationTypes": [each.describe() for each in associated.types],
        }

    def _batch(self, results: list[Any], errors: list[dict[str, Any]], status: int = 200) -> Response:
        now = iso(self.associations.records.clock())
        body: dict[str, Any] = {"status": "COMPLETE", "results": results, "startedAt": now, "completedAt": now}
        if errors:
            body |= {"numErrors": len(errors), "errors": errors}
        return Response.of(207 if errors else status, body)

    # The calls

    def _list(self, call: Call, start: End, to_kind: ObjectType) -> Response:
        self.associations.records.get_by(*start)
        found = self.associations.of(start, to_kind)
        page, after = paged(found, call.param("after"), call.number("limit", PAGE, PAGE))
        if call.route.version == "v3":
            results: list[dict[str, Any]] = [{"id": each.id, "type": one.name} for each in page for one in each.types]
        else:
            results = [self._shown(each) for each in page]
        answer: dict[str, Any] = {"results": results}
        if after:
            answer["paging"] = {"next": {"after": after, "link": f"?after={after}"}}
        return Response.of(200, answer)

    def _put(self, call: Call, start: End, end: End) -> Response:
        try:
            given = call.request.json()
        except ValueError as error:
            raise invalid_request(f"Invalid input JSON: {error}") from error
        types = self._types(start.kind, end.kind, given)
        made = self.associations.link(Link(start, end, types), call.source)
        return Response.of(
            201,
            {
                "fromObjectTypeId": start.kind.type_id,
                "fromObjectId": int(start.id),
                "toObjectTypeId": end.kind.type_id,
                "toObjectId": int(end.id),
                "labels": [each.label for each in made if each.label],
            },
        )

    def _types(self, start: ObjectType, end: ObjectType, given: Any) -> tuple[AssociationType, ...]:
        if not isinstance(given, list) or not given:
            raise invalid_request("Invalid input JSON: a list of association types is needed")
        try:
            ids = [int(each["associationTypeId"]) for each in given]
        except (KeyError, TypeError, ValueError) as error:
            raise invalid_request("Invalid input JSON: each type needs an associationTypeId") from error
        return tuple(self.associations.types.get(start, end, type_id) for type_id in ids)

    def _defaults(self, pairs: list[tuple[End, End]]) -> Response:
        results = []
        for start, end in pairs:
            default = self.associations.types.default(start.kind, end.kind)
            for one, other, type_id in ((start, end, default.type_id), (end, start, default.inverse_id)):
                spec = {"associationCategory": default.category, "associationTypeId": type_id}
                results.append({"from": {"id": one.id}, "to": {"id": other.id}, "associationSpec": spec})
        return self._batch(results, [])

    def _read(self, call: Call, start: ObjectType, end: ObjectType, *, named: bool) -> Response:
        results, errors = [], []
        for each in limited(call.inputs, READ_INPUTS):
            from_id = str(each.get("id"))
            found = self.associations.of(End(start, from_id), end)
            if not found:
                errors.append(_no_association(start, from_id, end).as_item())
                continue
            page, after = paged(found, each.get("after"), PAGE)
            result: dict[str, Any] = {"from": {"id": from_id}}
            if named:
                result["to"] = [{"id": one.id, "type": kind.name} for one in page for kind in one.types]
            else:
                result["to"] = [self._shown(one) for one in page]
            if after:
                result["paging"] = {"next": {"after": after, "link": f"?after={after}"}}
            results.append(result)
        return self._batch(results, errors)

    def _create(self, call: Call, start: ObjectType, end: ObjectType, *, named: bool) -> Response:
        results: list[dict[str, Any]] = []
        errors: list[dict[str, Any]] = []
        for each in limited(call.inputs, CREATE_INPUTS):
            from_id, to_id = _pair(each)
            one, other = End(start, from_id), End(end, to_id)
            if named:
                types: tuple[AssociationType, ...] = (self.associations.types.named(start, end, str(each.get("type"))),)
            else:
                types = self._types(start, end, each.get("types"))
            try:
                made = self.associations.link(Link(one, other, types), call.source)
            except ApiError as error:
                errors.append(error.as_item(fromObjectId=[from_id], toObjectId=[to_id]))
                continue
            if named:
                results.append({"from": {"id": from_id}, "to": {"id": to_id}, "type": types[0].name})
            else:
                results.append(
                    {
                        "fromObjectTypeId": start.type_id,
                        "fromObjectId": int(from_id),
                        "toObjectTypeId": end.type_id,
                        "toObjectId": int(to_id),
                        "labels": [kind.label for kind in made if kind.label],
                    }
                )
        return self._batch(results, errors, 201)

    def _archive(self, call: Call, start: ObjectType, end: ObjectType) -> None:
        for each in limited(call.inputs, CREATE_INPUTS):
            targets = each.get("to")
            ends = targets if isinstance(targets, list) else [targets]
            for target in ends:
                one, other = _pair({"from": each.get("from"), "to": target})
                self.associations.unlink(Link(End(start, one), End(end, other)), call.source)

    def _add_label(self, call: Call, start: ObjectType, end: ObjectType) -> Response:
        name, label = call.body.get("name"), call.body.get("label")
        if not name or not label:
            raise invalid_request("Invalid input JSON: name and label are needed")
        made = self.associations.types.add_label(start, end, str(name), str(label), call.body.get("inverseLabel"))
        # 200 and no 201, as the official client has it.
        return Response.of(200, {"results": [each.describe() for each in made]})


def _pair(given: dict[str, Any]) -> tuple[str, str]:
    try:
        return str(given["from"]["id"]), str(given["to"]["id"])
    except (KeyError, TypeError) as error:
        raise invalid_request("Invalid input JSON: from.id and to.id are needed") from error


def _no_association(start: ObjectType, from_id: str, end: ObjectType) -> ApiError:
    return ApiError(
        404,
        f"No {end.singular} is associated with {start.singular} {from_id}.",
        "OBJECT_NOT_FOUND",
        sub_category="crm.associations.NO_ASSOCIATIONS_FOUND",
        context={
            "fromObjectId": [from_id],
            "fromObjectType": [start.singular],
            "toObjectType": [end.singular],
        },
    )
