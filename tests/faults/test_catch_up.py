"""A catch-up beside deals that are won: nobody waits behind what can wait."""

from dataclasses import replace
from functools import partial
from typing import Any

from bench import deals
from bench.catch_up import ALONE, CATCH_UP, PAIR, beside
from bench.sellers import sellers_in
from dealbridge.ledger.ledger import ledger
from dealbridge_local.worlds.deployment import Handler
from dealbridge_local.worlds.world import Mail, World


def test_a_deal_that_is_won_beside_a_catch_up_becomes_active_as_beside_nothing() -> None:
    alone, together = beside(ALONE, 0, 3), beside(CATCH_UP, 40, 3)
    assert (together.parked, together.others_parked) == (0, 0)
    assert max(together.seconds) < 1.5 * max(alone.seconds)


class _Lost(Mail):
    """No event comes."""

    def copies(self, route: str) -> tuple[float, ...]:
        return () if route == "relay" else (0.05,)


def test_every_step_of_a_run_that_a_poll_asked_for_can_wait() -> None:
    """The state machine hands it on."""
    said: dict[str, bool] = {}

    def noting(name: str, handler: Handler, event: dict[str, Any], context: Any) -> Any:
        if "run" in event:
            said[name] = event.get("bulk", False)
        return handler(event, context)

    with World(mail=_Lost()) as world:
        functions = {
            name: replace(function, handler=partial(noting, name, function.handler))
            for name, function in world.deployment.functions.items()
        }
        world.functions.deployment = replace(world.deployment, functions=functions)
        sellers = sellers_in(world.salesforce, world.hubspot)
        deal = sellers.open(deals.small(), PAIR)
        sellers.win(deal)
        world.settle()
        assert ledger().deals.head(deal) is None
        world.scheduler.run(until=world.scheduler.moment + 60_000_000)  # HubSpot's search finds a change later
        world.poll()
        world.settle()
        assert (ledger().deals.head(deal) or {})["state"] == "active"
    steps = {"read_deal", "check_deal", "plan_deal", "sync_customer", "sync_project", "sync_contract", "sync_billing"}
    assert said == dict.fromkeys(steps | {"request_staffing", "update_crm", "close_run"}, True)
