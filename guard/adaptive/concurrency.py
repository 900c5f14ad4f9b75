"""Finds how many calls in flight a provider accepts, by trying more until some are refused (429). Pure.

Slow start (RFC 5681), by time: the limit doubles at every update until calls are refused. Then it falls to the number
of calls that were in flight and accepted at that time, which the processes report (local.py): a provider with such a
limit refuses only the calls above it. From there one more call is tried now and then, and twice as many more each time
that they are accepted. A level that is refused repeatedly is tried at ever longer intervals (as on the plateau of
CUBIC, RFC 9438).

Limits differ from random refusals in where the refusals fall. Above a limit all calls are refused; at random, few are.
So a refusal at a level that was not accepted before counts at once, and at a proven level only along with many others.
"""

from collections.abc import Sequence
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from guard.adaptive.local import FIRST, CallCounts

#: Share of the calls above the proven level whose refusal ends an attempt to go higher.
REFUSED = 0.1

#: Updates for which a higher level must be accepted before it counts as proven: during slow start, and afterwards.
UPDATES_FIRST, UPDATES = 1, 2

#: Waits between attempts to go higher, in seconds: after the first refusal, and the longest.
PATIENCE, MOST_PATIENCE = 2.0, 20.0

#: Share of a refused attempt that each call offsets; the next attempt waits until all of it is offset. So attempts cost
#: about this share of the calls, however slow the provider.
BUDGET = 0.008


class Threshold(NamedTuple):
    """From `least` plus `share` of the calls on, refusals of the last `seconds` are too many."""

    least: int
    share: float
    seconds: float


#: Refusals that mean that a proven level is no longer accepted …
SUDDEN = Threshold(least=3, share=0.05, seconds=2.0)

#: … or fewer over a longer time: the level is so close to the limit that calls on their way exceed it at times.
CREEPING = Threshold(least=5, share=0.0175, seconds=15.0)

#: In that second case the limit is lowered by this share.
CREEP = 0.03


class DecayingCounts(BaseModel):
    """Recent starts and refusals; older ones count less."""

    starts: float = 0.0
    refused: float = 0.0

    def exceed(self, threshold: Threshold, starts: int, refused: int, seconds: float) -> bool:
        """Add the counts of the last `seconds`. True if there are now too many refusals."""
        kept = max(0.0, 1 - seconds / threshold.seconds)
        self.starts = kept * self.starts + starts
        self.refused = kept * self.refused + refused
        return self.refused >= threshold.least + threshold.share * self.starts


class Concurrency(BaseModel):
    """The limit of all processes together, as stored in Redis. Times are of Redis' clock, in seconds.

    Processes of other versions read the stored names: a new name here needs the old one as its alias.
    """

    model_config = ConfigDict(validate_by_name=True, serialize_by_alias=True)

    limit: float = 0.0
    proven: float = 0.0
    """Calls in flight that the provider is known to accept."""
    step: float = 0.0
    """By how much the limit is raised next."""
    updates: int = Field(default=0, alias="looks")
    """Updates since the limit was raised in which calls above the proven level were made."""
    settled: bool = False
    """Whether calls were refused before: slow start is over."""
    patience: float = PATIENCE
    """Wait before the next attempt to go higher, in seconds, and …"""
    not_before: float = 0.0
    """… its end."""
    debt: float = 0.0
    """Share of the last refused attempt that is still to be offset."""
    sudden: DecayingCounts = DecayingCounts()
    creeping: DecayingCounts = DecayingCounts()

    def update(
        self, seen: CallCounts, local: int, ceilings: Sequence[int], now: float, seconds: float, *, paced: bool
    ) -> bool:
        """Adjust the limit to the counts of the last `seconds`. True: the proven level is suddenly refused.

        `local`: sum of the limits that the processes apply now; `ceilings`: most calls that each process could make.
        `paced`: the rate of starts is limited, so that refusals at the proven level are due to that and do not count.
        """
        below = 0 if paced else seen.refused - seen.refused_above
        ceiling = sum(ceilings)
        if not self.settled:
            self.limit = max(self.limit, float(sum(min(FIRST, most) for most in ceilings)))
        self.debt = max(0.0, self.debt - BUDGET * seen.starts)
        suddenly = self.sudden.exceed(SUDDEN, seen.starts - seen.above, below, seconds)
        creeping = self.creeping.exceed(CREEPING, seen.starts - seen.above, below, seconds)
        if seen.refused_above and seen.refused_above >= REFUSED * seen.above:
            self.debt = 1.0 if self.settled else 0.0
            self._hold(max(self.proven, min(local, self.limit - 1)), now)
        elif suddenly:
            self._hold(min(local, self.limit - 1), now)
            return True
        elif creeping:
            self._hold(min(self.limit - 1, (1 - CREEP) * self.limit), now)
        elif self.limit > self.proven:
            self.updates += seen.above > 0
            if self.updates >= (UPDATES if self.settled else UPDATES_FIRST):
                self.proven = self.limit
                self.patience = PATIENCE
                self._raise(2 * self.step, ceiling)
        elif seen.full and now >= self.not_before and not self.debt:
            self._raise(self.step, ceiling)
        return False

    def _raise(self, step: float, ceiling: int) -> None:
        if self.limit < ceiling:
            self.step = step if self.settled else self.limit
            self.limit = min(self.limit + self.step, ceiling)
            self.updates = 0

    def _hold(self, limit: float, now: float) -> None:
        self.limit = self.proven = float(max(1, int(limit)))
        self.step = 1.0
        self.updates = 0
        self.patience = min(2 * self.patience, MOST_PATIENCE) if self.settled else PATIENCE
        self.settled = True
        self.not_before = now + self.patience
        self.sudden, self.creeping = DecayingCounts(), DecayingCounts()
