"""The catch-up read of changed deals, on a schedule and for events that name none: it makes lost events harmless."""

from datetime import datetime, timedelta
from uuid import uuid4

from dealbridge import events
from dealbridge.domain.hints import DealHint, HintSource, has_read
from dealbridge.domain.keys import DealKey
from dealbridge.ledger.ledger import ledger
from dealbridge.ledger.table import Item
from dealbridge.steps import bulk_work, count, logger, now
from dealbridge.wiring import wiring

PAGES = 20
"""So many pages of changes are read in one go; the next poll goes on from there."""
LONG_HELD = timedelta(minutes=10)
"""A deal that was held for so long is hinted at anyway: who takes the hint looks whether the run is still alive."""
CLOCKS = timedelta(seconds=2)
"""So far a CRM's clock may be from ours, and a second that it has rounded down."""


def poll_all() -> dict[str, int]:
    """Hints for every deal that changed, by connection. One connection's failure does not keep the others back."""
    found, failed = {}, []
    for connection in wiring().reference().crm_connections():
        try:
            found[connection] = poll(connection)
        except Exception as error:
            logger.exception("poll failed", extra={"connection": connection, "error": type(error).__name__})
            count("PollsFailed", connection=connection)
            failed.append(error)
    if failed:
        raise failed[0]
    return found


def catch_up(connection: str, occurred_at: datetime | None) -> int:
    """Read a page of changes at once, for an event that does not say which deals it means; how many hints.

    None where a poll has read already that began after the event: an import of accounts brings a thousand events, and
    one poll answers them all. What is left over, and any mistake in this, is the scheduled poll's.
    """
    read = ledger().cursors.moved_at(connection)
    if occurred_at and read and read >= occurred_at + CLOCKS:
        return 0
    return poll(connection, pages=1)


@bulk_work()
def poll(connection: str, pages: int = PAGES) -> int:
    """Publish a hint for each deal changed since the cursor, then move the cursor; how many hints."""
    cursors, crm, hinted = ledger().cursors, wiring().crm(connection), 0
    cursor = cursors.read(connection)
    for _ in range(pages):
        moment = now()
        changed = crm.changed_deals(cursor, moment)
        deals = [(DealKey(crm=connection, opportunity=found), revision) for found, revision in changed.deals]
        heads = ledger().deals.heads(deal for deal, _ in deals)
        hints = []
        for deal, revision in deals:
            hint = DealHint(
                deal=deal,
                source=HintSource.POLL,
                event_id=f"poll-{revision}",
                received_at=moment,
                correlation_id=uuid4().hex,
                revision=revision,
            )
            if not _is_known(heads.get(deal, {}), hint):
                hints.append(hint)
        events.publish([events.hint_entry(hint) for hint in hints])
        # Only now: a poll that dies before is repeated, and hints may well be given twice.
        cursors.move(connection, changed.cursor, moment)
        hinted, cursor = hinted + len(hints), changed.cursor
        if not changed.more:
            break
    count("DealsPolled", hinted, connection=connection)
    return hinted


def _is_known(head: Item, hint: DealHint) -> bool:
    """Whether the deal's last run has read this revision, parked or not, our own status write included; or the run that
    holds the deal has the same hint already.

    A poll finds a deal again and again for as long as it looks back. Where runs take longer than polls are apart, each
    hint given again would be a further run, and those the reason why runs take long.
    """
    if "lease_run" not in head:
        return hint.revision is not None and has_read(head.get("revision"), hint.revision)
    given = [noted["event_id"] for noted in (*head.get("lease_hints", ()), *head.get("pending", ()))]
    held_for = hint.received_at - datetime.fromisoformat(head["lease_at"])
    return hint.event_id in given and held_for < LONG_HELD
