"""The `RateLimit-Policy` and `RateLimit` headers (draft-ietf-httpapi-ratelimit-headers-11): what a key may, and what is
left of it. A policy is named as `details.limit` names it in the problem of a 429.
"""

from math import ceil

from guard.api_key import ApiKey
from guard.request_rate import WINDOW, Rate

POLICY = "RateLimit-Policy"

#: The limits that are told by it.
POLICIES = frozenset({"request_rate", "max_queued"})


def policy(key: ApiKey) -> str:
    parts = [f'"request_rate";q={key.rate};w={WINDOW:.0f}'] if key.rate else []
    if key.max_queued:
        parts.append(f'"max_queued";q={key.max_queued};qu="concurrent-requests"')
    return ", ".join(parts)


def remaining(rate: Rate) -> str:
    """Until `t` seconds have passed there are no more than `r`."""
    return f'"request_rate";r={rate.left};t={max(1, ceil(rate.wait))}'


def used_up(limit: str, seconds: int) -> str:
    return f'"{limit}";r=0;t={seconds}'
