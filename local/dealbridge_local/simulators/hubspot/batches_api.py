"""`.../batch/{read,create,update,upsert,archive}`: up to 100 records in one call (docs: CRM objects guide, limits)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from dealbridge_local.simulators.hubspot.association_types import AssociationType
from dealbridge_local.simulators.hubspot.associations import Associations, End, Link
from dealbridge_local.simulators.hubspot.calls import Call, limited, properties_of
from dealbridge_local.simulators.hubspot.errors import ApiError, invalid_request
from dealbridge_local.simulators.hubspot.instants import iso
from dealbridge_local.simulators.hubspot.object_types import ObjectType
from dealbridge_local.simulators.hubspot.objects_api import ObjectsApi
from dealbridge_local.simulators.hubspot.records import Draft, Records
from dealbridge_local.simulators.wire import Response

INPUTS = 100
INPUTS_WITH_HISTORY = 50


@dataclass
class Planned:
    """One input of a batch that has passed every check."""

    draft: Draft
    targets: Sequence[tuple[End, tuple[AssociationType, ...]]]
    trace_id: str | None


class BatchesApi:
    """Batch calls.

    Without `objectWriteTraceId` one bad input refuses the whole batch and nothing is written; with one on every input
    the good ones are written and the answer is a 207. Results come in the order of record ids, not of the inputs: in
    HubSpot their order is arbitrary.
    """

    def __init__(self, records: Records, associations: Associations, objects: ObjectsApi) -> None:
        self.records, self.associations, self.objects = records, associations, objects

    def answer(self, call: Call, kind: ObjectType, operation: str) -> Response:
        if call.method != "POST":
            raise ApiError(405, "Method Not Allowed")
        match operation:
            case "read":
                return self._read(call, kind)
            case "create":
                return self._write(call, kind, self._plan_create, 201)
            case "update":
                self._refuse_duplicates(call.inputs)
                return self._write(call, kind, self._plan_update, 200)
            case "upsert":
                self._refuse_duplicates(call.inputs)
                return self._write(call, kind, self._plan_upsert, 200, tells_new=True)
            case "archive":
                for each in limited(call.inputs, INPUTS):
                    self.associations.unlink_all(End(kind, str(each.get("id"))), call.source)
                    self.records.archive(kind, str(each.get("id")), call.source)
                return Response(204)
        raise ApiError(404, "resource not found")

    def _read(self, call: Call, kind: ObjectType) -> Response:
        history = [str(each) for each in call.body.get("propertiesWithHistory") or ()]
        inputs = limited(call.inputs, INPUTS_WITH_HISTORY if history else INPUTS)
        names = [str(each) for each in call.body.get("properties") or ()] or list(kind.returned)
        unique, found, missing = call.body.get("idProperty"), {}, []
        for each in inputs:
            record = self.records.find_by(kind, str(each.get("id")), unique)
            if record is None:
                missing.append(str(each.get("id")))
            else:
                found[record["id"]] = self.objects.show(kind, record, names, history)
        errors = [_missing(kind, missing).as_item()] if missing else []
        return self._answer(call, list(found.values()), errors, 200)

    def _write(
        self,
        call: Call,
        kind: ObjectType,
        plan: Callable[[Call, ObjectType, dict[str, Any]], Planned],
        status: int,
        *,
        tells_new: bool = False,
    ) -> Response:
        inputs = limited(call.inputs, INPUTS)
        traced = all(each.get("objectWriteTraceId") for each in inputs)
        results, errors = [], []
        if traced:
            for each in inputs:
                try:
                    planned = plan(call, kind, each)
                except ApiError as error:
                    errors.append(error.as_item(objectWriteTraceId=[str(each["objectWriteTraceId"])]))
                else:
                    results.append(self._carry_out(call, planned, tells_new=tells_new))
        else:
            plans = [plan(call, kind, each) for each in inputs]
            self.records.refuse_double_claims(planned.draft for planned in plans)
            results = [self._carry_out(call, planned, tells_new=tells_new) for planned in plans]
        return self._answer(call, results, errors, status)

    def _plan_create(self, call: Call, kind: ObjectType, given: dict[str, Any]) -> Planned:
        draft = self.records.draft_new(kind, properties_of(given), call.write_rules)
        targets = self.associations.parse_targets(kind, given.get("associations"))
        return Planned(draft, targets, given.get("objectWriteTraceId"))

    def _plan_update(self, call: Call, kind: ObjectType, given: dict[str, Any]) -> Planned:
        record_id = str(given.get("id"))
        self.records.refuse_own_id(kind, given.get("idProperty"))
        record = self.records.find_by(kind, record_id, given.get("idProperty"))
        if record is None:
            raise _missing(kind, [record_id])
        draft = self.records.draft_update(kind, record, properties_of(given), call.write_rules)
        return Planned(draft, (), given.get("objectWriteTraceId"))

    def _plan_upsert(self, call: Call, kind: ObjectType, given: dict[str, Any]) -> Planned:
        unique, key = given.get("idProperty"), str(given.get("id"))
        if not unique:
            raise invalid_request("idProperty must name a unique property of the object")
        self.records.refuse_own_id(kind, unique)
        record = self.records.find_by(kind, key, unique)
        if record is not None:
            draft = self.records.draft_update(kind, record, properties_of(given), call.write_rules)
        else:
            draft = self.records.draft_new(kind, {**properties_of(given), unique: key}, call.write_rules)
        return Planned(draft, (), given.get("objectWriteTraceId"))

    def _carry_out(self, call: Call, planned: Planned, *, tells_new: bool) -> dict[str, Any]:
        draft = planned.draft
        record, new = self.records.write(draft, call.source)
        for target, types in planned.targets:
            self.associations.link(Link(End(draft.kind, record["id"]), target, types), call.source)
        record = self.records.get_by(draft.kind, record["id"])
        shown = self.objects.show_written(draft, record, new=new)
        if planned.trace_id:
            shown["objectWriteTraceId"] = planned.trace_id
        return {**shown, "new": new} if tells_new else shown

    def _refuse_duplicates(self, inputs: Sequence[dict[str, Any]]) -> None:
        ids = [str(each.get("id")) for each in inputs]
        double = sorted({each for each in ids if ids.count(each) > 1})
        if double:
            message = f"Duplicate IDs found in batch input: [{', '.join(double)}]. IDs must be unique"
            raise invalid_request(message, ids=double)

    def _answer(self, call: Call, results: list[dict[str, Any]], errors: list[dict[str, Any]], status: int) -> Response:
        now = iso(self.records.clock())
        body: dict[str, Any] = {
            "status": "COMPLETE",
            "results": sorted(results, key=lambda each: int(each["id"])),
            "startedAt": now,
            "completedAt": now,
        }
        if errors:
            body |= {"numErrors": len(errors), "errors": errors}
        return Response.of(207 if errors else status, body)


def _missing(kind: ObjectType, ids: list[str]) -> ApiError:
    message = (
        f"Could not get some {kind.singular.upper()} objects, they may be deleted or not exist. "
        "Check that ids are valid."
    )
    return ApiError(404, message, "OBJECT_NOT_FOUND", context={"ids": ids})
