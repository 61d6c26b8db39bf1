# ruff: noqa: N803 (the arguments bear the names that the AWS clients give them)
"""EventBridge, the fronts of Step Functions and Lambda, S3, Secrets Manager, AppConfig: what the functions call."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError

from dealbridge_local.worlds.cloud.dynamodb import refusal

ENTRIES_A_CALL = 10
ENTRIES_BYTES = 256 * 1024

type Entry = Mapping[str, Any]


class EventBridge:
    """What `dealbridge.aws.events()` gives. `deliver` gets each entry that was taken."""

    def __init__(self, deliver: Callable[[Entry], None]) -> None:
        self._deliver = deliver
        self._taken = 0

    def put_events(self, *, Entries: Sequence[Entry]) -> dict[str, Any]:
        if not 0 < len(Entries) <= ENTRIES_A_CALL:
            raise refusal("PutEvents", "ValidationException", f"Entries: {len(Entries)} of at most {ENTRIES_A_CALL}")
        size = sum(len(f"{entry['Source']}{entry['DetailType']}{entry['Detail']}".encode()) for entry in Entries)
        if size > ENTRIES_BYTES:
            raise refusal("PutEvents", "ValidationException", f"Total size of the entries: {size} bytes")
        results = []
        for entry in Entries:
            self._taken += 1
            self._deliver(entry)
            results.append({"EventId": f"event-{self._taken}"})
        return {"FailedEntryCount": 0, "Entries": results}


class ExecutionAlreadyExistsError(ClientError):
    """StepFunctions.Client.exceptions.ExecutionAlreadyExists"""


class ExecutionDoesNotExistError(ClientError):
    """StepFunctions.Client.exceptions.ExecutionDoesNotExist"""


@dataclass
class Execution:
    """One execution of a state machine."""

    arn: str
    name: str
    input: str
    status: str = "RUNNING"
    output: Any = None
    error: str | None = None
    cause: str | None = None


class StepFunctions:
    """What `dealbridge.aws.states()` gives. `begin` gets each execution that is new."""

    exceptions = SimpleNamespace(
        ExecutionAlreadyExists=ExecutionAlreadyExistsError, ExecutionDoesNotExist=ExecutionDoesNotExistError
    )

    def __init__(self, begin: Callable[[Execution], None]) -> None:
        self.executions: dict[str, Execution] = {}
        self._begin = begin

    def start_execution(self, *, stateMachineArn: str, name: str, input: str) -> dict[str, Any]:
        """The same name with the same input, while it runs, is answered as if it had been started (API reference)."""
        arn = f"{stateMachineArn.replace(':stateMachine:', ':execution:')}:{name}"
        known = self.executions.get(arn)
        if known is not None:
            if known.status == "RUNNING" and known.input == input:
                return {"executionArn": arn}
            error: Any = {"Error": {"Code": "ExecutionAlreadyExists", "Message": f"Execution Already Exists: {arn}"}}
            raise ExecutionAlreadyExistsError(error, "StartExecution")
        execution = self.executions[arn] = Execution(arn, name, input)
        self._begin(execution)
        return {"executionArn": arn}

    def describe_execution(self, *, executionArn: str) -> dict[str, Any]:
        known = self.executions.get(executionArn)
        if known is None:
            error: Any = {"Error": {"Code": "ExecutionDoesNotExist", "Message": executionArn}}
            raise ExecutionDoesNotExistError(error, "DescribeExecution")
        return {"executionArn": known.arn, "name": known.name, "status": known.status, "input": known.input}


class Lambda:
    """What `dealbridge.aws.any_client("lambda")` gives: asynchronous invocations."""

    def __init__(self, invoke: Callable[[str, Any], None]) -> None:
        self._invoke = invoke

    def invoke(self, *, FunctionName: str, InvocationType: str, Payload: bytes) -> dict[str, Any]:
        if InvocationType != "Event":
            raise refusal(
                "Invoke", "InvalidParameterValueException", f"InvocationType {InvocationType} is not emulated"
            )
        self._invoke(FunctionName, json.loads(Payload))
        return {"StatusCode": 202}


class S3:
    """What `dealbridge.aws.s3()` gives."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], bytes] = {}

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, ContentType: str) -> dict[str, Any]:
        self.objects[Bucket, Key] = Body
        return {}

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:
        body = self.objects.get((Bucket, Key))
        if body is None:
            raise refusal("GetObject", "NoSuchKey", "The specified key does not exist.")
        return {"Body": BytesIO(body)}


class SecretsManager:
    """What `dealbridge.aws.secrets()` gives."""

    def __init__(self, secrets: Mapping[str, Mapping[str, str]]) -> None:
        self._secrets = secrets

    def get_secret_value(self, *, SecretId: str) -> dict[str, Any]:
        if SecretId not in self._secrets:
            raise refusal("GetSecretValue", "ResourceNotFoundException", "Secrets Manager can't find the secret.")
        return {"SecretString": json.dumps(self._secrets[SecretId])}


class BadRequestError(ClientError):
    """AppConfigData.Client.exceptions.BadRequestException"""


@dataclass
class AppConfig:
    """What `dealbridge.aws.appconfig()` gives: the newest document, empty for who has it already."""

    document: bytes
    version: int = 1
    exceptions: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(BadRequestException=BadRequestError))

    def publish(self, document: bytes) -> None:
        self.document, self.version = document, self.version + 1

    def start_configuration_session(
        self,
        *,
        ApplicationIdentifier: str,
        EnvironmentIdentifier: str,
        ConfigurationProfileIdentifier: str,
        RequiredMinimumPollIntervalInSeconds: int,
    ) -> dict[str, Any]:
        return {"InitialConfigurationToken": "0"}

    def get_latest_configuration(self, *, ConfigurationToken: str) -> dict[str, Any]:
        new = int(ConfigurationToken) < self.version
        return {
            "NextPollConfigurationToken": str(self.version),
            "Configuration": BytesIO(self.document if new else b""),
        }
