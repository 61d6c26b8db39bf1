"""The demo: win a deal in Salesforce, and show what reached the ERP and the PSA, with timings."""

import json
import time
from collections import Counter
from datetime import date
from decimal import Decimal
from typing import Any

import httpx

from dealbridge.cli import main as dealbridge
from dealbridge.domain.engagement import BillingSchedule, Contract
from dealbridge.domain.keys import DealKey, Kind
from dealbridge.ledger.ledger import ledger
from dealbridge.runs.tracing import Trace, trace
from dealbridge_local import platform
from dealbridge_local.engine import wait_until
from dealbridge_local.salesforce_user import SalesforceUser, Sold

ACTIVE_WITHIN_S = 60.0
_PSA_RECORDS = ("workspaces", "workspace_resources", "resource_requests")


def play() -> int:
    """Start the platform, win one deal, wait until it is active, and print what stands where. The last line is JSON."""
    began = time.monotonic()
    running = platform.up()
    print(f"The platform is up after {time.monotonic() - began:.1f} s.\n")
    platform.point_process_at(running)
    described = running.endpoints["simulators"]["salesforce"]
    seller = SalesforceUser(described["url"], described["credentials"])
    opportunity = _sell(seller)
    key = DealKey(crm="salesforce", opportunity=opportunity)
    print(f"Selling in Salesforce: opportunity {opportunity}; now it is set to Closed Won.")
    seller.win(opportunity)
    won = time.monotonic()
    status = wait_until(
        lambda: _active(seller, opportunity),
        "Waiting for the deal to become active",
        within_s=ACTIVE_WITHIN_S,
        say=print,
        check=running.engine.check_alive,
    )
    print(f"Salesforce shows {status['ERP_Status__c']!r} after {time.monotonic() - won:.2f} s.\n")
    ended = wait_until(
        lambda: found if (found := trace(key)).state == "active" else None,
        "Waiting for the run to end",
        within_s=ACTIVE_WITHIN_S,
        say=print,
        check=running.engine.check_alive,
    )
    _show_records(running)
    print("\nThe timeline (dealbridge trace):\n")
    dealbridge(["trace", str(key)])
    print("\nThe proof (dealbridge prove):\n")
    dealbridge(["prove", str(key)])
    print(f"\nLook further: dealbridge trace {key} --json; stop with `make down`.\n")
    print(json.dumps(_summary(key, status, ended)))
    return 0


def _sell(seller: SalesforceUser) -> str:
    """A services deal as they are: two accounts, two contacts, five lines, three ways of billing."""
    stamp = time.strftime("%H:%M:%S")
    group = seller.create_account("Contoso Holding", BillingCountry="United States", BillingCity="New York")
    account = seller.create_account(
        f"Contoso Robotics ({stamp})",
        parent=group,
        Legal_Name__c="Contoso Robotics Inc.",
        BillingStreet="1 Main St",
        BillingCity="Boston",
        BillingState="MA",
        BillingPostalCode="02110",
        BillingCountry="United States",
        Tax_Registrations__c="US: 12-3456789",
        Payment_Terms__c="Net 30",
        Phone="+1 617 555 0100",
    )
    contacts = [
        seller.create_contact(account, "Jane", "Doe", "jane.doe@contoso.example"),
        seller.create_contact(account, "Ravi", "Patel", "ravi.patel@contoso.example"),
    ]
    lines = [
        Sold(
            "IMPL",
            "ERP implementation",
            Decimal(1),
            Decimal("120000.00"),
            milestones=[
                ("Kick-off", date(2027, 1, 29), Decimal("36000.00")),
                ("Design accepted", date(2027, 4, 30), Decimal("48000.00")),
                ("Go-live", date(2027, 9, 30), Decimal("36000.00")),
            ],
            more={"Hours__c": Decimal(800)},
        ),
        Sold(
            "DEVL",
            "Integrations",
            Decimal(1),
            Decimal("45000.50"),
            milestones=[
                ("Interfaces specified", date(2027, 3, 31), Decimal("15000.17")),
                ("Interfaces live", date(2027, 8, 31), Decimal("30000.33")),
            ],
            more={"Hours__c": Decimal(300)},
        ),
        Sold("TRNG", "Key user training", Decimal(4), Decimal("1850.00")),
        Sold(
            "ADVS",
            "Change advisory",
            Decimal(120),
            Decimal("210.00"),
            billing_type="Time and Materials",
            more={"Hours__c": Decimal(120), "Cap_Amount__c": Decimal("27500.00")},
        ),
        Sold(
            "SUPP",
            "Hypercare retainer",
            Decimal(1),
            Decimal("10000.00"),
            billing_type="Retainer",
            more={
                "Billing_Frequency__c": "Monthly",
                "Start_Date__c": "2027-10-01",
                "End_Date__c": "2027-12-31",
            },
        ),
    ]
    return seller.open_deal(f"Contoso Robotics: ERP rollout ({stamp})", account, lines, contacts=contacts)


def _active(seller: SalesforceUser, opportunity: str) -> dict[str, Any] | None:
    fields = (
        "ERP_Status__c, ERP_Status_Message__c, ERP_Customer_Number__c, ERP_Contract_Number__c, ERP_Project_Number__c"
    )
    (record,) = seller.query(f"SELECT {fields} FROM Opportunity WHERE Id = '{opportunity}'")
    return record if record["ERP_Status__c"] == "Active" else None


def _records(running: platform.Platform, simulator: str) -> dict[str, list[dict[str, Any]]]:
    answer = httpx.get(f"{running.simulator_url(simulator)}/__sim/records", timeout=30)
    found: dict[str, list[dict[str, Any]]] = answer.json()
    return found


def _show_records(running: platform.Platform) -> None:
    for name in running.endpoints["simulators"]:
        if name == "salesforce":
            continue
        print(f"{name}:")
        for kind, records in sorted(_records(running, name).items()):
            for record in records:
                if str(record.get("externalId", "")) or kind in (
                    "workspaces",
                    "workspace_resources",
                    "resource_requests",
                ):
                    label = record.get("tranId") or record.get("entityId") or record.get("title") or record.get("name")
                    total = f", total {record['total']}" if "total" in record else ""
                    print(f"  {kind:18} {record.get('externalId') or record['id']:42} {label}{total}")


def _summary(key: DealKey, status: dict[str, Any], ended: Trace) -> dict[str, Any]:
    items = {item["kind"]: item for item in ledger().records.effects_of(key, [])}
    contract = Contract.model_validate(items[Kind.CONTRACT]["content"]["record"])
    schedule = BillingSchedule.model_validate(items[Kind.SCHEDULE]["content"]["record"])
    calls: Counter[str] = Counter()
    for moment in ended.moments:
        calls.update(moment.detail.get("calls", {}))
    return {
        "deal": str(key),
        "customer": status["ERP_Customer_Number__c"],
        "contract": status["ERP_Contract_Number__c"],
        "project": status["ERP_Project_Number__c"],
        "billing_total": str(schedule.total.amount),
        "contract_value": str(contract.value.amount),
        "currency": contract.currency,
        "seconds_from_won_to_active": ended.seconds_from_won_to_active,
        "vendor_calls": dict(calls),
    }
