"""The identity of a business transaction, and our own keys for the records it leads to."""

import re
from enum import StrEnum
from typing import Annotated

from pydantic import StringConstraints

from dealbridge.domain.model import Model

ConnectionId = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
"""The name of a configured vendor connection, e.g. `erp-us`."""

SourceId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,50}$")]
"""A record id of the CRM, as the CRM prints it."""


class DealKey(Model):
    """CRM connection and opportunity: the identity of a business transaction. Prints as `crm:006...`."""

    crm: ConnectionId
    opportunity: SourceId

    def __str__(self) -> str:
        return f"{self.crm}:{self.opportunity}"

    @classmethod
    def parse(cls, text: str) -> "DealKey":
        crm, separator, opportunity = text.partition(":")
        if not separator:
            raise ValueError(f"deal: {text!r} is not <crm connection>:<opportunity id>")
        return cls(crm=crm, opportunity=opportunity)


class Kind(StrEnum):
    """What a record is, in our words. A connector says which of the vendor's records stands for it."""

    CUSTOMER = "customer"
    CONTACT = "contact"
    PROJECT = "project"
    TASK = "task"
    CONTRACT = "contract"
    SCHEDULE = "schedule"
    STAFFING_PROJECT = "staffing_project"
    STAFFING_REQUEST = "staffing_request"
    ENGAGEMENT_STATUS = "engagement_status"


# External ids of the ERPs take letters, digits, `_` and `-` only (NetSuite A3), and NetSuite wants them unique over a
# whole record group, customers and projects together: hence the prefix of the kind.
_PREFIX = {
    Kind.CUSTOMER: "CUST",
    Kind.CONTACT: "CONT",
    Kind.PROJECT: "PROJ",
    Kind.TASK: "TASK",
    Kind.CONTRACT: "SO",
    Kind.SCHEDULE: "BILL",
    Kind.STAFFING_PROJECT: "PSA",
    Kind.STAFFING_REQUEST: "STAF",
    Kind.ENGAGEMENT_STATUS: "STAT",
}


def record_key(kind: Kind, source: str, *parts: str) -> str:
    """Our key of a record: `<PREFIX>-<CRM id>[-<part>...]`, e.g. `TASK-006Hp00001ABCDE-IMPL`.

    Characters outside letters, digits, `_` and `-` become `_`.
    """
    return "-".join(re.sub(r"[^A-Za-z0-9_-]", "_", part) for part in (_PREFIX[kind], source, *parts))
