"""The rate of starts that a provider's rate-limit headers allow. Pure.

Two kinds of limits announce themselves alike. A bucket fills all the time: what lies in it may be used up, and then
starts go at the rate of its filling, held there by how much is left. A window gives all at once and nothing until its
end: what is left is spread over the rest of it. Which kind it is, is seen from whether anything flows in.
"""

import math

from pydantic import BaseModel

#: Limits are told a minute.
MINUTE = 60.0

#: Of the limit: the rest makes up for what comes late, and for others' clocks.
CAUTION = 0.98

#: What stays in a bucket, as a share of the limit, and how fast what is more than that may go, in seconds.
RESERVE, SPEND_SECONDS = 0.05, 10.0

#: An emptied bucket slows starts down by this share at most.
MOST_CAUTION = 0.07

#: Inflow is looked at over about so many seconds; above this share of the limit's rate it is a bucket.
INFLOW_SECONDS, INFLOW = 4.0, 0.5

#: A window that is used up is asked now and then, at this share of the limit's rate: its clock may be another one.
LEAST = 0.02

#: What was announced holds for so many seconds.
FRESH_SECONDS = 120.0


class Said(BaseModel):
    """What the headers of one answer say of requests, or of tokens; `reset` in seconds from then."""

    limit: float
    remaining: float
    reset: float | None = None


class Announced(BaseModel):
    """A limit as it announces itself, in its own unit (requests, tokens). Times are Redis', in seconds."""

    limit: float = 0.0
    remaining: float = 0.0
    reset: float = MINUTE
    at: float = 0.0
    inflow: float = 0.0
    """Share of the limit's rate that flows in, as seen of late."""

    def hear(self, said: Said | None, used: float, now: float, seconds: float) -> None:
        """What was said last, and how much was used in those seconds."""
        if said is None or said.limit <= 0:
            return
        rate = said.limit / MINUTE
        if self.at and said.limit == self.limit:
            # The end of a window is no inflow: it counts for little, since it comes at once.
            came = min(max(0.0, said.remaining - self.remaining + used), 3 * rate * seconds)
            weight = min(1.0, seconds / INFLOW_SECONDS)
            self.inflow += weight * (came / (rate * seconds) - self.inflow)
        self.limit, self.remaining, self.at = said.limit, said.remaining, now
        self.reset = MINUTE if said.reset is None else said.reset

    def rate(self, now: float) -> float | None:
        """So much a second; None: nothing is announced."""
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
        """What is refused is refused for this limit."""
        return self.rate(now) is not None and self.remaining <= RESERVE * self.limit
