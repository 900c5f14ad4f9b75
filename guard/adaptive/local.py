"""Applies one worker process' share of the adaptive limits: calls in flight, and starts a second.

concurrency.py and start_rate.py find the limits from the counts of all processes. A process whose calls are refused
does not wait for the next update: it takes its number of calls in flight at that time as its limit.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

#: Limit of calls in flight of a process that has no share yet.
FIRST = 16

#: Starts may come in bunches, as many as belong to this many seconds: to space them evenly would wake the process for
#: each.
BUNCH_SECONDS = 0.05

#: Shorter waits than this are skipped, in seconds: timers are less exact.
INSTANT = 0.0001

#: Number of refusals at a proven level that lower this process' limit at once, and the share of one refusal that each
#: call that is not refused offsets.
BRAKE, ANSWER = 2.0, 0.25

#: Smooth starts come at this many times the rate that the calls in flight would have if they were evenly spread, as TCP
#: paces its packets: otherwise calls that began together would always end and begin together.
SMOOTH = 2.0

#: Requests that hold a slot and wait for a permit, in seconds of the rate of calls: enough that one call follows
#: another at once, few enough that no request holds its lease for long before its call.
AHEAD_SECONDS = 0.25


@dataclass(slots=True)
class CallCounts:
    """What happened since the last report. `above`: at more calls in flight than the provider is known to accept."""

    starts: int = 0
    above: int = 0
    refused: int = 0
    refused_above: int = 0
    full: int = 0
    """Starts that had to wait because the limit of calls in flight was reached …"""
    slow: int = 0
    """… or because of the rate."""
    answers: int = 0
    seconds: float = 0.0
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Allocation:
    """`limit`: calls in flight; `proven`: how many of them the provider is known to accept; `rate`: starts a second.

    `smooth`: starts should be spaced evenly, because there is a limit, which may be one on the rate.
    `exact`: the rate is by the provider's rate-limit headers.
    """

    limit: int
    proven: int
    rate: float = math.inf
    smooth: bool = False
    exact: bool = False


class LocalLimiter:
    """Counts calls and computes when the next one may start. The waiting is done in tasks/call/permit_queue.py."""

    def __init__(self, slots: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._allocation = Allocation(min(FIRST, slots), 0)
        self._due = -math.inf
        """When the next call is due at the rate."""
        self._signs = 0.0
        self._clamped = False
        self._answered = 0.0
        """Recent answers a second."""
        self._took = 0.0
        """Recent mean seconds of an answered call."""
        self._gap = 0.0
        """Seconds from one start to the next."""
        self.limit = self._allocation.limit
        self.in_flight = 0
        self.counts = CallCounts()

    @property
    def paced(self) -> bool:
        return self._allocation.rate < math.inf

    def probes(self, level: int) -> bool:
        """Whether a call at this level tests if the provider accepts more than the proven level."""
        return level > self._allocation.proven and self._allocation.smooth

    def waits(self) -> None:
        """Count a call that has to wait: for another's end, or for the rate."""
        if self.in_flight >= self.limit:
            self.counts.full += 1
        else:
            self.counts.slow += 1

    def wait(self) -> float:
        """Seconds until a call may start; infinite: not before another one ends."""
        if self.in_flight >= self.limit:
            return math.inf
        wait = self._due - BUNCH_SECONDS - self._clock()
        return wait if wait > INSTANT else 0.0

    def start(self) -> int:
        """A call starts. Returns its level: how many are in flight with it."""
        self.in_flight += 1
        self.counts.starts += 1
        self.counts.above += self.in_flight > self._allocation.proven
        if self._gap:
            self._due = max(self._due, self._clock()) + self._gap
        return self.in_flight

    def end(self, level: int, *, refused: bool) -> None:
        """The call that started at this level has ended; `refused`: the provider refused it."""
        self.in_flight -= 1
        if not refused:
            self._signs = max(0.0, self._signs - ANSWER)
            return
        self.counts.refused += 1
        if level > self._allocation.proven:
            self.counts.refused_above += 1
            self._clamp(max(self.in_flight, self._allocation.proven))
            return
        self._signs += 1
        if self._signs >= BRAKE:
            self._clamp(self.in_flight)

    def answered(self, seconds: float, tokens: int) -> None:
        self.counts.answers += 1
        self.counts.seconds += seconds
        self.counts.tokens += tokens

    def capacity(self) -> int:
        """Requests that should be in this process, waiting or in flight."""
        waiting = 1 + math.ceil(AHEAD_SECONDS * (self._allocation.rate if self.paced else self._answered))
        return waiting + (min(self.limit, self.in_flight) if self.paced else self.limit)

    def report(self, seconds: float) -> CallCounts:
        """What happened in the `seconds` since the last report."""
        counts, self.counts = self.counts, CallCounts()
        self._answered = counts.answers / seconds
        if counts.answers:
            self._took = counts.seconds / counts.answers
        self._clamped = False
        return counts

    def follow(self, allocation: Allocation) -> None:
        """Apply a new share. A lower limit that this process has found since its last report stays in force."""
        self._allocation = allocation
        self.limit = min(self.limit, allocation.limit) if self._clamped else allocation.limit
        evenly = self._took / (SMOOTH * self.limit) if allocation.smooth and self.limit else 0.0
        self._gap = max(1 / allocation.rate, evenly)
        # A faster rate does not wait for the previous gap. If the rate is known exactly, starts that a bunch made ahead
        # of time stay owed: to forgive them at every update would add a fifth. A rate that is searched for gets that
        # surplus, as part of the search.
        owed = BUNCH_SECONDS if allocation.exact else 0.0
        self._due = min(self._due, self._clock() + owed + self._gap)

    def _clamp(self, limit: int) -> None:
        self._clamped = True
        self.limit = min(self.limit, max(1, limit))
