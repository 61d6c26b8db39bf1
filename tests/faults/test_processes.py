"""Functions in processes of their own, killed by SIGKILL: nothing of theirs goes on, and worlds go as with threads."""

import os
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dealbridge import aws
from dealbridge_local.worlds import matrix
from dealbridge_local.worlds.boundaries import Calm, Strike, Touch
from dealbridge_local.worlds.deployment import Function, Handler
from dealbridge_local.worlds.functions import Answer
from dealbridge_local.worlds.play import play
from dealbridge_local.worlds.surroundings import LEDGER_TABLE
from dealbridge_local.worlds.world import World

KEY = {"pk": {"S": "p"}, "sk": {"S": "s"}}


class Once(Calm):
    """A strike on the first touch."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self._kind = kind

    def strike(self, touch: Touch) -> Strike | None:
        return Strike(self._kind) if touch.number == 0 else None


@contextmanager
def deployed(handler: Handler, strike: str = "") -> Iterator[tuple[World, Callable[[Any], Answer]]]:
    """A world in which the handler is a function, and what invokes it; its environments are processes."""
    with World(fate=Once(strike), processes=True) as world:
        function = Function("tested", handler, 30.0, 0)
        world.functions.deployment = replace(world.deployment, functions={"tested": function})

        def invoke(event: Any) -> Answer:
            answers: list[Answer] = []
            world.call("tested", event, answers.append)
            world.settle()
            (answer,) = answers
            return answer

        yield world, invoke


def put(**more: Any) -> None:
    aws.dynamodb().put_item(TableName=LEDGER_TABLE, Item=KEY, **more)


@pytest.mark.parametrize(("strike", "stands"), [("kill_before", 0), ("kill_after", 1)])
def test_what_is_killed_does_nothing_any_more(tmp_path: Path, strike: str, stands: int) -> None:
    def handler(event: Any, context: Any) -> Any:
        try:
            put()
        finally:
            (tmp_path / "cleaned up").touch()

    with deployed(handler, strike) as (world, invoke):
        answer = invoke({})
        assert answer.error == "Runtime.ExitError"
        assert "signal: killed" in answer.cause
        assert len(list(world.items())) == stands
        assert world.functions.killed == 1
    assert not list(tmp_path.iterdir())


def test_an_environment_keeps_its_memory_until_it_is_killed() -> None:
    counted: list[int] = []

    def handler(event: Any, context: Any) -> Any:
        counted.append(os.getpid())
        if event:
            put()
        return counted

    with deployed(handler, "kill_after") as (_, invoke):
        first, second = invoke({}).result, invoke({}).result
        assert second == first * 2
        assert invoke({"and": "is killed"}).error == "Runtime.ExitError"
        (other,) = invoke({}).result
        assert other not in {*first, os.getpid()}
    assert counted == []


def test_what_aws_refuses_is_refused_in_the_process_with_its_own_class() -> None:
    def handler(event: Any, context: Any) -> Any:
        put()
        try:
            put(ConditionExpression="attribute_not_exists(pk)")
        except ClientError as error:
            codes = [error.response["Error"]["Code"]]
        states = aws.states()
        try:
            states.describe_execution(executionArn="none")
        except states.exceptions.ExecutionDoesNotExist as error:
            codes.append(error.response["Error"]["Code"])
        return codes

    with deployed(handler) as (_, invoke):
        assert invoke({}).result == ["ConditionalCheckFailedException", "ExecutionDoesNotExist"]


def test_processes_do_not_make_the_same_ids() -> None:
    def handler(event: Any, context: Any) -> Any:
        put()
        return uuid.uuid4().hex

    with deployed(handler) as (world, _):
        answers: list[Answer] = []
        # The second is called while the first waits for AWS.
        for seconds in (0.001, 0.002):
            world.after(seconds, lambda: world.call("tested", {}, answers.append))
        world.rest()
        assert len(world.functions.forked) == 2
        assert len({answer.result for answer in answers}) == 2


def test_a_process_that_ends_by_itself_is_told_of() -> None:
    with deployed(lambda event, context: os._exit(3)) as (_, invoke), pytest.raises(RuntimeError, match="by itself"):
        invoke({})


@pytest.mark.parametrize("path", matrix.PATHS.values(), ids=str)
def test_a_first_activation_goes_as_with_threads(path: matrix.Path) -> None:
    """But for the reference data, which threads have in common."""
    baseline = matrix.record(path)
    threads, processes = (
        Counter((touch.function, touch.system, touch.what.split()[0], touch.writes) for touch in touches)
        for touches in (baseline.touches, baseline.touches_of_processes)
    )
    assert {system for _, system, *_ in processes - threads} == {"appconfigdata"}
    assert not threads - processes


@pytest.mark.parametrize("seed", range(6))
def test_what_a_seed_brings_ends_well_where_processes_die(seed: int) -> None:
    assert play(seed, processes=True).broken == ()
