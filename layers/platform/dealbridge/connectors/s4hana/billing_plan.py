"""The dates of a billing schedule in the billing plans of an order's items: pure functions.

A date has no field for our key: dates are paired by the number that the ledger knows, then by what they say, then in
their order.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from dealbridge.connectors.s4hana.mapping import differing
from dealbridge.connectors.s4hana.odata import Body, Change, day, day_of, number_of, one, rows, text
from dealbridge.connectors.s4hana.records import Codes
from dealbridge.domain.engagement import BillingItem, BillingItemKind, BillingSchedule
from dealbridge.domain.money import Money
from dealbridge.transport.mapping import filled

_BILLED = "C"


def dates_by_line(schedule: BillingSchedule | None) -> dict[str, list[BillingItem]]:
    """The schedule's items by line."""
    dates: dict[str, list[BillingItem]] = {}
    for item in schedule.items if schedule else ():
        dates.setdefault(item.line_key, []).append(item)
    return dates


def _date_fields(item: BillingItem) -> Body:
    return {"BillingPlanBillingDate": day(item.due), "BillingPlanAmount": f"{item.amount.amount:f}"}


def new_date(item: BillingItem, codes: Codes) -> Body:
    """A milestone may be blocked until people release it; nobody's block is touched later."""
    body = {
        **_date_fields(item),
        "BillingPlanDateCategory": codes.needed_default("date_category"),
        "BillingPlanDateDescriptionCode": codes.default("date_description"),
        "ProposedBillingDocumentType": codes.default("billing_type"),
        "BillingBlockReason": codes.default("milestone_block") if item.kind is BillingItemKind.MILESTONE else None,
    }
    return filled(body)


def dates_held(item: Body, codes: Codes) -> list[Body]:
    """The dates of our kind in an item's plan; down payments and the like are finance's own."""
    category = codes.needed_default("date_category")
    dates = rows(one(item, "to_BillingPlan"), "to_BillingPlanItem")
    ours = [each for each in dates if each["BillingPlanDateCategory"] == category]
    return sorted(ours, key=lambda each: int(each["BillingPlanItem"]))


def date_number(date: Body) -> str:
    return "/".join(str(date[name]) for name in ("SalesOrderItem", "BillingPlan", "BillingPlanItem"))


def paired(wanted: Sequence[BillingItem], held: Sequence[Body], known: Mapping[str, str]) -> dict[str, Body]:
    """Which date is which of ours: our item's key → the date. A billed one is never taken for a new item."""
    left = {date_number(date): date for date in held}
    pairs: dict[str, Body] = {}
    for item in wanted:
        if known.get(item.key) in left:
            pairs[item.key] = left.pop(known[item.key])
    alike: dict[tuple[Any, ...], list[str]] = {}
    for number, date in left.items():
        alike.setdefault(_says(date), []).append(number)
    for item in wanted:
        if item.key not in pairs and (numbers := alike.get(_own(item))):
            pairs[item.key] = left.pop(numbers.pop(0))
    open_ones = [number for number, date in left.items() if date["BillingPlanRelatedBillgStatus"] != _BILLED]
    for item in wanted:
        if item.key not in pairs and open_ones:
            pairs[item.key] = left.pop(open_ones.pop(0))
    return pairs


def _says(date: Body) -> tuple[Any, ...]:
    return day_of(date, "BillingPlanBillingDate"), number_of(date, "BillingPlanAmount")


def _own(item: BillingItem) -> tuple[Any, ...]:
    return item.due, item.amount.amount


def item_key(item: Body) -> str:
    return f"SalesOrder={text(item['SalesOrder'])},SalesOrderItem={text(item['SalesOrderItem'])}"


def plan_changes(
    item: Body, dates: Sequence[BillingItem], codes: Codes, tag: str | None, known: Mapping[str, str]
) -> Iterator[Change]:
    """Dates that differ are changed; SAP itself refuses to change one that is billed."""
    held = dates_held(item, codes)
    pairs = paired(dates, held, known)
    plan = f"{item_key(item)},BillingPlan={text(item['BillingPlan'])}"

    def path(date: Body) -> str:
        return f"A_SlsOrderItemBillingPlanItem({plan},BillingPlanItem={text(date['BillingPlanItem'])})"

    for each in dates:
        date = pairs.get(each.key)
        if date is None:
            link = {name: item[name] for name in ("SalesOrder", "SalesOrderItem", "BillingPlan")}
            yield Change.post("A_SlsOrderItemBillingPlanItem", {**link, **new_date(each, codes)})
        elif fields := differing(date, _date_fields(each)):
            yield Change.patch(path(date), fields, tag)
    known_numbers = {date_number(date) for date in pairs.values()}
    for date in held:
        if date_number(date) not in known_numbers:
            yield Change.delete(path(date), tag)


def read_schedule(
    wanted: BillingSchedule, item_of: Callable[[str], Body | None], codes: Codes, currency: str
) -> BillingSchedule:
    """What is billed as worked stands in no plan: its amount is that of its item."""
    found: dict[str, BillingItem] = {}
    foreign: list[BillingItem] = []
    for line, items in dates_by_line(wanted).items():
        item = item_of(line)
        if item is None:
            continue
        if not codes.has_plan(item["SalesOrderItemCategory"]):
            amount = Money(amount=number_of(item, "NetAmount"), currency=currency)
            found |= {each.key: each.model_copy(update={"amount": amount}) for each in items[:1]}
            continue
        held = dates_held(item, codes)
        pairs = paired(items, held, {})
        found |= {each.key: _read_date(each, pairs[each.key], currency) for each in items if each.key in pairs}
        known = {date_number(date) for date in pairs.values()}
        foreign += [_foreign_date(date, items[0], currency) for date in held if date_number(date) not in known]
    ordered = [found[item.key] for item in wanted.items if item.key in found]
    return wanted.model_copy(update={"currency": currency, "items": (*ordered, *foreign)})


def _read_date(item: BillingItem, date: Body, currency: str) -> BillingItem:
    amount = Money(amount=number_of(date, "BillingPlanAmount"), currency=currency)
    return item.model_copy(update={"due": day_of(date, "BillingPlanBillingDate"), "amount": amount})


def _foreign_date(date: Body, near: BillingItem, currency: str) -> BillingItem:
    """A date that somebody else put into a plan of ours."""
    return near.model_copy(
        update={
            "key": f"s4hana-date-{date_number(date)}",
            "description": "",
            "due": day_of(date, "BillingPlanBillingDate") or near.due,
            "amount": Money(amount=number_of(date, "BillingPlanAmount"), currency=currency),
        }
    )
