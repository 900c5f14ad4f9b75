"""An API key's request rate: what is left of it, and the rule of authenticate.lua for an API process without Redis."""

import math
from typing import NamedTuple

#: Seconds. A minute's worth of requests may come at once.
WINDOW = 60.0


class Rate(NamedTuple):
    granted: bool
    #: Requests that may follow at once.
    left: int
    #: Seconds until there is one more; if it was not granted, until there are enough.
    wait: float


def charge(full_again: float, now: float, a_minute: int, requests: int = 1) -> tuple[Rate, float]:
    """Charge requests. Returns their Rate, and when the bucket is full again. If it does not grant all of them, none is
    charged.
    """
    interval = WINDOW / a_minute
    full_again = max(now, full_again)
    granted = full_again + requests * interval <= now + WINDOW
    if granted:
        full_again += requests * interval
    free = now + WINDOW - full_again
    left = max(0, math.floor(free / interval))
    return Rate(granted, left, (left + 1 if granted else requests) * interval - free), full_again
