"""A world's evidence for the checker."""

import json
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import yaml

from dealbridge.ledger.table import decoded
from dealbridge_local.engine import REPOSITORY
from dealbridge_local.worlds.checker import Evidence, VendorWrite
from dealbridge_local.worlds.checker.evidence import StreamRecord
from dealbridge_local.worlds.functions import VendorCall
from dealbridge_local.worlds.world import World

_PARTNER = re.compile(rb'"BusinessPartnerIDByExtSystem": ?"(?P<kind>[AC])-(?P<id>[^"]+)"')
_ORDER = re.compile(rb'"PurchaseOrderByShipToParty": ?"(?P<key>SO-[^"]+)"')
_PREFIX = {b"A": "CUST", b"C": "CONT"}


def gather(world: World) -> Evidence:
    return Evidence(
        crms={"salesforce": world.salesforce.records(), "hubspot": world.hubspot.records()},
        erps={"netsuite": world.netsuite.records(), "s4hana": world.s4hana.records()},
        psas={"kantata": world.kantata.records()},
        ledger=list(world.items()),
        stream=[
            StreamRecord(_time(world, write.at), {name: decoded(value) for name, value in write.written.item.items()})
            for write in world.ledger_writes
            if write.written.item is not None
            and not write.written.key[1].startswith(("SNAPSHOT", "PLAN", "RUN", "STORY"))
        ],
        vendor_writes=[_write(world, call) for call in world.functions.vendor_calls if call.writes],
        vendor_calls=[(connection, _time(world, moment)) for connection, moment in _admitted(world)],
        hints=[
            (f"{told['detail']['deal']['crm']}:{told['detail']['deal']['opportunity']}", told["detail"]["event_id"])
            for told in world.published
            if told["type"] == "DealChanged"
        ],
        facts=[
            (told["type"], f"{told['detail']['deal']['crm']}:{told['detail']['deal']['opportunity']}")
            for told in world.published
            if told["type"] != "DealChanged"
        ],
        unfinished=list(_unfinished(world)),
        roles=roles(),
        erp_of=erp_of(),
    )


def _admitted(world: World) -> Iterator[tuple[str, int]]:
    """When each call began: signing in, and what is sent again after a 401, belong to the call that they serve."""
    before: dict[tuple[int, str], tuple[VendorCall, int]] = {}
    for call in world.functions.vendor_calls:
        place = (call.invocation, call.connection)
        last, began = before.get(place, (None, call.began))
        if last is None or not (last.signs_in or last.status == 401 or _wants_session(last)):
            began = call.began
        before[place] = (call, began)
        yield call.connection, began


def _unfinished(world: World) -> Iterator[str]:
    for execution in world.states.executions.values():
        if execution.status == "RUNNING":
            yield f"execution {execution.name} still runs"
    for queue in (world.queue, world.dead_letters, world.failed_invocations):
        if queue.messages:
            yield f"{len(queue.messages)} message(s) in {queue.url.rsplit('/', 1)[-1]}"


def _wants_session(call: VendorCall) -> bool:
    """SAP's way to say that a change needs a session: it was not carried out, and is sent again with one."""
    return call.connection == "s4hana" and call.status == 403


def _write(world: World, call: VendorCall) -> VendorWrite:
    return VendorWrite(
        call.connection, call.method, call.path, _time(world, call.began), _time(world, call.at), _keys(call)
    )


def _keys(call: VendorCall) -> frozenset[str]:
    """Our keys that a call names: in its address, as external id, as a reference, or in a unique custom field."""
    found = {call.path.rsplit("eid:", 1)[1]} if "eid:" in call.path else set()
    found |= {f"{_PREFIX[told['kind']]}-{told['id'].decode()}" for told in _PARTNER.finditer(call.body)}
    found |= {told["key"].decode() for told in _ORDER.finditer(call.body)}
    try:
        body: Any = json.loads(call.body)
    except ValueError:
        return frozenset(found)
    if isinstance(body, dict):
        found |= {str(body["externalId"])} if "externalId" in body else set()
        for inner in body.values():
            for field in inner.get("custom_fields", ()) if isinstance(inner, dict) else ():
                found.add(str(field["value"]))
    return frozenset(found)


def _time(world: World, moment: int) -> datetime:
    return world.scheduler.start + timedelta(microseconds=moment)


@cache
def roles() -> dict[str, str | None]:
    """Service line → the role asked for where the line names none: `mappings/service-lines.yaml`."""
    lines = yaml.safe_load((REPOSITORY / "mappings" / "service-lines.yaml").read_text())
    return {code: line.get("role") if line.get("staffed", True) else None for code, line in lines.items()}


@cache
def erp_of() -> dict[str, str]:
    """Legal entity → its ERP: `mappings/legal-entities.yaml`."""
    entities = yaml.safe_load((REPOSITORY / "mappings" / "legal-entities.yaml").read_text())["entities"]
    return {code: entity["erp"] for code, entity in entities.items()}
