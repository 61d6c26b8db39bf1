"""The AWS that functions see, in memory: tables, bucket, bus and state machine as the template names them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
from moto import mock_aws

from dealbridge import aws, clock
from dealbridge.domain.keys import DealKey
from dealbridge.ledger.ledger import Ledger, ledger
from dealbridge.ledger.table import Table
from dealbridge.settings import Settings
from dealbridge.wiring import Wiring, use
from tests.deployed import functions, resources
from tests.fakes import FakeCrm, FakeVendor, FakeWiring
from tests.integration.execution import Executions
from tests.integration.surroundings import Clock

REGION = "eu-central-1"
TABLE, IDEMPOTENCY, BUCKET, BUS = "ledger", "idempotency", "documents", "platform"


@dataclass
class World:
    """What a test stands in: AWS, a CRM, an ERP, a PSA."""

    ledger: Ledger
    table: Table
    clock: Clock
    executions: Executions
    wiring: FakeWiring
    crm: FakeCrm
    erp: FakeVendor
    psa: FakeVendor
    told: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """What was put on the bus: (detail type, detail)."""

    def head(self, deal: DealKey) -> dict[str, Any]:
        return self.ledger.deals.head(deal) or {}

    def facts(self) -> list[str]:
        return [kind for kind, _ in self.told if kind != "DealChanged"]


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """moto in place of AWS, the functions' environment, and nothing remembered from another test."""
    machine = f"arn:aws:states:{REGION}:123456789012:stateMachine:dealbridge-test-deal-to-project"
    environment = {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "POWERTOOLS_LOG_LEVEL": "CRITICAL",
        "LEDGER_TABLE": TABLE,
        "DOCUMENTS_BUCKET": BUCKET,
        "IDEMPOTENCY_TABLE": IDEMPOTENCY,
        "BUS_NAME": BUS,
        "DEAL_RUN_ARN": machine,
        "REFERENCE_APPLICATION": "app",
        "REFERENCE_ENVIRONMENT": "env",
        "REFERENCE_PROFILE": "profile",
    }
    named = {name for each in functions().values() for name in each["Environment"]["Variables"]}
    assert named - {name for name in named if name.startswith("POWERTOOLS")} - {"PUBLIC_URL"} <= set(environment)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        aws.forget()
        Settings.read.cache_clear()
        ledger.cache_clear()
        _create()
        yield
    clock.use(None)
    use(Wiring())
    aws.forget()
    Settings.read.cache_clear()
    ledger.cache_clear()


def _create() -> None:
    dynamodb: Any = boto3.client("dynamodb", REGION)
    for name, logical_id in ((TABLE, "LedgerTable"), (IDEMPOTENCY, "IdempotencyTable")):
        given = resources("AWS::DynamoDB::Table")[logical_id]["Properties"]
        taken = ("BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")
        dynamodb.create_table(TableName=name, **{part: given[part] for part in taken if part in given})
    boto3.client("s3", REGION).create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    boto3.client("events", REGION).create_event_bus(Name=BUS)
    boto3.client("stepfunctions", REGION).create_state_machine(
        name="dealbridge-test-deal-to-project",
        definition=json.dumps({"StartAt": "End", "States": {"End": {"Type": "Succeed"}}}),
        roleArn="arn:aws:iam::123456789012:role/any",
    )


@pytest.fixture
def world(clients: None) -> World:
    crm, erp, psa = FakeCrm(), FakeVendor("netsuite"), FakeVendor("kantata")
    wiring = FakeWiring(crm, erp, psa)
    made = World(ledger(), Table(TABLE), Clock(), Executions(), wiring, crm, erp, psa)
    clock.use(made.clock)
    use(wiring)

    def note(params: dict[str, Any], **_: Any) -> None:
        made.told.extend((entry["DetailType"], json.loads(entry["Detail"])) for entry in params["Entries"])

    aws.events().meta.events.register("provide-client-params.eventbridge.PutEvents", note)
    return made
