# ruff: noqa: N803 (the arguments bear the names that the AWS clients give them)
"""DynamoDB tables in memory: consistent reads, conditional writes, transactions, one index.

Items are kept as they come, in DynamoDB's own JSON, and never changed in place: what was handed out stays as it was.
Limits: 400 KB an item, 1 MB a page, 100 keys a batch, 100 actions a transaction (Developer Guide, "Service, account,
and table quotas").
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from dealbridge_local.worlds.cloud.expressions import (
    ExpressionError,
    Given,
    Item,
    NotEmulatedError,
    Value,
    condition,
    update,
)

ITEM_BYTES = 400 * 1024
PAGE_BYTES = 1024 * 1024
BATCH_KEYS = 100
TRANSACTION_ACTIONS = 100

type Key = tuple[str, str]
"""Partition and sort key; the sort key of a table without one is empty."""


@dataclass(frozen=True)
class Written:
    """One change of one item, in the order of writing; `item` None: it was deleted."""

    key: Key
    item: Item | None


@dataclass
class Table:
    """One table with string keys. `index` names the partition and sort key of its one index, if it has one."""

    partition: str = "pk"
    sort: str | None = "sk"
    index_name: str = "by_state"
    index: tuple[str, str] | None = ("gsi_pk", "gsi_sk")
    items: dict[str, dict[str, Item]] = field(default_factory=dict)
    listed: dict[str, dict[Key, str]] = field(default_factory=dict)
    """Index partition → (key → index sort key)."""

    def get(self, key: Key) -> Item | None:
        return self.items.get(key[0], {}).get(key[1])

    def put(self, key: Key, item: Item | None) -> None:
        before = self.get(key)
        self._unlist(key, before)
        if item is None:
            if before is not None:
                del self.items[key[0]][key[1]]
            return
        self.items.setdefault(key[0], {})[key[1]] = item
        if self.index and self.index[0] in item and self.index[1] in item:
            self.listed.setdefault(item[self.index[0]]["S"], {})[key] = item[self.index[1]]["S"]

    def all(self) -> list[Item]:
        return [self.items[pk][sk] for pk in sorted(self.items) for sk in sorted(self.items[pk])]

    def key_of(self, given: Mapping[str, Value]) -> Key:
        return given[self.partition]["S"], given[self.sort]["S"] if self.sort else ""

    def key_value(self, key: Key) -> dict[str, Value]:
        value: dict[str, Value] = {self.partition: {"S": key[0]}}
        return {**value, self.sort: {"S": key[1]}} if self.sort else value

    def _unlist(self, key: Key, item: Item | None) -> None:
        if item is not None and self.index and self.index[0] in item:
            self.listed.get(item[self.index[0]]["S"], {}).pop(key, None)


class DynamoDB:
    """What `dealbridge.aws.dynamodb()` gives: the client's operations, by its own argument names.

    `written` hears of each item written, after the whole operation has succeeded.
    """

    def __init__(self, tables: Mapping[str, Table], written: Callable[[str, Written], None] | None = None) -> None:
        self.tables = dict(tables)
        self._written = written
        self._sizes: dict[int, tuple[Value, int]] = {}

    def get_item(self, *, TableName: str, Key: Mapping[str, Value], ConsistentRead: bool = False) -> dict[str, Any]:
        table = self._table(TableName, "GetItem")
        _refuse_other_keys(table, Key, "GetItem")
        item = table.get(table.key_of(Key))
        return {} if item is None else {"Item": item}

    def batch_get_item(self, *, RequestItems: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        responses: dict[str, list[Item]] = {}
        for name, wanted in RequestItems.items():
            table = self._table(name, "BatchGetItem")
            keys = [table.key_of(key) for key in wanted["Keys"]]
            if not 0 < len(keys) <= BATCH_KEYS:
                raise _invalid("BatchGetItem", f"Too many items requested for the BatchGetItem call: {len(keys)}")
            if len(set(keys)) < len(keys):
                raise _invalid("BatchGetItem", "Provided list of item keys contains duplicates")
            responses[name] = [item for key in keys if (item := table.get(key)) is not None]
        return {"Responses": responses, "UnprocessedKeys": {}}

    def query(
        self,
        *,
        TableName: str,
        KeyConditionExpression: str,
        ExpressionAttributeValues: Mapping[str, Value],
        IndexName: str | None = None,
        ConsistentRead: bool = False,
        ScanIndexForward: bool = True,
        Limit: int | None = None,
        ExclusiveStartKey: Mapping[str, Value] | None = None,
    ) -> dict[str, Any]:
        table = self._table(TableName, "Query")
        if IndexName is not None and ConsistentRead:
            raise _invalid("Query", "Consistent reads are not supported on global secondary indexes")
        keys = self._keys(table, IndexName, KeyConditionExpression, ExpressionAttributeValues)
        keys.sort(reverse=not ScanIndexForward)
        if ExclusiveStartKey is not None:
            last = self._place(table, IndexName, table.key_of(ExclusiveStartKey), ExclusiveStartKey)
            keys = [each for each in keys if (each > last if ScanIndexForward else each < last)]
        page, size = [], 0
        for place in keys:
            item = table.get(place[1])
            assert item is not None
            page.append(item)
            size += self._size(item)
            if len(page) == Limit or size >= PAGE_BYTES:
                # At the very end of the partition the key is given all the same, and the next page is empty.
                start = table.key_value(place[1])
                if IndexName is not None and table.index:
                    start |= {name: item[name] for name in table.index}
                return {"Items": page, "Count": len(page), "LastEvaluatedKey": start}
        return {"Items": page, "Count": len(page)}

    def put_item(
        self,
        *,
        TableName: str,
        Item: Mapping[str, Value],
        ConditionExpression: str | None = None,
        ExpressionAttributeNames: Mapping[str, str] | None = None,
        ExpressionAttributeValues: Mapping[str, Value] | None = None,
        ReturnValuesOnConditionCheckFailure: str = "NONE",
    ) -> dict[str, Any]:
        operation = "PutItem"
        table = self._table(TableName, operation)
        given = Given(ExpressionAttributeNames or {}, ExpressionAttributeValues or {})
        key, item = self._put(table, Item, ConditionExpression, given, operation, ReturnValuesOnConditionCheckFailure)
        self._commit(TableName, [(key, item)])
        return {}

    def update_item(
        self,
        *,
        TableName: str,
        Key: Mapping[str, Value],
        UpdateExpression: str,
        ConditionExpression: str | None = None,
        ExpressionAttributeNames: Mapping[str, str] | None = None,
        ExpressionAttributeValues: Mapping[str, Value] | None = None,
        ReturnValues: str = "NONE",
        ReturnValuesOnConditionCheckFailure: str = "NONE",
    ) -> dict[str, Any]:
        operation = "UpdateItem"
        table = self._table(TableName, operation)
        given = Given(ExpressionAttributeNames or {}, ExpressionAttributeValues or {})
        key, item = self._update(
            table, Key, UpdateExpression, ConditionExpression, given, operation, ReturnValuesOnConditionCheckFailure
        )
        self._commit(TableName, [(key, item)])
        if ReturnValues not in ("NONE", "ALL_NEW"):
            raise NotEmulatedError(f"ReturnValues {ReturnValues}")
        return {"Attributes": item} if ReturnValues == "ALL_NEW" else {}

    def delete_item(self, *, TableName: str, Key: Mapping[str, Value]) -> dict[str, Any]:
        table = self._table(TableName, "DeleteItem")
        _refuse_other_keys(table, Key, "DeleteItem")
        self._commit(TableName, [(table.key_of(Key), None)])
        return {}

    def transact_write_items(self, *, TransactItems: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """All actions or none; a refusal names the reason of each action, in order."""
        operation = "TransactWriteItems"
        if not 0 < len(TransactItems) <= TRANSACTION_ACTIONS:
            raise _invalid(operation, f"Member must have length less than or equal to {TRANSACTION_ACTIONS}")
        done: list[tuple[str, Key, Item]] = []
        places: list[tuple[str, Key]] = []
        reasons: list[dict[str, Any]] = []
        for action in TransactItems:
            ((kind, request),) = action.items()
            table = self._table(request["TableName"], operation)
            given = Given(request.get("ExpressionAttributeNames", {}), request.get("ExpressionAttributeValues", {}))
            expression, failed = request.get("ConditionExpression"), "NONE"
            try:
                match kind:
                    case "Put":
                        places.append((request["TableName"], table.key_of(request["Item"])))
                        key, item = self._put(table, request["Item"], expression, given, operation, failed)
                    case "Update":
                        places.append((request["TableName"], table.key_of(request["Key"])))
                        changes = request["UpdateExpression"]
                        key, item = self._update(table, request["Key"], changes, expression, given, operation, failed)
                    case "ConditionCheck":
                        key = table.key_of(request["Key"])
                        places.append((request["TableName"], key))
                        self._check_condition(table.get(key), expression, given, operation, failed, ())
                        reasons.append({"Code": "None"})
                        continue
                    case _:
                        raise NotEmulatedError(f"{operation}: {kind}")
            except ClientError as error:
                if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                    raise
                reasons.append({"Code": "ConditionalCheckFailed", "Message": "The conditional request failed"})
                continue
            reasons.append({"Code": "None"})
            done.append((request["TableName"], key, item))
        if len(set(places)) < len(places):
            raise _invalid(operation, "Transaction request cannot include multiple operations on one item")
        codes = [reason["Code"] for reason in reasons]
        if any(code != "None" for code in codes):
            message = (
                f"Transaction cancelled, please refer cancellation reasons for specific reasons [{', '.join(codes)}]"
            )
            raise refusal(operation, "TransactionCanceledException", message, CancellationReasons=reasons)
        for name, key, item in done:
            self._commit(name, [(key, item)])
        return {}

    # Inner steps

    def _put(
        self, table: Table, given_item: Item, expression: str | None, given: Given, operation: str, failed: str
    ) -> tuple[Key, Item]:
        for name in filter(None, (table.partition, table.sort)):
            if given_item.get(name, {}).get("S", "") == "":
                raise _invalid(
                    operation, f"One or more parameter values were invalid: Missing the key {name} in the item"
                )
        item = dict(given_item)
        key = table.key_of(item)
        self._check_condition(table.get(key), expression, given, operation, failed, ())
        self._check_item(table, item, operation)
        return key, item

    def _update(
        self,
        table: Table,
        given_key: Mapping[str, Value],
        changes: str,
        expression: str | None,
        given: Given,
        operation: str,
        failed: str,
    ) -> tuple[Key, Item]:
        _refuse_other_keys(table, given_key, operation)
        change, key = update(changes), table.key_of(given_key)
        before = table.get(key)
        self._check_condition(before, expression, given, operation, failed, change.used)
        try:
            item = change.apply(given_key if before is None else before, given)
        except ExpressionError as error:
            raise _invalid(operation, str(error)) from None
        if any(item.get(name) != value for name, value in given_key.items()):
            raise _invalid(operation, "Cannot update attribute. This attribute is part of the key")
        self._check_item(table, item, operation)
        return key, item

    def _check_condition(
        self,
        before: Item | None,
        expression: str | None,
        given: Given,
        operation: str,
        failed: str,
        used: Sequence[str] | frozenset[str],
    ) -> None:
        named = set(used)
        if expression is not None:
            checked = condition(expression)
            named |= checked.used
        unused = [name for name in (*given.names, *given.values) if name not in named]
        if unused:
            raise _invalid(operation, f"Value provided in ExpressionAttributeNames or Values unused: {unused}")
        if expression is None:
            return
        try:
            holds = checked.test(before or {}, given)
        except ExpressionError as error:
            raise _invalid(operation, str(error)) from None
        if not holds:
            stands = {"Item": before} if failed == "ALL_OLD" and before is not None else {}
            message = "The conditional request failed"
            raise refusal(operation, "ConditionalCheckFailedException", message, **stands)

    def _check_item(self, table: Table, item: Item, operation: str) -> None:
        if self._size(item) > ITEM_BYTES:
            raise _invalid(operation, "Item size has exceeded the maximum allowed size")
        for name in table.index or ():
            if name in item and "S" not in item[name]:
                raise _invalid(operation, f"Type mismatch for Index Key {name} Expected: S")

    def _commit(self, name: str, writes: Sequence[tuple[Key, Item | None]]) -> None:
        for key, item in writes:
            self.tables[name].put(key, item)
            if self._written is not None:
                self._written(name, Written(key, item))

    def _keys(
        self, table: Table, index: str | None, expression: str, values: Mapping[str, Value]
    ) -> list[tuple[str, Key]]:
        """(sort key, key) of what a key condition selects."""
        if index is not None:
            if expression != "gsi_pk = :pk" or index != table.index_name:
                raise NotEmulatedError(f"query of index {index}: {expression}")
            return [(sort, key) for key, sort in table.listed.get(values[":pk"]["S"], {}).items()]
        if expression not in ("pk = :pk", "pk = :pk AND begins_with(sk, :prefix)"):
            raise NotEmulatedError(f"query: {expression}")
        pk, prefix = values[":pk"]["S"], values[":prefix"]["S"] if ":prefix" in values else ""
        return [(sk, (pk, sk)) for sk in table.items.get(pk, {}) if sk.startswith(prefix)]

    def _place(self, table: Table, index: str | None, key: Key, start: Mapping[str, Value]) -> tuple[str, Key]:
        if index is not None and table.index:
            return start[table.index[1]]["S"], key
        return key[1], key

    def _table(self, name: str, operation: str) -> Table:
        table = self.tables.get(name)
        if table is None:
            raise refusal(operation, "ResourceNotFoundException", f"Requested resource not found: Table: {name}")
        return table

    def _size(self, item: Item) -> int:
        """An item's size in bytes (Developer Guide, "DynamoDB item sizes and formats")."""
        total = 0
        for name, value in item.items():
            known = self._sizes.get(id(value))
            if known is None or known[0] is not value:
                # Kept by identity: most attributes of an item stay the very same through an update.
                known = self._sizes[id(value)] = (value, _size(value))
            total += len(name) + known[1]
        return total


def _size(value: Value) -> int:
    kind: str
    inner: Any
    ((kind, inner),) = value.items()
    match kind:
        case "S":
            return len(inner.encode())
        case "N":
            return (len(inner.strip("-").replace(".", "").strip("0")) + 1) // 2 + 1 + int(inner[0] == "-")
        case "B":
            return len(inner)
        case "L":
            return 3 + sum(1 + _size(each) for each in inner)
        case "M":
            return 3 + sum(1 + len(name.encode()) + _size(each) for name, each in inner.items())
        case _:
            return 1


def _refuse_other_keys(table: Table, key: Mapping[str, Value], operation: str) -> None:
    if set(key) != set(filter(None, (table.partition, table.sort))):
        raise _invalid(operation, "The provided key element does not match the schema")


def refusal(operation: str, code: str, message: str, **details: Any) -> ClientError:
    """The error that botocore raises for an answer of this kind."""
    response: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": 400},
        **details,
    }
    return ClientError(response, operation)


def _invalid(operation: str, message: str) -> ClientError:
    return refusal(operation, "ValidationException", message)
