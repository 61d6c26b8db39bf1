"""JSONata field mappings: a CRM's words to ours (https://docs.jsonata.org, library jsonata-python)."""

from decimal import Decimal
from functools import lru_cache
from typing import Any

from jsonata import Jsonata
from jsonata.jexception import JException

from dealbridge.errors import ConfigurationError


@lru_cache(maxsize=32)
def _compiled(expression: str) -> Jsonata:
    return Jsonata(expression)


def check(expression: str) -> str | None:
    """What is wrong with an expression's syntax; None where nothing is."""
    try:
        _compiled(expression)
    except JException as error:
        return str(error)
    return None


def evaluate(expression: str, document: Any, *, named: str) -> Any:
    """The expression's value over a document of plain JSON values.

    Decimals go in as text, since JSONata knows only floating-point numbers: amounts pass through as they are written
    and are never calculated with. Raises ConfigurationError, naming the mapping, where the expression fails.
    """
    try:
        return _plain(_compiled(expression).evaluate(_texts(document)))
    except JException as error:
        raise ConfigurationError(f"{named}: the expression fails: {error}") from error


def _texts(value: Any) -> Any:
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, dict):
        return {key: _texts(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_texts(item) for item in value]
    return value


def _plain(value: Any) -> Any:
    """Plain lists and dicts, without the library's own sequence types."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
