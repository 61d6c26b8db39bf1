"""What a deal must have before anything is written. Each finding names the field, the rule, what is wrong, the remedy.

A check is a generator over the deal and the reference data. `findings` runs all of them, so that people mend a deal
once and not one finding at a time.
"""

import re
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal

from dealbridge.domain.deal import BillingType, Deal, DealKind, DealLine
from dealbridge.domain.findings import Finding
from dealbridge.domain.money import Money
from dealbridge.rules.billing import count_of_dues
from dealbridge.rules.engagement import entities_of, entity_of
from dealbridge.rules.reference import FieldMapping, ReferenceData, Rule


def findings(deal: Deal, reference: ReferenceData) -> list[Finding]:
    """Everything a person has to mend, most general first; empty where the deal can go on."""
    labels = _Labels(reference.field_mapping(deal.key.crm))
    found: list[Finding] = []
    for name, check in _CHECKS.items():
        rule = reference.validation.rules.get(name, Rule())
        if not rule.enforced:
            continue
        for field, message, remedy in check(deal, reference):
            found.append(Finding(field=labels.of(field), rule=name, message=message, remedy=remedy, owner=rule.owner))
    return found


type Wrong = Iterator[tuple[str, str, str]]
"""(our field path, what is wrong, the remedy)"""


class _Labels:
    """The CRM's labels for our field paths: `lines[00k1].service_line` → `Service_Line__c (line 00k1)`."""

    def __init__(self, mapping: FieldMapping) -> None:
        self._labels = mapping.labels

    def of(self, path: str) -> str:
        name = re.sub(r"\[[^]]*\]", "", path)
        where = re.search(r"\[([^]]*)\]", path)
        label = self._labels.get(name, name)
        return f"{label} (line {where[1]})" if where else label


def _kind(deal: Deal, reference: ReferenceData) -> Wrong:
    """A change of an engagement that came as an opportunity of its own is not a new engagement."""
    if deal.kind not in (DealKind.NEW, DealKind.RENEWAL):
        yield (
            "kind",
            f"{deal.kind.value} opportunities are not carried over as engagements of their own.",
            "Change the original opportunity, or set the deal kind to new or renewal.",
        )


def _terms(deal: Deal, reference: ReferenceData) -> Wrong:
    """Commercial terms are approved before finance sees the deal."""
    if not deal.terms_approved:
        yield "terms_approved", "The commercial terms are not approved.", "Have the terms approved and tick the box."


def _customer(deal: Deal, reference: ReferenceData) -> Wrong:
    """Somebody buys."""
    if deal.account is None:
        yield "account", "The opportunity has no account.", "Choose the buying account."


def _delivery_owner(deal: Deal, reference: ReferenceData) -> Wrong:
    """Somebody delivers: the project's manager."""
    if not deal.delivery_owner_email:
        yield "delivery_owner_email", "No delivery owner is named.", "Enter the delivery owner's e-mail address."
    elif not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", deal.delivery_owner_email):
        yield (
            "delivery_owner_email",
            f"{deal.delivery_owner_email!r} is not an e-mail address.",
            "Enter the delivery owner's e-mail address.",
        )


def _legal_entity(deal: Deal, reference: ReferenceData) -> Wrong:
    """Every line is billed by a known legal entity."""
    known = ", ".join(sorted(reference.legal_entities))
    lines: list[DealLine | None] = [*reversed(deal.lines)] or [None]
    named = {entity_of(deal, line, reference): line for line in lines}
    for code, line in named.items():
        field = f"lines[{line.id}].legal_entity" if line and line.legal_entity else "legal_entity"
        if code is None:
            yield field, "No legal entity sells this deal.", f"Choose one of: {known}."
        elif code not in reference.legal_entities:
            yield field, f"{code!r} is not a known legal entity.", f"Choose one of: {known}."


def _currency(deal: Deal, reference: ReferenceData) -> Wrong:
    """The deal's currency is one that is sold in, and every amount is in it."""
    if deal.currency not in reference.currencies:
        yield (
            "currency",
            f"{deal.currency} is not a currency that we sell in.",
            f"Use one of: {', '.join(reference.currencies)}.",
        )
    if deal.amount.currency != deal.currency:
        yield "amount", f"The amount {deal.amount} is not in the deal's currency {deal.currency}.", "Correct either."
    for line in deal.lines:
        amounts = [line.amount, line.cap, *(milestone.amount for milestone in line.milestones)]
        if any(amount is not None and amount.currency != deal.currency for amount in amounts):
            yield f"lines[{line.id}].amount", f"The line is not in {deal.currency}.", "Use the deal's currency."


def _payment_terms(deal: Deal, reference: ReferenceData) -> Wrong:
    """Payment terms, where given, are known ones."""
    given = deal.payment_terms or (deal.account.payment_terms if deal.account else None)
    if given and given not in reference.payment_terms:
        yield (
            "payment_terms",
            f"{given!r} is not a known payment term.",
            f"Choose one of: {', '.join(reference.payment_terms)}.",
        )


def _lines(deal: Deal, reference: ReferenceData) -> Wrong:
    """There is something to deliver, and not more than a contract can hold."""
    if not deal.lines:
        yield "lines", "The opportunity has no lines.", "Add the sold services as products."
    elif len(deal.lines) > reference.validation.max_lines:
        yield (
            "lines",
            f"{len(deal.lines)} lines are more than the {reference.validation.max_lines} allowed.",
            "Split the opportunity, or have the limit raised in mappings/validation-policy.yaml.",
        )


def _service_lines(deal: Deal, reference: ReferenceData) -> Wrong:
    """Every line belongs to a known service line."""
    known = ", ".join(sorted(reference.service_lines))
    for line in deal.lines:
        field = f"lines[{line.id}].service_line"
        if not line.service_line:
            yield field, f"{line.description!r} has no service line code.", f"Choose one of: {known}."
        elif line.service_line not in reference.service_lines:
            yield field, f"{line.service_line!r} is not a known service line code.", f"Choose one of: {known}."


def _billing_type(deal: Deal, reference: ReferenceData) -> Wrong:
    """Every line says how it is billed."""
    kinds = ", ".join(kind.value.replace("_", " ") for kind in BillingType)
    for line in deal.lines:
        if line.billing_type is None:
            yield (
                f"lines[{line.id}].billing_type",
                "The line does not say how it is billed.",
                f"Choose one of: {kinds}.",
            )


def _dates(deal: Deal, reference: ReferenceData) -> Wrong:
    """Contract and lines have a first and a last day, in that order, and milestones fall due in between or later."""
    if deal.start and deal.end and deal.end < deal.start:
        yield "end", f"The contract ends {deal.end} before it starts {deal.start}.", "Correct the contract's dates."
    missing_start = missing_end = False
    for line in deal.lines:
        first, last = line.start or deal.start, line.end or deal.end
        missing_start, missing_end = missing_start or first is None, missing_end or last is None
        if first and last and last < first and (line.start or line.end):
            yield (
                f"lines[{line.id}].end",
                f"The line ends {last} before it starts {first}.",
                "Correct the line's dates, or leave them empty to use the contract's.",
            )
        for milestone in line.milestones:
            if first and milestone.due < first:
                yield (
                    f"lines[{line.id}].milestones",
                    f"{milestone.name!r} falls due {milestone.due}, before the line starts {first}.",
                    "Correct the milestone's date.",
                )
    if missing_start:
        yield "start", "No start date is given.", "Enter the contract's start date."
    if missing_end:
        yield "end", "No end date is given.", "Enter the contract's end date."


def _amounts(deal: Deal, reference: ReferenceData) -> Wrong:
    """Amounts are whole cents, none negative; lines add up to the deal, milestones to their line."""
    if any(line.amount.currency != deal.currency for line in deal.lines) or deal.amount.currency != deal.currency:
        return
    tolerance = Decimal(reference.validation.amount_tolerance)
    total = Money.total((line.amount for line in deal.lines), deal.currency)
    if deal.lines and abs(total.amount - deal.amount.amount) > tolerance:
        yield (
            "amount",
            f"The lines add up to {total}, the opportunity says {deal.amount}.",
            "Correct the lines or the amount.",
        )
    if deal.lines and total.amount <= 0:
        yield "amount", "There is nothing to bill.", "Correct the lines' amounts."
    for line in deal.lines:
        yield from _line_amounts(line)


def _line_amounts(line: DealLine) -> Wrong:
    field = f"lines[{line.id}].amount"
    if not line.amount.is_whole:
        yield field, f"{line.amount} is not a whole number of the currency's minor unit.", "Round the line's amount."
    if line.amount.amount < 0:
        yield field, f"{line.amount} is negative.", "Enter a credit as a credit note in the ERP."
    if line.cap is not None and line.cap.currency == line.amount.currency and line.cap.amount < line.amount.amount:
        yield (
            f"lines[{line.id}].cap",
            f"The cap {line.cap} is below the line's amount {line.amount}.",
            "Raise the cap or lower the line's amount.",
        )
    if line.billing_type is BillingType.MILESTONE:
        if not line.milestones:
            yield (
                f"lines[{line.id}].milestones",
                "The line is billed by milestones and has none.",
                "Enter the milestones with date and amount.",
            )
        elif {milestone.amount.currency for milestone in line.milestones} == {line.amount.currency}:
            total = Money.total((milestone.amount for milestone in line.milestones), line.amount.currency)
            if total != line.amount:
                yield (
                    f"lines[{line.id}].milestones",
                    f"The milestones add up to {total}, the line to {line.amount}.",
                    "Correct the milestones or the line's amount.",
                )
            for milestone in line.milestones:
                if not milestone.amount.is_whole or milestone.amount.amount <= 0:
                    yield (
                        f"lines[{line.id}].milestones",
                        f"{milestone.name!r}: {milestone.amount} is not a positive whole amount.",
                        "Correct the milestone's amount.",
                    )


def _billing_items(deal: Deal, reference: ReferenceData) -> Wrong:
    """The billing schedule stays within what an ERP can hold."""
    count = 0
    for line in deal.lines:
        first, last = line.start or deal.start, line.end or deal.end
        if first and last:
            count += count_of_dues(line, first, last, reference.billing)
    if count > reference.validation.max_billing_items:
        yield (
            "lines",
            f"{count} billing dates are more than the {reference.validation.max_billing_items} allowed.",
            "Bill less often, or split the opportunity.",
        )


def _tax(deal: Deal, reference: ReferenceData) -> Wrong:
    """Tax numbers look as their country writes them, and are there where the sale's treatment needs one."""
    if deal.account is None:
        return
    registered = {}
    for registration in deal.account.tax_registrations:
        registered[registration.country] = registration.number
        rule = reference.tax.registrations.get(registration.country)
        if rule and not re.fullmatch(rule.pattern, registration.number):
            yield (
                "account.tax_registrations",
                f"{registration.number!r} is not a {rule.name} of {registration.country}.",
                f"Enter it as in {rule.example}.",
            )
    country = deal.account.billing_address.country if deal.account.billing_address else None
    for code in entities_of(deal, reference):
        if code not in reference.legal_entities:
            continue
        if country is None:
            yield (
                "account.billing_address",
                "The account's billing address has no country: the sale's tax treatment cannot be told.",
                "Enter the billing country.",
            )
            return
        treatment = reference.treatment(code, country, deal.close_date or date.max)
        if treatment is None:
            yield (
                "account.billing_address",
                f"No tax treatment is set up for a sale by {code} to {country}.",
                "Have finance add the row to mappings/tax.yaml.",
            )
        elif treatment.registration_required and country not in registered:
            example = reference.tax.registrations.get(country)
            yield (
                "account.tax_registrations",
                f"A sale by {code} to {country} ({treatment.treatment}) needs the customer's tax number of {country}.",
                f"Enter it{f' as in {example.example}' if example else ''}.",
            )


_CHECKS: dict[str, Callable[[Deal, ReferenceData], Wrong]] = {
    "deal_kind": _kind,
    "terms_approved": _terms,
    "customer_named": _customer,
    "delivery_owner_named": _delivery_owner,
    "legal_entity_known": _legal_entity,
    "currency_known": _currency,
    "payment_terms_known": _payment_terms,
    "lines_present": _lines,
    "service_line_known": _service_lines,
    "billing_type_given": _billing_type,
    "dates_in_order": _dates,
    "amounts_add_up": _amounts,
    "billing_items_bounded": _billing_items,
    "tax_registered": _tax,
}

ESSENTIAL = frozenset(
    {
        "customer_named",
        "legal_entity_known",
        "currency_known",
        "lines_present",
        "service_line_known",
        "dates_in_order",
        "amounts_add_up",
    }
)
"""What planning relies upon: a policy cannot switch these off."""

RULES = tuple(_CHECKS)
"""The names of all rules, as `mappings/validation-policy.yaml` may list them."""
