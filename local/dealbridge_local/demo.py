"""The demo: win a deal for each pair of CRM and ERP, and show what reached the ERPs and the PSA, with timings."""

import json
import time
from collections import Counter
from typing import Any

from dealbridge.cli import main as dealbridge
from dealbridge.domain.engagement import BillingSchedule, Contract, EngagementStatus
from dealbridge.domain.keys import Kind
from dealbridge.errors import RecordMissingError
from dealbridge.ledger.ledger import ledger
from dealbridge.runs.proving import Proof, prove
from dealbridge.runs.tracing import Trace, trace
from dealbridge_local import platform
from dealbridge_local.engine import wait_until
from dealbridge_local.portfolio import Sale, Sellers, sell

ACTIVE_WITHIN_S = 90.0


def play() -> int:
    """Start the platform, win the deals, wait until they are active, print what stands where.

    The last line is JSON about the first deal, with the others under `portfolio`. 1 where a deal did not get through.
    """
    began = time.monotonic()
    running = platform.up()
    print(f"The platform is up after {time.monotonic() - began:.1f} s.\n")
    platform.point_process_at(running)
    sellers = Sellers(running)
    sales = sell(sellers)
    for sale in sales:
        print(f"Won in {sale.key.crm:10} {sale.name}")
        sellers.win(sale)
    sellers.close()
    print()
    ended = [_ended(running, sale) for sale in sales]
    first = sales[0]
    print("The timeline of the first (dealbridge trace):\n")
    dealbridge(["trace", str(first.key)])
    print("\nIts proof (dealbridge prove):\n")
    dealbridge(["prove", str(first.key)])
    proofs = [list(prove(sale.key)) for sale in sales]
    print("\nWhat went where:\n")
    summaries = [_summary(*each) for each in zip(sales, ended, proofs, strict=True)]
    _print_portfolio(summaries)
    print(f"\nLook further: dealbridge trace {first.key} --json; stop with `make down`.\n")
    print(json.dumps({**summaries[0], "portfolio": summaries[1:]}))
    return 0 if all(summary["state"] == "active" for summary in summaries) else 1


def _ended(running: platform.Platform, sale: Sale) -> Trace:
    def settled() -> Trace | None:
        try:
            found = trace(sale.key)
        except RecordMissingError:
            return None
        # A deal that is not won yet is `open`; the event of its winning is still on its way.
        return found if found.state in ("active", "parked") else None

    return wait_until(
        settled,
        f"Waiting for {sale.name}",
        within_s=ACTIVE_WITHIN_S,
        every_s=0.1,
        say=print,
        check=running.engine.check_alive,
    )


def _summary(sale: Sale, ended: Trace, proofs: list[Proof]) -> dict[str, Any]:
    items = {item["kind"]: item["content"].get("record", {}) for item in ledger().records.effects_of(sale.key, [])}
    calls: Counter[str] = Counter()
    for moment in ended.moments:
        calls.update(moment.detail.get("calls", {}))
    summary: dict[str, Any] = {"deal": str(sale.key), "state": ended.state, "cause": ended.cause, "erp": sale.erp}
    if Kind.CONTRACT in items and Kind.ENGAGEMENT_STATUS in items:
        contract = Contract.model_validate(items[Kind.CONTRACT])
        # Where the ERP keeps the schedule in the contract, it stands there.
        schedule = contract.schedule or BillingSchedule.model_validate(items[Kind.SCHEDULE])
        status = EngagementStatus.model_validate(items[Kind.ENGAGEMENT_STATUS])
        summary |= {
            "customer": status.customer_number,
            "contract": status.contract_number,
            "project": status.project_number,
            "billing_total": str(schedule.total.amount),
            "contract_value": str(contract.value.amount),
            "currency": contract.currency,
        }
    return summary | {
        "seconds_from_won_to_active": ended.seconds_from_won_to_active,
        "vendor_calls": dict(calls),
        "proven": f"{sum(proof.verdict == 'stands' for proof in proofs)} of {len(proofs)}",
    }


def _print_portfolio(summaries: list[dict[str, Any]]) -> None:
    columns = ("deal", "state", "erp", "customer", "contract", "project", "contract_value", "currency", "proven")
    rows = [{name: str(summary.get(name) or "") for name in columns} for summary in summaries]
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) for name in columns}
    print("  ".join(name.ljust(widths[name]) for name in columns))
    for row in rows:
        print("  ".join(row[name].ljust(widths[name]) for name in columns))
