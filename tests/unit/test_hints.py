"""What a hint tells, and who knows it already."""

import pytest

from dealbridge.domain.hints import has_read


@pytest.mark.parametrize(
    ("revision", "told", "known"),
    [
        ("r1", "r1", True),
        ("r1", "r2", False),
        (None, "r1", False),
        ("t1 t2 hash", "t1 t2 hash", True),
        ("t1 t2 hash", "t1 - hash", True),
        ("t1 t2 hash", "t1 t3 hash", False),
        ("t1 t2 hash", "t3 - hash", False),
        ("t1 t2 hash", "t1 -", False),
        ("t1 - hash", "t1 t2 hash", False),
    ],
)
def test_who_has_read_a_revision_knows_what_is_told_of_its_parts(revision: str | None, told: str, known: bool) -> None:
    assert has_read(revision, told) is known
