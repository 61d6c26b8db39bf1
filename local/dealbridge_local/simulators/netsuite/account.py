"""One NetSuite account: its records with the indexes over them, its numbering, its clock and its links."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from decimal import ROUND_HALF_UP, Decimal

from dealbridge_local.simulators.netsuite.errors import Refusal, nonexistent
from dealbridge_local.simulators.netsuite.fields import RecordType
from dealbridge_local.simulators.netsuite.record_types import TYPES
from dealbridge_local.simulators.netsuite.transaction_types import ANALYTICS_TYPES, POSTING
from dealbridge_local.simulators.store import Record, Store

RECORDS_PATH = "/services/rest/record/v1"

_EXTERNAL_ID = re.compile(r"[A-Za-z0-9_-]+")

_FIRST_IDS = {"entity": 641, "transaction": 101, "event": 991, "billingSchedule": 71, "timeline": 31, "charge": 11}
_FIRST_NUMBER = 1001


@dataclass(frozen=True)
class Preferences:
    """How the account is set up, and what Oracle's documents leave open (UNVERIFIED in the vendor facts)."""

    default_order_status: str = "B"
    """Of a new sales order: A Pending Approval or B Pending Fulfillment, a company preference."""
    location_on_upsert: bool = True
    """Whether a PUT names the record in Location; no response header of the upsert is documented."""
    location_on_transform: bool = True
    """Whether a transform names the new record in Location; no response header of it is documented."""
    upsert_appends_lines: bool = True
    """Whether a PUT treats lines as a PATCH does (adds those without a key); if not, it replaces them all."""
    payment_touches_invoice: bool = True
    """Whether applying a payment moves the invoice's lastModifiedDate."""
    time_zone: tzinfo = field(default=timezone(timedelta(hours=-8), "account time"))
    """Of every date-time that SuiteQL compares or prints; the record service prints UTC."""


class Account:
    """The records and everything that has to agree with them. Records handed out are the held ones: copy, then save."""

    def __init__(
        self, store: Store, clock: Callable[[], datetime], origin: Callable[[], str], preferences: Preferences
    ) -> None:
        self._store = store
        self._clock = clock
        self._origin = origin
        self.preferences = preferences
        self._next_ids = dict(_FIRST_IDS)
        self._next_numbers: dict[str, int] = {}
        self._external: dict[tuple[str, str], tuple[str, str]] = {}
        self._names: dict[tuple[str, str, str], str] = {}
        self._transactions: dict[str, set[tuple[str, str]]] = {}

    # Time and links

    def now(self) -> str:
        return self._clock().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def today(self) -> str:
        return self._clock().astimezone(self.preferences.time_zone).date().isoformat()

    def url(self, *parts: str) -> str:
        """A path of this account, whole: with the scheme and host it is known under."""
        return self._origin() + "/".join(parts)

    def link(self, *parts: str) -> str:
        return self.url(RECORDS_PATH, *parts)

    def self_link(self, *parts: str) -> list[dict[str, str]]:
        return [{"rel": "self", "href": self.link(*parts)}]

    # Reading

    def get(self, kind: str, key: str) -> Record | None:
        return self._store.get(kind, key)

    def all(self, kind: str) -> list[Record]:
        return self._store.all(kind)

    def find(self, kind: str, address: str) -> Record:
        """The record that an id or `eid:...` in a URL names; raises Refusal 404."""
        key = self.key(kind, address)
        record = self._store.get(kind, key) if key else None
        if record is None:
            raise nonexistent()
        return record

    def key(self, kind: str, address: str) -> str | None:
        """The internal id behind an id or `eid:...`; None where no record of that type has the external id."""
        if not address.startswith("eid:"):
            if not re.fullmatch(r"-?\d+", address):
                raise Refusal(400, "INVALID_ID", f"Invalid record instance identifier '{address}'.", url=address)
            return address
        owner = self._external.get((TYPES[kind].group, external_id(address.removeprefix("eid:"))))
        return owner[1] if owner is not None and owner[0] == kind else None

    def owner_of(self, group: str, external: str) -> tuple[str, str] | None:
        """Type and id of the record that holds an external id in a record group (section_N3436356)."""
        return self._external.get((group, external))

    def named(self, kind: str, scope: str, name: str) -> str | None:
        """The id of the record of this type that bears a name within a scope."""
        return self._names.get((kind, scope, name.casefold()))

    def transactions_of(self, entity: str) -> set[tuple[str, str]]:
        """Type and id of every transaction of a customer or for a project."""
        return self._transactions.get(entity, set())

    def has_posted(self, entity: str) -> bool:
        return any(kind in POSTING for kind, _ in self.transactions_of(entity))

    def label(self, kind: str, key: str) -> str:
        record = self._store.get(kind, key)
        return str((record or {}).get(TYPES[kind].label, key))

    def precision(self, currency: str) -> Decimal:
        """The smallest amount of a currency, for rounding: 0.01, or 1 for the yen."""
        digits = (self._store.get("currency", currency) or {}).get("currencyPrecision", 2)
        return Decimal(1).scaleb(-digits)

    def money(self, amount: Decimal, currency: str) -> Decimal:
        return amount.quantize(self.precision(currency), ROUND_HALF_UP)

    # Writing

    def next_id(self, kind: RecordType) -> str:
        number = self._next_ids.get(kind.group, 1)
        self._next_ids[kind.group] = number + 1
        return str(number)

    def next_number(self, prefix: str) -> str:
        number = self._next_numbers.get(prefix, _FIRST_NUMBER)
        self._next_numbers[prefix] = number + 1
        return f"{prefix}{number}"

    def save(self, kind: str, record: Record) -> Record:
        """Hold a record, new or changed, and keep the indexes in step."""
        before = self._store.get(kind, record["id"])
        if before is not None:
            self._unindex(kind, before)
        self._index(kind, record)
        return self._store.put(kind, record["id"], record)

    def remove(self, kind: str, record: Record) -> None:
        self._unindex(kind, record)
        self._store.delete(kind, record["id"])

    def period(self, day: str) -> str:
        """The accounting period of a date; the account has one for every month."""
        year, month = int(day[:4]), int(day[5:7])
        key = str((year - 2020) * 12 + month)
        if self._store.get("accountingPeriod", key) is None:
            first = date(year, month, 1)
            last = date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)
            period = {"id": key, "periodName": f"{first:%b %Y}", "startDate": str(first), "endDate": str(last)}
            self._store.put("accountingPeriod", key, {**period, "closed": False})
        return key

    def _index(self, kind: str, record: Record) -> None:
        for key in _external_keys(kind, record):
            self._external[key] = kind, record["id"]
        for name in _name_keys(kind, record):
            self._names[name] = record["id"]
        for entity in _entities(kind, record):
            self._transactions.setdefault(entity, set()).add((kind, record["id"]))

    def _unindex(self, kind: str, record: Record) -> None:
        for key in _external_keys(kind, record):
            self._external.pop(key, None)
        for name in _name_keys(kind, record):
            self._names.pop(name, None)
        for entity in _entities(kind, record):
            self._transactions.get(entity, set()).discard((kind, record["id"]))


def external_id(given: str) -> str:
    """An external id of letters, digits, `_` and `-` (section_156334828635); raises Refusal for any other."""
    if not _EXTERNAL_ID.fullmatch(given):
        raise Refusal(400, "INVALID_ID", f"Invalid external identifier '{given}'.", url=f"eid:{given}")
    return given


def name_scope(kind: str, record: Record) -> str:
    """Within what a name is unique: contacts per company, other entities over the account."""
    return str(record.get("company", "")) if kind == "contact" else ""


def _external_keys(kind: str, record: Record) -> Iterator[tuple[str, str]]:
    if record.get("externalId"):
        yield TYPES[kind].group, record["externalId"]


def _name_keys(kind: str, record: Record) -> Iterator[tuple[str, str, str]]:
    if record.get("entityId"):
        yield kind, name_scope(kind, record), record["entityId"].casefold()


def _entities(kind: str, record: Record) -> Iterator[str]:
    if kind in ANALYTICS_TYPES:
        for name in ("entity", "customer", "job"):
            if record.get(name):
                yield record[name]
