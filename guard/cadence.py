"""How many starts a second a provider takes that limits their rate and does not say so. Pure.

Below some calls in flight no limit of these can hold a rate: a call of 20 ms and 10 a second are a fifth of a call. So
when refusals go on though next to nothing is in flight, starts are paced, at the rate that got through, and a little
more is asked for now and then. What a bucket had left over is not taken for a higher limit: after an attempt that ends
in refusals, the rate is again what it was before it.
"""

from pydantic import BaseModel

from guard.concurrency import Fading
from guard.turnstile import Tally

#: Of the rate that got through: so that an emptied bucket fills a little.
CAUTION = 0.96

#: Calls that got through, and seconds, that make a rate.
ENOUGH_CALLS, ENOUGH_SECONDS = 3, 2.0

#: What got through is remembered for about so many seconds.
MEMORY_SECONDS = 6.0

#: Refusals, and their share of about so many seconds, that end an attempt to go faster.
COUNT, SHARE, SECONDS = 2, 0.02, 5.0

#: First step of an attempt, and the longest; doubled each time that it was borne for so many seconds.
STEP, MOST_STEP, HOLD_SECONDS = 0.05, 1.0, 3.0

#: First step of all: what got through while everything else went on is a rough guess.
FIRST_STEP = 0.2

#: A rate that is refused without an attempt to go faster is lowered to this share at least.
LESS = 0.9

#: Refusals so soon after the rate was lowered: it was too high before the attempt, too.
SOON_SECONDS = 6.0

#: Waits between attempts to go faster, in seconds: after the first refusal, and at most.
PATIENCE, MOST_PATIENCE = 4.0, 20.0

#: Calls that each refusal must be made up for by.
BUDGET = 0.01

#: And no more than so many of them.
MOST_DEBT = 3.0

#: An attempt that lasts for so long, in seconds, has found a higher limit.
FOUND_SECONDS = 10.0

#: A rate this many times what it was before an attempt is no limit.
NO_LIMIT = 4.0


class Cadence(BaseModel):
    """The rate of all processes together, as it is kept in Redis. Times are Redis', in seconds."""

    rate: float | None = None
    """Starts a second; None: they are not paced."""
    base: float = 0.0
    """The rate before the present attempt to go faster; 0: none was found so far."""
    step: float = STEP
    patience: float = PATIENCE
    not_before: float = 0.0
    raised: float = 0.0
    left_base: float = 0.0
    lowered: float = 0.0
    settled: bool = False
    """It was too high before."""
    debt: float = 0.0
    accepted: float = 0.0
    span: float = 0.0
    recent: Fading = Fading()

    def measure(self, seen: Tally, seconds: float) -> None:
        kept = max(0.0, 1 - seconds / MEMORY_SECONDS)
        self.accepted = kept * self.accepted + seen.starts - seen.refused
        self.span = kept * self.span + seconds

    def forget(self) -> None:
        """What got through so far got through under other conditions."""
        self.accepted = self.span = 0.0

    @property
    def through(self) -> float | None:
        """Calls a second that got through; None: too few to tell."""
        if self.accepted < ENOUGH_CALLS or self.span < ENOUGH_SECONDS:
            return None
        return self.accepted / self.span

    def begin(self, now: float) -> bool:
        """Pace starts from now on, if it is known how: as it was found before, or by what got through of late."""
        if self.rate is None and (self.base or self.through is not None):
            self._lower(self.base or CAUTION * (self.through or 0.0), now)
            self.not_before, self.step, self.settled = now + HOLD_SECONDS, FIRST_STEP, False
        return self.rate is not None

    def look(self, seen: Tally, now: float, seconds: float) -> None:
        """One look at what happened in those seconds, while starts are paced."""
        if self.rate is None:
            return
        self.debt = max(0.0, self.debt - BUDGET * seen.starts)
        self.recent.add(seen.starts, seen.refused, seconds, SECONDS)
        if self.recent.over(COUNT, SHARE):
            self.debt = min(self.debt + self.recent.refused, MOST_DEBT)
            if self.rate > self.base and self.settled:
                # What got through from now on gets through an empty bucket.
                self._lower(self.base, now)
                self.forget()
            else:
                through = self.through
                self._lower(min(LESS * self.rate, CAUTION * through) if through else LESS * self.rate, now)
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
        self.lowered = now
        self.not_before = now + self.patience
        self.recent = Fading()
