"""Logs how full the queue is every half minute, for operators who have logs but no metrics."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal

from redis.exceptions import RedisError

from contracts.enums import LLMProviderType
from contracts.errors import Unavailable
from ledger.spool import Spool
from ledger.stats import LedgerStats
from telemetry.observer import Note, Observer

PERIOD_SECONDS = 30.0

#: The store to report, which takes requests now; None: another process reports it.
Mode = Literal["redis", "spool"] | None


class QueueSnapshots:
    """A duty of every worker and API process. The process that holds the maintenance lock reports the ledger. While
    Redis is unavailable no process holds it, and each API process reports the spool of its host.
    """

    def __init__(
        self,
        stats: LedgerStats,
        providers: Sequence[LLMProviderType],
        *,
        mode: Callable[[], Mode],
        observer: Observer,
        spool: Spool | None = None,
        period: float = PERIOD_SECONDS,
    ) -> None:
        self._stats = stats
        self._providers = providers
        self._mode = mode
        self._observer = observer
        self._spool = spool
        self._period = period

    async def watch(self) -> None:
        """Report every `period` seconds. Never returns."""
        while True:
            await asyncio.sleep(self._period)
            await self.run_once()

    async def run_once(self) -> None:
        reports: dict[Mode, Callable[[], Awaitable[None]]] = {"redis": self._report_ledger, "spool": self._report_spool}
        if (report := reports.get(self._mode())) is not None:
            try:
                await report()
            except (RedisError, OSError, Unavailable) as error:
                self._observer(Note("queue_metrics_unread", fields={"error": type(error).__name__}))

    async def _report_ledger(self) -> None:
        sizes, backlogs = await asyncio.gather(self._stats.sizes(), self._stats.backlogs(self._providers))
        queued = sum(backlog.queued + backlog.deferred for backlog in backlogs.values())
        size = sizes.unfinished + sizes.outbox
        self._report("redis", size, queued, sizes.usage, accepting=not sizes.full)

    async def _report_spool(self) -> None:
        if self._spool is not None:
            size = await self._spool.size()
            self._report("spool", size.requests, size.requests, size.usage, accepting=not size.refusing)

    def _report(self, mode: str, size: int, queued: int, usage: float, *, accepting: bool) -> None:
        """`size`: entries that count towards the bounds. `queued`: requests that wait for a call."""
        fields = {"size": size, "queued": queued, "usage_percent": round(100 * usage, 1), "accepting": accepting}
        self._observer(Note("queue_metrics_snapshot", "info", {"mode": mode}, fields=fields))
