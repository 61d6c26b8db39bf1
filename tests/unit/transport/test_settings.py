"""Options and secrets: what is wrong is named with its place, and no value of a secret."""

from typing import Self

import pytest
from pydantic import Field, model_validator

from dealbridge.domain.connection import Connection
from dealbridge.errors import ConfigurationError
from dealbridge.transport.settings import ConnectionOptions, ConnectionSecret

CONNECTION = Connection(id="erp", system="erp", base_url="https://erp.example", secret="dealbridge/erp")


class Options(ConnectionOptions):
    days: int = 7
    fields: dict[str, int] = Field(default_factory=dict)


class Secret(ConnectionSecret):
    user: str
    password: str = Field(repr=False)

    @model_validator(mode="after")
    def _has_a_user(self) -> Self:
        if not self.user:
            raise ValueError("needs a user")
        return self


def test_what_is_left_out_has_its_default() -> None:
    assert Options.of(CONNECTION).days == 7


def test_every_wrong_option_is_named() -> None:
    wrong = CONNECTION.model_copy(update={"options": {"days": "many", "fields": {"a": "x"}, "colour": "blue"}})
    with pytest.raises(ConfigurationError, match=r"mappings/connections\.yaml: erp\.options\.days: ") as refused:
        Options.of(wrong)
    assert all(f"erp.options.{name}: " in refused.value.message for name in ("days", "fields.a", "colour"))
    assert refused.value.connection == "erp"


def test_a_missing_key_of_the_secret_is_named() -> None:
    with pytest.raises(ConfigurationError, match="secret 'dealbridge/erp': user: Field required") as refused:
        Secret.of(CONNECTION, {"password": "hush"})
    assert "hush" not in str(refused.value)


def test_what_concerns_the_whole_secret_is_told_without_it() -> None:
    with pytest.raises(ConfigurationError, match=r"secret 'dealbridge/erp': .*needs a user") as refused:
        Secret.of(CONNECTION, {"user": "", "password": "hush"})
    assert "hush" not in str(refused.value)


def test_further_keys_of_a_secret_are_no_fault_and_it_does_not_print() -> None:
    assert "hush" not in repr(Secret.of(CONNECTION, {"user": "u", "password": "hush", "note": "for people"}))
