"""The strikes that there are, by name: what the fault matrix goes through and the weather of worlds is made of."""

from collections.abc import Mapping
from typing import Any

from dealbridge_local.worlds.boundaries import Strike

SLOW_SECONDS = 18.0
"""Slower than anybody would like, within the time that a client waits."""
STALE_SECONDS = 3.0
"""So far behind a reading replica is: less than S/4HANA's `read_back_seconds`, which is there for that."""


def _fault(kind: str, **more: Any) -> Strike:
    return Strike(kind, {"kind": kind, **more})


VENDOR: Mapping[str, Strike] = {
    "refused": Strike("refused"),
    "503": _fault("status", status=503),
    "dropped before commit": _fault("drop_before_commit"),
    "dropped after commit": _fault("drop_after_commit"),
    "timeout before commit": _fault("timeout_before_commit"),
    "timeout after commit": _fault("timeout_after_commit"),
    "429": _fault("status", status=429),
    "429 with Retry-After": _fault("status", status=429, headers={"Retry-After": "7"}),
    "500": _fault("status", status=500),
    "502 after commit": Strike("lost_behind_gateway"),
    "three 503 in a row": Strike("status", {"kind": "status", "status": 503}, times=3),
    "401 once": _fault("status", status=401),
    "malformed body": _fault("malformed_body"),
    "slow": _fault("delay", delay_s=SLOW_SECONDS),
    "stale read": _fault("stale_read", delay_s=STALE_SECONDS),
}
"""What can meet a call of a vendor."""

KILLS: Mapping[str, Strike] = {
    "killed before": Strike("kill_before"),
    "killed after": Strike("kill_after"),
}
"""What can meet any call: the end of the process."""

CLOUD: Mapping[str, Strike] = {
    "throttled": Strike("throttled"),
    "down before commit": Strike("down_before"),
    "down after commit": Strike("down_after"),
    "repeated": Strike("repeated"),
}
"""What can meet a call of AWS, once botocore's own attempts are spent; `repeated` is one of these attempts."""
