"""What a record type is made of: fields, sublists, and the group whose ids it shares.

Stored values: strings, ints, `Decimal`s, bools, dates as `YYYY-MM-DD`, date-times as `YYYY-MM-DDTHH:MM:SSZ`,
references and choices as the bare id, subrecords as dicts, sublists as lists of lines.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from types import MappingProxyType


class Kind(Enum):
    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATE = "date"
    DATETIME = "date-time"
    DURATION = "duration"
    REFERENCE = "reference"
    CHOICE = "choice"
    SUBRECORD = "subrecord"


_NOTHING: Mapping[str, str] = MappingProxyType({})
_NO_FIELDS: "Mapping[str, Field]" = MappingProxyType({})


@dataclass(frozen=True)
class Field:
    """One field. A reference without targets takes any id: what it points at is not held here (forms, accounts).

    A choice that is `by_label` shows its label as id too, as `status` does in Oracle's sample (section_0210111448).
    """

    kind: Kind
    read_only: bool = False
    by_label: bool = False
    targets: tuple[str, ...] = ()
    choices: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    fields: "Mapping[str, Field]" = field(default_factory=lambda: _NO_FIELDS)

    @cached_property
    def names(self) -> Mapping[str, str]:
        return by_lower_case(self.fields)


@dataclass(frozen=True)
class Sublist:
    """Lines of a record. `key` is the field that identifies a line; without one, lines sent are always appended."""

    fields: Mapping[str, Field]
    key: str | None = None
    read_only: bool = False

    @cached_property
    def names(self) -> Mapping[str, str]:
        return by_lower_case(self.fields)


@dataclass(frozen=True)
class RecordType:
    """One record type of the REST record service.

    `group` names the record group that shares internal and external ids (section_N3436356). `label` is the field that
    names a record in references to it. Types that are not `writable` answer as to a role that may only view them.
    """

    name: str
    fields: Mapping[str, Field]
    group: str
    label: str = "name"
    sublists: Mapping[str, Sublist] = field(default_factory=dict)
    prefix: str | None = None
    """Of the document numbers given out, such as SO in SO1001."""
    writable: bool = True

    @cached_property
    def names(self) -> Mapping[str, str]:
        """Field and sublist names as declared, by lower case: Oracle's samples send `companyname` and `Description`."""
        return by_lower_case({**self.fields, **self.sublists})


def by_lower_case(names: Mapping[str, object]) -> Mapping[str, str]:
    return {name.lower(): name for name in names}


STRING = Field(Kind.STRING)
INTEGER = Field(Kind.INTEGER)
NUMBER = Field(Kind.NUMBER)
BOOLEAN = Field(Kind.BOOLEAN)
DATE = Field(Kind.DATE)
DATETIME = Field(Kind.DATETIME)
DURATION = Field(Kind.DURATION)

SHOWN_STRING = Field(Kind.STRING, read_only=True)
SHOWN_INTEGER = Field(Kind.INTEGER, read_only=True)
SHOWN_NUMBER = Field(Kind.NUMBER, read_only=True)
SHOWN_BOOLEAN = Field(Kind.BOOLEAN, read_only=True)
SHOWN_DATE = Field(Kind.DATE, read_only=True)
SHOWN_DATETIME = Field(Kind.DATETIME, read_only=True)


def reference(*targets: str, read_only: bool = False) -> Field:
    return Field(Kind.REFERENCE, read_only=read_only, targets=targets)


def choice(choices: Mapping[str, str]) -> Field:
    return Field(Kind.CHOICE, choices=choices)


def status(choices: Mapping[str, str]) -> Field:
    """The status of a transaction: the account sets it, and shows its label only."""
    return Field(Kind.CHOICE, read_only=True, by_label=True, choices=choices)


def subrecord(fields: Mapping[str, Field]) -> Field:
    return Field(Kind.SUBRECORD, fields=fields)
