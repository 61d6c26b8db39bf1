"""What the mappings of connectors share: the codes of a write, what our records say, our status in a CRM's fields."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from dealbridge.domain.engagement import EngagementStatus
from dealbridge.domain.keys import Kind, record_key
from dealbridge.errors import ConfigurationError


@dataclass(frozen=True)
class Codes:
    """A target's own codes for governed values: `Write.codes`, which planning looks up in
    `mappings/codes/<connection>.yaml`. What is needed and missing there raises ConfigurationError by file and field."""

    connection: str
    values: Mapping[str, Any]

    def entity(self, name: str) -> str:
        """Of the legal entity."""
        return str(self.needed(self.values.get("entity", {}).get(name), f"entities.*.{name}"))

    @property
    def currency(self) -> str:
        return str(self.needed(self.values.get("currency"), "currencies"))

    @property
    def terms(self) -> str | None:
        """Of the payment terms."""
        return text_of(self.values.get("payment_terms"))

    @property
    def manager(self) -> str | None:
        return text_of(self.values.get("manager"))

    @property
    def role(self) -> str:
        return str(self.needed(self.values.get("role"), "roles"))

    def of_service_line(self, service_line: str, name: str) -> str:
        line = self.values.get("service_lines", {}).get(service_line, {})
        return str(self.needed(line.get(name), f"service_lines.{service_line}.{name}"))

    def service_line_behind(self, name: str, code: str | None) -> str | None:
        """The service line that has this code; None where it is none of ours."""
        lines = self.values.get("service_lines", {})
        return next((ours for ours, line in lines.items() if code and text_of(line.get(name)) == code), None)

    @property
    def defaults(self) -> Mapping[str, Any]:
        defaults: Mapping[str, Any] = self.values.get("defaults") or {}
        return defaults

    def default(self, name: str) -> str | None:
        return text_of(self.defaults.get(name))

    def needed_default(self, name: str) -> str:
        return str(self.needed(self.default(name), f"defaults.{name}"))

    def needed(self, value: Any, field: str) -> Any:
        if value in (None, "", []):
            raise ConfigurationError(
                f"mappings/codes/{self.connection}.yaml: {field}: missing; see the connector's README.md",
                connection=self.connection,
            )
        return value


def text_of(value: Any) -> str | None:
    """Null, left out and empty are the same nothing; a code may be written as a number."""
    return None if value in (None, "") else str(value)


def said[T](wanted: T | None, held: T | None) -> T | None:
    """What is held, where our record says anything at all."""
    return None if wanted is None else held


def filled(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that have a value."""
    return {name: value for name, value in fields.items() if value is not None}


def instant(moment: datetime) -> str:
    """A moment as CRMs print it: UTC with milliseconds and a Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


# Our status: a connection's `status_fields` name the CRM's field for each field of ours


def status_key(opportunity: str) -> str:
    """Our key of a deal's status."""
    return record_key(Kind.ENGAGEMENT_STATUS, opportunity)


def status_values(status: EngagementStatus, fields: Mapping[str, str]) -> dict[str, str | None]:
    """The CRM's fields with their values; None for a number that is not assigned yet."""
    values: dict[str, str | None] = {
        "status": status.status,
        "message": status.message,
        "customer_number": status.customer_number,
        "contract_number": status.contract_number,
        "project_number": status.project_number,
        "at": instant(status.at) if status.at else None,
    }
    return {theirs: values[ours] for ours, theirs in fields.items() if ours in values}


def read_status(opportunity: str, record: Mapping[str, Any], fields: Mapping[str, str]) -> EngagementStatus | None:
    """Our status as the opportunity's fields say it; None where none was ever written."""
    held = {ours: text_of(record.get(theirs)) for ours, theirs in fields.items() if ours != "key"}
    if not any(held.values()):
        return None
    at = held.get("at")
    return EngagementStatus(
        key=status_key(opportunity),
        status=held.get("status") or "",
        message=held.get("message") or "",
        customer_number=held.get("customer_number"),
        contract_number=held.get("contract_number"),
        project_number=held.get("project_number"),
        at=datetime.fromisoformat(at) if at else None,
    )
