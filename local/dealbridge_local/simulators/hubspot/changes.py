"""What happened to records, as webhooks and the journal tell it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from dealbridge_local.simulators.hubspot.object_types import ObjectType


class Action(StrEnum):
    """What was done to a record, in the words of the Webhooks Journal."""

    CREATE = "CREATE"
    UPDATE = "UPDATE"
    DELETE = "DELETE"
    MERGE = "MERGE"
    RESTORE = "RESTORE"


@dataclass(frozen=True)
class Source:
    """Who made a change: `changeSource` and `sourceId` of an event."""

    change_source: str
    source_id: str


CRM_USER = Source("CRM_UI", "userId:96879917")


@dataclass(frozen=True)
class RecordChange:
    """One write to one record; `properties` are the changed ones with their new value, None where cleared."""

    action: Action
    kind: ObjectType
    id: str
    at: datetime
    source: Source
    properties: Mapping[str, str | None] = field(default_factory=dict)
    primary_id: str = ""
    merged_ids: tuple[str, ...] = ()
    properties_moved: int = 0


@dataclass(frozen=True)
class AssociationChange:
    """One association type set or removed between two records, seen from one side."""

    from_kind: ObjectType
    from_id: str
    to_kind: ObjectType
    to_id: str
    type_id: int
    type_name: str
    primary: bool
    removed: bool
    at: datetime
    source: Source


type Change = RecordChange | AssociationChange
