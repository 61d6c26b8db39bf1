"""`{% ... %}`: JSONata as Step Functions evaluates it, over `$states` and the variables of a scope."""

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from jsonata import Jsonata
from jsonata.jexception import JException
from jsonata.utils import Utils


class StatesError(Exception):
    """An error of an execution, by the name that `ErrorEquals` matches, with its cause."""

    def __init__(self, error: str, cause: str = "") -> None:
        super().__init__(f"{error}: {cause}")
        self.error = error
        self.cause = cause


def filled(template: Any, bindings: Mapping[str, Any]) -> Any:
    """A field's value with every expression in it evaluated. `bindings` are `states` and the variables.

    Raises StatesError States.QueryEvaluationError for an expression that fails or gives nothing.
    """
    if isinstance(template, str):
        expression = expression_in(template)
        return template if expression is None else evaluated(expression, bindings)
    if isinstance(template, dict):
        return {name: filled(value, bindings) for name, value in template.items()}
    if isinstance(template, list):
        return [filled(value, bindings) for value in template]
    return template


def expression_in(text: str) -> str | None:
    """What stands between `{%` and `%}`, where the whole text is that."""
    return text[2:-2].strip() if text.startswith("{%") and text.endswith("%}") else None


def evaluated(expression: str, bindings: Mapping[str, Any]) -> Any:
    path = _simple_path(expression)
    if path is not None:
        found, value = _walked(path, bindings)
        if found:
            return value
    try:
        result = _compiled(expression).evaluate(None, {name: _null(value) for name, value in bindings.items()})
    except (JException, ValueError, TypeError, ArithmeticError) as error:
        raise StatesError("States.QueryEvaluationError", f"{expression}: {error}") from error
    if result is None:
        raise StatesError("States.QueryEvaluationError", f"JSONata expression did not return a result: {expression}")
    return _plain(result)


_PATH = re.compile(r"\$([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)")


@lru_cache(maxsize=512)
def _simple_path(expression: str) -> tuple[str, ...] | None:
    """The names of `$a.b.c`, which most expressions are: the engine takes a hundred times as long to walk them."""
    match = _PATH.fullmatch(expression)
    return tuple(match[1].split(".")) if match else None


def _walked(path: tuple[str, ...], bindings: Mapping[str, Any]) -> tuple[bool, Any]:
    """Whether objects alone lead to a value, and the value. Lists on the way are the engine's: they fan out."""
    value: Any = bindings
    for name in path:
        if not isinstance(value, dict | Mapping) or name not in value:
            return False, None
        value = value[name]
    return not isinstance(value, list), value


@lru_cache(maxsize=512)
def _compiled(expression: str) -> Jsonata:
    engine = Jsonata(expression)
    # Told apart from "nothing", which Step Functions refuses and JSON's null is not.
    engine.set_output_convert_nulls(False)
    engine.register_lambda("parse", json.loads)
    return engine


def _null(value: Any) -> Any:
    return Utils.NULL_VALUE if value is None else value


def _plain(value: Any) -> Any:
    if value is Utils.NULL_VALUE:
        return None
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
