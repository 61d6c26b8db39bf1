"""The deployed whole: a deal won in Salesforce reaches NetSuite and Kantata, and goes on reaching them."""

import json
import threading
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import httpx
import pytest
import requests
from requests.adapters import HTTPAdapter
from simple_salesforce.api import Salesforce

from dealbridge_local.engine import wait_until
from dealbridge_local.platform import Platform
from dealbridge_local.salesforce_user import SalesforceUser, Sold
from tests.workflows.observing import (
    Vendor,
    by_connection,
    dealbridge,
    trace,
    wait_for_state,
    wait_until_active,
)


class PlainHttp(HTTPAdapter):
    """simple-salesforce speaks https only."""

    def send(self, request: requests.PreparedRequest, *args: Any, **more: Any) -> requests.Response:
        request.url = str(request.url).replace("https://", "http://", 1)
        return super().send(request, *args, **more)


@pytest.fixture
def official_client(platform: Platform) -> Iterator[Any]:
    org = platform.endpoints["simulators"]["salesforce"]
    signed_in = requests.post(
        org["url"] + "/services/oauth2/token",
        data={
            "grant_type": "client_credentials",
            "client_id": org["credentials"]["consumer_key"],
            "client_secret": org["credentials"]["consumer_secret"],
        },
        timeout=30,
    ).json()
    with requests.Session() as session:
        session.mount("https://", PlainHttp())
        yield Salesforce(
            instance_url=org["url"].replace("http://", "https://"),
            session_id=signed_in["access_token"],
            version="67.0",
            session=session,
        )


def _account(seller: SalesforceUser, name: str, **fields: Any) -> str:
    return seller.create_account(name, BillingCountry="United States", **fields)


def _small_deal(seller: SalesforceUser, account: str, amount: str = "10000.00", **fields: Any) -> str:
    return seller.open_deal("Rollout", account, [Sold("IMPL", "Rollout", Decimal(1), Decimal(amount))], **fields)


def _order_lines(order: dict[str, Any]) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = order["item"]["items"]
    return lines


def test_a_deal_won_with_an_official_client_stands_in_netsuite_within_15_seconds(
    platform: Platform, official_client: Any, seller: SalesforceUser
) -> None:
    sf, netsuite, kantata = official_client, Vendor(platform, "netsuite"), Vendor(platform, "kantata")
    parent = sf.Account.create({"Name": "Fabrikam Holding", "BillingCountry": "United States"})["id"]
    account = sf.Account.create({"Name": "Fabrikam Inc.", "ParentId": parent, "BillingCountry": "United States"})["id"]
    contacts = [
        sf.Contact.create(
            {"AccountId": account, "FirstName": first, "LastName": "Lee", "Email": f"{first}@fabrikam.example"}
        )["id"]
        for first in ("Ada", "Bo")
    ]
    entry = sf.query("SELECT Id FROM PricebookEntry WHERE CurrencyIsoCode = 'USD' LIMIT 1")["records"][0]["Id"]
    deal = sf.Opportunity.create(
        {
            "Name": "Fabrikam: rollout",
            "AccountId": account,
            "StageName": "Negotiation/Review",
            "CloseDate": "2026-11-20",
            "CurrencyIsoCode": "USD",
            "Legal_Entity__c": "NA-US",
            "Commercial_Terms_Approved__c": True,
            "Delivery_Owner_Email__c": "jon.abe@example.com",
            "Payment_Terms__c": "Net 45",
            "Contract_Start__c": "2027-01-04",
            "Contract_End__c": "2027-12-31",
        }
    )["id"]
    for contact in contacts:
        sf.OpportunityContactRole.create({"OpportunityId": deal, "ContactId": contact})
    sold: list[dict[str, Any]] = [
        {"Quantity": 1, "UnitPrice": 33333.33, "Service_Line__c": "IMPL", "Billing_Type__c": "Milestone"},
        {"Quantity": 1, "UnitPrice": 10000.01, "Service_Line__c": "DEVL", "Billing_Type__c": "Milestone"},
        {"Quantity": 3, "UnitPrice": 1499.99, "Service_Line__c": "TRNG", "Billing_Type__c": "Fixed"},
        {"Quantity": 80, "UnitPrice": 195.5, "Service_Line__c": "ADVS", "Billing_Type__c": "Time and Materials"},
        {"Quantity": 1, "UnitPrice": 12000, "Service_Line__c": "SUPP", "Billing_Type__c": "Retainer"},
    ]
    lines = [
        sf.OpportunityLineItem.create({"OpportunityId": deal, "PricebookEntryId": entry, **line})["id"] for line in sold
    ]
    for line, amounts in ((lines[0], (11111.11, 22222.22)), (lines[1], (5000, 5000.01))):
        for number, amount in enumerate(amounts):
            sf.OpportunityLineItemSchedule.create(
                {
                    "OpportunityLineItemId": line,
                    "Type": "Revenue",
                    "ScheduleDate": f"2027-0{number + 3}-28",
                    "Revenue": amount,
                    "Description": f"Part {number + 1}",
                }
            )
    sf.Opportunity.update(deal, {"StageName": "Closed Won"})
    shown = wait_until_active(platform, seller, deal, within_s=15)

    total = Decimal("75473.31")
    (order,) = netsuite.of_deal("salesOrder", deal)
    (job,) = netsuite.of_deal("job", deal)
    (schedule,) = netsuite.of_deal("billingSchedule", deal)
    assert Decimal(order["total"]) == total == sum(Decimal(line["amount"]) for line in _order_lines(order))
    percentages = [Decimal(row["milestoneAmount"]) for row in schedule["milestone"]["items"]]
    assert sum((share * total / 100).quantize(Decimal("0.01")) for share in percentages) == total
    assert job["billingSchedule"]["id"] == schedule["id"]
    assert len(netsuite.of_deal("projectTask", deal)) == 5
    (customer,) = [each for each in netsuite.records("customer") if each.get("externalId") == f"CUST-{account}"]
    (holding,) = [each for each in netsuite.records("customer") if each.get("externalId") == f"CUST-{parent}"]
    assert customer["parent"]["id"] == holding["id"]
    assert len([each for each in netsuite.records("contact") if each["company"]["id"] == customer["id"]]) == 2
    assert shown["ERP_Project_Number__c"] == job["entityId"]
    assert shown["ERP_Contract_Number__c"] == order["tranId"]
    workspaces = [each for each in kantata.records("workspaces") if each["title"] == "Fabrikam: rollout"]
    assert len(workspaces) == 1
    assert dealbridge("prove", f"salesforce:{deal}").returncode == 0


def test_a_warm_deal_takes_few_calls_and_an_unchanged_one_a_single_read(
    platform: Platform, seller: SalesforceUser
) -> None:
    account = _account(seller, "Calls Inc.")
    deal = _small_deal(seller, account, StageName="Closed Won")
    wait_until_active(platform, seller, deal)
    first = wait_for_state(platform, deal, "active")
    runs = {moment["run"] for moment in first["moments"] if moment["run"]}
    calls = by_connection(first["moments"])
    # customer, job and order are read once each for their numbers; the schedule is attached to the job.
    assert calls["netsuite"] <= 2 * 5
    assert calls["salesforce"] <= 1 + len(runs)
    before = {name: len(Vendor(platform, name).calls()) for name in ("netsuite", "kantata", "salesforce")}
    assert dealbridge("redrive", f"salesforce:{deal}").returncode == 0
    wait_until_more_runs(platform, deal, len(runs))
    wait_for_state(platform, deal, "active")
    after = {name: len(Vendor(platform, name).calls()) for name in ("netsuite", "kantata", "salesforce")}
    assert after["netsuite"] == before["netsuite"]
    assert after["kantata"] == before["kantata"]
    assert after["salesforce"] == before["salesforce"] + 1


def wait_until_more_runs(platform: Platform, deal: str, than: int) -> None:
    def more() -> bool:
        return len({moment["run"] for moment in trace(deal)["moments"] if moment["run"]}) > than

    wait_until(more, "another run", within_s=30, check=platform.engine.check_alive)


def test_amended_twice_with_events_doubled_and_out_of_order_the_last_amounts_stand_once(
    platform: Platform, seller: SalesforceUser
) -> None:
    netsuite, salesforce = Vendor(platform, "netsuite"), Vendor(platform, "salesforce")
    deal = _small_deal(seller, _account(seller, "Amended Inc."), StageName="Closed Won")
    wait_until_active(platform, seller, deal)
    (line,) = seller.query(f"SELECT Id FROM OpportunityLineItem WHERE OpportunityId = '{deal}'")
    for price in ("12000.10", "15000.25"):
        seller.change("OpportunityLineItem", line["Id"], UnitPrice=Decimal(price))

    def burst(delay: float) -> None:
        salesforce.event("OpportunityChangeEvent", deal, duplicate=1, delay_s=delay)

    threads = [threading.Thread(target=burst, args=(delay,)) for delay in (0.3, 0.0, 0.0, 0.1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    def last_amount_stands() -> bool:
        (order,) = netsuite.of_deal("salesOrder", deal)
        return Decimal(order["total"]) == Decimal("15000.25")

    wait_until(last_amount_stands, "the last amount", within_s=30, check=platform.engine.check_alive)
    wait_for_state(platform, deal, "active")
    for kind in ("salesOrder", "job", "billingSchedule", "projectTask"):
        assert len(netsuite.of_deal(kind, deal)) == 1, kind
    (order,) = netsuite.of_deal("salesOrder", deal)
    assert len(_order_lines(order)) == 1
    assert dealbridge("prove", f"salesforce:{deal}").returncode == 0


def test_with_netsuite_down_runs_park_and_redrive_completes_all_of_them(
    platform: Platform, seller: SalesforceUser
) -> None:
    netsuite = Vendor(platform, "netsuite")
    account = _account(seller, "Patient Inc.")
    netsuite.fault(kind="status", status=503)
    try:
        deals = [_small_deal(seller, account, StageName="Closed Won") for _ in range(3)]
        parked = [wait_for_state(platform, deal, "parked", within_s=90) for deal in deals]
    finally:
        netsuite.no_faults()
    # The one that waits for the customer that another deal is writing may be the one that says so.
    assert {each["cause"] for each in parked} <= {"TransientError", "RecordBusyError"}
    listed = dealbridge("redrive", "--parked", "--dry-run", "--json")
    named = {row["deal"] for row in json.loads(listed.stdout)["deals"]}
    assert {f"salesforce:{deal}" for deal in deals} <= named
    assert dealbridge("redrive", "--parked").returncode == 0
    for deal in deals:
        wait_until_active(platform, seller, deal)
        assert len(netsuite.of_deal("salesOrder", deal)) == 1
        assert len(netsuite.of_deal("job", deal)) == 1


def test_what_is_wrong_is_named_and_goes_through_by_itself_once_corrected(
    platform: Platform, seller: SalesforceUser
) -> None:
    account = _account(seller, "Wrong GmbH", Tax_Registrations__c="DE: 12345")
    unknown = Sold("NOPE", "Unknown service", Decimal(1), Decimal("500.00"))
    without_milestones = Sold("IMPL", "Rollout", Decimal(1), Decimal("1000.00"), billing_type="Milestone")
    lines = [unknown, without_milestones]
    deal = seller.open_deal("Wrong", account, lines, Legal_Entity__c="MARS", StageName="Closed Won")
    found = wait_for_state(platform, deal, "parked")
    (exception,) = [each for each in found["exceptions"] if each["state"] == "open"]
    rules = {finding["rule"]: finding for finding in exception["findings"]}
    assert {"legal_entity_known", "tax_registered", "service_line_known", "amounts_add_up"} <= set(rules)
    assert rules["legal_entity_known"]["field"] == "Legal_Entity__c"
    assert all(finding["remedy"] for finding in rules.values())
    assert not Vendor(platform, "netsuite").of_deal("salesOrder", deal)

    found_lines = seller.query(f"SELECT Id, Service_Line__c FROM OpportunityLineItem WHERE OpportunityId = '{deal}'")
    line_of = {each["Service_Line__c"]: each["Id"] for each in found_lines}
    seller.change("OpportunityLineItem", line_of["NOPE"], Service_Line__c="TRNG")
    seller.change("OpportunityLineItem", line_of["IMPL"], Billing_Type__c="Fixed")
    seller.change("Opportunity", deal, Legal_Entity__c="NA-US")
    # The account last: a change of it alone must be enough.
    seller.change("Account", account, Tax_Registrations__c="DE: DE811907980")
    wait_until_active(platform, seller, deal)
    assert len(Vendor(platform, "netsuite").of_deal("salesOrder", deal)) == 1


def test_a_deal_of_500_lines_and_200_milestones_goes_through(platform: Platform, seller: SalesforceUser) -> None:
    netsuite = Vendor(platform, "netsuite")
    lines = [
        Sold(
            ("IMPL", "DEVL", "TRNG", "ADVS")[number % 4], f"Package {number}", Decimal(1), Decimal(f"{100 + number}.37")
        )
        for number in range(480)
    ]
    lines += [
        Sold(
            "IMPL",
            f"Phase {number}",
            Decimal(1),
            Decimal("1000.00"),
            milestones=[(f"Part {part}", date(2027, part + 1, 28), Decimal("100.00")) for part in range(10)],
        )
        for number in range(20)
    ]
    deal = seller.open_deal("Large", _account(seller, "Large Inc."), lines)
    seller.win(deal)
    wait_until_active(platform, seller, deal, within_s=60)
    (order,) = netsuite.of_deal("salesOrder", deal)
    (schedule,) = netsuite.of_deal("billingSchedule", deal)
    total = sum((line.price for line in lines), Decimal(0))
    assert len(_order_lines(order)) == 500
    assert Decimal(order["total"]) == total
    assert len(schedule["milestone"]["items"]) == 480 + 200


def test_an_event_that_is_lost_is_caught_up_with_by_the_poll(platform: Platform, seller: SalesforceUser) -> None:
    netsuite = Vendor(platform, "netsuite")
    events = platform.engine.client("events")
    source = platform.endpoints["simulators"]["salesforce"]["credentials"]["relay_source"]
    (rule,) = events.list_rules(EventBusName=source)["Rules"]
    events.disable_rule(Name=rule["Name"], EventBusName=source)
    try:
        deal = _small_deal(seller, _account(seller, "Unheard Inc."), StageName="Closed Won")
        platform.engine.client("lambda").invoke(FunctionName=platform.stack["PollCrmFunction"], Payload=b"{}")
        wait_until_active(platform, seller, deal)
    finally:
        events.enable_rule(Name=rule["Name"], EventBusName=source)
    assert len(netsuite.of_deal("job", deal)) == 1


def test_webhooks_are_verified_and_what_is_refused_is_kept(platform: Platform, seller: SalesforceUser) -> None:
    import hmac
    import time

    secret = platform.endpoints["simulators"]["salesforce"]["credentials"]["webhook_secret"]
    url = f"{platform.endpoints['http_api']}/events/salesforce"

    def send(body: bytes, *, key: str = secret, age: int = 0) -> httpx.Response:
        moment = str(int(time.time()) - age)
        signature = hmac.new(key.encode(), f"{moment}.".encode() + body, "sha256").hexdigest()
        headers = {"X-Dealbridge-Timestamp": moment, "X-Dealbridge-Signature": f"sha256={signature}"}
        return httpx.post(url, content=body, headers=headers, timeout=30)

    deal = _small_deal(seller, _account(seller, "Hooked Inc."))
    told = json.dumps({"event_id": f"hook-{deal}", "opportunity_ids": [deal]}).encode()
    assert send(told).status_code == 202
    assert send(told).status_code == 202
    assert send(told, key="forged").status_code == 401
    assert send(told, age=3600).status_code == 401
    malformed = send(b'{"event_id": ')
    assert malformed.status_code == 400
    assert "JSON" in malformed.json()["error"]
    assert send(b"x" * 300_000).status_code == 413
    day = time.strftime("%Y-%m-%d", time.gmtime())
    kept = platform.engine.client("dynamodb").query(
        TableName=platform.stack["LedgerTable"],
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues={":pk": {"S": f"REFUSED#{day}"}},
    )["Items"]
    assert {item["status"]["N"] for item in kept} >= {"400", "401", "413"}
    assert secret not in json.dumps(kept)


def test_a_run_that_is_aborted_is_parked_for_it_and_nothing_is_written_twice(
    platform: Platform, seller: SalesforceUser
) -> None:
    netsuite, states = Vendor(platform, "netsuite"), platform.engine.client("stepfunctions")
    deal = _small_deal(seller, _account(seller, "Aborted Inc."))
    wait_for_state(platform, deal, "open")
    number = max(int(str(moment["run"]).rsplit("-", 1)[1]) for moment in trace(deal)["moments"] if moment["run"])
    # The step that is cut off is in the middle of a call, which NetSuite answers three seconds later.
    netsuite.fault(kind="delay", delay_s=3, times=1)
    seller.win(deal)
    arn = platform.stack["DealRunArn"].replace(":stateMachine:", ":execution:")
    execution = f"{arn}:salesforce-{deal}-{number + 1}"

    def is_writing() -> bool:
        try:
            return states.describe_execution(executionArn=execution)["status"] == "RUNNING" and "netsuite" in str(
                platform.engine.client("dynamodb").scan(
                    TableName=platform.stack["LedgerTable"],
                    FilterExpression="attribute_exists(intent)",
                    ProjectionExpression="#identity",
                    ExpressionAttributeNames={"#identity": "identity"},
                )["Items"]
            )
        except states.exceptions.ExecutionDoesNotExist:
            return False

    wait_until(is_writing, "the run to write to NetSuite", within_s=30, every_s=0.05)
    states.stop_execution(executionArn=execution, cause="a person pressed stop")

    def aborted() -> bool:
        return any("ExecutionAborted" in moment["what"] for moment in trace(deal)["moments"])

    wait_until(aborted, "the aborted run to be parked", within_s=30, every_s=0.2)
    assert dealbridge("redrive", f"salesforce:{deal}").returncode == 0
    wait_until_active(platform, seller, deal)
    assert len(netsuite.of_deal("salesOrder", deal)) == 1
    assert len(netsuite.of_deal("job", deal)) == 1


def test_dead_letters_are_listed_and_delivered_again(platform: Platform, seller: SalesforceUser) -> None:
    sqs, queue = platform.engine.client("sqs"), platform.stack["DealQueueDeadLettersUrl"]
    events = platform.engine.client("events")
    source = platform.endpoints["simulators"]["salesforce"]["credentials"]["relay_source"]
    (rule,) = events.list_rules(EventBusName=source)["Rules"]
    events.disable_rule(Name=rule["Name"], EventBusName=source)
    try:
        deal = _small_deal(seller, _account(seller, "Dead Letter Inc."), StageName="Closed Won")
    finally:
        events.enable_rule(Name=rule["Name"], EventBusName=source)
    hint = {
        "deal": {"crm": "salesforce", "opportunity": deal},
        "source": "crm_event",
        "event_id": "dead-1",
        "received_at": "2026-11-23T18:00:00Z",
        "correlation_id": "dead-1",
    }
    sqs.send_message(QueueUrl=queue, MessageBody=json.dumps({"detail-type": "DealChanged", "detail": hint}))
    listed = dealbridge("redrive", "--dlq", "deal-queue", "--dry-run", "--json")
    assert '{"detail-type": "DealChanged",' in [row["body"][:30] for row in json.loads(listed.stdout)["messages"]]
    assert dealbridge("redrive", "--dlq", "deal-queue").returncode == 0
    wait_until_active(platform, seller, deal)
    assert "Messages" not in sqs.receive_message(QueueUrl=queue, VisibilityTimeout=0)


def test_no_secret_stands_in_any_log(platform: Platform) -> None:
    logs = (platform.engine.settings.home / "engine.log").read_text()
    logs += (platform.engine.settings.home / "simulators.log").read_text()
    logs += _cloudwatch(platform)
    for name, described in platform.endpoints["simulators"].items():
        for field, value in described["credentials"].items():
            if field in ("consumer_secret", "private_key", "token", "password", "client_secret", "webhook_secret"):
                secret = value.splitlines()[1] if "PRIVATE KEY" in value else value
                assert secret not in logs, f"{name}.{field}"
    assert "Bearer " not in logs


def _cloudwatch(platform: Platform) -> str:
    client = platform.engine.client("logs")
    pages = client.get_paginator("filter_log_events").paginate(logGroupName=platform.stack["LogGroup"])
    return "\n".join(event["message"] for page in pages for event in page["events"])
