"""Bugs planted on purpose, each behind a switch that exists only here: each must turn the checker red.

Each is a context manager that replaces something public of the shipped code for the length of a block, the way a
careless change would.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from decimal import Decimal
from typing import Any
from unittest.mock import patch

import httpx

from dealbridge import events
from dealbridge.connectors.kantata import mapping as kantata_mapping
from dealbridge.connectors.kantata.system import Kantata
from dealbridge.connectors.netsuite.system import NetSuite
from dealbridge.connectors.s4hana import customers
from dealbridge.connectors.s4hana.system import S4Hana
from dealbridge.domain.hints import HintSource
from dealbridge.domain.keys import DealKey
from dealbridge.domain.money import Money
from dealbridge.errors import DealbridgeError
from dealbridge.ledger import audit
from dealbridge.ledger.deals import Deals, deal_pk
from dealbridge.ledger.ledger import ledger
from dealbridge.ledger.records import Records
from dealbridge.ledger.runs import Runs
from dealbridge.ledger.table import Change, Table
from dealbridge.rules import billing
from dealbridge.runs import polling, redriving
from dealbridge.steps import now
from dealbridge.wiring import wiring
from dealbridge_local.worlds.functions import VendorTransport
from dealbridge_local.worlds.surroundings import LEDGER_TABLE

type Bug = Callable[[], AbstractContextManager[None]]


@contextmanager
def no_read_back() -> Iterator[None]:
    """After an unknown outcome nothing is found, whatever stands there."""
    with ExitStack() as stack:
        for connector in (NetSuite, S4Hana, Kantata):
            stack.enter_context(patch.object(connector, "find", lambda *_: None))
        yield


@contextmanager
def no_lease() -> Iterator[None]:
    """A hint for a deal that a run holds begins a second run beside it."""
    claim = Deals.claim

    def claim_anyway(deals: Deals, hint: Any, now: Any) -> Any:
        if "lease_run" in (deals.head(hint.deal) or {}):
            Table(LEDGER_TABLE).update(Change(deal_pk(hint.deal), "HEAD").remove("lease_run", "pending"))
        return claim(deals, hint, now)

    with patch.object(Deals, "claim", claim_anyway):
        yield


@contextmanager
def no_key() -> Iterator[None]:
    """Projects of the PSA are made without our key."""
    new_project = kantata_mapping.new_project

    def without_key(*arguments: Any) -> dict[str, Any]:
        return {name: value for name, value in new_project(*arguments).items() if name != "custom_fields"}

    with patch.object(kantata_mapping, "new_project", without_key):
        yield


@contextmanager
def float_money() -> Iterator[None]:
    """A total is split with floats, each part rounded for itself."""

    def allocate(total: Money, weights: Any) -> list[Money]:
        whole = float(sum(weights))
        shares = [float(total.amount) * float(weight) / whole for weight in weights]
        return [Money(amount=Decimal(str(share)), currency=total.currency).rounded() for share in shares]

    with patch.object(billing, "allocate", allocate):
        yield


@contextmanager
def retried_post() -> Iterator[None]:
    """The transport sends a request again whose answer was lost, as many clients do."""
    send = VendorTransport.handle_request

    def send_again(transport: VendorTransport, request: httpx.Request) -> httpx.Response:
        try:
            return send(transport, request)
        except (httpx.RemoteProtocolError, httpx.ReadTimeout):
            return send(transport, request)

    with patch.object(VendorTransport, "handle_request", send_again):
        yield


@contextmanager
def swallowed_exception() -> Iterator[None]:
    """An update that fails counts as done."""

    def quiet(update: Callable[..., Any]) -> Callable[..., Any]:
        def quietly(target: Any, write: Any, ref: Any, changes: Any) -> Any:
            try:
                return update(target, write, ref, changes)
            except DealbridgeError:
                return ref

        return quietly

    with patch.object(NetSuite, "update", quiet(NetSuite.update)), patch.object(S4Hana, "update", quiet(S4Hana.update)):
        yield


@contextmanager
def stale_plan() -> Iterator[None]:
    """A run applies the plan of the run before it."""
    plan, plan_of = Runs.plan, Runs.plan_of

    def earlier(runs: Runs, deal: Any, run: str) -> Any:
        stem, number = run.rsplit("-", 1)
        before = plan_of(runs, deal, f"{stem}-{int(number) - 1}") if int(number) > 1 else None
        return before if before is not None and before.writes else plan(runs, deal, run)

    with patch.object(Runs, "plan", earlier):
        yield


@contextmanager
def cursor_moved_first() -> Iterator[None]:
    """A poll moves its cursor, and publishes what it found afterwards."""

    def poll(connection: str, pages: int = 1) -> int:
        cursors, crm, moment = ledger().cursors, wiring().crm(connection), now()
        changed = crm.changed_deals(cursors.read(connection), moment)
        cursors.move(connection, changed.cursor, moment)
        found = [DealKey(crm=connection, opportunity=opportunity) for opportunity, _ in changed.deals]
        events.publish([events.hint_entry(redriving.hint(deal, HintSource.POLL)) for deal in found])
        return len(found)

    with patch.object(polling, "poll", poll):
        yield


@contextmanager
def pending_hint_dropped() -> Iterator[None]:
    """A run that ends forgets the hints that came in meanwhile."""
    finish = Deals.finish

    def forgetful(deals: Deals, deal: Any, *arguments: Any) -> Any:
        if "pending" in (deals.head(deal) or {}):
            Table(LEDGER_TABLE).update(Change(deal_pk(deal), "HEAD").remove("pending"))
        return finish(deals, deal, *arguments)

    with patch.object(Deals, "finish", forgetful):
        yield


@contextmanager
def audit_entry_skipped() -> Iterator[None]:
    """That a run was parked is written elsewhere than into the chain."""
    entry = audit.entry

    def skipping(deal: str, head: Any, what: str, at: str, detail: Any) -> Any:
        made = entry(deal, head, what, at, detail)
        if what != "run_parked":
            return made
        kept = {"number": head.get("audit_number", 0), "hash": head.get("audit_hash", audit.FIRST)}
        return {**made, **kept, "sk": f"NOTE#{at}"}

    with patch.object(audit, "entry", skipping):
        yield


@contextmanager
def write_before_intent() -> Iterator[None]:
    """The intent is recorded together with the outcome, after the call."""
    intend, settle = Records.intend, Records.settle
    kept: dict[str, Any] = {}

    def place(deal: Any, operation: Any) -> tuple[str, str]:
        if operation.shared:
            return f"SHARED#{operation.identity}", "RECORD"
        return deal_pk(deal), f"RECORD#{operation.identity}"

    def intend_later(records: Records, deal: Any, run: str, operation: Any, *moments: Any) -> Any:
        intent = intend(records, deal, run, operation, *moments)
        if not intent.done:
            table = Table(LEDGER_TABLE)
            kept[intent.id] = (table.get(*place(deal, operation)) or {})["intent"]
            table.update(Change(*place(deal, operation)).remove("intent"))
        return intent

    def settle_both(records: Records, deal: Any, run: str, intent: Any, *rest: Any) -> None:
        change = Change(*place(deal, intent.operation)).set(intent=kept[intent.id])
        Table(LEDGER_TABLE).update(change)
        settle(records, deal, run, intent, *rest)

    def nothing(records: Records, deal: Any, intent: Any) -> None:
        return None

    with ExitStack() as stack:
        for name, replacement in (
            ("intend", intend_later),
            ("settle", settle_both),
            ("leave", nothing),
            ("drop", nothing),
        ):
            stack.enter_context(patch.object(Records, name, replacement))
        yield


@contextmanager
def shared_record_overwritten() -> Iterator[None]:
    """A record that another deal has changed since the plan is overwritten all the same."""
    intend = Records.intend

    def overwrite(records: Records, deal: Any, run: str, operation: Any, *moments: Any) -> Any:
        if operation.shared:
            item = Table(LEDGER_TABLE).get(f"SHARED#{operation.identity}", "RECORD") or {}
            operation = operation.model_copy(update={"basis": item.get("payload_hash")})
        return intend(records, deal, run, operation, *moments)

    with patch.object(Records, "intend", overwrite):
        yield


@contextmanager
def amount_cut_off() -> Iterator[None]:
    """Order lines lose the part below a whole unit."""
    from dealbridge.connectors.netsuite import billing as netsuite_billing

    order_line = netsuite_billing.order_line

    def cut(*arguments: Any) -> dict[str, Any]:
        line = order_line(*arguments)
        return {name: int(value) if name in ("rate", "amount") else value for name, value in line.items()}

    with patch.object(netsuite_billing, "order_line", cut):
        yield


@contextmanager
def partner_without_key() -> Iterator[None]:
    """Partners are made in S/4HANA without our external id."""
    new_customer = customers.new_customer

    def without_key(*arguments: Any) -> dict[str, Any]:
        made = new_customer(*arguments)
        return {name: value for name, value in made.items() if name != "BusinessPartnerIDByExtSystem"}

    with patch.object(customers, "new_customer", without_key):
        yield


BUGS: dict[str, Bug] = {
    bug.__name__: bug
    for bug in (
        no_read_back,
        no_lease,
        no_key,
        float_money,
        retried_post,
        swallowed_exception,
        stale_plan,
        cursor_moved_first,
        pending_hint_dropped,
        audit_entry_skipped,
        write_before_intent,
        shared_record_overwritten,
        amount_cut_off,
        partner_without_key,
    )
}
