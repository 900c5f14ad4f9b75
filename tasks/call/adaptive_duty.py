"""A worker process' duty for the shared adaptive limits: report how its calls went, and apply the share it gets."""

import asyncio
import math
import time
from dataclasses import dataclass

from redis.exceptions import RedisError

from contracts.enums import LLMProviderType
from guard.adaptive.controller import Process
from guard.adaptive.exchange import REPORT_SECONDS, LimitExchange, LimitUpdate
from tasks.call.permit_queue import SharedPermits
from telemetry.observer import Note, Observer
from telemetry.outage import Outage

#: Log lines at level info about lowered limits are at least this far apart, in seconds; the metric counts all.
QUIET_SECONDS = 10.0


@dataclass(eq=False)
class AdaptiveDuty:
    exchange: LimitExchange
    permits: SharedPermits
    provider: LLMProviderType
    slots: int
    observer: Observer

    def __post_init__(self) -> None:
        self._labels = {"provider": self.provider.value}
        self._reported = time.monotonic()
        self._announced: tuple[float, float] | None = None
        self._logged_at = -math.inf
        self._outage = Outage()

    async def watch(self) -> None:
        """Run for ever. While Redis is unavailable, the process keeps its last share."""
        while True:
            await self.run_once()
            await asyncio.sleep(REPORT_SECONDS)

    async def run_once(self) -> None:
        now = time.monotonic()
        counts, headers = self.permits.report(max(now - self._reported, 0.001))
        self._reported = now
        process = Process(self.slots, self.permits.limit, self.permits.wants)
        try:
            update = await self.exchange.report(process, counts, headers)
        except (RedisError, OSError) as error:
            if self._outage.failed():
                fields = {"error": type(error).__name__}
                self.observer(Note("adaptive.unshared", "warning", self._labels, fields=fields))
            return
        self._outage.succeeded()
        self.permits.follow(update.allocation)
        self._note_changes(update)

    def _note_changes(self, update: LimitUpdate) -> None:
        limit = update.control.concurrency.limit
        rate = math.inf if update.control.rate is None else update.control.rate
        if self._announced != (limit, rate):
            self._announced = limit, rate
            self.observer(Note("adaptive.concurrency", labels=self._labels, value=limit))
            self.observer(Note("adaptive.rate", labels=self._labels, value=rate))
        before = update.before
        if before is None or (limit >= before.concurrency.limit and rate >= (before.rate or math.inf)):
            return
        now = time.monotonic()
        recently = now < self._logged_at + QUIET_SECONDS
        self._logged_at = self._logged_at if recently else now
        fields = {"concurrency": limit, "starts_a_second": None if rate == math.inf else round(rate, 2)}
        self.observer(Note("adaptive.lowered", "debug" if recently else "info", self._labels, fields=fields))
