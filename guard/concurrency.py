"""How many calls a provider bears in flight, found by asking for more and being sent away. Pure.

Slow start (RFC 5681) by time: the limit doubles with every look until calls are sent away. Then it falls to what was in
flight and borne just then, which the processes tell (guard/turnstile.py): a provider with a limit of its own sends away
just what is too much. From there one more is asked for, now and then, and twice as many more each time that they are
borne; a level that is refused again and again is asked for ever more rarely (after CUBIC's plateau, RFC 9438).

What tells a limit from refusals at random is where they fall. Above a limit all are refused; at random, few are. So a
refusal counts at once if it came at a level that was not borne before, and only with many others if it was.
"""

from collections.abc import Sequence

from pydantic import BaseModel

from guard.turnstile import FIRST, Tally

#: Share of the calls above what was borne whose refusal ends an attempt to go there.
REFUSED = 0.1

#: Looks for which a higher level must be borne before it is taken as such: the first time up, and afterwards.
LOOKS_FIRST, LOOKS = 1, 2

#: Waits between attempts to go higher, in seconds: after the first refusal, and at most.
PATIENCE, MOST_PATIENCE = 2.0, 20.0

#: So much of an attempt that was refused is made up for by each call, and there is no other before it is: attempts cost
#: about this share of the calls, however slow the provider.
BUDGET = 0.008

#: A level that was borne before is refused: so many refusals, and such a share of the calls of about so many seconds.
SUDDEN_COUNT, SUDDEN_SHARE, SUDDEN_SECONDS = 3, 0.05, 2.0

#: … or slowly: the limit lies within what comes and goes while calls are on their way.
CREEPING_COUNT, CREEPING_SHARE, CREEPING_SECONDS = 5, 0.0175, 15.0

#: And then it goes down by this share.
CREEP = 0.03


class Fading(BaseModel):
    """Starts and refusals of late; what is older counts less."""

    starts: float = 0.0
    refused: float = 0.0

    def add(self, starts: int, refused: int, seconds: float, memory: float) -> None:
        kept = max(0.0, 1 - seconds / memory)
        self.starts = kept * self.starts + starts
        self.refused = kept * self.refused + refused

    def over(self, count: float, share: float) -> bool:
        return self.refused >= count + share * self.starts


class Concurrency(BaseModel):
    """The limit of all processes together, as it is kept in Redis. Times are Redis', in seconds."""

    limit: float = 0.0
    proven: float = 0.0
    """What was borne."""
    step: float = 0.0
    looks: int = 0
    settled: bool = False
    """Calls were sent away before: slow start is over."""
    patience: float = PATIENCE
    not_before: float = 0.0
    debt: float = 0.0
    sudden: Fading = Fading()
    creeping: Fading = Fading()

    def look(
        self, seen: Tally, local: int, ceilings: Sequence[int], now: float, seconds: float, *, paced: bool
    ) -> bool:
        """One look at what happened in those seconds.

        `local`: the sum of what the processes hold themselves to; `ceilings`: how many calls each could make at most.

        `paced`: the rate of starts is limited, and what is refused below is refused for that. Returns whether what was
        borne before is no longer.
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
            if self.looks >= (LOOKS if self.settled else LOOKS_FIRST):
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
        self.sudden, self.creeping = Fading(), Fading()
