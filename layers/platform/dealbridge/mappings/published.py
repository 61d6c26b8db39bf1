"""The reference data as a function reads it: through AppConfig, kept for a while, never half of it.

AppConfig's data API directly and not Powertools' provider, which imports boto3 (docs/decisions/0003-lean-imports.md).
"""

import time
from dataclasses import dataclass

from pydantic import ValidationError

from dealbridge import aws
from dealbridge.errors import ConfigurationError, TransientError
from dealbridge.rules.reference import ReferenceData
from dealbridge.settings import ReferenceSettings


@dataclass
class _Kept:
    token: str
    data: ReferenceData | None = None
    until: float = 0.0


_kept: dict[ReferenceSettings, _Kept] = {}


def reference_data() -> ReferenceData:
    """The published document. Raises ConfigurationError where none is published or it is not valid."""
    settings = ReferenceSettings.read()
    kept = _kept.get(settings)
    if kept is None:
        kept = _kept[settings] = _Kept(_begin(settings))
    if kept.data is None or time.monotonic() >= kept.until:
        _refresh(settings, kept)
    if kept.data is None:
        raise ConfigurationError("reference data: none is published; run `dealbridge mappings publish`")
    return kept.data


def forget() -> None:
    """Read anew next time: for tests."""
    _kept.clear()


def _begin(settings: ReferenceSettings) -> str:
    started = aws.appconfig().start_configuration_session(
        ApplicationIdentifier=settings.reference_application,
        EnvironmentIdentifier=settings.reference_environment,
        ConfigurationProfileIdentifier=settings.reference_profile,
        RequiredMinimumPollIntervalInSeconds=max(15, settings.reference_seconds),
    )
    return started["InitialConfigurationToken"]


def _refresh(settings: ReferenceSettings, kept: _Kept) -> None:
    try:
        answer = aws.appconfig().get_latest_configuration(ConfigurationToken=kept.token)
    except aws.appconfig().exceptions.BadRequestException:
        # A token lives for 24 hours; a function's environment may sleep longer.
        kept.token = _begin(settings)
        answer = aws.appconfig().get_latest_configuration(ConfigurationToken=kept.token)
    except Exception as error:
        if kept.data is None:
            raise TransientError(f"reference data: AppConfig does not answer ({type(error).__name__})") from error
        return
    kept.token = answer["NextPollConfigurationToken"]
    kept.until = time.monotonic() + settings.reference_seconds
    content = answer["Configuration"].read()
    if content:  # empty: unchanged since the last read
        try:
            kept.data = ReferenceData.model_validate_json(content)
        except ValidationError as error:
            raise ConfigurationError(f"reference data: the published document is not valid: {error}") from error
