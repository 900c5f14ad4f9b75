"""Slow start: after a pause or an outage of its provider, a worker process starts its calls slowly at first.

Otherwise all calls that waited for the end of a pause would start at once, and be refused at once.
"""

import math
import time
from collections.abc import Callable

#: Length of the slow start in seconds, unless RAMP_SHARE makes it shorter. Call n of N slots starts after
#: RAMP_SECONDS × √(n/N): within the first second, a ninth of the slots.
RAMP_SECONDS = 3.0

#: Longest slow start, as a share of a call's deadline, in which it is included.
RAMP_SHARE = 1 / 8

#: Refusals above what is usual that make all other calls start slowly: a healthy provider refuses one now and then, and
#: the search for a limit (guard/adaptive/concurrency.py) causes some.
MANY_REFUSALS = 4

#: A Retry-After above this, in seconds, concerns all calls, even if only one received it. A shorter one is given to a
#: call that came a little too early, and delays that call only.
LONG_WAIT = 2.0

#: Refusals for each call that are usual.
USUAL_SHARE = 1 / 4


class SlowStart:
    """The slow start of one process; each has its own. The circuit breaker's probe comes before all of them."""

    def __init__(self, slots: int, deadline: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._slots = slots
        self._ramp = min(RAMP_SECONDS, RAMP_SHARE * deadline)
        self._clock = clock
        self._begins = -math.inf
        self._started = 0
        self._refusals = 0.0
        """Refusals above what is usual, of calls that began since the last restart."""
        #: Counts restarts: a call that got its turn before the last restart has to ask again.
        self.round = 0

    def restart(self, after: float = 0.0) -> None:
        """Start no call for `after` seconds, then start them slowly."""
        self._begins = max(self._begins, self._clock() + after)
        self._started = 0
        self._refusals = 0.0
        self.round += 1

    def refused(self, began: float, after: float = 0.0) -> None:
        """The provider refused a call (429 or Retry-After) that began at `began` (this object's clock).

        `after`: seconds that it asked to wait; 0: it named none.

        A long wait concerns all calls. Otherwise a single refusal changes nothing; after many, all calls wait as long
        as the last one was asked to. Refusals of calls that began before the last restart have the same cause as that
        restart and are not counted.
        """
        if after > LONG_WAIT:
            if self._clock() + after > self._begins:
                self.restart(after)
        elif began >= self._begins:
            self._refusals += 1
            if self._refusals >= MANY_REFUSALS:
                self.restart(after)

    def turn(self) -> float:
        """Seconds until the caller may start its call. A caller that does not start only leaves a gap."""
        self._refusals = max(0.0, self._refusals - USUAL_SHARE)
        now = self._clock()
        if now >= self._begins + self._ramp:
            return 0.0
        share = min(1.0, self._started / self._slots)
        self._started += 1
        return max(0.0, self._begins + self._ramp * math.sqrt(share) - now)
