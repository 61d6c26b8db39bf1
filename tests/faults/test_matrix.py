"""Every boundary of a first activation with every fault: the books end as those of the fault-free run."""

from dealbridge_local.worlds import matrix


def test_every_boundary_with_every_fault_ends_with_the_books_of_the_fault_free_run() -> None:
    baseline = matrix.record()
    report = matrix.run(matrix.single_faults(baseline), baseline)
    assert report.vendor_calls > 10
    assert report.writes > 10
    assert [f"{verdict.case}: {verdict.wrong}" for verdict in report.wrong] == []


def test_pairs_of_faults_drawn_by_a_seed_do_too() -> None:
    baseline = matrix.record()
    report = matrix.run(matrix.pairs(baseline, seed=1, count=40), baseline)
    assert [f"{verdict.case}: {verdict.wrong}" for verdict in report.wrong] == []
