"""SuiteQL over HTTP, and the tables of the analytics data source that it reads (section_157909186990)."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from typing import Any

from dealbridge_local.simulators.netsuite import suiteql_run, suiteql_syntax
from dealbridge_local.simulators.netsuite.account import Account
from dealbridge_local.simulators.netsuite.errors import Refusal
from dealbridge_local.simulators.netsuite.fields import Field, Kind, RecordType
from dealbridge_local.simulators.netsuite.record_service import body_of, page_of, paged
from dealbridge_local.simulators.netsuite.record_types import TYPES
from dealbridge_local.simulators.netsuite.suiteql_run import Table
from dealbridge_local.simulators.netsuite.suiteql_values import Value
from dealbridge_local.simulators.netsuite.transaction_types import ANALYTICS_TYPES, POSTING
from dealbridge_local.simulators.store import Record
from dealbridge_local.simulators.wire import Request, Response

SUITEQL_PATH = "/services/rest/query/v1/suiteql"

_TRANSACTION_NAMES = {
    "SalesOrd": "Sales Order",
    "CustInvc": "Invoice",
    "CustPymt": "Payment",
    "ExpRept": "Expense Report",
}

type Getter = Callable[[Any], Value]


def answer(account: Account, request: Request) -> Response:
    """Answer one query; raises Refusal."""
    if request.method != "POST":
        raise Refusal(405, "INVALID_REQUEST", f"The method {request.method} is not supported for this resource.")
    if "transient" not in request.headers.get("prefer", "").lower():
        detail = "The request header Prefer is required. Use Prefer: transient."
        raise Refusal(400, "INVALID_REQUEST", detail, header="Prefer")
    limit, offset = page_of(request)
    body = body_of(request)
    text = body.get("q") if isinstance(body, dict) else None
    parameters = body.get("params", []) if isinstance(body, dict) else []
    if not isinstance(text, str) or not isinstance(parameters, list):
        raise Refusal(400, "INVALID_CONTENT", "The request body takes a query q and a list of params.", path="q")
    zone = account.preferences.time_zone
    now = datetime.fromisoformat(account.now()).astimezone(zone).replace(tzinfo=None)
    given = [_parameter(value) for value in parameters]
    rows = suiteql_run.run(suiteql_syntax.parsed(text), _Tables(account).by_name, given, now)
    page = paged(account.url(SUITEQL_PATH), rows, offset, limit)
    page["items"] = [{"links": [], **row} for row in page["items"]]
    return Response.of(200, page, media="application/vnd.oracle.resource+json; type=collection")


def _parameter(value: Any) -> Value:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return Decimal(value)
    raise Refusal(400, "INVALID_CONTENT", f"Invalid parameter value {value}.", path="params")


class _Tables:
    """The tables over one account, each made when a query names it."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self.by_name: Mapping[str, Callable[[], Table]] = {
            "transaction": self._transaction,
            "transactionline": self._transaction_line,
            "nexttransactionlinelink": self._next_transaction_line_link,
            "entity": self._entity,
            "item": partial(self._records, "serviceSaleItem"),
            "dual": lambda: Table({"dummy": lambda _: "X"}, lambda: [None], {}),
            **{name.lower(): partial(self._records, name) for name in TYPES if name not in ANALYTICS_TYPES},
        }

    def _records(self, kind: str) -> Table:
        """A record's own fields under their lower-case names."""
        columns, labels = self._columns(TYPES[kind])
        return Table(columns, lambda: self._account.all(kind), labels)

    def _columns(self, kind: RecordType) -> tuple[dict[str, Getter], dict[str, Getter]]:
        columns: dict[str, Getter] = {}
        labels: dict[str, Getter] = {}
        for name, field in kind.fields.items():
            columns[name.lower()] = partial(self._read, name, field)
            if field.kind in {Kind.REFERENCE, Kind.CHOICE}:
                labels[name.lower()] = partial(self._label, name, field)
        return columns, labels

    def _read(self, name: str, field: Field, record: Record) -> Value:
        value = record.get(name)
        if name == "id" or field.kind is Kind.REFERENCE:
            return None if value is None else _id(value)
        return self._plain(field, value)

    def _plain(self, field: Field, value: Any) -> Value:
        if value is None:
            return None
        match field.kind:
            case Kind.BOOLEAN:
                return "T" if value else "F"
            case Kind.INTEGER | Kind.NUMBER:
                return Decimal(value)
            case Kind.DATE:
                return date.fromisoformat(value)
            case Kind.DATETIME:
                return self._local(value)
            case _:
                return str(value)

    def _local(self, moment: str) -> datetime:
        """A date-time in account time, without a zone: what SuiteQL compares and prints."""
        zone = self._account.preferences.time_zone
        return datetime.fromisoformat(moment).astimezone(zone).replace(tzinfo=None)

    def _label(self, name: str, field: Field, record: Record) -> Value:
        value = record.get(name)
        if value is None:
            return None
        if field.kind is Kind.CHOICE:
            return field.choices[value]
        for target in field.targets:
            if self._account.get(target, value) is not None:
                return self._account.label(target, value)
        return str(value)

    # Transactions

    def _transactions(self) -> Iterator[tuple[str, Record]]:
        for kind in ANALYTICS_TYPES:
            for record in self._account.all(kind):
                yield kind, record

    def _transaction(self) -> Table:
        def of(name: str, kind_of: Kind = Kind.STRING) -> Getter:
            return lambda row: self._plain(Field(kind_of), row[1].get(name))

        def ref(*names: str) -> Getter:
            return lambda row: next((_id(row[1][name]) for name in names if row[1].get(name)), None)

        columns: dict[str, Getter] = {
            "id": lambda row: _id(row[1]["id"]),
            "type": lambda row: ANALYTICS_TYPES[row[0]],
            "tranid": of("tranId"),
            "trandate": of("tranDate", Kind.DATE),
            "status": of("status"),
            "entity": ref("entity", "customer"),
            "externalid": of("externalId"),
            "currency": ref("currency", "expensereportcurrency"),
            "exchangerate": of("exchangeRate", Kind.NUMBER),
            "subsidiary": ref("subsidiary"),
            "terms": ref("terms"),
            "memo": of("memo"),
            "otherrefnum": of("otherRefNum"),
            "duedate": of("dueDate", Kind.DATE),
            "createddate": of("createdDate", Kind.DATETIME),
            "lastmodifieddate": of("lastModifiedDate", Kind.DATETIME),
            "approvalstatus": of("approvalStatus"),
            "postingperiod": ref("postingPeriod"),
            "posting": lambda row: "T" if row[0] in POSTING else "F",
            "total": lambda row: self._base_total(row[1]),
            "foreigntotal": of("total", Kind.NUMBER),
            "foreignamountpaid": of("amountPaid", Kind.NUMBER),
            "foreignamountunpaid": of("amountRemaining", Kind.NUMBER),
        }
        labels: dict[str, Getter] = {
            "status": lambda row: f"{_TRANSACTION_NAMES[ANALYTICS_TYPES[row[0]]]} : {self._status(row)}",
            "type": lambda row: _TRANSACTION_NAMES[ANALYTICS_TYPES[row[0]]],
            "entity": lambda row: self._entity_name(row[1].get("entity") or row[1].get("customer")),
            "currency": lambda row: self._named("currency", row[1].get("currency")),
            "subsidiary": lambda row: self._named("subsidiary", row[1].get("subsidiary")),
        }
        return Table(columns, self._transactions, labels)

    def _status(self, row: tuple[str, Record]) -> str:
        return TYPES[row[0]].fields["status"].choices[row[1]["status"]]

    def _base_total(self, record: Record) -> Value:
        """The total in the subsidiary's base currency."""
        base = (self._account.get("subsidiary", record["subsidiary"]) or {})["currency"]
        return self._account.money(record["total"] * record.get("exchangeRate", Decimal(1)), base)

    def _named(self, kind: str, key: str | None) -> Value:
        return None if key is None else self._account.label(kind, key)

    def _entity_name(self, key: str | None) -> Value:
        for kind in ("customer", "job", "employee"):
            if key is not None and self._account.get(kind, key) is not None:
                return self._account.label(kind, key)
        return None

    def _transaction_line(self) -> Table:
        """One main line per transaction, then its items. A sale's items carry a minus, as credits to income."""

        def rows() -> Iterator[tuple[str, Record, Record | None]]:
            for kind, record in self._transactions():
                yield kind, record, None
                for line in record.get("item") or record.get("expense") or []:
                    yield kind, record, line

        def line(name: str, sign: int = 1) -> Getter:
            def read(row: tuple[str, Record, Record | None]) -> Value:
                value = row[2].get(name) if row[2] is not None else None
                return value * sign if isinstance(value, Decimal) else value

            return read

        def line_id(name: str) -> Getter:
            return lambda row: _id(row[2][name]) if row[2] is not None and row[2].get(name) else None

        def amount(row: tuple[str, Record, Record | None]) -> Value:
            if row[2] is None:
                return Decimal(row[1]["total"])
            return Decimal(row[2]["amount"]) * (-1 if "item" in row[1] else 1)

        columns: dict[str, Getter] = {
            "transaction": lambda row: _id(row[1]["id"]),
            "id": lambda row: Decimal(row[2]["line"] if row[2] is not None else 0),
            "linesequencenumber": lambda row: Decimal(row[2]["line"] if row[2] is not None else 0),
            "mainline": lambda row: "T" if row[2] is None else "F",
            "item": line_id("item"),
            "memo": lambda row: (row[2] or {}).get("description") or (row[2] or {}).get("memo"),
            "quantity": line("quantity", -1),
            "quantitybilled": line("quantityBilled"),
            "rate": line("rate"),
            "foreignamount": amount,
            "netamount": lambda row: Decimal(amount(row)) * row[1].get("exchangeRate", Decimal(1)),  # type: ignore[arg-type]
            "isclosed": lambda row: "T" if (row[2] or {}).get("isClosed") else "F",
            "subsidiary": lambda row: _id(row[1]["subsidiary"]),
            "entity": lambda row: _id(row[1].get("job") or row[1].get("entity") or row[1]["customer"]),
            "createdfrom": lambda row: _id(row[1]["createdFrom"]) if row[1].get("createdFrom") else None,
        }
        labels: dict[str, Getter] = {
            "item": lambda row: self._named("serviceSaleItem", (row[2] or {}).get("item")),
            "entity": lambda row: self._entity_name(row[1].get("job") or row[1].get("entity")),
        }
        return Table(columns, rows, labels)

    def _next_transaction_line_link(self) -> Table:
        """Order to invoice by OrdBill, invoice to payment by Payment."""

        def rows() -> Iterable[dict[str, Value]]:
            for invoice in self._account.all("invoice"):
                for line in invoice["item"]:
                    if line.get("orderDoc"):
                        yield _link("SalesOrd", line["orderDoc"], line["orderLine"], invoice, line["line"], "OrdBill")
            for payment in self._account.all("customerPayment"):
                for line in payment["apply"]:
                    yield _link("CustInvc", line["doc"], 0, payment, 0, "Payment")

        def column(name: str) -> Getter:
            return lambda row: row[name]

        names = ("previousdoc", "previousline", "previoustype", "nextdoc", "nextline", "nexttype", "linktype")
        return Table({name: column(name) for name in names}, rows, {})

    def _entity(self) -> Table:
        kinds = {"customer": "CustJob", "job": "Job", "contact": "Contact", "employee": "Employee"}

        def rows() -> Iterator[tuple[str, Record]]:
            for kind in kinds:
                for record in self._account.all(kind):
                    yield kind, record

        def of(name: str, kind_of: Kind = Kind.STRING) -> Getter:
            return lambda row: self._plain(Field(kind_of), row[1].get(name))

        columns: dict[str, Getter] = {
            "id": lambda row: _id(row[1]["id"]),
            "type": lambda row: kinds[row[0]],
            "entityid": of("entityId"),
            "externalid": of("externalId"),
            "altname": of("altName"),
            "email": of("email"),
            "isinactive": of("isInactive", Kind.BOOLEAN),
            "datecreated": of("dateCreated", Kind.DATETIME),
            "lastmodifieddate": of("lastModifiedDate", Kind.DATETIME),
        }
        return Table(columns, rows, {})


def _link(previous_type: str, previous: str, line: int, after: Record, next_line: int, link: str) -> dict[str, Value]:
    return {
        "previousdoc": _id(previous),
        "previousline": Decimal(line),
        "previoustype": previous_type,
        "nextdoc": _id(after["id"]),
        "nextline": Decimal(next_line),
        "nexttype": "CustInvc" if link == "OrdBill" else "CustPymt",
        "linktype": link,
    }


def _id(value: str) -> Value:
    return Decimal(value) if value.lstrip("-").isdecimal() else value
