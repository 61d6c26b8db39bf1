"""Every boundary of a first activation with every fault, from either CRM into either ERP: the books end as those of the
fault-free run."""

import pytest

from dealbridge_local.worlds import matrix


@pytest.mark.parametrize("path", matrix.PATHS.values(), ids=str)
def test_every_boundary_with_every_fault_ends_with_the_books_of_the_fault_free_run(path: matrix.Path) -> None:
    baseline = matrix.record(path)
    report = matrix.run(matrix.single_faults(baseline), baseline, workers=None)
    assert report.vendor_calls > 10
    assert report.writes > 10
    assert [f"{verdict.case}: {verdict.wrong}" for verdict in report.wrong] == []


@pytest.mark.parametrize("path", matrix.PATHS.values(), ids=str)
def test_pairs_of_faults_drawn_by_a_seed_do_too(path: matrix.Path) -> None:
    baseline = matrix.record(path)
    report = matrix.run(matrix.pairs(baseline, seed=1, count=40), baseline, workers=None)
    assert [f"{verdict.case}: {verdict.wrong}" for verdict in report.wrong] == []
