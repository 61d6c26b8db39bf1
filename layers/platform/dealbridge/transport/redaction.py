"""What never appears in a log: credentials, and what could be used as one."""

import re
from collections.abc import Mapping
from typing import Any

_SECRET_NAMES = re.compile(
    r"authorization|cookie|token|secret|password|assertion|private_key|api[-_]?key|signature|csrf", re.IGNORECASE
)
# Bounded, so that a long text of letters costs no more than a glance at each.
_NAMES = r"[a-z_-]{0,40}(?:token|secret|password|api_?key|private_key)|client_assertion|assertion|code_verifier"
_SECRET_TEXT = re.compile(
    rf"(?P<quoted>[\"'](?:{_NAMES})[\"']\s*:\s*\")(?:[^\"\\]|\\.)*"
    rf"|(?P<keep>Bearer |Basic |\b(?:{_NAMES})[\"']?\s*[=:]\s*[\"']?)[^\s\"'&,}}]+"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----"
    r"|eyJ[\w-]+\.[\w-]+\.[\w-]*",
    re.DOTALL | re.IGNORECASE,
)
HIDDEN = "•••"


def redacted(value: Any) -> Any:
    """The value with every credential hidden: by the name of its field, or by its look inside a text."""
    if isinstance(value, Mapping):
        return {
            key: HIDDEN if isinstance(key, str) and _SECRET_NAMES.search(key) else redacted(item)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [redacted(item) for item in value]
    if isinstance(value, str):
        return _SECRET_TEXT.sub(lambda match: (match["quoted"] or match["keep"] or "") + HIDDEN, value)
    return value
