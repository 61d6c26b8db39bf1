"""The AWS that functions see, in memory: tables, bucket, bus and state machine as the template names them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
from moto import mock_aws
from moto.dynamodb.models import dynamodb_backends

from dealbridge import aws, clock
from dealbridge.domain.keys import DealKey
from dealbridge.ledger.ledger import Ledger, ledger
from dealbridge.ledger.table import Table
from dealbridge.settings import Settings
from dealbridge.wiring import Wiring, use
from tests.deployed import resources
from tests.fakes import FakeCrm, FakeVendor, FakeWiring
from tests.integration.execution import Executions
from tests.integration.surroundings import Clock, listening

REGION: Literal["eu-central-1"] = "eu-central-1"
ACCOUNT_ID = "123456789012"
"""moto's own, unless told otherwise."""
TABLE, IDEMPOTENCY, BUCKET, BUS, MACHINE = "ledger", "idempotency", "documents", "platform", "deal-to-project"


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

    def empty(self) -> None:
        """Nothing stands or is known: as cheap as a new world, which is not."""
        for table in dynamodb_backends[ACCOUNT_ID][REGION].tables.values():
            table.items.clear()
        for vendor in (self.erp, self.psa):
            vendor.records.clear()
            vendor.calls.clear()
        self.told.clear()

    def facts(self) -> list[str]:
        return [kind for kind, _ in self.told if kind != "DealChanged"]


ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_REGION": REGION,
    "POWERTOOLS_LOG_LEVEL": "CRITICAL",
    "LEDGER_TABLE": TABLE,
    "DOCUMENTS_BUCKET": BUCKET,
    "IDEMPOTENCY_TABLE": IDEMPOTENCY,
    "BUS_NAME": BUS,
    "DEAL_RUN_ARN": f"arn:aws:states:{REGION}:{ACCOUNT_ID}:stateMachine:{MACHINE}",
    "REFERENCE_APPLICATION": "app",
    "REFERENCE_ENVIRONMENT": "env",
    "REFERENCE_PROFILE": "profile",
}


@pytest.fixture(scope="session")
def environment() -> Iterator[None]:
    """What the template gives the functions. One set of clients for all tests: making them costs more than a test."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        patch.delenv("AWS_ENDPOINT_URL", raising=False)
        _forget()
        yield
    _forget()


def _forget() -> None:
    aws.forget()
    Settings.read.cache_clear()
    ledger.cache_clear()


@pytest.fixture
def clients(environment: None) -> Iterator[None]:
    """moto in place of AWS, empty."""
    with mock_aws():
        _create()
        yield
    clock.use(None)
    use(Wiring())


def _create() -> None:
    for name, logical_id in ((TABLE, "LedgerTable"), (IDEMPOTENCY, "IdempotencyTable")):
        given = resources("AWS::DynamoDB::Table")[logical_id]["Properties"]
        taken = ("BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")
        aws.dynamodb().create_table(TableName=name, **{part: given[part] for part in taken if part in given})
    aws.s3().create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    aws.events().create_event_bus(Name=BUS)
    aws.states().create_state_machine(
        name=MACHINE,
        definition=json.dumps({"StartAt": "End", "States": {"End": {"Type": "Succeed"}}}),
        roleArn=f"arn:aws:iam::{ACCOUNT_ID}:role/any",
    )


@pytest.fixture
def world(clients: None) -> Iterator[World]:
    crm, erp, psa = FakeCrm(), FakeVendor("netsuite"), FakeVendor("kantata")
    wiring = FakeWiring(crm, erp, psa)
    made = World(ledger(), Table(TABLE), Clock(), Executions(), wiring, crm, erp, psa)
    clock.use(made.clock)
    use(wiring)

    def note(params: dict[str, Any], **_: Any) -> None:
        made.told.extend((entry["DetailType"], json.loads(entry["Detail"])) for entry in params["Entries"])

    with listening("provide-client-params.eventbridge.PutEvents", note):
        yield made
