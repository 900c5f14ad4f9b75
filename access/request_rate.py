"""An API key's request rate: what is left of it, and the rule of authenticate.lua for an API process without Redis."""

import math
from typing import NamedTuple

#: Seconds. A minute's worth of requests may come at once.
WINDOW = 60.0


class Rate(NamedTuple):
    granted: bool
    #: Requests that may follow at once.
    left: int
    #: Seconds until there is one more.
    wait: float


def charge(full_again: float, now: float, a_minute: int) -> tuple[Rate, float]:
    """Charge one request. Returns its Rate, and when the bucket is full again. A refused request is not charged."""
    interval = WINDOW / a_minute
    full_again = max(now, full_again)
    granted = full_again + interval <= now + WINDOW
    if granted:
        full_again += interval
    free = now + WINDOW - full_again
    left = max(0, math.floor(free / interval))
    return Rate(granted, left, (left + 1) * interval - free), full_again
