"""The environment of the functions as typed models, each read once and only where it is used."""

import os
from collections.abc import Mapping
from functools import cache
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from dealbridge.errors import ConfigurationError


class Settings(BaseModel):
    """Environment variables by field name in upper case. Raises ConfigurationError for what is missing."""

    model_config = ConfigDict(frozen=True)

    @classmethod
    @cache
    def read(cls) -> Self:
        given = {name: os.environ[name.upper()] for name in cls.model_fields if name.upper() in os.environ}
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            names = ", ".join(str(each["loc"][0]).upper() for each in error.errors())
            raise ConfigurationError(f"environment: {names}: missing or wrong; see template.yaml, Globals") from error


class LedgerSettings(Settings):
    ledger_table: str
    documents_bucket: str


class ReferenceSettings(Settings):
    """Where the reference data is published: AppConfig names."""

    reference_application: str
    reference_environment: str
    reference_profile: str
    reference_seconds: int = 60
    """How long a function keeps what it has read."""


class BusSettings(Settings):
    bus_name: str


class RunSettings(Settings):
    deal_run_arn: str
    """The state machine of a deal's run."""


class EntranceSettings(Settings):
    idempotency_table: str
    public_url: str = ""
    """The address that senders call, where it is not the one that API Gateway reports (signatures cover it)."""
    inbound_limit_bytes: int = 262_144


class QueueSettings(Settings):
    deal_queue_url: str


_OUTPUTS = {
    "LEDGER_TABLE": "LedgerTable",
    "IDEMPOTENCY_TABLE": "IdempotencyTable",
    "DOCUMENTS_BUCKET": "DocumentsBucket",
    "BUS_NAME": "BusName",
    "DEAL_QUEUE_URL": "DealQueueUrl",
    "DEAL_RUN_ARN": "DealRunArn",
    "REFERENCE_APPLICATION": "ReferenceApplication",
    "REFERENCE_ENVIRONMENT": "ReferenceEnvironment",
    "REFERENCE_PROFILE": "ReferenceProfile",
}


def environment_of(stack: Mapping[str, str]) -> dict[str, str]:
    """The environment that the functions of a stack see, by the stack's outputs: for operators' commands."""
    return {name: stack[output] for name, output in _OUTPUTS.items() if output in stack}
