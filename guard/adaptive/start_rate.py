"""Finds how many calls a second a provider accepts, if it limits their rate without rate-limit headers. Pure.

With short calls, no limit on calls in flight can hold a rate: 10 calls of 20 ms a second are a fifth of a call in
flight. So if refusals go on although almost nothing is in flight, starts are paced at the rate that was accepted, and a
higher rate is tried now and then (additive increase, multiplicative decrease, with a growing step). The contents of a
provider's bucket are not mistaken for a higher limit: after an attempt that ends in refusals, the rate is again what it
was before the attempt.
"""

import math

from pydantic import BaseModel

from guard.adaptive.concurrency import MOST_PATIENCE, DecayingCounts, Threshold
from guard.adaptive.local import CallCounts

#: Starts are paced at this share of the accepted rate, so that an emptied bucket refills a little.
CAUTION = 0.96

#: Accepted calls, and seconds, that are enough to compute a rate.
ENOUGH_CALLS, ENOUGH_SECONDS = 3, 2.0

#: Accepted calls are remembered for about this many seconds.
MEMORY_SECONDS = 6.0

#: Refusals that lower the rate, or end an attempt to go faster.
TOO_FAST = Threshold(least=2, share=0.02, seconds=5.0)

#: First and largest step of an attempt, as shares of the rate; doubled each time that it is accepted for HOLD_SECONDS.
STEP, MOST_STEP, HOLD_SECONDS = 0.05, 1.0, 3.0

#: First step after pacing begins: the accepted rate was measured while starts were not paced, and is a rough guess.
FIRST_STEP = 0.2

#: A rate that is refused without an attempt to go faster is lowered to this share of itself, or further.
LESS = 0.9

#: Wait between attempts to go faster, in seconds; doubled each time the rate is lowered, up to MOST_PATIENCE.
PATIENCE = 4.0

#: Share of a refusal that each call offsets: one refusal is forgiven after 1 / BUDGET calls. No attempt before that.
BUDGET = 0.01

#: Most refusals that are still to be offset.
MOST_DEBT = 3.0

#: An attempt that is accepted for this many seconds has found a higher limit.
FOUND_SECONDS = 10.0

#: If this many times the rate before the attempt is accepted, there is no limit: starts are no longer paced.
NO_LIMIT = 4.0


class StartRate(BaseModel):
    """The rate of all processes together, as stored in Redis. Times are of Redis' clock, in seconds."""

    rate: float | None = None
    """Starts a second; None: starts are not paced."""
    base: float = 0.0
    """The rate before the present attempt to go faster; 0: none was found so far."""
    step: float = STEP
    patience: float = PATIENCE
    not_before: float = 0.0
    """No attempt to go faster before this time."""
    raised: float = 0.0
    """When the rate was last raised …"""
    left_base: float = 0.0
    """… and when it was last raised from `base`."""
    settled: bool = False
    """Whether the rate was refused since pacing began."""
    debt: float = 0.0
    """Refusals that are still to be offset."""
    accepted: float = 0.0
    """Recent accepted calls, and …"""
    span: float = 0.0
    """… the seconds in which they were made."""
    recent: DecayingCounts = DecayingCounts()

    def measure(self, seen: CallCounts, seconds: float) -> None:
        kept = max(0.0, 1 - seconds / MEMORY_SECONDS)
        self.accepted = kept * self.accepted + seen.starts - seen.refused
        self.span = kept * self.span + seconds

    def forget(self) -> None:
        """Forget the accepted calls: they were accepted under other conditions."""
        self.accepted = self.span = 0.0

    @property
    def accepted_rate(self) -> float | None:
        """Accepted calls a second; None: too few calls were made recently."""
        if self.accepted < ENOUGH_CALLS or self.span < ENOUGH_SECONDS:
            return None
        return self.accepted / self.span

    def begin(self, now: float) -> bool:
        """Pace starts from now on, at the rate found before or the accepted one. Returns False if neither is known."""
        if self.rate is None and (self.base or self.accepted_rate is not None):
            self._lower(self.base or CAUTION * (self.accepted_rate or 0.0), now)
            self.not_before, self.step, self.settled = now + HOLD_SECONDS, FIRST_STEP, False
        return self.rate is not None

    def update(self, seen: CallCounts, now: float, seconds: float) -> None:
        """Adjust the rate to what happened in the last `seconds`, while starts are paced."""
        if self.rate is None:
            return
        self.debt = max(0.0, self.debt - BUDGET * seen.starts)
        if self.recent.exceed(TOO_FAST, seen.starts, seen.refused, seconds):
            self.debt = min(self.debt + self.recent.refused, MOST_DEBT)
            if self.rate > self.base and self.settled:
                # The bucket is empty now: only calls that are accepted from here on show its rate.
                self._lower(self.base, now)
                self.forget()
            else:
                accepted = self.accepted_rate or math.inf
                self._lower(min(LESS * self.rate, CAUTION * accepted), now)
            self.settled = True
        elif now - self.left_base > FOUND_SECONDS and self.rate > self.base:
            self.base, self.left_base = self.rate, now
            self.patience = PATIENCE
        elif seen.slow and now >= max(self.not_before, self.raised + HOLD_SECONDS) and not self.debt:
            self._raise(self.rate, now)

    def _raise(self, rate: float, now: float) -> None:
        if rate > self.base:
            self.step = min(2 * self.step, MOST_STEP)
        else:
            self.left_base = now
        self.raised = now
        raised = rate * (1 + self.step)
        self.rate = raised if raised <= NO_LIMIT * self.base else None

    def _lower(self, rate: float, now: float) -> None:
        self.rate = self.base = rate
        self.step = STEP
        self.patience = min(2 * self.patience, MOST_PATIENCE)
        self.not_before = now + self.patience
        self.recent = DecayingCounts()
