"""Salesforce's words and ours: the queries of a deal, its document, our status, what an event says."""

import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from dealbridge.connectors.salesforce.mapping import (
    account_query,
    changed_query,
    deal_queries,
    document,
    hints_of,
    revision_of,
    status_content,
)
from dealbridge.connectors.salesforce.records import record_id
from dealbridge.connectors.salesforce.settings import Options
from dealbridge.domain.engagement import EngagementStatus
from dealbridge.ports import InboundHint
from dealbridge.transport.mapping import read_status

DEAL = "006ak00000OQ4RxAAL"
STATUS_FIELDS = {"status": "S__c", "message": "M__c", "project_number": "P__c", "at": "At__c"}


def test_a_deal_is_asked_for_in_at_most_five_queries() -> None:
    read = {
        "Opportunity": ("Name", "Owner.Email"),
        "OpportunityLineItem": ("Quantity",),
        "OpportunityLineItemSchedule": ("Revenue",),
        "OpportunityContactRole": ("Contact.LastName",),
        "Account": ("Name",),
    }
    queries = deal_queries(DEAL, Options(read=read))

    assert list(queries) == ["opportunity", "lines", "schedules", "contacts"]
    assert queries["opportunity"] == (
        "SELECT Id, SystemModstamp, Account.Id, Account.ParentId, Account.Name, Account.Parent.Id, "
        "Account.Parent.ParentId, Account.Parent.Name, Account.Parent.Parent.Id, Account.Parent.Parent.ParentId, "
        "Account.Parent.Parent.Name, Account.Parent.Parent.Parent.Id, Account.Parent.Parent.Parent.ParentId, "
        "Account.Parent.Parent.Parent.Name, Account.Parent.Parent.Parent.Parent.Id, "
        "Account.Parent.Parent.Parent.Parent.ParentId, Account.Parent.Parent.Parent.Parent.Name, Name, Owner.Email "
        f"FROM Opportunity WHERE Id = '{DEAL}'"
    )
    assert queries["schedules"].endswith(
        f"WHERE OpportunityLineItem.OpportunityId = '{DEAL}' ORDER BY ScheduleDate, Id"
    )


def test_what_is_not_configured_is_not_asked_for() -> None:
    assert list(deal_queries(DEAL, Options())) == ["opportunity", "lines"]


def test_a_deep_tree_is_read_from_an_account_with_five_parents() -> None:
    asked = account_query("001ak00000OQ4RxAAL", Options(read={"Account": ("Name",)}))

    assert asked.startswith("SELECT Id, ParentId, Name, Parent.Id, ")
    assert "Parent.Parent.Parent.Parent.Parent.Name FROM Account" in asked


def test_a_poll_looks_at_deals_and_at_the_accounts_that_are_watched() -> None:
    since = datetime(2026, 11, 23, 18, tzinfo=UTC)
    options = Options(read={"Account": ("Name",)}, status_fields=STATUS_FIELDS, watched_accounts=2, page=9)

    asked = changed_query(since, DEAL, options)

    assert asked.startswith("SELECT Id, SystemModstamp, Account.Id, Account.ParentId, Account.Name, Account.Parent.Id")
    assert asked.endswith(
        "FROM Opportunity WHERE (SystemModstamp >= 2026-11-23T18:00:00.000Z "
        "OR Account.SystemModstamp >= 2026-11-23T18:00:00.000Z "
        "OR Account.Parent.SystemModstamp >= 2026-11-23T18:00:00.000Z) "
        f"AND (IsWon = true OR S__c != null) AND Id > '{DEAL}' ORDER BY Id LIMIT 9"
    )
    alone = changed_query(since, "", options.model_copy(update={"watched_accounts": 0}))
    assert "WHERE (SystemModstamp >= 2026-11-23T18:00:00.000Z) AND (IsWon" in alone


def test_a_revision_is_the_deals_stamp_and_what_its_accounts_say() -> None:
    def revision(account: dict[str, Any] | None) -> str:
        return revision_of({"attributes": {}, "Id": DEAL, "SystemModstamp": "2026-11-23", "Account": account})

    parent = {"Id": "1", "Name": "n"}
    account = {"attributes": {"url": "v67.0"}, "Id": "2", "Limit__c": Decimal("1.5"), "Parent": parent}
    assert revision(None) == "2026-11-23"
    assert revision(account).startswith("2026-11-23 ")
    assert revision({**account, "attributes": {"url": "v68.0"}}) == revision(account)
    others = [{**account, "Limit__c": Decimal("1.6")}, {**account, "Parent": {**parent, "Name": "m"}}]
    assert len({revision(account), *map(revision, others)}) == 3


def test_the_document_is_the_records_without_the_apis_own_words() -> None:
    attributes = {"type": "x", "url": "y"}
    top = {"attributes": attributes, "Id": "1", "ParentId": None, "Parent": None}
    account = {"attributes": attributes, "Id": "2", "ParentId": "1", "Parent": top}
    read = document(
        {
            "opportunity": [{"attributes": attributes, "Id": "3", "Account": account, "Owner": {"Email": "a@b.c"}}],
            "lines": [{"attributes": attributes, "Id": "4", "Product2": {"attributes": attributes, "Name": "n"}}],
        }
    )

    assert read == {
        "opportunity": {"Id": "3", "Owner": {"Email": "a@b.c"}},
        "account": {"Id": "2", "ParentId": "1", "parent": {"Id": "1", "ParentId": None}},
        "lines": [{"Id": "4", "Product2": {"Name": "n"}}],
        "schedules": [],
        "contacts": [],
    }


def test_status_goes_out_and_comes_back() -> None:
    options = Options(status_fields=STATUS_FIELDS)
    at = datetime(2026, 11, 23, 18, 0, 0, 250_000, tzinfo=UTC)
    status = EngagementStatus(key=f"STAT-{DEAL}", status="Active", message="m", project_number="P-1", at=at)
    content = status_content(status, options)

    assert content == {"S__c": "Active", "M__c": "m", "P__c": "P-1", "At__c": "2026-11-23T18:00:00.250Z"}
    assert read_status(DEAL, content, STATUS_FIELDS) == status
    assert read_status(DEAL, dict.fromkeys(STATUS_FIELDS.values()), STATUS_FIELDS) is None


def _change(**header: Any) -> dict[str, Any]:
    told = {
        "entityName": "Opportunity",
        "changeType": "UPDATE",
        "changeOrigin": "com/salesforce/api/soap/66.0;client=SfdcInternalAPI/",
        "transactionKey": "00007e6d-1720-70a0-4379-f4dc745d2b32",
        "sequenceNumber": 1,
        "commitTimestamp": 1778192987000,
        "recordIds": [DEAL],
        **header,
    }
    return {"detail-type": f"{told['entityName']}ChangeEvent", "detail": {"payload": {"ChangeEventHeader": told}}}


def test_a_change_event_is_known_by_transaction_and_place_in_it() -> None:
    (hint,) = hints_of(_change(), Options())

    assert hint == InboundHint(
        DEAL, "00007e6d-1720-70a0-4379-f4dc745d2b32-1", datetime(2026, 5, 7, 22, 29, 47, tzinfo=UTC)
    )
    assert hints_of(_change(sequenceNumber=2), Options())[0].event_id != hint.event_id


@pytest.mark.parametrize(
    ("origin", "heard"),
    [
        ("com/salesforce/api/rest/67.0;client=dealbridge", False),
        ("com/salesforce/api/rest/67.0;client=dealbridge/", False),
        ("com/salesforce/api/rest/67.0;client=dealbridge-two", True),
        ("com/salesforce/api/rest/67.0", True),
        ("", True),
        (None, True),
    ],
)
def test_our_own_client_is_told_apart(origin: str | None, heard: bool) -> None:
    assert bool(hints_of(_change(changeOrigin=origin), Options())) is heard


def test_an_account_that_changed_asks_for_a_poll_and_a_new_one_for_nothing() -> None:
    def hinted(**header: Any) -> list[str | None]:
        told = _change(entityName="Account", recordIds=["001ak00000OQ4RxAAL", "001ak00000OQ4RyAAL"], **header)
        return [hint.opportunity for hint in hints_of(told, Options())]

    assert hinted() == hinted(changeType="GAP_UPDATE") == hinted(changeType="DELETE") == [None]
    assert hinted(changeType="CREATE") == hinted(changeType="GAP_CREATE") == []
    assert hinted(changeOrigin="com/salesforce/api/rest/67.0;client=dealbridge") == []


def test_a_gap_names_the_record_and_an_overflow_nothing() -> None:
    assert hints_of(_change(changeType="GAP_UPDATE"), Options())[0].opportunity == DEAL
    overflow = _change(changeType="GAP_OVERFLOW", recordIds=["000000000000000AAA"])
    assert hints_of(overflow, Options())[0].opportunity is None


def test_ids_of_15_characters_become_18() -> None:
    assert record_id(DEAL[:15]) == record_id(DEAL) == DEAL
    assert [record_id(text) for text in ("006ak00000OQ4RxAAA", "006", "", "006ak00000OQ4R'")] == [None] * 4


def test_a_step_that_does_not_call_salesforce_does_not_pay_for_it() -> None:
    program = (
        "import sys, dealbridge.connectors.salesforce as connector; "
        "sys.exit(bool({'httpx', 'jwt', 'cryptography', 'boto3'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
