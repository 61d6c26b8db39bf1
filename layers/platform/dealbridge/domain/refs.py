"""Where a record stands in a vendor's system."""

from pydantic import Field

from dealbridge.domain.keys import ConnectionId
from dealbridge.domain.model import Model


class ExternalRef(Model):
    """One record in a vendor's system. `id` addresses it, `number` is what people call it, `url` opens it in a browser.

    `version` is the vendor's concurrency token where it has one. `parts` holds ids of what the vendor keeps below the
    record under ids of its own (our part key → vendor id), e.g. the elements of an S/4HANA project.
    """

    connection: ConnectionId
    type: str
    id: str
    number: str | None = None
    url: str | None = None
    version: str | None = None
    parts: dict[str, str] = Field(default_factory=dict)
