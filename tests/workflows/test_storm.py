"""The engine's worker processes are killed while deals go through (`dealbridge-local storm`, `make storm`)."""

from dealbridge_local.platform import Platform
from dealbridge_local.storm import rage


def test_with_workers_killed_at_random_nothing_is_lost_and_nothing_doubled(platform: Platform) -> None:
    report = rage(platform, 15, every_s=1.0, within_s=180)
    assert report.kills > 3
    assert report.is_clean, report
