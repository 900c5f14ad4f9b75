"""The rate of starts that a provider's rate-limit headers allow. Pure.

The headers of two kinds of limits look alike. A token bucket refills all the time: its contents may be used up, and
then calls start at the refill rate, corrected by how much is left. A window grants all its calls at once, and nothing
more until its end: what is left is spread over the rest of the window. Steady inflow shows that it is a bucket.
"""

import math

from pydantic import BaseModel

#: Limits are given for a minute, in seconds.
MINUTE = 60.0

#: Share of the limit that is used. The rest is a reserve for calls that arrive late, and for differences of clocks.
CAUTION = 0.98

#: Share of the limit that stays in a bucket, and the seconds within which everything above that may be used up.
RESERVE, SPEND_SECONDS = 0.05, 10.0

#: A bucket that is emptied below RESERVE slows starts down by at most this share of the limit's rate.
MOST_CAUTION = 0.07

#: Inflow is averaged over about this many seconds; if it is above this share of the limit's rate, there is a bucket.
INFLOW_SECONDS, INFLOW = 4.0, 0.5

#: A used-up window still gets calls at this share of the limit's rate, since its clock may differ from ours.
LEAST = 0.02

#: Headers are valid for this many seconds.
FRESH_SECONDS = 120.0


class HeaderLimit(BaseModel):
    """The limit on requests, or on tokens, in the headers of one answer; `reset`: seconds from that answer."""

    limit: float
    remaining: float
    reset: float | None = None


class HeaderRate(BaseModel):
    """A limit as the headers describe it, in its unit (requests or tokens). Times are of Redis' clock, in seconds."""

    limit: float = 0.0
    remaining: float = 0.0
    reset: float = MINUTE
    at: float = 0.0
    inflow: float = 0.0
    """Recent inflow, as a share of the limit's rate."""

    def observe(self, headers: HeaderLimit | None, used: float, now: float, seconds: float) -> None:
        """Apply the latest headers; `used`: requests or tokens used in the last `seconds`."""
        if headers is None or headers.limit <= 0:
            return
        rate = headers.limit / MINUTE
        if self.at and headers.limit == self.limit:
            # The end of a window is no inflow. It counts for little, since it comes all at once and is capped here.
            came = min(max(0.0, headers.remaining - self.remaining + used), 3 * rate * seconds)
            weight = min(1.0, seconds / INFLOW_SECONDS)
            self.inflow += weight * (came / (rate * seconds) - self.inflow)
        self.limit, self.remaining, self.at = headers.limit, headers.remaining, now
        self.reset = MINUTE if headers.reset is None else headers.reset

    def rate(self, now: float) -> float | None:
        """Requests or tokens that may be used a second; None: no headers, or none that are still valid."""
        if not self.at or now - self.at > FRESH_SECONDS:
            return None
        rate = self.limit / MINUTE
        if self.inflow >= INFLOW:
            more = (self.remaining - RESERVE * self.limit) / SPEND_SECONDS
            return CAUTION * rate + max(more, -MOST_CAUTION * rate)
        left = max(0.0, self.reset - (now - self.at))
        even = self.remaining / left if left > 0 else math.inf
        return CAUTION * min(rate, max(even, LEAST * rate))

    def used_up(self, now: float) -> bool:
        """Whether the limit is used up, so that refusals are due to it."""
        return self.rate(now) is not None and self.remaining <= RESERVE * self.limit
