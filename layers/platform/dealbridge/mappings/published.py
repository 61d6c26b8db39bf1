"""The reference data as a function reads it: through AppConfig, kept for a while, never half of it.

AppConfig's data API directly and not Powertools' provider, which imports boto3 (docs/decisions/0003-lean-imports.md).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import ValidationError

from dealbridge import aws, clock
from dealbridge.errors import ConfigurationError, TransientError
from dealbridge.rules.reference import ReferenceData
from dealbridge.settings import ReferenceSettings

if TYPE_CHECKING:
    from mypy_boto3_appconfigdata.type_defs import GetLatestConfigurationResponseTypeDef


@dataclass
class _Kept:
    token: str | None = None
    """The session's next token: good for one read within 24 hours."""
    data: ReferenceData | None = None
    until: float = 0.0


_kept: dict[ReferenceSettings, _Kept] = {}


def reference_data() -> ReferenceData:
    """The published document. Raises ConfigurationError where none is published or it is not valid.

    While AppConfig does not answer, what was read last holds; TransientError where that is nothing.
    """
    settings = ReferenceSettings.read()
    kept = _kept.setdefault(settings, _Kept())
    if kept.data is None or clock.now().timestamp() >= kept.until:
        try:
            _refresh(settings, kept)
        except TransientError:
            if kept.data is None:
                raise
    if kept.data is None:
        raise ConfigurationError("reference data: none is published; run `dealbridge mappings publish`")
    return kept.data


def forget() -> None:
    """Read anew next time: for tests."""
    _kept.clear()


def _refresh(settings: ReferenceSettings, kept: _Kept) -> None:
    answer = _latest(settings, kept)
    content = answer["Configuration"].read()
    if content:  # empty: unchanged since the last read
        try:
            kept.data = ReferenceData.model_validate_json(content)
        except ValidationError as error:
            raise ConfigurationError(f"reference data: the published document is not valid: {error}") from error
    kept.token = answer["NextPollConfigurationToken"]
    kept.until = clock.now().timestamp() + settings.reference_seconds


def _latest(settings: ReferenceSettings, kept: _Kept) -> "GetLatestConfigurationResponseTypeDef":
    token, kept.token = kept.token, None
    try:
        if token is not None:
            try:
                return aws.appconfig().get_latest_configuration(ConfigurationToken=token)
            except aws.appconfig().exceptions.BadRequestException:
                pass  # too old: a function's environment may sleep longer than a token lives
        started = aws.appconfig().start_configuration_session(
            ApplicationIdentifier=settings.reference_application,
            EnvironmentIdentifier=settings.reference_environment,
            ConfigurationProfileIdentifier=settings.reference_profile,
            RequiredMinimumPollIntervalInSeconds=max(15, settings.reference_seconds),
        )
        return aws.appconfig().get_latest_configuration(ConfigurationToken=started["InitialConfigurationToken"])
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code == "ResourceNotFoundException":
            raise ConfigurationError(f"reference data: {error.response['Error']['Message']}") from error
        raise TransientError(f"reference data: AppConfig answers {code}") from error
    except BotoCoreError as error:
        raise TransientError(f"reference data: AppConfig does not answer ({type(error).__name__})") from error
