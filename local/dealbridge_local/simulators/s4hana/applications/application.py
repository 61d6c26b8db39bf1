"""What every application does alike: create with keys and links, change, delete, entity tags.

An application checks a whole draft before it writes anything; the store undoes what a refused call has written.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from dealbridge_local.simulators.s4hana import errors
from dealbridge_local.simulators.s4hana.model import Draft, EntitySet, FunctionImport, Service
from dealbridge_local.simulators.s4hana.tenant import Tenant
from dealbridge_local.simulators.store import Record


class Application(ABC):
    """One application and its service. Raises SapError for what it refuses."""

    service: Service

    def __init__(self, tenant: Tenant) -> None:
        self.tenant = tenant
        self.tables = tenant.tables

    @abstractmethod
    def create(self, draft: Draft) -> Record:
        """Create an entity with all that is nested in it. A link to its parent stands in its values already."""

    @abstractmethod
    def update(self, entity: EntitySet, record: Record, changes: Mapping[str, Any]) -> None:
        """Change some values of an entity."""

    def delete(self, entity: EntitySet, record: Record) -> None:
        """Delete an entity whose set is deletable."""
        self.tables.delete(entity, record)

    def call(self, function: FunctionImport, parameters: Mapping[str, Any]) -> Any:
        """Run a function import: the entity it returns, or a list of complex values."""
        raise errors.not_allowed(function.method, function.name)

    def tag(self, entity: EntitySet, record: Mapping[str, Any]) -> str | None:
        """The entity tag, or None where the entity has none."""
        return None

    def insert(self, entity: EntitySet, values: Mapping[str, Any], **more: Any) -> Record:
        """Put a new record: initial values under the given ones. Raises SapError where its key is taken."""
        record = {**entity.blank, **{name: value for name, value in values.items() if value is not None}, **more}
        if self.tables.get(entity, *entity.key_of(record)) is not None:
            shown = " ".join(str(part) for part in entity.key_of(record))
            raise errors.business_error(
                "/IWBEP/CM_MGW_RT/160", f"{entity.type.removesuffix('Type')} {shown} exists already"
            )
        return self.tables.put(entity, record)


def require(draft: Draft, *names: str, code: str = "/IWBEP/CM_MGW_RT/033") -> None:
    """Raises SapError for every one of these properties that was not given."""
    missing = [errors.Message(code, f"Enter a value for field {name}", name) for name in names if not draft.get(name)]
    if missing:
        raise errors.business_errors(missing)
