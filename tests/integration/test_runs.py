"""Whole runs in-process: read, check, plan, apply, close; and what a person does in between."""



from dealbridge.domain.keys import Kind
from dealbridge.runs.starting import start_run
from tests.builders import a_hint, a_won_deal
from tests.integration.conftest import World


def hint(world: World, event_id: str = "e1") -> None:
    start_run(a_hint(event_id), world.clock())


def test_a_won_deal_becomes_an_engagement(world: World) -> None:
    deal = a_won_deal()
    world.crm.save(deal)
    hint(world)
    assert world.executions.play() == [{"state": "active", "following": None}]
    assert {kind: len(world.erp.of(kind)) for kind in Kind if world.erp.of(kind)} == {
        Kind.CUSTOMER: 1,
        Kind.CONTACT: 1,
        Kind.PROJECT: 1,
        Kind.TASK: 1,
        Kind.CONTRACT: 1,
        Kind.SCHEDULE: 1,
    }
    assert [record.kind for record in world.psa.records] == [Kind.STAFFING_PROJECT, Kind.STAFFING_REQUEST]
    status = world.crm.statuses[deal.key.opportunity]
    (customer,), (contract,), (project,) = (world.erp.of(kind) for kind in (Kind.CUSTOMER, Kind.CONTRACT, Kind.PROJECT))
    assert (status.status, status.customer_number, status.contract_number, status.project_number) == (
        "Active",
        f"N{customer.id}",
        f"N{contract.id}",
        f"N{project.id}",
    )
    assert world.facts() == ["EngagementActivated"]
    assert world.head(deal.key)["state"] == "active"
