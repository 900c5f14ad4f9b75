"""Group commit: all items submitted during one round trip share the next one."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from ledger.redis.timers import SharedTimer

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


#: Most bytes of all items in one round trip; a larger item is sent alone. Each is in memory several times while sent.
MOST_BYTES = 4_000_000


#: Seconds by which a round trip is delayed if the last one was shared and few items wait. A round trip costs the
#: process as much as two or three items, so many small ones instead of fewer would leave a busy process no reserve.
GATHER_SECONDS = 0.001


class GroupCommit(Generic[ItemT, ResultT]):
    """Batches items for `commit`, which returns one result for each item, in order, or raises for all of them.

    A single item is committed at once: the delay applies only if the previous batch had more than one item.
    """

    def __init__(
        self,
        commit: Callable[[Sequence[ItemT]], Awaitable[Sequence[ResultT]]],
        *,
        limit: int = 64,
        weigh: Callable[[ItemT], int] | None = None,
        gather: float = GATHER_SECONDS,
    ) -> None:
        """`limit`: most items in a batch. `weigh`: bytes of an item, if items may be large. `gather`: in seconds."""
        self._commit = commit
        self._limit = limit
        self._weigh = weigh
        self._gather = gather
        self._waiting: list[tuple[ItemT, asyncio.Future[ResultT]]] = []
        self._flusher: asyncio.Task[None] | None = None
        self._shared = False
        #: A batch is due: an item waits that was submitted without `within`, or whose `within` is over.
        self._hurry = False
        self._alarm: asyncio.TimerHandle | None = None
        self._deadlines = SharedTimer()

    async def submit(self, item: ItemT, *, within: float | None = None, deadline: float | None = None) -> ResultT:
        """Commit `item` and return its result. `within`: seconds that it may wait, unless a batch is sent before.

        Raises TimeoutError at `deadline` (time.monotonic); an item that was not sent by then is never sent.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[ResultT] = loop.create_future()
        self._waiting.append((item, future))
        if deadline is not None:
            self._deadlines.add(deadline, future)
        if within is None:
            self._go()
        elif self._alarm is None and not self._hurry:
            self._alarm = loop.call_later(within, self._go)
        return await future

    def _go(self) -> None:
        self._hurry = True
        if self._flusher is None:
            self._flusher = asyncio.create_task(self._flush())

    async def _flush(self) -> None:
        try:
            while self._hurry:
                if self._shared and len(self._waiting) < self._limit // 2:
                    await asyncio.sleep(self._gather)
                batch = self._take()
                if not batch:
                    return
                try:
                    results = await self._commit([item for item, _ in batch])
                except BaseException as error:
                    for _, future in batch:
                        if not future.done():
                            future.set_exception(error)
                    if not isinstance(error, Exception):
                        raise
                else:
                    _answer(batch, results)
        finally:
            self._flusher = None

    def _take(self) -> list[tuple[ItemT, asyncio.Future[ResultT]]]:
        """The items of the next round trip; empty if none is waiting any more."""
        # Items whose caller has stopped waiting are dropped: the caller believes that they were not committed.
        self._waiting = [entry for entry in self._waiting if not entry[1].done()]
        count = self._fitting()
        batch, self._waiting = self._waiting[:count], self._waiting[count:]
        self._hurry = bool(self._waiting)
        if self._alarm is not None and not self._waiting:
            self._alarm.cancel()
            self._alarm = None
        self._shared = count > 1
        return batch

    def _fitting(self) -> int:
        """How many of the waiting items fit into one round trip: at least one."""
        first = self._waiting[: self._limit]
        if self._weigh is None:
            return len(first)
        left = MOST_BYTES
        for count, (item, _) in enumerate(first):
            left -= self._weigh(item)
            if left < 0 and count:
                return count
        return len(first)


def _answer(batch: Sequence[tuple[ItemT, asyncio.Future[ResultT]]], results: Sequence[ResultT]) -> None:
    for (_, future), result in zip(batch, results, strict=True):
        if not future.done():
            future.set_result(result)
