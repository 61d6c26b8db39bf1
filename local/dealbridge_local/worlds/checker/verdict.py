"""All rules over all of the evidence."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from dealbridge_local.worlds.checker import accounting, standing
from dealbridge_local.worlds.checker.accounting import Book
from dealbridge_local.worlds.checker.evidence import Evidence, Item
from dealbridge_local.worlds.checker.sold import Sale
from dealbridge_local.worlds.checker.standing import Books, books_of, sales_of

RULES = {
    "one_record_per_key": "One record per key outside, and none without one.",
    "last_state_stands": "What an active deal wants stands as the CRM says now; what it no longer wants is closed.",
    "amounts_conserved": "Amounts are the same to the cent from opportunity to order to billing schedule.",
    "events_accounted_for": "No accepted event is lost: it began a run, or waited with one, that ended.",
    "no_write_without_intent": "No write outside without an intent in the ledger.",
    "effects_proven": "What is applied outside is in the ledger, with the effect that made it so.",
    "one_run_at_a_time": "One run holds a deal, and only that run intends.",
    "retries_bounded": "Attempts and runs are bounded.",
    "audit_whole": "The audit chain holds and tells of every run.",
    "circuit_respected": "No call through an open circuit.",
    "everything_settles": "Nothing is left under way, and every deal that can be active is.",
    "parked_with_cause": "A deal stays parked only for what the CRM shows to be so, and its exception says what.",
}


@dataclass(frozen=True)
class Broken:
    """A rule that does not hold, and where."""

    rule: str
    what: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.what}"


def judge(evidence: Evidence) -> list[Broken]:
    """Every rule that is broken; empty where all hold."""
    sales = sales_of(evidence)
    book, books = Book(evidence.ledger), books_of(evidence, sales)
    found: list[Broken] = []

    def look(rule: str, broken: Iterator[str]) -> None:
        found.extend(Broken(rule, what) for what in broken)

    for held in books.all():
        look("one_record_per_key", held.doubled())
        look("effects_proven", accounting.unknown_outside(book, held.ids(), held.connection))
    look("effects_proven", accounting.effects_unproven(book))
    look("one_run_at_a_time", accounting.runs_misnumbered(book))
    look("retries_bounded", accounting.unbounded(book))
    look("audit_whole", accounting.audit_broken(book))
    look("everything_settles", accounting.unsettled(book, evidence.unfinished, _shared_records(sales, books)))
    if evidence.hints is not None:
        look("events_accounted_for", accounting.unaccounted(book, evidence.hints))
    if evidence.stream is not None:
        look("one_run_at_a_time", accounting.intents_of_others(evidence.stream))
        if evidence.vendor_writes is not None:
            writes = evidence.vendor_writes
            look("no_write_without_intent", accounting.writes_without_intent(evidence.stream, writes))
        if evidence.vendor_calls is not None:
            calls = evidence.vendor_calls
            look("circuit_respected", accounting.called_through_open_circuit(evidence.stream, calls))
    for sale in sales:
        deal = sale.deal
        head = book.heads.get(deal)
        if head is None or head["state"] == "open":
            look("everything_settles", _should_be_active(sale))
        elif head["state"] == "active":
            look("everything_settles", _should_not_be_active(sale))
            look("last_state_stands", standing.missing_or_wrong(sale, books))
            look("amounts_conserved", standing.amounts_lost(sale, books))
            if evidence.facts is not None:
                look("effects_proven", _told(deal, evidence.facts))
        elif head["state"] == "parked":
            look("parked_with_cause", _parked(sale, books, book.exceptions.get(deal, [])))
    return found


def _shared_records(sales: list[Sale], books: Books) -> dict[str, set[str]]:
    """Deal → the customers and contacts that it wants, by identity."""
    return {
        sale.deal: {
            f"{books.erp_of[entity]}/{identity}"
            for entity in sale.entities
            for identity in (
                *(f"customer/CUST-{account.id}" for account in sale.accounts),
                *(f"contact/CONT-{contact.id}" for contact in sale.contacts),
            )
        }
        for sale in sales
    }


def _should_be_active(sale: Sale) -> Iterator[str]:
    if sale.won:
        yield f"{sale.id}: won in the CRM, and nothing came of it"


def _should_not_be_active(sale: Sale) -> Iterator[str]:
    if not sale.won:
        yield f"{sale.id}: active, and not won in the CRM"


def _told(deal: str, facts: Sequence[tuple[str, str]]) -> Iterator[str]:
    if not any(told == deal and what == "EngagementActivated" for what, told in facts):
        yield f"{deal}: active, and nobody was told"


def _parked(sale: Sale, books: Books, exceptions: list[Item]) -> Iterator[str]:
    still_open = [each for each in exceptions if each["state"] == "open"]
    if len(still_open) != 1:
        yield f"{sale.id}: parked with {len(still_open)} open exceptions"
        return
    (exception,) = still_open
    if not exception.get("cause") or not exception.get("message"):
        yield f"{sale.id}: parked without a cause"
        return
    if exception["cause"] != "RejectedError":
        yield f"{sale.id}: stays parked for {exception['cause']}: {exception['message']}"
        return
    rules = {finding["rule"] for finding in exception.get("findings", ())}
    shown = {rule for rule, is_so in _SHOWN.items() if is_so(sale, books)}
    if not rules:
        yield f"{sale.id}: rejected without a finding: {exception['message']}"
    for rule in rules - shown:
        yield f"{sale.id}: parked for {rule}, which the CRM does not show: {exception['message']}"


def _amounts_differ(sale: Sale, books: Books) -> bool:
    return (
        sum(line.amount for line in sale.lines) != sale.amount
        or any(line.amount <= 0 for line in sale.lines)
        or any(line.milestones and sum(each.amount for each in line.milestones) != line.amount for line in sale.lines)
    )


def _orphaned(sale: Sale, books: Books) -> bool:
    """An order stands for a legal entity that no line belongs to any more."""
    return any(erp.ordered(sale) - set(sale.entities) for erp in books.erps.values())


_SHOWN: dict[str, Callable[[Sale, Books], bool]] = {
    "terms_approved": lambda sale, books: not sale.terms_approved,
    "won_stays_won": lambda sale, books: not sale.won,
    "lines_present": lambda sale, books: not sale.lines,
    "amounts_add_up": _amounts_differ,
    "contract_still_wanted": _orphaned,
}
"""Rules of the shipped checks that worlds provoke → whether the records show it."""
