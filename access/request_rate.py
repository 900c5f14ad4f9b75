"""An API key's request rate: what is left of it, and the rule of authenticate.lua for an API process without Redis.

`RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-11) state the limits of a key, and what is
left of them. `details.limit` of a 429 names the policy that was exceeded.
"""

import math
from typing import NamedTuple

from access.api_key import ApiKey

#: Seconds. A minute's worth of requests may come at once.
WINDOW = 60.0

POLICY = "RateLimit-Policy"

#: The limits that these headers report.
POLICIES = frozenset({"request_rate", "max_queued"})


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


def policy_header(key: ApiKey) -> str:
    parts = [f'"request_rate";q={key.rate};w={WINDOW:.0f}'] if key.rate else []
    if key.max_queued:
        parts.append(f'"max_queued";q={key.max_queued};qu="concurrent-requests"')
    return ", ".join(parts)


def remaining_header(rate: Rate) -> str:
    """`r` requests are left until `t` seconds have passed."""
    return f'"request_rate";r={rate.left};t={max(1, math.ceil(rate.wait))}'


def exhausted_header(limit: str, seconds: int) -> str:
    """No request is left until `seconds` have passed."""
    return f'"{limit}";r=0;t={seconds}'
