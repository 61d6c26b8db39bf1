"""The checker sees: every bug that is planted on purpose turns some world red."""

import pytest

from tests.faults.hunting import hunt
from tests.faults.planted_bugs import BUGS

SEEDS = 150
FIRST = {"shared_record_overwritten": 450}
"""Where to begin looking for a bug that few worlds show; `make soak` begins at seed 0 and tells which one it was."""


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_caught(bug: str) -> None:
    first = FIRST.get(bug, 0)
    assert hunt(bug, range(first, first + SEEDS)).seed is not None
