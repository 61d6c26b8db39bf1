"""Salesforce record ids: 15 case-sensitive characters, or the same with the three check characters of the 18 form."""

from functools import lru_cache

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CHECK = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_INSTANCE = "Kd0"
"""The instance part of every id of this org: the fourth to sixth character."""


def with_checksum(id15: str) -> str:
    """The 18-character form: each check character says which of five characters are upper case."""
    check = ""
    for block in range(0, 15, 5):
        bits = sum(1 << place for place, char in enumerate(id15[block : block + 5]) if "A" <= char <= "Z")
        check += _CHECK[bits]
    return id15 + check


@lru_cache(maxsize=100_000)
def canonical(given: str) -> str | None:
    """The 18-character form of a 15- or 18-character id; None where the text is no id."""
    if len(given) not in (15, 18) or not given.isascii() or not given.isalnum():
        return None
    id18 = with_checksum(given[:15])
    return id18 if len(given) == 15 or given == id18 else None


class IdSequence:
    """Ids by key prefix, counted up from one."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}

    def next(self, key_prefix: str) -> str:
        number = self._last[key_prefix] = self._last.get(key_prefix, 0) + 1
        digits = ""
        while number:
            number, digit = divmod(number, 62)
            digits = _ALPHABET[digit] + digits
        return with_checksum(key_prefix + _INSTANCE + digits.rjust(9, "0"))
