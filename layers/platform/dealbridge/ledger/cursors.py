"""How far a poll has read, and inbound requests that were refused and kept for inspection."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from dealbridge.ledger.table import Change, Item, Table


class Cursors:
    """Cursors of polls, by connection."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def read(self, connection: str) -> str | None:
        item = self._table.get(f"CURSOR#{connection}", "CURSOR")
        return str(item["cursor"]) if item else None

    def moved_at(self, connection: str) -> datetime | None:
        """When the last page that was read to its end began."""
        item = self._table.get(f"CURSOR#{connection}", "CURSOR")
        return datetime.fromisoformat(item["moved_at"]) if item else None

    def move(self, connection: str, cursor: str, now: datetime) -> None:
        self._table.update(Change(f"CURSOR#{connection}", "CURSOR").set(cursor=cursor, moved_at=now.isoformat()))


class Refused:
    """Inbound requests that were refused: what came, and why it was not accepted."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def keep(self, request_id: str, connection: str, reason: str, status: int, content: Any, now: datetime) -> None:
        self._table.put(
            {
                "pk": f"REFUSED#{now:%Y-%m-%d}",
                "sk": f"{now.isoformat()}#{request_id}",
                "connection": connection,
                "reason": reason,
                "status": status,
                "content": content,
                "at": now.isoformat(),
            }
        )

    def on(self, day: datetime) -> Iterator[Item]:
        return self._table.query(f"REFUSED#{day:%Y-%m-%d}")
