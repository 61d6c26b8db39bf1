"""`/crm/objects/{version}/{type}` and `/crm/v3/objects/{type}`: single records (docs: CRM objects guide)."""

from collections.abc import Iterable
from typing import Any

from dealbridge_local.simulators.hubspot.associations import Associations, End, Link
from dealbridge_local.simulators.hubspot.calls import Call, properties_of
from dealbridge_local.simulators.hubspot.errors import ApiError, invalid_request
from dealbridge_local.simulators.hubspot.object_types import ObjectType, object_type
from dealbridge_local.simulators.hubspot.records import Draft, Records
from dealbridge_local.simulators.store import Record
from dealbridge_local.simulators.wire import Response

LIST_LIMIT = 100


class ObjectsApi:
    """Reads and writes of single records, and the shape in which every API shows a record.

    `association_page` and `spaced_association_keys` concern `?associations=`: how many ids come with a record before
    paging begins, and whether line items stand under "line items" or "line_items".
    """

    def __init__(
        self,
        records: Records,
        associations: Associations,
        *,
        association_page: int,
        spaced_association_keys: bool,
        keeps_primary_id: bool,
    ) -> None:
        self.records, self.associations = records, associations
        self._association_page = association_page
        self._spaced = spaced_association_keys
        self._keeps_primary_id = keeps_primary_id

    def answer(self, call: Call, kind: ObjectType) -> Response:
        match call.method, call.path[1:]:
            case "GET", ():
                return self._list(call, kind)
            case "POST", ():
                return self._create(call, kind)
            case "POST", ("merge",):
                return self._merge(call, kind)
            case "GET", (record_id,):
                return self._read(call, kind, record_id)
            case "PATCH", (record_id,):
                return self._update(call, kind, record_id)
            case "DELETE", (record_id,):
                self.associations.unlink_all(End(kind, record_id), call.source)
                self.records.archive(kind, record_id, call.source)
                return Response(204)
        raise ApiError(405, "Method Not Allowed")

    # The shape

    def show(
        self, kind: ObjectType, record: Record, names: Iterable[str] | None = None, history: Iterable[str] = ()
    ) -> dict[str, Any]:
        """A record as HubSpot prints it; `names` None shows every property that has a value.

        A property asked for that has no value is null; one that does not exist is left out.
        """
        values = record["properties"]
        if names is None:
            shown = dict(values)
        else:
            wanted = dict.fromkeys([*names, *history, *kind.always_returned])
            shown = {name: values.get(name) for name in wanted if self.records.catalog.find(kind, name)}
        result: dict[str, Any] = {
            "id": record["id"],
            "properties": dict(sorted(shown.items())),
            "createdAt": record["createdAt"],
            "updatedAt": record["updatedAt"],
            "archived": record["archived"],
            "url": f"https://app.hubspot.com/contacts/{self.records.portal.id}/record/{kind.type_id}/{record['id']}",
        }
        if record["archived"]:
            result["archivedAt"] = record["archivedAt"]
        if history:
            result["propertiesWithHistory"] = {
                name: self.records.history(kind, record["id"], name)
                for name in history
                if self.records.catalog.find(kind, name)
            }
        return result

    def show_written(self, draft: Draft, record: Record, *, new: bool) -> dict[str, Any]:
        names = None if new else [*draft.values, *draft.kind.returned]
        shown = self.show(draft.kind, record, names)
        if draft.warnings:
            shown["warnings"] = draft.warnings
        return shown

    def requested(self, call: Call, kind: ObjectType) -> list[str]:
        return call.names("properties") or list(kind.returned)

    # The calls

    def _list(self, call: Call, kind: ObjectType) -> Response:
        limit = call.number("limit", 10, LIST_LIMIT)
        after = call.param("after") or "0"
        if not after.isdigit():
            raise invalid_request(f"after: {after} is not a cursor of this API")
        held = [each for each in self.records.all(kind, archived=call.flag("archived")) if int(each["id"]) > int(after)]
        page = held[:limit]
        names, history = self.requested(call, kind), call.names("propertiesWithHistory")
        results = [self.show(kind, each, names, history) | self._associated(call, kind, each) for each in page]
        answer: dict[str, Any] = {"results": results}
        if len(held) > limit:
            answer["paging"] = {"next": {"after": page[-1]["id"], "link": self._link(call, page[-1]["id"])}}
        return Response.of(200, answer)

    def _read(self, call: Call, kind: ObjectType, record_id: str) -> Response:
        unique = call.param("idProperty")
        if call.flag("archived"):
            record = self.records.find(kind, record_id, archived=True)
            if record is None:
                raise ApiError(404, "resource not found")
        else:
            record = self.records.get_by(kind, record_id, unique)
        names, history = self.requested(call, kind), call.names("propertiesWithHistory")
        return Response.of(200, self.show(kind, record, names, history) | self._associated(call, kind, record))

    def _create(self, call: Call, kind: ObjectType) -> Response:
        draft = self.records.draft_new(kind, properties_of(call.body), call.write_rules)
        targets = self.associations.parse_targets(kind, call.body.get("associations"))
        record, _ = self.records.write(draft, call.source)
        for target, types in targets:
            self.associations.link(Link(End(kind, record["id"]), target, types), call.source)
        record = self.records.get_by(kind, record["id"])
        location = ("Location", f"{call.request.path}/{record['id']}")
        return Response.of(201, self.show_written(draft, record, new=True)).with_headers(location)

    def _update(self, call: Call, kind: ObjectType, record_id: str) -> Response:
        record = self.records.get_by(kind, record_id, call.param("idProperty"))
        draft = self.records.draft_update(kind, record, properties_of(call.body), call.write_rules)
        written, _ = self.records.write(draft, call.source)
        return Response.of(200, self.show_written(draft, written, new=False))

    def _merge(self, call: Call, kind: ObjectType) -> Response:
        primary, other = str(call.body.get("primaryObjectId")), str(call.body.get("objectIdToMerge"))
        merged = self.records.merge(kind, primary, other, call.source, keep_id=self._keeps_primary_id)
        end = End(kind, merged["id"])
        for old in (other,) if self._keeps_primary_id else (primary, other):
            self.associations.move_all(End(kind, old), end, call.source)
        return Response.of(200, self.show(kind, self.records.get_by(kind, merged["id"]), kind.returned))

    def _associated(self, call: Call, kind: ObjectType, record: Record) -> dict[str, Any]:
        """`associations` of a read: one entry per record *and type*, so a primary company is there twice."""
        found: dict[str, Any] = {}
        for name in call.names("associations"):
            to_kind = object_type(name)
            entries = [
                {"id": each.id, "type": one.name}
                for each in self.associations.of(End(kind, record["id"]), to_kind)
                for one in each.types
            ]
            if not entries:
                continue
            collection: dict[str, Any] = {"results": entries[: self._association_page]}
            if len(entries) > self._association_page:
                after = entries[self._association_page]["id"]
                link = f"https://api.hubapi.com{call.request.path}/associations/{to_kind.name}?after={after}"
                collection["paging"] = {"next": {"after": after, "link": link}}
            found[to_kind.association_key if self._spaced else to_kind.name] = collection
        return {"associations": found} if found else {}

    def _link(self, call: Call, after: str) -> str:
        return f"https://api.hubapi.com{call.request.path}?after={after}"
