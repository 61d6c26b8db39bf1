"""The tables in memory against moto's: the same operations give the same answers, refusals and items."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import pytest
from aws_lambda_powertools.utilities.idempotency import (
    DynamoDBPersistenceLayer,
    IdempotencyConfig,
    idempotent_function,
)
from aws_lambda_powertools.utilities.idempotency.exceptions import IdempotencyAlreadyInProgressError
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from moto import mock_aws

from dealbridge import aws
from dealbridge.ledger.table import Change, ConditionError, Table
from dealbridge_local.worlds.cloud.dynamodb import DynamoDB
from dealbridge_local.worlds.cloud.dynamodb import Table as TableInMemory
from dealbridge_local.worlds.cloud.expressions import NotEmulatedError

LEDGER, IDEMPOTENCY = "ledger", "idempotency"


@contextmanager
def in_memory() -> Iterator[Any]:
    client = DynamoDB({LEDGER: TableInMemory(), IDEMPOTENCY: TableInMemory("id", None, index=None)})
    with patch.object(aws, "dynamodb", lambda: client):
        yield client


@pytest.fixture(scope="module")
def moto() -> Iterator[Any]:
    """moto's client, its tables made once and emptied by `emptied`."""
    with pytest.MonkeyPatch.context() as environment:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            environment.setenv(name, "testing")
        environment.setenv("AWS_DEFAULT_REGION", "eu-central-1")
        aws.forget()
        with mock_aws():
            client = aws.dynamodb()
            client.create_table(
                TableName=LEDGER,
                BillingMode="PAY_PER_REQUEST",
                AttributeDefinitions=[
                    {"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk", "gsi_pk", "gsi_sk")
                ],
                KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
                GlobalSecondaryIndexes=[
                    {
                        "IndexName": "by_state",
                        "KeySchema": [
                            {"AttributeName": "gsi_pk", "KeyType": "HASH"},
                            {"AttributeName": "gsi_sk", "KeyType": "RANGE"},
                        ],
                        "Projection": {"ProjectionType": "ALL"},
                    }
                ],
            )
            client.create_table(
                TableName=IDEMPOTENCY,
                BillingMode="PAY_PER_REQUEST",
                AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
                KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            )
            yield client
        aws.forget()


def emptied(client: Any) -> Any:
    for item in client.scan(TableName=LEDGER)["Items"]:
        client.delete_item(TableName=LEDGER, Key={"pk": item["pk"], "sk": item["sk"]})
    return client


# Operations, as the ledger writes them

type Operation = Callable[[Table], Any]

# Few keys, so that most operations meet what others wrote.
keys = st.sampled_from(
    [("DEAL#1", "HEAD"), ("DEAL#1", "HEAD"), ("DEAL#1", "RUN#1"), ("DEAL#1", "RUN#2"), ("DEAL#2", "HEAD")]
)
numbers = st.integers(-5, 10**14)
texts = st.sampled_from(["", "a", "ä", "Zoë", "running", "x" * 40])
scalars = st.one_of(numbers, texts, st.booleans(), st.none(), st.binary(max_size=4))
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from("abc"), inner, max_size=2)),
    max_leaves=5,
)
items = st.fixed_dictionaries(
    {},
    optional={
        "state": texts,
        "count": numbers,
        "hints": st.lists(values, max_size=3),
        "intent": st.fixed_dictionaries({"id": st.sampled_from(["1", "2"])}, optional={"at": texts}),
        "gsi_pk": st.sampled_from(["DEALS#running", "DEALS#parked"]),
        "gsi_sk": st.sampled_from(["2026-01-01", "2026-01-02", "2026-01-03"]),
        "more": values,
    },
)
conditions: st.SearchStrategy[tuple[str, dict[str, Any]]] = st.one_of(
    st.just(("attribute_not_exists(#intent)", {})),
    st.just(("attribute_exists(pk)", {})),
    st.tuples(st.just("#intent.#id = :seen"), st.fixed_dictionaries({"seen": st.sampled_from(["1", "2"])})),
    st.tuples(st.just("#state = :state"), st.fixed_dictionaries({"state": texts})),
    st.tuples(
        st.just("#state = :run AND (attribute_not_exists(#hints) OR size(#hints) = :size)"),
        st.fixed_dictionaries({"run": texts, "size": st.integers(0, 3)}),
    ),
    st.tuples(
        st.just("(attribute_not_exists(#count) OR #count < :most) AND NOT #state = :not"),
        st.fixed_dictionaries({"most": numbers, "not": texts}),
    ),
    st.tuples(
        st.just("#count >= :least OR #state <> :other"), st.fixed_dictionaries({"least": numbers, "other": texts})
    ),
)


@st.composite
def changes(draw: st.DrawFn) -> Change:
    change = Change(*draw(keys))
    kinds = draw(st.sets(st.sampled_from(["set", "add", "append", "remove", "inner"]), min_size=1, max_size=3))
    if "set" in kinds:
        change.set(
            **draw(st.fixed_dictionaries({"state": texts}, optional={"more": values, "gsi_sk": texts.filter(bool)}))
        )
    if "add" in kinds:
        change.add_to(count=draw(st.integers(-3, 3)))
    if "append" in kinds:
        change.append(hints=draw(st.lists(values, min_size=1, max_size=2)))
    if "remove" in kinds:
        change.remove(*draw(st.sampled_from([("gone",), ("gsi_pk",), ("gone", "gsi_pk")])))
    if "inner" in kinds:
        change.set_in("intent", over=draw(st.booleans()))
    if draw(st.booleans()):
        condition, given_values = draw(conditions)
        change.where(_renamed(condition, given_values), **{f"c_{name}": value for name, value in given_values.items()})
    return change


def _renamed(condition: str, given_values: dict[str, Any]) -> str:
    """Values under names that no change uses."""
    for name in sorted(given_values, key=len, reverse=True):
        condition = condition.replace(f":{name}", f":c_{name}")
    return condition


def _put(key: tuple[str, str], item: dict[str, Any], new: bool) -> Operation:
    return lambda table: table.put({"pk": key[0], "sk": key[1], **item}, new=new)


def _together(first: Change, second: Change, put: tuple[tuple[str, str], dict[str, Any]], check: Change) -> Operation:
    new = {"pk": put[0][0], "sk": put[0][1], **put[1]}
    return lambda table: table.together([first, second], [new], [check])


@st.composite
def checks(draw: st.DrawFn) -> Change:
    condition, given_values = draw(conditions)
    named = {f"c_{name}": value for name, value in given_values.items()}
    return Change(*draw(keys)).where(_renamed(condition, given_values), **named)


operations: st.SearchStrategy[Operation] = st.one_of(
    st.builds(_put, keys, items, st.booleans()),
    st.builds(lambda change: lambda table: table.update(change), changes()),
    st.builds(_together, changes(), changes(), st.tuples(keys, items), checks()),
    st.builds(lambda key: lambda table: table.get(*key), keys),
    st.builds(lambda found: lambda table: sorted(table.get_many(found).items()), st.lists(keys, max_size=4)),
    st.builds(
        lambda pk, prefix, newest, limit: lambda table: list(table.query(pk, prefix, newest_first=newest, limit=limit)),
        st.sampled_from(["DEAL#1", "DEAL#2"]),
        st.sampled_from(["", "RUN#", "AUDIT#"]),
        st.booleans(),
        st.sampled_from([None, 1, 2]),
    ),
    st.builds(
        lambda state, newest: lambda table: _by_moment(table.by_state(state, newest_first=newest), newest),
        st.sampled_from(["DEALS#running", "DEALS#parked"]),
        st.booleans(),
    ),
)


def _by_moment(found: Iterator[dict[str, Any]], newest: bool) -> list[Any]:
    """In the index's order; those of one moment, whose order DynamoDB does not promise, by their key."""
    listed = list(found)
    assert [each["gsi_sk"] for each in listed] == sorted((each["gsi_sk"] for each in listed), reverse=newest)
    return sorted(listed, key=lambda item: (item["gsi_sk"], item["pk"], item["sk"]))


def told(operation: Operation) -> Any:
    """What an operation says: its result, or how it was refused."""
    try:
        return operation(Table(LEDGER))
    except ConditionError as error:
        return "condition", error.item
    except ClientError as error:
        return "refused", error.response["Error"]["Code"]


def everything(client: Any) -> list[Any]:
    if isinstance(client, DynamoDB):
        return client.tables[LEDGER].all()
    found = client.scan(TableName=LEDGER)["Items"]
    return sorted(found, key=lambda item: (item["pk"]["S"], item["sk"]["S"]))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(script=st.lists(operations, min_size=8, max_size=20))
def test_the_tables_in_memory_do_as_moto_does(moto: Any, script: list[Operation]) -> None:
    emptied(moto)
    with patch.object(aws, "dynamodb", lambda: moto):
        expected = [told(operation) for operation in script]
    with in_memory() as client:
        assert [told(operation) for operation in script] == expected
        assert everything(client) == everything(moto)


# What moto does not say


def test_an_item_holds_four_hundred_kilobytes() -> None:
    with in_memory():
        Table(LEDGER).put({"pk": "a", "sk": "b", "text": "x" * (400 * 1024 - 10)})
        with pytest.raises(ClientError, match="Item size has exceeded"):
            Table(LEDGER).put({"pk": "a", "sk": "b", "text": "x" * (400 * 1024 - 9)})
        with pytest.raises(ClientError, match="Item size has exceeded"):
            Table(LEDGER).update(Change("a", "b").append(story=["y" * 20]))


def test_a_partition_of_more_than_a_megabyte_comes_in_pages() -> None:
    with in_memory() as client:
        for number in range(5):
            Table(LEDGER).put({"pk": "a", "sk": f"{number}", "text": "x" * 300_000})
        first = client.query(
            TableName=LEDGER, KeyConditionExpression="pk = :pk", ExpressionAttributeValues={":pk": {"S": "a"}}
        )
        assert first["Count"] == 4
        assert [item["sk"] for item in Table(LEDGER).query("a")] == ["0", "1", "2", "3", "4"]
        assert [item["sk"] for item in Table(LEDGER).query("a", newest_first=True)] == ["4", "3", "2", "1", "0"]


def test_a_name_that_is_given_must_be_used() -> None:
    change = Change("a", "b").set(state="x").where("attribute_exists(pk)", unused=1)
    with in_memory(), pytest.raises(ClientError, match="unused"):
        Table(LEDGER).update(change)


@pytest.mark.parametrize("expression", ["contains(#a, :v)", "name = :v", "#a BETWEEN :v AND :w", "#a IN (:v)"])
def test_what_is_not_emulated_says_so(expression: str) -> None:
    with in_memory(), pytest.raises((NotEmulatedError, ClientError)):
        Table(LEDGER).update(Change("a", "b").set(state="x").where(expression, v=1, w=2))


def test_an_item_that_was_handed_out_does_not_change() -> None:
    with in_memory() as client:
        Table(LEDGER).put({"pk": "a", "sk": "b", "hints": [1], "intent": {"id": "1"}})
        before = client.get_item(TableName=LEDGER, Key={"pk": {"S": "a"}, "sk": {"S": "b"}})["Item"]
        Table(LEDGER).update(Change("a", "b").append(hints=[2]).set_in("intent", over=True))
        assert before["hints"] == {"L": [{"N": "1"}]}
        assert before["intent"] == {"M": {"id": {"S": "1"}}}


def test_the_entrances_idempotency_works_on_both_alike(moto: Any) -> None:
    def play(client: Any) -> list[str]:
        """Once, again, failing, and again while one is under way."""
        store = DynamoDBPersistenceLayer(table_name=IDEMPOTENCY, boto3_client=client)
        config = IdempotencyConfig(event_key_jmespath="key", use_local_cache=False)
        happened: list[str] = []

        @idempotent_function(data_keyword_argument="entry", persistence_store=store, config=config)  # type: ignore[untyped-decorator]
        def publish(entry: dict[str, Any]) -> str:
            happened.append(f"published {entry['key']}")
            if entry.get("fails"):
                raise ValueError
            if entry.get("nested"):
                with pytest.raises(IdempotencyAlreadyInProgressError):
                    publish(entry={"key": entry["key"]})
            return str(entry["key"])

        config.register_lambda_context(_Context())  # type: ignore[arg-type]
        happened.append(publish(entry={"key": "1"}))
        happened.append(publish(entry={"key": "1"}))
        with pytest.raises(ValueError):  # noqa: PT011
            publish(entry={"key": "2", "fails": True})
        happened.append(publish(entry={"key": "2"}))
        happened.append(publish(entry={"key": "3", "nested": True}))
        return happened

    with in_memory() as client:
        assert play(client) == play(moto)


class _Context:
    function_name = "receive_crm_event"
    aws_request_id = "r"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn"

    def get_remaining_time_in_millis(self) -> int:
        return 15_000
