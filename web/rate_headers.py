"""The `RateLimit-Policy` and `RateLimit` headers (draft-ietf-httpapi-ratelimit-headers-11): an API key's limits, and
what is left of them. `details.limit` of a 429 names the policy that was exceeded.
"""

from math import ceil

from access.api_key import ApiKey
from access.request_rate import WINDOW, Rate

POLICY = "RateLimit-Policy"

#: The limits that these headers report.
POLICIES = frozenset({"request_rate", "max_queued"})


def policy_header(key: ApiKey) -> str:
    parts = [f'"request_rate";q={key.rate};w={WINDOW:.0f}'] if key.rate else []
    if key.max_queued:
        parts.append(f'"max_queued";q={key.max_queued};qu="concurrent-requests"')
    return ", ".join(parts)


def remaining_header(rate: Rate) -> str:
    """`r` requests are left until `t` seconds have passed."""
    return f'"request_rate";r={rate.left};t={max(1, ceil(rate.wait))}'


def exhausted_header(limit: str, seconds: int) -> str:
    """No request is left until `seconds` have passed."""
    return f'"{limit}";r=0;t={seconds}'
