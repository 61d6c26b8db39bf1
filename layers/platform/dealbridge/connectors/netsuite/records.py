"""NetSuite's records: which stands for which of ours, how a body is read, and which codes it takes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from dealbridge.domain.keys import Kind
from dealbridge.ports import Write
from dealbridge.transport import mapping

RECORDS_PATH = "/services/rest/record/v1"

QUERY_PATH = "/services/rest/query/v1/suiteql"

RELATIONSHIP = "customerSubsidiaryRelationship"

type Body = dict[str, Any]

type Fields = dict[str, Body]
"""Our field → the vendor's fields and values; None for an empty one."""


@dataclass(frozen=True)
class Resource:
    """One record type: its name in a URL, the field people know it by, and its page for a browser."""

    type: str
    number: str | None
    page: str


RESOURCES: Mapping[Kind, Resource] = {
    Kind.CUSTOMER: Resource("customer", "entityId", "app/common/entity/custjob.nl"),
    Kind.CONTACT: Resource("contact", None, "app/common/entity/contact.nl"),
    Kind.PROJECT: Resource("job", "entityId", "app/common/entity/custjob.nl"),
    Kind.TASK: Resource("projectTask", None, "app/accounting/project/projecttask.nl"),
    Kind.CONTRACT: Resource("salesOrder", "tranId", "app/accounting/transactions/salesord.nl"),
    Kind.SCHEDULE: Resource("billingSchedule", None, "app/accounting/otherlists/billingschedule.nl"),
}


class Codes(mapping.Codes):
    """entities.<legal entity>.subsidiary, currencies, payment_terms, managers, service_lines.<code>.item, and in
    defaults: schedule_type (of a milestone schedule), and optionally customer_status, project_status, project_type,
    project_billing_type, project_expense_type, price_level, forms.<record type>."""

    @property
    def subsidiary(self) -> str:
        return self.entity("subsidiary")

    def item(self, service_line: str) -> str:
        return self.of_service_line(service_line, "item")

    def form(self, record_type: str) -> str | None:
        """The custom form: it decides which fields are mandatory, and what an order is billed as."""
        return mapping.text_of(self.defaults.get("forms", {}).get(record_type))


def reference(key: str | None) -> Body | None:
    return None if key is None else {"id": key}


def id_of(body: Mapping[str, Any], name: str) -> str | None:
    """The id that a reference or choice field points at; None where it is empty."""
    value = body.get(name)
    if isinstance(value, dict):
        value = value.get("id")
    return None if value is None else str(value)


def lines_of(body: Mapping[str, Any], name: str) -> list[Body]:
    """The lines of a sublist that was read with expandSubResources."""
    items: list[Body] = (body.get(name) or {}).get("items") or []
    return items


def label_of(body: Mapping[str, Any], name: str) -> str:
    """The name of what a reference or choice field points at; its id where it has none."""
    value = body.get(name)
    return str(value.get("refName") or value.get("id") or "") if isinstance(value, dict) else ""


def number_of(body: Mapping[str, Any], name: str) -> Decimal:
    """A number field; an empty one is zero."""
    return Decimal(body.get(name) or 0)


def day_of(body: Mapping[str, Any], *names: str) -> date | None:
    """The day of the first of these date or date-time fields that is filled."""
    text = next((body[name] for name in names if body.get(name)), None)
    return date.fromisoformat(str(text)[:10]) if text else None


def key_behind(write: Write, held: str | None, wanted: str | None) -> str | None:
    """Our key of the record that a reference points at: the one wanted, if it is that record; else the vendor's id."""
    if held is None or wanted is None:
        return None
    ref = write.refs.get(wanted)
    return wanted if ref is not None and ref.id == held else f"netsuite-{held}"


def terms_of(wanted: str | None, body: Mapping[str, Any], codes: Codes) -> str | None:
    """The payment terms in our words; those of another code by their name."""
    if wanted is None:
        return None
    return wanted if id_of(body, "terms") == codes.terms else label_of(body, "terms") or None
