"""The checker sees: every bug that is planted on purpose turns some world red."""

import pytest

from tests.faults.hunting import hunt
from tests.faults.planted_bugs import BUGS

SEEDS = 150
"""Each bug is caught within so many; `make soak` tells which seed it was."""


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_caught(bug: str) -> None:
    assert hunt(bug, range(SEEDS)).seed is not None
