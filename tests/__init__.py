"""Tests by cost: see docs/architecture. `tests.builders` and `tests.fakes` are shared by all of them."""
