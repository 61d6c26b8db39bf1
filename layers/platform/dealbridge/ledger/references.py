"""The reference data that runs work by, under its version: put there by the step that reads it first."""

from contextlib import suppress
from typing import TYPE_CHECKING

from dealbridge.errors import ConfigurationError
from dealbridge.ledger.documents import Documents
from dealbridge.ledger.table import ConditionError, Table

if TYPE_CHECKING:
    from dealbridge.rules.reference import ReferenceData


class References:
    """Versions of the reference data in the ledger. None is changed or taken away."""

    def __init__(self, table: Table, documents: Documents) -> None:
        self._table = table
        self._documents = documents

    def keep(self, reference: "ReferenceData") -> None:
        """Keep a version; one that is kept already is left as it is."""
        pk = _pk(reference.version)
        if self._table.get(pk, _SK) is None:
            document = self._documents.pack(reference.model_dump(mode="json"))
            with suppress(ConditionError):
                self._table.put({"pk": pk, "sk": _SK, "document": document}, new=True)

    def read(self, version: str) -> "ReferenceData":
        """Raises ConfigurationError for a version that was never kept."""
        item = self._table.get(_pk(version), _SK)
        if item is None:
            raise ConfigurationError(
                f"reference data: version {version} is not in the ledger, where the run's first step keeps it; "
                "restore the table, or redrive the deal, which then works by what is published"
            )
        from dealbridge.rules.reference import ReferenceData

        return ReferenceData.model_validate(self._documents.unpack(item["document"]))


_SK = "REFERENCE"


def _pk(version: str) -> str:
    return f"REFERENCE#{version}"
