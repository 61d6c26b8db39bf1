"""Desired against applied: what a run writes, and that it writes nothing when nothing changed."""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

import pytest

from dealbridge.domain.deal import BillingFrequency, Deal
from dealbridge.domain.findings import Owner
from dealbridge.domain.keys import Kind
from dealbridge.domain.plan import Action, Applied, Operation, Plan, Step
from dealbridge.domain.refs import ExternalRef
from dealbridge.errors import ConfigurationError
from dealbridge.ports import Capabilities
from dealbridge.rules import planning
from dealbridge.rules.planning import Draft, field_changes
from dealbridge.rules.reference import ReferenceData
from tests.builders import OPPORTUNITY, a_line, a_person, a_won_deal, an_account, can, codes_for, reference

type Known = dict[str, Applied]


def draft(
    deal: Deal,
    applied: Mapping[str, Applied] | None = None,
    data: ReferenceData | None = None,
    capabilities: Callable[[str], Capabilities] | None = None,
) -> Draft:
    return planning.plan_deal(deal, "snapshot", data or reference(), capabilities or can(), applied or {})


def carried_out(plan: Plan, before: Mapping[str, Applied] | None = None) -> Known:
    """What the ledger knows once a plan has been applied; every record has its identity's text as id and number."""
    known = dict(before or {})
    for operation in plan.writes:
        ref = ExternalRef(connection=operation.connection, type="x", id=operation.key, number=f"N-{operation.key}")
        record = operation.record
        if operation.kind is Kind.ENGAGEMENT_STATUS:
            for needed in operation.needs:
                stands = known[needed].ref
                assert stands is not None
                record = record | {f"{needed.split('/')[1]}_number": stands.number}
        withdrawn = operation.action is Action.WITHDRAW
        known[operation.identity] = Applied(record, operation.codes, ref, withdrawn)
    return known


def standing(deal: Deal, data: ReferenceData | None = None) -> Known:
    return carried_out(draft(deal, data=data).plan)


def writes(found: Draft) -> list[tuple[str, str]]:
    return [(operation.action.value, operation.kind.value) for operation in found.plan.writes]


def the_write(found: Draft, kind: Kind) -> Operation:
    (operation,) = (each for each in found.plan.writes if each.kind is kind)
    return operation


def paths(operation: Operation) -> list[str]:
    return [change.path for change in operation.changes]


# First activation


def test_a_new_deal_creates_every_record_in_the_order_of_the_steps() -> None:
    found = draft(a_won_deal())
    assert writes(found) == [
        ("create", "customer"),
        ("create", "contact"),
        ("create", "project"),
        ("create", "task"),
        ("create", "contract"),
        ("create", "schedule"),
        ("create", "staffing_project"),
        ("create", "staffing_request"),
        ("create", "engagement_status"),
    ]
    steps = [operation.step for operation in found.plan.writes]
    assert steps == sorted(steps, key=list(Step).index)
    assert found.findings == ()
    assert found.plan.entities == ("EMEA-DE",)


def test_what_an_operation_needs_comes_before_it() -> None:
    parents = an_account(parent=an_account("001P", parent=an_account("001Q")))
    lines = [a_line("1 EUR"), a_line("1 EUR", id="00k2", service_line="TRNG", legal_entity="EMEA-UK")]
    stands: set[str] = set()
    for operation in draft(a_won_deal(lines=lines, account=parents)).plan.operations:
        assert set(operation.needs) <= stands, operation.identity
        stands.add(operation.identity)


def test_an_account_under_a_new_parent_is_an_update_of_its_customer_and_a_creation_of_the_parent() -> None:
    known = standing(a_won_deal(account=an_account(parent=an_account("001P"))))
    bought = an_account(parent=an_account("001Q", name="Bought by"))
    found = draft(a_won_deal(account=bought), known)

    assert writes(found) == [("create", "customer"), ("update", "customer")]
    made, moved = found.plan.writes
    assert (made.key, made.record["name"], made.needs) == ("CUST-001Q", "Bought by", ())
    assert (moved.key, paths(moved)) == ("CUST-001A", ["parent_key"])
    assert [(each.before, each.after) for each in moved.changes] == [("CUST-001P", "CUST-001Q")]
    # The new parent stands before the customer is put below it; the old one is nobody's to take away.
    assert made.identity in moved.needs
    assert writes(draft(a_won_deal(account=bought), carried_out(found.plan, known))) == []


def test_an_account_under_a_parent_that_stands_is_one_update() -> None:
    trees = (an_account(parent=an_account("001P")), an_account("001B", parent=an_account("001Q")))
    known = {name: each for tree in trees for name, each in standing(a_won_deal(account=tree)).items()}
    moved = draft(a_won_deal(account=an_account(parent=an_account("001Q"))), known)
    assert [(each.key, paths(each)) for each in moved.plan.writes if each.kind is Kind.CUSTOMER] == [
        ("CUST-001A", ["parent_key"])
    ]


def test_a_parent_in_the_middle_of_a_tree_that_moves_is_the_one_that_is_updated() -> None:
    def tree(top: str) -> Any:
        return an_account(parent=an_account("001P", parent=an_account(top)))

    known = standing(a_won_deal(account=tree("001X")))
    found = draft(a_won_deal(account=tree("001Y")), known)
    assert [(each.action, each.key, paths(each)) for each in found.plan.writes[1:]] == [
        (Action.UPDATE, "CUST-001P", ["parent_key"])
    ]
    assert (found.plan.writes[0].action, found.plan.writes[0].key) == (Action.CREATE, "CUST-001Y")


def test_an_account_that_lost_its_parent_is_an_update_of_its_customer() -> None:
    known = standing(a_won_deal(account=an_account(parent=an_account("001P"))))
    found = draft(a_won_deal(account=an_account()), known)
    (moved,) = found.plan.writes
    assert (moved.action, moved.key, moved.needs) == (Action.UPDATE, "CUST-001A", ())
    assert [(each.path, each.before, each.after) for each in moved.changes] == [("parent_key", "CUST-001P", None)]


def test_records_that_the_erp_keeps_inside_others_travel_there() -> None:
    found = draft(a_won_deal(), capabilities=can(embeds=frozenset({Kind.TASK, Kind.SCHEDULE})))
    kinds = [operation.kind for operation in found.plan.operations]
    assert Kind.TASK not in kinds
    assert Kind.SCHEDULE not in kinds
    assert the_write(found, Kind.PROJECT).record["tasks"][0]["service_line"] == "IMPL"
    assert the_write(found, Kind.CONTRACT).record["schedule"]["items"]
    apart = draft(a_won_deal())
    assert "tasks" not in the_write(apart, Kind.PROJECT).record
    assert "schedule" not in the_write(apart, Kind.CONTRACT).record


def test_codes_are_the_connections_own() -> None:
    contract = the_write(draft(a_won_deal(), data=_with_codes()), Kind.CONTRACT)
    assert contract.codes == {
        "legal_entity": "EMEA-DE",
        "entity": {"subsidiary": "2"},
        "defaults": {"form": "40"},
        "currency": "2",
        "payment_terms": "2",
        "tax": {"treatment": "domestic"},
        "service_lines": {"IMPL": {"item": "1"}},
    }


def _with_codes(**changes: Any) -> ReferenceData:
    codes = codes_for(reference(), **changes).model_dump()
    return reference(codes={"netsuite": codes, "kantata": codes})


# Nothing to do


def test_an_unchanged_deal_wants_nothing() -> None:
    deal = a_won_deal()
    found = draft(deal, standing(deal))
    assert found.plan.is_empty
    assert found.findings == ()
    assert {operation.action for operation in found.plan.operations} == {Action.NONE}


def test_an_unchanged_deal_wants_nothing_where_codes_are_empty() -> None:
    """Empty codes are kept as they are: what is stored and read again must not look like a change."""
    data = _with_codes(defaults={}, tax={}, entities={code: {} for code in reference().legal_entities})
    deal = a_won_deal()
    stored = Plan.model_validate_json(draft(deal, data=data).plan.model_dump_json())
    assert draft(deal, carried_out(stored), data).plan.is_empty


def test_the_crms_bookkeeping_is_no_change() -> None:
    deal = a_won_deal()
    assert draft(deal.model_copy(update={"revision": "2"}), standing(deal)).plan.is_empty


def test_the_order_of_lines_is_no_change_within_a_service_line() -> None:
    lines = [a_line("1 EUR"), a_line("2 EUR", id="00k2")]
    assert draft(a_won_deal(lines=lines[::-1]), standing(a_won_deal(lines=lines))).plan.is_empty


# Changes


def test_a_changed_amount_updates_what_it_touches_and_creates_nothing() -> None:
    before, after = a_won_deal("10000 EUR"), a_won_deal("12000 EUR")
    found = draft(after, standing(before))
    assert writes(found) == [
        ("update", "project"),
        ("update", "task"),
        ("update", "contract"),
        ("update", "schedule"),
        ("update", "staffing_project"),
    ]
    contract = the_write(found, Kind.CONTRACT)
    assert {change.path: (change.before, change.after) for change in contract.changes} == {
        "value.amount": ("10000.00", "12000.00"),
        "lines[00k1].amount.amount": ("10000.00", "12000.00"),
    }
    assert paths(the_write(found, Kind.SCHEDULE)) == ["items[00k1-1].amount.amount"]
    assert paths(the_write(found, Kind.PROJECT)) == ["budget.amount"]


def test_a_changed_date_moves_contract_project_and_staffing() -> None:
    before, after = a_won_deal(), a_won_deal(end=date(2027, 6, 30))
    found = draft(after, standing(before))
    assert set(writes(found)) == {
        ("update", kind) for kind in ("project", "task", "contract", "schedule", "staffing_project", "staffing_request")
    }
    assert paths(the_write(found, Kind.STAFFING_REQUEST)) == ["end"]
    assert paths(the_write(found, Kind.CONTRACT)) == ["end", "lines[00k1].end"]


def test_a_new_line_of_another_service_line_adds_a_task_and_a_request() -> None:
    before = a_won_deal(lines=[a_line("100 EUR")])
    after = a_won_deal(lines=[a_line("100 EUR"), a_line("50 EUR", id="00k2", service_line="TRNG")])
    found = draft(after, standing(before))
    assert [pair for pair in writes(found) if pair[0] == "create"] == [
        ("create", "task"),
        ("create", "staffing_request"),
    ]
    assert "lines[00k2]" in paths(the_write(found, Kind.CONTRACT))


def test_a_line_that_is_gone_shows_as_gone() -> None:
    before = a_won_deal(lines=[a_line("100 EUR"), a_line("50 EUR", id="00k2")])
    found = draft(a_won_deal(lines=[a_line("100 EUR")]), standing(before))
    gone = next(change for change in the_write(found, Kind.CONTRACT).changes if change.path == "lines[00k2]")
    assert (gone.before["amount"]["amount"], gone.after) == ("50.00", None)


def test_a_changed_code_is_a_change_of_the_deals_own_records_only() -> None:
    """Another entity's codes are no change of a customer that many deals share."""
    deal = a_won_deal()
    found = draft(deal, standing(deal, _with_codes()), _with_codes(currencies={"EUR": "978"}))
    assert ("update", "contract") in writes(found)
    assert "codes.currency" in paths(the_write(found, Kind.CONTRACT))
    assert "customer" not in {kind for _, kind in writes(found)}


def test_a_changed_contact_is_updated_once_whatever_the_deal() -> None:
    before, after = a_won_deal(), a_won_deal(contacts=(a_person(phone="+49 221 1"),))
    found = draft(after, standing(before))
    assert writes(found) == [("update", "contact")]
    assert paths(the_write(found, Kind.CONTACT)) == ["phone"]


def test_a_record_whose_write_never_succeeded_is_created_again() -> None:
    deal = a_won_deal()
    known = standing(deal)
    identity = f"netsuite/project/PROJ-{OPPORTUNITY}-EMEA-DE"
    known[identity] = Applied({}, {}, None)
    assert ("create", "project") in writes(draft(deal, known))


# Shared customers


def test_a_customer_keeps_the_currency_it_was_made_with() -> None:
    """The account names no currency; a deal of another entity must not turn the customer over to its own."""
    german = a_won_deal()
    shared = {
        place: known for place, known in standing(german).items() if "/customer/" in place or "/contact/" in place
    }
    british = a_won_deal("100 GBP", opportunity="006Hp00001OTHERIA5", legal_entity="EMEA-UK")
    found = draft(british, shared)
    assert not {"customer", "contact"} & {kind for _, kind in writes(found)}
    assert the_write(found, Kind.CONTRACT).record["currency"] == "GBP"
    assert draft(german, standing(german) | shared).plan.is_empty


def test_a_currency_that_the_account_states_is_a_change() -> None:
    known = standing(a_won_deal())
    found = draft(a_won_deal(account=an_account(currency="USD")), known)
    assert paths(the_write(found, Kind.CUSTOMER)) == ["currency"]


def test_two_entities_on_one_erp_write_the_customer_once_and_first() -> None:
    lines = [a_line("1 EUR"), a_line("1 EUR", id="00k2", legal_entity="EMEA-UK")]
    found = draft(a_won_deal(lines=lines))
    customers = [operation for operation in found.plan.operations if operation.kind is Kind.CUSTOMER]
    assert [operation.entity for operation in customers] == ["EMEA-DE"]
    assert found.plan.operations[0] == customers[0]
    assert found.plan.entities == ("EMEA-DE", "EMEA-UK")


# Withdrawals


def _two_services() -> Deal:
    return a_won_deal(lines=[a_line("1 EUR"), a_line("1 EUR", id="00k2", service_line="TRNG")])


def test_what_is_no_longer_wanted_is_withdrawn_where_the_system_can() -> None:
    found = draft(a_won_deal("1 EUR"), standing(_two_services()))
    gone = [operation for operation in found.plan.writes if operation.action is Action.WITHDRAW]
    assert [(each.step, each.kind, each.key, each.entity) for each in gone] == [
        (Step.SYNC_PROJECT, Kind.TASK, f"TASK-{OPPORTUNITY}-EMEA-DE-TRNG", "EMEA-DE"),
        (Step.REQUEST_STAFFING, Kind.STAFFING_REQUEST, f"STAF-{OPPORTUNITY}-EMEA-DE-TRNG-Trainer", "EMEA-DE"),
    ]
    assert gone[0].needs == (f"netsuite/project/PROJ-{OPPORTUNITY}-EMEA-DE",)
    assert gone[1].needs == (f"kantata/staffing_project/PSA-{OPPORTUNITY}-EMEA-DE",)


def test_what_cannot_be_withdrawn_is_left_standing() -> None:
    found = draft(a_won_deal("1 EUR"), standing(_two_services()), capabilities=can(withdraws=frozenset()))
    assert Action.WITHDRAW not in {operation.action for operation in found.plan.operations}


def test_what_is_withdrawn_is_withdrawn_once() -> None:
    known = standing(_two_services())
    after = carried_out(draft(a_won_deal("1 EUR"), known).plan, known)
    assert draft(a_won_deal("1 EUR"), after).plan.is_empty


def test_what_was_withdrawn_and_is_wanted_again_is_updated_and_not_created() -> None:
    known = standing(_two_services())
    gone = carried_out(draft(a_won_deal("1 EUR"), known).plan, known)
    found = draft(_two_services(), gone)
    assert ("update", "task") in writes(found)
    assert "create" not in {action for action, _ in writes(found)}
    assert draft(_two_services(), carried_out(found.plan, gone)).plan.is_empty


# Orphaned contracts


def test_a_contract_that_lost_its_lines_is_for_finance_to_end() -> None:
    lines = [a_line("1 EUR"), a_line("1 EUR", id="00k2", legal_entity="EMEA-UK")]
    found = draft(a_won_deal("1 EUR"), standing(a_won_deal(lines=lines)))
    (finding,) = found.findings
    assert (finding.field, finding.rule, finding.owner) == ("legal_entity", "contract_still_wanted", Owner.FINANCE)
    assert f"N-SO-{OPPORTUNITY}-EMEA-UK" in finding.message


def test_a_deal_that_moves_to_another_entity_leaves_its_contract_to_finance() -> None:
    """The contract of one entity is never rewritten into another's."""
    found = draft(a_won_deal(legal_entity="EMEA-UK"), standing(a_won_deal()))
    assert [finding.rule for finding in found.findings] == ["contract_still_wanted"]
    assert ("update", "contract") not in writes(found)


# The plan's hash


def test_equal_plans_have_equal_hashes_and_any_difference_changes_it() -> None:
    one = draft(a_won_deal("10000 EUR")).plan
    assert one.hash == draft(a_won_deal("10000.00 EUR", revision="9")).plan.hash
    others = [
        draft(a_won_deal("10000.01 EUR")).plan,
        draft(a_won_deal(end=date(2027, 3, 30))).plan,
        draft(a_won_deal(po_number="PO-8")).plan,
        draft(a_won_deal(lines=[a_line("10000 EUR", billing_frequency=BillingFrequency.MONTHLY)])).plan,
        draft(a_won_deal(), data=_with_codes(defaults={"form": "41"})).plan,
        draft(a_won_deal(), standing(a_won_deal("1 EUR"))).plan,
    ]
    hashes = {one.hash, *(plan.hash for plan in others)}
    assert len(hashes) == 1 + len(others)


def test_a_plan_that_was_stored_and_read_again_is_the_same() -> None:
    plan = draft(a_won_deal(), standing(a_won_deal("1 EUR"))).plan
    again = Plan.model_validate_json(plan.model_dump_json())
    assert again == plan
    assert again.hash == plan.hash
    empty = Plan(deal=plan.deal, snapshot_hash="s", mapping_version="m")
    assert Plan.model_validate(empty.content()) == empty


# Missing codes


@pytest.mark.parametrize(
    ("missing", "says"),
    [
        ({"entities": {}}, "entities: no code for 'EMEA-DE'"),
        ({"currencies": {}}, "currencies: no code for 'EUR'"),
        ({"payment_terms": {}}, "payment_terms: no code for 'Net 30'"),
        ({"service_lines": {}}, "service_lines: no code for 'IMPL'"),
        ({"managers": {"jon.abe@example.com": "1"}}, "managers: no code for 'mara.lind@example.com'"),
    ],
)
def test_a_missing_code_names_file_and_field(missing: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        draft(a_won_deal(), data=_with_codes(**missing))
    assert caught.value.message.startswith("mappings/codes/netsuite.yaml: ")
    assert says in caught.value.message


def test_a_missing_role_names_file_field_and_service_line() -> None:
    codes = codes_for(reference()).model_dump()
    data = reference(codes={"netsuite": codes, "kantata": codes | {"roles": {}}})
    with pytest.raises(ConfigurationError, match=r"mappings/codes/kantata.yaml: roles: .*'Consultant'.*IMPL"):
        draft(a_won_deal(), data=data)


def test_managers_may_have_one_for_all_others() -> None:
    project = the_write(draft(a_won_deal(), data=_with_codes(managers={"*": "9"})), Kind.PROJECT)
    assert project.codes["manager"] == "9"


# Field changes


@pytest.mark.parametrize(
    ("before", "after", "changed"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"a": 2}, ["a"]),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}, ["a.c"]),
        ({"a": 1}, {}, ["a"]),
        ({}, {"a": 1}, ["a"]),
        ({"a": [{"key": "x", "n": 1}]}, {"a": [{"key": "x", "n": 2}, {"key": "y"}]}, ["a[x].n", "a[y]"]),
        ({"a": [{"key": "x"}, {"key": "y"}]}, {"a": [{"key": "y"}, {"key": "x"}]}, []),
        ({"a": [1, 2]}, {"a": [2, 1]}, ["a"]),
        ({"a": []}, {"a": [{"key": "x"}]}, ["a"]),
    ],
)
def test_field_changes_name_paths_and_match_keyed_items(before: Any, after: Any, changed: list[str]) -> None:
    assert [change.path for change in field_changes(before, after)] == changed
