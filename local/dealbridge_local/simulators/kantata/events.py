"""Subscribed events: the polled change feed (developer.kantata.com, Events).

Kept for 9 days, for account administrators of accounts with the add-on. "Events may be generated out of order", late,
and more than once. There is no event for resource requests: those are polled by `updated_after`.
"""

from collections.abc import Sequence
from datetime import timedelta

from dealbridge_local.simulators.kantata.refusals import forbidden
from dealbridge_local.simulators.kantata.resource import Association, Params, Resource, Test, by
from dealbridge_local.simulators.kantata.tenant import Tenant
from dealbridge_local.simulators.store import Record

RETENTION = timedelta(days=9)


def _kept(tenant: Tenant, _params: Params, actor: Record) -> Test:
    if not tenant.switches.events_add_on or not actor["_administrator"]:
        raise forbidden("Subscribed events are available to account administrators of accounts with the add-on")
    now = tenant.now()
    oldest = now - RETENTION
    return lambda event: oldest <= event["created_at"] <= now


def _most_recent(events: Sequence[Record], params: Params) -> Sequence[Record]:
    """`most_recent` keeps one event per subject, `most_recent_by_event_type` one per subject and type."""
    per_type = params.get("most_recent_by_event_type", "").lower() == "true"
    if not per_type and params.get("most_recent", "").lower() != "true":
        return events
    newest: dict[tuple[str, ...], Record] = {}
    for event in events:
        subject = (event["subject_type"], event["subject_id"], event["event_type"] if per_type else "")
        held = newest.get(subject)
        if held is None or held["created_at"] <= event["created_at"]:
            newest[subject] = event
    return list(newest.values())


def _subject_ids(_tenant: Tenant, event: Record) -> list[str]:
    return [event["subject_id"]]


PAYLOADS = ("previous_payload", "current_payload", "payload_changes")

RESOURCES = (
    Resource(
        name="subscribed_events",
        singular="subscribed_event",
        shown=(
            "event_type",
            "account_id",
            "user_id",
            "subject_id",
            "subject_type",
            "subject_changed_at",
            "created_at",
            "updated_at",
        ),
        optional=PAYLOADS,
        associations={"subject": Association("subject_ref", ids=_subject_ids)},
        filters={
            "event_types": by("event_type"),
            "subject_type": by("subject_type"),
            "subject_id": by("subject_id"),
            "user_ids": by("user_id"),
        },
        hides=_kept,
        select=_most_recent,
        orders=("created_at",),
        default_order="created_at:desc",
    ),
)
