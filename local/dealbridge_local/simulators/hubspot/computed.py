"""Properties that HubSpot works out itself. A deal's amount is not among them: it is never summed from its lines."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from dealbridge_local.simulators.hubspot.instants import iso
from dealbridge_local.simulators.hubspot.portal import Portal

type Values = Mapping[str, str]


def computed_properties(kind: str, values: Values, before: Values, portal: Portal, now: datetime) -> dict[str, str]:
    """The computed properties of a record after a write; an empty text where one has no value."""
    match kind:
        case "deals":
            return _deal(values, before, portal, now)
        case "line_items":
            return _line_item(values)
    return {}


def _deal(values: Values, before: Values, portal: Portal, now: datetime) -> dict[str, str]:
    pipeline = portal.pipelines.get(values.get("pipeline", ""))
    stage = pipeline.stage(values.get("dealstage", "")) if pipeline else None
    closed, won = stage is not None and stage.closed, stage is not None and stage.won
    amount = values.get("amount", "")
    rate = _exchange_rate(values, before, portal, closed=closed)
    at_home = plain(Decimal(amount) * rate) if amount else ""
    found = {
        "hs_is_closed": _flag(closed),
        "hs_is_closed_won": _flag(won),
        "hs_is_closed_lost": _flag(closed and not won),
        "hs_deal_stage_probability": stage.probability if stage else "",
        "hs_exchange_rate": "" if values.get("deal_currency_code") == portal.home_currency else plain(rate),
        "amount_in_home_currency": at_home,
        "hs_closed_amount": amount if won else "",
        "hs_closed_won_date": (before.get("hs_closed_won_date") or iso(now)) if won else "",
    }
    if closed and not values.get("closedate"):
        found["closedate"] = iso(now)
    return found


def _exchange_rate(values: Values, before: Values, portal: Portal, *, closed: bool) -> Decimal:
    """The rate of an open deal floats; closing a deal freezes it (pitfalls, C9)."""
    code = values.get("deal_currency_code", portal.home_currency)
    stays_closed = closed and before.get("hs_is_closed") == "true"
    if stays_closed and before.get("hs_exchange_rate") and before.get("deal_currency_code") == code:
        return Decimal(before["hs_exchange_rate"])
    return portal.exchange_rates.get(code, Decimal(1))


def _line_item(values: Values) -> dict[str, str]:
    if not values.get("price"):
        return {"amount": "", "hs_pre_discount_amount": "", "hs_total_discount": ""}
    gross = Decimal(values["price"]) * Decimal(values.get("quantity") or "1")
    if values.get("hs_discount_percentage"):
        discount = gross * Decimal(values["hs_discount_percentage"]) / 100
    else:
        discount = Decimal(values.get("discount") or "0") * Decimal(values.get("quantity") or "1")
    return {
        "amount": plain(gross - discount),
        "hs_pre_discount_amount": plain(gross),
        "hs_total_discount": plain(discount),
    }


def plain(value: Decimal) -> str:
    """A number as text without an exponent or trailing zeros."""
    return format(value.normalize(), "f")


def _flag(value: bool) -> str:
    return "true" if value else "false"
