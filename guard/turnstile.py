"""One worker process' share of what its provider seems to bear: calls in flight, and starts a second.

guard/concurrency.py and guard/cadence.py find the limits, from what every process counts here. Between two words of
theirs a process that is sent away does not go on by itself: it takes what is in flight just then for its limit.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

#: Calls in flight of a process that knows nothing yet.
FIRST = 16

#: Starts may come in bunches of so many seconds' worth; evenly spaced ones would wake the process for each.
BUNCH_SECONDS = 0.05

#: Less than this is not waited for, in seconds: no timer is that exact.
INSTANT = 0.0001

#: Calls that were sent away at a level that was borne before, without many answers between, until it is taken for a
#: sign; and what an answer is worth against one.
BRAKE, ANSWER = 2.0, 0.25

#: Smooth starts go at this many times the rate that the calls in flight would come to if they were evenly spread, as
#: TCP paces its packets: calls that began together would else end and begin together for ever.
SMOOTH = 2.0

#: Requests that hold a slot and wait to be let through, in seconds of their rate: enough that a call follows the next
#: one at once, few enough that none holds a lease for long before its call.
AHEAD_SECONDS = 0.25


@dataclass(slots=True)
class Tally:
    """What happened since the last report. `above`: at a level of calls in flight that was not borne so far."""

    starts: int = 0
    above: int = 0
    refused: int = 0
    refused_above: int = 0
    full: int = 0
    """Starts that waited since all that may be in flight was …"""
    slow: int = 0
    """… or for the rate."""
    answers: int = 0
    seconds: float = 0.0
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Share:
    """`limit`: calls in flight; `proven` of them were borne before; `rate`: starts a second.

    `smooth`: starts should not come in bunches, either: there is a limit somewhere, and it may be one of time. `exact`:
    the rate is the provider's own word.
    """

    limit: int
    proven: int
    rate: float = math.inf
    smooth: bool = False
    exact: bool = False


class Turnstile:
    """Counts and decides, and never waits: tasks/turns.py does."""

    def __init__(self, slots: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._share = Share(min(FIRST, slots), 0)
        self._due = -math.inf
        """When the next call is due at the rate."""
        self._signs = 0.0
        self._clamped = False
        self._answered = 0.0
        """Answers a second, of late."""
        self._took = 0.0
        """Seconds that an answer took, of late."""
        self._gap = 0.0
        """Seconds from one start to the next."""
        self.limit = self._share.limit
        self.in_flight = 0
        self.tally = Tally()

    @property
    def paced(self) -> bool:
        return self._share.rate < math.inf

    def probes(self, level: int) -> bool:
        """A call at this level finds out whether more than what is known is borne."""
        return level > self._share.proven and self._share.smooth

    def waits(self) -> None:
        """A call has to wait: for another's end, or for the rate."""
        if self.in_flight >= self.limit:
            self.tally.full += 1
        else:
            self.tally.slow += 1

    def wait(self) -> float:
        """Seconds until a call may start; infinite: not before another one ends."""
        if self.in_flight >= self.limit:
            return math.inf
        wait = self._due - BUNCH_SECONDS - self._clock()
        return wait if wait > INSTANT else 0.0

    def start(self) -> int:
        """A call starts. Returns its level: how many are in flight with it."""
        self.in_flight += 1
        self.tally.starts += 1
        self.tally.above += self.in_flight > self._share.proven
        if self._gap:
            self._due = max(self._due, self._clock()) + self._gap
        return self.in_flight

    def end(self, level: int, *, refused: bool) -> None:
        """The call that started at this level is over; `refused`: the provider sent it away."""
        self.in_flight -= 1
        if not refused:
            self._signs = max(0.0, self._signs - ANSWER)
            return
        self.tally.refused += 1
        if level > self._share.proven:
            self.tally.refused_above += 1
            self._clamp(max(self.in_flight, self._share.proven))
            return
        self._signs += 1
        if self._signs >= BRAKE:
            self._clamp(self.in_flight)

    def answered(self, seconds: float, tokens: int) -> None:
        self.tally.answers += 1
        self.tally.seconds += seconds
        self.tally.tokens += tokens

    def ahead(self) -> int:
        """Requests that may wait here to be let through."""
        return 1 + math.ceil(AHEAD_SECONDS * (self._share.rate if self.paced else self._answered))

    def room(self) -> int:
        """Requests that should be here, waiting or in flight."""
        return self.ahead() + (min(self.limit, self.in_flight) if self.paced else self.limit)

    def report(self, seconds: float) -> Tally:
        """What happened in the seconds since the last one."""
        tally, self.tally = self.tally, Tally()
        self._answered = tally.answers / seconds
        if tally.answers:
            self._took = tally.seconds / tally.answers
        self._clamped = False
        return tally

    def follow(self, share: Share) -> None:
        """A word of all processes' limits. What was found out since the report that it answers holds on."""
        self._share = share
        self.limit = min(self.limit, share.limit) if self._clamped else share.limit
        evenly = self._took / (SMOOTH * self.limit) if share.smooth and self.limit else 0.0
        self._gap = max(1 / share.rate, evenly)
        # A faster rate is not kept waiting by the last one's gap. What went ahead of time by a bunch stays owed where
        # the rate is known: let off with every word, it comes to a fifth more. One that is looked for is tried out so.
        owed = BUNCH_SECONDS if share.exact else 0.0
        self._due = min(self._due, self._clock() + owed + self._gap)

    def _clamp(self, limit: int) -> None:
        self._clamped = True
        self.limit = min(self.limit, max(1, limit))
