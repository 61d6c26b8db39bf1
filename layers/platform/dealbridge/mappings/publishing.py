"""Publishing the reference data: one AppConfig version, deployed with the stack's strategy. Not used in functions."""

import json
import time
from collections.abc import Mapping

from dealbridge import aws
from dealbridge.errors import ConfigurationError
from dealbridge.rules.reference import ReferenceData


def publish(reference: ReferenceData, stack: Mapping[str, str], within: float = 900.0) -> int:
    """Publish a document that has been checked; the version's number. Waits until it is in use or rolled back.

    Raises ConfigurationError where AppConfig rolled it back.
    """
    client = aws.any_client("appconfig")
    application, environment = stack["ReferenceApplication"], stack["ReferenceEnvironment"]
    version = client.create_hosted_configuration_version(
        ApplicationId=application,
        ConfigurationProfileId=stack["ReferenceProfile"],
        Content=json.dumps(reference.model_dump(mode="json"), ensure_ascii=False).encode(),
        ContentType="application/json",
        Description=f"reference data {reference.version}",
    )["VersionNumber"]
    number = client.start_deployment(
        ApplicationId=application,
        EnvironmentId=environment,
        DeploymentStrategyId=stack["ReferenceStrategy"],
        ConfigurationProfileId=stack["ReferenceProfile"],
        ConfigurationVersion=str(version),
    )["DeploymentNumber"]
    deadline = time.monotonic() + within
    while True:
        state = client.get_deployment(ApplicationId=application, EnvironmentId=environment, DeploymentNumber=number)[
            "State"
        ]
        # BAKING: all functions have it already; AppConfig only watches the alarm a while longer.
        if state in ("BAKING", "COMPLETE"):
            return int(version)
        if state in ("ROLLED_BACK", "ROLLING_BACK", "REVERTED") or time.monotonic() > deadline:
            raise ConfigurationError(f"reference data {reference.version}: AppConfig answers {state}; nothing changed")
        time.sleep(1)
