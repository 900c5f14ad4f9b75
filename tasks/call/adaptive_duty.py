"""A worker process' duty for the shared adaptive limits: report what its calls met, and apply the share it gets."""

import asyncio
import math
import time

from redis.exceptions import RedisError

from contracts.enums import LLMProviderType
from guard.adaptive.controller import Process
from guard.adaptive.exchange import REPORT_SECONDS, LimitExchange, LimitUpdate, ProcessReport
from tasks.call.permit_queue import SharedPermits
from telemetry.observer import Note, Observer
from telemetry.outage import Outage

#: Log lines at level info about lowered limits are at least this far apart, in seconds; the metric counts all.
QUIET_SECONDS = 10.0


class AdaptiveDuty:
    def __init__(
        self, board: LimitExchange, permits: SharedPermits, provider: LLMProviderType, slots: int, observer: Observer
    ) -> None:
        self._board = board
        self._permits = permits
        self._labels = {"provider": provider.value}
        self._slots = slots
        self._observer = observer
        self._reported = time.monotonic()
        self._told: tuple[float, float] | None = None
        self._spoke = -math.inf
        self._outage = Outage()

    async def watch(self) -> None:
        """Run for ever. While Redis is unavailable, the process keeps its last share."""
        while True:
            await self.look()
            await asyncio.sleep(REPORT_SECONDS)

    async def look(self) -> None:
        now = time.monotonic()
        tally, said = self._permits.report(max(now - self._reported, 0.001))
        self._reported = now
        process = Process(self._slots, self._permits.limit, self._permits.wants)
        try:
            word = await self._board.report(ProcessReport(process, tally, said))
        except (RedisError, OSError) as error:
            if self._outage.failed():
                self._observer(
                    Note("adaptive.unshared", "warning", self._labels, fields={"error": type(error).__name__})
                )
            return
        self._outage.succeeded()
        self._permits.follow(word.allocation)
        self._tell(word)

    async def leave(self) -> None:
        """Free this process' share for the others at once. Raises RedisError or OSError if Redis is unavailable."""
        await self._board.leave()

    def _tell(self, word: LimitUpdate) -> None:
        limit = word.control.concurrency.limit
        rate = math.inf if word.control.rate is None else word.control.rate
        if self._told != (limit, rate):
            self._told = limit, rate
            self._observer(Note("adaptive.concurrency", labels=self._labels, value=limit))
            self._observer(Note("adaptive.rate", labels=self._labels, value=rate))
        before = word.before
        if before is None or (limit >= before.concurrency.limit and rate >= (before.rate or math.inf)):
            return
        now = time.monotonic()
        spoken = now < self._spoke + QUIET_SECONDS
        self._spoke = self._spoke if spoken else now
        fields = {"concurrency": limit, "starts_a_second": None if rate == math.inf else round(rate, 2)}
        self._observer(Note("adaptive.lowered", "debug" if spoken else "info", self._labels, fields=fields))
