"""The record service: `/services/rest/record/v1/...`, one method a handler, answered synchronously."""

import json
from typing import Any

from dealbridge_local.simulators.netsuite import catalog, filters, reads, rules, sales, transforms
from dealbridge_local.simulators.netsuite.account import RECORDS_PATH, Account, external_id
from dealbridge_local.simulators.netsuite.errors import Refusal, invalid_content, invalid_parameter, nonexistent
from dealbridge_local.simulators.netsuite.fields import RecordType
from dealbridge_local.simulators.netsuite.record_types import record_type
from dealbridge_local.simulators.netsuite.writes import Handling, merged
from dealbridge_local.simulators.store import Record
from dealbridge_local.simulators.wire import Request, Response

_SINGULAR = "application/vnd.oracle.resource+json; type=singular"
_COLLECTION = "application/vnd.oracle.resource+json; type=collection"
MAX_PAGE = 1000


def answer(account: Account, request: Request) -> Response:
    """Answer one call; raises Refusal."""
    parts = [part for part in request.path.removeprefix(RECORDS_PATH).split("/") if part]
    if parts and parts[0] == "metadata-catalog":
        return catalog.answer(account, request, parts[1:])
    kind = record_type(parts[0]) if parts else None
    if kind is None:
        raise Refusal(404, "NONEXISTENT_ID", f"Record type '{parts[0] if parts else ''}' does not exist.")
    match request.method, parts[1:]:
        case "GET", []:
            return _list(account, kind, request)
        case "POST", []:
            return _create(account, kind, request)
        case "GET", [address]:
            return _get(account, kind, address, request)
        case "PATCH", [address]:
            return _update(account, kind, account.find(kind.name, address), request)
        case "PUT", [address]:
            return _upsert(account, kind, address, request)
        case "DELETE", [address]:
            return _delete(account, kind, account.find(kind.name, address))
        case "POST", [address, "!transform", target]:
            return _transform(account, kind, account.find(kind.name, address), target, request)
        case "POST", [address, "!attach" | "!detach" as verb, "contact", contact]:
            return _attach(account, kind, address, verb, contact, request)
        case "GET", [address, sublist, *line]:
            return _sublist(account, kind, account.find(kind.name, address), sublist, line, request)
        case _:
            raise Refusal(405, "INVALID_REQUEST", f"The method {request.method} is not supported for this resource.")


def body_of(request: Request) -> Any:
    if not request.body:
        return {}
    try:
        return request.json()
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise invalid_content("Invalid content in the request body. It is not JSON.") from None


def write(account: Account, kind: RecordType, body: Any, before: Record | None, handling: Handling) -> Record:
    """Create a record or change the one given, by body."""
    _allow(kind)
    record = merged(account, kind, body, before, handling)
    if record.get("externalId") and record["externalId"] != (before or {}).get("externalId"):
        external_id(record["externalId"])
    return rules.save(account, kind, record, before)


def upsert(account: Account, kind: RecordType, external: str, body: Any, handling: Handling) -> Record:
    """Create or change the record with this external id."""
    key = account.key(kind.name, f"eid:{external}")
    before = account.get(kind.name, key) if key is not None else None
    if before is not None and not account.preferences.upsert_appends_lines:
        handling.replaced |= {name.lower() for name in kind.sublists}
    given = {"externalId": external, **body} if isinstance(body, dict) else body
    return write(account, kind, given, before, handling)


def remove(account: Account, kind: RecordType, record: Record) -> None:
    """Delete a record that nothing hangs on, and undo what it did to others."""
    _allow(kind)
    for name, held, holds in _dependents(account, kind, record):
        if holds:
            detail = f"This record cannot be deleted because it has dependent records: {name} {held}."
            raise Refusal(400, "USER_ERROR", f"Error while accessing a resource. {detail}")
    if kind.name == "customerPayment":
        sales.settle(account, record, None)
    if kind.name == "invoice" and record.get("createdFrom"):
        back = {line["orderLine"]: -line["quantity"] for line in record["item"] if line.get("orderLine")}
        transforms.bill_order_lines(account, record["createdFrom"], back)
    account.remove(kind.name, record)


def _dependents(account: Account, kind: RecordType, record: Record) -> list[tuple[str, str, bool]]:
    key = record["id"]
    if kind.name in {"customer", "job"}:
        found = [(name, held, True) for name, held in sorted(account.transactions_of(key))]
        for name, field in (("job", "parent"), ("projectTask", "project")):
            found += [(name, each["id"], True) for each in account.all(name) if each.get(field) == key]
        return found
    if kind.name == "salesOrder":
        return [("invoice of line", str(line["line"]), bool(line.get("quantityBilled"))) for line in record["item"]]
    if kind.name == "invoice":
        return [("payment of", str(record["amountPaid"]), bool(record["amountPaid"]))]
    if kind.name == "billingSchedule":
        return [("job", each["id"], each.get("billingSchedule") == key) for each in account.all("job")]
    return []


def _allow(kind: RecordType) -> None:
    if not kind.writable:
        raise Refusal(
            403,
            "INSUFFICIENT_PERMISSION",
            f"Permission Violation: The role may only view records of type {kind.name}.",
        )


def _location(account: Account, kind: RecordType, record: Record) -> tuple[str, str]:
    return "Location", account.link(kind.name, record["id"])


def _create(account: Account, kind: RecordType, request: Request) -> Response:
    handling = Handling.of(request)
    record = write(account, kind, body_of(request), None, handling)
    headers = (_location(account, kind, record), *handling.headers())
    if handling.replaced:
        # With `replace` a creation answers 201 (section_1545297048).
        return Response.of(201, reads.shown(account, kind, record, expand=True), *headers, media=_SINGULAR)
    return Response(204, headers=headers)


def _get(account: Account, kind: RecordType, address: str, request: Request) -> Response:
    record = account.find(kind.name, address)
    wanted = request.params.get("fields")
    only = [name.strip() for name in wanted.split(",")] if wanted else None
    for name in only or []:
        if name.lower() not in kind.names:
            raise invalid_parameter(f"Unknown field '{name}'.", "fields")
    body = reads.shown(
        account,
        kind,
        record,
        expand=_flag(request, "expandSubResources"),
        only=only,
        simple=_flag(request, "simpleEnumFormat"),
        href=f"{account.link(kind.name, record['id'])}?fields={'%2C'.join(only)}" if only else None,
    )
    return Response.of(200, body, media=_SINGULAR)


def _update(account: Account, kind: RecordType, before: Record, request: Request) -> Response:
    handling = Handling.of(request)
    record = write(account, kind, body_of(request), before, handling)
    return Response(204, headers=(_location(account, kind, record), *handling.headers()))


def _upsert(account: Account, kind: RecordType, address: str, request: Request) -> Response:
    if not address.startswith("eid:"):
        detail = "Use an external ID in the request URL with the PUT method, in the form eid:external_id."
        raise Refusal(400, "INVALID_REQUEST", detail, url=address)
    handling = Handling.of(request)
    record = upsert(account, kind, external_id(address.removeprefix("eid:")), body_of(request), handling)
    named = (_location(account, kind, record),) if account.preferences.location_on_upsert else ()
    return Response(204, headers=(*named, *handling.headers()))


def _delete(account: Account, kind: RecordType, record: Record) -> Response:
    remove(account, kind, record)
    return Response(204)


def _transform(account: Account, kind: RecordType, record: Record, target: str, request: Request) -> Response:
    into = record_type(target)
    transform = transforms.TRANSFORMS.get((kind.name, into.name if into else ""))
    if transform is None or into is None:
        raise Refusal(400, "INVALID_REQUEST", f"A {kind.name} cannot be transformed into {target}.", url=target)
    handling = Handling.of(request)
    body = body_of(request)
    if not isinstance(body, dict):
        raise invalid_content("The request body must be a JSON object.")
    made = transform(account, record, body, handling)
    named = (_location(account, into, made),) if account.preferences.location_on_transform else ()
    return Response(204, headers=(*named, *handling.headers()))


def _attach(
    account: Account, kind: RecordType, address: str, verb: str, contact_address: str, request: Request
) -> Response:
    """article_0113084334."""
    company = account.find(kind.name, address)
    contact = account.find("contact", contact_address)
    if kind.name not in {"customer", "job"}:
        raise Refusal(400, "INVALID_REQUEST", f"A contact cannot be attached to a {kind.name}.")
    if verb == "!detach":
        rules.detach(account, company["id"], contact["id"])
        return Response(204)
    body = body_of(request)
    role = body.get("role") if isinstance(body, dict) else None
    role_id = str(role.get("id")) if isinstance(role, dict) else None
    if role_id is not None and account.get("contactRole", role_id) is None:
        raise Refusal(400, "INVALID_CONTENT", f"Invalid contact role {role_id}.", path="role")
    rules.attach(account, company["id"], contact["id"], role_id)
    return Response(204)


def _sublist(
    account: Account, kind: RecordType, record: Record, name: str, line: list[str], request: Request
) -> Response:
    sublist = kind.names.get(name.lower())
    if sublist is None or sublist not in kind.sublists or len(line) > 1:
        raise nonexistent()
    if line:
        return Response.of(200, reads.line_shown(account, kind, record, sublist, line[0]), media=_SINGULAR)
    expand = _flag(request, "expandSubResources")
    return Response.of(200, reads.sublist_shown(account, kind, record, sublist, expand=expand), media=_COLLECTION)


def _list(account: Account, kind: RecordType, request: Request) -> Response:
    """Ids and links only, unless `expandRecords` asks for the records named by `ids` (article_0127092747)."""
    named = [part.strip() for part in request.params.get("ids", "").split(",") if part.strip()]
    if _flag(request, "expandRecords"):
        if not named:
            raise invalid_parameter("The ids parameter is required with expandRecords.", "ids")
        expand = _flag(request, "expandSubResources")
        items = [reads.shown(account, kind, account.find(kind.name, each), expand=expand) for each in named]
        return Response.of(200, paged(account.link(kind.name), items, 0, MAX_PAGE), media=_COLLECTION)
    limit, offset = page_of(request)
    query = request.params.get("q")
    chosen = [account.find(kind.name, each) for each in named] if named else account.all(kind.name)
    if query:
        predicate = filters.parsed(kind, query)
        chosen = [record for record in chosen if predicate(record)]
    items = [{"links": account.self_link(kind.name, record["id"]), "id": record["id"]} for record in chosen]
    return Response.of(200, paged(account.link(kind.name), items, offset, limit), media=_COLLECTION)


def page_of(request: Request) -> tuple[int, int]:
    """Limit and offset; an offset has to be divisible by the limit (section_156414087576)."""
    numbers = []
    for name, default in (("limit", MAX_PAGE), ("offset", 0)):
        given = request.params.get(name, str(default))
        if not given.isdecimal():
            raise invalid_parameter(f"Invalid {name} '{given}'.", name)
        numbers.append(int(given))
    limit, offset = numbers
    if not 1 <= limit <= MAX_PAGE:
        raise invalid_parameter(f"The limit must be between 1 and {MAX_PAGE}.", "limit")
    if offset % limit:
        raise invalid_parameter("The offset must be divisible by the limit.", "offset")
    if offset // limit >= MAX_PAGE:
        raise invalid_parameter(f"At most {MAX_PAGE} pages can be returned.", "offset")
    return limit, offset


def paged(href: str, items: list[Any], offset: int, limit: int) -> dict[str, Any]:
    page = items[offset : offset + limit]
    more = offset + limit < len(items)
    links = [("self", offset)]
    if more:
        links = [("next", offset + limit), ("last", (len(items) - 1) // limit * limit), *links]
    if offset:
        links = [("prev", max(offset - limit, 0)), ("first", 0), *links]
    return {
        "links": [{"rel": rel, "href": f"{href}?limit={limit}&offset={start}"} for rel, start in links],
        "items": page,
        "count": len(page),
        "hasMore": more,
        "offset": offset,
        "totalResults": len(items),
    }


def _flag(request: Request, name: str) -> bool:
    return request.params.get(name, "").lower() == "true"
