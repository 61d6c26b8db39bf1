"""What can be chosen about the local engine, and waiting for it."""

from pathlib import Path

import pytest

from dealbridge_local.engine.settings import Settings, client_environment
from dealbridge_local.engine.waiting import TooLateError, wait_until


def test_each_setting_has_its_environment_variable() -> None:
    chosen = Settings.from_environment(
        {
            "DEALBRIDGE_ENGINE_PORT": "4577",
            "DEALBRIDGE_ENGINE_CONCURRENCY": "5",
            "DEALBRIDGE_ENGINE_WORKERS": "9",
            "DEALBRIDGE_ENGINE_WAIT_SCALE": "0.1",
            "DEALBRIDGE_ENGINE_HOME": "/somewhere",
        }
    )
    assert chosen == Settings(port=4577, concurrency=5, workers=9, wait_scale=0.1, home=Path("/somewhere"))


def test_without_the_variables_the_defaults_hold() -> None:
    assert Settings.from_environment({}) == Settings()
    assert Settings().endpoint_url == "http://127.0.0.1:4566"
    assert 8 <= Settings().concurrency <= 24


def test_a_value_of_the_wrong_kind_is_named() -> None:
    with pytest.raises(ValueError, match="DEALBRIDGE_ENGINE_PORT=high: not a valid int"):
        Settings.from_environment({"DEALBRIDGE_ENGINE_PORT": "high"})


def test_nothing_of_the_users_aws_configuration_reaches_the_engines_clients() -> None:
    users = {"AWS_PROFILE": "production", "AWS_SESSION_TOKEN": "secret", "SAM_CLI_TELEMETRY": "1", "HOME": "/home/ann"}
    environment = client_environment("http://127.0.0.1:4577", users)
    assert environment["AWS_ENDPOINT_URL"] == "http://127.0.0.1:4577"
    assert environment["HOME"] == "/home/ann"
    assert not environment.keys() & {"AWS_PROFILE", "AWS_SESSION_TOKEN", "SAM_CLI_TELEMETRY"}
    assert environment["AWS_CONFIG_FILE"] == environment["AWS_SHARED_CREDENTIALS_FILE"] == "/dev/null"


def test_a_proxy_is_not_asked_for_the_engine() -> None:
    environment = client_environment("http://127.0.0.1:4577", {"HTTPS_PROXY": "http://proxy", "NO_PROXY": "intranet"})
    assert environment["NO_PROXY"] == environment["no_proxy"] == "127.0.0.1,localhost,intranet"


def test_waiting_returns_what_was_found() -> None:
    answers = iter([None, 0, "found"])
    assert wait_until(lambda: next(answers), "an answer", within_s=5, every_s=0) == "found"


def test_waiting_ends_at_the_deadline() -> None:
    with pytest.raises(TooLateError, match=r"an answer: not after 0\.01 s"):
        wait_until(lambda: None, "an answer", within_s=0.01, every_s=0.001)


def test_waiting_ends_when_it_has_become_pointless() -> None:
    def check() -> None:
        raise ConnectionError("the engine is gone")

    with pytest.raises(ConnectionError):
        wait_until(lambda: None, "an answer", within_s=60, check=check)
