"""The sweep of `umpire tune`: runs level after level until a higher one cannot bring more."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from cli.supervise.supervisor import first_of
from cli.tune.call import TuneCaller
from cli.tune.level import LoadLevel, too_many
from cli.tune.round import Round, Rules
from contracts.errors import is_permanent

#: The sweep goes on while a level's rate is at least this many times the best before. Doubled calls could double it.
GROWTH = 1.1

#: Tries of the first call: even a healthy provider sometimes fails one.
FIRST_TRIES = 3

INTERRUPTED = "interrupted"


@dataclass
class Sweep:
    caller: TuneCaller
    rules: Rules
    #: Ends the sweep at once when it is set.
    stop: asyncio.Event
    levels: list[LoadLevel] = field(default_factory=list)
    #: Why the sweep ended before its last level; empty: it was complete.
    stopped: str = ""

    async def run(self, concurrencies: Sequence[int], on_level: Callable[[LoadLevel], None]) -> None:
        """Run the levels; `on_level` gets each result. Raises the UmpireError of a first call that fails for good."""
        usual = await self._first()
        for concurrency in concurrencies:
            self.stopped = await self._wait_for_provider()
            if self.stopped:
                return
            level_run = Round(self.caller, concurrency, self.rules, usual, self.stop)
            level = await level_run.run()
            best = max((one.rate for one in self.levels), default=None)
            if level.calls:
                self.levels.append(level)
                on_level(level)
            if level.latency:
                usual = level.latency.p50
            self.stopped = INTERRUPTED if self.stop.is_set() else level_run.over or self._why(level, best)
            if self.stopped:
                return

    async def _first(self) -> float:
        """A single call that checks provider and key and measures a call's tokens. Returns its seconds; 0: unknown."""
        for left in reversed(range(FIRST_TRIES)):
            task = asyncio.create_task(self.caller.call())
            await first_of(task, self.stop.wait())
            call = None if task.cancelled() else task.result()
            if call is None or call.refused:
                return 0.0  # the first level will show why
            if call.error is None:
                return call.seconds
            if not left or is_permanent(call.error):
                raise call.error
        return 0.0

    def _why(self, level: LoadLevel, best: float | None) -> str:
        at = f"at {level.concurrency} in flight"
        if too_many(level.refusals, 0, level.calls):
            return f"{100 * level.refusals / level.calls:.0f} % of the calls were refused {at}"
        if too_many(0, level.failed, level.calls):
            return f"{level.failed} of {level.calls} calls failed {at}"
        exhausted = self.caller.budget.exhausted
        if exhausted:
            return exhausted
        if best is not None and level.rate < GROWTH * best:
            return f"throughput no longer grows: {level.rate:.1f}/s {at}, {best:.1f}/s with fewer"
        return ""

    async def _wait_for_provider(self) -> str:
        """Wait for the end of a Retry-After. Returns why the sweep must end instead; empty: go on."""
        seconds = self.caller.resume - time.monotonic()
        if seconds > self.rules.longest_pause:
            return f"the provider asked for a pause of {seconds:.0f} s"
        if seconds > 0 and not self.stop.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self.stop.wait()
        return INTERRUPTED if self.stop.is_set() else ""
