"""Finds how many calls in flight a provider accepts, by trying more until some are refused (429). Pure.

Slow start (RFC 5681), by time: the limit doubles at every update until calls are refused. Then it falls to the calls
that were in flight and accepted just then, which the processes report (local.py): a provider with such a
limit refuses only the calls above it. From there one more call is tried now and then, and twice as many more each time
that they are accepted; a level that is refused again and again is tried ever more rarely (after CUBIC's plateau, RFC
9438).

Limits differ from random refusals in where the refusals fall. Above a limit all calls are refused; at random, few are.
So a refusal at a level that was not accepted before counts at once, and at a proven level only along with many others.
"""

from collections.abc import Sequence

from pydantic import BaseModel

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

#: Refusals that mean that a proven level is no longer accepted: COUNT, plus SHARE of the calls of the last SECONDS …
SUDDEN_COUNT, SUDDEN_SHARE, SUDDEN_SECONDS = 3, 0.05, 2.0

#: … or fewer over a longer time: the level is so close to the limit that calls on their way exceed it at times.
CREEPING_COUNT, CREEPING_SHARE, CREEPING_SECONDS = 5, 0.0175, 15.0

#: In that second case the limit is lowered by this share.
CREEP = 0.03


class DecayingCounts(BaseModel):
    """Recent starts and refusals; older ones count less."""

    starts: float = 0.0
    refused: float = 0.0

    def add(self, starts: int, refused: int, seconds: float, memory: float) -> None:
        kept = max(0.0, 1 - seconds / memory)
        self.starts = kept * self.starts + starts
        self.refused = kept * self.refused + refused

    def over(self, count: float, share: float) -> bool:
        return self.refused >= count + share * self.starts


class Concurrency(BaseModel):
    """The limit of all processes together, as stored in Redis. Times are of Redis' clock, in seconds."""

    limit: float = 0.0
    proven: float = 0.0
    """Calls in flight that the provider is known to accept."""
    step: float = 0.0
    looks: int = 0
    settled: bool = False
    """Whether calls were refused before: slow start is over."""
    patience: float = PATIENCE
    not_before: float = 0.0
    debt: float = 0.0
    sudden: DecayingCounts = DecayingCounts()
    creeping: DecayingCounts = DecayingCounts()

    def update(
        self, seen: CallCounts, local: int, ceilings: Sequence[int], now: float, seconds: float, *, paced: bool
    ) -> bool:
        """Adjust the limit to what happened in the last `seconds`. True: the proven level is suddenly refused.

        `local`: sum of the limits that the processes apply now; `ceilings`: most calls that each process could make.

        `paced`: the rate of starts is limited, so that refusals at the proven level are due to that and do not count.
        """
        below = seen.refused - seen.refused_above
        ceiling = sum(ceilings)
        if not self.settled:
            self.limit = max(self.limit, float(sum(min(FIRST, most) for most in ceilings)))
        self.debt = max(0.0, self.debt - BUDGET * seen.starts)
        if paced:
            below = 0
        self.sudden.add(seen.starts - seen.above, below, seconds, SUDDEN_SECONDS)
        self.creeping.add(seen.starts - seen.above, below, seconds, CREEPING_SECONDS)
        if seen.refused_above and seen.refused_above >= REFUSED * seen.above:
            self.debt = 1.0 if self.settled else 0.0
            self._hold(max(self.proven, min(local, self.limit - 1)), now)
        elif self.sudden.over(SUDDEN_COUNT, SUDDEN_SHARE):
            self._hold(min(local, self.limit - 1), now)
            return True
        elif self.creeping.over(CREEPING_COUNT, CREEPING_SHARE):
            self._hold(min(self.limit - 1, (1 - CREEP) * self.limit), now)
        elif self.limit > self.proven:
            self.looks += seen.above > 0
            if self.looks >= (UPDATES if self.settled else UPDATES_FIRST):
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
            self.looks = 0

    def _hold(self, limit: float, now: float) -> None:
        self.limit = self.proven = float(max(1, int(limit)))
        self.step = 1.0
        self.looks = 0
        self.patience = min(2 * self.patience, MOST_PATIENCE) if self.settled else PATIENCE
        self.settled = True
        self.not_before = now + self.patience
        self.sudden, self.creeping = DecayingCounts(), DecayingCounts()
