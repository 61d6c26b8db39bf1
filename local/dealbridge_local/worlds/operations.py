"""What operators do when something is stuck: the commands of `dealbridge redrive`, and a poll."""

from dealbridge.domain.keys import DealKey
from dealbridge.ledger.ledger import ledger
from dealbridge.runs import redriving
from dealbridge_local.worlds.stage import Operated

ROUNDS = 6
"""So often an operator tries at most before a person has to mend something first."""


def mend(operated: Operated, *, poll: bool = True) -> int:
    """Let everything settle, and what is stuck go on, until nothing is stuck that need not be; how many were redriven.

    A deal that is parked with findings is left to the people who mend data.
    """
    redriven = 0
    operated.settle()
    for _ in range(ROUNDS):
        if poll:
            operated.poll()
            operated.settle()
        letters = deliver_again(operated)
        stuck = mendable(operated)
        redriven += redriving.redrive(stuck)
        operated.settle()
        if not letters and not stuck:
            break
    return redriven


def mendable(operated: Operated) -> list[DealKey]:
    """Parked deals whose data nobody has to mend first: those without findings."""
    for_people = {str(item["deal"]) for item in ledger().runs.open_exceptions() if item.get("findings")}
    parked = (each.deal for each in redriving.parked())
    return [deal for deal in parked if operated.concerns(str(deal)) and str(deal) not in for_people]


def causes(operated: Operated) -> list[str]:
    """Why deals are parked now."""
    parked = (each for each in redriving.parked() if operated.concerns(str(each.deal)))
    return sorted(f"{each.cause}: {each.message}" for each in parked)


def deliver_again(operated: Operated) -> int:
    """Give every dead letter to whom it was for; how many."""
    return sum(
        1 for url in operated.dead_letter_queues for _ in redriving.redeliver(list(redriving.dead_letters(url)), url)
    )
