"""A few seeded worlds on the deployed whole: the same people and the same checker as in tests/faults/test_worlds.py."""

from dataclasses import replace

import pytest

from dealbridge_local.platform import Platform
from dealbridge_local.worlds.checker import judge
from dealbridge_local.worlds.checker.evidence import Record
from dealbridge_local.worlds.deployed import Outcome, play

SEEDS = (1, 10, 37)


@pytest.fixture(scope="module")
def outcomes(platform: Platform) -> dict[int, Outcome]:
    return {seed: play(platform, seed) for seed in SEEDS}


@pytest.mark.parametrize("seed", SEEDS)
def test_what_a_seed_brings_ends_with_nothing_lost_and_nothing_doubled(outcomes: dict[int, Outcome], seed: int) -> None:
    outcome = outcomes[seed]
    assert [str(broken) for broken in outcome.broken] == [], outcome.history


def test_both_crms_and_both_erps_were_met(outcomes: dict[int, Outcome]) -> None:
    met = set[str]().union(*(outcome.systems for outcome in outcomes.values()))
    assert met == {"salesforce", "hubspot", "netsuite", "s4hana", "kantata"}


def test_the_weather_was_bad(outcomes: dict[int, Outcome]) -> None:
    assert all(outcome.counts["killed"] and outcome.counts["told again"] for outcome in outcomes.values())


def test_an_order_that_is_changed_doubled_or_gone_is_seen(outcomes: dict[int, Outcome]) -> None:
    evidence = outcomes[SEEDS[0]].evidence
    orders = evidence.erps["netsuite"]["salesOrder"]

    def rules(*changed: Record) -> set[str]:
        books = {**evidence.erps["netsuite"], "salesOrder": list(changed)}
        return {broken.rule for broken in judge(replace(evidence, erps={**evidence.erps, "netsuite": books}))}

    first, *others = orders
    assert rules(*orders) == set()
    assert "last_state_stands" in rules(*others)
    assert "amounts_conserved" in rules({**first, "total": 1}, *others)
    assert "one_record_per_key" in rules({**first, "id": "0"}, *orders)
