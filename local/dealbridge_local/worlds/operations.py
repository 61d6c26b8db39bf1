"""What operators do when something is stuck: the commands of `dealbridge redrive`, and a poll."""

from dealbridge.ledger.ledger import ledger
from dealbridge.runs import redriving
from dealbridge_local.worlds.cloud.queues import Queue
from dealbridge_local.worlds.world import World

ROUNDS = 6
"""So often an operator tries at most before a person has to mend something first."""


def mend(world: World, *, poll: bool = True) -> int:
    """Let everything settle, and what is stuck go on, until nothing is stuck that need not be; how many were redriven.

    A deal that is parked with findings is left to the people who mend data.
    """
    redriven = 0
    world.settle()
    for _ in range(ROUNDS):
        if poll:
            world.poll()
            world.settle()
        letters = sum(_deliver_again(queue) for queue in (world.dead_letters, world.failed_invocations))
        stuck = [each.deal for each in redriving.parked() if str(each.deal) not in _for_people()]
        redriven += redriving.redrive(stuck)
        world.settle()
        if not letters and not stuck:
            break
    return redriven


def _for_people() -> set[str]:
    """Deals whose data people have to mend first: parked with findings."""
    return {str(item["deal"]) for item in ledger().runs.open_exceptions() if item.get("findings")}


def causes(world: World) -> list[str]:
    """Why deals are parked now."""
    return sorted(f"{each.cause}: {each.message}" for each in redriving.parked())


def _deliver_again(queue: Queue) -> int:
    return sum(1 for _ in redriving.redeliver(list(redriving.dead_letters(queue.url)), queue.url))
