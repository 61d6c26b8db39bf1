"""The arithmetic that the bench bills DynamoDB by (Developer Guide: item sizes, on-demand capacity, transactions)."""

from typing import Any

import pytest

from bench.units import item_bytes, read_units, write_units


def an_item(size: int, **more: str) -> dict[str, Any]:
    """An item of so many bytes, further string attributes aside."""
    return {"pk": {"S": "x" * (size - len("pk"))}, **{name: {"S": value} for name, value in more.items()}}


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ({"S": "é"}, 2),
        ({"B": b"abc"}, 3),
        ({"N": "1234"}, 3),
        ({"N": "-12.5"}, 3),
        ({"N": "0"}, 2),
        ({"BOOL": True}, 1),
        ({"NULL": True}, 1),
        ({"L": []}, 3),
        ({"L": [{"S": "ab"}, {"NULL": True}]}, 3 + (1 + 2) + (1 + 1)),
        ({"M": {"abc": {"S": "de"}}}, 3 + 1 + 3 + 2),
    ],
)
def test_an_attribute_weighs_its_name_and_its_value(value: dict[str, Any], size: int) -> None:
    assert item_bytes({"name": value}) == len("name") + size


def test_reads_are_counted_by_four_kilobytes_and_halved_where_not_consistent() -> None:
    assert [read_units(size, consistent=True) for size in (0, 4096, 4097)] == [1, 1, 2]
    assert read_units(4096, consistent=False) == 0.5


def test_writes_are_counted_by_kilobytes_of_the_larger_item_and_doubled_in_a_transaction() -> None:
    assert write_units(None, an_item(1024)) == 1
    assert write_units(an_item(1025), an_item(10)) == 2
    assert write_units(None, an_item(1025), in_transaction=True) == 4
    assert write_units(None, None, in_transaction=True) == 2, "the check of a condition on an item that is not there"


def test_an_index_costs_a_write_where_its_entry_changes_and_two_where_it_moves() -> None:
    listed = an_item(10, gsi_pk="DEALS#running", gsi_sk="1")
    assert write_units(None, listed) == 1 + 1
    assert write_units(listed, listed | {"more": {"S": "x"}}) == 1 + 1
    assert write_units(listed, listed | {"gsi_sk": {"S": "2"}}) == 1 + 2
    assert write_units(listed, an_item(10)) == 1 + 1
    assert write_units(listed, listed) == 1
