"""Logs how full the queue is every half minute, for operators who have logs but no metrics."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
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


@dataclass(eq=False)
class QueueSnapshots:
    """A duty of every worker and API process. The process that holds the maintenance lock reports the ledger. While
    Redis is unavailable no process holds it, and each API process reports the spool of its host.
    """

    stats: LedgerStats
    providers: Sequence[LLMProviderType]
    mode: Callable[[], Mode]
    observer: Observer
    spool: Spool | None = None

    async def watch(self) -> None:
        """Report every PERIOD_SECONDS. Never returns."""
        while True:
            await asyncio.sleep(PERIOD_SECONDS)
            await self.run_once()

    async def run_once(self) -> None:
        mode = self.mode()
        try:
            if mode == "redis":
                sizes, backlogs = await asyncio.gather(self.stats.sizes(), self.stats.backlogs(self.providers))
                queued = sum(backlog.queued + backlog.deferred for backlog in backlogs.values())
                size = sizes.unfinished + sizes.outbox
                self._report(mode, size, queued, sizes.usage, accepting=not sizes.full)
            elif mode == "spool" and self.spool is not None:
                spool = await self.spool.size()
                self._report(mode, spool.requests, spool.requests, spool.usage, accepting=not spool.refusing)
        except (RedisError, OSError, Unavailable) as error:
            self.observer(Note("queue_metrics_unread", fields={"error": type(error).__name__}))

    def _report(self, mode: str, size: int, queued: int, usage: float, *, accepting: bool) -> None:
        """`size`: entries that count towards the bounds. `queued`: requests that wait for a call."""
        fields = {"size": size, "queued": queued, "usage_percent": round(100 * usage, 1), "accepting": accepting}
        self.observer(Note("queue_metrics_snapshot", "info", {"mode": mode}, fields=fields))
