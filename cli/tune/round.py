"""Runs one level of `umpire tune`: a number of slots, each of which calls again as soon as its call has ended."""

import asyncio
import math
import time
from dataclasses import dataclass

from cli.supervise.supervisor import first_of
from cli.tune.call import TuneCaller
from cli.tune.level import CallResult, LoadLevel, measured, too_many
from contracts.errors import AnswerError, UmpireError, is_permanent

#: Within a level these shares are checked from this many calls on, or from as many as are in flight.
ENOUGH_CALLS = 20

#: The window waits for the slots' first calls, but not longer than this many times the usual duration of a call.
FIRSTS_USUAL = 5.0

#: Seconds between two measurements of the event loop's delay.
TICK_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of a level; all in seconds except `calls`."""

    #: Length of a level's window.
    seconds: float
    #: Calls that may start in it; None: as many as fit.
    calls: int | None
    #: Longest Retry-After that the sweep waits for.
    longest_pause: float
    #: Pause of a slot after its call was refused without a Retry-After.
    pause: float


class Round:
    """One level. Its window opens when each slot's first call has ended: first calls do not wait for others yet."""

    def __init__(self, caller: TuneCaller, concurrency: int, rules: Rules, usual: float, stop: asyncio.Event) -> None:
        """`usual`: seconds of a call. The slots' starts are spread over it, so that calls do not come in waves."""
        self._caller = caller
        self._concurrency = concurrency
        self._rules = rules
        self._usual = usual
        self._spread = min(usual, rules.seconds)
        self._stop = stop
        self._calls: list[CallResult] = []
        self._started = 0
        self._refused = 0
        self._failed = 0
        self._firsts = 0
        self._begin = 0.0
        self._open = self._close = math.inf
        self._late: list[float] = []
        self._cut = False
        self.over = ""
        """Why no further level makes sense; empty: there is no such reason."""

    async def run(self) -> LoadLevel:
        self._begin, used = time.monotonic(), time.process_time()
        await first_of(self._run_slots(), self._stop.wait(), self._watch())
        if self._stop.is_set():
            self._end()
        late = sum(self._late) / len(self._late) if self._late else 0.0
        used = time.process_time() - used
        return measured(self._concurrency, self._calls, self._window(), late=late, cut=self._cut, cpu=used)

    async def _run_slots(self) -> None:
        starts = (self._begin + self._spread * number / self._concurrency for number in range(self._concurrency))
        await asyncio.gather(*map(self._slot, starts))

    async def _watch(self) -> None:
        """Measure how late sleeps end: on a machine that is not overloaded, far less than a millisecond."""
        while True:
            due = time.monotonic() + TICK_SECONDS
            await asyncio.sleep(TICK_SECONDS)
            self._late.append(time.monotonic() - due)

    def _window(self) -> tuple[float, float]:
        """Begin and end of the window; if it never opened, the whole time of the level."""
        if self._close > self._open:
            return self._open, self._close
        return self._begin, max((call.ended for call in self._calls), default=self._begin)

    async def _slot(self, start: float) -> None:
        await self._sleep_until(start)
        is_first = True
        while self._may_start():
            await self._sleep_until(self._caller.resume)
            if not self._may_start():
                return
            self._started += self._open < math.inf
            call = await self._caller.call()
            if call is None:
                self._end(self._caller.budget.exhausted or "")
                return
            self._calls.append(call)
            self._firsts += is_first
            is_first = False
            self._open_window(call.ended)
            if call.error is not None:
                await self._after_error(call.error, refused=call.refused)

    def _open_window(self, now: float) -> None:
        """Open the window if all first calls have ended, or if it has waited for them too long."""
        late = now > self._begin + self._spread + FIRSTS_USUAL * self._usual
        if self._open == math.inf and (self._firsts == self._concurrency or late):
            self._open = now
            self._close = min(self._close, now + self._rules.seconds)

    def _may_start(self) -> bool:
        now = time.monotonic()
        if max(now, self._caller.resume) >= self._close:
            # No call starts any more, so idle time from now on must not count against the provider.
            self._close = min(self._close, now)
            return False
        if self._rules.calls is not None and self._started >= self._rules.calls:
            self._close = min(self._close, now)
            return False
        return not self._cut

    async def _after_error(self, error: UmpireError, *, refused: bool) -> None:
        self._refused += refused
        self._failed += not refused
        if is_permanent(error) and not isinstance(error, AnswerError):
            self._end(f"{error.message} ({error.code.value})")
        elif error.retry_after is not None and error.retry_after > self._rules.longest_pause:
            self._end(f"the provider asked for a pause of {error.retry_after:.0f} s")
        elif len(self._calls) >= max(ENOUGH_CALLS, self._concurrency) and too_many(
            self._refused, self._failed, len(self._calls)
        ):
            self._end()
        elif refused and not error.retry_after:
            await self._sleep_until(min(time.monotonic() + self._rules.pause, self._close))

    def _end(self, over: str = "") -> None:
        """Start no further call."""
        self._close = min(self._close, time.monotonic())
        self._cut = True
        self.over = self.over or over

    async def _sleep_until(self, moment: float) -> None:
        await asyncio.sleep(max(0.0, min(moment, self._close) - time.monotonic()))
