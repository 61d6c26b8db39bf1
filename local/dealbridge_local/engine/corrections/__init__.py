"""Where MiniStack answers differently from AWS, and the difference would change what dealbridge does.

Each correction wraps one function of MiniStack, gives its reason, and has a test. Nothing here adds a feature of its
own: a template or state machine that works on the corrected engine is meant to work on AWS unchanged.

``functions``  how Lambda reports errors, what a function can import, how many run at once
``states``     how Step Functions evaluates, retries, times out and names errors
``events``     partner events, and rules whose target is a function
``templates``  state machines written in YAML, HTTP APIs described by an OpenAPI body, their OPTIONS
"""

from dealbridge_local.engine.corrections import events, functions, states, templates
from dealbridge_local.engine.corrections.wrapping import MinistackChangedError

__all__ = ["MinistackChangedError", "apply"]


def apply() -> None:
    """Correct the MiniStack of this process; safe to call twice.

    Raises ``MinistackChangedError`` when a function to correct is not what the correction was written for: an engine
    that is silently uncorrected would let tests pass that fail on AWS.
    """
    functions.apply()
    states.apply()
    events.apply()
    templates.apply()
