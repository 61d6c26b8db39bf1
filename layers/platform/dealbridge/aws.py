"""The AWS clients, made on first use from one botocore session.

botocore and not boto3: what boto3 adds (resources, its own session) is not used here and costs a third of a step's
import time (docs/decisions/0003-lean-imports.md, `make bench`).
"""

from functools import cache
from typing import TYPE_CHECKING, Any

import botocore.session
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_appconfigdata import AppConfigDataClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_stepfunctions import SFNClient

_CONFIG = Config(
    retries={"mode": "standard", "max_attempts": 3},
    connect_timeout=3,
    read_timeout=10,
    s3={"addressing_style": "path"},
)


@cache
def _session() -> botocore.session.Session:
    return botocore.session.get_session()


@cache
def _client(name: str) -> Any:
    return _session().create_client(name, config=_CONFIG)


def dynamodb() -> "DynamoDBClient":
    client: DynamoDBClient = _client("dynamodb")
    return client


def events() -> "EventBridgeClient":
    client: EventBridgeClient = _client("events")
    return client


def states() -> "SFNClient":
    client: SFNClient = _client("stepfunctions")
    return client


def sqs() -> "SQSClient":
    client: SQSClient = _client("sqs")
    return client


def s3() -> "S3Client":
    client: S3Client = _client("s3")
    return client


def secrets() -> "SecretsManagerClient":
    client: SecretsManagerClient = _client("secretsmanager")
    return client


def appconfig() -> "AppConfigDataClient":
    client: AppConfigDataClient = _client("appconfigdata")
    return client


def any_client(name: str) -> Any:
    """A client that no function uses (deployment, operators' commands)."""
    return _client(name)


def forget() -> None:
    """Make clients anew: for tests that change endpoint or credentials."""
    _client.cache_clear()
    _session.cache_clear()
