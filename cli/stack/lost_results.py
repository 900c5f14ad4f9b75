"""Brings back the results that an embedded Kafka broker has lost: it keeps its events in memory only."""

import asyncio
from collections.abc import Callable, Collection
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from contracts.clock import from_ms
from contracts.settings import LedgerSettings
from contracts.settings.redis import RedisAddress
from ledger.outbox.bulk import BulkRedelivery, Selection
from ledger.outbox.kept import KeptResults
from ledger.redis.connection import connect

#: UMPIRE_RESULTS_KEEP_SECONDS of a stack with an embedded broker, if it is not set: a day and some reserve.
EMBEDDED_KEEP_SECONDS = 93_600

#: Longest wait, in seconds, until the clients of the old broker have ended: they would only find out that it is gone.
_CLIENTS_SECONDS = 15.0

#: Seconds for a command of Redis, and until the next try after it did not answer.
_REDIS_SECONDS, _RETRY_SECONDS = 5.0, 2.0


class LostResults:
    def __init__(
        self,
        address: Callable[[], RedisAddress],
        settings: LedgerSettings,
        keep_seconds: int,
        say: Callable[[str], None],
    ) -> None:
        """`keep_seconds`: for how long the processes of the stack keep results."""
        self._address = address
        self._settings = settings
        self._keep_seconds = keep_seconds
        self._say = say
        self._task: asyncio.Task[None] | None = None

    def redeliver(self, *, restarted: bool, after: Collection["asyncio.Task[Any]"] = ()) -> None:
        """Say what a new broker lacks, and publish all kept results on it, in the background. `restarted`: it is the
        successor of one of this run. `after`: tasks that end the clients of the old one.
        """
        self.stop()
        if not self._keep_seconds:
            if restarted:
                self._say(
                    "kafka has lost all events, and no results are kept (UMPIRE_RESULTS_KEEP_SECONDS=0): results that "
                    "no consumer had read yet are lost"
                )
            return
        self._task = asyncio.create_task(self._redeliver(restarted, after))

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _redeliver(self, restarted: bool, after: Collection["asyncio.Task[Any]"]) -> None:
        address = self._address()
        redis = connect(address.url, timeout=_REDIS_SECONDS, tls=address.tls)
        try:
            selection = await self._until_redis_answers(lambda: self._announce(redis, restarted))
            if selection is None:
                return
            if after:
                await asyncio.wait(after, timeout=_CLIENTS_SECONDS)
            bulk = BulkRedelivery(KeptResults(redis, self._settings))
            await self._until_redis_answers(lambda: bulk.of_time(selection))
            self._say(f"{len(bulk.redelivered)} results were given to the new kafka again")
        finally:
            await redis.aclose()

    async def _announce(self, redis: Redis, restarted: bool) -> Selection | None:
        """Which results the broker lacks; None if there are none. What ends from now on is published on the new one."""
        seconds, _ = await redis.time()
        selection = Selection(since_ms=0, until_ms=(int(seconds) + 1) * 1000)
        rows = await KeptResults(redis, self._settings).page("-", str(selection.until_ms), 1)
        lost = (
            "kafka has lost all events that it had" if restarted else "kafka begins without the events of earlier runs"
        )
        if not rows:
            if restarted:
                self._say(f"{lost}; no results were kept before")
            return None
        oldest = from_ms(int(rows[0].entry_id.partition("-")[0]))
        self._say(
            f"{lost}: results that ended since {oldest:%Y-%m-%d %H:%M} UTC are kept, and are published on it again "
            "with the same event_id; consumers drop those that they had. Older results and lifecycle events may be "
            "missing"
        )
        return selection

    async def _until_redis_answers(self, work: Callable[[], Any]) -> Any:
        """Repeat `work` until Redis answers it."""
        failed = False
        while True:
            try:
                return await work()
            except (RedisError, OSError) as error:
                if not failed:
                    self._say(
                        f"results cannot be published on the new kafka yet, because Redis does not answer "
                        f"({type(error).__name__}); this is tried again (by hand: umpire redeliver --since 26h)"
                    )
                failed = True
                await asyncio.sleep(_RETRY_SECONDS)
