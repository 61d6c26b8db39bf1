from tests.integration.test_crashes import *
from tests.integration.conftest import *
def test_dbg(world):
    deal = a_deal("006E8"); world.crm.save(deal)
    with Deaths(world, 8).watch():
        _start(world, deal)
        try: world.executions.play(crashes=False)
        except DiedError as e: print("DIED", e)
    from tests.integration import test_crashes as tc
    print(world.clock()); tc._notice(world, deal, by_event=True); print(world.head(deal.key)["state"])
    world.clock.pass_by(minutes=3); print(world.clock())
    for i in world.table.query("SHARED#netsuite/customer/CUST-001P006E8"): print(i)
    start_run(a_hint("redrive", deal=deal.key), world.clock()); world.executions.play()
    print(world.executions.stories)
