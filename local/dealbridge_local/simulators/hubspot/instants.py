"""Times as HubSpot writes and takes them: ISO 8601 with milliseconds and `Z`, or epoch milliseconds as text."""

from datetime import UTC, date, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def epoch_ms(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def parse_instant(value: str) -> datetime:
    """A date, a datetime or epoch milliseconds, as aware UTC. Raises ValueError where it is none of them."""
    if value.lstrip("-").isdigit():
        return _EPOCH + timedelta(milliseconds=int(value))
    if "T" not in value:
        return datetime.combine(date.fromisoformat(value), datetime.min.time(), UTC)
    moment = datetime.fromisoformat(value)
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
