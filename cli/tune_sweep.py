"""The sweep of `umpire tune`: level after level, until one more makes no sense."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any

from cli.tune_call import Called, Caller
from cli.tune_level import Level
from cli.tune_round import Round, Rules, too_many
from contracts.errors import is_permanent
from ledger.cancel import cancel

#: A level must bring so much more than the best one before it. Twice as many calls could bring twice as much.
GROWTH = 1.1

#: A healthy provider fails a call now and then; the first one must not decide alone.
FIRST_TRIES = 3

INTERRUPTED = "interrupted"


class Sweep:
    def __init__(self, caller: Caller, rules: Rules, stop: asyncio.Event) -> None:
        """`stop`, once set, ends it at once."""
        self._caller = caller
        self._rules = rules
        self._stop = stop
        self.levels: list[Level] = []
        self.stopped = ""
        """Why it ended before the last level; empty: it did not."""

    async def run(self, concurrencies: Sequence[int], tell: Callable[[Level], None]) -> None:
        """Raises the UmpireError of a first call that shows that there is no point in more of them."""
        usual = await self._first()
        for concurrency in concurrencies:
            self.stopped = await self._patience()
            if self.stopped:
                return
            lap = Round(self._caller, concurrency, self._rules, usual, self._stop)
            level = await lap.run()
            best = max((one.rate for one in self.levels), default=None)
            if level.calls:
                self.levels.append(level)
                tell(level)
            if level.latency:
                usual = level.latency.p50
            self.stopped = INTERRUPTED if self._stop.is_set() else lap.over or self._why(level, best)
            if self.stopped:
                return

    async def _first(self) -> float:
        """A call by itself: is the provider there, is the key right, what does a call use? Returns its seconds."""
        for left in reversed(range(FIRST_TRIES)):
            called = await self._unless_stopped(self._caller.call())
            if called is None or called.ended.refused:
                return 0.0  # the first level tells
            if called.error is None:
                return called.ended.seconds
            if not left or is_permanent(called.error):
                raise called.error
        return 0.0

    def _why(self, level: Level, best: float | None) -> str:
        at = f"at {level.concurrency} in flight"
        if too_many(level.refusals, 0, level.calls):
            return f"{100 * level.refused_share:.0f} % of the calls were refused {at}"
        if too_many(0, level.failed, level.calls):
            return f"{level.failed} of {level.calls} calls failed {at}"
        exhausted = self._caller.budget.exhausted
        if exhausted:
            return exhausted
        if best is not None and level.rate < GROWTH * best:
            return f"throughput no longer grows: {level.rate:.1f}/s {at}, {best:.1f}/s with fewer"
        return ""

    async def _unless_stopped(self, call: Coroutine[Any, Any, Called | None]) -> Called | None:
        task, stopped = asyncio.create_task(call), asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait([task, stopped], return_when=asyncio.FIRST_COMPLETED)
            return task.result() if task.done() else None
        finally:
            await cancel(task, stopped)

    async def _patience(self) -> str:
        """Wait for the end of a Retry-After. Returns why there is no point in it; empty: go on."""
        seconds = self._caller.resume - time.monotonic()
        if seconds > self._rules.patience:
            return f"the provider asked to be left alone for {seconds:.0f} s"
        if seconds > 0 and not self._stop.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._stop.wait()
        return INTERRUPTED if self._stop.is_set() else ""
