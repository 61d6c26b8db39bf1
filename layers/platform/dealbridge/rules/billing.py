"""The billing arithmetic: a sold line becomes amounts that fall due, and they sum to the line exactly.

Fixed: the whole amount once, at the start or the end of the line (policy); or in equal parts per period.
Milestone: the milestones as agreed; they must sum to the line's amount (a check sees to it).
Time and materials: billed as worked; the schedule carries the line's amount as what is planned, due at its end.
Retainer: one part per period; a period that the line covers in part weighs by its days (policy), and all parts
together are the line's amount.

Parts are split with `money.allocate`: whole minor units, nothing lost.
"""

import calendar
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from dealbridge.domain.deal import BillingFrequency, BillingType, DealLine
from dealbridge.domain.engagement import BillingItemKind
from dealbridge.domain.money import Money, allocate
from dealbridge.rules.reference import BillingPolicy

_MONTHS = {BillingFrequency.MONTHLY: 1, BillingFrequency.QUARTERLY: 3, BillingFrequency.ANNUALLY: 12}


@dataclass(frozen=True)
class Due:
    """One amount that falls due; `part` names it within its line and stays the same through amendments."""

    part: str
    kind: BillingItemKind
    description: str
    due: date
    amount: Money


@dataclass(frozen=True)
class Period:
    """One billing period of a line, both days included. `share`: the covered part of a whole period, 0 < share ≤ 1."""

    number: int
    first: date
    last: date
    share: Decimal


def periods(first: date, last: date, frequency: BillingFrequency) -> Iterator[Period]:
    """The billing periods from the first to the last day, each counted from the first day's day of the month."""
    step, number, begin = _MONTHS[frequency], 1, first
    while begin <= last:
        following = _months_later(first, step * number)
        whole_last = following - timedelta(days=1)
        covered_last = min(whole_last, last)
        share = Decimal((covered_last - begin).days + 1) / Decimal((whole_last - begin).days + 1)
        yield Period(number, begin, covered_last, share)
        number, begin = number + 1, following


def frequency_of(line: DealLine, policy: BillingPolicy) -> BillingFrequency | None:
    """How often a line is billed; None where it is not billed by periods."""
    given = None if line.billing_frequency is BillingFrequency.ONCE else line.billing_frequency
    match line.billing_type:
        case BillingType.RETAINER:
            return given or BillingFrequency(policy.default_retainer_frequency)
        case BillingType.MILESTONE | BillingType.TIME_AND_MATERIALS:
            return None
        case _:
            return given


def count_of_dues(line: DealLine, first: date, last: date, policy: BillingPolicy) -> int:
    """How many amounts `due_amounts` gives, told without making them: an end date may be the year 9999."""
    if line.billing_type is BillingType.MILESTONE:
        return len(line.milestones)
    frequency = frequency_of(line, policy)
    if frequency is None:
        return 1
    months = (last.year - first.year) * 12 + last.month - first.month
    if last.day < min(first.day, calendar.monthrange(last.year, last.month)[1]):
        months -= 1
    return max(0, months // _MONTHS[frequency] + 1)


def due_amounts(line: DealLine, first: date, last: date, policy: BillingPolicy) -> list[Due]:
    """What falls due for a line that runs from the first to the last day. Sums to `line.amount` exactly."""
    match line.billing_type:
        case BillingType.MILESTONE:
            return [
                Due(milestone.id, BillingItemKind.MILESTONE, milestone.name, milestone.due, milestone.amount)
                for milestone in line.milestones
            ]
        case BillingType.TIME_AND_MATERIALS:
            limit = f", not more than {line.cap}" if line.cap else ""
            text = f"{line.description} (as worked{limit})"
            return [Due("TM", BillingItemKind.CAP, text, last, line.amount)]
        case _:
            frequency = frequency_of(line, policy)
            if frequency is None:
                due = first if policy.fixed_due == "start" else last
                return [Due("1", BillingItemKind.DATED, line.description, due, line.amount)]
            return _recurring(line, first, last, frequency, policy)


def _recurring(
    line: DealLine, first: date, last: date, frequency: BillingFrequency, policy: BillingPolicy
) -> list[Due]:
    spans = list(periods(first, last, frequency))
    by_day = line.billing_type is BillingType.RETAINER and policy.partial_period == "by_day"
    weights = [span.share if by_day else Decimal(1) for span in spans]
    return [
        Due(
            str(span.number),
            BillingItemKind.RECURRING,
            f"{line.description} ({span.first:%Y-%m-%d} to {span.last:%Y-%m-%d})",
            span.first if policy.recurring_due == "start" else span.last,
            amount,
        )
        for span, amount in zip(spans, allocate(line.amount, weights), strict=True)
    ]


def _months_later(day: date, months: int) -> date:
    """The same day so many months later; the last of the month where that month is shorter."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))
