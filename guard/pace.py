"""How a worker process starts its calls again after its provider asked for patience, or was away: slowly at first.

A backlog that waits for the end of a pause would else be there as one, and be sent away as one.
"""

import math
import time
from collections.abc import Callable

#: From the first call to all slots at once, in seconds, but for short deadlines. The n-th call of so many slots starts
#: after the square root of its share of this: within the first second, a ninth of the slots.
RAMP_SECONDS = 3.0

#: And no more than this share of a call's deadline, since it is part of it.
RAMP_SHARE = 1 / 8

#: Calls sent away, above what is usual, that make all others start slowly: a healthy provider sends one away now and
#: then, and a limit that is looked for (guard/concurrency.py) is found that way.
MANY_REFUSALS = 4

#: A longer wait that a provider asks for, in seconds, concerns all calls, even if only one was told. A shorter one is
#: told to whoever comes a little too early, and that one waits.
LONG_WAIT = 2.0

#: Refusals that are usual, for each call.
USUAL_SHARE = 1 / 4


class Pace:
    """Of one process: others have their own, and the circuit breaker's probe comes before any of them."""

    def __init__(self, slots: int, deadline: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._slots = slots
        self._ramp = min(RAMP_SECONDS, RAMP_SHARE * deadline)
        self._clock = clock
        self._begins = -math.inf
        self._started = 0
        self._refusals = 0.0
        """Above what is usual, of calls that began since the last restart."""
        #: Counts the restarts: who was given a turn before the last one asks again.
        self.round = 0

    def restart(self, after: float = 0.0) -> None:
        """No call starts for `after` seconds; then slowly."""
        self._begins = max(self._begins, self._clock() + after)
        self._started = 0
        self._refusals = 0.0
        self.round += 1

    def refused(self, began: float, after: float = 0.0) -> None:
        """The provider sent away a call that began then, by this one's clock, and asked for `after` seconds.

        A long wait concerns all calls. Otherwise one refusal says little, and nothing if its call began before the last
        restart: it was sent away for what is known. Many say that all should wait for as long as the last was asked to.
        """
        if after > LONG_WAIT:
            if self._clock() + after > self._begins:
                self.restart(after)
        elif began >= self._begins:
            self._refusals += 1
            if self._refusals >= MANY_REFUSALS:
                self.restart(after)

    def turn(self) -> float:
        """Seconds until the caller may start its call. Whoever asks and does not start leaves a gap, no more."""
        self._refusals = max(0.0, self._refusals - USUAL_SHARE)
        now = self._clock()
        if now >= self._begins + self._ramp:
            return 0.0
        share = min(1.0, self._started / self._slots)
        self._started += 1
        return max(0.0, self._begins + self._ramp * math.sqrt(share) - now)
