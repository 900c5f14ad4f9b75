"""A worker process' duty for the shared adaptive limits: report how its calls went, and apply the share it gets."""

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
        self, exchange: LimitExchange, permits: SharedPermits, provider: LLMProviderType, slots: int, observer: Observer
    ) -> None:
        self._exchange = exchange
        self._permits = permits
        self._labels = {"provider": provider.value}
        self._slots = slots
        self._observer = observer
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
        counts, headers = self._permits.report(max(now - self._reported, 0.001))
        self._reported = now
        process = Process(self._slots, self._permits.limit, self._permits.wants)
        try:
            update = await self._exchange.report(ProcessReport(process, counts, headers))
        except (RedisError, OSError) as error:
            if self._outage.failed():
                self._observer(
                    Note("adaptive.unshared", "warning", self._labels, fields={"error": type(error).__name__})
                )
            return
        self._outage.succeeded()
        self._permits.follow(update.allocation)
        self._note_changes(update)

    async def leave(self) -> None:
        """Free this process' share for the others at once. Raises RedisError or OSError if Redis is unavailable."""
        await self._exchange.leave()

    def _note_changes(self, update: LimitUpdate) -> None:
        limit = update.control.concurrency.limit
        rate = math.inf if update.control.rate is None else update.control.rate
        if self._announced != (limit, rate):
            self._announced = limit, rate
            self._observer(Note("adaptive.concurrency", labels=self._labels, value=limit))
            self._observer(Note("adaptive.rate", labels=self._labels, value=rate))
        before = update.before
        if before is None or (limit >= before.concurrency.limit and rate >= (before.rate or math.inf)):
            return
        now = time.monotonic()
        recently = now < self._logged_at + QUIET_SECONDS
        self._logged_at = self._logged_at if recently else now
        fields = {"concurrency": limit, "starts_a_second": None if rate == math.inf else round(rate, 2)}
        self._observer(Note("adaptive.lowered", "debug" if recently else "info", self._labels, fields=fields))
