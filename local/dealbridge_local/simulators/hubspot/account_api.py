"""What describes the account: properties, pipelines, owners and the account's own details."""

from typing import Any

from dealbridge_local.simulators.hubspot.calls import Call, paged
from dealbridge_local.simulators.hubspot.errors import ApiError, invalid_request, not_found
from dealbridge_local.simulators.hubspot.instants import iso
from dealbridge_local.simulators.hubspot.object_types import ObjectType, object_type
from dealbridge_local.simulators.hubspot.properties import Property
from dealbridge_local.simulators.hubspot.records import Records
from dealbridge_local.simulators.wire import Response

OWNERS_PAGE = 500


class AccountApi:
    """`/crm/properties`, `/crm/pipelines`, `/crm/owners` and `/account-info`, dated and numbered."""

    def __init__(self, records: Records) -> None:
        self.records, self.portal = records, records.portal

    def answer_properties(self, call: Call) -> Response:
        if not call.path:
            raise ApiError(404, "resource not found")
        kind, catalog = object_type(call.path[0]), self.records.catalog
        match call.method, call.path[1:]:
            case "GET", ():
                shown = [] if call.flag("archived") else [each.describe() for each in catalog.all(kind)]
                return Response.of(200, {"results": shown})
            case "POST", ():
                return Response.of(201, self._create_property(kind, call.body))
            case "POST", ("batch", "read"):
                return self._read_properties(call, kind)
            case "POST", ("batch", "create"):
                made = [self._create_property(kind, each) for each in call.inputs]
                return Response.of(201, self._batch(made))
            case "POST", ("batch", "archive"):
                for each in call.inputs:
                    catalog.remove(kind, str(each.get("name")))
                return Response(204)
            case _, ("groups", *_):
                return self._answer_groups(call, kind, call.path[2:])
            case "GET", (name,):
                return Response.of(200, catalog.get(kind, name).describe())
            case "PATCH", (name,):
                changed = catalog.get(kind, name).changed(call.body, iso(self.records.clock()))
                return Response.of(200, catalog.replace(kind, changed).describe())
            case "DELETE", (name,):
                catalog.remove(kind, name)
                return Response(204)
        raise ApiError(405, "Method Not Allowed")

    def _answer_groups(self, call: Call, kind: ObjectType, path: tuple[str, ...]) -> Response:
        groups = self.records.catalog.groups(kind)
        match call.method, path:
            case "GET", ():
                return Response.of(200, {"results": [_group(name, label) for name, label in groups.items()]})
            case "POST", ():
                name, label = str(call.body.get("name") or ""), str(call.body.get("label") or "")
                if not name or not label:
                    raise invalid_request("Invalid input JSON: name and label are needed")
                if name in groups:
                    raise ApiError(409, f"A property group named '{name}' already exists.", "OBJECT_ALREADY_EXISTS")
                groups[name] = label
                return Response.of(201, _group(name, label))
            case (("GET" | "PATCH" | "DELETE"), (name,)):
                if name not in groups:
                    raise not_found(f"Property group '{name}' does not exist.")
                if call.method == "DELETE":
                    del groups[name]
                    return Response(204)
                if call.method == "PATCH":
                    groups[name] = str(call.body.get("label") or groups[name])
                return Response.of(200, _group(name, groups[name]))
        raise ApiError(405, "Method Not Allowed")

    def answer_pipelines(self, call: Call) -> Response:
        if not call.path or object_type(call.path[0]).name != "deals":
            return Response.of(200, {"results": []})
        order = {pipeline_id: place for place, pipeline_id in enumerate(self.portal.pipelines)}
        match call.method, call.path[1:]:
            case "GET", ():
                shown = [each.describe(order[each.id]) for each in self.portal.pipelines.values()]
                return Response.of(200, {"results": shown})
            case "POST", ():
                made = self.portal.add_pipeline(call.body)
                return Response.of(201, made.describe(len(order)))
            case "POST", (pipeline_id, "stages"):
                added = self.portal.add_stage(pipeline_id, call.body)
                return Response.of(201, added.describe(len(self.portal.pipeline(pipeline_id).stages) - 1))
            case "GET", (pipeline_id,):
                return Response.of(200, self.portal.pipeline(pipeline_id).describe(order[pipeline_id]))
            case "GET", (pipeline_id, "stages"):
                stages = self.portal.pipeline(pipeline_id).stages
                return Response.of(200, {"results": [each.describe(place) for place, each in enumerate(stages)]})
            case "GET", (pipeline_id, "stages", stage_id):
                pipeline = self.portal.pipeline(pipeline_id)
                stage = pipeline.stage(stage_id)
                if stage is None:
                    raise not_found(f"Stage {stage_id} not found in pipeline {pipeline_id}")
                return Response.of(200, stage.describe(pipeline.stages.index(stage)))
        raise ApiError(405, "Method Not Allowed")

    def answer_owners(self, call: Call) -> Response:
        match call.method, call.path:
            case "GET", ():
                email = call.param("email")
                owners = [] if call.flag("archived") else list(self.portal.owners.values())
                found = [each for each in owners if email in (None, each["email"])]
                page, after = paged(found, call.param("after"), call.number("limit", 100, OWNERS_PAGE))
                answer: dict[str, Any] = {"results": list(page)}
                if after:
                    answer["paging"] = {"next": {"after": after, "link": f"?after={after}"}}
                return Response.of(200, answer)
            case "GET", (owner_id,):
                key = "userId" if call.param("idProperty") == "userId" else "id"
                for each in self.portal.owners.values():
                    if str(each[key]) == owner_id:
                        return Response.of(200, each)
                raise not_found(f"Owner {owner_id} not found")
        raise ApiError(405, "Method Not Allowed")

    def answer_details(self, call: Call) -> Response:
        if call.method != "GET" or call.path != ("details",):
            raise ApiError(404, "resource not found")
        return Response.of(
            200,
            {
                "portalId": self.portal.id,
                "accountType": "STANDARD",
                "timeZone": self.portal.time_zone,
                "companyCurrency": self.portal.home_currency,
                "additionalCurrencies": list(self.portal.exchange_rates),
                "uiDomain": "app.hubspot.com",
                "dataHostingLocation": "na1",
            },
        )

    def _create_property(self, kind: ObjectType, given: dict[str, Any]) -> dict[str, Any]:
        definition = Property.parse(given, iso(self.records.clock()))
        return self.records.catalog.add(kind, definition).describe()

    def _read_properties(self, call: Call, kind: ObjectType) -> Response:
        found, errors = [], []
        for each in call.inputs:
            try:
                found.append(self.records.catalog.get(kind, str(each.get("name"))).describe())
            except ApiError as error:
                errors.append(error.as_item(name=[str(each.get("name"))]))
        body = self._batch(found)
        if errors:
            return Response.of(207, body | {"numErrors": len(errors), "errors": errors})
        return Response.of(200, body)

    def _batch(self, results: list[dict[str, Any]]) -> dict[str, Any]:
        now = iso(self.records.clock())
        return {"status": "COMPLETE", "results": results, "startedAt": now, "completedAt": now}


def _group(name: str, label: str) -> dict[str, Any]:
    return {"name": name, "label": label, "displayOrder": -1, "archived": False}
