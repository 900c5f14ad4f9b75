"""Redelivers many kept results at a steady rate: those of a time, or those that are named."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ledger.outbox.kept import BATCH, FULL, KeptResults, KeptRow

#: Results redelivered a second: they share Redis and Kafka with the first deliveries.
RATE = 500

#: Seconds until the next try while too many results wait for Kafka.
_FULL_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Selection:
    """Which kept results. None: any topic, any owner."""

    since_ms: int
    until_ms: int
    topic: str | None = None
    owner: str | None = None
    """Id of an API key."""

    def takes(self, row: KeptRow) -> bool:
        return self.topic in {None, row.topic} and self.owner in {None, row.owner}


@dataclass
class BulkRedelivery:
    """One run. Its counts are up to date at any moment, also when the run is cancelled."""

    results: KeptResults
    dry_run: bool = False
    rate: float = RATE
    #: Called after each step.
    progress: Callable[["BulkRedelivery"], None] = lambda _: None
    redelivered: list[str] = field(default_factory=list)
    """Queue ids that were redelivered; with `dry_run`, those that would be."""
    missing: list[str] = field(default_factory=list)
    """Queue ids whose result is not kept (any more), or cannot be read by this version."""
    topics: Counter[str] = field(default_factory=Counter)
    """Redelivered results by topic; only of `of_time`."""
    after: str | None = None
    """The last row of the list of kept results that is done: where to continue a run that was stopped."""
    waits_for_kafka: bool = False

    async def of_time(self, selection: Selection) -> None:
        """Redeliver the selected results, the oldest first. Raises RedisError or OSError; a further call continues."""
        while True:
            start = self.after or str(selection.since_ms)
            rows = await self.results.page(start, str(selection.until_ms), BATCH)
            if not rows:
                return
            chosen = [row for row in rows if row.topic is not None and selection.takes(row)]
            self.missing += [row.queue_id for row in rows if row.topic is None]
            await self._redeliver([row.queue_id for row in chosen])
            self.topics.update(row.topic for row in chosen if row.topic is not None)
            self.after = rows[-1].entry_id

    async def of_ids(self, queue_ids: Sequence[str]) -> None:
        """Redeliver these. Raises RedisError or OSError."""
        for start in range(0, len(queue_ids), BATCH):
            await self._redeliver(queue_ids[start : start + BATCH])

    async def _redeliver(self, queue_ids: Sequence[str]) -> None:
        left, began = list(queue_ids), time.monotonic()
        while left:
            done = await self.results.redeliver(left, dry_run=self.dry_run)
            full = [queue_id for queue_id, one in zip(left, done, strict=True) if one.number == FULL]
            for queue_id, one in zip(left, done, strict=True):
                if one.number > 0:
                    self.redelivered.append(queue_id)
                elif one.number != FULL:
                    self.missing.append(queue_id)
            self.waits_for_kafka = bool(full)
            self.progress(self)
            if full:
                await asyncio.sleep(_FULL_SECONDS)
            left = full
        if not self.dry_run:
            await asyncio.sleep(max(0.0, began + len(queue_ids) / self.rate - time.monotonic()))
