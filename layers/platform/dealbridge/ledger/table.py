"""Items of the ledger's table and their codec; conditional writes that say whether they happened."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from dealbridge import aws
from dealbridge.errors import TransientError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef, TransactWriteItemTypeDef

type Item = dict[str, Any]
"""Plain values: str, int, bool, bytes, None, lists and maps of them."""


class ConditionError(Exception):
    """A conditional write did not happen. `item` is what stands there instead, where one item was written."""

    def __init__(self, item: Item | None = None) -> None:
        super().__init__("the condition does not hold")
        self.item = item


def encoded(value: Any) -> "AttributeValueTypeDef":
    match value:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case int():
            return {"N": str(value)}
        case str():
            return {"S": value}
        case bytes():
            return {"B": value}
        case Mapping():
            return {"M": {str(key): encoded(item) for key, item in value.items()}}
        case Sequence():
            return {"L": [encoded(item) for item in value]}
        case _:
            raise TypeError(f"{type(value).__name__} is no value of the ledger")


def decoded(value: Mapping[str, Any]) -> Any:
    ((kind, inner),) = value.items()
    match kind:
        case "NULL":
            return None
        case "N":
            return int(inner)
        case "B":
            return bytes(inner)
        case "M":
            return {key: decoded(item) for key, item in inner.items()}
        case "L":
            return [decoded(item) for item in inner]
        case _:
            return inner


class Change:
    """An update expression, built by what changes.

    Example:
        Change(pk, sk).set(state="active").remove("lease").where("lease = :run", run=run)
    """

    def __init__(self, pk: str, sk: str) -> None:
        self.key = (pk, sk)
        self._sets: list[str] = []
        self._removes: list[str] = []
        self._names: dict[str, str] = {}
        self._values: dict[str, Any] = {}
        self._condition: str | None = None

    def set(self, **values: Any) -> "Change":
        for name, value in values.items():
            self._sets.append(f"{self._name(name)} = {self._value(f's_{name}', value)}")
        return self

    def set_in(self, attribute: str, **values: Any) -> "Change":
        """Set fields of a map that is there."""
        for name, value in values.items():
            path = f"{self._name(attribute)}.{self._name(name)}"
            self._sets.append(f"{path} = {self._value(f'i_{name}', value)}")
        return self

    def add_to(self, **amounts: int) -> "Change":
        for name, amount in amounts.items():
            known, zero = self._name(name), self._value("zero", 0)
            self._sets.append(f"{known} = if_not_exists({known}, {zero}) + {self._value(f'a_{name}', amount)}")
        return self

    def append(self, **entries: Sequence[Any]) -> "Change":
        for name, items in entries.items():
            known, empty = self._name(name), self._value("empty", [])
            self._sets.append(
                f"{known} = list_append(if_not_exists({known}, {empty}), {self._value(f'l_{name}', list(items))})"
            )
        return self

    def remove(self, *names: str) -> "Change":
        self._removes.extend(self._name(name) for name in names)
        return self

    def where(self, condition: str, **values: Any) -> "Change":
        """A condition; attribute names in it are written with `#`, values with `:`."""
        for name in re.findall(r"#(\w+)", condition):
            self._names[f"#{name}"] = name
        for name, value in values.items():
            self._values[f":{name}"] = encoded(value)
        self._condition = condition
        return self

    def request(self, table: str) -> dict[str, Any]:
        parts = [f"SET {', '.join(self._sets)}"] if self._sets else []
        if self._removes:
            parts.append(f"REMOVE {', '.join(self._removes)}")
        return {
            "TableName": table,
            "Key": _key(*self.key),
            "UpdateExpression": " ".join(parts),
            "ExpressionAttributeNames": self._names,
            **({"ExpressionAttributeValues": self._values} if self._values else {}),
            **({"ConditionExpression": self._condition} if self._condition else {}),
        }

    def check(self, table: str) -> dict[str, Any]:
        """The condition alone, as a transaction checks it."""
        request = self.request(table)
        del request["UpdateExpression"]
        return request

    def _name(self, name: str) -> str:
        self._names[f"#{name}"] = name
        return f"#{name}"

    def _value(self, name: str, value: Any) -> str:
        self._values[f":{name}"] = encoded(value)
        return f":{name}"


class Table:
    """The ledger's table. Reads are strongly consistent. Failures of DynamoDB itself are TransientError."""

    def __init__(self, name: str) -> None:
        self.name = name

    def get(self, pk: str, sk: str) -> Item | None:
        with _translated():
            answer = aws.dynamodb().get_item(TableName=self.name, Key=_key(pk, sk), ConsistentRead=True)
        return _item(answer["Item"]) if "Item" in answer else None

    def get_many(self, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Item]:
        wanted, found = list(dict.fromkeys(keys)), {}
        for start in range(0, len(wanted), 100):
            request: Any = {
                self.name: {"Keys": [_key(*key) for key in wanted[start : start + 100]], "ConsistentRead": True}
            }
            while request:
                with _translated():
                    answer = aws.dynamodb().batch_get_item(RequestItems=request)
                for raw in answer["Responses"].get(self.name, []):
                    item = _item(raw)
                    found[item["pk"], item["sk"]] = item
                request = answer.get("UnprocessedKeys")
        return found

    def query(
        self, pk: str, prefix: str = "", *, newest_first: bool = False, limit: int | None = None
    ) -> Iterator[Item]:
        """Items of one partition whose sort key begins with the prefix."""
        yield from self._pages(
            {
                "KeyConditionExpression": "pk = :pk AND begins_with(sk, :prefix)" if prefix else "pk = :pk",
                "ExpressionAttributeValues": {
                    ":pk": encoded(pk),
                    **({":prefix": encoded(prefix)} if prefix else {}),
                },
                "ConsistentRead": True,
                "ScanIndexForward": not newest_first,
            },
            limit,
        )

    def by_state(self, gsi_pk: str, *, newest_first: bool = True, limit: int | None = None) -> Iterator[Item]:
        """Items listed by state: eventually consistent."""
        yield from self._pages(
            {
                "IndexName": "by_state",
                "KeyConditionExpression": "gsi_pk = :pk",
                "ExpressionAttributeValues": {":pk": encoded(gsi_pk)},
                "ScanIndexForward": not newest_first,
            },
            limit,
        )

    def _pages(self, request: dict[str, Any], limit: int | None) -> Iterator[Item]:
        count = 0
        while True:
            if limit is not None:
                request["Limit"] = limit - count
            with _translated():
                answer = aws.dynamodb().query(TableName=self.name, **request)
            for raw in answer["Items"]:
                yield _item(raw)
                count += 1
            if "LastEvaluatedKey" not in answer or (limit is not None and count >= limit):
                return
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def put(self, item: Item, *, new: bool = False) -> None:
        """Write an item whole; `new` raises ConditionError where one stands already."""
        condition: Any = {"ConditionExpression": "attribute_not_exists(pk)"} if new else {}
        with _translated():
            aws.dynamodb().put_item(TableName=self.name, Item=_raw(item), **condition)

    def update(self, change: Change) -> None:
        """Apply a change. Raises ConditionError where its condition does not hold."""
        with _translated():
            aws.dynamodb().update_item(**change.request(self.name), ReturnValuesOnConditionCheckFailure="ALL_OLD")

    def update_and_read(self, change: Change) -> Item:
        """Apply a change; the item as it stands after. Raises ConditionError where its condition does not hold."""
        with _translated():
            answer = aws.dynamodb().update_item(
                **change.request(self.name), ReturnValues="ALL_NEW", ReturnValuesOnConditionCheckFailure="ALL_OLD"
            )
        return _item(answer["Attributes"])

    def together(self, changes: Sequence[Change], puts: Sequence[Item] = (), checks: Sequence[Change] = ()) -> None:
        """All of these, or none. Puts are of new items, checks only hold a condition.

        Raises ConditionError where a condition does not hold.
        """
        writes: list[TransactWriteItemTypeDef] = [{"Update": change.request(self.name)} for change in changes]  # type: ignore[typeddict-item]
        writes += [{"ConditionCheck": check.check(self.name)} for check in checks]  # type: ignore[typeddict-item]
        writes += [
            {
                "Put": {
                    "TableName": self.name,
                    "Item": _raw(item),
                    "ConditionExpression": "attribute_not_exists(pk)",
                }
            }
            for item in puts
        ]
        with _translated():
            aws.dynamodb().transact_write_items(TransactItems=writes)


class _translated:  # noqa: N801 (reads as a word of the sentence)
    """DynamoDB's refusals and failures as ours."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, ClientError):
            code = error.response["Error"]["Code"]
            if code == "ConditionalCheckFailedException":
                stands: Any = error.response.get("Item")
                raise ConditionError(_item(stands) if stands else None) from None
            if code == "TransactionCanceledException":
                reasons: Any = error.response.get("CancellationReasons", [])
                codes = {reason.get("Code") for reason in reasons} - {"None"}
                # Somebody else is writing the same items: nothing was written, and a fresh look tells what stands.
                if "ConditionalCheckFailed" in codes or codes == {"TransactionConflict"}:
                    raise ConditionError from None
                raise TransientError(f"ledger: {code}", outcome_unknown=True) from error
            if code in _PASSING:
                raise TransientError(f"ledger: {code}", outcome_unknown=True) from error
        elif isinstance(error, BotoCoreError):
            raise TransientError(f"ledger: {type(error).__name__}", outcome_unknown=True) from error


_PASSING = frozenset(
    {
        "InternalServerError",
        "ItemCollectionSizeLimitExceededException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ServiceUnavailable",
        "ThrottlingException",
        "TransactionConflictException",
        "TransactionInProgressException",
    }
)


def _key(pk: str, sk: str) -> "dict[str, AttributeValueTypeDef]":
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def _raw(item: Item) -> "dict[str, AttributeValueTypeDef]":
    return {name: encoded(value) for name, value in item.items() if value is not None}


def _item(raw: Mapping[str, Any]) -> Item:
    return {name: decoded(value) for name, value in raw.items()}
