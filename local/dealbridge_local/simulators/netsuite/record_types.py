"""The record types that this account offers, by the name in the URL.

Field names and choices are those of the REST API Browser 2026.1; a note stands where Oracle's help says otherwise.
"""

from dealbridge_local.simulators.netsuite.entity_types import ENTITIES
from dealbridge_local.simulators.netsuite.fields import RecordType
from dealbridge_local.simulators.netsuite.project_types import PROJECTS
from dealbridge_local.simulators.netsuite.setup_types import SETUP
from dealbridge_local.simulators.netsuite.transaction_types import TRANSACTIONS

TYPES: dict[str, RecordType] = {kind.name: kind for kind in (*ENTITIES, *PROJECTS, *TRANSACTIONS, *SETUP)}

_BY_URL = {name.lower(): kind for name, kind in TYPES.items()}


def record_type(name: str) -> RecordType | None:
    """The type that a URL names; Oracle's samples write salesorder, salesOrder and BillingSchedule: case is free."""
    return _BY_URL.get(name.lower())
