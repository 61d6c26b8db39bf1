"""Answering a SOQL query: records that match, shown in the shape that was asked for, page by page."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from dealbridge_local.simulators.salesforce.conditions import Conditions, Read, fold
from dealbridge_local.simulators.salesforce.database import Database
from dealbridge_local.simulators.salesforce.errors import ApiError, no_such_column, unsupported_type
from dealbridge_local.simulators.salesforce.field_values import shown
from dealbridge_local.simulators.salesforce.schema import NUMBER, Field, SObject
from dealbridge_local.simulators.salesforce.soql import Aggregate, AllFields, Order, Path, Query, parse, place
from dealbridge_local.simulators.store import Record

type Show = Callable[[Record], Any]

_LARGEST_OFFSET = 2000
_ALL_FIELDS_LIMIT = 200


@dataclass
class Result:
    """All rows of a query; `total` may be known without rows (`SELECT COUNT()`)."""

    total: int
    rows: list[dict[str, Any]] = field(default_factory=list)


class Queries:
    """Queries on one database. `page` cuts the rows of a child relationship into their first page."""

    def __init__(self, database: Database, today: date, page: Callable[[list[dict[str, Any]]], dict[str, Any]]) -> None:
        self._database = database
        self._page = page
        self._conditions = Conditions(database, today, self._values)

    def run(self, text: str, version: str, *, deleted: bool = False) -> Result:
        """All rows. Raises ApiError for a query that the API refuses."""
        query = parse(text)
        sobject = self._database.schema.find(query.sobject)
        if sobject is None:
            raise unsupported_type(query.sobject)
        try:
            return self._run(query, sobject, version, deleted)
        except ApiError as error:
            raise _with_place(error, text) from None

    def _run(self, query: Query, sobject: SObject, version: str, deleted: bool) -> Result:
        aggregates = [each for each in query.selected if isinstance(each, Aggregate)]
        if aggregates == list(query.selected) and len(aggregates) == 1 and _is_plain_count(aggregates[0], query):
            return Result(len(self._matching(query, sobject, deleted)))
        if aggregates or query.group_by:
            return self._aggregated(query, sobject, self._matching(query, sobject, deleted))
        show = self.shape(query, sobject, version, deleted)
        found = self._cut(query, self._matching(query, sobject, deleted))
        return Result(len(found), [show(record) for record in found])

    def _matching(self, query: Query, sobject: SObject, deleted: bool) -> list[Record]:
        """Records that meet WHERE, in the order asked for, before LIMIT and OFFSET."""
        test = self._conditions.test(sobject, query.where)
        ids = self._conditions.candidates(sobject, query.where)
        if ids is None:
            among = self._database.all(sobject.name)
        else:
            among = [record for each in ids if (record := self._database.get(sobject.name, each)) is not None]
        found = [record for record in among if (deleted or not record["IsDeleted"]) and test(record)]
        for order in reversed(query.order_by):
            self._sort(found, sobject, order)
        return found

    def _sort(self, records: list[Record], sobject: SObject, order: Order) -> None:
        through, field = self._conditions.resolve(sobject, order.path)
        if not field.filterable:
            raise ApiError(400, "INVALID_FIELD", f"field '{field.name}' can not be sorted in a query call")
        read = self._conditions.reader(through, field)
        valued = [record for record in records if read(record) is not None]
        empty = [record for record in records if read(record) is None]
        valued.sort(key=lambda record: fold(field, read(record)), reverse=order.descending)
        records[:] = [*valued, *empty] if order.nulls_last else [*empty, *valued]

    def _cut(self, query: Query, found: list[Record]) -> list[Record]:
        if query.offset > _LARGEST_OFFSET:
            raise ApiError(400, "NUMBER_OUTSIDE_VALID_RANGE", "Maximum SOQL offset allowed is 2000")
        end = None if query.limit is None else query.offset + query.limit
        return found[query.offset : end]

    def _values(self, query: Query) -> set[Any]:
        """The values of the one field that a subquery in WHERE selects."""
        sobject = self._database.schema.find(query.sobject)
        if sobject is None:
            raise unsupported_type(query.sobject)
        (selected, *more) = query.selected
        if more or not isinstance(selected, tuple):
            raise ApiError(400, "MALFORMED_QUERY", "A semi join sub-select can only query one field")
        through, field = self._conditions.resolve(sobject, selected)
        if field.type not in ("id", "reference"):
            raise ApiError(400, "INVALID_FIELD", f"The selected field '{field.name}' in the subquery is not an id")
        read = self._conditions.reader(through, field)
        return {read(record) for record in self._cut(query, self._matching(query, sobject, deleted=False))}

    # The shape of a row

    def shape(self, query: Query, sobject: SObject, version: str, deleted: bool) -> Show:
        """How a record is shown: fields in the order selected, parents nested, children as results of their own."""
        paths: list[Path] = []
        children: list[tuple[str, Show]] = []
        for selected in query.selected:
            match selected:
                case Query():
                    children.append(self._child(selected, sobject, version, deleted))
                case AllFields(kind):
                    if query.limit is None or query.limit > _ALL_FIELDS_LIMIT:
                        raise ApiError(
                            400, "MALFORMED_QUERY", "The SOQL FIELDS function must have a LIMIT of at most 200"
                        )
                    paths.extend((each.name,) for each in sobject.fields if kind == "ALL" or _of_kind(each, kind))
                case Aggregate():
                    raise ApiError(400, "MALFORMED_QUERY", "Grouped query must not mix fields and functions here")
                case _:
                    paths.append(selected)
        show = self.row(sobject, paths, version)
        if not children:
            return show

        def with_children(record: Record) -> dict[str, Any]:
            row: dict[str, Any] = show(record)
            for name, show_child in children:
                row[name] = show_child(record)
            return row

        return with_children

    def row(self, sobject: SObject, paths: list[Path], version: str) -> Show:
        """Shows a record with these fields and the parents that the dotted paths go through."""
        asked = (sobject.name, tuple(paths), version)
        show = self._database.shapes.get(asked)
        if show is None:
            show = self._database.shapes[asked] = self._row(sobject, paths, version)
        return show

    def _row(self, sobject: SObject, paths: list[Path], version: str) -> Show:
        own: dict[str, Field] = {}
        parents: dict[str, tuple[Field, list[Path]]] = {}
        order: list[str] = []
        for path in paths:
            if len(path) == 1:
                field = sobject.field(path[0])
                if field is None:
                    raise no_such_column(path[0], sobject.name)
                key = field.name
                own[key] = field
            else:
                through, _ = self._conditions.resolve(sobject, path)
                key = through[0].relationship or ""
                parents.setdefault(key, (through[0], []))[1].append(path[1:])
            if key not in order:
                order.append(key)
        readers: list[tuple[str, Show]] = []
        for key in order:
            if key in own:
                readers.append((key, _reader(own[key])))
            else:
                readers.append((key, self._parent(*parents[key], version)))
        prefix = f"/services/data/v{version}/sobjects/{sobject.name}/"
        name = sobject.name

        def show(record: Record) -> dict[str, Any]:
            row: dict[str, Any] = {"attributes": {"type": name, "url": prefix + record["Id"]}}
            for key, read in readers:
                row[key] = read(record)
            return row

        return show

    def _parent(self, reference: Field, paths: list[Path], version: str) -> Show:
        parent = self._database.schema.of(reference.reference_to or "")
        show = self.row(parent, paths, version)
        database = self._database

        def show_parent(record: Record) -> Any:
            parent_id = record[reference.name]
            held = database.get(parent.name, parent_id) if parent_id else None
            return show(held) if held else None

        return show_parent

    def _child(self, query: Query, parent: SObject, version: str, deleted: bool) -> tuple[str, Show]:
        related = self._database.schema.child(parent, query.sobject)
        if related is None:
            raise ApiError(
                400,
                "INVALID_TYPE",
                f"Didn't understand relationship '{query.sobject}' in FROM part of query call. If you are attempting "
                "to use a custom relationship, be sure to append the '__r' after the custom relationship name. Please "
                "reference your WSDL or the describe call for the appropriate names.",
            )
        sobject, reference = related
        show = self.shape(query, sobject, version, deleted)
        test = self._conditions.test(sobject, query.where)
        database = self._database

        def show_children(record: Record) -> dict[str, Any] | None:
            ids = database.candidates(sobject.name, reference.name, record["Id"])
            found = [
                child
                for child in (database.get(sobject.name, each) for each in ids)
                if child
                and child[reference.name] == record["Id"]
                and (deleted or not child["IsDeleted"])
                and test(child)
            ]
            for order in reversed(query.order_by):
                self._sort(found, sobject, order)
            rows = [show(child) for child in self._cut(query, found)]
            return self._page(rows) if rows else None

        return reference.children or "", show_children

    # Aggregates

    def _aggregated(self, query: Query, sobject: SObject, found: list[Record]) -> Result:
        keys = [(path, self._conditions.reader(*self._conditions.resolve(sobject, path))) for path in query.group_by]
        groups: dict[tuple[Any, ...], list[Record]] = {} if keys else {(): []}
        for record in found:
            groups.setdefault(tuple(read(record) for _, read in keys), []).append(record)
        grouped = {path: place for place, (path, _) in enumerate(keys)}
        rows = []
        for key, records in groups.items():
            row: dict[str, Any] = {"attributes": {"type": "AggregateResult"}}
            unnamed = 0
            for selected in query.selected:
                match selected:
                    case Aggregate():
                        name = selected.alias or f"expr{unnamed}"
                        unnamed += selected.alias is None
                        row[name] = self._aggregate(selected, sobject, records)
                    case tuple() if selected in grouped:
                        value = key[grouped[selected]]
                        row[selected[-1]] = float(value) if isinstance(value, Decimal) else value
                    case _:
                        raise ApiError(
                            400, "MALFORMED_QUERY", "Field must be grouped or aggregated: every field beside a function"
                        )
            rows.append(row)
        end = None if query.limit is None else query.offset + query.limit
        rows = rows[query.offset : end]
        return Result(len(rows), rows)

    def _aggregate(self, aggregate: Aggregate, sobject: SObject, records: list[Record]) -> Any:
        if aggregate.path is None:
            return len(records)
        through, field = self._conditions.resolve(sobject, aggregate.path)
        read: Read = self._conditions.reader(through, field)
        values = [value for record in records if (value := read(record)) is not None]
        match aggregate.function:
            case "COUNT":
                return len(values)
            case "COUNT_DISTINCT":
                return len({fold(field, value) for value in values})
            case "MIN" | "MAX":
                found = (min if aggregate.function == "MIN" else max)(values, default=None)
                return float(found) if isinstance(found, Decimal) else found
        if field.type not in NUMBER and field.type != "int":
            raise ApiError(
                400, "INVALID_FIELD", f"field {field.name} does not support aggregate operator {aggregate.function}"
            )
        if not values:
            return None
        total = sum(values, Decimal(0))
        return float(total if aggregate.function == "SUM" else total / len(values))


def _is_plain_count(aggregate: Aggregate, query: Query) -> bool:
    return aggregate.function == "COUNT" and aggregate.path is None and not aggregate.alias and not query.group_by


def _of_kind(field: Field, kind: str) -> bool:
    return field.custom == (kind == "CUSTOM")


def _reader(field: Field) -> Show:
    """Reads and prints one field; the plain ones without a call between, since a deal has 500 lines."""
    if field.type in NUMBER or field.type == "address":
        return lambda record: shown(field, record)
    name = field.name
    return lambda record: record[name]


def _with_place(error: ApiError, text: str) -> ApiError:
    """A query's field error, with the query and the place of the unknown name in front, as the API prints it."""
    quoted = error.message.split("'")
    if error.code not in ("INVALID_FIELD", "INVALID_TYPE") or len(quoted) < 3:
        return error
    at = text.find(quoted[1])
    if at < 0:
        return error
    return ApiError(error.status, error.code, f"\n{text}\n{place(text, at)}\n{error.message}")
